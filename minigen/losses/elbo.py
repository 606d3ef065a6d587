r"""The evidence lower bound (ELBO), the loss of a VAE

Kingma & Welling 2014, *Auto-Encoding Variational Bayes* (ICLR 2014, arXiv 1312.6114), equations 1 to 3; Rezende,
Mohamed & Wierstra 2014 (arXiv 1401.4082).

## 1. The bound, in three lines

A decoder and a prior define $p(x) = \int p(x \mid z)\, p(z)\, dz$.  We want to make $\log p(x)$ large, but cannot
compute the integral.  For any density $q(z \mid x)$, by Jensen's inequality (the logarithm is concave)

$$\log p(x) = \log E_{z \sim q(z \mid x)} \Big[ \frac{p(x \mid z)\, p(z)}{q(z \mid x)} \Big]
  \ge E_{z \sim q(z \mid x)} \Big[ \log \frac{p(x \mid z)\, p(z)}{q(z \mid x)} \Big] = ELBO(x)$$

Split the logarithm:

$$ELBO(x) = E_{z \sim q(z \mid x)}[\log p(x \mid z)] - KL(q(z \mid x) \,\|\, p(z))$$

one integral over the whole vector $z$, or, as both factors are Gaussians with independent components, a sum of
one-dimensional KLs.

## 2. What is lost

Put $p(x \mid z)\, p(z) = p(z \mid x)\, p(x)$ into the second mean above:

$$ELBO(x) = \log p(x) - KL(q(z \mid x) \,\|\, p(z \mid x))$$

The gap is exactly how far $q$ is from the true posterior.  Raising the ELBO in the encoder's parameters closes the gap;
raising it in the decoder's raises $\log p(x)$, the gap, or both.

## 3. The loss

Minus the ELBO, averaged over the images of a batch (and over the samples of $z$, usually one):

$$L = -\frac{1}{NK} \sum_{n,k} \log p(x_n \mid z_{nk}) + \frac1N \sum_n KL_n$$

with $\log p(x \mid z)$ from `bernoulli_log_likelihood` or `gaussian_log_likelihood`, $z_{nk}$ from `reparameterize` and
the KL from `gaussian_kl`.

## 4. The gradient

$$\frac{\partial L}{\partial \log p(x_n \mid z_{nk})} = -\frac{1}{NK}, \qquad
  \frac{\partial L}{\partial KL_n} = \frac1N$$

The rest is the chain rule through the parts; for a standard normal prior, a Bernoulli decoder with logits $\ell$ and
one sample,

$$\frac{\partial L}{\partial \ell_{ni}} = \frac{\sigma(\ell_{ni}) - x_{ni}}{N}, \qquad
  \frac{\partial L}{\partial \mu_{nj}} = \bar z_{nj} + \frac{\mu_{nj}}{N}, \qquad
  \frac{\partial L}{\partial \lambda_{nj}}
  = \bar z_{nj}\, \frac{\sigma_{nj} \epsilon_{nj}}{2} + \frac{e^{\lambda_{nj}} - 1}{2N}$$

where $\bar z = \partial L/\partial z$ is what comes back through the decoder.  In $\mu$ and $\lambda$ two forces meet:
the images' and the prior's.

## 5. Sum over pixels, mean over images

$\log p(x \mid z)$ is *one* logarithm of *one* probability of the whole image: the sum over its pixels.  The KL is
likewise a sum, over latent components.  Both are in nats and can be added.

A mean over the $P$ pixels (what `mse_loss` and `binary_cross_entropy` do by default) divides only the first by $P$,
which is a beta-VAE with $\beta = P$ after the whole loss is multiplied by $P$: for a digit $\beta = 784$.  The KL wins,
$q(z \mid x) = p(z)$ for every image, the codes say nothing and all reconstructions look like the mean image.  It is the
commonest bug of first VAEs, and no error message tells.

The mean over *images* divides both alike: it only makes the loss, and the step of plain gradient descent, independent
of the batch size.

## 6. Sign, scale, detach

- **Sign.**  The ELBO is a bound from below, to be raised; the *loss* is its negative, the likelihood with a minus and
  the KL with a plus.  Descending the ELBO itself makes images as improbable as possible.
- **Both terms.**  Without the KL it is an autoencoder, whose codes have gaps between them; without the likelihood
  nothing ties $z$ to $x$.
- **Scale.**  In nats an image: about 100 for binarized or gray MNIST digits.  An upper bound on $-\log p(x)$.  Report
  it with $\beta = 1$ and say which likelihood.
- **Jointly.**  The decoder is trained on $z \sim q(z \mid x)$, with the encoder, not by itself on noise.
- **Detach.**  Nothing.  The decoder has no gradient from the KL, because it does not appear in it, not because it was
  cut.
"""

from ..tensor import Tensor
from .arrays import Array
from .beta_vae import beta_vae_loss, beta_vae_loss_gradient
from .registry import gradient_of, loss

__all__ = ["negative_elbo"]


@loss
def negative_elbo(log_likelihood: Tensor, kl: Tensor) -> Tensor:
    """Compute the loss of a VAE: ``mean(kl) - mean(log_likelihood)``, in nats an image.

    Derived in ``derivation("elbo")``; Kingma & Welling 2014, equation 3.

    Parameters
    ----------
    log_likelihood : Tensor (..., N)
        log p(x | z) of each image, summed over its pixels; leading dimensions for several samples of z.
    kl : Tensor (..., N)
        KL(q(z | x) || p(z)) of each image, or samples of it.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If these are not one number an image, for the same N.

    Examples
    --------
    >>> import minigen as mg
    >>> from minigen.losses import bernoulli_log_likelihood, gaussian_kl
    >>> x, logits = mg.ones(2, 1, 28, 28), mg.zeros(2, 1, 28, 28)
    >>> mu, log_var = mg.zeros(2, 20), mg.zeros(2, 20)
    >>> negative_elbo(bernoulli_log_likelihood(logits, x), gaussian_kl(mu, log_var))
    tensor(543.42737)
    """
    return beta_vae_loss(log_likelihood, kl, 1.0)


@gradient_of(negative_elbo)
def negative_elbo_gradient(log_likelihood: Array, kl: Array, *, g: float = 1.0) -> tuple[Array, Array]:
    """Compute step 4."""
    return beta_vae_loss_gradient(log_likelihood, kl, 1.0, g=g)
