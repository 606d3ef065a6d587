"""The checker before PyTorch's own functions: no false alarm, and one true one."""

import mpmath
import numpy as np
import pytest

from minigen import kernels
from minigen.check import check
from minigen.check.adapters import minigen as own_adapter
from minigen.check.op_registry import OP_REGISTRY, Case
from minigen.check.run_point import run_point

pytorch = pytest.importorskip("minigen.check.adapters.pytorch")
pytestmark = pytest.mark.torch

BCE = "binary_cross_entropy"


@pytest.mark.parametrize("op", sorted(pytorch.table))
def test_no_false_alarm_on_pytorchs_functions(op):
    fn, vjp, double = pytorch.table[op]
    report = check(fn, vjp, like=op, double=None if op == BCE else double, examples=2)
    assert report.verdict != "wrong", report


P = np.array([1.3e-6, 0.4, 1 - 2.1e-6])
TARGET = np.array([0.25, 0.5, 0.75])


def second_derivative(table):
    """Of -(t log p + (1 - t) log(1 - p)), as a double backward gives it."""
    double = table[BCE][2]
    return double([np.ones(3)], np.ones(3), P, TARGET, reduction="none")[1]


def test_pytorchs_double_backward_of_binary_cross_entropy_is_off_near_0_and_1():
    entry, case = OP_REGISTRY[BCE], Case((P, TARGET), {"reduction": "none"})
    theirs = run_point(*pytorch.table[BCE][:2], entry, case, pytorch.table[BCE][2])
    assert {f.order for f in theirs if f.verdict == "wrong"} == {2}
    with kernels.use("reference"):
        mine = run_point(*own_adapter.table[BCE][:2], entry, case, own_adapter.table[BCE][2])
    assert {f.verdict for f in mine} == {"right"}


def test_mpmath_says_who_is_right():
    with mpmath.workdps(40):
        exact = [
            float(mpmath.mpf(t) / mpmath.mpf(p) ** 2 + (1 - mpmath.mpf(t)) / (1 - mpmath.mpf(p)) ** 2)
            for p, t in zip(P.tolist(), TARGET.tolist())
        ]
    with kernels.use("reference"):
        mine = second_derivative(own_adapter.table)
    theirs = second_derivative(pytorch.table)
    assert np.all(np.abs(mine / exact - 1) < 1e-9)
    assert np.abs(theirs / exact - 1)[[0, 2]].min() > 1e-7
    assert np.abs(theirs / exact - 1)[1] < 1e-9
