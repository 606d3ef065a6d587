"""Lesson 10: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

import minigen as mg
from minigen import losses
from minigen.course import mode_collapse as tenth
from minigen.nn.utils import functional_call


@pytest.fixture(autouse=True)
def _reference_kernels(reference_kernels):
    yield


def _count(good, share=None):
    def count(points, centres, sigma):
        way = points[:, None] - centres
        squared = (way**2).sum(2)
        nearest, kept = squared.argmin(1), good(way, squared, sigma)
        return len(set(nearest[kept].tolist())), kept.mean() if share is None else share(kept)

    return count


def _nearest_way(way, squared):
    return np.abs(way[np.arange(len(way)), squared.argmin(1)])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_count(lambda way, squared, s: squared.min(1) < np.inf), "only points within|Only points within"),
        (_count(lambda way, squared, s: (_nearest_way(way, squared) <= 3 * s).all(1)), "Euclidean: a circle"),
        (_count(lambda way, squared, s: squared.min(1) <= 3 * s), "square both, or none"),
        (_count(lambda way, squared, s: squared.min(1) <= 9 * s**2, lambda kept: kept.sum() / 8), "share is of all"),
    ],
)
def test_counts_that_are_wrong(answer, words):
    verdict = tenth.count(answer)
    assert not verdict.right and any(word in verdict.reason for word in words.split("|")), verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, m: x.reshape(m, -1, *x.shape[1:]).swapaxes(0, 1).reshape(-1, m * x.shape[1], *x.shape[2:]), "N-th"),
        (
            lambda x, m: x.reshape(-1, m, *x.shape[1:]).swapaxes(1, 2).reshape(-1, m * x.shape[1], *x.shape[2:]),
            "color",
        ),
        (lambda x, m: x, "m images make one example"),
    ],
)
def test_packs_that_are_wrong(answer, words):
    verdict = tenth.pack(answer)
    assert not verdict.right and words in verdict.reason, verdict


def _minibatch(roles=(1, 1), sign=-1, over=1):
    def gradient(m, g):
        way = m[:, None] - m
        weight = roles[0] * g[:, None] + roles[1] * g[None]
        return sign * ((weight * np.exp(-np.abs(way).sum(2)))[:, :, None] * np.sign(way)).sum(over)

    return gradient


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_minibatch((1, 0)), "also is the other example"),
        (_minibatch((0, 1)), "Its own o_i depends"),
        (_minibatch(sign=1), "Look at the sign|change places"),
    ],
)
def test_minibatch_gradients_that_are_wrong(answer, words):
    verdict = tenth.minibatch_gradient(answer)
    assert not verdict.right and any(word in verdict.reason for word in words.split("|")), verdict


def _spectral(inner=1.0, sign=-1, row=True, constant=False):
    def gradient(w, g):
        u, s, v = np.linalg.svd(w)
        if constant:
            return g / s[0]
        outer = np.outer(u[:, 0], v[0] if row else v[:, 0])
        return (g + sign * (g * w).sum() / s[0] ** inner * outer) / s[0]

    return gradient


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_spectral(constant=True), "s is a constant"),
        (_spectral(inner=0), "divided weight"),
        (_spectral(sign=1), "a minus"),
        (_spectral(row=False), "gives V transposed"),
    ],
)
def test_gradients_through_spectral_normalization_that_are_wrong(answer, words):
    verdict = tenth.spectral_gradient(answer)
    assert not verdict.right and words in verdict.reason, verdict


def _unrolled(graph=True, detach=False, sign=-1, in_place=False):
    def step(network, real, fake, lr):
        weights = dict(network.named_parameters())
        loss = losses.non_saturating_d(*(functional_call(network, weights, x) for x in (real, fake)))
        gradients = mg.grad(loss, list(weights.values()), create_graph=graph)
        new = {name: w + sign * lr * g for (name, w), g in zip(weights.items(), gradients)}
        if in_place:
            for name, p in network.named_parameters():
                p.data = new[name].numpy().copy()
        return {name: w.detach() if detach else w for name, w in new.items()}

    return step


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_unrolled(graph=False), "lacks the second term"),
        (_unrolled(detach=True), "no gradient passes"),
        (_unrolled(sign=1), "subtracts the gradient"),
        (_unrolled(in_place=True), "network itself have changed"),
        (lambda network, real, fake, lr: [], "Expected a dictionary"),
    ],
)
def test_unrolled_steps_that_are_wrong(answer, words):
    verdict = tenth.unrolled(answer)
    assert not verdict.right and words in verdict.reason, verdict


def test_the_pictures_are_of_five_kinds_and_each_wrong_cause_gets_a_hint():
    sets = tenth.mysteries()
    where, sigma = mg.data.points.centres("ring8"), 0.01
    found = {number: mg.metrics.count_modes(points, where, sigma) for number, points in sets.items()}
    assert (found[1].modes, found[3].modes, found[2].modes) == (0, 1, 8)
    assert found[3].high_quality > 0.97 and 0.3 < found[2].high_quality < 0.8
    assert found[4].high_quality < 0.05 and found[5].high_quality < 0.02
    right = dict(zip(range(1, 6), "caebd"))
    assert tenth.read_the_pictures(right).right
    for number in right:
        verdict = tenth.read_the_pictures(right | {number: "a" if right[number] != "a" else "b"})
        assert verdict.state == "wrong" and f"picture {number}" in verdict.reason
    assert tenth.read_the_pictures(dict.fromkeys(right, ...)).state == "not answered yet"
    assert "letter" in tenth.read_the_pictures(right | {1: "z"}).reason
