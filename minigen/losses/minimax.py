r"""The minimax (saturating) GAN loss

Goodfellow et al. 2014, *Generative Adversarial Nets* (arXiv 1406.2661), equation 1.

## 1. The game

A generator $G$ turns noise $z$ into an image, a discriminator $D$ says how probable it holds an image to be real:

$$\min_G \max_D V(D, G) = E_{x}[\log D(x)] + E_{z}[\log(1 - D(G(z)))]$$

$V$ is the log-likelihood of a classifier that sees as many real images as generated ones.  $D$ *maximizes* it and $G$
minimizes it.  An optimizer only descends, so each player has its own loss: $L_D = -V$ and $L_G = V$, of which
only the second term depends on $G$.

## 2. On logits

$D$ ends in a plain number $\ell$, the *logit*, and $D = \sigma(\ell) = 1/(1 + e^{-\ell})$.  With
$1 - \sigma(\ell) = \sigma(-\ell)$ both logarithms become one smooth function, $\zeta(a) = \log(1 + e^a)$, the
*softplus*:

$$-\log D = -\log\sigma(\ell) = \log(1 + e^{-\ell}) = \zeta(-\ell), \qquad
  -\log(1 - D) = -\log\sigma(-\ell) = \zeta(\ell)$$

Computed as $\zeta(a) = \max(a, 0) + \log(1 + e^{-|a|})$ nothing overflows and no digit is lost.  A sigmoid *followed*
by a logarithm gives $-\infty$ as soon as the sigmoid rounds to 0 (in float32 below $\ell \approx -104$; and
$1 - \sigma$ rounds to 0 already above $\ell \approx 17$), and $10^{-8}$ added inside the logarithm only hides that, at
the price of a wrong gradient.

With $N$ real logits $\ell_n$ and $M$ logits $\ell'_m$ of generated images, expectations become means:

$$L_D = \frac1N \sum_n \zeta(-\ell_n) + \frac1M \sum_m \zeta(\ell'_m), \qquad L_G = -\frac1M \sum_m \zeta(\ell'_m)$$

## 3. The gradients

$\zeta'(a) = e^a / (1 + e^a) = \sigma(a)$.  By the chain rule

$$\frac{\partial L_D}{\partial \ell_n} = -\frac{\sigma(-\ell_n)}{N} = \frac{D(x_n) - 1}{N}, \qquad
  \frac{\partial L_D}{\partial \ell'_m} = \frac{\sigma(\ell'_m)}{M} = \frac{D(G(z_m))}{M}, \qquad
  \frac{\partial L_G}{\partial \ell'_m} = -\frac{D(G(z_m))}{M}$$

The first two are $D$'s error on that image: its output minus the label.  Compute $\sigma(-\ell)$, not
$1 - \sigma(\ell)$: the subtraction loses every digit where $\ell$ is large.

## 4. What the game's solution is

Let $p$ be the density of the data and $q$ that of the generated images.  For a fixed $G$

$$V = \int p(x) \log D(x) + q(x) \log(1 - D(x)) \, dx$$

can be maximized for each $x$ by itself: $p/D - q/(1 - D) = 0$ gives $D^*(x) = p(x)/(p(x) + q(x))$, a maximum because
the integrand is concave in $D$ (the paper's Proposition 1).  In logits: $\ell^* = \log p - \log q$.  Put back, with
$m = (p + q)/2$ and hence $D^* = p/2m$:

$$V(D^*, G) = \int p \log\frac{p}{2m} + q \log\frac{q}{2m} \, dx = -\log 4 + KL(p \,\|\, m) + KL(q \,\|\, m)
            = -\log 4 + 2\, JSD(p, q)$$

The Jensen-Shannon divergence is 0 only at $p = q$.  There $D^* = 1/2$ everywhere and $V = -\log 4$ (Theorem 1): **$G$'s
target is the distribution of the data**.  It never sees an image of the data; all it learns comes through $D$.

## 5. Why it saturates

Early on $D$ finds every fake out, $D(G(z)) \approx 0$, and so $\partial L_G / \partial \ell' = -D(G(z))/M \approx 0$:
the worse $G$ is, the smaller its gradient.  The loss `non_saturating_g` pulls in the same direction without this fault.

## 6. Sign, scale, detach

- **Sign.**  Descending $V$ itself with both players trains $D$ to call real images fake.  $L_D$ has a minus in front
  of *both* logarithms.  $L_G = V$ has none: $\log(1 - D(G(z)))$ is to fall.
- **Both terms.**  Without the generated images $D = 1$ everywhere is perfect, and $G$ has nothing to learn from.
- **Scale.**  Two means are added, not one mean taken over both batches: each expectation has its own batch, of whatever
  size.  $L_D = \log 4 \approx 1.386$ says that $D$ cannot tell the two apart, 0 that it is never wrong.  Some programs
  halve it; that halves the learning rate of plain gradient descent, and does next to nothing under Adam.
- **One sigmoid.**  A sigmoid at the end of $D$ *and* a loss on logits squash twice: the "logits" lie in $[0, 1]$, and
  the loss cannot fall below $\zeta(-1) + \zeta(0) = 0.3133 + 0.6931 = 1.0064$.
- **Detach.**  For $D$'s step the generated images are given data: detach the *images*, so that no gradient is computed
  for $G$ (which would learn to be found out).  For $G$'s step nothing is detached: the gradient reaches $G$ through
  $D$, whose weights that step leaves alone.
- **Conditional.**  With a condition $c$ nothing changes but the images' company: $\ell = \ell(x, c)$ with real pairs
  $(x, c) \sim p(x, c)$ drawn *jointly*.  Independent draws of $x$ and $c$ would teach $D$ that the label means nothing.
"""

from ..functional import softplus
from ..tensor import Tensor
from .arrays import Array, sigmoid
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["minimax_d", "minimax_g"]


@loss
def minimax_d(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Compute the loss of D, -V: ``mean(softplus(-real)) + mean(softplus(fake))``.

    Derived in ``derivation("minimax")``; Goodfellow et al. 2014, equation 1.

    Parameters
    ----------
    real_logits, fake_logits : Tensor (N, ...) and (M, ...)
        D's logits for real images, and for generated (detached) ones.

    Returns
    -------
    Tensor ()
        log 4 = 1.386 where D is undecided.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a Tensor, or empty.

    Examples
    --------
    >>> import minigen as mg
    >>> minimax_d(mg.zeros(4, 1), mg.zeros(4, 1))
    tensor(1.3862944)
    """
    check_scores("minimax_d", real_logits=real_logits, fake_logits=fake_logits)
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


@gradient_of(minimax_d)
def minimax_d_gradient(real_logits: Array, fake_logits: Array, *, g: float = 1.0) -> tuple[Array, Array]:
    """Compute step 3: the error of D on each image."""
    return -g * sigmoid(-real_logits) / real_logits.size, g * sigmoid(fake_logits) / fake_logits.size


@loss
def minimax_g(fake_logits: Tensor) -> Tensor:
    """Compute the loss of G in the minimax game, log(1 - D), which saturates.

    The result is ``-mean(softplus(fake))``.

    Derived in ``derivation("minimax")``; Goodfellow et al. 2014, equation 1.

    Parameters
    ----------
    fake_logits : Tensor (M, ...)
        D's logits for generated images, not detached.

    Returns
    -------
    Tensor ()
        -log 2 = -0.693 where D is undecided.

    Raises
    ------
    TypeError, ValueError
        If the argument is not a Tensor, or empty.

    Examples
    --------
    >>> import minigen as mg
    >>> minimax_g(mg.zeros(4, 1))
    tensor(-0.6931472)
    """
    check_scores("minimax_g", fake_logits=fake_logits)
    return -softplus(fake_logits).mean()


@gradient_of(minimax_g)
def minimax_g_gradient(fake_logits: Array, *, g: float = 1.0) -> tuple[Array]:
    """Compute step 3: 0 where D is sure that the image is generated."""
    return (-g * sigmoid(fake_logits) / fake_logits.size,)
