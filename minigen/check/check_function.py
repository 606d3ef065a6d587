"""Check a function and its vjp from outside minigen: NumPy arrays in, NumPy arrays out."""

import inspect
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .called import METHODS, Called, Problem
from .covering import Covering, shrink
from .diagnosis import common_factor, condition, facts
from .low_precision import Exact
from .op_registry import ALIASES, OP_REGISTRY, Case, Entry
from .own_functions import own_entry
from .precision import precision_of
from .report import Finding, Report
from .repro import repro
from .run_point import look

__all__ = ["assert_right", "check", "summary"]

POINTS, MOST = 30, 60
"""Points that are looked at by default: at least, and at most."""

FEW = 5
"""With no more examples than this, no other points are looked at."""

MORE = 36
"""Points that are looked at after a wrong one, to find under which condition others are wrong."""


def check(
    fn: Callable[..., Any],
    vjp: Callable[..., Any],
    like: str | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    shapes: Sequence[Any] | None = None,
    domain: Any = None,
    only: Callable[..., bool] | None = None,
    double: Any = None,
    jvp: Callable[..., Any] | None = None,
    params: dict[str, Any] | None = None,
    examples: int | None = None,
    seed: int = 0,
    layouts: bool = True,
    compare_values: bool = True,
    dtype: Any = "float64",
    reference: Any = None,
    resolution: float | None = None,
    rtol: float = 0.0,
    method: str = "differences",
    full_jacobian: bool = False,
    explain: bool = True,
) -> Report:
    """Check a function and its vector-Jacobian product, by whatever means they compute.

    Parameters
    ----------
    fn : callable
        ``fn(*inputs, **params)``: NumPy arrays of `dtype` to one array, or to a tuple of arrays.
    vjp : callable
        ``vjp(g, *inputs, **params)``: the cotangent of fn's output (a tuple of them for a tuple), and fn's inputs, to
        one array per differentiable input (targets, labels and integers have none); for a single one, the array itself
        will do.
    like : str, optional
        Which operation it is: a name in `minigen.check.op_registry.OP_REGISTRY`, with the inputs, parameters and
        defaults of the function of that name in ``torch.nn.functional``.  Parameters that `fn` does not take stay at
        their defaults; a bias that it does not take is left out.  A function of your own needs `inputs` or `shapes`
        instead.
    inputs : sequence, optional
        Instead of `like`: the point, as one array per input; or several points, as a list of tuples of arrays.
        Integer arrays are given to the functions and have no gradient.
    shapes : sequence of tuple, optional
        Instead of `like`: the shape of each input.  A letter is a side that is drawn, from 1 to 6 and equal for equal
        letters: ``[("n", 3), (3,)]``.
    domain : str, pair of float, or a sequence of those, optional
        With `shapes`: what each input is drawn from, an interval or a name in
        `minigen.check.array_generators.KINDS`; Gaussian by default.
    only : callable, optional
        ``only(*inputs, **params)`` says whether the function accepts this point; others are not drawn.  (A function
        may also raise NotImplementedError.)
    double : callable, or pair of callable, optional
        The gradient of the vjp, ``double(u, g, *inputs, **params)``: u holds a cotangent per array that `vjp` returns;
        gives the gradient in g, then those in the inputs.  Checked too if given.  A second callable is the gradient of
        that, ``third(t, u, g, *inputs, **params)``: t holds a cotangent per array that `double` returns; gives the
        gradients in each of u, in g, and in the inputs.  (`minigen.check.gradcheck` checks Tensors to any order.)
    jvp : callable, optional
        Forward mode, ``jvp(v, *inputs, **params)``: v is a tangent per differentiable input (for a single one, the
        array itself).  It is checked by differences, and <g, jvp(v)> = <vjp(g), v> without any.
    params : dict, optional
        Parameters to keep at one value, such as ``{"stride": 1}``.
    examples : int, optional
        How many points to try, chosen so that pairs of parameters are covered early.  By default 30, and up to 60 for
        an operation with many parameters, until each pair of their values has occurred three times.
    seed : int
    layouts : bool
        Whether inputs and cotangents come in transposed, reversed, strided, offset and expanded memory too.
    compare_values : bool
        Whether fn's values must be those of the operation.
    dtype : {"float64", "float32", "float16", "bfloat16"}
        What `fn` and `vjp` compute with.  A kernel of less than float64 is given rounded inputs, and is judged against
        the float64 reference at the same rounded numbers, within bounds that follow from the number of terms; see
        `minigen.check.low_precision`.  (bfloat16 needs the package ml_dtypes.)
    reference : callable, or pair of callable, optional
        With a `dtype` below float64 and without `like`: `fn` in float64, or ``(fn, vjp)`` in float64.  A function that
        computes with any dtype can be its own reference.
    resolution : float, optional
        The relative error that must be visible for the verdict *right*: by default 1e-5 for float64, 0.01 for float32,
        0.5 for float16, 0.9 for bfloat16.
    rtol : float
        A tolerance of your own: a gradient that is off by no more than this part of its size is right for you.  The
        report says so.
    method : {"differences", "complex_step"}
        How derivatives are measured.  The complex step sees errors in the last digits, where differences see one part
        in 10^10 or so, but needs an `fn` that computes with complex numbers: analytic, in plain NumPy, with neither
        ``abs`` nor a comparison.  See `minigen.check.analytic`.
    full_jacobian : bool
        Compare every element of the Jacobian, in place of random directions.
    explain : bool
        Whether to look for the smallest wrong point, and for the condition and the factor of the mistake.  The verdict
        is the same without.

    Returns
    -------
    Report
        On *wrong*, with a small example that can be pasted.

    Raises
    ------
    ValueError
        If there is no such operation, parameter or method, or nothing says what `fn` is called with.
    RuntimeError
        If the definition of the operation fails: a mistake in minigen, not in `fn`.

    Examples
    --------
    >>> import numpy as np
    >>> check(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), like="tanh").verdict
    'right'
    >>> check(np.tanh, lambda g, x: g * (1 - np.tanh(x)), like="tanh", examples=5).verdict
    'wrong'

    A function of your own:

    >>> fn = lambda a, b: a / np.sqrt(b)
    >>> vjp = lambda g, a, b: (g / np.sqrt(b), -g * a / (2 * b**1.5))
    >>> check(fn, vjp, shapes=[("n", "m"), ("n", "m")], domain=[(-2, 2), (0.1, 3)]).verdict
    'right'

    The same in float32; it takes any dtype, so that it is its own reference:

    >>> check(fn, vjp, shapes=[("n",), ("n",)], domain=[(-2, 2), (0.1, 3)], dtype="float32", reference=fn).verdict
    'right'
    """
    if method not in METHODS:
        raise ValueError(f"check: unknown method {method!r}; expected one of {', '.join(METHODS)}")
    if not 0 <= rtol < 1:
        raise ValueError(f"check: expected 0 <= rtol < 1, got {rtol!r}")
    precision = precision_of(dtype)
    _refuse(precision, like, reference, double=double, jvp=jvp, method=method, full_jacobian=full_jacobian)
    if like is None:
        entry = own_entry(fn, inputs, shapes, domain, params or {}, precision)
        taken, missing, layouts = None, 0, layouts and inputs is None
    else:
        like = ALIASES.get(like, like)
        if like not in OP_REGISTRY:
            raise ValueError(f"check: unknown operation {like!r}; expected one of {', '.join(sorted(OP_REGISTRY))}")
        if inputs is not None or shapes is not None or domain is not None:
            raise ValueError("check: like= draws its own points; inputs=, shapes= and domain= are for other functions")
        entry = OP_REGISTRY[like]
        taken, missing = _signature(fn, entry)
    unknown = set(params or {}) - set(entry.parameters())
    if unknown and like is not None:
        raise ValueError(f"check: {like} has no parameters {sorted(unknown)}; expected {sorted(entry.parameters())}")
    fixed = {k: v for k, v in entry.defaults.items() if taken is not None and k not in taken} | (params or {})
    problem = Problem(
        fn, vjp, entry, double, jvp, None if taken is None else frozenset(taken), method,
        precision.resolution if resolution is None else resolution, rtol,
        compare_values, full_jacobian, layouts, locate=False, precision=precision, reference=reference,
    )  # fmt: skip

    def trim(case: Case) -> Case:
        return Case(case.inputs[: len(case.inputs) - missing], case.params)

    def accepted(*arrays: Any, **chosen: Any) -> bool:
        arrays = arrays[: len(arrays) - missing]
        wanted = only is None or only(*arrays, **problem.params(Case((), chosen)))
        return bool(wanted) and (precision.exact or precision.holds(arrays))

    choosy = accepted if only is not None or not precision.exact else None
    covering = Covering(entry, np.random.default_rng([seed, 16]), fixed, layouts, choosy)
    found: list[Finding] = []
    before: list[dict[str, Any]] = []
    dealt: Counter[Any] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(MOST if examples is None else examples):
            if examples is None and number >= POINTS and covering.enough():
                break
            (case, choices), hand = covering.draw(), Counter(dealt)
            place = seed * (examples or MOST) + number
            findings = look(problem, trim(case), place, dealt)
            if not explain and any(f.verdict == "wrong" for f in findings):
                return Report(entry.name, [f for f in findings if f.verdict == "wrong"])
            if any(f.verdict == "wrong" for f in findings):
                more = MORE if examples is None or examples > FEW else 0
                return _failure(problem, trim, case, choices, findings, place, hand, covering, before, more)
            found.extend(findings)
            if all(f.resolution for f in findings):
                before.append(facts(trim(case)))
    return Report(entry.name, summary(entry.name, found), notes=_notes(covering, problem, fixed))


def _refuse(precision: Any, like: str | None, reference: Any, **others: Any) -> None:
    """Name what does not go together with the precision."""
    if precision.exact or like is not None:
        if reference is not None:
            raise ValueError("check: reference= goes with a dtype below float64, and without like=")
    elif reference is None:
        raise ValueError(f"check: dtype={precision.name!r} needs like=, or reference= (the same function in float64; "
                         "a function that takes any dtype can be its own)")  # fmt: skip
    given = [name for name, value in others.items() if value not in (None, False, "differences")]
    if given and not precision.exact:
        raise ValueError(f"check: {given[0]}= needs dtype='float64', got {precision.name!r}")


def assert_right(*args: Any, **kwargs: Any) -> Report:
    """`check`, for a test: raise with the whole report where the verdict is not *right*.

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> import numpy as np
    >>> assert_right(np.exp, lambda g, x: g * np.exp(x), like="exp", examples=5).verdict
    'right'
    """
    __tracebackhide__ = True
    return check(*args, **kwargs).raise_if_wrong()


def _failure(
    problem: Problem,
    trim: Callable[[Case], Case],
    case: Case,
    choices: Sequence[tuple[int, int, int]],
    findings: list[Finding],
    number: int,
    hand: "Counter[Any]",
    covering: Covering,
    before: list[dict[str, Any]],
    more: int,
) -> Report:
    """The report of a wrong point: of a smaller one that is wrong too, with the element that is worst."""

    def wrong(case: Case, **options: Any) -> list[Finding]:
        seen = look(problem.with_options(**options), trim(case), number, Counter(hand))
        return [f for f in seen if f.verdict == "wrong"]

    first = next(f for f in findings if f.verdict == "wrong")
    kind, factor = (first.argument, first.order), _factor(problem, trim(case), first)

    def fails(case: Case) -> bool:
        accepts = covering.only is None or covering.only(*case.inputs, **case.params)
        return accepts and any((f.argument, f.order) == kind for f in wrong(case, confirm=False))

    smaller = shrink(problem.entry, choices, covering.fixed, covering.layouts, fails)
    for candidate in ([smaller] if smaller is not None else []) + [case]:
        located = wrong(candidate, locate=True)
        if located:
            case, findings = candidate, located
            break
    bad = [f for f in findings if f.verdict == "wrong"]
    shown = trim(case)
    notes = [
        _layout(problem, bad[0], number, shown),
        _where_else(problem, trim, covering, number, kind, before, more),
        factor or _factor(problem, shown, bad[0]),
    ]
    shown = problem.precision.rounded_case(Case(shown.inputs, problem.params(shown)))
    return Report(problem.entry.name, bad, repro(problem.entry, shown, bad[0]), [n for n in notes if n])


def _layout(problem: Problem, finding: Finding, number: int, shown: Case) -> str:
    """Whether the mistake has to do with the arrangement of memory; a smaller example keeps only what it needs."""
    names = [n for n, x in zip(problem.entry.inputs, shown.inputs) if x.size > 1 and not x.flags.c_contiguous]
    if names:
        return f"the memory of {' and '.join(names)} is not contiguous in the example below"
    g = finding.cotangent
    if g is None or g.flags.c_contiguous:
        return ""
    plain = look(problem.with_options(layouts=False, confirm=False), shown, number)
    if any(f.verdict == "wrong" for f in plain):
        return ""
    return "the memory of the cotangent is not contiguous in the example below; with contiguous memory it is right"


def _where_else(
    problem: Problem,
    trim: Callable[[Case], Case],
    covering: Covering,
    number: int,
    kind: tuple[str, int],
    before: list[dict[str, Any]],
    more: int,
) -> str:
    """The condition under which other points are wrong too."""
    wrong: list[dict[str, Any]] = []
    right: list[dict[str, Any]] = []
    for extra in range(more):
        case = trim(covering.draw()[0])
        found = look(problem.with_options(confirm=False), case, number + 1 + extra)
        mine = [f for f in found if (f.argument, f.order) == kind or f.verdict == "wrong"]
        if any(f.verdict == "wrong" for f in mine):
            wrong.append(facts(case))
        elif any(f.resolution for f in mine):  # not where every gradient is exactly zero
            right.append(facts(case))
    if not wrong and not right:
        return ""
    told = condition(wrong, right + before)
    text = f"wrong at {len(wrong)} of {len(wrong) + len(right)} other points"
    return f"{text}: {told}" if told else text


def _factor(problem: Problem, case: Case, finding: Finding) -> str:
    """What the claimed gradient of a wrong first-order finding has in common with the measured one."""
    if finding.order != 1 or finding.cotangent is None or finding.argument not in problem.entry.inputs:
        return ""
    case = problem.precision.rounded_case(case)
    called = Called(problem, case)
    called.values(*case.inputs)  # learns the shapes of the outputs
    i, k = problem.entry.inputs.index(finding.argument), called.names.index(finding.argument)
    try:
        claimed = np.asarray(called.pulled(finding.cotangent, *case.inputs)[k], np.float64)
        if problem.precision.exact:
            return common_factor(called.values, claimed, case.inputs, i, finding.cotangent)
        exact = Exact(problem, case)
        rounding = 64 * problem.precision.unit
        return common_factor(exact.values, claimed, exact.inputs, i, np.array(finding.cotangent, np.float64), rounding)
    except Exception:
        return ""


def _notes(covering: Covering, problem: Problem, fixed: dict[str, Any]) -> list[str]:
    """What was covered, and what was not examined."""
    notes, entry = [], problem.entry
    drawn, there = covering.coverage()
    if there:
        notes.append(f"{drawn} of {there} pairs of parameter values drawn, in {covering.drawn} points")
    never = [f"{count} of the values of {name}" for name, count in covering.missed().items()]
    if entry.has_spec:
        known = covering.given | set(fixed)
        taken = entry.parameters() if problem.taken is None else problem.taken
        never += [name for name in entry.parameters() if name not in known and name in taken]
    never += sorted(problem.skipped)
    if never:
        notes.append(f"not examined: {', '.join(never)}")
    if not problem.precision.exact:
        notes.append(f"judged in {problem.precision.name}, against the float64 reference at the rounded inputs")
    if problem.rtol:
        notes.append(f"judged with your own tolerance rtol={problem.rtol:g}")
    return notes


def _signature(fn: Callable[..., Any], entry: Entry) -> tuple[set[str] | None, int]:
    """The names of the parameters that `fn` takes (None: any), and how many of the last inputs it does without."""
    if isinstance(fn, np.ufunc):
        return set(), 0
    try:
        kinds = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):  # builtins do not say
        return set(), 0
    if any(p.kind is p.VAR_KEYWORD for p in kinds) and any(p.kind is p.VAR_POSITIONAL for p in kinds):
        return None, 0
    names = entry.parameters()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    leading = 0
    for p in kinds:
        optional = p.default is p.empty or p.default is None
        if p.kind not in plain or p.name in names or leading == len(entry.inputs) or not optional:
            break
        leading += 1
    free = any(p.kind is p.VAR_POSITIONAL for p in kinds)
    for p in kinds[leading:]:
        if p.name not in names and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            raise ValueError(
                f"check: {entry.name} has no parameter {p.name!r}; expected some of {', '.join(names) or 'none'}, "
                f"after the inputs {', '.join(entry.inputs)} (bind anything else with functools.partial or a lambda)"
            )
    missing = 0 if free else max(0, len(entry.inputs) - leading)
    if missing > entry.optional:
        needed = entry.inputs[: len(entry.inputs) - entry.optional]
        raise ValueError(f"check: {entry.name} is called with {', '.join(needed)}; {fn!r} takes {leading} inputs")
    taken = None if any(p.kind is p.VAR_KEYWORD for p in kinds) else {p.name for p in kinds} & set(names)
    return taken, missing


def summary(op: str, found: Sequence[Finding]) -> list[Finding]:
    """One finding per argument and order: right where at least four points in five were.

    Points that consist of kinks say nothing either way.  They do not count, unless hardly any others are left.
    """
    groups: dict[tuple[str, int], list[Finding]] = {}
    for f in found:
        groups.setdefault((f.argument, f.order), []).append(f)
    summary = []
    for (argument, order), members in groups.items():
        right = [f for f in members if f.verdict == "right"]
        worst = max((f.resolution for f in right if f.resolution is not None), default=None)
        kinks = [f for f in members if f.verdict == "inconclusive" and "kink" in f.reason]
        if len(right) >= 0.8 * (len(members) - len(kinks)) and 3 * len(right) >= len(members):
            agreed = next((f.reason for f in right if f.reason != "empty"), "empty")
            reason = f"{agreed} at {len(right)} of {len(members)} points"
            reason += f" ({len(kinks)} say nothing: kinks, or lost in rounding)" if kinks else ""
            summary.append(Finding("right", op, argument, order, reason, resolution=worst))
        else:
            doubtful = next(f for f in members if f.verdict == "inconclusive")
            reason = f"at {len(members) - len(right)} of {len(members)} points, such as: {doubtful.reason}"
            summary.append(Finding("inconclusive", op, argument, order, reason, resolution=doubtful.resolution))
    return summary
