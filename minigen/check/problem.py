"""A function and its claimed vjp at one point: what is measured there, and what is claimed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .differences import Array, Function, Measured, U, jitter
from .report import Finding, Verdict

__all__ = ["FLOOR", "Point", "place"]

FLOOR = 8
"""Roundings, of the function's own size, that any vjp is granted: 1 - sigmoid(x) near x = 30 has lost all its
digits, and moving x by one ulp does not show it."""

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

    def claimed(self, k: int, g: Array, part: Array | None = None) -> tuple[Array, Array]:
        """The vjp for the k-th argument, and how much tiny changes of its inputs move each of its elements.

        A few roundings of the function's size are granted on top: of the whole function, or of a `part` of it.
        """
        claimed = np.asarray(self.vjp(g, *self.inputs)[k])
        blur = U * np.abs(claimed)
        for _ in range(5):
            moved = list(self.inputs)
            for j in self.which:
                moved[j] = jitter(self.inputs[j], self.rng)
            with np.errstate(all="ignore"):
                again = np.asarray(self.vjp(np.where(g == 0, 0.0, jitter(g, self.rng)), *moved)[k])
                blur = np.fmax(blur, np.abs(again - claimed))
        natural = self.natural if part is None else max(self.given, float(np.linalg.norm(self.value[part])))
        granted = FLOOR * U * natural * float(np.sqrt(np.mean(np.square(g)))) / self.scale(self.which[k])
        return claimed, np.fmax(2 * blur, granted)

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
