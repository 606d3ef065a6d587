"""What a mutant is, and the list of all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..op_registry import Case, Source

__all__ = ["MUTANTS", "Mutant", "register"]


@dataclass(frozen=True)
class Mutant:
    """One wrong gradient.

    Attributes
    ----------
    name : str
    op : str
        An entry of the catalog.
    family : str
        ``"formula"``, ``"generic"`` or ``"second"`` (of the double backward).
    what : str
        What is wrong, in a few words.
    vjp, double : callable, optional
        In place of the right one.
    small : bool
        Whether the error is under 1e-3 in relative size or touches under 1% of the elements.
    fixed : dict
        Parameters under which it shows.
    make : callable, optional
        Draws its cases, in place of the catalog's.
    """

    name: str
    op: str
    family: str
    what: str
    vjp: Callable[..., Any] | None = None
    double: Callable[..., Any] | None = None
    small: bool = False
    fixed: dict[str, Any] = field(default_factory=dict)
    make: Callable[[Source], Case] | None = None


MUTANTS: dict[str, Mutant] = {}
"""The mutants by name."""


def register(mutant: Mutant) -> None:
    """Add a mutant to the list."""
    if mutant.name in MUTANTS:
        raise ValueError(f"mutant: the name {mutant.name!r} is taken")
    MUTANTS[mutant.name] = mutant


from . import double_backward, formulas, generic  # noqa: E402, F401 - they fill the list
