"""Layers that change the shape of their input."""

from collections.abc import Sequence

from .. import functional as F
from ..arguments import Pair
from ..ops import shape as _shape
from ..tensor import Tensor
from .module import Module

__all__ = ["Flatten", "Unflatten", "Upsample"]


class Flatten(Module):
    """Merge dimensions into one; by default all but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.flatten`."""
        return _shape.flatten(input, self.start_dim, self.end_dim)


class Unflatten(Module):
    """Split a dimension into several.

    >>> import minigen as mg
    >>> mg.nn.Unflatten(1, (2, 3))(mg.ones(5, 6)).shape
    (5, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """Split."""
        dim = self.dim % input.ndim
        return _shape.reshape(input, (*input.shape[:dim], *self.unflattened_size, *input.shape[dim + 1 :]))

    def extra_repr(self) -> str:
        """The sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Upsample(Module):
    """Resize images; see `minigen.functional.interpolate`."""

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
        """The size."""
        return f"size={self.size}, scale_factor={self.scale_factor}, mode={self.mode!r}"
