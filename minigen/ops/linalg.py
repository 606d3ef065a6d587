r"""Matrix products.

For $Y = A B$ and a cotangent $G$ of Y, writing out $\langle G, dA\, B + A\, dB \rangle$ gives
$\bar A = G B^\top$ and $\bar B = A^\top G$.

**A dense layer** is $Y = X W^\top$, with $\bar X = G W$ and $\bar W = G^\top X$.  The rule above
would give the transpose of $\bar W$, which an optimizer had to turn around in memory at every step.  So the layer
and the gradient of its weights are primitives of their own, which share the trilinear form
$\langle X W^\top, G \rangle$ with the product $G W$, as the three convolutions share theirs.
"""

import math
from typing import Any

import numpy as np

from ..arguments import Dims, check_number, check_tensor, normalize_dims
from ..backend import Array
from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor, tensor
from .bias import share_vjps
from .elementwise import abs, unbroadcast
from .reduce import amax, length, sum
from .shape import squeeze, transpose, unsqueeze

__all__ = ["bmm", "dense", "dense_bias", "dense_weight_grad", "matmul", "mm", "norm"]


@primitive
def matmul_(input: Array, other: Array) -> Any:
    """Products of the last two dimensions; leading ones broadcast."""
    return find("matmul", input)(input, other)


matmul_.vjp(
    input=lambda g, out, input, other: unbroadcast(matmul_(g, transpose(other, -1, -2)), input.shape),
    other=lambda g, out, input, other: unbroadcast(matmul_(transpose(input, -1, -2), g), other.shape),
)


@primitive
def dense(input: Array, weight: Array) -> Any:
    """``input @ weight.T`` for an input (N, in) and a weight (out, in)."""
    return find("matmul", input)(input, weight.T)


@primitive
def dense_weight_grad(input: Array, g: Array) -> Any:
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
def dense_bias(input: Array, weight: Array, bias: Array, *, negative_slope: float | None = None) -> Any:
    """``leaky(input @ weight.T + bias)``, or without the leaky ReLU, in one kernel where the set has it."""
    return find("matmul_bias", input)(input, weight.T, bias, negative_slope)


share_vjps(dense_bias, dense)


def matmul(input: Any, other: Any) -> Tensor:
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


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices.

    >>> import minigen as mg
    >>> mg.mm(mg.ones(2, 3), mg.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    check_tensor("mm", "input", input)
    check_tensor("mm", "mat2", mat2)
    if input.ndim != 2 or mat2.ndim != 2:
        raise ValueError(f"mm: expected two matrices, got shapes {input.shape} and {mat2.shape}; use matmul")
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of the matrices of two batches, (B, n, k) and (B, k, m).

    >>> import minigen as mg
    >>> mg.bmm(mg.ones(5, 2, 3), mg.ones(5, 3, 1)).shape
    (5, 2, 1)
    """
    check_tensor("bmm", "input", input)
    check_tensor("bmm", "mat2", mat2)
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise ValueError(
            f"bmm: expected two batches of matrices, got shapes {input.shape} and {mat2.shape}; use matmul"
        )
    return matmul(input, mat2)


def norm(input: Tensor, p: float = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
    r"""Length of the vectors along `dim`: $\left( \sum |x|^p \right)^{1/p}$.

    No square overflows or vanishes, see `minigen.ops.reduce.length`.  At a vector of zeros, and for p below 2 in
    elements that are 0, where there is no derivative, the gradient is 0, as in PyTorch.

    Parameters
    ----------
    input : Tensor
    p : float
        2, 1, another positive number, or infinity for the largest absolute value.
    dim : int or tuple of int, optional
    keepdim : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.norm(mg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    check_tensor("norm", "input", input)
    if check_number("norm", "p", p, -math.inf, most=math.inf) == math.inf:
        return amax(abs(input), dim, keepdim)
    if not p > 0:
        raise ValueError(f"norm: p: expected a positive number or inf, got {p}")
    if p == 1:
        return sum(abs(input), dim, keepdim)
    dims = normalize_dims("norm", input.shape, dim)
    if math.prod(input.shape[d] for d in dims) == 0:
        return sum(abs(input), dims, keepdim)
    out = length(input, dim=dims, p=float(p))
    return out if keepdim else out.reshape(tuple(n for d, n in enumerate(input.shape) if d not in dims))
