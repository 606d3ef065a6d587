"""A1: an autograd in a hundred lines.

An array that remembers how it was computed is a `Var`; an operation on arrays that knows its gradient rule is an `Op`.
What is given here makes the graph; what you write goes through it backwards.  The guide explains each step.
"""

import numpy as np


class Var:
    """An array of floats, and how it was computed.

    value    the array; float32 and float64 stay what they are
    op       the Op that made it; None for a leaf, which no Op made
    inputs   the Vars that it was made from
    params   settings of the Op, such as an axis
    """

    __array_ufunc__ = None  # so that NumPy leaves array * Var to Var

    def __init__(self, value, op=None, inputs=(), params=None):
        value = np.asarray(value)
        self.value = value if value.dtype.kind == "f" else value.astype(np.float64)
        self.op, self.inputs, self.params = op, inputs, params or {}

    def __add__(self, other):
        return add(self, other)

    def __mul__(self, other):
        return mul(self, other)

    def __sub__(self, other):
        return add(self, -other)

    def __rsub__(self, other):
        return add(-self, other)

    def __truediv__(self, other):
        return div(self, other)

    def __rtruediv__(self, other):
        return div(other, self)

    def __matmul__(self, other):
        return matmul(self, other)

    def __neg__(self):
        return neg(self)

    __radd__, __rmul__ = __add__, __mul__

    def __repr__(self):
        return f"Var({self.value})"


class Op:
    """A function on arrays, and its gradient rule.

    forward(*arrays, **params)           gives an array
    rule(g, out, *inputs, **params)      gives, for the Var g, the gradients for all inputs: a tuple of Vars
    """

    def __init__(self, name, forward, rule):
        self.name, self.forward, self.rule = name, forward, rule

    def __call__(self, *inputs, **params):
        dtype = next((x.value.dtype for x in inputs if isinstance(x, Var)), np.float64)
        inputs = tuple(x if isinstance(x, Var) else Var(np.asarray(x, dtype)) for x in inputs)
        value = self.forward(*(x.value for x in inputs), **params)
        return Var(value, self, inputs, params)


# ---- Task 1: rules for single operations


def div_rule(g, out, x, y):
    """The gradients of out = x / y for x and y."""
    # BEGIN SOLUTION
    return g / y, -g * out / y
    # END SOLUTION


def tanh_rule(g, out, x):
    """The gradient of out = tanh(x), in a tuple of one; finite for every finite x."""
    # BEGIN SOLUTION
    return (g * (1 - out * out),)
    # END SOLUTION


def sum_rule(g, out, x, axis=None):
    """The gradient of out = sum_to(x, axis=axis), in a tuple of one; g has the shape of out."""
    # BEGIN SOLUTION
    return (expand(g, shape=x.value.shape),)
    # END SOLUTION


def matmul_rule(g, out, x, y):
    """The gradients of out = x @ y for the matrices x and y."""
    # BEGIN SOLUTION
    return g @ transpose(y), transpose(x) @ g
    # END SOLUTION


# The operations.  Rules that are given are written with operations on Vars, as yours must be: then a gradient is a Var
# with a past of its own, and has a gradient itself.

add = Op("add", np.add, lambda g, out, x, y: (g, g))
mul = Op("mul", np.multiply, lambda g, out, x, y: (g * y, g * x))
neg = Op("neg", np.negative, lambda g, out, x: (-g,))
exp = Op("exp", np.exp, lambda g, out, x: (g * out,))
sqrt = Op("sqrt", np.sqrt, lambda g, out, x: (g / (out + out),))
div = Op("div", np.divide, div_rule)
tanh = Op("tanh", np.tanh, tanh_rule)
matmul = Op("matmul", np.matmul, matmul_rule)

# sum_to(x, axis=0)           the sum over an axis, a tuple of axes or all; the summed axes stay, with length 1
# reshape(x, shape=(2, 3))    the same numbers in another shape
# expand(x, shape=(4, 2, 3))  copies of x along its axes of length 1, and along new axes in front
# transpose(x)                rows as columns, for a matrix

sum_to = Op("sum_to", lambda x, axis=None: np.sum(x, axis=axis, keepdims=True), sum_rule)
reshape = Op("reshape", lambda x, shape: x.reshape(shape), lambda g, out, x, shape: (reshape(g, shape=x.value.shape),))
expand = Op("expand", lambda x, shape: np.broadcast_to(x, shape), lambda g, out, x, shape: (g,))  # see task 2
transpose = Op("transpose", np.transpose, lambda g, out, x: (transpose(g),))


# ---- Task 2: what broadcasting copied, add up


def unbroadcast(g, shape):
    """Add up the Var g over everything along which an array of this shape was copied; the result has this shape."""
    # BEGIN SOLUTION
    new = len(g.value.shape) - len(shape)
    stretched = tuple(i for i, n in enumerate(g.value.shape) if i < new or n != shape[i - new])
    return reshape(sum_to(g, axis=stretched), shape=shape) if stretched else g
    # END SOLUTION


# ---- Task 3: the order of the backward sweep


def newest_first(output):
    """All Vars that an Op made on the way to output, output first: each once, and each before its inputs.

    The list is empty if output is a leaf.
    """
    # BEGIN SOLUTION
    done, seen, stack = [], set(), [(output, False)]
    while stack:
        var, finished = stack.pop()
        if finished:
            done.append(var)
        elif var.op and id(var) not in seen:
            seen.add(id(var))
            stack.append((var, True))
            stack += [(x, False) for x in var.inputs]
    return done[::-1]
    # END SOLUTION


# ---- Task 4: gradients of any order


def grad(output, inputs, g=None):
    """The gradients of output for each of the Vars in the list inputs: a list of Vars that can be differentiated again.

    g is the cotangent of output, a Var of its shape; it may be left out where output is a single number.
    An input on which output does not depend has the gradient zero.
    """
    # BEGIN SOLUTION
    if g is None:
        if output.value.size != 1:
            raise ValueError(f"grad: output has shape {output.value.shape}, so that g is needed")
        g = Var(np.ones_like(output.value))
    cotangents = {id(output): g}
    for var in newest_first(output):
        shares = var.op.rule(cotangents[id(var)], var, *var.inputs, **var.params)
        for x, share in zip(var.inputs, shares):
            share = unbroadcast(share, x.value.shape)
            cotangents[id(x)] = cotangents[id(x)] + share if id(x) in cotangents else share
    return [cotangents[id(x)] if id(x) in cotangents else Var(np.zeros_like(x.value)) for x in inputs]
    # END SOLUTION


# ---- Task 5: a penalty on a gradient


def gradient_penalty(f, x):
    """How far the slopes of f are from 1: the mean over n of (|df(x[n])/dx[n]| - 1)^2, a Var with one element.

    f takes a Var of N points, shape (N, D), and gives one number for each, shape (N, 1), each from its own point.
    x is a Var of shape (N, D).  |.| is the Euclidean length.
    """
    # BEGIN SOLUTION
    (slopes,) = grad(f(x), [x], Var(np.ones((x.value.shape[0], 1), x.value.dtype)))
    lengths = sqrt(sum_to(slopes * slopes, axis=1))
    return sum_to((lengths - 1) * (lengths - 1)) / x.value.shape[0]
    # END SOLUTION
