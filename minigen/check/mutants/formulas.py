"""Mistakes in the derivation or in the loops: the wrong vjps that people really write."""

from typing import Any

import numpy as np

from ...kernels.reference import conv2d_input_grad, conv2d_weight_grad
from ..adapters.minigen import table
from ..op_registry import Case
from .registry import Mutant, register

Array = np.ndarray


def _add(op: str, name: str, what: str, vjp: Any, small: bool = False, make: Any = None, **fixed: Any) -> None:
    register(Mutant(f"{op}.{name}", op, "formula", what, vjp, small=small, fixed=fixed, make=make))


def _right(op: str) -> Any:
    return table[op][1]


# ---- elementwise


def _sigma(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


_add("sigmoid", "no_complement", "s in place of s (1 - s)", lambda g, input: g * _sigma(input))
_add(
    "sigmoid",
    "of_output",
    "the slope at s(x) in place of x",
    lambda g, input: g * _sigma(_sigma(input)) * (1 - _sigma(_sigma(input))),
)
_add("tanh", "no_square", "1 - t in place of 1 - t^2", lambda g, input: g * (1 - np.tanh(input)))
_add(
    "tanh",
    "stale",
    "the slope at x rounded to three digits",
    lambda g, input: g * (1 - np.tanh(np.round(input, 2)) ** 2),
)
_add("tanh", "ignores_g", "the cotangent is left out", lambda g, input: 1 - np.tanh(input) ** 2)
_add("tanh", "g_squared", "the cotangent squared", lambda g, input: g * g * (1 - np.tanh(input) ** 2))
_add("tanh", "abs_g", "the cotangent's size only", lambda g, input: np.abs(g) * (1 - np.tanh(input) ** 2))
_add(
    "tanh",
    "mean_g",
    "the cotangent's mean",
    lambda g, input: g.mean() * (1 - np.tanh(input) ** 2),
    make=lambda s: Case((s.array((3, 4)),)),
)
_add(
    "exp",
    "first_order",
    "1 + x + x^2/2 + x^3/6 in place of e^x",
    lambda g, input: g * (1 + input + input**2 / 2 + input**3 / 6),
)
_add("log", "eps", "1 / (x + 1e-7)", lambda g, input: g / (input + 1e-7), small=True)
_add("sqrt", "eps", "1 / (2 sqrt(x) + 1e-8)", lambda g, input: g / (2 * np.sqrt(input) + 1e-8), small=True)
_add("sqrt", "no_half", "1 / sqrt(x)", lambda g, input: g / np.sqrt(input))
_add("relu", "all_pass", "1 everywhere", lambda g, input: g * 1.0)
_add(
    "relu", "threshold", "from x > 0.1 on", lambda g, input: g * (input > 0.1), make=lambda s: Case((s.array((8, 12)),))
)
_add(
    "leaky_relu",
    "slope_ignored",
    "0 where x < 0",
    lambda g, input, negative_slope=0.01: g * (input > 0),
    make=lambda s: Case((s.array((4, 3)),), {"negative_slope": 0.01}),
)
_add(
    "leaky_relu",
    "default_slope",
    "0.01 whatever the slope",
    lambda g, input, negative_slope=0.01: g * np.where(input > 0, 1, 0.01),
    make=lambda s: Case((s.array((4, 3)),), {"negative_slope": 0.2}),
)
_add(
    "leaky_relu",
    "slope_off",
    "a slope of 0.2001 for 0.2",
    lambda g, input, negative_slope=0.2: g * np.where(input > 0, 1, 0.2001),
    small=True,
    make=lambda s: Case((s.array((4, 3)),), {"negative_slope": 0.2}),
)
_add(
    "elu",
    "no_alpha",
    "alpha left out",
    lambda g, input, alpha=0.5: g * np.where(input > 0, 1, np.exp(np.minimum(input, 0))),
    make=lambda s: Case((s.array((4, 3)),), {"alpha": 0.5}),
)
_add(
    "softplus",
    "rectified",
    "1 for x > 20, as if the threshold were 2",
    lambda g, input: g * np.where(input > 2, 1, _sigma(input)),
    make=lambda s: Case((s.array((8, 12)) * 2,)),
)


# ---- matrices and windows


_add(
    "matmul",
    "not_transposed",
    "A^T for A in dB",
    lambda g, input, other: [g @ other.T, np.resize(input, (other.shape[0], g.shape[0])) @ g],
)
_add(
    "linear",
    "bias_mean",
    "db is a mean",
    lambda g, input, weight, bias: [*_right("linear")(g, input, weight, bias)[:2], g.reshape(-1, g.shape[-1]).mean(0)],
    make=lambda s: Case((s.array((3, 4)), s.array((2, 4)), s.array((2,)))),
)


def _four(p: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (p, p), (p, p)


def _conv(g: Array, x: Array, w: Array, b: Array, stride: int, padding: int, dilation: int, groups: int) -> list[Array]:
    s, d = (stride, stride), (dilation, dilation)
    return [
        conv2d_input_grad(g, w, x.shape[2:], s, _four(padding), d, groups),
        conv2d_weight_grad(x, g, w.shape[2:], s, _four(padding), d, groups),
        g.sum((0, 2, 3)),
    ]


def _conv_case(**params: int) -> Any:
    """Images large enough that every mistake in the geometry shows."""
    full = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **params}

    def make(s: Any) -> Case:
        c = 2 * full["groups"]
        shape = (2, c, s.integer(6, 8), s.integer(6, 8))
        return Case((s.array(shape), s.array((4, 2, 3, 2)), s.array((4,))), full)

    return make


def _conv_mutant(name: str, what: str, spoil: Any, small: bool = False, **params: int) -> None:
    _add(
        "conv2d",
        name,
        what,
        lambda g, input, weight, bias, **p: spoil(g, input, weight, bias, **p),
        small,
        _conv_case(**params),
    )


def _replaced(out: list[Array], i: int, new: Array) -> list[Array]:
    out[i] = new
    return out


def _flipped_kernel(g: Array, x: Array, w: Array, b: Array, **p: Any) -> list[Array]:
    return _replaced(_conv(g, x, w, b, **p), 0, _conv(g, x, w[:, :, ::-1, ::-1].copy(), b, **p)[0])


def _dilation_ignored(g: Array, x: Array, w: Array, b: Array, **p: Any) -> list[Array]:
    s = (p["stride"],) * 2
    pixels = g.shape[2:]
    taps = [(n + 2 * p["padding"] - (k - 1) - 1) // p["stride"] + 1 for n, k in zip(x.shape[2:], w.shape[2:])]
    wide = np.zeros((*g.shape[:2], *taps))
    wide[:, :, : pixels[0], : pixels[1]] = g
    return _replaced(
        _conv(g, x, w, b, **p), 1, conv2d_weight_grad(x, wide, w.shape[2:], s, _four(p["padding"]), (1, 1), p["groups"])
    )


def _border(d: Array) -> Array:
    d = d.copy()
    d[:, :, -1] = 0
    return d


def _one_image(g: Array, x: Array, w: Array, b: Array, **p: Any) -> list[Array]:
    """The weight's gradient of all images but the last."""
    return _replaced(_conv(g, x, w, b, **p), 1, _conv(g[:-1], x[:-1], w, b, **p)[1])


_conv_mutant("flipped_kernel", "the kernel turned by 180 degrees in dX", _flipped_kernel)
_conv_mutant("dilation_ignored", "dW as if dilation were 1", _dilation_ignored, dilation=2)
_conv_mutant(
    "border_lost",
    "dX of the last row is zero",
    lambda g, x, w, b, **p: _replaced(_conv(g, x, w, b, **p), 0, _border(_conv(g, x, w, b, **p)[0])),
    padding=1,
)
_conv_mutant("last_image_lost", "dW leaves the last image out", _one_image)
_conv_mutant(
    "bias_mean",
    "db is a mean over the images",
    lambda g, x, w, b, **p: _replaced(_conv(g, x, w, b, **p), 2, g.mean(0).sum((1, 2))),
)
_conv_mutant(
    "groups_mixed",
    "dX of the groups in the wrong order",
    lambda g, x, w, b, **p: _replaced(_conv(g, x, w, b, **p), 0, np.roll(_conv(g, x, w, b, **p)[0], 2, 1)),
    groups=2,
)
_conv_mutant(
    "transposed",
    "dW with rows and columns of the pixels swapped",
    lambda g, x, w, b, **p: _replaced(_conv(g, x, w, b, **p), 1, _conv(g[:, :, ::-1], x, w, b, **p)[1]),
)
_conv_mutant(
    "one_weight",
    "one element of dW off by 1e-4",
    lambda g, x, w, b, **p: _replaced(
        _conv(g, x, w, b, **p), 1, _conv(g, x, w, b, **p)[1] * (1 + 1e-4 * (np.arange(w.size).reshape(w.shape) == 5))
    ),
    small=True,
)
_conv_mutant(
    "padding_leak",
    "dX counts the padding of one corner",
    lambda g, x, w, b, **p: _replaced(
        _conv(g, x, w, b, **p), 0, _conv(g, x, w, b, **p)[0] + 1e-4 * (np.arange(x.size).reshape(x.shape) == 0)
    ),
    small=True,
    padding=1,
)


def _pool_case(**params: Any) -> Any:
    return lambda s: Case((s.array((2, 2, 6, 5)),), {"kernel_size": 2, "stride": 2, "padding": 0, **params})


def _all_equal(g: Array, input: Array, **p: Any) -> Array:
    """Max pooling's cotangent shared out evenly, as in average pooling."""
    return _right("avg_pool2d")(g, input, **{k: v for k, v in p.items() if k != "dilation"})[0]


_add("max_pool2d", "averaged", "every element of a window gets a share", _all_equal, make=_pool_case())
_add(
    "max_pool2d",
    "last_window",
    "the last window is left out",
    lambda g, input, **p: _right("max_pool2d")(g * (np.arange(g.size).reshape(g.shape) != g.size - 1), input, **p)[0],
    small=True,
    make=_pool_case(),
)
_add(
    "max_pool2d",
    "overlap_overwritten",
    "where windows overlap only the last counts",
    lambda g, input, **p: (
        np.sign(_right("max_pool2d")(np.ones_like(g), input, **p)[0])
        * _right("max_pool2d")(g, input, **p)[0]
        / np.maximum(_right("max_pool2d")(np.ones_like(g), input, **p)[0], 1)
    ),
    make=_pool_case(kernel_size=3, stride=1),
)
_add(
    "avg_pool2d",
    "wrong_count",
    "divided by the window's real elements",
    lambda g, input, **p: _right("avg_pool2d")(g, input, **{**p, "count_include_pad": False})[0],
    make=_pool_case(kernel_size=3, padding=1, count_include_pad=True),
)
_add(
    "interpolate",
    "nearest_for_bilinear",
    "nearest neighbors in place of bilinear weights",
    lambda g, input, **p: _right("interpolate")(g, input, scale_factor=2)[0],
    make=lambda s: Case((s.array((1, 2, 3, 4)),), {"scale_factor": 2, "mode": "bilinear"}),
)
_add(
    "interpolate",
    "corners",
    "align_corners the other way",
    lambda g, input, **p: _right("interpolate")(g, input, **{**p, "align_corners": True})[0],
    make=lambda s: Case((s.array((1, 2, 3, 4)),), {"scale_factor": 2, "mode": "bilinear", "align_corners": False}),
)
_add(
    "pad",
    "reflect_once",
    "reflected elements get no share",
    lambda g, input, pad, mode="reflect": g[
        ..., pad[2] : pad[2] + input.shape[-2], pad[0] : pad[0] + input.shape[-1]
    ].copy(),
    make=lambda s: Case((s.array((1, 1, 4, 4)),), {"pad": (1, 2, 1, 0), "mode": "reflect"}),
)


# ---- normalization


def _bn(
    g: Array, x: Array, w: Array, eps: float, keep_mean: float = 1.0, keep_var: float = 1.0, n_off: int = 0
) -> Array:
    axes = (0, *range(2, x.ndim))
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    r = 1 / np.sqrt(var + eps)
    xhat, h = (x - mean) * r, g * w.reshape(shape)
    n = x.size // x.shape[1] - n_off
    return r * (
        h - keep_mean * h.sum(axes, keepdims=True) / n - keep_var * xhat * (h * xhat).sum(axes, keepdims=True) / n
    )


def _bn_mutant(name: str, what: str, small: bool = False, eps_to: float | None = None, **spoil: Any) -> None:
    def vjp(g: Array, input: Array, weight: Array, bias: Array, training: bool, eps: float) -> list[Array]:
        right = _right("batch_norm")(g, input, weight, bias, training=training, eps=eps)
        return [_bn(g, input, weight, eps if eps_to is None else eps_to, **spoil), *right[1:]]

    def make(s: Any) -> Case:
        return Case((s.array((4, 3, 2, 2)), s.array((3,), "away"), s.array((3,))), {"training": True, "eps": 1e-5})

    _add("batch_norm", name, what, vjp, small, make)


_bn_mutant("no_mean_term", "the mean is treated as a constant", keep_mean=0.0)
_bn_mutant("no_var_term", "the variance is treated as a constant", keep_var=0.0)
_bn_mutant("both_constant", "mean and variance are treated as constants", keep_mean=0.0, keep_var=0.0)
_bn_mutant("n_minus_1", "divided by n - 1", n_off=1)
_bn_mutant("no_eps", "epsilon left out", small=True, eps_to=0.0)
_bn_mutant("twice_eps", "another epsilon", small=True, eps_to=1e-6)
_bn_mutant("mean_term_off", "the mean's term times 1.0001", small=True, keep_mean=1.0001)
_bn_mutant("var_term_off", "the variance's term times 1.0001", small=True, keep_var=1.0001)


# ---- along a dimension, losses


def _soft(x: Array, dim: int) -> Array:
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


_rows: dict[str, Any] = {"make": lambda s: Case((s.array((3, 4)),), {"dim": 1})}
_add(
    "softmax",
    "diagonal",
    "the other elements' influence is left out",
    lambda g, input, dim: g * _soft(input, dim) * (1 - _soft(input, dim)),
    **_rows,
)
_add(
    "softmax",
    "wrong_axis",
    "summed over the other dimension",
    lambda g, input, dim: _soft(input, dim) * (g - (g * _soft(input, dim)).sum(axis=0, keepdims=True)),
    **_rows,
)
_add("log_softmax", "no_sum", "the sum over g is left out", lambda g, input, dim: g - _soft(input, dim), **_rows)
_add("log_softmax", "constant_norm", "the normalizer is treated as a constant", lambda g, input, dim: g * 1.0, **_rows)
_add(
    "logsumexp",
    "hard",
    "the largest gets everything",
    lambda g, input, dim, keepdim: np.expand_dims(g, dim) * (input == input.max(axis=dim, keepdims=True)),
    make=lambda s: Case((s.array((3, 4)),), {"dim": 1, "keepdim": False}),
)
_add(
    "var",
    "n",
    "divided by n in place of n - 1",
    lambda g, input, dim, correction, keepdim: (
        np.expand_dims(g, dim) * 2 * (input - input.mean(dim, keepdims=True)) / input.shape[dim]
    ),
    make=lambda s: Case((s.array((3, 5)),), {"dim": 1, "correction": 1, "keepdim": False}),
)

_pairs: dict[str, Any] = {"make": lambda s: Case((s.array((3, 4)), s.array((3, 4))), {"reduction": "mean"})}
_add(
    "mse_loss",
    "no_two",
    "the factor 2 is missing",
    lambda g, input, target, reduction: g * (input - target) / input.size,
    **_pairs,
)
_add(
    "mse_loss",
    "sum_for_mean",
    "not divided by the number of elements",
    lambda g, input, target, reduction: g * 2 * (input - target),
    **_pairs,
)
_add(
    "mse_loss",
    "batch_mean",
    "divided by the first size only",
    lambda g, input, target, reduction: g * 2 * (input - target) / len(input),
    **_pairs,
)
_add(
    "l1_loss",
    "square",
    "the slope of the square",
    lambda g, input, target, reduction: g * (input - target) / input.size,
    **_pairs,
)
_unit: dict[str, Any] = {
    "make": lambda s: Case((s.array((3, 4), "probabilities"), s.array((3, 4), "unit")), {"reduction": "mean"})
}
_add(
    "binary_cross_entropy",
    "clipped",
    "p kept away from 0 and 1 by 1e-5",
    lambda g, input, target, reduction: (
        g
        * (np.clip(input, 1e-5, 1 - 1e-5) - target)
        / (np.clip(input, 1e-5, 1 - 1e-5) * (1 - np.clip(input, 1e-5, 1 - 1e-5)))
        / input.size
    ),
    make=lambda s: Case(
        (np.concatenate([s.array((3, 4), "probabilities"), np.full((1, 4), 2e-6)]), s.array((4, 4), "unit")),
        {"reduction": "mean"},
    ),
)
_add(
    "binary_cross_entropy",
    "eps",
    "1e-7 in the denominator",
    lambda g, input, target, reduction: g * (input - target) / (input * (1 - input) + 1e-7) / input.size,
    True,
    **_unit,
)
_add(
    "binary_cross_entropy",
    "one_sided",
    "the term of 1 - p left out",
    lambda g, input, target, reduction: -g * target / input / input.size,
    **_unit,
)
_add(
    "binary_cross_entropy_with_logits",
    "hard_labels",
    "targets rounded to 0 or 1",
    lambda g, input, target, reduction: g * (_sigma(input) - np.round(target)) / input.size,
    make=lambda s: Case((s.array((3, 4)), s.array((3, 4), "unit")), {"reduction": "mean"}),
)
_add(
    "cross_entropy",
    "no_smoothing",
    "label smoothing left out",
    lambda g, input, target, **p: _right("cross_entropy")(g, input, target, **{**p, "label_smoothing": 0.0})[0],
    label_smoothing=0.1,
)
_add(
    "cross_entropy",
    "batch_counts_ignored",
    "divided by all, the ignored too",
    lambda g, input, target, **p: (
        _right("cross_entropy")(g, input, target, **p)[0] * (np.sum(target != p["ignore_index"]) / target.size)
    ),
    make=lambda s: Case(
        (s.array((4, 3)), np.array([0, 1, 2, 0])), {"reduction": "mean", "label_smoothing": 0.0, "ignore_index": 0}
    ),
)
