"""The CPU kernels other than convolution, against the reference kernels and against exact sums.

Elementwise kernels must equal the reference to the last bit.  Sums are judged within bounds derived from the number of
roundings, and exactly where the inputs are small integers.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba")

from minigen.kernels import cpu, reference
from minigen.kernels.cpu import optimizers, pointwise, pool
from minigen.kernels.reference.norm import new_averages

DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)
DOUBLE_ROUNDING = 2.0**-53


def rounding(dtype):
    return np.finfo(dtype).eps / 2


@st.composite
def layouts(draw, array):
    """The same numbers in other memory: permuted, backwards, spread out, or read-only."""
    how = draw(st.sampled_from(["contiguous", "permuted", "backwards", "spread", "readonly"]))
    if how == "permuted":
        array = np.asfortranarray(array)
    elif how == "backwards":
        array = array[::-1].copy()[::-1]
    elif how == "spread":
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    elif how == "readonly":
        array = array.copy()
        array.flags.writeable = False
    return array


@st.composite
def images(draw, smallest_batch=0, largest=7, dims=(2, 4)):
    """A seeded generator, and the shape (N, C, ...) of a batch."""
    shape = draw(st.lists(st.integers(1, largest), min_size=dims[0], max_size=dims[1]))
    shape[0] = draw(st.integers(smallest_batch, largest))
    return np.random.default_rng(draw(SEEDS)), tuple(shape)


def normal(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


# ---------------------------------------------------------------- activations


@given(images(dims=(1, 4)), DTYPES, st.sampled_from([0.0, 0.01, 0.2, 1.0, -0.5]), st.data())
def test_leaky_relu_and_its_gradient_equal_the_reference(image, dtype, slope, data):
    rng, shape = image
    x, g = normal(rng, shape, dtype), normal(rng, shape, dtype)
    x.reshape(-1)[: x.size // 2] = rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf], x.size // 2)
    expected = reference.leaky_relu(x, slope), reference.leaky_relu_grad(g, x, slope)
    x, g = data.draw(layouts(x)), data.draw(layouts(g))
    got = pointwise.leaky_relu(x, slope), pointwise.leaky_relu_grad(g, x, slope)
    for ours, theirs in zip(got, expected):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == dtype and ours.shape == shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_activations_with_a_ragged_end_equal_the_reference(dtype):
    x = normal(np.random.default_rng(1), (3, 700_001), dtype)
    g = x[::-1].copy()
    np.testing.assert_array_equal(pointwise.leaky_relu(x, 0.2), reference.leaky_relu(x, 0.2))
    np.testing.assert_array_equal(pointwise.leaky_relu_grad(g, x, 0.2), reference.leaky_relu_grad(g, x, 0.2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 17, 100_003, 3_000_001])
def test_a_sum_equals_the_reference(dtype, size):
    x, y = normal(np.random.default_rng(size), (2, size), dtype)
    x[: size // 3 : 7], y[: size // 3 : 5] = np.inf, np.nan
    np.testing.assert_array_equal(pointwise.add(x, y), x + y)


#: Smooth functions: of x, or of g and x.  How many units in the last place each may be off by: what all 2^32 numbers of
#: single precision give, with a tenth to spare, and half a unit for a product with g.
SMOOTH = {"sigmoid": 2.6, "sigmoid_grad": 5.1, "softplus": 3.0, "softplus_grad": 3.1}


def exact(name, g, x):
    """The function in extended precision, where x is not infinite."""
    x = x.astype(np.longdouble)
    e = np.exp(-np.abs(x))
    if name == "sigmoid_grad":
        return g * (e / (1 + e) ** 2)
    if name == "softplus":
        return np.maximum(x, 0) + np.log1p(e)
    return np.where(x < 0, e, 1) / (1 + e) * (g if name == "softplus_grad" else 1)


def call(name, g, x, kernels=pointwise):
    return getattr(kernels, name)(*((g, x) if name.endswith("_grad") else (x,)))


def units(ours, exact):
    """The errors in units in the last place of the exact values; below the least normal number these are all equal."""
    limits = np.finfo(ours.dtype)
    exponents = np.maximum(np.frexp(exact)[1] - limits.nmant - 1, limits.minexp - limits.nmant)
    return np.abs(ours - exact) / np.ldexp(np.longdouble(1), exponents)


@pytest.mark.parametrize("name", SMOOTH)
@given(images(dims=(1, 4)), DTYPES, st.sampled_from([1e-3, 1.0, 30.0, 400.0]), st.data())
def test_smooth_functions_are_right_to_a_few_units_in_the_last_place(name, image, dtype, scale, data):
    rng, shape = image
    x, g = (dtype(scale) * normal(rng, shape, dtype)), normal(rng, shape, dtype)
    expected = exact(name, g, x)
    ours = call(name, data.draw(layouts(g)), data.draw(layouts(x)))
    assert ours.dtype == dtype and ours.shape == shape
    assert np.all(units(ours, expected) <= SMOOTH[name])


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_of_one_number_in_ten_thousand_of_all_float32(name):
    bits = np.arange(0, 2**32, 9973, dtype=np.uint64).astype(np.uint32)
    ends = np.arange(256, dtype=np.uint32) << 23  # powers of two, 0 and infinity, and their neighbors
    x = np.concatenate([bits, ends - 1, ends, ends + 1, (ends | 1 << 31) - 1, ends | 1 << 31]).view(np.float32)
    ours = call(name, np.ones_like(x), x)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(x))
    there = np.isfinite(x)
    assert units(ours[there], exact(name, np.float32(1), x[there])).max() <= SMOOTH[name]


@pytest.mark.parametrize("name", [*SMOOTH, "tanh_grad"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smooth_functions_have_the_same_bits_wherever_a_number_is(name, dtype):
    rng = np.random.default_rng(2)
    x, g = 5 * normal(rng, 100_007, dtype), normal(rng, 100_007, dtype)
    y = call(name, g, x)
    for first, last in itertools.product((0, 1, 5), (100_007, 100_006, 10_006, 4_096, 33)):
        part = slice(first, last)
        np.testing.assert_array_equal(call(name, g[part], x[part]), y[part])
    np.testing.assert_array_equal(call(name, g[::-1], x[::-1])[::-1], y)


@pytest.mark.parametrize("kernels", [pointwise, reference], ids=["cpu", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smooth_functions_at_the_ends(kernels, dtype):
    x = np.array([np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0, np.nan], dtype)
    log2 = dtype(math.log(2))
    for name, values in {
        "sigmoid": [1, 0, 1, 0, 0.5, 0.5, np.nan],
        "sigmoid_grad": [0, 0, 0, 0, 0.25, 0.25, np.nan],
        "softplus": [np.inf, 0, dtype(1e30), 0, log2, log2, np.nan],
        "softplus_grad": [1, 0, 1, 0, 0.5, 0.5, np.nan],
    }.items():
        np.testing.assert_array_equal(call(name, np.ones_like(x), x, kernels), np.array(values, dtype), err_msg=name)


@given(images(dims=(1, 4)), DTYPES, st.data())
def test_the_gradient_of_a_tanh_equals_the_reference(image, dtype, data):
    rng, shape = image
    g, y = normal(rng, shape, dtype), np.tanh(normal(rng, shape, dtype))
    y.reshape(-1)[: y.size // 2] = rng.choice([1.0, -1.0, 0.0, np.nan, np.inf], y.size // 2)
    got = pointwise.tanh_grad(data.draw(layouts(g)), data.draw(layouts(y)))
    np.testing.assert_array_equal(got, reference.tanh_grad(g, y))
    assert got.dtype == dtype and got.shape == shape


@given(images(), DTYPES, st.data())
def test_add_bias_equals_the_reference_and_may_overwrite_its_input(image, dtype, data):
    rng, shape = image
    x, bias = normal(rng, shape, dtype), normal(rng, shape[1], dtype)
    expected = reference.add_bias(x, bias)
    np.testing.assert_array_equal(cpu.add_bias(data.draw(layouts(x)), bias), expected)
    spread = np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]
    for out in (x, spread):
        x = x.copy() if out is spread else x
        assert cpu.add_bias(x, bias, out=out) is out
        if out is x:
            np.testing.assert_array_equal(out, expected)
            x = normal(rng, shape, dtype)
            expected = reference.add_bias(x, bias)
        else:
            np.testing.assert_array_equal(out, expected)


def test_a_scalar_is_an_array_too():
    assert pointwise.leaky_relu(np.array(-2.0, np.float32), 0.5).shape == ()


# ---------------------------------------------------------------- batch normalisation


def exact_moments(x):
    """Mean and variance of each channel, summed without rounding (in double precision for double inputs)."""
    columns = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)
    mean = np.array([math.fsum(column) / column.size for column in columns])
    var = np.array([math.fsum((column - m) ** 2) / column.size for column, m in zip(columns, mean)])
    return columns, mean, var


def check_moments(x):
    """Sums of n numbers in double precision err by less than n roundings of the sum of magnitudes."""
    mean, var = cpu.batch_norm_stats(x)
    columns, exact_mean, exact_var = exact_moments(x)
    n, u = columns.shape[1], rounding(x.dtype)
    mean_error = (n + 1) * DOUBLE_ROUNDING * np.abs(columns).mean(axis=1)
    assert (np.abs(mean - exact_mean) <= u * np.abs(exact_mean) + mean_error).all()
    var_error = (n + 5) * DOUBLE_ROUNDING * exact_var + mean_error**2
    assert (np.abs(var - exact_var) <= 2 * u * exact_var + 2 * var_error + 1e-300).all()
    assert mean.dtype == var.dtype == x.dtype and mean.shape == var.shape == x.shape[1:2]


@given(images(1, 9), DTYPES, st.sampled_from([0.0, 3.0, 1e4]), st.data())
def test_statistics_are_as_exact_as_their_dtype(image, dtype, offset, data):
    rng, shape = image
    check_moments(data.draw(layouts(normal(rng, shape, dtype) + dtype(offset))))


ONE_ROW = [(1, 6, 17, 31), (1, 40, 4, 4), (1, 300), (1, 3, 64)]  # instance and layer norm: fewer running sums


@pytest.mark.parametrize(
    "shape", [(5, 3, 17, 31), (2, 5, 40, 40), (300, 70), (9, 40, 4, 4), (2, 1, 300), (1, 1, 1), *ONE_ROW]
)
def test_statistics_of_channels_narrower_and_wider_than_the_running_sums(shape):
    check_moments(normal(np.random.default_rng(2), shape, np.float32))


def test_a_large_offset_does_not_drown_the_variance():
    x = (1e4 + 1e-3 * np.random.default_rng(3).standard_normal((8, 4, 16, 16))).astype(np.float64)
    check_moments(x)
    check_moments(x.astype(np.float32))


@given(images(), DTYPES, st.data())
def test_batch_norm_equals_the_reference(image, dtype, data):
    rng, shape = image
    x, mean, weight, bias = (normal(rng, s, dtype) for s in (shape, shape[1], shape[1], shape[1]))
    var = rng.random(shape[1]).astype(dtype)
    expected = reference.batch_norm(x, mean, var, weight, bias, 1e-5)
    np.testing.assert_array_equal(cpu.batch_norm(data.draw(layouts(x)), mean, var, weight, bias, 1e-5), expected)


@pytest.mark.parametrize("shape", [(5, 3, 17, 31), (7, 40, 4, 4), (9, 70), (2, 1, 300), (0, 3, 2), (2, 0, 3), *ONE_ROW])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
def test_batch_norm_in_training_has_the_bits_of_its_parts(shape, dtype, slope):
    rng = np.random.default_rng(5)
    x, weight, bias, old_mean, old_var = (normal(rng, s, dtype) for s in (shape, *[shape[1]] * 4))
    mean, var = cpu.batch_norm_stats(x)
    y = cpu.batch_norm(x, mean, var, weight, bias, 1e-5, slope)
    averages = new_averages(x, mean, var, old_mean, old_var, 0.1)
    for got in (
        cpu.batch_norm_train(x, weight, bias, 1e-5, slope),
        cpu.batch_norm_train(x, weight, bias, 1e-5, slope, old_mean, old_var, 0.1),
    ):
        for ours, expected in zip(got, (y, mean, var, *averages)):
            np.testing.assert_array_equal(ours, expected)
    assert len(got) == 5


@given(images(1), DTYPES, st.sampled_from([1e-5, 0.1]), st.data())
def test_batch_norm_gradient_is_within_its_rounding(image, dtype, eps, data):
    """x_hat takes five roundings at most, and each operation after it one more."""
    rng, shape = image
    g, x, mean, weight = (normal(rng, s, dtype) for s in (shape, shape, shape[1], shape[1]))
    var = rng.random(shape[1]).astype(dtype) + dtype(0.1)
    got = cpu.batch_norm_grad(data.draw(layouts(g)), data.draw(layouts(x)), mean, var, weight, eps)
    eps = np.float64(dtype(eps))
    exact = reference.batch_norm_grad(*(array.astype(np.float64) for array in (g, x, mean, var, weight)), eps)

    n, axes, spread = x.size // shape[1], (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
    g, xhat, rstd = np.abs(g).astype(np.float64), np.abs(x - mean.reshape(spread)), 1 / np.sqrt(var + eps)
    xhat = xhat.astype(np.float64) * rstd.reshape(spread)
    u = rounding(dtype) + 2 * n * DOUBLE_ROUNDING
    sum_error, weighted_error = 2 * u * g.sum(axis=axes), 7 * u * (g * xhat).sum(axis=axes)
    terms = g + (g.sum(axis=axes) / n).reshape(spread) + xhat * ((g * xhat).sum(axis=axes) / n).reshape(spread)
    dx_error = 20 * u * np.abs(weight * rstd).reshape(spread) * terms
    for ours, theirs, error in zip(got, exact, (dx_error, weighted_error, sum_error)):
        assert ours.dtype == dtype
        assert (np.abs(ours - theirs) <= error).all()


@pytest.mark.parametrize("shape", [(8, 3, 16, 16), (1, 3, 17, 31), (1, 3, 5)])
def test_batch_norm_gradient_of_small_integers_is_exact(shape):
    rng = np.random.default_rng(4)
    g, x = (rng.integers(-4, 5, shape).astype(np.float32) for _ in range(2))
    mean, weight = np.array([1, 0, -2], np.float32), np.array([1, 2, -1], np.float32)
    var = np.full(3, 0.75, np.float32)  # + 0.25 makes the standard deviation 1
    got = cpu.batch_norm_grad(g, x, mean, var, weight, 0.25)
    exact = reference.batch_norm_grad(*(array.astype(np.float64) for array in (g, x, mean, var, weight)), 0.25)
    np.testing.assert_array_equal(got[1], exact[1])
    np.testing.assert_array_equal(got[2], exact[2])
    assert np.abs(got[0] - exact[0]).max() <= 3 * 2.0**-24 * np.abs(exact[0]).max() * 4


def test_an_empty_batch_has_no_statistics_and_gives_no_gradient():
    x, one = np.zeros((0, 3, 4, 4), np.float32), np.ones(3, np.float32)
    mean, var = cpu.batch_norm_stats(x)
    assert np.isnan(mean).all() and np.isnan(var).all()
    assert cpu.batch_norm(x, one, one, one, one, 1e-5).shape == x.shape
    dx, dweight, dbias = cpu.batch_norm_grad(x, x, one, one, one, 1e-5)
    assert dx.shape == x.shape and not dweight.any() and not dbias.any()
    assert pointwise.leaky_relu_grad(x, x, 0.1).shape == x.shape


# ---------------------------------------------------------------- optimizers


def optimizer_case(name, data):
    """Options drawn at random, as a function of (param, grad, states, step number)."""
    optional = data.draw(st.booleans()), data.draw(st.booleans())
    decay, flag = data.draw(st.sampled_from([0.0, 0.01])), data.draw(st.booleans())
    if name == "sgd_step":
        damp, momentum = data.draw(st.sampled_from([0.0, 0.3])), 0.9 if optional[0] else 0.0
        return optional[:1], lambda f, p, g, s, t: f(p, g, *s, 0.1, momentum, damp, decay, flag and optional[0], t == 1)
    if name == "adam_step":
        return (True, True, optional[0]), lambda f, p, g, s, t: f(p, g, *s, t, 0.1, 0.9, 0.99, 1e-8, decay, flag)
    return (True, *optional), lambda f, p, g, s, t: f(p, g, *s, 0.1, 0.9, 1e-8, decay, 0.5)


@pytest.mark.parametrize("name", ["sgd_step", "adam_step", "rmsprop_step"])
@given(st.lists(st.integers(1, 5), max_size=3), DTYPES, SEEDS, st.booleans(), st.data())
def test_optimizer_steps_equal_the_reference(name, shape, dtype, seed, spread, data):
    rng = np.random.default_rng(seed)
    present, call = optimizer_case(name, data)
    theirs = [normal(rng, shape, dtype)] + [np.zeros(shape, dtype) if there else None for there in present]
    ours = [None if array is None else array.copy() for array in theirs]
    if spread and shape:
        ours = [None if array is None else np.repeat(array, 2, axis=-1)[..., ::2] for array in ours]
    for step in (1, 2, 3):
        grad = normal(rng, shape, dtype)
        grad.flags.writeable = False
        call(getattr(reference, name), theirs[0], grad, theirs[1:], step)
        call(getattr(optimizers, name), ours[0], grad, ours[1:], step)
        for mine, expected in zip(ours, theirs):
            assert (mine is None) == (expected is None)
            if mine is not None:
                np.testing.assert_array_equal(mine, expected)


# ---------------------------------------------------------------- max pooling


@given(images(0, 6, (2, 2)), DTYPES, st.data())
def test_max_pooling_equals_the_reference(image, dtype, data):
    rng, batch = image
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = data.draw(pairs), data.draw(pairs), data.draw(st.tuples(st.integers(1, 2), st.just(1)))
    padding = tuple((data.draw(st.integers(0, k // 2)), data.draw(st.integers(0, k // 2))) for k in kernel)
    size = tuple(d * (k - 1) + 1 + data.draw(st.integers(0, 5)) for k, d in zip(kernel, dilation))
    x = rng.integers(-2, 3, (*batch, *size)).astype(dtype)  # small integers: many ties
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = -np.inf
    values, index = reference.max_pool2d(x, kernel, stride, padding, dilation)
    got = pool.max_pool2d(data.draw(layouts(x)), kernel, stride, padding, dilation)
    np.testing.assert_array_equal(got[0], values)
    np.testing.assert_array_equal(got[1], index)
    assert got[1].dtype == np.int64
    g = normal(rng, values.shape, dtype)
    expected = reference.max_pool2d_grad(g, index, size)
    np.testing.assert_array_equal(pool.max_pool2d_grad(data.draw(layouts(g)), index[::-1][::-1], size), expected)


@pytest.mark.parametrize("place", [-1, 12])
def test_max_pooling_gradient_refuses_an_index_outside_the_image(place):
    with pytest.raises(IndexError, match=r"outside an image of \(3, 4\)"):
        pool.max_pool2d_grad(np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 1), place), (3, 4))


# ---------------------------------------------------------------- inputs


def test_new_shapes_and_layouts_compile_nothing():
    x = np.ones((2, 3, 4, 5), np.float32)
    pointwise.leaky_relu(x, 0.1)
    known = len(pointwise._leaky._compiled.signatures)
    frozen = x[:, ::2, :, ::-1]
    frozen.flags.writeable = False
    for array in (x[0], x[..., 0], x.T, frozen, np.array(1, np.float32)):
        pointwise.leaky_relu(array, 0.1)
    assert len(pointwise._leaky._compiled.signatures) == known


# ---------------------------------------------------------------- dropout


def splitmix64(seed):
    """The generator as its authors wrote it, one number after the other, in Python's own integers."""
    mask = 2**64 - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        yield z ^ z >> 31


@given(images(dims=(1, 4)), DTYPES, st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), st.integers(0, 2**63 - 1), st.data())
def test_dropout_zeroes_the_elements_that_the_generator_says(image, dtype, p, seed, data):
    rng, shape = image
    x = normal(rng, shape, dtype)
    halves = [half for z in itertools.islice(splitmix64(seed), -(-x.size // 2)) for half in (z % 2**32, z >> 32)]
    kept = np.reshape([half / 2**32 >= p for half in halves[: x.size]], shape)
    expected = np.where(kept, x * dtype(1 / (1 - p) if p < 1 else 0), 0)
    given_x = data.draw(layouts(x))
    for dropout in (reference.dropout, cpu.dropout):
        got = dropout(given_x, p, seed)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == dtype and got.shape == shape


def test_dropout_drops_as_many_as_it_should_independently_of_place_and_seed():
    n, p = 400_000, 0.3
    masks = [cpu.dropout(np.ones(n, np.float32), p, seed) == 0 for seed in (0, 1, 2**62)]
    spread = math.sqrt(n * p * (1 - p))
    for mask in masks:
        assert abs(mask.sum() - n * p) < 5 * spread
        assert abs((mask[1:] & mask[:-1]).sum() - n * p * p) < 5 * spread  # neighbours
    for first, second in itertools.combinations(masks, 2):
        assert abs((first & second).sum() - n * p * p) < 5 * spread  # seeds
