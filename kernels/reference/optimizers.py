"""Optimizer steps, in plain NumPy, and the moving average of weights.  They update arrays **in place**.

Each step has a second form for all parameters of a network, which compiled sets do in one call.

The rules are PyTorch's, read from the documentation of ``torch.optim``; `grad` already has its sign, and is never
written to.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = ["adam_step", "adam_steps", "ema_steps", "rmsprop_step", "rmsprop_steps", "sgd_step", "sgd_steps"]

Arrays = Sequence[Array]


@checked("sgd_step")
def sgd_step(
    param: Array,
    grad: Array,
    velocity: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Stochastic gradient descent: ``param -= lr * grad``, or along a running velocity.

    Parameters
    ----------
    param, grad : array
    velocity : array or None
        The running velocity; None without momentum.
    lr, momentum, dampening, weight_decay : float
    nesterov : bool
    first : bool
        Whether this is the velocity's first step, when it is set to the gradient, undamped.
    """
    if weight_decay:
        grad = grad + weight_decay * param
    if velocity is not None:
        if first:
            velocity[...] = grad
        else:
            velocity *= momentum
            velocity += (1 - dampening) * grad
        grad = grad + momentum * velocity if nesterov else velocity
    param -= lr * grad


@checked("adam_step")
def adam_step(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    vmax: Array | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    r"""One step of Adam (Kingma & Ba 2015, algorithm 1), or of AdamW where the decay is decoupled.

    $m \leftarrow \beta_1 m + (1 - \beta_1) g$, $v \leftarrow \beta_2 v + (1 - \beta_2) g^2$,
    $\theta \leftarrow \theta - \alpha \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$.

    Parameters
    ----------
    param, grad, m, v : array
    vmax : array or None
        The running maximum of v, for AMSGrad (Reddi et al. 2018); None for plain Adam.
    step : int
        t, from 1.
    lr, beta1, beta2, eps, weight_decay : float
    decoupled : bool
        Shrink the parameter itself (AdamW, Loshchilov & Hutter 2019) in place of adding the decay to the gradient.
    """
    if weight_decay and decoupled:
        param *= 1 - lr * weight_decay
    elif weight_decay:
        grad = grad + weight_decay * param
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * grad * grad
    second = v
    if vmax is not None:
        np.maximum(vmax, v, out=vmax)
        second = vmax
    denominator = np.sqrt(second) / math.sqrt(1 - beta2**step) + eps
    param -= lr / (1 - beta1**step) * m / denominator


@checked("rmsprop_step")
def rmsprop_step(
    param: Array,
    grad: Array,
    v: Array,
    mean: Array | None,
    velocity: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    r"""RMSprop (Hinton 2012, lecture 6e): $\theta \leftarrow \theta - \alpha g / (\sqrt{v} + \epsilon)$.

    Parameters
    ----------
    param, grad, v : array
    mean : array or None
        The running mean of the gradient, for the centered form (Graves 2013); None otherwise.
    velocity : array or None
        The running velocity; None without momentum.
    lr, alpha, eps, weight_decay, momentum : float
        `alpha` is the decay rate of the running averages.
    """
    if weight_decay:
        grad = grad + weight_decay * param
    v *= alpha
    v += (1 - alpha) * grad * grad
    second = v
    if mean is not None:
        mean += (1 - alpha) * (grad - mean)
        second = np.maximum(v - mean * mean, 0)
    update = grad / (np.sqrt(second) + eps)
    if velocity is not None:
        velocity *= momentum
        velocity += update
        update = velocity
    param -= lr * update


@checked("sgd_steps")
def sgd_steps(
    params: Arrays,
    grads: Arrays,
    velocities: Arrays | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """`sgd_step` of one parameter after another.

    Parameters
    ----------
    params, grads : sequence of array
        All of one dtype.
    velocities : sequence of array, or None
    lr, momentum, dampening, weight_decay, nesterov, first
        As `sgd_step` takes them; the same for all.
    """
    for param, grad, velocity in _one_by_one(params, grads, velocities):
        sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov, first)


@checked("adam_steps")
def adam_steps(
    params: Arrays,
    grads: Arrays,
    ms: Arrays,
    vs: Arrays,
    vmaxs: Arrays | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """`adam_step` of one parameter after another.

    Parameters
    ----------
    params, grads, ms, vs : sequence of array
        All of one dtype.
    vmaxs : sequence of array, or None
    step, lr, beta1, beta2, eps, weight_decay, decoupled
        As `adam_step` takes them; the same for all.
    """
    for param, grad, m, v, vmax in _one_by_one(params, grads, ms, vs, vmaxs):
        adam_step(param, grad, m, v, vmax, step, lr, beta1, beta2, eps, weight_decay, decoupled)


@checked("rmsprop_steps")
def rmsprop_steps(
    params: Arrays,
    grads: Arrays,
    vs: Arrays,
    means: Arrays | None,
    velocities: Arrays | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """`rmsprop_step` of one parameter after another.

    Parameters
    ----------
    params, grads, vs : sequence of array
        All of one dtype.
    means, velocities : sequence of array, or None
    lr, alpha, eps, weight_decay, momentum
        As `rmsprop_step` takes them; the same for all.
    """
    for param, grad, v, mean, velocity in _one_by_one(params, grads, vs, means, velocities):
        rmsprop_step(param, grad, v, mean, velocity, lr, alpha, eps, weight_decay, momentum)


@checked("ema_steps")
def ema_steps(averages: Arrays, values: Arrays, share: float) -> None:
    """Move each average toward its value: ``average += share * (value - average)``.

    It is no optimizer's step, but like one for the weights of a whole network.

    Parameters
    ----------
    averages, values : sequence of array
        All of one dtype.
    share : float
    """
    for average, value in zip(averages, values):
        average += share * (value - average)


def _one_by_one(params: Arrays, *columns: Arrays | None) -> Iterator[tuple[Any, ...]]:
    """The arrays of each parameter; None for a column that is None."""
    return zip(params, *([None] * len(params) if column is None else column for column in columns))
