"""What the emulator finds in a launch, against a plain interpretation of the same indices in Python and NumPy."""

import signal
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.kernels import emulate, emulator

if emulator.why_not():
    pytest.skip(emulator.why_not(), allow_module_level=True)

from numba import cuda, float32, from_dtype, int32

ROWS = np.arange(6, dtype=np.float32)
PAIR = np.dtype([("first", np.float32), ("second", np.int64)], align=True)
PAIR_TYPE = from_dtype(PAIR)


def verdict(kernel, configuration, *arguments, **how):
    """(the fault or None, the warnings) of one launch."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            emulate(kernel, **how)[configuration](*arguments)
        except emulator.KernelError as fault:
            return fault, told
    return None, told


# ---- indices, axis by axis


@cuda.jit
def gather(x, steps, y):
    i, j = cuda.grid(2)
    row = steps[0] * i + steps[1] * j + steps[2]
    column = steps[3] * i + steps[4] * j + steps[5]
    y[i, j] = x[row, column]


def _laid_out(x, layout):
    if layout == "strided":
        return np.repeat(x, 2, axis=1)[::-1, ::2][::-1]
    return np.asfortranarray(x) if layout == "F" else x


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(2, 6)),
    block=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    steps=st.lists(st.integers(-2, 3), min_size=6, max_size=6),
    layout=st.sampled_from(["C", "F", "strided"]),
)
def test_each_index_is_judged_by_its_own_axis(shape, block, steps, layout):
    x = _laid_out(np.arange(np.prod(shape), dtype=np.float64).reshape(shape), layout)
    y = np.full(block, -1.0)
    fault, told = verdict(gather, (1, block), x, np.array(steps), y)

    j, i = (axis.ravel() for axis in np.indices(block[::-1]))  # in the order of the threads
    indices = steps[0] * i + steps[1] * j + steps[2], steps[3] * i + steps[4] * j + steps[5]
    outside = [(index < -size) | (index >= size) for index, size in zip(indices, shape)]
    bad = outside[0] | outside[1]
    if bad.any():
        first = int(np.argmax(bad))
        axis = 0 if outside[0][first] else 1
        assert isinstance(fault, emulator.BoundsError)
        assert (
            f"thread ({i[first]}, {j[first]}, 0) of block (0, 0, 0) reads x: index {indices[axis][first]} "
            f"is out of bounds for axis {axis} with size {shape[axis]}" in str(fault)
        )
        assert f"({bad.sum() - 1} more faults)" in str(fault) or bad.sum() == 1
        return
    assert fault is None
    np.testing.assert_array_equal(y[i, j], x[indices])
    mixed = [axis for axis in (0, 1) if 0 < (indices[axis] < 0).sum() < len(i)]
    assert [f"(axis {axis})" in str(warning.message) for axis, warning in zip(mixed, told, strict=True)] == [
        True for _ in mixed
    ]


def test_a_row_too_many_is_named_where_the_row_is_taken():
    @cuda.jit
    def sums(x, y):
        row = x[cuda.threadIdx.x + 1]
        for value in row:
            y[cuda.threadIdx.x] += value

    fault, _ = verdict(sums, (1, 4), np.ones((4, 3)), np.zeros(4))
    assert "thread (3, 0, 0) of block (0, 0, 0) takes a part of x: index 4 is out of bounds for axis 0" in str(fault)
    assert "row = x[" in str(fault)


def test_shared_tiles_have_axes_too():
    @cuda.jit
    def shift(y):
        tile = cuda.shared.array((16, 16), float32)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        tile[ty, tx] = 1
        cuda.syncthreads()
        y[ty, tx] = tile[ty, tx + 1]

    fault, _ = verdict(shift, (1, (16, 16)), np.zeros((16, 16), np.float32))
    assert "thread (15, 0, 0) of block (0, 0, 0) reads tile: index 16 is out of bounds for axis 1 with size 16" in str(
        fault
    )
    assert "(15 more faults)" in str(fault)


def test_an_unsigned_index_is_compared_too():
    @cuda.jit
    def step(x, y):
        i = np.uint32(cuda.threadIdx.x)
        y[i, i + np.uint32(1)] = x[i]

    fault, _ = verdict(step, (1, 4), np.zeros(4), np.zeros((5, 4)))
    assert "writes y: index 4 is out of bounds for axis 1 with size 4" in str(fault)


def test_an_index_that_is_negative_everywhere_is_meant():
    @cuda.jit
    def backwards(x, y):
        y[cuda.threadIdx.x] = x[-1 - cuda.threadIdx.x] + x[-1]

    x, y = np.arange(4.0), np.zeros(4)
    fault, told = verdict(backwards, (1, 4), x, y)
    assert fault is None and not told
    np.testing.assert_array_equal(y, x[::-1] + 3)


def test_constants_tuples_records_complex_numbers_and_iterators_are_in_bounds():
    @cuda.jit
    def mixed(pairs, z, numbers, x, y):
        table = cuda.const.array_like(ROWS)
        held = cuda.shared.array(4, PAIR_TYPE)
        turned = cuda.shared.array(4, "complex64")
        i = cuda.threadIdx.x
        held[i].first, held[i].second = pairs[i].first, pairs[i].second
        turned[i] = z[i] * 1j
        cuda.syncthreads()
        y[i] = table[i + 1] + ROWS[i] + held[3 - i].second + numbers[i % 2] + turned[3 - i].imag
        for value in x[1:]:
            y[i] += value
        for n in range(len(x)):
            y[i] += x[n]
        pairs[i].second += 2

    pairs = np.zeros(4, PAIR)
    pairs["second"] = [1, 2, 3, 4]
    z, x, y = np.arange(4).astype(np.complex64), np.array([5.0, 6.0]), np.zeros(4)
    fault, told = verdict(mixed, (1, 4), pairs, z, (0.25, 0.5), x, y)
    assert fault is None and not told
    i = np.arange(4)
    np.testing.assert_allclose(y, (i + 1) + i + (4 - i) + np.where(i % 2, 0.5, 0.25) + (3 - i) + 6 + 11)
    np.testing.assert_array_equal(pairs["second"], [3, 4, 5, 6])


def test_bounds_of_constants_and_of_many_local_arrays():
    @cuda.jit
    def constant(y):
        table = cuda.const.array_like(ROWS)
        y[cuda.threadIdx.x] = table[cuda.threadIdx.x]

    fault, _ = verdict(constant, (1, 8), np.zeros(8, np.float32))
    assert "thread (6, 0, 0) of block (0, 0, 0) reads element 6 of table, which has 6 elements" in str(fault)

    names = [f"own{k}" for k in range(20)]
    made = "".join(f"    {name} = cuda.local.array(3, float32)\n    {name}[0] = 1\n" for name in names)
    scope = {"cuda": cuda, "float32": float32}
    exec(f"def many(y):\n{made}    own19[y.size] = 2\n    y[0] = {' + '.join(f'{name}[0]' for name in names)}", scope)
    fault, _ = verdict(scope["many"], (1, 1), np.zeros(3, np.float32))
    assert isinstance(fault, emulator.BoundsError) and "writes element 3 of a local array" in str(fault)


@cuda.jit
def write_far_away(x, distance):
    x[cuda.threadIdx.x + distance] = 1


@cuda.jit
def write_into_a_row(x, number):
    row = x[number]
    row[cuda.threadIdx.x] = 1


def test_by_default_nothing_is_written_outside_the_arrays():
    """The array lies in the middle of a larger one, so that a stray write would be seen and do no harm."""
    memory = np.zeros(3000)
    for distance in (1, 30, 999):
        with pytest.raises(emulator.BoundsError, match=r"writes element .* of x, which has 1000 elements"):
            emulate(write_far_away)[1, 32](memory[1000:2000], 1000 - distance % 32 + distance // 32)
    assert not memory[:1000].any() and not memory[2000:].any()
    with pytest.raises(emulator.BoundsError, match="takes a part of x: index 10 is out of bounds for axis 0"):
        emulate(write_into_a_row)[1, 32](memory[1000:2000].reshape(10, 100), 10)
    assert not memory[2000:].any()
    emulate(write_far_away, check=False)[1, 32](memory[1000:2000], 1000)
    assert memory[2000:2032].all()


# ---- memory that no thread has written


@cuda.jit
def through_shared(x, write, read, y):
    held = cuda.shared.array(48, int32)
    i = cuda.threadIdx.x
    if write[i] >= 0:
        held[write[i]] = x[i]
    cuda.syncthreads()
    y[cuda.blockIdx.x, i] = held[read[i]]


@given(data=st.data(), blocks=st.integers(1, 2), order=st.sampled_from(["forward", "reverse", 3]))
def test_a_read_of_shared_memory_is_judged_by_what_was_written(data, blocks, order):
    places = data.draw(st.permutations(range(48)))[:32]
    write = np.where(data.draw(st.lists(st.booleans(), min_size=32, max_size=32)), places, -1)
    read = np.array(data.draw(st.lists(st.integers(0, 47), min_size=32, max_size=32)))
    x, y = np.arange(32, dtype=np.int32) + 100, np.zeros((blocks, 32), np.int32)
    fault, _ = verdict(through_shared, (blocks, 32), x, write, read, y, order=order)
    missing = [int(place) for place in read if place not in write]
    if missing:
        assert isinstance(fault, emulator.UninitializedError)
        assert any(f"reads held[{place}], which no thread has written" in str(fault) for place in missing)
        assert "y[cuda.blockIdx.x, i] = held[read[i]]" in str(fault)
        assert len(missing) == 1 or f"({len(missing) - 1} more faults)" in str(fault)
    else:
        assert fault is None
        held = np.zeros(48, np.int32)
        held[write[write >= 0]] = x[write >= 0]
        np.testing.assert_array_equal(y, np.tile(held[read], (blocks, 1)))


def test_a_histogram_that_is_not_zeroed_is_named():
    @cuda.jit
    def count(x, y):
        bins = cuda.shared.array(8, int32)
        cuda.atomic.add(bins, x[cuda.threadIdx.x], 1)
        cuda.syncthreads()
        if cuda.threadIdx.x < 8:
            y[cuda.threadIdx.x] = bins[cuda.threadIdx.x]

    fault, _ = verdict(count, (1, 32), np.arange(32) % 8, np.zeros(8, np.int32))
    assert "atomically updates bins[0], which no thread has written" in str(fault)


def test_a_local_array_is_its_threads_own():
    @cuda.jit
    def sums(x, y, rows):
        own = cuda.local.array((2, 3), float32)
        for k in range(rows):
            for c in range(3):
                own[k, c] = x[k, c]
        y[cuda.threadIdx.x] = own[0, 1] + own[1, 2]

    x, y = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    assert verdict(sums, (1, 2), x, y, 2) == (None, [])
    np.testing.assert_array_equal(y, 2)
    fault, _ = verdict(sums, (1, 2), x, y, 1)
    assert isinstance(fault, emulator.UninitializedError)
    assert "thread (0, 0, 0) of block (0, 0, 0) reads own[1, 2], which it has not written (1 more faults)" in str(fault)


@cuda.jit
def scatter(places, y):
    i = cuda.grid(1)
    if i < places.size:
        y[places[i] // y.shape[1], places[i] % y.shape[1]] = i


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    threads=st.integers(1, 30),
    layout=st.sampled_from(["C", "F", "strided"]),
    data=st.data(),
)
def test_elements_of_an_output_that_were_never_written_are_counted(shape, threads, layout, data):
    size = shape[0] * shape[1]
    places = np.array(data.draw(st.permutations(range(size)))[: data.draw(st.integers(1, size))])
    y = _laid_out(np.full(shape, -1.0), layout)
    written = set(places[:threads].tolist())
    missing = [place for place in range(size) if place not in written]
    fault, _ = verdict(scatter, (1, threads), places, y, outputs="y")
    if missing:
        row, column = divmod(missing[0], shape[1])
        assert isinstance(fault, emulator.UninitializedError)
        assert (
            f"scatter: {len(missing)} of {size} elements of y were never written: grid (1, 1, 1) x block "
            f"({threads}, 1, 1); the first is y[{row}, {column}]" in str(fault)
        )
    else:
        assert fault is None
    np.testing.assert_array_equal(y == -1, np.isin(np.arange(size), missing).reshape(shape))
    assert verdict(scatter, (1, threads), places, y) == (None, [])  # who does not ask is not told


def test_outputs_have_to_be_arguments_and_need_the_check():
    with pytest.raises(ValueError, match=r"outputs: no argument is called 'z'; there are \['places', 'y'\]"):
        emulate(scatter, outputs="z")
    with pytest.raises(ValueError, match=r"outputs: .*only check=True"):
        emulate(scatter, check=False, outputs=["y"])
    with pytest.raises(TypeError, match=r"outputs: y is int, not an array"):
        emulate(scatter, outputs="y")[1, 1](np.zeros(1, np.int64), 3)


# ---- loops


@cuda.jit
def rounds(counts, y):
    i = cuda.threadIdx.x
    for _ in range(2):
        for _ in range(counts[i]):
            y[i] += 1


@given(counts=st.lists(st.integers(0, 12), min_size=1, max_size=40), limit=st.integers(2, 10), check=st.booleans())
def test_a_loop_may_take_so_many_iterations_and_no_more(counts, limit, check):
    y = np.zeros(len(counts), np.int64)
    fault, _ = verdict(rounds, (1, len(counts)), np.array(counts), y, max_iterations=limit, check=check)
    over = [i for i, count in enumerate(counts) if count > limit]
    if over:
        assert isinstance(fault, emulator.LoopError)
        assert "test_emulator_checks.py" in str(fault) and "`for _ in range(counts[i]):`" in str(fault)
        assert f"thread ({over[0]}, 0, 0) of block (0, 0, 0) has gone round this loop {limit} times" in str(fault)
    else:
        assert fault is None
        np.testing.assert_array_equal(y, 2 * np.array(counts))


@cuda.jit
def forgets_to_count(x):
    i = cuda.grid(1)
    while i < x.size:
        x[i] = 1


@pytest.mark.parametrize("check", [False, True])
def test_an_endless_loop_ends_with_its_line_and_its_thread(check):
    with pytest.raises(emulator.LoopError) as raised:
        emulate(forgets_to_count, check=check, max_iterations=1000)[1, 32](np.zeros(8))
    line = forgets_to_count.py_func.__code__.co_firstlineno + 3
    assert f"line {line} (`while i < x.size:`): thread (0, 0, 0) of block (0, 0, 0) has gone round" in str(raised.value)


@pytest.mark.parametrize("check", [False, True])
def test_an_endless_loop_can_be_interrupted(check):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    kernel = emulate(forgets_to_count, check=check, max_iterations=1 << 62)
    kernel[1, 32](np.zeros(0))  # compiled now, so that the signal comes in the loop
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            kernel[1, 32](np.zeros(8))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    x = np.zeros(32)
    kernel[1, 32](x[:0])  # and works afterwards
    assert not x.any()


def test_threads_that_wait_for_each_other_in_loops_get_on():
    """The waiting thread gives way now and then, also in the midst of a round in which others reach a barrier."""

    @cuda.jit
    def flag(y):
        ready = cuda.shared.array(1, int32)
        i = cuda.threadIdx.x
        if i == 0:
            ready[0] = 0
        cuda.syncthreads()
        if i == 0:
            while cuda.atomic.add(ready, 0, 0) == 0:
                pass
        elif i == 40:
            cuda.atomic.add(ready, 0, 7)
        cuda.syncthreads()
        y[i] = ready[0]

    for order in ("forward", "reverse"):
        y = np.zeros(64)
        emulate(flag, order=order)[1, 64](y)
        np.testing.assert_array_equal(y, 7)


def test_max_iterations_is_a_number_or_none():
    for wrong in (0, 1.5, "many"):
        with pytest.raises(ValueError, match="max_iterations: expected None or a number of at least 1"):
            emulate(rounds, max_iterations=wrong)
    y = np.zeros(1, np.int64)
    emulate(rounds, max_iterations=None)[1, 1](np.array([50]), y)
    assert y[0] == 100


def test_double_precision_by_mistake_is_seen_by_the_static_report_as_the_docs_say():
    from minigen.kernels import static_report

    if reason := static_report.why_not():
        pytest.skip(reason)

    @cuda.jit
    def leaks(x):
        x[cuda.grid(1)] *= 0.1

    @cuda.jit
    def stays(x):
        x[cuda.grid(1)] *= float32(0.1)

    assert static_report.analyse(leaks, [float32[::1]], 256).counts["F64"] > 0
    assert static_report.analyse(stays, [float32[::1]], 256).counts["F64"] == 0
