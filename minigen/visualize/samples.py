"""New images from a trained model."""

import math
from collections.abc import Sequence

import numpy as np

from ..models import GenerativeModel
from ..plot import ImageTable
from .classes import class_numbers

__all__ = ["sample"]

MANY, OF_EACH = 64, 10


def sample(
    model: GenerativeModel,
    n: int | None = None,
    classes: Sequence[int | str] | None = None,
    seed: int = 0,
    names: Sequence[str] = (),
) -> ImageTable:
    """New images: as a square, or a row for each class.

    In the rows of a model that knows classes every column has the same noise.  What a column shares, whatever the
    class, is what the model has found to vary within classes: slant, thickness, size.

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
        What the classes are called.

    Returns
    -------
    ImageTable
        What a square has too many places is white.

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
    if classes is None and model.classes:
        classes = range(model.classes)
    numbers = None if classes is None else class_numbers(model, classes, names)
    generator = np.random.default_rng(seed)
    if numbers is None or len(numbers) == 1:
        images = model.sample(MANY if n is None else n, generator, None if numbers is None else numbers[0])
        said = "" if numbers is None else f" of class {_named(numbers[0], names)}"
        return ImageTable(_square(images), f"{len(images)} new images{said}.")
    n = OF_EACH if n is None else n
    noise = np.repeat(generator.standard_normal((1, n, model.latent), np.float32), len(numbers), 0)
    images = model.decode(noise.reshape(-1, model.latent), np.repeat(numbers, n))
    caption = f"{n} new images of each class, a class a row. Every column has the same noise."
    return ImageTable(images.reshape(len(numbers), n, *images.shape[1:]), caption, [_named(i, names) for i in numbers])


def _named(number: int, names: Sequence[str]) -> str:
    return names[number] if names else str(number)


def _square(images: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W) in rows and columns, about as many of each; white where there are none left."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    table = np.ones((rows * columns, *images.shape[1:]), np.float32)
    table[: len(images)] = images
    return table.reshape(rows, columns, *images.shape[1:])
