"""Pooling layers: one number for each window of an image."""

from typing import Any

from .. import functional as F
from ..arguments import Padding, Pair
from ..tensor import Tensor
from .module import Module

__all__ = ["AvgPool2d", "MaxPool2d"]


class MaxPool2d(Module):
    """The largest element of each window; see `minigen.functional.max_pool2d`."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0, dilation: Pair = 1):
        super().__init__()
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.max_pool2d`."""
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}"


class AvgPool2d(Module):
    """The mean of each window; see `minigen.functional.avg_pool2d`."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0, **options: Any):
        super().__init__()
        self.kernel_size, self.stride, self.padding, self.options = kernel_size, stride, padding, options

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.avg_pool2d`."""
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, **self.options)

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
