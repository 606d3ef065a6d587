"""Checking somebody else's function and vjp: NumPy arrays in, NumPy arrays out, whatever lies between."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .catalogue import CATALOGUE, Case, Entry
from .differences import Array, U, measure_noise
from .judge import RESOLUTION, draw, judge, smooth_elements
from .report import Finding, Report

__all__ = ["check", "examine"]

SLACK = 1000
"""A function's values may differ from the definition by so many times the rounding noise: it may be less accurate, but
must be the same function."""


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
        Which operation it is: a name in `minigen.check.catalogue.CATALOGUE`, with the inputs, parameters and defaults
        of the function of that name in ``torch.nn.functional``.  Parameters that `fn` does not take stay at their
        defaults; a bias that it does not take is left out.
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

    Returns
    -------
    Report
        On *wrong*, with a minimal example that can be pasted.

    Raises
    ------
    ValueError
        If there is no such operation or parameter.
    ImportError
        If Hypothesis, which draws and shrinks the examples, is missing.

    Examples
    --------
    >>> check(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), like="tanh").verdict
    'right'
    >>> check(np.tanh, lambda g, x: g * (1 - np.tanh(x)), like="tanh", examples=5).verdict
    'wrong'
    """
    if like not in CATALOGUE:
        raise ValueError(f"check: unknown operation {like!r}; expected one of {', '.join(sorted(CATALOGUE))}")
    entry = CATALOGUE[like]
    taken, missing = _signature(fn, entry)
    unknown = set(params or {}) - set(entry.parameters())
    if unknown:
        raise ValueError(f"check: {like} has no parameters {sorted(unknown)}; expected {sorted(entry.parameters())}")
    fixed = {k: v for k, v in entry.defaults.items() if taken is not None and k not in taken} | (params or {})

    def trim(case: Case) -> Case:
        inputs = case.inputs[: len(case.inputs) - missing]
        return Case(inputs, {k: v for k, v in case.params.items() if taken is None or k in taken})

    found: list[Finding] = []

    def look(case: Case, number: int) -> list[Finding]:
        case = trim(case)
        return examine(fn, vjp, entry, case, double, seed + number, resolution, compare_values)

    failure = _search(entry, fixed, layouts, look, found, examples, seed)
    if failure:
        case, findings = failure
        wrong = [f for f in findings if f.verdict == "wrong"]
        return Report(like, wrong, _example(entry, trim(case), wrong[0]))
    return Report(like, _summary(like, found))


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


def _search(entry, fixed, layouts, look, found, examples, seed):
    """Try `examples` points; where one is wrong, let Hypothesis find the smallest that is."""
    import hypothesis
    from hypothesis import HealthCheck, Phase, Verbosity, given, settings
    from hypothesis import strategies as st

    from .strategies import DrawnSource

    last: dict[str, Any] = {}

    @hypothesis.seed(seed)
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
        findings = look(case, data.draw(st.integers(0, 2**16)))
        found.extend(findings)
        if any(f.verdict == "wrong" for f in findings):
            last["case"], last["findings"] = case, findings
            raise _Wrong

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search()
    except _Wrong:
        return last["case"], last["findings"]
    except Exception:
        if not last:  # not ours
            raise
        return last["case"], last["findings"]  # wrong at times: Hypothesis calls it flaky
    return None


def _summary(op: str, found: Sequence[Finding]) -> list[Finding]:
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


# ---- one point


def examine(
    fn: Callable[..., Any],
    vjp: Callable[..., Any],
    entry: Entry,
    case: Case,
    double: Callable[..., Any] | None = None,
    seed: int = 0,
    resolution: float = RESOLUTION,
    compare_values: bool = True,
) -> list[Finding]:
    """Everything that `check` looks at, at one point.

    Returns
    -------
    list of Finding
        Empty where the function says, by NotImplementedError, that it does not take such parameters.
    """
    op, rng = entry.name, np.random.default_rng(seed)
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
        problem = _contract_of_fn(op, values, entry, case, compare_values)
        if problem:
            return [problem]
        g = draw(rng, values(*case.inputs).shape)
        problem = _contract_of_vjp(op, pulled, g, case.inputs, which, names)
        if problem:
            return [problem]
        findings = judge(op, values, pulled, case.inputs, which, names, rng, 1, resolution, repeats=1)
        if double is not None and all(f.verdict == "right" for f in findings):
            findings += _second_order(op, values, pulled, double, case, which, names, g, rng, resolution)
        return findings
    except NotImplementedError:
        return []
    except Exception as error:
        place = _innermost(error)
        return [Finding("wrong", op, "the call", 0, f"raises {type(error).__name__}: {error}{place}")]


def _innermost(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_name}, line {trace.tb_lineno})" if trace else ""


def _contract_of_fn(op: str, values: Any, entry: Entry, case: Case, compare_values: bool) -> Finding | None:
    kept = [x.copy() for x in case.inputs]
    y = values(*case.inputs)
    again = values(*case.inputs)
    if y.dtype != np.float64:
        return Finding(
            "wrong", op, "the function", 0, f"returns {y.dtype} for float64 inputs: digits are lost on the way"
        )
    if not np.array_equal(y, again, equal_nan=True):
        reason = "is not deterministic: two calls with the same inputs differ; hand its noise over as an input"
        return Finding("wrong", op, "the function", 0, reason)
    for name, x, k in zip(entry.inputs, case.inputs, kept):
        if not np.array_equal(x, k):
            return Finding("wrong", op, "the function", 0, f"changes its input {name}")
    if not compare_values:
        return None
    inputs = [entry.inputs[i] for i in range(len(case.inputs))]

    def spec(*arrays: Array) -> Array:
        return np.asarray(entry.spec(**dict(zip(inputs, arrays)), **case.params))

    floats = [i for i, x in enumerate(case.inputs) if x.dtype == np.float64]
    expected, noise = measure_noise(spec, case.inputs, floats, np.random.default_rng(0))
    if y.shape != expected.shape:
        return Finding("wrong", op, "the function", 0, f"returns shape {y.shape}, expected {expected.shape}")
    bound = SLACK * (noise + U * np.max(np.abs(expected), initial=0.0))
    off = np.abs(y - expected) - bound
    if np.any(off > 0) or np.any(np.isnan(y) & ~np.isnan(expected)):
        index = tuple(int(n) for n in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), y.shape))
        reason = f"is not {op}: its values differ from the definition"
        numbers = float(y[index]), float(expected[index]), float(bound[index])
        return Finding("wrong", op, "the function", 0, reason, index, *numbers)
    return None


def _contract_of_vjp(op, pulled, g, inputs, which, names) -> Finding | None:
    """What no vjp may do, looked at before its numbers are."""
    seed, kept = g.copy(), [x.copy() for x in inputs]
    claimed = pulled(g, *inputs)
    if len(claimed) != len(which):
        expected = f"{len(which)} arrays ({', '.join(names)})"
        return Finding("wrong", op, "the vjp", 0, f"returns {len(claimed)} arrays, expected {expected}")
    if not np.array_equal(g, seed):
        return Finding("wrong", op, "the vjp", 0, "changes the cotangent it is given")
    for i, (x, k) in enumerate(zip(inputs, kept)):
        if not np.array_equal(x, k):
            return Finding("wrong", op, "the vjp", 0, f"changes input {i} while computing the gradients")
    for name, i, d in zip(names, which, claimed):
        reason = _misshapen(d, inputs[i])
        if reason is None and any(d.size and np.may_share_memory(d, x) for x in inputs):
            reason = "returns a view of its input: whoever accumulates into the gradient changes the input"
        if reason is None and d.size and np.may_share_memory(d, g):
            reason = "returns the cotangent itself or a view of it: whoever accumulates into one changes the other"
        if reason:
            return Finding("wrong", op, name, 1, reason)
    for name, first, second in zip(names, claimed, pulled(g, *inputs)):
        if not np.array_equal(first, second, equal_nan=True):
            return Finding("wrong", op, name, 1, "the vjp is not deterministic: two calls with the same inputs differ")
    return None


def _misshapen(d: Any, x: Array) -> str | None:
    if d is None:
        return f"returns None, expected an array of shape {x.shape}"
    if not isinstance(d, np.ndarray | np.generic):
        return f"returns {type(d).__name__}, expected an array of shape {x.shape}"
    if d.shape != x.shape:
        return f"returns shape {d.shape}, expected {x.shape}"
    if d.dtype != np.float64:
        return f"returns {d.dtype} for float64 inputs: digits are lost on the way"
    return None


def _second_order(op, values, pulled, double, case, which, names, g, rng, resolution) -> list[Finding]:
    """The vjp is a function of the inputs and the cotangent like any other: here its own vjp is judged.

    Output elements on a kink are left out: there the vjp jumps.
    """
    smooth = smooth_elements(values, case.inputs, which, rng)
    if g.size and not smooth.size:
        reason = "every output element lies on a kink, where no derivative exists"
        return [Finding("inconclusive", op, name, 2, reason) for name in names]

    def spread(part: Array) -> Array:
        whole = np.zeros(g.size)
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
    return judge(
        op, gradients, second, point, where, [*names, "the cotangent"], rng, 2, resolution, repeats=1, natural=natural
    )


# ---- the example to paste


def _example(entry: Entry, case: Case, finding: Finding) -> str:
    """A program that shows the finding to someone who has only his own fn and vjp."""
    names = entry.inputs[: len(case.inputs)]
    lines = ["", "# paste this after your fn and vjp", "import numpy as np", ""]
    lines += [f"{name} = {_literal(x)}" for name, x in zip(names, case.inputs)]
    lines.append(f"params = {case.params!r}")
    call = ", ".join(names)
    if finding.order == 0 or finding.cotangent is None:
        lines.append(f"print(fn({call}, **params))")
        lines.append(f"print(vjp(np.ones_like(fn({call}, **params)), {call}, **params))")
        return "\n".join(lines)
    g = finding.cotangent
    lines.append(f"g = {_literal(g)}")
    if finding.order == 1 and finding.index is not None:
        position = [entry.inputs[i] for i in entry.differentiable].index(finding.argument)
        single = len([i for i in entry.differentiable if i < len(case.inputs)]) == 1
        index = ", ".join(map(str, finding.index)) or "()"
        lines += [
            "",
            "def moved(h):",
            f"    x = {finding.argument}.copy()",
            f"    x[{index}] += h",
            f"    return np.sum(g * fn({', '.join('x' if n == finding.argument else n for n in names)}, **params))",
            "",
            f"d = vjp(g, {call}, **params)" + ("" if single else f"[{position}]"),
            f'print("claimed ", np.asarray(d).reshape({finding.argument}.shape)[{index}])',
            'print("measured", (moved(1e-5) - moved(-1e-5)) / 2e-5)',
        ]
    return "\n".join(lines)


def _literal(x: Array) -> str:
    """The array as NumPy source."""
    text = np.array2string(np.asarray(x), separator=", ", threshold=100_000, floatmode="unique", max_line_width=110)
    if x.size == 0:
        return f"np.zeros({x.shape})"
    strides = "" if x.flags.c_contiguous else "  # its memory was not contiguous: " + str(x.strides)
    return f"np.array({text})" + strides if "\n" not in text else f"np.array(\n{text})" + strides
