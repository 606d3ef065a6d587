r"""The loss of a conditional VAE

Sohn, Lee & Yan 2015, *Learning Structured Output Representation using Deep Conditional Generative Models* (NIPS 2015),
equation 4; Kingma, Mohamed, Rezende & Welling 2014 (arXiv 1406.5298).

## 1. The bound

Everything in `elbo`, given a condition $c$ (a label, the upper half of an image):

$$\log p(x \mid c) \ge E_{z \sim q(z \mid x, c)}[\log p(x \mid z, c)] - KL(q(z \mid x, c) \,\|\, p(z \mid c))$$

The proof is that of `elbo` line by line, with "$\mid c$" in every density.  $c$ is given, not modeled, so nothing is
added for it.

## 2. The loss

With $q(z \mid x, c) = N(\mu, e^\lambda)$ and the prior $p(z \mid c) = N(m, e^\rho)$

$$L = -\frac{1}{NK} \sum_{n,k} \log p(x_n \mid z_{nk}, c_n)
      + \frac{1}{2N} \sum_{n,j}
  \Big[ \rho_{nj} - \lambda_{nj} + \big(e^{\lambda_{nj}} + (\mu_{nj} - m_{nj})^2\big)\, e^{-\rho_{nj}} - 1 \Big]$$

The prior may be a network of $c$ (the paper), or stay $N(0, I)$: then $z$ is independent of $c$ and holds what the
label does not say, such as the style of a digit.  The second is the default, and what one wants for "draw me a 7".

## 3. The gradient

That of the two parts.  In the likelihoods it is $-1/NK$; in the four parameters the gradients of the closed-form KL
(see `kl`, step 2) with the cotangent $1/N$:

$$\frac{\partial L}{\partial \mu} = \frac{(\mu - m)\, e^{-\rho}}{N} = -\frac{\partial L}{\partial m}, \qquad
  \frac{\partial L}{\partial \lambda} = \frac{e^{\lambda - \rho} - 1}{2N}, \qquad
  \frac{\partial L}{\partial \rho} = \frac{1 - (e^{\lambda} + (\mu - m)^2)\, e^{-\rho}}{2N}$$

## 4. Where the condition goes in

Into encoder *and* decoder.  A decoder without $c$ cannot know what to make; an encoder without $c$ puts the label
into $z$, where the KL charges for it.

## 5. Sign, scale, detach

- **Sign** as in `elbo`.  A learned prior is trained by the same descent: it moves toward the posteriors of its
  condition, which move toward it.
- **Scale.**  In nats an image, a bound on $-\log p(x \mid c)$.  What a label can be worth is limited: by
  $p(x \mid c) = p(x)\, p(c \mid x)/p(c)$, $\log p(x \mid c)$ exceeds $\log p(x)$ by at most $-\log p(c)$, which is
  $\log 10 = 2.3$ nats for ten equally frequent digits.  (The two *bounds* may differ by more, if one is tighter.)
- **Detach.**  Nothing; and the prior's parameters least of all, if they are learned.
- **Not the same as a conditional GAN**: there $c$ enters a game, here only a density.
"""

from ..tensor import Tensor
from .arrays import Array
from .beta_vae import beta_vae_loss, beta_vae_loss_gradient
from .kl import gaussian_kl, gaussian_kl_gradient
from .registry import gradient_of, loss

__all__ = ["cvae_loss"]


@loss
def cvae_loss(
    log_likelihood: Tensor,
    mu: Tensor,
    log_var: Tensor,
    prior_mu: Tensor | None = None,
    prior_log_var: Tensor | None = None,
) -> Tensor:
    """Compute the loss of a conditional VAE.

    The result is ``mean(KL(q(z|x,c) || p(z|c))) - mean(log p(x|z,c))``.

    Derived in ``derivation("cvae")``; Sohn, Lee & Yan 2015, equation 4.

    Parameters
    ----------
    log_likelihood : Tensor (..., N)
        log p(x | z, c) of each image, summed over its pixels; leading dimensions for several samples of z.
    mu, log_var : Tensor (N, latent)
        Of the posterior q(z | x, c).
    prior_mu, prior_log_var : Tensor (N, latent), optional
        Of the prior p(z | c); N(0, I) if not given.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If the shapes do not fit, or only one of the prior's parameters is given.

    Examples
    --------
    >>> import minigen as mg
    >>> cvae_loss(mg.tensor([-90.0]), mg.tensor([[2.0, 1.0]]), mg.zeros(1, 2))
    tensor(92.5)
    """
    return beta_vae_loss(log_likelihood, gaussian_kl(mu, log_var, prior_mu, prior_log_var), 1.0)


@gradient_of(cvae_loss)
def cvae_loss_gradient(
    log_likelihood: Array,
    mu: Array,
    log_var: Array,
    prior_mu: Array | None = None,
    prior_log_var: Array | None = None,
    *,
    g: float = 1.0,
) -> tuple[Array, ...]:
    """Compute step 3."""
    d_likelihood, d_kl = beta_vae_loss_gradient(log_likelihood, mu[:, 0], 1.0, g=g)
    return d_likelihood, *gaussian_kl_gradient(mu, log_var, prior_mu, prior_log_var, g=d_kl)
