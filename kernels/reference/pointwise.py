"""Activations that are worth a kernel of their own, in plain NumPy."""

import numpy as np

__all__ = ["leaky_relu", "leaky_relu_grad"]


def leaky_relu(x, negative_slope):
    """``x`` where x > 0, ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    x : array
    negative_slope : float

    Returns
    -------
    array of x's shape
    """
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


def leaky_relu_grad(g, x, negative_slope):
    """``g`` where x > 0, ``negative_slope * g`` elsewhere; the kink at 0 counts as negative.

    Parameters
    ----------
    g, x : array
    negative_slope : float

    Returns
    -------
    array of x's shape
    """
    return np.where(x > 0, g, g * g.dtype.type(negative_slope))
