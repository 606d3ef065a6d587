"""A layer's bias, one number for each channel, and its gradient, in plain NumPy."""

from ..signatures import checked

__all__ = ["add_bias", "channel_sums"]


@checked("add_bias")
def add_bias(x, bias, out=None):
    """Add one number to each channel.

    Parameters
    ----------
    x : array (N, C, ...)
    bias : array (C,)
    out : array of x's shape, optional
        Where to write the result; may be `x` itself.

    Returns
    -------
    array of x's shape
    """
    y = x + bias.reshape(1, -1, *(1,) * (x.ndim - 2))
    if out is None:
        return y
    out[...] = y
    return out


@checked("channel_sums")
def channel_sums(x):
    """Sum each channel: the adjoint of `add_bias` in the bias.

    Parameters
    ----------
    x : array (N, C, ...)

    Returns
    -------
    array (C,)
    """
    return x.sum(axis=(0, *range(2, x.ndim)))
