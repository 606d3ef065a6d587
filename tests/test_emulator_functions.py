"""Votes, counting barriers, atomics, half precision and shuffles on the emulator, against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.kernels import emulate, emulator

if emulator.why_not():
    pytest.skip(emulator.why_not(), allow_module_level=True)

from numba import cuda, float32, int32
from numba.core import types

float16 = types.float16


@cuda.jit
def votes(x, out):
    i = cuda.grid(1)
    yes = x[i] > 0
    out[0, i] = cuda.ballot_sync(0xFFFFFFFF, yes)
    out[1, i] = cuda.any_sync(0xFFFFFFFF, yes)
    out[2, i] = cuda.all_sync(0xFFFFFFFF, yes)
    out[3, i] = cuda.eq_sync(0xFFFFFFFF, yes)
    out[4, i] = cuda.match_any_sync(0xFFFFFFFF, x[i])
    lanes, alike = cuda.match_all_sync(0xFFFFFFFF, x[i])
    out[5, i], out[6, i] = lanes, alike
    out[7, i] = cuda.syncthreads_count(int32(yes))
    out[8, i] = cuda.syncthreads_and(int32(yes))
    out[9, i] = cuda.syncthreads_or(int32(yes))
    out[10, i] = cuda.lanemask_lt()
    out[11, i] = cuda.syncthreads_count(int32(not yes))
    if x[i] == 1:
        out[12, i] = cuda.activemask()


@given(
    kind=st.sampled_from([np.int32, np.int64]),
    low=st.integers(-2, 1),
    spread=st.integers(0, 2),
    threads=st.integers(1, 70),
    seed=st.integers(0, 99),
    order=st.sampled_from(["forward", "reverse", 5]),
)
def test_votes_equal_their_definition(kind, low, spread, threads, seed, order):
    x = np.random.default_rng(seed).integers(low, low + spread + 1, 2 * threads).astype(kind)
    out = np.zeros((13, 2 * threads), np.uint32)
    emulate(votes, order=order)[2, threads](x, out)
    for block in range(2):
        mine = x[block * threads : (block + 1) * threads]
        got = out[:, block * threads : (block + 1) * threads]
        count = (mine > 0).sum()
        np.testing.assert_array_equal(got[7], count)
        np.testing.assert_array_equal(got[8] != 0, count == threads)
        np.testing.assert_array_equal(got[9] != 0, count > 0)
        np.testing.assert_array_equal(got[11], threads - count)
        for start in range(0, threads, 32):
            warp, lanes = mine[start : start + 32], np.arange(len(mine[start : start + 32]))

            def bits(which, lanes=lanes):
                return np.uint32((which.astype(np.int64) << lanes).sum())

            got_here, yes = got[:, start : start + 32], warp > 0
            np.testing.assert_array_equal(got_here[0], bits(yes))
            np.testing.assert_array_equal(got_here[1], yes.any())
            np.testing.assert_array_equal(got_here[2], yes.all())
            np.testing.assert_array_equal(got_here[3], yes.all() or not yes.any())
            np.testing.assert_array_equal(got_here[4], [bits(warp == value) for value in warp])
            alike = (warp == warp[0]).all()
            np.testing.assert_array_equal(got_here[5], bits(warp == warp) if alike else 0)
            np.testing.assert_array_equal(got_here[6], alike)
            np.testing.assert_array_equal(got_here[10], (1 << lanes) - 1)
            np.testing.assert_array_equal(got_here[12], np.where(warp == 1, bits(warp == 1), 0))


@cuda.jit
def extremes(x, y):
    i = cuda.grid(1)
    cuda.atomic.max(y, 0, x[i])
    cuda.atomic.min(y, 1, x[i])
    cuda.atomic.nanmax(y, 2, x[i])
    cuda.atomic.nanmin(y, 3, x[i])
    cuda.atomic.sub(y, 4, x[i])
    cuda.atomic.add(y, 5, x[i])


@given(kind=st.sampled_from([np.float32, np.float64, np.int32, np.uint32]), seed=st.integers(0, 99))
def test_atomics_of_every_kind(kind, seed):
    x = np.random.default_rng(seed).integers(0, 50, 40).astype(kind)
    y = np.full(6, 20, kind)
    emulate(extremes, order=seed)[2, 20](x, y)
    largest, least = max(x.max(), 20), min(x.min(), 20)
    expected = np.array([largest, least, largest, least, 20 - x.sum(dtype=np.int64), 20 + x.sum(dtype=np.int64)])
    np.testing.assert_array_equal(y, expected.astype(kind))


def test_a_nan_in_an_atomic_maximum():
    for kind in (np.float32, np.float64):
        y = np.array([np.nan, np.nan, np.nan, np.nan, 0, 0], kind)
        emulate(extremes)[1, 2](np.array([1, 2], kind), y)
        np.testing.assert_array_equal(y[:4], [np.nan, np.nan, 2, 1])  # "nan" prefers the number, as np.fmax does
        y = np.full(6, 3, kind)
        emulate(extremes)[1, 1](np.array([np.nan], kind), y)
        np.testing.assert_array_equal(y[:4], 3)


@cuda.jit
def count_around(n, limit):
    cuda.atomic.inc(n, 0, limit[0])
    cuda.atomic.dec(n, 1, limit[0])


@given(limit=st.integers(0, 9), start=st.integers(0, 12), threads=st.integers(1, 40))
def test_counters_that_wrap_around(limit, start, threads):
    up = down = start
    for _ in range(threads):
        up = 0 if up >= limit else up + 1
        down = limit if down == 0 or down > limit else down - 1
    for kind in (np.uint32, np.uint64):
        n = np.full(2, start, kind)
        emulate(count_around)[1, threads](n, np.array([limit], kind))
        np.testing.assert_array_equal(n, [up, down])


def test_bits_reversed():
    @cuda.jit
    def reverse(x, y):
        x[cuda.threadIdx.x] = cuda.brev(x[cuda.threadIdx.x])
        y[cuda.threadIdx.x] = cuda.brev(y[cuda.threadIdx.x])

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2**32, 8, np.uint32), rng.integers(0, 2**64, 8, np.uint64)
    expected = [[int(f"{int(v):0{n}b}"[::-1], 2) for v in values] for values, n in ((x, 32), (y, 64))]
    emulate(reverse)[1, 8](x, y)
    assert [x.tolist(), y.tolist()] == expected


@cuda.jit
def halves(x, y, wide, out):
    i = cuda.grid(1)
    out[0, i] = x[i] + y[i]
    out[1, i] = x[i] - y[i]
    out[2, i] = x[i] * y[i]
    out[3, i] = x[i] / y[i]
    out[4, i] = -x[i]
    out[5, i] = abs(x[i])
    out[6, i] = cuda.fp16.hfma(x[i], y[i], x[i])
    out[7, i] = cuda.fp16.hsqrt(abs(x[i]))
    out[8, i] = cuda.fp16.hmax(x[i], y[i])
    out[9, i] = wide[i]
    out[10, i] = float16(float32(x[i]) * float32(2))
    out[11, i] = 1 if x[i] < y[i] else 0
    out[12, i] = 1 if x[i] == y[i] else 0
    out[13, i] = i
    wide[i] = x[i]


@given(seed=st.integers(0, 2**32 - 1))
def test_half_precision_equals_numpys(seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(0, 2**16, 64, np.uint16).view(np.float16) for _ in range(2))  # of all sizes, and no numbers
    y[::7] = x[::7]
    bits = rng.integers(0, 2**16, 64, np.uint16).view(np.float16).astype(np.float64)  # also halfway between two
    with np.errstate(all="ignore"):
        wide = np.where(rng.random(64) < 0.5, bits * (1 + 2.0**-11), bits) * (1 + rng.integers(-1, 2, 64) * 2.0**-50)
    out, copy = np.zeros((14, 64), np.float16), wide.copy()
    emulate(halves)[1, 64](x, y, wide, out)
    with np.errstate(all="ignore"):
        fused = (x.astype(np.longdouble) * y.astype(np.longdouble) + x.astype(np.longdouble)).astype(np.float16)
        expected = [x + y, x - y, x * y, x / y, -x, abs(x), fused, np.sqrt(abs(x)), np.fmax(x, y)]
        expected += [copy.astype(np.float16), x * np.float16(2), x < y, x == y, np.arange(64)]
    for number, (got, right) in enumerate(zip(out, expected)):
        np.testing.assert_array_equal(got, np.asarray(right, np.float16), err_msg=str(number))
    np.testing.assert_array_equal(wide, x.astype(np.float64))


# ---- who takes part


@cuda.jit
def shift(x, mask, first):
    i = cuda.threadIdx.x
    if i < first:
        x[i] = cuda.shfl_down_sync(mask, x[i], 8)


def test_a_shuffle_with_the_mask_of_those_who_take_part():
    x = np.arange(32, dtype=np.float32)
    emulate(shift)[1, 32](x, 0xFFFF, 16)
    np.testing.assert_array_equal(x[:8], np.arange(8, 16))
    assert np.isnan(x[8:16]).all()  # read from lanes that are elsewhere
    np.testing.assert_array_equal(x[16:], np.arange(16, 32))


def test_halves_of_a_warp_with_a_mask_each():
    @cuda.jit
    def both(x):
        i = cuda.threadIdx.x
        if i < 16:
            x[i] = cuda.shfl_xor_sync(0x0000FFFF, x[i], 1)
        else:
            x[i] = cuda.shfl_xor_sync(0xFFFF0000, x[i], 2)

    x = np.arange(32, dtype=np.int32)
    emulate(both)[1, 32](x)
    np.testing.assert_array_equal(x, np.where(np.arange(32) < 16, np.arange(32) ^ 1, np.arange(32) ^ 2))


def test_a_mask_that_names_absent_lanes_or_leaves_out_present_ones():
    x = np.zeros(32, np.float32)
    with pytest.raises(emulator.LaneError, match=r"thread \(12, 0, 0\) of block \(0, 0, 0\) reads from lane 20, which"):
        emulate(shift)[1, 20](x, 0xFFFFFFFF, 20)
    with pytest.raises(emulator.LaneError, match=r"line \d+ .*thread \(8, 0, 0\) .* is not in the mask that it gives"):
        emulate(shift)[1, 32](x, 0x00FF, 16)

    @cuda.jit
    def apart(x):
        i = cuda.threadIdx.x
        if i < 16:
            x[i] = cuda.shfl_sync(0xFFFFFFFF, x[i], 0)
        else:
            x[i] = cuda.shfl_sync(0xFFFFFFFF, x[i], 3)

    with pytest.raises(emulator.BarrierError, match="not all threads of a warp reach the same barrier"):
        emulate(apart)[1, 32](x)


def test_a_function_that_is_not_there_is_named_with_its_line():
    @cuda.jit
    def unusual(x):
        x[0] = cuda.libdevice.sinpif(x[0])

    line = unusual.py_func.__code__.co_firstlineno + 2
    with pytest.raises(
        emulator.UnsupportedError, match=rf"libdevice's sinpif.*test_emulator_functions.py, line {line}"
    ):
        emulate(unusual)[1, 1](np.zeros(1, np.float32))
