"""The CUDA kernels other than convolution, emulated, against the reference kernels; and how kernels are launched.

Elementwise kernels equal the reference to the last bit here.  (A GPU may round a product and a sum once where the CPU
rounds twice.)  Sums are judged within bounds derived from the number of roundings.
"""

import math
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.kernels import emulator, reference

if reason := emulator.why_not():
    pytest.skip(reason, allow_module_level=True)

from minigen.kernels import cuda
from minigen.kernels.cuda import launch, pool
from minigen.kernels.cuda.launch import Kernel
from minigen.kernels.cuda.target import flat, int32
from minigen.kernels.emulator import emulated

pytestmark = pytest.mark.emulator
DTYPES = [np.float32, np.float64]
F4 = np.dtype(np.float32)


def normal(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def in_every_order(function):
    """What `function` returns, being the same for three orders of the threads, and free of races."""
    results = []
    for order in ("forward", "reverse", 1):
        with emulated(check=True, order=order):
            result = function()
        results.append(result if isinstance(result, tuple) else (result,))
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)
    return results[0]


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.2, -0.5])
def test_leaky_relu_and_its_gradient_equal_the_reference(slope, dtype):
    rng = np.random.default_rng(0)
    x, g = normal(rng, (3, 7, 41), dtype), normal(rng, (3, 7, 41), dtype)
    x[0] = rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf], x[0].shape)
    (y,) = in_every_order(lambda: cuda.leaky_relu(x, slope))
    np.testing.assert_array_equal(y, reference.leaky_relu(x, slope))
    (dx,) = in_every_order(lambda: cuda.leaky_relu_grad(g[:, :, ::-1], x, slope))
    np.testing.assert_array_equal(dx, reference.leaky_relu_grad(g[:, :, ::-1], x, slope))
    assert y.dtype == dx.dtype == dtype and y.shape == dx.shape == x.shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_functions_with_an_exponential_neither_overflow_nor_lose_digits(name, dtype):
    """Ten roundings, of numbers near 0 and far from it; what comes out of infinities and NaN is the reference's."""
    x = normal(np.random.default_rng(0), (3, 70), dtype) * dtype(20)
    x[0, :4] = np.inf, -np.inf, np.nan, 0
    (y,) = in_every_order(lambda: getattr(cuda, name)(x[:, ::-1]))
    exact = getattr(reference, name)(x[:, ::-1].astype(np.float64))
    np.testing.assert_allclose(y, exact, rtol=10 * np.finfo(dtype).eps / 2, atol=0)
    assert y.dtype == dtype and y.shape == x.shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_of_a_sigmoid_loses_no_digits(dtype):
    x, g = normal(np.random.default_rng(0), (2, 3, 70), dtype) * dtype(5)
    x[0, :4] = np.inf, -np.inf, np.nan, 0
    (dx,) = in_every_order(lambda: cuda.sigmoid_grad(g, x[:, ::-1]))
    exact = reference.sigmoid_grad(g.astype(np.float64), x[:, ::-1].astype(np.float64))
    np.testing.assert_allclose(dx, exact, rtol=20 * np.finfo(dtype).eps / 2, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradients_of_softplus_and_tanh_are_those_of_the_reference(dtype):
    """Of a softplus eleven roundings; of a tanh, which only multiplies and subtracts, to the last bit."""
    x, g = normal(np.random.default_rng(0), (2, 3, 70), dtype) * dtype(5)
    x[0, :4] = np.inf, -np.inf, np.nan, 0
    (dx,) = in_every_order(lambda: cuda.softplus_grad(g, x[:, ::-1]))
    exact = reference.softplus_grad(g.astype(np.float64), x[:, ::-1].astype(np.float64))
    np.testing.assert_allclose(dx, exact, rtol=11 * np.finfo(dtype).eps / 2, atol=0)
    y = np.tanh(x)[:, ::-1]
    (dx,) = in_every_order(lambda: cuda.tanh_grad(g, y))
    np.testing.assert_array_equal(dx, reference.tanh_grad(g, y))


#: (N, C, ...) where the channels of a block share a sector, and do not all exist: 13, 9 and 3 of them, by 8, 4 and 2.
SHARED = [(700, 13), (300, 9, 2), (70, 3, 2, 2), (5, 1)]


def share(shape, dtype):
    """What a thread adds up: a 512th of a channel, or less than a 64th more where the channels of a block share a sector."""
    return math.prod(shape) // max(shape[1], 1) / (512 if math.prod(shape[2:]) * np.dtype(dtype).itemsize >= 32 else 64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(3, 5), (4, 3, 17, 11), (0, 3, 4), *SHARED])
def test_the_gradient_of_a_bias_comes_with_that_of_the_activation(shape, slope, dtype):
    """One is `leaky_relu_grad` to the last bit; a sum is that of 512 parts or 64, as in a mean."""
    rng = np.random.default_rng(7)
    g, y = normal(rng, (2, *shape[::-1]), dtype).transpose(0, *range(len(shape), 0, -1))
    dx, dbias = in_every_order(lambda: cuda.add_bias_grad(g, y, slope))
    np.testing.assert_array_equal(dx, reference.leaky_relu_grad(g, y, slope))
    wide, axes = dx.astype(np.longdouble), (0, *range(2, dx.ndim))
    roundings = share(shape, dtype) + 11
    assert (abs(dbias - wide.sum(axes)) <= roundings * np.finfo(dtype).eps / 2 * abs(wide).sum(axes)).all()
    assert dbias.dtype == dtype and dbias.shape == shape[1:2]


def test_many_pairs_of_arrays_are_added_in_a_launch(monkeypatch):
    """As many as a kernel has room for: 23 pairs.  Sizes differ, one is empty, one has no axis, one is not contiguous."""
    started, rng = [], np.random.default_rng(5)
    shapes = [(3,), (70, 90), (0, 4), (), *((n,) for n in range(1, 27))]
    xs, ys = ([np.asarray(rng.standard_normal(shape), F4) for shape in shapes] for _ in range(2))
    ys[1] = np.asfortranarray(ys[1])

    with emulated(check=True):
        device = launch.current_device()
        monkeypatch.setattr(
            device, "start", lambda k, blocks, a: [started.append(len(a[0])), type(device).start(device, k, blocks, a)]
        )
        sums = cuda.add_pairs(xs, ys)
        assert cuda.add_pairs([], []) == ()
    assert started == [23, 7]
    for total, x, y in zip(sums, xs, ys, strict=True):
        np.testing.assert_array_equal(total, x + y)
        assert total.shape == x.shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 7, 5), (0, 3, 4)])
def test_add_bias_equals_the_reference_and_may_overwrite_its_input(shape, dtype):
    rng = np.random.default_rng(0)
    x, bias = normal(rng, shape, dtype), normal(rng, shape[1], dtype)
    expected = reference.add_bias(x, bias)
    (y,) = in_every_order(lambda: cuda.add_bias(x, bias))
    np.testing.assert_array_equal(y, expected)
    spread = np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]
    with emulated(check=True):
        for slope in (0.0, 0.2):
            np.testing.assert_array_equal(cuda.add_bias(x, bias, None, slope), reference.leaky_relu(expected, slope))
        assert cuda.add_bias(x, bias, out=spread) is spread
        assert cuda.add_bias(x, bias, out=x) is x
    np.testing.assert_array_equal(spread, expected)
    np.testing.assert_array_equal(x, expected)


def test_more_elements_than_threads(monkeypatch):
    """Each thread takes several, a whole grid apart."""
    monkeypatch.setattr(launch, "MOST_BLOCKS", 2)
    x = normal(np.random.default_rng(0), (1700,), np.float32)
    (y,) = in_every_order(lambda: cuda.leaky_relu(x, 0.1))
    np.testing.assert_array_equal(y, reference.leaky_relu(x, 0.1))


def test_a_scalar_is_an_array_too():
    with emulated():
        y = cuda.leaky_relu(np.array(-2.0, np.float32), 0.5)
    assert y.shape == () and y == -1


# ---------------------------------------------------------------- means


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (511,), (32, 1), (2, 3, 700), (3, 5462)])
def test_a_mean_of_all_is_as_exact_as_a_sum_of_512_parts(shape, dtype):
    """A thread adds a 512th, and 9 steps the rest; the last shape has more elements than one block is given."""
    x = np.asarray(normal(np.random.default_rng(3), shape, dtype)).T
    (mean,) = in_every_order(lambda: cuda.mean(x))
    wide, roundings = x.astype(np.longdouble), max(x.size, 512) // 512 + 11
    assert mean.shape == () and mean.dtype == dtype
    assert abs(mean - wide.mean()) <= roundings * np.finfo(dtype).eps / 2 * abs(wide).mean()


def test_a_mean_has_infinities_and_nan_but_not_no_elements():
    x = np.zeros((2, 700), np.float32)
    x[1, 3] = np.inf
    with emulated(check=True):
        assert cuda.mean(x) == np.inf
        x[0, 5] = np.nan
        assert np.isnan(cuda.mean(x))
        with pytest.raises(ValueError, match=r"mean: x: got shape \(0, 700\), expected at least one element"):
            cuda.mean(x[:0])


# ---------------------------------------------------------------- batch normalisation


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4), (5, 3, 17, 11), (1, 1, 1), *SHARED])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_statistics_are_nearly_as_exact_as_their_dtype(shape, dtype, offset):
    """A thread's sum and the tree above it take fewer than `share` + 12 roundings; the correction halves no digit."""
    x = normal(np.random.default_rng(1), shape, dtype) + dtype(offset)
    mean, var = in_every_order(lambda: cuda.batch_norm_stats(x))
    axes = (0, *range(2, x.ndim))
    wide = x.astype(np.longdouble)
    exact_mean, exact_var = wide.mean(axis=axes), wide.var(axis=axes)
    u = np.finfo(dtype).eps / 2
    roundings = share(shape, dtype) + 12
    deviation = np.abs(wide - exact_mean.reshape(1, -1, *(1,) * (x.ndim - 2))).mean(axis=axes)
    # the first mean is off by `shift`; what the correction leaves of it is its own rounding, and the result's
    shift = 2 * roundings * u * np.abs(wide).mean(axis=axes)
    assert (np.abs(mean - exact_mean) <= 2 * u * np.abs(exact_mean) + 2 * roundings * u * (deviation + shift)).all()
    assert (np.abs(var - exact_var) <= 4 * roundings * u * (exact_var + shift**2)).all()
    assert mean.dtype == var.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4), (1, 3), (4, 3, 17, 11), *SHARED])
def test_batch_norm_in_training_is_its_parts_in_one_launch(shape, dtype):
    """To the last bit: the statistics, what is normalized by them, and the new averages; the old ones stay."""
    rng = np.random.default_rng(3)
    x, weight, bias, old_mean = (normal(rng, n, dtype) for n in (shape, shape[1], shape[1], shape[1]))
    old_var = normal(rng, shape[1], dtype) ** 2
    before = old_mean.copy(), old_var.copy()
    y, mean, var, *new = in_every_order(lambda: cuda.batch_norm_train(x, weight, bias, 1e-5, 0.2, old_mean, old_var))
    with emulated(check=True):
        np.testing.assert_array_equal((mean, var), cuda.batch_norm_stats(x))
        np.testing.assert_array_equal(y, cuda.batch_norm(x, mean, var, weight, bias, 1e-5, 0.2))
        assert len(cuda.batch_norm_train(x, weight, bias, 1e-5)) == 3
    expected = reference.norm.new_averages(x, mean, var, old_mean, old_var, 0.1)
    np.testing.assert_array_equal(new, expected)
    np.testing.assert_array_equal((old_mean, old_var), before)
    assert {array.dtype for array in (y, mean, var, *new)} == {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4), (4, 3, 17, 11), *SHARED])
def test_batch_norm_and_its_gradient(shape, dtype):
    """Forward to the last bit; backward x_hat takes five roundings at most, and each operation after it one more."""
    rng = np.random.default_rng(2)
    g, x = normal(rng, shape, dtype), normal(rng, shape, dtype)
    mean, weight, bias = (normal(rng, shape[1], dtype) for _ in range(3))
    var = rng.random(shape[1]).astype(dtype) + dtype(0.1)
    (y,) = in_every_order(lambda: cuda.batch_norm(x, mean, var, weight, bias, 1e-5))
    np.testing.assert_array_equal(y, reference.batch_norm(x, mean, var, weight, bias, 1e-5))
    with emulated():
        for slope in (0.0, 0.2):
            activated = cuda.batch_norm(x, mean, var, weight, bias, 1e-5, slope)
            np.testing.assert_array_equal(activated, cuda.leaky_relu(y, slope))
            pair = cuda.batch_norm_grad(cuda.leaky_relu_grad(g, y, slope), x, mean, var, weight, 1e-5)
            together = cuda.batch_norm_grad(g, x, mean, var, weight, 1e-5, bias, slope)
            for ours, theirs in zip(together, pair, strict=True):
                np.testing.assert_array_equal(ours, theirs)

    got = in_every_order(lambda: cuda.batch_norm_grad(g, x, mean, var, weight, 1e-5))
    eps = np.float64(dtype(1e-5))
    exact = reference.batch_norm_grad(*(array.astype(np.float64) for array in (g, x, mean, var, weight)), eps)
    n, axes, spread = x.size // shape[1], (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
    g, xhat, rstd = abs(g).astype(np.float64), abs(x - mean.reshape(spread)).astype(np.float64), 1 / np.sqrt(var + eps)
    xhat = xhat * rstd.reshape(spread)
    u = (share(shape, dtype) + 12) * np.finfo(dtype).eps / 2
    terms = g + (g.sum(axis=axes) / n).reshape(spread) + xhat * ((g * xhat).sum(axis=axes) / n).reshape(spread)
    errors = 20 * u * abs(weight * rstd).reshape(spread) * terms, 7 * u * (g * xhat).sum(axis=axes), 2 * u * g.sum(axes)
    for ours, theirs, error in zip(got, exact, errors, strict=True):
        assert ours.dtype == dtype
        assert (abs(ours - theirs) <= error).all()


@pytest.mark.parametrize(
    ("shape", "dtype", "blocks"),
    [
        ((64, 256), F4, 32),
        ((64, 256), np.dtype(np.float64), 64),
        ((9, 3), F4, 1),
        ((9, 5, 2), F4, 2),
        ((9, 5, 8), F4, 5),
    ],
)
def test_channels_that_share_a_sector_share_a_block(shape, dtype, blocks, monkeypatch):
    started, x = [], np.ones(shape, dtype)
    with emulated(check=True):
        device = launch.current_device()
        start = type(device).start
        monkeypatch.setattr(device, "start", lambda kernel, n, a: (started.append(n), start(device, kernel, n, a))[1])
        cuda.batch_norm_stats(x)
        cuda.batch_norm_grad(x, x, *[x[0].reshape(shape[1], -1)[:, 0]] * 3, 1e-5)
        cuda.add_bias_grad(x, x, 0.2)
    assert started == [blocks] * 3


def test_an_empty_batch_has_no_statistics_and_gives_no_gradient():
    x, one = np.zeros((0, 3, 4, 4), np.float32), np.ones(3, np.float32)
    with emulated():
        mean, var = cuda.batch_norm_stats(x)
        dx, dweight, dbias = cuda.batch_norm_grad(x, x, one, one, one, 1e-5)
    assert np.isnan(mean).all() and np.isnan(var).all()
    assert dx.shape == x.shape and not dweight.any() and not dbias.any()


# ---------------------------------------------------------------- optimizers

STEPS = {
    "sgd_step": [
        ((), lambda f, p, g, t: f(p, g, None, 0.1, 0.0, 0.0, 0.01, False, False)),
        ((1,), lambda f, p, g, v, t: f(p, g, v, 0.1, 0.9, 0.3, 0.0, False, t == 1)),
        ((1,), lambda f, p, g, v, t: f(p, g, v, 0.1, 0.9, 0.0, 0.01, True, t == 1)),
    ],
    "adam_step": [
        ((1, 1), lambda f, p, g, m, v, t: f(p, g, m, v, None, t, 0.1, 0.9, 0.99, 1e-8, 0.01, True)),
        ((1, 1, 1), lambda f, p, g, m, v, x, t: f(p, g, m, v, x, t, 0.1, 0.9, 0.99, 1e-8, 0.01, False)),
    ],
    "ema_steps": [
        ((), lambda f, p, g, t: f([p], [g], 0.1 / t)),
    ],
    "rmsprop_step": [
        ((1,), lambda f, p, g, v, t: f(p, g, v, None, None, 0.1, 0.9, 1e-8, 0.0, 0.0)),
        ((1, 1, 1), lambda f, p, g, v, a, m, t: f(p, g, v, a, m, 0.1, 0.9, 1e-8, 0.01, 0.5)),
    ],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STEPS)
def test_optimizer_steps_equal_the_reference(name, dtype):
    for states, call in STEPS[name]:
        rng = np.random.default_rng(3)
        theirs = [normal(rng, (5, 83), dtype)] + [np.zeros((5, 83), dtype) for _ in states]
        ours = [np.repeat(array, 2, axis=1)[:, ::2] for array in theirs]  # to be written back where they lie
        for step in (1, 2, 3):
            grad = normal(rng, (5, 83), dtype)
            grad.flags.writeable = False
            call(getattr(reference, name), theirs[0], grad, *theirs[1:], step)
            with emulated(check=True, order=step):
                call(getattr(cuda, name), ours[0], grad, *ours[1:], step)
            for mine, expected in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(mine, expected)


def test_many_parameters_share_a_launch(monkeypatch):
    """A launch takes as many arrays as a kernel has room for: 14 parameters of Adam; sizes differ, one is empty."""
    started, rng = [], np.random.default_rng(5)
    sizes = [3, 5000, 0, *range(1, 32)]
    theirs = [[normal(rng, (n,), np.float32) ** 2 for n in sizes] for _ in range(4)]
    ours = [[array.copy() for array in column] for column in theirs]
    reference.adam_steps(*theirs, None, 3, 0.1, 0.9, 0.99, 1e-8, 0.1, False)
    with emulated(check=True):
        device = launch.current_device()
        monkeypatch.setattr(
            device, "start", lambda k, blocks, a: [started.append(len(a[0])), type(device).start(device, k, blocks, a)]
        )
        cuda.adam_steps(*ours, None, 3, 0.1, 0.9, 0.99, 1e-8, 0.1, False)
    assert started == [14, 14, 6]
    for mine, expected in zip(ours, theirs, strict=True):
        for a, b in zip(mine, expected, strict=True):
            np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- max pooling

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=5)
@given(PAIRS, PAIRS, st.sampled_from([(1, 1), (2, 1)]), st.sampled_from(DTYPES), st.data())
def test_max_pooling_equals_the_reference(kernel, stride, dilation, dtype, data):
    rng = np.random.default_rng(4)
    padding = tuple((data.draw(st.integers(0, k // 2)), data.draw(st.integers(0, k // 2))) for k in kernel)
    size = tuple(d * (k - 1) + 1 + data.draw(st.integers(0, 5)) for k, d in zip(kernel, dilation))
    x = rng.integers(-2, 3, (2, 3, *size)).astype(dtype)  # small integers: many ties
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = -np.inf
    values, index = reference.max_pool2d(x, kernel, stride, padding, dilation)
    got = in_every_order(lambda: cuda.max_pool2d(x, kernel, stride, padding, dilation))
    np.testing.assert_array_equal(got[0], values)
    np.testing.assert_array_equal(got[1], index)
    assert got[1].dtype == np.int64
    g = normal(rng, values.shape, dtype)
    expected = reference.max_pool2d_grad(g, index, size)
    for window in (None, (kernel, stride, padding, dilation)):
        (dx,) = in_every_order(lambda window=window: cuda.max_pool2d_grad(g, index, size, window))
        np.testing.assert_array_equal(dx, expected)


def test_max_pooling_gradient_adds_in_the_order_of_the_windows():
    """All 25 windows choose the pixel in the middle, so another order would round differently."""
    x, window = np.zeros((1, 3, 9, 9), F4), ((5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1))
    x[:, :, 4, 4] = 1
    index = reference.max_pool2d(x, *window)[1]
    g = normal(np.random.default_rng(0), index.shape, F4)
    (dx,) = in_every_order(lambda: cuda.max_pool2d_grad(g, index, (9, 9), window))
    np.testing.assert_array_equal(dx, reference.max_pool2d_grad(g, index, (9, 9)))


def test_max_pooling_gradient_where_a_window_holds_padding_only():
    rng, window = np.random.default_rng(0), ((2, 2), (1, 1), ((3, 0), (0, 2)), (1, 1))
    index = reference.max_pool2d(rng.standard_normal((2, 3, 4, 4)), *window)[1]
    g = rng.standard_normal(index.shape)
    (dx,) = in_every_order(lambda: cuda.max_pool2d_grad(g, index, (4, 4), window))
    np.testing.assert_array_equal(dx, reference.max_pool2d_grad(g, index, (4, 4)))


@pytest.mark.parametrize(("window", "count"), [(((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), 2 * 3 * 64), (None, 2 * 3)])
def test_threads_of_the_max_pooling_gradient(window, count, monkeypatch):
    """One for each element where the window is known; without it one for each plane."""
    counts, elements = [], pool.elements

    def counted(kernel, count, *arrays):
        counts.append(count)
        elements(kernel, count, *arrays)

    monkeypatch.setattr(pool, "elements", counted)
    with emulated(check=True):
        pool.max_pool2d_grad(np.ones((2, 3, 4, 4)), np.zeros((2, 3, 4, 4), np.int64), (8, 8), window)
    assert counts == [count]


# ---------------------------------------------------------------- launching


def first_to_second(x, y, count):
    y[0] = x[0] + count


COPY = Kernel(first_to_second, (flat(F4), flat(F4), int32))


def test_arrays_that_kernels_do_not_take_are_named():
    x = np.ones((2, 3), np.float32)
    assert all(hasattr(getattr(cuda, kernel), "__wrapped__") for kernel in cuda.__all__)  # checked, like every set
    with emulated(), pytest.raises(ValueError, match=r"leaky_relu_grad: g: got shape \(3,\), expected \(2, 3\)"):
        cuda.leaky_relu_grad(x[0], x, 0.1)


def test_more_than_a_grid_or_an_index_can_count_is_refused():
    one = np.ones(1, np.float32)
    huge = np.broadcast_to(one, (2**16, 2**15))
    with emulated():
        with pytest.raises(ValueError, match="first_to_second: 2147483648 blocks of threads are more than"):
            launch.launch(COPY, 2**31, one, one, 1)
        with pytest.raises(ValueError, match=r"array of shape \(65536, 32768\) has more elements .* smaller batch"):
            launch.launch(COPY, 1, huge, one, 1)


def test_outside_emulation_a_missing_gpu_or_cupy_is_named(monkeypatch):
    launch._gpu.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"need CuPy: python -m pip install 'minigen-lab\[cuda13\]' \(or cuda12"):
        cuda.leaky_relu(np.ones(3, np.float32), 0.1)
    absent = types.SimpleNamespace(cuda=types.SimpleNamespace(is_available=lambda: False))
    monkeypatch.setitem(sys.modules, "cupy", absent)
    with pytest.raises(RuntimeError, match="need an NVIDIA GPU and its driver, and none answers here"):
        cuda.leaky_relu(np.ones(3, np.float32), 0.1)
    launch._gpu.cache_clear()


class FakeArray(np.ndarray):
    """Stands for an array on a GPU."""


@pytest.mark.parametrize("pointer", [0, 77])
def test_a_launch_by_numba_takes_cupys_stream_and_waits_for_nothing(pointer, monkeypatch):
    """This Numba is none whose launches can be packed; it is told not to wait for the arrays' stream, and given the
    stream that CuPy uses."""
    calls = []

    class Compiled:
        def __getitem__(self, configuration):
            return lambda *arguments: calls.append((configuration, arguments))

    stand_in = types.SimpleNamespace(
        jit=lambda signature: lambda function: Compiled(),
        external_stream=lambda pointer: f"stream {pointer}",
        as_cuda_array=lambda array, sync: ("view", array.size, sync),
    )
    stream = types.SimpleNamespace(ptr=pointer)
    device = types.SimpleNamespace(is_available=lambda: True, get_current_stream=lambda: stream)
    fake_cupy = types.SimpleNamespace(cuda=device, ndarray=FakeArray)
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy)
    monkeypatch.setattr(launch, "cuda", stand_in)
    launch._gpu.cache_clear()
    x = np.ones((2, 3), np.float32).view(FakeArray)
    launch.launch(COPY, 3, x, x, 6)
    assert launch._gpu().left_to_numba == {COPY.function.__name__}
    launch._gpu.cache_clear()
    view = ("view", 6, False)
    assert calls == [((3, COPY.threads, "stream 77" if pointer else 0), (view, view, 6))]
