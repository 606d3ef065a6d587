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


def _gram(scale=4.0, half=False):
    def gram_gradient(f, a):
        return scale * (f @ f.T / f.shape[1] - a) @ f / (f.shape[1] * (a**2).sum())

    return gram_gradient


DETACH = {"discriminator": "a", "adversary": "", "cycle": ""}


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).mean(), "N C H W"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum() / m.sum(), "each has C values"),
        (sixteenth.masked_loss, lambda y, x, m: ((y - x) ** 2).mean(), "Where is the mask?"),
        (sixteenth.masked_loss, lambda y, x, m: (m * (y - x) ** 2).sum(), "This is the sum"),
        (sixteenth.pixel_shuffle, _tensorflow, "The channel order"),
        (sixteenth.pixel_shuffle, _shuffle((0, 1, 4, 3, 5, 2)), "Rows and columns of the small block"),
        (sixteenth.pixel_shuffle, _shuffle((0, 1, 2, 4, 3, 5)), "the order of the axes"),
        (sixteenth.pixel_shuffle, _shuffle((0, 1, 2, 3, 4, 5)), "A reshape alone"),
        (sixteenth.gram_gradient, _gram(2.0), "F stands twice"),
        (sixteenth.gram_gradient, _gram(-4.0), "The sign"),
        (sixteenth.gram_gradient, lambda f, a: _gram()(f, a) * f.shape[1], "Where is the P"),
        (sixteenth.gram_gradient, lambda f, a: _gram()(f, a) * (a**2).sum(), "Where is |A|^2?"),
        (sixteenth.where_to_detach, {**DETACH, "cycle": "a"}, "A never learns to keep"),
        (sixteenth.where_to_detach, {**DETACH, "adversary": "a"}, "A never learns from D"),
        (sixteenth.where_to_detach, {**DETACH, "discriminator": ""}, "would update A too"),
        (sixteenth.where_to_detach, {**DETACH, "discriminator": "b"}, "Real images are data"),
        (sixteenth.where_to_detach, {**DETACH, "cycle": "x"}, "expected letters"),
        (sixteenth.where_to_detach, {"cycle": ""}, "Expected a dictionary"),
        (sixteenth.when_to_stop, lambda losses, outputs, truth: int(np.argmin(losses)), "the *noisy* image"),
        (sixteenth.when_to_stop, lambda losses, outputs, truth: losses[0], "expected a whole number"),
        (sixteenth.cycle_maps, {"zero": "a"}, "it is not the only one"),
        (sixteenth.cycle_maps, {"zero": "c"}, "exactly if A loses nothing"),
        (sixteenth.cycle_maps, {"zero": "abc"}, "Also e"),
        (sixteenth.cycle_maps, {"zero": "abcde"}, "d makes every shape red"),
    ],
)  # fmt: skip
def test_lesson_16_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_answers_not_yet_given_are_told_from_wrong_ones():
    assert sixteenth.where_to_detach({**DETACH, "cycle": ...}).state == "not answered yet"
    assert sixteenth.cycle_maps({"zero": ...}).state == "not answered yet"
    assert sixteenth.masked_loss(lambda y, x, m: ...).state == "not answered yet"
