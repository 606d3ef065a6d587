"""The sizes of a convolution, which every set of kernels, and every caller of all three kernels, needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

__all__ = ["Array", "CONVOLUTIONS", "Convolution", "Padding", "Pair", "Window", "output_size", "round_up"]

Array = np.ndarray[Any, Any]
"""The type of an array in annotations; CuPy's arrays have the same methods."""

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]
"""Zeros: ((top, bottom), (left, right))."""

Window = tuple[Pair, Pair, Padding, Pair]
"""Kernel size, stride, padding and dilation."""

CONVOLUTIONS = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")
"""The three kernels."""


def output_size(size: int, kernel: int, stride: int, padding: Pair, dilation: int) -> int:
    """Output length of a convolution along one axis.

    Parameters
    ----------
    size, kernel, stride, dilation : int
    padding : (int, int)
        Zeros before and after.

    Returns
    -------
    int
        Zero or less when the kernel does not fit.
    """
    return (size + padding[0] + padding[1] - dilation * (kernel - 1) - 1) // stride + 1


def round_up(n: int, step: int) -> int:
    """The smallest multiple of `step` that is at least n.

    >>> round_up(13, 8)
    16
    """
    return -(-n // step) * step


@dataclass(frozen=True)
class Convolution:
    """Sizes of images, filters and result, and how the filters move.

    Parameters
    ----------
    images : int
    channels, outputs : int
        Of one group.
    size, kernel : (int, int)
        Of an image, and of a filter.
    stride, dilation : (int, int), optional
    padding : ((top, bottom), (left, right)), optional
    groups : int, optional

    Examples
    --------
    >>> first = Convolution(128, 3, 64, (64, 64), (4, 4), stride=(2, 2), padding=((1, 1), (1, 1)))
    >>> first.x, first.w, first.y
    ((128, 3, 64, 64), (64, 3, 4, 4), (128, 64, 32, 32))
    """

    images: int
    channels: int
    outputs: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def x(self) -> tuple[int, ...]:
        """Shape of the images."""
        return (self.images, self.channels * self.groups, *self.size)

    @property
    def w(self) -> tuple[int, ...]:
        """Shape of the filters."""
        return (self.outputs * self.groups, self.channels, *self.kernel)

    @property
    def y(self) -> tuple[int, ...]:
        """Shape of the result, and of its cotangent."""
        axes = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return (self.images, self.outputs * self.groups, *(output_size(*axis) for axis in axes))

    @property
    def how(self) -> tuple[Any, ...]:
        """Stride, padding, dilation and groups, as the kernels take them."""
        return self.stride, self.padding, self.dilation, self.groups

    @property
    def flops(self) -> float:
        """Operations that the definition of each of the three kernels asks for."""
        _, outputs, height, width = self.y
        return 2.0 * self.images * outputs * height * width * self.channels * self.kernel[0] * self.kernel[1]

    @property
    def bytes(self) -> float:
        """What memory must give and take at least in float32: images, filters and result, once each."""
        return 4.0 * (prod(self.x) + prod(self.w) + prod(self.y))

    def arguments(self, op: str, x: Any, w: Any, g: Any) -> Sequence[Any]:
        """What the kernel `op` of `CONVOLUTIONS` is called with, for images, filters and cotangents."""
        first, second, size = {
            "conv2d": (x, w, ()),
            "conv2d_input_grad": (g, w, (self.size,)),
            "conv2d_weight_grad": (x, g, (self.kernel,)),
        }[op]
        return first, second, *size, *self.how

    def __str__(self) -> str:
        """Such as ``3->64 at 64x64, 4x4, stride 2, 128 images``: one number where both axes have the same."""
        extra = f", dilation {_both(self.dilation)}" * (self.dilation != (1, 1))
        extra += f", {self.groups} groups" * (self.groups > 1)
        return (
            f"{self.channels * self.groups}->{self.outputs * self.groups} at {self.size[0]}x{self.size[1]}, "
            f"{self.kernel[0]}x{self.kernel[1]}, stride {_both(self.stride)}{extra}, {self.images} images"
        )


def _both(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"({pair[0]}, {pair[1]})"
