r"""Starting values.

A layer of :math:`n` inputs with independent weights of variance :math:`\sigma^2` multiplies the variance of its signal
by :math:`n \sigma^2`, and that of the gradient by (outputs) :math:`\cdot \sigma^2`.  Kaiming's choice
:math:`\sigma^2 = 2 / n` keeps the first at 1 through ReLUs, which lose half of it; Xavier's
:math:`\sigma^2 = 2 / (n_{in} + n_{out})` is the compromise between both.

Each function gives a Tensor new values and returns it.  Randomness comes from the package's stream or from a
`generator`.
"""

import math
from typing import Any

import numpy as np

from ..backend import rng, to_device
from ..tensor import Tensor
from .module import Module, Parameter

__all__ = [
    "calculate_gain",
    "constant_",
    "dcgan_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _set(tensor: Tensor, values: Any) -> Tensor:
    tensor.data = to_device(np.asarray(values).astype(tensor.dtype), tensor.device)
    return tensor


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: np.random.Generator | None = None
) -> Tensor:
    """Draw from the normal distribution.

    >>> import minigen as mg
    >>> mg.nn.init.normal_(mg.zeros(2, 3), std=0.02).shape
    (2, 3)
    """
    return _set(tensor, mean + std * (generator or rng()).standard_normal(tensor.shape))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    """Draw from the uniform distribution on [a, b).

    >>> import minigen as mg
    >>> mg.nn.uniform_(mg.zeros(2, 3)).shape
    (2, 3)
    """
    return _set(tensor, (generator or rng()).uniform(a, b, tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Set every element to `val`.

    >>> import minigen as mg
    >>> mg.nn.init.constant_(mg.zeros(2), 3.0)
    tensor([3., 3.])
    """
    return _set(tensor, np.full(tensor.shape, val))


def zeros_(tensor: Tensor) -> Tensor:
    """Set every element to 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Set every element to 1."""
    return constant_(tensor, 1.0)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    r"""The factor by which a nonlinearity's weights must be larger to keep the signal's size.

    For LeakyReLU of slope a it is :math:`\sqrt{2 / (1 + a^2)}`: the second moment kept is :math:`(1 + a^2) / 2`.

    Parameters
    ----------
    nonlinearity : {"linear", "conv2d", "conv_transpose2d", "sigmoid", "tanh", "relu", "leaky_relu"}
    param : float, optional
        The slope of LeakyReLU (0.01).

    Raises
    ------
    ValueError
        If the nonlinearity is unknown.

    Examples
    --------
    >>> round(calculate_gain("relu"), 4)
    1.4142
    """
    gains = {"linear": 1.0, "conv2d": 1.0, "conv_transpose2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2)}
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in gains:
        known = ", ".join([*gains, "leaky_relu"])
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; expected {known}")
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output of this weight sums over, and how many outputs an input reaches."""
    if tensor.ndim < 2:
        raise ValueError(f"init: fans need a weight of at least two dimensions, got shape {tensor.shape}")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: expected mode 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: np.random.Generator | None = None,
) -> Tensor:
    r"""Uniform with variance :math:`gain^2 / fan` (He et al. 2015).

    >>> import minigen as mg
    >>> mg.nn.init.kaiming_uniform_(mg.zeros(4, 3)).shape
    (4, 3)
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: np.random.Generator | None = None,
) -> Tensor:
    r"""Normal with variance :math:`gain^2 / fan` (He et al. 2015).

    >>> import minigen as mg
    >>> mg.nn.init.kaiming_normal_(mg.zeros(4, 3)).shape
    (4, 3)
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    r"""Uniform with variance :math:`2\, gain^2 / (fan_{in} + fan_{out})` (Glorot & Bengio 2010); Keras's default.

    >>> import minigen as mg
    >>> mg.nn.init.xavier_uniform_(mg.zeros(4, 3)).shape
    (4, 3)
    """
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    r"""Normal with variance :math:`2\, gain^2 / (fan_{in} + fan_{out})` (Glorot & Bengio 2010).

    >>> import minigen as mg
    >>> mg.nn.init.xavier_normal_(mg.zeros(4, 3)).shape
    (4, 3)
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    """A random orthogonal matrix over the flattened trailing dimensions (Saxe et al. 2014).

    >>> import minigen as mg
    >>> w = mg.nn.init.orthogonal_(mg.zeros(3, 3, dtype="float64")).numpy()
    >>> bool(abs(w @ w.T - mg.tensor([[1., 0., 0.], [0., 1., 0.], [0., 0., 1.]]).numpy()).max() < 1e-12)
    True
    """
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    draws = (generator or rng()).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draws)
    q *= np.sign(np.diag(r))  # makes the distribution uniform over the orthogonal group
    return _set(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


def dcgan_(module: Module, generator: np.random.Generator | None = None) -> Module:
    """DCGAN's start (Radford et al. 2016, section 4): weights N(0, 0.02), batch norm's scale N(1, 0.02), biases 0.

    >>> import minigen as mg
    >>> layer = mg.nn.init.dcgan_(mg.nn.Conv2d(3, 8, 4))
    >>> bool(layer.bias.abs().max() == 0)
    True
    """
    for part in module.modules():
        weight, bias = getattr(part, "weight", None), getattr(part, "bias", None)
        if weight is not None:
            normal_(weight, 1.0 if weight.ndim == 1 else 0.0, 0.02, generator)
        if bias is not None:
            zeros_(bias)
    return module


def _start(weight: Parameter, bias: Parameter | None) -> None:
    """PyTorch's start: both uniform within 1 / sqrt(fan_in)."""
    fan_in = math.prod(weight.shape[1:])
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)
