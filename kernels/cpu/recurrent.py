"""Recurrent layers: all time steps of a few sequences by one thread.

Step t needs the state after step t - 1, so steps cannot share the work; but sequences know nothing of each other.  A
thread takes `ROWS` of them, as many as the micro-kernel has rows, through all T steps: no thread ever waits for
another between two steps, and states and gates of a step are still in the first-level cache when the next one reads
them.

The weights are copied once to panels ``[panel][k][VECTORS * L]``, which every step of every thread reads from the
second-level cache.  A step is a product on the micro-kernel of `minigen.kernels.cpu.matmul`, added to what the input
gave, and one pass over the gates, whose sigmoids and tanhs are vectors too.

Source: Diamos et al. 2016, "Persistent RNNs: Stashing Recurrent Weights On-Chip" (ICML), which keep the weights near
the arithmetic in the same way.
"""

import numpy as np

from ..shapes import Array
from ..signatures import checked
from .microkernel import ROWS, VECTORS, matmul_kernel
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import chunked_range, parallel
from .simd import VECTOR_BYTES, advance, lanes, load_first, pointer, store_first
from .simd.exponential import like, sigmoid, tanh

__all__ = ["gru", "gru_grad", "lstm", "lstm_grad"]

#: Multiply-adds that count as one element of work: a vector of them, several times over.
_WORK = 64


@checked("gru")
def gru(a: Array, weight: Array, bias: Array, h: Array) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.gru`."""
    size = h.shape[1]
    states, gates = empty((*a.shape[:2], size), a.dtype), empty((*a.shape[:2], 4 * size), a.dtype)
    if states.size:
        _gru(*map(contiguous, (a, _panels(weight.T), bias, h)), states, gates, work=_work(a, size))
    return states, gates


@checked("gru_grad")
def gru_grad(g: Array, states: Array, gates: Array, weight: Array, h: Array) -> tuple[Array, Array, Array]:
    """As `minigen.kernels.reference.gru_grad`."""
    da, db = (empty((*g.shape[:2], len(weight)), g.dtype) for _ in range(2))
    dh = np.zeros(h.shape, g.dtype)
    if g.size:
        arrays = map(contiguous, (g, states, gates, _panels(weight), h))
        _gru_grad(*arrays, da, db, dh, work=_work(da, h.shape[1]))
    return da, db, dh


@checked("lstm")
def lstm(a: Array, weight: Array, bias: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.lstm`."""
    states, gates = empty((2, *a.shape[:2], h.shape[1]), a.dtype), empty(a.shape, a.dtype)
    if states.size:
        _lstm(*map(contiguous, (a, _panels(weight.T), bias, h, c)), states, gates, work=_work(a, h.shape[1]))
    return states, gates


@checked("lstm_grad")
def lstm_grad(g: Array, states: Array, gates: Array, weight: Array, c: Array) -> tuple[Array, Array, Array]:
    """As `minigen.kernels.reference.lstm_grad`."""
    da = empty(gates.shape, g.dtype)
    dh, dc = np.zeros(c.shape, g.dtype), np.zeros(c.shape, g.dtype)
    if g.size:
        arrays = map(contiguous, (g, states, gates, _panels(weight), c))
        _lstm_grad(*arrays, da, dh, dc, work=_work(da, c.shape[1]))
    return da, dh, dc


def _work(a, size):
    return a.size * size // _WORK


def _panels(b):
    """Matrix B (k, m) as panels [panel][k][VECTORS * L] of its columns; zeros where the last lacks some."""
    depth, columns = b.shape
    width = VECTORS * VECTOR_BYTES // b.itemsize
    count = -(-columns // width)
    whole = np.zeros((depth, count * width), b.dtype)
    whole[:, :columns] = b
    return whole.reshape(depth, count, width).swapaxes(0, 1)


@subroutine
def _add_product(rows, a, depth, panels, c, c_row, columns):
    """Add the product of `rows` rows of A, `depth` numbers each, and the matrix in `panels` to C."""
    width = panels.shape[2]
    half = lanes(c)
    for panel in range(panels.shape[0]):
        used = min(width, columns - panel * width)
        matmul_kernel(depth, a, depth, 1, pointer(panels[panel]), advance(c, panel * width), c_row, rows,
                      min(half, used), max(0, used - half), True)  # fmt: skip


# ---------------------------------------------------------------- GRU


@parallel
def _gru(thread, counter, a, panels, bias, h, states, gates):
    steps, n, size = states.shape
    for block in chunked_range(counter, -(-n // ROWS)):
        first = block * ROWS
        rows = min(ROWS, n - first)
        before = pointer(h[first])
        for t in range(steps):
            b, after = pointer(gates[t, first]), pointer(states[t, first])
            for row in range(rows):
                _begin(pointer(a[t, first + row]), pointer(bias), pointer(gates[t, first + row]), 2 * size, 3 * size)
            _add_product(rows, before, size, panels, b, 4 * size, 3 * size)
            _gru_step(rows, size, pointer(a[t, first]), b, before, after)
            before = after


@subroutine
def _begin(a, bias, gates, count, total):
    """What the state's product is added to: a + bias, the first `count`, and the bias alone."""
    for j in range(count):
        gates[j] = a[j] + bias[j]
    for j in range(count, total):
        gates[j] = bias[j]


@subroutine
def _gru_step(rows, size, a, gates, before, after):
    """Turn a + b of r and z, and b_n, into the gates and the next state."""
    for row in range(rows):
        from_a = advance(a, (3 * row + 2) * size)
        at_r = advance(gates, 4 * row * size)
        at_z, at_b, at_m = advance(at_r, size), advance(at_r, 2 * size), advance(at_r, 3 * size)
        for j in range(0, size, lanes(a)):
            count = min(lanes(a), size - j)
            r, z = sigmoid(load_first(at_r, j, count)), sigmoid(load_first(at_z, j, count))
            m = tanh(load_first(from_a, j, count) + r * load_first(at_b, j, count))
            h = load_first(before, row * size + j, count)
            store_first(at_r, j, r, count)
            store_first(at_z, j, z, count)
            store_first(at_m, j, m, count)
            store_first(after, row * size + j, m + z * (h - m), count)


@parallel
def _gru_grad(thread, counter, g, states, gates, panels, h, da, db, dh):
    steps, n, size = states.shape
    for block in chunked_range(counter, -(-n // ROWS)):
        first = block * ROWS
        rows = min(ROWS, n - first)
        for back in range(steps):
            t = steps - 1 - back
            before = pointer(states[t - 1, first]) if t else pointer(h[first])
            of_h = pointer(dh[first])
            _gru_step_grad(rows, size, pointer(g[t, first]), pointer(gates[t, first]), before, pointer(da[t, first]),
                           pointer(db[t, first]), of_h)  # fmt: skip
            _add_product(rows, pointer(db[t, first]), 3 * size, panels, of_h, size, size)


@subroutine
def _gru_step_grad(rows, size, g, gates, before, da, db, dh):
    """From the gradient of the state after the step, in `dh` and `g`, that of a, of b, and the direct part of dh."""
    for row in range(rows):
        at, part = row * size, 4 * row * size
        to_a, to_b = advance(da, 3 * at), advance(db, 3 * at)
        for j in range(0, size, lanes(g)):
            count = min(lanes(g), size - j)
            r, z = load_first(gates, part + j, count), load_first(gates, part + size + j, count)
            b, m = load_first(gates, part + 2 * size + j, count), load_first(gates, part + 3 * size + j, count)
            one = like(r, 1)
            of_h = load_first(g, at + j, count) + load_first(dh, at + j, count)
            d_n = of_h * (one - z) * (one - m * m)
            d_z = of_h * (load_first(before, at + j, count) - m) * z * (one - z)
            d_r = d_n * b * r * (one - r)
            store_first(to_a, j, d_r, count)
            store_first(to_b, j, d_r, count)
            store_first(to_a, size + j, d_z, count)
            store_first(to_b, size + j, d_z, count)
            store_first(to_a, 2 * size + j, d_n, count)
            store_first(to_b, 2 * size + j, d_n * r, count)
            store_first(dh, at + j, of_h * z, count)


# ---------------------------------------------------------------- LSTM


@parallel
def _lstm(thread, counter, a, panels, bias, h, c, states, gates):
    steps, n, size = states.shape[1:]
    for block in chunked_range(counter, -(-n // ROWS)):
        first = block * ROWS
        rows = min(ROWS, n - first)
        before_h, before_c = pointer(h[first]), pointer(c[first])
        for t in range(steps):
            z = pointer(gates[t, first])
            for row in range(rows):
                _begin(pointer(a[t, first + row]), pointer(bias), pointer(gates[t, first + row]), 4 * size, 4 * size)
            _add_product(rows, before_h, size, panels, z, 4 * size, 4 * size)
            after_h, after_c = pointer(states[0, t, first]), pointer(states[1, t, first])
            _lstm_step(rows, size, z, before_c, after_c, after_h)
            before_h, before_c = after_h, after_c


@subroutine
def _lstm_step(rows, size, gates, before, after, h):
    """Turn a + b into the gates, and these into the next state."""
    for row in range(rows):
        at_i = advance(gates, 4 * row * size)
        at_f, at_g, at_o = advance(at_i, size), advance(at_i, 2 * size), advance(at_i, 3 * size)
        for j in range(0, size, lanes(gates)):
            count, k = min(lanes(gates), size - j), row * size + j
            i, f = sigmoid(load_first(at_i, j, count)), sigmoid(load_first(at_f, j, count))
            g, o = tanh(load_first(at_g, j, count)), sigmoid(load_first(at_o, j, count))
            c = f * load_first(before, k, count) + i * g
            store_first(at_i, j, i, count)
            store_first(at_f, j, f, count)
            store_first(at_g, j, g, count)
            store_first(at_o, j, o, count)
            store_first(after, k, c, count)
            store_first(h, k, o * tanh(c), count)


@parallel
def _lstm_grad(thread, counter, g, states, gates, panels, c, da, dh, dc):
    steps, n, size = states.shape[1:]
    for block in chunked_range(counter, -(-n // ROWS)):
        first = block * ROWS
        rows = min(ROWS, n - first)
        for back in range(steps):
            t = steps - 1 - back
            before = pointer(states[1, t - 1, first]) if t else pointer(c[first])
            of_h, to_a = pointer(dh[first]), pointer(da[t, first])
            g_h, g_c = pointer(g[0, t, first]), pointer(g[1, t, first])
            _lstm_step_grad(rows, size, g_h, g_c, pointer(gates[t, first]), before, pointer(states[1, t, first]), to_a,
                            of_h, pointer(dc[first]))  # fmt: skip
            dh[first : first + rows] = 0
            _add_product(rows, to_a, 4 * size, panels, of_h, size, size)


@subroutine
def _lstm_step_grad(rows, size, g_h, g_c, gates, before, after, da, dh, dc):
    """From the gradients of the states after the step, in `dh`, `dc` and the cotangents, that of a, and the next dc."""
    for row in range(rows):
        at, part = row * size, 4 * row * size
        for j in range(0, size, lanes(da)):
            count = min(lanes(da), size - j)
            i, f = load_first(gates, part + j, count), load_first(gates, part + size + j, count)
            g, o = load_first(gates, part + 2 * size + j, count), load_first(gates, part + 3 * size + j, count)
            one = like(i, 1)
            t = tanh(load_first(after, at + j, count))
            of_h = load_first(g_h, at + j, count) + load_first(dh, at + j, count)
            of_c = load_first(g_c, at + j, count) + load_first(dc, at + j, count) + of_h * o * (one - t * t)
            store_first(da, part + j, of_c * g * i * (one - i), count)
            store_first(da, part + size + j, of_c * load_first(before, at + j, count) * f * (one - f), count)
            store_first(da, part + 2 * size + j, of_c * i * (one - g * g), count)
            store_first(da, part + 3 * size + j, of_h * t * o * (one - o), count)
            store_first(dc, at + j, of_c * f, count)
