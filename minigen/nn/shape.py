"""Layers that change the shape of their input."""

from collections.abc import Sequence
from typing import ClassVar

from .. import functional as F
from ..arguments import Pair, check_integer, check_sizes, normalize_dim, shown
from ..ops import shape as _shape
from ..tensor import Tensor
from .module import Module

__all__ = [
    "Flatten",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "Unflatten",
    "Upsample",
    "ZeroPad2d",
]


class Upsample(Module):
    """Resize images; see `minigen.functional.interpolate`.

    Parameters
    ----------
    size : int or (int, int), optional
    scale_factor : float or (float, float), optional
        One of the two is needed.
    mode : {"nearest", "bilinear", "bicubic"}
    align_corners : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Upsample(scale_factor=2)(mg.ones(1, 3, 4, 4)).shape
    (1, 3, 8, 8)
    """

    size: Pair | None
    scale_factor: float | tuple[float, float] | None
    mode: str
    align_corners: bool

    def __init__(
        self,
        size: Pair | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ):
        super().__init__()
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.interpolate`."""
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        """Return the size."""
        return f"size={self.size}, scale_factor={self.scale_factor}, mode={self.mode!r}"


class PixelShuffle(Module):
    """Spread channels over pixels, which enlarges images (Shi et al. 2016).

    See `minigen.functional.pixel_shuffle`.

    Parameters
    ----------
    upscale_factor : int

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.PixelShuffle(2)(mg.ones(1, 12, 4, 4)).shape
    (1, 3, 8, 8)
    """

    def __init__(self, upscale_factor: int):
        super().__init__()
        check_sizes("PixelShuffle", upscale_factor=upscale_factor)
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.pixel_shuffle`."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Gather pixels in channels: the inverse of `PixelShuffle`.

    Parameters
    ----------
    downscale_factor : int

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.PixelUnshuffle(2)(mg.ones(1, 3, 8, 8)).shape
    (1, 12, 4, 4)
    """

    def __init__(self, downscale_factor: int):
        super().__init__()
        check_sizes("PixelUnshuffle", downscale_factor=downscale_factor)
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.pixel_unshuffle`."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"downscale_factor={self.downscale_factor}"


class _Pad2d(Module):
    """Add a border to images."""

    _mode: ClassVar[str]

    def __init__(self, padding: int | Sequence[int]):
        super().__init__()
        name = type(self).__name__
        sides = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * 4
        if len(sides) != 4:
            raise ValueError(f"{name}: argument 'padding': expected one or four integers, got {shown(padding)}")
        self.padding: tuple[int, ...] = tuple(check_integer(name, "padding", side) for side in sides)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.pad`."""
        padded: Tensor = F.pad(input, self.padding, self._mode)
        return padded

    def extra_repr(self) -> str:
        """Return the widths: left, right, top, bottom."""
        return f"{self.padding}"


class ZeroPad2d(_Pad2d):
    """Add a border of zeros to images.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
        A negative width cuts off.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.ZeroPad2d((1, 0, 0, 0))(mg.ones(1, 1, 1, 2))
    tensor([[[[0., 1., 1.]]]])
    """

    _mode = "constant"


class ReflectionPad2d(_Pad2d):
    """Add a border that mirrors the image without repeating its edge.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.ReflectionPad2d((2, 0, 0, 0))(mg.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[3., 2., 1., 2., 3.]]]])
    """

    _mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """Add a border that repeats the image's edge.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.ReplicationPad2d((2, 0, 0, 0))(mg.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1., 1., 1., 2.]]]])
    """

    _mode = "replicate"


class Flatten(Module):
    """Merge dimensions into one; by default all but the first.

    Parameters
    ----------
    start_dim, end_dim : int
    """

    start_dim: int
    end_dim: int

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.flatten`."""
        flat: Tensor = _shape.flatten(input, self.start_dim, self.end_dim)
        return flat

    def extra_repr(self) -> str:
        """Return the dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split a dimension into several.

    Parameters
    ----------
    dim : int
    unflattened_size : sequence of int
        One of them may be -1: what is left.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Unflatten(1, (2, 3))(mg.ones(5, 6)).shape
    (5, 2, 3)
    """

    dim: int
    unflattened_size: tuple[int, ...]

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """Split the dimension."""
        dim = normalize_dim("Unflatten", input.shape, self.dim)
        split: Tensor = _shape.reshape(input, (*input.shape[:dim], *self.unflattened_size, *input.shape[dim + 1 :]))
        return split

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
