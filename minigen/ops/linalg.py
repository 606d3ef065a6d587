r"""Matrix products.

For :math:`Y = A B` and a cotangent :math:`G` of Y, writing out :math:`\langle G, dA\, B + A\, dB \rangle` gives
:math:`\bar A = G B^\top` and :math:`\bar B = A^\top G`.

**A dense layer** is :math:`Y = X W^\top`, with :math:`\bar X = G W` and :math:`\bar W = G^\top X`.  The rule above
would give the transpose of :math:`\bar W`, which an optimizer had to turn around in memory at every step.  So the layer
and the gradient of its weights are primitives of their own, which share the trilinear form
:math:`\langle X W^\top, G \rangle` with the product :math:`G W`, as the three convolutions share theirs.
"""

import numpy as np

from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor, tensor
from .bias import share_vjps
from .elementwise import unbroadcast
from .shape import squeeze, transpose, unsqueeze

__all__ = ["dense", "dense_bias", "dense_weight_grad", "matmul"]


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


@primitive
def dense_weight_grad(input, g):
    """``g.T @ input`` for an input (N, in) and a cotangent (N, out)."""
    return find("matmul", g)(g.T, input)


dense.vjp(
    input=lambda g, out, input, weight: matmul_(g, weight),
    weight=lambda g, out, input, weight: dense_weight_grad(input, g),
)
dense_weight_grad.vjp(
    input=lambda v, out, input, g: matmul_(g, v),
    g=lambda v, out, input, g: dense(input, v),
)


@primitive
def dense_bias(input, weight, bias):
    """``input @ weight.T + bias``; the bias is added where the product lies, which is not written twice."""
    out = dense.forward(input, weight)
    out += bias
    return out


share_vjps(dense_bias, dense)


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
