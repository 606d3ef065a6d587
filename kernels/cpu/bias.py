"""A layer's bias and its gradient: one pass over memory each.

`add_bias` gives the same results as `minigen.kernels.reference.bias`, to the last bit.
"""

import math

import numpy as np

from ..shapes import Array
from ..signatures import checked
from .norm import WIDTH, as_matrix, channel_groups, group_channels, group_sums
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import chunked_range, parallel
from .simd import add, advance, broadcast, lanes, load, pointer, store

__all__ = ["add_bias", "channel_sums"]


@checked("add_bias")
def add_bias(x: Array, bias: Array, out: Array | None = None) -> Array:
    """As `minigen.kernels.reference.add_bias`; `out` may be `x` itself."""
    rows = (x.shape[0] * x.shape[1], math.prod(x.shape[2:]))
    y = out if out is not None and out.flags.c_contiguous and out.flags.aligned else empty(x.shape, x.dtype)
    _add_bias(contiguous(x).reshape(rows), contiguous(bias), y.reshape(rows), work=x.size)
    if out is not None and out is not y:
        out[...] = y
    return y if out is None else out


@checked("channel_sums")
def channel_sums(x: Array) -> Array:
    """As `minigen.kernels.reference.channel_sums`."""
    sums = empty(x.shape[1:2], x.dtype)
    _channel_sums(as_matrix(contiguous(x)), sums, work=x.size)
    return sums


@parallel
def _add_bias(thread, counter, x, bias, y):
    size = x.shape[1]
    for row in chunked_range(counter, x.shape[0]):
        _add_to_row(advance(pointer(x), row * size), bias[row % bias.size], advance(pointer(y), row * size), size)


@subroutine
def _add_to_row(x, number, y, size):
    width = lanes(y)
    whole = size // width * width
    numbers = broadcast(number)
    for i in range(0, whole, width):
        store(y, i, add(load(x, i), numbers))
    for i in range(whole, size):
        y[i] = x[i] + number


@parallel
def _channel_sums(thread, counter, x, sums):
    scratch = np.empty((2, WIDTH))
    for group in chunked_range(counter, channel_groups(x, sums)):
        first, last = group_channels(x, sums, group)
        totals = group_sums(pointer(x), x.shape, x.shape[1] // sums.size, first, last - first, scratch)
        for c in range(last - first):  # an assignment of a slice takes Numba five seconds to compile
            sums[first + c] = totals[c]
