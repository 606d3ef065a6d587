"""The checker itself: it sees what is wrong, passes what is right, and says when it cannot tell."""

import mpmath
import numpy as np
import pytest

import minigen as mg
from minigen import functional as F
from minigen.check import Finding, Report, gradcheck
from minigen.check.analytic import complex_step
from minigen.check.compare import draw
from minigen.check.differences import directional, measure_noise

pytestmark = pytest.mark.usefixtures("reference_kernels")


def measured(fn, x, v=None):
    x = np.asarray(x, float)
    value, noise = measure_noise(fn, [x], [0], np.random.default_rng(0))
    return directional(fn, [x], 0, np.ones_like(x) if v is None else v, value, noise)


FUNCTIONS = {
    "exp": (np.exp, mpmath.exp, np.linspace(-3, 3, 25)),
    "log": (np.log, mpmath.log, np.exp(np.linspace(-18, 18, 25))),
    "tanh": (np.tanh, mpmath.tanh, np.linspace(-6, 6, 25)),
    "fast": (lambda x: np.sin(1e5 * x), lambda x: mpmath.sin(100000 * x), np.linspace(-1, 1, 25)),
    "bump": (lambda x: np.exp(-1e6 * x * x), lambda x: mpmath.exp(-1000000 * x * x), np.linspace(-1e-3, 1e-3, 25)),
    "offset": (lambda x: (x - 1e4) ** 3, lambda x: (x - 10000) ** 3, 1e4 + np.linspace(1e-3, 1, 25)),
    "log1p of little": (
        lambda x: np.log(1 + np.exp(-x)),
        lambda x: mpmath.log(1 + mpmath.exp(-x)),
        np.linspace(0, 20, 25),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_bound_holds_and_is_sharp(name):
    fn, exact, x = FUNCTIONS[name]
    d = measured(fn, x)
    with mpmath.workdps(50):
        true = np.array([float(mpmath.diff(exact, mpmath.mpf(float(p)))) for p in x])
    assert np.all(np.abs(d.value - true) <= 2 * d.error)
    assert np.median(d.error / np.maximum(np.abs(true), 1e-3)) < 1e-8
    assert not d.kinked.any() and not d.undefined.any()


def test_complex_step_agrees_to_the_last_digits():
    x = np.linspace(-2, 2, 9)
    fn = lambda x: np.exp(x) / (np.sin(x) ** 2 + 2)  # noqa: E731
    d, c = measured(fn, x), complex_step(fn, [x], 0, np.ones_like(x))
    assert np.all(np.abs(d.value - c) <= d.error + 1e-15)


def test_a_hidden_detach_is_wrong():
    x = np.array([0.3, -1.2])
    assert gradcheck(lambda x: x * x.detach(), x).verdict == "wrong"


def test_batch_norm_under_a_large_offset():
    rng = np.random.default_rng(0)
    x = 1e4 + 1e-3 * rng.standard_normal((4, 2, 3))
    from minigen.ops.norm import batch_norm

    report = gradcheck(
        lambda x, w, b: batch_norm(x, w, b, eps=1e-5), [x, draw(rng, (2,)), draw(rng, (2,))], order=2, repeats=1
    )
    assert report.verdict == "right", report


def test_a_gradient_that_is_zero_is_right_and_a_wrong_zero_is_not():
    x = np.random.default_rng(0).standard_normal((3, 4))
    assert gradcheck(lambda x: mg.softmax(x, 1).sum(), x, order=2)
    assert gradcheck(lambda x: mg.softmax(x, 1).detach() + 0 * x, x).verdict == "wrong"


def test_noise_that_hides_the_derivative_is_inconclusive_and_never_right():
    report = gradcheck(mg.exp, np.array([0.3]), resolution=1e-17)
    assert report.verdict == "inconclusive"
    assert not report


def test_a_function_that_is_not_deterministic_is_named():
    report = gradcheck(lambda x: x + mg.randn(2, dtype=np.float64), np.ones(2))
    assert "two calls with the same inputs give different values" in str(report)


def test_nothing_to_differentiate():
    with np.errstate(invalid="ignore"):
        report = gradcheck(mg.log, np.array([-1.0]))
    assert report.verdict == "inconclusive" and "the function gives nan here" in str(report)


def test_one_element_of_ten_thousand_is_found_and_named():
    mask = np.ones((100, 100))
    mask[37, 61] = 1.001

    def fn(x):
        y = mg.exp(x)
        return y * mg.tensor(mask) + y.detach() * mg.tensor(1 - mask)

    report = gradcheck(fn, np.random.default_rng(0).standard_normal((100, 100)), repeats=1)
    assert report.verdict == "wrong" and report.findings[0].index == (37, 61)


def test_bad_input():
    with pytest.raises(TypeError, match=r"inputs\[0\] has dtype float32, expected float64"):
        gradcheck(mg.exp, np.ones(2, np.float32))
    with pytest.raises(ValueError, match=r"expected an order of 1, 2, 3 \.\.\., got 0"):
        gradcheck(mg.exp, np.ones(2), order=0)
    with pytest.raises(ValueError, match="expected at least one float64 input"):
        gradcheck(mg.exp, np.ones(2, int))
    with pytest.raises(TypeError, match="expected the function to return Tensors, got float"):
        gradcheck(lambda x: 1.0, np.ones(2))


def test_reports():
    assert Report("f").verdict == "inconclusive" and not Report("f")
    right, doubtful = Finding("right", "f", "x", 1, "agrees"), Finding("inconclusive", "f", "y", 1, "too noisy")
    assert Report("f", [right]) and Report("f", [right, doubtful]).verdict == "inconclusive"
    with pytest.raises(AssertionError, match="too noisy"):
        Report("f", [right, doubtful]).raise_if_wrong()


def test_cotangents_are_never_constant_nor_small():
    g = draw(np.random.default_rng(0), (1000,))
    assert np.abs(g).min() >= 0.25 and g.std() > 0.9 and abs(g.mean()) < 0.2


@pytest.mark.parametrize("seed", [376, 0, 1])
@pytest.mark.parametrize("op", [F.softmax, F.log_softmax])
def test_second_derivatives_below_the_rounding_of_the_first_are_not_called_wrong(op, seed):
    logits = mg.tensor([10.95693499, -18.4170629], dtype="float64")
    found = gradcheck(lambda x: op(x, dim=0), logits, order=2, seed=seed, repeats=1)
    assert found.verdict == "inconclusive", found
    assert all(f.verdict == "right" for f in found.findings if f.order == 1)
    doubled = gradcheck(lambda x: op(x, dim=0) + op(x.detach(), dim=0), logits, order=2, seed=seed, repeats=1)
    assert doubled.verdict == "wrong"
