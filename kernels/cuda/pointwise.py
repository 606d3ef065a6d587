"""Activations in one pass over memory, a thread for each element: their speed is the memory's."""

import functools
import math

from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous, elements, empty
from .target import cuda, device, flat, int32, number

__all__ = [
    "activation",
    "activation_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "rectified",
    "sigmoid",
    "sigmoid_grad",
    "softplus",
]


@checked("leaky_relu")
def leaky_relu(x: Array, negative_slope: float) -> Array:
    """As `minigen.kernels.reference.leaky_relu`."""
    images = contiguous("leaky_relu: x", x)
    y = empty(x.shape, x.dtype)
    elements(_leaky_relu(negative_slope == 0, x.dtype), x.size, images, y, negative_slope)
    return y


@checked("leaky_relu_grad")
def leaky_relu_grad(g: Array, x: Array, negative_slope: float) -> Array:
    """As `minigen.kernels.reference.leaky_relu_grad`."""
    x = contiguous("leaky_relu_grad: x", x)
    g, dx = contiguous("leaky_relu_grad: g", g), empty(x.shape, x.dtype)
    elements(_leaky_relu_grad(negative_slope == 0, x.dtype), x.size, g, x, dx, negative_slope)
    return dx


@checked("sigmoid")
def sigmoid(x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid`."""
    return _each(_sigmoid(x.dtype), "sigmoid: x", x)


@checked("sigmoid_grad")
def sigmoid_grad(g: Array, x: Array) -> Array:
    """As `minigen.kernels.reference.sigmoid_grad`."""
    x = contiguous("sigmoid_grad: x", x)
    g, dx = contiguous("sigmoid_grad: g", g), empty(x.shape, x.dtype)
    elements(_sigmoid_grad(x.dtype), x.size, g, x, dx)
    return dx


@checked("softplus")
def softplus(x: Array) -> Array:
    """As `minigen.kernels.reference.softplus`."""
    return _each(_softplus(x.dtype), "softplus: x", x)


def _each(kernel, name, x):
    """Run a kernel that computes one number from each."""
    y = empty(x.shape, x.dtype)
    elements(kernel, x.size, contiguous(name, x), y)
    return y


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
def _sigmoid(dtype):
    zero, one = dtype.type(0), dtype.type(1)

    def sigmoid(x, y, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            small = math.exp(-abs(x[e]))
            y[e] = (small if x[e] < zero else one) / (one + small)

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
