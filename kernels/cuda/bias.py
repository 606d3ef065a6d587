"""A layer's bias, added in one pass over memory, a thread for each element."""

import functools
import math

from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous, deliver, elements, receiver
from .pointwise import activation, rectified
from .target import cuda, flat, int32, number

__all__ = ["add_bias"]


@checked("add_bias")
def add_bias(x: Array, bias: Array, out: Array | None = None, negative_slope: float | None = None) -> Array:
    """As `minigen.kernels.reference.add_bias`; `out` may be `x` itself."""
    images = contiguous("add_bias: x", x)
    bias = contiguous("add_bias: bias", bias)
    y = receiver("add_bias: out", out, x, x.shape)
    kernel = _add_bias(x.shape[1], math.prod(x.shape[2:]), rectified(negative_slope), x.dtype)
    elements(kernel, x.size, images, bias, y, negative_slope or 0)
    return deliver(y, out)


@functools.cache
def _add_bias(channels, length, rectify, dtype):
    activate = activation(rectify, dtype)

    def add_bias(x, bias, y, slope, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            y[e] = activate(x[e] + bias[e // length % channels], slope)

    return Kernel(add_bias, (flat(dtype), flat(dtype), flat(dtype), number(dtype), int32))
