r"""Batch normalization, in plain NumPy.

Statistics are taken per channel, over every axis but the second: $\mu = \frac1n \sum x$,
$v = \frac1n \sum (x - \mu)^2$ (divided by n, not n - 1).
"""

import numpy as np

from ..shapes import Array
from ..signatures import checked
from .pointwise import leaky_relu, leaky_relu_grad

__all__ = ["batch_norm", "batch_norm_grad", "batch_norm_stats", "batch_norm_train"]


def _per_channel(vector: Array, x: Array) -> Array:
    """View a vector of C values so that it broadcasts against (N, C, ...)."""
    return vector.reshape(1, -1, *(1,) * (x.ndim - 2))


def _axes(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


@checked("batch_norm_stats")
def batch_norm_stats(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel, in two passes so that a large offset does no harm.

    Parameters
    ----------
    x : array (N, C, ...)

    Returns
    -------
    mean, var : array (C,)
    """
    mean = x.mean(axis=_axes(x))
    var = np.square(x - _per_channel(mean, x)).mean(axis=_axes(x))
    return mean, var


@checked("batch_norm")
def batch_norm(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    negative_slope: float | None = None,
) -> Array:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, channel by channel, and a leaky ReLU of that.

    The two are one kernel because a faster one writes only the result to memory.

    Parameters
    ----------
    x : array (N, C, ...)
    mean, var, weight, bias : array (C,)
    eps : float
    negative_slope : float, optional
        Of the leaky ReLU; 0 is a ReLU, and None is no activation.

    Returns
    -------
    array (N, C, ...)
    """
    scale = weight / np.sqrt(var + x.dtype.type(eps))
    y = (x - _per_channel(mean, x)) * _per_channel(scale, x) + _per_channel(bias, x)
    return y if negative_slope is None else leaky_relu(y, negative_slope)


@checked("batch_norm_train")
def batch_norm_train(
    x: Array,
    weight: Array,
    bias: Array,
    eps: float,
    negative_slope: float | None = None,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    momentum: float = 0.1,
) -> tuple[Array, ...]:
    """`batch_norm` by the statistics of x, and the running averages of them brought up to date.

    The new averages are ``(1 - momentum) * running + momentum * batch``, with the unbiased variance.  That is no
    arithmetic to speak of, but on a GPU it would be six launches.

    Parameters
    ----------
    x : array (N, C, ...)
    weight, bias : array (C,)
    eps : float
    negative_slope : float, optional
        As for `batch_norm`.
    running_mean, running_var : array (C,), optional
        They are not written to.
    momentum : float

    Returns
    -------
    array (N, C, ...)
    mean, var : array (C,)
        As from `batch_norm_stats`.
    new_mean, new_var : array (C,)
        The new running averages; only where the old ones are given.
    """
    mean, var = batch_norm_stats(x)
    y = batch_norm(x, mean, var, weight, bias, eps, negative_slope)
    return y, mean, var, *new_averages(x, mean, var, running_mean, running_var, momentum)


def new_averages(
    x: Array, mean: Array, var: Array, running_mean: Array | None, running_var: Array | None, momentum: float
) -> tuple[Array, ...]:
    """The new running averages of `batch_norm_train`, or none."""
    if running_mean is None or running_var is None:
        return ()
    old, new, of_var = average_rates(x, momentum)
    return old * running_mean + new * mean, old * running_var + of_var * var


def average_rates(x: Array, momentum: float) -> tuple[float, float, float]:
    """The coefficients of the running averages, of the batch's mean and of its biased variance."""
    count = x.size // max(x.shape[1], 1)
    return 1 - momentum, momentum, momentum * (count / max(count - 1, 1))


@checked("batch_norm_grad")
def batch_norm_grad(
    g: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    eps: float,
    bias: Array | None = None,
    negative_slope: float | None = None,
) -> tuple[Array, Array, Array]:
    r"""Gradient of ``batch_norm(x, *batch_norm_stats(x), weight, bias, eps, negative_slope)`` in x, weight and bias.

    With $\hat x = (x - \mu) / \sqrt{v + \epsilon}$ and n elements a channel,

    $$
    d\gamma = \sum g \hat x, \quad d\beta = \sum g, \quad
    dx = \frac{\gamma}{\sqrt{v + \epsilon}} \left( g - \frac{d\beta}{n} - \hat x \frac{d\gamma}{n} \right).
    $$

    The two subtracted terms are what the mean and the variance, themselves functions of x, pass back.  Where a leaky
    ReLU follows, g is the cotangent before it.

    Parameters
    ----------
    g, x : array (N, C, ...)
    mean, var, weight : array (C,)
        Mean and variance as `batch_norm_stats` gives them for `x`.
    eps : float
    bias : array (C,), optional
        Needed with a slope: the gradient of the leaky ReLU depends on the sign of what it was given.
    negative_slope : float, optional
        As for `batch_norm`.

    Returns
    -------
    dx : array (N, C, ...)
    dweight, dbias : array (C,)
    """
    if bias is not None and negative_slope is not None:
        g = leaky_relu_grad(g, batch_norm(x, mean, var, weight, bias, eps), negative_slope)
    rstd = 1 / np.sqrt(var + x.dtype.type(eps))
    xhat = (x - _per_channel(mean, x)) * _per_channel(rstd, x)
    dbias = g.sum(axis=_axes(x))
    dweight = (g * xhat).sum(axis=_axes(x))
    n = x.dtype.type(max(x.size // max(x.shape[1], 1), 1))
    dx = g - _per_channel(dbias / n, x) - xhat * _per_channel(dweight / n, x)
    return dx * _per_channel(weight * rstd, x), dweight, dbias
