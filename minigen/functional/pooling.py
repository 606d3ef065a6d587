"""Pooling: the largest or the mean element of each window."""

from typing import Any

from ..arguments import Padding, Pair, image_batch, normalize_padding, pair
from ..backend import array_module
from ..kernels.shapes import output_size
from ..ops import conv as _conv
from ..ops import pool as _pool
from ..tensor import Tensor

__all__ = ["avg_pool2d", "max_pool2d"]


def max_pool2d(
    input: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0, dilation: Pair = 1
) -> Tensor:
    """The largest element of each window; at a tie the first in row order gets the gradient.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
        Never chosen; at most half the kernel size.
    dilation : int or (int, int)

    Raises
    ------
    ValueError
        If the window does not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.max_pool2d(mg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    batched, window = _window("max_pool2d", input, kernel_size, stride, padding, dilation)
    out = _pool.max_pool2d(batched, **window)
    return out if input.ndim == 4 else out.reshape(out.shape[1:])


def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: a convolution whose weights are all 1 / (R S).

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
    count_include_pad : bool
        Whether padding counts as elements of value 0.
    divisor_override : int, optional
        Divide by this in place of the number of elements.

    Raises
    ------
    ValueError
        If the window does not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.avg_pool2d(mg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5,  4.5],
             [10.5, 12.5]]])
    """
    batched, window = _window("avg_pool2d", input, kernel_size, stride, padding, 1)
    size = window.pop("kernel_size")
    xp = array_module(input.data)

    def window_sum(images: Tensor) -> Tensor:
        single = images.reshape(-1, 1, *images.shape[2:])  # channels as images: they do not mix
        return _conv.conv2d(single, Tensor(xp.ones((1, 1, *size), images.dtype)), groups=1, **window)

    out = window_sum(batched)
    if divisor_override is not None or count_include_pad:
        out = out / (divisor_override or size[0] * size[1])
    else:
        out = out / window_sum(Tensor(xp.ones((1, 1, *batched.shape[2:]), input.dtype)))
    shape = (*batched.shape[:2], *out.shape[2:])
    return out.reshape(shape if input.ndim == 4 else shape[1:])


def _window(
    op: str, input: Tensor, kernel_size: Pair, stride: Pair | None, padding: Padding, dilation: Pair
) -> tuple[Tensor, dict[str, Any]]:
    """The checked parameters of a pooling window."""
    batched = image_batch(op, input)
    size = pair(op, "kernel_size", kernel_size, 1)
    strides = size if stride is None else pair(op, "stride", stride, 1)
    dilations = pair(op, "dilation", dilation, 1)
    sides = normalize_padding(op, padding, batched.shape[2:], size, strides, dilations)
    for i in range(2):
        if padding != "same" and max(sides[i]) > size[i] // 2:
            raise ValueError(f"{op}: padding {sides} is more than half the kernel size {size}")
        if output_size(batched.shape[2 + i], size[i], strides[i], sides[i], dilations[i]) < 1:
            raise ValueError(f"{op}: window {size}, dilation {dilations}, does not fit input of shape {input.shape}")
    return batched, {"kernel_size": size, "stride": strides, "padding": sides, "dilation": dilations}
