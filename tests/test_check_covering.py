"""What must occur is dealt over the points: every choice, every arrangement of memory, whatever the seed."""

from collections import Counter

import numpy as np
import pytest

from minigen.check import check
from minigen.check.array_generators import COTANGENT_LAYOUTS, LAYOUTS, deal_layout, lay_out, takes_effect
from minigen.check.covering import Covering, side_class
from minigen.check.op_registry import OP_REGISTRY


def dealt(op, seed, points=30):
    """The points of a check."""
    covering = Covering(OP_REGISTRY[op], np.random.default_rng([seed, 16]), {})
    return covering, [covering.draw()[0] for _ in range(points)]


@pytest.mark.parametrize("op", OP_REGISTRY)
def test_every_value_layout_filling_and_side_is_dealt(op):
    covering, cases = dealt(op, seed=3)
    never = covering.never()
    assert [key for key in never if not key[0].startswith(("side", "first side"))] == []
    assert [key for key in never if key[0] == "first side of input 0" and "above" not in key[1]] == []
    assert [key for key in never if key[0].startswith("side -1") and "rest" in key[1]] == []
    assert covering.missed() == {}
    assert sum(x.size for case in cases for x in case.inputs) < 20_000


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_of_values_of_a_convolution_occurs_twice(seed):
    _, cases = dealt("conv2d", seed)
    pairs = Counter(
        (a, b)
        for case in cases
        if all(x.size for x in case.inputs)
        for a in case.params.items()
        for b in case.params.items()
        if a < b
    )
    assert len(pairs) == 54 and min(pairs.values()) >= 2


def test_vectors_end_in_every_argument():
    for op in ("linear", "softmax", "conv2d", "batch_norm", "cross_entropy"):
        _, cases = dealt(op, seed=1)
        for i in OP_REGISTRY[op].differentiable:
            ends = {side_class(case.inputs[i].shape[-1]) for case in cases}
            assert "above 8, with a rest" in ends or "above 16, with a rest" in ends, (op, i)


def test_cotangents_get_every_arrangement_in_turn():
    rng, counts = np.random.default_rng(0), Counter()
    shapes = [(3, 4), (), (5,), (1, 3), (2, 3, 2)] * 12
    for shape in shapes:
        deal_layout(np.ones(shape), "x", counts, rng)
    assert min(counts["x", name] for name in COTANGENT_LAYOUTS) >= 5
    kept = np.array([[0.0, 1.0], [2.0, 3.0]])
    assert all(np.array_equal(deal_layout(kept, "y", counts, rng, LAYOUTS), kept) for _ in range(20))


@pytest.mark.parametrize("layout", COTANGENT_LAYOUTS)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 1), (1, 4), (2, 3, 2)])
def test_an_arrangement_takes_effect_where_it_says_so(layout, shape):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    other = lay_out(x, layout)
    if layout not in ("plain", "offset"):
        plain = other.flags.c_contiguous and all(st > 0 for st, n in zip(other.strides, other.shape) if n > 1)
        assert takes_effect(layout, shape) == (not plain)
    if not layout.startswith("expanded"):
        assert np.array_equal(other, x)


WRONG = {
    "Fortran order": lambda g: g.flags.f_contiguous and not g.flags.c_contiguous,
    "a negative stride": lambda g: any(st < 0 for st in g.strides),
    "a stride of 0": lambda g: any(st == 0 and n > 1 for st, n in zip(g.strides, g.shape)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_cotangent_that_is_misread_in_one_arrangement_is_found(name):
    def vjp(g, x):
        d = g * (1 - np.tanh(x) ** 2)
        d.flat[d.size // 2] *= 0.0 if WRONG[name](g) else 1.0
        return d

    reports = [check(np.tanh, vjp, like="tanh", seed=seed, explain=False) for seed in range(3)]
    assert [report.verdict for report in reports] == ["wrong"] * 3


def test_the_report_says_that_the_arrangement_matters():
    def vjp(g, x):
        d = g * (1 - np.tanh(x) ** 2)
        return 2 * d if g.flags.f_contiguous and not g.flags.c_contiguous else d

    text = str(check(np.tanh, vjp, like="tanh"))
    assert "arrangement of the cotangent" in text or "memory of the cotangent is not contiguous" in text
    assert "np.asfortranarray" in text or ".T" in text or "order" in text


@pytest.mark.parametrize("seed", range(4))
def test_a_gradient_that_is_rounded_to_five_decimals_is_found(seed):
    def vjp(g, x):
        return np.round(np.where(x > 0, g, 0.0), 5)

    assert check(lambda x: np.maximum(x, 0), vjp, like="relu", seed=seed, explain=False).verdict == "wrong"


@pytest.mark.parametrize("n", [7, 20])
def test_a_mistake_in_every_nth_call_is_found(n):
    def vjp(g, a, b):
        calls.append(n)
        return g * b, g * a * (len(calls) % n > 0)

    for seed in range(4):
        calls = []
        fn, shapes = lambda a, b: a * b, [("m",), ("m",)]
        assert check(fn, vjp, shapes=shapes, seed=seed, explain=False).verdict == "wrong"
