"""Optimizer steps in one pass over memory, where a chain of array operations makes ten.

Same results as `minigen.kernels.reference.optimizers`, to the last bit: every element goes through the same operations
in the same order.

A network has dozens of parameters, most of them small, and to start a compiled function takes longer than it needs for
one of those.  So one call updates all.  What it is given is a table with a row for each parameter: the addresses of its
arrays, how many elements they have, and the number of the parameter's first block.  Blocks are counted through all
parameters, so the threads share them evenly.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous
from .runtime.compile import compiled, subroutine
from .runtime.thread_pool import BLOCK, chunked_range, indices, parallel

__all__ = ["adam_step", "adam_steps", "rmsprop_step", "rmsprop_steps", "sgd_step", "sgd_steps"]

Arrays = Sequence[Array]

#: Columns of the table: the parameter and up to three states, the gradient, their size, the first block.
_PARAM, _STATE1, _STATE2, _STATE3, _GRAD, _SIZE, _FIRST, _COLUMNS = range(8)


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
    rates = _scalars(params, lr, momentum, 1 - dampening, weight_decay)
    _run(_sgd, grads, (params, velocities), _if_there(velocities), *rates, nesterov, first)


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
    step_size, root_correction = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    rates = _scalars(params, shrink, added_decay, beta1, 1 - beta1, beta2, 1 - beta2, step_size, root_correction, eps)
    _run(_adam, grads, (params, ms, vs, vmaxs), _if_there(vmaxs), *rates)


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
    rates = _scalars(params, lr, alpha, 1 - alpha, eps, weight_decay, momentum)
    columns = params, vs, means, velocities
    _run(_rmsprop, grads, columns, _if_there(means), _if_there(velocities), *rates)


def _scalars(params, *values):
    return [params[0].dtype.type(value) for value in values]


def _if_there(column):
    """An argument by whose type, not by whose value, a kernel knows whether it has these states."""
    return None if column is None else True


def _run(kernel, grads, columns, *options):
    """Call ``kernel(table, blocks, *options)``; it overwrites the arrays of all columns that are not None."""
    enter, table = _compiled_enter(), np.empty((len(grads), _COLUMNS), np.int64)
    blocks = elements = 0
    kept, copies = [], []  # copies must live until the kernel is done
    for i, grad in enumerate(grads):
        places = []
        for column in columns:
            array = None if column is None else column[i]
            if array is None:
                places.append(places[0])  # the kernel does not look there
            elif _plain(array):
                places.append(array.reshape(-1))
            else:  # a kernel cannot write there
                places.append(array.flatten())
                copies.append((array, places[-1]))
        grad = grad if _plain(grad) else contiguous(grad)
        kept.append(grad)
        elements += grad.size
        blocks = enter(table, i, blocks, grad.reshape(-1), *places)
    kernel(table, blocks, *options, work=elements)
    for array, updated in copies:
        array[...] = updated.reshape(array.shape)


def _plain(array):
    there = array.flags
    return there.c_contiguous and there.aligned


def _enter(table, row, block, grad, *arrays):
    """Write a row of the table; the number of the next parameter's first block."""
    for column in range(len(arrays)):
        table[row, column] = arrays[column].ctypes.data
    table[row, _GRAD], table[row, _SIZE], table[row, _FIRST] = grad.ctypes.data, grad.size, block
    return block + -(-grad.size // BLOCK)


@functools.cache
def _compiled_enter():
    return compiled(_enter)


@intrinsic
def _array_at(typing, address, size, like):
    """The array of `size` numbers of the type of `like` that begins at an address."""
    kind = types.Array(like, 1, "C")

    def generate(context, builder, signature, args):
        data = context.get_data_type(like).as_pointer()
        array, item = context.make_array(kind)(context, builder), context.get_constant(types.intp, like.bitwidth // 8)
        shape, strides = (cgutils.pack_array(builder, [value]) for value in (args[1], item))
        array.data, array.shape, array.strides = builder.inttoptr(args[0], data), shape, strides
        array.nitems, array.itemsize = args[1], item
        array.meminfo, array.parent = (cgutils.get_null_value(part.type) for part in (array.meminfo, array.parent))
        return array._getvalue()

    return kind(types.int64, types.int64, like), generate


@subroutine
def _row_of(table, block, row):
    """The row of the parameter that has the block: `row`, one after it, or a search from the first one on."""
    if block < table[row, _FIRST]:  # a thread that helps another one begins again further up
        row = 0
    while row + 1 < len(table) and table[row + 1, _FIRST] <= block:
        row += 1
    return row


@subroutine
def _elements(table, row, block):
    """The indices of the block in the arrays of its parameter."""
    return indices(block - table[row, _FIRST], table[row, _SIZE])


@subroutine
def _get(table, row, column, like):
    return _array_at(table[row, column], table[row, _SIZE], like)


@parallel
def _sgd(thread, counter, table, blocks, moving, lr, momentum, undampened, weight_decay, nesterov, first):
    row = 0
    for block in chunked_range(counter, blocks):
        row = _row_of(table, block, row)
        param, velocity = _get(table, row, _PARAM, lr), _get(table, row, _STATE1, lr)
        grad = _get(table, row, _GRAD, lr)
        for i in _elements(table, row, block):
            g = grad[i] + weight_decay * param[i] if weight_decay else grad[i]
            if moving is not None:
                velocity[i] = g if first else velocity[i] * momentum + undampened * g
                g = g + momentum * velocity[i] if nesterov else velocity[i]
            param[i] -= lr * g


@parallel
def _adam(
    thread, counter, table, blocks, amsgrad,
    shrink, decay, beta1, rest1, beta2, rest2, step_size, root_correction, eps,
):  # fmt: skip
    row = 0
    for block in chunked_range(counter, blocks):
        row = _row_of(table, block, row)
        param, m = _get(table, row, _PARAM, eps), _get(table, row, _STATE1, eps)
        v, vmax = _get(table, row, _STATE2, eps), _get(table, row, _STATE3, eps)
        grad = _get(table, row, _GRAD, eps)
        for i in _elements(table, row, block):
            p = param[i] * shrink
            g = grad[i] + decay * p if decay else grad[i]
            m[i] = m[i] * beta1 + rest1 * g
            v[i] = v[i] * beta2 + rest2 * g * g
            second = v[i]
            if amsgrad is not None:
                vmax[i] = second = np.maximum(vmax[i], second)
            param[i] = p - step_size * m[i] / (np.sqrt(second) / root_correction + eps)


@parallel
def _rmsprop(thread, counter, table, blocks, centered, moving, lr, alpha, rest, eps, weight_decay, momentum):
    row = 0
    for block in chunked_range(counter, blocks):
        row = _row_of(table, block, row)
        param, v = _get(table, row, _PARAM, lr), _get(table, row, _STATE1, lr)
        mean, velocity = _get(table, row, _STATE2, lr), _get(table, row, _STATE3, lr)
        grad = _get(table, row, _GRAD, lr)
        for i in _elements(table, row, block):
            g = grad[i] + weight_decay * param[i] if weight_decay else grad[i]
            v[i] = v[i] * alpha + rest * g * g
            second = v[i]
            if centered is not None:
                mean[i] += rest * (g - mean[i])
                second = np.maximum(second - mean[i] * mean[i], grad.dtype.type(0))
            update = g / (np.sqrt(second) + eps)
            if moving is not None:
                velocity[i] = velocity[i] * momentum + update
                update = velocity[i]
            param[i] -= lr * update
