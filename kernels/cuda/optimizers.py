"""Optimizer steps in one pass over memory, where a chain of array operations makes ten, and ten launches.

The moving average of weights is made likewise.

One launch serves many parameters: see `lists`.
"""

import functools
import math
from collections.abc import Sequence

from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous
from .lists import arrays, indices, launch_lists
from .target import changing, cuda, int32

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
    """As `minigen.kernels.reference.sgd_step`."""
    velocities = None if velocity is None else [velocity]
    sgd_steps([param], [grad], velocities, lr, momentum, dampening, weight_decay, nesterov, first)


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
    vmaxs = None if vmax is None else [vmax]
    adam_steps([param], [grad], [m], [v], vmaxs, step, lr, beta1, beta2, eps, weight_decay, decoupled)


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
    means, velocities = ([x] if x is not None else None for x in (mean, velocity))
    rmsprop_steps([param], [grad], [v], means, velocities, lr, alpha, eps, weight_decay, momentum)


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
    """As `minigen.kernels.reference.sgd_steps`."""
    kind = velocities is not None, bool(weight_decay), nesterov, first
    states = {"velocities": velocities}
    _steps("sgd_steps", _sgd, kind, params, grads, states, lr, momentum, 1 - dampening, weight_decay)


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
    """As `minigen.kernels.reference.adam_steps`."""
    shrink = 1 - lr * weight_decay if decoupled else 1
    added_decay = 0 if decoupled else weight_decay
    rates = shrink, added_decay, beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    states = {"ms": ms, "vs": vs, "vmaxs": vmaxs}
    _steps("adam_steps", _adam, (vmaxs is not None, bool(added_decay)), params, grads, states, *rates, eps)


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
    """As `minigen.kernels.reference.rmsprop_steps`."""
    kind = means is not None, velocities is not None, bool(weight_decay)
    states = {"vs": vs, "means": means, "velocities": velocities}
    rates = lr, alpha, 1 - alpha, eps, weight_decay, momentum
    _steps("rmsprop_steps", _rmsprop, kind, params, grads, states, *rates)


@checked("ema_steps")
def ema_steps(averages: Arrays, values: Arrays, share: float) -> None:
    """As `minigen.kernels.reference.ema_steps`."""
    _steps("ema_steps", _ema, (), averages, values, {}, share)


def _steps(name, make, kind, params, grads, states, *rates):
    """Run kernels that overwrite parameters and states; they do not look at states that are None."""
    columns = {"params": params, **states}
    given = {key: column and [contiguous(f"{name}: {key}", x) for x in column] for key, column in columns.items()}
    flat = [given["params"] if column is None else column for column in given.values()]
    flat.append([contiguous(f"{name}: grads", x) for x in grads])
    launch_lists(functools.partial(make, *kind), flat, *rates)
    for key, column in columns.items():
        for array, updated in zip(column or (), given[key] or ()):
            if array is not updated:
                array[...] = updated


@functools.cache
def _sgd(moving, decaying, nesterov, first, count, dtype):
    def sgd_steps(params, velocities, grads, rates):
        lr, momentum, undampened, weight_decay = rates[0], rates[1], rates[2], rates[3]
        k = int32(cuda.blockIdx.x % count)
        param, velocity, grad = params[k], velocities[k], grads[k]
        for e in indices(param.size, count):
            g = grad[e] + weight_decay * param[e] if decaying else grad[e]
            if moving:
                moved = g if first else velocity[e] * momentum + undampened * g
                velocity[e] = moved
                g = g + momentum * moved if nesterov else moved
            param[e] -= lr * g

    return Kernel(sgd_steps, (*[arrays(dtype, count)] * 3, changing(dtype, 4)))


@functools.cache
def _adam(amsgrad, decaying, count, dtype):
    def adam_steps(params, ms, vs, vmaxs, grads, rates):
        shrink, decay, beta1, rest1, beta2, rest2 = rates[0], rates[1], rates[2], rates[3], rates[4], rates[5]
        step_size, root_correction, eps = rates[6], rates[7], rates[8]
        k = int32(cuda.blockIdx.x % count)
        param, m, v, vmax, grad = params[k], ms[k], vs[k], vmaxs[k], grads[k]
        for e in indices(param.size, count):
            p = param[e] * shrink
            g = grad[e] + decay * p if decaying else grad[e]
            first = m[e] * beta1 + rest1 * g
            second = v[e] * beta2 + rest2 * g * g
            m[e], v[e] = first, second
            if amsgrad:
                second = max(vmax[e], second)
                vmax[e] = second
            param[e] = p - step_size * first / (math.sqrt(second) / root_correction + eps)

    return Kernel(adam_steps, (*[arrays(dtype, count)] * 5, changing(dtype, 9)))


@functools.cache
def _rmsprop(centered, moving, decaying, count, dtype):
    zero = dtype.type(0)

    def rmsprop_steps(params, vs, means, velocities, grads, rates):
        lr, alpha, rest, eps, weight_decay, momentum = rates[0], rates[1], rates[2], rates[3], rates[4], rates[5]
        k = int32(cuda.blockIdx.x % count)
        param, v, mean, velocity, grad = params[k], vs[k], means[k], velocities[k], grads[k]
        for e in indices(param.size, count):
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

    return Kernel(rmsprop_steps, (*[arrays(dtype, count)] * 5, changing(dtype, 6)))


@functools.cache
def _ema(count, dtype):
    def ema_steps(averages, values, shares):
        k = int32(cuda.blockIdx.x % count)
        average, value, share = averages[k], values[k], shares[0]
        for e in indices(average.size, count):
            average[e] += share * (value[e] - average[e])

    return Kernel(ema_steps, (*[arrays(dtype, count)] * 2, changing(dtype, 1)))
