"""Optimizer steps in one pass over memory, where a chain of array operations makes ten.

Same results as `minigen.kernels.reference.optimizers`, to the last bit: every element goes through the same operations
in the same order.
"""

import math

import numpy as np

from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous
from .runtime.thread_pool import BLOCK, chunked_range, indices, parallel

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
    """As `minigen.kernels.reference.sgd_step`."""
    rates = _scalars(param, lr, momentum, 1 - dampening, weight_decay)
    _step(_sgd, (param, velocity), grad, (*rates, bool(nesterov), bool(first)))


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
    """As `minigen.kernels.reference.adam_step`."""
    shrink = 1 - lr * weight_decay if decoupled else 1
    added_decay = 0 if decoupled else weight_decay
    step_size, root_correction = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    rates = _scalars(param, shrink, added_decay, beta1, 1 - beta1, beta2, 1 - beta2, step_size, root_correction, eps)
    _step(_adam, (param, m, v, vmax), grad, rates)


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
    """As `minigen.kernels.reference.rmsprop_step`."""
    rates = _scalars(param, lr, alpha, 1 - alpha, eps, weight_decay, momentum)
    _step(_rmsprop, (param, v, mean, velocity), grad, rates)


def _scalars(param, *values):
    return [param.dtype.type(value) for value in values]


def _step(function, arrays, grad, rates):
    """Run a kernel on flat arrays, of which it overwrites all but `grad`; those that are None it does without."""
    param = arrays[0]
    flat = [None if array is None else _flat(array) for array in arrays]
    function(*flat, contiguous(grad).reshape(-1), *rates, work=param.size)
    for array, updated in zip(arrays, flat):
        if array is not None and not _plain(array):
            array[...] = updated.reshape(array.shape)


def _flat(array):
    """`array` in one dimension; a copy, to be written back, where a kernel cannot write to it."""
    return array.reshape(-1) if _plain(array) else array.flatten()


def _plain(array):
    return array.flags.c_contiguous and array.flags.aligned


@parallel
def _sgd(thread, counter, param, velocity, grad, lr, momentum, undampened, weight_decay, nesterov, first):
    for block in chunked_range(counter, -(-param.size // BLOCK)):
        for i in indices(block, param.size):
            g = grad[i] + weight_decay * param[i] if weight_decay else grad[i]
            if velocity is not None:
                velocity[i] = g if first else velocity[i] * momentum + undampened * g
                g = g + momentum * velocity[i] if nesterov else velocity[i]
            param[i] -= lr * g


@parallel
def _adam(
    thread, counter, param, m, v, vmax, grad, shrink, decay, beta1, rest1, beta2, rest2, step_size, root_correction, eps
):
    for block in chunked_range(counter, -(-param.size // BLOCK)):
        for i in indices(block, param.size):
            p = param[i] * shrink
            g = grad[i] + decay * p if decay else grad[i]
            m[i] = m[i] * beta1 + rest1 * g
            v[i] = v[i] * beta2 + rest2 * g * g
            second = v[i]
            if vmax is not None:
                vmax[i] = second = np.maximum(vmax[i], second)
            param[i] = p - step_size * m[i] / (np.sqrt(second) / root_correction + eps)


@parallel
def _rmsprop(thread, counter, param, v, mean, velocity, grad, lr, alpha, rest, eps, weight_decay, momentum):
    for block in chunked_range(counter, -(-param.size // BLOCK)):
        for i in indices(block, param.size):
            g = grad[i] + weight_decay * param[i] if weight_decay else grad[i]
            v[i] = v[i] * alpha + rest * g * g
            second = v[i]
            if mean is not None:
                mean[i] += rest * (g - mean[i])
                second = np.maximum(second - mean[i] * mean[i], grad.dtype.type(0))
            update = g / (np.sqrt(second) + eps)
            if velocity is not None:
                velocity[i] = velocity[i] * momentum + update
                update = velocity[i]
            param[i] -= lr * update
