"""Right gradients that were once called wrong, and wrong ones that were once called right.

Each is a few lines that somebody outside wrote.
"""

import numpy as np
import pytest

import minigen as mg
from minigen.check import check, gradcheck

pytestmark = pytest.mark.usefixtures("reference_kernels")
F = mg.functional
SEEDS = range(3)


def tanh_slope(x):
    return 1 - np.tanh(x) ** 2


# ---- right gradients


def lse(x):
    m = x.max(1, keepdims=True)
    return np.log(np.exp(x - m).sum(1, keepdims=True)) + m


def cross_entropy(x, target, reduction="mean"):
    losses = lse(x)[:, 0] - np.take_along_axis(x, target[:, None], 1)[:, 0]
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


def cross_entropy_vjp(g, x, target, reduction="mean"):
    hot = np.zeros(x.shape)
    np.put_along_axis(hot, target[:, None], 1.0, 1)
    scale = np.expand_dims(g, 1) if reduction == "none" else g / (target.size if reduction == "mean" else 1)
    return (np.exp(x - lse(x)) - hot) * scale


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stable_cross_entropy_whose_values_are_rounded_near_zero_is_right(seed):
    check(cross_entropy, cross_entropy_vjp, like="cross_entropy", seed=seed, examples=20).raise_if_wrong()


def points(scale, count=8):
    return [mg.tensor(np.random.default_rng(s).uniform(-scale, scale, (3, 4)), dtype="float64") for s in range(count)]


@pytest.mark.parametrize(
    ("fn", "scale"), [(mg.sin, 1e4), (lambda x: mg.sin(1000 * x), 3)], ids=["sin of 1e4", "sin of 1000 x"]
)
def test_a_fast_sine_is_no_slow_one(fn, scale):
    for seed, x in enumerate(points(scale, 10)):
        gradcheck(fn, x, seed=seed, repeats=1).raise_if_wrong()


CANCELLING = {
    "gelu": F.gelu,
    "gelu, tanh": lambda x: F.gelu(x, approximate="tanh"),
    "mish": lambda x: x * mg.tanh(mg.log(1 + mg.exp(x))),
    "log of a rounded 1": lambda x: mg.log(1 + mg.exp(-4 * mg.abs(x) - 4)),
}


@pytest.mark.parametrize("name", CANCELLING)
@pytest.mark.parametrize("order", [1, 2])
def test_cancellation_against_1_is_never_called_wrong(name, order):
    found = [
        gradcheck(CANCELLING[name], x, order, seed=seed) for seed, x in enumerate(points(8, 5 if order == 1 else 2))
    ]
    assert [str(r) for r in found if r.verdict == "wrong"] == []
    assert sum(bool(r) for r in found) >= 0.8 * len(found)


def last_axis_softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def last_axis_softmax_vjp(g, x):
    y = last_axis_softmax(x)
    return y * (g - (g * y).sum(-1, keepdims=True))


def pooled(x):
    n, c, h, w = x.shape
    return x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def pooled_vjp(g, x):
    out = np.zeros(x.shape)
    spread = np.repeat(np.repeat(g, 2, 2), 2, 3) / 4
    out[:, :, : spread.shape[2], : spread.shape[3]] = spread
    return out


WITHOUT_PARAMETERS = {
    "softmax": (last_axis_softmax, last_axis_softmax_vjp),
    "mean": (lambda x: x.mean(-1), lambda g, x: np.repeat(g[..., None], x.shape[-1], -1) / x.shape[-1]),
    "avg_pool2d": (pooled, pooled_vjp),
}


@pytest.mark.parametrize("like", WITHOUT_PARAMETERS)
def test_a_function_without_the_parameter_is_judged_at_the_default(like):
    check(*WITHOUT_PARAMETERS[like], like=like, examples=15).raise_if_wrong()


def test_an_exception_of_the_specification_is_not_blamed_on_the_function(monkeypatch):
    from minigen.check.reference_ops import REFERENCE_OPS

    def broken(input):
        raise TypeError("a mistake in here")

    monkeypatch.setitem(REFERENCE_OPS, "tanh", broken)
    with pytest.raises(RuntimeError, match="specification of tanh failed: TypeError: a mistake in here"):
        check(np.tanh, lambda g, x: g * tanh_slope(x), like="tanh")


def test_a_tolerance_of_ones_own():
    off = lambda g, x: g * tanh_slope(x) * (1 + 9e-10)  # noqa: E731 - as an asymptotic series is
    assert check(np.tanh, off, like="tanh").verdict == "wrong"
    for seed in range(3):  # under a cotangent of equal numbers all elements add up
        report = check(np.tanh, off, like="tanh", rtol=1e-9, seed=seed)
        assert report and "rtol=1e-09" in str(report)
    assert check(np.tanh, lambda g, x: g * tanh_slope(x) * (1 + 4e-9), like="tanh", rtol=1e-9).verdict == "wrong"


# ---- wrong gradients


def zeros_unless_contiguous(g, x):
    return g * tanh_slope(x) if x.flags.c_contiguous else np.zeros(x.shape)


def fortran_read_as_c(g, x):
    if x.flags.f_contiguous and not x.flags.c_contiguous:
        x = x.ravel("K").reshape(x.shape)
    return g * tanh_slope(x)


def cotangent_read_as_contiguous(g, x):
    if not g.flags.c_contiguous:
        g = np.full(g.shape, g.ravel()[0])
        g = g * 100
    return g * tanh_slope(x)


def expanded_cotangent(g, x):
    return g * tanh_slope(x) * (100 if 0 in g.strides else 1)


def at_zero(g, x):
    return np.where(x == 0, 2, 1.0) * g * tanh_slope(x)


@pytest.mark.parametrize(
    "vjp", [zeros_unless_contiguous, fortran_read_as_c, cotangent_read_as_contiguous, expanded_cotangent]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_vjp_that_misreads_memory_is_wrong(vjp, seed):
    assert check(np.tanh, vjp, like="tanh", seed=seed).verdict == "wrong"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_elu_that_is_wrong_only_at_zero_is_wrong(seed):
    def elu(x):
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    def vjp(g, x):
        return g * np.where(x > 0, 1, np.where(x == 0, 2, np.exp(np.minimum(x, 0))))

    report = check(elu, vjp, like="elu", params={"alpha": 1.0}, seed=seed)
    assert report.verdict == "wrong"
    assert "differs between calls" in str(report) or "element" in str(report)


NO_SUBGRADIENTS = {
    "relu": (lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x == 0, 7.0, x > 0)),
    "leaky_relu": (
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        lambda g, x, negative_slope=0.01: g * np.where(x == 0, -1.0, np.where(x > 0, 1, negative_slope)),
    ),
    "l1_loss": (
        lambda x, y: np.abs(x - y).mean(),
        lambda g, x, y: [s * g * np.where(x == y, 3.0, np.sign(x - y)) / x.size for s in (1, -1)],
    ),
}


@pytest.mark.parametrize("like", ["relu", "leaky_relu"])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_no_subgradient_is_wrong(like, seed):
    report = check(*NO_SUBGRADIENTS[like], like=like, seed=seed)
    assert report.verdict == "wrong" and "is no subgradient" in str(report)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_every_subgradient_is_right(value):
    check(np.abs, lambda g, x: g * np.where(x == 0, value, np.sign(x)), like="relu", compare_values=False,
          examples=15).raise_if_wrong()  # fmt: skip


def test_an_output_buffer_that_is_used_again_is_wrong():
    buffers = {}

    def vjp(g, x):
        out = buffers.setdefault(x.shape, np.empty(x.shape))
        return np.multiply(g, tanh_slope(x), out=out)

    report = check(np.tanh, vjp, like="tanh")
    assert report.verdict == "wrong" and "the same memory at every call" in str(report)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_race_in_one_call_of_twenty_is_found(seed):
    rng = np.random.default_rng(seed)

    def vjp(g, x):
        d = g * tanh_slope(x)
        if rng.random() < 0.05 and d.size > 1:
            d.flat[-1] = 0.0
        return d

    assert check(np.tanh, vjp, like="tanh", seed=seed).verdict == "wrong"


def test_a_parameter_that_the_operation_does_not_have_is_named():
    with pytest.raises(ValueError, match=r"conv2d has no parameter 'pad'; expected some of stride, padding"):
        check(lambda x, w, pad=0: x, lambda g, x, w, pad=0: (x, w), like="conv2d")
    with pytest.raises(ValueError, match=r"conv2d has no parameter 'pad'"):
        check(lambda x, w, stride, pad: x, lambda g, x, w, stride, pad: (x, w), like="conv2d")
    with pytest.raises(ValueError, match=r"softmax has no parameter 'axis'; expected some of dim"):
        check(lambda x, axis=-1: x, lambda g, x, axis=-1: g, like="softmax")


@pytest.mark.parametrize("like", ["tanh", "log", "layer_norm"])
def test_digits_lost_in_the_vjp_are_no_noise(like):
    from minigen.check.adapters.minigen import table

    fn, vjp, _ = table[like]

    def single(g, *inputs, **params):
        return [d.astype(np.float32).astype(np.float64) for d in vjp(g, *inputs, **params)]

    assert check(fn, single, like=like).verdict == "wrong"


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_no_window_of_a_drawn_pooling_lies_in_the_border_alone(seed):
    """Such a window has no maximum, and minigen refuses it: twice that was counted as a false alarm."""
    from minigen.check.op_registry import OP_REGISTRY, RandomSource

    rng = np.random.default_rng(seed)
    for _ in range(30):
        x, p = (case := OP_REGISTRY["max_pool2d"].make(RandomSource(rng))).inputs[0], case.params
        assert np.all(np.isfinite(OP_REGISTRY["max_pool2d"].spec(x, **p)))
        assert np.all(np.isfinite(F.max_pool2d(mg.tensor(x), **p).numpy()))
