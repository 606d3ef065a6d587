r"""The Wasserstein GAN loss, with a gradient penalty (WGAN-GP)

Gulrajani et al. 2017, *Improved Training of Wasserstein GANs* (arXiv 1704.00028), equation 3 and Algorithm 1.

## 1. The loss

The critic $f$ of a Wasserstein GAN must be 1-Lipschitz (see the derivation `wgan`).  A differentiable $f$ is, exactly
when $\|\nabla_x f(x)\| \le 1$ everywhere.  In place of clipped weights, a penalty on that norm:

$$L_D = -\frac1N \sum_n s_n + \frac1M \sum_m s'_m + P, \qquad
  P = \frac{\kappa}{N} \sum_n (\|u_n\| - 1)^2, \qquad u_n = \nabla_{\hat x} f(\hat x_n)$$

with $\kappa = 10$ (the paper's $\lambda$).  $G$'s loss is `wgan_g`.

## 2. Where: on lines between real and generated images

"Everywhere" cannot be sampled.  The paper takes $\hat x_n = t_n x_n + (1 - t_n)\, G(z_n)$ with $t_n$ uniform in
$[0, 1]$, *one number an image*.  The reason is its Proposition 1: the optimal critic has a gradient of norm exactly 1
almost everywhere on the straight lines between the pairs of the optimal transport plan; random pairs stand in for
these.  Hence also the target 1 from *both* sides, and not only $\max(0, \|u\| - 1)^2$.

## 3. The gradient in the input gradients

Per image, with $r = \|u\|$, $\partial r/\partial u = u/r$ (differentiate $r^2 = \sum_i u_i^2$), so

$$\frac{\partial P}{\partial u_n} = \frac{2 \kappa}{N}\, (\|u_n\| - 1)\, \frac{u_n}{\|u_n\|}$$

It points against $u_n$ where the norm is below 1 and descent then lengthens it.  At $u = 0$ the norm has no derivative;
ours is 0 there, by convention.  (The formula $\sqrt{\sum u_i^2}$ would give $0 \cdot \infty$, a NaN that ends the
training.)

## 4. On to the weights: double backward

$u_n$ is itself a gradient, and the weights $\theta$ of the critic are trained by the gradient *of that gradient*.  With
$r_n = \partial P/\partial u_n$ from step 3, held constant, the chain rule is

$$\frac{\partial P}{\partial \theta} = \sum_n \Big(\frac{\partial u_n}{\partial \theta}\Big)^{\!\top} r_n
    = \frac{\partial}{\partial \theta} \sum_n r_n^\top \nabla_x f_\theta(\hat x_n)$$

a second pass backward through the first.  That is why $u$ is computed with `create_graph=True`: without it $u$ is a
constant, and the penalty has no gradient at all.

*A linear critic*, $f(x) = w^\top x$: $u_n = w$ for all images, and
$\partial P/\partial w = 2\kappa\,(\|w\| - 1)\, w/\|w\|$.

*A critic with one hidden layer*, $f(x) = v^\top a$ with $a = \tanh(Wx)$.  As $\tanh' = 1 - \tanh^2$, with $b = 1 - a^2$
element by element

$$u = W^\top (v \odot b), \qquad r^\top u = \sum_j v_j\, b_j\, (W r)_j$$

$v_j$ appears once.  $W$ appears twice: openly in $(Wr)_j$, and within $b_j$, where
$\partial b_j/\partial (Wx)_j = -2 a_j b_j$:

$$\frac{\partial (r^\top u)}{\partial v} = b \odot Wr, \qquad
  \frac{\partial (r^\top u)}{\partial W} = (v \odot b)\, r^\top - 2\, (v \odot a \odot b \odot Wr)\, x^\top$$

The last term is the one that is lost if a backward pass uses a saved array in place of the recorded $a$: first order
right, second silently wrong.  ReLU and LeakyReLU critics have $b$ piecewise constant and lack that term.

## 5. One image, one norm; no batch norm

- The norm is taken over all pixels *of one image*, then squared and averaged over the images.  One norm over the whole
  batch punishes their sum, and is larger by $\sqrt N$; one along the channels alone is a different number per pixel.
- $u_n$ is computed for all images at once as the gradient of $\sum_n f(\hat x_n)$.  That is right only if $f(\hat x_n)$
  depends on $\hat x_n$ alone.  **Batch norm** mixes the images of a batch: then the $n$-th gradient is that of
  everybody's scores, and $f$ is not a function of an image at all.  Use layer norm, instance norm, or none (the paper's
  section 4).  `critic_gradients` refuses batch norm.

## 6. Sign, scale, detach

- **Sign.**  $+\kappa$ in $L_D$: the penalty is to fall.  Only the critic pays it.
- **Scale.**  A mean over images, so $\kappa = 10$ holds for any batch.  A critic that starts flat pays
  $P \approx \kappa = 10$ at first; in a healthy run $P$ is soon between 0 and 1, and $-(L_D - P)$ estimates $W$
  itself, no longer $k\,W$.
- **Detach.**  $x$ and $G(z)$ are both detached before they are mixed: $\hat x$ is a new leaf.  $\hat x \to f \to u$ is
  *not* detached: the penalty lives on that path.
- **Second order in the weights only.**  $\nabla_x$ is taken in the input, not in the weights.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import check_number
from ..backend import array_module
from ..engine import grad
from ..ops.elementwise import sqrt, square, where
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores, check_separate_scores
from .registry import gradient_of, loss
from .wgan import wgan_d, wgan_d_gradient

__all__ = ["critic_gradients", "gradient_penalty", "wgan_gp_d"]


@loss
def gradient_penalty(input_gradients: Tensor, weight: float = 10.0) -> Tensor:
    """Compute ``weight`` times the mean of (norm of the critic's gradient - 1)^2.

    Derived in ``derivation("wgan_gp")``; Gulrajani et al. 2017, equation 3.

    Parameters
    ----------
    input_gradients : Tensor (N, ...)
        The critic's gradient in each of N images, as `critic_gradients` gives it.
    weight : float
        The paper's lambda, at least 0.

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
    >>> gradient_penalty(mg.tensor([[3.0, 4.0], [0.6, 0.8]]))  # norms 5 and 1
    tensor(80.)
    """
    check_scores("gradient_penalty", input_gradients=input_gradients)
    check_number("gradient_penalty", "weight", weight)
    if input_gradients.ndim < 2:
        raise ValueError(
            f"gradient_penalty: expected one gradient an image, (N, ...), got shape {input_gradients.shape}: "
            "the norm is taken over each image by itself"
        )
    squared = sum(square(input_gradients), tuple(range(1, input_gradients.ndim)))
    sloped = squared > 0  # the root has no derivative at 0: there a constant replaces it
    norm = where(sloped, sqrt(where(sloped, squared, 1.0)), 0.0)
    return weight * square(norm - 1).mean()


@gradient_of(gradient_penalty)
def gradient_penalty_gradient(input_gradients: Array, weight: float = 10.0, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 3: along the gradient of each image, 0 where that is 0."""
    n = len(input_gradients)
    norm = np.sqrt((input_gradients**2).reshape(n, -1).sum(1)).reshape(n, *[1] * (input_gradients.ndim - 1))
    direction = input_gradients / np.where(norm > 0, norm, 1)
    return (g * 2 * weight / n * (norm - 1) * direction,)


@loss
def wgan_gp_d(real_scores: Tensor, fake_scores: Tensor, input_gradients: Tensor, weight: float = 10.0) -> Tensor:
    """Compute the loss of the critic; that of G is `wgan_g`.

    The result is ``mean(fake) - mean(real) + gradient_penalty``.

    Derived in ``derivation("wgan_gp")``; Gulrajani et al. 2017, equation 3.

    Parameters
    ----------
    real_scores, fake_scores : Tensor (N, ...) and (M, ...)
        The critic's outputs for real images, and for generated (detached) ones.
    input_gradients : Tensor (N, ...)
        The critic's gradient in each of N images, as `critic_gradients` gives it.
    weight : float
        The paper's lambda, at least 0.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        As `wgan_d` and `gradient_penalty`.

    Examples
    --------
    >>> import minigen as mg
    >>> wgan_gp_d(mg.tensor([3.0]), mg.tensor([0.5]), mg.tensor([[0.6, 0.8]]))
    tensor(-2.5)
    """
    return wgan_d(real_scores, fake_scores) + gradient_penalty(input_gradients, weight)


@gradient_of(wgan_gp_d)
def wgan_gp_d_gradient(
    real_scores: Array, fake_scores: Array, input_gradients: Array, weight: float = 10.0, *, g: float = 1.0
) -> tuple[Array, Array, Array]:
    """Compute step 3, and that of the derivation `wgan`."""
    d_real, d_fake = wgan_d_gradient(real_scores, fake_scores, g=g)
    return d_real, d_fake, gradient_penalty_gradient(input_gradients, weight, g=g)[0]


def critic_gradients(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Any) -> Tensor:
    """Compute the critic's gradients between real and generated images.

    They are recorded, so that a loss made of them has a gradient in the critic's weights.

    Why there, and why no batch norm, is said in ``derivation("wgan_gp")``; Gulrajani et al. 2017, Algorithm 1.

    Parameters
    ----------
    critic : Module or callable
        (N, ...) to N scores; each score depends on one image only.
    real, fake : Tensor (N, ...) of one shape
        Detached here.
    mix : array or Tensor (N,)
        Where on the line: 1 is the real image, 0 the generated one; usually uniform random numbers.

    Returns
    -------
    Tensor (N, ...)

    Raises
    ------
    ValueError
        If the shapes do not fit, or the critic holds batch norm in training mode.

    Examples
    --------
    >>> import minigen as mg
    >>> critic = lambda x: (x * x).sum(1)  # its gradient is 2x
    >>> critic_gradients(critic, mg.ones(2, 3), mg.zeros(2, 3), mg.tensor([1.0, 0.5])).detach()
    tensor([[2., 2., 2.],
            [1., 1., 1.]])
    """
    mix = mix.data if isinstance(mix, Tensor) else array_module(real.data).asarray(mix)
    if real.shape != fake.shape or real.ndim < 2 or mix.shape != real.shape[:1]:
        raise ValueError(
            "critic_gradients: expected real and fake of one shape (N, ...) and mix (N,), "
            f"got {real.shape}, {fake.shape} and {mix.shape}"
        )
    check_separate_scores("critic_gradients", critic)
    t = mix.reshape(-1, *[1] * (real.ndim - 1)).astype(real.dtype)
    points = Tensor(t * real.data + (1 - t) * fake.data, requires_grad=True)
    scores: Tensor = critic(points)
    if scores.ndim == 0 or scores.shape[0] != real.shape[0]:
        raise ValueError(
            f"critic_gradients: expected the critic to score each of {len(mix)} images, got {scores.shape}"
        )
    gradients: Tensor | None = grad(scores.sum(), points, create_graph=True)[0]
    assert gradients is not None  # grad raises for a critic that does not use its input
    return gradients
