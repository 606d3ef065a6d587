"""Weighted sums of a few pixels of the same image, and their adjoint, in plain NumPy."""

import numpy as np

from ..shapes import Array, Pair
from ..signatures import checked

__all__ = ["warp", "warp_adjoint"]


@checked("warp")
def warp(x: Array, index: Array, weight: Array) -> Array:
    """Each pixel of the result is a weighted sum of K pixels of the image; all channels have the same places.

    Parameters
    ----------
    x : array (N, C, H, W)
    index : int64 array (N, K, P, Q)
        Positions in the flattened (H, W) image; -1 for a place outside the image, which adds nothing.
    weight : array (N, K, P, Q)

    Returns
    -------
    array (N, C, P, Q)

    Raises
    ------
    IndexError
        If `index` points outside the image and is not -1.
    """
    n, c, height, width = x.shape
    _check_places("warp", index, height * width)
    flat = np.concatenate([x.reshape(n, c, height * width), np.zeros((n, c, 1), x.dtype)], 2)  # -1 is the zero
    out = np.zeros((n, c, *index.shape[2:]), x.dtype)
    for places, factors in zip(np.moveaxis(index, 1, 0), np.moveaxis(weight, 1, 0)):
        inside = np.where(places < 0, 0, factors)[:, None]
        taken = np.take_along_axis(flat, places.reshape(n, 1, places.shape[1] * places.shape[2]), 2)
        out += inside * taken.reshape(out.shape)
    return out


@checked("warp_adjoint")
def warp_adjoint(g: Array, index: Array, weight: Array, input_size: Pair) -> Array:
    """Add each cotangent, times its weights, to the pixels that `warp` took: the scatter to its gather.

    Parameters
    ----------
    g : array (N, C, P, Q)
    index, weight : arrays (N, K, P, Q)
        As for `warp`.
    input_size : (H, W)

    Returns
    -------
    array (N, C, H, W)

    Raises
    ------
    IndexError
        If `index` points outside the image and is not -1.
    """
    n, c = g.shape[:2]
    size = input_size[0] * input_size[1]
    _check_places("warp_adjoint", index, size)
    dx = np.zeros((n, c, size), g.dtype)
    for image in range(n):
        for channel in range(c):
            for places, factors in zip(index[image], weight[image]):
                inside = places >= 0
                np.add.at(dx[image, channel], places[inside], g[image, channel][inside] * factors[inside])
    return dx.reshape(n, c, *input_size)


def _check_places(kernel: str, index: Array, size: int) -> None:
    if index.size and not -1 <= index.min() <= index.max() < size:
        raise IndexError(f"{kernel}: index points outside an image of {size} pixels, and is not -1")
