"""An assignment as it lies in a folder: its description, the student's file, and known answers.

The same reader serves all three kinds of folder:

=============== ============================================================================================
the template      what authors edit, ``lessons/assignments/A1_autograd/``: everything
the student's   made from it: the file without solutions, public tests, the guide
the grader's    made from it: the solution, public and hidden tests, known mistakes, Otter's files
=============== ============================================================================================
"""

import ast
import hashlib
import re
import runpy
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._util.lessons_folder import INSTALL, lessons_folder

__all__ = [
    "FEW_DIGITS",
    "Answer",
    "Assignment",
    "CourseError",
    "Task",
    "definitions",
    "replaced",
    "right",
    "stub",
    "wrong",
]

TEMPLATES = lessons_folder() / "assignments"
BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"


class CourseError(ValueError):
    """Something an author, instructor or student can put right; its text says how."""


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes
    ----------
    number : int
        From 1.
    title : str
    names : tuple of str
        The functions and classes to write, all at the top of the student's file.
    points : float
    """

    number: int
    title: str
    names: tuple[str, ...]
    points: float


@dataclass(frozen=True)
class Assignment:
    """An assignment's ``assignment.toml``, and where the rest lies.

    Attributes
    ----------
    folder : Path
    title : str
    file : str
        Name of the student's file.
    seconds : float
        How long a test may take.
    memory : int
        How many MB the tests may need beyond what Python and NumPy need.
    tasks : tuple of Task
    environment : dict of str to str
        Environment variables for the tests.
    forbidden : tuple of str
        Modules, or what is in them, that have the answers, such as "minigen.losses"; see `forbidden_imports`.
    """

    folder: Path
    title: str
    file: str
    seconds: float
    memory: int
    tasks: tuple[Task, ...]
    environment: dict[str, str] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name, such as A1_autograd."""
        return self.folder.name

    @property
    def points(self) -> float:
        """What a perfect answer gets."""
        return sum(task.points for task in self.tasks)

    @property
    def tests(self) -> Path:
        """The folder with ``public.py`` and ``hidden.py``."""
        return self.folder / "tests"

    @property
    def version(self) -> str:
        """Eight digits that tell one version from another: of what students are given to be tested by.

        They are the same in the student's and in the grader's copy.
        """
        paths = (self.folder / "assignment.toml", self.tests / "public.py")
        texts = [path.read_text(encoding="utf-8") if path.is_file() else "" for path in paths]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:8]

    @classmethod
    def read(cls, folder: Path) -> "Assignment":
        """Read the ``assignment.toml`` of a folder.

        Raises
        ------
        CourseError
            If there is none, or something in it is missing.
        """
        path = folder / "assignment.toml"
        if not path.is_file():
            raise CourseError(f"{path} does not exist: {folder} is not the folder of an assignment")
        try:
            text = tomllib.loads(path.read_text(encoding="utf-8"))
            tasks = [
                Task(i, task["title"], tuple(task["names"]), task["points"]) for i, task in enumerate(text["tasks"], 1)
            ]
            values = {key: text[key] for key in ("title", "file", "seconds", "memory")}
            values |= {"environment": text.get("environment", {}), "forbidden": tuple(text.get("forbidden", ()))}
            return cls(folder.resolve(), tasks=tuple(tasks), **values)
        except tomllib.TOMLDecodeError as error:
            raise CourseError(f"{path}: {error}") from None
        except KeyError as error:
            raise CourseError(f"{path}: {error.args[0]!r} is missing") from None

    def solution(self) -> str:
        """The student's file with the solutions; only the template and the grader's copy have it."""
        for path in (self.folder / self.file, self.folder / "solution" / self.file):
            if path.is_file() and (path.parent.name == "solution" or BEGIN in path.read_text(encoding="utf-8")):
                return _without_markers(path.read_text(encoding="utf-8"))
        raise CourseError(f"{self.folder} holds no solution of {self.file}: is it a student's copy?")

    def known_answers(self) -> list["Answer"]:
        """The known answers, right and wrong ones, of the template's ``known_answers.py``."""
        found = runpy.run_path(str(self.folder / "known_answers.py"))["KNOWN_ANSWERS"]
        names = [(answer.task, answer.name) for answer in found]
        double = sorted(name for name in names if names.count(name) > 1)
        if double:
            task, name = double[0]
            raise CourseError(f"{self.folder / 'known_answers.py'}: two answers to task {task} are named {name!r}")
        return found


def templates() -> list[Path]:
    """The folders of all templates: the checkout's, or those of minigen-lessons.

    Raises
    ------
    CourseError
        If there are none.
    """
    found = sorted(path.parent for path in TEMPLATES.glob("*/assignment.toml"))
    if not found:
        raise CourseError(f"no assignments in {TEMPLATES}: they come with the lessons: {INSTALL}")
    return found


def find(name: str | Path) -> Assignment:
    """The assignment in a folder, or the template whose name begins so, such as A1.

    Raises
    ------
    CourseError
        If there is none; the text lists what there is.
    """
    if (Path(name) / "assignment.toml").is_file():
        return Assignment.read(Path(name))
    known = templates()
    fits = [path for path in known if path.name == str(name) or path.name.startswith(f"{name}_")]
    if len(fits) != 1:
        have = ", ".join(path.name for path in known)
        raise CourseError(
            f"no assignment {name}: expected the path of a folder with an assignment.toml, or one of {have}"
        )
    return Assignment.read(fits[0])


# ---- the student's file


def _without_markers(text: str) -> str:
    kept = [line for line in text.splitlines() if line.strip() not in (BEGIN, END)]
    return "\n".join(kept) + "\n"


def stub(text: str, names: Sequence[str] = ()) -> str:
    """The student's version of a file: each solution gives way to a line that says that it is to be written.

    Parameters
    ----------
    text : str
        With solutions between ``# BEGIN SOLUTION`` and ``# END SOLUTION``.
    names : sequence of str
        Names that must have a solution.

    Raises
    ------
    CourseError
        If a marker has no partner, or a name no solution.

    Examples
    --------
    >>> print(stub('''def double(x):
    ...     # BEGIN SOLUTION
    ...     return 2 * x
    ...     # END SOLUTION
    ... '''), end="")
    def double(x):
        raise NotImplementedError("double is still to be written")
    """
    lines: list[str] = []
    inside, owner, written = False, "", set()
    for number, line in enumerate(text.splitlines(), 1):
        top = re.match(r"(?:def|class) (\w+)", line)
        owner = top.group(1) if top else owner
        mark = line.strip()
        if mark in (BEGIN, END):
            if inside == (mark == BEGIN):
                raise CourseError(f"line {number}: {mark} without its partner")
            inside = mark == BEGIN
            written.add(owner)
            if inside:
                indent = line[: len(line) - len(line.lstrip())]
                lines.append(f'{indent}raise NotImplementedError("{owner} is still to be written")')
        elif not inside:
            lines.append(line)
    if inside:
        raise CourseError(f"the last {BEGIN} has no {END}")
    if set(names) - written:
        raise CourseError(f"no solution marked in {', '.join(sorted(set(names) - written))}")
    return "\n".join(lines) + "\n"


def definitions(text: str) -> dict[str, tuple[int, int]]:
    """Where each function and class at the top of a file stands: its first line, from 0, and the line after its last.

    >>> definitions("x = 1\\n\\ndef f():\\n    return x\\n")
    {'f': (2, 4)}
    """
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = (first - 1, node.end_lineno or node.lineno)
    return found


# ---- known answers

FEW_DIGITS = "float32 has seven digits. Are your values right to seven digits, too?"
"""A hint that answers to several assignments share."""


@dataclass(frozen=True)
class Answer:
    """A known answer to one task: the solution with something changed in it.

    Made by `right` and `wrong`.

    Attributes
    ----------
    task : int
    name : str
        What is special about it.
    hint : str
        For a wrong one: what a student who made this mistake should read.
    source : str
        Definitions that take the place of the solution's; or empty.
    change : tuple of (str, str)
        Pieces of the task's solution, and what takes their place.
    """

    task: int
    name: str
    hint: str = ""
    source: str = ""
    change: tuple[tuple[str, str], ...] = field(default=())

    @property
    def wrong(self) -> bool:
        """Whether it is a wrong one."""
        return bool(self.hint)


def wrong(task: int, name: str, hint: str, change: Any = None, source: str = "") -> Answer:
    """A wrong answer.

    Parameters
    ----------
    task : int
    name : str
        What is wrong; for authors and instructors.
    hint : str
        What the student reads whose answer fails in the same way.  It must not give the answer away.
    change : dict of str to str
        Pieces of the solution, each of which stands in the task exactly once, and what takes their place.
    source : str
        Or whole definitions that take the place of the solution's.
    """
    return Answer(task, name, hint, source, tuple((change or {}).items()))


def right(task: int, name: str, source: str) -> Answer:
    """Another right answer, written differently: definitions that take the place of the solution's."""
    return Answer(task, name, "", source)


def replaced(solution: str, task: Task, answer: Answer) -> str:
    """The solution with one task answered otherwise.

    Parameters
    ----------
    solution : str
    task : Task
    answer : Answer

    Returns
    -------
    str

    Raises
    ------
    CourseError
        If what is to be changed does not stand there exactly once.

    Examples
    --------
    >>> task = Task(1, "doubling", ("double",), 1)
    >>> triple = wrong(1, "triples", "Is that not three times?", {"2": "3"})
    >>> print(replaced("def double(x):\\n    return 2 * x\\n", task, triple), end="")
    def double(x):
        return 3 * x
    """
    lines, where = solution.splitlines(), definitions(solution)
    spans = [where[name] for name in task.names]
    if answer.source:
        spans = [where[name] for name in definitions(answer.source) if name in task.names]
        if not spans:
            raise CourseError(f"the answer {answer.name!r} defines none of {', '.join(task.names)}")
    pieces = ["\n".join(lines[first:last]) for first, last in spans]
    if answer.source:
        pieces = [answer.source.strip("\n"), *("" for _ in pieces[1:])]
    for old, new in answer.change:
        count = sum(piece.count(old) for piece in pieces)
        if count != 1:
            raise CourseError(f"the answer {answer.name!r}: {old!r} stands {count} times in the task, expected once")
        pieces = [piece.replace(old, new) for piece in pieces]
    for (first, last), piece in sorted(zip(spans, pieces), reverse=True):
        lines[first:last] = piece.splitlines()
    return "\n".join(lines) + "\n"
