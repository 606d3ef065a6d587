"""Dropout in one pass over memory; the random numbers are made on the way, for a whole vector at once."""

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from ..reference.dropout import FIRST, HALF, SECOND, STEP, threshold_and_scale
from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import BLOCK, chunked_range, parallel
from .simd import INT32, INT64, VECTOR_BYTES, lanes, load, pointer, splat
from .simd.streaming import LARGE, fence, interleaved_index, write

__all__ = ["dropout"]


@checked("dropout")
def dropout(x: Array, p: float, seed: int) -> Array:
    """As `minigen.kernels.reference.dropout`, to the last bit."""
    y = empty(x.shape, x.dtype)
    threshold, scale = threshold_and_scale(p, x.dtype)
    if threshold > HALF:  # more than the largest half: nothing is kept
        y[...] = 0
        return y
    large = y.nbytes >= LARGE and y.ctypes.data % VECTOR_BYTES == 0
    _dropout(contiguous(x).reshape(-1), y.reshape(-1), threshold, scale, np.uint64(seed), large, work=x.size)
    return y


@parallel
def _dropout(thread, counter, x, y, threshold, scale, seed, large):
    for block in chunked_range(counter, -(-x.size // BLOCK)):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, x.size)
        _drop(x[start:stop], y[start:stop], threshold, scale, seed + np.uint64(start // 2) * STEP, large)


@subroutine
def _drop(x, y, threshold, scale, seed, large):
    from_x, to_y = pointer(x), pointer(y)
    width = lanes(to_y)
    vectors = x.size // width
    for k in range(vectors):
        i = interleaved_index(k, vectors) * width if large else k * width
        write(to_y, i, _kept(load(from_x, i), scale, threshold, seed + np.uint64(i // 2) * STEP), large)
    if large:
        fence()
    for i in range(vectors * width, x.size):
        bits = _scrambled(seed + np.uint64(i // 2 + 1) * STEP)
        half = bits >> np.uint64(32) if i % 2 else bits & HALF
        y[i] = x[i] * scale if half >= threshold else x.dtype.type(0)


@intrinsic
def _kept(typing, v, scale, threshold, seed):
    """The lanes of `v` times `scale`, or 0 where a lane's half of a random number is below `threshold`.

    The 64-bit numbers, two lanes each, lie in a register as they would lie in memory: lower half first.
    """

    def generate(context, builder, signature, args):
        v, scale, threshold, seed = args
        numbers = ir.VectorType(INT64, v.type.count // 2)
        steps = [int(STEP) * (i + 1) % 2**64 for i in range(numbers.count)]
        z = builder.add(splat(builder, seed, numbers), ir.Constant(numbers, steps))
        for shift, factor in ((30, FIRST), (27, SECOND), (31, None)):
            z = builder.xor(z, builder.lshr(z, ir.Constant(numbers, [shift] * numbers.count)))
            z = z if factor is None else builder.mul(z, ir.Constant(numbers, [int(factor)] * numbers.count))
        halves = ir.VectorType(INT32, v.type.count)
        bound = splat(builder, builder.trunc(threshold, INT32), halves)
        kept = builder.icmp_unsigned(">=", builder.bitcast(z, halves), bound)
        return builder.select(kept, builder.fmul(v, splat(builder, scale, v.type)), ir.Constant(v.type, None))

    return v(v, v.element, threshold, seed), generate


@subroutine
def _scrambled(z):
    z = (z ^ z >> np.uint64(30)) * FIRST
    z = (z ^ z >> np.uint64(27)) * SECOND
    return z ^ z >> np.uint64(31)
