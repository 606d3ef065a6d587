"""The zoo: known wrong answers, each of which the hidden tests must reject, and right ones, which must pass.

From the same answers come the hints: how each of them fails is written down when an assignment is built, and a student
whose answer fails in the same way reads what is known about it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .assignment import Answer, Assignment, replaced
from .outcome import Mistakes, Outcome
from .runner import Job, run
from .tests import load_tests

__all__ = ["Specimen", "mistakes", "table", "visit"]

SOLUTION = Answer(0, "the solution")


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
    """The zoo as Markdown: which hidden test rejects each wrong answer, and what its author would read."""
    known = mistakes(specimens, hidden=True)
    lines = [f"# The zoo of {assignment.name}: {assignment.title}", ""]
    for task in assignment.tasks:
        own = [s for s in specimens if s.answer.task == task.number]
        lines += [f"## Task {task.number}: {task.title}", ""]
        lines += ["| wrong answer | public tests | rejected by | feedback |", "|---|---|---|---|"]
        for specimen in (s for s in own if s.answer.wrong):
            rejected = list(specimen.rejections)
            public = "reject it" if any(not o.passed for o in specimen.public.values()) else "**let it pass**"
            by = ", ".join(f"`{name}`" for name, _ in rejected) or "**nothing**"
            said = ""
            if rejected:
                test, outcome = rejected[0]
                said = f"{_cell(outcome)} *{known.hint(test, outcome)}*"
            lines.append(f"| {specimen.answer.name} | {public} | {by} | {said} |")
        others = [s.answer.name for s in own if not s.answer.wrong]
        lines += ["", f"Right, written differently: {'; '.join(others)}.", ""]
    return "\n".join(lines)


def _cell(outcome: Outcome) -> str:
    text = " ".join(part for part in (outcome.reason, outcome.where and f"({outcome.where})") if part)
    return text.replace("|", "\\|").replace("\n", " ")
