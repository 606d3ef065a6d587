"""Lesson 7: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

from minigen.course import optimizers as lesson


def _momentum(new=lambda v, g, m: m * v + g, decay=1.0, sign=-1.0, old=False, decoupled=False, swap=False):
    def momentum_step(theta, grad, velocity, lr, momentum, weight_decay):
        grad = grad + decay * weight_decay * theta
        after = new(velocity, grad, momentum)
        moved = theta + sign * lr * (velocity if old else after)
        moved = moved - lr * weight_decay * theta if decoupled else moved
        return (after, moved) if swap else (moved, after)

    return momentum_step


def _adam(correct=(True, True), eps="outside", root=np.sqrt, mean=True, square=np.square, betas=(0, 1), sums=False,
          returned="raw", sign=-1.0, later=0):  # fmt: skip
    def adam_step(theta, grad, m, s, t, lr, beta1, beta2, epsilon):
        first, second = ((beta1, beta2)[i] for i in betas)
        m = first * m + (1 if sums else 1 - first) * grad
        s = second * s + (1 - second) * square(grad)
        m_hat = m / (1 - beta1 ** (t + later)) if correct[0] else m
        s_hat = s / (1 - beta2 ** (t + later)) if correct[1] else s
        size = root(s_hat + epsilon) if eps == "inside" else root(s_hat) + (0 if eps == "none" else epsilon)
        theta = theta + sign * lr * (m_hat if mean else grad) / size
        return (theta, m_hat, s_hat) if returned == "corrected" else (theta, m, s)

    return adam_step


NAMES = {"P": "uncorrected", "Q": "adam", "R": "inside", "S": "adamw"}
FACTORS = {"SGD": 1e-3, "momentum": 1e-3, "RMSprop": 1, "Adam": 1}


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (lesson.stable_rate, lambda c: (1 / c.max(), 1 - c.min() / c.max()), "It may jump over the minimum"),
        (lesson.stable_rate, lambda c: (2 / c.min(), 1 - c.min() / c.max()), "The steepest one explodes first"),
        (lesson.stable_rate, lambda c: (2 / c.mean(), 1 - c.min() / c.max()), "one direction that explodes is enough"),
        (lesson.stable_rate, lambda c: (2 / c.max(), 0.0), "This is the factor of the steepest direction"),
        (lesson.stable_rate, lambda c: (2 / c.max(), 1 - 2 * c.min() / c.max()), "half of the limit"),
        (lesson.stable_rate, lambda c: 2 / c.max(), "gave 1 result; expected 2"),
        (lesson.momentum_step, _momentum(new=lambda v, g, m: m * v + (1 - m) * g), "no factor 1 - momentum"),
        (lesson.momentum_step, _momentum(new=lambda v, g, m: v + g), "Nothing is forgotten"),
        (lesson.momentum_step, _momentum(new=lambda v, g, m: m * (v + g)), "Only the old velocity"),
        (
            lesson.momentum_step,
            _momentum(new=lambda v, g, m: m * v - 0.1 * g),
            "This velocity contains the learning rate",
        ),
        (lesson.momentum_step, _momentum(decay=0.0), "Where is the weight decay?"),
        (lesson.momentum_step, _momentum(decay=-1.0), "The decay is added to the gradient"),
        (lesson.momentum_step, _momentum(old=True), "The step uses the new velocity"),
        (lesson.momentum_step, _momentum(sign=1.0), "Look at the sign"),
        (lesson.momentum_step, _momentum(decoupled=True), "here it counts twice"),
        (lesson.momentum_step, _momentum(swap=True), "The new theta comes first"),
        (lesson.adam_step, _adam(correct=(False, False)), "Where is the bias correction?"),
        (lesson.adam_step, _adam(correct=(False, True)), "m is not corrected here"),
        (lesson.adam_step, _adam(correct=(True, False)), "s is not corrected here"),
        (lesson.adam_step, _adam(eps="inside"), "eps is under the root"),
        (lesson.adam_step, _adam(eps="none"), "Where is eps?"),
        (lesson.adam_step, _adam(root=lambda a: a), "Where is the root?"),
        (lesson.adam_step, _adam(mean=False), "This is RMSprop"),
        (lesson.adam_step, _adam(square=lambda a: a), "s is the mean of the squares"),
        (lesson.adam_step, _adam(square=np.abs), "s is the mean of the squares"),
        (lesson.adam_step, _adam(betas=(1, 1)), "This is beta2; the mean of the gradients has beta1"),
        (lesson.adam_step, _adam(betas=(0, 0)), "This is beta1; the mean of the squares has beta2"),
        (lesson.adam_step, _adam(sums=True), "Where is the factor 1 - beta1?"),
        (lesson.adam_step, _adam(returned="corrected"), "Return the mean itself"),
        (lesson.adam_step, _adam(sign=1.0), "Look at the sign"),
        (lesson.adam_step, _adam(later=1), "t is 1 at the first step already"),
        (lesson.which_adam, {**NAMES, "P": "inside", "R": "uncorrected"}, "P, you say inside"),
        (lesson.which_adam, {**NAMES, "Q": "sgd"}, "Q: expected one of adam, adamw, inside, uncorrected, got 'sgd'"),
        (lesson.which_adam, ["adam"], "Expected a dictionary with the keys P, Q, R, S"),
        (lesson.rate_factor, {**FACTORS, "SGD": 1000}, "proportional to the gradient"),
        (lesson.rate_factor, {**FACTORS, "Adam": 1e-3}, "a factor of the loss drops out"),
        (lesson.rate_factor, {**FACTORS, "Adam": "same"}, "Adam: expected a number, got 'same'"),
        (lesson.growth, lambda lr, n: (1 + lr**2) ** n, "the factor of the squared distance"),
        (lesson.growth, lambda lr, n: (1 + lr * lr) ** 0.5, "This is one step"),
        (lesson.growth, lambda lr, n: (1 + lr * lr) ** 0.5 * (n if n > 1 else 1), "Each step multiplies the distance"),
        (lesson.growth, lambda lr, n: (1 + lr * lr) ** 0.5 if n == 1 else (1 + lr) ** n, "use Pythagoras"),
    ],
)
def test_lesson_7_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_names_may_be_written_in_any_case_and_open_answers_are_not_wrong():
    assert lesson.which_adam({letter: name.upper() for letter, name in NAMES.items()}).right
    assert lesson.which_adam({**NAMES, "P": ...}).state == "not answered yet"
    assert lesson.rate_factor({**FACTORS, "SGD": ...}).state == "not answered yet"


def test_the_results_to_be_told_apart_differ_clearly():
    values = np.array(sorted(lesson.RESULTS.values()))
    assert np.diff(values).min() > 0.02
