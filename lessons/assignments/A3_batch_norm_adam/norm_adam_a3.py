"""A3: batch norm, RMSprop and Adam, on NumPy arrays.

Every function gives new arrays, and leaves those that it gets as they are.  float32 stays float32.  The guide explains
each task.
"""

import numpy as np


def per_channel(vector, x):
    """A vector of C numbers in a shape that broadcasts against x, (N, C) or (N, C, ...)."""
    return vector.reshape(1, -1, *(1,) * (x.ndim - 2))


# ---- Task 1: batch norm, in training and in evaluation


def batch_norm_train(x, weight, bias, running_mean, running_var, momentum=0.1, eps=1e-5):
    """Normalize each channel by its own mean and variance: y, and the running mean and variance for evaluation.

    x is of shape (N, C) or (N, C, ...), all else of shape (C,).  Three results:

    y              (x - mean) / sqrt(var + eps) * weight + bias; the variance is divided by n, the numbers in a channel
    running_mean   the old one's share is 1 - momentum, the batch's is momentum
    running_var    the same; here the batch's variance is divided by n - 1

    Raises a ValueError if there is only one number in a channel.
    """
    # BEGIN SOLUTION
    axes = (0, *range(2, x.ndim))
    n = x.size // x.shape[1]
    if n < 2:
        raise ValueError(f"batch_norm_train: expected more than one number in a channel, got x of shape {x.shape}")
    mean = x.mean(axis=axes)
    centered = x - per_channel(mean, x)
    var = (centered * centered).mean(axis=axes)
    y = centered * per_channel(weight / np.sqrt(var + eps), x) + per_channel(bias, x)
    new_mean = (1 - momentum) * running_mean + momentum * mean
    new_var = (1 - momentum) * running_var + momentum * (var * n / (n - 1))
    return y, new_mean, new_var
    # END SOLUTION


def batch_norm_eval(x, weight, bias, running_mean, running_var, eps=1e-5):
    """Normalize each channel by the running mean and variance: y, of the shape of x."""
    # BEGIN SOLUTION
    scale = weight / np.sqrt(running_var + eps)
    return (x - per_channel(running_mean, x)) * per_channel(scale, x) + per_channel(bias, x)
    # END SOLUTION


# ---- Task 2: batch norm backwards


def batch_norm_grad(g, x, weight, eps=1e-5):
    """The gradients of y = batch_norm_train(x, weight, bias, ...)[0] for x, weight and bias, given the cotangent g of y."""
    # BEGIN SOLUTION
    axes = (0, *range(2, x.ndim))
    n = x.size // x.shape[1]
    centered = x - per_channel(x.mean(axis=axes), x)
    rstd = 1 / np.sqrt((centered * centered).mean(axis=axes) + eps)
    normal = centered * per_channel(rstd, x)
    dweight = (g * normal).sum(axis=axes)
    dbias = g.sum(axis=axes)
    inner = g - per_channel(dbias / n, x) - normal * per_channel(dweight / n, x)
    return per_channel(weight * rstd, x) * inner, dweight, dbias
    # END SOLUTION


def batch_norm_eval_grad(g, x, weight, running_mean, running_var, eps=1e-5):
    """The gradients of y = batch_norm_eval(x, weight, bias, running_mean, running_var) for x, weight and bias."""
    # BEGIN SOLUTION
    every = (0, *range(2, x.ndim))
    factor = 1 / np.sqrt(running_var + eps)
    fixed = (x - per_channel(running_mean, x)) * per_channel(factor, x)
    return g * per_channel(weight * factor, x), (g * fixed).sum(axis=every), g.sum(axis=every)
    # END SOLUTION


# ---- Tasks 3 to 5: optimizers.  Each function takes the parameters w and their gradient g, arrays of one shape, and gives
# the new parameters: a new array.  What it has to remember for the next step it keeps in the dict `state`, which is empty
# before the first step.  Each array of parameters has its own state.


# ---- Task 3: RMSprop, with momentum, centered


def rmsprop_step(w, g, state, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    """The parameters after one step of RMSprop.

    A running average v of g * g begins at zero; its old value has the share alpha.  The step is u = g / (sqrt(v) + eps),
    and lr * u is taken away from w.

    momentum   the velocity begins at zero, and becomes momentum * velocity + u; it takes the place of u
    centered   a running average of g, like v, is squared and taken away from v under the root; not below zero
    """
    # BEGIN SOLUTION
    v = state["v"] = alpha * state.get("v", 0.0) + (1 - alpha) * g * g
    if centered:
        mean = state["mean"] = alpha * state.get("mean", 0.0) + (1 - alpha) * g
        v = np.maximum(v - mean * mean, 0)
    u = g / (np.sqrt(v) + eps)
    if momentum:
        u = state["velocity"] = momentum * state.get("velocity", 0.0) + u
    return w - lr * u
    # END SOLUTION


# ---- Task 4: Adam


def adam_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """The parameters after one step of Adam (Kingma and Ba 2015, algorithm 1).

    Running averages m of g and v of g * g begin at zero; their old values have the shares beta1 and beta2.  Both are
    corrected for that beginning, and w moves by lr * m_corrected / (sqrt(v_corrected) + eps).
    """
    # BEGIN SOLUTION
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g * g
    m_corrected = m / (1 - beta1**t)
    v_corrected = v / (1 - beta2**t)
    return w - lr * m_corrected / (np.sqrt(v_corrected) + eps)
    # END SOLUTION


# ---- Task 5: two ways to decay


def adam_l2_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """Adam on the loss plus weight_decay / 2 * sum(w * w); g is the gradient of the loss alone."""
    # BEGIN SOLUTION
    return adam_step(w, g + weight_decay * w, state, lr, beta1, beta2, eps)
    # END SOLUTION


def adamw_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """AdamW: a step of Adam on the loss alone, while w shrinks by lr * weight_decay of itself, as it was before."""
    # BEGIN SOLUTION
    return adam_step(w, g, state, lr, beta1, beta2, eps) - lr * weight_decay * w
    # END SOLUTION
