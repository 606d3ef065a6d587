"""The public options: the whole Jacobian, the complex step; and functions that no difference can judge."""

import numpy as np
import pytest

import minigen as mg
from minigen.check import check, gradcheck
from minigen.check.analytic import NotAnalytic, by_complex_step, complex_step
from minigen.check.differences import measure_noise
from minigen.check.op_registry import OP_REGISTRY, Case
from minigen.check.run_point import run_point

pytestmark = pytest.mark.usefixtures("reference_kernels")


def tanh_vjp(g, x):
    return g * (1 - np.tanh(x) ** 2)


# ---- the whole Jacobian


@pytest.mark.parametrize("order", [1, 2])
def test_the_whole_jacobian_of_a_right_function_is_right(order):
    rng = np.random.default_rng(0)
    point = [rng.standard_normal((2, 3)), rng.standard_normal((3, 2))]
    gradcheck(lambda a, b: mg.tanh(a @ b), point, order=order, full_jacobian=True).raise_if_wrong()


def test_one_element_of_the_jacobian_is_found_and_both_its_places_are_named():
    def vjp(g, x):
        d = tanh_vjp(g, x)
        d[0, 2] += 1e-6 * g[0, 1]  # input element (0, 2) answers to output element (0, 1)
        return d

    entry, case = OP_REGISTRY["tanh"], Case((np.linspace(-1, 1, 6).reshape(2, 3),))
    (finding,) = run_point(np.tanh, vjp, entry, case, full_jacobian=True)
    assert finding.verdict == "wrong" and finding.index == (0, 2)
    assert finding.reason.endswith("of output element [0, 1]")
    assert finding.claimed == pytest.approx(1e-6) and finding.measured == 0


def test_check_takes_the_whole_jacobian_too():
    assert check(np.tanh, tanh_vjp, like="tanh", examples=4, full_jacobian=True)
    wrong = check(np.tanh, lambda g, x: tanh_vjp(g, x) * (1 + 1e-7), like="tanh", examples=4, full_jacobian=True)
    assert wrong.verdict == "wrong" and "output element" in str(wrong)


def test_rows_of_output_elements_on_a_kink_are_left_out():
    relu = lambda x: mg.relu(x)  # noqa: E731
    assert gradcheck(relu, np.array([0.0, 1.0]), full_jacobian=True)
    assert gradcheck(relu, np.array([0.0]), full_jacobian=True).verdict == "inconclusive"


# ---- the complex step


def test_the_complex_step_sees_what_differences_cannot():
    def off(g, x):
        return tanh_vjp(g, x) * (1 + 1e-13)

    assert check(np.tanh, off, like="tanh", examples=10).verdict == "right"
    assert check(np.tanh, off, like="tanh", examples=10, method="complex_step").verdict == "wrong"
    assert check(np.tanh, tanh_vjp, like="tanh", examples=10, method="complex_step").resolution < 1e-12


def test_the_complex_step_checks_the_second_order_too():
    def double(u, g, x):
        return tanh_vjp(u[0], x), -2 * u[0] * g * np.tanh(x) * (1 - np.tanh(x) ** 2)

    assert check(np.tanh, tanh_vjp, like="tanh", double=double, examples=5, method="complex_step")
    wrong = check(np.tanh, tanh_vjp, like="tanh", double=lambda *a: (double(*a)[0], double(*a)[1] * (1 + 1e-12)),
                  examples=10, method="complex_step")  # fmt: skip
    assert wrong.verdict == "wrong" and wrong.findings[0].order == 2


def test_where_the_function_is_not_analytic_differences_serve():
    x = np.array([-1.5, 0.5])
    value, noise = measure_noise(np.abs, [x], [0], np.random.default_rng(0))
    measured = by_complex_step(lambda x: np.abs(x) + 0j, [x], 0, np.ones(2), value, noise)
    assert np.all(np.abs(measured.value - [-1, 1]) <= measured.error)


def test_a_function_that_takes_no_complex_numbers_is_named_and_never_right():
    def real(x):
        if x.dtype != float:
            raise TypeError("no")
        return x

    with pytest.raises(NotAnalytic, match="raises TypeError for complex numbers: no"):
        complex_step(real, [np.ones(2)], 0, np.ones(2))
    with pytest.raises(NotAnalytic, match="gives float64 for complex numbers"):
        complex_step(np.abs, [np.ones(2)], 0, np.ones(2))

    def tanh(x):
        return np.tanh(x) if x.dtype == float else np.tanh(x).real

    report = check(tanh, tanh_vjp, like="tanh", examples=5, method="complex_step")
    assert report.verdict == "inconclusive" and "the complex step needs an analytic function" in str(report)


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="unknown method 'guess'; expected one of differences, complex_step"):
        check(np.tanh, tanh_vjp, like="tanh", method="guess")


# ---- what no difference can judge


@pytest.mark.parametrize("large", [1e9, 1e12, 1e15])
def test_cancellation_inside_the_function_is_never_called_wrong(large):
    report = gradcheck(lambda x: (large + x) - large, np.array([0.3, -1.2]))
    assert report.verdict != "wrong"


def test_cancellation_is_named_for_what_it_is():
    report = gradcheck(lambda x: mg.exp((1e12 + x) - 1e12), np.array([0.3]))
    assert "the function moves in steps of" in str(report) and "cancellation inside it" in str(report)


def test_a_kink_or_a_jump_beside_the_point_is_no_cancellation():
    for fn in (lambda x: mg.relu(x), lambda x: mg.clamp(x, -0.05, 0.05), lambda x: mg.maximum(x, 0.2)):
        x = np.array([-0.1, 0.3])
        assert gradcheck(fn, x)
        assert gradcheck(lambda x, fn=fn: fn(x) + 1e-4 * (x - x.detach()), x).verdict == "wrong"


@pytest.mark.parametrize("fn", [mg.log, mg.sqrt])
def test_the_edge_of_the_domain_is_named_and_a_point_near_it_is_judged(fn):
    """Steps that leave the domain give NaN and do not count."""
    near, on = np.array([1e-3]), np.array([0.0])
    with np.errstate(all="ignore"):
        assert gradcheck(fn, near)
        assert gradcheck(lambda x: fn(x) + 1e-6 * (x - x.detach()), near).verdict == "wrong"
        assert ("edge of the domain" if fn is mg.sqrt else "the function gives -inf here") in str(gradcheck(fn, on))


def test_a_vjp_of_the_wrong_shape_or_with_a_nan_is_named():
    from minigen.engine import Primitive, primitives

    bad = Primitive(lambda input: np.tanh(input))
    try:
        bad.vjp(input=lambda g, out, input: (g * 2).sum())
        with pytest.raises(
            AssertionError, match=r"vjp of .* returned Tensor float64\[\], expected Tensor float64\[2\]"
        ):
            gradcheck(bad, np.array([0.1, 0.2]))
        bad.rules["input"] = lambda g, out, input: g * float("nan")
        assert "the vjp has nan where the function is smooth" in str(gradcheck(bad, np.array([0.1, 0.2])))
    finally:
        del primitives[bad.name]
