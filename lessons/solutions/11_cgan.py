"""Solutions to the exercises of lesson 11, *Conditional GAN*.  Each answer has the name of its exercise."""

import numpy as np

# 11.1  The densities of the pairs are r(c) p(x|c) and a(c) q(x|c).  With equal shares the shares cancel.


def best_conditional_d(p, q, real_classes, asked_classes):
    real, generated = real_classes[:, None] * p, asked_classes[:, None] * q
    return real / (real + generated)


# 11.2  One-hot, as wide and as high as the image.


def label_maps(images, labels, classes):
    n, _, height, width = images.shape
    one_hot = np.eye(classes)[labels]
    maps = np.broadcast_to(one_hot[:, :, None, None], (n, classes, height, width))
    return np.concatenate([images, maps], axis=1)


# 11.3  Under every tap of its own map there is a 1, and the products are the taps themselves.


def label_bias(w, classes):
    return w[:, -classes:].sum(axis=(2, 3))


# 11.4  np.add.at adds once for every pair of indices, also where a pair repeats.


def confusion(asked, read, classes):
    matrix = np.zeros((classes, classes), dtype=int)
    np.add.at(matrix, (asked, read), 1)
    return matrix


# 11.5  Each image counts 1 with probability a, variance a (1 - a); the mean of n has 1/n of it, and the root is asked for.


def agreement(matrix):
    n = matrix.sum()
    share = np.trace(matrix) / n
    return share, np.sqrt(share * (1 - share) / n)
