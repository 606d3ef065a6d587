"""A function and its claimed vjp at one point: what is measured there, and what is claimed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .array_generators import LAYOUTS, deal_layout
from .differences import Array, Function, Measured, U, jitter
from .report import Finding, Verdict

__all__ = ["FLOOR", "Point", "place"]

FLOOR = 8
"""Roundings, of the function's own size, that any vjp is granted: 1 - sigmoid(x) near x = 30 has lost all its
digits, and moving x by one ulp does not show it."""

CALLS = 5
"""How often the vjp is called again, at inputs that differ by an ulp or two; one call more or less, at random, so that
a mistake in every 20th call does not meet the same call at every point."""

HULL = 1e-4
"""How far beyond the slopes on both sides of a kink a subgradient may be, relative to them."""

CLEAR = 1e-2
"""How far apart, relative to their size, the slopes on the two sides of a kink must be to be judged."""

Vjp = Callable[..., Sequence[Array | None]]
MeasureRule = Callable[[Function, Sequence[Array], int, Array, Array, Array], Measured]


def place(where: Array) -> tuple[int, ...]:
    """Index of the first true element.

    >>> place(np.array([[False, False], [True, True]]))
    (1, 0)
    """
    return tuple(int(n) for n in np.argwhere(where)[0])


@dataclass
class Point:
    """What the examinations of all arguments share.

    Attributes
    ----------
    op : str
    fn, vjp : callable
        Arrays to one array; ``vjp(g, *inputs)`` to one array per entry of `which`.
    inputs : sequence of array
    which : sequence of int
        Positions of the inputs that have a gradient.
    rng : numpy.random.Generator
    order : int
        Only for the findings' text.
    measure : callable
        `minigen.check.differences.directional` or another that is called like it.
    value, noise : array
        As `minigen.check.differences.measure_noise` gives them.
    given : float
        The size of the values of a function that `fn` is derived from, or 0.
    locate : bool
        Whether a wrong finding is to name the element that is worst.
    layouts : Counter, optional
        Which arrangements of cotangents in memory were dealt so far; by default they are plain.
    """

    op: str
    fn: Function
    vjp: Vjp
    inputs: Sequence[Array]
    which: Sequence[int]
    rng: np.random.Generator
    order: int
    measure: MeasureRule
    value: Array
    noise: Array
    given: float
    locate: bool = True
    confirm: bool = True
    rtol: float = 0.0
    layouts: "Counter[Any] | None" = None

    @property
    def natural(self) -> float:
        """The size of the function's values: what a gradient of zero is compared with."""
        return max(self.given, float(np.linalg.norm(self.value)))

    def finding(self, verdict: Verdict, name: str, reason: str, *rest: Any, **more: Any) -> Finding:
        """A finding about this function."""
        return Finding(verdict, self.op, name, self.order, reason, *rest, **more)

    def along(self, i: int, v: Array, noise: Array | None = None) -> Measured:
        """The derivative along `v` of input `i`, as measured."""
        return self.measure(self.fn, self.inputs, i, v, self.value, self.noise if noise is None else noise)

    def scale(self, i: int) -> float:
        """The size of input `i`, at least 1."""
        return max(1.0, float(np.sqrt(np.mean(np.square(self.inputs[i])))))

    def claimed(self, k: int, g: Array, part: Array | None = None) -> tuple[Array, Array, list[Array]]:
        """The vjp for the k-th argument, how far its elements may be off, and what it gave when called again.

        Tiny changes of its inputs move it: twice the largest change is granted, without the largest of all, which may
        be a mistake that comes and goes.  A few roundings of the function's size are granted on top: of the whole
        function, or of a `part` of it.
        """
        claimed = np.asarray(self.vjp(g, *self.inputs)[k])
        again = []
        for _ in range(CALLS - 1 + int(self.rng.integers(3))):
            moved = list(self.inputs)
            for j in self.which:
                moved[j] = jitter(self.inputs[j], self.rng)
            with np.errstate(all="ignore"):
                again.append(np.asarray(self.vjp(np.where(g == 0, 0.0, jitter(g, self.rng)), *moved)[k]))
        all_of_them = np.stack([claimed, *again])
        with np.errstate(all="ignore"):
            changes = np.sort(np.nan_to_num(np.abs(all_of_them - np.median(all_of_them, axis=0)), posinf=0.0), axis=0)
        blur = np.fmax(U * np.abs(claimed), 2 * changes[-2])
        natural = self.natural if part is None else max(self.given, float(np.linalg.norm(self.value[part])))
        return claimed, np.fmax(2 * blur, self.granted(k, g, natural)), again

    def granted(self, k: int, g: Array, natural: float) -> float:
        """A few roundings of a number as large as `natural`, in every element of the k-th gradient."""
        return FLOOR * U * natural * float(np.sqrt(np.mean(np.square(g)))) / self.scale(self.which[k])

    def lay_out(self, k: int, g: Array, names: Sequence[str] = LAYOUTS) -> Array:
        """The cotangent `g` for the k-th argument in an arrangement of memory that is dealt."""
        return g if self.layouts is None else deal_layout(g, k, self.layouts, self.rng, names)

    def outside_hull(self, k: int, name: str, v: Array, measured: Measured) -> Finding | None:
        """A wrong finding where the vjp of an output element on a kink is no subgradient along `v`.

        Two elements are looked at, each under another cotangent.  Along v a subgradient lies between the slopes
        on the two sides: for the largest of several numbers, for an absolute value, and for their negatives.
        """
        if self.order != 1 or measured.sides is None:
            return None
        for j in self.rng.permutation(np.flatnonzero(measured.kinked))[:2].tolist():
            left, right, error = (float(part.flat[j]) for part in measured.sides)
            low, high = min(left, right), max(left, right)
            slack = HULL * max(abs(low), abs(high)) + 4 * error
            if not high - low > CLEAR * max(abs(low), abs(high)) + 10 * slack:  # NaN, or noise that looks like a kink
                continue
            g = np.zeros(self.value.shape)
            g.flat[j] = 1.0
            claimed = np.asarray(self.vjp(g, *self.inputs)[k])
            said = float(np.sum(claimed * v))
            if not low - slack <= said <= high + slack:
                index = tuple(int(n) for n in np.unravel_index(j, self.value.shape))
                reason = (
                    f"is no subgradient: output element {list(index)} lies on a kink, with the slopes {low:.6g} and "
                    f"{high:.6g} on its two sides, and the vjp gives {said:.6g}, which is not between them"
                )
                near = low if said < low else high
                return self.finding("wrong", name, reason, None, said, near, slack, cotangent=g)
        return None

    def no_derivative(self, name: str, measured: Measured) -> Finding | None:
        """What keeps anybody from measuring a derivative here."""
        if np.all(measured.kinked):
            return self.finding("inconclusive", name, "every output element lies on a kink, where no derivative exists")
        if np.any(measured.undefined):
            reason = "the edge of the domain: no step, however small, has values on both sides"
            return self.finding("inconclusive", name, reason, place(measured.undefined))
        return None

    def agreement(self, name: str, seen: float, asked: float) -> Finding:
        """Right, or inconclusive where only an error larger than asked for could have been seen."""
        if seen > asked:
            reason = "agrees, but only a larger error could have been seen: the function is too noisy or too steep here"
            return self.finding("inconclusive", name, reason, resolution=seen)
        return self.finding("right", name, "agrees with differences", resolution=seen)

    def not_finite(self, name: str, claimed: Array) -> Finding | None:
        """A NaN or an infinity among the claimed numbers."""
        if np.all(np.isfinite(claimed)):
            return None
        where = place(~np.isfinite(claimed))
        reason = f"the vjp has {claimed[where]} where the function is smooth"
        return self.finding("wrong", name, reason, where, float(claimed[where]))
