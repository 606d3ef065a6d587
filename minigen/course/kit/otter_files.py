"""What Otter and Gradescope need, made from a grader's copy.

`Otter <https://otter-grader.readthedocs.io>`_ runs exception-based test files, one a task: ``otter run FILE -a
autograder.zip`` grades on this machine, and the zip works with Gradescope.  Each test file carries the grader's copy
within itself and asks `Grader`, which runs the tests as ``minigen course grade`` does: both give the same points.

A trap: Otter copies what lies in the zip's ``files/`` over the student's files, silently, so that a file of the
student's name there would be graded in place of the student's own.  So no ``.py`` goes there.
"""

import base64
import contextlib
import functools
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path

from ..._util.atomic_write import replace_file
from .assignment import Assignment, CourseError
from .scoring import Score, grade_file, read_submission
from .testing import load_tests

__all__ = ["Grader", "write"]

TEST_FILE = '''\
"""Made by minigen course build: edit the template instead."""

from otter.test_files import test_case

from minigen.course.kit.otter_files import Grader

OK_FORMAT = False
name = {name!r}
points = None
GRADER = Grader(
    {packed!r}
)
'''

TEST_CASE = """

@test_case(name={title!r}, points={points!r}, hidden={hidden!r})
def {name}(env):
    GRADER.expect({name!r})
"""


def write(assignment: Assignment, folder: Path, wheel: Path) -> list[str]:
    """Write Otter's test files and, where Otter is installed, ``autograder.zip``.

    Parameters
    ----------
    assignment : Assignment
        Of a grader's copy.
    folder : Path
        Where to.
    wheel : Path
        Of minigen: a grading machine that is set up from the zip installs this file, and asks no index for minigen.

    Returns
    -------
    list of str
        Notes for the instructor.
    """
    (folder / "tests").mkdir(parents=True, exist_ok=True)
    packed = _pack(assignment)
    for task in assignment.tasks:
        text = TEST_FILE.format(name=f"Task {task.number}: {task.title}", packed=packed)
        for t in load_tests(assignment.tests):
            if t.task == task.number:
                text += TEST_CASE.format(title=t.title, points=t.points, hidden=t.hidden, name=t.name)
        replace_file(folder / "tests" / f"task_{task.number}.py", text.encode())
    config = {"show_stdout": False, "show_hidden": False}
    replace_file(folder / "otter_config.json", json.dumps(config, indent=1).encode())
    replace_file(folder / "requirements.txt", f"/autograder/source/files/{wheel.name}\n".encode())
    replace_file(folder / wheel.name, wheel.read_bytes())
    try:
        from otter import generate
    except ImportError:
        return ['no autograder.zip: Otter is not installed (python -m pip install "minigen-lab[course]")']
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(folder):  # Otter's paths start from there
        made = Path(scratch, "autograder.zip")
        generate.main(output_path=str(made), files=[wheel.name])
        replace_file(Path("autograder.zip"), made.read_bytes())
    return [f"for Otter      {folder / 'autograder.zip'} ({wheel.name} is in it)"]


def _pack(assignment: Assignment) -> str:
    """The grader's copy as text."""
    parts = [Path("assignment.toml"), Path("solution", assignment.file)]
    parts += [path.relative_to(assignment.folder) for path in sorted(assignment.tests.iterdir()) if path.is_file()]
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            info = zipfile.ZipInfo(part.as_posix())  # with a fixed date: the same every time
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, (assignment.folder / part).read_bytes())
    return base64.b64encode(memory.getvalue()).decode()


class Grader:
    """Judges the submission in the current folder, for Otter's test files.

    Parameters
    ----------
    packed : str
        A grader's copy, as `write` packs it.
    """

    def __init__(self, packed: str):
        self.packed = packed

    def expect(self, test: str) -> None:
        """Raise what the test has to say, unless it passed.

        Raises
        ------
        AssertionError
            With the feedback.
        """
        outcome = _judged(self.packed, os.getcwd()).outcomes[test]
        if not outcome.passed:
            raise AssertionError(outcome.text())


@functools.cache
def _judged(packed: str, folder: str) -> Score:
    """The verdict on the student's own file, once for all test files."""
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))) as archive:
            archive.extractall(scratch)
        assignment = Assignment.read(Path(scratch))
        path = _own_file(Path(folder), assignment.file)
        return grade_file(assignment, read_submission(path), path.name)


def _own_file(folder: Path, name: str) -> Path:
    """The student's file: the one with the right name, or the only one."""
    if (folder / name).is_file():
        return folder / name
    files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    if len(files) != 1:
        raise CourseError(f"expected a file {name}, got {', '.join(f.name for f in files) or 'no .py at all'}")
    return files[0]
