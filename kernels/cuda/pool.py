"""Max pooling: a thread for each window, and backwards, where windows overlap, for each image of each channel.

Threads that hand cotangents to the same element would have to take turns, in an order that changes from run to run.  So
one thread takes a whole channel of an image, window by window; there are some thousand of them in a batch.
"""

import functools

import numpy as np

from ..shapes import Array, Padding, Pair, output_size
from ..signatures import checked
from .launch import Kernel, contiguous, elements, empty
from .target import cuda, flat, int32, types

__all__ = ["max_pool2d", "max_pool2d_grad"]


@checked("max_pool2d")
def max_pool2d(x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.max_pool2d`."""
    x = contiguous("max_pool2d: x", x)
    pixels = tuple(map(output_size, x.shape[2:], kernel_size, stride, padding, dilation))
    shape = (*x.shape[:2], *pixels)
    values, index = empty(shape, x.dtype), empty(shape, np.dtype(np.int64))
    before = padding[0][0], padding[1][0]
    sizes = x.shape[2:], pixels, tuple(kernel_size), tuple(stride), before, tuple(dilation)
    elements(_max_pool(*sizes, x.dtype), values.size, x, values, index)
    return values, index


@checked("max_pool2d_grad")
def max_pool2d_grad(g: Array, index: Array, input_size: Pair) -> Array:
    """As `minigen.kernels.reference.max_pool2d_grad`, but an index that lies outside the image is passed over.

    Telling the caller would make the CPU wait for the GPU.
    """
    g = contiguous("max_pool2d_grad: g", g)
    dx = empty((*g.shape[:2], *input_size), g.dtype)
    kernel = _max_pool_grad(g.shape[2] * g.shape[3], input_size[0] * input_size[1], g.dtype)
    elements(kernel, g.shape[0] * g.shape[1], g, contiguous("max_pool2d_grad: index", index), dx)
    return dx


@functools.cache
def _max_pool(size, pixels, kernel_size, stride, before, dilation, dtype):
    (height, width), (p_count, q_count), infinity = size, pixels, dtype.type(np.inf)

    def max_pool2d(x, values, index, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            q, p, plane = e % q_count, e // q_count % p_count, e // (q_count * p_count)
            best, place = -infinity, -1
            for r in range(kernel_size[0]):
                for s in range(kernel_size[1]):
                    i = p * stride[0] + r * dilation[0] - before[0]
                    j = q * stride[1] + s * dilation[1] - before[1]
                    if 0 <= i < height and 0 <= j < width:
                        # a NaN beats everything and stays, so that it is seen rather than lost
                        value = x[(plane * height + i) * width + j]
                        if value > best or place < 0 or (value != value and best == best):
                            best, place = value, i * width + j
            values[e], index[e] = best, max(place, 0)

    return Kernel(max_pool2d, (flat(dtype), flat(dtype), types.Array(types.int64, 1, "C"), int32))


@functools.cache
def _max_pool_grad(windows, size, dtype):
    zero = dtype.type(0)

    def max_pool2d_grad(g, index, dx, count):
        for plane in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            for e in range(size):
                dx[plane * size + e] = zero
            for window in range(windows):
                place = index[plane * windows + window]
                if 0 <= place < size:
                    dx[plane * size + place] += g[plane * windows + window]

    return Kernel(max_pool2d_grad, (flat(dtype), types.Array(types.int64, 1, "C"), flat(dtype), int32))
