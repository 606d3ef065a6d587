"""What all rungs need: memory for the result, and its delivery in `out`."""

import numpy as np

from ..shapes import output_size

__all__ = ["deliver", "empty_output"]


def empty_output(x, w, stride, padding, dilation):
    """An uninitialised array for ``conv2d(x, w, ...)``."""
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    return np.empty((x.shape[0], w.shape[0], *(output_size(*axis) for axis in axes)), x.dtype)


def deliver(y, out):
    """`y`, or `out` filled with it."""
    if out is None:
        return y
    out[...] = y
    return out
