"""Solutions to the exercises of lesson 12, *VAE*.  Each answer has the name of its exercise."""

import numpy as np

# 12.1  z moves as far as mu, and eps times as far as sigma; d sigma / d log_var = sigma / 2.


def sample_vjp(g, mu, log_var, eps):
    return g, g * eps * np.exp(log_var / 2) / 2


# 12.2  E_q[(z - m)^2] = sigma^2 + (mu - m)^2, and everything of the prior is divided by its variance e^rho.


def kl(mu, log_var, prior_mu, prior_log_var):
    spread = (np.exp(log_var) + (mu - prior_mu) ** 2) * np.exp(-prior_log_var)
    return 0.5 * (prior_log_var - log_var + spread - 1).sum(axis=1)


# 12.3  log p(x, z) = -|x - b - W z|^2 / 2v - |z|^2 / 2 + ...: for each component -(1 + |w|^2 / v) z^2 / 2 + z w.(x - b) / v.
# A parabola -a z^2 / 2 + c z is the logarithm of a Gaussian with variance 1 / a and mean c / a.


def posterior(x, W, b, v):
    precision = 1 + (W**2).sum(axis=0) / v
    return (x - b) @ W / v / precision, -np.log(precision)


# 12.4  Sums over pixels and over components, for both are logarithms of one probability; then the mean over images.


def vae_loss(logits, x, mu, log_var):
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=(1, 2, 3))
    divergence = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(axis=1)
    return (divergence - log_likelihood).mean()


# 12.5  The largest term becomes e^0 = 1, so that nothing overflows and not everything underflows.


def iwae_bound(log_w):
    top = log_w.max(axis=0)
    return top + np.log(np.exp(log_w - top).mean(axis=0))
