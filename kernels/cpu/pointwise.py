"""Operations on each element in one pass over memory: the speed of all but the sigmoid is the memory's.

Same results as `minigen.kernels.reference.pointwise`, to the last bit; the sigmoid and its gradient to a few units in
the last place, and 0 where the reference gives less than the least normal number.
"""

from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import BLOCK, chunked_range, parallel
from .simd import VECTOR_BYTES, exponential, lanes, load, load_first, pointer, store, store_first
from .simd.streaming import LARGE, fence, interleaved_index, leaky, stream

__all__ = ["add", "leaky_relu", "leaky_relu_grad", "sigmoid", "sigmoid_grad"]

#: Elements that a thread takes at a time where each is some work.
_PIECE = 1 << 12


@checked("add")
def add(x: Array, y: Array) -> Array:
    """As `minigen.kernels.reference.add`.  NumPy's sum is in new memory, whose pages the system fills with zeros."""
    z = empty(x.shape, x.dtype)
    _add(*(array.reshape(-1) for array in (contiguous(x), contiguous(y), z)), z.nbytes >= LARGE, work=x.size)
    return z


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


@parallel
def _add(thread, counter, x, y, z, large):
    for block in chunked_range(counter, -(-x.size // BLOCK)):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, x.size)
        _add_block(x[start:stop], y[start:stop], z[start:stop], large)


@subroutine
def _add_block(x, y, z, large):
    from_x, from_y, to_z = pointer(x), pointer(y), pointer(z)
    width = lanes(to_z)
    whole = x.size // width * width
    if large and z.ctypes.data % VECTOR_BYTES == 0:
        vectors = whole // width
        for k in range(vectors):
            i = interleaved_index(k, vectors) * width
            stream(to_z, i, load(from_x, i) + load(from_y, i))
        fence()
    else:
        for i in range(0, whole, width):
            store(to_z, i, load(from_x, i) + load(from_y, i))
    for i in range(whole, x.size):
        z[i] = x[i] + y[i]


# ---------------------------------------------------------------- sigmoid


@checked("sigmoid")
def sigmoid(x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid`."""
    y = empty(x.shape, x.dtype)
    _sigmoid(contiguous(x).reshape(-1), y.reshape(-1), work=x.size)
    return y


@checked("sigmoid_grad")
def sigmoid_grad(g: Array, x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid_grad`."""
    dx = empty(x.shape, x.dtype)
    _sigmoid_grad(*(array.reshape(-1) for array in (contiguous(g), contiguous(x), dx)), work=x.size)
    return dx


@parallel
def _sigmoid(thread, counter, x, y):
    from_x, to_y = pointer(x), pointer(y)
    for piece in chunked_range(counter, -(-x.size // _PIECE)):
        stop = min((piece + 1) * _PIECE, x.size)
        for i in range(piece * _PIECE, stop, lanes(to_y)):
            count = min(stop - i, lanes(to_y))
            store_first(to_y, i, exponential.sigmoid(load_first(from_x, i, count)), count)


@parallel
def _sigmoid_grad(thread, counter, g, x, dx):
    from_g, from_x, to_dx = pointer(g), pointer(x), pointer(dx)
    for piece in chunked_range(counter, -(-x.size // _PIECE)):
        stop = min((piece + 1) * _PIECE, x.size)
        for i in range(piece * _PIECE, stop, lanes(to_dx)):
            count = min(stop - i, lanes(to_dx))
            slope = exponential.sigmoid_slope(load_first(from_x, i, count))
            store_first(to_dx, i, load_first(from_g, i, count) * slope, count)
