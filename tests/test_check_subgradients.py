"""Conventions at kinks, exactly; and that differences see a kink where there is one."""

import numpy as np
import pytest

import minigen as mg
from minigen.check import gradcheck
from minigen.check.differences import directional, measure_noise
from minigen.check.subgradients import SUBGRADIENTS

pytestmark = pytest.mark.usefixtures("reference_kernels")


@pytest.mark.parametrize("kink", SUBGRADIENTS, ids=lambda k: k.op)
def test_the_value_at_the_kink_is_the_documented_convention(kink):
    inputs = [mg.tensor(np.array(x), requires_grad=True) for x in kink.at]
    with np.errstate(divide="ignore"):
        y = kink.fn(*inputs)
        grads = mg.grad(y, inputs, mg.tensor(np.ones(y.shape)))
    for d, expected in zip(grads, kink.vjp):
        assert np.array_equal(d.data, np.array(expected))


@pytest.mark.parametrize("kink", [k for k in SUBGRADIENTS if k.op not in ("sqrt", "pow")], ids=lambda k: k.op)
def test_a_check_at_the_kink_alone_is_never_right(kink):
    assert gradcheck(kink.fn, [np.array(x) for x in kink.at]).verdict == "inconclusive"


def kinked(fn, x):
    x = np.asarray(x, float)
    value, noise = measure_noise(fn, [x], [0], np.random.default_rng(0))
    return directional(fn, [x], 0, np.ones_like(x), value, noise)


def test_kinks_are_found_element_by_element():
    d = kinked(lambda x: np.maximum(x, 0), [0.0, 1e-3, -1e-3, 1e-9, 1.0])
    assert d.kinked.tolist() == [True, False, False, False, False]
    assert np.all(np.abs(d.value - [0, 1, 0, 1, 1])[1:] <= d.error[1:])
    assert d.error[1:].max() < 1e-6


def test_convergence_to_the_mean_slope_does_not_hide_a_kink():
    d = kinked(lambda x: np.where(x > 0, x, 0.2 * x), [0.0])
    assert d.kinked[0]  # central differences give 0.6 at every step


def test_smooth_functions_have_no_kinks():
    x = np.linspace(-3, 3, 101)
    for fn in (np.exp, np.sin, np.tanh, lambda x: x**3, lambda x: np.abs(x) ** 3, lambda x: 1e4 + x, lambda x: 0 * x):
        assert not kinked(fn, x).kinked.any()
