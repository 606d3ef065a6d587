"""Small known faults of images: noise, speckle, blur, shift; each image may have its own strength.

The reader of `minigen.metrics.judge` is trained on some of them, and `minigen.metrics.planted` plants them in real
images to show which measure sees which fault.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import from_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["add_noise", "blur", "round_to_levels", "shift", "speckle"]


def round_to_levels(images: "NDArray[Any]") -> "NDArray[np.float32]":
    """Round images in [-1, 1] to the 256 levels that a file of 8 bits can hold.

    Parameters
    ----------
    images : ndarray of floats, any shape
        In [-1, 1].

    Returns
    -------
    ndarray, float32, same shape

    Examples
    --------
    >>> round_to_levels(np.array([-1.0, 0.001, 1.0])).tolist()
    [-1.0, 0.003921627998352051, 1.0]
    """
    return from_levels(np.rint((np.asarray(images, np.float32) + 1) * 127.5))


def add_noise(images: "NDArray[Any]", sigma: Any, generator: np.random.Generator) -> "NDArray[np.float32]":
    """Add Gaussian noise and clip to [-1, 1].

    Parameters
    ----------
    images : ndarray (N, C, H, W)
        In [-1, 1].
    sigma : float or ndarray (N,)
        Standard deviation, of all images or of each.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray (N, C, H, W), float32

    Examples
    --------
    >>> add_noise(np.zeros((1, 1, 1, 2)), 0.0, np.random.default_rng(0)).tolist()
    [[[[0.0, 0.0]]]]
    """
    noise = generator.standard_normal(images.shape, np.float32) * _of_each(sigma)
    return (images + noise).clip(-1, 1).astype(np.float32)


def speckle(images: "NDArray[Any]", share: Any, generator: np.random.Generator) -> "NDArray[np.float32]":
    """Replace a share of the pixels, chosen at random, by random values from [-1, 1].

    Parameters
    ----------
    images : ndarray (N, C, H, W)
    share : float or ndarray (N,)
        From 0 to 1, of all images or of each.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray (N, C, H, W), float32

    Examples
    --------
    >>> bool((speckle(np.ones((1, 1, 9, 9)), 1.0, np.random.default_rng(0)) < 1).all())
    True
    """
    chosen = generator.random(images.shape, np.float32) < _of_each(share)
    values = generator.uniform(-1, 1, images.shape).astype(np.float32)
    return np.where(chosen, values, images).astype(np.float32)


def blur(images: "NDArray[Any]", sigma: Any) -> "NDArray[np.float32]":
    """Blur with a Gaussian of standard deviation `sigma` pixels; pixels outside repeat the edge.

    Parameters
    ----------
    images : ndarray (N, C, H, W)
    sigma : float or ndarray (N,)
        At least 0, of all images or of each; the Gaussian is cut at 4 of the largest.

    Returns
    -------
    ndarray (N, C, H, W), float32

    Examples
    --------
    >>> image = np.zeros((1, 1, 5, 5)); image[..., 2, 2] = 1
    >>> blur(image, 0.0)[0, 0, 2].tolist(), round(float(blur(image, 0.5)[0, 0, 2, 2]), 3)
    ([0.0, 0.0, 1.0, 0.0, 0.0], 0.619)
    """
    sigma = np.broadcast_to(np.asarray(sigma, np.float64), len(images))
    radius = int(np.ceil(4 * sigma.max(initial=0.0)))
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * np.maximum(sigma, 1e-6)[:, None] ** 2))
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    found = np.asarray(images, np.float32)
    for axis in (2, 3):
        widths = [(0, 0)] * 4
        widths[axis] = (radius, radius)
        padded, size = np.pad(found, widths, mode="edge"), found.shape[axis]
        windows = (np.take(padded, np.arange(i, i + size), axis) for i in range(2 * radius + 1))
        found = sum((_of_each(weights[:, i]) * window for i, window in enumerate(windows)), np.zeros_like(found))
    return found


def shift(images: "NDArray[Any]", rows: int, columns: int) -> "NDArray[np.float32]":
    """Move images down by `rows` and right by `columns` pixels; what comes in repeats the edge.

    Examples
    --------
    >>> shift(np.arange(4.0).reshape(1, 1, 1, 4), 0, 1).tolist()
    [[[[0.0, 0.0, 1.0, 2.0]]]]
    """
    height, width = images.shape[2:]
    down = (np.arange(height) - rows).clip(0, height - 1)
    right = (np.arange(width) - columns).clip(0, width - 1)
    return np.asarray(images, np.float32)[:, :, down][..., right]


def _of_each(value: Any) -> Any:
    """A number, or one number for each image, in a shape that multiplies images."""
    array = np.asarray(value, np.float32)
    return array.reshape(-1, 1, 1, 1) if array.ndim else array
