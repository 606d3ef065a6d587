"""Judging a kernel, of whatever set and on whatever device, against the reference in float64.

>>> from minigen.check.kernel_cases import Convolution, draw_call
>>> call = draw_call("conv2d", Convolution(2, 3, 4, size=(5, 6), kernel=(3, 3)), seed=0)
>>> fault(run(reference.conv2d, call), answer("conv2d", call))
''
>>> fault([2 * y for y in run(reference.conv2d, call)], answer("conv2d", call))  # doctest: +ELLIPSIS
'result 0 is wrong in 96 of 96 elements: at (...) it is ..., expected ... within ...'
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..kernels import reference
from .kernel_cases import Call

__all__ = ["Answer", "answer", "each", "error_of_bound", "fault", "first_array", "run"]

Array = np.ndarray


def run(
    kernel: Callable[..., Any],
    call: Call,
    send: Callable[[Array], Any] = np.copy,
    fetch: Callable[[Any], Array] = np.asarray,
) -> list[Array]:
    """Everything that a kernel gives or writes: results first, then the arrays that it updates in place.

    Parameters
    ----------
    kernel : callable
    call : Call
    send, fetch : callable, optional
        Bring arrays to where the kernel runs (as copies, which it may write to), and back.
    """
    given = [each(send, a) for a in call.args]
    out = kernel(*given)
    results = list(out) if isinstance(out, tuple) else [] if out is None else [out]
    for i in call.writes:
        results += given[i] if isinstance(given[i], list) else [given[i]]
    return [fetch(a) for a in results]


def each(function: Callable[[Array], Any], argument: Any) -> Any:
    """An argument of a kernel with `function` applied to it, if it is an array, or to the arrays of a list."""
    if isinstance(argument, list):
        return [function(a) for a in argument]
    return function(argument) if isinstance(argument, np.ndarray) else argument


def first_array(call: Call) -> Array:
    """The first array of a call's arguments."""
    first: Array = call.args[0][0] if isinstance(call.args[0], list) else call.args[0]
    return first


class Answer(NamedTuple):
    """What a kernel must give."""

    expected: list[Array]
    """By the reference, in float64."""
    allowed: list[Any]
    """What each result may be off by, element by element: nothing, where the call is exact."""
    dtype: Any
    """Of results that are floats."""


def answer(name: str, call: Call) -> Answer:
    """What the kernel `name` must give."""
    wide = [each(lambda a: a.astype(np.float64) if a.dtype.kind == "f" else a, a) for a in call.args]
    expected = run(getattr(reference, name), Call(tuple(wide), call.bound, call.writes))
    dtype = first_array(call).dtype
    if call.exact:
        return Answer(expected, [0] * len(expected), dtype)
    unit = 2.0**-24 if dtype == np.float32 else 2 * 2.0**-53  # in float64 the reference errs as well
    allowed = call.bound(unit, *wide)
    return Answer(expected, list(allowed) if isinstance(allowed, tuple) else [allowed], dtype)


def fault(results: Sequence[Array], right: Answer) -> str:
    """What is wrong with a kernel's results, in one line; empty where nothing is."""
    if len(results) != len(right.expected):
        return f"{len(results)} results, expected {len(right.expected)}"
    for number, (result, expected, most) in enumerate(zip(results, right.expected, right.allowed, strict=True)):
        dtype = right.dtype if expected.dtype.kind == "f" else expected.dtype
        if result.shape != expected.shape or result.dtype != dtype:
            return f"result {number} is {result.dtype}{list(result.shape)}, expected {dtype}{list(expected.shape)}"
        off, most = np.abs(result - expected), np.broadcast_to(most, expected.shape)
        bad = ~(off <= most)
        if bad.any():
            at = tuple(int(i) for i in np.unravel_index(np.argmax(np.where(bad, off - most, -1)), bad.shape))
            return (
                f"result {number} is wrong in {bad.sum()} of {bad.size} elements: at {at} it is {result[at]:.9g}, "
                f"expected {expected[at]:.9g} within {most[at]:.2g}"
            )
    return ""


def error_of_bound(results: Sequence[Array], right: Answer) -> float:
    """The largest error, as a share of what is allowed."""
    worst = 0.0
    for result, expected, most in zip(results, right.expected, right.allowed, strict=True):
        most = np.broadcast_to(most, expected.shape)
        some = most > 0
        worst = max(worst, float(np.max(np.abs(result - expected)[some] / most[some], initial=0.0)))
    return worst
