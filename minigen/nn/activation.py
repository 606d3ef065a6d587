"""Activation layers: a function of each element, or of each row."""

import math

from .. import functional as F
from ..arguments import check_choice, check_integer, check_number, check_sizes
from ..creation import full
from ..tensor import Tensor
from .module import Module, Parameter

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "PReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class ReLU(Module):
    """Compute ``max(x, 0)``."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.relu`."""
        return F.relu(input)


class LeakyReLU(Module):
    """Compute ``x`` where x > 0, ``negative_slope * x`` elsewhere.

    The default is PyTorch's; Keras has 0.3, DCGAN uses 0.2.

    Parameters
    ----------
    negative_slope : float
    """

    def __init__(self, negative_slope: float = 0.01):
        super().__init__()
        self.negative_slope: float = check_number("LeakyReLU", "negative_slope", negative_slope, least=-math.inf)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.leaky_relu`."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """Compute ``x`` where x > 0, ``weight * x`` elsewhere.

    This is a leaky ReLU that learns its slope (He et al. 2015).

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels: one slope for each.
    init : float
        The slope at the start.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.PReLU()(mg.tensor([-4.0, 4.0])).numpy().tolist()
    [-1.0, 4.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        super().__init__()
        check_sizes("PReLU", num_parameters=num_parameters)
        self.num_parameters = num_parameters
        self.weight: Parameter = Parameter(full((num_parameters,), init))

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.prelu`."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """Compute ``x`` where x > 0, ``alpha * (exp(x) - 1)`` elsewhere.

    Clevert et al. 2016.

    Parameters
    ----------
    alpha : float
    """

    def __init__(self, alpha: float = 1.0):
        super().__init__()
        self.alpha: float = check_number("ELU", "alpha", alpha, least=-math.inf)

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.elu`."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """Return the scale."""
        return f"alpha={self.alpha}"


class SiLU(Module):
    """Compute ``x * sigmoid(x)``, also called swish."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.silu`."""
        return F.silu(input)


class GELU(Module):
    """Compute x times the probability that a standard normal number is below x.

    See `minigen.functional.gelu` (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    approximate : {"none", "tanh"}
    """

    def __init__(self, approximate: str = "none"):
        super().__init__()
        self.approximate: str = check_choice("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.gelu`."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Return the formula in use."""
        return f"approximate={self.approximate!r}"


class Tanh(Module):
    """Compute the hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.tanh`."""
        return F.tanh(input)


class Sigmoid(Module):
    """Compute ``1 / (1 + exp(-x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.sigmoid`."""
        return F.sigmoid(input)


class Softplus(Module):
    """Compute ``log(1 + exp(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.softplus`."""
        return F.softplus(input)


class _AlongDim(Module):
    """A function along one dimension."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim: int = check_integer(type(self).__name__, "dim", dim)

    def extra_repr(self) -> str:
        """Return the dimension."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """Turn logits into probabilities: ``exp(x)``, divided by its sum along `dim`.

    Parameters
    ----------
    dim : int

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Softmax(dim=1)(mg.zeros(1, 4))
    tensor([[0.25, 0.25, 0.25, 0.25]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.softmax`."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """Turn logits into logarithms of probabilities, without rounding them to log 0.

    Parameters
    ----------
    dim : int
    """

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.log_softmax`."""
        return F.log_softmax(input, self.dim)
