"""From graded results to grades: manual points, late days, a roster, files for learning platforms, statistics.

Everything here reads what ``minigen course grade`` has written (``results/NAME.json``) and two tables that an
instructor keeps: `adjustments` and a roster.  Neither is ever written by a program, so points and comments that were
given by hand survive a regrade.
"""

import csv
import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._util.atomic_write import replace_file
from ..._util.tables import Table
from .assignment import CourseError

__all__ = ["Adjustment", "Entry", "LatePolicy", "Person", "export", "gradebook", "read_adjustments", "read_roster",
           "similar_pairs", "statistics"]  # fmt: skip


@dataclass(frozen=True)
class Adjustment:
    """What an instructor adds to a result.

    Attributes
    ----------
    points : float
        Added to the points of the tests; may be negative.
    comment : str
        For the student.
    late_days : float
        How late the submission was.
    excused_days : float
        Days that do not count, such as an extension.
    """

    points: float = 0.0
    comment: str = ""
    late_days: float = 0.0
    excused_days: float = 0.0


@dataclass(frozen=True)
class Person:
    """A row of the roster: the student's name in the files, and what the learning platform knows."""

    student: str
    name: str = ""
    id: str = ""
    email: str = ""
    section: str = ""


@dataclass(frozen=True)
class LatePolicy:
    """What late days cost.

    Attributes
    ----------
    percent : float
        Of the possible points, for each late day that counts.
    free_days : float
        Late days that every student has before any day counts.

    Examples
    --------
    >>> LatePolicy(percent=10, free_days=1).penalty(Adjustment(late_days=3, excused_days=1), possible=40)
    4.0
    """

    percent: float = 0.0
    free_days: float = 0.0

    def penalty(self, adjustment: Adjustment, possible: float) -> float:
        """The points that are taken away: at least 0, at most all."""
        days = max(0.0, adjustment.late_days - adjustment.excused_days - self.free_days)
        return min(possible, days * self.percent / 100 * possible)


@dataclass(frozen=True)
class Entry:
    """A student's grade, and what it is made of: ``total = max(0, tests + manual - penalty)``."""

    person: Person
    tests: float
    manual: float
    penalty: float
    possible: float
    comment: str
    problem: str

    @property
    def total(self) -> float:
        """The grade."""
        return round(max(0.0, self.tests + self.manual - self.penalty), 6)


def read_adjustments(path: Path) -> dict[str, Adjustment]:
    """Read a CSV file with the columns student, points, comment, late_days, excused_days; only the first is required.

    Raises
    ------
    CourseError
        If a column is unknown, a number is none, or a student has two rows.
    """
    found: dict[str, Adjustment] = {}
    for line, row in _rows(path, {"student", "points", "comment", "late_days", "excused_days"}):
        numbers = {}
        for key in ("points", "late_days", "excused_days"):
            text = (row.get(key) or "").strip().replace(",", ".")
            try:
                numbers[key] = float(text or 0)
            except ValueError:
                raise CourseError(f"{path}, line {line}: expected a number for {key}, got {text!r}") from None
        if row["student"] in found:
            raise CourseError(f"{path}, line {line}: {row['student']} has two rows")
        found[row["student"]] = Adjustment(comment=(row.get("comment") or "").strip(), **numbers)
    return found


def read_roster(path: Path) -> dict[str, Person]:
    """Read a CSV file with the columns student, name, id, email, section; only the first is required.

    Raises
    ------
    CourseError
        If a column is unknown, or a student has two rows.
    """
    found: dict[str, Person] = {}
    for line, row in _rows(path, {"student", "name", "id", "email", "section"}):
        if row["student"] in found:
            raise CourseError(f"{path}, line {line}: {row['student']} has two rows")
        found[row["student"]] = Person(**{key: (value or "").strip() for key, value in row.items()})
    return found


def _rows(path: Path, known: set[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        lines = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}") from None
    columns = [column.strip() for column in lines.fieldnames or ()]
    if "student" not in columns:
        raise CourseError(f"{path}: expected a column student, got {', '.join(columns) or 'none'}")
    if unknown := sorted(set(columns) - known):
        raise CourseError(f"{path}: unknown column {unknown[0]}; expected {', '.join(sorted(known))}")
    lines.fieldnames = columns
    rows = [(i, {k: v for k, v in row.items() if k is not None}) for i, row in enumerate(lines, 2)]
    return [(i, row | {"student": (row["student"] or "").strip()}) for i, row in rows if (row["student"] or "").strip()]


def _results(folder: Path) -> list[dict[str, Any]]:
    """What ``minigen course grade`` has stored."""
    found = []
    for path in sorted((folder / "results").glob("*.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CourseError(f"{path} is damaged ({error}): grade again") from None
        found.append(result | {"stem": path.stem})
    if not found:
        raise CourseError(f"{folder} has no results: expected the folder that minigen course grade has written")
    return found


def gradebook(
    folder: Path,
    roster: dict[str, Person] | None = None,
    adjustments: dict[str, Adjustment] | None = None,
    policy: LatePolicy | None = None,
) -> list[Entry]:
    """Combine results, roster and adjustments.

    Parameters
    ----------
    folder : Path
        What ``minigen course grade`` has written.
    roster : dict of str to Person, optional
        Students on it without a submission get 0 points.  Submissions of others are kept, and say so.
    adjustments : dict of str to Adjustment, optional
    policy : LatePolicy, optional

    Returns
    -------
    list of Entry
        Sorted by student.

    Raises
    ------
    CourseError
        If there are no results, or an adjustment has an unknown name: a misspelled name must not lose points.
    """
    results = {result["student"]: result for result in _results(folder)}
    adjustments, policy = adjustments or {}, policy or LatePolicy()
    students = sorted({*results, *(roster or {})})
    if unknown := sorted(set(adjustments) - set(students)):
        raise CourseError(f"an adjustment is for {unknown[0]!r}, who has no submission and is not on the roster")
    possible = max(result["possible"] for result in results.values())
    entries = []
    for student in students:
        result = results.get(student, {"points": 0, "possible": possible, "problem": "nothing handed in"})
        problem = result["problem"]
        if roster and student not in roster:
            problem = "; ".join(part for part in (problem, "not on the roster") if part)
        adjustment = adjustments.get(student, Adjustment())
        penalty = policy.penalty(adjustment, result["possible"]) if student in results else 0.0
        person = (roster or {}).get(student, Person(student))
        entries.append(Entry(person, result["points"], adjustment.points, penalty, result["possible"],
                             adjustment.comment, problem))  # fmt: skip
    return entries


def statistics(folder: Path) -> str:
    """How many passed each test, and how often each hint was given, as Markdown: what to explain to the class."""
    results = [result for result in _results(folder) if result["tests"]]
    passed: Counter[tuple[int, str]] = Counter()
    states: dict[tuple[int, str], Counter[str]] = {}
    hints: Counter[tuple[int, str]] = Counter()
    for result in results:
        for test in result["tests"]:
            key = (test["task"], test["title"])
            passed[key] += test["state"] == "passed"
            states.setdefault(key, Counter())[test["state"]] += 1
            if test["hint"]:
                hints[test["task"], test["hint"]] += 1
    rows = []
    for (task, title), counts in sorted(states.items(), key=lambda item: item[0][0]):
        others = ", ".join(f"{state}: {n}" for state, n in counts.most_common() if state != "passed")
        rows.append([task, title, f"{passed[task, title]} of {sum(counts.values())}", others])
    points = sorted(result["points"] for result in results)
    middle = points[len(points) // 2] if points else 0
    parts = [f"{len(results)} submissions with results; median {middle:g} points.", "", "## Tests", ""]
    parts += [Table(["task", "test", "passed", "otherwise"], rows, "rlrl").markdown(), "", "## Hints", ""]
    often = [[task, hint, n] for (task, hint), n in hints.most_common()]
    return "\n".join([*parts, Table(["task", "hint", "students"], often, "rlr").markdown(), ""])


def export(folder: Path, out: Path, title: str, entries: Sequence[Entry]) -> list[Path]:
    """Write the grades, the files for Canvas and Moodle, the statistics, and pages with the comments.

    Parameters
    ----------
    folder : Path
        What ``minigen course grade`` has written.
    out : Path
        A folder, which may be made anew at any time.
    title : str
        The column's name in the learning platform.
    entries : sequence of Entry

    Returns
    -------
    list of Path
        What was written.
    """
    (out / "pages").mkdir(parents=True, exist_ok=True)
    columns = ["student", "name", "id", "tests", "manual", "late", "total", "possible", "comment", "problem"]
    rows = []
    for e in entries:
        numbers = [f"{number:g}" for number in (e.tests, e.manual, 0 - e.penalty, e.total, e.possible)]
        rows.append([e.person.student, e.person.name, e.person.id, *numbers, e.comment, e.problem])
    files = {
        "gradebook.csv": Table(columns, rows).csv(),
        "canvas.csv": _canvas(title, entries).csv(),
        "moodle.csv": _moodle(entries).csv(),
        "statistics.md": f"# {title}\n\n{statistics(folder)}",
    }
    stems = {result["student"]: result["stem"] for result in _results(folder)}
    for entry in entries:
        page = folder / "pages" / f"{stems.get(entry.person.student, '')}.html"
        if page.is_file():
            files[f"pages/{page.name}"] = _page(page.read_text(encoding="utf-8"), entry)
    for name, text in files.items():
        replace_file(out / name, text.encode("utf-8", "backslashreplace"))
    return [out / name for name in files]


CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
"""Canvas finds these by place: Student, ID, then the two of the student information system, then Section."""

_CANVAS_SKIPS = ("Current Score", "Current Points", "Current Grade", "Final Score", "Final Points", "Final Grade",
                 "Override Score", "Override Grade", "Override Status")  # fmt: skip
"""Canvas takes columns whose name contains one of these for its own sums, and ignores them."""


def _canvas(title: str, entries: Sequence[Entry]) -> Table:
    """The table for Canvas's gradebook.

    ``ID`` is a number of Canvas itself, which a roster does not have: it is left empty, so that no student's number is
    taken for another's.  Canvas then looks for the SIS User ID (the roster's ``id``), the SIS Login ID, and the name.
    """
    if title in CANVAS_COLUMNS or any(name in title for name in _CANVAS_SKIPS):
        raise CourseError(f"--title {title!r}: Canvas has such a column itself; choose another name")
    limit = max((e.possible for e in entries), default=0)
    rows = [["    Points Possible", "", "", "", "", f"{limit:g}"]]
    for e in entries:
        person = e.person
        rows.append([person.name or person.student, "", person.id, person.student, person.section, f"{e.total:g}"])
    return Table([*CANVAS_COLUMNS, title], rows)


def _moodle(entries: Sequence[Entry]) -> Table:
    """The table for Moodle's import of grades: only rows and columns that identify a student.

    Moodle gives a row without the identifying value to the student of the row before.  So a column of identifiers is
    there only if it is filled in every row, and who has no identifier is left out; see `without_identifier`.
    """
    left_out = without_identifier(entries)
    kept = [e for e in entries if e.person.student not in left_out]
    columns = {"Email address": [e.person.email for e in kept], "ID number": [e.person.id for e in kept]}
    columns = {name: values for name, values in columns.items() if all(values)}
    columns |= {"Grade": [f"{e.total:g}" for e in kept], "Feedback comments": [e.comment for e in kept]}
    return Table(list(columns), [list(row) for row in zip(*columns.values())])


def without_identifier(entries: Sequence[Entry]) -> list[str]:
    """The students whom Moodle's table leaves out.

    Moodle identifies by email, if any student has one, and else by ID number.
    """
    by_email = any(e.person.email for e in entries)
    return [e.person.student for e in entries if not (e.person.email if by_email else e.person.id)]


def _page(page: str, entry: Entry) -> str:
    """A student's page with the grade and the comment below the points of the tests."""
    if not (entry.manual or entry.penalty or entry.comment):
        return page
    sums = [f"tests {entry.tests:g}", f"by hand {entry.manual:+g}" * bool(entry.manual),
            f"late {-entry.penalty:g}" * bool(entry.penalty)]  # fmt: skip
    said = f"<p>{html.escape(entry.comment)}</p>" if entry.comment else ""
    made_of = ", ".join(part for part in sums if part)
    block = f'<div class="hint"><p><b>Grade: {entry.total:g}</b> of {entry.possible:g} ({made_of})</p>{said}</div>'
    return re.sub(r'(<p class="score">.*?</p>)', lambda match: match[1] + block, page, count=1, flags=re.DOTALL)


# ---- similarity

WORD = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]")


def similar_pairs(
    sources: dict[str, str], given: str, least: float = 0.5, length: int = 12
) -> list[tuple[float, str, str]]:
    """Find pairs of submissions that share much text, whatever their names, spaces and comments are.

    Each source becomes a sequence of tokens, in which every name is the same token; runs of `length` tokens are
    compared as sets (Jaccard similarity).  Runs that the students' template has are left out.  A high number is a
    reason to read both files, and never a proof: short tasks have few right answers.

    Parameters
    ----------
    sources : dict of str to str
        By student.
    given : str
        The file that was handed out.
    least : float
        The smallest similarity to report, from 0 to 1.
    length : int
        Tokens of a run.

    Returns
    -------
    list of (float, str, str)
        The most similar first.

    Examples
    --------
    >>> a = "def f(x):\\n    y = x * x  # square\\n    return y + 2 * x - 1\\n"
    >>> b = a.replace("y", "value").replace("# square", "")
    >>> similar_pairs({"ada": a, "bob": b, "cyd": "def f(x): return (x + 1) ** 2 - 2 if x else -1"}, "def f(x): ...")
    [(1.0, 'ada', 'bob')]
    """
    known = _runs(given, length)
    runs = {student: _runs(source, length) - known for student, source in sources.items()}
    students = sorted(student for student, found in runs.items() if found)
    pairs = []
    for i, one in enumerate(students):
        for other in students[i + 1 :]:
            share = len(runs[one] & runs[other]) / len(runs[one] | runs[other])
            if share >= least:
                pairs.append((round(share, 3), one, other))
    return sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))


def _runs(source: str, length: int) -> set[tuple[str, ...]]:
    text = re.sub(r'""".*?"""|\'\'\'.*?\'\'\'|#[^\n]*', "", source, flags=re.DOTALL)
    keep = {"def", "for", "while", "if", "else", "return", "in", "lambda", "not", "and", "or", "with", "class"}
    words = [w if w in keep or not (w[0].isalpha() or w[0] == "_") else "NAME" for w in WORD.findall(text)]
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}
