r"""Feature matching

Salimans, Goodfellow, Zaremba, Cheung, Radford & Chen 2016, *Improved Techniques for Training GANs* (arXiv 1606.03498),
section 3.1.

## 1. The loss

$G$ is not asked to raise D's output.  It is asked to give its images the same **mean features** as real images have,
where the features $f(x)$ are the values of a hidden layer of D:

$$L_G = \|\bar f - \bar f'\|^2 = \sum_j (\bar f_j - \bar f'_j)^2, \qquad
  \bar f = \frac1N \sum_n f(x_n), \quad \bar f' = \frac1M \sum_m f(G(z_m))$$

D is trained as before.

## 2. The gradient

With $d = \bar f - \bar f'$

$$\frac{\partial L_G}{\partial f'_m} = -\frac{2}{M}\, d, \qquad \frac{\partial L_G}{\partial f_n} = \frac{2}{N}\, d$$

Every generated image of the batch gets the same gradient in its features.  The second formula is not used in training.

## 3. Why, and what it cannot do

With an ordinary loss the best answer to a fixed $D$ is the one image that $D$ likes most: a collapse.  Here one image
is not an answer, unless its features happen to be the mean of all; the target is a property of the *batch*.

It matches means only.  Two distributions with equal means of $f$ and different spreads have $L_G = 0$: the loss alone
decides nothing about the spread.  It is D that has to find features whose means differ.  In semi-supervised training
(derivation `semi_supervised`) it gives the better classifier, and images that look worse.

## 4. Sign, scale, detach

- **Sign.**  $G$ descends it; D does not get it at all.  (A D that raised it would only scale its features.)
- **Scale.**  A *sum* over the features, means over the two batches.  Twice as many features give about twice the loss.
- **Detach.**  $f(x_n)$ of real images is detached: it does not depend on $G$.  $f(G(z))$ is not; the gradient passes
  through D's layers into the image.  Only G's weights are updated.
"""

import numpy as np

from ..ops.elementwise import square
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["feature_matching"]


@loss
def feature_matching(real_features: Tensor, fake_features: Tensor) -> Tensor:
    """Compute the squared distance of the mean features of two batches.

    Derived in ``derivation("feature_matching")``; Salimans et al. 2016, section 3.1.

    Parameters
    ----------
    real_features : Tensor (N, ...)
        Values of a hidden layer of D for real images, detached.
    fake_features : Tensor (M, ...)
        The same for generated images, not detached.

    Returns
    -------
    Tensor ()
        A sum over the features.

    Raises
    ------
    TypeError, ValueError
        If a Tensor is none, or empty, or the features of an image differ in shape.

    Examples
    --------
    >>> import minigen as mg
    >>> feature_matching(mg.tensor([[0.0, 1.0], [2.0, 1.0]]), mg.tensor([[1.0, 4.0]]))  # means (1, 1) and (1, 4)
    tensor(9.)
    """
    check_scores("feature_matching", real_features=real_features, fake_features=fake_features)
    if real_features.ndim < 2 or real_features.shape[1:] != fake_features.shape[1:]:
        raise ValueError(
            "feature_matching: expected real_features (N, ...) and fake_features (M, ...) with features of one shape, "
            f"got {real_features.shape} and {fake_features.shape}"
        )
    return sum(square(real_features.mean(0) - fake_features.mean(0)))


@gradient_of(feature_matching)
def feature_matching_gradient(real_features: Array, fake_features: Array, *, g: float = 1.0) -> tuple[Array, Array]:
    """Compute step 2: one gradient for all images of a batch."""
    difference = real_features.mean(0) - fake_features.mean(0)
    per_real, per_fake = 2 * g / len(real_features) * difference, -2 * g / len(fake_features) * difference
    return (
        np.broadcast_to(per_real, real_features.shape).copy(),
        np.broadcast_to(per_fake, fake_features.shape).copy(),
    )
