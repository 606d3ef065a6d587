"""A layer's bias, one number for each channel, and its gradient, in plain NumPy."""

from ..shapes import Array
from ..signatures import checked
from .pointwise import leaky_relu, leaky_relu_grad

__all__ = ["add_bias", "add_bias_grad", "channel_sums"]


@checked("add_bias")
def add_bias(x: Array, bias: Array, out: Array | None = None, negative_slope: float | None = None) -> Array:
    """Add one number to each channel.

    Parameters
    ----------
    x : array (N, C, ...)
    bias : array (C,)
    out : array of x's shape, optional
        Where to write the result; may be `x` itself.
    negative_slope : float, optional
        Of a leaky ReLU that follows (0: a ReLU).

    Returns
    -------
    array of x's shape
    """
    y: Array = x + bias.reshape(1, -1, *(1,) * (x.ndim - 2))
    if negative_slope is not None:
        y = leaky_relu(y, negative_slope)
    if out is None:
        return y
    out[...] = y
    return out


@checked("add_bias_grad")
def add_bias_grad(g: Array, y: Array, negative_slope: float) -> tuple[Array, Array]:
    """Gradient of ``y = add_bias(x, bias, None, negative_slope)`` in x and bias.

    A leaky ReLU of a slope of 0 or more keeps the sign, so y says as well as ``x + bias`` where it took the slope.

    Parameters
    ----------
    g, y : array (N, C, ...)
    negative_slope : float

    Returns
    -------
    dx : array (N, C, ...)
    dbias : array (C,)
    """
    dx = leaky_relu_grad(g, y, negative_slope)
    return dx, channel_sums(dx)


@checked("channel_sums")
def channel_sums(x: Array) -> Array:
    """Sum each channel: the adjoint of `add_bias` in the bias.

    Parameters
    ----------
    x : array (N, C, ...)

    Returns
    -------
    array (C,)
    """
    sums: Array = x.sum(axis=(0, *range(2, x.ndim)))
    return sums
