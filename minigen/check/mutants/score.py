"""How many mutants are seen, how often a right gradient is called wrong, and how often there is no verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ... import kernels
from ..adapters.ours import table
from ..catalogue import CATALOGUE, RandomSource
from ..foreign import examine
from ..report import Verdict
from .optimizer_rules import RULES, caught
from .registry import MUTANTS, Mutant

__all__ = ["Score", "score"]

POINTS = 6
"""Points at which a mutant is looked at, for one verdict."""


@dataclass
class Score:
    """The outcome.

    Attributes
    ----------
    seeds : int
    caught : dict
        Per mutant, on how many seeds the verdict was *wrong*.
    small : int
        How many mutants are under 1e-3 in relative size or touch under 1% of the elements.
    right : dict
        Per verdict, how often a right gradient got it.
    """

    seeds: int
    caught: dict[str, int] = field(default_factory=dict)
    small: int = 0
    right: dict[str, int] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """Mutants that were not caught on every seed."""
        return [name for name, count in self.caught.items() if count < self.seeds]

    def rate(self, verdict: Verdict) -> float:
        """The share of right gradients with this verdict."""
        return self.right.get(verdict, 0) / max(1, sum(self.right.values()))

    def __str__(self) -> str:
        total = len(self.caught)
        lines = [
            f"mutants caught on each of {self.seeds} seeds: {total - len(self.missed)} of {total} ({self.small} small)",
            f"right gradients: {sum(self.right.values())} checks, false alarms {self.rate('wrong'):.2%}, "
            f"inconclusive {self.rate('inconclusive'):.2%}",
        ]
        lines += [f"  missed: {name} (caught on {self.caught[name]} of {self.seeds} seeds)" for name in self.missed]
        return "\n".join(lines)


def score(seeds: int = 20, names: Sequence[str] | None = None, points: int = POINTS, rights: bool = True) -> Score:
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
        Whether to run the right gradients too: one check per operation, seed and point.

    Returns
    -------
    Score
    """
    result = Score(seeds)
    with kernels.use("reference"):
        for mutant in MUTANTS.values():
            if names is None or mutant.name in names:
                result.caught[mutant.name] = sum(_seen(mutant, seed, points) for seed in range(seeds))
                result.small += mutant.small
        for name, rule in RULES.items():
            if names is None or name in names:
                result.caught[name] = sum(caught(rule, seed) for seed in range(seeds))
                result.small += rule.small
        if rights:
            for name in CATALOGUE:
                for seed in range(seeds):
                    for verdict in _verdicts(name, seed, points):
                        result.right[verdict] = result.right.get(verdict, 0) + 1
    return result


def _seen(mutant: Mutant, seed: int, points: int) -> bool:
    entry = CATALOGUE[mutant.op]
    fn, vjp = table[mutant.op][:2]
    rng = np.random.default_rng([seed, *mutant.name.encode()])
    for point in range(points):
        source = RandomSource(rng, mutant.fixed)
        case = (mutant.make or entry.make)(source)
        second = mutant.double if mutant.family == "second" else None
        found = examine(fn, mutant.vjp or vjp, entry, case, second, seed * points + point, compare_values=False)
        if any(f.verdict == "wrong" and f.order > 0 for f in found):
            return True
    return False


def _verdicts(name: str, seed: int, points: int) -> list[Verdict]:
    """One verdict for each point; points that consist of nothing but kinks do not count, for they ask nothing."""
    entry = CATALOGUE[name]
    fn, vjp, double = table[name]
    rng = np.random.default_rng([seed, *name.encode()])
    verdicts: list[Verdict] = []
    for point in range(points):
        case = entry.make(RandomSource(rng))
        found = examine(fn, vjp, entry, case, double, seed * points + point)
        kinds = {f.verdict for f in found if "kink" not in f.reason}
        if kinds:
            verdicts.append("wrong" if "wrong" in kinds else "inconclusive" if "inconclusive" in kinds else "right")
    return verdicts
