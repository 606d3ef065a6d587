"""What the tests of an assignment are written with: `test`, `close`, `single`, `repeated`, `with_zeros`, `untouched`.

A test is a plain function that takes the student's module and raises `Wrong`, through the helpers here, where an answer
is wrong::

    @test(task=1, points=2)
    def quotient_at_a_point(a):
        '''The gradients of a quotient at one point.'''
        g, x, y = ...
        with untouched(g=g, x=x, y=y):
            dx, dy = a.div_rule(g, x, y)
        close("div_rule(g, x, y)[0], the gradient for x", dx, g / y)

The same function serves the student's check, the instructor's grading and Otter.
"""

import contextlib
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...tensor import Tensor, tensor
from .. import Wrong
from .. import close as _close

__all__ = ["Test", "close", "fail", "load_tests", "repeated", "single", "test", "untouched", "with_zeros"]


@dataclass(frozen=True)
class Test:
    """One test.

    Attributes
    ----------
    name : str
        The function's; unique within an assignment.
    title : str
        The first line of its docstring: what students read.
    task : int
        Which task it belongs to, from 1.
    points : float
    hidden : bool
        Whether students see its outcome only after grading.
    seconds : float, optional
        How long it may take; None for the assignment's own limit.
    function : callable
        Takes the student's module.  It may give a sentence to be shown where the test passes.
    """

    __test__ = False  # pytest is not to collect it

    name: str
    title: str
    task: int
    points: float
    hidden: bool
    seconds: float | None
    function: Callable[[Any], str | None]


def test(task: int, points: float, seconds: float | None = None) -> Callable[[Callable[[Any], str | None]], Test]:
    """Make a function that takes the student's module a `Test`.

    Parameters
    ----------
    task : int
        From 1, in the order of ``assignment.toml``.
    points : float
    seconds : float, optional
        How long it may take, if not as long as ``assignment.toml`` says.

    Examples
    --------
    >>> @test(task=1, points=2)
    ... def doubles(a):
    ...     '''double(x) is 2 x.'''
    ...     close("double(3.0)", a.double(3.0), 6.0)
    >>> doubles.title, doubles.points
    ('double(x) is 2 x.', 2)
    """

    def make(function: Callable[[Any], str | None]) -> Test:
        title = (function.__doc__ or "").strip().partition("\n")[0]
        if not title:
            raise ValueError(f"test {function.__name__}: expected a docstring, which students read; got none")
        return Test(function.__name__, title, task, points, False, seconds, function)

    return make


def load_tests(folder: Path) -> list[Test]:
    """The tests in ``public.py`` and, where it is there, ``hidden.py`` of a folder, public ones first.

    ``hidden.py`` may import from ``public.py``.

    Raises
    ------
    ValueError
        If two tests have one name.
    """
    found: dict[str, Test] = {}
    sys.path.insert(0, str(folder))
    try:
        for stem in ("public", "hidden"):
            path = folder / f"{stem}.py"
            if not path.is_file():
                continue
            for item in runpy.run_path(str(path), run_name=stem).values():
                if isinstance(item, Test) and item.function.__module__ == stem:
                    if item.name in found:
                        raise ValueError(f"{path}: the name {item.name} is taken by another test")
                    hidden = stem == "hidden"
                    found[item.name] = Test(**{**vars(item), "hidden": hidden})
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("public", None)  # another assignment has another one
    return list(found.values())


def close(what: str, got: Any, expected: Any, rtol: float = 1e-6, atol: float = 1e-9, dtype: bool = True) -> None:
    """Compare numbers or arrays; like `minigen.course.close`, and looks at the dtype too.

    Parameters
    ----------
    what : str
        How the student would write what is compared, such as "div_rule(g, x, y)[0]".
    got : array, number or Tensor
    expected : array, number or Tensor
    rtol, atol : float
        Passes where ``|got - expected| <= atol + rtol * |expected|``.
    dtype : bool
        Whether an array of floats must have the dtype of `expected`.

    Raises
    ------
    Wrong
        If the kind, the shape, the dtype or a value is wrong.  Its ``what`` and ``got`` tell known mistakes apart.

    Examples
    --------
    >>> close("f(x)", np.ones(2, np.float32), np.ones(2))
    Traceback (most recent call last):
        ...
    minigen.course.Wrong: f(x): the values are right, but the dtype is float32; expected float64.
    """
    try:
        if got is None:  # which NumPy would take for a number
            raise Wrong(f"{what}: got None. Is there a `return`?")
        _close(what, got, expected, rtol=rtol, atol=atol)
        kinds = [np.asarray(x).dtype for x in (got, expected)]
        if dtype and isinstance(expected, np.ndarray) and kinds[0] != kinds[1]:
            raise Wrong(f"{what}: the values are right, but the dtype is {kinds[0]}; expected {kinds[1]}.")
    except Wrong as fault:
        fault.what, fault.got = what, got  # type: ignore[attr-defined]
        raise


def fail(what: str, reason: str) -> None:
    """Say that something is wrong which no comparison of numbers shows.

    >>> fail("order(out)", "expected a list, got None")
    Traceback (most recent call last):
        ...
    minigen.course.Wrong: order(out): expected a list, got None
    """
    raise Wrong(f"{what}: {reason}")


@contextlib.contextmanager
def untouched(**arrays: np.ndarray) -> Iterator[None]:
    """Complain if one of these arrays is changed within the block, also where something else is wrong there.

    >>> x = np.zeros(2)
    >>> with untouched(x=x):
    ...     x += 1
    Traceback (most recent call last):
        ...
    minigen.course.Wrong: Your code changed x in place; compute a new array: others still need the old one.
    """
    before = {name: array.copy() for name, array in arrays.items()}
    other = None
    try:
        yield
    except Wrong as fault:  # changed arguments may be why
        other = fault
    for name, array in arrays.items():
        if not np.array_equal(array, before[name], equal_nan=array.dtype.kind == "f"):
            raise Wrong(f"Your code changed {name} in place; compute a new array: others still need the old one.")
    if other is not None:
        raise other


def single(what: str, got: Any, expected: Any, rtol: float = 2e-5) -> None:
    """Complain unless an array is float32 and right to the precision of float32.

    Parameters
    ----------
    what : str
        As in `close`.
    got : array or Tensor
    expected : array
        The values, best computed in float64.
    rtol : float
        The largest error, relative to the largest absolute value in `expected`.  The default is 170 times the
        distance between neighboring numbers of float32, and a fiftieth of that of float16.

    Raises
    ------
    Wrong
        If the dtype, the shape or a value is wrong.

    Examples
    --------
    >>> single("f(x)", np.zeros(2, np.float32), np.ones(2))
    Traceback (most recent call last):
        ...
    minigen.course.Wrong: f(x), in float32: at index 0: expected 1.0, got 0.0 (2 of 2 elements are off).
    It is zero everywhere.
    """
    wanted = np.asarray(expected, np.float32)
    close(f"{what}, in float32", got, wanted, rtol, rtol * float(np.max(np.abs(wanted), initial=0)))


def repeated(what: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function three times, and complain if the calls disturb each other.

    The first call gets the arrays in reversed order; the second gets the arguments themselves, and its result is given
    back; the third gets the same numbers in another memory order.  So a test that compares the result finds what is
    kept from the call before, too.

    Parameters
    ----------
    what : str
        As in `close`.
    function : callable
        Gives an array, a Tensor, or a sequence of them.
    *arguments
        Arrays and Tensors, which are replaced in the other calls, and whatever else, which is not.
    **options

    Returns
    -------
    object
        What the function gives for the arguments.

    Raises
    ------
    Wrong
        If a result does not survive the next call, or if the same numbers give another result.

    Examples
    --------
    >>> kept = np.zeros(2)
    >>> def double(x):
    ...     kept[...] = 2 * x
    ...     return kept
    >>> repeated("double(x)", double, np.array([1.0, 2.0]))
    Traceback (most recent call last):
        ...
    minigen.course.Wrong: double(x): the next call changes this result. Give a new array in each call.
    """
    before = _arrays(function(*(_like(x, np.flip) for x in arguments), **options))
    copies = [x.copy() for x in before]
    result = function(*arguments, **options)
    mine = _arrays(result)
    changed = any(not np.array_equal(x, copy, equal_nan=x.dtype.kind == "f") for x, copy in zip(before, copies))
    if changed or any(np.may_share_memory(old, new) for old in before for new in mine):
        raise Wrong(f"{what}: the next call changes this result. Give a new array in each call.")
    copies = [x.copy() for x in mine]
    if not _same(copies, _arrays(function(*(_like(x, _spread) for x in arguments), **options))):
        if _same(copies, _arrays(function(*arguments, **options))):
            raise Wrong(f"{what}: the same numbers in another memory order give another result.")
        raise Wrong(f"{what}: called again with the same numbers, it gives another result. What is kept between calls?")
    return result


def with_zeros(x: np.ndarray, every: int = 2) -> np.ndarray:
    """Copy an array and set some of its numbers to exactly zero.

    Random numbers are never zero, so they do not find code that treats zero apart.

    Parameters
    ----------
    x : array
    every : int
        The distance between zeros, counted in C order from the first number; 1 sets all numbers.

    Returns
    -------
    array

    Examples
    --------
    >>> with_zeros(np.array([1.0, 2.0, 3.0]))
    array([0., 2., 0.])
    """
    flat = x.flatten()
    flat[::every] = 0
    return flat.reshape(x.shape)


def _arrays(result: Any) -> list[np.ndarray]:
    """The arrays in a result, also those of Tensors."""
    parts = result if isinstance(result, tuple | list) else [result]
    parts = [x.numpy() if isinstance(x, Tensor) else x for x in parts]
    return [x for x in parts if isinstance(x, np.ndarray)]


def _like(x: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """An array or a Tensor with changed numbers; anything else as it is."""
    if isinstance(x, Tensor):
        return tensor(change(x.numpy()).copy(), requires_grad=x.requires_grad)
    return np.asarray(change(x.copy())) if isinstance(x, np.ndarray) else x


def _spread(x: np.ndarray) -> np.ndarray:
    """The same numbers, in Fortran's order and with gaps between them."""
    wide = np.zeros((2, *x.shape), x.dtype, order="F")
    wide[0] = x
    return wide[0]


def _same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Whether two results are equal but for rounding."""

    def near(x: np.ndarray, y: np.ndarray) -> bool:
        if x.shape != y.shape or x.dtype != y.dtype:
            return False
        finite = np.abs(x[np.isfinite(x)])
        share = 0.01 if x.dtype == np.float32 else 1e-6
        return bool(np.allclose(x, y, rtol=share, atol=share * np.max(finite, initial=0), equal_nan=True))

    return len(first) == len(second) and all(map(near, first, second))
