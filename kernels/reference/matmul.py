"""The matrix product."""

from ..shapes import Array
from ..signatures import checked

__all__ = ["matmul"]


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
