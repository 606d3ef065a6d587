"""Dropout in one pass over memory, a thread for each element; the random numbers are made on the way."""

import functools

import numpy as np

from ..reference.dropout import FIRST, HALF, SECOND, STEP, threshold_and_scale
from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous, elements, empty
from .target import changing, cuda, flat, int32, number, types

__all__ = ["dropout"]


@checked("dropout")
def dropout(x: Array, p: float, seed: int) -> Array:
    """As `minigen.kernels.reference.dropout`."""
    images = contiguous("dropout: x", x)
    y = empty(x.shape, x.dtype)
    elements(_dropout(x.dtype), x.size, images, y, *threshold_and_scale(p, x.dtype), (seed,))
    return y


@functools.cache
def _dropout(dtype):
    zero = dtype.type(0)

    def dropout(x, y, threshold, scale, seeds, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            z = seeds[0] + types.uint64(e // 2 + 1) * STEP
            z = (z ^ z >> types.uint64(30)) * FIRST
            z = (z ^ z >> types.uint64(27)) * SECOND
            z ^= z >> types.uint64(31)
            half = z >> types.uint64(32) if e % 2 else z & HALF
            y[e] = x[e] * scale if half >= threshold else zero

    seeds = changing(np.dtype(np.uint64), 1)
    return Kernel(dropout, (flat(dtype), flat(dtype), types.uint64, number(dtype), seeds, int32))
