r"""The Gram loss: the same texture, anywhere

Gatys, Ecker and Bethge 2016, *Image Style Transfer Using Convolutional Neural Networks* (CVPR), equations 3 to 5; with
random filters: Ustyuzhaninov et al. 2016, *Texture Synthesis Using Shallow Convolutional Networks with Random Filters*
(arXiv 1606.00021).

## 1. The loss

Features $F$ of one image: $C$ channels, each with its $P = HW$ pixels as a row, so $F$ is $C \times P$.  The *Gram
matrix* is the mean product of every two channels:

$$G = \frac{F F^T}{P}, \qquad L = \frac{\|G - A\|^2}{\|A\|^2}$$

with $A$ the Gram matrix of the style image and $\|\cdot\|^2$ the sum of squares.

## 2. The gradient

Change $F$ by $dF$.  Then $dG = (dF\, F^T + F\, dF^T)/P$ and, with $E = G - A$,

$$dL = \frac{2}{\|A\|^2} \langle E, dG \rangle
     = \frac{2}{P\,\|A\|^2} \big(\langle E F, dF \rangle + \langle E^T F, dF \rangle\big)$$

$E$ is symmetric, so the two terms are equal:

$$\frac{\partial L}{\partial F} = \frac{4\,(G - A)\,F}{P\,\|A\|^2}$$

The 4 is 2 of the square times 2 of the symmetry of $G$.  In $A$: $-2E/\|A\|^2 - 2\|E\|^2 A/\|A\|^4$.

## 3. What the Gram matrix sees

If the pixels are permuted, the same way in all channels, $F$ becomes $F\Pi$ with a permutation matrix $\Pi$, and
$F \Pi \Pi^T F^T = F F^T$: **nothing changes**.  The Gram matrix knows which features come together, and how strongly,
and not where.  All that it knows of shape is what a filter covers: a filter of 9 pixels sees strokes, not stones.

## 4. Sign, scale, detach

- **Scale: divide by $P$ once**, in $G$: images of different sizes are comparable.  (Some programs divide again in the
  loss; then the weight depends on the size.)
- **Divide by $\|A\|^2$**: every layer has a loss of 1 for features of 0, so layers need no weights.
- **A style of one color** has features, and so an $A$, of 0 once means are subtracted: there is no style to transfer.
- **Detach.**  $A$ is a constant: it is computed once.
- Several images: the mean of their losses.
"""

import numpy as np

from ..ops.elementwise import square
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array
from .registry import gradient_of, loss

__all__ = ["gram_loss", "gram_matrix"]


def gram_matrix(features: Tensor) -> Tensor:
    """Compute the mean product of every two channels, (N, C, C), of features (N, C, H, W).

    Examples
    --------
    >>> import minigen as mg
    >>> gram_matrix(mg.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]]]))
    tensor([[[5., 3.],
             [3., 2.]]])
    """
    rows = features.flatten(2)
    gram: Tensor = rows @ rows.transpose(1, 2) / rows.shape[2]
    return gram


@loss
def gram_loss(features: Tensor, target: Tensor) -> Tensor:
    """Compute how far the Gram matrix of features is from a target: ``|G - A|^2 / |A|^2``, the mean over the images.

    Derived in ``derivation("gram")``; Gatys et al. 2016, equation 4, divided by the norm of the target.

    Parameters
    ----------
    features : Tensor (N, C, H, W)
    target : Tensor (N, C, C)
        `gram_matrix` of the features of the style image.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If an argument is not a Tensor, the shapes do not fit, or the target is 0 everywhere (checked on the CPU only).

    Examples
    --------
    >>> import minigen as mg
    >>> features = mg.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]]])
    >>> gram_loss(features, gram_matrix(features)), gram_loss(0 * features, gram_matrix(features))
    (tensor(0.), tensor(1.))
    """
    for one in (features, target):
        if not isinstance(one, Tensor):
            raise TypeError(f"gram_loss: expected Tensors, got {type(one).__name__}")
    if features.ndim != 4 or target.shape != (features.shape[0], features.shape[1], features.shape[1]):
        raise ValueError(
            f"gram_loss: expected features (N, C, H, W) and a target (N, C, C), got {features.shape} and {target.shape}"
        )
    if target.device == "cpu" and not target.data.any(axis=(1, 2)).all():
        raise ValueError("gram_loss: argument 'target' is 0 everywhere: an image of one color has no style")
    error = sum(square(gram_matrix(features) - target), (1, 2))
    return (error / sum(square(target), (1, 2))).mean()


@gradient_of(gram_loss)
def gram_loss_gradient(features: Array, target: Array, *, g: float = 1.0) -> tuple[Array, ...]:
    """Compute step 2: four times the difference times the features."""
    count, pixels = len(features), int(np.prod(features.shape[2:]))
    rows = features.reshape(*features.shape[:2], pixels)
    error = rows @ rows.transpose(0, 2, 1) / pixels - target
    norm = np.square(target).sum((1, 2), keepdims=True)
    # The gradient in a target that is not symmetric needs no symmetry; that in the features takes both halves.
    in_features = 2 * (error + error.transpose(0, 2, 1)) @ rows / (pixels * norm)
    in_target = -2 * error / norm - 2 * np.square(error).sum((1, 2), keepdims=True) * target / norm**2
    return g / count * in_features.reshape(features.shape), g / count * in_target
