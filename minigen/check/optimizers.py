r"""Reference rules of optimizers: every named variant, in high precision.

A framework's "Adam" is one of several.  Where epsilon sits, whether decay is coupled, when a square root is taken: the
differences are small enough to pass for rounding and large enough to change a training run.  Each row of `VARIANTS` is
one rule, written for one number and any number type; `trajectory` runs it in mpmath.

Symbols: g gradient, $\theta$ parameter, m and v running averages of g and $g^2$, t the step from 1.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._util.optional import require

__all__ = ["VARIANTS", "Variant", "check_optimizer", "gradients", "trajectory"]

Rule = Callable[..., Any]


@dataclass(frozen=True)
class Variant:
    """One update rule.

    Attributes
    ----------
    name : str
    rule : callable
        ``rule(theta, g, state, t, sqrt, **options)`` gives the new theta; `state` is a dict that starts empty.
    options : dict
        Their defaults.
    source : str
        Where the rule is defined.
    used_by : str
        Frameworks whose optimizer this is.
    """

    name: str
    rule: Rule
    options: dict[str, Any]
    source: str
    used_by: str


VARIANTS: dict[str, Variant] = {}
"""The variants by name."""


def _variant(name: str, source: str, used_by: str, rule: Rule, **options: Any) -> None:
    VARIANTS[name] = Variant(name, rule, options, source, used_by)


# ---- descent


def _sgd(
    theta: Any,
    g: Any,
    state: dict[str, Any],
    t: int,
    sqrt: Callable[[Any], Any],
    *,
    lr: Any,
    momentum: Any = 0,
    dampening: Any = 0,
    nesterov: Any = False,
    weight_decay: Any = 0,
    decoupled: bool = False,
    lr_inside: Any = False,
) -> Any:
    """Stochastic gradient descent; `lr_inside` puts the rate into the velocity, which differs where it changes."""
    if decoupled:
        theta = theta - lr * weight_decay * theta
    else:
        g = g + weight_decay * theta
    if not momentum:
        return theta - lr * g
    if lr_inside:
        state["v"] = momentum * state.get("v", 0) - lr * g
        return theta + (momentum * state["v"] - lr * g if nesterov else state["v"])
    state["v"] = g if "v" not in state else momentum * state["v"] + (1 - dampening) * g
    return theta - lr * (g + momentum * state["v"] if nesterov else state["v"])


_TORCH, _KERAS, _OPTAX = "torch.optim documentation", "keras.optimizers documentation", "optax documentation"
_variant("sgd", "Robbins & Monro 1951", "all", _sgd, lr=0.01)
_variant("sgd_weight_decay", _TORCH, "PyTorch", _sgd, lr=0.01, weight_decay=0.1)
_variant("sgd_momentum_weight_decay", _TORCH, "PyTorch", _sgd, lr=0.01, momentum=0.9, weight_decay=0.1)
_variant(
    "sgd_momentum_decoupled",
    "Loshchilov & Hutter 2019 (SGDW)",
    "SGDW",
    _sgd,
    lr=0.01,
    momentum=0.9,
    weight_decay=0.1,
    decoupled=True,
)
_variant("sgd_momentum", "Polyak 1964; " + _TORCH, "PyTorch, Optax (trace)", _sgd, lr=0.01, momentum=0.9)
_variant("sgd_momentum_dampening", _TORCH, "PyTorch", _sgd, lr=0.01, momentum=0.9, dampening=0.5)
_variant(
    "sgd_nesterov", "Sutskever et al. 2013; " + _TORCH, "PyTorch, Optax", _sgd, lr=0.01, momentum=0.9, nesterov=True
)
_variant(
    "sgd_momentum_lr_inside",
    "Sutskever et al. 2013, eq. 3; " + _KERAS,
    "Keras",
    _sgd,
    lr=0.01,
    momentum=0.9,
    lr_inside=True,
)
_variant(
    "sgd_nesterov_lr_inside",
    "Sutskever et al. 2013, eq. 3; " + _KERAS,
    "Keras",
    _sgd,
    lr=0.01,
    momentum=0.9,
    nesterov=True,
    lr_inside=True,
)


# ---- Adam


def _adam(
    theta: Any,
    g: Any,
    state: dict[str, Any],
    t: int,
    sqrt: Callable[[Any], Any],
    *,
    lr: Any,
    beta1: Any,
    beta2: Any,
    eps: Any,
    eps_place: str = "outside",
    weight_decay: Any = 0,
    decoupled: bool = False,
    decay_times_lr: bool = True,
    amsgrad: str = "",
    bias_correction: bool = True,
) -> Any:
    r"""Adam.  `eps_place` says where epsilon is added:

    - ``outside``: $\hat m / (\sqrt{\hat v} + \epsilon)$, algorithm 1 of the paper;
    - ``inside``: $\hat m / \sqrt{\hat v + \epsilon}$;
    - ``hat``: $\alpha_t m / (\sqrt v + \hat\epsilon)$ with
      $\alpha_t = \alpha \sqrt{1 - \beta_2^t} / (1 - \beta_1^t)$, the paper's faster form: its epsilon is another.

    `amsgrad` takes the running maximum of v (``"raw"``) or of the corrected v (``"corrected"``).
    """
    if weight_decay and decoupled:
        theta = theta - (lr if decay_times_lr else 1) * weight_decay * theta
    elif weight_decay:
        g = g + weight_decay * theta
    m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g * g
    c1, c2 = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1, 1)
    if amsgrad == "raw":
        v = state["top"] = max(state.get("top", 0), v)
    if amsgrad == "corrected":
        v = state["top"] = max(state.get("top", 0), v / c2)
        v = v * c2
    if eps_place == "hat":
        return theta - lr * sqrt(c2) / c1 * m / (sqrt(v) + eps)
    root = sqrt(v / c2 + eps) if eps_place == "inside" else sqrt(v / c2) + eps
    return theta - lr * (m / c1) / root


_ADAM = {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
_KINGMA, _ADAMW = "Kingma & Ba 2015, algorithm 1", "Loshchilov & Hutter 2019, algorithm 2"
_variant("adam", _KINGMA, "PyTorch, Optax, JAX examples", _adam, **_ADAM)
_variant("adam_dcgan", "Radford et al. 2016", "PyTorch", _adam, **{**_ADAM, "lr": 0.0002, "beta1": 0.5})
_variant(
    "adam_eps_hat",
    "Kingma & Ba 2015, end of section 2",
    "Keras, TensorFlow (eps 1e-7)",
    _adam,
    **{**_ADAM, "eps": 1e-7},
    eps_place="hat",
)
_variant("adam_eps_inside", "Optax eps_root", "Optax (eps_root)", _adam, **_ADAM, eps_place="inside")
_variant("adam_uncorrected", "Devlin et al. 2018 (BERT's optimizer)", "BERT", _adam, **_ADAM, bias_correction=False)
_variant("adam_weight_decay", _TORCH, "PyTorch Adam(weight_decay)", _adam, **_ADAM, weight_decay=0.1)
_variant("adam_amsgrad", "Reddi et al. 2018; " + _TORCH, "PyTorch", _adam, **_ADAM, amsgrad="raw")
_variant("adam_amsgrad_corrected", "Optax amsgrad", "Optax", _adam, **_ADAM, amsgrad="corrected")
_variant("adamw", _ADAMW + "; " + _TORCH, "PyTorch, Keras, Optax", _adam, **_ADAM, weight_decay=0.01, decoupled=True)
_variant("adamw_amsgrad", _TORCH, "PyTorch", _adam, **_ADAM, weight_decay=0.01, decoupled=True, amsgrad="raw")
_variant(
    "adamw_without_lr",
    _ADAMW,
    "the paper (schedule multiplier 1)",
    _adam,
    **_ADAM,
    weight_decay=0.0001,
    decoupled=True,
    decay_times_lr=False,
)


# ---- RMSprop


def _rmsprop(
    theta: Any,
    g: Any,
    state: dict[str, Any],
    t: int,
    sqrt: Callable[[Any], Any],
    *,
    lr: Any,
    alpha: Any,
    eps: Any,
    eps_inside: Any = False,
    momentum: Any = 0,
    centered: Any = False,
    weight_decay: Any = 0,
    start: Any = 0,
    lr_inside: Any = False,
) -> Any:
    """RMSprop; `start` is the running average's first value."""
    g = g + weight_decay * theta
    v = state["v"] = alpha * state.get("v", start) + (1 - alpha) * g * g
    if centered:
        m = state["m"] = alpha * state.get("m", 0) + (1 - alpha) * g
        v = v - m * m
    step = g / (sqrt(v + eps) if eps_inside else sqrt(v) + eps)
    if not momentum:
        return theta - lr * step
    state["b"] = momentum * state.get("b", 0) + (lr * step if lr_inside else step)
    return theta - (state["b"] if lr_inside else lr * state["b"])


_RMS = {"lr": 0.01, "alpha": 0.99, "eps": 1e-8}
_HINTON = "Hinton 2012, lecture 6e"
_variant("rmsprop", _HINTON + "; " + _TORCH, "PyTorch", _rmsprop, **_RMS)
_variant("rmsprop_momentum", _TORCH, "PyTorch", _rmsprop, **_RMS, momentum=0.9)
_variant("rmsprop_centered", "Graves 2013, eq. 38-45; " + _TORCH, "PyTorch", _rmsprop, **_RMS, centered=True)
_variant("rmsprop_centered_momentum", _TORCH, "PyTorch", _rmsprop, **_RMS, centered=True, momentum=0.9)
_variant("rmsprop_weight_decay", _TORCH, "PyTorch", _rmsprop, **_RMS, weight_decay=0.1)
_variant(
    "rmsprop_eps_inside", _KERAS, "Keras (rho 0.9, eps 1e-7)", _rmsprop, lr=0.001, alpha=0.9, eps=1e-7, eps_inside=True
)
_variant(
    "rmsprop_start_one",
    "tf.compat.v1.train documentation",
    "TensorFlow 1",
    _rmsprop,
    lr=0.001,
    alpha=0.9,
    eps=1e-10,
    eps_inside=True,
    start=1,
)
_variant("rmsprop_momentum_lr_inside", _KERAS, "Keras", _rmsprop, **_RMS, momentum=0.9, lr_inside=True)


# ---- running and checking


def gradients(steps: int = 50, width: int = 8, seed: int = 0) -> np.ndarray:
    """Gradients from 1e-9 to 1e3 in size, of both signs, with one step of all zeros.

    Returns
    -------
    float64 array (steps, width)

    >>> g = gradients()
    >>> g.shape, bool(abs(g).max() > 100), int((g == 0).all(axis=1).sum())
    ((50, 8), True, 1)
    """
    rng = np.random.default_rng(seed)
    g = rng.standard_normal((steps, width)) * 10.0 ** rng.uniform(-9, 3, (steps, width))
    g[steps // 2] = 0
    return g


def trajectory(
    name: str,
    start: Sequence[float] | np.ndarray,
    grads: np.ndarray,
    maximize: bool = False,
    digits: int = 50,
    **options: Any,
) -> np.ndarray:
    """Parameters after each step of variant `name`, computed with `digits` digits and rounded once.

    Parameters
    ----------
    name : str
        A key of `VARIANTS`.
    start : sequence of float or array
    grads : array (steps, width)
        The gradients, whatever the parameters do.
    maximize : bool
        Climb in place of descending.
    digits : int
    **options
        In place of the variant's own; `lr` may be one number per step.

    Returns
    -------
    float64 array (steps, width)

    Examples
    --------
    >>> trajectory("sgd", [1.0], np.array([[2.0], [0.5]]), lr=0.1).ravel().tolist()
    [0.8, 0.75]
    """
    mpmath = require("mpmath")

    variant = VARIANTS[name]
    known = {k: mpmath.mpf(v) if type(v) is float else v for k, v in {**variant.options, **options}.items()}
    rates = known.pop("lr")
    rates = [rates] * len(grads) if isinstance(rates, mpmath.mpf) else [mpmath.mpf(float(r)) for r in rates]
    out = np.empty(grads.shape)
    with mpmath.workdps(digits):
        for j, first in enumerate(start):
            theta = mpmath.mpf(float(first))
            state: dict[str, Any] = {}
            for t, g in enumerate(grads[:, j], start=1):
                signed = mpmath.mpf(float(-g if maximize else g))
                theta = variant.rule(theta, signed, state, t, mpmath.sqrt, lr=rates[t - 1], **known)
                out[t - 1, j] = float(theta)
    return out


def check_optimizer(
    step: Callable[[np.ndarray, np.ndarray], np.ndarray],
    name: str,
    maximize: bool = False,
    seed: int = 0,
    **options: Any,
) -> str:
    """Compare somebody's optimizer, in float64, with variant `name` over 50 steps; an empty string if they agree.

    Where they do not agree, the other variants are tried, and the message names the one that fits.

    Parameters
    ----------
    step : callable
        ``step(theta, grad)``, called once per step in order, gives the new parameters; it keeps its own state.
    name : str
        A key of `VARIANTS`.
    maximize, seed
        As in `trajectory` and `gradients`.
    **options
        In place of the variant's own.

    Returns
    -------
    str

    Notes
    -----
    The bound is (16 + 8 t) u times the largest parameter or summed step so far: a handful of roundings per step, each
    of which later steps carry along.  The differences between variants are larger by many orders of magnitude.

    Examples
    --------
    >>> check_optimizer(lambda theta, g: theta - 0.01 * g, "sgd")
    ''
    >>> check_optimizer(lambda theta, g: theta - 0.01 * (g + 0.1 * theta), "sgd")[:33]
    'differs from sgd at step 1, eleme'
    """
    grads, start = gradients(seed=seed), _start(seed)
    seen = np.empty(grads.shape)
    theta = start.copy()
    for t, g in enumerate(grads):
        theta = seen[t] = np.array(step(theta.copy(), g.copy()))
    expected = trajectory(name, start, grads, maximize, **options) if options else _expected(name, seed, maximize)
    place = _differs(seen, start, expected)
    if place is None:
        return ""
    t, j = place
    fits = [other for other in VARIANTS if _differs(seen, start, _expected(other, seed, maximize)) is None]
    tail = f"; it is {fits[0]}, as in {VARIANTS[fits[0]].used_by}" if fits else ""
    return f"differs from {name} at step {t + 1}, element {j}: {seen[t, j]!r}, expected {expected[t, j]!r}{tail}"


def _start(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).standard_normal((gradients(seed=seed).shape[1],))


@functools.cache
def _expected(name: str, seed: int, maximize: bool) -> np.ndarray:
    """The trajectory that `check_optimizer` compares with; many are compared with the same."""
    return trajectory(name, _start(seed), gradients(seed=seed), maximize)


def _differs(seen: np.ndarray, start: np.ndarray, expected: np.ndarray) -> tuple[int, int] | None:
    """The first step and element that differ by more than rounding."""
    path = np.vstack([start, expected])
    travelled = np.abs(start) + np.cumsum(np.abs(np.diff(path, axis=0)), axis=0)
    steps = np.arange(1, len(expected) + 1)[:, None]
    off = ~(np.abs(seen - expected) <= (16 + 8 * steps) * 2.0**-53 * travelled)
    if not np.any(off):
        return None
    t, j = np.argwhere(off)[0]
    return int(t), int(j)
