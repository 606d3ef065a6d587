"""The exercises of lesson 12, *VAE*."""

from typing import Any

import numpy as np

from ..tensor import Tensor
from . import Wrong, call, close, exercise
from ._compare import random_array
from ._probe import probing

__all__ = ["iwae_bound", "kl", "posterior", "sample_vjp", "vae_loss"]


def _numpy(got: Any) -> Any:
    """The answer as it is, but a Tensor as its array: these exercises take either."""
    return got.numpy() if isinstance(got, Tensor) else got


@exercise("12.1", "the gradients of a sample")
def sample_vjp(answer: Any) -> None:
    """``sample_vjp(g, mu, log_var, eps)`` gives the gradients of z = mu + exp(log_var / 2) * eps."""
    for seed, shape in enumerate([(1, 1), (4, 3), (2, 5)]):
        g, mu, log_var, eps = random_array(seed, 4, *shape)
        sigma = np.exp(log_var / 2)
        what = f"sample_vjp(g, mu, log_var, eps) for shape {shape}"
        d_mu, d_log_var = call(answer, g, mu, log_var, eps, expect=2)
        close(f"{what}[0], for mu", _numpy(d_mu), g, [
            (g * sigma, "z moves as far as mu does, whatever sigma is."),
            (g * eps, "eps multiplies sigma, not mu."),
            (g * mu, "The derivative of z in mu is 1: mu itself does not occur."),
            (g * sigma * eps / 2, "This is the gradient for log_var: the one for mu comes first."),
            (np.ones(shape), "Where is g? It says how much the loss changes with z."),
        ], probe=probing(answer, lambda g, mu, log_var, eps: g, g, mu, log_var, eps, place=0))  # fmt: skip
        close(f"{what}[1], for log_var", _numpy(d_log_var), g * sigma * eps / 2, [
            (g * sigma * eps, "Where is the half? exp(log_var / 2) has the derivative exp(log_var / 2) / 2."),
            (g * eps, "This is the gradient for sigma. One step further, to log_var: times d sigma / d log_var."),
            (g * sigma**2 * eps, "sigma is exp(log_var / 2), not exp(log_var)."),
            (g * sigma**2 * eps / 2, "sigma is exp(log_var / 2), not exp(log_var)."),
            (g * sigma / 2, "Where is eps? If it is zero, sigma does not matter at all."),
            (sigma * eps / 2, "Where is g? It says how much the loss changes with z."),
        ],
         probe=probing(answer, lambda g, mu, log_var, eps: g * np.exp(log_var / 2) * eps / 2, g, mu, log_var, eps,
           place=1))  # fmt: skip


@exercise("12.2", "the KL from a prior that is not standard")
def kl(answer: Any) -> None:
    """``kl(mu, log_var, prior_mu, prior_log_var)`` is KL(q || p) of diagonal Gaussians, one number an image."""
    for seed, shape in enumerate([(1, 1), (4, 1), (3, 5)]):
        mu, log_var, m, rho = random_array(seed + 10, 4, *shape)
        if seed == 1:
            m, rho = np.zeros(shape), np.zeros(shape)  # the case of the text
        prior = "N(0, I)" if seed == 1 else "N(prior_mu, exp(prior_log_var))"
        what = f"kl(mu, log_var, prior_mu, prior_log_var) for {shape[0]} x {shape[1]}, prior {prior}"
        got = _numpy(call(answer, mu, log_var, m, rho))
        if np.shape(got) == shape:
            raise Wrong(f"{what}: expected shape ({shape[0]},), got {shape}. Add up the components of each image.")
        gap = log_var - rho
        right = _kl(mu, log_var, m, rho)
        close(what, got, right, [
            (2 * right, "Where is the 1/2?"),
            (0.5 * (rho - log_var - 1 + (np.exp(log_var) + (mu - m) ** 2) / rho).sum(1) if rho.all() else 2 * right,
             "prior_log_var is the logarithm of the prior's variance: divide by its exponential."),
            (right / shape[1], "This is the mean over the components. Their KLs add up."),
            (0.5 * (np.exp(log_var) + mu**2 - 1 - log_var).sum(1), "Where is the prior? This is the KL from N(0, I)."),
            (_kl(m, rho, mu, log_var), "This is KL(p || q). The mean is to be taken under q."),
            (0.5 * (np.exp(gap) + (mu - m) ** 2 - 1 - gap).sum(1),
             "(z - m)^2 is divided by the prior's variance, all of it: (mu - m)^2 too."),
            (0.5 * (np.exp(gap) + (mu - m) ** 2 * np.exp(-rho) - 1 + gap).sum(1),
             "Look at the sign of the logarithms: the wider the prior against q, the larger the KL."),
            (0.5 * ((np.exp(log_var) + (mu - m) ** 2) * np.exp(-rho) - gap).sum(1), "Where is the -1?"),
            (_kl(mu, 2 * log_var, m, 2 * rho), "log_var is the logarithm of the variance, not of sigma."),
            (0.5 * (np.exp(gap) + (mu + m) ** 2 * np.exp(-rho) - 1 - gap).sum(1), "It is the difference of the means "
                                                                                  "that "
             "counts, mu - prior_mu: look at the sign."),
            (0.5 * (np.exp(gap) + abs(mu - m) * np.exp(-rho) - 1 - gap).sum(1), "The difference of the means is "
                                                                                "squared."),
            (0.5 * (np.exp(gap) + (mu - m) ** 2 * np.exp(-log_var) - 1 - gap).sum(1), "(mu - m)^2 is divided by the "
                                                                                      "variance "
             "of the prior, not of q."),
            (0.5 * (np.exp(gap) + (mu - m) ** 2 * np.exp(-rho / 2) - 1 - gap).sum(1), "(mu - m)^2 is divided by the "
                                                                                      "variance "
             "exp(prior_log_var), not by the deviation."),
            (np.full(shape[0], right.sum()), "The KL is summed over the batch: sum over the components only (axis 1)."),
        ],
         probe=probing(answer, lambda mu, log_var, prior_mu, prior_log_var: _kl(mu, log_var, prior_mu,
           prior_log_var), mu, log_var, m, rho))  # fmt: skip


def _kl(mu: np.ndarray, log_var: np.ndarray, m: np.ndarray, rho: np.ndarray) -> np.ndarray:
    gap = log_var - rho
    return 0.5 * (np.exp(gap) + (mu - m) ** 2 * np.exp(-rho) - 1 - gap).sum(1)


@exercise("12.3", "a posterior that can be written down")
def posterior(answer: Any) -> None:
    """``posterior(x, W, b, v)`` gives the mean and log-variance of p(z | x) for p(x | z) = N(W z + b, v I)."""
    for seed, (n, pixels, latent) in enumerate([(3, 1, 1), (4, 3, 1), (5, 6, 3)]):
        x, b, v = random_array(seed, n, pixels), random_array(seed + 10, pixels), 0.3 + 0.2 * seed
        lengths = np.array([1.5, 0.7, 0.4])[:latent]
        w = np.linalg.qr(random_array(seed + 20, pixels, latent))[0] * lengths
        precision = 1 + lengths**2 / v
        what = f"posterior(x, W, b, v) for {n} images of {pixels} pixels, {latent} component{'s' * (latent > 1)}"
        mu, log_var = call(answer, x, w, b, v, expect=2)
        right = (x - b) @ w / v / precision
        close(f"{what}[0], the mean", _numpy(mu), right, [
            (x @ w / v / precision, "Where is b? What W explains is x - b."),
            ((x - b) @ w / v, "Divide by the precision too."),
            ((x - b) @ w / precision, "Where is v? The likelihood's exponent is |x - b - W z|^2 / (2 v)."),
            ((x - b) @ w / (lengths**2 + 1), "Where is v? The noise of x decides how much x says about z: |w|^2 / v "
                                             "+ 1."),
            ((x - b) @ w / v / (1 + lengths / v), "It is |w|^2, the sum of the squares of a column, that is divided "
                                                  "by v."),
            ((x - b) @ w / v**2 / (1 + lengths**2 / v**2), "v is the variance already: it is not squared."),
            ((x - b) @ w, "This is only the product with W. Divide by |w|^2 + v: the length of a column, and the "
                          "prior."),
            ((x - b) @ w / lengths, "This is the length of the projection. Divide by |w|^2 + v."),
            (np.broadcast_to(-np.log(precision), right.shape), "This is the log-variance: the mean comes first."),
            ((x - b) @ w / lengths**2, "This is least squares: it forgets the prior, which pulls toward 0."),
        ],
         probe=probing(answer, lambda x, W, b, v: (x - b) @ W / v / (1 + (W**2).sum(0) / v), x, w, b, v,
           place=0))  # fmt: skip
        close(f"{what}[1], the log-variance", _numpy(log_var), -np.log(precision), [
            (np.log(precision), "This is the logarithm of the precision. The variance is one over it."),
            (1 / precision, "This is the variance. Asked for is its logarithm."),
            (-np.log(precision) / 2, "This is log sigma. The log of the variance is twice that."),
            (-np.log(lengths**2 / v), "Where is the prior's share of the precision, 1?"),
            (-np.log(1 + lengths / v), "It is |w|^2, the sum of the squares of a column, that is divided by v."),
        ], probe=probing(answer, lambda x, W, b, v: -np.log(1 + (W**2).sum(0) / v), x, w, b, v, place=1))  # fmt: skip


def _loss(logits: np.ndarray, x: np.ndarray, mu: np.ndarray, log_var: np.ndarray) -> Any:
    cross, divergence = np.logaddexp(0, logits) - x * logits, 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)
    return (cross.sum() + divergence.sum()) / len(x)


@exercise("12.4", "the loss of a VAE")
def vae_loss(answer: Any) -> None:
    """``vae_loss(logits, x, mu, log_var)`` is minus the ELBO in nats an image, with Bernoulli pixels."""
    for seed, (n, side, latent) in enumerate([(1, 1, 1), (4, 3, 2), (3, 5, 6)]):
        logits, x = (
            2 * random_array(seed, n, 1, side, side),
            np.random.default_rng(seed + 10).random((n, 1, side, side)),
        )
        mu, log_var = random_array(seed + 20, 2, n, latent)
        what = f"vae_loss(logits, x, mu, log_var) for {n} x 1 x {side} x {side} pixels, {latent} components"
        got = _numpy(call(answer, logits, x, mu, log_var))
        if np.shape(got) == (n,):
            raise Wrong(f"{what}: expected one number, got shape ({n},). Take the mean over the images.")
        cross = (np.logaddexp(0, logits) - x * logits).sum((1, 2, 3))
        divergence = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(1)
        right = np.mean(cross + divergence)
        p = np.exp(-np.logaddexp(0, -logits))
        of_x = (x * np.logaddexp(0, -logits)).sum((1, 2, 3))
        close(what, got, right, [
            (-right, "This is the ELBO itself, which is to be raised: look at the sign. A loss is descended."),
            (np.mean(of_x + divergence), "Where is the term for black pixels, (1 - x) log(1 - p)?"),
            (np.mean(((x - p) ** 2).sum((1, 2, 3)) + divergence), "This is the squared error. Bernoulli pixels have "
                                                                  "the "
             "cross-entropy."),
            (np.mean(((x - p) ** 2).sum((1, 2, 3)) / 2 + divergence), "This is half the squared error. Bernoulli "
                                                                      "pixels have the "
             "cross-entropy."),
            (np.mean((np.logaddexp(0, -logits) + x * logits).sum((1, 2, 3)) + divergence), "Look at the sign of the "
                                                                                           "logits: "
             "a large logit says that the pixel is white."),
            (np.mean(cross + divergence + latent / 2), "Where is the -1 in the KL? It must be 0 for mu = 0, log_var "
                                                       "= 0."),
            (np.mean(cross + 0.5 * (mu**2 + np.exp(log_var) - 1 + log_var).sum(1)), "Look at the sign of log_var in "
                                                                                    "the KL."),
            (np.mean(cross + 0.5 * (mu + np.exp(log_var) - 1 - log_var).sum(1)), "mu is squared in the KL."),
            (np.sum(cross + divergence), "This is the sum over the images: the step would grow with the batch."),
            (np.mean(cross / side**2 + divergence),
             f"The pixels are averaged: beta = {side**2}. The logarithms of independent pixels add up."),
            (np.mean(cross / side**2 + divergence / latent), "Both terms are sums, over pixels and components."),
            (np.mean(cross + divergence / latent), "The KL is a sum over the components, not their mean."),
            (np.mean(cross + 2 * divergence), "Where is the 1/2 of the KL?"),
            (np.mean(cross - divergence), "Look at the sign of the KL: the loss is -log p(x | z) plus the KL."),
            (np.mean(-cross + divergence), "Look at the sign of the likelihood."),
            (np.mean(cross), "Where is the KL? This is an autoencoder."),
            (np.mean(cross + 0.5 * (mu**2 + np.exp(2 * log_var) - 1 - 2 * log_var).sum(1)),
             "This takes log_var for the logarithm of sigma: the variance is exp(log_var), not exp(log_var) ** 2."),
            (np.mean(cross) + np.sum(divergence), "The KL is summed over the batch: take the mean over the images."),
            (np.sum(cross) + np.mean(divergence),
             "The pixels are summed over the batch: take the mean of the images."),
            (np.mean(cross / side**2) + np.mean(divergence) / side**2,
             "Both terms are divided by the number of pixels."),
            (np.mean(divergence), "Where are the images? The reconstruction term, -log p(x | z), is missing."),
        ], probe=probing(answer, _loss, logits, x, mu, log_var))  # fmt: skip
    with np.errstate(all="ignore"):
        got = _numpy(call(answer, np.array([[[[800.0, -800.0]]]]), np.array([[[[1.0, 0.0]]]]), *np.zeros((2, 1, 1))))
    if not np.isfinite(got):
        raise Wrong(f"vae_loss is right for small logits, but for logits of 800 and -800 (x = 1 and 0) it is {got}. "
                    "log(1 + exp(a)) without overflow is np.logaddexp(0, a); no sigmoid is needed.")  # fmt: skip
    small = "Is a small number, such as 1e-8, added inside of the logarithm? It changes the loss. Use the logits alone."
    close("vae_loss for logits of 800 and -800, x = 1 and 0", got, np.asarray(0.0), [(np.asarray(got, float), small)])


@exercise("12.5", "the bound of many samples")
def iwae_bound(answer: Any) -> None:
    """``iwae_bound(log_w)`` is log of the mean weight of each image, from the logarithms (K, N) of its weights."""
    for seed, (k, n) in enumerate([(1, 2), (4, 3), (50, 2)]):
        log_w = 3 * random_array(seed, k, n)
        top = log_w.max(0)
        right = top + np.log(np.exp(log_w - top).mean(0))
        what = f"iwae_bound(log_w) for K = {k} samples of N = {n} images"
        got = _numpy(call(answer, log_w))
        close(what, got, right, [
            (right + 2 * np.log(k), "log K has the wrong sign: the mean is the sum divided by K."),
            (log_w.mean(0), "This is the mean of the logarithms, the ELBO. Asked for is the logarithm of the mean."),
            (right + np.log(k), "This is the logarithm of the sum. For the mean subtract log K."),
            (top, "This is the greatest weight alone, the maximum: where is the mean of all?"),
            (right - top, "The maximum was taken out for safety: add it again."),
            (-right, "This is the loss, with a minus. Asked for is the bound: look at the sign."),
        ])  # fmt: skip
    log_w = np.array([[-1000.0, 1000.0], [-1001.0, 998.0]])
    with np.errstate(all="ignore"):
        got = np.asarray(_numpy(call(answer, log_w)), np.float64)
    right = np.array([-1000 + np.log((1 + np.exp(-1)) / 2), 1000 + np.log((1 + np.exp(-2)) / 2)])
    if not np.isfinite(got).all():
        raise Wrong(f"iwae_bound is right for small numbers, but for log-weights of -1000 and 1000 it gives {got}: "
                    "e^-1000 is 0 and e^1000 infinite. Take out the maximum first (logsumexp, lesson 1).")  # fmt: skip
    close("iwae_bound for log-weights of -1000 and 1000", got, right, [])
