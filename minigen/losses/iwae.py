r"""The importance-weighted bound (IWAE)

Burda, Grosse & Salakhutdinov 2016, *Importance Weighted Autoencoders* (ICLR 2016, arXiv 1509.00519), equations 8, 13
and 14 and Theorem 1.

## 1. The bound

Draw $K$ samples $z_1, \dots, z_K$ of $q(z \mid x)$ and weigh each by $w_k = p(x \mid z_k)\, p(z_k)/q(z_k \mid x)$.
Every weight has the mean $\int p(x \mid z)\, p(z)\, dz = p(x)$, so their average has too, and by Jensen's inequality

$$\mathcal L_K = E_{z_1 \dots z_K} \Big[ \log \frac1K \sum_k w_k \Big] \le \log p(x)$$

$K = 1$ is the ELBO.  **It rises with $K$**: the mean of $K$ weights is the mean over all its subsets of $k \le K$ of
the subsets' means, so that Jensen again gives $\log \frac1K \sum w \ge$ the subsets' mean of $\log \frac1k \sum w$, and
every subset has the mean $\mathcal L_k$ (Theorem 1).  For $K \to \infty$ the average tends to $p(x)$, and the bound to
$\log p(x)$: with many samples it is also how one *measures* a VAE.

## 2. The loss

Weights of images are numbers like $e^{-100}$ and underflow; only logarithms are ever computed:

$$\log w_k = \log p(x \mid z_k) - \big[\log q(z_k \mid x) - \log p(z_k)\big], \qquad
  L = -\frac1N \sum_n \Big[ \log \sum_k e^{\log w_{nk}} - \log K \Big]$$

The bracket is `monte_carlo_kl` of the same noise, *per sample*: the closed-form KL is its mean and would give another
weight.  The sum is taken as $m + \log \sum_k e^{\log w_k - m}$ with $m = \max_k \log w_k$, where the largest term is 1.

## 3. The gradient

Differentiate the logarithm of a sum, $\partial \log \sum_k e^{a_k}/\partial a_k = e^{a_k} / \sum_i e^{a_i}$:

$$\frac{\partial L}{\partial \log w_{nk}} = -\frac{\tilde w_{nk}}{N}, \qquad
  \tilde w_{nk} = \frac{w_{nk}}{\sum_i w_{ni}} = \mathrm{softmax}_k(\log w_{n\cdot})$$

the *normalized* weights, positive with sum 1.  By the chain rule, for any parameter $\theta$,

$$\nabla_\theta L = -\frac1N \sum_{n,k} \tilde w_{nk}\, \nabla_\theta \log w_{nk}$$

Normalizing is not a choice: it falls out of the logarithm.  And the unknown factor $p(x)$ in every weight cancels.

## 4. What to detach

**Nothing**, if the loss is written as above: autograd finds $\tilde w$ by itself.

Some programs descend $-\sum_k \tilde w_k \log w_k$ instead.  There $\tilde w$ **must** be detached: the product rule
would add $-\sum_k \log w_k\, \nabla \tilde w_k$, which is not in the formula of step 3.  Two further mistakes seen in
public programs: a softmax over *losses*, $-\log w$, which gives the worst sample the greatest weight; and a softmax
along the images instead of the samples.  The detached form has the right value of the gradient and nothing else: not
the value of the loss, not the second derivatives.

## 5. Sign, scale

- **Sign.**  A bound from below, to be raised: the loss has the minus.
- **Scale.**  $\log K$ is subtracted, or else the bound seems to rise by $\log K$ for nothing.  In nats an image; for
  the same networks never worse than minus the ELBO, in the mean.
- **More is not always better** for training: as $K$ grows, the encoder's gradient shrinks faster than its noise
  (Rainforth et al. 2018, arXiv 1802.04537).  $K$ = 5 to 50 is usual.
"""

import math

import numpy as np

from ..ops.reduce import logsumexp
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["iwae_loss"]


@loss
def iwae_loss(log_weights: Tensor) -> Tensor:
    """Compute minus the importance-weighted bound.

    The result is ``-mean(logsumexp(log_weights, over samples) - log(K))``.

    Derived in ``derivation("iwae")``; Burda et al. 2016, equation 8.

    Parameters
    ----------
    log_weights : Tensor (K, N)
        ``log_likelihood - monte_carlo_kl`` of K samples of z for each of N images.

    Returns
    -------
    Tensor ()
        In nats an image; for K = 1 it is `negative_elbo`.

    Raises
    ------
    ValueError
        If the shape is not (K, N), or empty.

    Examples
    --------
    >>> import minigen as mg
    >>> round(iwae_loss(mg.tensor([[-100.0], [-1000.0]])).item(), 3)  # -log(e^-100 / 2): the second hardly counts
    100.693
    """
    check_scores("iwae_loss", log_weights=log_weights)
    if log_weights.ndim != 2:
        raise ValueError(
            f"iwae_loss: argument 'log_weights': expected (K, N), samples by images, got shape {log_weights.shape}"
        )
    return math.log(len(log_weights.data)) - logsumexp(log_weights, 0).mean()


@gradient_of(iwae_loss)
def iwae_loss_gradient(log_weights: Array, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 3: minus the normalized weights."""
    weights = np.exp(log_weights - log_weights.max(0))
    return (-g * weights / weights.sum(0) / log_weights.shape[1],)
