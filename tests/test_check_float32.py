"""Kernels in float32 and below: right ones are right, wrong ones wrong, and the report says what could be seen."""

import numpy as np
import pytest

from minigen.check import check
from minigen.check.adapters.minigen import table
from minigen.check.op_registry import OP_REGISTRY
from minigen.check.precision import PRECISIONS, precision_of

pytestmark = pytest.mark.usefixtures("reference_kernels")


@pytest.mark.parametrize("op", ["conv2d", "softmax", "cross_entropy", "batch_norm", "max_pool2d", "add", "gelu"])
def test_a_right_float32_function_is_right(op):
    report = check(*table[op][:2], like=op, dtype="float32", examples=8)
    assert report.verdict == "right", report
    assert "judged in float32" in str(report) and 1e-7 < report.resolution < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(OP_REGISTRY))
def test_every_function_of_minigen_is_right_in_float32(op):
    for seed in range(2):
        report = check(*table[op][:2], like=op, dtype="float32", seed=seed)
        assert report.verdict == "right", report


def spoiled(op, spoil, which=0):
    fn, vjp, _ = table[op]

    def wrong(g, *inputs, **params):
        out = vjp(g, *inputs, **params)
        out[which] = spoil(out[which], params)
        return out

    return fn, wrong


def last_missing(d, params):
    d = d.copy()
    if d.size > 1:
        d[..., -1:] = 0
    return d


def tail_missing(d, params):
    d = d.copy()
    d[..., d.shape[-1] // 8 * 8 if d.shape[-1] > 8 else d.shape[-1] :] = 0
    return d


WRONG = {
    "a factor": ("conv2d", lambda d, p: d * np.float32(1.001), 1),
    "a factor under a condition": ("conv2d", lambda d, p: d * np.float32(1.01 if p["groups"] > 1 else 1), 0),
    "a missing term": ("conv2d", last_missing, 1),
    "a sign": ("softmax", lambda d, p: -d, 0),
    "a wrong index at a tail": ("tanh", tail_missing, 0),
    "a result in float16": ("layer_norm", lambda d, p: d.astype(np.float16).astype(np.float32), 0),
    "zero": ("cross_entropy", lambda d, p: 0 * d, 0),
    "not a number": ("gelu", lambda d, p: d * np.float32(np.nan), 0),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wrong_float32_gradient_is_wrong(name, seed):
    op, spoil, which = WRONG[name]
    report = check(*spoiled(op, spoil, which), like=op, dtype="float32", seed=seed, explain=False)
    assert report.verdict == "wrong" and report.findings[0].order == 1, report


def matrix_product(dtype):
    """A matrix product and its gradients; the products are added up in `dtype`."""

    def dot(a, b):
        total = np.zeros((a.shape[0], b.shape[1]), dtype)
        for k in range(a.shape[1]):
            total = (total + a[:, k, None] * b[None, k]).astype(dtype)
        return total.astype(np.float32)

    return (lambda a, b: dot(a, b)), (lambda g, a, b: (dot(g, b.T), dot(a.T, g)))


def test_sums_in_float16_are_seen():
    flat = {"only": lambda a, b: a.ndim == b.ndim == 2}
    assert check(*matrix_product(np.float32), like="matmul", dtype="float32", **flat)
    report = check(*matrix_product(np.float16), like="matmul", dtype="float32", **flat)
    assert report.verdict == "wrong" and "differ from the float64 reference at the same float32 inputs" in str(report)
    fn, vjp = matrix_product(np.float32)[0], matrix_product(np.float16)[1]
    report = check(fn, vjp, like="matmul", dtype="float32", **flat)
    assert report.verdict == "wrong" and report.findings[0].order == 1


def test_the_message_names_factor_condition_and_a_program():
    report = check(*spoiled("conv2d", lambda d, p: 2 * d if p["groups"] > 1 else d, 1), like="conv2d", dtype="float32")
    text = str(report)
    assert report.verdict == "wrong" and report.findings[0].argument == "weight"
    assert "the vjp is twice the right value" in text and "only where groups > 1" in text, text
    printed = {}
    fn, vjp = spoiled("conv2d", lambda d, p: 2 * d if p["groups"] > 1 else d, 1)
    exec(report.example, {"fn": fn, "vjp": vjp, "print": lambda name, value: printed.update({name.strip(): value})})
    assert "float32" in report.example and printed["claimed"] == pytest.approx(2 * printed["float64"], rel=1e-4)


def test_another_convention_at_a_kink_is_not_wrong():
    def vjp(g, x):
        return g * (x >= 0)

    how = {"like": "relu", "dtype": "float32", "examples": 12}
    assert check(lambda x: np.maximum(x, 0), vjp, **how)
    report = check(lambda x: np.maximum(x, 0), lambda g, x: g * (x >= 0.3), **how, explain=False)
    assert report.verdict == "wrong"


def test_a_mistake_in_one_call_of_three_is_no_noise():
    calls = []

    def vjp(g, x):
        calls.append(0)
        d = g * (1 - np.tanh(x) ** 2)
        return d * np.float32(1.01) if len(calls) % 3 == 0 else d

    assert check(lambda x: np.tanh(x), vjp, like="tanh", dtype="float32").verdict == "wrong"


def half(dtype):
    """Softmax in half precision, with sums in float32 as kernels have them."""

    def softmax(x):
        e = np.exp(x.astype(np.float32) - x.astype(np.float32).max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def vjp(g, x):
        y, g = softmax(x), g.astype(np.float32)
        return (y * (g - (g * y).sum(-1, keepdims=True))).astype(dtype)

    return (lambda x: softmax(x).astype(dtype)), vjp


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision(name):
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    dtype = PRECISIONS[name].dtype
    fn, vjp = half(dtype)
    report = check(fn, vjp, like="softmax", dtype=name)
    assert report.verdict == "right" and report.resolution > 1e-3, report
    assert check(fn, lambda g, x: -vjp(g, x), like="softmax", dtype=name).verdict == "wrong"
    assert check(fn, lambda g, x: (g.astype(np.float32) * fn(x).astype(np.float32)).astype(dtype), like="softmax",
                 dtype=name).verdict == "wrong"  # fmt: skip


@pytest.mark.torch
def test_pytorch_in_bfloat16_rounds_as_we_do_and_is_called_right():
    torch, ml_dtypes = pytest.importorskip("torch"), pytest.importorskip("ml_dtypes")

    def there(x):
        return torch.tensor(np.array(x).view(np.int16)).view(torch.bfloat16)

    def back(t):
        return t.detach().view(torch.int16).numpy().view(ml_dtypes.bfloat16)

    x = np.random.default_rng(0).standard_normal(1000) * np.exp(np.linspace(-30, 30, 1000))
    ours = PRECISIONS["bfloat16"].rounded(x)
    assert ours.tobytes() == back(torch.tensor(x).to(torch.bfloat16)).tobytes()

    def fn(x, w):
        return back(there(x) @ there(w).T)

    def vjp(g, x, w):
        leaves = there(x).requires_grad_(), there(w).requires_grad_()
        return [back(d) for d in torch.autograd.grad(leaves[0] @ leaves[1].T, leaves, there(g))]

    def few_terms(x, w):
        """Sums that three digits say something of."""
        return max(x.size // x.shape[-1], *w.shape) <= 16

    report = check(fn, vjp, like="linear", dtype="bfloat16", only=few_terms, examples=12)
    assert report.verdict == "right", report
    wrong = check(
        fn, lambda g, x, w: [vjp(g, x, w)[0], vjp(g, x, w)[1] * -1], like="linear", dtype="bfloat16", examples=12
    )
    assert wrong.verdict == "wrong"


def ratio(a, b):
    return a / np.sqrt(b)


def ratio_vjp(g, a, b):
    return g / np.sqrt(b), -g * a / (2 * b * np.sqrt(b))


DRAWN = {"shapes": [("n", "m"), ("n", "m")], "domain": [(-2, 2), (0.1, 3)], "dtype": "float32", "examples": 5}


def test_a_function_of_ones_own():
    for reference in (ratio, (ratio, ratio_vjp)):
        assert check(ratio, ratio_vjp, **DRAWN, reference=reference).verdict == "right"
        wrong = check(ratio, lambda g, a, b: (g / np.sqrt(b), -g * a / (2 * b)), **DRAWN, reference=reference)
        assert wrong.verdict == "wrong" and wrong.findings[0].argument == "b"
    point = np.linspace(-1, 1, 5).astype(np.float32), np.linspace(1, 2, 5).astype(np.float32)
    assert check(ratio, ratio_vjp, inputs=point, dtype="float32", reference=ratio, examples=2)
    several = lambda a, b: (ratio(a, b), a.sum())  # noqa: E731
    vjp = lambda g, a, b: (ratio_vjp(g[0], a, b)[0] + g[1], ratio_vjp(g[0], a, b)[1])  # noqa: E731
    assert check(several, vjp, **DRAWN, reference=several)


def test_values_that_differ_are_named():
    report = check(lambda x: np.tanh(x) * np.float32(1.001), lambda g, x: g, like="tanh", dtype="float32")
    assert report.verdict == "wrong" and "is not tanh: its values differ from the float64 reference" in str(report)


def test_what_does_not_go_together_is_named():
    pair = np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)
    for given, message in [
        ({"like": "tanh", "dtype": "int8"}, "dtype='int8'; expected one of float64, float32"),
        ({"shapes": [(3,)], "dtype": "float32"}, "needs like=, or reference="),
        ({"like": "tanh", "reference": np.tanh}, "reference= goes with a dtype below float64, and without like="),
        ({"like": "tanh", "dtype": "float32", "double": pair[1]}, "double= needs dtype='float64', got 'float32'"),
        ({"like": "tanh", "dtype": "float32", "method": "complex_step"}, "method= needs dtype='float64'"),
        ({"inputs": [np.ones(2, np.float32)]}, "a float32 kernel is checked with dtype='float32'"),
        ({"inputs": [1e4 + 1e-3 * np.arange(3)], "dtype": "float32", "reference": np.tanh}, "that its dtype can hold"),
        ({"inputs": [np.linspace(0, 1, 700)], "dtype": "float32", "reference": np.tanh}, "are too many for a Jacobian"),
        ({"inputs": [np.ones(3)], "dtype": "float32", "reference": lambda x: x.astype("f4")}, "returns float32 for"),
    ]:
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            check(*pair, **given)
    lost = check(lambda x: np.tanh(x).astype(np.float32), pair[1], like="tanh", examples=2)
    assert 'a float32 kernel is checked with dtype="float32"' in str(lost)
    short = check(pair[0], lambda g, x: pair[1](g, x).astype(np.float16), like="tanh", dtype="float32", examples=2)
    assert "returns float16 for float32 inputs: digits are lost on the way" in str(short)
    assert precision_of(np.float32) is precision_of("float32") is precision_of(np.dtype("f4"))
