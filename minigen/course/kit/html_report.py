"""A student's page: the points, and for each test that failed what is wrong and what to look at."""

import hashlib
import html
import re
from typing import Any

from ..._util.tables import Table, html_page
from .assignment import Assignment
from .result import UNLOADED

__all__ = ["secret_lines", "student_page", "withheld"]

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .25rem 1rem .25rem 0; text-align: left }
td.n, th.n { text-align: right }
tr + tr td { border-top: 1px solid #ddd }
pre { background: #f5f5f5; padding: .6rem .8rem; margin: .4rem 0; font-size: .875rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
.score { font-size: 1.3rem; margin: .3rem 0 1rem }
.test { margin: .5rem 0; padding: .1rem 0 .1rem .9rem; border-left: 4px solid #0072b2 }
.test.failed { border-color: #d55e00 }
.test p { margin: .15rem 0 }
.mark { font-weight: 600; margin-right: .4rem }
.small { color: #555; font-size: .875rem }
.points { white-space: nowrap }
.hint, .problem { padding: .4rem .8rem }
.hint { background: #fff4d6 }
.problem { background: #fde5d8 }
@media print { body { margin: 0 } .test { break-inside: avoid } }"""

WORDS = {
    "time": "too slow",
    "memory": "too much memory",
    "exit": "the program ended",
    "error": "raised an error",
    "forbidden": "uses a library that is not allowed",
}


def student_page(assignment: Assignment, result: dict[str, Any], source: str, secret: list[str]) -> str:
    """The page of one student, as HTML that needs nothing else.

    Parameters
    ----------
    assignment : Assignment
    result : dict
        As `minigen.course.kit.grade` stores it.
    source : str
        What was graded.
    secret : list of str
        What the page must not show, see `secret_lines`.

    Returns
    -------
    str
    """
    student, points, possible = _text(result["student"]), result["points"], result["possible"]
    parts = [
        f"<h1>{_text(assignment.title)}</h1>",
        f'<p class="score">{student}: <b>{points:g}</b> of {possible:g} points</p>',
    ]
    if result["problem"]:
        parts.append(f'<p class="problem">Nothing could be graded: {_text(result["problem"])}</p>')
    else:
        parts.append(_overview(assignment, result))
        broken = [t for t in result["tests"] if t["reason"].startswith(UNLOADED)]
        if broken and len(broken) == len(result["tests"]):
            parts.append(f'<div class="problem">No test could be run.<pre>{_text(_feedback(broken[0]))}</pre></div>')
        else:
            parts += [_task(result, task.number, task.title) for task in assignment.tasks]
        printed = _own_calls(assignment, withheld(secret, result["printed"]))
        if printed.strip():
            parts.append(f"<h2>What your file printed</h2>\n<pre>{_text(printed[:2000])}</pre>")
    parts.append(_footer(assignment, result, source))
    return html_page(f"{assignment.name}: {result['student']}", "\n".join(parts), STYLE)


def secret_lines(assignment: Assignment) -> list[str]:
    """The lines of the hidden tests and of the solution that are long enough to be recognized."""
    secret: set[str] = set()
    for path in (assignment.tests / "hidden.py", assignment.folder / "solution" / assignment.file):
        if path.is_file():
            secret |= {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
    public = assignment.tests / "public.py"
    if public.is_file():
        secret -= {line.strip() for line in public.read_text(encoding="utf-8").splitlines()}
    return [line for line in secret if len(line) >= 20]


def withheld(secret: list[str], printed: str) -> str:
    """What a file printed, without lines that have one of `secret_lines`: students see the page."""
    lines = printed.splitlines(keepends=True)
    return "".join(line for line in lines if not any(part in line for part in secret))


def _own_calls(assignment: Assignment, printed: str) -> str:
    """What a file printed, without the calls in other files that a crash reports."""
    lines = printed.splitlines(keepends=True)
    call = re.compile(r'\s*File "(.*)", line \d+ in ')
    found = ((line, call.match(line)) for line in lines)
    return "".join(line for line, match in found if match is None or match[1].endswith(assignment.file))


def _text(text: str) -> str:
    return html.escape(text)


def _overview(assignment: Assignment, result: dict[str, Any]) -> str:
    rows = []
    for task in assignment.tasks:
        got = sum(t["points"] for t in result["tests"] if t["task"] == task.number)
        share = 100 * got / task.points if task.points else 0
        rows.append([f"{task.number}. {task.title}", f"{got:g} of {task.points:g}", f"{share:.0f} %"])
    return Table(["task", "points", "share"], rows, "lrr").html()


def _task(result: dict[str, Any], number: int, title: str) -> str:
    tests = [t for t in result["tests"] if t["task"] == number]
    said: set[str] = set()
    return "\n".join([f"<h2>Task {number}: {_text(title)}</h2>", *(_test(t, said) for t in tests)])


def _test(test: dict[str, Any], said: set[str]) -> str:
    """One test; what a test before it has said already (in `said`) is not said again."""
    passed = test["state"] == "passed"
    mark = "✓" if passed else "✗"
    state = WORDS.get(test["state"], test["state"])
    kind = "" if test["hidden"] else ", public"
    head = (
        f'<p><span class="mark">{mark} {state}</span>{_text(test["title"])} '
        f'<span class="small points">({test["points"]:g} of {test["possible"]:g}{kind})</span></p>'
    )
    feedback = _feedback(test)
    parts = [head]
    if feedback and feedback in said:
        parts.append('<p class="small">For the same reason as above.</p>')
    elif feedback:
        parts.append(f"<pre>{_text(feedback)}</pre>")
        if test["hint"] and test["hint"] not in said:
            parts.append(f'<p class="hint"><b>Often the reason:</b> {_text(test["hint"])}</p>')
        said |= {feedback, test["hint"]}
    if test["note"]:
        parts.append(f'<p class="small">{_text(test["note"])}</p>')
    return f'<div class="test{"" if passed else " failed"}">' + "\n".join(parts) + "</div>"


def _feedback(test: dict[str, Any]) -> str:
    return "\n".join(part for part in (test["reason"], test["where"]) if part)


def _footer(assignment: Assignment, result: dict[str, Any], source: str) -> str:
    data = source.encode()
    unlimited = "" if result.get("memory_limited", True) else " (not limited on the machine that graded this)"
    lines = [
        f"Graded: {_text(result['origin'] or assignment.file)}, {len(source.splitlines())} lines, "
        f"SHA-256 {hashlib.sha256(data).hexdigest()[:16]}.",
        f"Assignment {assignment.name}, version {assignment.version}: minigen course check names that of a copy.",
        f"A test may take {assignment.seconds:g} seconds and {assignment.memory} MB{unlimited}.",
        "Tests marked public are those that you have had; the others look at further cases. A test of one task that "
        "fails only because of another task is run again with a reference solution of the other tasks.",
    ]  # fmt: skip
    return '<p class="small">' + "<br>\n".join(lines) + "</p>"
