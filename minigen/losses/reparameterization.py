r"""Reparameterization: sampling that a gradient can pass

Kingma & Welling 2014, *Auto-Encoding Variational Bayes* (arXiv 1312.6114), section 2.4; Rezende, Mohamed & Wierstra
2014 (arXiv 1401.4082).

## 1. The problem

A VAE needs the gradient of $E_{z \sim q_\phi(z \mid x)}[f(z)]$ in $\phi$, the parameters of the very distribution that
is sampled.  A sample $z$ that fell out of a random generator has no derivative in $\mu$ or $\sigma$: the graph is cut.

## 2. The way round

Draw the noise apart, from a distribution without parameters, and *compute* the sample:

$$\epsilon \sim N(0, I), \qquad z = \mu + \sigma \odot \epsilon = \mu + e^{\lambda/2} \odot \epsilon, \qquad
  \lambda = \log \sigma^2$$

A linear map of a normal variable is normal: $z$ has mean $\mu$ and variance $\sigma^2$, so it *is* a sample of
$q = N(\mu, \sigma^2)$.  And now

$$\nabla_\phi E_{z \sim q_\phi}[f(z)] = \nabla_\phi E_{\epsilon}[f(\mu + \sigma\epsilon)]
  = E_{\epsilon}[\nabla_\phi f(\mu + \sigma\epsilon)]$$

because the distribution of $\epsilon$ does not depend on $\phi$.  The mean over a few $\epsilon$, or one, estimates it
without bias.

## 3. The gradient

$z_j$ depends on $\mu_j$, $\lambda_j$ and $\epsilon_j$ alone.  With the cotangent $g = \partial L/\partial z$

$$\frac{\partial L}{\partial \mu} = g, \qquad
  \frac{\partial L}{\partial \lambda} = g \odot \tfrac12 e^{\lambda/2} \odot \epsilon, \qquad
  \frac{\partial L}{\partial \epsilon} = g \odot e^{\lambda/2}$$

With several samples an image, each has its $\epsilon$ but they share $\mu$ and $\lambda$: add their shares.

## 4. Sign, scale, detach

- **The half.**  $\lambda$ is the log of the *variance*: $\sigma = e^{\lambda/2}$.  $e^\lambda$ as a standard deviation,
  while the KL takes $\lambda$ for the log-variance, is a mistake found in public programs: the two then speak of
  different distributions.  A network outputs $\lambda$ rather than $\sigma$ because it may be any number.
- **Detach.**  $\epsilon$ is a constant; $\mu$ and $\sigma$ are not detached, or the encoder gets no gradient from the
  images.
- **Fresh noise** at every step.  The code of an image that is only shown is $\mu$.
"""

import numpy as np

from ..ops.elementwise import exp
from ..tensor import Tensor
from .arrays import Array, sum_to
from .checks import check_latent
from .registry import gradient_of, loss

__all__ = ["reparameterize"]


@loss
def reparameterize(mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """Draw from N(mu, exp(log_var)): ``mu + exp(log_var / 2) * eps``.

    Derived in ``derivation("reparameterization")``; Kingma & Welling 2014, section 2.4.

    Parameters
    ----------
    mu, log_var : Tensor (N, latent)
        Mean and logarithm of the variance.
    eps : Tensor (..., N, latent)
        Standard normal noise; leading dimensions for several samples an image.

    Returns
    -------
    Tensor (..., N, latent)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> reparameterize(mg.ones(1, 2), mg.zeros(1, 2), mg.tensor([[0.5, -2.0]]))
    tensor([[ 1.5, -1. ]])
    """
    check_latent("reparameterize", mu, log_var, eps)
    return mu + exp(0.5 * log_var) * eps


@gradient_of(reparameterize)
def reparameterize_gradient(
    mu: Array, log_var: Array, eps: Array, *, g: Array | float = 1.0
) -> tuple[Array, Array, Array]:
    """Compute step 3: samples of the same image add their shares."""
    g = np.broadcast_to(np.asarray(g, mu.dtype), eps.shape)
    sigma = np.exp(log_var / 2)
    return sum_to(g, mu.shape), sum_to(g * sigma * eps / 2, mu.shape), g * sigma
