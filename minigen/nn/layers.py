"""The layers: a function of `minigen.functional` together with its parameters.

Arguments, defaults and starting values are PyTorch's.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from ..creation import zeros
from ..functional import Padding, Pair
from ..ops import shape as _shape
from ..tensor import Tensor, tensor
from . import init
from .module import Module, Parameter

__all__ = [
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "ELU",
    "Flatten",
    "GroupNorm",
    "Identity",
    "InstanceNorm2d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "ReLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "Unflatten",
    "Upsample",
]


def _start(weight: Parameter, bias: Parameter | None) -> None:
    """PyTorch's start: both uniform within 1 / sqrt(fan_in)."""
    fan_in = math.prod(weight.shape[1:])
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    init.uniform_(weight, -bound, bound)
    if bias is not None:
        init.uniform_(bias, -bound, bound)


def _positive(layer: str, **sizes: int) -> None:
    for name, n in sizes.items():
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"{layer}: expected {name} to be an integer of at least 1, got {n!r}")


class Linear(Module):
    """``y = x W^T + b``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Linear(3, 2)(mg.ones(5, 3)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        _positive("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(zeros(out_features, in_features))
        self.register_parameter("bias", Parameter(zeros(out_features)) if bias else None)
        _start(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.linear`."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class _Conv(Module):
    """What both convolutions keep."""

    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        bias: bool,
    ):
        super().__init__()
        name = type(self).__name__
        _positive(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
        _positive(name, kernel_height=self.kernel_size[0], kernel_width=self.kernel_size[1])
        self.stride, self.padding, self.dilation = stride, padding, dilation
        outer, inner = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        self.weight = Parameter(zeros(outer, inner // groups, *self.kernel_size))
        self.register_parameter("bias", Parameter(zeros(out_channels)) if bias else None)
        _start(self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding!r}, dilation={self.dilation}, groups={self.groups}, bias={self.bias is not None}"
        )


class Conv2d(_Conv):
    """Convolution with a learned bank of filters; see `minigen.functional.conv2d`.

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
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.conv2d`."""
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """Transposed convolution with a learned bank of filters; see `minigen.functional.conv_transpose2d`.

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

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.conv_transpose2d`."""
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


class _BatchNorm(Module):
    """What batch normalisation keeps, whatever the number of dimensions."""

    _ranks: tuple[int, ...] = ()
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
        _positive(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.register_parameter("weight", Parameter(np.ones(num_features, np.float32)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(num_features, np.float32)) if affine else None)
        keep = track_running_stats
        self.register_buffer("running_mean", tensor(np.zeros(num_features, np.float32)) if keep else None)
        self.register_buffer("running_var", tensor(np.ones(num_features, np.float32)) if keep else None)
        self.register_buffer("num_batches_tracked", tensor(np.asarray(0)) if keep else None)

    def _momentum(self) -> float:
        """Count a batch and say how much it weighs; without a momentum all batches weigh the same."""
        if self.num_batches_tracked is None:
            return 0.0
        self.num_batches_tracked = tensor(self.num_batches_tracked.data + 1)
        return 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self._ranks or input.shape[1] != self.num_features:
            ranks = " or ".join(str(r) for r in self._ranks)
            raise ValueError(
                f"{type(self).__name__}: expected {ranks} dimensions with {self.num_features} channels, "
                f"got input of shape {input.shape}"
            )

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.batch_norm`."""
        self._check(input)
        own = self.training or self.running_mean is None
        momentum = self._momentum() if self.training else 0.0
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}"


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); see `minigen.functional.batch_norm`.

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
    """Batch normalisation of (N, C, H, W); see `minigen.functional.batch_norm`.

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
    """Instance normalisation of (N, C, H, W); see `minigen.functional.instance_norm`.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
    momentum : float or None
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

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.instance_norm`."""
        self._check(input)
        own = self.training or self.running_mean is None
        momentum = self._momentum() if self.training else 0.0
        running = (self.running_mean, self.running_var) if self.training or not own else (None, None)
        return F.instance_norm(input, *running, self.weight, self.bias, own, momentum, self.eps)


class LayerNorm(Module):
    """Layer normalisation; see `minigen.functional.layer_norm`.

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

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        ones_, zeros_ = np.ones(self.normalized_shape, np.float32), np.zeros(self.normalized_shape, np.float32)
        self.register_parameter("weight", Parameter(ones_) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(zeros_) if elementwise_affine and bias else None)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.layer_norm`."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """Group normalisation; see `minigen.functional.group_norm`.

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

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True):
        super().__init__()
        _positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} does not divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.register_parameter("weight", Parameter(np.ones(num_channels, np.float32)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(num_channels, np.float32)) if affine else None)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.group_norm`."""
        if input.ndim < 2 or input.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: expected {self.num_channels} channels, got input of shape {input.shape}")
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class ReLU(Module):
    """``max(x, 0)``."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.relu`."""
        return F.relu(input)


class LeakyReLU(Module):
    """``x`` where x > 0, ``negative_slope * x`` elsewhere.  PyTorch's default slope; Keras has 0.3, DCGAN uses 0.2."""

    def __init__(self, negative_slope: float = 0.01):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.leaky_relu`."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """``x`` where x > 0, ``alpha * (exp(x) - 1)`` elsewhere."""

    def __init__(self, alpha: float = 1.0):
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.elu`."""
        return F.elu(input, alpha=self.alpha)

    def extra_repr(self) -> str:
        """The limit."""
        return f"alpha={self.alpha}"


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.tanh`."""
        return F.tanh(input)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.sigmoid`."""
        return F.sigmoid(input)


class Softplus(Module):
    """``log(1 + exp(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.softplus`."""
        return F.softplus(input)


class Dropout(Module):
    """Zero elements with probability `p` in training; see `minigen.functional.dropout`.

    Parameters
    ----------
    p : float
    generator : numpy.random.Generator, optional
        Where the masks are drawn from; by default the package's stream.
    """

    def __init__(self, p: float = 0.5, *, generator: np.random.Generator | None = None):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: expected p between 0 and 1, got {p}")
        self.p, self.generator = p, generator

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.dropout`."""
        return F.dropout(input, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


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


class Identity(Module):
    """The input itself."""

    def forward(self, input: Tensor) -> Tensor:
        """Nothing happens."""
        return input
