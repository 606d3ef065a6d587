"""Dropout in one pass over memory; the random numbers are made on the way."""

import numpy as np

from ..reference.dropout import FIRST, HALF, SECOND, STEP, threshold_and_scale
from .compile import subroutine
from .memory import empty, readable
from .team import BLOCK, items, shared

__all__ = ["dropout"]


def dropout(x, p, seed):
    """As `minigen.kernels.reference.dropout`."""
    y = empty(x.shape, x.dtype)
    _dropout(readable(x).reshape(-1), y.reshape(-1), *threshold_and_scale(p, x.dtype), np.uint64(seed), work=x.size)
    return y


@shared
def _dropout(thread, turns, x, y, threshold, scale, seed):
    for block in items(turns, -(-x.size // BLOCK)):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, x.size)
        for pair in range(start // 2, stop // 2):
            bits = _bits(seed, pair)
            _drop(x, y, 2 * pair, bits & HALF, threshold, scale)
            _drop(x, y, 2 * pair + 1, bits >> np.uint64(32), threshold, scale)
        if stop % 2:
            _drop(x, y, stop - 1, _bits(seed, stop // 2) & HALF, threshold, scale)


@subroutine
def _bits(seed, i):
    z = seed + np.uint64(i + 1) * STEP
    z = (z ^ z >> np.uint64(30)) * FIRST
    z = (z ^ z >> np.uint64(27)) * SECOND
    return z ^ z >> np.uint64(31)


@subroutine
def _drop(x, y, i, half, threshold, scale):
    y[i] = x[i] * scale if half >= threshold else x.dtype.type(0)
