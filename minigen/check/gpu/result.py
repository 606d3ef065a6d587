"""What a check on a GPU says."""

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Check", "Outcome", "Row"]


class Outcome(NamedTuple):
    """Of one check."""

    status: str
    """``pass``, ``fail``, or ``error`` where it could not be finished."""
    detail: str
    """One line for a reader."""
    numbers: dict[str, Any] = {}  # noqa: RUF012 - never written to
    """What was measured."""


class Row(NamedTuple):
    """An outcome, and of what."""

    section: str
    name: str
    status: str
    detail: str
    numbers: dict[str, Any] = {}  # noqa: RUF012 - never written to


Check = tuple[str, Callable[[], Outcome]]
"""What is checked, and the check."""
