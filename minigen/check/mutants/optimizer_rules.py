"""Optimizers that are wrong on purpose: a right rule with one thing changed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..optimizers import VARIANTS, check_optimizer

__all__ = ["RULES", "Rule", "caught"]


@dataclass(frozen=True)
class Rule:
    """A wrong optimizer: the variant it claims to be, and its step ``(theta, g, state, t) -> theta``."""

    variant: str
    what: str
    step: Callable[..., Any]
    small: bool = False


RULES: dict[str, Rule] = {}
"""The wrong optimizers by name."""


def _run(variant: str, state: dict[Any, Any], theta: Any, g: Any, t: int, **changes: Any) -> Any:
    """One step of the variant's own rule in float64, element by element, with changed options."""
    known = VARIANTS[variant]
    out = np.empty_like(theta)
    for j in range(theta.size):
        out[j] = known.rule(theta[j], g[j], state.setdefault(j, {}), t, math.sqrt, **{**known.options, **changes})
    return out


def _options(variant: str, name: str, what: str, small: bool = False, **changes: Any) -> None:
    RULES[f"{variant}.{name}"] = Rule(
        variant, what, lambda theta, g, state, t: _run(variant, state, theta, g, t, **changes), small
    )


def _wrapped(variant: str, name: str, what: str, wrap: Any, small: bool = False) -> None:
    RULES[f"{variant}.{name}"] = Rule(variant, what, wrap, small)


_options("adam", "eps_inside", "epsilon under the root", eps_place="inside")
_options("adam", "eps_hat", "epsilon before the bias correction", eps_place="hat")
_options("adam", "eps", "epsilon of 1e-7 for 1e-8", True, eps=1e-7)
_options("adam", "uncorrected", "no bias correction", bias_correction=False)
_options("adam", "lr", "a learning rate 1e-5 too large", True, lr=0.001 * (1 + 1e-5))
_options("adam", "beta2", "beta2 of 0.99 for 0.999", beta2=0.99)
_options("adam", "betas_swapped", "the two betas swapped", beta1=0.999, beta2=0.9)
_options("adamw", "coupled", "decay through the gradient", decoupled=False)
_options("adamw", "no_lr", "decay not scaled by the learning rate", decay_times_lr=False)
_options("adam_amsgrad", "corrected", "the maximum after the bias correction", amsgrad="corrected")
_options("adam_amsgrad", "plain", "no maximum at all", amsgrad="")
_options("sgd_nesterov", "plain", "momentum without the look-ahead", nesterov=False)
_options("sgd_momentum_dampening", "ignored", "no dampening", dampening=0)
_options("sgd_momentum_weight_decay", "decoupled", "decay of the parameter itself", decoupled=True)
_options("rmsprop", "eps_inside", "epsilon under the root", eps_inside=True)
_options("rmsprop_centered", "plain", "not centered", centered=False)
_options("rmsprop", "start", "the running average starts at 1", start=1)
_wrapped("adam", "t_off", "the step counted from 2", lambda theta, g, state, t: _run("adam", state, theta, g, t + 1))
_wrapped("adam", "sign", "uphill", lambda theta, g, state, t: _run("adam", state, theta, -g, t))
_wrapped("sgd_momentum", "float32_gradient", "the gradient in float32", lambda theta, g, state, t: (
    _run("sgd_momentum", state, theta, g.astype(np.float32).astype(np.float64), t)), True)  # fmt: skip
_wrapped("adam", "float32_parameters", "the parameters in float32", lambda theta, g, state, t: (
    _run("adam", state, theta, g, t).astype(np.float32).astype(np.float64)), True)  # fmt: skip
_wrapped("rmsprop", "skips_zeros", "no step where all gradients are zero, the average does not decay",
         lambda theta, g, state, t: _run("rmsprop", state, theta, g, t) if np.any(g) else theta)  # fmt: skip


def caught(rule: Rule, seed: int) -> bool:
    """Whether the comparison with the high-precision reference sees it."""
    state: dict[Any, Any] = {}
    count = iter(range(1, 10_000))
    return check_optimizer(lambda theta, g: rule.step(theta, g, state, next(count)), rule.variant, seed=seed) != ""
