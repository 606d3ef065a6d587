r"""The softmax family.

:math:`s_i = e^{x_i} / \sum_j e^{x_j}` has the Jacobian :math:`\partial s_i / \partial x_j = s_i (\delta_{ij} - s_j)`,
so that a cotangent g gives :math:`dx_i = s_i (g_i - \sum_j g_j s_j)`.  For :math:`\log s` it is
:math:`dx_i = g_i - s_i \sum_j g_j`.
"""

from ..backend import array_module
from ..engine import primitive
from .elementwise import exp
from .reduce import normalise_dims, sum

__all__ = ["log_softmax", "softmax"]


@primitive
def softmax_(input, *, dim):
    """e^x, normalised along `dim`."""
    e = array_module(input).exp(input - input.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


softmax_.vjp(input=lambda g, out, input, *, dim: out * (g - sum(g * out, dim, keepdim=True)))


@primitive
def log_softmax_(input, *, dim):
    """Logarithm of the softmax along `dim`, without ever taking the logarithm of a small number."""
    shifted = input - input.max(axis=dim, keepdims=True)
    xp = array_module(input)
    return shifted - xp.log(xp.exp(shifted).sum(axis=dim, keepdims=True))


log_softmax_.vjp(input=lambda g, out, input, *, dim: g - exp(out) * sum(g, dim, keepdim=True))


def softmax(input, dim):
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
    (dim,) = normalise_dims("softmax", input.shape, dim)
    return softmax_(input, dim=dim)


def log_softmax(input, dim):
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
    (dim,) = normalise_dims("log_softmax", input.shape, dim)
    return log_softmax_(input, dim=dim)
