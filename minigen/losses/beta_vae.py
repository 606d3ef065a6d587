r"""The loss of a beta-VAE

Higgins et al. 2017, *beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework* (ICLR 2017),
equation 4.

## 1. The loss

The two terms of the ELBO (see `elbo`), with a weight on the KL:

$$L_\beta = -\frac{1}{NK} \sum_{n,k} \log p(x_n \mid z_{nk}) + \frac{\beta}{N} \sum_n KL_n$$

It comes from a constraint: make $E[\log p(x \mid z)]$ large subject to $KL(q(z \mid x) \,\|\, p(z)) \le c$.  The
Lagrangian is $E[\log p(x \mid z)] - \beta\,(KL - c)$, and $\beta c$ has no gradient.  A $\beta$ above 1 stands for a
smaller budget $c$ of nats for each image's code.

## 2. The gradient

$$\frac{\partial L_\beta}{\partial \log p(x_n \mid z_{nk})} = -\frac{1}{NK}, \qquad
  \frac{\partial L_\beta}{\partial KL_n} = \frac{\beta}{N}$$

## 3. What it is

- $\beta = 1$: minus the ELBO, a bound on $-\log p(x)$.
- $\beta > 1$: $-L_\beta = ELBO - (\beta - 1)\, KL \le ELBO$: still below $\log p(x)$, but looser; blurrier images,
  codes nearer the prior and often one factor of variation a component.
- $\beta < 1$: **no bound** any more.  Sharper reconstructions, worse samples from the prior.
- $\beta = 0$: an autoencoder with noise that nothing keeps from shrinking to 0.
- With a Gaussian decoder of fixed variance $v$: $L_\beta = \|x - m\|^2/2v + \beta\,KL$, so only the product $\beta v$
  counts for which networks are best.

## 4. Sign, scale, detach

- $\beta$ weighs the KL **against the reconstruction**, within one loss of one model.  There is no second player.
- **Do not compare** values of $L_\beta$ for different $\beta$.  With $\beta < 1$ a part of the KL is not counted, and
  "0.6 is best" only says so. Compare the ELBO (`negative_elbo`) of all, or the two terms apart.
- **Warm-up**: $\beta$ raised from 0 to 1 over the first epochs lets the decoder find a use for $z$ before the KL takes
  it away.
- **Scale.**  $\beta$ belongs to the sum over pixels.  With a mean over $P$ pixels the same number means $P$ times as
  much.
- **Detach.**  Nothing.
"""

import numpy as np

from ..arguments import check_number
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["beta_vae_loss"]


@loss
def beta_vae_loss(log_likelihood: Tensor, kl: Tensor, beta: float = 4.0) -> Tensor:
    """Compute the loss of a beta-VAE: ``beta * mean(kl) - mean(log_likelihood)``.

    Derived in ``derivation("beta_vae")``; Higgins et al. 2017, equation 4.

    Parameters
    ----------
    log_likelihood : Tensor (..., N)
        log p(x | z) of each image, summed over its pixels; leading dimensions for several samples of z.
    kl : Tensor (..., N)
        KL(q(z | x) || p(z)) of each image, or samples of it.
    beta : float
        At least 0; 1 gives `negative_elbo`.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If these are not one number an image, for the same N, or `beta` is negative.

    Examples
    --------
    >>> import minigen as mg
    >>> beta_vae_loss(mg.tensor([-90.0, -110.0]), mg.tensor([10.0, 20.0]), beta=2)
    tensor(130.)
    """
    check_scores("beta_vae_loss", log_likelihood=log_likelihood, kl=kl)
    check_number("beta_vae_loss", "beta", beta)
    if log_likelihood.ndim == 0 or kl.ndim == 0 or log_likelihood.shape[-1] != kl.shape[-1]:
        raise ValueError(
            "beta_vae_loss: expected one log-likelihood and one KL an image, (..., N), "
            f"got log_likelihood {log_likelihood.shape} and kl {kl.shape}"
        )
    return beta * kl.mean() - log_likelihood.mean()


@gradient_of(beta_vae_loss)
def beta_vae_loss_gradient(
    log_likelihood: Array, kl: Array, beta: float = 4.0, *, g: float = 1.0
) -> tuple[Array, Array]:
    """Compute step 2."""
    return np.full_like(log_likelihood, -g / log_likelihood.size), np.full_like(kl, g * beta / kl.size)
