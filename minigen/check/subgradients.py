"""Conventions at kinks: what the vjp is where there is no derivative.

At a kink a function has two slopes, and a vjp may return either, or anything between: no difference quotient can say
which is right.  It is a convention, and a table is the place for it.  minigen follows PyTorch except where said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigen as mg

__all__ = ["SUBGRADIENTS", "Kink"]

F = mg.functional


@dataclass(frozen=True)
class Kink:
    """One convention.

    Attributes
    ----------
    op : str
    where : str
        The points, in words.
    fn : callable
        On Tensors.
    at : tuple
        Inputs that lie on the kink.
    vjp : tuple
        The gradients there under a cotangent of ones, exactly.
    says : str
        The convention, in words.
    """

    op: str
    where: str
    fn: Callable[..., Any]
    at: tuple[Any, ...]
    vjp: tuple[Any, ...]
    says: str


SUBGRADIENTS: list[Kink] = [
    Kink("relu", "x = 0", mg.relu, ([0.0],), ([0.0],), "0: the left slope"),
    Kink("leaky_relu", "x = 0", lambda x: F.leaky_relu(x, 0.2), ([0.0],), ([0.2],), "the negative slope"),
    Kink(
        "elu", "x = 0, alpha not 1", lambda x: F.elu(x, alpha=0.5), ([0.0],), ([0.5],), "alpha: the exponential's side"
    ),
    Kink("abs", "x = 0", mg.abs, ([0.0],), ([0.0],), "0: the mean of the slopes"),
    Kink("clamp", "x at a limit", lambda x: mg.clamp(x, -1.0, 1.0), ([-1.0, 1.0],), ([1.0, 1.0],), "1: as inside"),
    Kink("maximum", "a = b", mg.maximum, ([2.0], [2.0]), ([0.5], [0.5]), "each half"),
    Kink("minimum", "a = b", mg.minimum, ([2.0], [2.0]), ([0.5], [0.5]), "each half"),
    Kink(
        "amax", "m equal largest elements", lambda x: mg.amax(x, 0), ([3.0, 1.0, 3.0],), ([0.5, 0.0, 0.5],), "each 1/m"
    ),
    Kink(
        "amin", "m equal smallest elements", lambda x: mg.amin(x, 0), ([1.0, 1.0, 3.0],), ([0.5, 0.5, 0.0],), "each 1/m"
    ),
    Kink(
        "max",
        "equal largest elements, with dim",
        lambda x: mg.max(x, 0).values,
        ([3.0, 1.0, 3.0],),
        ([1.0, 0.0, 0.0],),
        "the first has it all",
    ),
    Kink(
        "max_pool2d",
        "equal elements in a window",
        lambda x: F.max_pool2d(x, 2),
        ([[[[1.0, 5.0], [5.0, 5.0]]]],),
        ([[[[0.0, 1.0], [0.0, 0.0]]]],),
        "the first in row order has it all",
    ),
    Kink("l1_loss", "input = target", lambda x: F.l1_loss(x, mg.tensor(np.array([2.0]))), ([2.0],), ([0.0],), "0"),
    Kink("sqrt", "x = 0", mg.sqrt, ([0.0],), ([np.inf],), "infinite, as the slope is"),
    Kink("pow", "x = 0, exponent 0", lambda x: mg.pow(x, 0.0), ([0.0],), ([0.0],), "0: the function is constant"),
]
"""The table.  Away from these points every verdict comes from differences; on them the values are tested as they
are."""
