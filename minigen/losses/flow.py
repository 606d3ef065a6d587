r"""The KL to a prior that is learned: a normalizing flow

Dinh, Sohl-Dickstein & Bengio 2017, *Density Estimation Using Real NVP* (arXiv 1605.08803), section 3; as the prior of a
VAE: Chen et al. 2017, *Variational Lossy Autoencoder* (arXiv 1611.02731), section 3.2.

## 1. Why the prior should be learned

Let $q(z) = \frac1N \sum_n q(z \mid x_n)$ be the distribution of the codes of all $N$ images together.  The mean KL of a
VAE has two parts (Hoffman & Johnson 2016, *ELBO Surgery*):

$$\frac1N \sum_n KL\big(q(z \mid x_n) \,\|\, p(z)\big)
  = \frac1N \sum_n E_{q(z \mid x_n)} \log \frac{q(z \mid x_n)}{q(z)} + E_{q(z)} \log \frac{q(z)}{p(z)}
  = I(x; z) + KL\big(q(z) \,\|\, p(z)\big)$$

The first part is what a code says about its image: it has to be paid.  The second is paid for nothing, and does harm
besides.  Where $p(z)$ has mass and $q(z)$ has none there is a *hole*: the decoder has never seen such a code, and an
image made of it looks like no digit.  With $p = N(0, I)$ only the encoder can close the holes, against the
reconstruction.  A prior with parameters can move to where the codes are.

## 2. Density of a flow

$u \sim N(0, I)$ goes through an invertible map, $z = T(u)$.  A small cube around $u$ of volume $dV$ becomes a body of
volume $|\det T'(u)|\, dV$ around $z$ with the same probability in it, so

$$\log p(z) = \log N(u; 0, I) - \log |\det T'(u)|, \qquad u = T^{-1}(z)$$

An *affine coupling* makes the determinant cheap.  A mask $b \in \{0, 1\}^d$ keeps a part of the components; networks
$s$ and $t$ look at this part only, and say how the other part is stretched and moved:

$$z = b \odot u + (1 - b) \odot \big(u \odot e^{s(b \odot u)} + t(b \odot u)\big)$$

The kept part of $z$ is that of $u$, so $s$ and $t$ can be computed from $z$ too, and

$$u = b \odot z + (1 - b) \odot (z - t)\, e^{-s}$$

which is exact, and inverts no network.  The Jacobian is triangular once the kept components come first.  Its diagonal
is 1 for them and $e^{s_j}$ for the others, so $\log |\det| = \sum_j (1 - b_j)\, s_j$.  A flow is a chain of such
layers with alternating masks; its log-determinant is the sum of theirs.  Component $j$ stays component $j$ in all
layers, so $\log |\det T'(u)| = \sum_j \ell_j$, where $\ell_j$ is the sum of the $s_j$ of all layers that change
component $j$.

## 3. The KL of one sample

With $z = \mu + e^{\lambda/2} \epsilon$ (see `reparameterization`), $\log q(z) = \log N(\epsilon; 0, I) - \frac12 \sum_j
\lambda_j$; so the sample's share of the KL is

$$\widehat{KL} = \log q(z) - \log p(z)
  = \sum_j \Big[ \frac12 \big( u_j^2 - \epsilon_j^2 - \lambda_j \big) + \ell_j \Big]$$

$\log 2\pi$ has canceled.  Without layers $u = z$ and $\ell = 0$: the sample of `kl`, step 3.  With cotangent $g$:

$$\frac{\partial L}{\partial u} = g\, u, \qquad \frac{\partial L}{\partial \ell} = g, \qquad
  \frac{\partial L}{\partial \lambda} = -\frac g2, \qquad \frac{\partial L}{\partial \epsilon} = -g\, \epsilon$$

These are partial: $u$ and $\ell$ depend on $\mu$, $\lambda$ and $\epsilon$ through $z$, and on the weights of the flow.
Autograd adds those ways.

## 4. Sign, scale, detach

- **Sign of $\ell$.**  Plus, where $\ell$ is the stretching from $u$ to $z$.  A program that adds up the stretching from
  $z$ to $u$ has $-s$ in every layer, and subtracts its sum.  With the wrong sign the loss falls without end: the more
  $T$ stretches, the better it looks.
- **Sample.**  There is no closed form, so one sample's value may be negative; its mean is a KL, and is not.
- **Detach.**  Nothing.  The gradient reaches the encoder through $z$ (codes move to where the prior is) and the flow
  (the prior moves to where the codes are).
- **Inverse.**  Training needs $T^{-1}$ only, sampling needs $T$ only.
"""

import numpy as np

from ..ops.elementwise import square
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array, sum_to
from .registry import gradient_of, loss

__all__ = ["flow_kl"]


@loss
def flow_kl(u: Tensor, log_scale: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """Compute log q(z) - log p(z) of samples, where p(z) is a flow.

    Derived in ``derivation("flow")``, step 3; Dinh et al. 2017.

    Parameters
    ----------
    u : Tensor (..., N, latent)
        The noise that the flow would make the sample z of.
    log_scale : Tensor (..., N, latent)
        By how much the flow stretches each component on the way from u to z, as a logarithm.
    log_var : Tensor (N, latent)
        Of the posterior q.
    eps : Tensor (..., N, latent)
        The standard normal noise that z was drawn with: ``z = mu + exp(log_var / 2) * eps``.

    Returns
    -------
    Tensor (..., N)
        One number a sample.  Take the mean over the samples' dimension.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> z = mg.tensor([[1.0, -2.0]])  # a sample of q = N(0, I), and a flow that changes nothing
    >>> flow_kl(z, mg.zeros(1, 2), mg.zeros(1, 2), z)
    tensor([0.])
    """
    if not u.shape == log_scale.shape == eps.shape or u.shape[-2:] != log_var.shape:
        raise ValueError(
            "flow_kl: expected u, log_scale and eps of one shape (..., N, latent) and log_var (N, latent), "
            f"got {u.shape}, {log_scale.shape}, {eps.shape} and {log_var.shape}"
        )
    return sum(0.5 * (square(u) - square(eps) - log_var) + log_scale, -1)


@gradient_of(flow_kl)
def flow_kl_gradient(
    u: Array, log_scale: Array, log_var: Array, eps: Array, *, g: Array | float = 1.0
) -> tuple[Array, Array, Array, Array]:
    """Compute step 3: samples of the same image add their shares."""
    g = np.broadcast_to(np.asarray(g, u.dtype), u.shape[:-1])[..., None]
    return g * u, g * np.ones_like(log_scale), sum_to(-g / 2 * np.ones_like(u), log_var.shape), -g * eps
