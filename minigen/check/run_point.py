"""Everything that is looked at in somebody's function and vjp at one point."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .analytic import NotAnalytic, by_complex_step
from .compare import compare, draw, smooth_elements
from .differences import Array, directional
from .op_registry import Case, Entry
from .preconditions import function_preconditions, vjp_preconditions
from .report import Finding
from .sensitivity import RESOLUTION

__all__ = ["METHODS", "run_point"]

METHODS = {"differences": directional, "complex_step": by_complex_step}
"""How derivatives can be measured."""


def run_point(
    fn: Callable[..., Any],
    vjp: Callable[..., Any],
    entry: Entry,
    case: Case,
    double: Callable[..., Any] | None = None,
    seed: int = 0,
    *,
    compare_values: bool = True,
    method: str = "differences",
    resolution: float = RESOLUTION,
    full_jacobian: bool = False,
    locate: bool = True,
) -> list[Finding]:
    """Everything that `minigen.check.check` looks at, at one point; see there, and `minigen.check.compare.compare`.

    Returns
    -------
    list of Finding
        Empty where the function says, by NotImplementedError, that it does not take such parameters.
    """
    op, rng = entry.name, np.random.default_rng(seed)
    how: dict[str, Any] = {"repeats": 1, "measure": METHODS[method]}
    how |= {"resolution": resolution, "full_jacobian": full_jacobian, "locate": locate}
    which = [i for i in entry.differentiable if i < len(case.inputs)]
    names = [entry.inputs[i] for i in which]

    def values(*inputs: Array) -> Array:
        return np.asarray(fn(*inputs, **case.params))

    def pulled(g: Array, *inputs: Array) -> list[Any]:
        out = vjp(g, *inputs, **case.params)
        if len(which) == 1 and not isinstance(out, list | tuple):
            out = [out]
        return [np.asarray(d) if isinstance(d, np.generic) else d for d in out]

    try:
        problem = function_preconditions(op, values, entry, case, compare_values)
        if problem:
            return [problem]
        g = draw(rng, values(*case.inputs).shape)
        problem = vjp_preconditions(op, pulled, g, case.inputs, which, names)
        if problem:
            return [problem]
        findings = compare(op, values, pulled, case.inputs, which, names, rng, 1, **how)
        if double is not None and all(f.verdict == "right" for f in findings):
            findings += _second_order(op, values, pulled, double, case, which, names, g, rng, how)
        return findings
    except NotImplementedError:
        return []
    except NotAnalytic as error:
        reason = f"{error}; the complex step needs an analytic function, method='differences' does not"
        return [Finding("inconclusive", op, "the function", 0, reason)]
    except Exception as error:
        place = _innermost(error)
        return [Finding("wrong", op, "the call", 0, f"raises {type(error).__name__}: {error}{place}")]


def _innermost(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_name}, line {trace.tb_lineno})" if trace else ""


def _second_order(
    op: Any,
    values: Any,
    pulled: Any,
    double: Any,
    case: Any,
    which: Any,
    names: Any,
    g: Any,
    rng: np.random.Generator,
    how: Any,
) -> list[Finding]:
    """The vjp is a function of the inputs and the cotangent like any other: here its own vjp is judged.

    Output elements on a kink are left out: there the vjp jumps.
    """
    smooth = smooth_elements(values, case.inputs, which, rng)
    if g.size and not smooth.size:
        reason = "every output element lies on a kink, where no derivative exists"
        return [Finding("inconclusive", op, name, 2, reason) for name in names]

    def spread(part: Array) -> Array:
        whole = np.zeros(g.size, part.dtype)  # complex where the complex step asks for it
        whole[smooth] = part
        return whole.reshape(g.shape)

    def gradients(*point: Array) -> Array:
        *inputs, seed = point
        return np.concatenate([np.asarray(d).reshape(-1) for d in pulled(spread(seed), *inputs)])

    sizes = [case.inputs[i].size for i in which]

    def second(u: Array, *point: Array) -> list[Array]:
        *inputs, seed = point
        parts = np.split(u, np.cumsum(sizes)[:-1])
        us = [part.reshape(case.inputs[i].shape) for part, i in zip(parts, which)]
        dg, *rest = double(us, spread(seed), *inputs, **case.params)
        return [*rest, np.asarray(dg).reshape(-1)[smooth]]

    point = [*case.inputs, g.reshape(-1)[smooth]]
    natural = float(np.linalg.norm(g * values(*case.inputs)))
    where = [*which, len(case.inputs)]
    return compare(op, gradients, second, point, where, [*names, "the cotangent"], rng, 2, natural=natural, **how)
