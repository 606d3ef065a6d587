"""What kernels accept when they are called directly: the same checks in every set, and never an access outside an array."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigen import kernels
from minigen.kernels import cpu, ladder, reference, signatures
from minigen.kernels.cpu.conv.dispatch import DIRECT
from minigen.kernels.cpu.runtime.instruction_set import NAME

FUZZ = Path(__file__).with_name("kernel_fuzz.py")
HOW = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)  # stride, padding, dilation, groups


def test_every_kernel_of_every_set_is_checked():
    assert set(signatures._CHECKS) == set(reference.__all__)
    for kernel in reference.__all__:
        sets = [reference, *([cpu] if kernel in cpu.__all__ else [])]
        assert all(hasattr(getattr(each, kernel), "__wrapped__") for each in sets), kernel
    assert all(hasattr(rung, "__wrapped__") for rung in ladder.RUNGS.values())


def f32(*shape):
    return np.ones(shape, np.float32)


def frozen(*shape):
    array = f32(*shape)
    array.flags.writeable = False
    return array


X, W, V = f32(2, 3, 8, 8), f32(4, 3, 3, 3), f32(3)
REFUSED = [
    ("matmul", (f32(2, 3), f32(4, 5)), ValueError, "b: got shape (4, 5), expected (..., 3, m)"),
    ("matmul", (f32(2, 3), np.ones((3, 5))), TypeError, "b: got dtype float64, expected float32"),
    ("matmul", (f32(3), f32(3, 5)), ValueError, "a: got shape (3,), expected two dimensions"),
    ("matmul_bias", (f32(1, 2, 3), f32(3, 5), f32(5)), ValueError, "a: got shape (1, 2, 3), expected (n, k)"),
    ("matmul_bias", (f32(2, 3), f32(4, 5), f32(5)), ValueError, "b: got shape (4, 5), expected (3, m)"),
    ("matmul_bias", (f32(2, 3), f32(3, 5), f32(3)), ValueError, "bias: got shape (3,), expected (5,)"),
    ("conv2d", (X, f32(4, 2, 3, 3), *HOW), ValueError, "w: got shape (4, 2, 3, 3), expected (O, 3, R, S)"),
    ("conv2d", (X, W, *HOW[:3], 3), ValueError, "expected (O, 1, R, S) for x of shape (2, 3, 8, 8) with groups=3"),
    ("conv2d", (X, W, (0, 1), *HOW[1:]), ValueError, "stride: got 0, expected 1 or more"),
    ("conv2d", (X, W, (1, 1.0), *HOW[1:]), TypeError, "stride: got 1.0, expected an integer"),
    ("conv2d", (X, W, (1, 1), ((-1, 1), (1, 1)), (1, 1), 1), ValueError, "padding: got -1, expected 0 or more"),
    ("conv2d", (X, f32(4, 3, 14, 3), *HOW), ValueError, "does not fit an image of size (8, 8)"),
    ("conv2d", (X, f32(4, 3, 9, 3), (2, 1), ((0, 0), (1, 1)), (1, 1), 1), ValueError, "does not fit an image of size (8, 8)"),
    ("max_pool2d", (X, (9, 3), (3, 3), ((0, 0), (0, 0)), (1, 1)), ValueError, "does not fit an image of size (8, 8)"),
    ("conv2d_weight_grad", (X, f32(2, 4, 0, 8), (9, 3), (2, 1), ((0, 0), (1, 1)), (1, 1), 1), ValueError, "does not fit"),
    ("conv2d_input_grad", (f32(2, 4, 0, 8), f32(4, 3, 9, 3), (8, 8), (2, 1), ((0, 0), (1, 1)), (1, 1), 1), ValueError, "does not fit"),
    ("conv2d", (X, W, *HOW, f32(2, 4, 8, 7)), ValueError, "out: got shape (2, 4, 8, 7), expected (2, 4, 8, 8)"),
    ("conv2d", (X, W, *HOW, frozen(2, 4, 8, 8)), ValueError, "out: got a read-only array"),
    ("conv2d_input_grad", (f32(2, 4, 8, 8), W, (9, 8), *HOW), ValueError, "g: got shape (2, 4, 8, 8), expected (N, 4, 9, 8)"),
    ("conv2d_weight_grad", (X, f32(1, 4, 8, 8), (3, 3), *HOW), ValueError, "g: got shape (1, 4, 8, 8), expected (2, O, 8, 8)"),
    ("leaky_relu", (np.arange(3), 0.1), TypeError, "x: got dtype int64, expected float32 or float64"),
    ("leaky_relu", ([1.0], 0.1), TypeError, "x: got builtins.list, expected an array"),
    ("leaky_relu_grad", (X[..., 0], X, 0.1), ValueError, "g: got shape (2, 3, 8), expected (2, 3, 8, 8)"),
    ("add", (X, X[..., 0]), ValueError, "y: got shape (2, 3, 8), expected (2, 3, 8, 8)"),
    ("add_pairs", (V, [V]), TypeError, "xs: got ndarray, expected a list of arrays"),
    ("add_pairs", ([V], 3), TypeError, "ys: got int, expected a list of arrays"),
    ("add_pairs", ([V, V], [V]), ValueError, "ys: got 1 arrays, expected 2, as xs has"),
    ("add_pairs", ([V, np.ones(3)], [V, np.ones(3)]), TypeError, "xs[1]: got dtype float64, expected float32"),
    ("add_pairs", ([V, X], [V, X[0]]), ValueError, "ys[1]: got shape (3, 8, 8), expected (2, 3, 8, 8)"),
    ("sigmoid_grad", (X[..., 0], X), ValueError, "g: got shape (2, 3, 8), expected (2, 3, 8, 8)"),
    ("softplus_grad", (X[..., 0], X), ValueError, "g: got shape (2, 3, 8), expected (2, 3, 8, 8)"),
    ("tanh_grad", (X, V.astype(int)), TypeError, "y: got dtype int64, expected float32 or float64"),
    ("add_bias", (frozen(2, 3), V, None), None, ""),
    ("add_bias", (X, V, frozen(2, 3, 8, 8)), ValueError, "out: got a read-only array"),
    ("add_bias_grad", (X[..., 0], X, 0.2), ValueError, "g: got shape (2, 3, 8), expected (2, 3, 8, 8)"),
    ("add_bias_grad", (V, V, 0.2), ValueError, "y: got shape (3,), expected (N, C, ...)"),
    ("add_bias_grad", (X, X, None), TypeError, "negative_slope: got None, expected a number"),
    ("batch_norm", (X, V, V, V, V[:2], 1e-5), ValueError, "bias: got shape (2,), expected (3,)"),
    ("batch_norm", (X, V, V, V, V, 1e-5, "relu"), TypeError, "negative_slope: got 'relu', expected a number"),
    ("batch_norm_grad", (X, X, V, V, V, 1e-5, None, 0.2), TypeError, "bias: got builtins.NoneType, expected an array"),
    ("dropout", (X, 1.5, 1), ValueError, "p: got 1.5, expected a number from 0 to 1"),
    ("dropout", (X, 0.5, -1), ValueError, "seed: got -1, expected 0 or more"),
    ("max_pool2d_grad", (f32(1, 1, 2, 2), np.zeros((1, 1, 1, 1), np.int64), (3, 4)), ValueError, "index: got shape"),
    ("max_pool2d_grad", (f32(1, 1, 1, 1), np.full((1, 1, 1, 1), -1), (3, 4)), IndexError, "outside an image of (3, 4)"),
    ("max_pool2d_grad", (f32(1, 1, 1, 1), np.zeros((1, 1, 1, 1), np.int64), (3, 4), (3, 1)), TypeError, "window: got (3, 1), expected (kernel_size, stride, padding, dilation)"),
    ("max_pool2d_grad", (f32(1, 1, 1, 1), np.zeros((1, 1, 1, 1), np.int64), (3, 4), ((2, 2), (0, 1), ((0, 0), (0, 0)), (1, 1))), ValueError, "window: stride: got"),
    ("max_pool2d_grad", (f32(1, 1, 1, 1), np.zeros((1, 1, 1, 1), np.int64), (3, 4), ((2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1))), ValueError, "g: got shape (1, 1, 1, 1), expected (N, C, 2, 3) for the window"),
    ("warp", (X, np.zeros((2, 4, 8, 8), np.int32), f32(2, 4, 8, 8)), TypeError, "index: got dtype int32, expected int64"),
    ("warp", (X, np.zeros((1, 4, 8, 8), np.int64), f32(1, 4, 8, 8)), ValueError, "index: got shape (1, 4, 8, 8), expected (2, K, P, Q)"),
    ("warp", (X, np.zeros((2, 4, 8, 8), np.int64), f32(2, 4, 8)), ValueError, "weight: got shape (2, 4, 8), expected (2, 4, 8, 8)"),
    ("warp", (X, np.full((2, 1, 2, 2), 64), f32(2, 1, 2, 2)), IndexError, "outside an image of 64 pixels"),
    ("warp", (X, np.full((2, 1, 2, 2), -2), f32(2, 1, 2, 2)), IndexError, "outside an image of 64 pixels"),
    ("warp_adjoint", (X, np.zeros((2, 4, 8, 7), np.int64), f32(2, 4, 8, 7), (8, 8)), ValueError, "expected (2, K, 8, 8)"),
    ("warp_adjoint", (X, np.full((2, 1, 8, 8), 12), f32(2, 1, 8, 8), (3, 4)), IndexError, "outside an image of 12 pixels"),
    ("resample", (X, np.zeros(2, np.int64), np.zeros(0, np.int64), f32(0)), ValueError, "x: got shape (2, 3, 8, 8), expected (outer, n, inner)"),
    ("resample", (X[0], np.zeros(0, np.int64), np.zeros(0, np.int64), f32(0)), ValueError, "first: got shape (0,), expected (m + 1,)"),
    ("resample", (X[0], np.zeros(2, np.int64), np.zeros((0, 1), np.int64), f32(0)), ValueError, "source: got shape (0, 1), expected (K,)"),
    ("resample", (X[0], np.zeros(2, np.int32), np.zeros(0, np.int64), f32(0)), TypeError, "first: got dtype int32, expected int64"),
    ("resample", (X[0], np.array([0, 1]), np.array([0]), f32(2)), ValueError, "weight: got shape (2,), expected (1,)"),
    ("resample", (X[0], np.array([0, 2]), np.array([0]), f32(1)), IndexError, "first must rise from 0 to 1"),
    ("resample", (X[0], np.array([-1, 1]), np.array([0]), f32(1)), IndexError, "first must rise from 0 to 1"),
    ("resample", (X[0], np.array([0, 2, 0, 1]), np.array([0]), f32(1)), IndexError, "first must rise from 0 to 1"),
    ("resample", (X[0], np.array([0, 1]), np.array([8]), f32(1)), IndexError, "source points outside a dimension of 8 elements"),
    ("resample", (X[0], np.array([0, 1]), np.array([-1]), f32(1)), IndexError, "source points outside a dimension of 8 elements"),
    ("gru", (f32(5, 2, 9), f32(9, 4), f32(9), f32(2, 3)), ValueError, "weight: got shape (9, 4), expected (3 * H, H)"),
    ("gru", (f32(5, 2, 12), f32(9, 3), f32(9), f32(2, 3)), ValueError, "a: got shape (5, 2, 12), expected (T, N, 9) for weight"),
    ("gru", (f32(5, 2, 9), f32(9, 3), f32(8), f32(2, 3)), ValueError, "bias: got shape (8,), expected (9,)"),
    ("lstm", (f32(2, 12), f32(12, 3), f32(12), f32(2, 3), f32(2, 3)), ValueError, "a: got shape (2, 12), expected (T, N, 4 * H)"),
    ("lstm", (f32(5, 2, 12), f32(12, 3), f32(12), f32(2, 3), f32(3, 3)), ValueError, "c: got shape (3, 3), expected (2, 3)"),
    ("gru_grad", (f32(5, 2, 3), f32(5, 2, 3), f32(5, 2, 9), f32(9, 3), f32(2, 3)), ValueError, "gates: got shape (5, 2, 9), expected (5, 2, 12)"),
    ("lstm_grad", (f32(5, 2, 3), f32(5, 2, 3), f32(5, 2, 12), f32(12, 3), f32(2, 3)), ValueError, "g: got shape (5, 2, 3), expected (2, T, N, H)"),
    ("sgd_step", (frozen(3), V, None, 0.1, 0, 0, 0, False, True), ValueError, "param: got a read-only array"),
    ("sgd_step", (V, V[:2], None, 0.1, 0, 0, 0, False, True), ValueError, "grad: got shape (2,), expected (3,)"),
    ("sgd_step", (V, V[::-1], None, 0.1, 0, 0, 0, False, True), ValueError, "param and grad share memory"),
    ("adam_step", (f32(3), f32(3), f32(3), f32(3), None, 1, 0.1, 1.0, 0.9, 1, 0, False), ValueError, "beta1: got 1.0, expected"),
    ("adam_step", (f32(3), f32(3), f32(3), f32(3), None, 1, 0.1, 0.9, 1.5, 1, 0, False), ValueError, "beta2: got 1.5, expected"),
    ("adam_step", (f32(3), f32(3), f32(3), None, None, 1, 0.1, 0.9, 0.9, 1, 0, False), TypeError, "v: got None"),
    ("sgd_steps", ([f32(3), V], [f32(3)], None, 0.1, 0, 0, 0, False, True), ValueError, "grads: got 1 arrays, expected 2, as params has"),
    ("sgd_steps", (V, [V], None, 0.1, 0, 0, 0, False, True), TypeError, "params: got ndarray, expected a list of arrays"),
    ("sgd_steps", (3, [V], None, 0.1, 0, 0, 0, False, True), TypeError, "params: got int, expected a list of arrays"),
    ("sgd_steps", ([f32(3), frozen(3)], [f32(3), V], None, 0.1, 0, 0, 0, False, True), ValueError, "params[1]: got a read-only array"),
    ("sgd_steps", ([f32(3), f32(2)], [f32(3), V], None, 0.1, 0, 0, 0, False, True), ValueError, "grads[1]: got shape (3,), expected (2,)"),
    ("sgd_steps", ([f32(3), np.ones(3)], [f32(3), np.ones(3)], None, 0.1, 0, 0, 0, False, True), TypeError, "params[1]: got dtype float64, expected float32"),
    ("sgd_steps", ([f32(3), V], [f32(3), V[::-1]], None, 0.1, 0, 0, 0, False, True), ValueError, "the arrays of parameter 1 share memory"),
    ("sgd_steps", ([f32(3)], [f32(3)], [], 0.1, 0, 0, 0, False, True), ValueError, "velocities: got 0 arrays, expected 1, as params has"),
    ("ema_steps", (V, [V], 0.5), TypeError, "averages: got ndarray, expected a list of arrays"),
    ("ema_steps", ([f32(3)], None, 0.5), TypeError, "values: got NoneType, expected a list of arrays"),
    ("ema_steps", ([f32(3)], [], 0.5), ValueError, "values: got 0 arrays, expected 1, as averages has"),
    ("ema_steps", ([frozen(3)], [V], 0.5), ValueError, "averages[0]: got a read-only array"),
    ("ema_steps", ([V], [V[::-1]], 0.5), ValueError, "the arrays of average 0 share memory"),
    ("ema_steps", ([f32(3)], [V], None), TypeError, "share: got None, expected a number"),
    ("adam_steps", ([f32(3)], [f32(3)], [f32(3)], None, None, 1, 0.1, 0.9, 0.9, 1, 0, False), TypeError, "vs: got None"),
    ("rmsprop_steps", ([f32(3)], [f32(3)], [[1.0]], None, None, 0.1, 0.9, 1, 0, 0.5), TypeError, "vs[0]: got builtins.list, expected an array"),
]  # fmt: skip


@pytest.mark.parametrize("kernel, arguments, error, message", REFUSED)
def test_the_sets_say_the_same_in_one_line(kernel, arguments, error, message):
    with kernels.register(kernel, getattr(reference, kernel).__wrapped__):
        registered = kernels.find(kernel)
    for function in (*(getattr(each, kernel) for each in (reference, cpu) if hasattr(each, kernel)), registered):
        if error is None:
            function(*arguments)
            continue
        with pytest.raises(error, match=f"^{kernel}: .*{re.escape(message)}[^\n]*$"):
            function(*arguments)
    assert (X == 1).all() and (V == 1).all()


@pytest.mark.parametrize("kernel_set", [reference, cpu])
def test_parameters_that_share_memory_are_updated_one_after_another(kernel_set):
    """Each set gives what the step of one parameter gives, called in order; also for what only might share memory."""
    memory = np.arange(10, dtype=np.float32)
    expected = memory.copy()
    for x in (memory, expected):
        params = [x[:6], x[4:], x[::2], x]
        grads = [np.full(p.shape, 2, np.float32) for p in params]
        if x is memory:
            kernel_set.sgd_steps(params, grads, None, 0.5, 0, 0, 0.5, False, True)
        else:
            for param, grad in zip(params, grads):
                reference.sgd_step(param, grad, None, 0.5, 0, 0, 0.5, False, True)
    np.testing.assert_array_equal(memory, expected)


def test_arrays_that_may_share_memory_are_not_called_separate():
    own, memory = [f32(3) for _ in range(4)], np.ones(8, np.float32)
    foreign = [np.frombuffer(memoryview(memory), np.float32) for _ in range(2)]  # two owners of the same memory
    assert signatures._separate(own) and signatures._separate([*own, own[0][:0], own[0][:0]])
    assert signatures._separate([memory[:4], memory[4:], *own])
    for shared in ([memory[:5], memory[4:]], [own[0], own[0]], foreign, [memory, foreign[0]]):
        assert not signatures._separate([*own[1:], *shared])


def test_a_step_of_your_own_serves_all_parameters():
    calls = []

    def mine(param, grad, velocity, *options):
        calls.append((param.size, velocity, options))
        param -= grad

    params, grads = [f32(2), f32(3)], [f32(2), f32(3)]
    with kernels.register("sgd_step", mine):
        kernels.find("sgd_steps", params[0])(params, grads, None, 0.1, 0, 0, 0, False, True)
    options = (0.1, 0.0, 0.0, 0.0, False, True)
    assert calls == [(2, None, options), (3, None, options)] and not params[0].any() and not params[1].any()


def test_a_result_may_be_written_over_an_input():
    """As in NumPy, the result is that for separate memory."""
    memory = np.arange(2 * 3 * 8 * 8 + 5, dtype=np.float32)
    x, out = memory[:-5].reshape(2, 3, 8, 8), memory[5:].reshape(2, 3, 8, 8)
    w = np.arange(81, dtype=np.float32).reshape(3, 3, 3, 3) % 5
    expected = reference.conv2d(x.copy(), w, *HOW)
    np.testing.assert_allclose(cpu.conv2d(x, w, *HOW, out), expected, rtol=1e-5)
    x[...] = 1 + np.arange(x.size).reshape(x.shape)
    expected = reference.add_bias(x.copy(), V)
    np.testing.assert_array_equal(cpu.add_bias(x, V, out), expected)


# ---------------------------------------------------------------- between guard pages


def fuzz(*arguments, **environment):
    """Random calls in a process, which a fault kills; what it counted."""
    done = subprocess.run(
        [sys.executable, str(FUZZ), *map(str, arguments)], env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout.strip()


posix = pytest.mark.skipif(os.name != "posix", reason="guard pages are made with mprotect")


@posix
def test_random_calls_between_guard_pages():
    assert "'refused'" in fuzz(0, 500)


@posix
@pytest.mark.skipif(NAME not in ("avx512", "avx2"), reason="the depthwise kernels need masks")
def test_direct_convolutions_between_guard_pages():
    counted = fuzz("convolutions", 0, 120)
    assert all(f"'{method}'" in counted for method in DIRECT)


@posix
@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize("simd", ["avx512", "avx2", "sse"])
def test_many_random_calls_between_guard_pages(simd, seed):
    print(simd, seed, fuzz(seed, 2000, MINIGEN_SIMD=simd))
