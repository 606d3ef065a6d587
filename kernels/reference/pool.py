"""Max pooling, in plain NumPy."""

import numpy as np

from ..shapes import Array, Padding, Pair, Window, output_size
from ..signatures import checked

__all__ = ["max_pool2d", "max_pool2d_grad"]


@checked("max_pool2d")
def max_pool2d(x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Array, Array]:
    """The largest element of each window, and where it was.

    Padding is never chosen, not even where all elements of the window are minus infinity.  Of equal elements the first
    in row order wins.  A window that holds nothing but padding has the value -inf, at position 0.

    Parameters
    ----------
    x : array (N, C, H, W)
    kernel_size, stride, dilation : (int, int)
    padding : ((top, bottom), (left, right))

    Returns
    -------
    values : array (N, C, P, Q)
    index : int64 array (N, C, P, Q)
        Position of the winner in the flattened (H, W) image.
    """
    width = x.shape[3]
    pixels = [output_size(x.shape[2 + i], kernel_size[i], stride[i], padding[i], dilation[i]) for i in range(2)]
    values = np.full((*x.shape[:2], *pixels), -np.inf, x.dtype)
    index = np.full(values.shape, -1)
    padded = np.pad(x, ((0, 0), (0, 0), *padding), constant_values=-np.inf)
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            rows = r * dilation[0] + stride[0] * np.arange(pixels[0])
            columns = s * dilation[1] + stride[1] * np.arange(pixels[1])
            candidate = padded[:, :, rows[:, None], columns[None, :]]
            place = (rows[:, None] - padding[0][0]) * width + (columns[None, :] - padding[1][0])
            inside = (rows - padding[0][0] >= 0) & (rows - padding[0][0] < x.shape[2])
            inside = inside[:, None] & (columns - padding[1][0] >= 0) & (columns - padding[1][0] < width)
            # a NaN beats everything and stays, so that it is seen rather than lost
            better = (candidate > values) | (np.isnan(candidate) & ~np.isnan(values)) | (inside & (index < 0))
            values = np.where(better, candidate, values)
            index = np.where(better, place, index)
    return values, np.maximum(index, 0)


@checked("max_pool2d_grad")
def max_pool2d_grad(g: Array, index: Array, input_size: Pair, window: Window | None = None) -> Array:
    """Hand each window's cotangent to the element that won it.

    Parameters
    ----------
    g : array (N, C, P, Q)
    index : int64 array (N, C, P, Q)
        As `max_pool2d` returns it.
    input_size : (H, W)
    window : (kernel_size, stride, padding, dilation), optional
        What `max_pool2d` was given, which says what windows can have chosen an element.  Only the CUDA kernel needs it,
        to have a thread for each element; this one goes by `index` alone.

    Returns
    -------
    array (N, C, H, W)

    Raises
    ------
    IndexError
        If `index` points outside the image.
    """
    if index.size and not 0 <= index.min() <= index.max() < input_size[0] * input_size[1]:
        raise IndexError(f"max_pool2d_grad: index points outside an image of {input_size}")
    n, c = g.shape[:2]
    dx = np.zeros((n * c, input_size[0] * input_size[1]), g.dtype)
    windows = g.shape[2] * g.shape[3]
    np.add.at(dx, (np.arange(n * c)[:, None], index.reshape(n * c, windows)), g.reshape(n * c, windows))
    return dx.reshape(n, c, *input_size)
