"""``minigen lesson``."""

import argparse
import sys
from pathlib import Path

from ..lessons import (
    Lesson,
    LessonError,
    build,
    copy_lesson,
    copy_solutions,
    find_lessons,
    languages,
    open_lesson,
    other_version,
    translation,
)

__all__ = ["add_arguments", "run"]

WORK = "lessons-work"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of ``minigen lesson``.

    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> parser.parse_args(["3"]).number
    3
    """
    parser.description = "List the lessons, or open one in JupyterLab."
    parser.epilog = (
        "Options for JupyterLab follow a --, as in: minigen lesson 1 -- --no-browser. "
        f"Your copy is in {WORK}/ of the current folder and is never overwritten: "
        "to start afresh, rename it or move it away."
    )
    parser.add_argument("number", nargs="?", type=int, help="which lesson to open")
    parser.set_defaults(options=[])  # what follows a --, see `minigen.cli.main`
    parser.add_argument("--list", action="store_true", help="list the lessons (as without a number)")
    parser.add_argument("--folder", type=Path, default=Path(WORK), help="where your copy goes (default: %(default)s)")
    parser.add_argument("--lang", choices=languages(), help="open or list the translations into this language")
    parser.add_argument("--copy", action="store_true", help="make your copy, and do not open it (for another editor)")
    parser.add_argument(
        "--solutions", action="store_true", help="copy the answers to its exercises beside your copy, and open nothing"
    )
    parser.add_argument("--build", action="store_true", help="for authors: run the text and store the notebook anew")


def run(args: argparse.Namespace) -> int:
    """Do what ``minigen lesson`` was asked.

    Parameters
    ----------
    args : Namespace
        As parsed by a parser with `add_arguments`.

    Returns
    -------
    int
        The exit status: 0, or that of JupyterLab.

    Raises
    ------
    LessonError
        If there is no such lesson, or JupyterLab is to open it and is not installed.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["--list"]))  # doctest: +ELLIPSIS
      1  Autograd: from one multiplication to the engine
    ...
    0
    """
    lessons = find_lessons()
    if warning := other_version():
        print(f"minigen lesson: {warning}", file=sys.stderr)
    for flag in ("copy", "solutions"):
        if getattr(args, flag) and args.number is None:
            raise LessonError(f"--{flag} needs the number of a lesson, as in: minigen lesson 3 --{flag}")
    if args.number is not None:
        lessons = [lesson for lesson in lessons if lesson.number == args.number] or _unknown(args.number, lessons)
    if args.build and args.lang:
        raise LessonError("--build makes the English notebooks; a translation is made of them when it is opened")
    if args.build:
        for lesson in lessons:
            build(lesson)
            print(f"built {lesson.notebook}")
        return 0
    if args.number is None or args.list:
        for lesson in lessons:
            if title := _title(lesson, args.lang):
                print(f"{lesson.number:3}  {title}")
        print(f"Open one with: minigen lesson NUMBER{f' --lang {args.lang}' if args.lang else ''}")
        return 0
    if args.solutions:
        print(f"Answers to the exercises of lesson {args.number}: {copy_solutions(lessons[0], args.folder)}")
        return 0
    if args.copy:
        copy_lesson(lessons[0], args.folder, args.lang)
        return 0
    return open_lesson(lessons[0], args.folder, args.options, args.lang)


def _title(lesson: Lesson, language: str | None) -> str | None:
    """The title of a lesson in this language, or None if it is not translated."""
    if not language:
        return lesson.title
    try:
        heading = next(iter(translation(lesson, language).values())).partition("\n")[0]
    except LessonError:
        return None
    return heading.removeprefix("# ").partition(". ")[2]


def _unknown(number: int, lessons: list[Lesson]) -> list[Lesson]:
    raise LessonError(f"there is no lesson {number}; there are {', '.join(str(lesson.number) for lesson in lessons)}")
