"""Wrong answers to the exercises of the lessons, as students give them, each with the words that a right hint has.

The tables `lessons_NN_NN` were written from the text of the exercises, by someone who had not seen the checks; `second_round`
after the checks had been extended for the first, with other mistakes; then the checks were extended for these, too.
`third_round` came later, and no check was changed for one of its mistakes.  `fourth_round` has usual mistakes, written from the
exercises alone; most of them are in the first list, too.  `assignments` has programs for A1 to A6.
``PYTHONPATH=tests python -m wrong_answers`` feeds them to the checks and counts the verdicts.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minigen.course import Exercise, Verdict

MODULES = {
    1: "autograd", 2: "gradient_checking", 3: "convolution", 4: "cpu_kernels", 5: "gpu_kernels", 6: "batch_norm",
    7: "optimizers", 8: "gan", 9: "dcgan", 10: "mode_collapse", 11: "cgan", 12: "vae", 13: "evaluation", 14: "errata",
    15: "scarce_data", 16: "repair", 17: "sequences",
}  # fmt: skip


class WrongAnswer(NamedTuple):
    """One wrong answer: the exercise, what is wrong, a regular expression for the hint, and the answer."""

    exercise: str
    mistake: str
    hint: str
    answer: Any


class Table(list[WrongAnswer]):
    """The wrong answers of one group of lessons."""

    def add(self, exercise: str, mistake: str, hint: str, answer: Any) -> None:
        self.append(WrongAnswer(exercise, mistake, hint, answer))

    def program(self, exercise: str, hint: str) -> Callable[[Any], Any]:
        """A decorator for a longer program; its name says what is wrong."""

        def record(function: Any) -> Any:
            name = getattr(function, "py_func", function).__name__
            self.add(exercise, name.strip("_").replace("_", " "), hint, function)
            return function

        return record


def exercises(numbers: range) -> dict[str, Exercise]:
    """The exercises of some lessons by name; a name of two lessons gets the number of the lesson in front."""
    found: dict[str, Exercise] = {}
    for n in numbers:
        module = importlib.import_module(f"minigen.course.{MODULES[n]}")
        found.update({name: value for name, value in vars(module).items() if isinstance(value, Exercise)})
    return found


def tables() -> Iterator[tuple[str, str, range, Table]]:
    """Round, lessons, their numbers, and the wrong answers."""
    for name, numbers in (
        ("lessons_01_05", range(1, 6)), ("lesson_05", range(5, 6)), ("lessons_06_09", range(6, 10)),
        ("lessons_10_13", range(10, 14)), ("lessons_14_17", range(14, 18)),
    ):  # fmt: skip
        lessons = "5 (kernels)" if name == "lesson_05" else f"{numbers[0]} to {numbers[-1]}"
        yield "first", lessons, numbers, importlib.import_module(f"{__name__}.{name}").TABLE
    for round_ in ("second", "third", "fourth"):
        for lessons, table in importlib.import_module(f"{__name__}.{round_}_round").LESSONS.items():
            first, last = map(int, lessons.split(" to "))
            yield round_, lessons, range(first, last + 1), table


_RAW = re.compile(r"^.*?expected .*?, got .*?(\(\d+ of \d+ elements are off\))?\.(?=\s|$)")
_KIND = re.compile(r"expected (shape|a |an |dtype|the number|\d+ whole|one |the )")


def words(reason: str) -> str:
    """What a verdict says beside the numbers that differ."""
    return "\n".join(line if _KIND.search(line) else _RAW.sub("", line) for line in reason.splitlines()).strip()


def judge(wrong: WrongAnswer, verdict: Verdict) -> str:
    """Return "right hint", "other words", "raw numbers" or "accepted".

    A remark on an accepted answer that names the mistake is a right hint, too.
    """
    told = words(verdict.reason)
    if re.search(wrong.hint, told, re.IGNORECASE | re.DOTALL) and "in place of the dots" not in told:
        return "right hint"
    if verdict.right:
        return "accepted"
    return "other words" if told else "raw numbers"


def check(wrong: WrongAnswer, known: dict[str, Exercise]) -> tuple[str, Verdict]:
    with np.errstate(all="ignore"):
        verdict = known[wrong.exercise](wrong.answer)
    return judge(wrong, verdict), verdict
