r"""Reconstruction where the input is damaged: masked L2 and L1, and the logarithm of L2

Pathak et al. 2016, *Context Encoders: Feature Learning by Inpainting* (arXiv 1604.07379), equation 1; Bishop 2006,
*Pattern Recognition and Machine Learning*, section 1.5.5 (mean and median).

## 1. The losses

An output $y$ of shape $(N, C, H, W)$, the truth $x$, and a mask $m$ of shape $(N, 1, H, W)$: 1 where the loss is to be
computed (the hole), 0 where the pixel is known.  With $M = C \sum m$, the number of values inside the mask,

$$L_2 = \frac1M \sum_{n,c,i} m_{ni}\, (y_{nci} - x_{nci})^2, \qquad
  L_1 = \frac1M \sum_{n,c,i} m_{ni}\, |y_{nci} - x_{nci}|$$

Without a mask, $m = 1$ everywhere, and $M = N C H W$: the usual means.

The third loss takes the logarithm of the error $e_n$ of *each image*, with $M_n = C \sum_i m_{ni}$ and a small
$\epsilon$, below which an error does not matter:

$$e_n = \frac{1}{M_n} \sum_{c,i} m_{ni}\, (y_{nci} - x_{nci})^2, \qquad
  L_{\log} = \frac1N \sum_n \log(e_n + \epsilon)$$

## 2. The gradients

$M$ and $m$ do not depend on $y$, so each value of $y$ has one term:

$$\frac{\partial L_2}{\partial y} = \frac{2 m\, (y - x)}{M}, \qquad
  \frac{\partial L_1}{\partial y} = \frac{m\, \mathrm{sign}(y - x)}{M}, \qquad
  \frac{\partial L}{\partial x} = -\frac{\partial L}{\partial y}$$

$$\frac{\partial L_{\log}}{\partial y_n} = \frac{1}{N (e_n + \epsilon)} \cdot \frac{2 m_n (y_n - x_n)}{M_n}$$

Outside the mask all are 0: the network is free there, and the known pixels are put over its output (`composite` of
`minigen.models.repair`).  At the kink $y = x$ any value in $[-m/M, m/M]$ is a subgradient of $L_1$; ours is 0.

## 3. What the minimum is: mean and median

Let the damaged image be $d$.  Of all functions $y(d)$, which one makes the expected $L_2$ least?  For each $d$ and each
pixel it is a separate problem: minimize $E[(y - x)^2 \mid d]$ over the number $y$.  Its derivative is
$2 (y - E[x \mid d])$, so

$$y(d) = E[x \mid d] \quad \text{for } L_2, \qquad y(d) = \mathrm{median}(x \mid d) \quad \text{for } L_1$$

(for $L_1$ the derivative is $P(x < y \mid d) - P(x > y \mid d)$, which changes its sign at the median).

- Where the input leaves little open, the mean is the answer: noise and blur.
- Where it leaves much open, the mean of many sharp possibilities is **gray**.  A black or white pixel that is white in
  half of the cases gets 0.5.  No further training changes that; only another loss does (an adversary, see
  `non_saturating`).
- The median of black (60 %) and white (40 %) is black: $L_1$ paints what is possible in most cases, and **nothing** if
  each stroke is in a minority of them.
- $\mathrm{PSNR} = -10 \log_{10} L_2$ (for values in $[0, 1]$): who minimizes $L_2$ maximizes PSNR.  A repair that looks
  nicer, because it chooses one possibility, has a *lower* PSNR.

## 4. Mild and strong damage together: the logarithm

If each image has a damage of another strength, the errors of $L_2$ differ by a factor of 100, and the gradients with
them: an image that was hardly damaged has no say, and the network learns to change it too much.  $L_{\log}$ divides the
gradient of each image by its error, so halving the error counts the same for each.  It is the mean PSNR, except for
sign and scale: $\mathrm{PSNR}_n = 10 \log_{10} 4 - \frac{10}{\ln 10} \log e_n$ for values in $[-1, 1]$.

For a single image the minimum is that of $L_2$, since the logarithm grows.  Over several images that look alike when
damaged it is a mean with weights $1 / (e_n + \epsilon)$.

## 5. Sign, scale, detach

- **Scale: divide by the values inside the mask.**  With a division by $N C H W$ the loss of a small hole would be small
  whatever the output is, and its gradient too: the learning rate would depend on the size of the hole.
- **All images of a batch together.**  $M$ counts the whole batch, so each missing pixel has the same weight; an image
  with a large hole counts more than one with a small hole.
- **An empty mask** has $M = 0$ and no mean: it is refused (on the CPU; a GPU would have to be waited for).
- **Epsilon** is one level of 255, squared: $(2/255)^2$.  Without it, an image that is repaired without error would
  have an infinite gradient.
- **Detach.**  Nothing: $x$ and $m$ are data.
"""

import numpy as np

from ..arguments import check_number
from ..ops.elementwise import abs, log, square
from ..ops.reduce import mean, sum
from ..tensor import Tensor
from .arrays import Array
from .registry import gradient_of, loss

__all__ = ["masked_l1", "masked_l2", "masked_log_l2"]

LEVEL = (2 / 255) ** 2
"""The squared error of one of 255 levels, for values in [-1, 1]."""


@loss
def masked_l2(output: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute the mean squared error inside a mask: ``sum(mask * (output - truth)^2) / (C * sum(mask))``.

    Derived in ``derivation("reconstruction")``; Pathak et al. 2016, equation 1.

    Parameters
    ----------
    output, truth : Tensor (N, C, ...)
    mask : Tensor (N, 1, ...), optional
        1 where the loss is computed, 0 elsewhere; by default 1 everywhere.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If the shapes do not fit, or the mask is 0 everywhere (checked on the CPU only).

    Examples
    --------
    >>> import minigen as mg
    >>> output, truth = mg.tensor([[[0.0, 3.0]]]), mg.zeros(1, 1, 2)
    >>> masked_l2(output, truth), masked_l2(output, truth, mg.tensor([[[0.0, 1.0]]]))
    (tensor(4.5), tensor(9.))
    """
    _check("masked_l2", output, truth, mask)
    return _mean(square(output - truth), mask)


@gradient_of(masked_l2)
def masked_l2_gradient(output: Array, truth: Array, mask: Array | None = None, *, g: float = 1.0) -> tuple[Array, ...]:
    """Compute step 2: twice the difference, inside the mask."""
    return _gradients(2 * (output - truth), np.square(output - truth), mask, g)


@loss
def masked_l1(output: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute the mean absolute error inside a mask: ``sum(mask * abs(output - truth)) / (C * sum(mask))``.

    Derived in ``derivation("reconstruction")``.

    Parameters
    ----------
    output, truth : Tensor (N, C, ...)
    mask : Tensor (N, 1, ...), optional
        1 where the loss is computed, 0 elsewhere; by default 1 everywhere.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If the shapes do not fit, or the mask is 0 everywhere (checked on the CPU only).

    Examples
    --------
    >>> import minigen as mg
    >>> masked_l1(mg.tensor([[[0.0, 3.0]]]), mg.zeros(1, 1, 2), mg.tensor([[[0.0, 1.0]]]))
    tensor(3.)
    """
    _check("masked_l1", output, truth, mask)
    return _mean(abs(output - truth), mask)


@gradient_of(masked_l1)
def masked_l1_gradient(output: Array, truth: Array, mask: Array | None = None, *, g: float = 1.0) -> tuple[Array, ...]:
    """Compute step 2: the sign of the difference, inside the mask."""
    return _gradients(np.sign(output - truth), np.abs(output - truth), mask, g)


@loss
def masked_log_l2(output: Tensor, truth: Tensor, mask: Tensor | None = None, epsilon: float = LEVEL) -> Tensor:
    """Compute the mean over the images of ``log(e + epsilon)``, with e the mean squared error of one image in its mask.

    Derived in ``derivation("reconstruction")``, step 4.

    Parameters
    ----------
    output, truth : Tensor (N, C, ...)
    mask : Tensor (N, 1, ...), optional
        1 where the loss is computed, 0 elsewhere; by default 1 everywhere.  Each image must have a 1.
    epsilon : float
        At least 0.

    Returns
    -------
    Tensor ()

    Raises
    ------
    ValueError
        If the shapes do not fit, or the mask of an image is 0 everywhere (checked on the CPU only).

    Examples
    --------
    >>> import minigen as mg
    >>> masked_log_l2(mg.zeros(1, 1, 2), mg.ones(1, 1, 2), epsilon=0)
    tensor(0.)
    """
    _check("masked_log_l2", output, truth, mask)
    check_number("masked_log_l2", "epsilon", epsilon)
    pixels = tuple(range(1, output.ndim))
    errors = square(output - truth)
    if mask is None:
        return mean(log(mean(errors, pixels) + epsilon))
    if mask.device == "cpu" and not mask.data.any(axis=pixels).all():
        raise ValueError("masked_log_l2: argument 'mask' is 0 everywhere for an image: there is no error to compute")
    return mean(log(sum(errors * mask, pixels) / (sum(mask, pixels) * output.shape[1]) + epsilon))


@gradient_of(masked_log_l2)
def masked_log_l2_gradient(
    output: Array, truth: Array, mask: Array | None = None, epsilon: float = LEVEL, *, g: float = 1.0
) -> tuple[Array, ...]:
    """Compute step 2: the gradient of L2 of each image, divided by its error."""
    ones = np.ones((len(output), 1, *output.shape[2:]), output.dtype)
    found = []
    for n in range(len(output)):
        one = slice(n, n + 1)
        weights = ones[one] if mask is None else mask[one]
        squares = np.square(output[one] - truth[one])
        error = (weights * squares).sum() / (weights.sum() * output.shape[1])
        found.append(
            _gradients(2 * (output[one] - truth[one]), squares, weights, g / (len(output) * (error + epsilon)))
        )
    joined = tuple(np.concatenate(arrays).astype(output.dtype) for arrays in zip(*found))
    return joined[:2] if mask is None else joined


def _mean(errors: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return mean(errors)
    return sum(errors * mask) / (sum(mask) * errors.shape[1])


def _gradients(slope: Array, errors: Array, mask: Array | None, g: float) -> tuple[Array, ...]:
    """The gradients in output and truth; in the mask too, if there is one: by the quotient rule."""
    if mask is None:
        d_output = g * slope / slope.size
        return d_output, -d_output
    count = mask.sum() * slope.shape[1]
    d_output = g * mask * slope / count
    # L = E / M with E = sum(m e) and M = C sum(m): dL/dm = (sum over channels of e - C L) / M.
    loss = (mask * errors).sum() / count
    return d_output, -d_output, g * (errors.sum(1, keepdims=True) - slope.shape[1] * loss) / count


def _check(op: str, output: Tensor, truth: Tensor, mask: Tensor | None) -> None:
    for name, given in (("output", output), ("truth", truth), ("mask", mask)):
        if not isinstance(given, Tensor) and not (name == "mask" and given is None):
            raise TypeError(f"{op}: argument {name!r}: expected a Tensor, got {type(given).__name__}")
    if output.ndim < 2 or not output.numel() or output.shape != truth.shape:
        raise ValueError(
            f"{op}: expected output and truth of one shape (N, C, ...), not empty, got {output.shape} and {truth.shape}"
        )
    if mask is None:
        return
    expected = (output.shape[0], 1, *output.shape[2:])
    if mask.shape != expected:
        raise ValueError(f"{op}: argument 'mask': expected shape {expected}, got {mask.shape}")
    if mask.device == "cpu" and not mask.data.any():
        raise ValueError(f"{op}: argument 'mask' is 0 everywhere: there is no pixel to compute the loss of")
