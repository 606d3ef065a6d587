"""Activations and dropout."""

import math

import numpy as np

from ..arguments import check_number, check_tensor
from ..backend import rng
from ..ops import elementwise as _elementwise
from ..tensor import Tensor

__all__ = ["dropout", "elu", "leaky_relu"]


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where x > 0, ``negative_slope * x`` elsewhere; see `minigen.ops.elementwise.leaky_relu`.

    >>> import minigen as mg
    >>> mg.functional.leaky_relu(mg.tensor([-1.0, 2.0]), 0.2)
    tensor([-0.2,  2. ])
    """
    check_number("leaky_relu", "negative_slope", negative_slope, -math.inf)
    return _elementwise.leaky_relu(input, negative_slope=negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where x > 0, ``alpha * (exp(x) - 1)`` elsewhere; see `minigen.ops.elementwise.elu`.

    >>> import minigen as mg
    >>> mg.functional.elu(mg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return _elementwise.elu(input, alpha=alpha)


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Zero each element with probability `p`, scale the rest by 1 / (1 - p) to keep the mean (Srivastava et al. 2014).

    Parameters
    ----------
    input : Tensor
    p : float
    training : bool
        Nothing happens when False.
    generator : numpy.random.Generator, optional
        Where the mask's seed is drawn from; by default the package's stream.

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
    return _elementwise.dropout(input, p=p, seed=int((generator or rng()).integers(2**63)))
