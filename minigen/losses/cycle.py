r"""The cycle loss: there and back again

Zhu et al. 2017, *Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks* (arXiv 1703.10593),
equation 2.

## 1. The loss

Two collections of images without pairs, $x$ of the one and $y$ of the other; a network $A$ from the first to the
second, and $B$ back.  Adversaries ask that $A(x)$ looks like some $y$, and $B(y)$ like some $x$; the cycle loss asks
that each network undoes the other:

$$L = \mathrm{mean}\,|B(A(x)) - x| + \mathrm{mean}\,|A(B(y)) - y|$$

## 2. The gradients

With $x' = B(A(x))$ of $n$ values and $y' = A(B(y))$ of $m$ values,

$$\frac{\partial L}{\partial x'} = \frac{\mathrm{sign}(x' - x)}{n}, \qquad
  \frac{\partial L}{\partial y'} = \frac{\mathrm{sign}(y' - y)}{m}$$

and the negatives in $x$ and $y$.  At $x' = x$ any value in $[-1/n, 1/n]$ is a subgradient; ours is 0.

## 3. Both networks learn from both terms

For linear maps $A$ and $B$ (matrices) and one $x$, with $s = \mathrm{sign}(BAx - x)/n$, the first term has

$$\frac{\partial L}{\partial B} = s\,(A x)^T, \qquad \frac{\partial L}{\partial A} = B^T s\, x^T$$

The gradient in $A$ comes through $B$.  If $A(x)$ were detached, it would be 0: $B$ would learn to undo whatever $A$
does, and $A$ would never learn to keep what $B$ needs.

## 4. What a loss of 0 says, and what it does not

$L = 0$ means $B = A^{-1}$ on the data: $A$ loses nothing.  **Any** one-to-one map between the collections has that:
colors exchanged, mirror images, every digit 3 written as an 8.  The adversaries cannot tell them apart either: each
gives the right distribution.  So the two losses do not determine the map; what picks one is what the networks find
first, and a convolutional network of few layers finds maps that change little.

## 5. Sign, scale, detach

- **Scale.**  Means over all values, so the weight does not depend on the size of the images.  Both terms have weight 1;
  the paper multiplies the sum by 10.
- **L1**, as in the paper: the median is sharper than the mean.
- **Detach.**  Nothing: see section 3.  (The discriminators' step detaches $A(x)$ and $B(y)$; that is another loss.)
"""

import numpy as np

from ..ops.elementwise import abs
from ..tensor import Tensor
from .arrays import Array
from .registry import gradient_of, loss

__all__ = ["cycle_loss"]


@loss
def cycle_loss(x_back: Tensor, x: Tensor, y_back: Tensor, y: Tensor) -> Tensor:
    """Compute how far images are from themselves after the way there and back: ``|BA(x) - x| + |AB(y) - y|``, means.

    Derived in ``derivation("cycle")``; Zhu et al. 2017, equation 2, without its weight.

    Parameters
    ----------
    x_back, x : Tensor (N, ...)
        B(A(x)), nothing detached, and x.
    y_back, y : Tensor (M, ...)
        A(B(y)), and y.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If an argument is not a Tensor, or empty, or two shapes differ.

    Examples
    --------
    >>> import minigen as mg
    >>> x, y = mg.zeros(1, 4), mg.ones(2, 3)
    >>> cycle_loss(x + 0.5, x, y, y)
    tensor(0.5)
    """
    for name, back, image in (("x", x_back, x), ("y", y_back, y)):
        for one in (back, image):
            if not isinstance(one, Tensor):
                raise TypeError(f"cycle_loss: expected Tensors, got {type(one).__name__}")
        if back.shape != image.shape or not image.numel():
            raise ValueError(
                f"cycle_loss: expected {name}_back and {name} of one shape, not empty, "
                f"got {back.shape} and {image.shape}"
            )
    return abs(x_back - x).mean() + abs(y_back - y).mean()


@gradient_of(cycle_loss)
def cycle_loss_gradient(x_back: Array, x: Array, y_back: Array, y: Array, *, g: float = 1.0) -> tuple[Array, ...]:
    """Compute step 2: the signs of the differences, divided by their number."""
    in_x, in_y = g * np.sign(x_back - x) / x.size, g * np.sign(y_back - y) / y.size
    return in_x, -in_x, in_y, -in_y
