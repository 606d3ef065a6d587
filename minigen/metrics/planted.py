"""Known failures, planted in real images: which measure sees which, and which is blind.

Each function takes real images and returns a set of samples that a failing model could make.  `planted_table` measures
them all.  ``python lessons/reference/make_metrics.py --planted`` makes the table of `lessons/reference/metrics.md`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Dataset
from .distortions import add_noise, blur, round_to_levels, shift
from .memorization import CopySearch
from .reference import Reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FAILURES", "plant", "planted_floor", "planted_table"]

Failure = Callable[[Dataset, Dataset, int, np.random.Generator], "NDArray[np.float32]"]


def _draw(images: "NDArray[Any]", n: int, random: np.random.Generator) -> "NDArray[Any]":
    return images[random.choice(len(images), n, replace=n > len(images))]


def _missing(new: Dataset, train: Dataset, n: int, random: np.random.Generator) -> "NDArray[np.float32]":
    assert new.labels is not None
    return _draw(new.images[~np.isin(new.labels, (3, 5, 8))], n, random)


def _half_ones(new: Dataset, train: Dataset, n: int, random: np.random.Generator) -> "NDArray[np.float32]":
    assert new.labels is not None
    ones, rest = new.images[new.labels == 1], new.images[new.labels != 1]
    return np.concatenate([_draw(ones, n // 2, random), _draw(rest, n - n // 2, random)])


def _repeated(new: Dataset, train: Dataset, n: int, random: np.random.Generator) -> "NDArray[np.float32]":
    return np.resize(_draw(new.images, max(n // 20, 1), random), (n, *new.shape))


def _train_copies(new: Dataset, train: Dataset, n: int, random: np.random.Generator) -> "NDArray[np.float32]":
    return _draw(train.images, n, random)


def _some_copies(new: Dataset, train: Dataset, n: int, random: np.random.Generator) -> "NDArray[np.float32]":
    copied = n // 50
    return np.concatenate([_draw(train.images, copied, random), _draw(new.images, n - copied, random)])


def _junk(new: Dataset, train: Dataset, n: int, random: np.random.Generator) -> "NDArray[np.float32]":
    count = n // 10
    noise = random.uniform(-1, 1, (count, *new.shape)).astype(np.float32)
    return np.concatenate([noise, _draw(new.images, n - count, random)])


FAILURES: dict[str, Failure] = {
    "3, 5, 8 missing": _missing,
    "half are ones": _half_ones,
    "50 images x 20": _repeated,
    "train copies": _train_copies,
    "2 % train copies": _some_copies,
    "blur 0.5 pixel": lambda new, _, n, random: blur(_draw(new.images, n, random), 0.5),
    "blur 1 pixel": lambda new, _, n, random: blur(_draw(new.images, n, random), 1.0),
    "noise 0.1": lambda new, _, n, random: add_noise(_draw(new.images, n, random), 0.1, random),
    "10 % pure noise": _junk,
    "shift 1 pixel": lambda new, _, n, random: shift(_draw(new.images, n, random), 0, 1),
}
"""Each failure by name: a function of new real images, training images, n and a generator."""


def plant(name: str, reference: Reference, n: int = 1000, seed: int = 0) -> "NDArray[np.float32]":
    """Make samples with a known failure.

    Parameters
    ----------
    name : str
        A key of `FAILURES`, or ``"real"`` for new real images.
    reference : Reference
        Compared with training images: the other half of them is what the failure is planted in.
    n : int
    seed : int
        Of the choice of images and of the noise.

    Returns
    -------
    ndarray (n, C, H, W), float32

    Raises
    ------
    ValueError
        If there is no failure of that name, or the reference holds test images.
    """
    if reference.against != "train":
        raise ValueError("plant: expected a reference of training images, got one of test images")
    random = np.random.default_rng([seed, 2])
    if name == "real":
        return _draw(reference.held_out.images, n, random)
    if name not in FAILURES:
        raise ValueError(f"plant: no failure {name!r}; known: {', '.join(FAILURES)}")
    return FAILURES[name](reference.held_out, reference.real, n, random)


def planted_floor(reference: Reference, n: int = 1000, draws: int = 20) -> dict[str, tuple[float, float]]:
    """Measure real images: the mean and the standard deviation of each measure over `draws` sets."""
    found = [reference.measure(images, copies=False).values for images in reference.floor_draws(n, draws)]
    return {
        name: (float(np.mean(column)), float(np.std(column, ddof=1)))
        for name, column in ((name, [values[name] for values in found]) for name in found[0])
    }


def planted_table(
    reference: Reference, names: Sequence[str] = tuple(FAILURES), n: int = 1000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Measure samples with each of the failures.

    Copies are searched among the images of the reference only: the failures are planted in the other training images.

    Parameters
    ----------
    reference : Reference
        Compared with training images.
    names : sequence of str
        Keys of `FAILURES`, or ``"real"``.
    n : int
    seed : int

    Returns
    -------
    dict of str to dict of str to float
        For each failure the values by the names of `minigen.metrics.reference.MEASURES`.
    """
    pixels = CopySearch(reference.real.images, reference.test.images)
    looker = reference.judges.looker
    features = CopySearch(reference.features, looker.features(reference.test.images))
    table = {}
    for name in names:
        images = round_to_levels(plant(name, reference, n, seed))
        found = reference.measure(images, copies=False)
        near = pixels(images)
        copies = {"copies": near.near, "copies_alone": near.alone, "copies_features": features(found.features).near}
        table[name] = found.values | copies
    return table
