"""Optimizer steps, in plain NumPy.  They update `param` and the state arrays **in place**.

The rules are PyTorch's, read from the documentation of ``torch.optim``; `grad` already has its sign, and is never
written to.
"""

import math

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = ["adam_step", "rmsprop_step", "sgd_step"]


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
