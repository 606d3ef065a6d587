"""Lesson 2: wrong answers to its exercises are found, and for the right reason; its planted bugs are where it says."""

import re

import numpy as np
import pytest

from minigen import lessons
from minigen.check import check
from minigen.course import gradient_checking as second

RIGHT = {"softmax": 2, "batch_norm": 6, "conv2d": 7, "leaky_relu": 1, "binary_cross_entropy": 2}


def _central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def _five(a, b, other=2.0):
    return lambda f, x, h: a * _central(f, x, h) + b * _central(f, x, other * h)


def _step(power=1 / 3, factor=3.0, error=lambda h, e, third: h**2 * third / 6 + e / h):
    def best_step(e, third):
        h = (factor * e / third) ** power
        return h, error(h, e, third)

    return best_step


def _bend(f, x, h):
    return abs(f(x + h) - 2 * f(x) + f(x - h)) / h


def _usual_check(g=lambda random, shape: random.normal(size=shape), rtol=1e-7, atol=0.0, step=1e-5, first=None):
    """A check as it is often written: each element, with a fixed step and a fixed tolerance."""

    def my_check(f, vjp, x, random):
        cotangent = g(random, x.shape)
        claimed = vjp(cotangent, x)
        for place in list(np.ndindex(x.shape))[:first]:
            e = np.zeros(x.shape)
            e[place] = 1.0
            measured = _central(lambda t, e=e: (cotangent * f(x + t * e)).sum(), 0.0, step)
            if not np.isclose(claimed[place], measured, rtol=rtol, atol=atol):
                return False
        return True

    return my_check


def _ones(random, shape):
    return np.ones(shape)


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (second.five_point, _five(1, 0), "This is D(h)"),
        (second.five_point, _five(0, 1), "its error is four times that of D(h)"),
        (second.five_point, _five(0.5, 0.5), "This is their mean"),
        (second.five_point, _five(-1 / 3, 4 / 3), "The weights are exchanged"),
        (second.five_point, _five(4, -1), "3 times the slope"),
        (second.five_point, _five(-1 / 3, 4 / 3, 0.5), "Asked for are D(h) and D(2h)"),
        (second.five_point, _five(8 / 3, -2 / 3), "the points x + h and x - h are 2h apart"),
        (second.five_point, lambda f, x, h: (f(x + h) - f(x)) / h, "one side only"),
        (second.five_point, lambda f, x, h: (f(x + h), f(x - h)), "expected shape ()"),
        (second.best_step, _step(factor=6.0), "best_step(0.01, 1)[0], the step"),
        (second.best_step, _step(factor=6.0), "There the two errors are equal"),
        (second.best_step, _step(power=1 / 2), "A cube root"),
        (second.best_step, _step(power=1), "That is h^3"),
        (second.best_step, _step(error=lambda h, e, third: e / h), "[1], the error there"),
        (second.best_step, _step(error=lambda h, e, third: e / h), "the truncation, h^2 M3 / 6, is to be added"),
        (second.best_step, _step(error=lambda h, e, third: h**2 * third / 6), "the rounding, e / h, is to be added"),
        (second.best_step, _step(error=lambda h, e, third: 2 * e / h), "half the rounding"),
        (second.best_step, lambda e, third: (3 * e / third) ** (1 / 3), "gave 1 result; expected 2"),
        (second.kinked, lambda f, x, e: _bend(f, x, 1e-4) > 1e-9, "f(x) = x**2 at 1: expected False, got True"),
        (second.kinked, lambda f, x, e: _bend(f, x, 1e-4) > 0.005, "f(x) = exp(10 x) at 0"),
        (second.kinked, lambda f, x, e: _bend(f, x, 1e-4) > 0.02, "1/500 only"),
        (second.kinked, lambda f, x, e: _bend(f, x, 1e-4) > _bend(f, x, 1e-3) / 2, "straight line plus rounding"),
        (second.kinked, lambda f, x, e: f(x + 1e-4) - 2 * f(x) + f(x - 1e-4) > 1e-5, "A jump downwards"),
        (second.kinked, lambda f, x, e: _bend(f, x, 1e-4), "expected True or False, got 2.0"),
        (second.my_check, lambda f, vjp, x, random: True, "tanh with its vjp's sign turned: expected False"),
        (second.my_check, lambda f, vjp, x, random: False, "for a right vjp of tanh: expected True"),
        (second.my_check, _usual_check(), "A false alarm"),
        (second.my_check, _usual_check(rtol=1e-3, step=1e-8), "known to nine digits only"),
        (second.my_check, _usual_check(_ones, rtol=1e-3, atol=1e-3, step=1e-6), "Under a cotangent of ones"),
        (second.my_check, _usual_check(rtol=1e-3, atol=1e-2, step=1e-6), "1.00001 times too large"),
        (second.my_check, _usual_check(rtol=1e-3, atol=1e-2, step=1e-6, first=3), "one element in 400"),
        (second.my_check, lambda f, vjp, x, random: 0.5, "expected True or False, got 0.5"),
        (second.planted, RIGHT | {"softmax": 3}, "softmax: line 3 is as it should be"),
        (second.planted, RIGHT | {"batch_norm": 4}, "weight and bias are found right"),
        (second.planted, RIGHT | {"conv2d": 6, "softmax": ...}, "conv2d: line 6 is as it should be"),
        (second.planted, RIGHT | {"leaky_relu": 3}, "What does the second call remember?"),
        (second.planted, RIGHT | {"binary_cross_entropy": "2"}, "expected the number of a line, such as 3, got '2'"),
        (second.planted, [2, 6, 7, 1, 2], "expected a dictionary"),
        (second.planted, {"softmax": 2}, "a line number for each of"),
    ],
)
def test_lesson_2_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def _by_least_squares(f, x, h):
    """The slope at x of the parabola of fourth degree through five points."""
    places = np.arange(-2, 3) * h
    return np.polyfit(places, [f(x + t) for t in places], 4)[3]


def _element_by_element(f, vjp, x, random):
    """Five-point differences at many steps; each result is off by its distance from the one before, or by noise."""
    g = random.normal(size=x.shape)
    claimed = vjp(g, x)
    u = 2.0**-53

    def loss(x):
        return float((g * f(x)).sum())

    noise = u * abs(g * f(x)).sum()
    for _ in range(9):
        noise = max(noise, abs(loss(x * (1 + u * random.integers(-2, 3, x.shape))) - loss(x)))
    seen = []
    for place in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[place] = 1.0
        best, error, before = 0.0, np.inf, np.inf
        for h in 4.0 ** -np.arange(3, 16):
            at = [loss(x + k * h * e) for k in (-2, -1, 1, 2)]
            slope = (8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * h)
            off = abs(slope - before) + 4 * noise / h
            if off < error:
                best, error = slope, off
            before = slope
        seen.append(abs(best - claimed[place]) <= 3 * error)
    return all(seen)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (second.five_point, _by_least_squares),
        (second.five_point, lambda f, x, h: (8 * (f(x + h) - f(x - h)) - f(x + 2 * h) + f(x - 2 * h)) / (12 * h)),
        (second.best_step, lambda e, third: (np.cbrt(3 * e / third), np.cbrt(9 * e**2 * third / 8))),
        (second.kinked, lambda f, x, e: min(_bend(f, x, 4.0**-k) - 9 * e * 4**k for k in (4, 5, 6)) > _bend(f, x, 4**-4.0) / 4),
        (second.my_check, _element_by_element),
    ],
)  # fmt: skip
def test_an_answer_written_differently_is_right(check, answer):
    verdict = check(answer)
    assert verdict.right, verdict


def test_planted_bugs_found_in_part_are_counted():
    verdict = second.planted(dict.fromkeys(RIGHT, ...) | {"conv2d": 7})
    assert verdict.state == "not answered yet" and "Found: 1 of 5. Still open: softmax, batch_norm," in verdict.reason
    assert "in place of the dots" in second.planted(dict.fromkeys(RIGHT, ...)).reason


REPAIRS = {
    "softmax": "mean = (g * y).sum(axis=dim, keepdims=True)",
    "batch_norm": "g_input = (gy - gy.mean(axis=axes, keepdims=True) "
    "- y * (gy * y).mean(axis=axes, keepdims=True)) / std",
    "conv2d": "return g_input, g_weight[:, :, :R, :S]",
    "leaky_relu": "if True:",
    "binary_cross_entropy": "slope = slope / (input * (1 - input))",
}


def _planted_cells():
    """The two cells of lesson 2 that define the five operations and their wrong vjps."""
    cells = (lessons.FOLDER / "02_gradient_checking.py").read_text(encoding="utf-8").split("# %%")
    return "".join(cell for cell in cells if "def softmax" in cell)


@pytest.mark.parametrize("name", RIGHT)
def test_the_line_that_lesson_2_calls_wrong_is_wrong_and_no_other(name):
    lines = _planted_cells().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"def {name}_vjp("))
    place = next(i for i in range(start, len(lines)) if re.search(rf"# line {RIGHT[name]}\b", lines[i]))
    planted, repaired = {"np": np}, {"np": np}
    exec("\n".join(lines), planted)
    lines[place] = "    " + REPAIRS[name]
    exec("\n".join(lines), repaired)
    report = check(planted[name], planted[f"{name}_vjp"], like=name, layouts=False)
    assert report.verdict == "wrong" and {f.order for f in report.findings} == {1}
    assert check(repaired[name], repaired[f"{name}_vjp"], like=name, examples=10).verdict == "right"
