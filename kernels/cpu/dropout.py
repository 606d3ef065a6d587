"""Dropout in one pass over memory; the random numbers are made on the way."""

import numpy as np

from ..reference.dropout import FIRST, HALF, SECOND, STEP, threshold_and_scale
from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import BLOCK, chunked_range, parallel

__all__ = ["dropout"]


@checked("dropout")
def dropout(x: Array, p: float, seed: int) -> Array:
    """As `minigen.kernels.reference.dropout`."""
    y = empty(x.shape, x.dtype)
    _dropout(contiguous(x).reshape(-1), y.reshape(-1), *threshold_and_scale(p, x.dtype), np.uint64(seed), work=x.size)
    return y


@parallel
def _dropout(thread, counter, x, y, threshold, scale, seed):
    for block in chunked_range(counter, -(-x.size // BLOCK)):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, x.size)
        _drop(x[start:stop], y[start:stop], threshold, scale, seed + np.uint64(start // 2) * STEP)


@subroutine
def _drop(x, y, threshold, scale, seed):
    zero = x.dtype.type(0)
    for pair in range(x.size // 2):
        seed += STEP
        bits = _scrambled(seed)
        y[2 * pair] = x[2 * pair] * scale if bits & HALF >= threshold else zero
        y[2 * pair + 1] = x[2 * pair + 1] * scale if bits >> np.uint64(32) >= threshold else zero
    if x.size % 2:
        y[x.size - 1] = x[x.size - 1] * scale if _scrambled(seed + STEP) & HALF >= threshold else zero


@subroutine
def _scrambled(z):
    z = (z ^ z >> np.uint64(30)) * FIRST
    z = (z ^ z >> np.uint64(27)) * SECOND
    return z ^ z >> np.uint64(31)
