"""What a wrong gradient has in common with the right one: a factor, a few elements, a condition."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .differences import Array, directional, measure_noise
from .op_registry import Case

__all__ = ["common_factor", "condition", "facts"]

MOST = 64
"""No more elements than this are compared one by one."""

ALIKE = 1e-5
"""Ratios that differ by less are taken for the same: differences give five digits at least."""

HIDDEN = 6
"""At most one in this number of right points may meet the condition of the wrong ones: a mistake in a zero is none."""

NAMED = {-1.0: "the sign is wrong", 2.0: "twice", 0.5: "half", 0.0: "zero"}


def common_factor(
    values: Callable[..., Array], claimed: Array, inputs: Sequence[Array], i: int, g: Array, rounding: float = 1e-12
) -> str:
    """How the claimed gradient in input `i` under `g` differs from the measured one, element by element.

    Parameters
    ----------
    values : callable
        The function.
    claimed : array
        The vjp of `g`.
    inputs : sequence of array
    i : int
    g : array
    rounding : float
        The relative error that is no mistake.

    Returns
    -------
    str
        A sentence; empty where the input has too many elements, or the differences are too small to be read.
    """
    size = inputs[i].size
    if not 0 < size <= MOST or claimed.shape != inputs[i].shape:
        return ""
    value, noise = measure_noise(values, inputs, [i], np.random.default_rng(0))
    measured, error = np.zeros(size), np.zeros(size)
    for n in range(size):
        axis = np.zeros(size)
        axis[n] = 1.0
        along = directional(values, inputs, i, axis.reshape(inputs[i].shape), value, noise)
        if np.any(along.kinked & (g != 0)):
            return ""
        measured[n] = float(np.sum(np.where(g != 0, g * along.value, 0.0)))
        error[n] = float(np.sum(np.where(g != 0, np.abs(g) * along.error, 0.0)))
    said = claimed.ravel()
    off = ~(np.abs(said - measured) <= 4 * error + rounding * np.abs(measured))
    if not np.any(off):
        return ""
    share = "every element differs" if np.all(off) else f"{int(off.sum())} of {size} elements differ"
    there = off & (np.abs(measured) > 100 * error) & (np.abs(measured) > 0)
    if there.sum() < min(2, off.sum()) or not np.array_equal(there, off):
        return share
    ratios = said[there] / measured[there]
    middle = float(np.median(ratios))
    alike = max(ALIKE, 4 * rounding)
    if np.max(np.abs(ratios - middle)) > alike * max(1.0, abs(middle)):
        relative = float(np.max(np.abs(said[there] / measured[there] - 1)))
        return f"{share}, by up to {relative:.2g} of the right value"
    return f"{share}; the vjp is {_name(middle, inputs, i, alike)} the right value in each of them"


def _name(ratio: float, inputs: Sequence[Array], i: int, alike: float) -> str:
    for value, word in NAMED.items():
        if abs(ratio - value) < alike:
            return word if value in (2.0, 0.5) else f"{value:g} times ({word})"
    others = [n for n in range(len(inputs)) if n != i]
    counts = [
        (inputs[i].size, "the number of elements"),
        *((n, f"side {a} of this input") for a, n in enumerate(inputs[i].shape)),
        *((n, f"side {a} of argument {k}") for k in others for a, n in enumerate(inputs[k].shape)),
    ]
    for power, sign in ((1, ""), (-1, "1/")):
        alike_ones = [(n, what) for n, what in counts if n > 1 and abs(ratio / float(n) ** power - 1) < alike]
        if alike_ones:
            count = alike_ones[0][0]
            return f"{sign}{count} times ({count} is {' and '.join(what for _, what in alike_ones)})"
    if abs(ratio - 1) < 1e-2:
        return f"1 {'+' if ratio > 1 else '-'} {abs(ratio - 1):.2g} times"
    return f"{ratio:.6g} times"


def facts(case: Case) -> dict[str, Any]:
    """What can be a condition: parameters, layouts, sides.

    >>> facts(Case((np.zeros((2, 3)),), {"dim": 1}))["dim"]
    1
    """
    out: dict[str, Any] = {k: v for k, v in case.params.items() if isinstance(v, int | float | str | bool)}
    out |= {f"{k} is given": v is not None for k, v in case.params.items() if v is None or isinstance(v, np.ndarray)}
    out["an input is not contiguous in memory"] = any(not x.flags.c_contiguous for x in case.inputs)
    dim, ndim = case.params.get("dim"), case.inputs[0].ndim
    if isinstance(dim, int) and ndim:
        out["dim is not the last one"] = dim % ndim != ndim - 1
    out["the batch"] = case.inputs[0].shape[0] if case.inputs[0].ndim else 1
    out["the longest side"] = max([n for x in case.inputs for n in x.shape], default=1)
    out["the number of elements is no multiple of 8"] = case.inputs[0].size % 8 != 0
    for k, x in enumerate(case.inputs[1:], 1):
        if x.ndim > 1:
            out[f"the longer of the last two sides of argument {k}"] = max(x.shape[-2:])
    return out


def condition(wrong: Sequence[dict[str, Any]], right: Sequence[dict[str, Any]]) -> str:
    """The simplest condition that holds at every wrong point and at no right one; or nothing.

    Parameters
    ----------
    wrong, right : sequence of dict
        `facts` of the points.

    Examples
    --------
    >>> condition([{"groups": 2}, {"groups": 4}], [{"groups": 1}, {"groups": 1}])
    'only where groups > 1'
    >>> condition([{"dim": 0}, {"dim": 0}], [{"dim": 1}, {"dim": -1}])
    'only where dim = 0'
    >>> condition([{"a": 1, "b": 2}] * 3, [{"a": 1, "b": 1}, {"a": 0, "b": 2}])
    'only where a > 0 and b > 1'
    >>> condition([{"the batch": 0}, {"the batch": 2}], [{"the batch": 1}] * 3)
    'only where the batch is not 1'
    >>> condition([{"dim": 0}, {"dim": 1}], [{"dim": 1}])
    ''
    >>> condition([{"an odd side": True}] * 9, [{"an odd side": n == 0} for n in range(9)])
    'only where an odd side'
    """
    if len(wrong) < 2 or len(right) < 2:
        return ""
    names = [n for n in wrong[0] if all(n in f for f in [*wrong, *right])]
    bad = {n: {f[n] for f in wrong} for n in names}
    good = {n: {f[n] for f in right} for n in names}
    single = [text for n in names if not bad[n] & good[n] and (text := _phrase(n, bad[n], good[n]))]
    if single:
        return f"only where {single[0]}"
    apart = [n for n in names if len(good[n]) == 1 and not bad[n] & good[n]]
    if apart and len(right) >= 3:
        return f"only where {apart[0]} is not {next(iter(good[apart[0]]))!r}"
    best = (0, "")
    parameters = [n for n in names if not n.startswith("the ")] if len(wrong) >= 3 else []
    for a, b in itertools.combinations(parameters, 2):
        texts = [_phrase(n, bad[n], good[n] - bad[n]) for n in (a, b)]
        if all(texts) and not any(f[a] in bad[a] and f[b] in bad[b] for f in right):
            evidence = min(sum(f[n] in bad[n] for f in right) for n in (a, b))  # right, though one of the two holds
            best = max(best, (evidence, f"only where {texts[0]} and {texts[1]}"))
    if best[1] or len(wrong) < 3:
        return best[1]
    for n in names:  # right there too at a few points, where the mistake does not show
        text = _phrase(n, bad[n], good[n] - bad[n])
        if text and HIDDEN * sum(f[n] in bad[n] for f in right) <= len(right):
            return f"only where {text}"
    return ""


def _phrase(name: str, bad: set[Any], good: set[Any]) -> str:
    """What the values of one fact at the wrong points have in common, and at the right ones not."""
    if not good:
        return ""
    if bad == {True} and all(isinstance(v, bool) for v in bad):
        return name if " " in name else f"{name} = True"
    if all(isinstance(v, int | float) for v in bad | good):
        if min(bad) > max(good):
            return f"{name} > {max(good)}"
        if max(bad) < min(good) and len(bad) > 1:
            return f"{name} < {min(good)}"
    if len(bad) == 1:
        return f"{name} = {next(iter(bad))!r}"
    return f"{name} is one of {sorted(bad, key=str)}" if len(bad) < len(good) and " " not in name else ""
