r"""Starting values of weights.

A layer of $n$ inputs with independent weights of variance $\sigma^2$ multiplies the variance of its signal
by $n \sigma^2$, and that of the gradient by (outputs) $\cdot \sigma^2$.  Kaiming's choice
$\sigma^2 = 2 / n$ keeps the first at 1 through ReLUs, which lose half of it; Xavier's
$\sigma^2 = 2 / (n_{in} + n_{out})$ is a compromise between both.

Each function gives a Tensor new values and returns it.  Random numbers come from the package's stream or from
`generator`.
"""

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from ..backend import describe, rng, to_device
from ..tensor import Tensor
from .module import Module, Parameter

__all__ = [
    "calculate_gain",
    "constant_",
    "dcgan_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _set(tensor: Tensor, values: Any) -> Tensor:
    """Give the Tensor new values, in its dtype and on its device."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"init: argument 'tensor': expected a Tensor, got {describe(tensor)}; "
            "pass the parameter itself, not its .data"
        )
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
    >>> mg.nn.init.uniform_(mg.zeros(2, 3)).shape
    (2, 3)
    """
    return _set(tensor, (generator or rng()).uniform(a, b, tensor.shape))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution, and again for each value outside [a, b].

    Raises
    ------
    ValueError
        If [a, b] holds less than about a thousandth of the distribution.

    Examples
    --------
    >>> import minigen as mg
    >>> bool(mg.nn.init.trunc_normal_(mg.zeros(100), std=0.02, a=-0.04, b=0.04).abs().max() <= 0.04)
    True
    """
    inside = NormalDist(mean, std).cdf(b) - NormalDist(mean, std).cdf(a) if std > 0 else 0.0
    if inside < 1e-3:
        raise ValueError(f"trunc_normal_: [{a}, {b}] is too far from mean {mean} for std {std}")
    stream = generator or rng()
    values = mean + std * stream.standard_normal(tensor.shape)
    while (outside := (values < a) | (values > b)).any():
        values[outside] = mean + std * stream.standard_normal(outside.sum())
    return _set(tensor, values)


def eye_(tensor: Tensor) -> Tensor:
    """Set the identity matrix.

    >>> import minigen as mg
    >>> mg.nn.init.eye_(mg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected two dimensions, got shape {tensor.shape}")
    return _set(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


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
    r"""Return the factor on a layer's weights that makes up for its nonlinearity.

    For LeakyReLU of slope a it is $\sqrt{2 / (1 + a^2)}$: the second moment kept is $(1 + a^2) / 2$.

    Parameters
    ----------
    nonlinearity : {"linear", "conv1d", "conv2d", ..., "sigmoid", "tanh", "relu", "leaky_relu", "selu"}
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
    gains |= {"conv1d": 1.0, "conv_transpose1d": 1.0, "selu": 0.75}
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in gains:
        known = ", ".join([*gains, "leaky_relu"])
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; expected {known}")
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Return fan-in and fan-out.

    Fan-in is the number of inputs that an output sums over, fan-out the number of outputs that an input reaches.
    """
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
    r"""Draw uniformly, with variance $gain^2 / fan$ (He et al. 2015).

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
    r"""Draw normally, with variance $gain^2 / fan$ (He et al. 2015).

    >>> import minigen as mg
    >>> mg.nn.init.kaiming_normal_(mg.zeros(4, 3)).shape
    (4, 3)
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    r"""Draw uniformly, with variance $2\, gain^2 / (fan_{in} + fan_{out})$.

    Glorot & Bengio 2010; Keras's default.

    >>> import minigen as mg
    >>> mg.nn.init.xavier_uniform_(mg.zeros(4, 3)).shape
    (4, 3)
    """
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    r"""Draw normally, with variance $2\, gain^2 / (fan_{in} + fan_{out})$.

    Glorot & Bengio 2010.

    >>> import minigen as mg
    >>> mg.nn.init.xavier_normal_(mg.zeros(4, 3)).shape
    (4, 3)
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    """Set a random orthogonal matrix (Saxe et al. 2014).

    The columns are all dimensions but the first.

    >>> import minigen as mg
    >>> w = mg.nn.init.orthogonal_(mg.zeros(3, 3, dtype="float64")).numpy()
    >>> bool(abs(w @ w.T - np.eye(3)).max() < 1e-12)
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least two dimensions, got shape {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    draws = (generator or rng()).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draws)
    q *= np.sign(np.diag(r))  # makes the distribution uniform over the orthogonal group
    return _set(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


def dcgan_(module: Module, generator: np.random.Generator | None = None) -> Module:
    """Set DCGAN's starting values (Radford et al. 2016, section 4).

    Weights are drawn from N(0, 0.02), batch norm's scales from N(1, 0.02), where 0.02 is the standard deviation; biases
    are 0.

    >>> import minigen as mg
    >>> layer = mg.nn.init.dcgan_(mg.nn.Conv2d(3, 8, 4))
    >>> bool(layer.bias.abs().max() == 0)
    True
    """
    for part in module.modules():
        parameters = dict(part.named_parameters(recurse=False))
        weight, bias = parameters.get("weight", parameters.get("weight_orig")), parameters.get("bias")
        if weight is not None:
            normal_(weight, 1.0 if weight.ndim == 1 else 0.0, 0.02, generator)
        if bias is not None:
            zeros_(bias)
    return module


def _start(weight: Parameter, bias: Parameter | None) -> None:
    """Set PyTorch's starting values: both uniform within 1 / sqrt(fan_in)."""
    fan_in = math.prod(weight.shape[1:])
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)
