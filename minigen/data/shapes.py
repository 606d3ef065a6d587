"""Drawn images whose every factor is known: shape, color, scale, rotation and position.

The factors take few values, so a picture's factors can be read back exactly (nearest rendering), which turns
"how much of the data does the generator cover" and "does this input control the color" into counting.  The idea is
that of dSprites (Matthey, Higgins, Hassabis, Lerchner, 2017); unlike its square and ellipse, no shape here
looks the same after a turn, so rotation can be read back as well.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .dataset import Dataset

__all__ = ["FACTORS", "render_shapes", "shapes"]

FACTORS: dict[str, tuple[Any, ...]] = {
    "shape": ("arrow", "heart", "moon", "wedge"),
    "color": ("red", "yellow", "green", "cyan", "blue", "magenta"),
    "scale": (8, 12, 16),
    "rotation": (0, 45, 90, 135, 180, 225, 270, 315),
    "x": (20, 28, 36, 44),
    "y": (20, 28, 36, 44),
}
"""Values of each factor: scale is a radius and x, y a center, in pixels of a 64x64 image; rotation is in degrees,
counter-clockwise."""

_COMBINATIONS = int(np.prod([len(values) for values in FACTORS.values()]))
_RGB = {
    "red": (1, 0, 0),
    "yellow": (1, 1, 0),
    "green": (0, 1, 0),
    "cyan": (0, 1, 1),
    "blue": (0, 0, 1),
    "magenta": (1, 0, 1),
}


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The sextic (x^2 + y^2 - 1)^3 = x^2 y^3, whose least disc has center (0, 1/4) and radius 5/4."""
    x, y = 1.26 * x, 1.26 * y + 0.25
    return (x * x + y * y - 1) ** 3 <= x * x * y**3


# Each shape as a set of points of the unit disc, y up.  No straight edge runs through the center: a turn by 45 degrees
# would lay sub-pixels exactly on it, and rounding would decide about them.
_INSIDE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "arrow": lambda x, y: (
        ((y >= 0.01) & (y <= 1 - 1.15 * np.abs(x)) & (np.abs(x) <= 0.8))
        | ((np.abs(x) <= 0.25) & (y >= -0.95) & (y <= 0.01))
    ),
    "heart": _heart,
    "moon": lambda x, y: (x * x + y * y <= 1) & (np.square(x - 0.45) + y * y >= 0.72),
    "wedge": lambda x, y: (y >= -0.75) & (y <= 1 - 2.9 * np.abs(x)),
}
_SAMPLES = 8  # sub-pixels along each side of a pixel: 65 levels of coverage at an edge


def render_shapes(factors: np.ndarray, size: int = 64) -> np.ndarray:
    """Draw the images that `factors` describe: one shape in one color on black.

    A pixel's value is the share of it that the shape covers, counted on an 8x8 grid of sub-pixels.

    Parameters
    ----------
    factors : ndarray of integers (N, 6)
        Value indices, columns in the order of `FACTORS`.
    size : int
        Image side; centers and radii of the 64x64 image are scaled to it.

    Returns
    -------
    ndarray (N, 3, size, size), float32, in [-1, 1]

    Raises
    ------
    ValueError
        If `factors` has another shape, or an index is outside its factor's values.

    Examples
    --------
    >>> image = render_shapes(np.array([[0, 1, 2, 0, 1, 1]]))  # a large yellow arrow pointing up
    >>> image.shape, image[0, :, 28, 28]
    ((1, 3, 64, 64), array([ 1.,  1., -1.], dtype=float32))
    """
    factors = np.asarray(factors)
    sizes = np.array([len(values) for values in FACTORS.values()])
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS):
        raise ValueError(f"render_shapes: factors must have shape (N, {len(FACTORS)}), got {factors.shape}")
    if ((factors < 0) | (factors >= sizes)).any():
        raise ValueError(f"render_shapes: factors must be indices below {tuple(sizes.tolist())} for {tuple(FACTORS)}")
    images = np.full((len(factors), 3, size, size), -1, np.float32)
    colours = np.array([_RGB[colour] for colour in FACTORS["color"]], np.float32)
    values = [np.array(FACTORS[name])[column] for name, column in zip(FACTORS, factors.T)]
    for image, rgb, shape, scale, degrees, x, y in zip(images, colours[factors[:, 1]], values[0], *values[2:]):
        radius, across, down = (float(length) * size / 64 for length in (scale, x, y))
        left, top = math.floor(across - radius), math.floor(down - radius)
        covered = _coverage(str(shape), radius, int(degrees), across - left, down - top)
        height, width = covered.shape
        image[:, top : top + height, left : left + width] += 2 * rgb[:, None, None] * covered
    return images


@lru_cache(maxsize=4096)
def _coverage(shape: str, radius: float, degrees: int, x: float, y: float) -> np.ndarray:
    """How much of each pixel a shape covers, in the least box of pixels that holds it; (x, y) is its center there."""
    width, height = math.ceil(x + radius), math.ceil(y + radius)
    right, down = ((np.arange(side * _SAMPLES) + 0.5) / _SAMPLES for side in (width, height))
    # Turning the shape is turning the coordinates back.  Image rows run down, the shape's y runs up.
    u, v = (right[None, :] - x) / radius, (y - down[:, None]) / radius
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    inside = _INSIDE[shape](cos * u + sin * v, cos * v - sin * u)
    covered: np.ndarray = inside.reshape(height, _SAMPLES, width, _SAMPLES).mean(axis=(1, 3), dtype=np.float32)
    return covered


def shapes(split: str = "train", size: int | None = None, count: int | None = None, seed: int = 0) -> Dataset:
    """Draw one anti-aliased shape on black in each image.

    There are 4 shapes, 6 colors, 3 scales, 8 rotations and 4x4 positions.

    The 9,216 combinations are shuffled by `seed`; train takes from the front, test is the last 1,024.  No image comes
    twice, and none is in both splits.

    Parameters
    ----------
    split : {"train", "test"}
    size : int, optional
        Image side: 64 if not given; drawn at that size, not resized.
    count : int, optional
        Number of images: 4,096 for train and 1,024 for test if not given (at most 8,192 and 1,024).
    seed : int
        Which combinations, and in which order.

    Returns
    -------
    Dataset
        Images (count, 3, size, size); labels are the shapes; `factors` (count, 6) index into `FACTORS`.

    Raises
    ------
    ValueError
        If `count` is more than the split has.

    Examples
    --------
    >>> drawn = shapes("test", size=32, count=10)
    >>> drawn
    Dataset('shapes', 10 of shape (3, 32, 32), 4 classes)
    >>> drawn.factor_names
    ('shape', 'color', 'scale', 'rotation', 'x', 'y')
    """
    order = np.random.default_rng(seed).permutation(_COMBINATIONS)
    held_out = 1024
    available = order[:-held_out] if split == "train" else order[-held_out:]
    count = {"train": 4096, "test": held_out}[split] if count is None else count
    if count > len(available):
        raise ValueError(f"shapes: count must be at most {len(available)} for split {split!r}, got {count}")
    sizes = [len(values) for values in FACTORS.values()]
    factors = np.stack(np.unravel_index(available[:count], sizes), axis=1).astype(np.int64)
    images = render_shapes(factors, 64 if size is None else size)
    return Dataset(
        "shapes", images, factors[:, 0].copy(), FACTORS["shape"], factors=factors, factor_names=tuple(FACTORS)
    )
