"""Feed the wrong programs for the assignments to their tests."""

import re
from collections.abc import Iterator

from minigen.course.kit.assignment import Answer, Assignment, find, replaced
from minigen.course.kit.known_answers import mistakes, run_all
from minigen.course.kit.result import Outcome
from minigen.course.kit.runner import Job, run
from minigen.course.kit.testing import load_tests

from . import words
from .assignments import PROGRAMS, WrongProgram


def told(outcome: Outcome) -> str:
    """What a failing test says beside the numbers that differ and the name of what was compared."""
    reason = "\n".join(
        re.sub(r"^.*?(?=expected (shape|a |an |dtype|the number|\d+ whole|one |the ))", "", line)
        for line in words(outcome.reason).splitlines()
    )
    return "\n".join(text for text in (reason, outcome.hint, outcome.note) if text)


def judge(wrong: WrongProgram, outcomes: dict[str, Outcome]) -> tuple[str, str]:
    """The verdict as in `wrong_answers.judge`, and what the student reads: of the first failing test that says it."""
    failing = [outcome for outcome in outcomes.values() if not outcome.passed]
    for outcome in failing:
        if re.search(wrong.hint, told(outcome), re.IGNORECASE | re.DOTALL):
            return "right hint", outcome.text()
    if not failing:
        return "accepted", ""
    said = "\n".join(outcome.text() for outcome in failing)
    return ("other words" if any(map(told, failing)) else "raw numbers"), said


def count(name: str) -> Iterator[tuple[WrongProgram, str, str]]:
    """Each wrong program for an assignment, its verdict, and what the student reads on the graded page."""
    assignment: Assignment = find(name)
    known = mistakes(run_all(assignment), hidden=True)
    solution, tests = assignment.solution(), load_tests(assignment.tests)
    wrong = [p for p in PROGRAMS if p.assignment == name]
    jobs = []
    for i, p in enumerate(wrong):
        answer = Answer(p.task, p.mistake, p.hint, p.source, tuple(p.pieces.items()))
        text = replaced(solution, assignment.tasks[p.task - 1], answer)
        jobs.append(Job(f"{i}", text, assignment.file, tuple(t.name for t in tests if t.task == p.task)))
    for p, job in zip(wrong, jobs):
        outcomes = run(assignment, [job], known).outcomes[job.name]
        yield p, *judge(p, outcomes)
