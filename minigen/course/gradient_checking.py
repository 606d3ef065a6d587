"""The exercises of lesson 2, *Is my gradient right?*."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import TODO, Unanswered, Wrong, call, close, exercise
from ._compare import random_array
from ._probe import probing

__all__ = ["best_step", "five_point", "kinked", "my_check", "planted"]

Array = np.ndarray


@exercise("2.1", "five points")
def five_point(answer: Any) -> None:
    """``five_point(f, x, h)`` is the slope of f at x from D(h) and D(2h), without the error in h^2."""
    cases: list[tuple[str, Callable[[float], float], float, float]] = [
        ("x ** 4", lambda x: x**4, 1.5, 0.5),
        ("x ** 5", lambda x: x**5, 1.0, 0.25),
        ("exp(x)", lambda x: float(np.exp(x)), 0.5, 0.125),
    ]
    for name, f, x, h in cases:

        def central(step: float, f: Any = f, x: float = x) -> float:
            return (f(x + step) - f(x - step)) / (2 * step)

        one, two, half = central(h), central(2 * h), central(h / 2)
        mistakes = [
            (3 * (4 * one - two) / 3, "Almost: the error in h^2 is gone. But 4 D(h) - D(2h) is 3 times the slope."),
            (one, "This is D(h); its error of h^2 f'''/6 is still in it."),
            (two, "This is D(2h); its error is four times that of D(h)."),
            ((one + two) / 2, "This is their mean. D(2h) has four times the error of D(h): weigh them."),
            ((4 * two - one) / 3, "The weights are exchanged: D(2h) is the one with four times the error."),
            ((4 * half - one) / 3, "That cancels the h^2 too, with D(h) and D(h/2). Asked for are D(h) and D(2h)."),
            ((one - two) / 3, "This is only the correction; add it to D(h)."),
            (2 * (4 * one - two) / 3, "It is twice the slope: the points x + h and x - h are 2h apart."),
            ((2 * one + two) / 3, "The weights have to cancel the error: D(2h) has four times that of D(h), with the "
                                  "same sign."),
            ((4 * one - two) / 5, "The weights have to add up to 1, so that the slope remains: divide by 3."),
            (2 * one - two, "The weights have to cancel the error: that of D(2h) is four times that of D(h), not "
                            "twice."),
            ((4 * one + two) / 3, "Subtract D(2h): its error has the same sign as that of D(h)."),
            ((4 * one - 2 * two) / 3, "Divide by the distance of the points: x + 2h and x - 2h are 4h apart."),
            ((4 * one - two / 2) / 3, "Divide D(2h) by 4h, the distance of its points, not by more."),
            ((4 * (f(x + h) - f(x)) / h - (f(x + 2 * h) - f(x)) / (2 * h)) / 3,
             "These are forward differences, from x to one side. Their error is in h: take central ones."),
            ((4 * one - half) / 3, "With D(h/2) the weights are others. Asked for are D(h) and D(2h)."),
            ((f(x + h) - f(x)) / h, "This looks to one side only. D(h) is (f(x + h) - f(x - h)) / (2h)."),
        ]  # fmt: skip
        what = f"five_point(f, {x:g}, {h:g}) for f(x) = {name}"
        close(what, call(answer, f, x, h), (4 * one - two) / 3, mistakes)


@exercise("2.2", "the best step")
def best_step(answer: Any) -> None:
    """``best_step(e, M3)`` gives the step where a central difference is best, and how good it is there."""
    for e, third in [(0.01, 1.0), (0.001, 6.0), (1e-4, 1e4), (2.0, 0.5)]:
        h = (3 * e / third) ** (1 / 3)
        error = 1.5 * e / h
        what = f"best_step({e:g}, {third:g})"
        step, least = call(answer, e, third, expect=2)
        close(f"{what}[0], the step", step, h, [
            ((6 * e / third) ** (1 / 3), "There the two errors are equal. The sum is least where its slope is zero "
                                         "(and "
             "the derivative of h^2 M3 / 6 has a factor 2)."),
            ((3 * e / third) ** 0.5, "A cube root: h^3 = 3 e / M3."),
            ((e / third) ** 0.5, "A cube root: the derivative of e / h has an h^2 below, and that of h^2 an h above."),
            (2 * (e / third) ** 0.5, "That is the best step of a forward difference."),
            ((e / third) ** (1 / 3), "Almost: mind the 6 in h^2 M3 / 6, and the 2 from its derivative."),
            (3 * e / third, "That is h^3."),
            ((12 * e / third) ** (1 / 3), "Look at the factor: the derivative of h^2 M3 / 6 is h M3 / 3, so h^3 = 3 "
                                          "e / M3."),
            ((third / (3 * e)) ** (1 / 3), "Upside down: the larger the noise e is, the larger is the best step."),
            ((third / e) ** (1 / 3), "Upside down: the larger the noise e is, the larger is the best step."),
            (1.0, "This is always 1. In Python `1 // 3` is 0, and a power of 0 gives 1: write 1 / 3."),
            ((3 * e / third) ** 3, "This is the third power; what is asked for is the cube root, ** (1 / 3)."),
        ], probe=probing(answer, lambda e, M3: (3 * e / M3) ** (1 / 3), e, third, place=0))  # fmt: skip
        close(f"{what}[1], the error there", least, error, [
            (e / h, "This is the rounding; the truncation, h^2 M3 / 6, is to be added."),
            (h**2 * third / 6, "This is the truncation; the rounding, e / h, is to be added."),
            (2 * e / h, "That is twice the rounding. At the best step the truncation is half the rounding."),
            (h**2 * third + e / h, "Where is the 6? The truncation is h^2 M3 / 6."),
        ], probe=probing(answer, lambda e, M3: 1.5 * e / (3 * e / M3) ** (1 / 3), e, third, place=1))  # fmt: skip


def _kink_cases() -> list[tuple[bool, str, Callable[[float], float], float, float, str]]:
    u = 2.0**-53
    mild = (
        "Its slopes on the two sides differ by 1/500 only. S tends to the jump, however small: compare it with itself."
    )
    bends = "It is smooth, but bends a lot: S is large, yet with a tenth of the step it is a tenth. Look at two steps."
    noise = "It is a straight line plus rounding. S cannot be trusted where it is no more than the noise, some e / h."
    return [
        (True, "f(x) = |x| at 0", abs, 0.0, u, "The slopes are -1 and 1: a kink. There S is the same at both steps."),
        (False, "f(x) = x**2 at 1", lambda x: x**2, 1.0, u, "It is smooth: S falls in proportion to the step. "
                                                            "Compare S at "
         "two steps, and only where it is well above its noise, 4 e / h."),
        (True, "f(x) = max(0.2 x, x) at 0", lambda x: max(0.2 * x, x), 0.0, u, "The slopes are 0.2 and 1."),
        (True, "f(x) = -|x - 1| at 1", lambda x: -abs(x - 1), 1.0, u, "A jump downwards is a jump too."),
        (False, "f(x) = exp(10 x) at 0", lambda x: float(np.exp(10 * x)), 0.0, u, bends),
        (False, "f(x) = -50 x**2 at 0.5", lambda x: -50 * x**2, 0.5, 20 * u, bends),
        (True, "f(x) = x + |x| / 1000 at 0", lambda x: x + abs(x) / 1000, 0.0, u, mild),
        (False, "f(x) = 1e6 + x at 0.3, with e = 1e-10", lambda x: 1e6 + x, 0.3, 1e-10, noise),
        (False, "f(x) = 3e6 - x at 0.7, with e = 5e-10", lambda x: 3e6 - x, 0.7, 5e-10, noise),
        (False, "f(x) = 5 at 2", lambda x: 5.0, 2.0, u, "A constant has no kink."),
    ]  # fmt: skip


@exercise("2.3", "find the kink")
def kinked(answer: Any) -> None:
    """``kinked(f, x, e)`` says whether the slope of f jumps at x; the values of f carry an error of up to e."""
    for right, case, f, x, e, hint in _kink_cases():
        _yes_or_no("kinked(f, x, e)", call(answer, f, x, e), right, case, hint)


def _yes_or_no(what: str, got: Any, right: bool, case: str, hint: str) -> None:
    if not isinstance(got, bool | np.bool_) and not (
        isinstance(got, np.ndarray) and got.shape == () and got.dtype == bool
    ):
        raise Wrong(f"{what}, {case}: expected True or False, got {got!r:.60}.")
    if bool(got) != right:
        raise Wrong(f"{what}, {case}: expected {right}, got {bool(got)}. {hint}")


def _normalized(x: Array) -> Array:
    centered = x - x.mean(axis=0)
    return centered / np.sqrt((centered**2).mean(axis=0))


def _normalized_vjp(g: Array, x: Array) -> Array:
    y = _normalized(x)
    return (g - g.mean(axis=0) - y * (g * y).mean(axis=0)) / np.sqrt(x.var(axis=0))


def _tanh_vjp(g: Array, x: Array) -> Array:
    return g * (1 - np.tanh(x) ** 2)


def _one_doubled(g: Array, x: Array) -> Array:
    dx = _tanh_vjp(g, x)
    dx[-1, 2] *= 2
    return dx


def _steep(x: Array) -> Array:
    return np.sin(200 * x)


def _tiny(x: Array) -> Array:
    return 1e-8 * np.sin(x)


def _check_cases() -> list[tuple[bool, str, Any, Any, Array, str]]:
    x, wide = random_array(0, 5, 3), random_array(1, 20, 20)
    noisy = 1e4 + 1e-3 * random_array(2, 6, 2)
    fixed = (
        "A false alarm: a right vjp was refused. Is the tolerance derived from the error of *this* difference, or "
        "chosen beforehand?"
    )
    return [
        (True, "for a right vjp of tanh", np.tanh, _tanh_vjp, x, fixed),
        (True, "for a right vjp of batch norm", _normalized, _normalized_vjp, x, fixed),
        (True, "for a right vjp of sin(200 x)", _steep, lambda g, x: 200 * g * np.cos(200 * x), x, fixed),
        (True, "for a right vjp of batch norm at 10000 +- 0.001", _normalized, _normalized_vjp, noisy,
         fixed + " Here the values are known to nine digits only."),
        (False, "for tanh with its vjp's sign turned", np.tanh, lambda g, x: -_tanh_vjp(g, x), x,
         "A wrong vjp was accepted. Is the claim compared at all, by its absolute value? What the vjp gives, times "
         "v, is to be the slope of f along v, times g."),
        (False, "for batch norm with its vjp's sign turned", _normalized, lambda g, x: -_normalized_vjp(g, x), x,
         "Under a cotangent of ones batch norm's gradient is zero, and so is minus zero. Draw g at random."),
        (False, "for tanh with a vjp that leaves g out", np.tanh, lambda g, x: 1 - np.tanh(x) ** 2, x,
         "It is right if g is all ones, and only then. Draw g at random."),
        (False, "for tanh with a vjp of which one element in 400 is doubled", np.tanh, _one_doubled, wide,
         "Does v reach every element of x? And is the tolerance small enough that one element shows?"),
        (False, "for tanh with a vjp 1.00001 times too large", np.tanh, lambda g, x: 1.00001 * _tanh_vjp(g, x), x,
         "Differences can be had to ten digits. Is the tolerance derived, or chosen?"),
        (False, "for sin(x) / 1e8 with its vjp's sign turned", _tiny, lambda g, x: -1e-8 * g * np.cos(x), x,
         "All its gradients are below 1e-7, and a fixed absolute tolerance swallows them. Derive it from the noise."),
    ]  # fmt: skip


@exercise("2.4", "a check of your own")
def my_check(answer: Any) -> None:
    """``my_check(f, vjp, x, random)`` says whether the vjp of f is right at x, as far as differences can tell."""
    for right, case, f, vjp, x, hint in _check_cases():
        for seed in range(3):
            got = call(answer, f, vjp, x, np.random.default_rng(100 + seed))  # independent of x
            _yes_or_no("my_check(f, vjp, x, random)", got, right, case, hint)


_PLANTED = {
    "softmax": (2, "The vjp is y (g - c), with a number c for each row. sum(y) stays 1, so sum(dx) is 0: what is c?"),
    "batch_norm": (6, "weight and bias are found right, so the lines up to there are. Compare dx with the formula for "
                      "batch norm in this lesson, term by term."),
    "conv2d": (7, "Only weight is found wrong. In the example, what fits unevenly: how many rows or columns does "
                  "no window reach, and on which side of the image are they?"),
    "leaky_relu": (1, "Call it twice, with x and with -x. What does the second call remember?"),
    "binary_cross_entropy": (2, "In the example, what is p (1 - p)? And what is it with the guard?"),
}  # fmt: skip


@exercise("2.5", "five planted bugs")
def planted(answer: Any) -> None:
    """A dictionary says for each of the five wrong vjps which of its numbered lines is wrong."""
    if not isinstance(answer, dict) or set(answer) != set(_PLANTED):
        raise Wrong(f"expected a dictionary with a line number for each of {', '.join(_PLANTED)}; got {answer!r:.80}.")
    for name, (line, hint) in _PLANTED.items():
        if answer[name] is ... or answer[name] is None:
            continue
        if isinstance(answer[name], bool) or not isinstance(answer[name], int | np.integer):
            raise Wrong(f"{name}: expected the number of a line, such as 3, got {answer[name]!r:.60}.")
        if answer[name] != line:
            raise Wrong(f"{name}: line {answer[name]} is as it should be. {hint}")
    left = [name for name in _PLANTED if answer[name] is ... or answer[name] is None]
    if left:
        done = len(_PLANTED) - len(left)
        raise Unanswered(f"Found: {done} of {len(_PLANTED)}. Still open: {', '.join(left)}." if done else TODO)
