"""Lesson 11: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

from minigen.course import cgan as eleventh


def _best(shares=True, blind=False, swap=False, real_only=False):
    def best_conditional_d(p, q, r, a):
        real = r[:, None] * p if shares else p
        generated = (r if real_only else a)[:, None] * q if shares else q
        if blind:
            real, generated = (np.broadcast_to(side.sum(0), p.shape) for side in (real, generated))
        return (generated if swap else real) / (real + generated)

    return best_conditional_d


def _maps(order=1, fill=None, number=False):
    def label_maps(images, labels, classes):
        n, _, h, w = images.shape
        maps = np.zeros((n, classes, h, w)) if fill is None else np.full((n, classes, h, w), fill)
        if fill is None:
            maps[np.arange(n), labels] = 1
        if number:
            maps[:] = labels[:, None, None, None]
        return np.concatenate([images, maps][::order], axis=1)

    return label_maps


def _confusion(asked, read, classes):
    matrix = np.zeros((classes, classes))
    matrix[asked, read] += 1
    return matrix


def _agreement(error):
    def agreement(matrix):
        n, a = matrix.sum(), np.trace(matrix) / matrix.sum()
        return a, error(a, n)

    return agreement


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (eleventh.best_conditional_d, _best(shares=False), "How often does D see a real pair"),
        (eleventh.best_conditional_d, _best(blind=True), "This D does not see the class"),
        (eleventh.best_conditional_d, _best(swap=True), "the probability of *generated*"),
        (eleventh.best_conditional_d, _best(real_only=True), "real_classes=[0.9, 0.1], asked_classes=[0.5, 0.5]"),
        (eleventh.best_conditional_d, lambda p, q, r, a: r[:, None] * p / (p + q), "below the fraction line too"),
        (eleventh.label_maps, _maps(order=-1), "The maps come after"),
        (eleventh.label_maps, _maps(number=True), "One-hot: 1 in the map of the class"),
        (eleventh.label_maps, _maps(fill=0.0), "The maps are all zero"),
        (eleventh.label_maps, _maps(fill=1.0), "Only the map of the image's own class is 1"),
        (eleventh.label_maps, lambda images, labels, classes: images, "images.shape[1] + classes channels"),
        (eleventh.label_bias, lambda w, k: w[:, :k].sum((2, 3)), "These are the first channels"),
        (eleventh.label_bias, lambda w, k: w[:, -k:].mean((2, 3)), "Each meets a 1, and they add up"),
        (eleventh.label_bias, lambda w, k: w[:, -k:, 0, 0], "This is one tap"),
        (eleventh.label_bias, lambda w, k: w[:, -k:], "a row an output channel and a column a class"),
        (eleventh.confusion, lambda asked, read, k: _confusion(read, asked, k), "these are exchanged"),
        (eleventh.confusion, _confusion, "counts a pair that occurs several times only once"),
        (eleventh.confusion, lambda asked, read, k: np.bincount(asked * k + read).reshape(-1, 1), "has its row"),
        (eleventh.agreement, lambda m: (1 - np.trace(m) / m.sum(), 0.0), "the share of the others"),
        (eleventh.agreement, lambda m: (np.trace(m), 0.0), "divide by the number of images"),
        (eleventh.agreement, _agreement(lambda a, n: a * (1 - a) / n), "This is the variance"),
        (eleventh.agreement, _agreement(lambda a, n: np.sqrt(a * (1 - a))), "the spread of one image"),
        (eleventh.agreement, _agreement(lambda a, n: 1.96 * np.sqrt(a * (1 - a) / n)), "half a 95% interval"),
    ],
)  # fmt: skip
def test_lesson_11_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict
