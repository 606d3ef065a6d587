"""The zoo: known wrong answers, each of which the hidden tests must reject, and right ones, which must pass.

From the same answers come the hints: how each of them fails is written down when an assignment is built, and a student
whose answer fails in the same way reads what is known about it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .assignment import Answer, Assignment, replaced
from .outcome import Mistakes, Outcome
from .runner import Job, run
from .tests import load_tests

__all__ = ["Specimen", "mistakes", "overview", "table", "visit"]

SOLUTION = Answer(0, "the solution")

INTRODUCTION = """\
# The zoo

Known wrong answers to every task: the first hidden test that rejects each, and the hint that its author reads.  The
right answers, written differently, pass all tests.  `minigen course zoo` makes this page, and a test compares it; the
grader's copy of an assignment has a longer one, with what each test says.
"""
"""How the overview of all assignments begins."""


@dataclass
class Specimen:
    """What the tests of its task say to an answer of the zoo.

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


def visit(assignment: Assignment, task: int | None = None, quick: bool = False) -> list[Specimen]:
    """Run all tests of its task on every answer of a master's zoo, and on the solution (named so, as task 0).

    Parameters
    ----------
    assignment : Assignment
        A master.
    task : int, optional
        Only this task's answers.
    quick : bool
        Run the hidden tests alone on wrong answers, until one rejects it: enough to see that they do.

    Returns
    -------
    list of Specimen
    """
    solution = assignment.solution()
    tests = load_tests(assignment.tests)
    answers = [a for a in assignment.zoo() if task in (None, a.task)]
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
            Specimen(
                answer,
                {name: o for name, o in own.items() if name not in hidden},
                {name: o for name, o in own.items() if name in hidden},
            )
        )
    return found


def mistakes(specimens: list[Specimen], hidden: bool) -> Mistakes:
    """How the wrong answers fail, for a student's copy (without the hidden tests) or for a grader's."""
    entries = []
    for specimen in specimens:
        for name, outcome in {**specimen.public, **(specimen.hidden if hidden else {})}.items():
            if specimen.answer.wrong and not outcome.passed:
                entries.append(Mistakes.entry(name, outcome, specimen.answer.hint))
    return Mistakes(entries)


def table(assignment: Assignment, specimens: list[Specimen]) -> str:
    """The zoo as Markdown: which hidden tests reject each wrong answer, and what its author would read."""
    known = mistakes(specimens, hidden=True)

    def cells(specimen: Specimen) -> list[str]:
        rejected = list(specimen.rejections)
        public = "reject it" if any(not o.passed for o in specimen.public.values()) else "**let it pass**"
        by = ", ".join(f"`{name}`" for name, _ in rejected) or "**nothing**"
        said = ""
        if rejected:
            test, outcome = rejected[0]
            where = outcome.where and f"({outcome.where})"
            said = " ".join(part for part in (outcome.reason, where, f"*{known.hint(test, outcome)}*") if part)
        return [public, by, said]

    return _markdown(assignment, specimens, ["public tests", "rejected by", "feedback"], cells)


def overview(assignment: Assignment, specimens: list[Specimen]) -> str:
    """The zoo in short, as Markdown: the first hidden test that rejects each wrong answer, and the hint."""

    def cells(specimen: Specimen) -> list[str]:
        first = next((f"`{name}`" for name, _ in specimen.rejections), "**nothing**")
        return [first, specimen.answer.hint]

    return _markdown(assignment, specimens, ["first rejected by", "hint"], cells)


def _markdown(
    assignment: Assignment, specimens: list[Specimen], columns: list[str], cells: Callable[[Specimen], list[str]]
) -> str:
    """A table for each task: the wrong answers' names, and these cells for each."""
    lines = [f"## {assignment.title}", ""]
    for task in (t for t in assignment.tasks if any(s.answer.task == t.number for s in specimens)):
        own = [s for s in specimens if s.answer.task == task.number]
        rows = [["wrong answer", *columns], ["---"] * (1 + len(columns))]
        rows += [[s.answer.name, *cells(s)] for s in own if s.answer.wrong]
        rights = "; ".join(s.answer.name for s in own if not s.answer.wrong)
        lines += [f"### Task {task.number}: {task.title}", ""]
        lines += [f"| {' | '.join(_cell(text) for text in row)} |" for row in rows]
        lines += ["", f"{len(rows) - 2} are wrong.  Right, written differently: {rights}.", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
