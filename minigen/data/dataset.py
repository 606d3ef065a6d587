"""What a data set is, and the small conversions that every set shares."""

from dataclasses import dataclass

import numpy as np

from .._util.optional import require

__all__ = ["Dataset", "from_levels", "pad_to", "random_subset", "resize", "to_unit"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A finite set of examples held in memory.

    Parameters
    ----------
    name : str
        The name it was loaded by.
    data : ndarray, float32
        Images (N, C, H, W) with values in [-1, 1], the range of a generator's tanh; or points (N, D), not scaled.
    labels : ndarray of int64 (N,), or None
        Index into `classes`; None where the set has no classes.
    classes : tuple of str
        What the labels mean.
    factors : ndarray of int64 (N, F), or None
        For procedural sets: the value index of each of the F factors that made the example.
    factor_names : tuple of str
        Names of the F columns of `factors`.

    Raises
    ------
    ValueError
        If the arrays' shapes or types are not those above.

    Examples
    --------
    >>> points = Dataset("two points", np.zeros((2, 2), np.float32), np.array([0, 1]), ("a", "b"))
    >>> points
    Dataset('two points', 2 of shape (2,), 2 classes)
    >>> len(points), points.subset([1]).labels
    (2, array([1]))
    >>> points.images
    Traceback (most recent call last):
        ...
    ValueError: two points: holds points of shape (2,), not images (C, H, W); use .data
    """

    name: str
    data: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    factors: np.ndarray | None = None
    factor_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.data.dtype != np.float32 or self.data.ndim not in (2, 4):
            raise ValueError(
                f"{self.name}: data must be float32 of shape (N, C, H, W) or (N, D), "
                f"got {self.data.dtype} of shape {self.data.shape}"
            )
        for what, array in (("labels", self.labels), ("factors", self.factors)):
            if array is not None and (array.dtype != np.int64 or len(array) != len(self.data)):
                raise ValueError(
                    f"{self.name}: {what} must be int64 with {len(self.data)} rows, got {array.dtype} with {len(array)}"
                )

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"Dataset({self.name!r}, {len(self)} of shape {self.shape}{classes})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: (C, H, W) or (D,)."""
        return self.data.shape[1:]

    @property
    def images(self) -> np.ndarray:
        """The images (N, C, H, W) in [-1, 1]; ValueError if the set holds points."""
        if self.data.ndim != 4:
            raise ValueError(f"{self.name}: holds points of shape {self.shape}, not images (C, H, W); use .data")
        return self.data

    def subset(self, index: np.ndarray | list[int] | slice) -> "Dataset":
        """The examples that `index` (integers, booleans or a slice) picks, in its order."""

        def pick(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[index]

        return Dataset(
            self.name, self.data[index], pick(self.labels), self.classes, pick(self.factors), self.factor_names
        )


def from_levels(levels: np.ndarray, top: int = 255) -> np.ndarray:
    """Turn integer grey levels 0..top into float32 in [-1, 1].

    Parameters
    ----------
    levels : ndarray of integers, any shape
    top : int
        The level that becomes 1: 255 for bytes.

    Returns
    -------
    ndarray, float32, same shape

    Examples
    --------
    >>> from_levels(np.array([0, 51, 255], np.uint8))
    array([-1. , -0.6,  1. ], dtype=float32)
    """
    images = np.divide(levels, top / 2, dtype=np.float32)
    images -= 1
    return images


def to_unit(images: np.ndarray) -> np.ndarray:
    """Rescale images from [-1, 1] to [0, 1], the range of a sigmoid or of a plot.

    Parameters
    ----------
    images : ndarray of floats, any shape

    Returns
    -------
    ndarray, same shape and dtype

    Examples
    --------
    >>> to_unit(np.array([-1.0, 0.0, 1.0], np.float32))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return (images + 1) / 2


def pad_to(images: np.ndarray, size: int) -> np.ndarray:
    """Pad images with black (-1) on all four sides up to size x size; an odd pixel goes right and below.

    Parameters
    ----------
    images : ndarray (N, C, H, W)
    size : int
        At least H and W.

    Returns
    -------
    ndarray (N, C, size, size), same dtype

    Examples
    --------
    >>> pad_to(np.ones((1, 1, 1, 2), np.float32), 3)[0, 0]
    array([[-1., -1., -1.],
           [ 1.,  1., -1.],
           [-1., -1., -1.]], dtype=float32)
    """
    gaps = [(size - side) // 2 for side in images.shape[2:]]
    widths = [(gap, size - side - gap) for gap, side in zip(gaps, images.shape[2:])]
    return np.pad(images, [(0, 0), (0, 0), *widths], constant_values=-1)


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resize images to size x size with Pillow's bilinear filter, which averages when it shrinks.

    Parameters
    ----------
    images : ndarray (N, C, H, W), float32
    size : int

    Returns
    -------
    ndarray (N, C, size, size), float32
        Within the range of the input: the filter does not overshoot.

    Examples
    --------
    >>> resize(np.array([[[[0, 1], [2, 3]]]], np.float32), 1)
    array([[[[1.5]]]], dtype=float32)
    """
    if images.shape[2:] == (size, size):
        return images
    Image = require("PIL.Image")
    out = np.empty((*images.shape[:2], size, size), np.float32)
    for index in np.ndindex(*images.shape[:2]):
        out[index] = Image.fromarray(images[index]).resize((size, size), Image.Resampling.BILINEAR)
    return out


def random_subset(dataset: Dataset, n: int, seed: int) -> Dataset:
    """Draw `n` examples at random, without repetition.

    Raises
    ------
    ValueError
        If `n` is less than 1 or more than the data set holds.
    """
    if not 1 <= n <= len(dataset):
        raise ValueError(f"{dataset.name}: expected between 1 and {len(dataset)} images, got {n}")
    return dataset.subset(np.random.default_rng(seed).permutation(len(dataset))[:n])
