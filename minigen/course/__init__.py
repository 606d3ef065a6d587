"""What the lessons are made of: exercises that say what is wrong, and our source shown as it is.

**An exercise** is a function that looks at a student's answer and complains by calling the helpers here::

    @exercise("1.1", "the gradients of a quotient")
    def div_vjp(answer):
        g, x, w = ...
        dx, dw = call(answer, g, x, w, expect=2)
        close("div_vjp(g, x, w)[0], the gradient for x", dx, g / w)

In the lesson, ``exercises.div_vjp(my_answer)`` gives a `Verdict`, which a notebook displays: right, not answered yet
(the answer is ``...`` or returned None), or wrong, with the function, the argument, the index, what was expected and
what came.  A wrong answer never stops the notebook.

Each lesson's exercises are a module here, named after the lesson.  The answer to an exercise has the exercise's name
in ``lessons/solutions/``; the tests check that each one is found right.
"""

import ast
import functools
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Primitive
from ..tensor import Tensor, tensor
from ._arguments import named_factor, relate
from ._shapes import explain_shapes, is_about_shapes

__all__ = ["Exercise", "Source", "Verdict", "Wrong", "call", "close", "exercise", "show_source"]


# ---- exercises


TODO = "Put your answer in place of the dots, and run this cell again."


class Wrong(Exception):  # noqa: N818 - not an error of the program
    """What is wrong with an answer, in words for the student."""


class Unanswered(Exception):  # noqa: N818
    """There is no answer yet."""


class _Misfit(Wrong):
    """A student's function raised an error about shapes."""


class _Wanted(Exception):  # noqa: N818
    """Says which shape is compared, where there is no result to compare."""


_MISSING = np.array(0.123456789)
"""Stands for the result of a function that raised, while a check runs once more to tell the shape that it expects."""

_looking_for_shape = False

_arguments: dict[str, Any] = {}
"""Those of the last call of a student's function, by name: `close` looks whether one of them explains a difference."""

_names: list[str] = []
"""What the exercise calls the arguments; a student may give them other names."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check; a notebook displays its text.

    Parameters
    ----------
    exercise : str
        Number and title.
    state : {"right", "wrong", "not answered yet"}
    reason : str
        What is wrong or missing, or a remark on a right answer; often empty.
    """

    exercise: str
    state: str
    reason: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer passed."""
        return self.state == "right"

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        mark = {"right": "✓", "wrong": "✗"}.get(self.state, "…")
        head = f"{mark} Exercise {self.exercise}: {self.state}."
        return f"{head}\n{textwrap.indent(self.reason, '  ')}" if self.reason else head


class Exercise:
    """A named check of an answer.  Made by the decorator `exercise`; call it with the answer."""

    number: str
    title: str
    check: Callable[[Any], str | None]

    def __init__(self, number: str, title: str, check: Callable[[Any], str | None]):
        self.number, self.title, self.check = number, title, check
        functools.update_wrapper(self, check)

    def __call__(self, answer: Any) -> Verdict:
        """Check `answer`.

        Returns
        -------
        Verdict
        """
        name = f"{self.number}, {self.title}"
        _arguments.clear()
        _names[:] = _documented(self.check.__doc__ or "")
        try:
            if answer is None or answer is ...:
                raise Unanswered(TODO)
            remark = self.check(answer)
        except Unanswered as gap:
            return Verdict(name, "not answered yet", str(gap))
        except _Misfit as fault:
            return Verdict(name, "wrong", "\n".join(filter(None, [str(fault), self._wanted_shape(answer)])))
        except Wrong as fault:
            return Verdict(name, "wrong", str(fault))
        except Exception as error:  # an answer of a kind that the check did not foresee
            said = f"Your answer made the check fail: {type(error).__name__}: {error}"
            return Verdict(name, "wrong", "\n".join(filter(None, [said, _explained(error, answer)])))
        return Verdict(name, "right", remark or "")

    def _wanted_shape(self, answer: Any) -> str:
        """The shape that the check compares with after the call that raised; "" if it does not compare at once."""
        global _looking_for_shape
        _looking_for_shape = True
        try:
            self.check(answer)
        except _Wanted as told:
            return str(told)
        except Wrong as told:  # from a check that looks at the shape itself
            found = re.search(
                r"expected (the shape .*?|shape .*?|(?:an?|one|two|\d+) .*?), got", str(told), re.IGNORECASE
            )
            if not found:
                return ""
            verb = {"s": "have the", "t": "have"}.get(found[1][0], "be")
            return f"The result should {verb} {found[1]}."
        except Exception:  # what the check does with the result needs the result
            return ""
        finally:
            _looking_for_shape = False
        return ""

    def __repr__(self) -> str:
        return f"<exercise {self.number}, {self.title}>"


def exercise(number: str, title: str) -> Callable[[Callable[[Any], str | None]], Exercise]:
    """Make a function that checks an answer, and raises through `call` and `close`, an `Exercise`.

    It may return a remark on a right answer.

    Parameters
    ----------
    number : str
        Lesson and place, such as "1.2".
    title : str

    Examples
    --------
    >>> @exercise("0.1", "double a number")
    ... def double(answer):
    ...     close("double(3.0)", call(answer, 3.0), 6.0)
    >>> double(lambda x: 2 * x)
    ✓ Exercise 0.1, double a number: right.
    >>> double(lambda x: -2 * x)
    ✗ Exercise 0.1, double a number: wrong.
      double(3.0): expected 6.0, got -6.0.
      It is -1 times what is expected: look at the sign.
    """
    return lambda check: Exercise(number, title, check)


def call(answer: Callable[..., Any], *arguments: Any, expect: int = 1) -> Any:
    """Call a student's function; whatever goes wrong inside becomes words with the student's own line.

    Parameters
    ----------
    answer : callable
    *arguments
    expect : int
        How many results are asked for.

    Returns
    -------
    The result, or a tuple of `expect` results.

    Raises
    ------
    Wrong
        If it is not a function, raised an error, changed one of its arrays, or gave another number of results.
    Unanswered
        If it returned None or dots.

    Examples
    --------
    >>> call(lambda x: (x, -x), 3, expect=2)
    (3, -3)
    >>> call(lambda x: 1 / x, 0)
    Traceback (most recent call last):
        ...
    minigen.course.Wrong: <lambda> raised ZeroDivisionError in its line 1: division by zero
    """
    if not callable(answer):
        raise Wrong(f"Expected a function, got {_kind(answer)}.")
    name = getattr(answer, "__name__", "your function")
    before = [np.array(x) if isinstance(x, np.ndarray | Tensor) else None for x in arguments]
    _arguments.clear()
    names = _names if len(_names) == len(arguments) else _parameters(answer)
    _arguments.update(zip(names, arguments))
    try:
        result = answer(*arguments)
    except NotImplementedError:
        result = ...
    except Exception as error:
        said = f"{name} raised {type(error).__name__}{_line_of(answer)}: {error}"
        if not is_about_shapes(error):
            raise Wrong(said) from error
        if _looking_for_shape:
            nothing = tensor(_MISSING) if any(isinstance(x, Tensor) for x in arguments) else _MISSING
            return (nothing,) * expect if expect > 1 else nothing
        raise _Misfit("\n".join(filter(None, [said, _explained(error, answer)]))) from error
    for i, (x, copy) in enumerate(zip(arguments, before)):
        if copy is not None and not np.array_equal(copy, np.array(x), equal_nan=copy.dtype.kind == "f"):
            raise Wrong(f"{name} changed argument {i} in place; compute a new value: others still need the old one.")
    results = result if expect > 1 and isinstance(result, tuple | list) else (result,)
    if any(r is ... for r in results):
        raise Unanswered(TODO)
    if any(r is None for r in results):
        raise Unanswered(f"{name} returned None. If you have written it: is there a `return`?")
    if expect > 1 and len(results) != expect:
        raise Wrong(f"{name} gave {len(results)} result{'s' * (len(results) > 1)}; expected {expect}, in a tuple.")
    return tuple(results) if expect > 1 else result


def _documented(text: str) -> list[str]:
    """The names of the arguments in an exercise's docstring.

    >>> _documented("``div_vjp(g, x, w)`` gives the gradients.")
    ['g', 'x', 'w']
    """
    found = re.search(r"``\w+\(([\w, ]+)\)", text)
    return [name.strip() for name in found[1].split(",")] if found else []


def _parameters(answer: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(answer).parameters)
    except (TypeError, ValueError):  # a compiled function has none
        return []


def _explained(error: Exception, answer: Any) -> str:
    """What an error about shapes means; "" for others."""
    code = getattr(answer, "__code__", None)
    return explain_shapes(error, code.co_filename if code else "")


def _line_of(answer: Any) -> str:
    """Where inside `answer` the error being handled was raised."""
    code, trace, line = getattr(answer, "__code__", None), sys.exc_info()[2], None
    while trace is not None:
        if trace.tb_frame.f_code is code:
            line = trace.tb_lineno - code.co_firstlineno + 1
        trace = trace.tb_next
    return f" in its line {line}" if line else ""


def close(
    what: str,
    got: Any,
    expected: Any,
    mistakes: Sequence[tuple[Any, str]] = (),
    rtol: float = 1e-6,
    atol: float = 1e-9,
    probe: Callable[[], str] | None = None,
) -> None:
    """Compare numbers or arrays; the complaint names the worst element and the mistake, if it is a known one.

    Parameters
    ----------
    what : str
        How the student would write what is compared, such as "div_vjp(g, x, w)[0]".
    got : Tensor, array or number
    expected : Tensor, array or number
    mistakes : sequence of (Tensor, array or number, str)
        Results of well-known wrong programs, each with its hint; those that are right in this case are left out.  If
        none matches, the complaint says how the result is related to what is expected, where that is simple: a
        multiple, the square, the transpose, other places.
    rtol, atol : float
        Passes where ``|got - expected| <= atol + rtol * |expected|``.
    probe : callable, optional
        Gives a hint, or "", for a mistake that none of these explains; see `minigen.course._probe.probing`.

    Raises
    ------
    Wrong
        If the kind, the shape or a value is wrong.

    Examples
    --------
    >>> close("f(x)", np.array([1.0, 4.5]), np.array([1.0, 2.0]))
    Traceback (most recent call last):
        ...
    minigen.course.Wrong: f(x): at index 1: expected 2.0, got 4.5 (1 of 2 elements are off).
    """
    if got is _MISSING:
        shape = np.shape(expected)
        raise _Wanted(f"The result, {what}, should {f'have the shape {shape}' if shape else 'be one number'}.")
    if isinstance(expected, Tensor) and not isinstance(got, Tensor):
        raise Wrong(f"{what}: expected a Tensor, got {_kind(got)}. Write it with Tensor operations, without .data.")
    try:
        found = np.asarray(got, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what}: expected {_kind(expected)}, got {_kind(got)}.") from None
    wanted = np.asarray(expected, dtype=np.float64)
    arguments = dict(_arguments)  # the probe calls the function again
    known = [hint for value, hint in mistakes if _same(value, found) and not _same(value, wanted)][:1]
    if found.shape != wanted.shape:
        raise Wrong("\n".join([f"{what}: expected shape {wanted.shape}, got {found.shape}.", *known]))
    off = ~np.isclose(found, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if not off.any():
        return
    worst = np.unravel_index(np.argmax(np.where(off, np.nan_to_num(abs(found - wanted), nan=np.inf), -1)), off.shape)
    spot = f" at index {worst[0] if len(worst) == 1 else tuple(map(int, worst))}:" if worst else ""
    count = f" ({off.sum()} of {off.size} elements are off)" if off.size > 1 else ""
    # Ten digits: a difference within a rounding error of the tolerance still shows.
    lines = [f"{what}:{spot} expected {_digits(wanted[worst])}, got {_digits(found[worst])}{count}."]
    hints = known or _guess(found, wanted)
    hints = hints or [(probe() if probe else "") or relate(found, wanted, arguments)]
    raise Wrong("\n".join(filter(None, [*lines, *hints])))


def _same(value: Any, array: np.ndarray) -> bool:
    return np.shape(value) == array.shape and np.allclose(value, array)


def _digits(value: Any) -> str:
    return repr(float(f"{value:.10g}"))


def _guess(found: np.ndarray, wanted: np.ndarray) -> list[str]:
    """A hint that needs no knowledge of the exercise: how the answer is related to the truth."""
    if not np.isfinite(found).all():
        return ["There are values that are not finite: is something divided by zero, or a logarithm taken below it?"]
    if not found.any():
        return ["It is zero everywhere."]
    ratio = np.vdot(wanted, found) / np.vdot(wanted, wanted) if wanted.any() else 0.0
    simple = ratio and any(np.isclose(r, round(r), rtol=1e-5, atol=0) for r in (ratio, 1 / ratio))
    known = (simple or found.size > 2) and not np.isclose(ratio, 1, rtol=1e-4)
    if known and np.allclose(found, ratio * wanted, rtol=1e-5, atol=1e-9):
        place = "sign" if round(ratio) == -1 else "scale"
        argument = named_factor(ratio, _arguments)
        return [f"It is {ratio:.4g} times what is expected: look at the {place}.{argument and ' ' + argument}"]
    for related, hint in _RELATIONS:
        with np.errstate(all="ignore"):
            value = related(wanted, found)
        if value is not None and _same(value, found) and not _same(value, wanted):
            return [hint]
    if found.size > 2 and not np.allclose(found, wanted) and np.ptp(found - wanted) < 1e-6 * np.ptp(wanted):
        return [f"It differs by {(found - wanted).mean():.4g} everywhere: a term that is the same everywhere is "
                "missing, or one too many."]  # fmt: skip
    return []


def _if_matrix(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray, np.ndarray], Any]:
    return lambda wanted, found: change(wanted) if wanted.ndim >= 2 else None


_RELATIONS: list[tuple[Callable[[np.ndarray, np.ndarray], Any], str]] = [
    (lambda wanted, found: wanted**2, "This is the square of what is expected: take the root."),
    (lambda wanted, found: np.sqrt(wanted), "This is the root of what is expected."),
    (lambda wanted, found: 1 / wanted, "This is 1 divided by what is expected: it is upside down."),
    (lambda wanted, found: np.log(wanted), "This is the logarithm of what is expected."),
    (lambda wanted, found: np.exp(wanted), "This is e to the power of what is expected: take the logarithm."),
    (lambda wanted, found: np.maximum(wanted, 0), "The negative values were cut off; they belong to the result."),
    (lambda wanted, found: abs(wanted), "The sizes are right, the signs are not: all are positive here."),
    (lambda wanted, found: np.copysign(wanted, found),
     "The sizes are right, but some signs are not: look at the two cases, above and below 0."),
    (_if_matrix(lambda wanted: wanted.swapaxes(-1, -2)), "The last two axes are exchanged: transpose it."),
    (lambda wanted, found: wanted[::-1] if wanted.ndim and len(wanted) > 1 else None,
     "The numbers are right, in the reverse order."),
    (lambda wanted, found: found if found.size > 3 and _same(np.sort(found, axis=None), np.sort(wanted, axis=None))
     else None, "All numbers are right, at other places: look at the order of the axes or of the examples."),
]  # fmt: skip


def _kind(x: Any) -> str:
    """What something is, in a few words."""
    if isinstance(x, Tensor | np.ndarray):
        return f"{'a Tensor' if isinstance(x, Tensor) else 'an array'} of shape {x.shape}"
    return {"NoneType": "None", "function": "a function"}.get(type(x).__name__, f"{type(x).__name__} {x!r:.60}")


# ---- our source


class Source:
    """A piece of source text, which a notebook displays with colors."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"


def show_source(*things: Any, docstring: bool = False) -> Source:
    """The source of functions, classes and primitives, read from the installed files.

    A primitive comes with its gradient rules.

    Parameters
    ----------
    *things : function, class or Primitive
    docstring : bool
        Docstrings are left out unless this is True.

    Returns
    -------
    Source

    Examples
    --------
    >>> import minigen as mg
    >>> show_source(mg.exp)
    # minigen/ops/elementwise.py
    @primitive
    def exp(input: Array) -> Array:
        return array_module(input).exp(input)
    <BLANKLINE>
    exp.vjp(input=lambda g, out, input: g * out)
    """
    parts: list[str] = []
    place = None
    for thing in things:
        module = inspect.getmodule(inspect.unwrap(thing))
        if module is None:
            raise ValueError(f"show_source: {thing!r} has no source file")
        if module.__name__ != place:
            place = module.__name__
            parts.append(f"# {place.replace('.', '/')}.py")
        if isinstance(thing, Primitive):
            pieces = _statements(inspect.getsource(module), thing.__name__)
        else:
            pieces = [textwrap.dedent(inspect.getsource(thing)).rstrip()]
        parts += [piece if docstring else _without_docstrings(piece) for piece in pieces]
    text = parts[0]
    for before, part in zip(parts, parts[1:]):
        text += ("\n" if before.startswith("# ") else "\n\n") + part
    return Source(text)


def _statements(source: str, name: str) -> list[str]:
    """The definition of a primitive in its module, and the statements that give its rules."""
    lines = source.splitlines()
    found = []
    for statement in ast.parse(source).body:
        start = statement.lineno
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            start = min([start, *(d.lineno for d in statement.decorator_list)])
        elif not _gives_rules(statement, name):
            continue
        found.append("\n".join(lines[start - 1 : statement.end_lineno]))
    return found


def _gives_rules(statement: ast.stmt, name: str) -> bool:
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    function = statement.value.func
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == name


def _without_docstrings(source: str) -> str:
    lines = source.splitlines()
    drop: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) and len(node.body) > 1:
            text = node.body[0]
            drop |= set(range(text.lineno - 1, text.end_lineno or text.lineno))
            if not lines[max(drop) + 1 :][:1] or not lines[max(drop) + 1].strip():
                drop.add(max(drop) + 1)
    return "\n".join(line for i, line in enumerate(lines) if i not in drop)
