"""Checking somebody else's pair: every way in which a vjp can be wrong is named for what it is."""

import numpy as np
import pytest

from minigen.check import check
from minigen.check.adapters import student
from minigen.check.op_registry import OP_REGISTRY, Case
from minigen.check.run_point import run_point


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slope(x):
    return sigmoid(x) * (1 - sigmoid(x))


def counter():
    counter.n += 1
    return counter.n


counter.n = 0


BAD = {
    "returns shape (), expected (1,)": lambda g, x: (g * slope(x)).sum(),
    "returns None, expected an array of shape (1,)": lambda g, x: None,
    "returns float, expected an array": lambda g, x: 1.0,
    "the vjp has nan where the function is smooth": lambda g, x: g * slope(x) * np.nan,
    "returns a view of its input": lambda g, x: x[...],
    "returns the cotangent itself or a view of it": lambda g, x: g,
    "changes the cotangent it is given": lambda g, x: np.multiply(g, slope(x), out=g),
    "the vjp is not deterministic": lambda g, x: g * slope(x) * (1 + 1e-12 * counter()),
    "returns float32 for float64 inputs": lambda g, x: (g * slope(x)).astype(np.float32),
    "returns 2 arrays, expected 1": lambda g, x: [g * slope(x), g],
    "raises IndexError: too many indices": lambda g, x: x[0, 0, 0, 0, 0],
    "differs from the measured derivative": lambda g, x: g * slope(x) * (1 + 1e-8),
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_wrong_with_a_vjp_is_said(message):
    report = check(sigmoid, BAD[message], like="sigmoid", examples=10)
    assert report.verdict == "wrong" and message in str(report), report


BAD_FUNCTIONS = {
    "is not deterministic": lambda x: np.tanh(x) + counter(),
    "is not tanh: its values differ from the definition": lambda x: np.tanh(x) * (1 + 1e-9),
    "returns float32 for float64 inputs": lambda x: np.tanh(x).astype(np.float32),
    "returns shape ()": lambda x: np.tanh(x).sum(),
}


@pytest.mark.parametrize("message", BAD_FUNCTIONS)
def test_what_is_wrong_with_a_function_is_said(message):
    report = check(BAD_FUNCTIONS[message], lambda g, x: g * 1.0, like="tanh", examples=10)
    assert report.verdict == "wrong" and message in str(report), report


def test_an_input_that_is_changed_is_noticed():
    def vjp(g, x):
        x -= 1
        return g * (1 - np.tanh(x + 1) ** 2)

    assert "changes input 0 while computing" in str(check(np.tanh, vjp, like="tanh", examples=5))


def test_the_edge_of_the_domain_is_named():
    entry, case = OP_REGISTRY["sqrt"], Case((np.array([0.0, 1.0]),))
    (finding,) = run_point(np.sqrt, lambda g, x: g / (2 * np.sqrt(np.maximum(x, 1e-300))), entry, case)
    assert finding.verdict == "inconclusive" and "edge of the domain" in finding.reason and finding.index == (0,)


def test_a_function_that_refuses_inputs_outside_its_domain_is_still_checked():
    def log(x):
        if np.any(x <= 0):
            raise ValueError("log: expected positive numbers")
        return np.log(x)

    assert check(log, lambda g, x: g / x, like="log", examples=8)


def test_the_example_can_be_pasted_and_shows_the_error():
    def fn(x, weight, bias, stride=1):
        from minigen.kernels.reference import conv2d

        return conv2d(x, weight, (stride, stride), ((0, 0), (0, 0)), (1, 1), 1) + bias[:, None, None]

    def vjp(g, x, weight, bias, stride=1):
        from minigen.kernels.reference import conv2d_input_grad, conv2d_weight_grad

        rest = ((stride, stride), ((0, 0), (0, 0)), (1, 1), 1)
        dw = conv2d_weight_grad(x, g, weight.shape[2:], *rest)
        return conv2d_input_grad(g, weight, x.shape[2:], *rest), dw * (1.001 if stride > 1 else 1), g.sum((0, 2, 3))

    report = check(fn, vjp, like="conv2d", examples=20)
    assert report.verdict == "wrong"
    (finding,) = report.findings
    assert finding.argument == "weight" and finding.order == 1
    assert abs(finding.claimed / finding.measured - 1.001) < 1e-9
    assert abs(finding.claimed - finding.measured) > finding.bound
    printed = []
    exec(report.example, {"fn": fn, "vjp": vjp, "print": lambda *a: printed.append(a[1])})
    assert np.isclose(printed[0], finding.claimed, rtol=1e-12) and np.isclose(printed[1], finding.measured, rtol=1e-6)
    assert report.example.count("\n") < 30


def test_parameters_that_the_function_does_not_take_stay_at_their_defaults():
    seen = []

    def fn(x, w, stride=1):
        from minigen.kernels.reference import conv2d

        seen.append(stride)
        return conv2d(x, w, (stride, stride), ((0, 0), (0, 0)), (1, 1), 1)

    def vjp(g, x, w, stride=1):
        from minigen.kernels.reference import conv2d_input_grad, conv2d_weight_grad

        rest = ((stride, stride), ((0, 0), (0, 0)), (1, 1), 1)
        return [conv2d_input_grad(g, w, x.shape[2:], *rest), conv2d_weight_grad(x, g, w.shape[2:], *rest)]

    assert check(fn, vjp, like="conv2d", examples=10)
    assert set(seen) > {1}
    seen.clear()
    assert check(fn, vjp, like="conv2d", examples=5, params={"stride": 2})
    assert set(seen) == {2}


def test_a_wrong_double_backward_is_found():
    def vjp(g, x):
        return g * (1 - np.tanh(x) ** 2)

    def double(u, g, x):
        (u,) = u
        t = np.tanh(x)
        return u * (1 - t * t), u * g * -2 * t * (1 - t * t)

    assert check(np.tanh, vjp, like="tanh", double=double, examples=8)
    wrong = check(np.tanh, vjp, like="tanh", double=lambda u, g, x: (double(u, g, x)[0], 0 * x), examples=8)
    assert wrong.verdict == "wrong" and wrong.findings[0].order == 2


def test_unknown_operations_and_parameters():
    with pytest.raises(ValueError, match="unknown operation 'conv9d'; expected one of"):
        check(np.tanh, np.tanh, like="conv9d")
    with pytest.raises(ValueError, match=r"tanh has no parameters \['slope'\]"):
        check(np.tanh, np.tanh, like="tanh", params={"slope": 1})
    with pytest.raises(ValueError, match="conv2d is called with input, weight"):
        check(lambda x: x, lambda g, x: g, like="conv2d")


@pytest.mark.parametrize("op", sorted(student.table))
def test_the_student_autograd_is_right(op):
    assert check(*student.table[op], like=op, examples=8)


def test_findings_are_reproducible():
    def bad(g, x):
        return g * (1 - np.tanh(x) ** 2) * np.where(np.abs(x) > 1, 1.01, 1)

    assert str(check(np.tanh, bad, like="tanh")) == str(check(np.tanh, bad, like="tanh"))
