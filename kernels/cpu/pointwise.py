"""Activations in one pass over memory: their speed is the memory's.

Same results as `minigen.kernels.reference.pointwise`, to the last bit.
"""

import math

from .compile import subroutine
from .memory import empty, readable
from .simd import VECTOR_BYTES, add, advance, broadcast, lanes, load, pointer, store
from .stream import LARGE, fence, in_turn, leak, stream
from .team import BLOCK, items, shared

__all__ = ["bias_leaky_relu", "leaky_relu", "leaky_relu_grad"]


def leaky_relu(x, negative_slope):
    """As `minigen.kernels.reference.leaky_relu`."""
    return _leak(x, x, negative_slope, backwards=False)


def leaky_relu_grad(g, x, negative_slope):
    """As `minigen.kernels.reference.leaky_relu_grad`.

    It begins at the end: what was written or read last, in the pass before, is likeliest to be in a cache still.
    """
    return _leak(g, x, negative_slope, backwards=True)


def _leak(g, x, negative_slope, backwards):
    y = empty(x.shape, x.dtype)
    flat = (array.reshape(-1) for array in (readable(g, like=x), readable(x), y))
    _leaky(*flat, x.dtype.type(negative_slope), y.nbytes >= LARGE, backwards, work=x.size)
    return y


def bias_leaky_relu(x, bias, negative_slope, out=None):
    """As `minigen.kernels.reference.bias_leaky_relu`; `out` may be `x` itself."""
    rows = (x.shape[0] * x.shape[1], math.prod(x.shape[2:]))
    y = out if out is not None and out.flags.c_contiguous else empty(x.shape, x.dtype)
    bias = readable(bias, like=x, shape=x.shape[1:2])
    _bias_leaky(readable(x).reshape(rows), bias, y.reshape(rows), x.dtype.type(negative_slope), work=x.size)
    if out is not None and out is not y:
        out[...] = y
    return y if out is None else out


@shared
def _leaky(thread, turns, g, x, y, slope, large, backwards):
    blocks = -(-x.size // BLOCK)
    for block in items(turns, blocks):
        start = (blocks - 1 - block if backwards else block) * BLOCK
        stop = min(start + BLOCK, x.size)
        _leak_block(g[start:stop], x[start:stop], y[start:stop], slope, large)


@subroutine
def _leak_block(g, x, y, slope, large):
    from_g, from_x, to_y = pointer(g), pointer(x), pointer(y)
    width = lanes(to_y)
    whole = x.size // width * width
    if large and y.ctypes.data % VECTOR_BYTES == 0:
        vectors = whole // width
        for k in range(vectors):
            i = in_turn(k, vectors) * width
            stream(to_y, i, leak(load(from_x, i), load(from_g, i), slope))
        fence()
    else:
        for i in range(0, whole, width):
            store(to_y, i, leak(load(from_x, i), load(from_g, i), slope))
    for i in range(whole, x.size):
        y[i] = g[i] if x[i] > 0 else g[i] * slope + 0


@shared
def _bias_leaky(thread, turns, x, bias, y, slope):
    size = x.shape[1]
    for row in items(turns, x.shape[0]):
        from_x, to_y = advance(pointer(x), row * size), advance(pointer(y), row * size)
        _bias_row(from_x, bias[row % bias.size], to_y, size, slope)


@subroutine
def _bias_row(from_x, shift, to_y, size, slope):
    width = lanes(to_y)
    whole = size // width * width
    shifts = broadcast(shift)
    for i in range(0, whole, width):
        value = add(load(from_x, i), shifts)
        store(to_y, i, leak(value, value, slope))
    for i in range(whole, size):
        value = from_x[i] + shift
        to_y[i] = value if value > 0 else value * slope + 0
