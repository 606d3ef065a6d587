"""Weighted sums of a few elements along one dimension, in plain NumPy."""

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = ["resample"]


@checked("resample")
def resample(x: Array, first: Array, source: Array, weight: Array) -> Array:
    """Multiply each (n, inner) of `x` by a sparse matrix from the left.

    The matrix (m, n) is stored row by row: row p has the elements ``weight[k]`` in the columns ``source[k]``, for k
    from ``first[p]`` to ``first[p + 1] - 1``.  They are added in this order.

    Parameters
    ----------
    x : array (outer, n, inner)
    first : int64 array (m + 1,)
        From 0 to K, never falling.
    source : int64 array (K,)
    weight : array (K,)

    Returns
    -------
    array (outer, m, inner)

    Raises
    ------
    IndexError
        If `first` or `source` points outside its array.
    """
    check_rows(first, source, x.shape[1])
    counts = np.diff(first)
    out = np.zeros((x.shape[0], len(counts), x.shape[2]), x.dtype)
    for term in range(counts.max(initial=0)):
        rows = np.flatnonzero(counts > term)
        k = first[rows] + term
        out[:, rows] += weight[k][:, None] * x[:, source[k]]
    return out


def check_rows(first: Array, source: Array, n: int) -> None:
    """Raise an IndexError if the sparse matrix of `resample` is none with n columns."""
    if first[0] != 0 or first[-1] != len(source) or (np.diff(first) < 0).any():
        raise IndexError(f"resample: first must rise from 0 to {len(source)}, the length of source")
    if len(source) and not 0 <= source.min() <= source.max() < n:
        raise IndexError(f"resample: source points outside a dimension of {n} elements")
