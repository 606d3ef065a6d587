r"""Matrix products.

For :math:`Y = A B` and a cotangent :math:`G` of Y, writing out :math:`\langle G, dA\, B + A\, dB \rangle` gives
:math:`dA = G B^\top` and :math:`dB = A^\top G`.
"""

import numpy as np

from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor, tensor
from .elementwise import unbroadcast
from .shape import squeeze, transpose, unsqueeze

__all__ = ["matmul"]


@primitive
def matmul_(input, other):
    """Products of the last two dimensions; leading ones broadcast."""
    return find("matmul", input)(input, other)


matmul_.vjp(
    input=lambda g, out, input, other: unbroadcast(matmul_(g, transpose(other, -1, -2)), input.shape),
    other=lambda g, out, input, other: unbroadcast(matmul_(transpose(input, -1, -2), g), other.shape),
)


def matmul(input, other):
    """``input @ other``: matrices in the last two dimensions; leading ones broadcast; a vector is one row or column.

    Parameters
    ----------
    input : Tensor (..., n, k) or (k,)
    other : Tensor (..., k, m) or (k,)

    Returns
    -------
    Tensor (..., n, m)

    Raises
    ------
    ValueError
        If the inner sizes differ or an operand is a number.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.matmul(mg.ones(2, 3), mg.ones(3))
    tensor([3., 3.])
    """
    input, other = (x if isinstance(x, Tensor) else tensor(x) for x in (input, other))
    inner = (input.shape[-1:], other.shape[-2:][:1])
    try:
        fits = bool(inner[0]) and inner[0] == inner[1]
        np.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"matmul: shapes {input.shape} and {other.shape} do not fit")
    row, column = input.ndim == 1, other.ndim == 1
    out = matmul_(unsqueeze(input, 0) if row else input, unsqueeze(other, 1) if column else other)
    out = squeeze(out, -1) if column else out
    return squeeze(out, -1 if column else -2) if row else out
