"""Known answers: wrong ones, each of which the hidden tests must reject, and right ones, which must pass.

From the same answers come the hints: how each of them fails is written down when an assignment is built, and a student
whose answer fails in the same way reads what is known about it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..._util.tables import Table
from .assignment import Answer, Assignment, replaced
from .result import Mistakes, Outcome
from .runner import Job, run
from .testing import load_tests

__all__ = ["AnswerResult", "mistakes", "overview", "table", "run_all"]

SOLUTION = Answer(0, "the solution")

INTRODUCTION = """\
# Known answers

Known wrong answers to every task: the first hidden test that rejects each, and the hint that its author reads.  The
right answers, written differently, pass all tests.  `minigen course validate` makes this page, and a test compares it;
the grader's copy of an assignment has a longer one, with what each test says.
"""
"""How the overview of all assignments begins."""


@dataclass
class AnswerResult:
    """What the tests of its task say to a known answer.

    Attributes
    ----------
    answer : Answer
    public, hidden : dict
        `Outcome` by test.
    """

    answer: Answer
    public: dict[str, Outcome]
    hidden: dict[str, Outcome]

    @property
    def rejections(self) -> Iterator[tuple[str, Outcome]]:
        """The hidden tests that reject it, with their outcomes."""
        return ((name, outcome) for name, outcome in self.hidden.items() if not outcome.passed)


def run_all(assignment: Assignment, task: int | None = None, quick: bool = False) -> list[AnswerResult]:
    """Run all tests of its task on every known answer of a template, and on the solution (as task 0).

    Parameters
    ----------
    assignment : Assignment
        A template.
    task : int, optional
        Only this task's answers.
    quick : bool
        Run the hidden tests alone on wrong answers, until one rejects it: enough to see that they do.

    Returns
    -------
    list of AnswerResult
    """
    solution = assignment.solution()
    tests = load_tests(assignment.tests)
    answers = [a for a in assignment.known_answers() if task in (None, a.task)]
    jobs = [Job(SOLUTION.name, solution, assignment.file, tuple(t.name for t in tests))]
    for answer in answers:
        text = replaced(solution, assignment.tasks[answer.task - 1], answer)
        hasty = quick and answer.wrong
        names = tuple(t.name for t in tests if t.task == answer.task and (t.hidden or not hasty))
        jobs.append(Job(f"{answer.task}: {answer.name}", text, assignment.file, names, first=hasty))
    outcomes = run(assignment, jobs).outcomes
    hidden = {t.name for t in tests if t.hidden}
    found = []
    for answer, job in zip([SOLUTION, *answers], jobs):
        own = outcomes[job.name]
        found.append(
            AnswerResult(
                answer,
                {name: o for name, o in own.items() if name not in hidden},
                {name: o for name, o in own.items() if name in hidden},
            )
        )
    return found


def mistakes(results: list[AnswerResult], hidden: bool) -> Mistakes:
    """How the wrong answers fail, for a student's copy (without the hidden tests) or for a grader's."""
    entries = []
    for result in results:
        for name, outcome in {**result.public, **(result.hidden if hidden else {})}.items():
            if result.answer.wrong and not outcome.passed:
                entries.append(Mistakes.entry(name, outcome, result.answer.hint))
    return Mistakes(entries)


def table(assignment: Assignment, results: list[AnswerResult]) -> str:
    """The known answers as Markdown: which hidden tests reject each wrong answer, and what its author would read."""
    known = mistakes(results, hidden=True)

    def cells(result: AnswerResult) -> list[str]:
        rejected = list(result.rejections)
        public = "reject it" if any(not o.passed for o in result.public.values()) else "**let it pass**"
        by = ", ".join(f"`{name}`" for name, _ in rejected) or "**nothing**"
        said = ""
        if rejected:
            test, outcome = rejected[0]
            where = outcome.where and f"({outcome.where})"
            said = " ".join(part for part in (outcome.reason, where, f"*{known.hint(test, outcome)}*") if part)
        return [public, by, said]

    return _markdown(assignment, results, ["public tests", "rejected by", "feedback"], cells)


def overview(assignment: Assignment, results: list[AnswerResult]) -> str:
    """The known answers in short, as Markdown: the first hidden test that rejects each wrong answer, and the hint."""

    def cells(result: AnswerResult) -> list[str]:
        first = next((f"`{name}`" for name, _ in result.rejections), "**nothing**")
        return [first, result.answer.hint]

    return _markdown(assignment, results, ["first rejected by", "hint"], cells)


def _markdown(
    assignment: Assignment, results: list[AnswerResult], columns: list[str], cells: Callable[[AnswerResult], list[str]]
) -> str:
    """A table for each task: the wrong answers' names, and these cells for each."""
    lines = [f"## {assignment.title}", ""]
    for task in (t for t in assignment.tasks if any(s.answer.task == t.number for s in results)):
        own = [s for s in results if s.answer.task == task.number]
        rows = [[s.answer.name, *cells(s)] for s in own if s.answer.wrong]
        rights = "; ".join(s.answer.name for s in own if not s.answer.wrong)
        lines += [f"### Task {task.number}: {task.title}", ""]
        lines += [Table(["wrong answer", *columns], rows).markdown()]
        lines += ["", f"{len(rows)} are wrong.  Right, written differently: {rights}.", ""]
    return "\n".join(lines)
