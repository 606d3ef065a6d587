"""What every function and every vjp must keep to, whatever they compute: looked at before any number is."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .differences import Array, U, measure_noise
from .op_registry import Case, Entry
from .report import Finding

__all__ = ["function_contract", "function_preconditions", "vjp_preconditions"]

SLACK = 1000
"""A function's values may differ from the definition by this multiple of the rounding noise: it may be less
accurate, but must be the same function."""


def function_preconditions(
    op: str,
    values: Callable[..., Array],
    raw: Callable[..., Any],
    entry: Entry,
    case: Case,
    compare_values: bool,
) -> Finding | None:
    """What is wrong with the function: it loses digits, changes its inputs, varies, or is another operation.

    Parameters
    ----------
    op : str
    values : callable
        The function of the inputs alone, its results in one array.
    raw : callable
        The same with the results as they are.
    entry : Entry
    case : Case
    compare_values : bool
        Whether its values must be those of the definition.

    Returns
    -------
    Finding or None
        None where nothing is wrong.
    """
    wrong = function_contract(op, raw, entry, case)
    if wrong:
        return wrong
    y = values(*case.inputs)
    if not np.array_equal(y, values(*case.inputs), equal_nan=True):
        reason = "is not deterministic: two calls with the same inputs differ; hand its noise over as an input"
        return Finding("wrong", op, "the function", 0, reason)
    if not compare_values or not entry.has_spec:
        return None
    inputs = [entry.inputs[i] for i in range(len(case.inputs))]

    def spec(*arrays: Array) -> Array:
        return np.asarray(entry.spec(**dict(zip(inputs, arrays)), **case.params))

    floats = [i for i, x in enumerate(case.inputs) if x.dtype == np.float64]
    try:
        expected, noise = measure_noise(spec, case.inputs, floats, np.random.default_rng(0))
    except Exception as error:
        reason = f"minigen.check: the specification of {op} failed: {type(error).__name__}: {error}"
        raise RuntimeError(f"{reason} (a mistake in minigen; params {case.params})") from error
    if y.shape != expected.shape:
        return Finding("wrong", op, "the function", 0, f"returns shape {y.shape}, expected {expected.shape}")
    size = max(float(np.max(np.abs(x), initial=0.0)) for x in (expected, *(case.inputs[i] for i in floats)))
    bound = SLACK * (noise + U * size)  # not of the value alone: the logarithm of a rounded 1 is a value near 0
    off = np.abs(y - expected) - bound
    if np.any(off > 0) or np.any(np.isnan(y) & ~np.isnan(expected)):
        index = tuple(int(n) for n in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), y.shape))
        reason = f"is not {op}: its values differ from the definition"
        numbers = float(y[index]), float(expected[index]), float(bound[index])
        return Finding("wrong", op, "the function", 0, reason, index, *numbers)
    return None


def function_contract(op: str, raw: Callable[..., Any], entry: Entry, case: Case) -> Finding | None:
    """What is wrong with the form of a function's results: shared memory, lost digits, changed inputs.

    Parameters
    ----------
    op : str
    raw : callable
        The function of the inputs alone.
    entry : Entry
    case : Case

    Returns
    -------
    Finding or None
    """
    kept = [x.copy() for x in case.inputs]
    first, second = raw(*case.inputs), raw(*[np.array(x) for x in case.inputs])
    if _shares(first, second):
        return Finding("wrong", op, "the function", 0, BUFFER)
    asked = [case.inputs[i].dtype for i in entry.differentiable if i < len(case.inputs)]
    found = [np.asarray(part).dtype for part in (first if isinstance(first, tuple | list) else [first])]
    if asked and any(_narrower(dtype, asked[0]) for dtype in found):
        reason = _lost(", ".join(map(str, found)), asked[0])
        return Finding("wrong", op, "the function", 0, reason)
    for name, x, k in zip(entry.inputs, case.inputs, kept):
        if not np.array_equal(x, k):
            return Finding("wrong", op, "the function", 0, f"changes its input {name}")
    return None


def _narrower(found: Any, asked: Any) -> bool:
    """Whether a result has another type than the inputs, and one that may lose digits."""
    return bool(found != asked and (asked == np.float64 or found not in (np.float32, np.float64)))


def _lost(found: str, asked: Any) -> str:
    reason = f"returns {found} for {asked} inputs: digits are lost on the way"
    kernel = asked == np.float64 and found in ("float32", "float16", "bfloat16")
    return f'{reason} (a {found} kernel is checked with dtype="{found}")' if kernel else reason


BUFFER = "returns the same memory at every call: a second call overwrites the result of the first"


def _shares(first: Any, second: Any) -> bool:
    """Whether two results, one array or several each, have memory in common."""
    pairs = [(a, b) for a in _several(first) for b in _several(second)]
    return any(np.may_share_memory(a, b) for a, b in pairs if isinstance(a, np.ndarray) and isinstance(b, np.ndarray))


def _several(out: Any) -> list[Any]:
    return [x for x in out if getattr(x, "size", 0)] if isinstance(out, tuple | list) else [out]


def vjp_preconditions(
    op: str,
    pulled: Callable[..., list[Any]],
    g: Array,
    inputs: Sequence[Array],
    which: Sequence[int],
    names: Sequence[str],
) -> Finding | None:
    """What is wrong with the vjp: wrong shapes or dtypes, borrowed memory, changed inputs, a result that varies.

    Parameters
    ----------
    op : str
    pulled : callable
        The vjp, of the cotangent and the inputs.
    g : array
        A cotangent.
    inputs : sequence of array
    which : sequence of int
        Positions of the inputs that have a gradient.
    names : sequence of str
        What these are called.

    Returns
    -------
    Finding or None
        None where nothing is wrong.
    """
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
    others = [*map(np.array, claimed)], pulled(np.array(g), *[np.array(x) for x in inputs])
    for name, first, second in zip(names, claimed, others[1]):
        if _shares(first, second):
            return Finding("wrong", op, name, 1, BUFFER)
    if any(inputs[i].dtype != np.float64 for i in which):  # every call is judged by itself: atomic sums may differ
        return None
    for name, first, second in [*zip(names, others[0], pulled(g, *inputs)), *zip(names, others[0], pulled(g, *inputs))]:
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
    if _narrower(d.dtype, x.dtype):
        return _lost(str(d.dtype), x.dtype)
    return None
