"""Convolution layers: a bank of learned filters."""

from typing import Any, ClassVar

from .. import functional as F
from ..arguments import Padding, Pair, check_sizes, shown
from ..creation import zeros
from ..tensor import Tensor
from .init import _start
from .module import Module, Parameter

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]


class _Conv(Module):
    """The parameters of a convolution of any number of dimensions."""

    in_channels: int
    out_channels: int
    groups: int
    stride: Pair
    padding: Padding
    dilation: Pair

    _transposed: ClassVar[bool] = False
    _ndim: ClassVar[int] = 2
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        name = type(self).__name__
        check_sizes(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        sizes: Any = tuple(kernel_size) if isinstance(kernel_size, tuple | list) else (kernel_size,) * self._ndim
        if len(sizes) != self._ndim:
            raise ValueError(f"{name}: argument 'kernel_size': expected {self._ndim} sizes, got {shown(kernel_size)}")
        for size in sizes:
            check_sizes(name, kernel_size=size)
        self.kernel_size: tuple[int, ...] = sizes
        self.stride, self.padding, self.dilation = stride, padding, dilation
        outer, inner = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        self.weight: Parameter = Parameter(zeros(outer, inner // groups, *sizes))
        self.register_parameter("bias", Parameter(zeros(out_channels)) if bias else None)
        _start(self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding!r}, dilation={self.dilation}, groups={self.groups}, bias={self.bias is not None}"
        )


class _ConvTranspose(_Conv):
    """The parameters of a transposed convolution; PyTorch has another order of arguments here."""

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.output_padding = output_padding

    def extra_repr(self) -> str:
        """Return the sizes."""
        return super().extra_repr() + (f", output_padding={self.output_padding}" if self.output_padding else "")


class Conv2d(_Conv):
    """Convolve images with learned filters; see `minigen.functional.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride : int or (int, int)
    padding : int, (int, int), ((top, bottom), (left, right)), "valid" or "same"
    dilation : int or (int, int)
    groups : int
    bias : bool

    Raises
    ------
    ValueError
        If a size is not positive or `groups` does not divide the channels.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Conv2d(3, 8, 4, stride=2, padding=1)(mg.ones(2, 3, 16, 16)).shape
    (2, 8, 8, 8)
    """

    def forward(self, input: Tensor, *, negative_slope: float | None = None) -> Tensor:
        """See `minigen.functional.conv2d`."""
        how: Any = (self.stride, self.padding, self.dilation, self.groups)
        return F.conv2d(input, self.weight, self.bias, *how, negative_slope=negative_slope)


class Conv1d(_Conv):
    """Convolve sequences with learned filters; see `minigen.functional.conv1d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride : int
    padding : int, "valid" or "same"
    dilation, groups : int
    bias : bool

    Raises
    ------
    ValueError
        If a size is not positive or `groups` does not divide the channels.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Conv1d(3, 8, 4, stride=2, padding=1)(mg.ones(2, 3, 16)).shape
    (2, 8, 8)
    """

    _ndim = 1

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.conv1d`."""
        how: Any = (self.stride, self.padding, self.dilation, self.groups)
        return F.conv1d(input, self.weight, self.bias, *how)


class ConvTranspose2d(_ConvTranspose):
    """Apply a transposed convolution; see `minigen.functional.conv_transpose2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride : int or (int, int)
    padding : int, (int, int), ((top, bottom), (left, right)), "valid" or "same"
    output_padding : int or (int, int)
    groups : int
    bias : bool
    dilation : int or (int, int)

    Raises
    ------
    ValueError
        If a size is not positive or `groups` does not divide the channels.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)(mg.ones(2, 8, 8, 8)).shape
    (2, 3, 16, 16)
    """

    def forward(self, input: Tensor, output_size: Pair | None = None, *, negative_slope: float | None = None) -> Tensor:
        """See `minigen.functional.conv_transpose2d`."""
        how: Any = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        more: Any = {"output_size": output_size, "negative_slope": negative_slope}
        return F.conv_transpose2d(input, self.weight, self.bias, *how, **more)


class ConvTranspose1d(_ConvTranspose):
    """Apply a transposed convolution to sequences.

    See `minigen.functional.conv_transpose1d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride : int
    padding : int, "valid" or "same"
    output_padding, groups : int
    bias : bool
    dilation : int

    Raises
    ------
    ValueError
        If a size is not positive or `groups` does not divide the channels.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.ConvTranspose1d(8, 3, 4, stride=2, padding=1)(mg.ones(2, 8, 8)).shape
    (2, 3, 16)
    """

    _ndim = 1

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.conv_transpose1d`."""
        how: Any = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return F.conv_transpose1d(input, self.weight, self.bias, *how)
