"""Convolution as one matrix product: what each pixel of the result meets is copied to a column (*im2col*).

A column holds the RSC numbers that a filter meets at one place.  Side by side they are an image of RSC channels, and
the convolution is one with 1 x 1 filters, which `products` computes.  A number of the image is copied for each tap that
meets it, which is why the other methods never make the columns.  Where windows overlap little, or images are so small
that the product is long beside the copies, they pay: whatever kernel, stride, padding and dilation, it reads rows.

The adjoint in x makes the gradient of the columns, and adds each of its numbers to the pixel that it was copied from,
tap by tap, so that the order never changes.

Source: K. Chellapilla, S. Puri and P. Simard, "High Performance Convolutional Neural Networks for Document Processing",
IWFHR 2006, section 3.
"""

import math
from functools import lru_cache

import numpy as np

from ...shapes import Array, Padding, Pair
from ..runtime.allocator import empty
from ..runtime.thread_pool import chunked_range, parallel
from . import products

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "serves"]

#: Most bytes of the columns, and most numbers in those of a channel, the places of which are kept for the next call.
_BYTES, _NUMBERS = 1 << 25, 1 << 15
#: How `products` is called: stride, padding and dilation of 1 x 1 filters.
_PLAIN = (1, 1), ((0, 0), (0, 0)), (1, 1)


def serves(images: int, channels: int, taps: int, pixels: int, itemsize: int) -> bool:
    """Whether there is more than one tap, and memory for the columns."""
    return taps > 1 and taps * pixels <= _NUMBERS and images * channels * taps * pixels * itemsize <= _BYTES


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    products.conv2d(_columns(x, w, out, stride, padding, dilation), _rows(w), out, *_PLAIN, groups)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    columns = empty((g.shape[0], out.shape[1] * math.prod(w.shape[2:]), *g.shape[2:]), g.dtype)
    products.conv2d_input_grad(g, _rows(w), columns, *_PLAIN, groups)
    places = _places(out.shape[2:], w.shape[2:], g.shape[2:], stride, padding, dilation)
    _scatter(columns.reshape(-1, places.size), places, _planes(out), work=columns.size)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    products.conv2d_weight_grad(_columns(x, out, g, stride, padding, dilation), g, _rows(out), *_PLAIN, groups)


def _columns(x, filters, result, stride, padding, dilation):
    """The columns of all images: (N, C R S, P, Q)."""
    columns = empty((x.shape[0], x.shape[1] * math.prod(filters.shape[2:]), *result.shape[2:]), x.dtype)
    places = _places(x.shape[2:], filters.shape[2:], result.shape[2:], stride, padding, dilation)
    _gather(_planes(x), places, columns.reshape(-1, places.size), work=columns.size)
    return columns


def _rows(w):
    """Filters, or their gradient, each as one row of numbers, in the order of a column."""
    return w.reshape(w.shape[0], -1, 1, 1)


def _planes(x):
    return x.reshape(x.shape[0] * x.shape[1], -1)


@lru_cache(maxsize=64)
def _places(size, kernel, pixels, stride, padding, dilation):
    """For each tap and each pixel of the result the pixel of the image that it meets, or -1 in the padding."""
    rows, columns = (
        np.arange(k)[:, None] * d + np.arange(count) * s - before
        for k, count, s, (before, _), d in zip(kernel, pixels, stride, padding, dilation, strict=True)
    )
    rows, columns = rows[:, None, :, None], columns[None, :, None, :]
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    return np.where(inside, rows * size[1] + columns, -1).ravel()


@parallel
def _gather(thread, counter, x, places, columns):
    for plane in chunked_range(counter, x.shape[0]):
        for i in range(places.size):
            columns[plane, i] = x[plane, places[i]] if places[i] >= 0 else 0


@parallel
def _scatter(thread, counter, columns, places, dx):
    for plane in chunked_range(counter, dx.shape[0]):
        dx[plane] = 0
        for i in range(places.size):
            if places[i] >= 0:
                dx[plane, places[i]] += columns[plane, i]
