r"""The Bernoulli likelihood, on logits

Kingma & Welling 2014, *Auto-Encoding Variational Bayes* (arXiv 1312.6114), appendix C.1.

## 1. The likelihood

Given $z$, the decoder says of each pixel $i$ how probable it is white, $\pi_i = \sigma(\ell_i)$, and the pixels are
independent.  For $x_i \in \{0, 1\}$

$$\log p(x \mid z) = \log \prod_i \pi_i^{x_i} (1 - \pi_i)^{1 - x_i}
  = \sum_i x_i \log \pi_i + (1 - x_i) \log(1 - \pi_i)$$

With $\log\sigma(\ell) = -\zeta(-\ell)$, $\log(1 - \sigma(\ell)) = -\zeta(\ell)$ and
$\zeta(-\ell) = \zeta(\ell) - \ell$, where $\zeta(a) = \log(1 + e^a)$,

$$\log p(x \mid z) = \sum_i -x_i\,(\zeta(\ell_i) - \ell_i) - (1 - x_i)\, \zeta(\ell_i)
  = \sum_i x_i \ell_i - \zeta(\ell_i)$$

Minus this is the binary cross-entropy, summed over the pixels.

## 2. The gradient

With $\zeta' = \sigma$, and $g_n$ the cotangent of image $n$'s log-likelihood

$$\frac{\partial L}{\partial \ell_{ni}} = g_n\, (x_{ni} - \sigma(\ell_{ni})), \qquad
  \frac{\partial L}{\partial x_{ni}} = g_n\, \ell_{ni}$$

Data minus prediction.  For the loss $-\frac1N \sum_n \log p(x_n \mid z_n)$ it is $g_n = -1/N$.

## 3. Gray values

With $x_i \in [0, 1]$ the formula still works, but it is no longer the logarithm of a density of $x$: its integral over
$[0, 1]$ is not 1 (the *continuous Bernoulli* of Loaiza-Ganem & Cunningham 2019, arXiv 1907.06845, has the constant).
It has another meaning: let $b_i$ be 1 with probability $x_i$, a randomly binarized image.  The formula is linear in
$x$, so

$$E_b[\log p(b \mid z)] = \sum_i x_i \ell_i - \zeta(\ell_i)$$

is the *mean* log-likelihood of the binarized images.  Two consequences.  The best decoder has $\sigma(\ell_i) = x_i$,
yet does not reach 0: what is left is the entropy of the grays, $\sum_i -x_i \log x_i - (1 - x_i) \log(1 - x_i)$.  And
results on gray and on binarized images cannot be compared.

## 4. Sign, scale, detach

- **Sign.**  A log-likelihood: at most 0, to be made *large*.  A loss takes its negative.
- **Scale: sum over pixels, mean over images.**  The pixels are independent, so their logarithms *add up*.  A mean over
  the 784 pixels of a digit would divide the likelihood by 784 and leave the KL as it is: a beta-VAE with $\beta = 784$,
  whose codes collapse (see `elbo`).
- **Range.**  Data in $[-1, 1]$, made for tanh, gives nonsense and no error in most programs; here it is refused.
- **Logits.**  No sigmoid before, and never a tanh, whose logarithm is NaN.
- **Detach.**  Nothing: the gradient goes through $\ell$ to the decoder and, through $z$, to the encoder.
"""

import numpy as np

from ..functional import softplus
from ..ops.reduce import sum
from ..tensor import Tensor
from .arrays import Array, sigmoid, sum_to
from .checks import check_images
from .registry import gradient_of, loss

__all__ = ["bernoulli_log_likelihood"]


@loss
def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Compute log p(x | z) of each image under independent Bernoulli pixels.

    The result is ``sum(x * logits - softplus(logits))``.

    Derived in ``derivation("bernoulli")``; Kingma & Welling 2014, appendix C.1.

    Parameters
    ----------
    logits : Tensor (..., N, ...)
        The decoder's output: the shape of `x`, with leading dimensions for several samples of z an image.
    x : Tensor (N, ...)
        Images in [0, 1].

    Returns
    -------
    Tensor (..., N)
        One number an image: the sum over its pixels.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a value of `x` is outside [0, 1] (checked on the CPU only: a GPU would have to be
        waited for).

    Examples
    --------
    >>> import minigen as mg
    >>> bernoulli_log_likelihood(mg.zeros(2, 1, 28, 28), mg.ones(2, 1, 28, 28))  # 784 times log(1/2)
    tensor([-543.42737, -543.42737])
    """
    pixels = check_images("bernoulli_log_likelihood", "logits", logits, x)
    if x.device == "cpu" and not bool(((x.data >= 0) & (x.data <= 1)).all()):
        raise ValueError(
            "bernoulli_log_likelihood: argument 'x': expected values in [0, 1], "
            f"got {x.data.min():g} to {x.data.max():g}; (x + 1) / 2 takes data from [-1, 1] there"
        )
    return sum(x * logits - softplus(logits), pixels)


@gradient_of(bernoulli_log_likelihood)
def bernoulli_log_likelihood_gradient(logits: Array, x: Array, *, g: Array | float = 1.0) -> tuple[Array, Array]:
    """Compute step 2: data minus prediction."""
    images = logits.shape[: logits.ndim - x.ndim + 1]
    g = np.broadcast_to(np.asarray(g, x.dtype), images).reshape(*images, *[1] * (x.ndim - 1))
    return g * (x - sigmoid(logits)), sum_to(g * logits, x.shape)
