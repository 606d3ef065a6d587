"""Words for errors about shapes in a student's code: which rule was broken, and which shapes met in that line."""

import linecache
import re
from collections.abc import Callable, Sequence
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = ["explain_shapes", "is_about_shapes"]


def is_about_shapes(error: BaseException) -> bool:
    """Whether NumPy or minigen raised this error because shapes, axes or indices do not fit.

    >>> is_about_shapes(ValueError("operands could not be broadcast together with shapes (2,3) (2,)"))
    True
    >>> is_about_shapes(ValueError("math domain error"))
    False
    """
    return isinstance(error, ValueError | IndexError | TypeError) and bool(_rule(str(error)))


def explain_shapes(error: BaseException, filename: str, names: Sequence[str] = ()) -> str:
    """What an error about shapes means, and the shapes of what stands in the student's line.

    Parameters
    ----------
    error : exception
        Raised by NumPy or minigen, with its traceback.
    filename : str
        Of the student's code.
    names : sequence of str
        Functions that the student writes: their lines are shown rather than those of what was given.

    Returns
    -------
    str
        Empty if the error is not about shapes.

    Examples
    --------
    >>> def center(x):
    ...     mean = x.mean(axis=1)
    ...     return x - mean
    >>> try:
    ...     center(np.ones((2, 3)))
    ... except ValueError as error:
    ...     print(explain_shapes(error, center.__code__.co_filename))
    NumPy compares shapes from the last axis backwards. (2,) needs one more axis: keepdims=True, or [:, None].
    In that line x has the shape (2, 3) and mean (2,).
    """
    rule = _rule(str(error)) if isinstance(error, ValueError | IndexError | TypeError) else ""
    return "\n".join(filter(None, [rule, _present(error.__traceback__, filename, names)])) if rule else ""


def _rule(message: str) -> str:
    """The rule that was broken, by the message; "" for a message of another kind."""
    for pattern, words in _RULES:
        found = re.search(pattern, message)
        if found:
            return words if isinstance(words, str) else words(message)
    return ""


def _shapes(message: str) -> list[tuple[int, ...]]:
    """The shapes in a message, such as (2,3) and (2,)."""
    return [tuple(map(int, re.findall(r"\d+", part))) for part in re.findall(r"\((\s*\d[\d,\s]*)\)", message)]


def _broadcast(message: str) -> str:
    general = "NumPy compares shapes from the last axis backwards"
    shapes = _shapes(message)
    if len(shapes) == 2:
        short, long = sorted(shapes, key=len)
        if len(short) < len(long):
            for place in range(1, len(short) + 1):
                longer = short[:place] + (1,) * (len(long) - len(short)) + short[place:]
                if _fit(longer, long):
                    key = ", ".join([":"] * place + ["None"] * (len(long) - len(short)) + [":"] * (len(short) - place))
                    several = "one more axis" if len(long) - len(short) == 1 else f"{len(long) - len(short)} more axes"
                    return f"{general}. {short} needs {several}: keepdims=True, or [{key}]."
        if short == long[::-1]:
            return f"{general}. One of the two is transposed."
    return f"{general}: the lengths must be equal, or one of them 1."


def _fit(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1]))


_RULES: list[tuple[str, str | Callable[[str], str]]] = [
    (r"could not broadcast input array|setting an array element with a sequence",
     "What is written has another shape than the place that it is written to."),
    (r"broadcast", _broadcast),
    (r"not aligned|mismatch in its core dimension|matmul: .*(shape|dimension)|inner dimension|[Mm]atrix.*shape",
     "In a @ b the last axis of a is summed together with the last but one of b (the only one of a vector): they must "
     "be equally long. Is a transpose missing, or the order exchanged?"),
    (r"concatenat|all input arrays must have the same shape|must have same number of dimensions|dimensions except",
     "Arrays that are joined have the same number of axes, and equal lengths along all axes but the joined one."),
    (r"cannot reshape|reshape",
     "A reshape keeps the number of elements: the product of the new lengths must be that of the old ones."),
    (r"axis .* out of bounds|too many indices|axes don't match|axis.*repeated|axis.*expected",
     "Count the axes of the array: the first is axis 0."),
    (r"index .* out of bounds|index out of range",
     "An index goes from 0 to the length of its axis minus 1. Is a range too long, or are two axes exchanged?"),
    (r"truth value of an array", "A condition on a whole array is no yes or no: use np.where, .any() or .all()."),
    (r"only .*(size-1|length-1|0-dimensional).* arrays? can be converted|only integer scalar arrays",
     "An array stands where one number is wanted."),
    (r"expected .*shape|shapes? .*(expected|differ|do(es)? not)|expected .*\(N,",
     "The shapes do not fit."),
]  # fmt: skip


def _present(trace: TracebackType | None, filename: str, functions: Sequence[str]) -> str:
    """The shapes of the arrays that are named in the student's line where the error was raised."""
    places: list[tuple[FrameType, int]] = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            places.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    if not places:
        return ""
    own = [place for place in places if place[0].f_code.co_name in functions]
    frame, number = (own or places)[-1]
    line = linecache.getline(filename, number)
    names = _names(frame.f_code, line)
    seen = {name: _shape(frame.f_locals[name]) for name in names if name in frame.f_locals}
    parts = [f"{name} {shape}" for name, shape in seen.items() if shape]
    if not parts:
        return ""
    parts[0] = parts[0].replace(" ", " has the shape ", 1)
    start = "In that line" if line.strip() else "There"
    return f"{start} {' and '.join(filter(None, [', '.join(parts[:-1]), parts[-1]]))}."


def _names(code: CodeType, line: str) -> list[str]:
    """The names in a line, in its order; all local ones of the function where the line is not known."""
    if not line.strip():
        return list(code.co_varnames)
    words = re.findall(r"(?<![\w.'\"])[A-Za-z_]\w*", line)
    return list(dict.fromkeys(words))


def _shape(value: Any) -> str:
    if isinstance(value, np.ndarray | Tensor):
        return str(tuple(value.shape))
    inside = getattr(value, "value", None)  # of a Var of an assignment
    return str(inside.shape) if isinstance(inside, np.ndarray) else ""
