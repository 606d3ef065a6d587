"""What is checked (`Problem`), and its functions at one point (`Called`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .analytic import by_complex_step
from .differences import Array, directional
from .op_registry import Case, Entry
from .precision import FLOAT64, Precision
from .sensitivity import RESOLUTION

__all__ = ["METHODS", "Called", "Problem"]

METHODS = {"differences": directional, "complex_step": by_complex_step}
"""How derivatives can be measured."""


@dataclass(frozen=True)
class Problem:
    """A function with its claimed gradients, and how strictly they are judged.

    Attributes
    ----------
    fn, vjp : callable
        As `minigen.check.check` takes them.
    entry : Entry
        What the function is called with, and its definition if it has one.
    double, jvp : optional
        As `minigen.check.check` takes them.
    taken : set of str, optional
        The parameters that the functions take; None: all.
    method : str
        A key of `METHODS`.
    resolution, rtol : float
    compare_values, full_jacobian, layouts : bool
        See `minigen.check.check`.
    locate, confirm : bool
        See `minigen.check.compare.compare`.
    precision : Precision
        Of the numbers that the functions are called with.
    reference : callable, or pair of callable, optional
        For functions of the user's own in less than float64: the same function in float64, and its vjp if there is
        one.
    skipped : set of str
        Filled with what the functions could not be asked.
    """

    fn: Callable[..., Any]
    vjp: Callable[..., Any]
    entry: Entry
    double: Any = None
    jvp: Callable[..., Any] | None = None
    taken: frozenset[str] | None = None
    method: str = "differences"
    resolution: float = RESOLUTION
    rtol: float = 0.0
    compare_values: bool = True
    full_jacobian: bool = False
    layouts: bool = False
    locate: bool = True
    confirm: bool = True
    precision: Precision = FLOAT64
    reference: Any = None
    skipped: set[str] = field(default_factory=set, compare=False)

    def how(self) -> dict[str, Any]:
        """The arguments of `compare` that are the same at every point."""
        return {
            "repeats": 1, "measure": METHODS[self.method], "resolution": self.resolution, "rtol": self.rtol,
            "full_jacobian": self.full_jacobian, "locate": self.locate, "confirm": self.confirm,
        }  # fmt: skip

    def params(self, case: Case) -> dict[str, Any]:
        """The parameters that the functions are called with."""
        return {k: v for k, v in case.params.items() if self.taken is None or k in self.taken}

    def with_options(self, **changes: Any) -> "Problem":
        """The same with other options."""
        return replace(self, **changes)


class Called:
    """The functions of a problem at one point, on arrays alone: several outputs are one vector."""

    def __init__(self, problem: Problem, case: Case):
        self.problem, self.params = problem, problem.params(case)
        self.which = [i for i in problem.entry.differentiable if i < len(case.inputs)]
        self.names = [problem.entry.inputs[i] for i in self.which]
        self.shapes: list[tuple[int, ...]] | None = None

    def raw(self, *inputs: Array) -> Any:
        """What the function returns."""
        return self.problem.fn(*inputs, **self.params)

    def values(self, *inputs: Array) -> Array:
        """What the function returns, in one array."""
        out = self.raw(*inputs)
        if not isinstance(out, tuple | list):
            return np.asarray(out)
        parts = [np.asarray(part) for part in out]
        self.shapes = [part.shape for part in parts]
        return np.concatenate([part.reshape(-1) for part in parts]) if parts else np.zeros(0)

    def pulled(self, g: Array, *inputs: Array) -> list[Any]:
        """What the vjp returns, as a list."""
        return self.listed(self.problem.vjp(self.outputs(g), *inputs, **self.params))

    def listed(self, out: Any) -> list[Any]:
        """A vjp's result as a list of arrays."""
        if len(self.which) == 1 and not isinstance(out, list | tuple):
            out = [out]
        return [np.asarray(d) if isinstance(d, np.generic) else d for d in out]

    def pushed(self, tangents: Sequence[Array], *inputs: Array) -> Array:
        """What the jvp returns, in one array."""
        assert self.problem.jvp is not None
        single = len(self.which) == 1
        out = self.problem.jvp(tangents[0] if single else list(tangents), *inputs, **self.params)
        if isinstance(out, tuple | list):
            return np.concatenate([np.asarray(part).reshape(-1) for part in out])
        return np.asarray(out)

    def outputs(self, g: Array) -> Any:
        """A cotangent in the form of the function's result."""
        if self.shapes is None:
            return g
        parts = np.split(g, np.cumsum([int(np.prod(s)) for s in self.shapes])[:-1])
        return tuple(part.reshape(s) for part, s in zip(parts, self.shapes))
