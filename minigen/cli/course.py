"""``minigen course``."""

import argparse
import json
import signal
import sys
from functools import partial
from pathlib import Path

from ..course.kit.assignment import Assignment, find, templates
from ..course.kit.check import check
from .types import above_zero

__all__ = ["add_arguments", "run"]

EXAMPLES = """\
for students, in the folder that was handed out:
  minigen course check                           run the public tests on your file
  minigen course check --task 2                  only those of one task

for instructors:
  minigen course list                            the assignments, and where the guide for instructors is
  minigen course build A1 --out course           make the student's copy and the grader's
  minigen course grade submissions --grader course/grader/A1_autograd
  minigen course export submissions-grades --roster roster.csv --adjust adjustments.csv
  minigen course similar submissions --grader course/grader/A1_autograd
  minigen course validate A1                     known wrong answers, and which hidden tests reject each
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of ``minigen course`` to a parser.

    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> parser.parse_args(["check", "a1.py", "--task", "2"]).task
    2
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    one = what.add_parser("check", help="for students: run the public tests on a file")
    one.add_argument(
        "file", nargs="?", type=Path, default=Path(), metavar="FILE", help="or its folder (default: this folder)"
    )
    one.add_argument("--task", type=int, metavar="N", help="only this task")
    one.add_argument("--json", action="store_true", help="write the outcome as JSON")

    what.add_parser("list", help="for instructors: the assignments, and the page that explains everything")

    one = what.add_parser("build", help="for instructors: make the student's and the grader's copy")
    one.add_argument("name", nargs="?", metavar="ASSIGNMENT", help="such as A1, or a folder (default: all there are)")
    one.add_argument("--out", type=Path, default=Path("course"), metavar="DIR", help="where to (default: %(default)s)")
    one.add_argument(
        "--wheel", type=Path, metavar="FILE", help="a wheel of minigen, for students and graders (default: this one)"
    )

    one = what.add_parser("grade", help="for instructors: grade a folder of submissions")
    one.add_argument("folder", type=Path, metavar="DIR", help="with a .py, a .zip or a folder for each student")
    one.add_argument("--grader", type=Path, default=Path(), metavar="DIR", help="the grader's copy (default: here)")
    one.add_argument("--out", type=Path, metavar="DIR", help="where to (default: DIR-grades, beside the submissions)")
    one.add_argument("--regrade", action="store_true", help="grade anew what has not changed, too")
    one.add_argument(
        "--only", action="append", default=[], metavar="STUDENT", help="grade this student alone; may be given again"
    )
    one.add_argument(
        "--budget", type=partial(above_zero, what="a number of seconds"), default=120.0, metavar="SECONDS",
        help="processor time for all tests of a submission together (default: 120)",
    )  # fmt: skip
    one.add_argument("--jobs", type=int, default=1, metavar="N", help="how many submissions at a time (default: 1)")

    one = what.add_parser(
        "export", help="for instructors: grades with manual points and late days, for Canvas and Moodle"
    )
    one.add_argument("folder", type=Path, metavar="GRADES", help="the folder that minigen course grade has written")
    one.add_argument("--out", type=Path, metavar="DIR", help="where to (default: GRADES/export)")
    one.add_argument("--title", default="Assignment", help="name of the column in Canvas (default: %(default)s)")
    one.add_argument("--roster", type=Path, metavar="CSV", help="columns: student, name, id, email, section")
    one.add_argument(
        "--adjust", type=Path, metavar="CSV", help="columns: student, points, comment, late_days, excused_days"
    )
    one.add_argument(
        "--late-percent", type=float, default=0.0, metavar="P", help="of the points, for each late day (default: 0)"
    )
    one.add_argument(
        "--free-days", type=float, default=0.0, metavar="N", help="late days that cost nothing (default: 0)"
    )

    one = what.add_parser("similar", help="for instructors: pairs of submissions that share much text")
    one.add_argument("folder", type=Path, metavar="DIR", help="with a .py, a .zip or a folder for each student")
    one.add_argument("--grader", type=Path, default=Path(), metavar="DIR", help="the grader's copy (default: here)")
    one.add_argument(
        "--given", type=Path, metavar="FILE", help="the file that was handed out, whose text does not count"
    )
    one.add_argument("--least", type=float, default=0.5, metavar="S", help="smallest similarity (default: %(default)s)")

    one = what.add_parser("validate", help="for authors: known wrong answers, and what the hidden tests say to each")
    one.add_argument(
        "name", nargs="?", metavar="ASSIGNMENT", help="such as A1, or a folder (default: all there are, in short)"
    )
    one.add_argument("--task", type=int, metavar="N", help="only this task")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say.

    Returns
    -------
    int
        0 if all is well, 1 where a test does not pass.
    """
    for stream in (sys.stdout, sys.stderr):  # a console of Windows may know no check marks
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    commands = {
        "check": _check,
        "list": _list,
        "build": _build,
        "grade": _grade,
        "export": _export,
        "similar": _similar,
        "validate": _validate,
    }
    return commands[args.what](args)


def _check(args: argparse.Namespace) -> int:
    report = check(args.file, args.task)
    print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) if args.json else report)
    return 0 if report else 1


def _list(args: argparse.Namespace) -> int:
    folders = templates()
    for folder in folders:
        assignment = Assignment.read(folder)
        print(f"{assignment.name:20} {assignment.points:3g} points  {assignment.title.partition(': ')[2]}")
    print(
        f"Build one with: minigen course build A1.  The guide for instructors: {folders[0].parent / 'INSTRUCTORS.md'}"
    )
    return 0


def _build(args: argparse.Namespace) -> int:
    from ..course.kit.build import build

    for name in [args.name] if args.name else templates():
        built = build(name, args.out, args.wheel)
        print(f"for students   {built.student}\nfor graders    {built.grader}")
        print("\n".join(built.notes))
    return 0


def _grade(args: argparse.Namespace) -> int:
    from .._util.stop_request import StopRequest
    from ..course.kit.grade import grade, summary
    from ..course.kit.runner import Stopped

    assignment = Assignment.read(args.grader)
    out = args.out or args.folder.resolve().with_name(args.folder.resolve().name + "-grades")
    failed = done = 0
    with StopRequest("") as stop:
        try:
            for row in grade(
                assignment,
                args.folder,
                out,
                args.regrade,
                max(1, args.jobs),
                lambda: bool(stop),
                args.only,
                args.budget,
            ):
                kept = "  (as before)" if row["kept"] else ""
                print(f"{row['points']:5g} of {row['possible']:g}  {row['student']}  {summary(row)}{kept}", flush=True)
                failed += bool(row["problem"])
                done += 1
        except Stopped:
            print(
                f"minigen course grade: stopped by {stop.name} after {done} submissions, grades.csv is not written; "
                "the same command goes on from there",
                file=sys.stderr,
            )
            return 128 + signal.Signals[stop.name]
    print(f"{out / 'grades.csv'}, and a page for each student in {out / 'pages'}")
    if failed:
        print(f"{failed} could not be graded; the column problem of grades.csv says why")
    return 0


def _export(args: argparse.Namespace) -> int:
    from ..course.kit import gradebook

    roster = gradebook.read_roster(args.roster) if args.roster else None
    adjustments = gradebook.read_adjustments(args.adjust) if args.adjust else None
    policy = gradebook.LatePolicy(args.late_percent, args.free_days)
    entries = gradebook.gradebook(args.folder, roster, adjustments, policy)
    written = gradebook.export(args.folder, args.out or args.folder / "export", args.title, entries)
    for path in written:
        if path.parent.name != "pages":
            print(path)
    for entry in entries:
        if entry.problem:
            print(f"{entry.person.student}: {entry.problem}")
    if left_out := gradebook.without_identifier(entries):
        print(f"not in moodle.csv, for want of an email or id in the roster: {', '.join(left_out)}")
    return 0


def _similar(args: argparse.Namespace) -> int:
    from ..course.kit.grade import find_submissions
    from ..course.kit.gradebook import similar_pairs

    file = Assignment.read(args.grader).file
    sources = {s.student: s.source for s in find_submissions(args.folder, file) if not s.problem}
    given = args.given.read_text(encoding="utf-8") if args.given else ""
    for share, one, other in similar_pairs(sources, given, args.least):
        print(f"{share:6.0%}  {one}  {other}".replace("%", " %"))
    print(f"{len(sources)} files compared. Similarity is a reason to read both files, and no proof of anything.")
    return 0


def _validate(args: argparse.Namespace) -> int:
    from ..course.kit import known_answers
    from ..course.kit.build import faults

    problems = []
    if not args.name:
        print(known_answers.INTRODUCTION)
    for name in [args.name] if args.name else templates():
        assignment = find(name)
        results = known_answers.run_all(assignment, args.task, quick=not args.name)
        print(known_answers.table(assignment, results) if args.name else known_answers.overview(assignment, results))
        problems += faults(assignment, results)
    for problem in problems:
        print(f"minigen course: {problem}", file=sys.stderr)
    return 1 if problems else 0
