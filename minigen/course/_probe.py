"""Hints at mistakes that no table knows: for which arguments is an answer right, and what does it depend on?"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = ["probing"]


def probing(answer: Callable[..., Any], right: Callable[..., Any], *arguments: Any, place: int | None = None) -> Any:
    """Make the `probe` of `close`: a function that looks for a hint by calling the answer with simpler arguments.

    Parameters
    ----------
    answer : callable
        The student's function.
    right : callable
        Gives the result that is compared, from the same arguments.  Its parameters have the student's names.
    *arguments
        Those with which the answer was wrong.
    place : int, optional
        Which of the answer's results is compared.

    Returns
    -------
    callable
        Without arguments; gives a hint, or "".

    Examples
    --------
    >>> right = lambda g, x, w: -g * x / w**2
    >>> probing(lambda g, x, w: -g * x / w, right, np.arange(1.0, 4), np.arange(2.0, 5), np.arange(3.0, 6))()
    'If w is doubled, the result should be multiplied by 0.25; yours is multiplied by 0.5.'
    >>> probing(lambda g, x, w: -g / w**2, right, np.arange(1.0, 4), np.arange(2.0, 5), np.arange(3.0, 6))()
    'Your result does not depend on x.'
    >>> right = lambda g, z: g * np.exp(z)
    >>> probing(lambda g, z: g * z, right, np.arange(1.0, 4), np.arange(2.0, 5))()
    'Your result is right but for a factor that depends on z alone: look at how z enters.'
    >>> probing(lambda x, b: 2 * x + b, lambda x, b: 2 * x + b**3, np.array([1.0, 2.0]), np.array([3.0, 4.0]))()
    'Your result is right but for a term that depends on b alone: look at how b enters.'
    """
    names = list(inspect.signature(right).parameters)

    def value(function: Callable[..., Any], given: Sequence[Any]) -> Any:
        with np.errstate(all="ignore"):
            got = function(*(np.array(one) if isinstance(one, np.ndarray) else one for one in given))
        if function is answer and place is not None:
            got = got[place]
        return np.asarray(got.numpy() if isinstance(got, Tensor) else got, dtype=np.float64)

    def both(index: int, replaced: Any) -> tuple[Any, Any]:
        given = _with(arguments, index, replaced)
        return value(right, given), value(answer, given)

    def hint() -> str:
        wanted, found = value(right, arguments), value(answer, arguments)
        numeric = [k for k, one in enumerate(arguments) if _is_numeric(one)]
        for k in numeric:
            wants, finds = (_factor(*pair) for pair in zip((wanted, found), both(k, 2 * arguments[k])))
            if finds == 1 or wants == 1:
                others = [both(k, other) for other in (arguments[k] + 1, 1e6 * arguments[k], -arguments[k])]
                still = [_alike(wanted, a) for a, _ in others], [_alike(found, b) for _, b in others]
                if finds == 1 and all(still[1]) and not all(still[0]):
                    return f"Your result does not depend on {names[k]}."
                if wants == 1 and all(still[0]) and not all(still[1]):
                    return f"Your result depends on {names[k]}; it should not."
                continue
            if wants is None or finds is None or np.isclose(wants, finds, rtol=1e-3):
                continue
            power, third = np.log2(abs(wants)), _factor(wanted, value(right, _with(arguments, k, 3 * arguments[k])))
            if third is not None and np.isclose(abs(third), 3.0**power):  # the result is a power of this argument
                ours = f"the result should be multiplied by {wants:.4g}"
                return f"If {names[k]} is doubled, {ours}; yours is multiplied by {finds:.4g}."
        for k in numeric if len(numeric) > 1 else []:
            own = _changed(arguments, [j for j in numeric if j != k], seed=k)
            kind = _made_of_one(wanted, found, value(right, own), value(answer, own))
            if kind and not _made_of_one(wanted, found, *both(k, _shaken(arguments[k], seed=k))):
                what = f"a {kind} that depends on {names[k]} alone"
                return f"Your result is right but for {what}: look at how {names[k]} enters."
        for number in (0.0, 1.0):
            for k in numeric:
                simple = np.full_like(arguments[k], number) if isinstance(arguments[k], np.ndarray) else number
                wants, finds = both(k, simple)
                same = _alike(np.asarray(simple), np.asarray(arguments[k]))
                if not same and _alike(wants, finds) and np.any(wants):
                    return f"With {names[k]} = {number:g} your result is right: look at how {names[k]} enters."
        zeros = [np.zeros_like(one) if k in numeric and isinstance(one, np.ndarray) else one
                 for k, one in enumerate(arguments)]  # fmt: skip
        arrays = [k for k in numeric if isinstance(arguments[k], np.ndarray)]
        wrong = []
        for k in arrays:
            given = _with(zeros, k, arguments[k])
            if not _alike(value(right, given), value(answer, given)):
                wrong.append(names[k])
        if 0 < len(wrong) < len(arrays):
            return f"If all arrays but one are 0, your result is wrong for {' and for '.join(wrong)} only: look there."
        return ""

    def safe() -> str:
        try:
            return hint()
        except Exception:  # an answer may fail with arguments that its author did not expect
            return ""

    return safe


def _shaken(one: Any, seed: int) -> Any:
    """Numbers like these, each changed by up to a half."""
    return one * np.random.default_rng(seed).uniform(0.5, 1.5, np.shape(one))


def _changed(arguments: Sequence[Any], changed: Sequence[int], seed: int) -> list[Any]:
    return [_shaken(one, seed + k) if k in changed else one for k, one in enumerate(arguments)]


def _made_of_one(wanted: Any, found: Any, wants: Any, finds: Any) -> str:
    """Whether an answer is off by the same factor, or by the same term, with other arguments; "" if by neither."""
    if not (found.shape == wanted.shape == wants.shape == finds.shape) or _alike(wanted, wants):
        return ""
    with np.errstate(all="ignore"):
        factors, terms = (found / wanted, finds / wants), (found - wanted, finds - wants)
    if _alike(*factors):
        return "factor"
    return "term" if _alike(*terms) else ""


def _with(arguments: Sequence[Any], index: int, replaced: Any) -> list[Any]:
    return [replaced if k == index else one for k, one in enumerate(arguments)]


def _is_numeric(one: Any) -> bool:
    return isinstance(one, float) or (isinstance(one, np.ndarray) and one.dtype.kind == "f")


def _alike(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool(np.isfinite(b).all()) and np.allclose(a, b, rtol=1e-5, atol=1e-9)


def _factor(before: Any, after: Any) -> float | None:
    """The number by which all elements were multiplied, or None if there is none."""
    if before.shape != after.shape or not np.isfinite(after).all() or not before.any():
        return None
    factor = float(np.vdot(before, after) / np.vdot(before, before))
    return (1 if np.isclose(factor, 1, rtol=1e-6) else factor) if _alike(factor * before, after) else None
