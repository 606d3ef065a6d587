"""Lesson 12: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

import minigen as mg
from minigen.course import vae as lesson


def _sigma(log_var):
    return np.exp(log_var / 2)


def _kl(times=0.5, minus=1.0, flip=1.0, over=lambda terms: terms.sum(1), prior=True, scaled=True):
    def kl(mu, log_var, prior_mu, prior_log_var):
        if not prior:
            prior_mu, prior_log_var = 0 * mu, 0 * mu
        gap = log_var - prior_log_var
        square = (mu - prior_mu) ** 2 * (np.exp(-prior_log_var) if scaled else 1)
        return over(times * (np.exp(gap) + square - minus - flip * gap))

    return kl


def _posterior(centre=True, prior=1.0, log=lambda precision: -np.log(precision), noise=True, squares=True):
    def posterior(x, w, b, v):
        lengths = (w**2).sum(0)
        precision = prior + (lengths if squares else np.sqrt(lengths)) / v
        mean_precision = 1 + lengths / v
        return (x - (b if centre else 0)) @ w / (v if noise else 1) / mean_precision, log(precision)

    return posterior


def _loss(sign=1.0, pixels=np.sum, components=np.sum, images=np.mean, half=0.5, price=1.0, softplus=None, scale=1):
    softplus = softplus or (lambda a: np.logaddexp(0, a))

    def vae_loss(logits, x, mu, log_var):
        cross = pixels(softplus(logits) - x * logits, axis=(1, 2, 3))
        divergence = half * components(mu**2 + np.exp(scale * log_var) - 1 - scale * log_var, axis=1)
        return sign * images(cross + price * divergence)

    return vae_loss


def _whole_batch(kl):
    """The loss with one of its terms summed over the whole batch."""

    def vae_loss(logits, x, mu, log_var):
        cross, divergence = np.logaddexp(0, logits) - x * logits, 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)
        return cross.sum() / (len(x) if kl else 1) + divergence.sum() / (1 if kl else len(x))

    return vae_loss


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (lesson.sample_vjp, lambda g, mu, lv, eps: (g, g * _sigma(lv) * eps), "Where is the half?"),
        (lesson.sample_vjp, lambda g, mu, lv, eps: (g, g * eps), "This is the gradient for sigma"),
        (lesson.sample_vjp, lambda g, mu, lv, eps: (g, g * np.exp(lv) * eps), "sigma is exp(log_var / 2), not"),
        (lesson.sample_vjp, lambda g, mu, lv, eps: (g, g * _sigma(lv) / 2), "Where is eps?"),
        (lesson.sample_vjp, lambda g, mu, lv, eps: (g * eps, g), "eps multiplies sigma, not mu"),
        (lesson.sample_vjp, lambda g, mu, lv, eps: (np.ones_like(g), g), "Where is g?"),
        (lesson.kl, _kl(times=1.0), "Where is the 1/2?"),
        (
            lesson.kl,
            lambda mu, lv, m, rho: (rho - lv - 1 + (np.exp(lv) + (mu - m) ** 2) / rho).sum(1) / 2,
            "divide by its exponential",
        ),
        (lesson.kl, _kl(minus=0.0), "Where is the -1?"),
        (lesson.kl, _kl(flip=-1.0), "Look at the sign of the logarithms"),
        (lesson.kl, _kl(over=lambda terms: terms), "Add up the components"),
        (lesson.kl, _kl(over=lambda terms: terms.mean(1)), "mean over the components"),
        (lesson.kl, _kl(prior=False), "This is the KL from N(0, I)"),
        (lesson.kl, _kl(scaled=False), "is divided by the prior's variance"),
        (lesson.kl, lambda mu, lv, m, rho: _kl()(m, rho, mu, lv), "This is KL(p || q)"),
        (lesson.posterior, _posterior(centre=False), "Where is b?"),
        (lesson.posterior, _posterior(noise=False), "Where is v?"),
        (lesson.posterior, _posterior(prior=0.0), "Where is the prior's share"),
        (lesson.posterior, _posterior(squares=False), "sum of the squares of a column"),
        (lesson.posterior, _posterior(log=np.log), "This is the logarithm of the precision"),
        (lesson.posterior, _posterior(log=lambda p: 1 / p), "Asked for is its logarithm"),
        (lesson.posterior, _posterior(log=lambda p: -np.log(p) / 2), "This is log sigma"),
        (lesson.posterior, lambda x, w, b, v: ((x - b) @ w / (w**2).sum(0), 0), "least squares"),
        (lesson.vae_loss, _loss(sign=-1.0), "This is the ELBO itself"),
        (lesson.vae_loss, _loss(pixels=np.mean), "The pixels are averaged: beta = 9"),
        (lesson.vae_loss, _loss(pixels=np.mean, components=np.mean), "Both terms are sums"),
        (lesson.vae_loss, _loss(components=np.mean), "The KL is a sum over the components"),
        (lesson.vae_loss, _loss(images=np.sum), "This is the sum over the images"),
        (lesson.vae_loss, _loss(images=lambda values: values), "Take the mean over the images"),
        (lesson.vae_loss, _loss(half=1.0), "Where is the 1/2 of the KL?"),
        (lesson.vae_loss, _loss(price=-1.0), "Look at the sign of the KL"),
        (lesson.vae_loss, _loss(price=0.0), "This is an autoencoder"),
        (lesson.vae_loss, _loss(scale=2), "This takes log_var for the logarithm of sigma"),
        (lesson.vae_loss, _whole_batch(kl=True), "The KL is summed over the batch"),
        (lesson.vae_loss, _whole_batch(kl=False), "The pixels are summed over the batch"),
        (lesson.kl, lambda mu, lv, m, rho: np.full(len(mu), _kl()(mu, lv, m, rho).sum()), "over the components only"),
        (lesson.vae_loss, _loss(softplus=lambda a: np.log(1 + np.exp(a))), "right for small logits"),
        (lesson.iwae_bound, lambda lw: lw.mean(0), "This is the mean of the logarithms"),
        (lesson.iwae_bound, lambda lw: np.log(np.exp(lw).sum(0)), "For the mean subtract log K"),
        (lesson.iwae_bound, lambda lw: np.log(np.exp(lw).mean(0)), "Take out the maximum first"),
        (lesson.iwae_bound, lambda lw: np.log(np.exp(lw - lw.max(0)).mean(0)), "add it again"),
        (lesson.iwae_bound, lambda lw: lw.max(0), "This is the greatest weight alone"),
        (lesson.iwae_bound, lambda lw: -lw.mean(0), "iwae_bound(log_w) for K = 1"),
    ],
)
def test_lesson_12_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_an_answer_in_tensors_is_as_good():
    def vae_loss(logits, x, mu, log_var):
        logits, x, mu, log_var = map(mg.tensor, (logits, x, mu, log_var))
        likelihood = mg.losses.bernoulli_log_likelihood(logits, x)
        return mg.losses.negative_elbo(likelihood, mg.losses.gaussian_kl(mu, log_var))

    assert lesson.vae_loss(vae_loss)
