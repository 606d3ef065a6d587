"""Reductions: sums, means, extremes.

Summing copies nothing forward and copies the cotangent backward: ``sum`` and ``expand`` are each other's adjoints.

`dim` is None for all dimensions, an int or a tuple of ints, as in PyTorch; `keepdim` keeps reduced dimensions with
size 1.
"""

from collections import namedtuple

import numpy as np

from ..backend import array_module
from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor
from .elementwise import constant, exp, log, sqrt, square
from .shape import expand, take_along_dim

__all__ = ["amax", "amin", "argmax", "argmin", "channel_sums", "logsumexp", "max", "mean", "min", "std", "sum", "var"]


def normalise_dims(op, shape, dim):
    """`dim` as a sorted tuple of dimensions counted from 0; None or an empty tuple stands for all of them.

    Raises
    ------
    IndexError
        If the Tensor has no such dimension.
    ValueError
        If one is named twice.
    """
    if dim is None or dim == ():
        return tuple(range(len(shape)))
    dims = (dim,) if isinstance(dim, int | np.integer) else tuple(dim)
    for d in dims:
        if not -len(shape) <= d < len(shape):
            raise IndexError(f"{op}: dim {d} is out of range for shape {tuple(shape)}")
    result = tuple(sorted(d % len(shape) for d in dims))
    if len(set(result)) < len(result):
        raise ValueError(f"{op}: dim {dims} names a dimension twice")
    return result


def _kept(shape, dims):
    return tuple(1 if d in dims else n for d, n in enumerate(shape))


@primitive
def sum_(input, *, dim, keepdim):
    """Sum over `dim`; the vjp repeats the cotangent along it."""
    return (
        np.asarray(input.sum(axis=dim, keepdims=keepdim))
        if isinstance(input, np.ndarray)
        else input.sum(axis=dim, keepdims=keepdim)
    )


sum_.vjp(
    input=lambda g, out, input, *, dim, keepdim: expand(g.reshape(_kept(input.shape, dim)), *input.shape),
)


def sum(input, dim=None, keepdim=False):
    """Sum of the elements.

    Parameters
    ----------
    input : Tensor
    dim : int or tuple of int, optional
    keepdim : bool

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import minigen as mg
    >>> mg.sum(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    return sum_(input, dim=normalise_dims("sum", input.shape, dim), keepdim=keepdim)


@primitive
def channel_sums(input):
    """Sum of each channel of (N, C, ...): what reaches a bias.  The vjp repeats the cotangent over each channel."""
    return find("channel_sums", input)(input)


channel_sums.vjp(
    input=lambda g, out, input: expand(g.reshape(1, -1, *[1] * (input.ndim - 2)), *input.shape),
)


def _count(shape, dims):
    count = 1
    for d in dims:
        count *= shape[d]
    return count


def mean(input, dim=None, keepdim=False):
    """Mean of the elements: their sum, divided by how many there are (NaN if there are none).

    Parameters
    ----------
    input : Tensor
    dim : int or tuple of int, optional
    keepdim : bool

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import minigen as mg
    >>> mg.mean(mg.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    dims = normalise_dims("mean", input.shape, dim)
    count = _count(input.shape, dims)
    return sum_(input, dim=dims, keepdim=keepdim) * (1 / count if count else float("nan"))


def var(input, dim=None, correction=1, keepdim=False):
    """Variance: the squared distances from the mean, summed and divided by n - `correction`.

    Parameters
    ----------
    input : Tensor
    dim : int or tuple of int, optional
    correction : int
        1 for the unbiased estimate (PyTorch's default), 0 for the plain mean, as batch norm uses.
    keepdim : bool

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import minigen as mg
    >>> mg.var(mg.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    dims = normalise_dims("var", input.shape, dim)
    left = _count(input.shape, dims) - correction
    scatter = sum_(square(input - mean(input, dims, keepdim=True)), dim=dims, keepdim=keepdim)
    return scatter * (1 / left if left > 0 else float("nan"))


def std(input, dim=None, correction=1, keepdim=False):
    """Standard deviation: the square root of `var`; its derivative is infinite where the variance is 0.

    >>> import minigen as mg
    >>> mg.std(mg.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return sqrt(var(input, dim, correction, keepdim))


@primitive
def amax_(input, *, dim, keepdim):
    """Largest element over `dim`; of m equal ones each gets 1/m of the cotangent."""
    return (
        np.asarray(input.max(axis=dim, keepdims=keepdim))
        if isinstance(input, np.ndarray)
        else input.max(axis=dim, keepdims=keepdim)
    )


def _amax_vjp(g, out, input, *, dim, keepdim):
    kept = _kept(input.shape, dim)
    winners = (input.data == out.data.reshape(kept)).astype(input.dtype)
    share = constant(winners / winners.sum(axis=dim, keepdims=True))
    return g.reshape(kept) * share


amax_.vjp(input=_amax_vjp)


def amax(input, dim=None, keepdim=False):
    """Largest element over `dim`.  Ties share the gradient evenly.

    Parameters
    ----------
    input : Tensor
    dim : int or tuple of int, optional
    keepdim : bool

    Raises
    ------
    ValueError
        If there is no element to choose from.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.amax(mg.tensor([[1.0, 5.0], [3.0, 4.0]]), dim=1)
    tensor([5., 4.])
    """
    dims = normalise_dims("amax", input.shape, dim)
    if _count(input.shape, dims) == 0:
        raise ValueError(f"amax: no elements to choose from in shape {input.shape} over dim {dims}")
    return amax_(input, dim=dims, keepdim=keepdim)


def amin(input, dim=None, keepdim=False):
    """Smallest element over `dim`: minus the largest of the negatives.

    >>> import minigen as mg
    >>> mg.amin(mg.tensor([[1.0, 5.0], [3.0, 4.0]]), dim=1)
    tensor([1., 3.])
    """
    return -amax(-input, dim, keepdim)


def argmax(input, dim=None, keepdim=False):
    """Where the largest element is (the first of equals), as integers; without `dim`, in the flattened Tensor.

    >>> import minigen as mg
    >>> mg.argmax(mg.tensor([1.0, 5.0, 2.0])).item()
    1
    """
    if dim is not None:
        (dim,) = normalise_dims("argmax", input.shape, dim)
    return Tensor(array_module(input.data).asarray(input.data.argmax(axis=dim, keepdims=keepdim)))


def argmin(input, dim=None, keepdim=False):
    """Where the smallest element is (the first of equals), as integers; without `dim`, in the flattened Tensor.

    >>> import minigen as mg
    >>> mg.argmin(mg.tensor([1.0, 5.0, 0.5])).item()
    2
    """
    return argmax(-input, dim, keepdim)


Extreme = namedtuple("Extreme", ["values", "indices"])


def max(input, dim=None, keepdim=False):
    """Largest element; with `dim`, the largest along it and where it was.

    Without `dim` ties share the gradient evenly, as in `amax`; with `dim` the first of equals has it all.

    Parameters
    ----------
    input : Tensor
    dim : int, optional
    keepdim : bool

    Returns
    -------
    Tensor, or a pair (values, indices)

    Examples
    --------
    >>> import minigen as mg
    >>> mg.max(mg.tensor([1.0, 5.0, 2.0]))
    tensor(5.)
    >>> mg.max(mg.tensor([[1.0, 5.0], [3.0, 4.0]]), dim=1).indices
    tensor([1, 1])
    """
    if dim is None:
        return amax(input)
    indices = argmax(input, dim, keepdim=True)
    return _extreme(input, dim, indices, keepdim)


def min(input, dim=None, keepdim=False):
    """Smallest element; with `dim`, the smallest along it and where it was.  See `max`.

    >>> import minigen as mg
    >>> mg.min(mg.tensor([1.0, 5.0, 2.0]))
    tensor(1.)
    """
    if dim is None:
        return amin(input)
    indices = argmin(input, dim, keepdim=True)
    return _extreme(input, dim, indices, keepdim)


def _extreme(input, dim, indices, keepdim):
    values = take_along_dim(input, indices, dim)
    return Extreme(values, indices) if keepdim else Extreme(values.squeeze(dim), indices.squeeze(dim))


def logsumexp(input, dim, keepdim=False):
    r""":math:`\log \sum e^{x}` over `dim`, computed as :math:`m + \log \sum e^{x - m}` with m the largest element.

    m cancels out of the result, so it is treated as a constant, and the derivative is the softmax.

    Parameters
    ----------
    input : Tensor
    dim : int or tuple of int
    keepdim : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.logsumexp(mg.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    m = amax(input.detach(), dim, keepdim=True)
    out = log(sum(exp(input - m), dim, keepdim=True)) + m
    dims = normalise_dims("logsumexp", input.shape, dim)
    return out if keepdim else out.reshape(tuple(n for d, n in enumerate(input.shape) if d not in dims))
