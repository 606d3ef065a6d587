r"""Weighted sums of a few elements along a dimension: resizing, and pooling over windows of any size.

$y_p = \sum_k w_{pk} x_{i(p, k)}$ is linear in x.  Its adjoint is of the same kind, with p and i swapped: the matrix of
the weights, transposed.  Few of its elements are not 0, and only these are stored (`Taps`).  No element is multiplied
by 0, so an infinite element reaches its own windows only.
"""

import functools
from dataclasses import dataclass

import numpy as np

from ..backend import Array, device_of, to_device
from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor

__all__ = ["Taps", "make_taps", "resample"]


@dataclass(frozen=True, eq=False)
class Taps:
    """A sparse matrix by rows, as `minigen.kernels.reference.resample` takes it.

    Parameters
    ----------
    first : int64 ndarray (m + 1,)
        Where each row begins in the other two; at the end their length.
    source : int64 ndarray (K,)
        The column of each element.
    weight : float64 ndarray (K,)
    """

    first: np.ndarray
    source: np.ndarray
    weight: np.ndarray


def make_taps(targets: np.ndarray, sources: np.ndarray, weights: np.ndarray, size: int) -> Taps:
    """Sort a list of (target, source, weight) by target.

    Parameters
    ----------
    targets, sources, weights : ndarray (K,)
    size : int
        Length of the result.

    Examples
    --------
    >>> taps = make_taps(np.array([1, 0, 0]), np.array([1, 0, 1]), np.array([1.0, 0.5, 0.5]), size=2)
    >>> taps.first, taps.source
    (array([0, 2, 3]), array([0, 1, 1]))
    """
    order = np.argsort(targets, kind="stable")
    first = np.searchsorted(targets[order], np.arange(size + 1))
    columns = first.astype(np.int64), sources[order].astype(np.int64), weights[order].astype(np.float64)
    for column in columns:  # several operations share them
        column.setflags(write=False)
    return Taps(*columns)


@primitive
def resample(input: Array, *, dim: int, taps: Taps) -> Array:
    """Weighted sums of elements along `dim`, which gets the length m; the vjp multiplies by the transposed matrix."""
    shape, m = input.shape, len(taps.first) - 1
    x = input.reshape(int(np.prod(shape[:dim])), shape[dim], int(np.prod(shape[dim + 1 :])))
    weight = taps.weight.astype(input.dtype)
    matrix = (to_device(array, device_of(input)) for array in (taps.first, taps.source, weight))
    return find("resample", input)(x, *matrix).reshape(*shape[:dim], m, *shape[dim + 1 :])


def _resample_vjp(g: Tensor, out: Tensor, input: Tensor, *, dim: int, taps: Taps) -> Tensor:
    return resample(g, dim=dim, taps=_transposed(taps, input.shape[dim]))


@functools.lru_cache(maxsize=64)
def _transposed(taps: Taps, size: int) -> Taps:
    """The matrix of the adjoint, which has `size` rows."""
    targets = np.repeat(np.arange(len(taps.first) - 1), np.diff(taps.first))
    return make_taps(taps.source, targets, taps.weight, size)


resample.vjp(input=_resample_vjp)
