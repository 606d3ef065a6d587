"""Pooling: the largest or the mean element of each window."""

from typing import Any

import numpy as np

from ..arguments import Padding, Pair, check_boolean, check_integer, image_batch, normalize_padding, pair
from ..backend import array_module
from ..kernels.shapes import output_size as window_count
from ..ops import conv as _conv
from ..ops import pool as _pool
from ..ops.reduce import mean
from ..ops.resample import Taps, make_taps, resample
from ..tensor import Tensor

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"]


def max_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Take the largest element of each window; at a tie the first in row order gets the gradient.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
        Never chosen; at most half the kernel size.
    dilation : int or (int, int)
    ceil_mode : bool
        Also take the windows that reach beyond the end, if they start before it.

    Raises
    ------
    ValueError
        If the window does not fit, or a window holds nothing but padding.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.max_pool2d(mg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    batched, window = _window("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    out = _pool.max_pool2d(batched, **window)
    return out if input.ndim == 4 else out.reshape(out.shape[1:])


def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Take the mean of each window: a convolution whose weights are all 1 / (R S).

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
    ceil_mode : bool
        Also take the windows that reach beyond the end, if they start before it.
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
    op = "avg_pool2d"
    batched, window = _window(op, input, kernel_size, stride, padding, 1, ceil_mode)
    check_boolean(op, "count_include_pad", count_include_pad)
    size = window.pop("kernel_size")
    xp = array_module(input.data)

    def window_sum(images: Tensor, **how: Any) -> Tensor:
        single = images.reshape(-1, 1, *images.shape[2:])  # channels as images: they do not mix
        return _conv.conv2d(single, Tensor(xp.ones((1, 1, *size), images.dtype)), groups=1, **how)

    out = window_sum(batched, **window)
    plain = normalize_padding(op, padding, batched.shape[2:], size, window["stride"], (1, 1))
    if divisor_override is not None:
        out = out / check_integer(op, "divisor_override", divisor_override, 1)
    elif count_include_pad and window["padding"] == plain:
        out = out / (size[0] * size[1])
    else:  # the elements that each window has: what lies beyond the padding is none
        border = plain if count_include_pad else ((0, 0), (0, 0))
        counted = Tensor(xp.ones((1, 1, *(n + a + b for n, (a, b) in zip(batched.shape[2:], border))), input.dtype))
        beyond = tuple((a - c, b - d) for (a, b), (c, d) in zip(window["padding"], border))
        out = out / window_sum(counted, **{**window, "padding": beyond})
    shape = (*batched.shape[:2], *out.shape[2:])
    return out.reshape(shape if input.ndim == 4 else shape[1:])


def adaptive_avg_pool2d(input: Tensor, output_size: Pair) -> Tensor:
    """Take means over windows that are chosen so that the result has `output_size`.

    Row p of P is the mean of the rows from ``floor(p H / P)`` to before ``ceil((p + 1) H / P)``; columns likewise.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    output_size : int or (int, int)

    Returns
    -------
    Tensor (N, C, P, Q) or (C, P, Q)

    Raises
    ------
    ValueError
        If the image or the output size is empty.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.adaptive_avg_pool2d(mg.arange(6.0).reshape(1, 2, 3), 1)
    tensor([[[2.5]]])
    """
    op = "adaptive_avg_pool2d"
    out, target = image_batch(op, input), pair(op, "output_size", output_size, 1)
    if 0 in out.shape[2:]:
        raise ValueError(f"{op}: argument 'input': expected images that are not empty, got shape {input.shape}")
    for axis, m in zip((2, 3), target):
        n = out.shape[axis]
        if n % m == 0:
            out = mean(out.reshape(*out.shape[:axis], m, n // m, *out.shape[axis + 1 :]), axis + 1)
        else:
            out = resample(out, dim=axis, taps=_adaptive_taps(n, m))
    return out if input.ndim == 4 else out.reshape(out.shape[1:])


def _adaptive_taps(n: int, m: int) -> Taps:
    """The windows of n pixels, for m results."""
    windows = [np.arange(p * n // m, -((p + 1) * -n // m)) for p in range(m)]
    counts = np.array([len(window) for window in windows])
    return make_taps(np.repeat(np.arange(m), counts), np.concatenate(windows), np.repeat(1 / counts, counts), m)


def _window(
    op: str,
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
) -> tuple[Tensor, dict[str, Any]]:
    """The checked parameters of a pooling window."""
    batched = image_batch(op, input)
    size = pair(op, "kernel_size", kernel_size, 1)
    strides = size if stride is None else pair(op, "stride", stride, 1)
    dilations = pair(op, "dilation", dilation, 1)
    sides = normalize_padding(op, padding, batched.shape[2:], size, strides, dilations)
    check_boolean(op, "ceil_mode", ceil_mode)
    ends = []
    for i in range(2):
        n, (before, after), d, s = batched.shape[2 + i], sides[i], dilations[i], strides[i]
        if padding != "same" and max(before, after) > size[i] // 2:
            raise ValueError(f"{op}: padding {sides} is more than half the kernel size {size}")
        if ceil_mode:  # more padding at the end: one more window, if it starts before the end of the image
            rest = (n + before + after - d * (size[i] - 1) - 1) % s
            start = n + before + after - d * (size[i] - 1) - 1 - rest + s
            after += s - rest if rest and start < n + before else 0
        count = window_count(n, size[i], s, (before, after), d)
        if count < 1:
            raise ValueError(f"{op}: window {size}, dilation {dilations}, does not fit input of shape {input.shape}")
        rows = np.arange(count)[:, None] * s + np.arange(size[i]) * d - before if d > 1 else np.zeros((1, 1))
        if not ((rows >= 0) & (rows < n)).any(axis=1).all():
            raise ValueError(
                f"{op}: a window holds nothing but padding: size {n}, kernel {size[i]}, dilation {d}, "
                f"padding {sides[i]}"
            )
        ends.append((before, after))
    return batched, {"kernel_size": size, "stride": strides, "padding": tuple(ends), "dilation": dilations}
