"""What a student sees: `check` runs the public tests on a file, and says what is wrong."""

import contextlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .assignment import Assignment, CourseError
from .result import Outcome
from .scoring import Score, grade_file, read_submission
from .submission import Submission
from .submission import load as _load
from .testing import Test

__all__ = ["Report", "check", "load", "pending"]


@dataclass
class Report:
    """The outcome of the public tests; a terminal or a notebook shows its text.

    It is true where all of them passed.
    """

    score: Score

    def __bool__(self) -> bool:
        return self.score.passed == len(self.score.tests)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the points of the public tests, and each test."""
        return {**self.score.to_dict(), "tests_are": "public"}

    def __repr__(self) -> str:
        own = self.score
        lines = []
        for task in own.assignment.tasks:
            tests = [t for t in own.tests if t.task == task.number]
            if tests:
                lines += [f"Task {task.number}, {task.title}", *self._task(tests), ""]
        wrong = {t.task for t in own.tests if own.outcomes[t.name].state not in ("passed", "not written")}
        if len(wrong) > 1:
            lines += ["Later tasks may use your answers to earlier ones: begin with the first that is wrong.", ""]
        if own.printed.strip():
            lines += ["Your file printed:", textwrap.indent(own.printed.rstrip()[:2000], "    "), ""]
        points, possible = own.points(), own.possible
        lines.append(
            f"Public tests passed: {own.passed} of {len(own.tests)} ({points:g} of {possible:g} points). "
            f"Other tests, worth more, follow when you have handed in."
        )
        lines.append(f"({own.assignment.name}, version {own.assignment.version})")
        if not own.memory_limited:
            lines.append("(Memory is not limited on this system.)")
        return "\n".join(lines)

    def _task(self, tests: list[Test]) -> Iterator[str]:
        """A task's lines; where nothing of it works yet, or all for one reason, that is said once."""
        outcomes = [self.score.outcomes[t.name] for t in tests]
        said: set[str] = set()
        for t, outcome in zip(tests, outcomes):
            mark = {"passed": "✓", "not written": "…"}.get(outcome.state, "✗")
            yield f"  {mark} {t.title}"
            text = _feedback(outcome)
            if text and text not in said:
                yield textwrap.indent(text, "      ")
            said.add(text)


def _feedback(outcome: Outcome) -> str:
    return outcome.note if outcome.passed else outcome.text()


def check(file: str | Path = ".", task: int | None = None) -> Report:
    """Run the public tests on a student's file, in a separate process.

    Parameters
    ----------
    file : str or Path
        In the folder that was handed out, beside ``assignment.toml`` and ``tests/``.  Or that folder: then it is the
        file that ``assignment.toml`` names.
    task : int, optional
        Only this task's tests.

    Returns
    -------
    Report

    Raises
    ------
    CourseError
        If there is no such file, or it does not lie beside its tests.
    """
    path = Path(file)
    if path.is_dir():
        if not (path / "assignment.toml").is_file():
            raise CourseError(
                f"there is no assignment in the folder {path.resolve()}: expected assignment.toml in it, as handed out"
            )
        path /= Assignment.read(path).file
    if not path.is_file():
        raise CourseError(f"{path} does not exist (the current folder is {Path.cwd()})")
    folder = path.resolve().parent
    if not all((folder / name).is_file() for name in ("assignment.toml", "tests/public.py")):
        raise CourseError(
            f"there are no tests for {path}: expected assignment.toml and the folder tests beside it, as handed out"
        )
    assignment = Assignment.read(folder)
    if path.suffix != ".py":
        raise CourseError(f"{path} cannot be checked: expected the file with your answers, {assignment.file}")
    return Report(grade_file(assignment, read_submission(path), str(path), task))


def load(file: str | Path) -> Submission:
    """A student's file as a module, as it is now: saved changes count at once.

    Parameters
    ----------
    file : str or Path

    Returns
    -------
    module
    """
    path = Path(file)
    return _load(read_submission(path), str(path))


@contextlib.contextmanager
def pending() -> Iterator[None]:
    """In a guide's cell: what is still to be written stops the cell, but not the notebook.

    >>> with pending():
    ...     raise NotImplementedError("double is still to be written")
    Not yet: double is still to be written.
    """
    try:
        yield
    except NotImplementedError as gap:
        print(f"Not yet: {gap}.")
