"""Lesson 16: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

from minigen.course import repair as sixteenth


def _shuffle(order):
    def pixel_shuffle(x, r):
        n, c, h, w = x.shape
        c //= r * r
        return x.reshape(n, c, r, r, h, w).transpose(order).reshape(n, c, h * r, w * r)

    return pixel_shuffle


def _tensorflow(x, r):
    n, c, h, w = x.shape
    c //= r * r
    return x.reshape(n, r, r, c, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c, h * r, w * r)


def _from_repeats(x, r):
    return x[:, : x.shape[1] // (r * r)].repeat(r, 2).repeat(r, 3)


def _not_joined(x, r):
    return x.reshape(x.shape[0], -1, r, r, *x.shape[2:]).transpose(0, 1, 4, 2, 5, 3)


def _turned(x, r):
    return _shuffle((0, 1, 4, 2, 5, 3))(x, r).swapaxes(2, 3)


def _all_channels(x, r):
    return x.reshape(x.shape[0], x.shape[1], r, r, *x.shape[2:])


def _float_channels(x, r):
    return x.reshape(x.shape[0], x.shape[1] / (r * r), r, r, *x.shape[2:])


def _masked(y, x, m):
    return (m * (y - x) ** 2).sum() / (y.shape[1] * m.sum())


def _mean_of_images(y, x, m):
    return np.mean([((a - b) ** 2 * c).sum() / (len(a) * c.sum()) for a, b, c in zip(y, x, m)])


def _gram(scale=4.0, pixels=1, norm=1):
    def gram_gradient(f, a):
        return scale * (f @ f.T / f.shape[1] - a) @ f / (f.shape[1] ** pixels * (a**2).sum() ** norm)

    return gram_gradient


def _gram_of(difference):
    """The gradient with another matrix in place of G - A."""
    return lambda f, a: 4 * difference(f, a) @ f / (f.shape[1] * (a**2).sum())


def _best(measure):
    return lambda losses, outputs, truth: int(np.argmin(measure(losses, outputs, truth)))


DETACH = {"discriminator": "a", "adversary": "", "cycle": ""}


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).mean(), "N C H W"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum() / y[0].size, "the size C H W of an image"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum() / m.sum(), "each has C values"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum() / m.sum() / len(y), "count is the C channels"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum() / m.sum() / y.shape[1] / len(y), "N images too"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).mean() / m.mean() / y.shape[1], "C is counted twice"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum() / (3 * m.sum()), "C is not always 3"),
        (sixteenth.masked_loss, lambda y, x, m: ((y - x) ** 2).mean(), "Where is the mask?"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum(), "This is the sum"),
        (sixteenth.masked_loss, lambda y, x, m: m * (y - x) ** 2, "the squares themselves"),
        (sixteenth.masked_loss, _mean_of_images, "the mean of the losses of the images"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum((1, 2, 3)) / m.sum((1, 2, 3)) / y.shape[1],
         "one number for each image"),
        (sixteenth.masked_loss, lambda y, x, m: _masked(y, x, 1 - m), "the loss outside"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x)).sum() / m.sum() / y.shape[1], "Where is the square?"),
        (sixteenth.masked_loss, lambda y, x, m: (m * abs(y - x)).sum() / m.sum() / y.shape[1], "the absolute error"),
        (sixteenth.masked_loss, lambda y, x, m: _masked(y, x, m) ** 0.5, "the square root"),
        (sixteenth.masked_loss, lambda y, x, m: ((y - x)[m == 1] ** 2).mean(), "The mask has one channel"),
        (sixteenth.masked_loss, lambda y, x, m: "mean", "expected float"),
        (sixteenth.pixel_shuffle, _tensorflow, "The channel order"),
        (sixteenth.pixel_shuffle, _shuffle((0, 1, 4, 3, 5, 2)), "Rows and columns of the small block"),
        (sixteenth.pixel_shuffle, _shuffle((0, 1, 2, 4, 3, 5)), "into the order (N, C, i, h, j, w)"),
        (sixteenth.pixel_shuffle, _shuffle((0, 1, 4, 5, 2, 3)), "into the order (N, C, h, w, i, j)"),
        (sixteenth.pixel_shuffle, _shuffle((0, 1, 2, 3, 4, 5)), "A reshape alone"),
        (sixteenth.pixel_shuffle, _not_joined, "Join each pair of axes"),
        (sixteenth.pixel_shuffle, _turned, "Height and width are exchanged"),
        (sixteenth.pixel_shuffle, _from_repeats, "This repeats the pixels"),
        (sixteenth.pixel_shuffle, _all_channels, "of C r r channels, C = 3 are left"),
        (sixteenth.pixel_shuffle, _float_channels, "divide with //"),
        (sixteenth.gram_gradient, _gram(1.0), "The factor 4 is missing"),
        (sixteenth.gram_gradient, _gram(2.0), "F stands twice"),
        (sixteenth.gram_gradient, _gram(8.0), "not 8"),
        (sixteenth.gram_gradient, _gram(-4.0), "The sign"),
        (sixteenth.gram_gradient, _gram(-2.0), "The sign: dL/dG = 2 (G - A) / |A|^2. Half of it is missing"),
        (sixteenth.gram_gradient, _gram(pixels=0), "Where is the P"),
        (sixteenth.gram_gradient, _gram(2.0, pixels=0), "another 2. Where is the P"),
        (sixteenth.gram_gradient, _gram(pixels=2), "1/P stands there twice"),
        (sixteenth.gram_gradient, _gram(norm=0), "Where is |A|^2?"),
        (sixteenth.gram_gradient, _gram(norm=0.5), "divides by its root"),
        (sixteenth.gram_gradient, _gram(pixels=0, norm=0), "derivative has it too. Where is |A|^2?"),
        (sixteenth.gram_gradient, lambda f, a: _gram(norm=0)(f, a) / (a**2).mean(), "not their mean"),
        (sixteenth.gram_gradient, lambda f, a: _gram(pixels=0)(f, a) / len(f), "This divides by C"),
        (sixteenth.gram_gradient, lambda f, a: _gram()(f, a).T, "transposed"),
        (sixteenth.gram_gradient, lambda f, a: f @ (f @ f.T / f.shape[1] - a), "stands on the left of F"),
        (sixteenth.gram_gradient, _gram_of(lambda f, a: f @ f.T - a), "the P is missing"),
        (sixteenth.gram_gradient, _gram_of(lambda f, a: f @ f.T / f.shape[1]), "Where is A?"),
        (sixteenth.gram_gradient, _gram_of(lambda f, a: (f @ f.T / f.shape[1] - a) ** 2), "not (G - A)^2"),
        (sixteenth.gram_gradient, lambda f, a: 4 * (f @ f.T / f.size - a) @ f / (f.size * (a**2).sum()), "not F F^T / (C P)"),
        (sixteenth.gram_gradient, lambda f, a: 2 * (f @ f.T / f.shape[1] - a) / (a**2).sum(), "the gradient in G"),
        (sixteenth.gram_gradient, lambda f, a: ((f @ f.T / f.shape[1] - a) ** 2).sum() / (a**2).sum(), "the loss itself"),
        (sixteenth.where_to_detach, {**DETACH, "cycle": "a"}, "A never learns to keep"),
        (sixteenth.where_to_detach, {**DETACH, "cycle": "c"}, "no gradient at all"),
        (sixteenth.where_to_detach, {**DETACH, "cycle": "b, c"}, "does not occur in this loss"),
        (sixteenth.where_to_detach, {**DETACH, "adversary": "a"}, "A never learns from D"),
        (sixteenth.where_to_detach, {**DETACH, "adversary": ["c"]}, "D(A(x)) does"),
        (sixteenth.where_to_detach, {**DETACH, "discriminator": ""}, "you do not detach a: D's own step"),
        (sixteenth.where_to_detach, {**DETACH, "discriminator": "b"}, "is data and has no graph"),
        (sixteenth.where_to_detach, {**DETACH, "discriminator": {"a", "c"}}, "does not occur in D's loss"),
        (sixteenth.where_to_detach, {**DETACH, "cycle": "x"}, "Expected letters from a to c, got 'x'"),
        (sixteenth.where_to_detach, {"cycle": ""}, "Expected a dictionary"),
        (sixteenth.when_to_stop, _best(lambda losses, outputs, truth: losses), "the *noisy* image"),
        (sixteenth.when_to_stop, lambda losses, outputs, truth: int(np.argmin(losses)) + 1, "Steps count from 0; and"),
        (sixteenth.when_to_stop, lambda losses, outputs, truth: len(losses) - 1, "the last step"),
        (sixteenth.when_to_stop, _best(lambda losses, outputs, truth: -((outputs - truth) ** 2).mean((1, 2))),
         "the largest error"),
        (sixteenth.when_to_stop, _best(lambda losses, outputs, truth: (outputs - truth).mean((1, 2))), "cancel each other"),
        (sixteenth.when_to_stop, _best(lambda losses, outputs, truth: (outputs - truth) ** 2), "error of one pixel"),
        (sixteenth.when_to_stop, _best(lambda losses, outputs, truth: ((outputs - truth) ** 2).mean(0)),
         "averages over the steps"),
        (sixteenth.when_to_stop, lambda losses, outputs, truth: ((outputs - truth) ** 2).mean((1, 2)), "np.argmin says it"),
        (sixteenth.when_to_stop, lambda losses, outputs, truth: ((outputs - truth) ** 2).mean((1, 2)).min(),
         "the least error itself"),
        (sixteenth.when_to_stop, lambda losses, outputs, truth: losses[0], "expected a whole number"),
        (sixteenth.cycle_maps, "a", "B = A undoes it"),
        (sixteenth.cycle_maps, "c", "the identity loses nothing"),
        (sixteenth.cycle_maps, "abc", "any one-to-one map"),
        (sixteenth.cycle_maps, "a, b, c, d, e", "which color it was"),
        (sixteenth.cycle_maps, {"a", "b", "c", "e", "f"}, "from where they came"),
        (sixteenth.cycle_maps, "abg", "Expected letters from a to f, got 'g'"),
        (sixteenth.cycle_maps, {"zero": "abce"}, "Expected a set of letters"),
    ],
)  # fmt: skip
def test_lesson_16_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_other_ways_to_write_a_right_answer_are_right():
    assert sixteenth.masked_loss(lambda y, x, m: np.mean((y - x)[np.broadcast_to(m, y.shape) == 1] ** 2))
    assert sixteenth.when_to_stop(lambda losses, outputs, truth: np.argmin(np.abs(outputs - truth).mean((1, 2))))
    assert sixteenth.where_to_detach({"discriminator": ["A"], "adversary": set(), "cycle": "none"})
    assert all(sixteenth.cycle_maps(each) for each in ("ecba", "A, B, C, E", ["a", "b", "c", "e"]))
    assert "one string" in sixteenth.cycle_maps(list("abce")).reason and not sixteenth.cycle_maps("abce").reason


def test_answers_not_yet_given_are_told_from_wrong_ones():
    assert sixteenth.where_to_detach({**DETACH, "cycle": ...}).state == "not answered yet"
    assert sixteenth.cycle_maps(...).state == "not answered yet"
    assert sixteenth.masked_loss(lambda y, x, m: ...).state == "not answered yet"
