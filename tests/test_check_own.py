"""Functions that are in no register, forward mode, several outputs, and what a report says of them."""

import json
import re

import numpy as np
import pytest

from minigen.check import assert_right, check
from minigen.check.adapters.minigen import table

pytestmark = pytest.mark.usefixtures("reference_kernels")


def ratio(a, b):
    return a / np.sqrt(b)


def ratio_vjp(g, a, b):
    return g / np.sqrt(b), -g * a / (2 * b**1.5)


DRAWN = {"shapes": [("n", "m"), ("n", "m")], "domain": [(-2, 2), (0.1, 3)]}


def test_shapes_and_domains():
    assert_right(ratio, ratio_vjp, **DRAWN)
    report = check(ratio, lambda g, a, b: (g / np.sqrt(b), -g * a / b**1.5), **DRAWN)
    assert report.verdict == "wrong" and report.findings[0].argument == "b"
    assert "the vjp is twice the right value in each of them" in str(report)


def test_given_points_and_integer_inputs():
    def pick(x, index):
        return x[index]

    def vjp(g, x, index):
        out = np.zeros(x.shape)
        np.add.at(out, index, g)
        return out

    def without_repetition(g, x, index):
        out = np.zeros(x.shape)
        out[index] = g
        return out

    point = np.arange(5.0), np.array([3, 0, 3])
    assert_right(pick, vjp, inputs=point)
    assert check(pick, without_repetition, inputs=[point]).verdict == "wrong"
    assert_right(pick, without_repetition, inputs=[(np.arange(5.0), np.array([3, 0])), (np.ones(2), np.array([1]))])


def test_several_outputs():
    def moments(x):
        return x.mean(0), (x**2).mean()

    def vjp(g, x):
        return np.broadcast_to(g[0] / len(x), x.shape) + g[1] * 2 * x / x.size

    assert_right(moments, vjp, shapes=[("n", 3)])
    wrong = check(moments, lambda g, x: vjp((g[0], 0 * g[1]), x), shapes=[("n", 3)])
    assert wrong.verdict == "wrong"


def test_forward_mode():
    def jvp(v, a, b):
        return v[0] / np.sqrt(b) - a * v[1] / (2 * b**1.5)

    report = assert_right(ratio, ratio_vjp, jvp=jvp, **DRAWN)
    assert {"the jvp", "jvp and vjp together"} <= {f.argument for f in report.findings}
    wrong = check(ratio, ratio_vjp, jvp=lambda v, a, b: jvp(v, a, b) * (1 + 1e-7), **DRAWN)
    assert wrong.verdict == "wrong" and wrong.findings[0].argument == "the jvp"


def test_the_transposition_identity_needs_no_differences():
    """An error that differences cannot see: both sides are computed, and differ in the last digits."""
    slope = lambda x: 1 - np.tanh(x) ** 2  # noqa: E731
    pair = (lambda x: np.tanh(x)), (lambda g, x: g * slope(x) * (1 + 1e-13))
    assert check(*pair, shapes=[("n",)]).verdict == "right"
    report = check(*pair, jvp=lambda v, x: v * slope(x), shapes=[("n",)])
    assert report.verdict == "wrong" and "<g, jvp(v)> is not <vjp(g), v>" in str(report)


def square_conv(x, w, bias=None):
    if w.shape[2] != w.shape[3]:
        raise ValueError("square kernels only")
    return table["conv2d"][0](x, w, np.zeros(len(w)))


def square_conv_vjp(g, x, w):
    return table["conv2d"][1](g, x, w, np.zeros(len(w)))[:2]


def test_a_restriction_can_be_said():
    conv = lambda x, w: square_conv(x, w)  # noqa: E731
    assert check(conv, square_conv_vjp, like="conv2d", examples=8).verdict == "wrong"
    square = lambda x, w: w.shape[2] == w.shape[3]  # noqa: E731
    assert_right(conv, square_conv_vjp, like="conv2d", examples=8, only=square)
    with pytest.raises(ValueError, match="only= accepts none of"):
        check(conv, square_conv_vjp, like="conv2d", only=lambda x, w: False)


def test_what_is_missing_or_does_not_fit_is_named():
    for given, message in [
        ({}, "say what fn is called with: like="),
        ({"shapes": [(3,)], "domain": "nothing"}, "unknown domain 'nothing'"),
        ({"shapes": [(3,)], "domain": (2.0, 1.0)}, r"expected an interval \(low, high\)"),
        ({"shapes": [(3,)], "domain": ["gaussian", "unit"]}, "has 2 parts for 1 inputs"),
        ({"inputs": [np.ones(2, np.float32)]}, "expected float64 inputs, got float32"),
        ({"inputs": []}, "inputs= is empty"),
        ({"like": "exp", "shapes": [(3,)]}, "like= draws its own points"),
    ]:
        with pytest.raises(ValueError, match=message):
            check(np.exp, lambda g, x: g * np.exp(x), **given)


def spoiled(spoil):
    return lambda g, *inputs, **params: spoil(table["conv2d"][1](g, *inputs, **params), params, inputs)


MESSAGES = {
    "the vjp is twice the right value": lambda d, p, x: [d[0], 2 * d[1], d[2]],
    "-1 times (the sign is wrong)": lambda d, p, x: [d[0], -d[1], d[2]],
    "only where groups > 1": lambda d, p, x: [d[0] * (1.01 if p["groups"] > 1 else 1), *d[1:]],
    "only where stride = 2 and groups > 1": lambda d, p, x: [
        d[0] * (2 if p["groups"] > 1 and p["stride"] == 2 else 1), *d[1:]
    ],
}  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_names_the_mistake(message):
    report = check(table["conv2d"][0], spoiled(MESSAGES[message]), like="conv2d", seed=1)
    assert report.verdict == "wrong" and message in str(report), report


def test_the_report_says_what_was_covered_and_what_was_not():
    fn, vjp, _ = table["cross_entropy"]
    report = check(fn, vjp, like="cross_entropy")
    assert report and re.search(r"pairs of parameter values drawn, in [3-6]\d points", str(report))
    assert "not examined" not in str(report)
    report = check(*table["normalize"][:2], like="normalize", examples=6)
    assert report and "not examined: eps" in str(report)


@pytest.mark.parametrize("op", ["cross_entropy", "nll_loss", "binary_cross_entropy"])
def test_an_optional_weight_is_examined(op):
    fn, vjp, _ = table[op]

    def wrong(g, *inputs, **params):
        return [d * (1e9 if params["weight"] is not None else 1) for d in vjp(g, *inputs, **params)]

    report = check(fn, wrong, like=op)
    assert report.verdict == "wrong"
    if op != "cross_entropy":  # where the weights of a single row cancel
        assert "only where weight is given" in str(report)


def test_the_example_has_the_layout_that_shows_the_mistake():
    def vjp(g, x):
        return g * (1 - np.tanh(x) ** 2) * (1 if x.flags.c_contiguous else 2)

    fn = lambda x: np.tanh(x)  # noqa: E731
    report = check(fn, vjp, like="tanh")
    printed = []
    exec(report.example, {"fn": fn, "vjp": vjp, "print": lambda *a: printed.append(a[1])})
    assert np.isclose(printed[0], 2 * printed[1], rtol=1e-5)


def test_numbers_are_fields():
    report = check(lambda x: np.tanh(x), lambda g, x: g * (1 - np.tanh(x)), like="tanh")
    found = json.loads(json.dumps(report.as_dict()))["findings"][0]
    assert found["claimed"] != found["measured"] and found["bound"] < 1e-9 and found["argument"] == "input"


def test_assert_right_raises_with_the_report():
    with pytest.raises(AssertionError, match="WRONG        tanh: vjp for input"):
        assert_right(np.tanh, lambda g, x: g * (1 - np.tanh(x)), like="tanh")
