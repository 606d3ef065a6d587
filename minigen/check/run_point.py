"""What is checked (`Problem`), and everything that is looked at in it at one point."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .analytic import NotAnalytic, by_complex_step
from .compare import compare, draw, smooth_elements
from .differences import Array, directional
from .forward_mode import check_jvp
from .op_registry import Case, Entry
from .preconditions import function_preconditions, vjp_preconditions
from .report import Finding
from .sensitivity import RESOLUTION

__all__ = ["METHODS", "Called", "Problem", "look", "run_point"]

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
    double, jvp : callable, optional
    taken : set of str, optional
        The parameters that the functions take; None: all.
    method : str
        A key of `METHODS`.
    resolution, rtol : float
    compare_values, full_jacobian, layouts : bool
        See `minigen.check.check`.
    locate, confirm : bool
        See `minigen.check.compare.compare`.
    skipped : set of str
        Filled with what the functions could not be asked.
    """

    fn: Callable[..., Any]
    vjp: Callable[..., Any]
    entry: Entry
    double: Callable[..., Any] | None = None
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
        out = self.problem.vjp(self.outputs(g), *inputs, **self.params)
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


def run_point(
    fn: Callable[..., Any],
    vjp: Callable[..., Any],
    entry: Entry,
    case: Case,
    double: Callable[..., Any] | None = None,
    seed: int = 0,
    **options: Any,
) -> list[Finding]:
    """Judge one point: `look` for a function and its vjp, with the options of `Problem`."""
    return look(Problem(fn, vjp, entry, double, **options), case, seed)


def look(problem: Problem, case: Case, seed: int = 0) -> list[Finding]:
    """Everything that `minigen.check.check` looks at, at one point.

    Parameters
    ----------
    problem : Problem
    case : Case
        The point.
    seed : int
        Of directions and cotangents.

    Returns
    -------
    list of Finding
        Empty where the function says, by NotImplementedError, that it does not take such parameters.

    Raises
    ------
    RuntimeError
        If the definition of the operation fails, which is no mistake of the function's.
    """
    op, rng, called = problem.entry.name, np.random.default_rng(seed), Called(problem, case)
    which, names = called.which, called.names
    try:
        wrong = function_preconditions(op, called.values, called.raw, problem.entry, case, problem.compare_values)
        if wrong:
            return [wrong]
        g = draw(rng, called.values(*case.inputs).shape)
        wrong = vjp_preconditions(op, called.pulled, g, case.inputs, which, names)
        if wrong:
            return [wrong]
        layouts = problem.layouts and called.shapes is None
        how = problem.how()
        findings = compare(op, called.values, called.pulled, case.inputs, which, names, rng, 1, layouts=layouts, **how)
        if problem.jvp is not None:
            findings += check_jvp(op, called, case, rng, how)
        if problem.double is not None and all(f.verdict == "right" for f in findings):
            findings += _second_order(called, case, g, rng, how)
        return findings
    except NotImplementedError:
        return []
    except NotAnalytic as error:
        reason = f"{error}; the complex step needs an analytic function, method='differences' does not"
        return [Finding("inconclusive", op, "the function", 0, reason)]
    except Exception as error:
        if str(error).startswith("minigen.check:"):
            raise
        if any(x.size == 0 for x in case.inputs):
            problem.skipped.add(f"empty inputs (raises {type(error).__name__})")
            return []
        return [_raised(op, error)]


def _raised(op: str, error: Exception) -> Finding:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f" ({frame.name}, line {frame.lineno})"
    return Finding("wrong", op, "the call", 0, f"raises {type(error).__name__}: {error}{place}")


def _second_order(called: Called, case: Case, g: Array, rng: np.random.Generator, how: dict[str, Any]) -> list[Any]:
    """The vjp is a function of the inputs and the cotangent like any other: here its own vjp is judged.

    Output elements on a kink are left out: there the vjp jumps.
    """
    op, which, names, problem = called.problem.entry.name, called.which, called.names, called.problem
    smooth = smooth_elements(called.values, case.inputs, which, rng)
    if g.size and not smooth.size:
        reason = "every output element lies on a kink, where no derivative exists"
        return [Finding("inconclusive", op, name, 2, reason) for name in names]

    def spread(part: Array) -> Array:
        whole = np.zeros(g.size, part.dtype)  # complex where the complex step asks for it
        whole[smooth] = part
        return whole.reshape(g.shape)

    def gradients(*point: Array) -> Array:
        *inputs, seed = point
        return np.concatenate([np.asarray(d).reshape(-1) for d in called.pulled(spread(seed), *inputs)])

    sizes = [case.inputs[i].size for i in which]

    def second(u: Array, *point: Array) -> list[Array]:
        *inputs, seed = point
        parts = np.split(u, np.cumsum(sizes)[:-1])
        us = [part.reshape(case.inputs[i].shape) for part, i in zip(parts, which)]
        assert problem.double is not None
        dg, *rest = problem.double(us, called.outputs(spread(seed)), *inputs, **called.params)
        if isinstance(dg, tuple | list):
            dg = np.concatenate([np.asarray(part).reshape(-1) for part in dg])
        return [*rest, np.asarray(dg).reshape(-1)[smooth]]

    point = [*case.inputs, g.reshape(-1)[smooth]]
    natural = float(np.linalg.norm(g * called.values(*case.inputs)))
    where = [*which, len(case.inputs)]
    return compare(op, gradients, second, point, where, [*names, "the cotangent"], rng, 2, natural=natural, **how)
