"""Max pooling: one thread takes one image of one channel at a time.

Same results as `minigen.kernels.reference.pool`, to the last bit.
"""

import numpy as np

from ..shapes import Array, Padding, Pair, Window, output_size
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.thread_pool import chunked_range, parallel

__all__ = ["max_pool2d", "max_pool2d_grad"]


@checked("max_pool2d")
def max_pool2d(x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.max_pool2d`."""
    pixels = [output_size(x.shape[2 + i], kernel_size[i], stride[i], padding[i], dilation[i]) for i in range(2)]
    values, index = empty((*x.shape[:2], *pixels), x.dtype), empty((*x.shape[:2], *pixels), np.int64)
    before = padding[0][0], padding[1][0]
    numbers = (tuple(int(number) for number in pair) for pair in (kernel_size, stride, before, dilation))
    work = values.size * kernel_size[0] * kernel_size[1]
    _max_pool(_planes(contiguous(x)), *numbers, _planes(values), _planes(index), work=work)
    return values, index


@checked("max_pool2d_grad")
def max_pool2d_grad(g: Array, index: Array, input_size: Pair, window: Window | None = None) -> Array:
    """As `minigen.kernels.reference.max_pool2d_grad`.

    Raises
    ------
    IndexError
        If `index` points outside the image.
    """
    dx = empty((*g.shape[:2], *input_size), g.dtype)
    wrong = np.zeros(g.shape[0] * g.shape[1], np.bool_)
    _max_pool_grad(_planes(contiguous(g)), _planes(contiguous(index)), _planes(dx), wrong, work=max(dx.size, g.size))
    if wrong.any():
        raise IndexError(f"max_pool2d_grad: index points outside an image of {tuple(input_size)}")
    return dx


def _planes(x):
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


@parallel
def _max_pool(thread, counter, x, size, stride, before, dilation, values, index):
    planes, height, width = x.shape
    for plane in chunked_range(counter, planes):
        for p in range(values.shape[1]):
            top = p * stride[0] - before[0]
            for q in range(values.shape[2]):
                left = q * stride[1] - before[1]
                best, place = x.dtype.type(-np.inf), -1
                for i in range(top, top + size[0] * dilation[0], dilation[0]):
                    if 0 <= i < height:
                        for j in range(left, left + size[1] * dilation[1], dilation[1]):
                            if 0 <= j < width:
                                # a NaN beats everything and stays, so that it is seen rather than lost
                                value = x[plane, i, j]
                                if value > best or place < 0 or (np.isnan(value) and not np.isnan(best)):
                                    best, place = value, i * width + j
                values[plane, p, q] = best
                index[plane, p, q] = max(place, 0)


@parallel
def _max_pool_grad(thread, counter, g, index, dx, wrong):
    height, width = dx.shape[1:]
    for plane in chunked_range(counter, g.shape[0]):
        dx[plane] = 0
        for p in range(g.shape[1]):
            for q in range(g.shape[2]):
                place = index[plane, p, q]
                if 0 <= place < height * width:
                    dx[plane, place // width, place % width] += g[plane, p, q]
                else:
                    wrong[plane] = True
