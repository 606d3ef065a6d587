"""A layer's bias, one number for each channel, and its gradient, in plain NumPy."""

from ..shapes import Array
from ..signatures import checked
from .pointwise import leaky_relu

__all__ = ["add_bias", "channel_sums"]


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
