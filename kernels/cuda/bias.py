"""A layer's bias, added in one pass over memory, a thread for each element; and its gradient.

The gradient goes with that of the activation after it: a block of threads for each channel, or for the few that share a
sector of memory, writes the one and adds up the other, always in the same order, as in `batch_norm`.  The threads of
fewer channels than multiprocessors do not occupy the whole GPU; but they read every number once, and it is one launch
in place of two.
"""

import functools
import math

from ..shapes import Array
from ..signatures import checked
from .batch_norm import THREADS, blocks_of_channels, channel_totals, share_of_thread
from .launch import Kernel, contiguous, deliver, elements, empty, launch, receiver
from .pointwise import activation, activation_grad, rectified
from .target import cuda, flat, int32, number

__all__ = ["add_bias", "add_bias_grad"]


@checked("add_bias")
def add_bias(x: Array, bias: Array, out: Array | None = None, negative_slope: float | None = None) -> Array:
    """As `minigen.kernels.reference.add_bias`; `out` may be `x` itself."""
    images = contiguous("add_bias: x", x)
    bias = contiguous("add_bias: bias", bias)
    y = receiver("add_bias: out", out, x, x.shape)
    kernel = _add_bias(x.shape[1], math.prod(x.shape[2:]), rectified(negative_slope), x.dtype)
    elements(kernel, x.size, images, bias, y, negative_slope or 0)
    return deliver(y, out)


@checked("add_bias_grad")
def add_bias_grad(g: Array, y: Array, negative_slope: float) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.add_bias_grad`."""
    y, g = contiguous("add_bias_grad: y", y), contiguous("add_bias_grad: g", g)
    dx, dbias = empty(y.shape, y.dtype), empty(y.shape[1:2], y.dtype)
    kernel = _add_bias_grad(y.shape[1], math.prod(y.shape[2:]), rectified(negative_slope), y.dtype)
    launch(kernel, blocks_of_channels(y), g, y, dx, dbias, negative_slope, y.shape[0])
    return dx, dbias


@functools.cache
def _add_bias(channels, length, rectify, dtype):
    activate = activation(rectify, dtype)

    def add_bias(x, bias, y, slope, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            y[e] = activate(x[e] + bias[e // length % channels], slope)

    return Kernel(add_bias, (flat(dtype), flat(dtype), flat(dtype), number(dtype), int32))


@functools.cache
def _add_bias_grad(channels, length, rectify, dtype):
    zero, through = dtype.type(0), activation_grad(rectify, dtype)
    share, totals = share_of_thread(channels, length, dtype), channel_totals(channels, length, dtype)

    def add_bias_grad(g, y, dx, dbias, slope, images):
        first_sums, second_sums = cuda.shared.array(THREADS, dtype), cuda.shared.array(THREADS, dtype)
        channel, first, size, step = share(images)
        total = zero
        for e in range(first, size, step):
            place = (e // length * channels + channel) * length + e % length
            cotangent = through(g[place], y[place], slope)
            dx[place] = cotangent
            total += cotangent
        total = totals(total, zero, first_sums, second_sums)[0]
        if first == 0:
            dbias[channel] = total

    return Kernel(add_bias_grad, (*[flat(dtype)] * 4, number(dtype), int32), THREADS)
