"""Normalization layers."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from .. import functional as F
from ..arguments import check_integer, check_number, check_sizes
from ..backend import repeated
from ..tensor import Tensor, tensor
from .module import Module, Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "LayerNorm"]


class _BatchNorm(Module):
    """The parameters and running statistics of batch normalization."""

    num_features: int
    eps: float

    _ranks: ClassVar[tuple[int, ...]] = ()
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        check_sizes(type(self).__name__, num_features=num_features)
        self.num_features, self.eps = num_features, check_number(type(self).__name__, "eps", eps)
        self.momentum: float | None = (
            momentum if momentum is None else check_number(type(self).__name__, "momentum", momentum)
        )
        self.register_parameter("weight", Parameter(np.ones(num_features, np.float32)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(num_features, np.float32)) if affine else None)
        keep = track_running_stats
        self.register_buffer("running_mean", tensor(np.zeros(num_features, np.float32)) if keep else None)
        self.register_buffer("running_var", tensor(np.ones(num_features, np.float32)) if keep else None)
        self.register_buffer("num_batches_tracked", tensor(np.asarray(0, np.int64)) if keep else None)

    def _momentum(self) -> float:
        """Count a batch and return its weight; all are equal without a momentum."""
        if self.num_batches_tracked is None:
            return 0.0
        count = repeated(self._count)
        return 1 / count if self.momentum is None else self.momentum

    def _count(self) -> int:
        assert self.num_batches_tracked is not None
        count: int = self.num_batches_tracked.item() + 1
        self.num_batches_tracked.set_array(np.asarray(count, np.int64))
        return count

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self._ranks or input.shape[1] != self.num_features:
            ranks = " or ".join(str(r) for r in self._ranks)
            raise ValueError(
                f"{type(self).__name__}: expected {ranks} dimensions with {self.num_features} channels, "
                f"got input of shape {input.shape}"
            )

    def forward(self, input: Tensor, *, negative_slope: float | None = None) -> Tensor:
        """See `minigen.functional.batch_norm`."""
        self._check(input)
        own = self.training or self.running_mean is None
        momentum = self._momentum() if self.training else 0.0
        running = self.running_mean, self.running_var
        return F.batch_norm(
            input, *running, self.weight, self.bias, own, momentum, self.eps, negative_slope=negative_slope
        )

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}"


class BatchNorm1d(_BatchNorm):
    """Normalize (N, C) or (N, C, L) by the batch.

    See `minigen.functional.batch_norm`.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
    momentum : float or None
        Weight of the newest batch in the running statistics; None averages all batches evenly.
    affine, track_running_stats : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.BatchNorm1d(3)(mg.randn(8, 3)).shape
    (8, 3)
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalize (N, C, H, W) by the batch; see `minigen.functional.batch_norm`.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
    momentum : float or None
        Weight of the newest batch in the running statistics; None averages all batches evenly.
    affine, track_running_stats : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.BatchNorm2d(3)(mg.randn(8, 3, 4, 4)).shape
    (8, 3, 4, 4)
    """

    _ranks = (4,)


class InstanceNorm2d(_BatchNorm):
    """Normalize each channel of each image; see `minigen.functional.instance_norm`.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
    momentum : float or None
        Weight of the newest batch in the running statistics; with None, as in PyTorch, they stay as they are.
    affine, track_running_stats : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.InstanceNorm2d(3)(mg.randn(8, 3, 4, 4)).shape
    (8, 3, 4, 4)
    """

    _ranks = (4,)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor, *, negative_slope: float | None = None) -> Tensor:
        """See `minigen.functional.instance_norm`."""
        self._check(input)
        own = self.training or self.running_mean is None
        momentum = self.momentum if self.training and self.momentum is not None else 0.0
        running = (self.running_mean, self.running_var) if self.training or not own else (None, None)
        return F.instance_norm(
            input, *running, self.weight, self.bias, own, momentum, self.eps, negative_slope=negative_slope
        )


class LayerNorm(Module):
    """Normalize each example; see `minigen.functional.layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float
    elementwise_affine, bias : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.LayerNorm(4)(mg.randn(2, 4)).shape
    (2, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
        self.normalized_shape: tuple[int, ...] = tuple(
            check_integer("LayerNorm", "normalized_shape", size, 1) for size in sizes
        )
        self.eps: float = check_number("LayerNorm", "eps", eps)
        ones_, zeros_ = np.ones(self.normalized_shape, np.float32), np.zeros(self.normalized_shape, np.float32)
        self.register_parameter("weight", Parameter(ones_) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(zeros_) if elementwise_affine and bias else None)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.layer_norm`."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """Normalize groups of channels of each example.

    See `minigen.functional.group_norm`.

    Parameters
    ----------
    num_groups, num_channels : int
    eps : float
    affine : bool

    Raises
    ------
    ValueError
        If the groups do not divide the channels.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.GroupNorm(2, 4)(mg.randn(2, 4, 3, 3)).shape
    (2, 4, 3, 3)
    """

    num_groups: int
    num_channels: int

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True):
        super().__init__()
        check_sizes("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} does not divide num_channels={num_channels}")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps: float = check_number("GroupNorm", "eps", eps)
        self.register_parameter("weight", Parameter(np.ones(num_channels, np.float32)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(num_channels, np.float32)) if affine else None)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.group_norm`."""
        if input.ndim < 2 or input.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: expected {self.num_channels} channels, got input of shape {input.shape}")
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"
