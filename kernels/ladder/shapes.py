"""What all rungs need: memory for the result, and its delivery in `out`."""

import numpy as np

from ..shapes import Array, Padding, Pair, output_size

__all__ = ["deliver", "empty_output"]


def empty_output(x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """An uninitialized array for ``conv2d(x, w, ...)``."""
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    return np.empty((x.shape[0], w.shape[0], *(output_size(*axis) for axis in axes)), x.dtype)


def deliver(y: Array, out: Array | None) -> Array:
    """`y`, or `out` filled with it."""
    if out is None:
        return y
    out[...] = y
    return out
