"""A student's file as a module, and what comes of running it."""

import ast
import contextlib
import linecache
import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import Wrong
from .._shapes import explain_shapes
from .result import Outcome, sample

__all__ = ["GRACE", "PROCESSOR_TIME", "Submission", "attempt", "load", "on_the_clock", "too_slow"]

PROCESSOR_TIME = hasattr(signal, "setitimer")
"""Whether this system can interrupt a program by the processor time that it has used; Windows cannot."""

GRACE = 2.0 if PROCESSOR_TIME else 0.0
"""Seconds that a process has to stop a test by itself, and to report the line; then it is ended from outside."""

REFERENCE = "<reference solution>"


class _Missing(Wrong, AttributeError):  # noqa: N818 - not an error of the program
    """The student's file lacks a name; an AttributeError too, as `hasattr` expects."""


class Submission(types.ModuleType):
    """A student's file as a module that says what it lacks."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _Missing(f"The file has no {name}: was it renamed or deleted?")


def load(source: str, filename: str, reference: dict[str, str] | None = None) -> Submission:
    """Run a student's file.

    Parameters
    ----------
    source : str
    filename : str
        What tracebacks call it.
    reference : dict of str to str
        Definitions that take the place of the student's of the same name.

    Examples
    --------
    >>> load("def double(x): return 2 * x", "a1.py").double(4)
    8
    >>> reference = {"one": "def one(): return 1"}
    >>> load("def one(): return 7", "a1.py", reference).one()
    1
    """
    module = Submission(Path(filename).stem)
    module.__file__ = filename
    sys.modules[module.__name__] = module
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    codes = {name: compile(text, REFERENCE, "exec") for name, text in (reference or {}).items()}
    made: dict[str, Any] = {}

    def put(name: str) -> None:
        exec(codes[name], module.__dict__)
        made[name] = module.__dict__[name]

    module.__dict__["_put_reference"] = put
    tree = _with_reference(source, filename, codes)
    # The file may use, while it runs, a definition that it lacks.  One that needs names of the file comes below.
    for name in codes:
        with contextlib.suppress(Exception):
            put(name)
    exec(compile(tree, filename, "exec"), module.__dict__)
    # By name: the file may lack a definition, or make it in a place that `_with_reference` does not see.
    for name in codes:
        if name not in made or module.__dict__.get(name) is not made[name]:
            put(name)
    return module


def _with_reference(source: str, filename: str, codes: dict[str, types.CodeType]) -> ast.Module:
    """The file's syntax tree with the reference's definitions in place of the student's, on the same lines."""
    tree = ast.parse(source, filename)
    for i, node in enumerate(tree.body):
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        for name in {*names} & {*codes}:
            (call,) = ast.parse(f"_put_reference({name!r})").body
            tree.body[i] = ast.copy_location(call, node)
            ast.fix_missing_locations(tree.body[i])
    return tree


class _Overtime(BaseException):
    """The time is up."""


@dataclass
class _Clock:
    """Whether the time of a `_deadline` is up, and in which frame it ended."""

    over: bool = False
    frame: types.FrameType | None = None


AGAIN = 0.05
"""Seconds between two attempts to stop code that has used up its time: it may have caught the exception."""


@contextlib.contextmanager
def _deadline(seconds: float | None, on_time_up: Callable[[], None] | None = None) -> Iterator[_Clock]:
    """Raise `_Overtime` within the block once it has used `seconds` of processor time, or `on_the_clock` of them.

    The code may catch the exception, and an exception that is raised while Python collects garbage is ignored.  So
    the clock records that the time is up before the exception is raised, the exception is raised again and again, and
    the caller reads the clock afterwards.  What still goes on is for another process to end: see `on_time_up`.
    """
    clock = _Clock()
    if seconds is None or not PROCESSOR_TIME or threading.current_thread() is not threading.main_thread():
        yield clock
        return

    def stop(number: int, frame: types.FrameType | None) -> None:
        if not clock.over:
            clock.over, clock.frame = True, frame
            if on_time_up is not None:
                on_time_up()
        raise _Overtime

    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, on_the_clock(seconds)),
    )
    before = [signal.signal(number, stop) for number, _, _ in timers]
    try:
        for _, timer, limit in timers:
            signal.setitimer(timer, limit, AGAIN)
        yield clock
    finally:
        # First the handlers: a signal that is pending when the timers stop must not raise outside the block.
        for number, _, _ in timers:
            signal.signal(number, signal.SIG_IGN)
        for _, timer, _ in timers:
            signal.setitimer(timer, 0)
        for (number, _, _), handler in zip(timers, before):
            signal.signal(number, handler)


def attempt(
    action: Callable[[], Any],
    filename: str,
    seconds: float | None = None,
    names: Sequence[str] = (),
    on_time_up: Callable[[], None] | None = None,
) -> Outcome:
    """Do something with a student's code; whatever happens becomes an `Outcome`.

    Parameters
    ----------
    action : callable
        What it gives, if that is text, becomes the note.
    filename : str
        The student's file, as tracebacks call it.
    seconds : float, optional
        Stop the action after so much processor time, where the system can.
    names : sequence of str
        What the student writes, so that the feedback shows a line of it.
    on_time_up : callable, optional
        Called once when the time is up, before the action is stopped.

    Examples
    --------
    >>> attempt(lambda: 1 / 0, "a1.py").reason
    'What your code gave could not be used: ZeroDivisionError: division by zero'
    """
    clock = _Clock()
    try:
        with _deadline(seconds, on_time_up) as clock:
            outcome = _attempt(action, filename, names)
    except _Overtime:  # in the lines around the action
        outcome = Outcome("time")
    if not clock.over:
        return outcome
    return Outcome("time", too_slow(seconds), _lines(_frames(clock.frame), filename, names))


def _attempt(action: Callable[[], Any], filename: str, names: Sequence[str]) -> Outcome:
    try:
        said = action()
    except _Overtime:
        return Outcome("time")
    except Wrong as fault:
        shape, values = sample(getattr(fault, "got", None)) if hasattr(fault, "got") else (None, None)
        return Outcome("wrong", str(fault), what=getattr(fault, "what", ""), shape=shape, values=values)
    except NotImplementedError as gap:
        return Outcome("not written", str(gap) or "there is a NotImplementedError left")
    except MemoryError:
        return Outcome("memory", "needs more memory than there is for a test", _place(filename, names))
    except SystemExit:
        return Outcome("exit", "ends the program (exit, quit or sys.exit); leave that out", _place(filename, names))
    except SyntaxError as error:
        if error.filename != filename:
            return _raised(error, filename, names)
        line = f"line {error.lineno}: {(error.text or '').strip()}"
        return Outcome("error", f"this is not Python: {error.msg}", line)
    except BaseException as error:
        return _raised(error, filename, names)
    return Outcome("passed", note=said if isinstance(said, str) else "")


def on_the_clock(seconds: float) -> float:
    """Seconds on the clock for what may take `seconds` of processor time: a busy machine gives less.

    >>> on_the_clock(5) if PROCESSOR_TIME else 50
    50
    """
    return 10 * seconds if PROCESSOR_TIME else seconds


def too_slow(seconds: float | None) -> str:
    """The reason for what took longer than this.

    >>> too_slow(5)
    'it took longer than 5 seconds: is there an endless loop?'
    """
    return f"it took longer than {seconds:g} seconds: is there an endless loop?"


def _raised(error: BaseException, filename: str, names: Sequence[str]) -> Outcome:
    place = _place(filename, names)
    said = " ".join(str(error).split())
    text = f"{type(error).__name__}: {said[:500]}" if said else type(error).__name__
    if not place:
        return Outcome("error", f"What your code gave could not be used: {text}", note=explain_shapes(error, ""))
    return Outcome("error", f"raised {text}", place, note=explain_shapes(error, filename, names))


def _place(filename: str, names: Sequence[str]) -> str:
    """The last lines of the student's own file that the error being handled came through.

    The very last one; and before it, where that is in something that was given, the last in what the student wrote.
    """
    return _lines(traceback.extract_tb(sys.exc_info()[2]), filename, names)


def _frames(frame: types.FrameType | None) -> traceback.StackSummary:
    """The calls that led to a frame, as a traceback would list them."""
    return traceback.extract_stack(frame) if frame is not None else traceback.StackSummary()


def _lines(summary: traceback.StackSummary, filename: str, names: Sequence[str]) -> str:
    frames = [f for f in summary if f.filename == filename]
    own = [f for f in frames if f.name in names]
    shown = ([] if frames[-1].name in names else own[-1:]) + frames[-1:] if frames else []
    return "\n".join(f"line {f.lineno}, in {f.name}: {(f.line or '').strip()}" for f in shown)
