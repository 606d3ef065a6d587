"""A student's file as a module, and what comes of running it."""

import ast
import contextlib
import linecache
import signal
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import Wrong
from .result import Outcome, sample

__all__ = ["PROCESSOR_TIME", "Submission", "attempt", "load", "on_the_clock", "too_slow"]

PROCESSOR_TIME = hasattr(signal, "setitimer")
"""Whether this system can interrupt a program by the processor time that it has used; Windows cannot."""

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
    exec(compile(_with_reference(source, filename, module, reference or {}), filename, "exec"), module.__dict__)
    return module


def _with_reference(source: str, filename: str, module: Submission, reference: dict[str, str]) -> ast.Module:
    """The file's syntax tree, with the reference's definitions where its own were; all else keeps its line numbers."""
    tree = ast.parse(source, filename)
    module.__dict__["_reference"] = {name: compile(text, REFERENCE, "exec") for name, text in reference.items()}
    for i, node in enumerate(tree.body):
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        for name in {*names} & {*reference}:
            (call,) = ast.parse(f"exec(_reference[{name!r}], globals())").body
            tree.body[i] = ast.copy_location(call, node)
            ast.fix_missing_locations(tree.body[i])
    return tree


class _Overtime(BaseException):
    """The time is up."""


@contextlib.contextmanager
def _deadline(seconds: float | None) -> Iterator[None]:
    """Raise `_Overtime` within the block once it has used so much processor time, or `on_the_clock` of it."""

    def stop(*_: Any) -> None:
        raise _Overtime

    if seconds is None or not PROCESSOR_TIME:
        yield
        return
    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, on_the_clock(seconds)),
    )
    before = [signal.signal(number, stop) for number, _, _ in timers]
    for _, timer, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for _, timer, _ in timers:
            signal.setitimer(timer, 0)
        for (number, _, _), handler in zip(timers, before):
            signal.signal(number, handler)


def attempt(
    action: Callable[[], Any], filename: str, seconds: float | None = None, names: Sequence[str] = ()
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

    Examples
    --------
    >>> attempt(lambda: 1 / 0, "a1.py").reason
    'What your code gave could not be used: ZeroDivisionError: division by zero'
    """
    try:
        with _deadline(seconds):
            said = action()
    except _Overtime:
        return Outcome("time", too_slow(seconds), _place(filename, names))
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
    """How long to wait for what may take so many seconds of processor time, of which a busy machine gives far less.

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
        return Outcome("error", f"What your code gave could not be used: {text}")
    return Outcome("error", f"raised {text}", place)


def _place(filename: str, names: Sequence[str]) -> str:
    """The last lines of the student's own file that the error being handled came through.

    The very last one; and before it, where that is in something that was given, the last in what the student wrote.
    """
    frames = [f for f in traceback.extract_tb(sys.exc_info()[2]) if f.filename == filename]
    own = [f for f in frames if f.name in names]
    shown = ([] if frames[-1].name in names else own[-1:]) + frames[-1:] if frames else []
    return "\n".join(f"line {f.lineno}, in {f.name}: {(f.line or '').strip()}" for f in shown)
