"""What a check says: a verdict per argument, with the numbers that it rests on."""

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Finding", "Report", "recorded"]

Verdict = Literal["right", "wrong", "inconclusive"]


@dataclass(frozen=True)
class Finding:
    """The verdict on one argument's gradient.

    Attributes
    ----------
    verdict : {"right", "wrong", "inconclusive"}
    op, argument : str
        What was checked, and the gradient in which of its arguments.
    order : int
        1 for the vjp, 2 for the gradient of the vjp, 3 for the gradient of that, and so on; 0 for the function's own
        values or its contract.
    reason : str
        One sentence, for a reader who has not seen the rest.
    index : tuple of int, optional
        The element that is worst, for a wrong gradient.
    claimed, measured : float, optional
        The vjp's number and the one from differences: of element `index`, or along a random direction.
    bound : float, optional
        What the two may differ by.  Derived, never chosen: see `minigen.check.differences`.
    resolution : float, optional
        The smallest relative error that this check could have seen.
    cotangent : array, optional
        The one under which a wrong gradient showed.
    """

    verdict: Verdict
    op: str
    argument: str
    order: int
    reason: str
    index: tuple[int, ...] | None = None
    claimed: float | None = None
    measured: float | None = None
    bound: float | None = None
    resolution: float | None = None
    cotangent: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        what = {1: "vjp", 2: "gradient of the vjp"}.get(self.order, f"gradient of order {self.order}")
        where = f"{self.op}: {what} for {self.argument}"
        if self.order == 0:
            where = f"{self.op}: {self.argument}"
        numbers = []
        if self.index is not None:
            numbers.append(f"element {list(self.index)}")
        if self.claimed is not None and self.measured is not None:
            other = "reference" if "float64 reference" in self.reason else "measured"
            numbers.append(f"claimed {self.claimed:.12g}, {other} {self.measured:.12g}")
        if self.bound is not None:
            numbers.append(f"they may differ by {self.bound:.2g}")
        if self.resolution is not None and self.verdict != "wrong":
            numbers.append(f"smallest visible relative error {self.resolution:.1g}")
        tail = f" ({'; '.join(numbers)})" if numbers else ""
        return f"{self.verdict.upper():12} {where}: {self.reason}{tail}"


@dataclass
class Report:
    """All findings about one function.  It is true only where every verdict is *right*.

    >>> report = Report("square", [Finding("right", "square", "x", 1, "agrees")])
    >>> report.verdict, bool(report)
    ('right', True)
    """

    op: str
    findings: Sequence[Finding] = field(default_factory=list)
    example: str = ""
    """A small program that shows the first wrong finding, where one could be made."""

    notes: Sequence[str] = field(default_factory=list)
    """What was covered, and what was not examined."""

    def __post_init__(self) -> None:
        made = _made.get()
        if made is not None:
            made.append(self)

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings: wrong before inconclusive before right.  Nothing found is inconclusive."""
        found = {f.verdict for f in self.findings}
        for verdict in ("wrong", "inconclusive", "right"):
            if verdict in found:
                return verdict
        return "inconclusive"

    @property
    def resolution(self) -> float | None:
        """The poorest resolution among the findings."""
        return max((f.resolution for f in self.findings if f.resolution is not None), default=None)

    def __bool__(self) -> bool:
        return self.verdict == "right"

    def __str__(self) -> str:
        bad = [f for f in self.findings if f.verdict != "right"]
        lines = [str(f) for f in (bad or self.findings)] or [f"INCONCLUSIVE {self.op}: nothing could be checked"]
        return "\n".join([*lines, *self.notes, *([self.example] if self.example else [])])

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every number is a field."""
        rows = [{k: v for k, v in vars(f).items() if k != "cotangent"} for f in self.findings]
        return {"op": self.op, "verdict": self.verdict, "findings": rows, "notes": list(self.notes),
                "example": self.example}  # fmt: skip

    def raise_if_wrong(self) -> "Report":
        """Return the report itself, or raise where the verdict is not *right*.

        Raises
        ------
        AssertionError
            With the whole report as its message.
        """
        if not self:
            raise AssertionError("\n" + str(self))
        return self


_made: ContextVar[list[Report] | None] = ContextVar("made", default=None)


@contextlib.contextmanager
def recorded() -> Iterator[list[Report]]:
    """The reports that are made inside the ``with`` statement."""
    made: list[Report] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)
