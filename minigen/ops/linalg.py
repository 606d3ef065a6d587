r"""Matrix products.

For :math:`Y = A B` and a cotangent :math:`G` of Y, writing out :math:`\langle G, dA\, B + A\, dB \rangle` gives
:math:`\bar A = G B^\top` and :math:`\bar B = A^\top G`.

A dense layer is :math:`Y = X W^\top`, hence :math:`\bar X = G W` and :math:`\bar W = G^\top X`.  The same product, but
a rule of its own gives the gradient of the weights in the layout of the weights, where the rule above would give its
transpose, which an optimizer had to turn around in memory at every step.
"""

import numpy as np

from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor, tensor
from .elementwise import unbroadcast
from .shape import squeeze, transpose, unsqueeze

__all__ = ["dense", "matmul"]


@primitive
def matmul_(input, other):
    """Products of the last two dimensions; leading ones broadcast."""
    return find("matmul", input)(input, other)


matmul_.vjp(
    input=lambda g, out, input, other: unbroadcast(matmul_(g, transpose(other, -1, -2)), input.shape),
    other=lambda g, out, input, other: unbroadcast(matmul_(transpose(input, -1, -2), g), other.shape),
)


@primitive
def dense(input, weight):
    """``input @ weight.T`` for an input (N, in) and a weight (out, in)."""
    return find("matmul", input)(input, weight.T)


dense.vjp(
    input=lambda g, out, input, weight: matmul_(g, weight),
    weight=lambda g, out, input, weight: matmul_(transpose(g, 0, 1), input),
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
