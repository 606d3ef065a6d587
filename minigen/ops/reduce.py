"""Reductions: sums, means, extremes.

Summing copies nothing forward and copies the cotangent backward: ``sum`` and ``expand`` are each other's adjoints, and
so are ``mean`` and ``share``.

`dim` is None for all dimensions, an int or a tuple of ints, as in PyTorch; `keepdim` keeps reduced dimensions with
size 1.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ..arguments import Dims, check_boolean, check_number, check_tensor, normalize_dim, normalize_dims
from ..backend import FLOATS, Array, array_module
from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor
from .elementwise import abs, constant, exp, log, select, sqrt, where
from .shape import expand_, take_along_dim
from .summation import kept_shape, max_array, sum_array

__all__ = ["amax", "amin", "argmax", "argmin", "logsumexp", "max", "mean", "min", "std", "sum", "var"]


@primitive
def sum_(input: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    """Sum over `dim`; the vjp repeats the cotangent along it."""
    return sum_array(input, dim, keepdim)


sum_.vjp(
    input=lambda g, out, input, *, dim, keepdim: expand_(
        g.reshape(kept_shape(input.shape, dim)) if g.ndim else g, shape=input.shape
    )
)


@primitive
def mean_(input: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    """Mean over `dim`, which must have elements; the vjp gives each element an equal share of the cotangent."""
    if not isinstance(input, np.ndarray) and input.size and len(dim) == input.ndim:  # on a GPU a single launch
        return find("mean", input)(input).reshape(kept_shape(input.shape, dim) if keepdim else ())
    return sum_array(input, dim, keepdim) / input.dtype.type(_count(input.shape, dim))


@primitive
def share(g: Array, *, shape: tuple[int, ...], dim: tuple[int, ...]) -> Array:
    """Divide each element by how many there are along `dim` of `shape`, and repeat it there: the adjoint of `mean`."""
    out = array_module(g).empty(shape, g.dtype)
    return array_module(g).divide(g.reshape(kept_shape(shape, dim)), g.dtype.type(_count(shape, dim)), out=out)


mean_.vjp(input=lambda g, out, input, *, dim, keepdim: share(g, shape=input.shape, dim=dim))
share.vjp(g=lambda u, out, g, *, shape, dim: mean_(u, dim=dim, keepdim=g.ndim == len(shape)))


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Sum of the elements; of integers and booleans it is an int64.

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
    dims = normalize_dims("sum", check_tensor("sum", "input", input).shape, dim)
    if input.dtype not in FLOATS:
        return _constant(input.data.sum(axis=dims, keepdims=keepdim, dtype=np.int64))
    return sum_(input, dim=dims, keepdim=keepdim)


def _constant(array: Any) -> Tensor:
    """Wrap the result of a reduction that has no derivative, which NumPy gives as a scalar if it has no dimensions."""
    return Tensor(np.asarray(array) if isinstance(array, np.generic) else array)


def _check_float(op: str, input: Tensor) -> Tensor:
    if check_tensor(op, "input", input).dtype not in FLOATS:
        raise TypeError(f"{op}: argument 'input' has dtype {input.dtype}, expected float32 or float64; use t.float()")
    return input


def _count(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    return math.prod(shape[d] for d in dims)


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
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
    dims = normalize_dims("mean", _check_float("mean", input).shape, dim)
    if not _count(input.shape, dims):
        return sum_(input, dim=dims, keepdim=keepdim) * math.nan
    return mean_(input, dim=dims, keepdim=keepdim)


def var(
    input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """Variance: the squared distances from the mean, summed and divided by n - 1.

    Parameters
    ----------
    input : Tensor
    dim : int or tuple of int, optional
    unbiased : bool
        Divide by n - 1 (True) or by n (False).
    keepdim : bool
    correction : float, optional
        Divide by n - `correction` instead; not with `unbiased`.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import minigen as mg
    >>> mg.var(mg.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    dims, left = _degrees_of_freedom("var", input, dim, unbiased, correction)
    if not input.numel():
        return sum_(input, dim=dims, keepdim=keepdim) * math.nan
    scale = 1 / left if left > 0 else math.inf if left < 0 else math.nan
    out = scatter(input, dim=dims, scale=scale)
    return out if keepdim else _dropped(out, dims)


def _dropped(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Without `dims`, each of size 1."""
    return input.reshape(tuple(n for d, n in enumerate(input.shape) if d not in dims))


def _degrees_of_freedom(
    op: str, input: Tensor, dim: Dims, unbiased: bool, correction: float | None
) -> tuple[tuple[int, ...], float]:
    """The dimensions that a variance goes over, and what its sum of squares is divided by."""
    _check_float(op, input)
    if correction is None:
        correction = 1 if check_boolean(op, "unbiased", unbiased) else 0
    dims = normalize_dims(op, input.shape, dim)
    return dims, _count(input.shape, dims) - check_number(op, "correction", correction, -math.inf)


def std(
    input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    r"""Standard deviation: the square root of `var`.  Where the variance is 0 the gradient is 0, as in PyTorch.

    Computed as $|x - \bar x| / \sqrt{n - 1}$ (see `length`), so that it is right also where the variance is larger or
    smaller than any number of the dtype.

    >>> import minigen as mg
    >>> mg.std(mg.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    dims, left = _degrees_of_freedom("std", input, dim, unbiased, correction)
    if left <= 0 or not _count(input.shape, dims):
        return root(var(input, dim, unbiased, keepdim, correction=correction))
    out = length(input, dim=dims, centered=True, count=left)
    return out if keepdim else _dropped(out, dims)


# ---- lengths


def _scaled(x: Array, dim: tuple[int, ...], centered: bool) -> tuple[Array, Array]:
    """`x` divided by a power of 2, so that its largest finite elements are about 1, and the exponent of that power.

    Such a division is exact.  With `centered` the mean is subtracted: of the distances from one of the elements, which
    are smaller numbers than the elements, and exactly 0 where all are equal.
    """
    xp = array_module(x)
    finite = xp.where(xp.isfinite(x), xp.abs(x), x.dtype.type(0))  # beside an infinity the others are scaled, too
    largest = finite.max(axis=dim, keepdims=True)
    exponent = xp.frexp(largest)[1]
    scaled = xp.ldexp(x, -exponent)
    if centered:
        first = scaled[tuple(slice(0, 1) if d in dim else slice(None) for d in range(x.ndim))]
        scaled = scaled - xp.where(xp.isfinite(first), first, x.dtype.type(0))
        scaled = scaled - sum_array(scaled, dim, keepdim=True) / _count(x.shape, dim)
    return scaled, exponent


def _length_of_scaled(scaled: Array, dim: tuple[int, ...], p: float, count: float = 1.0) -> Array:
    powers = scaled * scaled if p == 2 else array_module(scaled).abs(scaled) ** p
    total = sum_array(powers, dim, keepdim=True) / count
    return array_module(scaled).sqrt(total) if p == 2 else total ** (1 / p)


@primitive
def center(input: Array, *, dim: tuple[int, ...]) -> Array:
    """``input`` minus its mean over `dim`: linear, and its own adjoint."""
    centered, exponent = _scaled(input, dim, centered=True)
    return array_module(input).ldexp(centered, exponent)


def _minus_mean(g: Tensor, dim: tuple[int, ...]) -> Tensor:
    return g - sum_(g, dim=dim, keepdim=True) / _count(g.shape, dim)


center.vjp(input=lambda g, out, input, *, dim: _minus_mean(g, dim))


@primitive
def scatter(input: Array, *, dim: tuple[int, ...], scale: float) -> Array:
    r"""The squared distances from the mean, summed over `dim`, which is kept, times `scale`.

    $f = s \sum_i (x_i - \bar x)^2$ has $\partial f / \partial x_i = 2 s (x_i - \bar x)$: how $\bar x$ moves does not
    matter, because the distances sum to 0.
    """
    centered, exponent = _scaled(input, dim, centered=True)
    return array_module(input).ldexp(sum_array(centered * centered, dim, keepdim=True) * scale, 2 * exponent)


scatter.vjp(input=lambda g, out, input, *, dim, scale: 2 * scale * g * center(input, dim=dim))


@primitive
def length(input: Array, *, dim: tuple[int, ...], p: float = 2.0, centered: bool = False, count: float = 1.0) -> Array:
    r"""Length $|x|_p = \left( \frac1c \sum |x|^p \right)^{1/p}$ over `dim`, which is kept; c is `count`.

    With `centered` (and p = 2) it is the length of $x - \bar x$.  Neither squares nor their sum leave the range of the
    dtype: the elements are divided by a power of 2 first.

    **The gradient.**  With $u = x / |x|$, see `unit`, it is $c^{-1/p} \operatorname{sign}(u) |u|^{p-1}$: its size does
    not depend on that of x.  At a vector of zeros, where there is none, the vjp is 0.
    """
    scaled, exponent = _scaled(input, dim, centered)
    return array_module(input).ldexp(_length_of_scaled(scaled, dim, p, count), exponent)


@primitive
def unit(input: Array, *, dim: tuple[int, ...], p: float = 2.0, centered: bool = False) -> Array:
    r"""The vector $u = x / |x|_p$ of length 1 over `dim`, or 0 for a vector of zeros; with `centered` of $x - \bar x$.

    **The gradient.**  $|x|$ has the gradient $s = \operatorname{sign}(u) |u|^{p-1}$, so that
    $\partial u_i / \partial x_j = (\delta_{ij} - u_i s_j) / |x|$, and a cotangent g gives
    $dx = (g - s \sum_i g_i u_i) / |x|$.  The order of these operations is the one in which nothing overflows before it
    is divided.  With `centered` the mean of g is subtracted first.
    """
    scaled, _ = _scaled(input, dim, centered)
    size = _length_of_scaled(scaled, dim, p)
    return scaled / array_module(input).where(size == 0, size.dtype.type(1), size)


def _slope(u: Tensor, p: float) -> Tensor:
    """The gradient of `length` at a vector of the direction u; 0 in elements that are 0."""
    if p == 2:
        return u
    zero = u.data == 0
    return where(zero, 0.0, where(zero, 1.0, abs(u)) ** (p - 1)) * constant(array_module(u.data).sign(u.data))


def _unit_vjp(
    g: Tensor, out: Tensor, input: Tensor, *, dim: tuple[int, ...], p: float = 2.0, centered: bool = False
) -> Tensor:
    g = _minus_mean(g, dim) if centered else g
    across = g - _slope(out, p) * sum_(g * out, dim=dim, keepdim=True)
    size = length(input, dim=dim, p=p, centered=centered)
    zero = size.data == 0
    return where(zero, 0.0, across / where(zero, 1.0, size))


length.vjp(
    input=lambda g, out, input, *, dim, p=2.0, centered=False, count=1.0: (
        count ** (-1 / p) * g * _slope(unit(input, dim=dim, p=p, centered=centered), p)
    )
)
unit.vjp(input=_unit_vjp)


def root(input: Tensor) -> Tensor:
    """Square root with a gradient of 0 at 0, where that of `sqrt` is infinite: lengths and deviations take it."""
    zero = input.data == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, input)))


@primitive(any_dtype=True)
def amax_(input: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    """Largest element over `dim`; of m equal ones each gets 1/m of the cotangent."""
    return array_module(input).asarray(input.max(axis=dim, keepdims=keepdim))


def _amax_vjp(g: Tensor, out: Tensor, input: Tensor, *, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    kept = kept_shape(input.shape, dim)
    largest = out.data.reshape(kept)
    winners = input.data == largest
    winners |= (input.data != input.data) & (largest != largest)  # NaN counts as the largest of all
    share = winners / winners.sum(axis=dim, keepdims=True)
    return select(g.reshape(kept), weight=share)


amax_.vjp(input=_amax_vjp)


def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
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
    return amax_(input, dim=_nonempty_dims("amax", input, dim), keepdim=keepdim)


def _nonempty_dims(op: str, input: Tensor, dim: Dims) -> tuple[int, ...]:
    dims = normalize_dims(op, check_tensor(op, "input", input).shape, dim)
    if _count(input.shape, dims) == 0:
        raise ValueError(f"{op}: no elements to choose from in shape {input.shape} over dim {dims}")
    return dims


def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`: minus the largest of the negatives.

    >>> import minigen as mg
    >>> mg.amin(mg.tensor([[1.0, 5.0], [3.0, 4.0]]), dim=1)
    tensor([1., 3.])
    """
    dims = _nonempty_dims("amin", input, dim)
    if input.dtype not in FLOATS:
        return _constant(input.data.min(axis=dims, keepdims=keepdim))
    return -amax_(-input, dim=dims, keepdim=keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is (the first of equals), as integers; without `dim`, in the flattened Tensor.

    >>> import minigen as mg
    >>> mg.argmax(mg.tensor([1.0, 5.0, 2.0])).item()
    1
    """
    return _arg("argmax", input, dim, keepdim)


def _arg(op: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    check_tensor(op, "input", input)
    if dim is not None:
        dim = normalize_dim(op, input.shape, dim)
    if (input.numel() if dim is None or not input.ndim else input.shape[dim]) == 0:
        raise ValueError(f"{op}: no elements to choose from in shape {input.shape}")
    return _constant(getattr(input.data, op)(axis=dim, keepdims=keepdim))


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is (the first of equals), as integers; without `dim`, in the flattened Tensor.

    >>> import minigen as mg
    >>> mg.argmin(mg.tensor([1.0, 5.0, 0.5])).item()
    2
    """
    return _arg("argmin", input, dim, keepdim)


class Extreme(NamedTuple):
    """The extreme elements along a dimension, and where they are."""

    values: Tensor
    indices: Tensor


def max(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
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


def min(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Smallest element; with `dim`, the smallest along it and where it was.  See `max`.

    >>> import minigen as mg
    >>> mg.min(mg.tensor([1.0, 5.0, 2.0]))
    tensor(1.)
    """
    if dim is None:
        return amin(input)
    indices = argmin(input, dim, keepdim=True)
    return _extreme(input, dim, indices, keepdim)


def _extreme(input: Tensor, dim: int, indices: Tensor, keepdim: bool) -> Extreme:
    values = take_along_dim(input, indices, dim)
    return Extreme(values, indices) if keepdim else Extreme(values.squeeze(dim), indices.squeeze(dim))


def _largest_finite(x: Array, dims: tuple[int, ...]) -> Array:
    """The largest finite element over `dims`, which are kept; 0 where there is none."""
    xp = array_module(x)
    largest = max_array(x, dims)
    if not isinstance(x, np.ndarray) or not np.isfinite(largest).all():
        largest = max_array(xp.where(xp.isfinite(x), x, -math.inf), dims)
    return xp.where(xp.isfinite(largest), largest, largest.dtype.type(0))


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    r"""$\log \sum e^{x}$ over `dim`, computed as $m + \log \sum e^{x - m}$ with m the largest element.

    m cancels out of the result, so it is treated as a constant, and the derivative is the softmax.  Infinity would not
    cancel, so m is the largest finite element.

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
    dims = normalize_dims("logsumexp", check_tensor("logsumexp", "input", input).shape, dim)
    m = constant(_largest_finite(input.data, dims))
    with np.errstate(divide="ignore"):  # the logarithm of 0 is -inf
        out = log(sum(exp(input - m), dims, keepdim=True)) + m
    return out if keepdim else out.reshape(tuple(n for d, n in enumerate(input.shape) if d not in dims))
