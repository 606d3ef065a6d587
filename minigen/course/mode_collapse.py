"""The exercises of lesson 10, *Mode collapse*."""

from typing import Any

import numpy as np

from .. import nn
from ..data.points import SIGMAS, centres
from ..engine import grad
from ..losses import non_saturating_d, non_saturating_g
from ..models.gan.techniques import unroll
from ..nn.utils import functional_call
from ..tensor import Tensor, tensor
from . import Wrong, call, close, exercise
from ._compare import match_causes, random_array
from ._probe import probing

__all__ = ["count", "minibatch_gradient", "pack", "read_the_pictures", "spectral_gradient", "unrolled"]


@exercise("10.1", "count modes")
def count(answer: Any) -> None:
    """``count(points, centers, sigma)`` gives the number of modes found, and the share of good points."""
    where, sigma = centres("ring8"), SIGMAS["ring8"]
    rng = np.random.default_rng(0)
    near = where[[0, 0, 3, 5, 5, 5]] + sigma * rng.uniform(-1, 1, (6, 2))
    corner = where[[1]] + 2.5 * sigma  # within 3 sigma along each axis, not in the plane
    far = where[[2, 6]] + np.array([[0.1], [0.2]])  # 14 and 28 sigma, and still nearest to their modes
    outer = where[[4]] + 2.5 * sigma / np.sqrt(2)  # within 3 sigma, and not if both axes are added up
    aside = where[[7]] + [2 * sigma, 0]
    points = np.concatenate([near, corner, far, outer, aside])
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
        (modes(abs(points - where[nearest]).sum(1) <= 3 * sigma), "These are the distances of both axes added up. "
                                                                  "The distance "
         "is Euclidean: the root of the sum of squares."),
        (modes(least <= (1.5 * sigma) ** 2), "This is a radius of 1.5 sigma. 3 sigma is the radius, not the diameter."),
        (modes(least <= sigma**2), "This is a radius of sigma. It is 3 sigma."),
        (modes(least <= (2 * sigma) ** 2), "This is a radius of 2 sigma. It is 3 sigma."),
        (right.mean(), "This is the share: the number of modes comes first."),
        (1.0, "All eight modes are asked about: look at the nearest center of each point, and count different ones."),
        (int(right.sum()), "This is the number of good points. How many *different* modes are they at?"),
        (modes(least <= 3 * sigma**2), "The radius is 3 sigma, so its square is 9 sigma^2, not 3 sigma^2."),
    ]  # fmt: skip
    shares = [
        (boxed.mean(), "This is a square of 3 sigma on each axis. The distance is Euclidean: a circle."),
        ((least <= 3 * sigma).mean(), "A squared distance is compared with 3 sigma: square both, or none."),
        (float(right.sum()), "This is a number of points. The share is it divided by the number of all points."),
        (modes(right) / 8, "This is the share of the *modes* that are found. Asked for is the share of the points."),
        (float(modes(right)), "This is the number of modes: it comes first, then the share."),
        (right.sum() / 8, "The share is of all points, not one number a mode."),
        (1.0, "Each point counts here, however far from its mode it is."),
    ]
    expected = modes(right)
    close("the modes of count(points, centers, sigma)", np.asarray(found, float), float(expected),
          [(np.asarray(float(n)), hint) for n, hint in wrong if n != expected])  # fmt: skip
    close("the share of count(points, centers, sigma)", np.asarray(share, float), right.mean(),
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
        (by_channel, "The channels are sorted by color: first channel 0 of all images. Expected: all channels of the "
         "first image, then those of the second."),
    ]  # fmt: skip
    first_only = np.concatenate([images[::3]] * 3, axis=1)
    mistakes += [
        (first_only, "The first image of each pack stands there three times: put all of its images side by side."),
        (images[:2].repeat(3, axis=1), "Images are repeated: put m different ones side by side."),
    ]
    if np.shape(got) == (6, 6, 2, 2) or np.shape(got) == (6, 2, 2, 2):
        raise Wrong(
            f"pack(images, 3): expected 2 packs of 6 images, got shape {np.shape(got)}. m images make one "
            "example, so there are fewer of them: do not repeat images."
        )
    close("pack(images, 3) for 6 images of 2 channels", got, right, mistakes)


def _minibatch(m: np.ndarray, g: np.ndarray) -> np.ndarray:
    way = m[:, None] - m
    near = np.exp(-np.abs(way).sum(2))
    return -(((g[:, None] + g) * near)[:, :, None] * np.sign(way)).sum(1)


@exercise("10.3", "the gradient of minibatch features")
def minibatch_gradient(answer: Any) -> None:
    """``minibatch_gradient(rows, g)`` is the gradient in rows (N, C) of sum(g o); o_i = sum_j exp(-|r_i - r_j|)."""
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
            (
                -((g[:, None] + g) * near)[:, :, None].repeat(3, 2).sum(1),
                "Where is the sign of m_i - m_j? The derivative of |a| is sign(a).",
            ),
            (
                -(((g[:, None] + g) * near)[:, :, None] * way).sum(1),
                "This is the gradient of a squared distance. For "
                "the "
                "L1 distance, the sum of |a|, the derivative is sign(a), not a.",
            ),
            (-(((g[:, None] + g) * near)[:, :, None] * abs(way)).sum(1), "The derivative of |a| is sign(a), not |a|."),
            (
                -((g[:, None] + g)[:, :, None] * np.sign(way)).sum(1),
                "Where is exp(-|m_i - m_j|)? It is its own derivative.",
            ),
            (-(2 * near[:, :, None] * np.sign(way)).sum(1), "Where is g? Each o_i counts with its own cotangent."),
            (-(near[:, :, None] * np.sign(way)).sum(1), "Where is g? Each o_i counts with its own cotangent."),
            (both.mean(1), "This is a mean over the others. o is a sum."),
            (2 * own.sum(1), "This is twice the role of i in its own o_i. In o_j it counts with g_j, not with g_i."),
            (both.sum(0), "The sign of m_i - m_j changes if i and j change places: which one do you sum over?"),
        ]
        close(f"minibatch_gradient(rows, g) for {n} examples", call(answer, m, g), both.sum(1),
              [(x, hint) for x, hint in mistakes if not np.allclose(x, both.sum(1))],
                probe=probing(answer, _minibatch, m, g))  # fmt: skip


def _spectral(w: np.ndarray, g: np.ndarray) -> np.ndarray:
    u, s, v = np.linalg.svd(w)
    gradient: np.ndarray = (g - (g * w).sum() / s[0] * np.outer(u[:, 0], v[0])) / s[0]
    return gradient


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
            ((g - (g * w).sum() * outer) / s[0], "The second term has the divided weight w / s in it, not w: the "
                                                 "quotient "
             "rule has s squared below."),
            (g / s[0] - g * w / s[0] ** 2 * outer, "The second term has one number, the *sum* of all g * w (their "
                                                   "inner "
             "product), times the outer product of u and v."),
            (g / s[0] - (g * w).sum() / s[0] ** 3 * w, "The derivative of s in w is the outer product of u and v, "
                                                       "not w / s."),
            (g / s[0] - (g * w).sum() / s[0] ** 2 * w, "The derivative of s in w is the outer product of u and v, "
                                                       "not w."),
            (g - (g * w).sum() / s[0] ** 2 * outer, "The first term is g / s: W stands above the line there."),
            (g / s[-1] - (g * w).sum() / s[-1] ** 2 * np.outer(u[:, len(s) - 1], v[-1]), "This is the smallest "
                                                                                         "singular "
             "value. svd sorts them: the largest is the first."),
            (g / s[0] - g.sum() / s[0] ** 2 * outer, "Where is w in the second term? It has the sum of g * w."),
            (g / np.linalg.norm(w) - (g * w).sum() / np.linalg.norm(w) ** 3 * w, "This divides by the Frobenius "
                                                                                 "norm. s is "
             "the largest singular value."),
            (g / s[0] - (g * w).sum() / s[0] ** 2, "Where is the outer product of u and v?"),
            (-(g * w).sum() / s[0] ** 2 * outer, "Where is the first term, g / s?"),
            ((g + (g * w).sum() / s[0] * outer) / s[0], "The derivative of 1 / s is -1 / s^2: a minus."),
            ((g - (g * w).sum() / s[0] * np.outer(u[:, 0], v[:, 0])) / s[0],
             "numpy.linalg.svd gives V transposed: the first right singular vector is a row."),
            (right * s[0], "The whole is divided by s."),
        ]  # fmt: skip
        close("spectral_gradient(w, g)", call(answer, w, g), right, mistakes, probe=probing(answer, _spectral, w, g))


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

    def moved(loss: Any, lr: float = 0.3) -> dict[str, np.ndarray]:
        fake = tensor(points, requires_grad=True)
        slopes = grad(loss(network(real), network(fake)), list(network.parameters()))
        return {name: before[name] - lr * slope.numpy() for name, slope in zip(before, slopes) if slope is not None}

    exchanged = moved(lambda real, fake: non_saturating_d(fake, real))
    of_g, whole = moved(lambda real, fake: non_saturating_g(fake)), moved(non_saturating_d, 1.0)
    for name, value in expected.items():
        mistakes = [
            (2 * before[name] - value.numpy(), "A step of descent subtracts the gradient: look at the sign."),
            (before[name], "This is the old weight: every weight of D takes a step."),
            (exchanged[name], "Real and fake are exchanged: non_saturating_d(real_logits, fake_logits)."),
            (of_g[name], "This descends the loss of G. It is D that looks ahead, with D's loss, non_saturating_d."),
            (whole[name], "Where is lr? The step is lr times the gradient."),
            (before[name] - whole[name], "This is the gradient. The new weight is the old one minus lr times it."),
        ]
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
