r"""The zero-centered gradient penalty (R1 and R2)

Mescheder, Geiger & Nowozin 2018, *Which Training Methods for GANs do actually Converge?* (arXiv 1801.04406), eq. 9.

## 1. The penalty

Let $u_n = \nabla_x \ell(x_n)$ be the gradient of D's **logit** $\ell$ in the image $x_n$ (not of its sigmoid, and not
of the loss).  The penalty is half the mean squared norm, times a weight $\gamma$:

$$P = \frac{\gamma}{2N} \sum_{n=1}^{N} \|u_n\|^2$$

On *real* images it is **R1**, on *generated* (detached) images **R2**.  It is added to the loss of D.

## 2. Why

Where the generated images have reached the data, $D$ should give no direction any more: its gradient should be 0 there.
Without a penalty nothing makes it 0, and $G$ is pushed on, around the solution and not into it.  The paper shows this
for one number: $D(x) = \psi x$ against $G = \theta$, where gradient descent circles around $\theta = \psi = 0$ and R1
makes the circle a spiral into the center.

A bounded slope also concerns mode collapse.  A discriminator without a bound may be flat around a place that $G$ left
and steep around the place where $G$ is.  A smooth $D$ still has a slope at a distance from the data, which $G$ can
follow to a mode that it misses.

## 3. The gradient in the input gradients

$\|u_n\|^2 = \sum_i u_{n,i}^2$, so

$$\frac{\partial P}{\partial u_n} = \frac{\gamma}{N}\, u_n$$

It is linear and smooth everywhere, $u_n = 0$ included.  (The norm in the penalty of the derivation `wgan_gp` has no
derivative at 0.)

## 4. On to the weights: double backward

$u_n$ is a gradient itself.  With $r_n = \gamma u_n / N$ held constant, as in step 4 of the derivation `wgan_gp`,

$$\frac{\partial P}{\partial \theta} = \frac{\partial}{\partial \theta} \sum_n r_n^\top \nabla_x \ell_\theta(x_n)$$

*A linear* $D$, $\ell(x) = w^\top x$: $u_n = w$, $P = \frac{\gamma}{2} \|w\|^2$: R1 is then the L2 penalty with the
weight $\gamma$.

## 5. Sign, scale, detach

- **Sign.**  $+$ in $L_D$: the penalty is to fall.  Only D pays it.
- **Scale.**  $u$ has the unit 1 over the unit of $x$.  If the data are multiplied by $c$, the same $D$ has slopes
  $1/c$ as large, so $\gamma$ must be multiplied by $c^2$.  A value from a paper is a value for that paper's range of
  pixels.
- **The half** makes $\gamma$ the factor of the gradient.  Some programs leave it out: their $\gamma$ counts twice.
- **No batch norm in D**: the logit of an image would depend on the other images of the batch, and $u_n$ would not be
  the gradient of one function.  `input_gradients` refuses it.
- **Detach.**  $x_n$ is a new leaf; $\theta \to \ell \to u$ is not detached, the penalty acts through it.
"""

from collections.abc import Callable

from ..arguments import check_number
from ..engine import grad
from ..ops.elementwise import square
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores, check_separate_scores
from .registry import gradient_of, loss

__all__ = ["input_gradients", "zero_centred_penalty"]


@loss
def zero_centred_penalty(input_gradients: Tensor, weight: float = 1.0) -> Tensor:
    """Compute ``weight / 2`` times the mean squared norm of D's gradients: R1 or R2.

    Derived in ``derivation("zero_centred")``; Mescheder et al. 2018, equation 9.

    Parameters
    ----------
    input_gradients : Tensor (N, ...)
        The gradient of D's logit in each of N images, as the function `input_gradients` gives it: for R1 at real
        images, for R2 at generated ones.
    weight : float
        The paper's gamma, at least 0.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If the gradients are no Tensor, empty, or a mere vector, or `weight` is negative.

    Examples
    --------
    >>> import minigen as mg
    >>> zero_centred_penalty(mg.tensor([[3.0, 4.0], [0.0, 0.0]]), weight=2.0)  # squared norms 25 and 0
    tensor(12.5)
    """
    check_scores("zero_centred_penalty", input_gradients=input_gradients)
    check_number("zero_centred_penalty", "weight", weight)
    if input_gradients.ndim < 2:
        raise ValueError(
            "zero_centred_penalty: argument 'input_gradients': expected one gradient an image, (N, ...), "
            f"got shape {input_gradients.shape}"
        )
    return 0.5 * weight / input_gradients.shape[0] * sum(square(input_gradients))


@gradient_of(zero_centred_penalty)
def zero_centred_penalty_gradient(input_gradients: Array, weight: float = 1.0, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 3."""
    return (g * weight / len(input_gradients) * input_gradients,)


def input_gradients(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Compute the gradient of a critic's output in each of its inputs.

    They are recorded, so that a loss made of them has a gradient in the critic's weights.

    Parameters
    ----------
    critic : Module or callable
        (N, ...) to N scores; each score depends on one image only.
    images : Tensor (N, ...)
        Detached here.

    Returns
    -------
    Tensor (N, ...)

    Raises
    ------
    ValueError
        If the critic holds batch norm in training mode, or does not give a score for each image.

    Examples
    --------
    >>> import minigen as mg
    >>> input_gradients(lambda x: (x * x).sum(1), mg.tensor([[1.0, -2.0]])).detach()
    tensor([[ 2., -4.]])
    """
    check_separate_scores("input_gradients", critic)
    points = Tensor(images.data, requires_grad=True)
    scores: Tensor = critic(points)
    if scores.ndim == 0 or scores.shape[0] != points.shape[0]:
        raise ValueError(
            f"input_gradients: expected the critic to score each of {points.shape[0]} images, got {scores.shape}"
        )
    gradients: Tensor | None = grad(scores.sum(), points, create_graph=True)[0]
    assert gradients is not None  # grad raises for a critic that does not use its input
    return gradients
