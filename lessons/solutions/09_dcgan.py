"""Solutions to the exercises of lesson 9, *DCGAN*.  Each answer has the name of its exercise."""

import numpy as np

# 9.1  A weight for each pair of input and output (times taps), and a bias for each output; batch norm: gamma and beta.


def count_parameters(layers):
    total = 0
    for kind, *sizes in layers:
        if kind == "norm":
            total += 2 * sizes[0]
        else:
            before, after, kernel = (*sizes, 1)[:3]
            total += before * after * kernel**2 + after
    return total


# 9.2  A window of `kernel` taps spans kernel - 1 gaps between neighbors, each as wide as the product of the strides before.


def receptive_field(layers):
    view, gap = 1, 1
    for kernel, stride in layers:
        view += (kernel - 1) * gap
        gap *= stride
    return view


# 9.3  m = beta^n - (1 - beta^n) = 2 beta^n - 1, below 0 as soon as beta^n < 1/2.


def steps_to_turn(beta1):
    n = 1
    while beta1**n >= 0.5:
        n += 1
    return n


# 9.4  |a - b|^2 = |a|^2 - 2 ab + |b|^2, and |a|^2 is the same for all candidates b.


def nearest(samples, train):
    return ((train**2).sum(axis=1) - 2 * samples @ train.T).argmin(axis=1)


# 9.5  In the plane of a and b: equal angles for equal steps of t.


def slerp(a, b, t):
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
