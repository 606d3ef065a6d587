"""What the CPU kernels run on: threads, signals, memory, the compiler's cache, the instruction set."""

import contextlib
import gc
import hashlib
import math
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

import numba

import minigen as mg
from minigen import kernels
from minigen.kernels import cpu
from minigen.kernels.cpu import optimizers, pointwise, pool
from minigen.kernels.cpu.runtime import allocator, cache, compile, instruction_set, thread_pool, threads


def normal(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


# ---------------------------------------------------------------- threads


def everything(rng_seed=5):
    """All kernels on work large enough for several threads, hashed."""
    rng = np.random.default_rng(rng_seed)
    x, g = (normal(rng, (6, 20, 33, 35), np.float32) for _ in range(2))
    weight, bias, state = rng.random((2, 20), np.float32), rng.random(20, np.float32), np.abs(x)
    mean, var = cpu.batch_norm_stats(x)
    results = [mean, var, cpu.batch_norm(x, mean, var, weight[0], bias, 1e-5)]
    results += cpu.batch_norm_grad(g, x, mean, var, weight[1], 1e-5)
    results += [pointwise.leaky_relu_grad(g, x, 0.2), cpu.add_bias(x, bias)]
    values, index = pool.max_pool2d(x, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    results += [values, index, pool.max_pool2d_grad(values, index, x.shape[2:])]
    sequence, w, h = (normal(rng, shape, np.float32) for shape in ((6, 160, 96), (128, 32), (2, 160, 32)))
    results += cpu.gru(sequence, w[:96], w[:96, 0], h[0]) + cpu.lstm(np.tile(sequence, 2)[:, :, :128], w, w[:, 0], *h)
    results += cpu.gru_grad(results[-4], *results[-4:-2], w[:96], h[0])
    param, m = x.copy(), np.zeros_like(x)
    optimizers.adam_step(param, g, m, state, None, 2, 0.1, 0.9, 0.99, 1e-8, 0.01, False)
    optimizers.sgd_step(param, g, m, 0.1, 0.9, 0.0, 0.0, True, False)
    optimizers.rmsprop_step(param, g, state, None, None, 0.1, 0.9, 1e-8, 0.0, 0.0)
    digest = hashlib.sha256()
    for array in (*results, param, m, state):
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def in_new_process(program, **environment):
    """Run a program that has this file's names, with `environment` on top of ours; its output and errors."""
    program = f"import sys, runpy\nthis = runpy.run_path({__file__!r})\n" + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.fixture
def number_of_threads():
    before = threads.get_num_threads()
    yield threads.set_num_threads
    threads.set_num_threads(before)


def test_the_number_of_threads_changes_no_bit(number_of_threads):
    number_of_threads(1)
    expected = everything()
    for n in (2, 3, 5, 5):
        number_of_threads(n)
        assert everything() == expected


def test_several_python_threads_at_once(number_of_threads):
    number_of_threads(2)
    expected, results = everything(), []
    callers = [threading.Thread(target=lambda: results.extend(everything() for _ in range(3))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert results == [expected] * 12


@thread_pool.parallel
def squares(thread, counter, x, y, wrong):
    for i in thread_pool.chunked_range(counter, x.size):
        if wrong:
            raise ValueError
        y[i] += x[i] * x[i]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000, 100_003])
def test_every_item_is_done_once(number_of_threads, count):
    x = np.arange(count, dtype=np.float64)
    for n in (1, 2, 3):
        number_of_threads(n)
        for _ in range(20):
            y = np.zeros(count)
            squares(x, y, False)
            np.testing.assert_array_equal(y, x * x)


def test_a_kernel_that_fails_says_so_and_the_pool_goes_on(number_of_threads):
    x, y = np.ones(1000), np.zeros(1000)
    number_of_threads(2)
    for _ in range(20):
        with pytest.raises(ValueError):
            squares(x, y, True)
    squares(x, y, False)
    assert (y == 1).all()
    number_of_threads(1)
    with pytest.raises(ValueError):
        squares(x, y, True)


def test_a_caller_that_finds_the_pool_busy_works_alone(number_of_threads):
    number_of_threads(2)
    x, y = np.ones(1000), np.zeros(1000)
    with thread_pool._pool.lock:
        squares(x, y, False)
    assert (y == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("started", [True, False])
def test_a_forked_child_computes_the_same(started):
    program = f"""
        import multiprocessing
        everything, fork = this["everything"], multiprocessing.get_context("fork")
        expected = everything() if {started} else None
        results = fork.SimpleQueue()
        children = [fork.Process(target=lambda: results.put(everything())) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join(120)
        assert [child.exitcode for child in children] == [0, 0]
        assert {{results.get(), results.get()}} == {{expected or everything()}}
        """
    in_new_process(program, MINIGEN_NUM_THREADS="2")


def test_set_num_threads_says_what_it_expects(number_of_threads):
    number_of_threads(np.int64(1))
    assert threads.get_num_threads() == 1
    for wrong, error in ((0, ValueError), (-2, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match=f"set_num_threads: n: got {wrong}, expected"):
            threads.set_num_threads(wrong)
    assert threads.get_num_threads() == 1


def test_the_environment_sets_the_number_of_threads():
    ask = "print(this['threads'].get_num_threads())"
    assert in_new_process(ask, MINIGEN_NUM_THREADS="3")[0] == "3"
    refused = "try: this['threads'].get_num_threads()\nexcept ValueError as error: print(error)"
    assert in_new_process(refused, MINIGEN_NUM_THREADS="many")[0].startswith("MINIGEN_NUM_THREADS: got 'many'")


# ---------------------------------------------------------------- compilation and memory


def test_compiling_is_announced_once_and_the_cache_ends_it(tmp_path):
    work = """
        import numpy as np
        this["cpu"].add_bias(np.ones((2, 2), np.float32), np.ones(2, np.float32))
        this["pointwise"].leaky_relu(np.ones(2, np.float32), 0.1)
        """
    first, second = (in_new_process(work, NUMBA_CACHE_DIR=str(tmp_path))[1] for _ in range(2))
    assert first.count("minigen: compiling CPU kernels, once per machine") == 1
    assert second == ""


def test_without_a_cache_folder_kernels_still_compile():
    namespace = {"__name__": "nowhere"}
    exec("def add_one(x):\n    x[0] += 1", namespace)  # no source file, so no place for a cache
    x = np.zeros(1)
    compile.compiled(namespace["add_one"])(x)
    assert x[0] == 1


def test_a_view_keeps_pooled_memory_alive():
    shape = (1 << 20,)
    array = allocator.empty(shape, np.float32)
    array[:] = 7
    view = array.reshape(1024, 1024)[::2, 1:]
    del array
    gc.collect()
    for _ in range(3):
        allocator.empty(shape, np.float32)[:] = 0
    assert (view == 7).all()


def test_pooled_memory_serves_again_aligned_and_is_bounded(monkeypatch):
    allocator.release()
    array = allocator.empty((3, 1 << 20), np.float32)
    address = array.ctypes.data
    assert address % 64 == 0
    del array
    array = allocator.empty((2, 3, 1 << 19), np.float32)
    assert array.ctypes.data == address
    monkeypatch.setattr(allocator, "_LIMIT", 5 << 20)
    del array
    allocator.empty((1,), np.float32)
    assert not allocator._idle_bytes and not allocator._freed
    first, second = allocator.empty((1 << 20,), np.float32), allocator.empty((1 << 20,), np.float32)
    del first, second
    allocator.empty((1,), np.float32)
    assert (
        allocator._idle_bytes == 4 << 20 == sum(block.nbytes for blocks in allocator._idle.values() for block in blocks)
    )


@pytest.mark.parametrize("count", [1 << 9, 5001, 1 << 14, 1 << 20])
def test_memory_starts_on_a_cache_line(count):
    arrays = [allocator.empty((count,), np.float32) for _ in range(9)]
    assert [array.ctypes.data % 64 for array in arrays] == [0] * 9
    for number, array in enumerate(arrays):
        array[:] = number
    assert all((array == number).all() for number, array in enumerate(arrays))


def test_pooled_memory_a_little_larger_than_asked_for_serves_and_goes_back_as_what_it_is():
    allocator.release()
    array = allocator.empty((3 << 18,), np.float32)
    address = array.ctypes.data
    del array
    much_smaller, smaller = allocator.empty((1 << 18,), np.float32), allocator.empty((5 << 17,), np.float32)
    assert (much_smaller.ctypes.data != address) and (smaller.ctypes.data == address)
    del smaller
    allocator.empty((1,), np.float32)
    assert [block.nbytes for blocks in allocator._idle.values() for block in blocks] == [3 << 20]


def test_pooled_memory_in_many_threads_is_nobody_elses():
    wrong = []

    def caller(number):
        for size in (300_000, 310_000, 600_000) * 20:
            array = allocator.empty((size,), np.float32)
            array[:] = number
            wrong.extend(array[array != number])

    callers = [threading.Thread(target=caller, args=(number,)) for number in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert not wrong


# ---------------------------------------------------------------- signals


def test_a_signal_at_any_moment_leaves_nothing_locked_or_lost():
    """Ctrl-C thousands of times: no deadlock, none swallowed, right results, and all threads still at work."""
    program = """
        import faulthandler, random, signal, sys, time
        import numpy as np
        from minigen.kernels import cpu
        from minigen.kernels.cpu.runtime import allocator, thread_pool

        faulthandler.dump_traceback_later(100, exit=True)
        swallowed, random = [], random.Random(3)
        sys.unraisablehook = swallowed.append
        x, a = np.ones((70, 1024), np.float32), np.ones((64, 64), np.float32)

        def work():
            y = cpu.leaky_relu(-x, 0.5)
            product = cpu.matmul(a, a)
            z = cpu.leaky_relu(y, 0.5)
            return y, z, product

        def handler(*_):
            raise KeyboardInterrupt

        pool = thread_pool._pool
        while pool.shared[thread_pool._DONE] < 2:  # the threads compile what they do first
            work()
        signal.signal(signal.SIGALRM, handler)
        interrupts = 0
        while interrupts < 3000:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 6e-4))
                while True:
                    y, z, product = work()
            except KeyboardInterrupt:
                interrupts += 1
            y, z, product = work()
            assert (y == -0.5).all() and (z == -0.25).all() and (product == 64).all()
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert not (pool.lock.locked() or allocator._lock.locked())
        assert not swallowed, swallowed
        joined = 0
        while joined < 2:  # if a thread was lost, this never ends, and the program is stopped
            time.sleep(0.005)  # the threads go to sleep, and have to be woken
            for _ in range(20):
                work()
                joined = max(joined, pool.shared[thread_pool._DONE])
        print(interrupts)
        """
    if not hasattr(os, "fork"):
        pytest.skip("this system has no timer that sends signals")
    assert in_new_process(program, MINIGEN_NUM_THREADS="3")[0] == "3000"


def test_a_kernel_inside_a_handler_does_not_wait_for_the_one_it_interrupted(number_of_threads):
    number_of_threads(2)
    x = np.ones(1 << 18, np.float32)
    with thread_pool._pool.lock, allocator._lock:
        assert (pointwise.leaky_relu(x, 0.1) == 1).all()
        allocator.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_draw_other_numbers_the_same_for_the_same_seed():
    def draws():
        mg.manual_seed(3)
        numbers = []
        for _ in range(2):
            reader, writer = os.pipe()
            if os.fork() == 0:
                os.write(writer, mg.randn(4).numpy().tobytes())
                os._exit(0)
            numbers.append(os.read(reader, 100))
            os.wait()
            os.close(reader)
            os.close(writer)
        return [*numbers, mg.randn(4).numpy().tobytes()]

    with mg.fork_rng() if hasattr(mg, "fork_rng") else contextlib.nullcontext():
        first = draws()
        mg.manual_seed(3)
        alone = mg.randn(4).numpy().tobytes()
        assert len(set(first)) == 3 and first[2] == alone
        assert draws() == first


# ---------------------------------------------------------------- a damaged cache


def add_two(x):
    x[0] += 2


def run_add_two():
    x = np.zeros(1)
    compile.compiled(add_two)(x)
    assert x[0] == 2


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_said", set())
    return tmp_path


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["nbi", "nbc"]), st.sampled_from(["empty", "cut", "flip"]), st.floats(0, 1, exclude_max=True))
def test_a_damaged_cache_is_mended_with_one_line(cache_folder, capsys, ending, damage, place):
    run_add_two()
    (file,) = cache_folder.rglob(f"*add_two*.{ending}")
    content = bytearray(file.read_bytes())
    at = int(place * len(content))
    content[at] ^= 1 << at % 8
    file.write_bytes({"empty": b"", "cut": content[:at], "flip": content}[damage])
    cache._said.clear()
    capsys.readouterr()
    run_add_two()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "is damaged" in said and file.name in said
    run_add_two()
    assert capsys.readouterr().err == ""


def test_a_full_disk_costs_one_line(cache_folder, capsys, monkeypatch):
    @contextlib.contextmanager
    def full(self, path):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(cache._CheckedFile, "_open_for_write", full)
    for _ in range(2):
        run_add_two()
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if "cannot be kept" in line and "No space left on device" in line]) == 1
    assert not list(cache_folder.rglob("*.nb?"))


# ---------------------------------------------------------------- the machine


@pytest.mark.parametrize(
    "files, lines, expected",
    [
        ({}, "0::/", math.inf),
        ({"cpu.max": "max 100000"}, "0::/", math.inf),
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, "0::/a/b", 2),
        ({"cpu.max": "200000 100000"}, "0::/not/in/this/namespace", 2),
        ({"cpu,cpuacct/d/cpu.cfs_quota_us": "50000", "cpu,cpuacct/d/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/d", 0.5),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/docker/1\n0::/", 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/\n3:memory:/x", math.inf),
        ({"cpu.max": "nonsense"}, "0::/", math.inf),
    ],
)  # fmt: skip
def test_the_limit_of_a_container(tmp_path, files, lines, expected):
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "cgroup").write_text(lines + "\n")
    assert threads._cgroup_quota(tmp_path / "cgroup", tmp_path / "root") == expected
    assert threads._cgroup_quota(tmp_path / "none", tmp_path / "root") == math.inf


def test_the_default_number_of_threads_respects_the_limit(monkeypatch):
    monkeypatch.setattr(threads, "_physical_cores", lambda: 8)
    for quota, expected in ((math.inf, 8), (2, 2), (2.9, 2), (0.5, 1)):
        monkeypatch.setattr(threads, "_cgroup_quota", lambda *paths, quota=quota: quota)
        monkeypatch.setattr(sys, "platform", "linux")
        assert threads._default() == expected


def test_windows_counts_cores_without_their_hyper_threads():
    record = lambda kind: (3).to_bytes(8, "little") + kind.to_bytes(4, "little") + bytes(20)  # noqa: E731
    assert threads._count_cores(record(0) + record(2) + record(0) + record(1), 8) == 2
    with pytest.raises(OSError):
        threads._count_cores(record(2), 8)


@pytest.mark.parametrize(
    "features, machine, wanted, name",
    [
        ({}, "arm64", "", "neon"),  # macOS, where LLVM says nothing
        ({}, "arm64", "neon", "neon"),
        ({"neon": True}, "aarch64", "", "neon"),
        ({"avx512f": True, "avx2": True, "fma": True}, "x86_64", "", "avx512"),
        ({"avx512f": True, "avx2": True, "fma": True}, "x86_64", "avx2", "avx2"),
        ({"avx2": True, "fma": True}, "AMD64", "avx512", "avx2"),
        ({"avx512f": True, "avx2": True, "fma": True}, "x86_64", "sse", "sse"),
        ({}, "x86_64", "", "sse"),
    ],
)
def test_the_instruction_set_of_a_processor(features, machine, wanted, name):
    assert instruction_set._host(features, machine, wanted)[0] == name


def test_an_instruction_set_that_a_processor_cannot_have_is_refused():
    with pytest.raises(
        ValueError, match="MINIGEN_SIMD: got 'neon', expected one of avx512, avx2, sse on this processor"
    ):
        instruction_set._host({}, "x86_64", "neon")
    with pytest.raises(ValueError, match="MINIGEN_SIMD: got 'avx2', expected one of neon on this processor"):
        instruction_set._host({}, "arm64", "avx2")


def test_only_sets_that_can_run_are_available(monkeypatch):
    found = importlib_find = kernels.importlib.util.find_spec
    monkeypatch.setattr(
        kernels.importlib.util, "find_spec", lambda name: None if name == "numba" else importlib_find(name)
    )
    assert found and "cpu" not in kernels.available() and "reference" in kernels.available()
    monkeypatch.undo()
    broken = lambda name: (_ for _ in ()).throw(RuntimeError("no GPU"))  # noqa: E731
    monkeypatch.setattr(kernels.importlib, "import_module", broken)
    assert kernels.available() == ("reference", "cpu")


@pytest.mark.parametrize("count, threads", [(1, 3), (100, 1), (100, 3), (1000, 7)])
def test_a_thread_begins_with_its_own_share(monkeypatch, count, threads):
    """So that it finds in its cache what it worked on in the call before.  Then it takes what others have left."""

    def fetch_add(array, index, n):
        array[index] += n
        return array[index] - n

    monkeypatch.setattr(thread_pool, "fetch_add", fetch_add)
    taken = np.zeros(threads * thread_pool._APART, np.int64)
    ranges = [thread_pool.chunked_range.py_func((taken, thread), count) for thread in range(threads)]
    last = ranges[-1]
    for wanted in range((threads - 1) * count // threads, count):
        assert next(last) == wanted
    done = {*range((threads - 1) * count // threads, count)}
    for index in (i for some in ranges for i in some):
        assert index not in done
        done.add(index)
    assert done == set(range(count))


def test_optimizers_of_many_parameters_do_not_depend_on_who_helps_whom():
    """A thread that has done its share begins again further up, among the blocks of parameters that came before.

    In a process of its own, since a wrong row would write anywhere.
    """
    program = """
import numpy as np
import minigen as mg
from minigen import kernels

def trained(threads):
    kernels.set_num_threads(threads)
    rng = np.random.default_rng(0)
    params = [mg.tensor(rng.random(n, np.float32), requires_grad=True) for n in rng.integers(1, 60_000, 40)]
    for make in (mg.optim.Adam, mg.optim.SGD, mg.optim.RMSprop):
        optimizer = make(params, lr=0.01)
        for _ in range(15):
            for p in params:
                p.grad = mg.tensor(rng.random(p.shape, np.float32))
            optimizer.step()
    return [p.numpy().copy() for p in params]

expected = trained(1)
for threads in (2, 3, 5):
    for a, b in zip(expected, trained(threads), strict=True):
        np.testing.assert_array_equal(a, b)
"""
    in_new_process(program)
