"""Solutions to the exercises of lesson 7, *Optimizers*.  Each answer has the name of its exercise."""

import numpy as np

# 7.1  |1 - lr * curvature| < 1 for the largest curvature: lr < 2 / largest.  At lr = 1 / largest the steepest direction
# arrives in one step, and the flattest one has the factor 1 - smallest / largest, which is the nearest to 1.


def stable_rate(curvatures):
    return 2 / curvatures.max(), 1 - curvatures.min() / curvatures.max()


# 7.2  The order matters: decay into the gradient, gradient into the velocity, velocity into the step.


def momentum_step(theta, grad, velocity, lr, momentum, weight_decay):
    grad = grad + weight_decay * theta
    velocity = momentum * velocity + grad
    return theta - lr * velocity, velocity


# 7.3  m and s are returned without the correction: the next step needs the means themselves.


def adam_step(theta, grad, m, s, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * grad
    s = beta2 * s + (1 - beta2) * grad**2
    m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
    return theta - lr * m_hat / (np.sqrt(s_hat) + eps), m, s


# 7.4
# P: decay to 0.95, then a step of 0.1 / sqrt(0.001) = 3.16 times lr: no correction.
# Q: 0.9, one step of the length lr from 1.  The decay is in the gradient, and Adam divides it away.
# R: decay to 0.95, then g / sqrt(g^2 + eps) = 0.71 of a step: eps = 1e-8 under the root is as large as g^2.
# S: decay to 0.95, then a step of the length lr.

which_adam = {"P": "uncorrected", "Q": "adam", "R": "inside", "S": "adamw"}

# 7.5  SGD and momentum are linear in the gradient.  RMSprop and Adam divide it by its root mean square, and the factor of
# 1,000 is in both.  (With eps > 0 almost so: eps becomes 1,000 times less important.)

rate_factor = {"SGD": 1e-3, "momentum": 1e-3, "RMSprop": 1, "Adam": 1}

# 7.6  (x - lr y)^2 + (y + lr x)^2 = (1 + lr^2)(x^2 + y^2): the mixed terms cancel.  The distance is the root.


def growth(lr, steps):
    return (1 + lr**2) ** (steps / 2)
