"""Which points are drawn: what must occur is dealt out over them, and the smallest one is found where a check fails.

A mistake usually needs one choice (padding 2, a cotangent in Fortran order, a side that a vector register does not
divide) or two at once (padding 2 *and* stride 2).  Points that are drawn at random repeat the frequent choices and miss
the rare ones.  So `POOL` points are drafted first, as choices without any numbers.  The list of what occurs in them is
what can occur: every value of every parameter, every class of every side, every layout and every filling of every
array, every pair of two parameters, and every pair of a parameter with anything else.  Then the points are dealt: each
is the draft that adds most to what was dealt before, where a second occurrence is worth a part of the first, a third
that part of the second, and so on.  The seed shuffles; it does not decide what occurs.

To occur is not enough: a mistake must also show.  Exchanged columns do not where there is one column, nor a wrong
element where the gradient is zero, as in a saturated softmax or at a tie.  In such a point everything occurs by `DULL`
only, and so is dealt more often, or elsewhere.  An image that is too short, or has a rest that no window reaches, is
dull too, but is dealt by itself: some mistakes show only there.  And a gradient may be zero for a third
parameter's sake (a window with stride 3 and padding 1 leaves out the first element), so that three parameters count a
little too: then a pair comes back with other company.

This is a greedy covering array, as in AETG (Cohen, Dalal, Fredman & Patton 1997, "The AETG system", IEEE Transactions
on Software Engineering 23), with weights and repetition.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from .array_generators import LAYOUTS, lay_out, takes_effect
from .op_registry import Case, Entry, RandomSource, Source

__all__ = ["Covering", "RecordingSource", "ReplayedSource", "shrink"]

POOL = 600
"""Drafts from which the points are dealt."""

ORDINARY = 20
"""Drafts of ordinary numbers in plain memory, of which the first point is dealt."""

MUST = (1000.0, 0.1)
"""What the first occurrence is worth of what must occur, and another one as a part of that before."""

WORTH = {
    "empty": MUST, "parameter": (1000.0, 0.2), "note": (1000.0, 0.2), "factor": MUST, "layout": (1000.0, 0.2),
    "filling": MUST, "tail": MUST, "rest": (60.0, 0.5), "batch": (60.0, 0.5), "shape": (300.0, 0.5),
    "side": (10.0, 0.3),
}  # fmt: skip
"""The same for one thing, by what it belongs to."""

PAIRS = {
    "parameter": (200.0, 0.5), "note": (20.0, 0.5), "shape": (3.0, 0.3), "factor": (3.0, 0.3), "batch": (3.0, 0.3),
    "filling": (1.0, 0.3), "layout": (0.5, 0.3), "tail": (0.5, 0.3), "rest": (0.5, 0.3), "side": (0.5, 0.3),
}  # fmt: skip
"""The same for a pair, by the lesser of the two."""

PARTNERS = ("parameter", "note", "factor", "filling")
"""Of what pairs are made, with anything: of two layouts or two sides none are."""

TRIPLES = (30.0, 0.3)
"""The same for values of three parameters."""

WANTED = 3
"""How often each value of a parameter and each pair of two occurs, if there are points enough."""

DULL = 0.5
"""How much an occurrence counts in a draft where an array has one column only, or is not of the first of its kinds."""

RARE = 6
"""What occurs in fewer drafts than this is an accident, such as one label of many."""

LARGE = 1500
"""A draft with this number of elements must add twice as much as a tiny one."""

WIDEST = 64
"""Choices from a wider range, such as seeds, are no conditions for a mistake."""

TRIES = 120
"""How many smaller points are tried while shrinking."""


class RecordingSource(RandomSource):
    """A random source that notes its choices.

    Attributes
    ----------
    choices : list of (low, high, value)
        What was drawn, in order.
    drawn : dict
        The parameters and factors by name: the number of the choice, and the value where it is a plain one.
    offered : dict
        For each parameter, how many values it is drawn from.
    notes : dict
        What was noted of the point, by name.
    filled : dict
        For each array, by its `id`: the array, and its filling and layout.
    unusual : dict
        For each choice that is mostly the first, whether it was another one.
    dull : bool
        Whether many mistakes do not show: an array is not filled in the first of its kinds, or an image is too short.
    """

    plain = ordinary = False
    """Whether arrays are filled in the first of their kinds: in the first point, which has no other purpose."""

    draft = False
    """Whether arrays only have shapes and layouts, and no numbers."""

    def __init__(self, rng: np.random.Generator, fixed: dict[str, Any] | None = None, layouts: bool = True):
        super().__init__(rng, fixed, layouts)
        self.tails = True
        self.choices: list[tuple[int, int, int]] = []
        self.drawn: dict[str, tuple[int, Any]] = {}
        self.offered: dict[str, int] = {}
        self.notes: dict[str, Any] = {}
        self.filled: dict[int, tuple[Any, str, str]] = {}
        self.unusual: dict[str, bool] = {}
        self.dull: bool = False

    def integer(self, low: int, high: int) -> int:
        """An integer that the generator draws, and that is noted."""
        plain = self.plain and high - low < WIDEST
        value = low if plain else super().integer(low, high)
        self.choices.append((low, high, value))
        return value

    def array(self, shape: Sequence[int], *kinds: str) -> Any:
        """An array, in an ordinary point of the first kind and in plain memory; in a draft, of zeros."""
        self.plain = self.ordinary
        try:
            if not self.draft:
                return super().array(shape, *kinds)
            self.integer(0, 2**32 - 1)  # the same choices, in the same order
            kinds = kinds or ("gaussian",)
            kind = self.choose(kinds)
            self.dull |= kind != kinds[0]
            layout = self.choose(LAYOUTS) if self.layouts else "plain"
        finally:
            self.plain = False
        x = lay_out(np.zeros(tuple(shape)), layout)
        self.filled[id(x)] = x, kind, layout if takes_effect(layout, x.shape) else "plain"
        return x

    def param(self, name: str, choices: Sequence[Any]) -> Any:
        """A parameter, noted by its name."""
        if name in self.fixed:
            return self.fixed[name]
        if len(choices) > 1:
            self.offered[name] = len(choices)
        return self.factor(name, choices)

    def factor(self, name: str, choices: Sequence[Any]) -> Any:
        """Another choice, noted by its name."""
        place = self.integer(0, len(choices) - 1)
        value = choices[place]
        if len(choices) > 1:  # the value too: the first of several dimensions is -2 or -3
            self.drawn[name] = place, value if isinstance(value, bool | int | float | str) else None
        return value

    def seldom(self, name: str, choices: Sequence[Any]) -> Any:
        """A choice; whether it was the first is noted, and if not, the point is dull."""
        value = super().seldom(name, choices)
        self.unusual[name] = self.unusual.get(name, False) or value != choices[0]
        self.dull |= self.unusual[name]
        return value

    def note(self, name: str, value: Any) -> None:
        """Something that follows from the choices and may be the condition of a mistake."""
        self.notes[name] = value


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


def side_class(n: int) -> str:
    """What a loop over a side of length n meets: few steps, whole vectors, or a rest behind the last whole one.

    >>> [side_class(n) for n in (0, 3, 8, 9, 40)]
    ['0', '3', 'above 4', 'above 8, with a rest', 'above 16']
    """
    if n <= 4:
        return str(n)
    width = (4, 8, 16)[bisect_right((9, 17), n)]
    return f"above {width}" + (", with a rest" if n % min(width, 8) else "")


@dataclass
class Draft:
    """A point without numbers: the choices that make it, and what occurs in it.

    Attributes
    ----------
    choices : list of (low, high, value)
    found : dict
        What occurs, by name: the kind of thing it is, and which.
    price : float
        By what its worth is divided.
    offered : dict
        As a source has it.
    share : float
        How much an occurrence counts here.
    places : dict
        For each parameter, which of its values it has, by number.
    """

    choices: list[tuple[int, int, int]]
    found: dict[str, tuple[str, Any]]
    price: float
    offered: dict[str, int]
    share: float = 1.0
    places: dict[str, int] = field(default_factory=dict)


def draft(source: RecordingSource, case: Case) -> Draft:
    """What occurs in a point."""
    found: dict[str, tuple[str, Any]] = {}
    sizes = [np.size(x) for x in case.inputs]
    if 0 in sizes:  # nothing can be wrong there but the shapes
        return Draft(source.choices, {"empty": ("empty", True)}, 1.0, source.offered)
    for name, (place, value) in source.drawn.items():
        found[name] = "parameter" if name in source.offered else "factor", ("choice", place) if value is None else value
    found |= {name: ("factor", value) for name, value in source.unusual.items()}
    found |= {name: ("note", value) for name, value in source.notes.items()}
    narrow = False
    for i, x in enumerate(case.inputs):
        shape = np.shape(x)
        narrow |= shape[-1:] in ((), (1,))
        for axis, n in enumerate(shape):
            name = side_class(n)
            rest = "tail" if axis == len(shape) - 1 else "rest"  # vectors run along the last axis
            found[f"side {axis - len(shape)} of input {i}"] = rest if "rest" in name else "side", name
        if len(shape) > 1:
            found[f"first side of input {i}"] = "batch", side_class(shape[0])
            square = shape[-1] == shape[-2] > 1  # an exchange of axes is seen by nothing but the numbers
            found[f"input {i} is square"] = "shape", square and (True, *source.notes.values())
        _, kind, layout = source.filled.get(id(x), (None, "", ""))
        if kind:
            found[f"filling of input {i}"] = "filling", kind
            found[f"layout of input {i}"] = "layout", layout
    for kind, layout in [(k, y) for i, (x, k, y) in source.filled.items() if not any(x is z for z in case.inputs)]:
        found["filling of a parameter"], found["layout of a parameter"] = ("filling", kind), ("layout", layout)
    price, share = 1 + sum(sizes) / LARGE, (DULL if narrow else 1.0) * (DULL if source.dull else 1.0)
    places = {name: place for name, (place, _) in source.drawn.items() if name in source.offered}
    return Draft(source.choices, found, price, source.offered, share, places)


class Covering:
    """Points of an operation that cover what can occur.

    Parameters
    ----------
    entry : Entry
    rng : numpy.random.Generator
    fixed : dict
        Parameters that are not drawn.
    layouts : bool
    only : callable, optional
        ``only(*inputs, **params)`` says whether a point is wanted.

    Attributes
    ----------
    drawn : int
        How many points were drawn.
    """

    def __init__(
        self,
        entry: Entry,
        rng: np.random.Generator,
        fixed: dict[str, Any],
        layouts: bool = True,
        only: Callable[..., bool] | None = None,
    ):
        self.entry: Entry = entry
        self.rng: np.random.Generator = rng
        self.fixed: dict[str, Any] = fixed
        self.layouts: bool = layouts
        self.only: Callable[..., bool] | None = only
        self.drafts: list[Draft] = []
        self.numbers: dict[Any, int] = {}
        self.worth: np.ndarray = np.zeros(1)  # of each number; the number 0 stands for nothing
        self.again: np.ndarray = np.zeros(1)
        self.times: np.ndarray = np.zeros(1)
        self.members: np.ndarray = np.zeros((0, 1), np.intp)
        self.prices: np.ndarray = np.zeros(0)
        self.shares: np.ndarray = np.zeros(0)
        self.open: np.ndarray = np.zeros(0, bool)
        self.drawn: int = 0
        self.dealt: set[Any] = set()
        self.offered: dict[str, int] = {}
        self.given: set[str] = set()

    def draw(self) -> tuple[Case, list[tuple[int, int, int]]]:
        """The next point, and the choices that made it.

        Raises
        ------
        ValueError
            If `only` accepts none of many points.
        """
        tried = 0
        while True:
            if not self.open.any():
                if tried >= 2 * POOL:
                    raise ValueError(
                        f"check: only= accepts none of {tried} points of {self.entry.name} that its dtype can hold"
                    )
                self._draft_more()
            place = self._best()
            self.open[place], tried = False, tried + 1
            best = self.drafts[place]
            source = ReplayedSource([value for *_, value in best.choices], self.fixed, self.layouts)
            case = self.entry.make(source)
            if self.only is None or self.only(*case.inputs, **case.params):
                break
        self.drawn += 1
        self.times[self.members[place]] += best.share
        named = sorted(best.places.items())
        self.dealt |= {*named, *combinations(named, 2)}
        self.offered |= best.offered
        self.given |= {name for name, value in case.params.items() if value is not None}
        return case, source.choices

    def coverage(self) -> tuple[int, int]:
        """How many pairs of values of two parameters were drawn, and how many there are."""
        drawn = sum(isinstance(name, tuple) for name, _ in self.dealt)
        return drawn, sum(self.offered[a] * self.offered[b] for a, b in combinations(sorted(self.offered), 2))

    def enough(self) -> bool:
        """Whether each value of a parameter, and each pair of two, was drawn `WANTED` times, or is an accident."""
        wanted = [n for key, n in self.numbers.items() if all(name in self.offered for name in key[::2])]
        return bool(np.all((self.times >= WANTED)[wanted] | (self.worth == 0)[wanted]))

    def never(self) -> list[tuple[str, Any]]:
        """The single things that can occur, and did in no point."""
        return [key for key, n in self.numbers.items() if len(key) == 2 and self.worth[n] > 0 == self.times[n]]

    def missed(self) -> dict[str, int]:
        """For each parameter, how many of its values were never drawn, if any."""
        counts = {n: many - sum(name == n for name, _ in self.dealt) for n, many in self.offered.items()}
        return {name: count for name, count in counts.items() if count > 0}

    def _best(self) -> int:
        """The draft that adds most."""
        worth = (self.worth * self.again**self.times)[self.members].sum(axis=1) * self.shares / self.prices
        if self.open.all():  # the first point: a mistake that comes only at the first call must show there
            return int(np.argmax(worth[:ORDINARY] * (self.shares[:ORDINARY] == 1)))
        return int(np.argmax(np.where(self.open, worth, -1.0)))

    def _draft_more(self) -> None:
        """Draft `POOL` points more; the very first are ordinary ones."""
        first, rows, worth, again = len(self.drafts), [], self.worth.tolist(), self.again.tolist()
        for number in range(POOL):
            source = RecordingSource(self.rng, self.fixed, self.layouts)
            source.draft, source.ordinary = True, first + number < ORDINARY
            self.drafts.append(draft(source, self.entry.make(source)))
            rows.append(self._number(self.drafts[-1].found, worth, again))
        self.worth, self.again = np.array(worth), np.array(again)
        self.times = np.concatenate([self.times, np.zeros(len(worth) - self.times.size)])
        members = np.zeros((first + POOL, max(self.members.shape[1], *map(len, rows))), np.intp)
        members[:first, : self.members.shape[1]] = self.members
        for place, row in enumerate(rows, first):
            members[place, : len(row)] = row
        self.worth[np.bincount(members.ravel(), minlength=self.worth.size) < RARE] = 0.0
        self.members = members
        self.prices, self.shares = (np.array(x) for x in zip(*((d.price, d.share) for d in self.drafts)))
        self.open = np.concatenate([self.open, np.ones(POOL, bool)])

    def _number(self, found: dict[str, tuple[str, Any]], worth: list[float], again: list[float]) -> list[int]:
        """The numbers of what occurs in a point: of every single thing, and of its pairs with `PARTNERS`."""
        partners = [(name, kind, what) for name, (kind, what) in found.items() if kind in PARTNERS]
        keys: list[tuple[Any, tuple[float, float]]] = []
        for name, (kind, what) in found.items():
            keys.append(((name, what), WORTH[kind]))
            keys += [((name, what, other, value), min(PAIRS[kind], PAIRS[their]))
                     for other, their, value in partners if other < name or kind not in PARTNERS]  # fmt: skip
        keys += [(three, TRIPLES) for three in combinations([p for p in partners if p[1] == "parameter"], 3)]
        for key, (first, another) in keys:
            if key not in self.numbers:
                self.numbers[key] = len(worth)
                worth.append(first)
                again.append(another)
        return [self.numbers[key] for key, _ in keys]


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
