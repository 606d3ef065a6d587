"""Weighted sums of a few elements along one dimension: a thread makes one outer index of the result at a time.

Same results as `minigen.kernels.reference.resample`, to the last bit.
"""

from ..reference.resample import check_rows
from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.thread_pool import chunked_range, parallel

__all__ = ["resample"]


@checked("resample")
def resample(x: Array, first: Array, source: Array, weight: Array) -> Array:
    """As `minigen.kernels.reference.resample`."""
    check_rows(first, source, x.shape[1])
    out = empty((x.shape[0], len(first) - 1, x.shape[2]), x.dtype)
    work = out.size + x.shape[0] * x.shape[2] * len(source)
    _resample(contiguous(x), *map(contiguous, (first, source, weight)), out, work=work)
    return out


@parallel
def _resample(thread, counter, x, first, source, weight, out):
    inner = x.shape[2]
    for o in chunked_range(counter, x.shape[0]):
        for p in range(out.shape[1]):
            if inner == 1:  # the sum stays in a register
                total = out.dtype.type(0)
                for k in range(first[p], first[p + 1]):
                    total += weight[k] * x[o, source[k], 0]
                out[o, p, 0] = total
            else:  # whole rows at a time, which are vectors
                for i in range(inner):
                    out[o, p, i] = 0
                for k in range(first[p], first[p + 1]):
                    for i in range(inner):
                        out[o, p, i] += weight[k] * x[o, source[k], i]
