"""Wrong answers to the exercises, as students give them, get the hint that names their mistake."""

import dataclasses
import re

import pytest
from wrong_answers import MODULES, Table, WrongAnswer, check, exercises, judge, tables, words
from wrong_answers.assignments import PROGRAMS
from wrong_answers.programs import count
from wrong_answers.programs import judge as judge_program

from minigen.course import Verdict
from minigen.course.kit.assignment import Answer, find, replaced, templates
from minigen.course.kit.result import Outcome

SLOW = {"training_step", "my_conv2d", "convolve_in_bands", "nearest"}
MISSES = {"first": 0.1, "second": 0.1, "third": 1.0, "fourth": 1.0}
"""The share of answers that may get another hint, in each group.  The checks were made to know the mistakes of the first two
lists; the others measure what they say to mistakes that they were not made for, so they have no limit here: lessons/README.md
has their figures."""


def cases():
    for round_, lessons, numbers, table in tables():
        slow = "kernels" in lessons
        yield pytest.param(
            round_, numbers, table, lessons, id=f"{round_}-{lessons}", marks=[pytest.mark.slow] if slow else []
        )


def share(numbers, rows):
    known = exercises(numbers)
    found = [(check(row, known), row) for row in rows]
    missed = [f"{row.exercise}: {row.mistake}: {kind}" for (kind, _), row in found if kind != "right hint"]
    return missed, [row for (kind, _), row in found if kind == "accepted"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("round_", "numbers", "table", "lessons"), list(cases()))
def test_nine_of_ten_wrong_answers_get_the_right_hint_and_none_is_accepted(round_, numbers, table, lessons):
    if "kernels" in lessons:
        from minigen.kernels import emulator

        if reason := emulator.why_not():
            pytest.skip(reason)
    rows = [row for row in table if row.exercise not in SLOW]
    missed, accepted = share(numbers, rows)
    assert accepted == []
    assert len(missed) <= MISSES[round_] * len(rows), missed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_same_for_answers_whose_checks_take_long():
    rows = [(row, numbers) for _, lessons, numbers, table in tables() for row in table if row.exercise in SLOW]
    missed = [row.mistake for row, numbers in rows if check(row, exercises(numbers))[0] != "right hint"]
    assert len(rows) > 30 and len(missed) <= MISSES["first"] * len(rows), missed


def test_each_group_of_lessons_has_sixty_wrong_answers_and_each_exercise_three():
    first = {lessons: table for round_, lessons, _, table in tables() if round_ == "first" and "kernels" not in lessons}
    assert min(map(len, first.values())) >= 60
    of_exercise = {}
    for _, _, numbers, table in tables():
        for row in table:
            of_exercise.setdefault((numbers[0] if numbers[0] != 5 else 1, row.exercise), []).append(row)
    few = [key for key, rows in of_exercise.items() if len(rows) < 3]
    asked = {name for n in MODULES for name in exercises(range(n, n + 1))}
    assert few == [] and asked - {name for _, name in of_exercise} == set()


def test_numbers_alone_are_no_hint():
    wrong = WrongAnswer("f", "the sign", "sign|index", None)
    raw = "f(x): at index 3: expected -2.0, got 2.0 (4 of 4 elements are off)."
    assert words(raw) == ""
    assert judge(wrong, Verdict("1.1", "wrong", raw)) == "raw numbers"
    assert judge(wrong, Verdict("1.1", "wrong", f"{raw}\nLook at the scale.")) == "other words"
    assert judge(wrong, Verdict("1.1", "wrong", f"{raw}\nLook at the sign.")) == "right hint"
    assert judge(wrong, Verdict("1.1", "right")) == "accepted"
    assert judge(wrong, Verdict("1.1", "right", "Look at the sign.")) == "right hint"


def test_every_hint_that_is_expected_is_a_pattern_that_says_something():
    for _, _, _, table in tables():
        assert isinstance(table, Table)
        for row in table:
            assert re.compile(row.hint) and not re.search(row.hint, ""), row


def test_there_are_wrong_programs_for_each_task_of_each_assignment():
    told = {}
    for path in templates():
        assignment = find(path.name)
        solution = assignment.solution()
        for wrong in (p for p in PROGRAMS if p.assignment == path.name):
            answer = Answer(wrong.task, wrong.mistake, wrong.hint, wrong.source, tuple(wrong.pieces.items()))
            assert replaced(solution, assignment.tasks[wrong.task - 1], answer) != solution
            told.setdefault((path.name, wrong.task), set()).add(wrong.mistake)
        assert {(path.name, task.number) for task in assignment.tasks} <= set(told)
    assert sum(map(len, told.values())) == len(PROGRAMS) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({p.assignment for p in PROGRAMS}))
def test_wrong_programs_for_an_assignment_are_rejected_with_a_hint(name):
    kinds = [(kind, wrong.mistake) for wrong, kind, _ in count(name)]
    assert [mistake for kind, mistake in kinds if kind in ("accepted", "raw numbers")] == []
    assert sum(kind == "right hint" for kind, _ in kinds) >= 0.65 * len(kinds), kinds


def test_what_a_program_is_told_is_judged_without_the_numbers():
    wrong = PROGRAMS[0]._replace(hint="sign")
    raw = Outcome("wrong", "the sign of f(x): at index 3: expected -2.0, got 2.0 (4 of 4 elements are off).")
    assert judge_program(wrong, {"t": raw})[0] == "raw numbers"
    assert judge_program(wrong, {"t": dataclasses.replace(raw, hint="Look at the scale.")})[0] == "other words"
    assert judge_program(wrong, {"t": raw, "u": dataclasses.replace(raw, hint="Look at the sign.")})[0] == "right hint"
    assert judge_program(wrong, {"t": Outcome("passed")})[0] == "accepted"
