"""Dropout in one pass over memory; the random numbers are made on the way."""

import numpy as np

from .memory import empty, readable
from .team import items, shared

__all__ = ["dropout"]

_BLOCK = 1 << 14  # elements that a thread takes at a time
_STEP, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def dropout(x, p, seed):
    """As `minigen.kernels.reference.dropout`."""
    y = empty(x.shape, x.dtype)
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    _dropout(readable(x).reshape(-1), y.reshape(-1), np.uint64(p * 2**53), np.uint64(seed), scale, work=x.size)
    return y


@shared
def _dropout(thread, turns, x, y, threshold, seed, scale):
    for block in items(turns, -(-x.size // _BLOCK)):
        for i in range(np.uint64(block * _BLOCK), np.uint64(min((block + 1) * _BLOCK, x.size))):
            z = seed + (i + np.uint64(1)) * _STEP
            z = (z ^ z >> np.uint64(30)) * _FIRST
            z = (z ^ z >> np.uint64(27)) * _SECOND
            z ^= z >> np.uint64(31)
            y[i] = x[i] * scale if z >> np.uint64(11) >= threshold else x.dtype.type(0)
