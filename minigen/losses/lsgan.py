r"""The least-squares GAN loss (LSGAN)

Mao et al. 2017, *Least Squares Generative Adversarial Networks* (arXiv 1611.04076), equation 2.

## 1. The loss

$D$ ends in a plain score $s$, *without* a sigmoid, and regresses it to a target: $b$ for real images, $a$ for generated
ones. $G$ wants its images to score $c$:

$$L_D = \frac{1}{2N} \sum_n (s_n - b)^2 + \frac{1}{2M} \sum_m (s'_m - a)^2, \qquad
  L_G = \frac{1}{2M} \sum_m (s'_m - c)^2$$

By default $a = 0$ and $b = c = 1$, the paper's 0-1 coding.

## 2. The gradients

$$\frac{\partial L_D}{\partial s_n} = \frac{s_n - b}{N}, \qquad
  \frac{\partial L_D}{\partial s'_m} = \frac{s'_m - a}{M}, \qquad
  \frac{\partial L_G}{\partial s'_m} = \frac{s'_m - c}{M}$$

The half in front cancels the 2 of the square.  The gradient is as large as the distance to the target: unlike a
logarithm's it never saturates while an image is far off, and unlike a logarithm's it also pulls *back* images that lie
beyond the target, on the right side of the boundary but far from the data.

## 3. What the game's solution is

Let $p$ be the density of the data, $q$ that of the generated images.  At each $x$,
$\frac12 p\,(s - b)^2 + \frac12 q\,(s - a)^2$ is least where $p\,(s - b) + q\,(s - a) = 0$:

$$D^*(x) = \frac{b\, p(x) + a\, q(x)}{p(x) + q(x)}$$

At $p = q$ that is $(a + b)/2$ everywhere.  To see what $G$ then descends, add $\frac12 E_x[(D - c)^2]$ to $L_G$ (its
gradient in $G$ is 0 as long as $D$ is held); twice the sum is

$$\int (p + q) \Big(\frac{b p + a q}{p + q} - c\Big)^2 dx
  = \int \frac{\big((b - c)\, p + (a - c)\, q\big)^2}{p + q} \, dx$$

With $b - c = 1$ and $b - a = 2$ (so $a - c = -1$) it is $\int (p - q)^2/(p + q) \, dx$, the Pearson $\chi^2$ divergence
$\chi^2(p + q \,\|\, 2q)$ of the paper, 0 only at $p = q$.  The default coding does not satisfy these two equations; the
paper found both to work alike.

## 4. Sign, scale, detach

- **Sign.**  Both losses are plain squares to be made small; no minus anywhere.
- **Scale.**  With the defaults an undecided $D$ (score 1/2) pays $\frac18 + \frac18 = \frac14$, and $G$ pays $\frac18$.
  Some programs leave the halves out: twice these numbers.
- **No sigmoid.**  The score is a regression, not a probability; a sigmoid would bring the vanishing gradient back.
- **Detach.**  The generated images in $D$'s step, nothing in $G$'s.
"""

from ..ops.elementwise import square
from ..tensor import Tensor
from .arrays import Array
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["lsgan_d", "lsgan_g"]


@loss
def lsgan_d(real_scores: Tensor, fake_scores: Tensor, fake_target: float = 0.0, real_target: float = 1.0) -> Tensor:
    """Compute the loss of D: half the mean squared distance of scores to their targets.

    Derived in ``derivation("lsgan")``; Mao et al. 2017, equation 2.

    Parameters
    ----------
    real_scores, fake_scores : Tensor (N, ...) and (M, ...)
        D's outputs, without a sigmoid, for real images, and for generated (detached) ones.
    fake_target, real_target : float
        The paper's a and b.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If a Tensor is none, or empty, or the targets are equal.

    Examples
    --------
    >>> import minigen as mg
    >>> lsgan_d(mg.tensor([0.5]), mg.tensor([0.5]))
    tensor(0.25)
    """
    check_scores("lsgan_d", real_scores=real_scores, fake_scores=fake_scores)
    if fake_target == real_target:
        raise ValueError(f"lsgan_d: expected different targets for fake and real images, got {real_target} for both")
    return 0.5 * square(real_scores - real_target).mean() + 0.5 * square(fake_scores - fake_target).mean()


@gradient_of(lsgan_d)
def lsgan_d_gradient(
    real_scores: Array, fake_scores: Array, fake_target: float = 0.0, real_target: float = 1.0, *, g: float = 1.0
) -> tuple[Array, Array]:
    """Compute step 2: the distance to the target."""
    return g * (real_scores - real_target) / real_scores.size, g * (fake_scores - fake_target) / fake_scores.size


@loss
def lsgan_g(fake_scores: Tensor, target: float = 1.0) -> Tensor:
    """Compute the loss of G: half the mean squared distance of scores to `target`.

    Derived in ``derivation("lsgan")``; Mao et al. 2017, equation 2.

    Parameters
    ----------
    fake_scores : Tensor (M, ...)
        D's outputs for generated images, not detached.
    target : float
        The paper's c.

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
    >>> lsgan_g(mg.tensor([0.5]))
    tensor(0.125)
    """
    check_scores("lsgan_g", fake_scores=fake_scores)
    return 0.5 * square(fake_scores - target).mean()


@gradient_of(lsgan_g)
def lsgan_g_gradient(fake_scores: Array, target: float = 1.0, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 2: the distance to the target."""
    return (g * (fake_scores - target) / fake_scores.size,)
