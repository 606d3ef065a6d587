"""How arrays are filled and laid out in memory: the raw material of every case.

Subnormal numbers are left out: processors may flush them to zero.
"""

import math
from typing import Any

import numpy as np

__all__ = ["COTANGENT_LAYOUTS", "KINDS", "LAYOUTS", "lay_out"]

Array = np.ndarray

LAYOUTS = ("plain", "transposed", "reversed", "strided", "offset")
"""Arrangements of an input in memory."""

COTANGENT_LAYOUTS = (*LAYOUTS, "expanded")
"""Arrangements of a cotangent: the gradient of a sum is one number, expanded with strides of 0."""


def lay_out(x: Array, layout: str) -> Array:
    """The same values in another arrangement of memory; "expanded" repeats the first along the longest axis.

    >>> x = np.arange(6.0).reshape(2, 3)
    >>> [lay_out(x, layout).strides for layout in COTANGENT_LAYOUTS]
    [(24, 8), (8, 16), (24, -8), (48, 16), (24, 8), (8, 0)]
    """
    if layout == "transposed":
        return np.array(x, order="F")
    if layout == "reversed":
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1] if x.ndim else x
    if layout == "strided" and x.ndim:
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    if layout == "offset":
        wide = np.zeros(x.size + 3, x.dtype)
        wide[3:] = x.ravel()
        return wide[3:].reshape(x.shape)
    if layout == "expanded" and x.size > 1:  # one number in several places: other values than those of x
        axis = max(range(x.ndim), key=lambda a: x.shape[a])
        return np.broadcast_to(np.take(x, [0], axis), x.shape)
    return x


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.round(rng.standard_normal(shape), 3)


def _log_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.exp(rng.uniform(-12, 6, shape))


def _probabilities(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Log-uniform toward 0 and toward 1, where losses made of logarithms are steep."""
    p = np.exp(rng.uniform(math.log(1e-6), math.log(0.5), shape))
    return np.where(rng.random(shape) < 0.5, p, 1 - p)


def _logits(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Up to +-40, where sigmoids are flat, and about a third of ordinary size; the first is one of these."""
    ordinary = np.asarray(rng.random(shape) < 0.3)
    if ordinary.size:
        ordinary.flat[0] = True
    return np.where(ordinary, rng.standard_normal(shape), rng.uniform(-40, 40, shape))


def _ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(-1, 2, shape).astype(np.float64)


KINDS: dict[str, Any] = {
    "gaussian": _gaussian,
    "ties": _ties,  # zeros too: the kink of many functions
    "offset": lambda rng, shape: 1e4 + 1e-3 * rng.standard_normal(shape),
    "constant": lambda rng, shape: np.full(shape, np.round(rng.standard_normal(), 3)),  # a variance of zero
    "wide": lambda rng, shape: rng.standard_normal(shape) * np.exp(rng.uniform(-7, 7, shape)),
    "positive": lambda rng, shape: np.round(0.1 + rng.exponential(1.0, shape), 3),
    "away": lambda rng, shape: np.round(rng.standard_normal(shape) + np.copysign(0.5, rng.standard_normal(shape)), 3),
    "log_uniform": _log_uniform,
    "logits": _logits,
    "spread": lambda rng, shape: rng.uniform(-40, 40, shape),
    "probabilities": _probabilities,
    "unit": lambda rng, shape: np.round(rng.random(shape), 3),
    "labels": lambda rng, shape: rng.integers(0, 2, shape).astype(np.float64),
    "integers": lambda rng, shape: rng.integers(-4, 5, shape).astype(np.float64),
}
"""Ways to fill an array, by name."""
