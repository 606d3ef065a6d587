r"""The loss of a discriminator that is also a classifier

Salimans, Goodfellow, Zaremba, Cheung, Radford & Chen 2016, *Improved Techniques for Training GANs* (arXiv 1606.03498),
section 5.

## 1. K + 1 classes with K logits

A classifier of $K$ classes becomes a discriminator by one more class, "generated".  That gives $K + 1$ logits.  A
softmax does not change if the same number is added to all its logits, so one of them can be fixed: the logit of
"generated" is **0**, and $K$ logits $l_1 \ldots l_K$ are left.  With $Z = \log \sum_k e^{l_k}$

$$p(\text{real} \mid x) = \frac{\sum_k e^{l_k}}{\sum_k e^{l_k} + 1} = \sigma(Z), \qquad
  p(k \mid x, \text{real}) = \frac{e^{l_k}}{\sum_j e^{l_j}}$$

So $Z$ is the logit of an ordinary discriminator, and the softmax of the same $K$ numbers an ordinary classifier.

## 2. The loss

Three batches: labeled images (few), images without labels (many), and generated images.

$$L_D = \underbrace{-\frac1L \sum_i \log p(y_i \mid x_i, \text{real})}_{\text{classifier}}
  + \frac12 \Big[ \underbrace{\frac1N \sum_n \zeta(-Z_n)}_{-\log D, \text{ unlabeled}}
  + \underbrace{\frac1M \sum_m \zeta(Z'_m)}_{-\log(1 - D), \text{ generated}} \Big],
  \qquad \zeta(a) = \log(1 + e^a)$$

The labeled images are real too; they are usually among the unlabeled ones.

## 3. The gradient

$\partial Z/\partial l_k = p_k$, where $p_k = p(k \mid x, \text{real})$, and $\zeta' = \sigma$.  So

$$\frac{\partial L_D}{\partial l_{ik}} = \frac{p_{ik} - [k = y_i]}{L}, \qquad
  \frac{\partial L_D}{\partial l_{nk}} = \frac{p_{nk}\, (\sigma(Z_n) - 1)}{2N}, \qquad
  \frac{\partial L_D}{\partial l'_{mk}} = \frac{p'_{mk}\, \sigma(Z'_m)}{2M}$$

for labeled, unlabeled and generated images.  The middle formula says where the unlabeled images help: the push
$\sigma(Z) - 1$ is negative, it raises logits, and it is shared out in proportion to $p_k$.  The class that is the
likeliest already is raised most: an unlabeled image makes the classifier surer of *some* class, and generated images
hold all logits down.  Class borders then move to where no real images are.

## 4. The generator

$G$ descends `feature_matching` on a hidden layer of D (the paper's choice for the better classifier).

## 5. Sign, scale, detach

- **Sign.**  All three terms are negative log-likelihoods that D descends.
- **Scale.**  The half makes the real-or-generated part a mean over both kinds of images.  An undecided D with $K$ equal
  logits of 0 has $Z = \log K$, not 0.
- **Detach.**  The generated images are detached.
- **No labels for the rest.**  The unlabeled batch comes without labels, and the labeled images are a fixed subset.  A
  program that draws "the labeled ones" anew from the whole set in every epoch has seen all labels in the end.
"""

import numpy as np

from ..functional import cross_entropy, logsumexp, softplus
from ..tensor import Tensor
from .arrays import Array, sigmoid
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["semi_supervised_d"]


@loss
def semi_supervised_d(
    labelled_logits: Tensor, unlabelled_logits: Tensor, fake_logits: Tensor, labels: Tensor | Array
) -> Tensor:
    """Compute the loss of a discriminator with K logits, the classes of real images.

    The logit of the class "generated" is fixed at 0.

    Derived in ``derivation("semi_supervised")``; Salimans et al. 2016, section 5.

    Parameters
    ----------
    labelled_logits : Tensor (L, K)
    unlabelled_logits : Tensor (N, K)
    fake_logits : Tensor (M, K)
        Of generated, detached images.
    labels : Tensor or ndarray of int (L,)
        The classes of the labeled images, 0 to K - 1.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If the logits are no Tensors, empty, or differ in K, or the labels do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> sure = mg.tensor([[40.0, -40.0]])  # of the first class, and of being real
    >>> round(semi_supervised_d(sure, sure, mg.tensor([[-40.0, -40.0]]), np.array([0])).item(), 6)
    0.0
    """
    op, given = "semi_supervised_d", (labelled_logits, unlabelled_logits, fake_logits)
    check_scores(op, labelled_logits=labelled_logits, unlabelled_logits=unlabelled_logits, fake_logits=fake_logits)
    if {(t.ndim, t.shape[-1]) for t in given} != {(2, labelled_logits.shape[-1])}:
        raise ValueError(
            f"{op}: expected logits (L, K), (N, K) and (M, K) of one K, got {', '.join(str(t.shape) for t in given)}"
        )
    labels = labels if isinstance(labels, Tensor) else Tensor(np.asarray(labels))
    if labels.dtype.kind not in "iu" or labels.shape != labelled_logits.shape[:1]:
        raise ValueError(
            f"{op}: argument 'labels': expected whole numbers ({labelled_logits.shape[0]},), "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    real, fake = logsumexp(unlabelled_logits, 1), logsumexp(fake_logits, 1)
    return cross_entropy(labelled_logits, labels) + 0.5 * (softplus(-real).mean() + softplus(fake).mean())


@gradient_of(semi_supervised_d)
def semi_supervised_d_gradient(
    labelled_logits: Array, unlabelled_logits: Array, fake_logits: Array, labels: Array, *, g: float = 1.0
) -> tuple[Array, Array, Array]:
    """Compute step 3."""
    of_labelled, (of_real, real), (of_fake, fake) = (
        _softmax(labelled_logits)[0], _softmax(unlabelled_logits), _softmax(fake_logits)
    )  # fmt: skip
    hit = (np.arange(labelled_logits.shape[1]) == labels[:, None]).astype(labelled_logits.dtype)
    return (
        g / len(labelled_logits) * (of_labelled - hit),
        -g / (2 * len(unlabelled_logits)) * of_real * sigmoid(-real),
        g / (2 * len(fake_logits)) * of_fake * sigmoid(fake),
    )


def _softmax(logits: Array) -> tuple[Array, Array]:
    """The softmax (N, K) of each row and the logarithm of its denominator (N, 1)."""
    most = logits.max(1, keepdims=True)
    powers = np.exp(logits - most)
    total = powers.sum(1, keepdims=True)
    return powers / total, most + np.log(total)
