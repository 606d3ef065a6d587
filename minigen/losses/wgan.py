r"""The Wasserstein GAN loss, with clipped weights (WGAN)

Arjovsky, Chintala & Bottou 2017, *Wasserstein GAN* (arXiv 1701.07875), equations 1 to 3, Theorem 3 and Algorithm 1.

## 1. The distance

The *earth mover's distance* of two distributions $p$ (data) and $q$ (generated images) is the least work that turns one
heap of earth into the other, $W(p, q) = \inf_\gamma E_{(x, x') \sim \gamma} \|x - x'\|$ over all joint distributions
$\gamma$ with the marginals $p$ and $q$.  Where $p$ and $q$ do not overlap the Jensen-Shannon divergence is constant,
$\log 2$, and has no gradient; $W$ still says how far.

The infimum cannot be computed for images, but the Kantorovich-Rubinstein duality turns it into a supremum over
functions:

$$W(p, q) = \sup_{\|f\|_L \le 1} E_{x \sim p}[f(x)] - E_{x \sim q}[f(x)]$$

$\|f\|_L \le 1$ says that $f$ is 1-Lipschitz, $|f(x) - f(x')| \le \|x - x'\|$: without a bound on its slope the supremum
is infinite. That it is no more than $W$ is quickly seen: for every $\gamma$,
$E_p f - E_q f = E_\gamma[f(x) - f(x')] \le E_\gamma \|x - x'\|$.

## 2. The losses

$f$ is a network, the *critic*: its score $s = f(x)$ is a plain number, not a logit and not a probability.  It ascends
the difference, so it descends

$$L_D = -\frac1N \sum_n s_n + \frac1M \sum_m s'_m, \qquad L_G = -\frac1M \sum_m s'_m$$

$L_G$ is the part of $W$ that depends on $G$; at the optimal critic its gradient is that of $W$ (Theorem 3).

## 3. The gradients

$$\frac{\partial L_D}{\partial s_n} = -\frac1N, \qquad \frac{\partial L_D}{\partial s'_m} = \frac1M, \qquad
  \frac{\partial L_G}{\partial s'_m} = -\frac1M$$

Constant: nothing saturates, and *everything* that holds the critic back must come from the bound on its slope.

## 4. Clipping

After every step of the critic each weight is put back into $[-c, c]$, with $c = 0.01$ in the paper: `clip_weights`.
The weights then lie in a compact set, so the critic is $k$-Lipschitz for some $k$ that depends on $c$ and the
architecture alone, and $L_D$ estimates $-k\,W$.  The authors call it "a clearly terrible way to enforce a Lipschitz
constraint": with a small $c$ signals shrink from layer to layer, with a large one it takes long to reach the limit, and
most weights end at $\pm c$.  The gradient penalty (`wgan_gp`) does better.

Clipping is not a part of the loss and has no gradient: it happens to the weights, between two steps.

## 5. Sign, scale, detach

- **Sign.**  The critic's score is *high for real* images.  Some programs swap the roles; then both signs swap.
- **Scale.**  $-L_D$ estimates $k\,W$, with an unknown $k$: its course means something, its size does not, and runs with
  other $c$ or other layers cannot be compared.  It should fall while $G$ learns; $L_D$ starts near 0 and *first*
  becomes more negative, while the critic learns.
- **No logarithm, no sigmoid.**  A critic is not a classifier.
- **More steps for the critic** (5 to 1 in the paper), and an optimizer without momentum (RMSprop): the estimate is only
  as good as the critic, and here a good critic does not take the gradient away.
- **Detach.**  The generated images in the critic's step, nothing in $G$'s.
"""

from collections.abc import Iterable

import numpy as np

from ..arguments import check_number
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["clip_weights", "wgan_d", "wgan_g"]


@loss
def wgan_d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Compute the loss of the critic: ``mean(fake) - mean(real)``.

    Derived in ``derivation("wgan")``; Arjovsky et al. 2017, equation 3.

    Parameters
    ----------
    real_scores, fake_scores : Tensor (N, ...) and (M, ...)
        The critic's outputs for real images, and for generated (detached) ones.

    Returns
    -------
    Tensor ()
        Minus the (scaled) earth mover's distance.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a Tensor, or empty.

    Examples
    --------
    >>> import minigen as mg
    >>> wgan_d(mg.tensor([3.0, 1.0]), mg.tensor([0.5]))
    tensor(-1.5)
    """
    check_scores("wgan_d", real_scores=real_scores, fake_scores=fake_scores)
    return fake_scores.mean() - real_scores.mean()


@gradient_of(wgan_d)
def wgan_d_gradient(real_scores: Array, fake_scores: Array, *, g: float = 1.0) -> tuple[Array, Array]:
    """Compute step 3: the same for every image."""
    return np.full_like(real_scores, -g / real_scores.size), np.full_like(fake_scores, g / fake_scores.size)


@loss
def wgan_g(fake_scores: Tensor) -> Tensor:
    """Compute the loss of G, minus the mean score of its images; of WGAN-GP too.

    Derived in ``derivation("wgan")``; Arjovsky et al. 2017, Theorem 3.

    Parameters
    ----------
    fake_scores : Tensor (M, ...)
        The critic's outputs for generated images, not detached.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If the argument is not a Tensor, or empty.

    Examples
    --------
    >>> import minigen as mg
    >>> wgan_g(mg.tensor([-3.0, 1.0]))
    tensor(1.)
    """
    check_scores("wgan_g", fake_scores=fake_scores)
    return -fake_scores.mean()


@gradient_of(wgan_g)
def wgan_g_gradient(fake_scores: Array, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 3: the same for every image."""
    return (np.full_like(fake_scores, -g / fake_scores.size),)


def clip_weights(parameters: Iterable[Tensor], limit: float = 0.01) -> None:
    """Clip every weight to [-limit, limit], in place, after a step of the critic.

    Why is said in ``derivation("wgan")``; Arjovsky et al. 2017, Algorithm 1.

    Parameters
    ----------
    parameters : iterable of Tensor
        The critic's.
    limit : float
        The paper's c, above 0.

    Raises
    ------
    ValueError
        If `limit` is not above 0.

    Examples
    --------
    >>> import minigen as mg
    >>> weight = mg.tensor([-0.5, 0.002])
    >>> clip_weights([weight])
    >>> weight
    tensor([-0.01 ,  0.002])
    """
    check_number("clip_weights", "limit", limit)
    if limit == 0:
        raise ValueError("clip_weights: argument 'limit': expected a number above 0, got 0: no weight would be left")
    for parameter in parameters:
        with parameter.inplace() as array:
            array.clip(-limit, limit, out=array)
