"""Functions of each element that are worth a kernel of their own, in plain NumPy.

The leaky ReLU is slow by the memory that it reads and writes.  `sigmoid` and `softplus`, of which the losses of GANs
are made, get a few numbers each: on a GPU it is launches that they would be slow by, six or seven each.  So are the
gradient of `tanh`, and the sums of many small arrays.
"""

from collections.abc import Sequence

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = [
    "add",
    "add_pairs",
    "leaky_relu",
    "leaky_relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "softplus",
    "softplus_grad",
    "tanh_grad",
]


@checked("add")
def add(x: Array, y: Array) -> Array:
    """``x + y``.

    Parameters
    ----------
    x, y : array
        Of one shape.

    Returns
    -------
    array of that shape
    """
    return x + y


@checked("add_pairs")
def add_pairs(xs: Sequence[Array], ys: Sequence[Array]) -> tuple[Array, ...]:
    """``x + y`` for each x of `xs` and the y of `ys` at its place.

    Parameters
    ----------
    xs, ys : sequence of array
        All of one dtype; the two of a pair have one shape.

    Returns
    -------
    tuple of array
        As many, of those shapes.
    """
    return tuple(x + y for x, y in zip(xs, ys))


@checked("leaky_relu")
def leaky_relu(x: Array, negative_slope: float) -> Array:
    """``x`` where x > 0, ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    x : array
    negative_slope : float

    Returns
    -------
    array of x's shape
    """
    if negative_slope == 0:
        return np.maximum(x, 0)  # a product would give -0.0
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


@checked("leaky_relu_grad")
def leaky_relu_grad(g: Array, x: Array, negative_slope: float) -> Array:
    """``g`` where x > 0, ``negative_slope * g`` elsewhere; the kink at 0 counts as negative.

    A slope of 0 gives 0 where x <= 0 whatever `g` is, and `g` elsewhere: also where x is NaN, as in PyTorch.

    Parameters
    ----------
    g, x : array
    negative_slope : float

    Returns
    -------
    array of x's shape
    """
    if negative_slope == 0:
        return np.where(x <= 0, g.dtype.type(0), g)  # a product would make NaN of an infinite g
    return np.where(x > 0, g, g * g.dtype.type(negative_slope))


@checked("sigmoid")
def sigmoid(x: Array) -> Array:
    r"""$1 / (1 + e^{-x})$, computed as $e^{\min(x, 0)} / (1 + e^{-|x|})$, in which nothing can overflow.

    Parameters
    ----------
    x : array

    Returns
    -------
    array of x's shape
    """
    y: Array = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    return y


@checked("sigmoid_grad")
def sigmoid_grad(g: Array, x: Array) -> Array:
    r"""``g`` times the slope of the sigmoid at x, $e / (1 + e)^2$ with $e = e^{-|x|}$.

    The slope is as well $s (1 - s)$ with the sigmoid s, but the subtraction would lose every digit of a large x.

    Parameters
    ----------
    g, x : array

    Returns
    -------
    array of x's shape
    """
    e = np.exp(-np.abs(x))
    dx: Array = g * (e / ((1 + e) * (1 + e)))
    return dx


@checked("softplus")
def softplus(x: Array) -> Array:
    r"""$\log(1 + e^x)$, computed as $\max(x, 0) + \log(1 + e^{-|x|})$, in which nothing can overflow.

    Parameters
    ----------
    x : array

    Returns
    -------
    array of x's shape
    """
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


@checked("softplus_grad")
def softplus_grad(g: Array, x: Array) -> Array:
    """``g`` times the slope of the softplus at x, which is the sigmoid of x.

    Parameters
    ----------
    g, x : array

    Returns
    -------
    array of x's shape
    """
    dx: Array = g * sigmoid(x)
    return dx


@checked("tanh_grad")
def tanh_grad(g: Array, y: Array) -> Array:
    """``g`` times the slope of the hyperbolic tangent, ``1 - y * y`` where the tangent is y.

    Parameters
    ----------
    g, y : array

    Returns
    -------
    array of y's shape
    """
    dx: Array = g * (1 - y * y)
    return dx
