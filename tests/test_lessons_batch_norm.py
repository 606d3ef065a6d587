"""Lesson 6: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

from minigen.course import batch_norm as lesson


def _forward(axis=0, ddof=0, root=True, eps="inside", affine=lambda hat, w, b: hat * w + b, scale=True):
    def normalize(x, weight, bias, epsilon):
        mean, var = x.mean(axis, keepdims=True), x.var(axis, ddof=ddof, keepdims=True)
        if eps == "outside":
            size = np.sqrt(var) + epsilon
        else:
            size = var + (epsilon if eps == "inside" else 0)
            size = np.sqrt(size) if root else size
        return affine((x - mean) / (size if scale else 1), weight, bias)

    return normalize


def _backward(mean=1.0, hat=1.0, weighted=True, scale=1.0, sums=np.sum, of=None, order=(0, 1, 2), times_n=False):
    def normalize_vjp(g, x, weight, eps):
        r = 1 / np.sqrt(x.var(0) + eps)
        normal = (x - x.mean(0)) * r
        n = 1 if times_n else len(x)
        inner = g - mean * g.sum(0) / n - hat * normal * (g * normal).sum(0) / n
        results = (
            (weight if weighted else 1) * r**scale * inner,
            sums(g * (normal if of is None else of(x)), axis=0),
            sums(g, axis=0),
        )
        return tuple(results[i] for i in order)

    return normalize_vjp


def _weight_not_summed(g, x, weight, eps):
    right = _backward()(g, x, weight, eps)
    return right[0], g * (x - x.mean(0)) / np.sqrt(x.var(0) + eps), right[2]


def _running(rho_new=True, factor=lambda n: n / (n - 1), start=1.0):
    def running(mean, var, n, rho):
        share = rho if rho_new else 1 - rho
        return share * mean, (1 - share) * start + share * var * factor(n)

    return running


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (lesson.he_std, lambda n, a: 2 / ((1 + a * a) * n), "This is the variance"),
        (lesson.he_std, lambda n, a: np.sqrt(2 / n), "This is ReLU's"),
        (lesson.he_std, lambda n, a: np.sqrt(1 / n), "right without an activation"),
        (lesson.he_std, lambda n, a: np.sqrt(2 / ((1 + a) * n)), "the slope counts squared"),
        (lesson.he_std, lambda n, a: np.sqrt((1 + a * a) / 2 / n), "Upside down"),
        (lesson.he_std, lambda n, a: np.sqrt(2 / (1 + a * a)), "Where is fan_in?"),
        (lesson.he_std, lambda n, a: np.sqrt(2 / (1 + a * a)) / n, "n is under the root"),
        (lesson.normalize, _forward(axis=1), "layer norm"),
        (lesson.normalize, _forward(axis=None), "Each channel has its own mean"),
        (lesson.normalize, _forward(ddof=1), "by N, not N - 1"),
        (lesson.normalize, _forward(eps="outside"), "under the root"),
        (lesson.normalize, _forward(eps="none"), "Where is eps?"),
        (lesson.normalize, _forward(root=False), "Where is the root?"),
        (lesson.normalize, _forward(scale=False), "Where is the variance?"),
        (lesson.normalize, _forward(affine=lambda h, w, b: h), "Where are weight and bias?"),
        (lesson.normalize, _forward(affine=lambda h, w, b: h * w), "Where is the bias?"),
        (lesson.normalize, _forward(affine=lambda h, w, b: h * (w + b)), "after the product"),
        (lesson.normalize, _forward(affine=lambda h, w, b: h * b + w), "are exchanged"),
        (lesson.normalize_vjp, _backward(mean=0.0, hat=0.0), "Only the direct way"),
        (lesson.normalize_vjp, _backward(hat=0.0), "through the variance is missing"),
        (lesson.normalize_vjp, _backward(mean=0.0), "through the mean is missing"),
        (lesson.normalize_vjp, _backward(hat=-1.0), "Look at the sign of the term with x-hat"),
        (lesson.normalize_vjp, _backward(mean=-1.0), "Look at the sign of the mean of g"),
        (lesson.normalize_vjp, _backward(hat=2.0), "twice too large"),
        (lesson.normalize_vjp, _backward(hat=0.5), "half of what it should be"),
        (lesson.normalize_vjp, _backward(weighted=False), "Where is the weight?"),
        (lesson.normalize_vjp, _backward(scale=0.0), "Where is 1 / sqrt"),
        (lesson.normalize_vjp, _backward(scale=-1.0), "here it divides"),
        (lesson.normalize_vjp, _backward(times_n=True), "The sums are divided by N"),
        (lesson.normalize_vjp, _backward(sums=np.mean), "This is a mean"),
        (lesson.normalize_vjp, _backward(sums=lambda terms, axis: terms), "The bias is added to all N values"),
        (lesson.normalize_vjp, _weight_not_summed, "The weight multiplies all N values"),
        (lesson.normalize_vjp, _backward(of=lambda x: x), "multiplies the normalized x, not x"),
        (lesson.normalize_vjp, _backward(of=lambda x: x - x.mean(0)), "divide by the deviation too"),
        (lesson.normalize_vjp, _backward(order=(0, 2, 1)), "x comes first, then weight, then bias"),
        (lesson.blind, {"a", "b"}, "c: g = x-hat has mean 0"),
        (lesson.blind, {"a", "b", "c", "d", "f"}, "f: x-hat squared"),
        (lesson.blind, {"a", "q"}, "Expected letters from a to f, got 'q'"),
        (lesson.blind, 3, "Expected a set of letters"),
        (lesson.running, _running(rho_new=False), "rho is the share of the new batch"),
        (lesson.running, _running(factor=lambda n: 1), "PyTorch takes N - 1"),
        (lesson.running, _running(factor=lambda n: (n - 1) / n), "dividing by less gives more"),
        (lesson.running, _running(start=0.0), "starts at 1, not at 0"),
    ],
)
def test_lesson_6_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_letters_may_be_given_in_a_string_and_an_empty_answer_is_open():
    assert lesson.blind("a, b, c, d").right
    assert lesson.blind(set()).state == "not answered yet"
    assert lesson.blind(...).state == "not answered yet"
