"""What the functions are: their definitions, a few lines each, over any numbers.

A specification is the textbook formula in plain loops and sums, with PyTorch's names and defaults, and without any
thought of speed, overflow or gradients.  It takes arrays of float64, complex128 or mpmath numbers (dtype object), so
that it can be evaluated in any precision; together with differences at 80 digits it yields golden values in which no
gradient rule has a part (`minigen.check.test_vectors`).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["REFERENCE_OPS"]

Array = np.ndarray

REFERENCE_OPS: dict[str, Callable[..., Array]] = {}
"""Specifications by name."""


def _spec(function: Callable[..., Array]) -> Callable[..., Array]:
    REFERENCE_OPS[function.__name__.rstrip("_")] = function
    return function


def _each(name: str) -> Callable[[Array], Array]:
    """NumPy's elementwise function, or mpmath's for arrays of mpmath numbers."""

    def apply(x: Array) -> Array:
        x = np.asarray(x)
        if x.dtype != object:
            return getattr(np, name)(x)
        import mpmath

        out = np.empty(x.shape, object)
        for place in np.ndindex(x.shape):
            out[place] = getattr(mpmath, name)(x[place])
        return out

    return apply


_exp, _log, _sqrt, _tanh, _sin, _cos = (_each(n) for n in ("exp", "log", "sqrt", "tanh", "sin", "cos"))


def _real(x: Array) -> Array:
    return x if x.dtype == object else np.real(x)


def _positive(x: Array) -> Array:
    """Where x > 0, by the real part: the branch of a complex step is that of the point."""
    return np.asarray(_real(x) > 0, bool)


def _sum(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(np.sum(x, axis=axis, keepdims=keepdims))


def _mean(x: Array, axis: Any, keepdims: bool = True) -> Array:
    axis = tuple(range(x.ndim)) if axis is None else axis
    count = int(np.prod([x.shape[a] for a in np.atleast_1d(axis)]))
    return _sum(x, tuple(np.atleast_1d(axis)), keepdims) / count


def _reduced(terms: Array, reduction: str) -> Array:
    if reduction == "none":
        return terms
    total = _sum(terms)
    return total if reduction == "sum" else total / terms.size


def _pair(value: Any) -> tuple[Any, Any]:
    return (value, value) if isinstance(value, int | np.integer) else tuple(value)


def _sides(padding: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """int, (vertical, horizontal) or four-sided padding as ((top, bottom), (left, right))."""
    v, h = _pair(padding)
    return _pair(v), _pair(h)


def _bordered(x: Array, padding: Any, value: Any = 0) -> Array:
    """The images (N, C, H, W) with a border."""
    (t, b), (left, right) = _sides(padding)
    n, c, h, w = x.shape
    out = np.full((n, c, h + t + b, w + left + right), value, x.dtype)
    out[:, :, t : t + h, left : left + w] = x
    return out


def _one_axis_out(size: int, kernel: int, stride: int, dilation: int) -> int:
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def _windows(x: Array, kernel: Any, stride: Any, dilation: Any) -> Array:
    """``[n, c, p, q, r, s]``: the pixel under kernel element (r, s) at output pixel (p, q)."""
    (kr, ks), (sv, sh), (dv, dh) = _pair(kernel), _pair(stride), _pair(dilation)
    p, q = _one_axis_out(x.shape[2], kr, sv, dv), _one_axis_out(x.shape[3], ks, sh, dh)
    rows = sv * np.arange(p)[:, None] + dv * np.arange(kr)[None, :]
    columns = sh * np.arange(q)[:, None] + dh * np.arange(ks)[None, :]
    return x[:, :, rows[:, None, :, None], columns[None, :, None, :]]


# ---- linear and convolutional


@_spec
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    out = _sum(input[..., None, :] * weight, -1)
    return out if bias is None else out + bias


@_spec
def matmul(input: Array, other: Array) -> Array:
    return _sum(input[..., :, :, None] * other[..., None, :, :], -2)


@_spec
def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    w = _windows(_bordered(input, padding), weight.shape[2:], stride, dilation)
    o, per_group = weight.shape[0], weight.shape[1]
    out = [
        _sum(w[:, first : first + per_group] * weight[f][None, :, None, None], (1, 4, 5))
        for f in range(o)
        for first in [f // (o // groups) * per_group]
    ]
    y = np.stack(out, 1)
    return y if bias is None else y + bias[:, None, None]


@_spec
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Array:
    (sv, sh), (dv, dh), (ov, oh) = _pair(stride), _pair(dilation), _pair(output_padding)
    (t, b), (left, right) = _sides(padding)
    n, c, p, q = input.shape
    _, per_group, r, s = weight.shape
    high, wide = (p - 1) * sv + dv * (r - 1) + 1 + ov, (q - 1) * sh + dh * (s - 1) + 1 + oh
    y = np.zeros((n, per_group * groups, high, wide), np.result_type(input, weight))
    for ch, i, j in itertools.product(range(c), range(r), range(s)):
        group = ch // (c // groups)
        for f in range(per_group):
            y[
                :,
                group * per_group + f,
                i * dv : i * dv + sv * (p - 1) + 1 : sv,
                j * dh : j * dh + sh * (q - 1) + 1 : sh,
            ] += input[:, ch] * weight[ch, f, i, j]
    y = y[:, :, t : high - b, left : wide - right]
    return y if bias is None else y + bias[:, None, None]


def _row(x: Array) -> Array:
    return x[..., None, :]


@_spec
def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    return conv2d(_row(input), _row(weight), bias, (1, stride), (0, padding), (1, dilation), groups)[:, :, 0]


@_spec
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Array:
    step, sides, extra = (1, stride), (0, padding), (0, output_padding)
    return conv_transpose2d(_row(input), _row(weight), bias, step, sides, extra, groups, (1, dilation))[:, :, 0]


@_spec
def embedding(input: Array, weight: Array) -> Array:
    return weight[np.asarray(np.real(input), int)]


@_spec
def einsum(input: Array, other: Array, equation: str) -> Array:
    return np.asarray(np.einsum(equation, input, other))


@_spec
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Array:
    logits = _sum(query[..., :, None, :] * key[..., None, :, :], -1)
    logits = logits / _sqrt(np.asarray(_one(query) * query.shape[-1])) if scale is None else logits * scale
    if attn_mask is not None:
        logits = logits + attn_mask
    seen = np.tri(*logits.shape[-2:], dtype=np.bool_) if is_causal else np.ones(logits.shape[-2:], bool)
    highest = np.where(seen, _real(logits), -np.inf).max(axis=-1, keepdims=True)
    weights = np.where(seen, _exp(np.where(seen, logits - highest, 0 * logits)), 0 * logits)
    return _sum((weights / _sum(weights, -1, True))[..., :, :, None] * value[..., None, :, :], -2)


def _one(x: Array) -> Any:
    """The number 1, in the arithmetic of `x`."""
    if x.dtype != object:
        return 1.0
    import mpmath

    return mpmath.mpf(1)


# ---- pooling, resizing, padding


@_spec
def max_pool2d(input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Array:
    stride = kernel_size if stride is None else stride
    low = -np.inf if input.dtype == object else np.array(-np.inf).astype(input.dtype)
    w = _windows(_bordered(input, padding, low), kernel_size, stride, dilation)
    flat = w.reshape(*w.shape[:4], w.shape[4] * w.shape[5])
    best = flat[..., 0]
    for k in range(1, flat.shape[-1]):
        best = np.where(_real(flat[..., k]) > _real(best), flat[..., k], best)
    return best


@_spec
def avg_pool2d(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    stride = kernel_size if stride is None else stride
    w = _windows(_bordered(input, padding), kernel_size, stride, 1)
    total = _sum(w, (4, 5))
    if divisor_override:
        return total / divisor_override
    if count_include_pad:
        return total / (w.shape[4] * w.shape[5])
    real = np.ones((1, 1, *input.shape[2:]), int)
    return total / _sum(_windows(_bordered(real, padding), kernel_size, stride, 1), (4, 5))


@_spec
def adaptive_avg_pool2d(input: Array, output_size: Any) -> Array:
    (n, c, h, w), (p, q) = input.shape, _pair(output_size)
    out = np.zeros((n, c, p, q), input.dtype)
    for i, j in np.ndindex(p, q):
        window = input[:, :, i * h // p : -(-(i + 1) * h // p), j * w // q : -(-(j + 1) * w // q)]
        out[:, :, i, j] = _mean(window, (2, 3), False)
    return out


@_spec
def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    (n, c, h, w), r = input.shape, upscale_factor
    out = np.zeros((n, c // (r * r), h * r, w * r), input.dtype)
    for channel in range(c):
        row, column = divmod(channel % (r * r), r)
        out[:, channel // (r * r), row::r, column::r] = input[:, channel]
    return out


@_spec
def pixel_unshuffle(input: Array, downscale_factor: int) -> Array:
    (n, c, h, w), r = input.shape, downscale_factor
    out = np.zeros((n, c * r * r, h // r, w // r), input.dtype)
    for channel in range(c * r * r):
        row, column = divmod(channel % (r * r), r)
        out[:, channel] = input[:, channel // (r * r), row::r, column::r]
    return out


@_spec
def interpolate(
    input: Array,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool = False,
    antialias: bool = False,
) -> Array:
    given = input.shape[2:]
    target = _pair(size) if size is not None else tuple(int(n * f) for n, f in zip(given, _pair(scale_factor)))
    out = input
    for axis, (n, m) in enumerate(zip(given, target), start=2):
        scale = n / m
        if mode == "nearest":
            out = np.take(out, [min(int(i * scale), n - 1) for i in range(m)], axis)
            continue
        if mode == "bicubic" or antialias:
            rows = [_resizing_weights(n, i, m, mode, align_corners, antialias) for i in range(m)]
            out = np.moveaxis(np.moveaxis(out, axis, -1) @ np.array(rows).T, -1, axis)
            continue
        places = [i * (n - 1) / max(m - 1, 1) if align_corners else max((i + 0.5) * scale - 0.5, 0) for i in range(m)]
        low = [int(p) for p in places]
        high = [min(i + 1, n - 1) for i in low]
        part = np.array([p - i for p, i in zip(places, low)]).reshape([-1 if a == axis else 1 for a in range(out.ndim)])
        out = np.take(out, low, axis) * (1 - part) + np.take(out, high, axis) * part
    return out


def _resizing_weights(n: int, i: int, m: int, mode: str, align_corners: bool, antialias: bool) -> list[float]:
    """The weights of n pixels in pixel i of m."""
    center = i * (n - 1) / max(m - 1, 1) if align_corners else (i + 0.5) * n / m - 0.5
    a, wider = (-0.5, max(n / m, 1)) if antialias else (-0.75, 1)

    def kernel(t: float) -> float:
        t = abs(t)
        if mode == "bilinear":
            return max(1 - t, 0)
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0

    weights = [0.0] * n
    for j in range(n) if antialias else range(-3, n + 3):
        weights[min(max(j, 0), n - 1)] += kernel((j - center) / wider)
    return [weight / sum(weights) for weight in weights]


@_spec
def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Array:
    out = input
    for k in range(0, len(pad), 2):
        axis, n = input.ndim - 1 - k // 2, input.shape[input.ndim - 1 - k // 2]
        places = np.arange(-pad[k], n + pad[k + 1])
        inside = (places >= 0) & (places < n)
        if mode == "reflect":
            places = np.abs(places)
            places = np.where(places >= n, 2 * (n - 1) - places, places)
        elif mode == "circular":
            places = places % n
        else:
            places = np.clip(places, 0, max(n - 1, 0))
        out = np.take(out, places, axis)
        if mode == "constant":
            keep = inside.reshape([-1 if a == axis else 1 for a in range(out.ndim)])
            out = np.where(keep, out, np.asarray(value).astype(out.dtype))
    return out


# ---- normalization


def _normalised(x: Array, axes: Any, eps: float) -> Array:
    mean = _mean(x, axes)
    var = _mean((x - mean) * (x - mean), axes)
    return (x - mean) / _sqrt(var + eps)


def _scaled(x: Array, weight: Array | None, bias: Array | None, shape: Any) -> Array:
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _channels(x: Array) -> tuple[int, ...]:
    return (1, -1, *[1] * (x.ndim - 2))


@_spec
def batch_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = True,
    eps: float = 1e-5,
) -> Array:
    if training:
        x = _normalised(input, (0, *range(2, input.ndim)), eps)
    elif running_mean is None or running_var is None:
        raise ValueError("batch_norm: running_mean and running_var are needed when training=False")
    else:
        x = (input - running_mean.reshape(_channels(input))) / _sqrt(running_var.reshape(_channels(input)) + eps)
    return _scaled(x, weight, bias, _channels(input))


@_spec
def instance_norm(input: Array, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5) -> Array:
    return _scaled(_normalised(input, tuple(range(2, input.ndim)), eps), weight, bias, _channels(input))


@_spec
def group_norm(
    input: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    grouped = input.reshape(input.shape[0], num_groups, -1)
    return _scaled(_normalised(grouped, (2,), eps).reshape(input.shape), weight, bias, _channels(input))


@_spec
def layer_norm(
    input: Array,
    normalized_shape: tuple[int, ...],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    return _scaled(_normalised(input, axes, eps), weight, bias, normalized_shape)


# ---- one element at a time


@_spec
def relu(input: Array) -> Array:
    return np.where(_positive(input), input, 0 * input)


@_spec
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    return np.where(_positive(input), input, negative_slope * input)


@_spec
def prelu(input: Array, weight: Array) -> Array:
    return np.where(_positive(input), input, input * weight.reshape(_channels(input)))


@_spec
def silu(input: Array) -> Array:
    return input * sigmoid(input)


@_spec
def gelu(input: Array, approximate: str = "none") -> Array:
    pi = _number("pi", input)
    if approximate == "tanh":
        cubic = input + 44715 * input * input * input / 10**6
        return input * (1 + _tanh(_sqrt(np.asarray(2 / pi)) * cubic)) / 2
    term = total = input / _sqrt(np.asarray(2 * pi))  # of a series for the normal distribution without any difference
    for n in range(1, 400):
        term = term * input * input / (2 * n + 1)
        total = total + term
    return input * (0.5 + _exp(-input * input / 2) * total)


def _number(name: str, x: Array) -> Any:
    """A constant of NumPy, or of mpmath for arrays of mpmath numbers."""
    if x.dtype != object:
        return getattr(np, name)
    import mpmath

    return +getattr(mpmath, name)


@_spec
def elu(input: Array, alpha: float = 1.0) -> Array:
    below = np.where(_positive(input), 0 * input, input)
    return np.where(_positive(input), input, alpha * (_exp(below) - 1))


@_spec
def tanh(input: Array) -> Array:
    return _tanh(input)


@_spec
def exp(input: Array) -> Array:
    return _exp(input)


@_spec
def log(input: Array) -> Array:
    return _log(input)


@_spec
def sqrt(input: Array) -> Array:
    return _sqrt(input)


def _lower(x: Array) -> Array:
    """-|x|, so that its exponential cannot overflow."""
    return np.where(_positive(x), -x, x)


@_spec
def sigmoid(input: Array) -> Array:
    e = _exp(_lower(input))
    return np.where(_positive(input), 1 / (1 + e), e / (1 + e))


@_spec
def softplus(input: Array) -> Array:
    return np.where(_positive(input), input, 0 * input) + _log1p(_exp(_lower(input)))


def _log1p(x: Array) -> Array:
    return _log(1 + x) if x.dtype == object else np.log1p(x)


@_spec
def abs_(input: Array) -> Array:
    return -_lower(input)


@_spec
def sin(input: Array) -> Array:
    return _sin(input)


@_spec
def cos(input: Array) -> Array:
    return _cos(input)


@_spec
def pow_(input: Array, exponent: float) -> Array:
    return input**exponent


# ---- two arrays that broadcast


@_spec
def add(input: Array, other: Array) -> Array:
    return input + other


@_spec
def sub(input: Array, other: Array) -> Array:
    return input - other


@_spec
def mul(input: Array, other: Array) -> Array:
    return input * other


@_spec
def div(input: Array, other: Array) -> Array:
    return input / other


@_spec
def maximum(input: Array, other: Array) -> Array:
    return np.where(_real(input) >= _real(other), input, other)


# ---- picking and joining


@_spec
def gather(input: Array, index: Array, dim: int) -> Array:
    index = np.asarray(index, int)
    out = np.zeros(index.shape, input.dtype)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[dim] = index[place]
        out[place] = input[tuple(source)]
    return out


@_spec
def cat(first: Array, second: Array, third: Array | None = None, dim: int = 0) -> Array:
    return np.concatenate([first, second] if third is None else [first, second, third], dim)


# ---- along a dimension


@_spec
def sum_(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return _sum(input, dim, keepdim)


@_spec
def amax(input: Array, dim: Any = (), keepdim: bool = False) -> Array:
    axes = tuple(range(input.ndim)) if dim in ((), None) else tuple(d % input.ndim for d in np.atleast_1d(dim))
    rest = [d for d in range(input.ndim) if d not in axes]
    flat = np.transpose(input, [*rest, *axes]).reshape(*[input.shape[d] for d in rest], -1)
    best = flat[..., 0]
    for k in range(1, flat.shape[-1]):
        best = np.where(_real(flat[..., k]) > _real(best), flat[..., k], best)
    return best.reshape([1 if d in axes else n for d, n in enumerate(input.shape)]) if keepdim else np.asarray(best)


def _largest(x: Array, dim: int) -> Array:
    return _real(x).max(axis=dim, keepdims=True)


@_spec
def softmax(input: Array, dim: int) -> Array:
    e = _exp(input - _largest(input, dim))
    return e / _sum(e, dim, True)


@_spec
def logsumexp(input: Array, dim: int, keepdim: bool = False) -> Array:
    m = _largest(input, dim)
    out = _log(_sum(_exp(input - m), dim, True)) + m
    return out if keepdim else out.squeeze(dim)


@_spec
def log_softmax(input: Array, dim: int) -> Array:
    shifted = input - _largest(input, dim)
    return shifted - _log(_sum(_exp(shifted), dim, True))


@_spec
def mean(input: Array, dim: int, keepdim: bool = False) -> Array:
    return _mean(input, dim, keepdim)


@_spec
def var(input: Array, dim: int, correction: int = 1, keepdim: bool = False) -> Array:
    away = input - _mean(input, dim)
    return _sum(away * away, dim, keepdim) / (input.shape[dim] - correction)


def _at_least(x: Array, least: float) -> Array:
    return np.where(_positive(x - least), x, 0 * x + least)


@_spec
def normalize(input: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    length = _sum(-_lower(input), dim, True) if p == 1 else _sqrt(_sum(input * input, dim, True))
    return input / _at_least(length, eps)


@_spec
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    lengths = [_at_least(_sqrt(_sum(x * x, dim)), eps) for x in (x1, x2)]
    return _sum(x1 * x2, dim) / (lengths[0] * lengths[1])


# ---- losses


@_spec
def mse_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    return _reduced((input - target) * (input - target), reduction)


@_spec
def l1_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    return _reduced(-_lower(input - target), reduction)


@_spec
def smooth_l1_loss(input: Array, target: Array, reduction: str = "mean", beta: float = 1.0) -> Array:
    return _reduced(_huber(input - target, beta) / beta, reduction)


@_spec
def huber_loss(input: Array, target: Array, reduction: str = "mean", delta: float = 1.0) -> Array:
    return _reduced(_huber(input - target, delta), reduction)


def _huber(difference: Array, width: float) -> Array:
    d = -_lower(difference)
    return np.where(_positive(width - d), d * d / 2, width * (d - width / 2))


@_spec
def binary_cross_entropy(input: Array, target: Array, weight: Array | None = None, reduction: str = "mean") -> Array:
    terms = -(target * _log(input) + (1 - target) * _log(1 - input))
    return _reduced(terms if weight is None else terms * weight, reduction)


@_spec
def binary_cross_entropy_with_logits(
    input: Array, target: Array, weight: Array | None = None, reduction: str = "mean", pos_weight: Array | None = None
) -> Array:
    """-log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x)."""
    terms = target * softplus(-input) * (1 if pos_weight is None else pos_weight) + (1 - target) * softplus(input)
    return _reduced(terms if weight is None else terms * weight, reduction)


@_spec
def nll_loss(
    input: Array, target: Array, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Array:
    return _label_loss(input, target, weight, ignore_index, reduction, 0.0)


@_spec
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    return _label_loss(log_softmax(input, 1), target, weight, ignore_index, reduction, label_smoothing)


def _label_loss(
    logp: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Array:
    k = logp.shape[1]
    weight = np.ones(k) if weight is None else weight
    terms, total = [], 0
    for i in np.ndindex(target.shape):
        t = int(target[i])
        if t == ignore_index:
            terms.append(0 * logp[(0, 0, *[0] * (logp.ndim - 2))])
            continue
        row = [logp[(i[0], c, *i[1:])] for c in range(k)]
        smooth = sum(weight[c] * row[c] for c in range(k)) * (label_smoothing / k)
        terms.append(-(1 - label_smoothing) * weight[t] * row[t] - smooth)
        total = total + weight[t]
    out = np.array(terms, dtype=logp.dtype).reshape(target.shape)
    if reduction == "mean":
        return _sum(out) / total
    return _reduced(out, reduction)
