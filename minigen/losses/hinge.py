r"""The hinge loss

Lim & Ye 2017, *Geometric GAN* (arXiv 1705.02894); Miyato et al. 2018, *Spectral Normalization for Generative
Adversarial Networks* (arXiv 1802.05957), equations 16 and 17.

## 1. The loss

$D$ ends in a plain score $s$.  Real images should score at least 1, generated ones at most -1; what falls short of that
margin costs, and being beyond the margin does not:

$$L_D = \frac1N \sum_n \max(0, 1 - s_n) + \frac1M \sum_m \max(0, 1 + s'_m), \qquad L_G = -\frac1M \sum_m s'_m$$

The papers write $V_D = E[\min(0, -1 + s)] + E[\min(0, -1 - s')]$, to be maximized; $L_D = -V_D$, because
$-\min(0, -a) = \max(0, a)$.

## 2. The gradients

$$\frac{\partial L_D}{\partial s_n} = -\frac{[s_n < 1]}{N}, \qquad
  \frac{\partial L_D}{\partial s'_m} = \frac{[s'_m > -1]}{M}, \qquad
  \frac{\partial L_G}{\partial s'_m} = -\frac1M$$

with $[\cdot]$ 1 where it holds and 0 elsewhere.  **At the kink**, a score of exactly 1 (or -1), the derivative jumps
and any value in between is a subgradient; ours is 0, that of $\max(0, a)$ at $a = 0$.

Images beyond the margin teach $D$ nothing: it learns from the doubtful ones, like a support vector machine.  $G$'s
gradient in the score is constant and cannot vanish.

## 3. What the game's solution is

With $p$ the density of the data and $q$ that of the generated images, at each $x$ the loss
$p \max(0, 1 - s) + q \max(0, 1 + s)$ is piecewise linear in $s$, with slope $q - p$ between the kinks -1 and 1.  It is
least at the kink $s^* = 1$ where $p > q$ and at $s^* = -1$ where $q > p$, with the value $2 \min(p, q)$.  So

$$\min_D L_D = 2 \int \min(p, q) \, dx = 2\, (1 - TV(p, q)), \qquad TV(p, q) = \tfrac12 \int |p - q| \, dx$$

and $G$'s loss against this $D$ is $-\int q\, s^* = \int (p - q)\, s^* - \int p\, s^* = 2\,TV(p, q) - \int p\, s^*$: the
total variation distance, less the mean score of the real images, which $G$ cannot change in its step.

## 4. Sign, scale, detach

- **Sign.**  $1 - s$ for real images, $1 + s'$ for generated ones: with the signs exchanged $D$ learns the opposite.
  $G$ descends $-s'$: its images' scores are to rise.
- **Scale.**  An undecided $D$ (score 0) pays $1 + 1 = 2$, and 0 once every image is beyond its margin.  $G$'s loss has
  no natural zero and no lower bound; only its course relative to $D$'s means something.
- **No hinge for $G$.**  $\max(0, 1 - s')$ would have no gradient once an image scores 1, although $D$ changes further.
- **Detach.**  The generated images in $D$'s step, nothing in $G$'s.
"""

import numpy as np

from ..functional import relu
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores
from .registry import gradient_of, loss
from .wgan import wgan_g, wgan_g_gradient

__all__ = ["hinge_d", "hinge_g"]


@loss
def hinge_d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Compute the loss of D: ``mean(relu(1 - real)) + mean(relu(1 + fake))``.

    Derived in ``derivation("hinge")``; Miyato et al. 2018, equation 16.

    Parameters
    ----------
    real_scores, fake_scores : Tensor (N, ...) and (M, ...)
        D's outputs, without a sigmoid, for real images, and for generated (detached) ones.

    Returns
    -------
    Tensor ()
        2 where D is undecided.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a Tensor, or empty.

    Examples
    --------
    >>> import minigen as mg
    >>> hinge_d(mg.tensor([3.0, 0.5]), mg.tensor([-3.0, 0.0]))
    tensor(0.75)
    """
    check_scores("hinge_d", real_scores=real_scores, fake_scores=fake_scores)
    return relu(1 - real_scores).mean() + relu(1 + fake_scores).mean()


@gradient_of(hinge_d)
def hinge_d_gradient(real_scores: Array, fake_scores: Array, *, g: float = 1.0) -> tuple[Array, Array]:
    """Compute step 2: constant within the margin, 0 at it and beyond."""
    d_real = np.where(real_scores < 1, -g / real_scores.size, 0).astype(real_scores.dtype)
    return d_real, np.where(fake_scores > -1, g / fake_scores.size, 0).astype(fake_scores.dtype)


@loss
def hinge_g(fake_scores: Tensor) -> Tensor:
    """Compute the loss of G, minus the mean score of its images, as in a WGAN.

    Derived in ``derivation("hinge")``; Miyato et al. 2018, equation 17.

    Parameters
    ----------
    fake_scores : Tensor (M, ...)
        D's outputs for generated images, not detached.

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
    >>> hinge_g(mg.tensor([-3.0, 1.0]))
    tensor(1.)
    """
    return wgan_g(fake_scores)


@gradient_of(hinge_g)
def hinge_g_gradient(fake_scores: Array, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 2: the same for every image."""
    return wgan_g_gradient(fake_scores, g=g)
