"""Operations that people write first: mistakes that show only when shapes broadcast, dimensions are negative, or ties."""

import numpy as np
import pytest

import minigen as mg
from minigen.check import check, gradcheck
from minigen.check.op_registry import ALIASES, OP_REGISTRY

pytestmark = pytest.mark.usefixtures("reference_kernels")


def reduced(g, shape):
    """Summed over what was broadcast."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(d for d, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention_weights(q, k):
    return softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]))


def attention_vjp(g, q, k, v):
    p = attention_weights(q, k)
    dp = g @ np.swapaxes(v, -1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
    return ds @ k, np.swapaxes(ds, -1, -2) @ q, np.swapaxes(p, -1, -2) @ g


def kept(g, x, dim, keepdim):
    return g if keepdim or dim == () else np.expand_dims(g, dim)


def max_vjp(g, x, dim=(), keepdim=False):
    axes = tuple(range(x.ndim)) if dim == () else dim
    hit = x == x.max(axes, keepdims=True)
    return kept(g, x, dim, keepdim) * hit / hit.sum(axes, keepdims=True)


def cat_vjp(g, a, b, dim=0):
    return [d.copy() for d in np.split(g, [a.shape[dim]], dim)]


def gather_vjp(g, x, index, dim=0):
    d = np.zeros(x.shape)
    places = list(np.indices(index.shape))
    places[dim] = index
    np.add.at(d, tuple(places), g)
    return d


def gather_once(g, x, index, dim=0):
    d = np.zeros(x.shape)
    np.put_along_axis(d[tuple(slice(None) if a == dim % x.ndim else slice(n) for a, n in enumerate(index.shape))],
                      index, g, dim)  # fmt: skip
    return d


def gather(x, index, dim=0):
    part = x[tuple(slice(None) if a == dim % x.ndim else slice(n) for a, n in enumerate(index.shape))]
    return np.take_along_axis(part, index, dim)


FIRST = {  # name: function, right vjp, wrong vjp
    "add": (
        lambda x, y: x + y,
        lambda g, x, y: (reduced(g, x.shape), reduced(g, y.shape)),
        lambda g, x, y: (reduced(g, x.shape), np.broadcast_to(g.mean() * g.size / max(1, y.size), y.shape).copy()),
    ),
    "mul": (
        lambda x, y: x * y,
        lambda g, x, y: (reduced(g * y, x.shape), reduced(g * x, y.shape)),
        lambda g, x, y: (reduced(g * y, x.shape), reduced(g, y.shape) * x.mean()),
    ),
    "divide": (
        lambda x, y: x / y,
        lambda g, x, y: (reduced(g / y, x.shape), reduced(-g * x / y**2, y.shape)),
        lambda g, x, y: (reduced(g / y, x.shape), reduced(g * x / y**2, y.shape)),
    ),
    "pow": (
        lambda x, exponent=2.0: x**exponent,
        lambda g, x, exponent=2.0: g * exponent * x ** (exponent - 1) if exponent else 0 * g,
        lambda g, x, exponent=2.0: g * exponent * x ** np.abs(exponent - 1),
    ),
    "sum": (
        lambda x, dim=(), keepdim=False: x.sum(None if dim == () else dim, keepdims=keepdim),
        lambda g, x, dim=(), keepdim=False: np.broadcast_to(kept(g, x, dim, keepdim), x.shape).copy(),
        lambda g, x, dim=(), keepdim=False: np.broadcast_to(kept(g, x, dim, keepdim), x.shape)
        * (1 if keepdim or np.ndim(dim) == 0 or dim == () else 0.5),
    ),
    "max": (
        lambda x, dim=(), keepdim=False: x.max(None if dim == () else dim, keepdims=keepdim),
        max_vjp,
        lambda g, x, dim=(), keepdim=False: kept(g, x, dim, keepdim)
        * (x == x.max(None if dim == () else dim, keepdims=True)),
    ),
    "cat": (
        lambda a, b, dim=0: np.concatenate([a, b], dim),
        cat_vjp,
        lambda g, a, b, dim=0: [np.array(d).reshape(x.shape) for d, x in
                                zip(np.split(g.ravel(), [a.size]), (a, b))],
    ),
    "gather": (gather, gather_vjp, gather_once),
    "einsum": (
        lambda x, y: x @ y,
        lambda g, x, y: (g @ y.T, x.T @ g),
        lambda g, x, y: (g @ y.T, (g.T @ x).T if x.shape[0] < 3 else 2 * x.T @ g),
    ),
    "attention": (
        lambda q, k, v: attention_weights(q, k) @ v,
        attention_vjp,
        lambda g, q, k, v: [d * s for d, s in zip(attention_vjp(g, q, k, v), (np.sqrt(q.shape[-1]), 1, 1))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("like", FIRST)
def test_the_right_one_is_right_and_the_usual_mistake_is_wrong(like):
    fn, right, wrong = FIRST[like]
    report = check(fn, right, like=like)
    assert report.verdict == "right", report
    report = check(fn, wrong, like=like)
    assert report.verdict == "wrong" and report.findings[0].order == 1, report


def test_ties_of_a_maximum_that_all_get_the_whole_gradient_are_named():
    fn, _, wrong = FIRST["max"]
    assert "is no subgradient" in str(check(fn, wrong, like="max"))


def test_other_names_are_those_of_operations():
    assert set(ALIASES.values()) <= set(OP_REGISTRY) and not set(ALIASES) & set(OP_REGISTRY)


def test_attention_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    q, k, v, m = (rng.standard_normal(s) for s in ((2, 3, 4), (2, 5, 4), (2, 5, 2), (3, 5)))
    tensors = [mg.tensor(a) for a in (q, k, v)]
    attend = mg.functional.scaled_dot_product_attention

    def expected(scores):
        return softmax(scores) @ v

    scores = q @ k.swapaxes(1, 2) / 2
    assert np.allclose(attend(*tensors).numpy(), expected(scores))
    assert np.allclose(attend(*tensors, mg.tensor(m), scale=0.3).numpy(), expected(scores * 0.6 + m))
    seen = np.tri(3, 5, dtype=bool)
    hidden = expected(np.where(seen, scores, -np.inf))
    assert np.allclose(attend(*tensors, is_causal=True).numpy(), hidden)
    assert np.allclose(attend(*tensors, mg.tensor(seen)).numpy(), hidden)
    for given, message in [
        ({"attn_mask": mg.tensor(seen), "is_causal": True}, "expected attn_mask or is_causal, got both"),
        ({"key": mg.tensor(v)}, "do not fit"),
        ({"query": mg.tensor(q[0, 0])}, "expected at least two dimensions"),
    ]:
        with pytest.raises(ValueError, match=message):
            attend(**{**dict(zip(("query", "key", "value"), tensors)), **given})


# ---- orders above two


def slope(x):
    return 1 - np.tanh(x) ** 2


def bend(x):
    return -2 * np.tanh(x) * slope(x)


def third(t, u, g, x):
    jerk = -2 * slope(x) ** 2 + 4 * np.tanh(x) ** 2 * slope(x)
    return (
        t[0] * slope(x) + t[1] * g * bend(x),
        t[1] * u[0] * bend(x),
        t[0] * u[0] * bend(x) + t[1] * u[0] * g * jerk,
    )


def test_a_third_order_is_checked():
    rules = (lambda u, g, x: (u[0] * slope(x), u[0] * g * bend(x))), third
    pair = np.tanh, lambda g, x: g * slope(x)
    report = check(*pair, like="tanh", double=rules, examples=3)
    assert report.verdict == "right" and {f.order for f in report.findings} == {1, 2, 3}
    wrong = check(*pair, like="tanh", examples=3,
                  double=(rules[0], lambda *a: (*third(*a)[:2], third(*a)[2] * (1 + 1e-7))))  # fmt: skip
    assert wrong.verdict == "wrong" and "gradient of order 3 for input" in str(wrong)


def test_tensors_are_checked_to_any_order():
    x = np.array([0.3, -1.2])
    for order, fn in ((3, lambda x: mg.tanh(x) * mg.relu(x)), (4, mg.exp)):
        report = gradcheck(fn, x, order=order, repeats=1)
        assert report.verdict == "right" and max(f.order for f in report.findings) == order
    assert gradcheck(lambda x, y: mg.exp(x * y).sum(), [x, x + 1], order=3, repeats=1)


def test_a_gradient_that_is_wrong_from_the_third_order_on_is_found():
    from minigen.engine import Primitive, primitives

    def cube_of_a_test(input):
        return input**3

    def slope_of_a_test(input):
        return 3 * input**2

    cube, part = Primitive(cube_of_a_test), Primitive(slope_of_a_test)
    try:
        part.vjp(input=lambda g, out, input: g * 6 * input.detach())  # its own gradient ends here
        cube.vjp(input=lambda g, out, input: g * part(input))
        x = np.array([0.5, -0.8])
        assert gradcheck(cube, x, order=2).verdict == "right"
        wrong = gradcheck(cube, x, order=3)
        assert wrong.verdict == "wrong" and {f.order for f in wrong.findings if f.verdict == "wrong"} == {3}
    finally:
        for made in (cube, part):
            del primitives[made.name]
