"""A layer's bias and its gradient: one pass over memory each.

`add_bias` gives the same results as `minigen.kernels.reference.bias`, to the last bit.
"""

import math

import numpy as np

from ..shapes import Array
from ..signatures import checked
from .norm import WIDTH, as_matrix, channel_groups, group_channels, group_sums, is_streamed
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import chunked_range, parallel
from .simd import broadcast, lanes, load_first, pointer, store_first
from .simd.streaming import fence, leaked, slope_like

__all__ = ["add_bias", "add_bias_grad", "channel_sums"]

#: Elements, about, that a thread takes at a time.
_GROUP = 1 << 12


@checked("add_bias")
def add_bias(x: Array, bias: Array, out: Array | None = None, negative_slope: float | None = None) -> Array:
    """As `minigen.kernels.reference.add_bias`; `out` may be `x` itself."""
    shape = (*x.shape[:2], math.prod(x.shape[2:]))
    y = out if out is not None and out.flags.c_contiguous and out.flags.aligned else empty(x.shape, x.dtype)
    arrays = contiguous(x).reshape(shape), contiguous(bias), y.reshape(shape)
    _add_bias(*arrays, slope_like(negative_slope, x), work=x.size)
    if out is not None and out is not y:
        out[...] = y
    return y if out is None else out


@checked("add_bias_grad")
def add_bias_grad(g: Array, y: Array, negative_slope: float) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.add_bias_grad`; it adds up what it writes."""
    dx, sums = empty(y.shape, y.dtype), empty(y.shape[1:2], y.dtype)
    matrices = (as_matrix(contiguous(x)) for x in (g, y))
    _add_bias_grad(*matrices, slope_like(negative_slope, y), as_matrix(dx), sums, is_streamed(dx), work=y.size)
    return dx, sums


@checked("channel_sums")
def channel_sums(x: Array) -> Array:
    """As `minigen.kernels.reference.channel_sums`."""
    sums = empty(x.shape[1:2], x.dtype)
    _channel_sums(as_matrix(contiguous(x)), sums, work=x.size)
    return sums


@parallel
def _add_bias(thread, counter, x, bias, y, slope):
    images, channels, length = x.shape
    group = min(channels, max(1, _GROUP // max(length, 1)))
    groups = -(-channels // max(group, 1))
    for item in chunked_range(counter, images * groups):
        image, first = item // groups, item % groups * group
        last = min(first + group, channels)
        from_x, to_y, numbers = pointer(x[image]), pointer(y[image]), pointer(bias)
        if length == 1:
            for i in range(first, last, lanes(to_y)):
                count = min(last - i, lanes(to_y))
                value = load_first(from_x, i, count) + load_first(numbers, i, count)
                store_first(to_y, i, leaked(value, value, slope), count)
            continue
        for channel in range(first, last):
            number = broadcast(numbers[channel])
            for i in range(channel * length, (channel + 1) * length, lanes(to_y)):
                count = min((channel + 1) * length - i, lanes(to_y))
                value = load_first(from_x, i, count) + number
                store_first(to_y, i, leaked(value, value, slope), count)


@parallel
def _channel_sums(thread, counter, x, sums):
    _sum_channels(counter, x, x, None, x, sums, False)


@parallel
def _add_bias_grad(thread, counter, g, y, slope, dx, sums, large):
    _sum_channels(counter, g, y, slope, dx, sums, large)
    fence()


@subroutine
def _sum_channels(counter, x, y, slope, dx, sums, large):
    """Sum each channel; see `minigen.kernels.cpu.norm.group_sums`."""
    scratch = np.empty((2, WIDTH))
    for group in chunked_range(counter, channel_groups(y, sums)):
        first, last = group_channels(y, sums, group)
        place = y.shape, y.shape[1] // sums.size, first, last - first
        totals = group_sums(pointer(x), pointer(y), slope, pointer(dx), large, *place, scratch)
        for c in range(last - first):  # an assignment of a slice takes Numba five seconds to compile
            sums[first + c] = totals[c]
