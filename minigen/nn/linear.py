"""The linear layer, and the layer that does nothing."""

from .. import functional as F
from ..creation import zeros
from ..tensor import Tensor
from ._checks import _positive
from .init import _start
from .module import Module, Parameter

__all__ = ["Identity", "Linear"]


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


class Identity(Module):
    """The input itself."""

    def forward(self, input: Tensor) -> Tensor:
        """Nothing happens."""
        return input
