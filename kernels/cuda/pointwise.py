"""Activations in one pass over memory, a thread for each element: their speed is the memory's."""

import functools
import math
from collections.abc import Sequence

from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous, elements, empty
from .lists import arrays, indices, launch_lists
from .target import cuda, device, flat, int32, number

__all__ = [
    "activation",
    "activation_grad",
    "add_pairs",
    "leaky_relu",
    "leaky_relu_grad",
    "rectified",
    "sigmoid",
    "sigmoid_grad",
    "softplus",
    "softplus_grad",
    "tanh_grad",
]


@checked("add_pairs")
def add_pairs(xs: Sequence[Array], ys: Sequence[Array]) -> tuple[Array, ...]:
    """As `minigen.kernels.reference.add_pairs`, in one launch for many."""
    sums = tuple(empty(x.shape, x.dtype) for x in xs)
    given = ([contiguous(f"add_pairs: {name}", x) for x in column] for name, column in (("xs", xs), ("ys", ys)))
    launch_lists(_add_pairs, (*given, sums))
    return sums


@checked("leaky_relu")
def leaky_relu(x: Array, negative_slope: float) -> Array:
    """As `minigen.kernels.reference.leaky_relu`."""
    return _each(_leaky_relu(negative_slope == 0, x.dtype), "leaky_relu", negative_slope, x=x)


@checked("leaky_relu_grad")
def leaky_relu_grad(g: Array, x: Array, negative_slope: float) -> Array:
    """As `minigen.kernels.reference.leaky_relu_grad`."""
    return _each(_leaky_relu_grad(negative_slope == 0, x.dtype), "leaky_relu_grad", negative_slope, g=g, x=x)


@checked("sigmoid")
def sigmoid(x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid`."""
    return _each(_sigmoid(x.dtype), "sigmoid", x=x)


@checked("sigmoid_grad")
def sigmoid_grad(g: Array, x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid_grad`."""
    return _each(_sigmoid_grad(x.dtype), "sigmoid_grad", g=g, x=x)


@checked("softplus")
def softplus(x: Array) -> Array:
    """As `minigen.kernels.reference.softplus`."""
    return _each(_softplus(x.dtype), "softplus", x=x)


@checked("softplus_grad")
def softplus_grad(g: Array, x: Array) -> Array:
    """As `minigen.kernels.reference.softplus_grad`."""
    return _each(_softplus_grad(x.dtype), "softplus_grad", g=g, x=x)


@checked("tanh_grad")
def tanh_grad(g: Array, y: Array) -> Array:
    """As `minigen.kernels.reference.tanh_grad`."""
    return _each(_tanh_grad(y.dtype), "tanh_grad", g=g, y=y)


def _each(kernel, name, *numbers, **inputs):
    """Run a kernel that computes one number from those of the arrays `inputs` at its place, all of one shape."""
    first = next(iter(inputs.values()))
    result = empty(first.shape, first.dtype)
    given = [contiguous(f"{name}: {key}", array) for key, array in inputs.items()]
    elements(kernel, result.size, *given, result, *numbers)
    return result


def rectified(negative_slope):
    """Which activation a kernel has, for a slope or None: see `activation`."""
    return None if negative_slope is None else negative_slope == 0


@functools.cache
def activation(rectify, dtype):
    """The function of one number and the slope; where `rectify` is None it gives the number.

    A slope of 0, for which `rectify` is True, is a separate case: infinity times 0 would not be a number.
    """
    zero = dtype.type(0)  # an untyped 0 is an integer, and Numba compares integers with floats in double precision

    @device
    def leak(value, slope):
        if value > zero or value != value:
            return value
        return zero if rectify else value * slope

    @device
    def same(value, slope):
        return value

    return same if rectify is None else leak


@functools.cache
def activation_grad(rectify, dtype):
    """Its gradient: the function of a cotangent, of the number before the activation, and of the slope."""
    zero = dtype.type(0)

    @device
    def leak_grad(g, value, slope):
        if value > zero or (rectify and value != value):
            return g
        return zero if rectify else g * slope

    @device
    def same(g, value, slope):
        return g

    return same if rectify is None else leak_grad


@functools.cache
def _add_pairs(count, dtype):
    def add_pairs(xs, ys, sums):
        k = int32(cuda.blockIdx.x % count)
        x, y, total = xs[k], ys[k], sums[k]
        for e in indices(x.size, count):
            total[e] = x[e] + y[e]

    return Kernel(add_pairs, (*[arrays(dtype, count)] * 3,))


@functools.cache
def _leaky_relu(rectify, dtype):
    leak = activation(rectify, dtype)

    def leaky_relu(x, y, slope, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            y[e] = leak(x[e], slope)

    return Kernel(leaky_relu, (flat(dtype), flat(dtype), number(dtype), int32))


@functools.cache
def _leaky_relu_grad(rectify, dtype):
    leak_grad = activation_grad(rectify, dtype)

    def leaky_relu_grad(g, x, dx, slope, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            dx[e] = leak_grad(g[e], x[e], slope)

    return Kernel(leaky_relu_grad, (flat(dtype), flat(dtype), flat(dtype), number(dtype), int32))


@functools.cache
def _logistic(dtype):
    """The device function that `sigmoid` and the gradient of `softplus` share."""
    zero, one = dtype.type(0), dtype.type(1)

    @device
    def logistic(value):
        small = math.exp(-abs(value))
        return (small if value < zero else one) / (one + small)

    return logistic


@functools.cache
def _sigmoid(dtype):
    logistic = _logistic(dtype)

    def sigmoid(x, y, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            y[e] = logistic(x[e])

    return Kernel(sigmoid, (flat(dtype), flat(dtype), int32))


@functools.cache
def _sigmoid_grad(dtype):
    one = dtype.type(1)

    def sigmoid_grad(g, x, dx, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            small = math.exp(-abs(x[e]))
            dx[e] = g[e] * (small / ((one + small) * (one + small)))

    return Kernel(sigmoid_grad, (flat(dtype), flat(dtype), flat(dtype), int32))


@functools.cache
def _softplus(dtype):
    zero = dtype.type(0)

    def softplus(x, y, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            rest = math.log1p(math.exp(-abs(x[e])))
            y[e] = x[e] + rest if x[e] > zero else rest

    return Kernel(softplus, (flat(dtype), flat(dtype), int32))


@functools.cache
def _softplus_grad(dtype):
    logistic = _logistic(dtype)

    def softplus_grad(g, x, dx, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            dx[e] = g[e] * logistic(x[e])

    return Kernel(softplus_grad, (flat(dtype), flat(dtype), flat(dtype), int32))


@functools.cache
def _tanh_grad(dtype):
    one = dtype.type(1)

    def tanh_grad(g, y, dx, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            dx[e] = g[e] * (one - y[e] * y[e])

    return Kernel(tanh_grad, (flat(dtype), flat(dtype), flat(dtype), int32))
