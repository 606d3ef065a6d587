r"""The energy distance of two samples (Székely & Rizzo 2013, *Energy statistics*).

$$E(P, Q) = 2\,\mathbb E\|X - Y\| - \mathbb E\|X - X'\| - \mathbb E\|Y - Y'\|$$

with $X, X'$ drawn from P and $Y, Y'$ from Q.  It is 0 exactly if P = Q, and needs no density, no kernel width and no
features.  Estimated with all pairs of different points, it is unbiased: around 0 for two samples of one distribution,
so that it may be below 0.
"""

import numpy as np

__all__ = ["energy_distance"]


def energy_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Estimate the energy distance of two distributions from samples of them.

    Parameters
    ----------
    first, second : ndarray (N, D) and (M, D)
        At least two points each.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> points = np.array([[0.0], [2.0]])
    >>> energy_distance(points, points + 10)  # 2 * 10 - 2 - 2
    16.0
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise ValueError(
            f"energy_distance: expected at least two points each, (N, D) and (M, D), got {first.shape}, {second.shape}"
        )
    n, m = len(first), len(second)
    within = _total(first, first) / (n * (n - 1)) + _total(second, second) / (m * (m - 1))
    return float(2 * _total(first, second) / (n * m) - within)


def _total(one: np.ndarray, other: np.ndarray) -> float:
    """The sum of all distances between two sets."""
    return float(sum(np.sqrt(np.square(other - point).sum(1)).sum() for point in one))
