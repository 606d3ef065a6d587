"""How many mutants are seen, how often a right gradient is called wrong, and how often there is no verdict."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ... import kernels
from ..adapters.minigen import table
from ..op_registry import OP_REGISTRY, Case, RandomSource
from ..report import Verdict
from ..run_point import run_point
from .optimizer_rules import RULES, caught
from .registry import MUTANTS, Mutant

__all__ = ["Checker", "Ours", "Score", "Tally", "score"]

POINTS = 8
"""Points at which a mutant is looked at, for one verdict."""

RIGHTS = 6
"""Points at which the right gradient of an operation is judged, for one seed."""


class Checker(Protocol):
    """Whoever judges gradients."""

    name: str

    def catches(self, mutant: Mutant, case: Case, seed: int) -> bool | None:
        """Whether the mutant is called wrong at this point; None where the checker cannot be asked."""

    def verdict(self, op: str, case: Case, seed: int) -> Verdict | None:
        """What is said of the right gradient; None where the point consists of kinks, for then it asks nothing."""


class Ours:
    """`minigen.check.check`, point by point."""

    name = "minigen.check"

    def catches(self, mutant: Mutant, case: Case, seed: int) -> bool:
        """See `Checker`."""
        fn, vjp = table[mutant.op][:2]
        double = mutant.double if mutant.family == "second" else None
        found = run_point(
            fn, mutant.vjp or vjp, OP_REGISTRY[mutant.op], case, double, seed, compare_values=False, locate=False
        )
        return any(f.verdict == "wrong" and f.order > 0 for f in found)

    def verdict(self, op: str, case: Case, seed: int) -> Verdict | None:
        """See `Checker`."""
        fn, vjp, double = table[op]
        found = {
            f.verdict
            for f in run_point(fn, vjp, OP_REGISTRY[op], case, double, seed, locate=False)
            if "kink" not in f.reason
        }
        verdicts: tuple[Verdict, ...] = ("wrong", "inconclusive", "right")
        return next((v for v in verdicts if v in found), None)


@dataclass
class Tally:
    """What one checker said.

    Attributes
    ----------
    checker : str
    caught : dict
        Per mutant, on how many seeds in a row it was called wrong; the first miss decides, and ends the row.
    right : dict
        Per verdict, how often a right gradient got it.
    alarms : list of str
        The right gradients that were called wrong, as operation, seed and point.
    seconds : float
    """

    checker: str
    caught: dict[str, int] = field(default_factory=dict)
    right: dict[str, int] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def rate(self, verdict: Verdict) -> float:
        """The share of right gradients with this verdict."""
        return self.right.get(verdict, 0) / max(1, sum(self.right.values()))


@dataclass
class Score:
    """The outcome: a tally per checker, ours first."""

    seeds: int
    tallies: list[Tally] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """Mutants that we did not catch on every seed."""
        return [name for name, count in self.tallies[0].caught.items() if count < self.seeds]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"seeds": self.seeds, "checkers": [vars(tally) for tally in self.tallies]}

    def __str__(self) -> str:
        """A table in Markdown, and what we missed."""
        names = self.tallies[0].caught
        groups: dict[str, list[str]] = {
            "wrong formulas": [n for n in names if n in MUTANTS and MUTANTS[n].family == "formula"],
            "right formulas, spoiled": [n for n in names if n in MUTANTS and MUTANTS[n].family == "generic"],
            "wrong double backwards": [n for n in names if n in MUTANTS and MUTANTS[n].family == "second"],
            "wrong optimizers": [n for n in names if n in RULES],
            "**all of these**": list(names),
            "errors below 1e-3, or in under 1 % of the elements": [n for n in names if small(n)],
        }
        rows = [[f"caught on each of {self.seeds} seeds", *(t.checker for t in self.tallies)], ["---"]]
        rows[1] *= len(rows[0])
        for title, members in groups.items():
            rows.append([title, *(self._caught(tally, members) for tally in self.tallies)])
        verdicts: dict[str, Verdict] = {"called wrong": "wrong", "no verdict": "inconclusive"}
        for title, verdict in verdicts.items():
            rows.append([f"right gradients: {title}", *(_share(tally, verdict) for tally in self.tallies)])
        rows.append(["seconds", *(f"{tally.seconds:.0f}" for tally in self.tallies)])
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        first = self.tallies[0]
        lines += [f"missed: {name} at seed {first.caught[name]}" for name in self.missed]
        return "\n".join(lines + [f"false alarm: {alarm}" for alarm in first.alarms])

    def _caught(self, tally: Tally, members: Sequence[str]) -> str:
        asked = [name for name in members if name in tally.caught]
        return f"{sum(tally.caught[name] == self.seeds for name in asked)} of {len(asked)}" if asked else "-"


def _share(tally: Tally, verdict: Verdict) -> str:
    return f"{tally.right.get(verdict, 0)} of {sum(tally.right.values())} ({tally.rate(verdict):.2%})"


def small(name: str) -> bool:
    """Whether a mutant is off by less than 1e-3, or in less than 1% of the elements."""
    return RULES[name].small if name in RULES else MUTANTS[name].small


def score(
    seeds: int = 20,
    names: Sequence[str] | None = None,
    points: int = POINTS,
    rights: bool = True,
    others: Sequence[Checker] = (),
) -> Score:
    """Run the mutants, and the right gradients of the same operations.

    Parameters
    ----------
    seeds : int
        How many fresh seeds; each gives each mutant one verdict.
    names : sequence of str, optional
        Only these mutants.
    points : int
        At how many points a mutant is looked at for one verdict.
    rights : bool
        Whether to run the right gradients too: at `RIGHTS` points for each operation and seed.
    others : sequence of Checker
        Who is to judge beside us, at the same points.

    Returns
    -------
    Score
    """
    result = Score(seeds)
    with kernels.use("reference"):
        for checker in (Ours(), *others):
            tally, began = Tally(checker.name), time.perf_counter()
            for mutant in MUTANTS.values():
                if names is None or mutant.name in names:
                    count = _in_a_row(functools.partial(_seen, checker, mutant, points), seeds)
                    if count is not None:
                        tally.caught[mutant.name] = count
            if isinstance(checker, Ours):
                for name, rule in RULES.items():
                    if names is None or name in names:
                        tally.caught[name] = _in_a_row(functools.partial(caught, rule), seeds) or 0
            if rights:
                _rights(checker, tally, seeds, RIGHTS)
            tally.seconds = time.perf_counter() - began
            result.tallies.append(tally)
    return result


def _in_a_row(seen: Callable[[int], bool | None], seeds: int) -> int | None:
    """On how many seeds, before the first miss; None where the question cannot be asked."""
    for seed in range(seeds):
        answer = seen(seed)
        if answer is None:
            return None
        if not answer:
            return seed
    return seeds


def _seen(checker: Checker, mutant: Mutant, points: int, seed: int) -> bool | None:
    """Whether the mutant is called wrong at one of the points; None where that cannot be asked."""
    rng = np.random.default_rng([seed, *mutant.name.encode()])
    make = mutant.make or OP_REGISTRY[mutant.op].make
    for point in range(points):
        answer = checker.catches(mutant, make(RandomSource(rng, mutant.fixed)), seed * points + point)
        if answer is not False:
            return answer
    return False


def _rights(checker: Checker, tally: Tally, seeds: int, points: int) -> None:
    for name, entry in OP_REGISTRY.items():
        for seed in range(seeds):
            rng = np.random.default_rng([seed, *name.encode()])
            for point in range(points):
                verdict = checker.verdict(name, entry.make(RandomSource(rng)), seed * points + point)
                if verdict is not None:
                    tally.right[verdict] = tally.right.get(verdict, 0) + 1
                if verdict == "wrong":
                    tally.alarms.append(f"{name}, seed {seed}, point {point}")
