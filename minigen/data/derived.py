"""Data sets made from another one by a rule: pairs, whose right output is known, and images as sequences of rows."""

from pathlib import Path
from typing import Any

import numpy as np

from .dataset import Dataset

__all__ = ["edges", "outline", "rows", "thick", "thick_images"]

_STEP = 0.5  # two neighboring pixels that differ by more, a quarter of the range, have an edge between them


def outline(base: str, split: str = "train", size: int | None = None, root: str | Path | None = None) -> Dataset:
    """Make pairs: the outline of what is drawn, and the image itself.

    A pixel belongs to the drawing if one of its channels is above 0, the middle of the range; it belongs to the outline
    if one of its four neighbors does not belong to the drawing.

    Parameters
    ----------
    base : str
        A data set of light drawings on a dark ground, such as ``"mnist5k"``.
    split : {"train", "test"}
    size : int, optional
    root : path, optional
        As of `minigen.data.load`.

    Returns
    -------
    Dataset
        Images (N, 1, H, W), 1 on the outline and -1 elsewhere; partners are the images of the base.

    Raises
    ------
    ValueError, ModuleNotFoundError, OSError
        As `minigen.data.load`.

    Examples
    --------
    >>> outline("digits", "test")
    Dataset('outline:digits', 355 of shape (1, 8, 8), 10 classes, partners of shape (1, 8, 8))
    """
    whole = _load(base, split, size, root)
    drawn = whole.images.max(axis=1) > 0
    around = np.pad(drawn, ((0, 0), (1, 1), (1, 1)))
    inside = around[:, :-2, 1:-1] & around[:, 2:, 1:-1] & around[:, 1:-1, :-2] & around[:, 1:-1, 2:]
    return _made("outline", whole, _as_images(drawn & ~inside), whole.images)


def edges(base: str, split: str = "train", size: int | None = None, root: str | Path | None = None) -> Dataset:
    """Make pairs: the edges in an image, without its colors, and the image itself.

    A pixel is on an edge if it differs from the pixel to its right or below by more than a quarter of the range, in one
    channel at least.  Of colored shapes the edges are the same whatever the color is: the color must be guessed.

    Parameters
    ----------
    base : str
        A data set, such as ``"shapes"``.
    split : {"train", "test"}
    size : int, optional
    root : path, optional
        As of `minigen.data.load`.

    Returns
    -------
    Dataset
        Images (N, 1, H, W), 1 on an edge and -1 elsewhere; partners are the images of the base.

    Raises
    ------
    ValueError, ModuleNotFoundError, OSError
        As `minigen.data.load`.

    Examples
    --------
    >>> edges("shapes", "test", size=16)
    Dataset('edges:shapes', 1024 of shape (1, 16, 16), 4 classes, partners of shape (3, 16, 16))
    """
    whole = _load(base, split, size, root)
    found = np.zeros((len(whole), *whole.shape[1:]), bool)
    found[:, :, :-1] |= (np.abs(np.diff(whole.images, axis=3)) > _STEP).any(axis=1)
    found[:, :-1] |= (np.abs(np.diff(whole.images, axis=2)) > _STEP).any(axis=1)
    return _made("edges", whole, _as_images(found), whole.images)


def thick(base: str, split: str = "train", size: int | None = None, root: str | Path | None = None) -> Dataset:
    """Make two collections: thin light drawings on a dark ground, and thick dark ones on a light ground.

    The second is the base with each pixel replaced by the largest value of its 3 x 3 neighborhood (dilation), then
    inverted.  For training, every second image of the base goes into the first collection and the others into the
    second, so no image has its partner there.  For the test each image has its partner: the truth is known.

    Parameters
    ----------
    base : str
        A data set of light drawings on a dark ground, such as ``"mnist5k"``.
    split : {"train", "test"}
    size : int, optional
    root : path, optional
        As of `minigen.data.load`.

    Returns
    -------
    Dataset
        Images and partners, both (N, C, H, W); ``paired`` is True for the test only.

    Raises
    ------
    ValueError, ModuleNotFoundError, OSError
        As `minigen.data.load`.

    Examples
    --------
    >>> thick("digits", "train")
    Dataset('thick:digits', 721 of shape (1, 8, 8), 10 classes, 721 unpaired partners of shape (1, 8, 8))
    """
    whole = _load(base, split, size, root)
    if split == "test":
        return _made("thick", whole, whole.images, thick_images(whole.images))
    first, second = whole.subset(slice(0, None, 2)), whole.subset(slice(1, None, 2))
    return _made("thick", first, first.images, thick_images(second.images), paired=False)


def rows(base: str, split: str = "train", size: int | None = None, root: str | Path | None = None) -> Dataset:
    """Make sequences of images: a step is a row of pixels, from top to bottom.

    Parameters
    ----------
    base : str
        A data set of gray images, such as ``"mnist5k"``.
    split : {"train", "test"}
    size : int, optional
    root : path, optional
        As of `minigen.data.load`.

    Returns
    -------
    Dataset
        ``series`` (N, H, W) in [-1, 1], with the labels of the base.

    Raises
    ------
    ValueError, ModuleNotFoundError, OSError
        As `minigen.data.load`; ValueError also if the images have several channels.

    Examples
    --------
    >>> rows("digits", "test")
    Dataset('rows:digits', 355 of shape (8, 8), 10 classes)
    """
    whole = _load(base, split, size, root)
    if whole.images.shape[1] != 1:
        raise ValueError(f"rows: expected gray images, and {whole.name} has {whole.images.shape[1]} channels")
    return Dataset(f"rows:{whole.name}", series=whole.images[:, 0], labels=whole.labels, classes=whole.classes)


def _load(base: str, split: str, size: int | None, root: str | Path | None) -> Dataset:
    from .registry import load  # which imports this file

    return load(base, split, size, root)


def _made(kind: str, whole: Dataset, images: np.ndarray, partners: np.ndarray, paired: bool = True) -> Dataset:
    """The pairs, with the labels and factors of the base."""
    kept: dict[str, Any] = {name: array for name, array in whole.fields.items() if name in ("labels", "factors")}
    names: dict[str, Any] = {"classes": whole.classes, "factor_names": whole.factor_names}
    return Dataset(f"{kind}:{whole.name}", images, partners=partners, paired=paired, **names, **kept)


def _as_images(marked: np.ndarray) -> np.ndarray:
    images: np.ndarray = 2 * marked[:, None].astype(np.float32) - 1
    return images


def thick_images(images: np.ndarray) -> np.ndarray:
    """Take the largest value of each pixel's 3 x 3 neighborhood, and invert it: images (N, C, H, W)."""
    height, width = images.shape[2:]
    around = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    shifted = [around[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    inverted: np.ndarray = -np.maximum.reduce(shifted)
    return inverted
