"""New images from a trained model."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models import GenerativeModel
from ..plot import ImageTable
from .classes import class_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["sample", "sample_images"]

MANY, OF_EACH = 64, 10
"""How many images by default: without classes or of one class, and of each of several classes."""


def sample(
    model: GenerativeModel,
    n: int | None = None,
    classes: Sequence[int | str] | None = None,
    seed: int = 0,
    names: Sequence[str] = (),
) -> ImageTable:
    """Show new images: in a square, or in a row for each class.

    In the rows of a model that knows classes every column has the same noise.  What the images of a column have in
    common is what varies within each class: slant, thickness, size.

    Parameters
    ----------
    model : GenerativeModel
    n : int, optional
        How many images, or how many of each class: by default 64 in a square, 10 in a row.
    classes : sequence of int or str, optional
        By number or name.  One gives a square of that class, several a row each; by default all, if it knows any.
    seed : int
        Of the noise.
    names : sequence of str
        The names of the classes.

    Returns
    -------
    ImageTable
        Unused cells are white.

    Raises
    ------
    ValueError
        If `n` is less than 1, or the model does not know the classes.

    Examples
    --------
    >>> from minigen.models import build
    >>> table = sample(build("cgan", size=8, classes=3, width=4), classes=[2, 0])
    >>> table.images.shape, table.rows
    ((2, 10, 1, 8, 8), ['2', '0'])
    """
    images, labels = sample_images(model, n, classes, seed, names)
    if labels is None or len(set(labels.tolist())) == 1:
        of_class = "" if labels is None else f" of class {_name(labels[0], names)}"
        return ImageTable(_square(images), f"{len(images)} new images{of_class}.")
    numbers = list(dict.fromkeys(labels.tolist()))
    each = len(images) // len(numbers)
    caption = f"{each} new images of each class, one class in each row. Every column has the same noise."
    return ImageTable(
        images.reshape(len(numbers), each, *images.shape[1:]), caption, [_name(i, names) for i in numbers]
    )


def sample_images(
    model: GenerativeModel,
    n: int | None = None,
    classes: Sequence[int | str] | None = None,
    seed: int = 0,
    names: Sequence[str] = (),
) -> "tuple[NDArray[np.float32], NDArray[np.int64] | None]":
    """Make the images that `sample` shows, as an array; parameters and errors as there.

    Returns
    -------
    images : ndarray (N, C, H, W), float32, in [-1, 1]
    labels : ndarray of int64 (N,), or None
        The classes asked for; one class after the other.
    """
    if classes is None and model.classes:
        classes = range(model.classes)
    numbers = None if classes is None else list(dict.fromkeys(class_numbers(model, classes, names)))
    generator = np.random.default_rng(seed)
    if numbers is None or len(numbers) == 1:
        label = None if numbers is None else numbers[0]
        images = model.sample(MANY if n is None else n, generator, label)
        return images, None if label is None else np.full(len(images), label)
    n = OF_EACH if n is None else n
    if n < 1:
        raise ValueError(f"sample: n must be at least 1, got {n}")
    noise = np.repeat(generator.standard_normal((1, n, model.latent), np.float32), len(numbers), 0)
    labels = np.repeat(np.asarray(numbers, np.int64), n)
    return model.decode(noise.reshape(-1, model.latent), labels), labels


def _name(number: Any, names: Sequence[str]) -> str:
    return names[number] if names else str(number)


def _square(images: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Images (N, C, H, W) in rows and columns, about as many of each; unused cells are white."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    table = np.ones((rows * columns, *images.shape[1:]), np.float32)
    table[: len(images)] = images
    return table.reshape(rows, columns, *images.shape[1:])
