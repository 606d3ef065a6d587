"""The matrix product."""

from ..signatures import checked

__all__ = ["matmul"]


@checked("matmul")
def matmul(a, b):
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
