"""The exercises of lesson 11, *Conditional GAN*."""

from typing import Any

import numpy as np

from ..tensor import Tensor
from . import Wrong, call, close, exercise
from ._compare import random_array

__all__ = ["agreement", "best_conditional_d", "confusion", "label_bias", "label_maps"]


def _numpy(got: Any) -> Any:
    """A Tensor will do as well as an array."""
    return got.numpy() if isinstance(got, Tensor) else got


@exercise("11.1", "the best D that sees the class")
def best_conditional_d(answer: Any) -> None:
    """``best_conditional_d(p, q, real_classes, asked_classes)`` from arrays (K, X) of densities and (K,) of shares."""
    p = np.array([[0.1, 0.9, 0.4, 0.0], [0.6, 0.2, 0.3, 0.5]])
    q = np.array([[0.5, 0.5, 0.1, 0.2], [0.3, 0.2, 0.9, 0.0]])
    for real, asked in (([0.5, 0.5], [0.5, 0.5]), ([0.2, 0.8], [0.2, 0.8]), ([0.9, 0.1], [0.5, 0.5])):
        r, a = np.array(real), np.array(asked)
        joint_p, joint_q = r[:, None] * p, a[:, None] * q
        right = joint_p / (joint_p + joint_q)
        blind = np.broadcast_to(joint_p.sum(0) / (joint_p.sum(0) + joint_q.sum(0)), p.shape)
        mistakes = [
            (p / (p + q), "This is right where both sides hold the classes in the same shares. How often does D see a "
             "real pair (x, c), and how often a generated one?"),
            (blind, "This D does not see the class: sum over the classes only if D has to."),
            (joint_q / (joint_p + joint_q), "This is the probability of *generated*."),
            (r[:, None] * p / (r[:, None] * p + r[:, None] * q), "The generated pairs have class shares of their own."),
            (joint_p / (p + q), "The share of the class belongs to the whole density, below the fraction line too."),
        ]  # fmt: skip
        what = f"best_conditional_d(p, q, real_classes={real}, asked_classes={asked})"
        close(what, call(answer, p, q, r, a), right, mistakes)


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
        numbers = np.broadcast_to(labels[:, None, None, None] + 0.0, maps.shape)
        mistakes = [
            (np.concatenate([maps, images], axis=1), "The maps come after the image's own channels."),
            (np.concatenate([images, numbers], axis=1), "One-hot: 1 in the map of the class and 0 in the others."),
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
            (right / max(len(asked), 1), "These are shares; counts are asked for."),
        ]  # fmt: skip
        close(what, got, right, mistakes)


@exercise("11.5", "how sure is a share?")
def agreement(answer: Any) -> None:
    """``agreement(matrix)`` is the share on the diagonal of a matrix of counts, and its standard error."""
    for matrix in (
        np.array([[90, 10], [20, 80]]),
        np.array([[5, 0, 1], [0, 9, 0], [2, 0, 3]]),
        np.eye(3, dtype=int) * 7,
    ):
        n = matrix.sum()
        share = np.trace(matrix) / n
        error = np.sqrt(share * (1 - share) / n)
        what = f"agreement({matrix.tolist()})"
        got_share, got_error = call(answer, matrix, expect=2)
        close(f"{what}[0], the share", got_share, share, [
            (1 - share, "This is the share of the others."),
            (float(np.trace(matrix)), "This is a count: divide by the number of images."),
        ])  # fmt: skip
        if n and 0 < share < 1:
            close(f"{what}[1], the standard error", got_error, error, [
                (share * (1 - share) / n, "This is the variance; its root has the unit of the share."),
                (np.sqrt(share * (1 - share)), "This is the spread of one image. The mean of n has 1 / sqrt(n) of it."),
                (1.96 * error, "This is half a 95% interval; asked for is one standard error."),
            ])  # fmt: skip
        else:
            close(f"{what}[1], the standard error of a share of {share:g}", got_error, error, [])
