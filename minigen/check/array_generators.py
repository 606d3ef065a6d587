"""How arrays are filled and laid out in memory: the raw material of every case.

Subnormal numbers are left out: processors may flush them to zero.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["COTANGENT_LAYOUTS", "EXPANDED", "KINDS", "LAYOUTS", "deal_layout", "lay_out", "takes_effect"]

Array = np.ndarray

LAYOUTS = ("plain", "transposed", "reversed", "strided", "offset")
"""Arrangements of an input in memory."""

EXPANDED = ("expanded", "expanded rows")
"""Arrangements that repeat numbers: the gradient of a sum is one number, expanded with strides of 0."""

COTANGENT_LAYOUTS = (*LAYOUTS, *EXPANDED)
"""Arrangements of a cotangent."""


def lay_out(x: Array, layout: str) -> Array:
    """The same values in another arrangement of memory.

    "expanded" repeats the first of them along the longest axis, "expanded rows" along the first one.

    >>> x = np.arange(6.0).reshape(2, 3)
    >>> [lay_out(x, layout).strides for layout in COTANGENT_LAYOUTS]
    [(24, 8), (8, 16), (24, -8), (48, 16), (24, 8), (8, 0), (0, 8)]
    """
    if layout == "transposed":
        return np.array(x, order="F")
    if layout == "reversed":
        axis = max((a for a in range(x.ndim) if x.shape[a] > 1), default=None)  # the last one that has an order
        return x if axis is None else np.flip(np.ascontiguousarray(np.flip(x, axis)), axis)
    if layout == "strided" and x.ndim:
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    if layout == "offset":
        wide = np.zeros(x.size + 3, x.dtype)
        wide[3:] = x.ravel()
        return wide[3:].reshape(x.shape)
    if layout in EXPANDED and x.size > 1:  # one number in several places: other values than those of x
        long = [axis for axis in range(x.ndim) if x.shape[axis] > 1]
        axis = max(long, key=lambda a: x.shape[a]) if layout == "expanded" else long[0]
        return np.broadcast_to(np.take(x, [0], axis), x.shape)
    return x


def takes_effect(layout: str, shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape is another in memory for being laid out so.

    >>> [takes_effect(layout, (3, 1)) for layout in COTANGENT_LAYOUTS]
    [True, False, True, True, True, True, True]
    """
    if layout == "transposed":
        return math.prod(shape) > 0 and sum(n > 1 for n in shape) > 1
    return math.prod(shape) > 1 or layout in ("plain", "offset")


def deal_layout(
    g: Array, who: Any, dealt: "Counter[Any]", rng: np.random.Generator, names: Sequence[str] = COTANGENT_LAYOUTS
) -> Array:
    """A cotangent in the arrangement that was dealt least often so far, of those that are another one for its shape.

    Parameters
    ----------
    g : array
    who : hashable
        For whose gradient it is: each gets all arrangements.
    dealt : Counter
        How often each arrangement was dealt to whom; counted on.
    rng : numpy.random.Generator
        Decides between those that were dealt equally often.
    names : sequence of str
        The arrangements.

    Examples
    --------
    >>> dealt, rng = Counter(), np.random.default_rng(0)
    >>> len({deal_layout(np.ones((2, 3)), "input", dealt, rng).strides for _ in COTANGENT_LAYOUTS})
    6
    """
    possible = [name for name in names if takes_effect(name, g.shape)]
    order = rng.permutation(len(possible)).tolist()
    layout = min((possible[n] for n in order), key=lambda name: dealt[who, name])
    dealt[who, layout] += 1
    return lay_out(g, layout)


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.round(rng.standard_normal(shape), 3)


def _away(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Half or more away from zero: what is divided by, or what has a kink there."""
    z = rng.standard_normal(shape)
    return np.round(z + np.copysign(0.5, z), 3)


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


def _corners(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The largest elements are the first, the last, and the one in the middle."""
    x = _gaussian(rng, shape)
    for place in {0, x.size // 2, x.size - 1} if x.size else ():
        x.flat[place] = 3 + abs(x.flat[place])
    return x


KINDS: dict[str, Any] = {
    "gaussian": _gaussian,
    "corners": _corners,
    "ties": _ties,  # zeros too: the kink of many functions
    "offset": lambda rng, shape: 1e4 + 1e-3 * rng.standard_normal(shape),
    "constant": lambda rng, shape: np.full(shape, np.round(rng.standard_normal(), 3)),  # a variance of zero
    "wide": lambda rng, shape: rng.standard_normal(shape) * np.exp(rng.uniform(-7, 7, shape)),
    "positive": lambda rng, shape: np.round(0.1 + rng.exponential(1.0, shape), 3),
    "away": _away,
    "log_uniform": _log_uniform,
    "logits": _logits,
    "spread": lambda rng, shape: rng.uniform(-40, 40, shape),
    "probabilities": _probabilities,
    "unit": lambda rng, shape: np.round(rng.random(shape), 3),
    "labels": lambda rng, shape: rng.integers(0, 2, shape).astype(np.float64),
    "integers": lambda rng, shape: rng.integers(-4, 5, shape).astype(np.float64),
}
"""Ways to fill an array, by name."""
