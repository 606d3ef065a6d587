"""Lesson 9: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

from minigen.course import dcgan as lesson
from minigen.models.networks.gan import conv_k4_bn_networks


def _count(bias=1, norm=2, taps=2, swap=False, last_only=False):
    def count_parameters(layers):
        total = 0
        for kind, *sizes in layers:
            if kind == "norm":
                here = norm * sizes[0]
            else:
                before, after, kernel = (*sizes, 1)[:3]
                here = before * after * kernel**taps + bias * (before if swap else after)
            total = here if last_only else total + here
        return total

    return count_parameters


def _field(grow=lambda view, kernel, gap: view + (kernel - 1) * gap, late=False, backwards=False):
    def receptive_field(layers):
        view, gap = 1, 1
        for kernel, stride in layers[::-1] if backwards else layers:
            gap, before = gap * stride, gap
            view = grow(view, kernel, gap if late else before)
        return view

    return receptive_field


def _slerp(divide=True, lengths=True, swap=False, unit=False, how=np.arccos):
    def slerp(a, b, t):
        size = np.linalg.norm(a) * np.linalg.norm(b) if lengths else 1
        angle = how(np.clip(a @ b / size, -1, 1))
        a, b = (a / np.linalg.norm(a), b / np.linalg.norm(b)) if unit else (a, b)
        first, last = (b, a) if swap else (a, b)
        mix = np.sin((1 - t) * angle) * first + np.sin(t * angle) * last
        return mix / (np.sin(angle) if divide else 1)

    return slerp


def _straight_at_length(a, b, t):
    point = (1 - t) * a + t * b
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    return point / np.linalg.norm(point) * (lengths[1] if t == 1 else lengths[0])


def _all_differences(samples, train):
    return ((samples[:, None] - train[None]) ** 2).sum(2).argmin(1)


def _distances(samples, train):
    return np.array([((sample - train) ** 2).sum(1) for sample in samples])


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (lesson.count_parameters, _count(bias=0), "Each of the 256 outputs has a bias"),
        (lesson.count_parameters, _count(taps=1), "A kernel of 4 has 4 x 4 taps"),
        (lesson.count_parameters, _count(swap=True), "('linear', 100, 256)"),
        (lesson.count_parameters, _count(norm=1), "a scale gamma and a shift beta"),
        (lesson.count_parameters, _count(norm=4), "running mean and variance are not trained"),
        (lesson.count_parameters, _count(last_only=True), "is their sum returned?"),
        (lesson.count_parameters, lambda layers: 1.5, "expected 1 whole number"),
        (lesson.receptive_field, _field(lambda view, kernel, gap: view * kernel), "their widths do not multiply"),
        (
            lesson.receptive_field,
            _field(lambda view, kernel, gap: view + kernel - 1),
            "That would be right with stride 1",
        ),
        (lesson.receptive_field, _field(late=True), "A layer's own stride comes only after it"),
        (lesson.receptive_field, _field(backwards=True), "The first in the list is the one next to the image"),
        (lesson.receptive_field, _field(lambda view, kernel, gap: view + kernel * gap), "expected 4, got 5"),
        (lesson.steps_to_turn, lambda beta1: round(1 / (1 - beta1)), "Follow the average itself, from +1"),
        (lesson.steps_to_turn, lambda beta1: next(n for n in range(1, 999) if beta1**n <= 0.5), "at exactly 0 Adam"),
        (lesson.steps_to_turn, lambda beta1: 1, "The average is below 0 as soon as"),
        (lesson.nearest, _all_differences, "MiB were in use"),
        (lesson.nearest, lambda s, t: (s @ t.T).argmax(1), "long images have large products"),
        (lesson.nearest, lambda s, t: _distances(s, t).argmax(1), "These are the farthest"),
        (lesson.nearest, lambda s, t: _distances(s, t).min(1), "expected indices of train"),
        (lesson.nearest, _distances, "one index for each sample"),
        (lesson.slerp, lambda a, b, t: (1 - t) * a + t * b, "This is the straight line"),
        (lesson.slerp, _slerp(divide=False), "Divide by sin(angle)"),
        (lesson.slerp, _slerp(swap=True), "At t = 0 it has to be a"),
        (lesson.slerp, _slerp(lengths=False), "divide by both lengths"),
        (lesson.slerp, _straight_at_length, "in 100 dimensions"),
        (lesson.slerp, _slerp(unit=True), "turn a and b themselves"),
        (lesson.slerp, _slerp(how=lambda cosine: cosine), "take arccos of it"),
        (lesson.slerp, _slerp(how=lambda cosine: np.degrees(np.arccos(cosine))), "radians, not degrees"),
    ],
)
def test_lesson_9_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_a_loop_over_the_samples_needs_little_enough_memory():
    assert lesson.nearest(lambda samples, train: _distances(samples, train).argmin(1))


def test_the_layers_of_exercise_1_are_those_of_the_network():
    for layers, network in zip((lesson.S3_GENERATOR, lesson.S3_DISCRIMINATOR), conv_k4_bn_networks(64, 3)):
        assert _count()(layers) == sum(p.numel() for p in network.parameters())
