"""Weighted sums of a few elements along one dimension: a thread for each element of the result."""

import functools

from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous, elements, empty
from .target import cuda, flat, int32, types

__all__ = ["resample"]


@checked("resample")
def resample(x: Array, first: Array, source: Array, weight: Array) -> Array:
    """As `minigen.kernels.reference.resample`, but what lies outside an array is passed over.

    Telling the caller would make the CPU wait for the GPU.
    """
    outer, n, inner = x.shape
    out = empty((outer, first.shape[0] - 1, inner), x.dtype)
    rows = (
        contiguous(f"resample: {name}", a) for name, a in (("first", first), ("source", source), ("weight", weight))
    )
    kernel = _resample(out.shape[1], n, inner, source.shape[0], x.dtype)
    elements(kernel, out.size, contiguous("resample: x", x), *rows, out)
    return out


@functools.cache
def _resample(m, n, inner, terms, dtype):
    zero = dtype.type(0)

    def resample(x, first, source, weight, out, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            i, p, o = e % inner, e // inner % m, e // (inner * m)
            total = zero
            for k in range(max(first[p], 0), min(first[p + 1], terms)):
                place = source[k]
                if 0 <= place < n:
                    total += weight[k] * x[(o * n + place) * inner + i]
            out[e] = total

    integers = types.Array(types.int64, 1, "C")
    return Kernel(resample, (flat(dtype), integers, integers, flat(dtype), flat(dtype), int32))
