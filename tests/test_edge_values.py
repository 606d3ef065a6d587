"""Infinities, NaN, equal and extreme numbers, long sums, and wrong types: the right value or one clear line."""

import math

import numpy as np
import pytest

import minigen as mg
from minigen import kernels
from minigen.losses import gaussian_kl

inf, nan = math.inf, math.nan


def value_and_gradient(function, x, cotangent=1.0):
    x = mg.tensor(x, requires_grad=True)
    y = function(x)
    (g,) = mg.grad(y, x, mg.full(y.shape, cotangent, dtype=y.dtype))
    return y.numpy(), g.numpy()


# ---- far from 1: what float32 can hold as the result must come out, whatever the squares of the elements are

SCALES = [1e-45, 1e-40, 1e-30, 1e-20, 1.0, 1e10, 1e19, 1e25, 5e37]


def both_gradients(function, x, g, u):
    """The value, the gradient under g, and the gradients of ``<gradient, u>`` with respect to x and g."""
    x, g = mg.tensor(np.float32(x), requires_grad=True), mg.tensor(np.float32(g), requires_grad=True)
    y = function(x)
    (dx,) = mg.grad(y, x, g, create_graph=True)
    second = mg.grad(dx, (x, g), mg.tensor(np.float32(u)), allow_unused=True)
    return [t.numpy().astype(np.float64) for t in (y, dx, *second)]


@pytest.mark.parametrize("name", ["norm", "norm of 3", "std", "biased std"])
@pytest.mark.parametrize("scale", SCALES)
def test_a_length_of_huge_or_tiny_numbers_has_its_value_and_its_gradients(name, scale):
    p, centered = (3 if name == "norm of 3" else 2), "std" in name
    x, g, u = np.float32(scale) * np.float32([1, 2, -4]), np.float32(3), np.array([2.0, 1.0, -3.0])
    function = {
        "norm": mg.norm, "norm of 3": lambda x: mg.norm(x, 3), "std": mg.std,
        "biased std": lambda x: mg.std(x, unbiased=False),
    }[name]  # fmt: skip
    y = x.astype(np.float64) - (x.astype(np.float64).mean() if centered else 0)
    root = {"std": math.sqrt(2), "biased std": math.sqrt(3)}.get(name, 1.0)
    length = (np.abs(y) ** p).sum() ** (1 / p)
    slope = np.sign(y) * np.abs(y / length) ** (p - 1)
    bent = (p - 1) * np.abs(y / length) ** (p - 2) * (u - (u.mean() if centered else 0)) - (p - 1) * slope * (slope @ u)
    expected = [length, g * slope, g * bent / length, slope @ u]
    with np.errstate(over="ignore"):
        got = both_gradients(function, x, g, u)
        rounded = np.float32(g * bent / length / root).astype(np.float64)
    for i, (found, wanted) in enumerate(zip(got, expected)):
        wanted = rounded if i == 2 else wanted / root
        tiny = 1.5e-45 if i in (0, 2) else 0  # half a step between the smallest numbers
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6 * abs(g / (length if i == 2 else np.inf)) + tiny)


def test_a_variance_beyond_float32_is_infinite_and_its_gradient_is_not():
    with np.errstate(over="ignore"):
        value, gradient = value_and_gradient(mg.var, np.float32([3e38, -3e38, 0]), 1e-3)
    assert value == inf
    np.testing.assert_allclose(gradient, [3e35, -3e35, 0], rtol=1e-6, atol=1e29)
    assert mg.std(mg.full((40, 1000), 1e37) * mg.tensor([[1.0], [-1.0]] * 20)).item() == pytest.approx(1e37, rel=1e-4)
    assert mg.var(mg.tensor([1e-23, 3e-23])).item() == pytest.approx(2e-46, abs=1e-45)


def test_cosines_do_not_depend_on_the_lengths():
    x, y = np.float32([[1.0, 2.0, 2.0]]), np.float32([[2.0, 1.0, 2.0]])
    for a, b in ((1e-6, 1e-6), (1e25, 1e-3), (1e30, 1e30)):
        found = mg.functional.cosine_similarity(mg.tensor(x * np.float32(a)), mg.tensor(y * np.float32(b))).item()
        assert found == pytest.approx(8 / 9, rel=1e-6)


@pytest.mark.parametrize(
    "function",
    [mg.functional.silu, mg.functional.gelu, lambda x: mg.functional.gelu(x, "tanh")],
    ids=["silu", "gelu", "gelu by tanh"],
)
def test_smooth_relus_are_0_or_x_far_from_0_and_have_both_gradients(function):
    for dtype, far in ((np.float32, 3e38), (np.float64, 1e308)):
        for x, value, slope in ((far, far, 1), (inf, inf, 1), (-far, 0, 0), (-inf, 0, 0), (2e4, 2e4, 1), (-2e4, 0, 0)):
            x = mg.tensor(dtype(x), requires_grad=True)
            y = function(x)
            (dx,) = mg.grad(y, x, mg.tensor(dtype(3)), create_graph=True)
            (d2x,) = mg.grad(dx, x, allow_unused=True)
            assert (y.item(), dx.item(), d2x.item()) == (dtype(value), 3 * slope, 0)
    assert math.isnan(function(mg.tensor(nan)).item())


def test_a_logit_on_the_right_side_may_be_infinite():
    loss = mg.functional.binary_cross_entropy_with_logits
    x = mg.tensor([inf, -inf, inf, -inf, 0.0], requires_grad=True)
    y = loss(x, mg.tensor([1.0, 0.0, 0.0, 1.0, 0.5]), reduction="none")
    np.testing.assert_allclose(y.numpy(), [0, 0, inf, inf, math.log(2)], rtol=1e-6)
    y[:2].sum().backward()
    assert x.grad.numpy().tolist() == [0, 0, 0, 0, 0]


# ---- sums

LONG = [((200_000, 3), 0), ((3, 200_000), 0), ((40, 5000, 3), 1), ((2, 3000, 7), (0, 1)), ((600, 4, 6, 5), (0, 2, 3)),
        ((70, 33), 0), ((500, 20, 3), (0, 2))]  # fmt: skip


@pytest.mark.parametrize(("shape", "dim"), LONG)
@pytest.mark.parametrize("order", ["C", "F"])
def test_float32_sums_over_any_dimension_are_within_a_few_units_in_the_last_place(shape, dim, order):
    x = np.full(shape, 0.1, np.float32, order) + np.random.default_rng(0).random(shape, np.float32) / 50
    x = np.asarray(x, order=order)
    exact = x.astype(np.longdouble).sum(axis=dim).reshape(-1)
    found = mg.sum(mg.tensor(x), dim).numpy().reshape(-1)
    assert np.abs(found / exact - 1).max() < 8 * 2**-24


def test_a_broadcast_gradient_and_a_mean_of_many_rows_keep_their_digits():
    x, b = mg.full((500_000, 3), 0.1), mg.zeros(3, requires_grad=True)
    ((x + b) * 0.1).sum().backward()
    np.testing.assert_allclose(b.grad.numpy(), 50_000, rtol=1e-6)
    np.testing.assert_allclose(x.mean(0).numpy(), 0.1, rtol=1e-6)
    assert mg.var(mg.full((500_000, 2), 100.1), 0).numpy().tolist() == [0, 0]


def test_equal_numbers_have_their_mean_exactly_and_no_variance():
    for n in range(1, 300):
        assert mg.ones(n).mean().item() == 1
        assert n == 1 or mg.var(mg.full((n,), 3.3)).item() == 0
    assert value_and_gradient(mg.std, [2.7, 2.7, 2.7])[1].tolist() == [0, 0, 0]


def test_var_and_std_divide_by_what_is_asked_for():
    x = np.array([1.0, 2.0, 4.0])
    for options, left in (({}, 2), ({"unbiased": False}, 3), ({"correction": 0.5}, 2.5)):
        expected = x.var() * 3 / left
        np.testing.assert_allclose(mg.var(mg.tensor(x), **options).item(), expected)
        np.testing.assert_allclose(mg.std(mg.tensor(x), **options).item(), math.sqrt(expected))


# ---- choosing is not multiplying with 0


@pytest.mark.parametrize("name", ["reference", "cpu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [7, 40])
def test_relu_selects(name, dtype, size):
    x = np.resize(np.array([nan, -inf, inf, -1, 0, -0.0, 2], dtype), size)
    g = np.resize(np.array([inf, inf, inf, -inf, nan, 1, -inf], dtype), size)
    with kernels.use(name):
        y, dx = kernels.find("leaky_relu", x)(x, 0.0), kernels.find("leaky_relu_grad", x)(g, x, 0.0)
    np.testing.assert_array_equal(y, np.resize([nan, 0, inf, 0, 0, 0, 2], size))
    np.testing.assert_array_equal(dx, np.resize([inf, 0, inf, 0, 0, 0, -inf], size))
    assert not np.signbit(y[x <= 0]).any()


@pytest.mark.parametrize(("function", "x", "expected"), [
    (lambda x: mg.relu(x), [-1.0, 0, 1], [0, 0, inf]),
    (lambda x: mg.clamp(x, -1, 1), [-2.0, 0, 2], [0, inf, 0]),
    (lambda x: mg.maximum(x, mg.tensor([1.0, 0, 0])), [0.0, 1, 0], [0, inf, inf]),
    (lambda x: mg.minimum(x, mg.tensor([1.0, 0, 0])), [0.0, 1, 0], [inf, 0, inf]),
    (lambda x: mg.amax(x, 0), [1.0, 3, 2], [0, inf, 0]),
    (lambda x: mg.amin(x, 0), [1.0, 3, 2], [inf, 0, 0]),
])  # fmt: skip
def test_an_infinite_cotangent_stays_with_the_element_that_was_chosen(function, x, expected):
    assert value_and_gradient(function, x, inf)[1].tolist() == expected


# ---- infinities and guards


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_logsumexp_of_infinities_and_of_nothing():
    for x, expected in (([-inf, -inf], -inf), ([inf, 1], inf), ([inf, inf], inf), ([-inf, 1], 1), ([3e38, 3e38], 3e38)):
        assert mg.logsumexp(mg.tensor(np.array(x, np.float32)), 0).item() == np.float32(expected)
    assert np.isnan(mg.logsumexp(mg.tensor([nan, 1]), 0).item())
    value, gradient = value_and_gradient(lambda x: mg.logsumexp(x, 0), np.float32([1, 3e38, -inf, inf]))
    assert value == inf and gradient[:3].tolist() == [0, 0, 0]
    assert mg.logsumexp(mg.zeros(2, 0), 1).numpy().tolist() == [-inf, -inf]
    assert mg.softmax(mg.zeros(2, 0), 1).shape == mg.log_softmax(mg.zeros(2, 0), 1).shape == (2, 0)


def test_the_kl_of_gaussians_is_never_negative_and_keeps_its_digits_near_0():
    log_var = np.concatenate([s * np.logspace(-12, 0, 1000, dtype=np.float32) for s in (1, -1)])[:, None]
    kl = gaussian_kl(mg.zeros(*log_var.shape), mg.tensor(log_var)).numpy()
    wide = log_var[:, 0].astype(np.float64)
    assert (kl >= 0).all()
    np.testing.assert_allclose(kl, (np.expm1(wide) - wide) / 2, rtol=2e-2, atol=1e-12)


# ---- dimensions and indices


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "amax", "amin", "logsumexp", "softmax", "log_softmax"])
def test_a_dimension_is_an_integer(name):
    x, function = mg.ones(2, 3), getattr(mg, name)
    np.testing.assert_array_equal(function(x, np.int64(-1)).numpy(), function(x, -1).numpy())
    for wrong in (False, True, 1.0, "0"):
        with pytest.raises(TypeError, match=f"{name}: argument 'dim': expected an integer"):
            function(x, wrong)
    with pytest.raises(IndexError, match="out of range"):
        function(x, 2)


def test_take_along_dim_broadcasts_or_says_why_not():
    x = mg.arange(6.0).reshape(2, 3)
    assert mg.take_along_dim(x, mg.tensor([[1]]), 1).numpy().tolist() == [[1], [4]]
    assert mg.take_along_dim(x, mg.tensor([[1], [0]]), 1).numpy().tolist() == [[1], [3]]
    assert mg.take_along_dim(x, mg.tensor([[0, 1, 1], [1, 0, 0]]), 0).numpy().tolist() == [[0, 4, 5], [3, 1, 2]]
    assert mg.take_along_dim(x[:1], mg.tensor([[2], [0], [1]]), 1).numpy().tolist() == [[2], [0], [1]]
    assert mg.take_along_dim(x, mg.tensor([5, 0])).numpy().tolist() == [5, 0]
    for indices, error, message in (([1, 0], ValueError, r"\(2,\).*\(2, 3\)"), ([[1], [0], [1]], ValueError, "fit"),
                                    ([[3]], IndexError, "from -3 to 2, got 3"), ([[0.0]], TypeError, "integers")):  # fmt: skip
        with pytest.raises(error, match=message):
            mg.take_along_dim(x, mg.tensor(indices), 1)


@pytest.mark.parametrize("options", [{"mode": "bicubic"}, {"mode": "bicubic", "align_corners": True},
                                     {"mode": "bilinear", "antialias": True}, {"mode": "bicubic", "antialias": True}])  # fmt: skip
def test_an_infinite_pixel_reaches_only_the_pixels_around_it(options):
    x = np.random.default_rng(0).standard_normal((1, 1, 9, 9)).astype(np.float32)
    plain = mg.functional.interpolate(mg.tensor(x), (12, 7), **options).numpy()
    x[0, 0, 0, 0] = inf
    with np.errstate(invalid="ignore"):
        resized = mg.functional.interpolate(mg.tensor(x), (12, 7), **options).numpy()
    assert not np.isfinite(resized[0, 0, 0, 0]) and np.isfinite(resized).sum() >= 60
    np.testing.assert_array_equal(resized[0, 0, 5:, 4:], plain[0, 0, 5:, 4:])
