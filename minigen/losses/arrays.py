"""What the hand-derived gradients share: plain NumPy, no Tensor anywhere."""

from typing import Any

import numpy as np

__all__ = ["Array", "sigmoid", "sum_to"]

Array = np.ndarray[Any, Any]


def sigmoid(a: Array) -> Array:
    r"""Compute $1 / (1 + e^{-a})$ without overflow, and without rounding small results to 0.

    >>> sigmoid(np.array([-800.0, 0.0, 800.0]))
    array([0. , 0.5, 1. ])
    """
    result: Array = np.exp(np.minimum(a, 0)) / (1 + np.exp(-np.abs(a)))
    return result


def sum_to(array: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the axes along which `shape` was repeated: the adjoint of broadcasting.

    >>> sum_to(np.ones((4, 3, 2)), (3, 1))
    array([[8.],
           [8.],
           [8.]])
    """
    new = array.ndim - len(shape)
    repeated = [i + new for i, n in enumerate(shape) if n == 1 and array.shape[i + new] != 1]
    return np.asarray(array.sum(axis=(*range(new), *repeated))).reshape(shape)
