r"""Whether a model repeats its training images.

A sample that is much nearer to a training image than a new image of the same kind would be is a copy.  Three numbers:

- **Medians** (`memorization`): of the distances of samples to their nearest training images, and of the distances of
  test images to theirs.  They show a model that copies most of its samples.
- **near**: the share of samples that are nearer to a training image than 99 % of the test images are.  Without copies
  it is 1 %; 2 % of copies make it 3 %.
- **alone**: the share of samples whose nearest training image stands out from the next ones.  With $d_1$ the distance
  to the nearest and $\bar d$ the mean of the next five, it counts $d_1 / \bar d$ below the value of 99 % of the test
  images.  A copy with noise is far from its source, but farther from all others; so it is found here, and not by its
  distance.

*Derivation of the 1 %.*  If samples and test images have the same distribution, their distances to the training images
have too, whatever that distribution is: so 1 % of the samples lie below the test images' quantile of 1 %.

Source: the ratio to the next neighbors is that of Carlini et al. 2023 (arXiv 2301.13188), section 4.2; the comparison
with test images that of Meehan et al. 2020 (arXiv 2004.05675).

**What they cannot see.** All have one direction only: a *larger* distance says nothing about quality, because noise is
far from every training image too.  Simple images are near to others without being copies: a model that draws too many
ones has a larger **near**.  In pixels, a copy that is shifted by a pixel is not found; the features of a judge find
some of them.  Look at the closest pairs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Dataset
from ..data.dataset import random_subset
from ..models import GenerativeModel
from ..models.sizes import parts
from .neighbors import nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CopySearch", "Copies", "Memorization", "memorization", "nearest_distances"]

_RARE = 0.01  # the share of test images below the limits
_NEXT = 5  # training images that the nearest is compared with


@dataclass(frozen=True)
class Memorization:
    """Median Euclidean distances to the nearest training image.

    Parameters
    ----------
    samples : float
        From samples of the model.
    test : float
        From as many test images.
    """

    samples: float
    test: float


def memorization(model: GenerativeModel, train: Dataset, test: Dataset, n: int = 1000, seed: int = 0) -> Memorization:
    """Compare how near samples and test images are to the training images.

    Parameters
    ----------
    model : GenerativeModel
    train, test : Dataset
        Images that the model learned from, and others of the same kind.
    n : int
        How many samples and test images at most.
    seed : int
        Of the noise, and of the choice of test images.

    Returns
    -------
    Memorization

    Examples
    --------
    >>> import minigen as mg
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> mg.manual_seed(0)
    >>> found = memorization(mg.models.build("dcgan", size=8, width=4), train, test, n=50)
    >>> found.samples > found.test  # not trained, hence no copies
    True
    """
    chosen = random_subset(test, min(len(test), n), seed)
    labels = chosen.labels if model.classes else None  # samples of the same classes
    samples = model.sample(len(chosen), np.random.default_rng(seed), labels)
    medians = (float(np.median(nearest_distances(images, train.images))) for images in (samples, chosen.images))
    return Memorization(*medians)


def nearest_distances(images: "NDArray[Any]", others: "NDArray[Any]") -> "NDArray[np.float64]":
    """Measure the Euclidean distance from each image to the nearest of the others.

    Parameters
    ----------
    images : ndarray (N, C, H, W)
    others : ndarray (M, C, H, W), at least one

    Returns
    -------
    ndarray (N,), float64

    Raises
    ------
    ValueError
        If there are no others, or the shapes of the images differ.

    Examples
    --------
    >>> nearest_distances(np.ones((1, 1, 2, 2)), np.stack([np.zeros((1, 2, 2)), np.full((1, 2, 2), 3.0)]))
    array([2.])
    """
    if not len(others) or images.shape[1:] != others.shape[1:]:
        raise ValueError(f"nearest_distances: expected images of one shape, got {images.shape} and {others.shape}")
    flat, known = (array.reshape(len(array), -1).astype(np.float64) for array in (images, others))
    squares = (known**2).sum(1)
    found = [np.zeros(0)]
    for part in parts(len(flat), 500):
        # The product finds the nearest image; the distance itself is computed from the difference, because the sum
        # of squares minus twice the product has no accurate digit where two images are equal.
        nearest = (squares - 2 * flat[part] @ known.T).argmin(1)
        found.append(np.linalg.norm(flat[part] - known[nearest], axis=1))
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Copies:
    """How many samples are like copies of training images.

    Parameters
    ----------
    near : float
        Share of samples that are nearer to a training image than 99 % of the test images.
    alone : float
        Share of samples whose nearest training image stands out from the next five more than for 99 % of the test
        images.
    distance : ndarray (N,)
        Of each sample to its nearest training image.
    index : ndarray of int (N,)
        Which training image that is.
    """

    near: float
    alone: float
    distance: "NDArray[np.float64]"
    index: "NDArray[np.int64]"


class CopySearch:
    """Search for copies of training images among samples, in pixels or in features.

    Parameters
    ----------
    train : ndarray (N, ...)
        All images that the model learned from, or their features; more than five.
    test : ndarray (M, ...)
        New images, or their features, in the same space.

    Raises
    ------
    ValueError
        If there are too few rows, or the shapes differ.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> train, test, new = random.normal(size=(3, 500, 8))
    >>> search = CopySearch(train, test)
    >>> search(train[:100]).near, search(new).near < 0.05
    (1.0, True)
    """

    def __init__(self, train: Any, test: Any):
        self._train, flat = self._rows(train), self._rows(test)
        if len(self._train) <= _NEXT or not len(flat) or flat.shape[1] != self._train.shape[1]:
            raise ValueError(
                f"CopySearch: expected more than {_NEXT} training images and test images of their shape, "
                f"got {np.shape(train)} and {np.shape(test)}"
            )
        distance, ratio, _ = self._nearest(flat)
        self.near_limit: float = float(np.quantile(distance, _RARE))
        self.alone_limit: float = float(np.quantile(ratio, _RARE))

    def __call__(self, samples: Any) -> Copies:
        """Compare samples (N, ...) with the training images; ValueError if their shape differs."""
        flat = self._rows(samples)
        if flat.shape[1:] != self._train.shape[1:] or not len(flat):
            raise ValueError(f"CopySearch: expected samples of the shape of training images, got {np.shape(samples)}")
        distance, ratio, index = self._nearest(flat)
        near, alone = distance < self.near_limit, ratio < self.alone_limit
        return Copies(float(near.mean()), float(alone.mean()), distance, index)

    @staticmethod
    def _rows(images: Any) -> "NDArray[np.float32]":
        return np.ascontiguousarray(np.asarray(images, np.float32).reshape(len(images), -1))

    def _nearest(self, rows: "NDArray[Any]") -> "tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]":
        found, where = nearest(rows, self._train, _NEXT + 1)
        ahead = found[:, 1:].mean(1)
        ratio = np.divide(found[:, 0], ahead, out=np.zeros(len(rows)), where=ahead > 0)
        return found[:, 0], ratio, where[:, 0]
