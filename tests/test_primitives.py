"""Every primitive that exists, found in the registry: gradients of both orders, layouts, aliasing, repeatability."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen.check import gradcheck
from minigen.check.compare import draw
from minigen.check.strategies import STRATEGIES
from minigen.engine import primitives

pytestmark = pytest.mark.usefixtures("reference_kernels")

OWN = sorted(name for name, p in primitives.items() if p.__module__.startswith("minigen."))
every_primitive = pytest.mark.parametrize("name", OWN)


def test_every_primitive_has_a_strategy_and_every_strategy_a_primitive():
    assert sorted(STRATEGIES) == OWN


@every_primitive
@given(data=st.data())
def test_gradients_of_order_one_and_two(name, data):
    case = data.draw(STRATEGIES[name])
    seed = data.draw(st.integers(0, 2**16))
    primitive = primitives[name]
    names = [primitive.argument(i) for i in range(len(case.inputs))]
    report = gradcheck(
        lambda *inputs: primitive(*inputs, **case.params),
        case.inputs,
        order=2,
        name=name,
        names=names,
        seed=seed,
        repeats=1,
    )
    assert report.verdict != "wrong", report
    for f in report.findings:
        if f.verdict == "inconclusive" and "kink" not in f.reason:
            assert f.order == 2 and vanishing_curvature(primitive, case), report


def vanishing_curvature(primitive, case):
    """Whether second derivatives are lost in the rounding of the values or of the first, as in a saturated softmax."""
    inputs = [mg.Tensor(a, requires_grad=True) for a in case.inputs]
    out = primitive(*inputs, **case.params)
    rng = np.random.default_rng(7)
    g = draw(rng, out.shape)
    first = mg.grad(out, inputs, mg.Tensor(g), create_graph=True, allow_unused=True)
    first = [d for d in first if d is not None]
    second = mg.grad(first, inputs, [mg.Tensor(draw(rng, d.shape)) for d in first], allow_unused=True)
    size = [np.sqrt(sum(float(np.sum(d.numpy() ** 2)) for d in part if d is not None)) for part in (first, second)]
    return size[1] <= 1e-10 * max(size[0], float(np.linalg.norm(g * out.numpy())))


def run(name, case, dtype=np.float64):
    """The value and all first gradients under a fixed random cotangent."""
    primitive = primitives[name]
    inputs = [mg.Tensor(a.view(), requires_grad=True) for a in case.inputs]
    out = primitive(*inputs, **case.params)
    g = mg.Tensor(draw(np.random.default_rng(7), out.shape).astype(out.dtype))
    return out, g, mg.grad(out, inputs, g, allow_unused=True)


@every_primitive
@given(data=st.data())
def test_neither_layout_nor_repetition_changes_a_bit_and_nothing_is_mutated_or_shared(name, data):
    case = data.draw(STRATEGIES[name])
    kept = [a.copy() for a in case.inputs]
    out, g, grads = run(name, case)
    seed = g.data.copy()
    again, _, grads_again = run(name, case)
    plain, _, grads_plain = run(
        name, type(case)(tuple(np.ascontiguousarray(a).reshape(a.shape) for a in case.inputs), case.params)
    )
    assert out.data.tobytes() == again.data.tobytes()
    scale = np.max(np.abs(out.data), initial=0) + 1e-300
    assert np.max(np.abs(out.data - plain.data), initial=0) <= 1e-13 * scale  # sums may be taken in another order
    for i, (d, d_again, d_plain) in enumerate(zip(grads, grads_again, grads_plain)):
        if d is None:
            assert d_plain is None
            continue
        assert d.data.tobytes() == d_again.data.tobytes()
        assert np.max(np.abs(d.data - d_plain.data), initial=0) <= 1e-8 * (np.max(np.abs(d.data), initial=0) + 1e-300)
        assert not np.may_share_memory(d.data, g.data)
        assert not any(np.may_share_memory(d.data, other) for other in case.inputs)
        assert not any(np.may_share_memory(d.data, e.data) for j, e in enumerate(grads) if j != i and e is not None)
    assert all(np.array_equal(a, b) for a, b in zip(case.inputs, kept))
    assert np.array_equal(g.data, seed)


@every_primitive
@given(data=st.data())
def test_float32_in_float32_out(name, data):
    case = data.draw(STRATEGIES[name])
    params = {k: np.float32 if k == "dtype" else v for k, v in case.params.items()}
    single = type(case)(tuple(a.astype(np.float32) for a in case.inputs), params)
    out, _, grads = run(name, single)
    assert out.dtype == np.float32
    assert all(d is None or d.dtype == np.float32 for d in grads)


def test_the_signature_of_a_primitive_shows_tensors():
    signature = inspect.signature(primitives["elu"])
    assert str(signature.replace(parameters=[])) == "() -> minigen.tensor.Tensor"
    assert [p.annotation for p in signature.parameters.values()] == [mg.Tensor, float]
