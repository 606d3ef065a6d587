"""What a data set is, and the small conversions that every set shares."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from .._util.optional import require

__all__ = ["Batch", "Dataset", "balanced_order", "from_levels", "pad_to", "random_subset", "resize", "to_unit"]


Batch = Mapping[str, np.ndarray]
"""Some examples of a data set: its fields by name, ``images`` (N, C, H, W) and ``labels`` (N,) among them."""

_RANKS = {"images": 4, "partners": 4, "points": 2, "series": 3, "audio": 3}  # dimensions of the fields of floats
_SHAPES = {"images": "(N, C, H, W)", "partners": "(N, C, H, W)", "points": "(N, D)", "series": "(N, T, D)"}
_SHAPES["audio"] = "(N, 1, samples)"
_KINDS = ("images", "points", "series", "audio")
_INTEGERS = ("labels", "factors")


class Dataset:
    """A finite set of examples held in memory: named fields with one row for each example.

    Parameters
    ----------
    name : str
        The name it was loaded by.
    images : ndarray (N, C, H, W), float32, optional
        Values in [-1, 1], the range of a generator's tanh.
    labels : ndarray (N,), int64, optional
        Index into `classes`.
    classes : sequence of str
        What the labels mean.
    points : ndarray (N, D), float32, optional
        In place of images: points of a space of few dimensions, not scaled.
    series : ndarray (N, T, D), float32, optional
        In place of images: time series of T steps and D numbers a step, not scaled.  All have one length.
    audio : ndarray (N, 1, samples), float32, optional
        In place of images: sounds of one channel, in [-1, 1].
    rate : int, optional
        Of audio: samples a second.
    partners : ndarray (N, C, H, W), float32, optional
        A second image for each, in [-1, 1]: the target of a model from image to image.
    paired : bool
        Whether row i of `partners` belongs to row i of `images`.  If False, partners are a second collection, of any
        number: it is not known which partner belongs to which image.
    factors : ndarray (N, F), int64, optional
        For drawn images: the index of the value of each of the F factors that made the image.
    factor_names : sequence of str
        Names of the F columns of `factors`.
    **fields : ndarray (N, ...)
        Further fields under names of your own; a batch has them too.

    Raises
    ------
    ValueError
        If there is not exactly one of images, points, series and audio, or an array has another shape, dtype or range;
        the message says how to convert it.

    Examples
    --------
    >>> points = Dataset("two points", points=np.zeros((2, 2), np.float32), labels=np.array([0, 1]), classes=("a", "b"))
    >>> points
    Dataset('two points', 2 of shape (2,), 2 classes)
    >>> len(points), points.subset([1]).labels
    (2, array([1]))
    >>> list(points.batch([1]))
    ['points', 'labels']
    >>> points.images
    Traceback (most recent call last):
        ...
    ValueError: two points: has points of shape (2,), not images (C, H, W); use .points
    >>> Dataset("mine", images=np.zeros((2, 28, 28, 3), np.float32))
    Traceback (most recent call last):
        ...
    ValueError: mine: images must be (N, C, H, W), got (2, 28, 28, 3): the channels are last; \
use images.transpose(0, 3, 1, 2)
    """

    name: str
    classes: tuple[str, ...]
    factor_names: tuple[str, ...]
    paired: bool
    rate: int | None

    def __init__(
        self,
        name: str,
        images: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        classes: Sequence[str] = (),
        *,
        points: np.ndarray | None = None,
        series: np.ndarray | None = None,
        audio: np.ndarray | None = None,
        rate: int | None = None,
        partners: np.ndarray | None = None,
        factors: np.ndarray | None = None,
        factor_names: Sequence[str] = (),
        paired: bool = True,
        **fields: np.ndarray,
    ):
        self.paired = paired
        given = {"images": images, "points": points, "series": series, "audio": audio}
        given |= {"labels": labels, "partners": partners, "factors": factors}
        self.name, self.classes, self.factor_names, self.rate = name, tuple(classes), tuple(factor_names), rate
        self.fields: dict[str, np.ndarray] = {key: value for key, value in given.items() if value is not None} | fields
        kinds = [kind for kind in _KINDS if kind in self.fields]
        if len(kinds) != 1:
            raise ValueError(f"{name}: expected one of {', '.join(_KINDS)}, got {' and '.join(kinds) or 'none'}")
        if (audio is None) != (rate is None):
            raise ValueError(f"{name}: expected audio together with its rate in samples a second, got rate {rate}")
        for field, array in self.fields.items():
            _check(name, field, array, None if field == "partners" and not paired else len(self))

    def __len__(self) -> int:
        return len(self.examples)

    def __repr__(self) -> str:
        classes = f", {len(self.classes)} classes" if self.classes else ""
        partners = ""
        if self.partners is not None:
            number = "" if self.paired else f"{len(self.partners)} unpaired "
            partners = f", {number}partners of shape {self.partners.shape[1:]}"
        return f"Dataset({self.name!r}, {len(self)} of shape {self.shape}{classes}{partners})"

    def __getitem__(self, field: str) -> np.ndarray:
        """Return one field by name; ValueError if there is no such field."""
        if field not in self.fields:
            raise ValueError(f"{self.name}: has no field {field!r}; it has {', '.join(self.fields)}")
        return self.fields[field]

    @property
    def kind(self) -> str:
        """What the examples are, and the field that holds them: images, points, series or audio."""
        return next(kind for kind in _KINDS if kind in self.fields)

    @property
    def examples(self) -> np.ndarray:
        """The images, or the points, series or audio of a set that has no images."""
        return self.fields[self.kind]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: (C, H, W), (D,), (T, D) or (1, samples)."""
        return self.examples.shape[1:]

    @property
    def images(self) -> np.ndarray:
        """The images (N, C, H, W) in [-1, 1]; ValueError if the set has others than images."""
        if "images" not in self.fields:
            kind = self.kind
            raise ValueError(f"{self.name}: has {kind} of shape {self.shape}, not images (C, H, W); use .{kind}")
        return self.fields["images"]

    @property
    def points(self) -> np.ndarray:
        """The points (N, D); ValueError if the set has images."""
        return self["points"]

    @property
    def series(self) -> np.ndarray:
        """The series (N, T, D); ValueError if the set has none."""
        return self["series"]

    @property
    def audio(self) -> np.ndarray:
        """The sounds (N, 1, samples) in [-1, 1]; ValueError if the set has none."""
        return self["audio"]

    @property
    def labels(self) -> np.ndarray | None:
        """The labels (N,), or None."""
        return self.fields.get("labels")

    @property
    def partners(self) -> np.ndarray | None:
        """The partner of each image, or None."""
        return self.fields.get("partners")

    @property
    def factors(self) -> np.ndarray | None:
        """The factors (N, F), or None."""
        return self.fields.get("factors")

    def batch(
        self, index: np.ndarray | list[int] | slice, partners: np.ndarray | list[int] | slice | None = None
    ) -> dict[str, np.ndarray]:
        """Copy the examples that `index` selects into a batch, in its order.

        Unpaired partners are selected by `partners`, an index too; without it the batch has none.
        """
        chosen = dict.fromkeys(self.fields, index)
        if not self.paired:
            del chosen["partners"]
            chosen |= {} if partners is None else {"partners": partners}
        copied = {field: self.fields[field][rows] for field, rows in chosen.items()}
        return {field: array.copy() if isinstance(chosen[field], slice) else array for field, array in copied.items()}

    def subset(self, index: np.ndarray | list[int] | slice) -> "Dataset":
        """Return the examples that `index` (integers, booleans or a slice) selects, in its order.

        Unpaired partners all stay.
        """
        part = copy.copy(self)  # the values were checked when the set was made
        part.fields = {
            field: array if field == "partners" and not self.paired else array[index]
            for field, array in self.fields.items()
        }
        return part


def _check(name: str, field: str, array: np.ndarray, count: int | None) -> None:
    """Refuse an array that cannot be a field, and say how to convert it."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name}: {field} must be a NumPy array, got {type(array).__name__}; use np.asarray({field})")
    if array.ndim < 1 or len(array) != (len(array) if count is None else count):
        raise ValueError(f"{name}: {field} must have {count} rows, one for each example, got shape {array.shape}")
    if field in _INTEGERS:
        if array.dtype != np.int64:
            raise ValueError(f"{name}: {field} must be int64, got {array.dtype}; use {field}.astype(np.int64)")
        if field == "labels" and array.ndim != 1:
            raise ValueError(f"{name}: labels must be (N,), got {array.shape}")
        return
    if field not in _RANKS:
        return
    shape = _SHAPES[field]
    if array.ndim != _RANKS[field]:
        hint = f"; use {field}[:, None] for one channel" if array.ndim == 3 and _RANKS[field] == 4 else ""
        hint = f"; use {field}[:, :, None] for one number a step" if array.ndim == 2 and field == "series" else hint
        hint = f"; use {field}[:, None] for one channel" if array.ndim == 2 and field == "audio" else hint
        raise ValueError(f"{name}: {field} must be {shape}, got {array.shape}{hint}")
    if _RANKS[field] == 4 and array.shape[1] > 4 >= array.shape[3]:
        raise ValueError(
            f"{name}: {field} must be {shape}, got {array.shape}: the channels are last; "
            f"use {field}.transpose(0, 3, 1, 2)"
        )
    if array.dtype != np.float32:
        remedy = f"minigen.data.from_levels({field})" if array.dtype.kind in "iu" else f"{field}.astype(np.float32)"
        raise ValueError(f"{name}: {field} must be float32, got {array.dtype}; use {remedy}")
    low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name}: {field} must be finite, got NaN or infinite values")
    if (_RANKS[field] == 4 or field == "audio") and not -1 <= low <= high <= 1:
        remedy = f"minigen.data.from_levels({field})" if low >= 0 and 1 < high <= 255 else f"{field}.clip(-1, 1)"
        raise ValueError(f"{name}: {field} must be in [-1, 1], got {low:g} to {high:g}; use {remedy}")


def from_levels(levels: np.ndarray, top: int = 255) -> np.ndarray:
    """Turn integer gray levels 0..top into float32 in [-1, 1].

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
    images: np.ndarray = np.divide(levels, top / 2, dtype=np.float32)
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
    """Pad images with black (-1) to size x size; an odd pixel goes right and below.

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
    """Resize images to size x size with Pillow's bilinear filter, which averages.

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


def balanced_order(dataset: Dataset, seed: int) -> np.ndarray:
    """Order the examples at random so that every beginning has about as many of each class.

    The first N are the examples that ``minigen train --images N`` takes.  With the same seed, a smaller N takes a part
    of what a larger N takes.

    Parameters
    ----------
    dataset : Dataset
        Without labels the order is random only.
    seed : int
        Not negative.

    Returns
    -------
    ndarray of int (N,)
        A permutation of 0..N-1.  Among the first examples the counts of two classes differ by at most 1, as long as
        no class is used up.

    Examples
    --------
    >>> labels = np.repeat([0, 1], [6, 2])
    >>> eight = Dataset("eight", points=np.zeros((8, 2), np.float32), labels=labels, classes=("a", "b"))
    >>> order = balanced_order(eight, seed=0)
    >>> np.bincount(labels[order[:4]]), np.bincount(labels[order])
    (array([2, 2]), array([6, 2]))
    """
    order = np.random.default_rng(seed).permutation(len(dataset))
    if dataset.labels is None:
        return order
    # The examples of rank 0 are the first of each class in the random order, those of rank 1 the second ones, ...
    labels = dataset.labels[order]
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(np.asarray(labels, np.intp))
    rank = np.empty(len(order), np.int64)
    rank[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.argsort(rank, kind="stable")]
