"""What must occur is dealt over the points: every choice, every arrangement of memory, whatever the seed."""

from collections import Counter

import numpy as np
import pytest

from minigen import kernels
from minigen.check import check
from minigen.check.adapters.minigen import table
from minigen.check.array_generators import COTANGENT_LAYOUTS, EXPANDED, LAYOUTS, deal_layout, lay_out, takes_effect
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


def pairs_of(cases):
    """How often each pair of values of two parameters occurs."""
    return Counter(
        (a, b)
        for case in cases
        if all(x.size for x in case.inputs)
        for a in case.params.items()
        for b in case.params.items()
        if a < b
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_of_values_of_a_convolution_occurs_early(seed):
    assert len(pairs_of(dealt("conv2d", seed)[1])) == 54


@pytest.mark.parametrize("op", ["conv2d", "interpolate", "var"])
def test_by_default_there_are_points_until_each_pair_has_occurred_thrice(op):
    covering, cases = dealt(op, seed=4, points=0)
    while not covering.enough() or covering.drawn == 0:
        cases.append(covering.draw()[0])
    assert 30 < covering.drawn <= 60
    if op == "conv2d":
        assert min(pairs_of(cases).values()) >= 3
    fn, vjp, _ = table[op]
    with kernels.use("reference"):
        assert f" drawn, in {covering.drawn} points" in str(check(fn, vjp, like=op, seed=4))


def test_an_operation_without_parameters_has_thirty_points():
    seen = []
    check(np.sin, lambda g, x: g * np.cos(x), like="sin", only=lambda x: seen.append(x) or True)
    assert len(seen) == 30


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("op", ["linear", "softmax", "conv2d", "batch_norm", "cross_entropy", "cat", "mul"])
def test_vectors_end_in_every_argument(op, seed):
    _, cases = dealt(op, seed)
    for i in OP_REGISTRY[op].differentiable:
        ends = {side_class(case.inputs[i].shape[-1]) for case in cases if case.inputs[i].ndim}
        assert "above 8, with a rest" in ends or "above 16, with a rest" in ends, i


def gradients(op, case):
    """The right gradients at a point, under a cotangent without zeros."""
    fn, vjp, _ = table[op]
    with kernels.use("reference"):
        shape = fn(*case.inputs, **case.params).shape
        return vjp(np.random.default_rng(0).uniform(1, 2, shape), *case.inputs, **case.params)


@pytest.mark.parametrize("op", ["cosine_similarity", "normalize", "scaled_dot_product_attention", "add", "linear"])
def test_no_gradient_is_zero_or_a_scalar_at_the_first_point(op):
    for seed in range(6):
        _, (case,) = dealt(op, seed, points=1)
        assert all(d.size > 1 and np.max(np.abs(d)) > 1e-9 for d in gradients(op, case)), seed


@pytest.mark.parametrize(("op", "least"), {"conv2d": 0.85, "max_pool2d": 0.7, "relu": 0.7, "amax": 0.5}.items())
def test_the_first_and_the_last_element_seldom_have_no_gradient(op, least):
    points = [case for seed in (1, 2, 3) for case in dealt(op, seed)[1] if all(x.size for x in case.inputs)]
    ends = [d.ravel()[[0, -1]] for case in points for d in gradients(op, case)]
    assert np.mean(np.array(ends) != 0) > least


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("op", ["conv1d", "conv2d", "max_pool2d"])
def test_some_images_have_a_rest_that_no_window_reaches(op, seed):
    rests = 0
    for case in dealt(op, seed)[1]:
        x, p = case.inputs[0], case.params
        kernel = case.inputs[1].shape[2:] if op != "max_pool2d" else 2 * (p["kernel_size"],)
        window = np.array(p["dilation"]) * (np.array(kernel) - 1) + 1
        rests += x.size > 0 and np.any((x.shape[2:] + 2 * np.array(p["padding"]) - window) % p["stride"])
    assert rests >= 2


@pytest.mark.parametrize("op", ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"])
@pytest.mark.parametrize("seed", range(2))
def test_axes_of_depthwise_convolutions_can_be_exchanged_unseen(op, seed):
    cases = [case for case in dealt(op, seed)[1] if case.params["groups"] == case.inputs[0].shape[1] > 1]
    which = 0 if op.endswith("1d") else 1  # the image or the kernel
    assert sum(case.inputs[which].shape[-1] == case.inputs[which].shape[-2] > 1 for case in cases) >= 2


@pytest.mark.parametrize("op", OP_REGISTRY)
def test_every_arrangement_of_the_cotangent_is_tried_with_every_operation(op):
    fn, right, _ = table[op]
    tried, possible = set(), set()

    def vjp(g, *inputs, **params):
        strides = [st for st, n in zip(g.strides, g.shape) if n > 1]
        possible.update(name for name in COTANGENT_LAYOUTS if takes_effect(name, g.shape))
        if 0 in strides:
            tried.update(name for name in EXPANDED if lay_out(g, name).strides == g.strides and np.all(g))
        elif any(st < 0 for st in strides):
            tried.add("reversed")
        elif g.flags.c_contiguous:
            tried.update(("plain", "offset"))
        else:
            tried.add("transposed" if g.flags.f_contiguous else "strided")
        return right(g, *inputs, **params)

    with kernels.use("reference"):
        check(fn, vjp, like=op, examples=12, compare_values=False)
    assert possible - tried == set()


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
