"""Dropout without a stored mask: each element's random number follows from a seed and the element's place."""

from typing import Any

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = ["FIRST", "HALF", "SECOND", "STEP", "dropout", "random_bits", "threshold_and_scale"]

STEP, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
HALF = np.uint64(2**32 - 1)


def random_bits(seed: int, count: int) -> Array:
    """The first `count` numbers of the generator SplitMix64: the i-th is a scrambled ``seed + i * step``.

    Any of them can be had without those before it, on any device, by any thread.

    Source: G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.

    Parameters
    ----------
    seed : int
        At least 0, below 2**64.
    count : int

    Returns
    -------
    array (count,) of uint64

    Examples
    --------
    >>> [hex(n) for n in random_bits(1234567, 2)]
    ['0x599ed017fb08fc85', '0x2c73f08458540fa5']
    """
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * STEP
    z = (z ^ z >> np.uint64(30)) * FIRST
    z = (z ^ z >> np.uint64(27)) * SECOND
    return z ^ z >> np.uint64(31)


@checked("dropout")
def dropout(x: Array, p: float, seed: int) -> Array:
    """Zero each element with probability `p`, and divide the rest by ``1 - p``.

    Each of `random_bits` serves two neighbors in row order, the first with its lower half and the second with its
    upper one: an element is dropped if its half, as a fraction, is below `p`.

    Parameters
    ----------
    x : array
    p : float
        Between 0 and 1, exact to 2**-32.
    seed : int
        At least 0, below 2**63.

    Returns
    -------
    array of x's shape
    """
    threshold, scale = threshold_and_scale(p, x.dtype)
    bits = random_bits(seed, -(-x.size // 2))
    halves = np.stack([bits & HALF, bits >> np.uint64(32)], -1).reshape(-1)[: x.size]
    kept = halves.reshape(x.shape) >= threshold
    y: Array = np.where(kept, x * scale, x.dtype.type(0))
    return y


def threshold_and_scale(p: float, dtype: Any) -> tuple[Any, Any]:
    """What an element's half of a number must reach for it to be kept, and what it is multiplied by then."""
    return np.uint64(p * 2**32), dtype.type(1 / (1 - p) if p < 1 else 0)
