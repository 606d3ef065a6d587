"""Whether a model repeats its training images.

A sample that is much nearer to a training image than a new image of the same kind would be is a copy.  So two medians
are compared: of the distances of samples to their nearest training images, and of the distances of test images to
theirs.  The comparison has one direction only.  A *smaller* median of the samples shows copies; a larger one says
nothing about their quality, because noise is far from every training image too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Dataset
from ..data.dataset import random_subset
from ..models import GenerativeModel
from ..models.sizes import parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Memorization", "memorization", "nearest_distances"]


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
