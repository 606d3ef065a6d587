r"""The Kullback-Leibler divergence of two diagonal Gaussians: in closed form, and by Monte Carlo

Kingma & Welling 2014, *Auto-Encoding Variational Bayes* (arXiv 1312.6114), appendix B.

## 1. What is computed

$q = N(\mu, e^{\lambda})$ is what the encoder says of an image's code, $\lambda = \log \sigma^2$; $p = N(m, e^{\rho})$
is the prior, by default $N(0, I)$, that is $m = \rho = 0$.  Both have independent components $j$, so that the logarithm
of their ratio is a sum, and

$$KL(q \,\|\, p) = E_{z \sim q}\Big[\log \frac{q(z)}{p(z)}\Big]
  = \frac12 \sum_j E_{z_j \sim q_j}
    \Big[ \rho_j - \lambda_j + (z_j - m_j)^2 e^{-\rho_j} - (z_j - \mu_j)^2 e^{-\lambda_j} \Big]$$

where $\log 2\pi$ has canceled.

## 2. In closed form

Two means are needed.  $E_q[(z - \mu)^2] = e^\lambda$ by definition; and $z - m = (z - \mu) + (\mu - m)$ gives
$E_q[(z - m)^2] = e^\lambda + (\mu - m)^2$, the middle term having mean 0.  So

$$KL(q \,\|\, p) = \frac12 \sum_j
  \Big[ \rho_j - \lambda_j + \big(e^{\lambda_j} + (\mu_j - m_j)^2\big)\, e^{-\rho_j} - 1 \Big]$$

and with the standard normal prior $\frac12 \sum_j \big[\mu_j^2 + e^{\lambda_j} - 1 - \lambda_j\big]$.  Each term is at
least 0, because $e^a \ge 1 + a$, and 0 only where $\mu_j = m_j$ and $\lambda_j = \rho_j$.  Per image, with cotangent
$g$:

$$\frac{\partial L}{\partial \mu_j} = g\, (\mu_j - m_j)\, e^{-\rho_j} = -\frac{\partial L}{\partial m_j}, \qquad
  \frac{\partial L}{\partial \lambda_j} = \frac g2 \big(e^{\lambda_j - \rho_j} - 1\big), \qquad
  \frac{\partial L}{\partial \rho_j} = \frac g2 \big(1 - (e^{\lambda_j} + (\mu_j - m_j)^2)\, e^{-\rho_j}\big)$$

## 3. By Monte Carlo

Where no closed form exists one averages $\log q(z) - \log p(z)$ over samples.  With $z = \mu + e^{\lambda/2} \epsilon$
(see `reparameterization`) $(z - \mu)^2 e^{-\lambda} = \epsilon^2$, and one sample gives

$$\widehat{KL} = \frac12 \sum_j \Big[ \rho_j - \lambda_j - \epsilon_j^2 + (z_j - m_j)^2\, e^{-\rho_j} \Big]$$

Its mean over $\epsilon$ is the closed form ($E[\epsilon^2] = 1$), but a single one may well be negative.  With
$r_j = (z_j - m_j)\, e^{-\rho_j}$, and because $\partial z/\partial\mu = 1$,
$\partial z/\partial\lambda = \frac12 \sigma\epsilon$, $\partial z/\partial\epsilon = \sigma$:

$$\frac{\partial L}{\partial \mu} = g\, r = -\frac{\partial L}{\partial m}, \quad
  \frac{\partial L}{\partial \lambda} = \frac g2 (r \sigma \epsilon - 1), \quad
  \frac{\partial L}{\partial \epsilon} = g\, (r\sigma - \epsilon), \quad
  \frac{\partial L}{\partial \rho} = \frac g2 \big(1 - (z - m)^2 e^{-\rho}\big)$$

The means of these are the closed form's gradients ($E[r\sigma\epsilon] = e^{\lambda - \rho}$).  The average of $K$
samples has a standard error that shrinks as $1/\sqrt K$: use the closed form where there is one, and the samples as its
test, or within `iwae`, where each sample needs its own $\log q - \log p$.

## 4. Sign, scale, detach

- **Direction.**  $KL(q \,\|\, p)$, the mean under $q$: $q$ must not put mass where $p$ has none.  Not $KL(p \,\|\, q)$.
- **Sign.**  $+\mu^2 + e^\lambda - 1 - \lambda$.  The form $-\frac12 \sum (1 + \lambda - \mu^2 - e^\lambda)$ of many
  programs is the same; with one minus lost $\lambda$ runs away.
- **Scale.**  A sum over the latent components, one number an image; the mean over images comes later.
- **Log-variance.**  With $\sigma = e^\lambda$ in the sampling and $e^\lambda$ as the variance here, the two halves of
  the VAE do not fit each other.
- **Detach.**  Nothing.  The decoder does not appear, so it gets no gradient from the KL: only the encoder does.
"""

import numpy as np

from ..ops.elementwise import exp, expm1, square
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array, sum_to
from .checks import check_latent, check_prior
from .registry import gradient_of, loss
from .reparameterization import reparameterize

__all__ = ["gaussian_kl", "monte_carlo_kl"]


@loss
def gaussian_kl(
    mu: Tensor, log_var: Tensor, prior_mu: Tensor | None = None, prior_log_var: Tensor | None = None
) -> Tensor:
    """Compute KL(q || p) of diagonal Gaussians in closed form.

    For the prior N(0, I) it is ``1/2 sum(mu^2 + expm1(log_var) - log_var)``.

    Derived in ``derivation("kl")``; Kingma & Welling 2014, appendix B.

    Parameters
    ----------
    mu, log_var : Tensor (N, latent)
        Of the posterior q.
    prior_mu, prior_log_var : Tensor (N, latent), optional
        Of the prior p; N(0, I) if not given.

    Returns
    -------
    Tensor (N,)
        One number an image: the sum over the latent components.

    Raises
    ------
    ValueError
        If the shapes do not fit, or only one of the prior's parameters is given.

    Examples
    --------
    >>> import minigen as mg
    >>> gaussian_kl(mg.tensor([[0.0, 0.0], [2.0, 1.0]]), mg.zeros(2, 2))
    tensor([0. , 2.5])
    """
    check_latent("gaussian_kl", mu, log_var)
    check_prior("gaussian_kl", mu, prior_mu, prior_log_var)
    if prior_mu is not None and prior_log_var is not None:
        gap = log_var - prior_log_var
        return 0.5 * sum(expm1(gap) - gap + square(mu - prior_mu) * exp(-prior_log_var), -1)
    return 0.5 * sum(square(mu) + (expm1(log_var) - log_var), -1)


@gradient_of(gaussian_kl)
def gaussian_kl_gradient(
    mu: Array,
    log_var: Array,
    prior_mu: Array | None = None,
    prior_log_var: Array | None = None,
    *,
    g: Array | float = 1.0,
) -> tuple[Array, ...]:
    """Compute step 2."""
    g = np.broadcast_to(np.asarray(g, mu.dtype), len(mu))[:, None]
    if prior_mu is None or prior_log_var is None:
        return g * mu, g / 2 * np.expm1(log_var)
    precision = np.exp(-prior_log_var)
    d_mu = g * (mu - prior_mu) * precision
    d_prior_log_var = g / 2 * (1 - (np.exp(log_var) + (mu - prior_mu) ** 2) * precision)
    return d_mu, g / 2 * np.expm1(log_var - prior_log_var), -d_mu, d_prior_log_var


@loss
def monte_carlo_kl(
    mu: Tensor,
    log_var: Tensor,
    eps: Tensor,
    prior_mu: Tensor | None = None,
    prior_log_var: Tensor | None = None,
) -> Tensor:
    """Compute log q(z) - log p(z) of samples, whose mean estimates `gaussian_kl`.

    The samples are ``z = mu + exp(log_var / 2) * eps``.

    Derived in ``derivation("kl")``, step 3.

    Parameters
    ----------
    mu, log_var : Tensor (N, latent)
        Of the posterior q.
    eps : Tensor (..., N, latent)
        The standard normal noise that z was made from; leading dimensions for several samples an image.
    prior_mu, prior_log_var : Tensor (N, latent), optional
        Of the prior p; N(0, I) if not given.

    Returns
    -------
    Tensor (..., N)
        One number a sample.  Take the mean over the samples' dimension.

    Raises
    ------
    ValueError
        If the shapes do not fit, or only one of the prior's parameters is given.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> mu, log_var = mg.tensor([[2.0, 1.0]]), mg.zeros(1, 2)
    >>> estimate = monte_carlo_kl(mu, log_var, mg.randn(10000, 1, 2)).mean(0)
    >>> abs(estimate.item() - gaussian_kl(mu, log_var).item()) < 0.1
    True
    """
    z = reparameterize(mu, log_var, eps)
    check_prior("monte_carlo_kl", mu, prior_mu, prior_log_var)
    if prior_mu is not None and prior_log_var is not None:
        return 0.5 * sum(square(z - prior_mu) * exp(-prior_log_var) - square(eps) + prior_log_var - log_var, -1)
    return 0.5 * sum(square(z) - square(eps) - log_var, -1)


@gradient_of(monte_carlo_kl)
def monte_carlo_kl_gradient(
    mu: Array,
    log_var: Array,
    eps: Array,
    prior_mu: Array | None = None,
    prior_log_var: Array | None = None,
    *,
    g: Array | float = 1.0,
) -> tuple[Array, ...]:
    """Compute step 3: samples of the same image add their shares."""
    g = np.broadcast_to(np.asarray(g, mu.dtype), eps.shape[:-1])[..., None]
    sigma = np.exp(log_var / 2)
    z = mu + sigma * eps
    precision = 1 if prior_log_var is None else np.exp(-prior_log_var)
    away = z if prior_mu is None else z - prior_mu
    r = away * precision
    d_mu = sum_to(g * r, mu.shape)
    gradients = d_mu, sum_to(g / 2 * (r * sigma * eps - 1), mu.shape), g * (r * sigma - eps)
    if prior_mu is None:
        return gradients
    return *gradients, -d_mu, sum_to(g / 2 * (1 - away**2 * precision), mu.shape)
