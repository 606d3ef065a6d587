"""Weighted sums of a few pixels: one thread takes one image of one channel at a time.

Same results as `minigen.kernels.reference.warp`, to the last bit.
"""

import numpy as np

from ..shapes import Array, Pair
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.thread_pool import chunked_range, parallel

__all__ = ["warp", "warp_adjoint"]


@checked("warp")
def warp(x: Array, index: Array, weight: Array) -> Array:
    """As `minigen.kernels.reference.warp`."""
    n, c, height, width = x.shape
    out = empty((n, c, *index.shape[2:]), x.dtype)
    wrong = np.zeros(n * c, np.bool_)
    pixels = index.shape[2] * index.shape[3]
    places, factors = (contiguous(a).reshape(n, index.shape[1], pixels) for a in (index, weight))
    source, target = contiguous(x).reshape(n * c, height * width), out.reshape(n * c, pixels)
    _warp(source, places, factors, c, target, wrong, work=target.size * index.shape[1])
    _check(wrong, "warp", height * width)
    return out


@checked("warp_adjoint")
def warp_adjoint(g: Array, index: Array, weight: Array, input_size: Pair) -> Array:
    """As `minigen.kernels.reference.warp_adjoint`."""
    n, c, *pixels = g.shape
    dx = empty((n, c, *input_size), g.dtype)
    wrong = np.zeros(n * c, np.bool_)
    count = pixels[0] * pixels[1]
    places, factors = (contiguous(a).reshape(n, index.shape[1], count) for a in (index, weight))
    source, target = contiguous(g).reshape(n * c, count), dx.reshape(n * c, input_size[0] * input_size[1])
    _warp_adjoint(source, places, factors, c, target, wrong, work=max(target.size, source.size * index.shape[1]))
    _check(wrong, "warp_adjoint", target.shape[1])
    return dx


def _check(wrong: Array, kernel: str, size: int) -> None:
    if wrong.any():
        raise IndexError(f"{kernel}: index points outside an image of {size} pixels, and is not -1")


@parallel
def _warp(thread, counter, x, index, weight, channels, out, wrong):
    size = x.shape[1]
    for plane in chunked_range(counter, x.shape[0]):
        image = plane // channels
        for p in range(out.shape[1]):
            out[plane, p] = 0
        for k in range(index.shape[1]):
            for p in range(out.shape[1]):
                place = index[image, k, p]
                if 0 <= place < size:
                    out[plane, p] += weight[image, k, p] * x[plane, place]
                elif place != -1:
                    wrong[plane] = True


@parallel
def _warp_adjoint(thread, counter, g, index, weight, channels, dx, wrong):
    size = dx.shape[1]
    for plane in chunked_range(counter, g.shape[0]):
        image = plane // channels
        for e in range(size):
            dx[plane, e] = 0
        for k in range(index.shape[1]):
            for p in range(g.shape[1]):
                place = index[image, k, p]
                if 0 <= place < size:
                    dx[plane, place] += weight[image, k, p] * g[plane, p]
                elif place != -1:
                    wrong[plane] = True
