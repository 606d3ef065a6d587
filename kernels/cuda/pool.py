"""Max pooling: a thread for each window, and backwards a thread for each element of the image.

Threads that hand cotangents to the same element would have to take turns, in an order that changes from run to run.  So
backwards an element asks the windows that it lies in whether they chose it, and adds up the cotangents of those that
did, first window first: the order, and so the bits, are those of the other sets of kernels.  A pooling of 2x2 at stride
2 has one such window for each element, one of 3x3 at stride 2 at most four.  Neighboring threads read neighboring
windows and write neighboring elements.
"""

import functools

import numpy as np

from ..shapes import Array, Padding, Pair, Window, output_size
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
def max_pool2d_grad(g: Array, index: Array, input_size: Pair, window: Window | None = None) -> Array:
    """As `minigen.kernels.reference.max_pool2d_grad`, but an index that lies outside the image is passed over.

    Telling the caller would make the CPU wait for the GPU.  With `window` an index outside its window is passed over,
    too.  Without it, or where a window can hold nothing but padding (its index is 0, which lies outside it), one thread
    takes a whole channel of an image, window by window: right for any index, and slow.
    """
    g, index = contiguous("max_pool2d_grad: g", g), contiguous("max_pool2d_grad: index", index)
    dx = empty((*g.shape[:2], *input_size), g.dtype)
    if window is None or not all(map(_holds_pixels, input_size, g.shape[2:], *window)):
        kernel = _scatter(g.shape[2] * g.shape[3], input_size[0] * input_size[1], g.dtype)
        elements(kernel, g.shape[0] * g.shape[1], g, index, dx)
        return dx
    kernel_size, stride, padding, dilation = window
    before = padding[0][0], padding[1][0]
    elements(
        _gather(tuple(input_size), g.shape[2:], kernel_size, stride, before, dilation, g.dtype), dx.size, g, index, dx
    )
    return dx


def _holds_pixels(size, windows, kernel, stride, padding, dilation):
    """Whether each window along one side holds a pixel of the image."""
    starts = np.arange(windows) * stride - padding[0]
    places = starts[:, None] + np.arange(kernel) * dilation
    return bool(((places >= 0) & (places < size)).any(axis=1).all())


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
def _gather(size, pixels, kernel_size, stride, before, dilation, dtype):
    (height, width), (p_count, q_count), zero = size, pixels, dtype.type(0)

    def max_pool2d_grad(g, index, dx, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            j, i, plane = e % width, e // width % height, e // (width * height)
            total = zero
            # row i is row r of window p if p * stride + r * dilation = i + before: backwards in r is forwards in p
            for r in range(kernel_size[0] - 1, -1, -1):
                row = i + before[0] - r * dilation[0]
                p = row // stride[0]
                if row >= 0 and row == p * stride[0] and p < p_count:
                    for s in range(kernel_size[1] - 1, -1, -1):
                        column = j + before[1] - s * dilation[1]
                        q = column // stride[1]
                        if column >= 0 and column == q * stride[1] and q < q_count:
                            window = (plane * p_count + p) * q_count + q
                            if index[window] == i * width + j:
                                total += g[window]
            dx[e] = total

    return Kernel(max_pool2d_grad, (flat(dtype), types.Array(types.int64, 1, "C"), flat(dtype), int32))


@functools.cache
def _scatter(windows, size, dtype):
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
