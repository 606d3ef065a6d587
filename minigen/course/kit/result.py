"""What came of a test, and whether it is a known mistake."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["UNLOADED", "Mistakes", "Outcome", "sample"]

UNLOADED = "Your file could not be loaded"
"""How the reason begins where no test could be run at all."""

SAMPLE = 48
"""How many numbers of an array are kept to tell one wrong answer from another."""


@dataclass(frozen=True)
class Outcome:
    """What came of one test.

    Attributes
    ----------
    state : {"passed", "wrong", "not written", "error", "time", "memory", "exit", "forbidden"}
    reason : str
        What is wrong, in words for the student.
    where : str
        The student's line in which an error was raised, where there is one.
    hint : str
        What is known about this mistake.
    note : str
        What there is to know besides, also where the test passed.
    what, shape, values : str, list, list
        The comparison that failed, and what the student's code gave: how a known mistake is recognized.
    """

    state: str
    reason: str = ""
    where: str = ""
    hint: str = ""
    note: str = ""
    what: str = field(default="", repr=False)
    shape: list[int] | None = field(default=None, repr=False)
    values: list[float] | None = field(default=None, repr=False)

    @property
    def passed(self) -> bool:
        """Whether the test passed."""
        return self.state == "passed"

    def text(self) -> str:
        """All of it, for a reader.

        >>> print(Outcome("wrong", "f(1): expected 2.0, got 3.0.", hint="Did you count from 1?").text())
        f(1): expected 2.0, got 3.0.
        Often the reason: Did you count from 1?
        """
        lines = [self.reason, self.where, self.hint and f"Often the reason: {self.hint}", self.note]
        return "\n".join(line for line in lines if line)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without what only machines need."""
        whole = asdict(self)
        return {key: whole[key] for key in ("state", "reason", "where", "hint", "note")}


def sample(got: Any) -> tuple[list[int] | None, list[float] | None]:
    """The shape and some of the numbers of what a student's code gave; None, None for what is not made of numbers.

    >>> sample(np.array([1.0, 2.0]))
    ([2], [1.0, 2.0])
    """
    try:
        array = np.asarray(got, dtype=np.float64)
    except (TypeError, ValueError):
        return None, None
    flat = array.reshape(-1)
    if flat.size > SAMPLE:
        flat = flat[np.linspace(0, flat.size - 1, SAMPLE).astype(int)]
    return list(array.shape), [float(f"{x:.12g}") for x in flat]


class Mistakes:
    """Known wrong answers, by how they fail: `hint` finds the one that failed in the same way.

    Parameters
    ----------
    entries : sequence of dict
        Each with the ``test`` it failed, the ``hint``, and the ``what``, ``shape``, ``values`` and ``reason`` of the
        `Outcome`.
    """

    def __init__(self, entries: Sequence[dict[str, Any]]):
        self.entries: list[dict[str, Any]] = list(entries)

    @classmethod
    def load(cls, path: Path) -> "Mistakes":
        """From a file that `dump` wrote; nothing is known where there is no file."""
        return cls(json.loads(path.read_text(encoding="utf-8")) if path.is_file() else [])

    def dump(self) -> str:
        """As JSON, an entry a line."""
        return "[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in self.entries) + "\n]\n"

    @staticmethod
    def entry(test: str, outcome: Outcome, hint: str) -> dict[str, Any]:
        """How a wrong answer with this hint failed the test."""
        numbers = {"what": outcome.what, "shape": outcome.shape, "values": outcome.values}
        same = numbers if outcome.values is not None else {"reason": outcome.reason}
        return {"test": test, "state": outcome.state, **same, "hint": hint}

    def hint(self, test: str, outcome: Outcome) -> str:
        """The hints of the known answers that fail `test` in the same way; empty if there is none.

        >>> failed = Outcome("wrong", "...", what="f(x)", shape=[1], values=[-2.0])
        >>> known = Mistakes([Mistakes.entry("t", failed, "Look at the sign.")])
        >>> known.hint("t", Outcome("wrong", "...", what="f(x)", shape=[1], values=[-2.0000000001]))
        'Look at the sign.'
        """
        hints = [e["hint"] for e in self.entries if e["test"] == test and _alike(e, outcome)]
        return " Or: ".join(list(dict.fromkeys(hints))[:2])


def _alike(entry: dict[str, Any], outcome: Outcome) -> bool:
    if entry["state"] != outcome.state:
        return False
    if "values" not in entry or outcome.values is None:
        return "reason" in entry and entry["reason"] == outcome.reason
    if (entry["what"], entry["shape"]) != (outcome.what, outcome.shape):
        return False
    return np.allclose(entry["values"], outcome.values, rtol=1e-6, atol=1e-9, equal_nan=True)
