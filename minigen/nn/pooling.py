"""Pooling layers: one number for each window of an image."""

from .. import functional as F
from ..arguments import Padding, Pair
from ..tensor import Tensor
from .module import Module

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"]


class MaxPool2d(Module):
    """Take the largest element of each window; see `minigen.functional.max_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
    dilation : int or (int, int)
    ceil_mode : bool
        Also take windows at the end that are only partly filled.
    """

    kernel_size: Pair
    stride: Pair | None
    padding: Padding
    dilation: Pair

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Padding = 0,
        dilation: Pair = 1,
        *,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.max_pool2d`."""
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode)

    def extra_repr(self) -> str:
        """Return the window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}"


class AvgPool2d(Module):
    """Take the mean of each window; see `minigen.functional.avg_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
    ceil_mode : bool
        Also take windows at the end that are only partly filled.
    count_include_pad : bool
        Count the zeros of the padding.
    divisor_override : int, optional
        Divide the sums by this instead of the number of elements.
    """

    kernel_size: Pair
    stride: Pair | None
    padding: Padding
    ceil_mode: bool
    count_include_pad: bool
    divisor_override: int | None

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.avg_pool2d`."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
            divisor_override=self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Return the window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Average images down to one size; see `minigen.functional.adaptive_avg_pool2d`.

    Parameters
    ----------
    output_size : int or (int, int)

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.AdaptiveAvgPool2d(1)(mg.ones(2, 3, 8, 6)).shape
    (2, 3, 1, 1)
    """

    def __init__(self, output_size: Pair):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.adaptive_avg_pool2d`."""
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        """Return the size."""
        return f"output_size={self.output_size}"
