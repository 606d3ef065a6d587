r"""The non-saturating GAN loss

Goodfellow et al. 2014, *Generative Adversarial Nets* (arXiv 1406.2661), section 3.

## 1. The loss

The discriminator's loss is that of the minimax game, $L_D = -V$ (see the derivation `minimax`).  The generator, instead
of making $\log(1 - D(G(z)))$ small, makes $\log D(G(z))$ large: it descends

$$L_G = -E_z[\log D(G(z))] = \frac1M \sum_m \zeta(-\ell'_m), \qquad \zeta(a) = \log(1 + e^a)$$

## 2. The gradient

With $\zeta' = \sigma$

$$\frac{\partial L_G}{\partial \ell'_m} = -\frac{\sigma(-\ell'_m)}{M} = -\frac{1 - D(G(z_m))}{M}$$

## 3. Why

Beside the minimax loss, per image:

| | minimax: $\log(1 - D)$ | non-saturating: $-\log D$ |
|---|---|---|
| derivative in the logit | $-D$ | $-(1 - D)$ |
| fake found out, $D \approx 0$ | $\approx 0$: nothing to learn from | $\approx -1$: full strength |
| $D$ fooled, $D \approx 1$ | $\approx -1$ | $\approx 0$: nothing left to do |

Both are negative everywhere: both pull the logit up, toward "real", and both vanish only with their own factor.  So
the *direction* for a single image is the same, the ratio of the strengths is $(1 - D)/D = e^{-\ell'}$.  Images that $D$
finds out weigh more, and over a batch the sums differ.

It is no longer a zero-sum game, and not the Jensen-Shannon divergence that $G$ descends: at the optimal $D$ its
gradient is that of $KL(q \,\|\, p) - 2\, JSD(p, q)$ (Arjovsky & Bottou 2017, arXiv 1701.04862, Theorem 2.5), with $p$
the density of the data and $q$ that of the generated images.  Its fixed point $p = q$ is the same.

## 4. Sign, scale, detach

- **Sign.**  The minus makes descent *raise* $\log D(G(z))$.  Without it $G$ learns to be found out.
- **Scale.**  $L_G = \log 2 \approx 0.693$ where $D$ is undecided.  A value that climbs to 3 or 5 is usual: $D$ is
  ahead.  It measures $D$ as much as $G$, so it says little about how good the images are.
- **Detach.**  Nothing, in $G$'s step: $\partial L_G/\partial\theta_G$ runs through $D$ into the image.  Only $G$'s
  weights are updated.  $D$'s step detaches the generated images.
- **Not pixels.**  $D(G(z))$ is $D$'s verdict on the image.  A loss on the pixels of $G(z)$ has no $D$ in it.
"""

from ..functional import softplus
from ..tensor import Tensor
from .arrays import Array, sigmoid
from .checks import check_scores
from .label_smoothing import label_smoothing_d, label_smoothing_d_gradient
from .registry import gradient_of, loss

__all__ = ["non_saturating_d", "non_saturating_g"]


@loss
def non_saturating_d(real_logits: Tensor, fake_logits: Tensor, smoothing: float = 0.0) -> Tensor:
    """Compute the loss of D: -V, as in the minimax game, optionally smoothed.

    See `minigen.losses.minimax_d` and `minigen.losses.label_smoothing_d`, which it is.

    Parameters
    ----------
    real_logits, fake_logits : Tensor (N, ...) and (M, ...)
        D's logits for real images, and for generated (detached) ones.
    smoothing : float
        Real images are labeled 1 - smoothing.

    Returns
    -------
    Tensor ()
        log 4 = 1.386 where D is undecided.

    Raises
    ------
    TypeError, ValueError
        If a Tensor is none, or empty, or `smoothing` is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> non_saturating_d(mg.tensor([200.0]), mg.tensor([-200.0])).item()  # never wrong
    0.0
    """
    return label_smoothing_d(real_logits, fake_logits, smoothing)


@gradient_of(non_saturating_d)
def non_saturating_d_gradient(
    real_logits: Array, fake_logits: Array, smoothing: float = 0.0, *, g: float = 1.0
) -> tuple[Array, Array]:
    """Compute as the derivation of label smoothing, step 2."""
    return label_smoothing_d_gradient(real_logits, fake_logits, smoothing, g=g)


@loss
def non_saturating_g(fake_logits: Tensor) -> Tensor:
    """Compute the loss of G, -log D: ``mean(softplus(-fake))``.

    Derived in ``derivation("non_saturating")``; Goodfellow et al. 2014, section 3.

    Parameters
    ----------
    fake_logits : Tensor (M, ...)
        D's logits for generated images, not detached.

    Returns
    -------
    Tensor ()
        log 2 = 0.693 where D is undecided.

    Raises
    ------
    TypeError, ValueError
        If the argument is not a Tensor, or empty.

    Examples
    --------
    >>> import minigen as mg
    >>> logit = mg.tensor([-20.0], requires_grad=True)  # found out: D(G(z)) = 2e-9
    >>> non_saturating_g(logit).backward()
    >>> logit.grad
    tensor([-1.])
    """
    check_scores("non_saturating_g", fake_logits=fake_logits)
    return softplus(-fake_logits).mean()


@gradient_of(non_saturating_g)
def non_saturating_g_gradient(fake_logits: Array, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 2: largest where D is sure that the image is generated."""
    return (-g * sigmoid(-fake_logits) / fake_logits.size,)
