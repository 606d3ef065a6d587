"""Dropout in one pass over memory, a thread for each element; the random numbers are made on the way."""

import functools

import numpy as np

from .launch import Kernel, contiguous, elements, empty
from .target import cuda, flat, int32, number, types

__all__ = ["dropout"]

_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def dropout(x, p, seed):
    """As `minigen.kernels.reference.dropout`."""
    images = contiguous("dropout: x", x)
    y = empty(x.shape, x.dtype)
    scale = 1 / (1 - p) if p < 1 else 0.0
    elements(_dropout(x.dtype), x.size, images, y, np.uint64(p * 2**53), np.uint64(seed), scale)
    return y


@functools.cache
def _dropout(dtype):
    zero = dtype.type(0)

    def dropout(x, y, threshold, seed, scale, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            z = seed + types.uint64(e + 1) * types.uint64(_STEP)
            z = (z ^ z >> types.uint64(30)) * types.uint64(_FIRST)
            z = (z ^ z >> types.uint64(27)) * types.uint64(_SECOND)
            z ^= z >> types.uint64(31)
            y[e] = x[e] * scale if z >> types.uint64(11) >= threshold else zero

    return Kernel(dropout, (flat(dtype), flat(dtype), types.uint64, types.uint64, number(dtype), int32))
