"""A wrong result that differs by a factor or a term made of one argument gets a hint that names the argument."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.course import Verdict, call, close, exercise
from minigen.course._arguments import named_factor, relate
from minigen.course._probe import probing

RANDOM = np.random.default_rng(0)
G, Z = RANDOM.normal(size=(4, 3)), RANDOM.uniform(0.1, 0.9, size=(4, 3))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (G * Z, "Yours is z times"),
        (G / Z, "divided by z"),
        (G * Z**2, "z^2 times"),
        (G / (1 - Z), "divided by (1 - z)"),
        (G * Z / (1 - Z), "z / (1 - z) times"),
        (G * np.exp(Z / 2), "exp(z / 2) times"),
        (G + Z, "plus z:"),
        (G - 1 / Z, "minus 1 / z:"),
    ],
)
def test_a_factor_and_a_term_are_named(found, words):
    assert words in relate(found, G, {"z": Z, "steps": 3})


def test_a_sum_in_place_of_a_product_and_the_other_way_round():
    assert relate(G + Z, G * Z, {"g": G}) == "In yours g is added. It is a factor."
    assert relate(G * Z, G + Z, {"g": G}) == "In yours g is a factor. It is added."


def test_the_mean_of_the_wrong_array():
    said = relate(G - Z.mean(axis=0), G - G.mean(axis=0), {"g": G, "x": Z})
    assert said == "Look at the mean: that of g or x stands where the other one belongs."


@given(st.integers(0, 2**32 - 1))
def test_numbers_that_have_nothing_to_do_with_the_arguments_get_no_such_hint(seed):
    random = np.random.default_rng(seed)
    found, wanted, a, b = random.normal(size=(4, 2, 2))
    assert relate(found, wanted, {"a": a, "b": b, "c": float(a[0, 0])}) == ""
    assert relate(wanted, wanted, {"a": a}) == ""


def test_arguments_that_do_not_fit_are_left_out():
    assert relate(G, 2 * G, {"rows": np.ones(4), "empty": np.ones((0, 3)), "word": "x"}) == ""


def test_a_scale_that_is_an_argument_is_named_but_not_one_that_is_a_small_number():
    assert named_factor(0.01, {"lr": 0.01}) == "(It is lr.)"
    assert named_factor(100.0, {"lr": 0.01}) == "(It is 1 / lr.)"
    assert named_factor(2.0, {"stride": 2.0, "half": 0.5}) == ""


def test_the_names_are_those_of_the_exercise():
    @exercise("0.1", "a step")
    def step(answer):
        """``step(theta, grad, lr)`` gives the new theta."""
        grad = np.array([1.5, -2.5, 4.0])
        close("step(...)", call(answer, 0 * grad, grad, 0.03), -0.03 * grad)

    verdict = step(lambda t, g, r: -g)
    assert isinstance(verdict, Verdict) and "(It is 1 / lr.)" in verdict.reason


def test_a_difference_made_of_one_argument_is_found_by_changing_the_others():
    def right(g, z):
        return g * np.exp(z)

    for wrong, words in (
        (lambda g, z: g * np.cosh(z), "a factor that depends on z alone"),
        (lambda g, z: g * np.exp(z) + np.sin(g), "a term that depends on g alone"),
    ):
        assert words in probing(wrong, right, G, Z)()
    assert "alone" not in probing(lambda g, z: g * np.exp(z) + g * g * z, right, G, Z)()
