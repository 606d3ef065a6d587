r"""The Gaussian likelihood

Kingma & Welling 2014, *Auto-Encoding Variational Bayes* (arXiv 1312.6114), appendix C.2.

## 1. The likelihood

Given $z$, pixel $i$ is normal with the decoder's output $m_i$ as its mean and the variance $v_i = e^{\lambda_i}$, and
the pixels are independent:

$$\log p(x \mid z) = \sum_i \log \frac{1}{\sqrt{2\pi v_i}}\, e^{-(x_i - m_i)^2 / 2 v_i}
   = -\frac12 \sum_i \Big[ \log 2\pi + \lambda_i + (x_i - m_i)^2\, e^{-\lambda_i} \Big]$$

The log-variance $\lambda$ may be fixed, one learned number for all pixels, or an output of the decoder for each.

## 2. The gradients

With $\delta_{ni} = (m_{ni} - x_{ni})\, e^{-\lambda_{ni}}$ and $g_n$ the cotangent of image $n$'s log-likelihood

$$\frac{\partial L}{\partial m_{ni}} = -g_n\, \delta_{ni}, \qquad
  \frac{\partial L}{\partial x_{ni}} = g_n\, \delta_{ni}, \qquad
  \frac{\partial L}{\partial \lambda_{ni}} = -\frac{g_n}{2} \Big[1 - (x_{ni} - m_{ni})^2\, e^{-\lambda_{ni}}\Big]$$

A $\lambda$ that many pixels share gets the sum of their shares.

## 3. What the variance does

*Fixed.*  Up to constants $-\log p(x \mid z) = \|x - m\|^2 / 2v$: the squared error, with a **weight $1/2v$**.  Multiply
$-ELBO$ by $v$: it becomes $\frac12\|x - m\|^2 + v\, KL$.  So the variance of the pixels plays the part of $\beta$, and
a squared error "without a variance" has silently chosen $v = \frac12$ (summed) or, averaged over $P$ pixels, $v = P/2$,
which drowns the images in noise.

*Learned.*  For one shared $\lambda$ the gradient vanishes at $e^\lambda = \frac{1}{NP} \sum_{n,i} (x_{ni} - m_{ni})^2$:
the mean squared error.  The decoder says how well it does, and no weight has to be chosen.

*Not bounded.*  A density may exceed 1, so the log-likelihood may be positive, and grows without limit where $v \to 0$
and $x = m$: a pixel that is always black makes a learned variance collapse.  Bound $\lambda$ from below if it is
learned per pixel.

## 4. Sign, scale, detach

- **Sign.**  A log-likelihood, to be made *large*; a loss takes its negative.
- **The constant** $\frac{P}{2} \log 2\pi$ has no gradient, but without it the number is no log-likelihood, cannot be
  compared, and the ELBO may exceed $\log p(x)$.
- **Scale: sum over pixels, mean over images**, as for the Bernoulli likelihood and for the same reason.
- **Log-variance, not standard deviation**: $\lambda = 2 \log \sigma$.
- **Detach.**  Nothing.
"""

import math

import numpy as np

from ..ops.elementwise import exp, square
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array, sum_to
from .checks import check_images
from .registry import gradient_of, loss

__all__ = ["gaussian_log_likelihood"]

_LOG_2PI = math.log(2 * math.pi)


@loss
def gaussian_log_likelihood(mean: Tensor, x: Tensor, log_var: Tensor | float = 0.0) -> Tensor:
    """Compute log p(x | z) of each image under independent normal pixels.

    Derived in ``derivation("gaussian")``; Kingma & Welling 2014, appendix C.2.

    Parameters
    ----------
    mean : Tensor (..., N, ...)
        The decoder's output: the shape of `x`, with leading dimensions for several samples of z an image.
    x : Tensor (N, ...)
        Images.
    log_var : Tensor or float
        Logarithm of the pixels' variance: a number, or a Tensor that broadcasts to `mean`.

    Returns
    -------
    Tensor (..., N)
        One number an image: the sum over its pixels.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> gaussian_log_likelihood(mg.zeros(2, 3), mg.zeros(2, 3))  # -3/2 log(2 pi)
    tensor([-2.7568154, -2.7568154])
    """
    pixels = check_images("gaussian_log_likelihood", "mean", mean, x)
    if not isinstance(log_var, Tensor):
        log_var = Tensor(np.asarray(log_var, mean.dtype))
    sizes = log_var.shape[::-1]
    if len(sizes) > mean.ndim or any(n not in (1, m) for n, m in zip(sizes, mean.shape[::-1])):
        raise ValueError(
            f"gaussian_log_likelihood: argument 'log_var': expected a shape that broadcasts to mean {mean.shape}, "
            f"got {log_var.shape}"
        )
    return -0.5 * sum(square(x - mean) * exp(-log_var) + log_var + _LOG_2PI, pixels)


@gradient_of(gaussian_log_likelihood)
def gaussian_log_likelihood_gradient(
    mean: Array, x: Array, log_var: Array | float = 0.0, *, g: Array | float = 1.0
) -> tuple[Array, ...]:
    """Compute step 2; the gradient in the log-variance only where that is an array."""
    images = mean.shape[: mean.ndim - x.ndim + 1]
    g = np.broadcast_to(np.asarray(g, x.dtype), images).reshape(*images, *[1] * (x.ndim - 1))
    precision = np.exp(-np.asarray(log_var, mean.dtype))
    delta = (mean - x) * precision
    d_mean, d_x = -g * delta, sum_to(g * delta, x.shape)
    if not isinstance(log_var, np.ndarray):
        return d_mean, d_x
    return d_mean, d_x, sum_to(-0.5 * g * (1 - (x - mean) ** 2 * precision), log_var.shape)
