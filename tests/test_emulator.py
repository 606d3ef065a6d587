"""The emulator: CUDA kernels on the CPU, against NumPy; planted faults found; traffic counted as by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.kernels import emulate, emulator

if emulator.why_not():
    pytest.skip(emulator.why_not(), allow_module_level=True)

from numba import cuda, float32, float64, int32

TILE = 8


@cuda.jit
def matmul(a, b, c):
    """A tile of each factor at a time, in shared memory."""
    sa = cuda.shared.array((TILE, TILE), float32)
    sb = cuda.shared.array((TILE, TILE), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * TILE + ty, cuda.blockIdx.x * TILE + tx
    total = float32(0)
    for start in range(0, a.shape[1], TILE):
        sa[ty, tx] = a[row, start + tx] if row < a.shape[0] and start + tx < a.shape[1] else float32(0)
        sb[ty, tx] = b[start + ty, column] if start + ty < b.shape[0] and column < b.shape[1] else float32(0)
        cuda.syncthreads()
        for k in range(TILE):
            total += sa[ty, k] * sb[k, tx]
        cuda.syncthreads()
    if row < c.shape[0] and column < c.shape[1]:
        c[row, column] = total


def tiles(shape):
    return (-(-shape[1] // TILE), -(-shape[0] // TILE)), (TILE, TILE)


# ---- results


@given(m=st.integers(1, 20), n=st.integers(1, 20), k=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_a_tiled_product_equals_numpys_under_every_order_of_threads(m, n, k, seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(-8, 9, (m, k)).astype(np.float32)  # sums of small integers are exact
    b = rng.integers(-8, 9, (n, k)).astype(np.float32).T  # with strides of its own
    for order in ("forward", "reverse", seed):
        c = np.full((m, n), np.nan, np.float32)
        emulate(matmul, check=False, order=order)[tiles(c.shape)](a, b, c)
        np.testing.assert_array_equal(c, a @ b)


@given(m=st.integers(1, 20), k=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_a_right_kernel_passes_the_check(m, k, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-8, 9, (m, k)).astype(np.float32), rng.integers(-8, 9, (k, m)).astype(np.float32)
    c = np.full((m, m), np.nan, np.float32)
    emulate(matmul, check=True, order=seed)[tiles(c.shape)](a, b, c)
    np.testing.assert_array_equal(c, a @ b)


@cuda.jit(device=True)
def halved(value):
    return value / 2


def test_grids_blocks_and_device_functions():
    @cuda.jit
    def place(out):
        x, y, z = cuda.grid(3)
        at = (z * cuda.gridDim.y * cuda.blockDim.y + y) * cuda.gridDim.x * cuda.blockDim.x + x
        out[at, 0], out[at, 1] = cuda.blockIdx.x, cuda.threadIdx.z
        out[at, 2] = halved(cuda.gridsize(1) + 2 * cuda.laneid)

    out = np.full((2 * 3 * 2 * 2 * 3 * 2, 3), -1.0)
    emulate(place, check=True)[(3, 2, 2), (2, 2, 3)](out)
    z, y, x = np.unravel_index(np.arange(len(out)), (6, 4, 6))
    lane = (z % 3 * 2 + y % 2) * 2 + x % 2
    np.testing.assert_array_equal(out, np.stack([x // 2, z % 3, 3 + lane], axis=1))


def test_types_numbers_tuples_and_functions():
    @cuda.jit
    def compute(x, mask, numbers, scale, out):
        i = cuda.grid(1)
        if mask[i]:
            out[i] = math.exp(x[i]) + numbers[0] * math.tanh(numbers[1]) + scale
        else:
            out[i] = abs(x[i]) ** 0.5

    rng = np.random.default_rng(0)
    x, mask = rng.standard_normal(32), rng.random(32) < 0.5
    out = np.zeros(32)
    emulate(compute, check=True)[1, 32](x[::-1], mask, (np.int32(3), 0.25), np.float32(1.5), out)
    want = np.where(mask, np.exp(x[::-1]) + 3 * np.tanh(0.25) + 1.5, np.sqrt(np.abs(x[::-1])))
    np.testing.assert_allclose(out, want, rtol=1e-14)


def test_shuffles_and_atomics_sum_a_block():
    @cuda.jit
    def block_sum(x, out):
        value = x[cuda.grid(1)]
        for offset in (16, 8, 4, 2, 1):
            value += cuda.shfl_down_sync(0xFFFFFFFF, value, offset)
        if cuda.laneid == 0:
            cuda.atomic.add(out, cuda.blockIdx.x, value)

    x = np.random.default_rng(1).integers(-9, 10, 256)
    for kind in (np.float32, np.float64, np.int32, np.int64):
        out = np.zeros(2, kind)
        emulate(block_sum, check=True, order=3)[2, 128](x.astype(kind), out)
        np.testing.assert_array_equal(out, x.reshape(2, 128).sum(1))


def test_shuffles_of_all_kinds_against_their_definition():
    @cuda.jit
    def shuffle(x, out):
        i = cuda.threadIdx.x
        out[0, i] = cuda.shfl_sync(0xFFFFFFFF, x[i], i // 2)
        out[1, i] = cuda.shfl_up_sync(0xFFFFFFFF, x[i], 3)
        out[2, i] = cuda.shfl_down_sync(0xFFFFFFFF, x[i], 5)
        out[3, i] = cuda.shfl_xor_sync(0xFFFFFFFF, x[i], 6)

    x, lanes = np.random.default_rng(2).standard_normal(32), np.arange(32)
    out = np.zeros((4, 32))
    emulate(shuffle)[1, 32](x, out)
    up, down = np.where(lanes >= 3, lanes - 3, lanes), np.where(lanes < 27, lanes + 5, lanes)
    np.testing.assert_array_equal(out, x[np.stack([lanes // 2, up, down, lanes ^ 6])])


def test_shared_memory_that_the_launch_sizes():
    @cuda.jit
    def reverse(x):
        held = cuda.shared.array(0, float64)
        i = cuda.threadIdx.x
        held[i] = x[i]
        cuda.syncthreads()
        x[i] = held[len(held) - 1 - i]

    x = np.arange(6.0)
    emulate(reverse, check=True)[1, 6, 0, 6 * 8](x)
    np.testing.assert_array_equal(x, np.arange(6.0)[::-1])
    with pytest.raises(emulator.BoundsError, match=r"element 0 of held, which has 0 elements|writes element"):
        emulate(reverse, check=True)[1, 6, 0, 8](x)

    @cuda.jit
    def hold(x):
        held = cuda.shared.array(0, float64)
        held[cuda.threadIdx.x] = x[cuda.threadIdx.x]
        cuda.syncthreads()
        x[cuda.threadIdx.x] = held[0]

    with pytest.raises(emulator.BoundsError, match="writes element 0 of held, which has 0 elements"):
        emulate(hold, check=True)[1, 6](x)


def test_shared_memory_is_not_a_number_until_it_is_written():
    @cuda.jit
    def forgets(out):
        held = cuda.shared.array(4, float32)
        out[cuda.threadIdx.x] = held[cuda.threadIdx.x]

    out = np.zeros(4, np.float32)
    emulate(forgets, check=False)[2, 4](out)
    assert np.isnan(out).all()


# ---- faults


@cuda.jit
def race_without_the_first_barrier(x):
    held = cuda.shared.array(64, float32)
    i = cuda.threadIdx.x
    held[i] = x[i]
    x[i] = held[63 - i]


@cuda.jit
def race_without_the_second_barrier(x):
    held = cuda.shared.array(64, float32)
    i = cuda.threadIdx.x
    for _ in range(2):
        held[i] = x[i]
        cuda.syncthreads()
        x[i] = held[63 - i]


@cuda.jit
def race_of_blocks(x):
    x[cuda.threadIdx.x] = cuda.blockIdx.x


@cuda.jit
def race_of_a_block_with_an_earlier_reader(x):
    value = x[0]
    cuda.syncthreads()
    if cuda.threadIdx.x == 0 and cuda.blockIdx.x == 1:
        x[0] = value


@cuda.jit
def race_of_an_atomic_with_a_load(x):
    cuda.atomic.add(x, 0, float32(1))
    x[1 + cuda.threadIdx.x] = x[0]


@cuda.jit
def bounds_by_one(x):
    x[cuda.threadIdx.x + 1] = 0


@cuda.jit
def bounds_into_the_next_array(x):
    first = cuda.shared.array(32, float32)
    second = cuda.shared.array(32, float32)
    i = cuda.threadIdx.x
    if i < 32:
        second[i] = 0
        cuda.syncwarp()
    first[i] = x[i]


@cuda.jit
def bounds_of_a_local_array(x):
    own = cuda.local.array(4, float32)
    own[cuda.threadIdx.x // 8] = x[0]
    x[1 + cuda.threadIdx.x] = own[0]


@cuda.jit
def barrier_in_a_branch(x):
    if cuda.threadIdx.x < 32:
        cuda.syncthreads()
    x[cuda.threadIdx.x] = 1


@cuda.jit
def barrier_after_a_return(x):
    if cuda.threadIdx.x == 5:
        return
    cuda.syncthreads()


FAULTS = {
    race_without_the_first_barrier: ("RaceError", "x[i] = held[63 - i]", "held[", "with no barrier between"),
    race_without_the_second_barrier: ("RaceError", "x[i] = held[63 - i]", "held[i] = x[i]"),
    race_of_blocks: ("RaceError", "x[cuda.threadIdx.x] = cuda.blockIdx.x", "in different blocks"),
    race_of_a_block_with_an_earlier_reader: (
        "RaceError",
        "thread (0, 0, 0) of block (1, 0, 0) writes x[0]",
        "of block (0, 0, 0) read at",
        "in different blocks",
    ),
    race_of_an_atomic_with_a_load: ("RaceError", "x[1 + cuda.threadIdx.x] = x[0]", "atomically updates x[0]"),
    bounds_by_one: ("BoundsError", "x[cuda.threadIdx.x + 1] = 0", "thread (63, 0, 0)", "element 64 of x, which has 64"),
    bounds_into_the_next_array: ("BoundsError", "first[i] = x[i]", "element 32 of first, which has 32 elements"),
    bounds_of_a_local_array: (
        "BoundsError",
        "own[cuda.threadIdx.x // 8]",
        "thread (32, 0, 0)",
        "element 4 of own, which has 4",
    ),
    barrier_in_a_branch: ("BarrierError", "32 threads wait", "32 threads have returned", "thread (32, 0, 0)"),
    barrier_after_a_return: ("BarrierError", "63 threads wait", "thread (5, 0, 0)", "cuda.syncthreads()"),
}


@pytest.mark.parametrize("kernel", FAULTS, ids=lambda kernel: kernel.__name__)
def test_a_planted_fault_is_found_with_its_line_and_thread(kernel):
    error, *told = FAULTS[kernel]
    with pytest.raises(getattr(emulator, error)) as raised:
        emulate(kernel, check=True)[2 if "block" in kernel.__name__ else 1, 64](np.zeros(64, np.float32))
    message = str(raised.value)
    assert message.startswith(f"{kernel.__name__}: ")
    for words in told:
        assert words in message


def test_the_line_and_the_file_of_a_fault_are_the_sources():
    line = bounds_by_one.py_func.__code__.co_firstlineno + 2
    with pytest.raises(emulator.BoundsError, match=rf"test_emulator.py, line {line} "):
        emulate(bounds_by_one, check=True)[1, 64](np.zeros(64, np.float32))


def test_a_warps_barrier_orders_the_warp_and_nobody_else():
    @cuda.jit
    def within_warps(x):
        held = cuda.shared.array(64, float32)
        i = cuda.threadIdx.x
        held[i] = x[i]
        cuda.syncwarp()
        x[i] = held[i ^ 1]

    @cuda.jit
    def across_warps(x):
        held = cuda.shared.array(64, float32)
        i = cuda.threadIdx.x
        held[i] = x[i]
        cuda.syncwarp()
        x[i] = held[i ^ 32]

    x = np.arange(64, dtype=np.float32)
    emulate(within_warps, check=True)[1, 64](x)
    np.testing.assert_array_equal(x, np.arange(64) ^ 1)
    with pytest.raises(emulator.RaceError):
        emulate(across_warps, check=True)[1, 64](x)


def test_overlapping_arguments_are_one_memory():
    @cuda.jit
    def shift(x, y):
        i = cuda.threadIdx.x
        if i < len(y):
            y[i] = x[i]

    x = np.arange(8.0)
    with pytest.raises(emulator.RaceError, match="x/y"):
        emulate(shift, check=True)[1, 8](x, x[1:])
    emulate(shift, check=True)[1, 8](x, x)  # every thread its own element


@pytest.mark.parametrize("check", [False, True])
def test_a_read_only_argument_is_not_written(check):
    x = np.ones(64, np.float32)
    x.flags.writeable = False
    with pytest.raises(emulator.BoundsError, match="read-only"):
        emulate(race_of_blocks, check=check)[1, 64](x)


# ---- what is not there


def test_what_is_not_there_is_named_with_its_line():
    @cuda.jit
    def grid_barrier(x):
        cuda.cg.this_grid().sync()

    @cuda.jit
    def prints(x):
        print("x is", x[0])

    @cuda.jit
    def cached(x):
        x[0] = cuda.ldcg(x, 1)

    cases = (
        (grid_barrier, "cooperative groups"),
        (prints, "print in a kernel"),
        (cached, "inline assembly"),
    )
    for kernel, words in cases:
        line = kernel.py_func.__code__.co_firstlineno + 2
        with pytest.raises(emulator.UnsupportedError, match=rf"{words}.*test_emulator.py, line {line}"):
            emulate(kernel)[1, 32](np.zeros(2, np.int32))


def test_wrong_launches_are_refused():
    x = np.zeros(4, np.float32)
    with pytest.raises(ValueError, match=r"block .* has 2048 threads; a GPU takes 1024"):
        emulate(race_of_blocks)[1, (64, 32)](x)
    with pytest.raises(ValueError, match="grid is 0"):
        emulate(race_of_blocks)[0, 32](x)
    for sizes, what in [
        ((1.9, 32), "grid is 1.9"),
        ((1, (32.0, 1)), "block is 32.0"),
        ((1, 32, 0, 8.0), "dynamic shared"),
    ]:
        with pytest.raises(TypeError, match=f"{what}.*; expected a whole number"):
            emulate(race_of_blocks)[sizes]
    for dynamic in (-1, 2**20):
        with pytest.raises(ValueError, match=f"dynamic shared memory is {dynamic} bytes; a GPU has 0 to"):
            emulate(race_of_blocks)[1, 32, 0, dynamic]
    with pytest.raises(TypeError, match="takes 1 arguments, got 2"):
        emulate(race_of_blocks)[1, 4](x, x)
    with pytest.raises(TypeError, match="device function"):
        emulate(halved)
    with pytest.raises(ValueError, match="order"):
        emulate(race_of_blocks, order="backwards")


# ---- counting


@cuda.jit
def copy_with_stride(x, y, stride):
    i = cuda.grid(1)
    y[i] = x[i * stride]


@pytest.mark.parametrize(("stride", "sectors"), [(0, 1), (1, 4), (2, 8), (8, 32), (32, 32)])
def test_sectors_of_a_load_by_its_stride(stride, sectors):
    x, y = np.zeros(2048, np.float32), np.zeros(64, np.float32)
    report = emulate(copy_with_stride, count=True)[1, 64](x, y, stride)
    load, store = sorted(report.traffic, key=lambda row: row.kind)
    assert (load.array, load.requests, load.per_request) == ("x", 2, sectors)
    assert (store.array, store.requests, store.per_request, store.efficiency) == ("y", 2, 4, 1)
    assert load.bytes == (4 if stride == 0 else 128) * 2
    assert load.efficiency == (1 if stride == 0 else 4 / sectors)


@cuda.jit
def bank_conflicts(x, stride):
    held = cuda.shared.array(1024, float32)
    held[cuda.threadIdx.x * stride] = 0
    cuda.syncthreads()
    x[cuda.threadIdx.x] = held[0]
    cuda.syncthreads()


@pytest.mark.parametrize(("stride", "passes"), [(1, 1), (2, 2), (4, 4), (31, 1), (32, 32)])
def test_passes_over_the_banks_by_stride(stride, passes):
    report = emulate(bank_conflicts, check=False, count=True)[3, 32](np.zeros(32, np.float32), stride)
    store, load = (next(r for r in report.traffic if r.shared and r.kind == kind) for kind in ("store", "load"))
    assert (store.requests, store.transactions, store.least) == (3, 3 * passes, 3)
    assert load.per_request == 1  # one word for all is no conflict
    assert report.barriers == 6
    assert f"{passes}.0" in str(report) and "2 barriers a block" in str(report)


def test_iterations_are_told_apart_where_threads_skip_some():
    @cuda.jit
    def triangle(x, y):
        i = int32(cuda.threadIdx.x)
        for k in range(32):
            if k >= i:
                y[k * 32 + i] = x[k * 32 + i]

    x = np.zeros(1024, np.float32)
    report = emulate(triangle, count=True)[1, 32](x, x.copy())
    assert [row.requests for row in report.traffic] == [32, 32]  # one for each k, not for each thread's n-th
    assert report.traffic[0].transactions == sum(-(-(k + 1) // 8) for k in range(32))


def test_arrays_in_tuples_are_watched_by_name():
    def shift(xs, ys, offset):
        ys[cuda.blockIdx.x][cuda.threadIdx.x] = xs[cuda.blockIdx.x][cuda.threadIdx.x + offset]

    xs, ys = (tuple(np.arange(n, dtype=np.float32) for n in (5, 4)) for _ in "xy")
    emulate(shift, check=True)[2, 3](xs, ys, 1)
    assert ys[0].tolist() == [1, 2, 3, 3, 4] and ys[1].tolist() == [1, 2, 3, 3]
    with pytest.raises(emulator.BoundsError, match=r"reads element 4 of xs\[1\], which has 4 elements"):
        emulate(shift, check=True)[2, 3](xs, ys, 2)
    with pytest.raises(TypeError, match="5608 bytes of arguments; a GPU takes 4096"):
        emulate(shift)[2, 3](xs * 25, ys * 25, 1)
