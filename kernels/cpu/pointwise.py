"""Operations on each element in one pass over memory: the speed of most is the memory's.

Same results as `minigen.kernels.reference.pointwise`, to the last bit; the sigmoid, the softplus and their gradients to
a few units in the last place (see `minigen.kernels.cpu.simd.exponential`).
"""

from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import BLOCK, chunked_range, parallel
from .simd import VECTOR_BYTES, exponential, lanes, load, load_first, pointer, store, store_first
from .simd.streaming import LARGE, fence, interleaved_index, leaky, stream

__all__ = [
    "add",
    "leaky_relu",
    "leaky_relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "softplus",
    "softplus_grad",
    "tanh_grad",
]

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


# ---------------------------------------------------------------- smooth functions


@checked("sigmoid")
def sigmoid(x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid`."""
    return _each(_sigmoid, x)


@checked("sigmoid_grad")
def sigmoid_grad(g: Array, x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid_grad`."""
    return _each(_sigmoid_grad, g, x)


@checked("softplus")
def softplus(x: Array) -> Array:
    """As `minigen.kernels.reference.softplus`."""
    return _each(_softplus, x)


@checked("softplus_grad")
def softplus_grad(g: Array, x: Array) -> Array:
    """As `minigen.kernels.reference.softplus_grad`."""
    return _each(_softplus_grad, g, x)


@checked("tanh_grad")
def tanh_grad(g: Array, y: Array) -> Array:
    """As `minigen.kernels.reference.tanh_grad`."""
    return _each(_tanh_grad, g, y)


def _each(kernel, *arrays):
    out = empty(arrays[0].shape, arrays[0].dtype)
    kernel(*[contiguous(array).reshape(-1) for array in arrays], out.reshape(-1), work=out.size)
    return out


@parallel
def _sigmoid(thread, counter, x, y):
    _map(counter, exponential.sigmoid, x, y)


@parallel
def _sigmoid_grad(thread, counter, g, x, dx):
    _scale(counter, exponential.sigmoid_slope, g, x, dx)


@parallel
def _softplus(thread, counter, x, y):
    _map(counter, exponential.softplus, x, y)


@parallel
def _softplus_grad(thread, counter, g, x, dx):
    _scale(counter, exponential.sigmoid, g, x, dx)


@parallel
def _tanh_grad(thread, counter, g, y, dx):
    _scale(counter, exponential.tanh_slope, g, y, dx)


@subroutine
def _map(counter, function, x, y):
    """``y = function(x)``, with the same operations, and bits, in a whole vector and for the last few elements."""
    from_x, to_y = pointer(x), pointer(y)
    for start, whole, stop in _pieces(counter, x.size, lanes(to_y)):
        for i in range(start, whole, lanes(to_y)):
            store(to_y, i, function(load(from_x, i)))
        if whole < stop:
            store_first(to_y, whole, function(load_first(from_x, whole, stop - whole)), stop - whole)


@subroutine
def _scale(counter, slope, g, x, dx):
    """``dx = g * slope(x)``, likewise."""
    from_g, from_x, to_dx = pointer(g), pointer(x), pointer(dx)
    for start, whole, stop in _pieces(counter, x.size, lanes(to_dx)):
        for i in range(start, whole, lanes(to_dx)):
            store(to_dx, i, load(from_g, i) * slope(load(from_x, i)))
        if whole < stop:
            n = stop - whole
            store_first(to_dx, whole, load_first(from_g, whole, n) * slope(load_first(from_x, whole, n)), n)


@subroutine
def _pieces(counter, size, width):
    """This thread's pieces: where each starts, where its whole vectors end, and where it ends."""
    for piece in chunked_range(counter, -(-size // _PIECE)):
        start, stop = piece * _PIECE, min((piece + 1) * _PIECE, size)
        yield start, stop - (stop - start) % width, stop
