"""Activation layers: a function of each element."""

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = ["ELU", "LeakyReLU", "ReLU", "Sigmoid", "Softplus", "Tanh"]


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
