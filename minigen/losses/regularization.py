r"""L1 and L2 regularization

Hoerl & Kennard 1970 (L2, ridge regression); Tibshirani 1996 (L1, the lasso); Goodfellow, Bengio & Courville 2016, *Deep
Learning*, section 7.1.

## 1. The penalties

Added to a loss, over all chosen weights $w_i$ (the papers' $\lambda$ is $\kappa$ here):

$$R_1 = \kappa \sum_i |w_i|, \qquad R_2 = \frac{\kappa}{2} \sum_i w_i^2$$

They are the negative log-densities of a prior on the weights, constants aside: Laplace with scale $1/\kappa$, and
normal with variance $1/\kappa$.  A regularized loss is then a posterior's.

## 2. The gradients

$$\frac{\partial R_1}{\partial w_i} = \kappa\, \mathrm{sign}(w_i), \qquad
  \frac{\partial R_2}{\partial w_i} = \kappa\, w_i$$

**At the kink** $w_i = 0$ any value in $[-\kappa, \kappa]$ is a subgradient of $R_1$; ours is 0.

L2 pulls in proportion to the weight: large weights shrink, none becomes 0.  L1 pulls equally hard to the end, and makes
weights 0: where the loss's own slope is less than $\kappa$, 0 is the best place.

**How near to 0.**  Descent along the subgradient does not stop there: it steps over 0 and back, within a step of size
$\eta\kappa$ of SGD, or $\eta$ of Adam, where the penalty is all that acts.  With a learning rate $\eta$ that falls to 0
the weights end as near to 0 as the last steps are short.  Exact zeros need one of two things.  The *proximal* step
(Daubechies, Defrise & De Mol 2004) minimizes the penalty exactly: after a step along the loss alone to $v$,

$$w = \arg\min_w \; \tfrac12 (w - v)^2 + \eta\kappa |w| = \mathrm{sign}(v) \max(|v| - \eta\kappa,\, 0)$$

It belongs to plain SGD, since Adam has another $\eta$ for each weight.  Or small weights are set to 0 after the
training, by `minigen.compress.prune`: that is what we do.

## 3. Sign, scale, detach

- **Sign.**  Added to a loss that is *minimized*.
- **The half.**  With it the gradient is $\kappa w$, and one step of SGD with rate $\eta$ is
  $w \leftarrow (1 - \eta\kappa)\, w - \eta \nabla L$: precisely the `weight_decay` $=\kappa$ of `SGD`.  Without it
  $\kappa$ means twice as much.
- **Not with Adam.**  Adam divides this gradient too by the root of its second moment, so that all weights shrink alike;
  the decay of `AdamW` is applied outside (Loshchilov & Hutter 2019, arXiv 1711.05101).
- **A sum, not a mean**: the prior is a product over weights.  As the loss is a mean over $N$ images of a batch, the
  pull corresponds to the log-prior divided by the number of training images.
- **Which weights.**  Matrices and filters.  Not biases, nor a batch norm's scale and shift: they do not make a function
  steep.
- **Detach.**  Nothing; the data are not involved.
"""

import functools
import operator
from collections.abc import Iterable

import numpy as np

from ..arguments import check_number
from ..ops.elementwise import abs, square
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array
from .registry import gradient_of, loss

__all__ = ["l1_penalty", "l2_penalty"]


@loss
def l1_penalty(parameters: Iterable[Tensor], weight: float = 1e-4) -> Tensor:
    """Compute ``weight * sum(abs(w))`` over all parameters.

    Derived in ``derivation("regularization")``.

    Parameters
    ----------
    parameters : iterable of Tensor
        Such as ``[p for p in model.parameters() if p.ndim > 1]``, which leaves biases out.
    weight : float
        At least 0.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If there are no parameters, or `weight` is negative.

    Examples
    --------
    >>> import minigen as mg
    >>> l1_penalty([mg.tensor([1.0, -2.0]), mg.tensor([[4.0]])], weight=0.5)
    tensor(3.5)
    """
    check_number("l1_penalty", "weight", weight)
    return weight * _total("l1_penalty", [sum(abs(w)) for w in parameters])


@gradient_of(l1_penalty)
def l1_penalty_gradient(parameters: Iterable[Array], weight: float = 1e-4, *, g: float = 1.0) -> tuple[Array, ...]:
    """Compute step 2: one gradient for each parameter."""
    return tuple(g * weight * np.sign(w) for w in parameters)


@loss
def l2_penalty(parameters: Iterable[Tensor], weight: float = 1e-4) -> Tensor:
    """Compute ``weight / 2 * sum(w^2)`` over all parameters.

    Derived in ``derivation("regularization")``.

    Parameters
    ----------
    parameters : iterable of Tensor
        Such as ``[p for p in model.parameters() if p.ndim > 1]``, which leaves biases out.
    weight : float
        At least 0.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If there are no parameters, or `weight` is negative.

    Examples
    --------
    >>> import minigen as mg
    >>> l2_penalty([mg.tensor([1.0, -2.0]), mg.tensor([[4.0]])], weight=1)
    tensor(10.5)
    """
    check_number("l2_penalty", "weight", weight)
    return 0.5 * weight * _total("l2_penalty", [sum(square(w)) for w in parameters])


@gradient_of(l2_penalty)
def l2_penalty_gradient(parameters: Iterable[Array], weight: float = 1e-4, *, g: float = 1.0) -> tuple[Array, ...]:
    """Compute step 2: one gradient for each parameter."""
    return tuple(g * weight * w for w in parameters)


def _total(op: str, terms: list[Tensor]) -> Tensor:
    if not terms:
        raise ValueError(f"{op}: argument 'parameters': expected at least one Tensor, got none")
    return functools.reduce(operator.add, terms)
