"""``minigen course``."""

import argparse
import json
import signal
import sys
from pathlib import Path

from ..course.kit.assignment import Assignment, find, templates
from ..course.kit.check import check

__all__ = ["add_arguments", "run"]

EXAMPLES = """\
for students, in the folder that was handed out:
  minigen course check                           run the public tests on your file
  minigen course check --task 2                  only those of one task

for instructors (lessons/assignments/INSTRUCTORS.md explains everything):
  minigen course build A1 --out course           make the student's copy and the grader's
  minigen course grade submissions --grader course/grader/A1_autograd
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
    one.add_argument("--jobs", type=int, default=1, metavar="N", help="how many submissions at a time (default: 1)")

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
    return {"check": _check, "build": _build, "grade": _grade, "validate": _validate}[args.what](args)


def _check(args: argparse.Namespace) -> int:
    report = check(args.file, args.task)
    print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) if args.json else report)
    return 0 if report else 1


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
            for row in grade(assignment, args.folder, out, args.regrade, max(1, args.jobs), lambda: bool(stop)):
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
