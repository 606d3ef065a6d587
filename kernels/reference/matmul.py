"""The matrix product."""

from ..shapes import Array
from ..signatures import checked
from .bias import add_bias

__all__ = ["matmul", "matmul_bias"]


@checked("matmul")
def matmul(a: Array, b: Array) -> Array:
    """``a @ b``: products of the last two dimensions.

    Parameters
    ----------
    a : array (..., n, k)
    b : array (..., k, m)
        Of the same dtype; leading dimensions broadcast.

    Returns
    -------
    array (..., n, m)
    """
    return a @ b


@checked("matmul_bias")
def matmul_bias(a: Array, b: Array, bias: Array, negative_slope: float | None = None) -> Array:
    """``a @ b + bias``, and a leaky ReLU of that: a dense layer.

    Parameters
    ----------
    a : array (n, k)
    b : array (k, m)
        Of the same dtype.
    bias : array (m,)
    negative_slope : float, optional
        Of the leaky ReLU (0: a ReLU); None is no activation.

    Returns
    -------
    array (n, m)
    """
    y = matmul(a, b)
    return add_bias(y, bias, y, negative_slope)
