"""Optimizer steps in one pass over memory, where a chain of array operations makes ten, and ten launches."""

import functools
import math

from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous, elements
from .target import cuda, flat, int32, number

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
    kernel = _sgd(velocity is not None, bool(weight_decay), bool(nesterov), bool(first), param.dtype)
    _step("sgd_step", kernel, param, grad, {"velocity": velocity}, lr, momentum, 1 - dampening, weight_decay)


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
    rates = shrink, added_decay, beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    kernel = _adam(vmax is not None, bool(added_decay), param.dtype)
    _step("adam_step", kernel, param, grad, {"m": m, "v": v, "vmax": vmax}, *rates, eps)


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
    kernel = _rmsprop(mean is not None, velocity is not None, bool(weight_decay), param.dtype)
    states = {"v": v, "mean": mean, "velocity": velocity}
    _step("rmsprop_step", kernel, param, grad, states, lr, alpha, 1 - alpha, eps, weight_decay, momentum)


def _step(name, kernel, param, grad, states, *rates):
    """Run a kernel that overwrites the parameter and its states; it does not look at those that are None."""
    arrays = [param, *states.values()]
    flat = [contiguous(f"{name}: param", param)]
    for key, state in states.items():
        flat.append(flat[0] if state is None else contiguous(f"{name}: {key}", state))
    grad = contiguous(f"{name}: grad", grad)
    elements(kernel, param.size, *flat, grad, *rates)
    for array, updated in zip(arrays, flat):
        if array is not None and array is not updated:
            array[...] = updated.reshape(array.shape)


@functools.cache
def _sgd(moving, decaying, nesterov, first, dtype):
    def sgd_step(param, velocity, grad, lr, momentum, undampened, weight_decay, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            g = grad[e] + weight_decay * param[e] if decaying else grad[e]
            if moving:
                moved = g if first else velocity[e] * momentum + undampened * g
                velocity[e] = moved
                g = g + momentum * moved if nesterov else moved
            param[e] -= lr * g

    return Kernel(sgd_step, (*[flat(dtype)] * 3, *[number(dtype)] * 4, int32))


@functools.cache
def _adam(amsgrad, decaying, dtype):
    def adam_step(
        param, m, v, vmax, grad, shrink, decay, beta1, rest1, beta2, rest2, step_size, root_correction, eps, count
    ):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            p = param[e] * shrink
            g = grad[e] + decay * p if decaying else grad[e]
            first = m[e] * beta1 + rest1 * g
            second = v[e] * beta2 + rest2 * g * g
            m[e], v[e] = first, second
            if amsgrad:
                second = max(vmax[e], second)
                vmax[e] = second
            param[e] = p - step_size * first / (math.sqrt(second) / root_correction + eps)

    return Kernel(adam_step, (*[flat(dtype)] * 5, *[number(dtype)] * 9, int32))


@functools.cache
def _rmsprop(centered, moving, decaying, dtype):
    zero = dtype.type(0)

    def rmsprop_step(param, v, mean, velocity, grad, lr, alpha, rest, eps, weight_decay, momentum, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            g = grad[e] + weight_decay * param[e] if decaying else grad[e]
            second = v[e] * alpha + rest * g * g
            v[e] = second
            if centered:
                center = mean[e] + rest * (g - mean[e])
                mean[e] = center
                second = max(second - center * center, zero)
            update = g / (math.sqrt(second) + eps)
            if moving:
                update = velocity[e] * momentum + update
                velocity[e] = update
            param[e] -= lr * update

    return Kernel(rmsprop_step, (*[flat(dtype)] * 5, *[number(dtype)] * 6, int32))
