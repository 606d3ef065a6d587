"""Programs that were written for a GPU run on the CPU with no change; and what a GPU would refuse is refused."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from minigen.kernels import emulate, emulator

if emulator.why_not():
    pytest.skip(emulator.why_not(), allow_module_level=True)

from numba import cuda, float32


@cuda.jit
def doubled(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = 2 * x[i]


def added(a, b):
    return a + b


@pytest.fixture
def gpu():
    with emulator.as_gpu():
        yield


def test_a_notebook_enters_it_in_the_first_cell(tmp_path):
    """It lasts to the end of the program; and that cell may be run again."""
    program = """
        import gc
        import numpy as np
        from numba import cuda
        from minigen.kernels import emulator
        emulator.as_gpu().__enter__()
        emulator.as_gpu().__enter__()
        gc.collect()
        @cuda.jit
        def double(x):
            x[cuda.grid(1)] *= 2
        x = cuda.to_device(np.arange(4))
        double[1, 4](x)
        print(x.copy_to_host())
    """
    path = tmp_path / "cells.py"
    path.write_text(textwrap.dedent(program), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0 2 4 6]\n", "")


def test_a_program_for_a_gpu_runs_unchanged(gpu):
    @cuda.jit("void(float32[:], float32[:], float32)")
    def saxpy(x, y, a):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = a * x[i] + y[i]

    @cuda.jit("float32(float32)", device=True)
    def half(value):
        return value / float32(2)

    @cuda.jit
    def halve(x):
        i, j = cuda.grid(2)
        if i < x.shape[0] and j < x.shape[1]:
            x[i, j] = half(x[i, j])

    assert cuda.is_available() and cuda.get_current_device().WARP_SIZE == 32
    x, y = np.arange(100, dtype=np.float32), np.ones(100, np.float32)
    stream, before, after = cuda.stream(), cuda.event(), cuda.event()
    on_gpu, result = cuda.to_device(x, stream=stream), cuda.to_device(y)
    before.record(stream)
    saxpy[4, 32, stream](on_gpu, result, 3)
    after.record(stream)
    after.synchronize()
    stream.synchronize()
    cuda.synchronize()
    assert cuda.event_elapsed_time(before, after) >= 0
    np.testing.assert_array_equal(result.copy_to_host(), 3 * x + 1)
    np.testing.assert_array_equal(y, 1)  # what a kernel does to the copy, the original does not see

    made = cuda.device_array((10, 10), np.float32)
    doubled[4, 32](on_gpu, made.reshape(100))  # decorated outside of the block
    halve[(1, 1), (16, 16)](made)
    back = np.zeros((10, 10), np.float32)
    made.copy_to_host(back)
    np.testing.assert_array_equal(back, x.reshape(10, 10))
    np.testing.assert_array_equal(made.T[3].copy_to_host(), back[:, 3])
    made[2] = 5
    assert made[2, 3] == 5 and made[3, 3] == 33 and (made.shape, made.size, made.nbytes) == ((10, 10), 100, 400)

    z = np.zeros(100, np.float32)
    doubled.forall(100)(x, z)  # arrays of the host are copied there and back
    np.testing.assert_array_equal(z, 2 * x)
    doubled.forall(0)(x[:0], z[:0])
    with cuda.gpus[0]:
        assert cuda.reduce(added)(np.arange(1000.0)) == 499500


def test_random_numbers_of_the_device(gpu):
    from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float32

    @cuda.jit
    def draw(states, out):
        i = cuda.grid(1)
        out[i] = xoroshiro128p_uniform_float32(states, i)

    out = cuda.device_array(64, np.float32)
    draw[2, 32](create_xoroshiro128p_states(64, seed=1), out)
    drawn = out.copy_to_host()
    assert len(set(drawn.tolist())) == 64 and (drawn >= 0).all() and (drawn < 1).all()


def test_afterwards_all_is_as_before():
    before = {name: getattr(cuda, name) for name in ("to_device", "device_array", "synchronize", "is_available", "jit")}
    with pytest.raises(KeyError), emulator.as_gpu():
        raise KeyError
    assert before == {name: getattr(cuda, name) for name in before}


def test_what_a_device_array_holds_at_first_is_not_known(gpu):
    x, y = cuda.to_device(np.arange(64.0)), cuda.device_array(100)
    doubled[1, 32](x, y)
    with pytest.warns(emulator.UninitializedWarning) as told:
        y.copy_to_host()
    assert "68 of 100 elements" in str(told[0].message)
    assert "the last launch with it was doubled[(1, 1, 1), (32, 1, 1)], as y" in str(told[0].message)
    y[:32].copy_to_host()  # all written
    with pytest.raises(emulator.UninitializedError, match=r"thread \(0, 0, 0\) of block \(1, 0, 0\) reads x\[32\]"):
        doubled[4, 32](y, cuda.device_array(100))
    y.copy_to_device(np.zeros(100))
    doubled[4, 32](y, cuda.device_array(100))
    doubled[4, 32](cuda.device_array_like(x)[:0], y)
    assert not y.copy_to_host().any()


def test_what_a_gpu_refuses_is_refused_in_one_line(gpu):
    @cuda.jit("void(float32[:], int32)")
    def fill(x, value):
        x[cuda.grid(1)] = value

    x = np.zeros(4, np.float32)
    fill[1, 4](x, np.float64(2.7))  # a signature converts numbers
    np.testing.assert_array_equal(x, 2)
    for wrong, error, words in (
        (lambda: fill[1, 4](np.zeros(4), 1), TypeError, r"fill: x is array\(float64, 1d, C\), the signature says"),
        (lambda: fill[1, 4](x), TypeError, "fill: takes 2 arguments, got 1"),
        (lambda: fill(x, 1), ValueError, r"fill: a kernel is launched by fill\[grid, block\]\(...\), not by fill"),
        (lambda: emulate(doubled)(x, x), ValueError, r"doubled: a kernel is launched by doubled\[grid, block\]"),
        (lambda: doubled[3], ValueError, r"doubled: expected kernel\[grid, block\], got kernel\[3\]"),
        (
            lambda: doubled[1, 4](x=x, y=x),
            TypeError,
            "doubled: a kernel takes its arguments by position, got x, y by name",
        ),
        (
            lambda: fill[1, 4](x, value=1),
            TypeError,
            "fill: a kernel takes its arguments by position, got value by name",
        ),
        (lambda: doubled.forall(-1), ValueError, "doubled: forall is -1; expected the number of tasks, at least 0"),
        (lambda: doubled.forall(2.5), TypeError, "doubled: forall is 2.5; expected a whole number"),
        (lambda: emulate(doubled, order=-1), ValueError, "order: expected .* or a number of at least 0, got -1"),
        (lambda: doubled[1, 4]([1.0], x), TypeError, r"doubled: x is a list, and a kernel takes arrays: np.array\(x\)"),
        (lambda: cuda.to_device([None]), TypeError, "to_device: obj: expected numbers, got list of object"),
        (
            lambda: cuda.to_device(x).copy_to_host(np.zeros(3)),
            ValueError,
            r"ary: got shape \(3,\) of float64, expected",
        ),
        (lambda: cuda.to_device(x).copy_to_device(np.zeros(3)), ValueError, r"got shape \(3,\), expected \(4,\)"),
        (cuda.current_context, emulator.UnsupportedError, "cuda.current_context: the emulator has no such thing"),
    ):
        with pytest.raises(error, match=words) as raised:
            wrong()
        assert "\n" not in str(raised.value)


def test_faults_are_found_there_too(gpu):
    @cuda.jit("void(float64[:])")
    def too_far(x):
        x[cuda.grid(1)] = 0

    with pytest.raises(
        emulator.BoundsError, match=r"too_far: test_emulator_drop_in.py, line \d+ .*writes element 4 of x"
    ):
        too_far[1, 5](cuda.to_device(np.zeros(4)))
