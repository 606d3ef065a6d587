"""The exercises of lesson 11, *Conditional GAN*."""

from typing import Any

import numpy as np

from ..tensor import Tensor
from . import Wrong, call, close, exercise
from ._compare import random_array
from ._probe import probing

__all__ = ["agreement", "best_conditional_d", "confusion", "label_bias", "label_maps"]


def _numpy(got: Any) -> Any:
    """A Tensor will do as well as an array."""
    return got.numpy() if isinstance(got, Tensor) else got


def _best(p: np.ndarray, q: np.ndarray, real_classes: np.ndarray, asked_classes: np.ndarray) -> np.ndarray:
    real, generated = real_classes[:, None] * p, asked_classes[:, None] * q
    return real / (real + generated)


@exercise("11.1", "the best D that sees the class")
def best_conditional_d(answer: Any) -> None:
    """``best_conditional_d(p, q, real_classes, asked_classes)`` from arrays (K, X) of densities and (K,) of shares."""
    p = np.array([[0.1, 0.9, 0.4, 0.0], [0.6, 0.2, 0.3, 0.5]])
    q = np.array([[0.5, 0.5, 0.1, 0.2], [0.3, 0.2, 0.9, 0.0]])
    for real, asked in (([0.9, 0.1], [0.5, 0.5]), ([0.5, 0.5], [0.5, 0.5]), ([0.2, 0.8], [0.2, 0.8])):
        r, a = np.array(real), np.array(asked)
        joint_p, joint_q = r[:, None] * p, a[:, None] * q
        right = joint_p / (joint_p + joint_q)
        blind = np.broadcast_to(joint_p.sum(0) / (joint_p.sum(0) + joint_q.sum(0)), p.shape)

        def across(r: np.ndarray, a: np.ndarray) -> np.ndarray:
            r, a = np.resize(r, p.shape[1]), np.resize(a, p.shape[1])
            return r * p / (r * p + a * q)

        mistakes = [
            (p / (p + q), "This is right where both sides hold the classes in the same shares. How often does D see a "
             "real pair (x, c), and how often a generated one?"),
            (blind, "This D does not see the class: sum over the classes only if D has to."),
            (joint_q / (joint_p + joint_q), "This is the probability of *generated*."),
            (r[:, None] * p / (r[:, None] * p + r[:, None] * q), "The generated pairs have class shares of their own."),
            (a[:, None] * p / (a[:, None] * p + r[:, None] * q), "The shares are exchanged: real_classes belongs to p, "
             "asked_classes to q."),
            (r[:, None] * p / (r[:, None] * p + q), "The generated pairs have class shares, too: asked_classes "
                                                    "belongs to q."),
            (p / (p + a[:, None] * q), "The real pairs have class shares, too: real_classes belongs to p."),
            (p ** r[:, None] / (p ** r[:, None] + q ** a[:, None]), "A share multiplies its density; it is no "
                                                                    "exponent."),
            (r[:, None] * right, "The share of the class is in it already; here it counts once more."),
            (across(r, a), "The shares belong to the classes, that is to the rows: real_classes[:, None]."),
            (joint_p / (p + q), "The share of the class belongs to the whole density, below the fraction line too."),
        ]  # fmt: skip
        what = f"best_conditional_d(p, q, real_classes={real}, asked_classes={asked})"
        close(what, call(answer, p, q, r, a), right, mistakes, probe=probing(answer, _best, p, q, r, a))


@exercise("11.2", "label maps")
def label_maps(answer: Any) -> None:
    """``label_maps(images, labels, classes)`` appends a channel for each class: (N, C + classes, H, W)."""
    for seed, (channels, height, width, asked, classes) in enumerate(
        [(1, 2, 3, [1, 0], 2), (3, 4, 4, [2, 2, 0, 4], 5), (2, 3, 2, [0], 1)]
    ):
        images, labels = random_array(seed, len(asked), channels, height, width), np.array(asked)
        maps = np.zeros((len(labels), classes, height, width))
        maps[np.arange(len(labels)), labels] = 1
        right = np.concatenate([images, maps], axis=1)
        what = f"label_maps(images, labels, {classes}) for images of shape {images.shape} and labels {labels.tolist()}"
        got = _numpy(call(answer, images, labels, classes))
        hint = "Images first, then a map for each class: images.shape[1] + classes channels."
        if np.shape(got) != right.shape:
            raise Wrong(f"{what}: expected shape {right.shape}, got {np.shape(got)}. {hint}")
        corner = np.zeros_like(maps)
        corner[:, :, 0, 0] = maps[:, :, 0, 0]
        numbers = np.broadcast_to(labels[:, None, None, None] + 0.0, maps.shape)
        mistakes = [
            (np.concatenate([maps, images], axis=1), "The maps come after the image's own channels."),
            (np.concatenate([images, numbers], axis=1), "One-hot: 1 in the map of the class and 0 in the others."),
            (np.concatenate([images, 2 * maps - 1], axis=1), "One-hot: the maps of the other classes are 0, not -1."),
            (
                np.concatenate([images, corner], axis=1),
                "The 1 is at one pixel only: the map of the class is 1 at *every* pixel.",
            ),
            (
                np.concatenate([images, maps * images[:, :1]], axis=1),
                "The maps are multiplied by the image: they are constant, 1 or 0.",
            ),
            (np.concatenate([images, maps / classes], axis=1), "The map of the class is 1."),
            (
                np.concatenate([images, maps / maps[0, 0].size], axis=1),
                "The map of the class is 1 at every pixel, not a share.",
            ),
            (np.concatenate([images, maps[::-1]], axis=1), "The maps belong to the labels of other images."),
            (
                np.concatenate([images, np.roll(maps, 1, axis=0)], axis=1),
                "The maps belong to the labels of other images.",
            ),
            (np.concatenate([images, np.zeros_like(maps)], axis=1), "The maps are all zero."),
            (np.concatenate([images, np.ones_like(maps)], axis=1), "Only the map of the image's own class is 1."),
        ]
        close(what, got, right, mistakes)


@exercise("11.3", "what a label map is worth to a convolution")
def label_bias(answer: Any) -> None:
    """``label_bias(w, classes)`` is what each class's map adds to each output, away from the border: (O, classes)."""
    for seed, (filters, channels, classes, kernel) in enumerate([(2, 1, 3, 3), (4, 3, 10, 4), (1, 2, 2, 1)]):
        w = random_array(seed, filters, channels + classes, kernel, kernel)
        right = w[:, channels:].sum(axis=(2, 3))
        what = f"label_bias(w, {classes}) for w of shape {w.shape}"
        got = _numpy(call(answer, w, classes))
        if np.shape(got) != right.shape:
            raise Wrong(f"{what}: expected shape {right.shape}, a row an output channel and a column a class, "
                        f"got {np.shape(got)}.")  # fmt: skip
        mistakes = [
            (w[:, :classes].sum(axis=(2, 3)), "These are the first channels. The maps come after the image's."),
            (w[:, channels:].mean(axis=(2, 3)), "This is the mean of the taps. Each meets a 1, and they add up."),
            (
                w[:, channels:, kernel // 2, kernel // 2],
                "This is the middle tap. The map is 1 under every tap: sum them all.",
            ),
            (w[:, channels:].sum(2)[..., 0], "This is a sum along one axis only. Sum all taps, along both axes."),
            (w[:, channels:].sum(3)[..., 0], "This is a sum along one axis only. Sum all taps, along both axes."),
            (w[:, channels:].max((2, 3)), "This is the largest tap. All taps meet a 1: they add up, the sum."),
            (abs(w[:, channels:]).sum((2, 3)), "These are absolute values. The taps add up with their signs."),
            (w[:, channels:, 0, 0], "This is one tap. The map is 1 under every tap of the kernel."),
        ]
        close(what, got, right, mistakes)


@exercise("11.4", "asked for, and read as")
def confusion(answer: Any) -> None:
    """``confusion(asked, read, classes)`` counts how often class i was asked for and read as j: (classes, classes)."""
    random = np.random.default_rng(0)
    for asked, read, classes in (
        (np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]), 3),
        (np.array([0, 0, 1]), np.array([1, 1, 1]), 4),
        (random.integers(0, 10, 200), random.integers(0, 10, 200), 10),
    ):
        right = np.array([[((asked == i) & (read == j)).sum() for j in range(classes)] for i in range(classes)])
        what = f"confusion(asked, read, {classes}) for {len(asked)} images"
        got = _numpy(call(answer, asked, read, classes))
        if np.shape(got) != right.shape:
            raise Wrong(f"{what}: expected shape {right.shape}, got {np.shape(got)}. A class that does not occur has "
                        "its row and its column all the same.")  # fmt: skip
        mistakes = [
            (right.T, "Rows are what was asked for, columns what was read: these are exchanged."),
            (np.minimum(right, 1), "Each cell is 0 or 1. An assignment m[asked, read] += 1 counts a pair that occurs "
             "several times only once: np.add.at, or a loop, counts them all."),
            (right / np.maximum(right.sum(1, keepdims=True), 1), "These are shares of each row; counts are asked for."),
            (right / np.maximum(right.sum(0), 1), "These are shares of each column; counts are asked for."),
            (np.diag(np.diag(right)), "Only the right ones are counted. The others belong beside the diagonal."),
            (right - np.diag(np.diag(right)), "Only the wrong ones are counted. The right ones belong on the "
                                              "diagonal."),
            (np.outer(right.sum(1), right.sum(0)), "This multiplies counts of the rows and columns. Count the pairs "
                                                   "(asked, "
             "read) of the *same* image."),
            (right / max(len(asked), 1), "These are shares; counts are asked for."),
        ]  # fmt: skip
        close(what, got, right, mistakes)


@exercise("11.5", "how sure is a share?")
def agreement(answer: Any) -> None:
    """``agreement(matrix)`` is the share on the diagonal of a matrix of counts, and its standard error."""
    for matrix in (
        np.array([[5, 0, 1], [0, 9, 0], [2, 0, 3]]),
        np.array([[90, 10], [20, 80]]),
        np.eye(3, dtype=int) * 7,
    ):
        n = matrix.sum()
        share = np.trace(matrix) / n
        error = np.sqrt(share * (1 - share) / n)
        what = f"agreement({matrix.tolist()})"
        got_share, got_error = call(answer, matrix, expect=2)
        close(f"{what}[0], the share", got_share, share, [
            (1 - share, "This is the share of the others."),
            (np.diag(matrix).mean(), "This is the mean of the diagonal, a count. Divide its sum by the number of "
                                     "images."),
            ((np.diag(matrix) / matrix.sum(1)).mean(), "This is the mean of the classes' shares: small classes count "
                                                       "as much "
             "as large ones. Take all images together."),
            (float(np.trace(matrix)), "This is a count: divide by the number of images."),
        ])  # fmt: skip
        if n and 0 < share < 1:
            close(f"{what}[1], the standard error", got_error, error, [
                (share * (1 - share) / n, "This is the variance; its root has the unit of the share."),
                (np.sqrt(share * (1 - share)), "This is the spread of one image. The mean of n has 1 / sqrt(n) of it."),
                (np.sqrt(share * (1 - share)) / n, "n belongs under the root, too: the error falls as 1 / sqrt(n)."),
                (error * n, "This is the standard error of a count: divide by n for that of a share."),
                (1 / np.sqrt(n), "Where is a (1 - a)? A share near 0 or 1 varies less."),
                (0.5 / np.sqrt(n), "This is right for a = 1/2 only: where is a (1 - a)?"),
                (np.sqrt(share / n), "Where is 1 - a? The variance of a yes-or-no answer is a (1 - a)."),
                (np.sqrt(share * (1 - share) / (n - 1)), "Divide by n. (n - 1 is for a variance estimated from the "
                                                         "data; here "
                 "the variance a (1 - a) follows from a.)"),
                (np.sqrt(share * (1 - share) / len(matrix)), "n is the number of images, not of classes."),
                (1.96 * error, "This is half a 95% interval; asked for is one standard error."),
            ])  # fmt: skip
        else:
            close(f"{what}[1], the standard error of a share of {share:g}", got_error, error, [])
