"""The matrix product ``C = A B`` on the same micro-kernel as the convolutions.

NumPy's own product is as fast, but not for free: its library keeps the threads that it used spinning for tens of
milliseconds, in case more work comes, on the cores that the next kernel wants.  In a training step, where a small
product stands between two convolutions, that made two threads no faster than one.

A *panel*, ``VECTORS`` vectors of columns of B, is first copied to ``[k][VECTORS * L]``, so that the innermost loop
reads it straight through; A is read in place, by rows or by columns.  A panel and ``ROWS`` rows of A make
one block of C.  A deep product is cut into slices of k, one after the other, so that what is copied stays in the cache.
Each number of C is summed over k = 0, 1, ... in that order, by one thread.

Source: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.
"""

import functools

import numpy as np

from ..shapes import Array
from ..signatures import checked
from .bias import add_bias
from .microkernel import ROWS, VECTORS, matmul_kernel
from .runtime.allocator import contiguous, empty
from .runtime.compile import inlined
from .runtime.thread_pool import PerThread, chunked_range, parallel
from .runtime.threads import get_num_threads
from .simd import VECTOR_BYTES, advance, lanes, load_first, pointer, store_first, transpose
from .simd.streaming import leaked, slope_like

__all__ = ["matmul", "matmul_bias"]

#: Multiply-adds that count as one element of work: they take about as long.
_WORK = 16
#: Panels that a thread may copy at a time: a row of A, once read, meets them all.
_PANELS = (1, 2, 4, 8)
#: Pieces that the work is cut into for each thread, at least, and for all, if it is large enough.
_PIECES_PER_THREAD, _PIECES = 2, 8
#: Rows of a panel that are copied at a time: the group of panels then stays in the second-level cache.
_DEPTH = 384


@checked("matmul")
def matmul(a: Array, b: Array) -> Array:
    """As `minigen.kernels.reference.matmul`."""
    if a.ndim == b.ndim == 2:
        return _product(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    a, b = (np.broadcast_to(x, batch + x.shape[-2:]) for x in (a, b))
    for index in np.ndindex(batch):
        out[index] = _product(a[index], b[index])
    return out


@checked("matmul_bias")
def matmul_bias(a: Array, b: Array, bias: Array, negative_slope: float | None = None) -> Array:
    """As `minigen.kernels.reference.matmul_bias`; a thread adds the bias to what it has just computed."""
    if 1 in (a.shape[0], b.shape[1]) or 0 in (*a.shape, b.shape[1]):
        c = _product(a, b)
        return add_bias(c, bias, c, negative_slope)
    return _product(a, b, contiguous(bias), slope_like(negative_slope, a))


def _product(a, b, bias=None, slope=None):
    (n, k), m = a.shape, b.shape[1]
    if n == 1 or m == 1:  # memory is the limit; `einsum` is plain loops, without a library's threads
        return np.einsum("ij,jk->ik", a, b)
    c = empty((n, m), a.dtype)
    if 0 in (n, k, m):
        c[...] = 0
        return c
    a, b = _strided(a), _strided(b)
    width = VECTORS * VECTOR_BYTES // c.itemsize
    pieces = max(_PIECES, _PIECES_PER_THREAD * get_num_threads())
    size, parts = _pieces(-(-n // ROWS), -(-m // width), width, pieces)
    workspace = PerThread((size, min(k, _DEPTH), width), c.dtype)
    _multiply(*a, *b, bias, slope, workspace, c, parts, work=n * k * m // _WORK)
    return c


@functools.lru_cache(maxsize=256)
def _pieces(blocks, panels, width, pieces):
    """(panels at a time, parts that the blocks of rows are cut into): what reads A and copies B least often.

    That changes no bit of the result, so it may depend on the number of threads.
    """

    def traffic(choice):
        size, parts = choice
        return -(-panels // size) * blocks * ROWS + 2 * parts * panels * width

    sizes = [size for size in _PANELS if size < 2 * panels]
    return min(((size, min(blocks, -(-pieces // -(-panels // size)))) for size in sizes), key=traffic)


def _strided(x):
    """(flat array, elements from row to row, elements from column to column); a transposed matrix is not copied."""
    if x.flags.f_contiguous:
        return contiguous(x.T).reshape(-1), 1, x.shape[0]
    return contiguous(x).reshape(-1), x.shape[1], 1


@parallel
def _multiply(thread, counter, a, a_row, a_column, b, b_row, b_column, bias, slope, workspace, c, parts):
    rows, columns = c.shape
    size, deepest, width = workspace.shape[1:]
    depth = a.size // rows
    panels, blocks = -(-columns // width), -(-rows // ROWS)
    runs = -(-panels // size)
    for item in chunked_range(counter, runs * parts):
        part, first = item % parts, item // parts * size
        last = min(first + size, panels)
        for k in range(0, depth, deepest):
            count = min(deepest, depth - k)
            _pack(advance(pointer(b), k * b_row), b_row, b_column, workspace[thread], first, last, count, columns)
            for block in range(part * blocks // parts, (part + 1) * blocks // parts):
                for panel in range(first, last):
                    _multiply_block(a, k, a_row, a_column, count, workspace[thread, panel - first], c, block, panel,
                                    k > 0)  # fmt: skip
        if bias is not None:
            row, last_row = part * blocks // parts * ROWS, min((part + 1) * blocks // parts * ROWS, rows)
            _add_bias(pointer(c), row, last_row, columns, first * width, min(last * width, columns), bias, slope)


@inlined
def _add_bias(c, row, last_row, columns, begin, end, bias, slope):
    """Add the bias, and apply the leaky ReLU, to columns `begin` to `end` of some rows of C."""
    numbers = pointer(bias)
    for i in range(row, last_row):
        for j in range(begin, end, lanes(c)):
            count = min(end - j, lanes(c))
            value = load_first(advance(c, i * columns), j, count) + load_first(numbers, j, count)
            store_first(advance(c, i * columns), j, leaked(value, value, slope), count)


@inlined
def _multiply_block(a, k, a_row, a_column, count, filled, c, block, panel, add):
    """One block of C: add the products of `count` columns of A, from the k-th, and the rows of a panel."""
    L = lanes(pointer(c))
    row, column = block * ROWS, panel * filled.shape[1]
    used = min(filled.shape[1], c.shape[1] - column)
    matmul_kernel(count, advance(pointer(a), row * a_row + k * a_column), a_row, a_column, pointer(filled),
                  advance(pointer(c), row * c.shape[1] + column), c.shape[1], min(ROWS, c.shape[0] - row), min(L, used),
                  max(0, used - L), add)  # fmt: skip


@inlined
def _pack(b, row, column, panels, first, last, count, columns):
    """`count` rows of panels `first` to `last` of B, zeros in the columns that it lacks; long rows are read along."""
    width = panels.shape[2]
    if column == 1:
        for k in range(count):
            for panel in range(first, last):
                source = advance(b, k * row + panel * width)
                target = pointer(panels[panel - first, k])
                used = min(width, columns - panel * width)
                for j in range(used):
                    target[j] = source[j]
                for j in range(used, width):
                    target[j] = 0
    else:
        for panel in range(first, last):
            source = advance(b, panel * width * column)
            used = min(width, columns - panel * width)
            _pack_transposed(source, column, pointer(panels[panel - first]), count, used, width)


@inlined
def _pack_transposed(source, column, target, depth, used, width):
    """Where columns of B lie together: L x L blocks at a time, through registers."""
    L = lanes(source)
    whole = depth // L * L
    for j in range(0, width, L):
        rows = max(0, min(L, used - j))
        for k in range(0, whole if rows else 0, L):
            transpose(advance(source, j * column + k), column, rows, advance(target, k * width + j), width)
        for k in range(whole if rows else 0, depth):
            for lane in range(L):
                target[k * width + j + lane] = source[(j + lane) * column + k] if lane < rows else 0
