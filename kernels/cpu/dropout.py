"""Dropout in one pass over memory; the random numbers are made on the way."""

import numpy as np

from ..reference.dropout import FIRST, SECOND, STEP, threshold_and_scale
from .memory import empty, readable
from .team import BLOCK, indices, items, shared

__all__ = ["dropout"]


def dropout(x, p, seed):
    """As `minigen.kernels.reference.dropout`."""
    y = empty(x.shape, x.dtype)
    _dropout(readable(x).reshape(-1), y.reshape(-1), *threshold_and_scale(p, x.dtype), np.uint64(seed), work=x.size)
    return y


@shared
def _dropout(thread, turns, x, y, threshold, scale, seed):
    for block in items(turns, -(-x.size // BLOCK)):
        for i in indices(block, x.size):
            z = seed + (i + np.uint64(1)) * STEP
            z = (z ^ z >> np.uint64(30)) * FIRST
            z = (z ^ z >> np.uint64(27)) * SECOND
            z ^= z >> np.uint64(31)
            y[i] = x[i] * scale if z >> np.uint64(11) >= threshold else x.dtype.type(0)
