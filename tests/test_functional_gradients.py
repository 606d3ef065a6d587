"""Every function of minigen, found in `__all__`: values against the definition, gradients against differences, both
orders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import kernels
from minigen.check import gradcheck
from minigen.check.adapters.minigen import table
from minigen.check.op_registry import OP_REGISTRY
from minigen.check.run_point import run_point
from minigen.check.strategies import cases
from minigen.engine import primitives

pytestmark = pytest.mark.usefixtures("reference_kernels")

F = mg.functional

ELSEWHERE = {
    "dropout": "test_dropout_is_linear_in_its_input_for_a_fixed_mask",
    "one_hot": "has no gradient: integers in",
    "affine_grid": "test_sampling_and_its_adjoint_have_the_gradients_of_the_reference, in test_augment.py",
    "grid_sample": "as affine_grid",
}


def test_every_function_is_in_the_catalogue():
    assert set(F.__all__) - set(OP_REGISTRY) == set(ELSEWHERE)
    assert set(table) == set(OP_REGISTRY)


SATURATING = {"softmax", "log_softmax", "logsumexp", "cross_entropy"}
"""Logits go to +-40 here; where a difference of two means a factor of e^-80, little can be seen."""


@pytest.mark.parametrize("name", sorted(OP_REGISTRY))
@given(data=st.data())
def test_values_gradients_and_gradients_of_gradients(name, data):
    case = data.draw(cases(name))
    fn, vjp, double = table[name]
    with kernels.use("reference"):
        findings = run_point(fn, vjp, OP_REGISTRY[name], case, double, data.draw(st.integers(0, 2**16)))
    allowed = ("kink", "could have been seen") if name in SATURATING else ("kink",)
    for f in findings:
        assert f.verdict == "right" or (f.verdict == "inconclusive" and any(why in f.reason for why in allowed)), str(f)


def test_dropout_is_linear_in_its_input_for_a_fixed_mask():
    def dropout(x):
        return F.dropout(x, 0.4, generator=np.random.default_rng(5))

    gradcheck(dropout, np.linspace(-1, 1, 12).reshape(3, 4), order=2).raise_if_wrong()


# ---- the functions of minigen's top level that are composed of primitives

X = (2, 3)
COMPOSED = {
    "amax": (lambda x: mg.amax(x, 1), [X]),
    "amin": (lambda x: mg.amin(x, 0), [X]),
    "bmm": (lambda x, y: mg.bmm(x, y), [(2, 3, 2), (2, 2, 3)]),
    "cat": (lambda x, y: mg.cat([x, y], 1), [X, X]),
    "chunk": (lambda x: mg.chunk(x, 2, 1)[0], [X]),
    "clamp": (lambda x: mg.clamp(x, -0.4, 0.6), [X]),
    "cumsum": (lambda x: mg.cumsum(x, 1), [X]),
    "einsum": (
        lambda x, y: mg.einsum("ij,kj->ik", x, y) * mg.einsum("iji->i", y.reshape(2, 3, 1).expand(2, 3, 2)),
        [X, X],
    ),
    "expand": (lambda x: mg.expand(x, 4, 2, 3), [X]),
    "flatten": (lambda x: mg.flatten(x, 0, 1), [(2, 3, 2)]),
    "flip": (lambda x: mg.flip(x, (0, 1)), [X]),
    "gather": (lambda x: mg.gather(x, 1, mg.tensor(np.array([[0, 0]]))), [X]),
    "masked_fill": (lambda x: mg.masked_fill(x * x, mg.tensor(np.array([True, False, True])), 2.0), [X]),
    "max": (lambda x: mg.max(x, 1).values, [X]),
    "min": (lambda x: mg.min(x, 0).values, [X]),
    "mm": (lambda x, y: mg.mm(x, y), [X, (3, 2)]),
    "norm": (lambda x: mg.norm(x, dim=1) + mg.norm(x, 3) + mg.norm(x, 1), [X]),
    "permute": (lambda x: mg.permute(x, 2, 0, 1), [(2, 3, 2)]),
    "pow": (lambda x: mg.pow(2, x) * mg.pow(x, 2), [X]),
    "prod": (lambda x: mg.prod(x * mg.tensor(np.array([[1.0, 0.0, 1.0]])), 1) + mg.prod(x), [X]),
    "repeat": (lambda x: mg.repeat(x, 2, 1, 3), [X]),
    "reshape": (lambda x: mg.reshape(x, 3, -1), [X]),
    "split": (lambda x: mg.split(x, [1, 2], 1)[1], [X]),
    "squeeze": (lambda x: mg.squeeze(x, 1), [(2, 1, 3)]),
    "stack": (lambda x, y: mg.stack([x, y], 1), [X, X]),
    "std": (lambda x: mg.std(x, 1), [X]),
    "sum": (lambda x: mg.sum(x, 1, keepdim=True), [X]),
    "t": (lambda x: mg.t(x), [X]),
    "take_along_dim": (lambda x: mg.take_along_dim(x, mg.tensor(np.array([[2, 0, 2]])), 1), [X]),
    "transpose": (lambda x: mg.transpose(x, 0, -1), [X]),
    "tril": (lambda x: mg.tril(x), [X]),
    "triu": (lambda x: mg.triu(x), [X]),
    "unbind": (lambda x: mg.cat(mg.unbind(x * x, 1)[1:]) * mg.unbind(x)[0][0], [X]),
    "unsqueeze": (lambda x: mg.unsqueeze(x, -1), [X]),
    "where": (lambda x, y: mg.where(mg.tensor(np.array([True, False, True])), x, y), [X, X]),
}
NO_GRADIENT = {
    "all", "allclose", "any", "argmax", "argmin", "equal", "isfinite", "isnan", "ones_like", "zeros_like",
}  # fmt: skip


def test_every_operation_at_the_top_level_is_a_primitive_in_the_catalogue_or_here():
    functions = {name for name in mg.__all__ if getattr(getattr(mg, name), "__module__", "").startswith("minigen.ops")}
    plain = {name for name in functions if getattr(mg, name) in primitives.values()}
    assert sorted(functions - plain - set(OP_REGISTRY) - set(COMPOSED) - NO_GRADIENT) == [], "these have no case here"
    assert sorted(set(COMPOSED) - functions) == [], "there are no such functions"


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_composed_operations_in_both_orders(name):
    fn, shapes = COMPOSED[name]
    rng = np.random.default_rng(1)
    gradcheck(fn, [rng.standard_normal(s) for s in shapes], order=2, name=name, repeats=1).raise_if_wrong()
