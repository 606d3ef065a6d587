"""The mean of all elements, by one block of threads, which adds up always in the same order: see `batch_norm`."""

import functools

from ..shapes import Array
from ..signatures import checked
from .batch_norm import THREADS, block_totals
from .launch import Kernel, contiguous, empty, launch
from .target import cuda, flat, int32, number

__all__ = ["mean"]

#: More elements than these are too slow for one block: CuPy adds them up, and divides by another launch.
MOST = 1 << 14


@checked("mean")
def mean(x: Array) -> Array:
    """As `minigen.kernels.reference.mean`."""
    x, result = contiguous("mean: x", x), empty((), x.dtype)
    if x.size > MOST:
        result[...] = x.sum() / x.size
    else:
        launch(_mean(x.dtype), 1, x, result, x.size)
    return result


@functools.cache
def _mean(dtype):
    zero, totals, number_type = dtype.type(0), block_totals(dtype), number(dtype)

    def mean(x, result, count):
        first_sums, second_sums = cuda.shared.array(THREADS, dtype), cuda.shared.array(THREADS, dtype)
        total = zero
        for e in range(int32(cuda.threadIdx.x), count, THREADS):
            total += x[e]
        total = totals(total, zero, first_sums, second_sums)[0]
        if cuda.threadIdx.x == 0:
            result[0] = total / number_type(count)

    return Kernel(mean, (flat(dtype), flat(dtype), int32), THREADS)
