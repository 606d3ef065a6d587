"""Activations that are worth a kernel of their own, in plain NumPy."""

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = ["leaky_relu", "leaky_relu_grad"]


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
