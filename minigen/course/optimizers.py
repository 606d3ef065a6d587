"""The exercises of lesson 7, *Optimizers*."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import TODO, Unanswered, Wrong, call, close, exercise
from ._compare import random_array
from ._probe import probing

__all__ = ["adam_step", "growth", "momentum_step", "rate_factor", "stable_rate", "which_adam"]


@exercise("7.1", "the largest learning rate")
def stable_rate(answer: Any) -> None:
    """``stable_rate(curvatures)`` gives the limit 2 / max, and the slowest factor at half of it."""
    for curvatures in (np.array([100.0, 1.0]), np.array([0.5, 8.0, 2.0]), np.array([4.0])):
        what = f"stable_rate({curvatures.tolist()})"
        largest, smallest = curvatures.max(), curvatures.min()
        limit, factor = call(answer, curvatures, expect=2)
        close(f"{what}[0], the limit", limit, 2 / largest, [
            (1 / largest, "Here the steepest direction arrives in one step, lr * curvature = 1. It may jump over the "
                          "minimum and still come nearer: up to which rate?"),
            (2 / smallest, "This is the limit of the flattest direction. The steepest one explodes first."),
            (2 / curvatures.mean(), "The mean does not count: one direction that explodes is enough."),
            (2 / curvatures.sum(), "Each direction has its own factor; the steepest one decides."),
        ])  # fmt: skip
        close(f"{what}[1], the factor", factor, 1 - smallest / largest, [
            (0.0, "This is the factor of the steepest direction, which arrives in one step. Which is the slowest?"),
            (smallest / largest, "This is what the distance loses in a step. What remains of it? The factor is 1 - "
                                 "lr * "
             "curvature."),
            (1 - 2 * smallest / largest, "This is the factor at the limit. The question is about half of the limit."),
            (largest / smallest, "This is the condition number. The factor is 1 - lr * curvature."),
        ] if largest > smallest else [])  # fmt: skip


@exercise("7.2", "a step of momentum")
def momentum_step(answer: Any) -> None:
    """``momentum_step(theta, grad, velocity, lr, momentum, weight_decay)`` gives theta and velocity."""
    for seed in range(2):
        theta, grad, velocity = random_array(seed, 3, 4)
        lr, momentum, decay = 0.1, 0.8, 0.5
        got_theta, got_velocity = call(answer, theta, grad, velocity, lr, momentum, decay, expect=2)
        full = grad + decay * theta
        new = momentum * velocity + full
        what = "momentum_step(...)"
        close(f"{what}[1], the velocity", got_velocity, new, [
            (momentum * velocity + (1 - momentum) * full, "PyTorch has no factor 1 - momentum here: the learning rate "
                                                          "contains it."),
            (momentum * velocity + grad, "Where is the weight decay? weight_decay * theta belongs to the gradient."),
            (momentum * velocity + grad - decay * theta, "The decay is added to the gradient; the step subtracts it."),
            (momentum * velocity - lr * full, "This velocity contains the learning rate (as in Keras). Asked for is "
                                              "PyTorch's: the rate multiplies the step."),
            (momentum * velocity + lr * full, "This velocity contains the learning rate (as in Keras). Asked for is "
                                              "PyTorch's: the rate multiplies the step."),
            (full, "Where is the old velocity? The new one is momentum times the old one, plus the gradient."),
            (grad, "Where is the old velocity? The new one is momentum times the old one, plus the gradient."),
            (velocity + full, "Nothing is forgotten: momentum multiplies the old velocity."),
            (momentum * (velocity + full), "Only the old velocity is multiplied by momentum."),
            (theta - lr * new, "The new theta comes first, then the velocity."),
        ],
         probe=probing(answer, lambda theta, grad, velocity, lr, momentum, weight_decay: momentum * velocity
           + grad + weight_decay * theta, theta, grad, velocity, lr, momentum, decay, place=1))  # fmt: skip
        close(f"{what}[0], theta", got_theta, theta - lr * new, [
            (theta - lr * velocity, "The step uses the new velocity, not the old one."),
            (theta - lr * (full + momentum * new), "This is Nesterov's variant, which looks one step ahead: momentum "
                                                   "counts twice. Here the step is lr times the new velocity."),
            (new, "This is the velocity: the new theta comes first."),
            (theta - new, "Where is lr? The step is lr times the velocity."),
            (theta + lr * new, "Look at the sign: the gradient points where the loss rises."),
            (theta - lr * full, "Where is the velocity? The step is lr times the velocity."),
            (theta - lr * new - lr * decay * theta, "The decay is in the gradient already; here it counts twice."),
            (theta * (1 - lr * decay) - lr * (momentum * velocity + grad), "This is decoupled decay, as in AdamW."),
        ],
         probe=probing(answer, lambda theta, grad, velocity, lr, momentum, weight_decay:
           theta - lr * (momentum * velocity + grad + weight_decay * theta), theta, grad, velocity, lr, momentum,
           decay, place=0))  # fmt: skip


def _adam(theta: Any, grad: Any, m: Any, s: Any, t: int, lr: float, beta1: float, beta2: float, eps: float) -> Any:
    m, s = beta1 * m + (1 - beta1) * grad, beta2 * s + (1 - beta2) * grad**2
    m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
    return theta - lr * m_hat / (np.sqrt(s_hat) + eps), m, s


@exercise("7.3", "a step of Adam")
def adam_step(answer: Any) -> None:
    """``adam_step(theta, grad, m, s, t, lr, beta1, beta2, eps)`` gives theta, m and s."""
    lr, beta1, beta2, eps = 0.1, 0.9, 0.99, 0.02  # a large eps, so that its place shows
    theta, m, s = random_array(0, 5), random_array(8, 5), random_array(9, 5) ** 2
    for t in range(2, 5):
        grad = random_array(t, 5) * [1.0, 0.1, 0.01, 1.0, 0.1]
        what = f"adam_step(...) at t = {t}"
        got_theta, got_m, got_s = call(answer, theta, grad, m, s, t, lr, beta1, beta2, eps, expect=3)
        right, new_m, new_s = _adam(theta, grad, m, s, t, lr, beta1, beta2, eps)
        m_hat, s_hat = new_m / (1 - beta1**t), new_s / (1 - beta2**t)
        close(f"{what}: m", got_m, new_m, [
            (m_hat, "This is the corrected mean. Return the mean itself: the correction is made anew at each step."),
            (beta1 * m + grad, "Where is the factor 1 - beta1? In Adam m is a mean, not a sum."),
            ((1 - beta1) * m + beta1 * grad, "beta1 is the share of the old mean that is kept."),
            (new_s, "This is s. The order of the results is theta, m, s."),
            (right, "This is theta. The order of the results is theta, m, s."),
            (m, "This is the old m: compute the new mean first, and return it."),
            (beta2 * m + (1 - beta2) * grad, "This is beta2; the mean of the gradients has beta1."),
        ],
         probe=probing(answer, lambda theta, grad, m, s, t, lr, beta1, beta2, eps: _adam(theta, grad, m, s, t, lr,
           beta1, beta2, eps)[1], theta, grad, m, s, t, lr, beta1, beta2, eps, place=1))  # fmt: skip
        close(f"{what}: s", got_s, new_s, [
            (s_hat, "This is the corrected mean. Return the mean itself: the correction is made anew at each step."),
            (beta2 * s + grad**2, "Where is the factor 1 - beta2?"),
            (beta2 * s + (1 - beta2) * grad, "s is the mean of the squares."),
            (beta2 * s + (1 - beta2) * abs(grad), "s is the mean of the squares."),
            (beta1 * s + (1 - beta1) * grad**2, "This is beta1; the mean of the squares has beta2."),
        ],
         probe=probing(answer, lambda theta, grad, m, s, t, lr, beta1, beta2, eps: _adam(theta, grad, m, s, t, lr,
           beta1, beta2, eps)[2], theta, grad, m, s, t, lr, beta1, beta2, eps, place=2))  # fmt: skip
        close(f"{what}: theta", got_theta, right, [
            (theta - lr * new_m / (np.sqrt(new_s) + eps), "Where is the bias correction?"),
            (theta - lr * m_hat / np.sqrt(s_hat + eps), "eps is under the root here. Add it to the root."),
            (theta - lr * m_hat / np.sqrt(s_hat), "Where is eps?"),
            (theta - lr * m_hat / (s_hat + eps), "Where is the root? s has the unit of the squared gradient."),
            (theta - lr * m_hat / (np.sqrt(new_s) + eps), "s is not corrected here."),
            (theta - lr * new_m / (np.sqrt(s_hat) + eps), "m is not corrected here."),
            (theta - lr * m_hat / (np.sqrt(s_hat) + eps / np.sqrt(1 - beta2**t)), "eps is divided by the correction of "
             "s, as in Keras. Correct s first, then take the root, then add eps."),
            (theta - lr * new_m / (1 - beta1) / (np.sqrt(new_s / (1 - beta2)) + eps),
             "The correction is that of the first step, always: 1 - beta1 ** t has a power that grows with t."),
            (theta - lr * m / (1 - beta1**t) / (np.sqrt(s / (1 - beta2**t)) + eps),
             "The step uses the old m and s: update both means first."),
            (theta - lr * m_hat / (np.sqrt(new_s) + eps) * np.sqrt(1 - beta2**t),
             "eps is added before s is corrected. Correct s first, then take the root, then add eps."),
            (new_m, "This is m. The order of the results is theta, m, s."),
            (theta - m_hat / (np.sqrt(s_hat) + eps), "Where is lr?"),
            (theta - lr * grad / (np.sqrt(s_hat) + eps), "This is RMSprop with a correction: the step uses m."),
            (theta + lr * m_hat / (np.sqrt(s_hat) + eps), "Look at the sign."),
            (theta - lr * new_m / (1 - beta1 ** (t + 1)) / (np.sqrt(new_s / (1 - beta2 ** (t + 1))) + eps),
             "t is 1 at the first step already: do not add 1."),
        ],
         probe=probing(answer, lambda theta, grad, m, s, t, lr, beta1, beta2, eps: _adam(theta, grad, m, s, t, lr,
           beta1, beta2, eps)[0], theta, grad, m, s, t, lr, beta1, beta2, eps, place=0))  # fmt: skip
        theta, m, s = right, new_m, new_s


_FIRST = {"lr": 0.1, "g": 1e-4, "eps": 1e-8, "w": 0.5}


def _first_steps() -> dict[str, float]:
    """One step from theta = 1 with m = s = 0, by four programs."""
    lr, g, eps, w = _FIRST.values()
    decayed = 1 - lr * w
    return {
        "adamw": decayed - lr * g / (g + eps),
        "adam": 1 - lr * (g + w) / (g + w + eps),
        "uncorrected": decayed - lr * 0.1 * g / (np.sqrt(0.001) * g + eps),
        "inside": decayed - lr * g / np.sqrt(g**2 + eps),
    }


_PROGRAMS = {"P": "uncorrected", "Q": "adam", "R": "inside", "S": "adamw"}
RESULTS: Mapping[str, float] = {letter: float(_first_steps()[name]) for letter, name in _PROGRAMS.items()}
"""What four programs give; exercise 7.4 asks which is which."""

_ADAM_HINTS = {
    "P": "The decay of AdamW leaves 0.95, in each variant. How long is the rest of the step, in units of lr?",
    "Q": "Is anything left of the decay? In Adam it is part of the gradient, and the first step has the length lr.",
    "R": "After the decay to 0.95 the step is 0.7 lr. For which program is g = 1e-4 not far above eps?",
    "S": "The decay of AdamW, then a step of the full length lr.",
}


@exercise("7.4", "which Adam is it?")
def which_adam(answer: Any) -> None:
    """A dictionary from each letter to the name of its program."""
    _check_dictionary(answer, list(_PROGRAMS))
    unknown = [letter for letter in _PROGRAMS if str(answer[letter]).strip().lower() not in _PROGRAMS.values()]
    if unknown:
        names = ", ".join(sorted(_PROGRAMS.values()))
        raise Wrong(f"{unknown[0]}: expected one of {names}, got {answer[unknown[0]]!r}.")
    off = [letter for letter, name in _PROGRAMS.items() if str(answer[letter]).strip().lower() != name]
    if off:
        raise Wrong("\n".join(f"{letter}, you say {answer[letter]}: {_ADAM_HINTS[letter]}" for letter in off))


@exercise("7.5", "the scale of the loss")
def rate_factor(answer: Any) -> None:
    """A dictionary from each optimizer to the factor of its learning rate when the loss is multiplied by 1,000."""
    right = {"SGD": 1e-3, "momentum": 1e-3, "RMSprop": 1.0, "Adam": 1.0}
    _check_dictionary(answer, list(right))
    divides = "This optimizer divides each gradient by its usual size: a factor of the loss drops out."
    linear = ("The step of {} is proportional to the gradient, which is 1,000 times larger now: divide the rate by "
              "as much "
              "(once: the velocity is a sum of gradients).")  # fmt: skip
    for name, factor in right.items():
        hint = divides if factor == 1 else linear.format(name)
        try:
            given = float(answer[name])
        except (TypeError, ValueError):
            raise Wrong(f"{name}: expected a number, got {answer[name]!r}.") from None
        close(f"rate_factor[{name!r}]", given, factor, [(given, hint)])


@exercise("7.6", "how fast do they leave?")
def growth(answer: Any) -> None:
    """``growth(lr, steps)`` is sqrt(1 + lr^2) to the power of steps."""
    for lr, steps in ((0.1, 1), (0.5, 3), (1.0, 10)):
        close(f"growth({lr}, {steps})", np.asarray(call(answer, lr, steps), float), (1 + lr * lr) ** (steps / 2), [
            ((1 - lr * lr) ** (steps / 2), "Look at the sign: the distance grows. Multiply out x_t^2 + y_t^2."),
            (np.exp(lr * steps), "The step has the length lr times the distance, but at a right angle to it: use "
             "Pythagoras."),
            ((1 + lr * lr) ** steps, "This is the factor of the squared distance."),
            ((1 + lr) ** steps, "The gradient is at a right angle to the position: use Pythagoras."),
            (((1 + (1 + lr) ** 2) / 2) ** (steps / 2), "Both coordinates change in a step: multiply out x_t^2 + "
                                                       "y_t^2."),
            (1 + steps * lr * lr / 2, "This is the factor for a small lr. Each step multiplies."),
            (np.sqrt(1 + lr * lr), "This is one step: a power is missing."),
            (np.sqrt(1 + lr * lr) * steps, "Each step multiplies the distance by the same factor: a power of it."),
            (1.0, "With simultaneous steps the distance does grow. Multiply out x_t^2 + y_t^2: the mixed terms cancel, "
             "the squares of lr remain."),
        ])  # fmt: skip


def _check_dictionary(answer: Any, keys: list[str]) -> None:
    if not isinstance(answer, dict) or set(answer) != set(keys):
        raise Wrong(f"Expected a dictionary with the keys {', '.join(keys)}, got {answer!r:.80}.")
    if any(value is ... or value is None for value in answer.values()):
        raise Unanswered(TODO)
