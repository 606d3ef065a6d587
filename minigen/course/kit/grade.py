"""Grading a folder of submissions: a CSV file for all, a page for each student."""

import contextlib
import hashlib
import json
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._util.atomic_write import TEMPORARY, replace_file
from ..._util.tables import Table
from .assignment import Assignment, CourseError
from .html_report import secret_lines, student_page, withheld
from .result import UNLOADED
from .runner import Budget, Stopped, never
from .scoring import decoded, fingerprint, grade_file, read_submission

__all__ = ["Submission", "find_submissions", "grade"]

LARGEST = 1_000_000
"""No answer has more bytes than this."""

IGNORED = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", "Thumbs.db", "desktop.ini")
"""Names that operating systems and notebooks leave in folders."""

LONGEST = 80
"""Characters of a student's name in the names of files; file systems allow some 255 bytes."""


@dataclass(frozen=True)
class Submission:
    """What a student has handed in.

    Attributes
    ----------
    student : str
    source : str
        The file's text; empty where there is a problem.
    origin : str
        Where it was found.
    problem : str
        Why there is nothing to grade; empty if there is.
    """

    student: str
    source: str = ""
    origin: str = ""
    problem: str = ""


def find_submissions(folder: Path, file: str) -> list[Submission]:
    """The submissions in a folder: for each student a ``.py``, a ``.zip`` or a folder that holds the file.

    Parameters
    ----------
    folder : Path
    file : str
        The name that the file should have.

    Returns
    -------
    list of Submission
        Sorted by student.  A submission that cannot be read is there, with its problem.

    Raises
    ------
    CourseError
        If there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise CourseError(f"{folder} is not a folder; expected one with the submissions")
    found: dict[str, Submission] = {}
    entries = [e for e in sorted(folder.iterdir()) if not e.name.startswith(".") and e.name not in IGNORED]
    others = [e for e in entries if not e.is_dir() and not (e.is_file() and e.suffix in (".py", ".zip"))]
    for entry in (e for e in entries if e not in others):
        student = _student(entry, file)
        while student in found:
            student += "-again"
        try:
            found[student] = Submission(student, *(_readable(text) for text in _read(entry, file)))
        except Exception as error:  # whatever is wrong with one file, the others are graded
            found[student] = Submission(student, origin=_readable(entry.name), problem=_problem(error))
    for entry in others:  # a student may have handed in the notebook alone
        student = _student(entry, file)
        problem = f"expected {file}, a .zip or a folder, got {_readable(entry.name)}"
        found.setdefault(student, Submission(student, origin=_readable(entry.name), problem=problem))
    if not found:
        raise CourseError(f"no submissions in {folder}: expected a .py, a .zip or a folder for each student")
    return sorted(found.values(), key=lambda submission: submission.student)


def _problem(error: Exception) -> str:
    """Why a submission cannot be read, in one line."""
    said = _readable(" ".join(str(error).split()))
    expected = isinstance(error, CourseError | OSError | zipfile.BadZipFile)
    return said if said and expected else f"cannot be read: {type(error).__name__}{f': {said}' * bool(said)}"


def _readable(text: str) -> str:
    """Text without what UTF-8 cannot hold: names of files may consist of any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if not text.isascii() else text


def _student(entry: Path, file: str) -> str:
    """A student's name from that of what was handed in, such as ``smith_autograd_a1.py``."""
    name = _readable(entry.name if entry.is_dir() else entry.stem)
    stem = re.escape(Path(file).stem)
    return re.sub(rf"[-_ ]*{stem}([-_ ]*\(?\d+\)?)?$", "", name) or name


def _read(entry: Path, file: str) -> tuple[str, str]:
    """The text of the student's file, and where it was."""
    if entry.suffix == ".zip" and entry.is_file():
        with zipfile.ZipFile(entry) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
            name = _choose(list(sizes), file)
            if sizes[name] > LARGEST:
                raise CourseError(f"{name} has {sizes[name]} bytes; expected at most {LARGEST}")
            with archive.open(name) as inside:
                return decoded(inside.read(LARGEST), name), f"{entry.name}: {name}"
    path = entry
    if entry.is_dir():
        inside_it = [p.relative_to(entry).as_posix() for p in sorted(entry.rglob("*.py")) if p.is_file()]
        path = entry / _choose(inside_it, file)
    if path.stat().st_size > LARGEST:
        raise CourseError(f"{path.name} has {path.stat().st_size} bytes; expected at most {LARGEST}")
    return read_submission(path), path.relative_to(entry.parent).as_posix()


def _choose(names: list[str], file: str) -> str:
    """The path, among those handed in, of the file to grade."""
    names = [n for n in names if n.endswith(".py") and not any(part in IGNORED for part in n.split("/"))]
    right = [n for n in names if n.rpartition("/")[2] == file] or names
    depth = min((n.count("/") for n in right), default=0)
    right = [n for n in right if n.count("/") == depth]
    if len(right) != 1:
        raise CourseError(f"expected one file {file}, got {', '.join(right) or 'none'}")
    return right[0]


# ---- grading


def grade(
    assignment: Assignment,
    folder: Path,
    out: Path,
    regrade: bool = False,
    jobs: int = 1,
    stop: Callable[[], bool] = never,
    only: Collection[str] = (),
    budget: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Grade a folder of submissions; each result is written at once, the CSV file at the end.

    What has been graded before keeps its result, unless it or the tests have changed.

    Parameters
    ----------
    assignment : Assignment
        A grader's copy.
    folder : Path
    out : Path
        Gets ``grades.csv``, ``pages/STUDENT.html`` and ``results/STUDENT.json``.
    regrade : bool
        Grade everything anew.
    jobs : int
        How many to grade at a time; more than 1 disturbs tests that measure time.
    stop : callable, optional
        Asked several times a second whether to stop.
    only : collection of str, optional
        Grade these students alone; the results of others, from before, stay in the CSV file as they are.
    budget : float, optional
        Seconds of processor time for all tests of a submission together.

    Yields
    ------
    dict
        A result each, with ``kept`` saying whether it is from before.

    Raises
    ------
    Stopped
        If `stop` says so: what has been graded is kept, the CSV file is as before, and no process is left.
    """
    if not (assignment.tests / "hidden.py").is_file():
        raise CourseError(f"{assignment.folder} has no hidden tests: expected the grader's copy, not the student's")
    submissions = find_submissions(folder, assignment.file)
    if unknown := sorted(set(only) - {submission.student for submission in submissions}):
        there = ", ".join(submission.student for submission in submissions)
        raise CourseError(f"--only: there is no submission of {unknown[0]}; there are {there}")
    for name in ("pages", "results"):
        (out / name).mkdir(parents=True, exist_ok=True)
        for rest in (out / name).glob(f"{TEMPORARY}*"):
            rest.unlink()
    secret = secret_lines(assignment)
    rules = fingerprint(*(p.read_text(encoding="utf-8") for p in _rules(assignment)))
    stems = file_stems([submission.student for submission in submissions])
    rows = []
    ended = False

    def halt() -> bool:
        return ended or stop()

    pool = ThreadPoolExecutor(jobs)
    try:
        rows += [
            {**before, "kept": True}
            for s in submissions
            if only and s.student not in only and (before := _before(out / "results" / f"{stems[s.student]}.json"))
        ]
        futures = [
            pool.submit(_one, assignment, s, out, stems[s.student], rules, secret, regrade, budget, halt)
            for s in submissions
            if not only or s.student in only
        ]
        for future in futures:
            rows.append(_result(future, halt))
            yield rows[-1]
    finally:
        ended = True  # also where the caller goes away
        pool.shutdown(cancel_futures=True)
    replace_file(out / "grades.csv", _bytes(_table(assignment, rows)))


def _result(future: "Future[dict[str, Any]]", stop: Callable[[], bool]) -> dict[str, Any]:
    while not stop():
        with contextlib.suppress(TimeoutError):
            return future.result(timeout=0.1)
    raise Stopped


def file_stems(students: list[str]) -> dict[str, str]:
    """The names of each student's files: no two alike, not even where upper and lower case are the same.

    >>> file_stems(["smith", "li wei", "li_wei"])
    {'smith': 'smith', 'li wei': 'li_wei-475da0', 'li_wei': 'li_wei'}
    """
    plain = {
        student: re.sub(r"[^\w.@+-]", "_", unicodedata.normalize("NFC", student))[:LONGEST] for student in students
    }
    counts = Counter(stem.casefold() for student, stem in plain.items() if stem == student)
    stems = {}
    for student, stem in plain.items():
        digest = hashlib.sha256(student.encode("utf-8", "backslashreplace")).hexdigest()[:6]
        alone = stem == student and counts[stem.casefold()] == 1 and len(stem.encode()) < 200
        stems[student] = stem if alone else f"{stem.encode()[:180].decode('utf-8', 'ignore')}-{digest}"
    return stems


def _bytes(text: str) -> bytes:
    """UTF-8, with an escape for what it cannot hold: a student's program may print or raise any text."""
    return text.encode("utf-8", "backslashreplace")


def _rules(assignment: Assignment) -> list[Path]:
    tests = [path for path in sorted(assignment.tests.iterdir()) if path.is_file()]
    return [assignment.folder / "assignment.toml", assignment.folder / "solution" / assignment.file, *tests]


def _one(
    assignment: Assignment,
    submission: Submission,
    out: Path,
    stem: str,
    rules: str,
    secret: list[str],
    regrade: bool,
    budget: float | None,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    """One student's result; whatever goes wrong is part of it."""
    mark = fingerprint(rules, submission.source, submission.problem, *([f"{budget:g}"] if budget else []))
    if not regrade:
        before = _before(out / "results" / f"{stem}.json")
        page = (out / "pages" / f"{stem}.html").is_file()
        if page and (before.get("fingerprint"), before.get("student")) == (mark, submission.student):
            return {**before, "kept": True}
    result: dict[str, Any] = {"points": 0, "possible": assignment.points, "passed": 0, "tests": [], "printed": ""}
    result["version"] = assignment.version
    problem = submission.problem
    if not problem:
        try:
            allowed = Budget(budget) if budget else None
            result = grade_file(assignment, submission.source, assignment.file, stop=stop, budget=allowed).to_dict()
        except Exception as error:  # a fault of the kit: the others' grading goes on
            problem = f"could not be graded: {type(error).__name__}: {error}"
    result |= {"student": submission.student, "origin": submission.origin, "problem": problem, "fingerprint": mark}
    result["notes"] = _notes(secret, submission.source, result["printed"])
    writers: dict[Path, Callable[[], str]] = {
        out / "pages" / f"{stem}.html": lambda: student_page(assignment, result, submission.source, secret),
        out / "results" / f"{stem}.json": lambda: json.dumps(result, indent=1, ensure_ascii=False),  # last: it is kept
    }
    for path, text in writers.items():
        try:
            replace_file(path, _bytes(text()))
        except Exception as error:  # a full disk, say: the row in the CSV file remains
            result["fingerprint"] = ""  # to be graded anew
            result["problem"] = problem = f"{path.name} cannot be written: {type(error).__name__}: {error}"
    return {**result, "kept": False}


def _before(path: Path) -> dict[str, Any]:
    """An earlier result; empty where there is none, or its file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


LOOKED_AT = ("_getframe", "currentframe", "get_referrers", "get_objects", "__subclasses__", "f_globals", "f_locals")
"""Names by which a file can reach the tests that run it; hardly an honest answer needs one."""


def _notes(secret: list[str], source: str, printed: str) -> list[str]:
    """What an instructor should look at before trusting a result."""
    notes = [f"uses {name}" for name in LOOKED_AT if re.search(rf"\b{name}\b", source)]
    if withheld(secret, printed) != printed:
        notes.append("prints lines of the hidden tests or of the solution")
    return notes


def _table(assignment: Assignment, rows: list[dict[str, Any]]) -> str:
    """All results as CSV, with a column for each task."""
    columns = ["student", "points", "possible", *(f"task {t.number}" for t in assignment.tasks)]
    lines = []
    for row in sorted(rows, key=lambda row: row["student"]):
        tasks = [sum(t["points"] for t in row["tests"] if t["task"] == task.number) for task in assignment.tasks]
        notes = "; ".join(row.get("notes", []))
        version = row.get("version", "")
        lines.append(
            [row["student"], row["points"], row["possible"], *tasks, summary(row), row["origin"], notes, version]
        )
    return Table([*columns, "problem", "origin", "notes", "version"], lines).csv()


def summary(row: dict[str, Any]) -> str:
    """Why a result is what it is, where one line can say so.

    >>> summary({"problem": "", "tests": [{"state": "time"}, {"state": "wrong"}, {"state": "passed"}]})
    'time: 1'
    """
    if row["problem"]:
        return row["problem"]
    states = [t["state"] for t in row["tests"]]
    reasons = {t["reason"].splitlines()[0] for t in row["tests"] if t.get("reason", "").startswith(UNLOADED)}
    if reasons:
        return reasons.pop()
    counts = [f"{s}: {states.count(s)}" for s in ("time", "memory", "exit", "not written", "forbidden") if s in states]
    return ", ".join(counts)
