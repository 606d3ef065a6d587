"""The register of losses: each with its gradient derived by hand, and the derivation as a text.

A *family* is one file of this package.  Its module docstring **is** the derivation, in Markdown with LaTeX: what is
minimized and why, step by step to the gradient, then sign, scale and detach.  Below it is each loss, a function on
Tensors (marked `loss`), followed by its gradient in plain NumPy (marked `gradient_of`).  Training does not use the hand
gradients: autograd finds the same ones, and the tests hold the two against each other.

``minigen train --loss`` offers the pairs of `GAN_LOSSES`, in ``gan.py``.
"""

import difflib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["LOSSES", "Loss", "derivation", "gradient", "gradient_of", "loss"]

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Loss:
    """What is known of a loss.

    Parameters
    ----------
    function : callable
        The loss, on Tensors.
    gradient : callable, optional
        Its derivative, on arrays; see `gradient`.
    """

    function: Callable[..., Any]
    gradient: Callable[..., Any] | None = None

    @property
    def name(self) -> str:
        """The function's name, such as ``"hinge_d"``."""
        return self.function.__name__

    @property
    def family(self) -> str:
        """The file it is in, such as ``"hinge"``."""
        return self.function.__module__.rpartition(".")[2]

    @property
    def derivation(self) -> str:
        """The derivation of its family, in Markdown."""
        return "# " + inspect.cleandoc(sys.modules[self.function.__module__].__doc__ or "")


LOSSES: dict[str, Loss] = {}
"""Every loss by name: what the test suite enumerates."""


def loss(function: Function) -> Function:
    """Register a function on Tensors in `LOSSES`; the file's docstring is its derivation."""
    if function.__name__ in LOSSES:
        raise ValueError(f"loss: the name {function.__name__!r} is taken")
    LOSSES[function.__name__] = Loss(function)
    return function


def gradient_of(function: Callable[..., Any]) -> Callable[[Function], Function]:
    """Mark a function on arrays as the hand-derived gradient of a loss; see `gradient` for what it takes and gives."""

    def attach(by_hand: Function) -> Function:
        LOSSES[function.__name__].gradient = by_hand
        return by_hand

    return attach


def derivation(name: str) -> str:
    """Return the derivation of a loss.

    Parameters
    ----------
    name : str
        A loss, such as ``"hinge_d"``, or a family, such as ``"hinge"``.

    Returns
    -------
    str
        Markdown with LaTeX between dollars; in a notebook, ``IPython.display.Markdown`` shows it.

    Raises
    ------
    ValueError
        If there is no such loss or family; the message lists them.

    Examples
    --------
    >>> print(derivation("hinge").splitlines()[0])
    # The hinge loss
    """
    families = {record.family: record for record in LOSSES.values()}
    return _look_up("derivation", {**LOSSES, **families}, name).derivation


def gradient(name: str) -> Callable[..., Any]:
    r"""Return the hand-derived gradient of a loss, a function of NumPy arrays.

    It takes the arguments of the loss, with arrays for Tensors, and the keyword `g`: the cotangent, of the shape of
    the loss's result (1 by default, which gives the gradient of the loss, or of the sum of its results).

    Parameters
    ----------
    name : str
        A loss, such as ``"hinge_d"``.

    Returns
    -------
    callable
        Gives a tuple with the gradient in each array that it was given, in their order.

    Raises
    ------
    ValueError
        If there is no such loss; the message lists them.

    Examples
    --------
    >>> import numpy as np
    >>> d_real, d_fake = gradient("hinge_d")(np.array([0.5, 2.0]), np.array([-3.0, 0.0]))
    >>> d_real, d_fake
    (array([-0.5,  0. ]), array([0. , 0.5]))
    """
    by_hand = _look_up("gradient", LOSSES, name).gradient
    if by_hand is None:
        raise ValueError(f"gradient: {name} has no gradient derived by hand")
    return by_hand


def _look_up(op: str, records: dict[str, Loss], name: str) -> Loss:
    if name in records:
        return records[name]
    nearest = difflib.get_close_matches(str(name), records, n=1)
    hint = f", did you mean {nearest[0]}?" if nearest else "."
    raise ValueError(f"{op}: unknown loss {name!r}{hint} Known: {', '.join(sorted(records))}")
