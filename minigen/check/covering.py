"""Which points are drawn: first those that hold new pairs of choices, and the smallest one where a check fails.

A mistake usually needs one choice (padding 2) or two at once (padding 2 *and* stride 2).  Points that are drawn at
random repeat the frequent pairs and miss the rare ones.  So each point is the best of `CANDIDATES` random ones: that
with the most pairs of choices that no point before had, pairs of parameters first.  This is a greedy covering array, as
in AETG (Cohen, Dalal, Fredman & Patton 1997, "The AETG system", IEEE Transactions on Software Engineering 23).  Choices
are the parameters, the sides of the arrays, what they are filled with, and their layouts in memory.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from .op_registry import Case, Entry, RandomSource, Source

__all__ = ["Covering", "RecordingSource", "ReplayedSource", "shrink"]

CANDIDATES = 20
WIDEST = 64
"""Choices from a wider range, such as seeds, are no conditions for a mistake."""

SIDES = (0, 1, 2, 3, 4, 5, 9, 17)
"""Where the ranges of sides begin: the last is 17 and more."""

TRIES = 120
"""How many smaller points are tried while shrinking."""


class RecordingSource(RandomSource):
    """A random source that notes its choices.

    Attributes
    ----------
    choices : list of (low, high, value)
        What was drawn, in order.
    drawn : dict
        The choices by name: parameters by theirs, the others by their number.
    offered : dict
        For each parameter, how many values it is drawn from.
    """

    plain = ordinary = False
    """Whether arrays are filled in the first of their kinds: in the first point, which has no other purpose."""

    def __init__(self, rng: np.random.Generator, fixed: dict[str, Any] | None = None, layouts: bool = True):
        super().__init__(rng, fixed, layouts)
        self.tails = True
        self.choices: list[tuple[int, int, int]] = []
        self.drawn: dict[str, int] = {}
        self.offered: dict[str, int] = {}

    def integer(self, low: int, high: int) -> int:
        """An integer that the generator draws, and that is noted."""
        plain = self.plain and high - low < WIDEST
        value = low if plain else super().integer(low, high)
        self.choices.append((low, high, value))
        if 0 < high - low < WIDEST:
            self.drawn[f"#{len(self.choices)}"] = value
        return value

    def array(self, shape: Sequence[int], *kinds: str) -> Any:
        """An array, in an ordinary point of the first kind and in plain memory."""
        self.plain = self.ordinary
        try:
            return super().array(shape, *kinds)
        finally:
            self.plain = False

    def param(self, name: str, choices: Sequence[Any]) -> Any:
        """A parameter, noted by its name."""
        if name in self.fixed:
            return self.fixed[name]
        place = int(self.rng.integers(len(choices)))
        self.choices.append((0, len(choices) - 1, place))
        if len(choices) > 1:
            self.drawn[name], self.offered[name] = place, len(choices)
        return choices[place]


class ReplayedSource(Source):
    """A source that repeats noted choices, as far as they are possible; then the simplest ones."""

    def __init__(self, choices: Sequence[int], fixed: dict[str, Any] | None = None, layouts: bool = True):
        super().__init__(fixed, layouts)
        self.tails = True
        self.coming = list(choices)
        self.choices: list[tuple[int, int, int]] = []

    def integer(self, low: int, high: int) -> int:
        """The next of the choices, or the possible one next to it."""
        value = min(max(self.coming.pop(0), low), high) if self.coming else low
        self.choices.append((low, high, value))
        return value


def sides(case: Case) -> dict[str, int]:
    """For each side of each input the range of `SIDES` that it is in.

    >>> sides(Case((np.ones((1, 12)), np.ones(3))))
    {'side 0 of input 0': 1, 'side 1 of input 0': 6, 'side 0 of input 1': 3}
    """
    return {
        f"side {axis} of input {i}": bisect_right(SIDES, side) - 1
        for i, x in enumerate(case.inputs)
        for axis, side in enumerate(np.shape(x))
    }


class Covering:
    """Points of an operation that cover the pairs of choices.

    Parameters
    ----------
    entry : Entry
    rng : numpy.random.Generator
    fixed : dict
        Parameters that are not drawn.
    layouts : bool
    only : callable, optional
        ``only(*inputs, **params)`` says whether a point is wanted.
    """

    def __init__(
        self,
        entry: Entry,
        rng: np.random.Generator,
        fixed: dict[str, Any],
        layouts: bool = True,
        only: Callable[..., bool] | None = None,
    ):
        self.entry, self.rng, self.fixed, self.layouts, self.only = entry, rng, fixed, layouts, only
        self.singles: set[tuple[str, int]] = set()
        self.pairs: set[tuple[Any, Any]] = set()
        self.offered: dict[str, int] = {}
        self.given: set[str] = set()

    def draw(self) -> tuple[Case, list[tuple[int, int, int]]]:
        """The next point, and the choices that made it.

        Raises
        ------
        ValueError
            If `only` accepts none of many points.
        """
        best: Any = None
        tried = 0
        while tried < CANDIDATES or (best is None and tried < 50 * CANDIDATES):
            tried += 1
            source = RecordingSource(self.rng, self.fixed, self.layouts)
            source.ordinary = not self.singles
            case = self.entry.make(source)
            if self.only is not None and not self.only(*case.inputs, **case.params):
                continue
            chosen = sorted((source.drawn | sides(case)).items())
            named = source.offered
            new = sum(
                10 if a[0] in named and b[0] in named else 1
                for a, b in combinations(chosen, 2)
                if (a, b) not in self.pairs
            )
            new += 10 * sum(one not in self.singles for one in chosen)
            if best is None or new > best[0]:
                best = new, case, source, chosen
        if best is None:
            raise ValueError(
                f"check: only= accepts none of {tried} points of {self.entry.name} that its dtype can hold"
            )
        _, case, source, chosen = best
        self.singles |= set(chosen)
        self.pairs |= set(combinations(chosen, 2))
        self.offered |= source.offered
        self.given |= {name for name, value in case.params.items() if value is not None}
        return case, source.choices

    def coverage(self) -> tuple[int, int]:
        """How many pairs of values of two parameters were drawn, and how many there are."""
        names = set(self.offered)
        drawn = sum(a[0] in names and b[0] in names for a, b in self.pairs)
        return drawn, sum(self.offered[a] * self.offered[b] for a, b in combinations(sorted(names), 2))

    def missed(self) -> dict[str, int]:
        """For each parameter, how many of its values were never drawn, if any."""
        counts = {n: many - sum(name == n for name, _ in self.singles) for n, many in self.offered.items()}
        return {name: count for name, count in counts.items() if count > 0}


def shrink(
    entry: Entry,
    choices: Sequence[tuple[int, int, int]],
    fixed: dict[str, Any],
    layouts: bool,
    fails: Callable[[Case], bool],
) -> Case | None:
    """The smallest failing point that is found by making the choices smaller, one after the other.

    Parameters
    ----------
    entry : Entry
    choices : sequence of (low, high, value)
        Of the point that failed.
    fixed, layouts
        As for the source.
    fails : callable
        Whether a point fails.

    Returns
    -------
    Case or None
        None where no smaller one fails.
    """
    best, smallest, tries = list(choices), None, 0
    for share in (0, 0, 2):  # to the least value, again, then half way
        place = 0
        while place < len(best) and tries < TRIES:
            low, high, value = best[place]
            smaller = low if share == 0 else (low + value) // 2
            if smaller < value and high - low < WIDEST:
                source = ReplayedSource([*(v for *_, v in best[:place]), smaller, *(v for *_, v in best[place + 1 :])],
                                        fixed, layouts)  # fmt: skip
                tries += 1
                try:
                    case = entry.make(source)
                    failed = fails(case)
                except (ValueError, IndexError):  # no such point
                    failed = False
                if failed:
                    best, smallest = source.choices, case
                    continue
            place += 1
    return smallest
