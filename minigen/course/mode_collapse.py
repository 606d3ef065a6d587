"""The exercises of lesson 10, *Mode collapse*."""

from typing import Any

import numpy as np

from .. import nn
from ..data.points import SIGMAS, centres
from ..engine import grad
from ..losses import non_saturating_d
from ..models.gan.techniques import unroll
from ..nn.utils import functional_call
from ..tensor import Tensor, tensor
from . import Wrong, call, close, exercise
from ._compare import match_causes, random_array

__all__ = ["count", "minibatch_gradient", "pack", "read_the_pictures", "spectral_gradient", "unrolled"]


@exercise("10.1", "count modes")
def count(answer: Any) -> None:
    """``count(points, centres, sigma)`` gives the number of modes found, and the share of good points."""
    where, sigma = centres("ring8"), SIGMAS["ring8"]
    rng = np.random.default_rng(0)
    near = where[[0, 0, 3, 5, 5, 5]] + sigma * rng.uniform(-1, 1, (6, 2))
    corner = where[[1]] + 2.5 * sigma  # within 3 sigma along each axis, not in the plane
    far = where[[2, 6]] + np.array([[0.1], [0.2]])  # 14 and 28 sigma, and still nearest to their modes
    points = np.concatenate([near, corner, far])
    squared = np.square(points[:, None] - where).sum(2)
    nearest, least = squared.argmin(1), squared.min(1)

    def modes(good: np.ndarray) -> int:
        return len(set(nearest[good].tolist()))

    right = least <= (3 * sigma) ** 2
    boxed = (np.abs(points - where[nearest]) <= 3 * sigma).all(1)
    found, share = call(answer, points, where, sigma, expect=2)
    wrong = [
        (modes(np.ones(len(points), bool)), "Each point counts for its nearest mode here, however far it is. Only "
         "points within 3 sigma count."),
        (modes(boxed), "This is a square of 3 sigma on each axis. The distance is Euclidean: a circle."),
        (modes(least <= 3 * sigma), "A squared distance is compared with 3 sigma: square both, or none."),
        (modes(least <= 3 * sigma**2), "The radius is 3 sigma, so its square is 9 sigma^2, not 3 sigma^2."),
    ]  # fmt: skip
    shares = [
        (boxed.mean(), "This is a square of 3 sigma on each axis. The distance is Euclidean: a circle."),
        ((least <= 3 * sigma).mean(), "A squared distance is compared with 3 sigma: square both, or none."),
        (right.sum() / 8, "The share is of all points, not one number a mode."),
        (1.0, "Each point counts here, however far from its mode it is."),
    ]
    expected = modes(right)
    close("the modes of count(points, centres, sigma)", np.asarray(found, float), float(expected),
          [(np.asarray(float(n)), hint) for n, hint in wrong if n != expected])  # fmt: skip
    close("the share of count(points, centres, sigma)", np.asarray(share, float), right.mean(),
          [(np.asarray(s), hint) for s, hint in shares if not np.isclose(s, right.mean())])  # fmt: skip


@exercise("10.2", "pack")
def pack(answer: Any) -> None:
    """``pack(images, m)`` puts each m images of an array (N * m, C, H, W) into one, (N, m * C, H, W)."""
    images = np.arange(2 * 3 * 2 * 2 * 2.0).reshape(6, 2, 2, 2)
    got = call(answer, images, 3)
    right = images.reshape(2, 6, 2, 2)
    mixed = images.reshape(3, 2, 2, 2, 2).transpose(1, 0, 2, 3, 4).reshape(2, 6, 2, 2)
    by_channel = images.reshape(2, 3, 2, 2, 2).transpose(0, 2, 1, 3, 4).reshape(2, 6, 2, 2)
    mistakes = [
        (mixed, "A pack must hold m images that follow each other; yours takes every N-th one. Both are possible, but "
         "then the caller must know: here the first pack holds the images 0, 1 and 2."),
        (by_channel, "The channels are sorted by colour: first channel 0 of all images. Expected: all channels of the "
         "first image, then those of the second."),
    ]  # fmt: skip
    if np.shape(got) == (6, 6, 2, 2) or np.shape(got) == (6, 2, 2, 2):
        raise Wrong(
            f"pack(images, 3): expected 2 packs of 6 images, got shape {np.shape(got)}: m images make one example."
        )
    close("pack(images, 3) for 6 images of 2 channels", got, right, mistakes)


@exercise("10.3", "the gradient of minibatch features")
def minibatch_gradient(answer: Any) -> None:
    """``minibatch_gradient(m, g)`` is the gradient in m (N, C) of sum(g o), with o_i = sum_j exp(-|m_i - m_j|)."""
    for n in (2, 5):
        m, g = random_array(n, n, 3), random_array(n + 1, n)
        way = m[:, None] - m
        near = np.exp(-np.abs(way).sum(2)) * (1 - np.eye(n))
        both = -((g[:, None] + g) * near)[:, :, None] * np.sign(way)
        own, other = (-(some * near)[:, :, None] * np.sign(way) for some in (g[:, None], g[None]))
        mistakes = [
            (own.sum(1), "Only the role of i in its own o_i. m_i also is the other example in every o_j."),
            (other.sum(1), "Only the role of i as the other example of o_j. Its own o_i depends on m_i too."),
            (-both.sum(1), "Look at the sign: where two examples move apart, o falls."),
            (both.sum(0), "The sign of m_i - m_j changes if i and j change places: which one do you sum over?"),
        ]
        close(f"minibatch_gradient(m, g) for {n} examples", call(answer, m, g), both.sum(1),
              [(x, hint) for x, hint in mistakes if not np.allclose(x, both.sum(1))])  # fmt: skip


@exercise("10.4", "the gradient through spectral normalization")
def spectral_gradient(answer: Any) -> None:
    """``spectral_gradient(w, g)`` is the gradient in w of a loss whose gradient in w / s is g."""
    for seed in (0, 1):
        w, g = random_array(seed, 4, 3), random_array(seed + 5, 4, 3)
        u, s, v = np.linalg.svd(w)
        outer = np.outer(u[:, 0], v[0])
        right = (g - (g * w).sum() / s[0] * outer) / s[0]
        mistakes = [
            (g / s[0], "Here s is a constant. It depends on w: there is a second term."),
            ((g - (g * w).sum() * outer) / s[0], "The second term has the divided weight w / s in it, not w."),
            ((g + (g * w).sum() / s[0] * outer) / s[0], "The derivative of 1 / s is -1 / s^2: a minus."),
            ((g - (g * w).sum() / s[0] * np.outer(u[:, 0], v[:, 0])) / s[0],
             "numpy.linalg.svd gives V transposed: the first right singular vector is a row."),
            (right * s[0], "The whole is divided by s."),
        ]  # fmt: skip
        close("spectral_gradient(w, g)", call(answer, w, g), right, mistakes)


@exercise("10.5", "an unrolled step")
def unrolled(answer: Any) -> str:
    """``unrolled(network, real, fake, lr)`` gives the weights by name after one step of D that a gradient can pass."""
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).to("float64")
    for seed, p in enumerate(network.parameters()):
        p.data = random_array(seed, *p.shape)
    real, points = tensor(random_array(7, 4, 2)), random_array(8, 5, 2)
    before = {name: p.numpy().copy() for name, p in network.named_parameters()}

    def after(step: Any) -> tuple[dict[str, Any], Tensor]:
        fake = tensor(points, requires_grad=True)
        return step(fake), fake

    expected, leaf = after(lambda fake: unroll(network, lambda d: non_saturating_d(d(real), d(fake)), steps=1, lr=0.3))
    found, own = after(lambda fake: call(answer, network, real, fake, 0.3))
    if not isinstance(found, dict) or set(found) != set(expected):
        raise Wrong(f"Expected a dictionary with the names {', '.join(expected)}, got {found!r:.80}.")
    if any(not np.array_equal(p.numpy(), before[name]) for name, p in network.named_parameters()):
        raise Wrong("The weights of the network itself have changed: the step must make new Tensors.")
    for name, value in expected.items():
        mistakes = [(2 * before[name] - value.numpy(), "A step of descent subtracts the gradient.")]
        close(f"the weight {name!r}", found[name], value, mistakes)
    if not all(isinstance(t, Tensor) and t.requires_grad for t in found.values()):
        raise Wrong(
            "The values are right, and no gradient passes: the weights are constants for G. Take the gradients with "
            "create_graph=True, and do not use .data, .numpy() or detach()."
        )
    way = tensor(random_array(9, 5, 1))

    def gradient(weights: dict[str, Any], fake: Tensor) -> np.ndarray:
        return np.asarray(grad((functional_call(network, weights, fake) * way).sum(), fake)[0].numpy())

    direct = gradient({name: tensor(w.numpy()) for name, w in expected.items()}, tensor(points, requires_grad=True))
    mistakes = [(direct, "The values are right, and the gradient lacks the second term, through the step: "
                         "create_graph=True.")]  # fmt: skip
    close("the gradient in the points, through your weights", gradient(found, own), gradient(expected, leaf), mistakes)
    return "The values alone would not have shown it: the check took the gradient through your step."


_CAUSES = {1: "c", 2: "a", 3: "e", 4: "b", 5: "d"}
_SYMPTOMS = {
    1: "All samples are in one place, between two modes and in none. What moves on when D catches up?",
    2: "All modes are there, and every second sample is on the way from one to the next. What would make G steeper?",
    3: "One mode, and every sample is perfect. What does D look like that says so precisely where it is?",
    4: "The shape is right, but scaled and shifted as a whole. What differs between training and sampling?",
    5: "Samples everywhere, as many outside the ring as on it. Which network has learned nothing yet?",
}


def mysteries() -> dict[int, np.ndarray]:
    """Five sets of 1,000 points: what exercise 10.6 shows.  Reading this is cheating."""
    rng = np.random.default_rng(10)
    ring = centres("ring8")
    noise = rng.standard_normal((1000, 2))
    modes, share = rng.integers(0, 8, 1000), rng.random((1000, 1)) * (rng.random((1000, 1)) < 0.5)
    bridges = (1 - share) * ring[modes] + share * ring[(modes + 1) % 8] + 0.01 * noise
    return {
        1: np.array([0.55, 0.72]) + 0.03 * noise,
        2: bridges,
        3: ring[5] + 0.01 * noise,
        4: 0.7 * (ring[modes] + 0.02 * noise) + np.array([0.25, -0.1]),
        5: 0.7 * noise,
    }


@exercise("10.6", "read the pictures")
def read_the_pictures(answer: Any) -> None:
    """A dictionary from the number of each picture to the letter of its cause."""
    match_causes(answer, _CAUSES, _SYMPTOMS, "picture")
