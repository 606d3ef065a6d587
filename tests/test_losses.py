"""Every loss against its hand-derived gradient, and both against a formula written here; then what the theory promises.

The oracle of values is the plain textbook formula, in NumPy, without any care for overflow.  It also works on complex
numbers, which gives its derivatives without rounding error: f'(x) = Im f(x + ih) / h with h = 1e-20 (complex step).
"""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigen as mg
from minigen import losses, nn
from minigen.losses import LOSSES

numbers = np.random.default_rng
seeds = st.integers(0, 2**32 - 1)
HELPERS = {
    "GAN_LOSSES",
    "GANLoss",
    "LOSSES",
    "Loss",
    "gram_matrix",
    "clip_weights",
    "critic_gradients",
    "derivation",
    "gradient",
    "input_gradients",
}


# ---- the formulas


def sigma(a):
    return 1 / (1 + np.exp(-a))


def minimax_d(real, fake, smoothing=0.0):
    t = 1 - smoothing
    return -np.mean(t * np.log(sigma(real)) + (1 - t) * np.log(sigma(-real))) - np.mean(np.log(sigma(-fake)))


def lsgan_d(real, fake, fake_target=0.0, real_target=1.0):
    return np.mean((real - real_target) ** 2) / 2 + np.mean((fake - fake_target) ** 2) / 2


def positive(a):
    return np.where(a.real > 0, a, 0)


def penalty(u, weight=10.0):
    norms = [np.sqrt(np.sum(image**2)) if np.any(image) else 0.0 for image in u]
    return weight * sum((norm - 1) ** 2 for norm in norms) / len(norms)


def normal_log_density(x, mean, log_var):
    return -((x - mean) ** 2) / (2 * np.exp(log_var)) - np.log(2 * np.pi) / 2 - log_var / 2


def pixels(x, each):
    return each.reshape(*each.shape[: each.ndim - x.ndim + 1], -1).sum(-1)


def bernoulli(logits, x):
    return pixels(x, x * np.log(sigma(logits)) + (1 - x) * np.log(sigma(-logits)))


def gaussian(mean, x, log_var=0.0):
    return pixels(x, normal_log_density(x, mean, log_var + 0 * mean))


def kl(mu, log_var, m=0.0, rho=0.0):
    ratio = np.exp(log_var) / np.exp(rho)
    return np.sum(ratio - 1 - np.log(ratio) + (mu - m) ** 2 / np.exp(rho), -1) / 2


def sampled_kl(mu, log_var, eps, m=0.0, rho=0.0):
    z = mu + np.sqrt(np.exp(log_var)) * eps
    return np.sum(normal_log_density(z, mu, log_var) - normal_log_density(z, m, rho), -1)


# ---- the cases: arguments and options for each


def scores(rng, *arguments, scale=3):
    shapes = [(int(rng.integers(1, 6)), *((1,) if rng.random() < 0.5 else ())) for _ in range(arguments[0])]
    return [scale * rng.standard_normal(shape) for shape in shapes]


def codes(rng, prior, samples=None):
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    posterior = [rng.standard_normal(shape), rng.standard_normal(shape)]
    noise = [] if samples is None else [rng.standard_normal((*((samples,) if samples else ()), *shape))]
    return posterior + noise + ([rng.standard_normal(shape), rng.standard_normal(shape)] if prior else [])


def images(rng, samples):
    shape = (int(rng.integers(1, 4)), 2, 3)
    return rng.standard_normal((*((samples,) if samples else ()), *shape)), rng.random(shape)


def gaussian_case(rng):
    mean, x = images(rng, int(rng.integers(0, 3)))
    log_var = [None, (), (3,), (2, 1), mean.shape][rng.integers(5)]
    if log_var is None:
        return [mean, x], {"log_var": float(rng.standard_normal())}
    return [mean, x, rng.standard_normal(log_var)], {}


def bound_case(rng):
    n = int(rng.integers(1, 5))
    return [-100 * rng.random((2, n)), 20 * rng.random(n)]


def cvae_case(rng):
    latent = codes(rng, rng.random() < 0.5)
    return [-100 * rng.random((2, len(latent[0]))), *latent]


def gradients_case(rng):
    u = rng.standard_normal((int(rng.integers(1, 4)), 2, 3)) * rng.choice([0.1, 1, 10])
    u[rng.random(len(u)) < 0.2] = 0
    return u


def cvae(likelihood, mu, log_var, m=0.0, rho=0.0):
    return np.mean(kl(mu, log_var, m, rho)) - np.mean(likelihood)


def iwae(log_weights):
    return -np.mean(np.log(np.mean(np.exp(log_weights), 0)))


def masked(error):
    def formula(output, truth, mask=None):
        weights = np.ones((len(output), 1, *output.shape[2:])) if mask is None else mask
        return np.sum(weights * error(output - truth)) / (output.shape[1] * np.sum(weights))

    return formula


def masked_log(output, truth, mask=None, epsilon=(2 / 255) ** 2):
    squares = masked(np.square)
    each = [
        squares(y[None], x[None], None if mask is None else mask[n : n + 1])
        for n, (y, x) in enumerate(zip(output, truth))
    ]
    return np.mean(np.log(np.array(each) + epsilon))


def masked_log_case(rng):
    arguments, _ = masked_case(rng)
    if len(arguments) == 3:
        arguments[2].reshape(len(arguments[2]), -1)[:, 0] = 1
    return arguments, {"epsilon": float(rng.choice([0.1, 1.0]))}


def masked_case(rng):
    shape = tuple(int(rng.integers(1, 4)) for _ in range(4))
    mask = (rng.random((shape[0], 1, *shape[2:])) < 0.5).astype(float)
    mask.flat[0] = 1
    return [*rng.standard_normal((2, *shape)), *([mask] if rng.random() < 0.7 else [])], {}


def weights(rng):
    return [rng.standard_normal((2, 3)), rng.standard_normal(4)], {"weight": float(rng.random())}


def semi_supervised(labelled, unlabelled, fake, labels):
    def likelihoods(logits):  # of the K classes and of "generated", whose logit is 0
        powers = np.exp(np.concatenate([logits, 0 * logits[:, :1]], 1))
        return powers / powers.sum(1, keepdims=True)

    real, generated = likelihoods(unlabelled), likelihoods(fake)[:, -1]
    classes = np.exp(labelled) / np.exp(labelled).sum(1, keepdims=True)
    classifier = -np.mean(np.log(classes[np.arange(len(labels)), labels]))
    return classifier - (np.mean(np.log(1 - real[:, -1])) + np.mean(np.log(generated))) / 2


def semi_supervised_case(rng):
    sizes, k = rng.integers(1, 5, 3), int(rng.integers(1, 5))
    return [2 * rng.standard_normal((n, k)) for n in sizes], {"labels": rng.integers(k, size=sizes[0])}


def feature_case(rng):
    shape = (3, 2) if rng.random() < 0.5 else (4,)
    return [rng.standard_normal((int(rng.integers(1, 5)), *shape)) for _ in range(2)], {}


def gram_case(rng):
    n, c, h, w = (int(k) for k in rng.integers(1, 4, 4))
    return [rng.standard_normal((n, c, h, w)), rng.standard_normal((n, c, c))], {}


def gram(features, target):
    losses = []
    for f, a in zip(features.reshape(*features.shape[:2], -1), target):
        found = np.array([[np.mean(f[i] * f[j]) for j in range(len(f))] for i in range(len(f))])
        losses.append(np.sum((found - a) ** 2) / np.sum(a**2))
    return sum(losses) / len(losses)


def flow_case(rng):
    n, latent, lead = int(rng.integers(1, 4)), int(rng.integers(1, 4)), (2,) * int(rng.integers(0, 3))
    u, stretch, eps = rng.standard_normal((3, *lead, n, latent))
    return [u, stretch, rng.standard_normal((n, latent)), eps]


def absolute(d):
    return np.mean(d * np.sign(d.real))


def cycle_case(rng):
    shapes = [(int(rng.integers(1, 4)), 2, 3), (int(rng.integers(1, 4)), 4)]
    return [rng.standard_normal(shape) for shape in shapes for _ in range(2)], {}


def distilled(student, teacher_logits, labels=None, temperature=4.0, share=0.9):
    def softened(logits, t):
        powers = np.exp(logits / t)
        return powers / powers.sum(1, keepdims=True)

    teacher, images = softened(teacher_logits, temperature), np.arange(len(student))
    taught = -(temperature**2) * np.mean(np.sum(teacher * np.log(softened(student, temperature)), 1))
    told = 0 if labels is None else -np.mean(np.log(softened(student, 1)[images, labels]))
    return share * taught + (1 - share) * told


def distilled_case(rng):
    n, k = (int(size) for size in rng.integers(1, 5, 2))
    options = {"teacher_logits": 3 * rng.standard_normal((n, k)), "temperature": float(rng.uniform(0.5, 8))}
    with_labels = {"labels": rng.integers(k, size=n), "share": float(rng.random())}
    return [3 * rng.standard_normal((n, k))], options | (with_labels if rng.random() < 0.7 else {"share": 1.0})


CASES = {
    "distillation_loss": (distilled, distilled_case),
    "cycle_loss": (lambda a, x, b, y: absolute(a - x) + absolute(b - y), cycle_case),
    "gram_loss": (gram, gram_case),
    "zero_centred_penalty": (
        lambda u, weight: weight / 2 * sum(np.sum(image * image) for image in u) / len(u),
        lambda rng: ([gradients_case(rng)], {"weight": float(10 * rng.random())}),
    ),
    "feature_matching": (lambda f, g: np.sum((np.mean(f, 0) - np.mean(g, 0)) ** 2), feature_case),
    "semi_supervised_d": (semi_supervised, semi_supervised_case),
    "minimax_d": (minimax_d, lambda rng: (scores(rng, 2), {})),
    "minimax_g": (lambda fake: np.mean(np.log(sigma(-fake))), lambda rng: (scores(rng, 1), {})),
    "label_smoothing_d": (minimax_d, lambda rng: (scores(rng, 2), {"smoothing": float(rng.random())})),
    "non_saturating_d": (minimax_d, lambda rng: (scores(rng, 2), {"smoothing": float(rng.choice([0, 0.1]))})),
    "non_saturating_g": (lambda fake: -np.mean(np.log(sigma(fake))), lambda rng: (scores(rng, 1), {})),
    "lsgan_d": (lsgan_d, lambda rng: (scores(rng, 2), {"fake_target": -1.5, "real_target": float(rng.random())})),
    "lsgan_g": (
        lambda fake, target=1.0: np.mean((fake - target) ** 2) / 2,
        lambda rng: (scores(rng, 1), {"target": float(rng.random())}),
    ),
    "hinge_d": (
        lambda real, fake: np.mean(positive(1 - real)) + np.mean(positive(1 + fake)),
        lambda rng: (scores(rng, 2, scale=1.5), {}),
    ),
    "hinge_g": (lambda fake: -np.mean(fake), lambda rng: (scores(rng, 1), {})),
    "wgan_d": (lambda real, fake: np.mean(fake) - np.mean(real), lambda rng: (scores(rng, 2), {})),
    "wgan_g": (lambda fake: -np.mean(fake), lambda rng: (scores(rng, 1), {})),
    "gradient_penalty": (penalty, lambda rng: ([gradients_case(rng)], {"weight": float(10 * rng.random())})),
    "wgan_gp_d": (
        lambda real, fake, u, weight: np.mean(fake) - np.mean(real) + penalty(u, weight),
        lambda rng: ([*scores(rng, 2), gradients_case(rng)], {"weight": 5.0}),
    ),
    "reparameterize": (
        lambda mu, log_var, eps: mu + np.sqrt(np.exp(log_var)) * eps,
        lambda rng: (codes(rng, False, int(rng.integers(0, 3))), {}),
    ),
    "bernoulli_log_likelihood": (bernoulli, lambda rng: (list(images(rng, int(rng.integers(0, 3)))), {})),
    "gaussian_log_likelihood": (gaussian, gaussian_case),
    "gaussian_kl": (kl, lambda rng: (codes(rng, rng.random() < 0.5), {})),
    "monte_carlo_kl": (sampled_kl, lambda rng: (codes(rng, rng.random() < 0.5, int(rng.integers(0, 3))), {})),
    "flow_kl": (
        lambda u, stretch, log_var, eps: np.sum(u * u / 2 + stretch - eps * eps / 2 - log_var / 2, -1),
        lambda rng: (flow_case(rng), {}),
    ),
    "negative_elbo": (lambda likelihood, kl: np.mean(kl) - np.mean(likelihood), lambda rng: (bound_case(rng), {})),
    "beta_vae_loss": (
        lambda likelihood, kl, beta: beta * np.mean(kl) - np.mean(likelihood),
        lambda rng: (bound_case(rng), {"beta": float(5 * rng.random())}),
    ),
    "cvae_loss": (cvae, lambda rng: (cvae_case(rng), {})),
    "iwae_loss": (iwae, lambda rng: ([5 * rng.standard_normal((int(rng.integers(1, 5)), 3))], {})),
    "masked_l2": (masked(np.square), masked_case),
    "masked_log_l2": (masked_log, masked_log_case),
    "masked_l1": (masked(lambda d: d * np.sign(d.real)), masked_case),
    "l1_penalty": (lambda *ws, weight: weight * sum(np.sum(w * np.sign(w.real)) for w in ws), weights),
    "l2_penalty": (lambda *ws, weight: weight / 2 * sum(np.sum(w * w) for w in ws), weights),
}
LISTED = {"l1_penalty", "l2_penalty"}  # these take a list of parameters
every_loss = pytest.mark.parametrize("name", sorted(CASES))


def call(name, function, arguments, options):
    return function(list(arguments), **options) if name in LISTED else function(*arguments, **options)


def autograd(name, arguments, options, g):
    leaves = [mg.tensor(a, requires_grad=True) for a in arguments]
    out = call(name, LOSSES[name].function, leaves, options)
    return out, [d.numpy() for d in mg.grad(out, leaves, mg.tensor(g))]


def complex_step(reference, arguments, options, g):
    h = 1e-20
    gradients = []
    for k, argument in enumerate(arguments):
        gradient = np.zeros(argument.shape)
        for place in np.ndindex(argument.shape):
            moved = argument.astype(complex)
            moved[place] += 1j * h
            out = reference(*arguments[:k], moved, *arguments[k + 1 :], **options)
            gradient[place] = np.sum(g * np.imag(out)) / h
        gradients.append(gradient)
    return gradients


def drawn(name, seed):
    rng = numbers(seed)
    reference, make = CASES[name]
    arguments, options = make(rng)
    value = np.asarray(reference(*arguments, **options))
    return reference, arguments, options, value, np.asarray(rng.standard_normal(value.shape))


def close(actual, expected, digits):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=digits, atol=digits * max(1.0, np.abs(e).max(initial=0)))


# ---- complete: nothing is registered without gradient, derivation and case


def test_every_public_loss_is_registered_and_has_a_case_here():
    assert set(losses.__all__) - HELPERS == set(LOSSES) == set(CASES)


@every_loss
def test_a_loss_has_a_gradient_by_hand_and_a_derivation(name):
    record = LOSSES[name]
    assert record.gradient is not None
    text = losses.derivation(name)
    assert text == losses.derivation(record.family) == record.derivation
    assert text.startswith("# ") and "$$" in text and "\\frac{\\partial" in text
    assert re.search(r"\b(19|20)\d\d\b", text.split("## ")[0]), "the paper, before the first step"
    assert re.search(r"## \d. Sign, scale", text) and "etach" in text


@pytest.mark.parametrize("family", sorted({record.family for record in LOSSES.values()}))
def test_a_derivation_is_markdown_that_renders(family):
    text = losses.derivation(family)
    assert text.count("$$") % 2 == 0
    for block in text.split("\n\n"):
        inline = block.replace("$$", "")
        assert inline.count("$") % 2 == 0, block
        assert block.count("`") % 2 == 0, block
        assert inline.count("{") == inline.count("}"), block
        assert inline.count("\\big(") == inline.count("\\big)"), block
        assert inline.count("\\Big[") == inline.count("\\Big]"), block


def test_an_unknown_name_is_an_error_that_lists_the_names():
    with pytest.raises(ValueError, match=r"derivation: unknown loss 'hinged', did you mean hinge_d\? Known: bernoulli"):
        losses.derivation("hinged")
    with pytest.raises(ValueError, match="gradient: unknown loss 'hinge'"):
        losses.gradient("hinge")


def test_a_loss_without_a_hand_gradient_or_with_a_taken_name_is_refused(monkeypatch):
    monkeypatch.setitem(LOSSES, "new", losses.Loss(minimax_d))
    with pytest.raises(ValueError, match="new has no gradient derived by hand"):
        losses.gradient("new")
    with pytest.raises(ValueError, match="'minimax_d' is taken"):
        losses.registry.loss(minimax_d)


# ---- values and gradients


@every_loss
@given(seed=seeds)
def test_the_value_is_the_formula(name, seed):
    _, arguments, options, value, _ = drawn(name, seed)
    for dtype, digits in ((np.float64, 1e-12), (np.float32, 2e-5)):
        out = call(name, LOSSES[name].function, [mg.tensor(a.astype(dtype)) for a in arguments], options)
        assert out.dtype == dtype
        close([out.numpy()], [value], digits)


@every_loss
@given(seed=seeds)
def test_the_hand_gradient_is_the_derivative_of_the_formula(name, seed):
    reference, arguments, options, _, g = drawn(name, seed)
    by_hand = call(name, losses.gradient(name), arguments, {**options, "g": g})
    expected = complex_step(reference, arguments, options, g)
    if name in ("gradient_penalty", "wgan_gp_d"):  # at no slope the norm has no derivative; the convention is 0
        expected[-1][~arguments[-1].any((1, 2))] = 0
    close(by_hand, expected, 1e-11)


@every_loss
@given(seed=seeds)
def test_autograd_finds_the_hand_gradient(name, seed):
    _, arguments, options, _, g = drawn(name, seed)
    for dtype, digits in ((np.float64, 1e-12), (np.float32, 5e-5)):
        cast, seeded = [a.astype(dtype) for a in arguments], g.astype(dtype)
        by_hand = call(name, losses.gradient(name), cast, {**options, "g": seeded})
        assert {d.dtype for d in by_hand} == {np.dtype(dtype)}
        close(autograd(name, cast, options, seeded)[1], by_hand, digits)


@every_loss
def test_the_cotangent_is_one_unless_given(name):
    _, arguments, options, value, _ = drawn(name, 7)
    plain = call(name, losses.gradient(name), arguments, options)
    close(plain, call(name, losses.gradient(name), arguments, {**options, "g": np.ones(value.shape)}), 1e-15)


@every_loss
@given(seed=seeds)
def test_autograd_agrees_with_central_differences(name, seed):
    _, arguments, options, _, g = drawn(name, seed)
    if name == "hinge_d":
        assume(min(np.abs(1 - arguments[0]).min(), np.abs(1 + arguments[1]).min()) > 1e-2)
    if name in ("gradient_penalty", "wgan_gp_d"):
        assume(all(np.linalg.norm(u) > 1e-2 for u in arguments[-1]))
    if name in ("masked_l1", "cycle_loss"):
        assume(all(np.abs(a - x).min() > 1e-2 for a, x in zip(arguments[::2], arguments[1::2])))
    if name == "l1_penalty":
        assume(min(np.abs(w).min() for w in arguments) > 1e-2)
    rng = numbers(seed)
    ways = [rng.standard_normal(a.shape) for a in arguments]
    if name == "bernoulli_log_likelihood":
        ways[1] = np.zeros_like(ways[1])  # images stay in [0, 1]

    def along(h):
        moved = [mg.tensor(a + h * way) for a, way in zip(arguments, ways, strict=True)]
        return np.sum(g * call(name, LOSSES[name].function, moved, options).numpy())

    h = 1e-4
    slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    gradients = autograd(name, arguments, options, g)[1]
    expected = sum(np.sum(d * way) for d, way in zip(gradients, ways, strict=True))
    assert slope == pytest.approx(expected, rel=1e-7, abs=1e-7)


@every_loss
def test_the_gradient_of_the_gradient_is_right(name):
    _, arguments, options, _, _ = drawn(name, 11)
    if name == "gradient_penalty" or name == "wgan_gp_d":
        arguments[-1] = arguments[-1] + 0.5
    leaves = [mg.tensor(a, requires_grad=True) for a in arguments]
    rng = numbers(0)
    ways = [rng.standard_normal(a.shape) for a in arguments]
    out = call(name, LOSSES[name].function, leaves, options)
    g = mg.tensor(rng.standard_normal(out.shape))
    first = mg.grad(out, leaves, g, create_graph=True)
    along = sum((d * mg.tensor(way)).sum() for d, way in zip(first, ways, strict=True))
    second = mg.grad(along, leaves, allow_unused=True) if along.requires_grad else [None] * len(leaves)
    h = 1e-5

    def by_hand(step):
        moved = [a + step * way for a, way in zip(arguments, ways, strict=True)]
        return call(name, losses.gradient(name), moved, {**options, "g": g.numpy()})

    for d, plus, minus in zip(second, by_hand(h), by_hand(-h), strict=True):
        expected = (plus - minus) / (2 * h)
        np.testing.assert_allclose(np.zeros_like(expected) if d is None else d.numpy(), expected, rtol=1e-6, atol=1e-6)


# ---- adversarial losses


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("logit", [-1000.0, -104.0, -40.0, 0.0, 40.0, 104.0, 1000.0])
def test_losses_on_logits_are_exact_where_probabilities_round(logit, dtype):
    one = mg.tensor(np.array([logit], dtype), requires_grad=True)
    log_sigma = min(logit, 0) - math.log1p(math.exp(-abs(logit)))
    log_other = min(-logit, 0) - math.log1p(math.exp(-abs(logit)))  # log(1 - sigma)
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    for function, expected, slope in (
        (losses.non_saturating_g, -log_sigma, -math.exp(log_other)),
        (losses.minimax_g, log_other, -math.exp(log_sigma)),
    ):
        out = function(one)
        (d,) = mg.grad(out, one)
        (by_hand,) = losses.gradient(function.__name__)(one.numpy())
        assert out.item() == pytest.approx(expected, rel=4 * eps, abs=tiny)
        assert d.item() == pytest.approx(slope, rel=100 * eps, abs=tiny)
        assert float(by_hand[0]) == pytest.approx(slope, rel=100 * eps, abs=tiny)


def supports(seed):
    """Two distributions on the same points, as counts, so that a batch can hold each exactly."""
    rng = numbers(seed)
    n = int(rng.integers(2, 6))
    p, q = rng.integers(1, 5, n), rng.integers(1, 5, n)
    return p, q, p / p.sum(), q / q.sum()


def batches(score, p, q):
    return np.repeat(score, p), np.repeat(score, q)


def per_point(gradient, p, q):
    """The gradient of the loss in the score of each point, from those of the images that lie there."""
    d_real, d_fake = gradient
    owner_p, owner_q = np.repeat(np.arange(len(p)), p), np.repeat(np.arange(len(q)), q)
    return np.bincount(owner_p, d_real, len(p)) + np.bincount(owner_q, d_fake, len(q))


@given(seeds, st.sampled_from([0.0, 0.1, 0.3]))
def test_the_best_discriminator_is_p_over_p_plus_q_times_the_label(seed, smoothing):
    n, m, p, q = supports(seed)
    best = (1 - smoothing) * p / (p + q)
    score = np.log(best / (1 - best))
    gradient = losses.gradient("label_smoothing_d")(*batches(score, n, m), smoothing)
    np.testing.assert_allclose(per_point(gradient, n, m), 0, atol=1e-14)


@given(seeds)
def test_the_best_discriminators_loss_is_log_4_minus_twice_the_jensen_shannon_divergence(seed):
    n, m, p, q = supports(seed)
    middle = (p + q) / 2
    jsd = (np.sum(p * np.log(p / middle)) + np.sum(q * np.log(q / middle))) / 2
    best = [mg.tensor(a) for a in batches(np.log(p / q), n, m)]
    assert losses.minimax_d(*best).item() == pytest.approx(math.log(4) - 2 * jsd, abs=1e-12)
    assert losses.minimax_d(*best).item() <= math.log(4) + 1e-12
    worse = [mg.tensor(a) for a in batches(np.log(p / q) + numbers(seed).standard_normal(len(p)), n, m)]
    assert losses.minimax_d(*worse).item() > losses.minimax_d(*best).item()


def test_an_undecided_discriminator_pays_what_the_derivations_say():
    none, half = mg.zeros(3, 1, dtype=np.float64), mg.full((3, 1), 0.5, dtype=np.float64)
    for loss, expected in (
        (losses.minimax_d(none, none), math.log(4)),
        (losses.label_smoothing_d(none, none, 0.1), math.log(4)),
        (losses.minimax_g(none), -math.log(2)),
        (losses.non_saturating_g(none), math.log(2)),
        (losses.hinge_d(none, none), 2),
        (losses.lsgan_d(half, half), 1 / 4),
        (losses.lsgan_g(half), 1 / 8),
    ):
        assert loss.item() == pytest.approx(expected, rel=1e-14)


def test_numbers_quoted_in_the_derivations():
    best_smoothed = losses.label_smoothing_d(
        mg.tensor([math.log(9)], dtype="float64"), mg.tensor([-800.0], dtype="float64")
    )
    assert best_smoothed.item() == pytest.approx(0.325, abs=5e-4)
    squashed_twice = losses.minimax_d(mg.tensor([1.0], dtype="float64"), mg.tensor([0.0], dtype="float64"))
    assert squashed_twice.item() == pytest.approx(1.0064, abs=5e-5)
    assert losses.gradient_penalty(mg.zeros(4, 5)).item() == 10


def test_the_minimax_generator_loss_saturates_and_the_other_does_not():
    found_out = np.array([-20.0])
    assert abs(losses.gradient("minimax_g")(found_out)[0][0]) < 3e-9
    assert losses.gradient("non_saturating_g")(found_out)[0][0] == pytest.approx(-1, abs=1e-8)
    logits = np.linspace(-30, 30, 61)
    saturating, other = (losses.gradient(name)(logits)[0] for name in ("minimax_g", "non_saturating_g"))
    assert np.all(saturating < 0) and np.all(other < 0), "both pull the logit up"
    np.testing.assert_allclose(other / saturating, np.exp(-logits), rtol=1e-12)


@given(seeds)
def test_the_least_squares_discriminator_averages_its_targets(seed):
    n, m, p, q = supports(seed)
    a, b, c = -1.0, 1.0, 0.0
    best = (b * p + a * q) / (p + q)
    gradient = losses.gradient("lsgan_d")(*batches(best, n, m), a, b)
    np.testing.assert_allclose(per_point(gradient, n, m), 0, atol=1e-14)
    real, fake = (mg.tensor(s) for s in batches(best, n, m))
    pearson = np.sum((p - q) ** 2 / (p + q))
    assert 2 * (losses.lsgan_g(fake, c) + losses.lsgan_g(real, c)).item() == pytest.approx(pearson, abs=1e-12)


@given(seeds)
def test_the_best_hinge_discriminator_measures_total_variation(seed):
    n, m, p, q = supports(seed)
    distance = np.abs(p - q).sum() / 2
    best = losses.hinge_d(*[mg.tensor(a) for a in batches(np.where(p > q, 1.0, -1.0), n, m)]).item()
    assert best == pytest.approx(2 * (1 - distance), abs=1e-12)
    other = losses.hinge_d(*[mg.tensor(a) for a in batches(2 * numbers(seed).standard_normal(len(p)), n, m)]).item()
    assert other >= best - 1e-12


def test_the_hinge_has_no_gradient_at_its_kinks_and_beyond():
    real, fake = np.array([1.0, 1.5, 0.99]), np.array([-1.0, -1.5, -0.99])
    d_real, d_fake = losses.gradient("hinge_d")(real, fake)
    np.testing.assert_array_equal(d_real, [0, 0, -1 / 3])
    np.testing.assert_array_equal(d_fake, [0, 0, 1 / 3])
    close(autograd("hinge_d", [real, fake], {}, np.array(1.0))[1], [d_real, d_fake], 1e-15)


@given(seeds)
def test_no_lipschitz_critic_exceeds_the_earth_movers_distance(seed):
    rng = numbers(seed)
    real, fake = rng.standard_normal(6), 2 + rng.standard_normal(6)
    distance = np.mean(np.abs(np.sort(real) - np.sort(fake)))
    slopes = rng.standard_normal(5)
    slopes /= max(np.abs(slopes).sum(), 1)
    corners = rng.standard_normal(5)

    def critic(x):
        return np.abs(x[:, None] - corners) @ slopes

    assert -losses.wgan_d(mg.tensor(critic(real)), mg.tensor(critic(fake))).item() <= distance + 1e-12
    if real.max() < fake.min():  # then the best critic falls with slope 1
        assert -losses.wgan_d(mg.tensor(-real), mg.tensor(-fake)).item() == pytest.approx(distance)


def test_the_best_critic_of_separate_heaps_attains_the_earth_movers_distance():
    real, fake = np.array([0.0, 1.0, 0.5]), np.array([3.0, 2.0, 7.0])
    assert losses.wgan_d(mg.tensor(-real), mg.tensor(-fake)).item() == pytest.approx(-3.5)


def test_clipped_weights_lie_within_the_limit_and_others_stay():
    parameters = [mg.tensor([[-0.5, 0.002]], requires_grad=True), mg.tensor([0.3, -0.01])]
    losses.clip_weights(iter(parameters), 0.01)
    np.testing.assert_array_equal(parameters[0].numpy(), np.array([[-0.01, 0.002]], np.float32))
    np.testing.assert_array_equal(parameters[1].numpy(), np.array([0.01, -0.01], np.float32))


# ---- the gradient penalty's double backward


def critic_case(seed):
    rng = numbers(seed)
    n, size, hidden = 3, 4, 5
    W, v = rng.standard_normal((hidden, size)), rng.standard_normal(hidden)
    return rng.standard_normal((n, size)), rng.standard_normal((n, size)), rng.random(n), W, v


def tanh_critic(W, v):
    return lambda x: (x @ W.T).tanh() @ v


@given(seeds)
def test_the_critics_gradients_are_taken_image_by_image_on_the_line(seed):
    real, fake, mix, W, v = critic_case(seed)
    u = losses.critic_gradients(tanh_critic(mg.tensor(W), mg.tensor(v)), mg.tensor(real), mg.tensor(fake), mix)
    points = mix[:, None] * real + (1 - mix[:, None]) * fake
    close([u.numpy()], [((1 - np.tanh(points @ W.T) ** 2) * v) @ W], 1e-12)


@given(seeds)
def test_the_penaltys_gradient_in_the_critics_weights_is_the_derivation(seed):
    real, fake, mix, W, v = critic_case(seed)
    x = mix[:, None] * real + (1 - mix[:, None]) * fake
    a = np.tanh(x @ W.T)
    b = 1 - a * a
    u = (b * v) @ W
    norm = np.linalg.norm(u, axis=1, keepdims=True)
    r = 2 * 10 / len(u) * (norm - 1) * u / norm
    pushed = r @ W.T
    d_v = (b * pushed).sum(0)
    d_W = (v * b).T @ r - 2 * (v * a * b * pushed).T @ x

    leaves = mg.tensor(W, requires_grad=True), mg.tensor(v, requires_grad=True)
    loss = losses.gradient_penalty(losses.critic_gradients(tanh_critic(*leaves), mg.tensor(real), mg.tensor(fake), mix))
    close([d.numpy() for d in mg.grad(loss, leaves)], [d_W, d_v], 1e-10)


def test_a_linear_critic_pays_for_the_norm_of_its_weights():
    w = mg.tensor([3.0, 4.0], requires_grad=True)
    u = losses.critic_gradients(lambda x: x @ w, mg.ones(5, 2), mg.zeros(5, 2), np.linspace(0, 1, 5))
    loss = losses.gradient_penalty(u)
    loss.backward()
    assert loss.item() == pytest.approx(160)
    np.testing.assert_allclose(w.grad.numpy(), [48, 64], rtol=1e-6)  # 2 * 10 * (5 - 1) * w / 5


def test_the_penalty_teaches_neither_data_nor_generator():
    real, fake = mg.ones(2, 3, requires_grad=True), mg.zeros(2, 3, requires_grad=True)
    w = mg.ones(3, requires_grad=True)
    u = losses.critic_gradients(lambda x: (x * x) @ w, real, fake, [0.3, 0.6])
    given = mg.grad(losses.gradient_penalty(u), [real, fake, w], allow_unused=True)
    assert given[0] is None and given[1] is None and given[2] is not None


def test_a_flat_critic_gets_no_nan():
    u = mg.zeros(2, 3, requires_grad=True)
    losses.gradient_penalty(u).backward()
    np.testing.assert_array_equal(u.grad.numpy(), 0)
    np.testing.assert_array_equal(losses.gradient("gradient_penalty")(np.zeros((2, 3)))[0], 0)


def test_a_critic_with_batch_norm_is_refused_while_it_mixes_images():
    critic = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with pytest.raises(ValueError, match=r"batch norm \('1'\) makes the score of one image depend on the others"):
        losses.critic_gradients(critic, mg.ones(2, 3), mg.zeros(2, 3), [0.5, 0.5])
    critic.eval()
    assert losses.critic_gradients(critic, mg.ones(2, 3), mg.zeros(2, 3), [0.5, 0.5]).shape == (2, 3)


# ---- variational losses


@pytest.mark.parametrize("seed", range(5))  # not drawn: among enough draws one lies beyond any number of errors
@pytest.mark.parametrize("prior", [False, True])
def test_monte_carlo_kl_equals_the_closed_form_within_4_standard_errors(seed, prior):
    rng = numbers(seed)
    parameters = [mg.tensor(a) for a in codes(rng, prior)]
    eps = mg.tensor(rng.standard_normal((20000, *parameters[0].shape)))
    samples = losses.monte_carlo_kl(*parameters[:2], eps, *parameters[2:]).numpy()
    error = samples.std(0, ddof=1) / math.sqrt(len(samples))
    assert np.all(np.abs(samples.mean(0) - losses.gaussian_kl(*parameters).numpy()) < 4 * error + 1e-12)


@given(seeds, st.booleans())
def test_the_mean_of_the_monte_carlo_gradient_is_the_closed_forms(seed, prior):
    arguments = codes(numbers(seed), prior)
    eps = cubature(arguments[0].shape)  # integrates quadratics in eps exactly
    sampled = losses.gradient("monte_carlo_kl")(*arguments[:2], eps, *arguments[2:], g=1 / len(eps))
    close([*sampled[:2], *sampled[3:]], losses.gradient("gaussian_kl")(*arguments), 1e-11)


@given(seeds)
def test_the_kl_is_zero_for_equal_gaussians_and_positive_otherwise(seed):
    mu, log_var, m, rho = (mg.tensor(a) for a in codes(numbers(seed), True))
    np.testing.assert_allclose(losses.gaussian_kl(mu, log_var, mu, log_var).numpy(), 0, atol=1e-14)
    assert np.all(losses.gaussian_kl(mu, log_var, m, rho).numpy() > 0)
    standard = losses.gaussian_kl(mu, log_var, mg.zeros_like(mu), mg.zeros_like(mu))
    close([losses.gaussian_kl(mu, log_var).numpy()], [standard.numpy()], 1e-13)


def test_samples_have_the_mean_and_variance_asked_for():
    rng = numbers(0)
    mu, log_var = np.array([[1.0, -2.0]]), np.array([[0.0, 2 * math.log(3)]])  # standard deviations 1 and 3
    z = losses.reparameterize(*(mg.tensor(a) for a in (mu, log_var, rng.standard_normal((40000, 1, 2))))).numpy()
    np.testing.assert_allclose(z.mean((0, 1)), [1, -2], atol=0.06)
    np.testing.assert_allclose(z.std((0, 1)), [1, 3], rtol=0.02)


@given(seeds)
def test_a_grey_image_has_the_mean_log_likelihood_of_its_binarised_versions(seed):
    rng = numbers(seed)
    logits, grey = rng.standard_normal((1, 4)), rng.random((1, 4))
    mean = 0
    for bits in itertools.product([0.0, 1.0], repeat=4):
        probability = np.prod(np.where(bits, grey, 1 - grey))
        mean += (
            probability * losses.bernoulli_log_likelihood(mg.tensor(logits), mg.tensor([bits], dtype="float64")).item()
        )
    assert losses.bernoulli_log_likelihood(mg.tensor(logits), mg.tensor(grey)).item() == pytest.approx(mean)
    best = losses.bernoulli_log_likelihood(mg.tensor(np.log(grey / (1 - grey))), mg.tensor(grey)).item()
    assert best == pytest.approx(np.sum(grey * np.log(grey) + (1 - grey) * np.log(1 - grey)))


def test_likelihoods_are_normalised():
    every_image = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    logits = np.tile([0.3, -2.0, 5.0], (8, 1))
    total = np.exp(losses.bernoulli_log_likelihood(mg.tensor(logits), mg.tensor(every_image)).numpy()).sum()
    assert total == pytest.approx(1)
    grid = np.linspace(-30, 30, 6001)[:, None]
    density = np.exp(losses.gaussian_log_likelihood(mg.tensor(np.full_like(grid, 1.5)), mg.tensor(grid), 0.8).numpy())
    assert density.sum() * 0.01 == pytest.approx(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bernoulli_likelihood_is_finite_for_any_logit(dtype):
    logits = np.array([[-1000, -40, 40, 1000]], dtype)
    x = np.array([[0, 1, 1, 0]], dtype)
    out, (d, _) = autograd("bernoulli_log_likelihood", [logits, x], {}, np.ones(1, dtype))
    assert out.item() == pytest.approx(-1040)
    np.testing.assert_allclose(d, [[0, 1, 0, -1]], atol=1e-15)


def test_the_best_shared_variance_is_the_mean_squared_error():
    rng = numbers(3)
    mean, x = rng.standard_normal((5, 7)), rng.standard_normal((5, 7))
    best = np.array(np.log(np.mean((x - mean) ** 2)))
    assert losses.gradient("gaussian_log_likelihood")(mean, x, best)[2] == pytest.approx(0, abs=1e-12)


@given(seeds)
def test_the_gradient_of_a_whole_vae_loss_is_the_chain_of_the_hand_gradients(seed):
    rng = numbers(seed)
    n, size, latent = 3, 4, 2
    x, W = rng.random((n, size)), rng.standard_normal((latent, size))
    mu, log_var, eps = (rng.standard_normal((n, latent)) for _ in range(3))

    leaves = [mg.tensor(a, requires_grad=True) for a in (mu, log_var, W)]
    z = losses.reparameterize(leaves[0], leaves[1], mg.tensor(eps))
    likelihood = losses.bernoulli_log_likelihood(z @ leaves[2], mg.tensor(x))
    found = mg.grad(losses.negative_elbo(likelihood, losses.gaussian_kl(*leaves[:2])), leaves)

    sd = np.exp(log_var / 2)
    code = mu + sd * eps
    d_likelihood, d_kl = losses.gradient("negative_elbo")(np.zeros(n), np.zeros(n))
    d_logits, _ = losses.gradient("bernoulli_log_likelihood")(code @ W, x, g=d_likelihood)
    close([d_logits], [(sigma(code @ W) - x) / n], 1e-12)
    through_z = losses.gradient("reparameterize")(mu, log_var, eps, g=d_logits @ W.T)
    prior = losses.gradient("gaussian_kl")(mu, log_var, g=d_kl)
    by_hand = [through_z[0] + prior[0], through_z[1] + prior[1], code.T @ d_logits]
    close([d.numpy() for d in found], by_hand, 1e-12)
    close(by_hand[:2], [d_logits @ W.T + mu / n, d_logits @ W.T * sd * eps / 2 + (sd**2 - 1) / (2 * n)], 1e-12)


def cubature(shape):
    """Noise whose average over the first axis integrates every quadratic under N(0, I) exactly: +-sqrt(d) e_j."""
    d = shape[-1]
    corners = math.sqrt(d) * np.concatenate([np.eye(d), -np.eye(d)])
    return np.broadcast_to(corners[:, None, :], (2 * d, *shape)).copy()


class LinearGaussian:
    """p(z) = N(0, I), p(x | z) = N(Wz + b, s^2 I), the columns of W orthogonal: everything is known exactly."""

    def __init__(self, seed):
        rng = numbers(seed)
        n, size, latent = 3, 5, 2
        self.W = np.linalg.qr(rng.standard_normal((size, latent)))[0] * (0.5 + rng.random(latent))
        self.b, self.s2 = rng.standard_normal(size), 0.2 + rng.random()
        self.x = rng.standard_normal((n, size))
        covariance = self.W @ self.W.T + self.s2 * np.eye(size)
        away = self.x - self.b
        mahalanobis = np.sum(away * np.linalg.solve(covariance, away.T).T, 1)
        self.log_p = -0.5 * (mahalanobis + np.linalg.slogdet(2 * np.pi * covariance)[1])
        precision = 1 + np.sum(self.W**2, 0) / self.s2
        self.posterior = away @ self.W / self.s2 / precision, np.tile(-np.log(precision), (n, 1))

    def log_likelihood(self, mu, log_var, eps):
        z = losses.reparameterize(mu, log_var, eps)
        mean = z @ mg.tensor(self.W.T) + mg.tensor(self.b)
        return losses.gaussian_log_likelihood(mean, mg.tensor(self.x), math.log(self.s2))

    def elbo(self, mu, log_var):
        """Of each image, exactly: the likelihood's logarithm is quadratic in the noise."""
        mu, log_var = mg.tensor(mu), mg.tensor(log_var)
        eps = mg.tensor(cubature(mu.shape))
        return (self.log_likelihood(mu, log_var, eps).mean(0) - losses.gaussian_kl(mu, log_var)).numpy()


@given(seeds)
def test_the_elbo_never_exceeds_log_p_and_equals_it_at_the_true_posterior(seed):
    model, rng = LinearGaussian(seed), numbers(seed)
    mu, log_var = model.posterior
    np.testing.assert_allclose(model.elbo(mu, log_var), model.log_p, rtol=1e-12)
    for scale in (1e-3, 0.1, 2):
        elsewhere = mu + scale * rng.standard_normal(mu.shape), log_var + scale * rng.standard_normal(mu.shape)
        gap = model.log_p - model.elbo(*elsewhere)
        assert np.all(gap > 0)
        exact = losses.gaussian_kl(*(mg.tensor(a) for a in (*elsewhere, mu, log_var))).numpy()
        np.testing.assert_allclose(gap, exact, rtol=1e-6, atol=1e-11)  # the gap is KL(q || true posterior)


@given(seeds)
def test_at_the_true_posterior_every_importance_weight_is_p_of_x(seed):
    model = LinearGaussian(seed)
    mu, log_var = (mg.tensor(a) for a in model.posterior)
    eps = mg.tensor(numbers(seed).standard_normal((4, *mu.shape)))
    log_weights = model.log_likelihood(mu, log_var, eps) - losses.monte_carlo_kl(mu, log_var, eps)
    np.testing.assert_allclose(log_weights.numpy(), np.tile(model.log_p, (4, 1)), rtol=1e-11)
    assert -losses.iwae_loss(log_weights).item() == pytest.approx(model.log_p.mean(), rel=1e-11)


def test_at_the_elbos_optimum_its_gradient_vanishes():
    model = LinearGaussian(5)
    mu, log_var = (mg.tensor(a, requires_grad=True) for a in model.posterior)
    eps = mg.tensor(cubature(mu.shape))
    loss = losses.negative_elbo(model.log_likelihood(mu, log_var, eps), losses.gaussian_kl(mu, log_var))
    for d in mg.grad(loss, [mu, log_var]):
        np.testing.assert_allclose(d.numpy(), 0, atol=1e-12)


@given(seeds)
def test_iwae_with_one_sample_is_the_elbo(seed):
    rng = numbers(seed)
    arguments = [mg.tensor(a, requires_grad=True) for a in codes(rng, False)]
    eps = mg.tensor(rng.standard_normal((1, *arguments[0].shape)))
    likelihood = mg.tensor(-100 * rng.random((1, len(eps.numpy()[0]))))
    kl_samples = losses.monte_carlo_kl(*arguments, eps)
    one, other = losses.iwae_loss(likelihood - kl_samples), losses.negative_elbo(likelihood, kl_samples)
    assert one.item() == pytest.approx(other.item(), rel=1e-13)
    close(*([d.numpy() for d in mg.grad(out, arguments, retain_graph=True)] for out in (one, other)), 1e-12)


@given(seeds)
def test_the_iwae_bound_rises_with_the_number_of_samples(seed):
    log_weights = 3 * numbers(seed).standard_normal((6, 1))
    bounds = [
        np.mean(
            [
                -losses.iwae_loss(mg.tensor(log_weights[list(chosen)])).item()
                for chosen in itertools.combinations(range(6), k)
            ]
        )
        for k in range(1, 7)
    ]
    assert np.all(np.diff(bounds) > 0)
    assert bounds[-1] <= log_weights.max()


@given(seeds)
def test_iwae_weights_need_a_detach_only_in_the_weighted_sum(seed):
    log_weights = mg.tensor(numbers(seed).standard_normal((4, 3)), requires_grad=True)
    right = losses.gradient("iwae_loss")(log_weights.numpy())[0]
    normalised = log_weights.softmax(0)
    detached = -(normalised.detach() * log_weights).sum(0).mean()
    attached = -(normalised * log_weights).sum(0).mean()
    of_losses = -((-log_weights).softmax(0).detach() * log_weights).sum(0).mean()
    close([mg.grad(detached, log_weights, retain_graph=True)[0].numpy()], [right], 1e-13)
    for wrong in (attached, of_losses):
        assert np.abs(mg.grad(wrong, log_weights)[0].numpy() - right).max() > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_iwae_weights_do_not_underflow(dtype):
    log_weights = np.array([[-2000.0], [-2001.0]], dtype)
    out, (d,) = autograd("iwae_loss", [log_weights], {}, np.array(1, dtype))
    assert out.item() == pytest.approx(2000 + math.log(2) - math.log1p(math.exp(-1)), rel=1e-6)
    np.testing.assert_allclose(d[:, 0], [-sigma(1.0), -sigma(-1.0)], rtol=1e-5)


def test_a_mean_over_pixels_is_a_beta_vae():
    rng = numbers(0)
    x, logits = mg.tensor(rng.random((3, 28, 28))), mg.tensor(rng.standard_normal((3, 28, 28)))
    divergence = mg.tensor(rng.random(3))
    bce = mg.functional.binary_cross_entropy_with_logits(logits, x)  # its mean is over images *and* pixels
    likelihood = losses.bernoulli_log_likelihood(logits, x)
    wrong = 784 * (bce + divergence.mean()).item()
    assert losses.beta_vae_loss(likelihood, divergence, 784).item() == pytest.approx(wrong)


# ---- regularization


def test_the_l2_penalty_is_the_weight_decay_of_sgd():
    start = numbers(0).standard_normal(5)
    decayed, penalised = (nn.Parameter(start.copy()) for _ in range(2))
    decay, plain = mg.optim.SGD([decayed], 0.1, weight_decay=0.3), mg.optim.SGD([penalised], 0.1)
    (decayed**3).sum().backward()
    ((penalised**3).sum() + losses.l2_penalty([penalised], 0.3)).backward()
    decay.step()
    plain.step()
    np.testing.assert_allclose(decayed.numpy(), penalised.numpy(), rtol=1e-12)


def test_the_l1_penalty_has_no_gradient_at_zero():
    np.testing.assert_array_equal(losses.gradient("l1_penalty")([np.array([0.0, -2.0, 3.0])], 0.5)[0], [0, -0.5, 0.5])
    w = mg.tensor([0.0, -2.0, 3.0], requires_grad=True)
    losses.l1_penalty([w], 0.5).backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.array([0, -0.5, 0.5], np.float32))


# ---- bad input


def zeros(*shape):
    return mg.zeros(*shape)


BAD = {
    "empty": (lambda: losses.minimax_d(zeros(0, 1), zeros(2, 1)), "minimax_d: argument 'real_logits' is empty"),
    "array": (lambda: losses.hinge_d(zeros(2), np.zeros(2)), "hinge_d: argument 'fake_scores': expected a Tensor, got ndarray"),
    "smoothing": (lambda: losses.non_saturating_d(zeros(2), zeros(2), 1.0), "'smoothing': expected at least 0, below 1, got 1.0"),
    "negative smoothing": (lambda: losses.label_smoothing_d(zeros(2), zeros(2), -0.1), "'smoothing': expected .*got -0.1"),
    "targets": (lambda: losses.lsgan_d(zeros(2), zeros(2), 1, 1), "lsgan_d: expected different targets"),
    "limit": (lambda: losses.clip_weights([zeros(2)], 0), "clip_weights: argument 'limit'"),
    "penalty of a vector": (lambda: losses.gradient_penalty(zeros(3)), r"one gradient an image, \(N, ...\), got shape \(3,\)"),
    "penalty's weight": (lambda: losses.gradient_penalty(zeros(3, 2), -1), "'weight': expected a finite number of at least 0, got -1"),
    "mix": (
        lambda: losses.critic_gradients(lambda x: x.sum(1), zeros(2, 3), zeros(2, 3), [0.5]),
        r"real and fake of one shape \(N, ...\) and mix \(N,\), got \(2, 3\), \(2, 3\) and \(1,\)",
    ),
    "one score": (
        lambda: losses.critic_gradients(lambda x: x.sum(), zeros(2, 3), zeros(2, 3), [0.5, 0.5]),
        r"expected the critic to score each of 2 images, got \(\)",
    ),
    "latent": (lambda: losses.gaussian_kl(zeros(2, 3), zeros(2, 4)), r"gaussian_kl: expected mu and log_var of one shape"),
    "noise": (lambda: losses.reparameterize(zeros(2, 3), zeros(2, 3), zeros(3, 3)), r"'eps': expected \(..., 2, 3\) like mu, got \(3, 3\)"),
    "flow": (
        lambda: losses.flow_kl(zeros(2, 3), zeros(2, 3), zeros(3), zeros(2, 3)),
        r"flow_kl: expected u, log_scale and eps of one shape .* got \(2, 3\), \(2, 3\), \(2, 3\) and \(3,\)",
    ),
    "half a prior": (lambda: losses.gaussian_kl(zeros(2, 3), zeros(2, 3), zeros(2, 3)), "'prior_log_var' is missing"),
    "prior": (
        lambda: losses.monte_carlo_kl(*[zeros(2, 3)] * 3, zeros(2, 3), zeros(1, 3)),
        r"'prior_log_var': expected shape \(2, 3\) like mu, got \(1, 3\)",
    ),
    "tanh data": (
        lambda: losses.bernoulli_log_likelihood(zeros(1, 2), mg.tensor([[-1.0, 1.0]])),
        r"'x': expected values in \[0, 1\], got -1 to 1; \(x \+ 1\) / 2 takes data from \[-1, 1\] there",
    ),
    "nan data": (lambda: losses.bernoulli_log_likelihood(zeros(1, 2), mg.tensor([[float("nan"), 1.0]])), "got nan to nan"),
    "image shape": (lambda: losses.bernoulli_log_likelihood(zeros(2, 784), zeros(2, 28, 28)), r"'logits': expected shape \(..., 2, 28, 28\)"),
    "no pixels": (lambda: losses.gaussian_log_likelihood(zeros(2), zeros(2)), r"'x': expected images \(N, ...\), got shape \(2,\)"),
    "variance": (lambda: losses.gaussian_log_likelihood(zeros(2, 3), zeros(2, 3), zeros(4)), "'log_var': expected a shape that broadcasts"),
    "averaged": (lambda: losses.negative_elbo(zeros(2).mean(), zeros(2)), r"one log-likelihood and one KL an image.*got log_likelihood \(\)"),
    "beta": (lambda: losses.beta_vae_loss(zeros(2), zeros(2), -1), "'beta': expected"),
    "log weights": (lambda: losses.iwae_loss(zeros(2)), r"'log_weights': expected \(K, N\), samples by images, got shape \(2,\)"),
    "no parameters": (lambda: losses.l2_penalty([]), "'parameters': expected at least one Tensor"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_clear_error(case):
    function, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message) as error:
        function()
    assert "\n" not in str(error.value)


# ---- distillation


def test_the_scale_of_the_distillation_loss_does_not_depend_on_the_temperature():
    """T^2 times the cross-entropy at a high temperature has the gradient (s - t) / (N K) for centered logits."""
    s, t = np.random.default_rng(0).standard_normal((2, 3, 4))
    s, t = (each - each.mean(1, keepdims=True) for each in (s, t))
    for temperature in (100.0, 1000.0):
        (d,) = losses.gradient("distillation_loss")(s, t, temperature=temperature, share=1.0)
        np.testing.assert_allclose(d, (s - t) / (3 * 4), rtol=0, atol=2 / temperature)


def test_no_gradient_reaches_the_teacher():
    student, teacher = (mg.tensor(np.eye(3)[:, ::step], requires_grad=True) for step in (1, -1))
    losses.distillation_loss(student, teacher, np.arange(3)).backward()
    assert teacher.grad is None and student.grad.abs().max().item() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.5}, "'labels': they have a share of 0.5, and are missing"),
        ({"share": 1.5}, "'share': expected a number from 0 to 1, got 1.5"),
        ({"share": 1.0, "temperature": 0}, "'temperature': expected a number above 0, got 0"),
        ({"share": 1.0, "teacher_logits": np.zeros((2, 4))}, r"one shape \(N, K\), got \(2, 3\) and \(2, 4\)"),
    ],
)
def test_bad_arguments_of_the_distillation_loss_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        losses.distillation_loss(mg.ones(2, 3), **{"teacher_logits": mg.ones(2, 3), **options})
