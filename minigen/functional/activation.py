"""Activations and dropout."""

import math

import numpy as np

from ..arguments import check_choice, check_number, check_tensor, check_vector
from ..backend import repeated, rng
from ..ops import elementwise as _elementwise
from ..ops.elementwise import where
from ..tensor import Tensor

__all__ = ["dropout", "elu", "gelu", "leaky_relu", "prelu", "silu"]


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where x > 0, ``negative_slope * x`` elsewhere; see `minigen.ops.elementwise.leaky_relu`.

    >>> import minigen as mg
    >>> mg.functional.leaky_relu(mg.tensor([-1.0, 2.0]), 0.2)
    tensor([-0.2,  2. ])
    """
    check_tensor("leaky_relu", "input", input)
    check_number("leaky_relu", "negative_slope", negative_slope, -math.inf)
    return _elementwise.leaky_relu(input, negative_slope=negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x`` where x > 0, ``weight * x`` elsewhere: a `leaky_relu` with a learned slope (He et al. 2015).

    Parameters
    ----------
    input : Tensor (N, C, ...) or of any shape if there is one slope
    weight : Tensor (1,) or (C,)
        One slope for all channels, or one for each.

    Raises
    ------
    ValueError
        If there is neither one slope nor one for each channel.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.prelu(mg.tensor([-1.0, 2.0]), mg.tensor([0.25]))
    tensor([-0.25,  2.  ])
    """
    check_tensor("prelu", "input", input)
    check_tensor("prelu", "weight", weight)
    if weight.shape != (1,):
        check_vector("prelu", "weight", weight, input.shape[1] if input.ndim > 1 else 1)
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    elif input.ndim == 0:
        weight = weight.reshape(())
    positive = input > 0
    return where(positive, input, where(positive, 0.0, input) * weight)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where x > 0, ``alpha * (exp(x) - 1)`` elsewhere; see `minigen.ops.elementwise.elu`.

    >>> import minigen as mg
    >>> mg.functional.elu(mg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    check_tensor("elu", "input", input)
    check_number("elu", "alpha", alpha, -math.inf)
    return _elementwise.elu(input, alpha=alpha)


def silu(input: Tensor) -> Tensor:
    r"""$x \sigma(x)$, also called swish (Hendrycks & Gimpel 2016; Ramachandran et al. 2017).

    >>> import minigen as mg
    >>> mg.functional.silu(mg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return _elementwise.silu(check_tensor("silu", "input", input))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    r"""$x \Phi(x)$, with $\Phi$ the distribution function of the standard normal (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    input : Tensor
    approximate : {"none", "tanh"}
        ``"tanh"`` takes $\frac12 (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715 x^3)))$ for $\Phi(x)$: faster,
        and off by up to 0.0005.

    Raises
    ------
    ValueError
        If the approximation has another name.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.gelu(mg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    check_tensor("gelu", "input", input)
    check_choice("gelu", "approximate", approximate, ("none", "tanh"))
    return _elementwise.gelu(input, approximate=approximate)


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Set elements to 0 with probability `p` and scale the others by 1 / (1 - p), which keeps the mean.

    Srivastava et al. 2014.

    Parameters
    ----------
    input : Tensor
    p : float
    training : bool
        With False the input is returned as it is.
    generator : numpy.random.Generator, optional
        It draws the seed of the mask; by default the package's stream.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.dropout(mg.ones(3), 0.5, training=False)
    tensor([1., 1., 1.])
    """
    check_tensor("dropout", "input", input)
    check_number("dropout", "p", p, most=1)
    if not training or p == 0:
        return input
    return _elementwise.dropout(input, p=p, seed=_Seed(generator))


class _Seed:
    """The seed of a mask, as an integer; where a step is replayed, it is drawn anew."""

    def __init__(self, generator: np.random.Generator | None):
        self._generator = generator
        repeated(self._draw)

    def _draw(self) -> None:
        self._value = int((self._generator or rng()).integers(2**63))

    def __index__(self) -> int:
        return self._value


def check_slope(op: str, negative_slope: float | None, least: float = -math.inf) -> None:
    """The slope of a leaky ReLU that may follow, or None."""
    if negative_slope is not None:
        check_number(op, "negative_slope", negative_slope, least)


def leaky(out: Tensor, negative_slope: float | None) -> Tensor:
    """What follows, where no kernel does it on the way."""
    return out if negative_slope is None else _elementwise.leaky_relu(out, negative_slope=negative_slope)
