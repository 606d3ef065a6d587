"""Everything that is looked at in a function and its gradients at one point."""

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .analytic import NotAnalytic
from .called import Called, Problem
from .compare import compare, draw, smooth_elements
from .differences import Array
from .forward_mode import check_jvp
from .low_precision import judge_rounded
from .op_registry import Case, Entry
from .preconditions import function_preconditions, vjp_preconditions
from .report import Finding

__all__ = ["look", "run_point"]


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


def look(problem: Problem, case: Case, seed: int = 0, dealt: "Counter[Any] | None" = None) -> list[Finding]:
    """Everything that `minigen.check.check` looks at, at one point.

    Parameters
    ----------
    problem : Problem
    case : Case
        The point.
    seed : int
        Of directions and cotangents.
    dealt : Counter, optional
        Which arrangements of cotangents the points before had; those of this point are added.

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
        if not problem.precision.exact:
            return judge_rounded(problem, case, rng, Counter() if dealt is None else dealt)
        wrong = function_preconditions(op, called.values, called.raw, problem.entry, case, problem.compare_values)
        if wrong:
            return [wrong]
        g = draw(rng, called.values(*case.inputs).shape)
        wrong = vjp_preconditions(op, called.pulled, g, case.inputs, which, names)
        if wrong:
            return [wrong]
        layouts = (Counter() if dealt is None else dealt) if problem.layouts and called.shapes is None else None
        how = problem.how()
        findings = compare(op, called.values, called.pulled, case.inputs, which, names, rng, 1, layouts=layouts, **how)
        if problem.jvp is not None:
            findings += check_jvp(op, called, case, rng, how)
        if problem.double is not None and all(f.verdict == "right" for f in findings):
            findings += _higher_orders(called, case, g, rng, how)
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


def _higher_orders(called: Called, case: Case, g: Array, rng: np.random.Generator, how: dict[str, Any]) -> list[Any]:
    """The vjp is a function of the inputs and the cotangent like any other: here its own vjp is judged, and that of it.

    Output elements on a kink are left out: there the vjp jumps.
    """
    op, which, names, problem = called.problem.entry.name, called.which, called.names, called.problem
    second, *third = problem.double if isinstance(problem.double, tuple | list) else [problem.double]
    smooth = smooth_elements(called.values, case.inputs, which, rng)
    if g.size and not smooth.size:
        reason = "every output element lies on a kink, where no derivative exists"
        return [Finding("inconclusive", op, name, 2, reason) for name in names]

    def spread(part: Array) -> Any:
        """A cotangent of the smooth elements in the form of the function's result."""
        whole = np.zeros(g.size, part.dtype)  # complex where the complex step asks for it
        whole[smooth] = part
        return called.outputs(whole.reshape(g.shape))

    def gathered(d: Any) -> Array:
        return (np.asarray(d).reshape(-1) if called.shapes is None else _joined(d))[smooth]

    def split(u: Array) -> list[Array]:
        """A vector as one array per input."""
        parts = np.split(u, np.cumsum([case.inputs[i].size for i in which])[:-1])
        return [part.reshape(case.inputs[i].shape) for part, i in zip(parts, which)]

    def gradients(*point: Array) -> Array:
        *inputs, seed = point
        return _joined(called.listed(problem.vjp(spread(seed), *inputs, **called.params)))

    def pull_second(u: Array, *point: Array) -> list[Array]:
        *inputs, seed = point
        dg, *rest = second(split(u), spread(seed), *inputs, **called.params)
        return [*rest, gathered(dg)]

    def pull_third(t: Array, *point: Array) -> list[Array]:
        *inputs, seed, u = point
        *tx, tg = [*split(t[: t.size - smooth.size]), spread(t[t.size - smooth.size :])]
        found = list(third[0]([tg, *tx], split(u), spread(seed), *inputs, **called.params))
        return [*found[len(which) + 1 :], gathered(found[len(which)]), _joined(found[: len(which)])]

    point, count = [*case.inputs, g.reshape(-1)[smooth]], len(case.inputs)
    natural = float(np.linalg.norm(g * called.values(*case.inputs)))
    how, shown = {**how, "natural": natural}, [*names, "the cotangent"]
    findings = compare(op, gradients, pull_second, point, [*which, count], shown, rng, 2, **how)
    if third and all(f.verdict == "right" for f in findings):
        u = draw(rng, (sum(case.inputs[i].size for i in which),))
        shown.append("the cotangent of order 2")
        findings += compare(
            op, lambda *p: _joined(pull_second(p[-1], *p[:-1])), pull_third, [*point, u], [*which, count, count + 1],
            shown, rng, 3, **how,
        )  # fmt: skip
    return findings


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.asarray(d).reshape(-1) for d in arrays]) if len(arrays) else np.zeros(0)
