"""Solutions to the exercises of lesson 1, *Autograd*.  Each answer has the name of its exercise."""

import numpy as np

import minigen as mg

# 1.1  y = x * w**-1.  The derivative of w**-1 is -w**-2: raising a positive w makes a positive quotient smaller.


def div_vjp(g, x, w):
    return g / w, -g * x / w**2


# 1.2  dy_k = dx_k - mean(dx), so <g, dy> = sum_k g_k dx_k - mean(dx) sum_k g_k = <g - mean(g), dx>.
# Centering is its own adjoint: a symmetric matrix, I - 1/N.


def center_vjp(g, x):
    return g - g.mean(axis=0)


# 1.3  The backward pass.


def my_grad(output, x):
    found, waiting = {}, [output]
    while waiting:
        t = waiting.pop()
        if id(t) not in found:
            found[id(t)] = t
            if t.node is not None:
                waiting.extend(t.node.inputs)

    cotangents = {id(output): mg.ones_like(output)}
    made = [t for t in found.values() if t.node is not None]
    for t in sorted(made, key=lambda t: t.node.sequence_number, reverse=True):
        inputs, g = t.node.inputs, cotangents[id(t)]
        for i, contribution in t.node.primitive.apply_vjps(range(len(inputs)), g, t, inputs, t.node.params):
            key = id(inputs[i])
            cotangents[key] = cotangents[key] + contribution if key in cotangents else contribution
    return cotangents[id(x)]


# 1.4  ((1 + |x|) - x sign(x)) / (1 + |x|)^2, and x sign(x) = |x|.


def softsign_vjp(g, out, x):
    return g / (1 + abs(x)) ** 2


# 1.5  H v is the gradient of <gradient, v>: two backward passes, whatever the number of parameters.


def hvp(f, x, v):
    (gradient,) = mg.grad(f(x), x, create_graph=True)
    return mg.grad((gradient * v).sum(), x)[0]


# 1.6  The bracket has the value round(x) - x, and its gradient is zero, because it is detached.


def round_through(x):
    return x + (mg.tensor(np.round(x.data)) - x).detach()
