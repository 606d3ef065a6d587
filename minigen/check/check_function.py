"""Check a function and its vjp from outside minigen: NumPy arrays in, NumPy arrays out."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .._util.optional import require
from .op_registry import OP_REGISTRY, Case, Entry
from .report import Finding, Report
from .repro import repro
from .run_point import METHODS, run_point
from .sensitivity import RESOLUTION

__all__ = ["check", "summary"]


def check(
    fn: Callable[..., Any],
    vjp: Callable[..., Any],
    like: str,
    *,
    double: Callable[..., Any] | None = None,
    params: dict[str, Any] | None = None,
    examples: int = 30,
    seed: int = 0,
    layouts: bool = True,
    compare_values: bool = True,
    resolution: float = RESOLUTION,
    method: str = "differences",
    full_jacobian: bool = False,
) -> Report:
    """Check a function and its vector-Jacobian product, by whatever means they compute.

    Parameters
    ----------
    fn : callable
        ``fn(*inputs, **params)``: float64 NumPy arrays to one array.
    vjp : callable
        ``vjp(g, *inputs, **params)``: the cotangent of fn's output, and fn's inputs, to one array per differentiable
        input (targets and labels have none); for a single one, the array itself will do.
    like : str
        Which operation it is: a name in `minigen.check.op_registry.OP_REGISTRY`, with the inputs, parameters and
        defaults of the function of that name in ``torch.nn.functional``.  Parameters that `fn` does not take stay at
        their defaults; a bias that it does not take is left out.
    double : callable, optional
        The gradient of the vjp, ``double(u, g, *inputs, **params)``: u holds a cotangent per array that `vjp` returns;
        gives the gradient in g, then those in the inputs.  Checked too if given.
    params : dict, optional
        Parameters to keep at one value, such as ``{"stride": 1}``.
    examples : int
        How many points to try.
    seed : int
    layouts : bool
        Whether inputs come in transposed, reversed and strided memory too.
    compare_values : bool
        Whether fn's values must be those of the operation.
    resolution : float
        The relative error that must be visible for the verdict *right*.
    method : {"differences", "complex_step"}
        How derivatives are measured.  The complex step sees errors in the last digits, where differences see one part
        in 10^10 or so, but needs an `fn` that computes with complex numbers: analytic, in plain NumPy, with neither
        ``abs`` nor a comparison.  See `minigen.check.analytic`.
    full_jacobian : bool
        Compare every element of the Jacobian, in place of random directions.

    Returns
    -------
    Report
        On *wrong*, with a minimal example that can be pasted.

    Raises
    ------
    ValueError
        If there is no such operation, parameter or method.
    ImportError
        If Hypothesis, which draws and shrinks the examples, is missing.

    Examples
    --------
    >>> import numpy as np
    >>> check(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), like="tanh").verdict
    'right'
    >>> check(np.tanh, lambda g, x: g * (1 - np.tanh(x)), like="tanh", examples=5).verdict
    'wrong'
    """
    if like not in OP_REGISTRY:
        raise ValueError(f"check: unknown operation {like!r}; expected one of {', '.join(sorted(OP_REGISTRY))}")
    if method not in METHODS:
        raise ValueError(f"check: unknown method {method!r}; expected one of {', '.join(METHODS)}")
    entry = OP_REGISTRY[like]
    taken, missing = _signature(fn, entry)
    unknown = set(params or {}) - set(entry.parameters())
    if unknown:
        raise ValueError(f"check: {like} has no parameters {sorted(unknown)}; expected {sorted(entry.parameters())}")
    fixed = {k: v for k, v in entry.defaults.items() if taken is not None and k not in taken} | (params or {})

    def trim(case: Case) -> Case:
        inputs = case.inputs[: len(case.inputs) - missing]
        return Case(inputs, {k: v for k, v in case.params.items() if taken is None or k in taken})

    found: list[Finding] = []

    def look(case: Case, number: int, locate: bool = False) -> list[Finding]:
        case = trim(case)
        return run_point(
            fn,
            vjp,
            entry,
            case,
            double,
            seed + number,
            method=method,
            locate=locate,
            resolution=resolution,
            compare_values=compare_values,
            full_jacobian=full_jacobian,
        )

    failure = _search(entry, fixed, layouts, look, found, examples, seed)
    if failure:
        case, findings, number = failure
        located = [f for f in look(case, number, locate=True) if f.verdict == "wrong"]
        wrong = located or [f for f in findings if f.verdict == "wrong"]
        return Report(like, wrong, repro(entry, trim(case), wrong[0]))
    return Report(like, summary(like, found))


def _signature(fn: Callable[..., Any], entry: Entry) -> tuple[set[str] | None, int]:
    """The names of the parameters that `fn` takes (None: any), and how many of the last inputs it does without."""
    try:
        kinds = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):  # builtins and ufuncs do not say
        return set(), 0
    if any(p.kind is p.VAR_KEYWORD for p in kinds) and any(p.kind is p.VAR_POSITIONAL for p in kinds):
        return None, 0
    names = entry.parameters()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in kinds if p.kind in plain and p.name not in names]
    free = any(p.kind is p.VAR_POSITIONAL for p in kinds)
    missing = 0 if free else max(0, len(entry.inputs) - len(positional))
    if missing > entry.optional:
        needed = entry.inputs[: len(entry.inputs) - entry.optional]
        raise ValueError(
            f"check: {entry.name} is called with {', '.join(needed)}; {fn!r} takes {len(positional)} inputs"
        )
    taken = None if any(p.kind is p.VAR_KEYWORD for p in kinds) else {p.name for p in kinds} & set(names)
    return taken, missing


class _Wrong(Exception):  # noqa: N818 - not an error of the program
    pass


def _search(
    entry: Entry,
    fixed: Any,
    layouts: Any,
    look: Callable[..., list[Finding]],
    found: list[Finding],
    examples: int,
    seed: int,
) -> tuple[Case, list[Finding], int] | None:
    """Try `examples` points; where one is wrong, let Hypothesis find the smallest that is."""
    require("hypothesis")
    from hypothesis import HealthCheck, Phase, Verbosity, given, settings
    from hypothesis import seed as start_from
    from hypothesis import strategies as st

    from .strategies import DrawnSource

    last: dict[str, Any] = {}

    @start_from(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.data())
    def search(data: Any) -> None:
        case = entry.make(DrawnSource(data.draw, fixed, layouts))
        number = data.draw(st.integers(0, 2**16))
        findings = look(case, number)
        found.extend(findings)
        if any(f.verdict == "wrong" for f in findings):
            last["failure"] = case, findings, number
            raise _Wrong

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search()
    except _Wrong:
        return last["failure"]
    except Exception:
        if not last:  # not ours
            raise
        return last["failure"]  # wrong at times: Hypothesis calls it flaky
    return None


def summary(op: str, found: Sequence[Finding]) -> list[Finding]:
    """One finding per argument and order: right where at least four points in five were."""
    groups: dict[tuple[str, int], list[Finding]] = {}
    for f in found:
        groups.setdefault((f.argument, f.order), []).append(f)
    summary = []
    for (argument, order), members in groups.items():
        right = [f for f in members if f.verdict == "right"]
        worst = max((f.resolution for f in right if f.resolution is not None), default=None)
        if len(right) >= 0.8 * len(members):
            reason = f"agrees with differences at {len(right)} of {len(members)} points"
            summary.append(Finding("right", op, argument, order, reason, resolution=worst))
        else:
            doubtful = next(f for f in members if f.verdict == "inconclusive")
            reason = f"at {len(members) - len(right)} of {len(members)} points, such as: {doubtful.reason}"
            summary.append(Finding("inconclusive", op, argument, order, reason, resolution=doubtful.resolution))
    return summary
