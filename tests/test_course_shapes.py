"""An error about shapes in a student's code becomes words: the rule, the shapes in that line, and the shape that is expected."""

import re

import numpy as np
import pytest
from wrong_answers import MODULES, exercises

import minigen as mg
from minigen.course import Verdict, call, close, exercise
from minigen.course._shapes import explain_shapes, is_about_shapes
from minigen.course.kit.submission import attempt


def misfit(*arguments):
    rows, column = np.ones((2, 3)), np.ones(2)
    return rows + column


def raised(action):
    with pytest.raises((ValueError, IndexError, TypeError)) as caught:
        action()
    return caught.value


rows, column, cube = np.ones((2, 3)), np.ones(2), np.ones((2, 3, 4))
ACTIONS = {
    "keepdims=True, or [:, None]": lambda: rows + column,
    "keepdims=True, or [:, None, None]": lambda: cube + column,
    "keepdims=True, or [:, None, :]": lambda: np.ones((2, 5, 4)) + np.ones((2, 4)),
    "transposed": lambda: rows + rows.T,
    "lengths must be equal": lambda: np.ones(4) + np.ones(5),
    "last but one": lambda: rows @ rows,
    "joined": lambda: np.concatenate([rows, column]),
    "number of elements": lambda: rows.reshape(4),
    "the first is axis 0": lambda: rows.sum(axis=2),
    "Count the axes": lambda: rows[0, 0, 0],
    "length of its axis": lambda: rows[2],
    ".any()": lambda: bool(rows > 0) and None,
    "one number": lambda: float(rows),
    "place that it is written": lambda: np.zeros(4).__setitem__(slice(None), np.ones(3)),
    "last axis of a": lambda: mg.tensor(rows) @ mg.tensor(rows),
    "backwards": lambda: mg.tensor(rows) + mg.tensor(column),
}


@pytest.mark.parametrize("words", ACTIONS)
def test_each_kind_of_error_says_which_rule_was_broken(words):
    error = raised(ACTIONS[words])
    assert is_about_shapes(error)
    assert words in explain_shapes(error, "")


def test_what_is_suggested_makes_the_shapes_fit():
    random = np.random.default_rng(0)
    for _ in range(200):
        long = tuple(random.integers(2, 6, random.integers(2, 5)))
        keep = sorted(random.choice(len(long), random.integers(1, len(long)), replace=False))
        short = tuple(long[k] for k in keep)
        a, b = np.ones(long), np.ones(short)
        try:
            a + b
        except ValueError as error:
            key = re.search(r"\[(.*)\]", explain_shapes(error, ""))
            if key:
                assert eval(f"(a + b[{key[1]}]).shape == a.shape", {"a": a, "b": b})
            else:  # new axes at two places
                assert "backwards" in explain_shapes(error, "")


def test_other_errors_are_left_alone():
    for action in (lambda: int("x"), lambda: np.linalg.inv(np.zeros((2, 2))), lambda: {}["x"]):
        with pytest.raises(Exception) as caught:
            action()
        assert not is_about_shapes(caught.value) and explain_shapes(caught.value, "") == ""


def test_the_arrays_of_the_line_are_named_with_their_shapes():
    def center(x, other):
        mean = x.mean(axis=1)
        return x - mean

    said = explain_shapes(raised(lambda: center(rows, cube)), __file__)
    assert "In that line x has the shape (2, 3) and mean (2,)." in said


def test_the_verdict_names_the_shape_that_is_compared_after_the_calls_that_worked():
    @exercise("0.1", "twice")
    def twice(answer):
        for n in (2, 3):
            got = call(answer, np.ones((n, 2)))
            close(f"twice(x) for {n} rows", got, 2 * np.ones((n, 2)))

    verdict = twice(lambda x: x + (1 if len(x) == 2 else np.ones(len(x))))
    assert verdict.state == "wrong"
    assert verdict.reason.endswith("The result, twice(x) for 3 rows, should have the shape (3, 2).")
    assert isinstance(twice(lambda x: 2 * x), Verdict) and twice(lambda x: 2 * x).right


TAKES_ARRAYS = [
    (1, "center_vjp", r"shape \(4, 1\)"), (1, "softsign_vjp", "shape of x"), (3, "triad", "shape"),
    (3, "same_padding", "2 whole numbers"), (6, "normalize", "shape"), (7, "adam_step", "shape"), (8, "d_loss", "one number"),
    (9, "slerp", r"shape \(100,\)"), (10, "pack", "shape"), (11, "best_conditional_d", r"shape \(2, 4\)"),
    (11, "label_maps", r"shape \(2, 3, 2, 3\)"), (12, "kl", "shape"), (13, "fid", "one number"), (14, "repaired_encoder", "shape"),
    (15, "warp_adjoint", "shape"), (16, "pixel_shuffle", "shape"), (17, "bptt", "shape"),
]  # fmt: skip


@pytest.mark.parametrize(("lesson", "name", "words"), TAKES_ARRAYS, ids=[name for _, name, _ in TAKES_ARRAYS])
def test_a_check_says_the_shape_that_the_function_should_give(lesson, name, words):
    verdict = exercises(range(lesson, lesson + 1))[name](misfit)
    assert "In that line rows has the shape (2, 3) and column (2,)." in verdict.reason
    assert re.search(rf"The result.* should (have the|be) {words}", verdict.reason)


def test_most_functions_of_the_lessons_are_told_what_to_give():
    told = asked = 0
    for n in set(MODULES) - {4, 5}:
        for check in exercises(range(n, n + 1)).values():
            reason = check(misfit).reason
            asked += "misfit raised ValueError" in reason
            told += "The result" in reason
    assert asked > 55 and told >= 0.85 * asked


def test_the_kit_says_it_below_the_students_line():
    outcome = attempt(lambda: misfit(), __file__, 5, ["misfit"])
    assert outcome.state == "error" and "could not be broadcast" in outcome.reason
    assert "In that line rows has the shape (2, 3) and column (2,)." in outcome.note
