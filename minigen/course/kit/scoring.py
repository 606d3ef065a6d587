"""Judging one file: all tests, and for the grader a second look with the reference solution of the other tasks."""

import codecs
import hashlib
import io
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .assignment import Assignment, CourseError, Task, definitions
from .result import UNLOADED, Mistakes, Outcome
from .runner import Budget, Job, never, run
from .testing import Test, load_tests

__all__ = ["Score", "decoded", "fingerprint", "grade_file", "read_submission"]


@dataclass
class Score:
    """What a file is worth, and why.

    Attributes
    ----------
    assignment : Assignment
    tests : list of Test
    outcomes : dict
        By the test's name.
    printed : str
        What the file printed, shortened.
    memory_limited : bool
    """

    assignment: Assignment
    tests: list[Test]
    outcomes: dict[str, Outcome]
    printed: str = ""
    memory_limited: bool = True

    def points(self, task: int | None = None) -> float:
        """The points of the tests that passed, in a task or in all."""
        return sum(t.points for t in self.tests if self.outcomes[t.name].passed and task in (None, t.task))

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(self.outcomes[t.name].passed for t in self.tests)

    @property
    def possible(self) -> float:
        """The points of all the tests."""
        return sum(t.points for t in self.tests)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "assignment": self.assignment.name,
            "version": self.assignment.version,
            "points": self.points(),
            "possible": self.possible,
            "passed": self.passed,
            "tests": [
                {"name": t.name, "title": t.title, "task": t.task, "hidden": t.hidden, "possible": t.points,
                 "points": t.points if self.outcomes[t.name].passed else 0, **self.outcomes[t.name].to_dict()}
                for t in self.tests
            ],
            "printed": self.printed,
            "memory_limited": self.memory_limited,
        }  # fmt: skip


def read_submission(path: Path) -> str:
    """A student's file as text.

    Raises
    ------
    CourseError
        If it cannot be read as such.
    """
    try:
        return decoded(path.read_bytes(), path.name)
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None


def decoded(data: bytes, name: str) -> str:
    """A Python file as text: in UTF-8, or in the encoding that its first lines declare (PEP 263).

    Parameters
    ----------
    data : bytes
    name : str
        The file's, for messages.

    Raises
    ------
    CourseError
        If it is empty, or no Python file in such an encoding.

    Examples
    --------
    >>> decoded(b"# -*- coding: latin-1 -*-\\nname = '\\xe9'\\n", "a1.py").splitlines()[1]
    "name = 'é'"
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CourseError(f"{name} is in UTF-16: save it as UTF-8")
    if b"\0" in data:
        raise CourseError(f"{name} holds NUL bytes, so it is no text file: save it as plain text in UTF-8")
    if not data.strip():
        raise CourseError(f"{name} is empty")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.TextIOWrapper(io.BytesIO(data), encoding).read()
    except UnicodeDecodeError as error:
        raise CourseError(f"{name} is not a text file in UTF-8: {error.reason} at byte {error.start}") from None
    except SyntaxError as error:  # an unknown encoding, or a byte of another one in the first lines
        raise CourseError(f"{name} is not a text file in UTF-8: {error.msg}") from None


def grade_file(
    assignment: Assignment, source: str, filename: str, task: int | None = None, stop: Callable[[], bool] = never,
    budget: Budget | None = None,
) -> Score:  # fmt: skip
    """Run the tests of a student's or a grader's copy on a file.

    Where a test fails and a test of another task fails too, the grader's copy runs it once more with the reference
    solution of all other tasks: a mistake costs points in its own task only.

    Parameters
    ----------
    assignment : Assignment
        Of a student's or a grader's copy.
    source : str
        The file's text.
    filename : str
        What tracebacks call it.
    task : int, optional
        Only this one.
    stop : callable, optional
        Asked several times a second whether to stop; then `runner.Stopped` is raised.
    budget : Budget, optional
        Processor time that all its tests may use together.

    Returns
    -------
    Score
    """
    if task is not None and not 1 <= task <= len(assignment.tasks):
        raise CourseError(f"task {task}: {assignment.title} has the tasks 1 to {len(assignment.tasks)}")
    tests = [t for t in load_tests(assignment.tests) if task in (None, t.task)]
    mistakes = Mistakes.load(assignment.tests / "mistakes.json")
    jobs = [
        Job(str(number), source, filename, tuple(t.name for t in tests if t.task == number))
        for number in sorted({t.task for t in tests})
    ]
    first = run(assignment, jobs, mistakes, stop, budget)
    outcomes = {name: outcome for found in first.outcomes.values() for name, outcome in found.items()}
    failed = [t for t in tests if not outcomes[t.name].passed]
    if (assignment.folder / "solution").is_dir() and len({t.task for t in failed}) > 1:
        outcomes |= _second_look(assignment, source, filename, failed, outcomes, mistakes, stop, budget)
    return Score(assignment, tests, outcomes, first.printed, first.memory_limited)


def _second_look(
    assignment: Assignment, source: str, filename: str, failed: list[Test], before: dict[str, Outcome],
    mistakes: Mistakes, stop: Callable[[], bool], budget: Budget | None,
) -> dict[str, Outcome]:  # fmt: skip
    solution = assignment.solution()
    jobs = []
    for task in assignment.tasks:
        names = tuple(t.name for t in failed if t.task == task.number)
        if names and not all(before[name].reason.startswith(UNLOADED) for name in names):
            jobs.append(Job(f"task {task.number}", source, filename, names, reference_for(assignment, solution, task)))
    found = run(assignment, jobs, mistakes, stop, budget).outcomes.values()
    again = {name: outcome for outcomes in found for name, outcome in outcomes.items()}
    note = "It passes with the reference solution of the other tasks, and counts."
    return {name: replace(o, note=note) if o.passed else o for name, o in again.items()}


def reference_for(assignment: Assignment, solution: str, task: Task) -> dict[str, str]:
    """The solution's definitions of all tasks but one, by name."""
    lines, where = solution.splitlines(), definitions(solution)
    others = [name for other in assignment.tasks if other is not task for name in other.names]
    return {name: "\n".join(lines[slice(*where[name])]) for name in others}


def fingerprint(*texts: str) -> str:
    """Changes whenever one of the texts does."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "backslashreplace")).hexdigest()[:16]
