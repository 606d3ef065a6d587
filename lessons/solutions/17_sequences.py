"""Solutions to the exercises of lesson 17, *Sequences*.  Each answer has the name of its exercise."""

import numpy as np

# 17.1  Backwards over the steps: through the tanh, then a term of U's gradient, then through U to the state before.


def bptt(states, U, g):
    gradient = np.zeros_like(U)
    for t in range(len(states) - 1, 0, -1):
        d = g * (1 - states[t] ** 2)
        gradient += np.outer(d, states[t - 1])
        g = U.T @ d
    return gradient


# 17.2  h' = m + z (h - m), m = tanh(a_n + r b_n), r and z are sigmoids.


def gru_gradient(g, r, z, m, b_n, h):
    d_n = g * (1 - z) * (1 - m**2)
    return d_n * b_n * r * (1 - r), g * (h - m) * z * (1 - z), d_n * r, g * z


# 17.3  h leads into a graph that is freed already (a), and it is the state of other days (b); detach helps against the first
# only.  Pieces of one recording are the case where it is right (e).

carried_state = "abe"

# 17.4  Means over pairs of different sequences.


def unbiased_mmd(xx, xy, yy):
    n, m = xy.shape
    return (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean()


# 17.5  TSTR asks for the difference of the classes; the MMD asks for everything.

which_is_better = "bcd"

# 17.6  In the reverse order: multiply, add, exponential, subtract.


def magnitudes(frames, mean, deviation):
    return np.maximum(np.exp(3 * deviation * frames + mean) - 0.01, 0)


# In words
# 1. With |1 - z| small the state passes a step unchanged, and so does its gradient: the factor is z, near 1, and not a
#    matrix times a slope.
# 2. The ear hears how strong each frequency is, and hardly where in its period a wave is.  A spectrogram keeps the first and
#    drops the second.  A generator of samples must get both right, in every period.
# 3. The mean and the covariance of each class, so all that a straight line between the classes needs.  It cannot know that
#    a day is one of several kinds.
