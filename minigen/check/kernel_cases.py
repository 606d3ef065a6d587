"""What every kernel is called with to be judged, and what its results may be off by.

The bounds are derived from the number of roundings: each operation errs by a factor of at most 1 + u, so k of them in a
row by gamma_k, and a sum of n terms by gamma_n times the sum of their sizes (Higham 2002, *Accuracy and Stability of
Numerical Algorithms*, section 3.1).  And where a kernel only adds and multiplies, small integers go in: nothing is
rounded then, and every correct kernel gives the same.

>>> call = draw_call("conv2d", Convolution(2, 3, 4, size=(5, 6), kernel=(3, 3)), seed=0)
>>> [np.shape(a) for a in call.args[:2]]
[(2, 3, 5, 6), (4, 3, 3, 3)]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..kernels import reference
from ..kernels.shapes import CONVOLUTIONS, Convolution
from .error_bounds import gamma, terms
from .op_registry import Source
from .running_error import Rounded

__all__ = ["CALLS", "ROUNDS", "Call", "Convolution", "convolution", "draw_call", "window"]

Array = np.ndarray

ROUNDS = {
    "adam_step": "a square root and a quotient",
    "adam_steps": "a square root and a quotient",
    "batch_norm_train": "a square root and a quotient",
    "dropout": "1 / (1 - p)",
    "gru": "sigmoid and tanh",
    "gru_grad": "sigmoid and tanh",
    "lstm": "sigmoid and tanh",
    "lstm_grad": "sigmoid and tanh",
    "mean": "a quotient",
    "rmsprop_step": "a square root and a quotient",
    "rmsprop_steps": "a square root and a quotient",
    "sigmoid": "an exponential",
    "sigmoid_grad": "an exponential",
    "softplus": "an exponential and a logarithm",
    "softplus_grad": "an exponential",
}
"""Kernels that round whatever they are given, and why."""


@dataclass
class Call:
    """What a kernel is called with.

    Attributes
    ----------
    args : tuple
        Arrays, lists of arrays or None, and numbers.
    bound : callable
        ``bound(u, *args)`` gives, for arguments in float64, what each result may be off by in a dtype of unit roundoff
        u.
    writes : tuple of int
        The arguments that the kernel updates in place; of a list all arrays.
    exact : bool
        The inputs are such that no correct kernel rounds.
    """

    args: tuple[Any, ...]
    bound: Callable[..., Any]
    writes: tuple[int, ...] = ()
    exact: bool = False


# ---- shapes


def window(
    source: Source, max_size: int = 7, max_kernel: int = 3, max_stride: int = 4, max_pad: int = 2
) -> dict[str, Any]:
    """The geometry of a sliding window that fits: size, kernel, stride, four-sided padding and dilation.

    Strides beyond the kernel, 1x1 kernels, and inputs whose last rows no window reaches are all drawn.
    """
    kernels, strides = ((source.integer(1, most), source.integer(1, most)) for most in (max_kernel, max_stride))
    dilation = source.integer(1, 2), source.integer(1, 2)
    padding = tuple((source.integer(0, max_pad), source.integer(0, max_pad)) for _ in range(2))
    least = [max(1, d * (k - 1) + 1 - sum(p)) for d, k, p in zip(dilation, kernels, padding)]
    sizes = tuple(source.integer(n, max(n, max_size)) for n in least)
    return {"size": sizes, "kernel": kernels, "stride": strides, "padding": padding, "dilation": dilation}


def convolution(source: Source, channels: int = 3) -> Convolution:
    """The shapes of a convolution of a few images, in one or two groups of up to `channels` channels."""
    groups = source.choose([1, 2])
    counts = source.integer(1, 3), source.integer(1, channels), source.integer(1, channels)
    return Convolution(*counts, **window(source), groups=groups)


# ---- each kernel's arguments and bound; `fill(shape)` draws an array

Fill = Callable[..., Array]
Generator = np.random.Generator


def _absolute(*arrays: Array) -> list[Array]:
    return [np.abs(a) for a in arrays]


def _convolution(name: str) -> Callable[[Fill, Convolution, Generator], Call]:
    def make(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
        args = shapes.arguments(name, fill(shapes.x), fill(shapes.w), fill(shapes.y))
        n = terms(name, shapes.x, shapes.w, shapes.y, shapes.groups)
        return Call(
            tuple(args), lambda u, a, b, *how: gamma(n + 1, u) * getattr(reference, name)(*_absolute(a, b), *how)
        )

    return make


def _with_bias(layer: str) -> Callable[[Fill, Convolution, Generator], Call]:
    """Calls of a convolution with a bias, from those of the one without; its slope is a power of 2."""
    make_layer = _convolution(layer)

    def make(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
        call = make_layer(fill, shapes, rng)
        (first, second, *how), channels = call.args, (shapes.y if layer == "conv2d" else shapes.x)[1]

        def bound(u: float, a: Array, b: Array, bias: Array, *how: Any) -> Array:
            of_layer = call.bound(u, a, b, *how[:-1])
            size = getattr(reference, layer)(*_absolute(a, b), *how[:-1])
            return of_layer + gamma(3, u) * (size + np.abs(bias).reshape(1, -1, 1, 1) + of_layer)

        slope = (None, 0.0, 0.25)[rng.integers(3)]
        return Call((first, second, fill((channels,)), *how, slope), bound)

    return make


def _matmul(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    _, n, k, m = shapes.x
    args = fill((shapes.images, 1, n, k)), fill((2, k, m))
    return Call(args, lambda u, a, b: gamma(k, u) * (np.abs(a) @ np.abs(b)))


def _matmul_bias(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    _, n, k, m = shapes.x

    def bound(u: float, a: Array, b: Array, bias: Array, slope: float | None) -> Array:
        of_product = gamma(k, u) * (np.abs(a) @ np.abs(b))
        return of_product + gamma(3, u) * (np.abs(a) @ np.abs(b) + np.abs(bias) + of_product)

    return Call((fill((n, k)), fill((k, m)), fill((m,)), (None, 0.0, 0.25)[rng.integers(3)]), bound)


def _add(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    return Call((fill(shapes.x), fill(shapes.x)), lambda u, x, y: gamma(1, u) * (np.abs(x) + np.abs(y)))


def _add_pairs(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, xs: list[Array], ys: list[Array]) -> tuple[Array, ...]:
        return tuple(gamma(1, u) * (np.abs(x) + np.abs(y)) for x, y in zip(xs, ys))

    return Call((_shared_out(fill(shapes.x)), _shared_out(fill(shapes.x))), bound)


def _leaky_relu(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    return Call((fill(shapes.x), 0.25), lambda u, x, slope: gamma(2, u) * np.abs(x))


def _leaky_relu_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    return Call((fill(shapes.x), fill(shapes.x), 0.25), lambda u, g, x, slope: gamma(2, u) * np.abs(g))


def _sigmoid(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    """On a GPU an exponential may be off by two units in the last place, which is four roundings (CUDA C++ Programming
    Guide, "Mathematical Functions").
    """
    return Call((fill(shapes.x),), lambda u, x: gamma(10, u) * reference.sigmoid(x))


def _sigmoid_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    """As for `_sigmoid`; the exponential is used three times."""

    def bound(u: float, g: Array, x: Array) -> Array:
        return gamma(20, u) * reference.sigmoid_grad(np.abs(g), x)

    return Call((fill(shapes.x), fill(shapes.x)), bound)


def _softplus(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    """As for `_sigmoid`; a logarithm may be off by one unit."""
    return Call((fill(shapes.x),), lambda u, x: gamma(10, u) * reference.softplus(x))


def _softplus_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    """As for `_sigmoid`, and one product."""

    def bound(u: float, g: Array, x: Array) -> Array:
        return gamma(11, u) * reference.softplus_grad(np.abs(g), x)

    return Call((fill(shapes.x), fill(shapes.x)), bound)


def _tanh_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    return Call((fill(shapes.x), fill(shapes.x)), lambda u, g, y: gamma(3, u) * np.abs(g) * (1 + y * y))


def _mean(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    return Call((fill(shapes.x),), lambda u, x: gamma(x.size + 1, u) * np.abs(x).mean())


def _dropout(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    p, seed = rng.choice([0.0, 0.25, 0.9, 1.0]), int(rng.integers(2**63))
    return Call((fill(shapes.x), p, seed), lambda u, x, p, seed: gamma(3, u) * np.abs(x) / (1 - p if p < 1 else 1))


def _add_bias(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, x: Array, bias: Array) -> Array:
        return gamma(1, u) * (np.abs(x) + np.abs(bias).reshape(1, -1, 1, 1))

    return Call((fill(shapes.x), fill(shapes.x[1:2])), bound)


def _add_bias_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, g: Array, y: Array, slope: float) -> tuple[Array, Array]:
        axes, n = _over(y)
        return gamma(2, u) * np.abs(g), gamma(n + 2, u) * np.abs(g).sum(axes)

    return Call((fill(shapes.x), fill(shapes.x), (0.0, 0.25)[rng.integers(2)]), bound)


def _pooling(shapes: Convolution) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """The window without more padding than half the kernel, on images that it fits."""
    padding = tuple((min(a, k // 2), min(b, k // 2)) for (a, b), k in zip(shapes.padding, shapes.kernel))
    size = tuple(max(n, d * (k - 1) + 1) for n, k, d in zip(shapes.size, shapes.kernel, shapes.dilation))
    return (*shapes.x[:2], *size), (shapes.kernel, shapes.stride, padding, shapes.dilation)


def _max_pool2d(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    shape, how = _pooling(shapes)
    return Call((fill(shape), *how), lambda u, x, *how: (0.0, 0))


def _max_pool2d_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    shape, how = _pooling(shapes)
    index = reference.max_pool2d(rng.standard_normal(shape), *how)[1]

    def bound(u: float, g: Array, index: Array, *where: Any) -> Array:
        return gamma(how[0][0] * how[0][1], u) * reference.max_pool2d_grad(np.abs(g), index, *where)

    return Call((fill(index.shape), index, shape[2:], how), bound)


def _places(fill: Fill, shapes: Convolution, rng: Generator) -> tuple[Array, Array]:
    """Random places of each image, with repetitions and some outside, and their weights."""
    outputs = (shapes.images, int(rng.integers(1, 5)), *rng.integers(1, 6, 2))
    return rng.integers(-1, shapes.size[0] * shapes.size[1], outputs), fill(outputs)


def _warp(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    index, weight = _places(fill, shapes, rng)

    def bound(u: float, x: Array, index: Array, weight: Array) -> Array:
        return gamma(index.shape[1] + 1, u) * reference.warp(np.abs(x), index, np.abs(weight))

    return Call((fill(shapes.x), index, weight), bound)


def _warp_adjoint(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    index, weight = _places(fill, shapes, rng)

    def bound(u: float, g: Array, index: Array, weight: Array, size: Any) -> Array:
        terms = index.shape[1] * g.shape[2] * g.shape[3] + 1
        return gamma(terms, u) * reference.warp_adjoint(np.abs(g), index, np.abs(weight), size)

    return Call((fill((*shapes.x[:2], *index.shape[2:])), index, weight, shapes.size), bound)


def _resample(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    x = fill((shapes.images, shapes.size[0], shapes.size[1] if rng.random() < 0.5 else 1))
    counts = rng.integers(0, 4, int(rng.integers(1, 9)))
    first = np.concatenate([[0], np.cumsum(counts)])
    source = rng.integers(0, x.shape[1], first[-1])

    def bound(u: float, x: Array, first: Array, source: Array, weight: Array) -> Array:
        return gamma(4, u) * reference.resample(np.abs(x), first, source, np.abs(weight))

    return Call((x, first, source, fill(source.shape)), bound)


def _channels(vector: Array, x: Array) -> Array:
    return vector.reshape(1, -1, *[1] * (x.ndim - 2))


def _over(x: Array) -> tuple[tuple[int, ...], int]:
    """The axes of a channel, and how many elements it has."""
    return (0, *range(2, x.ndim)), x.size // x.shape[1]


def _stats_bound(u: float, x: Array) -> tuple[Array, Array]:
    """(x - m)^2 sums to n times the variance plus the square of m's error."""
    axes, n = _over(x)
    mean = gamma(n + 1, u) * np.abs(x).mean(axes)
    return mean, gamma(n + 5, u) * (x.var(axes) + mean**2) + mean**2


def _batch_norm_stats(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    return Call((fill(shapes.x),), _stats_bound)


def _batch_norm_train(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, x: Array, weight: Array, bias: Array, eps: float, slope: Any, *running: Any) -> Any:
        """What mean and variance are off by, times what y changes by; and as `_batch_norm`."""
        (axes, _), (off_mean, off_var) = _over(x), _stats_bound(u, x)
        mean, var = reference.batch_norm_stats(x)
        scale, spread = np.abs(weight) / np.sqrt(var + eps), np.abs(x - _channels(mean, x))
        moved = _channels(scale * off_mean, x) + spread * _channels(scale * off_var / (var + eps), x)
        y = 2 * moved + gamma(8, u) * (spread * _channels(scale, x) + _channels(np.abs(bias), x))
        if not running:
            return y, off_mean, off_var
        old_mean, old_var, momentum = running
        _, _, of_var = reference.norm.average_rates(x, momentum)
        new_mean = gamma(4, u) * (np.abs(old_mean) + np.abs(x).mean(axes)) + momentum * off_mean
        return y, off_mean, off_var, new_mean, gamma(6, u) * (old_var + of_var * var) + of_var * off_var

    c = shapes.x[1:2]
    running = (fill(c), fill(c, "variance"), 0.1)
    args = fill(shapes.x), fill(c), fill(c), 0.25, (None, 0.0, 0.25)[rng.integers(3)]
    return Call((*args, *(running if rng.random() < 0.5 else ())), bound)


def _channel_sums(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    return Call((fill(shapes.x),), lambda u, x: gamma(_over(x)[1], u) * np.abs(x).sum(_over(x)[0]))


def _batch_norm(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float) -> Array:
        scale = np.abs(weight) / np.sqrt(var + eps)
        spread = np.abs(x - _channels(mean, x)) * _channels(scale, x)
        return gamma(8, u) * (spread + _channels(np.abs(bias), x))

    c = shapes.x[1:2]
    return Call((fill(shapes.x), fill(c), fill(c, "variance"), fill(c), fill(c), 0.25), bound)


def _batch_norm_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, g: Array, x: Array, mean: Array, var: Array, weight: Array, eps: float) -> tuple[Array, ...]:
        axes, n = _over(x)
        rstd = 1 / np.sqrt(var + eps)
        xhat, g = np.abs(x - _channels(mean, x)) * _channels(rstd, x), np.abs(g)
        bias, weighted = g.sum(axes), (g * xhat).sum(axes)
        sizes = g + _channels(bias / n, x) + xhat * _channels(weighted / n, x)
        dx = gamma(n + 24, u) * sizes * _channels(np.abs(weight) * rstd, x)
        return dx, gamma(n + 8, u) * weighted, gamma(n, u) * bias

    c = shapes.x[1:2]
    return Call((fill(shapes.x), fill(shapes.x), fill(c), fill(c, "variance"), fill(c), 0.25), bound)


def _sequence(shapes: Convolution, gates: int) -> tuple[tuple[int, ...], tuple[int, int], tuple[int, int]]:
    """The shapes of the input's product, of the weights, and of a state: as many sequences as an image has pixels."""
    n, size = shapes.size[0] * shapes.size[1], shapes.x[1] * shapes.images
    return (shapes.images, n, gates * size), (gates * size, size), (n, size)


def _cut(x: Any, count: int) -> list[Any]:
    size = (x.value if isinstance(x, Rounded) else x).shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]


def _errors(*steps: list[Rounded]) -> Array:
    """Bounds of one result: for each time step those of its parts, side by side."""
    return np.stack([np.concatenate([part.error for part in parts], axis=-1) for parts in steps])


def _gru(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, a: Array, weight: Array, bias: Array, h: Array) -> tuple[Array, Array]:
        state, states, gates = Rounded(h, u), [], []
        for step in a:
            (a_r, a_z, a_n), (b_r, b_z, b_n) = _cut(Rounded(step, u), 3), _cut(state @ weight.T + bias, 3)
            r, z = (a_r + b_r).sigmoid(), (a_z + b_z).sigmoid()
            m = (a_n + r * b_n).tanh()
            state = m + z * (state - m)
            states.append([state])
            gates.append([r, z, b_n, m])
        return _errors(*states), _errors(*gates)

    product, weights, state = _sequence(shapes, 3)
    return Call((fill(product), fill(weights), fill(weights[:1]), fill(state)), bound)


def _lstm(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, a: Array, weight: Array, bias: Array, h: Array, c: Array) -> tuple[Array, Array]:
        state, cell, states, cells, gates = Rounded(h, u), Rounded(c, u), [], [], []
        for step in a:
            i, f, g, o = _cut(state @ weight.T + bias + step, 4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            cell = f * cell + i * g
            state = o * cell.tanh()
            states.append([state])
            cells.append([cell])
            gates.append([i, f, g, o])
        return np.stack([_errors(*states), _errors(*cells)]), _errors(*gates)

    product, weights, state = _sequence(shapes, 4)
    return Call((fill(product), fill(weights), fill(weights[:1]), fill(state), fill(state)), bound)


def _gru_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, g: Array, states: Array, gates: Array, weight: Array, h: Array) -> tuple[Array, ...]:
        of_a, of_b, dh = [], [], Rounded(0 * h, u)
        for t in reversed(range(len(g))):
            r, z, b_n, m = (Rounded(part, u) for part in _cut(gates[t], 4))
            of_h = dh + g[t]
            d_n = of_h * (1 - z) * (1 - m * m)
            d_z = of_h * (Rounded(states[t - 1] if t else h, u) - m) * z * (1 - z)
            d_r = d_n * b_n * r * (1 - r)
            of_a.append([d_r, d_z, d_n])
            of_b.append([d_r, d_z, d_n * r])
            dh = of_h * z
            for part, rows in zip(of_b[-1], np.split(weight, 3)):
                dh = dh + part @ rows
        return _errors(*of_a[::-1]), _errors(*of_b[::-1]), dh.error

    (steps, n, _), weights, state = _sequence(shapes, 3)
    states = (steps, *state)
    gates = np.tanh(fill((steps, n, 4 * state[1])))
    return Call((fill(states), fill(states), gates, fill(weights), fill(state)), bound)


def _lstm_grad(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, g: Array, states: Array, gates: Array, weight: Array, c: Array) -> tuple[Array, ...]:
        of_a, dh, dc = [], Rounded(0 * c, u), Rounded(0 * c, u)
        for t in reversed(range(len(gates))):
            i, f, new, o = (Rounded(part, u) for part in _cut(gates[t], 4))
            tanh = Rounded(states[1, t], u).tanh()
            of_h = dh + g[0, t]
            of_c = dc + g[1, t] + of_h * o * (1 - tanh * tanh)
            before = states[1, t - 1] if t else c
            parts = [of_c * new * i * (1 - i), of_c * before * f * (1 - f)]
            parts += [of_c * i * (1 - new * new), of_h * tanh * o * (1 - o)]
            of_a.append(parts)
            dh, dc = Rounded(0 * c, u), of_c * f
            for part, rows in zip(parts, np.split(weight, 4)):
                dh = dh + part @ rows
        return _errors(*of_a[::-1]), dh.error, dc.error

    (steps, n, _), weights, state = _sequence(shapes, 4)
    states = (2, steps, *state)
    gates = np.tanh(fill((steps, n, 4 * state[1])))
    return Call((fill(states), fill(states), gates, fill(weights), fill(state)), bound)


def _sgd_step(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(
        u: float, p: Any, g: Any, v: Any, lr: Any, momentum: Any, dampening: Any, decay: Any, nesterov: Any, first: Any
    ) -> Any:
        size = np.abs(g) + decay * np.abs(p)
        if v is None:
            return gamma(6, u) * (np.abs(p) + lr * size)
        speed = size if first else momentum * np.abs(v) + (1 - dampening) * size
        step = size + momentum * speed if nesterov else speed
        return gamma(12, u) * (np.abs(p) + lr * step), gamma(6, u) * speed

    still = rng.random() < 0.25
    momentum, nesterov = (0.0, False) if still else (0.5, rng.random() < 0.5)
    args = (fill(shapes.x), fill(shapes.x), None if still else fill(shapes.x))
    rest = (0.25, momentum, 0.0 if nesterov else 0.5, rng.choice([0.0, 0.5]), nesterov, rng.random() < 0.5)
    return Call((*args, *rest), bound, (0,) if still else (0, 2))


def _adam_step(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(
        u: float,
        p: Any,
        g: Any,
        m: Any,
        v: Any,
        top: Any,
        step: Any,
        lr: Any,
        beta1: Any,
        beta2: Any,
        eps: Any,
        decay: Any,
        decoupled: Any,
    ) -> Any:
        size = np.abs(g) + (0 if decoupled else decay * np.abs(p))
        value_m = beta1 * m + (1 - beta1) * (g + (0 if decoupled else decay * p))
        value_v = beta2 * v + (1 - beta2) * (g + (0 if decoupled else decay * p)) ** 2
        off_m = gamma(6, u) * (beta1 * np.abs(m) + (1 - beta1) * size)
        off_v = gamma(8, u) * (beta2 * v + (1 - beta2) * size**2)
        second = value_v if top is None else np.maximum(top, value_v)
        root = np.sqrt(second)
        below = root / np.sqrt(1 - beta2**step) + eps
        off_below = off_v / root / np.sqrt(1 - beta2**step) / below + gamma(4, u)
        update = lr / (1 - beta1**step) / below * (off_m + 2 * np.abs(value_m) * (off_below + gamma(6, u)))
        off = (gamma(4, u) * np.abs(p) + gamma(2, u) * lr * np.abs(value_m) / below + update, off_m, off_v)
        return off if top is None else (*off, off_v)

    top = fill(shapes.x, "variance") if rng.random() < 0.5 else None
    rest = (int(rng.integers(1, 50)), 0.25, 0.9, 0.99, 1e-8, rng.choice([0.0, 0.25]), rng.random() < 0.5)
    args = (fill(shapes.x), fill(shapes.x), fill(shapes.x), fill(shapes.x, "variance"), top)
    return Call((*args, *rest), bound, (0, 2, 3) if top is None else (0, 2, 3, 4))


def _rmsprop_step(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(
        u: float,
        p: Any,
        g: Any,
        v: Any,
        mean: Any,
        speed: Any,
        lr: Any,
        alpha: Any,
        eps: Any,
        decay: Any,
        momentum: Any,
    ) -> Any:
        grad, size = g + decay * p, np.abs(g) + decay * np.abs(p)
        second, off = alpha * v + (1 - alpha) * grad**2, gamma(8, u) * (alpha * v + (1 - alpha) * size**2)
        offs = [off]
        if mean is not None:
            centre, off_mean = mean + (1 - alpha) * (grad - mean), gamma(6, u) * (2 * np.abs(mean) + size)
            off = off + 2 * np.abs(centre) * off_mean + off_mean**2 + gamma(2, u) * (second + centre**2)
            second = second - centre**2
            offs.append(off_mean)
        below = np.sqrt(second) + eps
        step = gamma(8, u) * size / below + 2 * size / below * (off / np.sqrt(second) / below)
        if speed is not None:
            step = step + gamma(4, u) * (momentum * np.abs(speed) + size / below)
            offs.append(step)
            size = momentum * np.abs(speed) * below + size
        return gamma(4, u) * (np.abs(p) + lr * size / below) + lr * step, *offs

    centered, moving = rng.random(2) < 0.5
    mean, speed = (fill(shapes.x) if there else None for there in (centered, moving))
    v = fill(shapes.x, "variance") + (0 if mean is None else mean**2)
    args = (fill(shapes.x), fill(shapes.x), v, mean, speed, 0.25, 0.9, 1e-8, rng.choice([0.0, 0.25]), 0.5)
    return Call(args, bound, tuple(i for i, there in ((0, True), (2, True), (3, centered), (4, moving)) if there))


def _ema_step(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
    def bound(u: float, average: Array, value: Array, share: float) -> Array:
        return gamma(4, u) * (np.abs(average) + share * (np.abs(value) + np.abs(average)))

    return Call((fill(shapes.x), fill(shapes.x), 0.25), bound, (0,))


def _shared_out(a: Array) -> list[Array]:
    """An array of that shape, one with half of its numbers, and an empty one."""
    return [a, a.reshape(-1)[::-1][: a.size // 2 + 1].copy(), a[:0].copy()]


def _many(one: Callable[[Fill, Convolution, Generator], Call], lists: int) -> Callable[..., Call]:
    """Calls of an optimizer's kernel for three parameters, from those of the one for a single parameter."""

    def make(fill: Fill, shapes: Convolution, rng: Generator) -> Call:
        call = one(fill, shapes, rng)
        arrays, rates = call.args[:lists], call.args[lists:]

        def bound(u: float, *args: Any) -> tuple[Any, ...]:
            found = []
            for parameter in zip(*(column or [None] * 3 for column in args[:lists])):
                off = call.bound(u, *parameter, *args[lists:])
                found.append(off if isinstance(off, tuple) else (off,))
            return tuple(off for column in zip(*found) for off in column)

        columns = (None if a is None else _shared_out(a) for a in arrays)
        return Call((*columns, *rates), bound, call.writes)

    return make


CALLS: dict[str, Callable[[Fill, Convolution, Generator], Call]] = {name: _convolution(name) for name in CONVOLUTIONS}
"""For each kernel of the reference: how its arguments are drawn."""
CALLS |= {
    make.__name__[1:]: make
    for make in (_matmul, _matmul_bias, _add, _add_pairs, _leaky_relu, _leaky_relu_grad, _sigmoid, _sigmoid_grad,
                 _softplus, _softplus_grad, _tanh_grad, _mean, _add_bias, _add_bias_grad, _dropout, _max_pool2d,
                 _max_pool2d_grad, _batch_norm_stats, _batch_norm_train, _channel_sums, _batch_norm, _batch_norm_grad,
                 _sgd_step, _adam_step, _rmsprop_step, _warp, _warp_adjoint, _resample, _gru, _gru_grad, _lstm,
                 _lstm_grad)
}  # fmt: skip

CALLS |= {
    "conv2d_bias": _with_bias("conv2d"),
    "conv2d_input_grad_bias": _with_bias("conv2d_input_grad"),
    "adam_steps": _many(_adam_step, 5),
    "ema_steps": _many(_ema_step, 2),
    "rmsprop_steps": _many(_rmsprop_step, 5),
    "sgd_steps": _many(_sgd_step, 3),
}


def draw_call(name: str, shapes: Convolution, seed: int, integers: bool = False, dtype: Any = np.float32) -> Call:
    """A call of the kernel `name`.

    Parameters
    ----------
    name : str
        A key of `CALLS`.
    shapes : Convolution
        Kernels that do not convolve take what they need of it: images of that shape, say.
    seed : int
    integers : bool
        Small integers in place of normal numbers; kernels that divide by the number of elements get a power of two of
        them.
    dtype : dtype
    """
    rng = np.random.default_rng(seed)
    if integers and name.startswith("batch_norm"):
        shapes = replace(shapes, images=4, size=(2, 4), groups=1)

    def fill(shape: Sequence[int], what: str = "") -> Array:
        if what == "variance":  # with epsilon 1/4 its root is 1 or 2
            drawn = rng.choice([0.75, 3.75], shape) if integers else 0.1 + rng.exponential(size=shape)
        else:
            drawn = rng.integers(-3, 4, shape) if integers else rng.standard_normal(shape)
        return drawn.astype(dtype)

    call = CALLS[name](fill, shapes, rng)
    call.exact = integers and name not in ROUNDS
    return call
