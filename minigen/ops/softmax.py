r"""The softmax family.

$s_i = e^{x_i} / \sum_j e^{x_j}$ has the Jacobian $\partial s_i / \partial x_j = s_i (\delta_{ij} - s_j)$,
so that a cotangent g gives $dx_i = s_i (g_i - \sum_j g_j s_j)$.  For $\log s$ it is
$dx_i = g_i - s_i \sum_j g_j$.
"""

import numpy as np

from ..arguments import check_tensor, normalize_dim
from ..backend import Array, array_module
from ..engine import primitive
from ..tensor import Tensor
from .elementwise import exp
from .reduce import sum
from .summation import max_array, sum_array

__all__ = ["log_softmax", "softmax"]


def _shifted(x: Array, dim: int) -> Array:
    """The differences from the largest element: what cannot be represented becomes -inf, whose exponential is 0."""
    with np.errstate(over="ignore"):
        return x - max_array(x, (dim,))


@primitive
def softmax_(input: Array, *, dim: int) -> Array:
    """e^x, normalized along `dim`."""
    e = array_module(input).exp(_shifted(input, dim))
    return e / sum_array(e, (dim,), keepdim=True)


softmax_.vjp(input=lambda g, out, input, *, dim: out * (g - sum(g * out, dim, keepdim=True)))


@primitive
def log_softmax_(input: Array, *, dim: int) -> Array:
    """Logarithm of the softmax along `dim`, without ever taking the logarithm of a small number."""
    shifted = _shifted(input, dim)
    xp = array_module(input)
    with np.errstate(divide="ignore"):  # along an empty dimension: the logarithm of 0
        return shifted - xp.log(sum_array(xp.exp(shifted), (dim,), keepdim=True))


log_softmax_.vjp(input=lambda g, out, input, *, dim: g - exp(out) * sum(g, dim, keepdim=True))


def softmax(input: Tensor, dim: int) -> Tensor:
    """Positive numbers that sum to 1 along `dim`.

    Parameters
    ----------
    input : Tensor
    dim : int

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.softmax(mg.tensor([0.0, 0.0]), 0)
    tensor([0.5, 0.5])
    """
    dim = normalize_dim("softmax", check_tensor("softmax", "input", input).shape, dim)
    return softmax_(input, dim=dim) if input.ndim else softmax_(input.reshape(1), dim=0).reshape(())


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """Logarithm of the softmax along `dim`.

    Parameters
    ----------
    input : Tensor
    dim : int

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.log_softmax(mg.tensor([0.0, 1000.0]), 0)
    tensor([-1000.,     0.])
    """
    dim = normalize_dim("log_softmax", check_tensor("log_softmax", "input", input).shape, dim)
    return log_softmax_(input, dim=dim) if input.ndim else log_softmax_(input.reshape(1), dim=0).reshape(())
