r"""How far a float32 kernel may be from the exact result: bounds that follow from the number of terms it adds up.

A sum of n products, computed in any order with unit roundoff $u = 2^{-24}$, satisfies (Higham 2002, *Accuracy and
Stability of Numerical Algorithms*, section 3.1)

$$|\mathrm{fl}(\textstyle\sum a_i b_i) - \sum a_i b_i| \le \gamma_n \sum |a_i| |b_i|,
          \qquad \gamma_n = \frac{n u}{1 - n u} .$$

For the three convolutions the right side is the same convolution of the absolute values, and n counts what meets in one
element of the result:

==================== ================================
kernel               n
==================== ================================
conv2d               C/groups * R * S (+1 with bias)
conv2d_input_grad    O/groups * R * S
conv2d_weight_grad   N * P * Q
==================== ================================

**Where the bound is blind.**  It grows with n, while most errors of a correct kernel do not: at n = 32,768 a whole
dropped border row of a weight gradient stays below it.  So test small shapes too, and test on small integers: while
every partial sum stays below $2^{24}$ no addition rounds, and any correct float32 kernel equals the reference
*exactly* (`exact_integers`).

**Where it does not hold.**  Minimal filtering (Winograd) multiplies sums, not inputs: its error is bounded norm by norm
and not element by element (`normwise`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["U32", "conv_bound", "exact_integers", "gamma", "normwise", "terms"]

Array = np.ndarray

U32 = 2.0**-24
"""Unit roundoff of float32."""


def gamma(n: int, u: float = U32) -> float:
    r"""$\gamma_n = n u / (1 - n u)$.

    Raises
    ------
    ValueError
        If n u is 1 or more: the bound does not hold for that number of terms.

    Examples
    --------
    >>> gamma(1) > U32, gamma(100) < 101 * U32
    (True, True)
    """
    if n * u >= 1:
        raise ValueError(f"gamma: {n} terms of roundoff {u:.1e} leave no digit")
    return n * u / (1 - n * u)


def terms(kernel: str, x_shape: Any, w_shape: Any, g_shape: Any, groups: int = 1) -> int:
    """How many products meet in one element of the result.

    Parameters
    ----------
    kernel : {"conv2d", "conv2d_input_grad", "conv2d_weight_grad"}
    x_shape : (N, C, H, W)
    w_shape : (O, C/groups, R, S)
    g_shape : (N, O, P, Q)
    groups : int

    >>> terms("conv2d_weight_grad", (8, 3, 64, 64), (16, 3, 3, 3), (8, 16, 64, 64))
    32768
    """
    window = w_shape[2] * w_shape[3]
    if kernel == "conv2d":
        return w_shape[1] * window
    if kernel == "conv2d_input_grad":
        return w_shape[0] // groups * window
    if kernel == "conv2d_weight_grad":
        return g_shape[0] * g_shape[2] * g_shape[3]
    raise ValueError(f"terms: unknown kernel {kernel!r}; expected conv2d, conv2d_input_grad or conv2d_weight_grad")


def conv_bound(reference: Callable[..., Array], a: Array, b: Array, n: int, *args: Any, extra: int = 2) -> Array:
    """An elementwise bound on the error of a float32 kernel that sums n products, in any order.

    Parameters
    ----------
    reference : callable
        The kernel in float64: called with ``|a|, |b|, *args``.
    a, b : float32 array
        What the kernel was given.
    n : int
        As `terms` counts.
    *args
        The kernel's other arguments.
    extra : int
        Roundings beside the products and sums, such as storing the result.

    Returns
    -------
    float64 array of the result's shape
    """
    return gamma(n + extra) * reference(np.abs(a).astype(np.float64), np.abs(b).astype(np.float64), *args)


def normwise(result: Array, exact: Array) -> float:
    """The error's Euclidean norm by that of the exact result: what is bounded for Winograd minimal filtering.

    >>> normwise(np.ones(4, np.float32), np.ones(4))
    0.0
    """
    size = float(np.linalg.norm(exact))
    return float(np.linalg.norm(result.astype(np.float64) - exact)) / size if size else float(np.any(result != 0))


def exact_integers(rng: np.random.Generator, shape: Any, n: int) -> Array:
    """Integers so small that n products of them add up without rounding, as float32.

    With $|a| \\le m$ every partial sum is at most $n m^2 < 2^{24}$.

    Raises
    ------
    ValueError
        If n is so large that not even ones will do.

    Examples
    --------
    >>> a = exact_integers(np.random.default_rng(0), (3,), 9)
    >>> a.dtype, bool(np.all(a == np.round(a)))
    (dtype('float32'), True)
    """
    most = min(8, int(np.sqrt((2**24 - 1) / max(n, 1))))
    if most < 1:
        raise ValueError(f"exact_integers: {n} terms exceed 2^24 even if all are 1")
    return rng.integers(-most, most + 1, shape).astype(np.float32)
