r"""One-sided label smoothing

Salimans et al. 2016, *Improved Techniques for Training GANs* (arXiv 1606.03498), section 3.4.

## 1. The loss

Real images are labeled $t = 1 - s$ in place of 1; generated ones keep the label 0.  The cross-entropy of a real image
is then $-t \log D - (1 - t) \log(1 - D)$, on its logit (see the derivation `minimax`, step 2)

$$(1 - s)\, \zeta(-\ell) + s\, \zeta(\ell)$$

Since $\zeta(\ell) - \zeta(-\ell) = \log\frac{1 + e^{\ell}}{1 + e^{-\ell}} = \log e^{\ell} = \ell$, this is
$\zeta(-\ell) + s\,\ell$:

$$L_D = \frac1N \sum_n \big[\zeta(-\ell_n) + s\, \ell_n\big] + \frac1M \sum_m \zeta(\ell'_m)$$

## 2. The gradient

$$\frac{\partial L_D}{\partial \ell_n} = \frac{s - \sigma(-\ell_n)}{N} = \frac{D(x_n) - (1 - s)}{N}, \qquad
  \frac{\partial L_D}{\partial \ell'_m} = \frac{\sigma(\ell'_m)}{M}$$

Again output minus label.  It changes sign at $D = 1 - s$: a $D$ that is *too* sure is pulled back, so its logits, and
with them the gradients that it hands to $G$, stay bounded.

## 3. Why one side only

Label real images $\alpha$ and generated ones $\beta$, and let $p$, $q$ be the two densities.  At each $x$ the loss
$-p\,[\alpha \log D + (1 - \alpha) \log(1 - D)] - q\,[\beta \log D + (1 - \beta) \log(1 - D)]$ is least at

$$D^* = \frac{\alpha\, p + \beta\, q}{p + q}$$

With $\beta > 0$ the numerator holds $q$: where there is no data ($p \approx 0$) $D^* \approx \beta$ at every fake,
whatever $G$ does there, and $G$'s mistakes are defended.  With $\beta = 0$ it is $D^* = (1 - s)\, p/(p + q)$, the old
optimum scaled: still increasing in $p/q$.

## 4. Sign, scale, detach

- **Sign.**  The extra term is $+s\,\ell$: it pushes the logits of real images *down*.
- **Scale.**  The loss no longer reaches 0.  Its least value for real images is the entropy of the label,
  $-(1 - s)\log(1 - s) - s \log s$: 0.325 for $s = 0.1$.  Compare curves at equal $s$ only.  An undecided $D$ still pays
  $\log 4$.
- **Whose loss.**  It is $D$'s alone.  $G$'s label stays 1: it is to be taken for real, not for 90% real.
- **Detach.**  The generated images, as in every loss of $D$.
"""

from ..arguments import check_number
from ..tensor import Tensor
from .arrays import Array
from .minimax import minimax_d, minimax_d_gradient
from .registry import gradient_of, loss

__all__ = ["label_smoothing_d"]


@loss
def label_smoothing_d(real_logits: Tensor, fake_logits: Tensor, smoothing: float = 0.1) -> Tensor:
    """Compute the loss of D with real images labeled 1 - s.

    The result is ``minimax_d(real, fake) + s * mean(real)``.

    Derived in ``derivation("label_smoothing")``; Salimans et al. 2016, section 3.4.

    Parameters
    ----------
    real_logits, fake_logits : Tensor (N, ...) and (M, ...)
        D's logits for real images, and for generated (detached) ones.
    smoothing : float
        s, from 0 (none) to below 1.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If a Tensor is none, or empty, or `smoothing` is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> sure, moderate = mg.tensor([10.0]), mg.tensor([2.2])  # D(x) = 0.99995 and 0.9
    >>> fake = mg.tensor([-20.0])
    >>> label_smoothing_d(sure, fake).item() > label_smoothing_d(moderate, fake).item()
    True
    """
    check_number("label_smoothing_d", "smoothing", smoothing, below=1)
    loss = minimax_d(real_logits, fake_logits)
    return loss + smoothing * real_logits.mean() if smoothing else loss


@gradient_of(label_smoothing_d)
def label_smoothing_d_gradient(
    real_logits: Array, fake_logits: Array, smoothing: float = 0.1, *, g: float = 1.0
) -> tuple[Array, Array]:
    """Compute step 2: output minus label."""
    d_real, d_fake = minimax_d_gradient(real_logits, fake_logits, g=g)
    return d_real + g * smoothing / real_logits.size, d_fake
