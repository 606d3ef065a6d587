"""Activations in one pass over memory: their speed is the memory's.

Same results as `minigen.kernels.reference.pointwise`, to the last bit.
"""

from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import BLOCK, chunked_range, parallel
from .simd import VECTOR_BYTES, lanes, load, pointer, store
from .simd.streaming import LARGE, fence, interleaved_index, leaky, stream

__all__ = ["leaky_relu", "leaky_relu_grad"]


@checked("leaky_relu")
def leaky_relu(x: Array, negative_slope: float) -> Array:
    """As `minigen.kernels.reference.leaky_relu`."""
    return _leak_array(x, x, negative_slope, backwards=False)


@checked("leaky_relu_grad")
def leaky_relu_grad(g: Array, x: Array, negative_slope: float) -> Array:
    """As `minigen.kernels.reference.leaky_relu_grad`.

    It begins at the end: what was written or read last, in the pass before, is likeliest to be in a cache still.
    """
    return _leak_array(g, x, negative_slope, backwards=True)


def _leak_array(g, x, negative_slope, backwards):
    y = empty(x.shape, x.dtype)
    flat = (array.reshape(-1) for array in (contiguous(g), contiguous(x), y))
    _leaky(*flat, x.dtype.type(negative_slope), y.nbytes >= LARGE, backwards, work=x.size)
    return y


@parallel
def _leaky(thread, counter, g, x, y, slope, large, backwards):
    blocks = -(-x.size // BLOCK)
    for block in chunked_range(counter, blocks):
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
            i = interleaved_index(k, vectors) * width
            stream(to_y, i, leaky(load(from_x, i), load(from_g, i), slope))
        fence()
    else:
        for i in range(0, whole, width):
            store(to_y, i, leaky(load(from_x, i), load(from_g, i), slope))
    for i in range(whole, x.size):
        y[i] = leaky(x[i], g[i], slope)
