"""Real images to compare samples with: their features are computed once, then any number of samples are measured.

**Floor.** Real images that the reference does not hold have a distance to it as well, because both are finite samples.
This *floor* is measured for the same number of images and the same reference, and stands beside each value.  For it
the training images are divided at random: one half is the reference, the other gives the floor. (Test images are not
always exchangeable with training images: those of mnist5k are the last 100 of each class.  So their distance is a
second floor.) A value *below* the floor is not a triumph but an alarm: copies of training images are nearer to them
than new images are.
"""

import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Dataset
from .class_shares import class_shares, lost_classes, total_variation
from .distortions import round_to_levels
from .fid import fid_terms
from .inception_score import inception_score
from .judge import Judges
from .kid import kernel_mean, kid
from .memorization import Copies, CopySearch
from .nearest_neighbor_test import nearest_neighbor_test
from .neighbors import kth_distances
from .precision_recall import Coverage, K, expected_coverage, precision_recall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["DISTANCES", "MEASURES", "Measured", "Reference"]

MOST = 2000  # images in a reference: more cost time and change no order
EXPECTED = 10  # images that a class should have among the samples; a perfect model has none with probability e^-10


MEASURES: dict[str, tuple[str, str]] = {
    "fid": ("FID", "lower"),
    "fid_percent": ("FID, % of the variance", "lower"),
    "kid": ("KID", "lower"),
    "inception_score": ("inception score", "higher"),
    "precision": ("precision", "higher"),
    "recall": ("recall", "higher"),
    "density": ("density", "higher"),
    "coverage": ("coverage", "higher"),
    "class_tv": ("classes, total variation", "lower"),
    "nn_accuracy": ("1-NN accuracy", "near 0.5"),
    "copies": ("near copies, pixels", "at most 0.01"),
    "copies_alone": ("copies by ratio, pixels", "at most 0.01"),
    "copies_features": ("near copies, features", "at most 0.01"),
}
"""Every measure by its name in the records: what a reader calls it, and which value is better."""

DISTANCES = ("fid", "kid", "class_tv", "nn_accuracy")
"""Measures for which a value far below the floor is an alarm."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What one set of samples measures.

    Parameters
    ----------
    values : dict of str to float
        By the names of `MEASURES`; NaN where a measure has no meaning.
    coverage : Coverage
        Which samples are inside the data, and which real images are covered.
    classes : ndarray of int (N,) or None
        How the reader reads the samples; None for judges without classes.
    copies : Copies
        In pixels.
    features : ndarray (N, 64)
        Of the looker.
    warnings : list of str
    """

    values: dict[str, float]
    coverage: Coverage
    classes: "NDArray[np.int64] | None"
    copies: Copies
    features: "NDArray[np.float64]"
    warnings: list[str] = field(default_factory=list)


class Reference:
    """Real images, and judges that compare samples with them.

    Parameters
    ----------
    judges : Judges
    train, test : Dataset
        What the model learned from, and new images.  Copies are searched in all of `train`.
    against : {"train", "test"}
        Which images samples are compared with: a random half of `train` (2,000 at most), or `test`.

    Raises
    ------
    ValueError
        If the judges do not fit the data, or there are too few images.

    Examples
    --------
    >>> import minigen as mg
    >>> from minigen.metrics import random_judges
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> reference = Reference(random_judges((1, 8, 8)), train, test)
    >>> found = reference.measure(test.images)
    >>> found.values["precision"] > 0.8, abs(found.values["kid"]) < 0.1
    (True, True)
    """

    judges: Judges
    train: Dataset
    test: Dataset
    against: str

    real: Dataset
    """The images that samples are compared with."""

    held_out: Dataset
    """Real images that the reference does not hold."""

    def __init__(self, judges: Judges, train: Dataset, test: Dataset, against: str = "train"):
        if against not in ("train", "test"):
            raise ValueError(f"Reference: against must be train or test, got {against!r}")
        for dataset in (train, test):
            reason = judges.why_not(dataset)
            if reason:
                raise ValueError(f"judge: these judges do not fit {dataset.name}: {reason}; use --judge train")
        self.judges, self.train, self.test, self.against = judges, train, test, against
        if against == "train":
            chosen, rest = _halves(train)
            self.real, self.held_out = train.subset(chosen), train.subset(rest)
        else:
            self.real, self.held_out = test, train
        if len(self.real) <= K:
            half = " (half of the training images)" if against == "train" else ""
            raise ValueError(f"Reference: expected more than {K} real images, got {len(self.real)}{half}")
        self.features: NDArray[np.float64] = judges.looker.features(self.real.images)
        self.radii: NDArray[np.float64] = kth_distances(self.features, K)
        self.kernel_mean: float = kernel_mean(self.features)
        self.variance: float = float(self.features.var(0, ddof=1).sum())
        self.classes: NDArray[np.int64] | None = None if judges.weak else judges.reader.predict(self.real.images)
        self.shares: NDArray[np.float64] | None = None
        if self.classes is not None:
            self.shares = class_shares(self.classes, len(judges.classes))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the real images, in hexadecimal."""
        return hashlib.sha256(np.ascontiguousarray(self.real.images).tobytes()).hexdigest()

    @cached_property
    def _pixels(self) -> CopySearch:
        return CopySearch(self.train.images, self.test.images)

    @cached_property
    def _feature_copies(self) -> CopySearch:
        looker = self.judges.looker
        return CopySearch(looker.features(self.train.images), looker.features(self.test.images))

    def measure(self, images: Any, copies: bool = True) -> Measured:
        """Measure samples.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1], more than 5; rounded to 256 levels first, as a file would.
        copies : bool
            Whether to search for copies of training images too; for real training images this has no meaning.

        Returns
        -------
        Measured

        Raises
        ------
        ValueError
            If the judges cannot read the images, or there are too few.
        """
        images = round_to_levels(self.judges.looker.check_images(images))
        features = self.judges.looker.features(images)
        n, warnings = len(images), []
        values = dict.fromkeys(MEASURES, math.nan)
        if min(n, len(self.features)) > features.shape[1]:
            values["fid"] = sum(fid_terms(self.features, features))
            values["fid_percent"] = 100 * values["fid"] / self.variance
        else:
            least = f"{n} samples" if n <= len(self.features) else f"{len(self.features)} real images"
            warnings.append(f"no FID: {least} for {features.shape[1]} features; KID has no bias")
        values["kid"] = kid(self.features, features, self.kernel_mean)
        found = precision_recall(self.features, features, radii=self.radii)
        values |= {name: getattr(found, name) for name in ("precision", "recall", "density", "coverage")}
        if found.degenerate:
            values["recall"] = math.nan
            warnings.append(f"degenerate: most samples are there more than {K} times; recall has no meaning")
        classes = None
        if self.shares is not None:
            probabilities = self.judges.reader.probabilities(images)
            classes = probabilities.argmax(1)
            values["inception_score"] = inception_score(probabilities)
            values["class_tv"] = total_variation(class_shares(classes, len(self.shares)), self.shares)
        pairs = min(n, len(self.features))
        both = (one[np.linspace(0, len(one) - 1, pairs).round().astype(int)] for one in (self.features, features))
        values["nn_accuracy"] = nearest_neighbor_test(*both).accuracy
        near = Copies(math.nan, math.nan, np.full(n, math.nan), np.zeros(n, np.int64))
        if copies:
            near = self._pixels(images)
            values |= {"copies": near.near, "copies_alone": near.alone}
            values["copies_features"] = self._feature_copies(features).near
        return Measured(values, found, classes, near, features, warnings)

    def floor_draws(self, n: int, draws: int, seed: int = 0) -> "Iterator[NDArray[Any]]":
        """Yield sets of real images that the reference does not hold, `n` each or as many as there are."""
        for i in range(draws):
            order = np.random.default_rng([seed, i, 1]).permutation(len(self.held_out))[:n]
            yield self.held_out.images[order]

    @property
    def floor_size(self) -> int:
        """How many real images there are that the reference does not hold."""
        return len(self.held_out)

    def expected_coverage(self, n: int) -> float:
        """Compute the coverage that a perfect model has with `n` samples; see `minigen.metrics.expected_coverage`."""
        return expected_coverage(len(self.real), n)

    def lost(self, classes: "NDArray[np.int64]") -> tuple[list[str], bool]:
        """Name the classes with less than a tenth of their share, and say whether they are three or more.

        Of too few samples, see `enough_for_classes`, none is named: a class may be missing there by chance.
        """
        if self.shares is None or not self.enough_for_classes(len(classes)):
            return [], False
        lost, failed = lost_classes(class_shares(classes, len(self.shares)), self.shares)
        return [self.judges.classes[c] for c in lost], failed

    def enough_for_classes(self, n: int) -> bool:
        """Whether `n` samples should have at least 10 images of each class."""
        return self.shares is None or n * self.shares[self.shares > 0].min() >= EXPECTED


def _halves(dataset: Dataset) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Divide a data set at random into two halves with the same share of each class; the first has 2,000 at most."""
    # The order is a constant and not a seed of the user's: all numbers have the same reference.
    order = np.random.default_rng(0).permutation(len(dataset))
    if dataset.labels is not None:
        order = order[np.argsort(dataset.labels[order], kind="stable")]
    places = np.linspace(0, len(order), min(len(order) // 2, MOST), endpoint=False).astype(int)
    return np.sort(order[places]), np.sort(np.delete(order, places))
