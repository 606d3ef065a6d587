"""Making the student's and the grader's copy of an assignment from its template."""

import ast
import json
import re
import tokenize
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from ..._util.atomic_write import replace_file
from . import known_answers, otter_files
from .assignment import BEGIN, END, Assignment, CourseError, find, stub
from .testing import load_tests
from .wheel import make_wheel

__all__ = ["Built", "build", "faults", "leaks", "student_files"]


WORKFLOW = """\
# For GitHub Classroom: the public tests, at each push.
name: public tests
on: push
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: python -m pip install ./minigen_lab-*.whl
      - run: minigen course check
"""


@dataclass
class Built:
    """What `build` has made.

    Attributes
    ----------
    student, grader : Path
        The two folders.
    notes : list of str
        What the instructor should know.
    """

    student: Path
    grader: Path
    notes: list[str] = field(default_factory=list)


def build(name: str | Path, out: Path, wheel: Path | None = None) -> Built:
    """Make the student's copy, ``out/student/NAME``, and the grader's, ``out/grader/NAME``.

    Parameters
    ----------
    name : str or Path
        Such as A1, or the folder of a template.
    out : Path
    wheel : Path, optional
        A wheel of minigen for students and for the grading machine, which goes into the student's copy and into
        Otter's zip.  If it is not given, one is made of the minigen that runs.

    Returns
    -------
    Built

    Raises
    ------
    CourseError
        If the template is at fault, if something would leak into the student's copy, or if a student's copy is there
        that differs: nothing in it is ever overwritten.  Nothing is written then.
    """
    if wheel is not None and (wheel.suffix != ".whl" or not wheel.is_file()):
        raise CourseError(f"--wheel: expected a .whl file that exists, got {wheel}")
    package, content = (wheel.name, wheel.read_bytes()) if wheel else make_wheel()
    assignment = find(name)
    results = known_answers.run_all(assignment)
    wrongs = faults(assignment, results)
    if wrongs:
        raise CourseError(f"{assignment.folder}: {'; '.join(wrongs)}")
    mine = student_files(assignment, results, package)
    found = leaks(assignment, mine)
    if found:
        raise CourseError(f"{assignment.folder}: the student's copy would give away: {'; '.join(found)}")
    built = Built(out / "student" / assignment.name, out / "grader" / assignment.name)
    differing = [path for path, text in mine.items() if _differs(built.student / path, text)]
    if differing:
        raise CourseError(
            f"{built.student} is there and differs in {', '.join(differing)}: nothing was written. "
            "Build into another folder (--out), or move that one away"
        )
    for path, text in mine.items():
        if not (built.student / path).exists():
            _write(built.student / path, text)
    replace_file(built.student / package, content)
    for path, text in _grader_files(assignment, results).items():
        _write(built.grader / path, text)
    built.notes += otter_files.write(Assignment.read(built.grader), built.grader / "otter", built.student / package)
    return built


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() != text.encode()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())


# ---- is the template in order?


def faults(assignment: Assignment, results: list[known_answers.AnswerResult]) -> list[str]:
    """What is wrong with a template: points that do not add up, wrong answers that pass, right ones that do not.

    Parameters
    ----------
    assignment : Assignment
    results : list of AnswerResult
        As `minigen.course.kit.known_answers.run_all` gives them.

    Returns
    -------
    list of str
        Empty if all is well.
    """
    found = []
    tests = load_tests(assignment.tests)
    for task in assignment.tasks:
        total = sum(t.points for t in tests if t.task == task.number)
        if total != task.points:
            found.append(f"the tests of task {task.number} have {total:g} points, the task {task.points:g}")
    strays = {t.task for t in tests} - {task.number for task in assignment.tasks}
    if strays:
        found.append(f"there are tests for tasks that do not exist: {sorted(strays)}")
    for result in results:
        answer = result.answer
        failed = [name for name, o in {**result.public, **result.hidden}.items() if not o.passed]
        if answer.wrong and not list(result.rejections):
            found.append(f"no hidden test rejects the wrong answer {answer.name!r} to task {answer.task}")
        if not answer.wrong and failed:
            reason = {**result.public, **result.hidden}[failed[0]].text()
            found.append(f"{failed[0]} rejects {answer.name!r}, which is right: {reason}")
    return found


# ---- the student's copy


def student_files(
    assignment: Assignment, results: list[known_answers.AnswerResult], wheel: str = "minigen_lab.whl"
) -> dict[str, str]:
    """The text of every file in the student's copy, by its path in it; its README names the file `wheel`."""
    text = (assignment.folder / assignment.file).read_text(encoding="utf-8")
    names = [name for task in assignment.tasks for name in task.names]
    return {
        assignment.file: stub(text, names),
        "guide.ipynb": _notebook((assignment.folder / "guide.py").read_text(encoding="utf-8")),
        "README.md": _readme(assignment, wheel),
        "assignment.toml": (assignment.folder / "assignment.toml").read_text(encoding="utf-8"),
        "tests/public.py": (assignment.tests / "public.py").read_text(encoding="utf-8"),
        "tests/mistakes.json": known_answers.mistakes(results, hidden=False).dump(),
        ".github/workflows/check.yml": WORKFLOW,
    }


def _grader_files(assignment: Assignment, results: list[known_answers.AnswerResult]) -> dict[str, str]:
    return {
        f"solution/{assignment.file}": assignment.solution(),
        "assignment.toml": (assignment.folder / "assignment.toml").read_text(encoding="utf-8"),
        "tests/public.py": (assignment.tests / "public.py").read_text(encoding="utf-8"),
        "tests/hidden.py": (assignment.tests / "hidden.py").read_text(encoding="utf-8"),
        "tests/mistakes.json": known_answers.mistakes(results, hidden=True).dump(),
        "known_answers.md": f"# Known answers of {assignment.name}\n\n{known_answers.table(assignment, results)}",
    }


def _notebook(text: str) -> str:
    """A py:percent text as a notebook without outputs, the same every time."""
    try:
        import jupytext
    except ImportError as error:
        raise CourseError('building needs jupytext: python -m pip install "minigen-lab[lessons]"') from error
    notebook = jupytext.reads(text, fmt="py:percent")
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i + 1}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _readme(assignment: Assignment, wheel: str) -> str:
    tasks = "\n".join(f"{t.number}. {t.title} ({', '.join(t.names)}): {t.points:g} points" for t in assignment.tasks)
    forbidden = ", ".join(f"`{name}`" for name in assignment.forbidden)
    borrowed = f"An answer that uses one of these gets no points; compare with them as you like: {forbidden}.\n\n"
    return f"""\
# {assignment.title}

Write your answers in `{assignment.file}`, and hand in that file alone.  Keep its name and the names in it.

{tasks}

You need minigen, with what notebooks need.  It is in this folder:

    python -m pip install "./{wheel}[lessons]"

{borrowed * bool(forbidden)}\
Read the guide as you go: open `guide.ipynb` in JupyterLab, or in an editor that shows notebooks.  It imports your file;
nothing that you write in the notebook itself is graded.

Check your answers as often as you like, in this folder:

    minigen course check
    minigen course check --task 1

or in a cell of the notebook.  These are the public tests.  When you have handed in, further tests look at other cases:
other numbers, shapes and dtypes, and whatever else the guide asks for.
"""


# ---- does the student's copy give something away?


def leaks(assignment: Assignment, files: dict[str, str]) -> list[str]:
    """What a student's copy holds that it must not.

    Looked for are: lines of the solutions, of the hidden tests and of the known answers, the hidden tests' names and
    titles, and numbers that stand in the hidden tests and not in the public ones.

    Parameters
    ----------
    assignment : Assignment
        The template.
    files : dict
        Texts by path, as `student_files` gives them.

    Returns
    -------
    list of str
        One line each; empty if all is well.
    """
    template = (assignment.folder / assignment.file).read_text(encoding="utf-8")
    public = (assignment.tests / "public.py").read_text(encoding="utf-8")
    hidden = (assignment.tests / "hidden.py").read_text(encoding="utf-8")
    given, shared = stub(template), stub(template) + public
    secrets = {
        line: "a line of the solution" for line in _solution_lines(template) if line not in given and len(line) > 11
    }
    secrets |= dict.fromkeys(_long_lines(hidden, shared), "a line of the hidden tests")
    for t in load_tests(assignment.tests):
        if t.hidden:
            secrets |= {t.name: "the name of a hidden test", t.title: "the title of a hidden test"}
    for answer in assignment.known_answers():
        secrets |= dict.fromkeys(_long_lines(answer.source, shared), "a line of the known answers")
    numbers = _numbers(hidden) - _numbers(public) - _numbers(given)
    found = []
    for path, text in files.items():
        readable = _cells(text) if path.endswith(".ipynb") else text
        found += [f"{path}: {kind}, {secret!r}" for secret, kind in secrets.items() if secret in readable]
        there = numbers & set(re.findall(r"\d+(?:\.\d*)?\d(?:e-?\d+)?", readable))
        found += [f"{path}: a number of the hidden tests, {number}" for number in sorted(there)]
    return found


def _solution_lines(template: str) -> list[str]:
    lines, inside = [], False
    for line in template.splitlines():
        mark = line.strip()
        if mark in (BEGIN, END):
            inside = mark == BEGIN
        elif inside and not mark.startswith("#"):
            lines.append(mark)
    return lines


def _long_lines(text: str, shared: str) -> set[str]:
    """The lines that are long enough to be no coincidence, and do not stand in what is shared."""
    return {line for line in map(str.strip, text.splitlines()) if len(line) > 24 and line not in shared}


def _cells(notebook: str) -> str:
    return "\n".join("".join(cell["source"]) for cell in json.loads(notebook)["cells"])


def _numbers(source: str) -> set[str]:
    """The numbers in a program that are long enough to be no coincidence."""
    ast.parse(source)
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return {t.string for t in tokens if t.type == tokenize.NUMBER and len(t.string.strip("0.")) > 2}
