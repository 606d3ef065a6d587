r"""Batch and instance normalization by the statistics of the input itself.

Per channel, over n elements: $\mu = \frac1n \sum x$, $v = \frac1n \sum (x - \mu)^2$,
$\hat x = (x - \mu) / \sqrt{v + \epsilon}$, $y = \gamma \hat x + \beta$  (Ioffe & Szegedy 2015).

**The gradient.**  $\mu$ and $v$ are functions of x, so x acts on the loss in three ways.  With
$h = \gamma g$ the cotangent of $\hat x$ and $r = 1 / \sqrt{v + \epsilon}$:

$$dx = r \left( h - \overline{h} - \hat x \, \overline{h \hat x} \right)$$

where bars are means over the channel.  The projection removes from h its components along 1 and along $\hat x$:
the directions in which moving x does not change y.  Hence $\sum dx = 0$, and under a constant cotangent
$dx = 0$: a gradient test of batch norm with a cotangent of ones proves nothing.

**Instance normalization** (Ulyanov et al. 2016) does the same with each channel of each image: bars are means over the
n pixels of a channel of one image.  All images share $\gamma$ and $\beta$, whose gradients are summed over them.

**With a leaky ReLU after it.**  An argument `negative_slope` (0: a ReLU) makes $\operatorname{leaky}(y)$ the result.
Both functions are cheap to compute and slow only by the memory that they read and write, and one kernel for both goes
through memory fewer times: y is never written, and the vjp computes its sign again from x.  Every number is that of
`leaky_relu` after the normalization, to the last bit.

**Two ways to the same gradient.**  Where the backward pass is not recorded one fused kernel gives all three gradients.
Where it is, the same formula is written with Tensors, so that its own derivative includes how $\mu$ and $v$
move.
"""

from collections.abc import Collection

from ..backend import Array, array_module
from ..engine import is_grad_enabled, primitive
from ..kernels import find
from ..tensor import Tensor
from .elementwise import leaky_relu_grad, square
from .reduce import mean, sum

__all__ = ["batch_norm", "instance_norm"]


@primitive
def batch_norm(
    x: Array,
    weight: Array,
    bias: Array,
    *,
    eps: float,
    stats: tuple[Array, Array] | None = None,
    negative_slope: float | None = None,
    result: Array | None = None,
) -> Array:
    """Normalize each channel of x (N, C, ...) by its own mean and variance, then scale and shift.

    `stats` may hand over the mean and biased variance of x, and `result` all that is to be computed, if the caller has
    them already.
    """
    if result is not None:
        return result
    mean, var = stats or find("batch_norm_stats", x)(x)
    return find("batch_norm", x)(x, mean, var, weight, bias, eps, negative_slope)


@primitive
def instance_norm(
    x: Array,
    weight: Array,
    bias: Array,
    *,
    eps: float,
    stats: tuple[Array, Array] | None = None,
    negative_slope: float | None = None,
) -> Array:
    """Normalize each channel of each image of x (N, C, ...) by its own mean and variance, then scale and shift.

    To the kernels it is one image of N * C channels.  `stats`, if given, are the N * C means and biased variances.
    """
    flat = _one_image(x)
    mean, var = stats or find("batch_norm_stats", flat)(flat)
    weight, bias = (_for_each_image(vector, x) for vector in (weight, bias))
    return find("batch_norm", flat)(flat, mean, var, weight, bias, eps, negative_slope).reshape(x.shape)


def _one_image(x: Array) -> Array:
    """View x (N, C, ...) as one image (1, N * C, L)."""
    n, channels = x.shape[:2]
    return x.reshape(1, n * channels, x.size // max(n * channels, 1))


def _for_each_image(vector: Array, x: Array) -> Array:
    """Repeat a vector of C values for each of the N images."""
    return array_module(vector).tile(vector, x.shape[0])


def _channel(vector: Tensor, x: Tensor) -> Tensor:
    return vector.reshape(1, -1, *[1] * (x.ndim - 2))


def _batch_rule(
    needed: Collection[int],
    g: Tensor,
    out: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    eps: float,
    stats: tuple[Array, Array] | None = None,
    negative_slope: float | None = None,
    result: Array | None = None,
) -> tuple[Tensor, ...]:
    if is_grad_enabled():
        if negative_slope is not None:
            g = leaky_relu_grad(g, batch_norm(x, weight, bias, eps=eps, stats=stats), negative_slope=negative_slope)
        return _recorded_rule(g, x, weight, eps, (0, *range(2, x.ndim)))
    array = x._data
    mean, var = stats or find("batch_norm_stats", array)(array)
    fused = find("batch_norm_grad", array)(g._data, array, mean, var, weight._data, eps, bias._data, negative_slope)
    return tuple(Tensor(array) for array in fused)


def _instance_rule(
    needed: Collection[int],
    g: Tensor,
    out: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    eps: float,
    stats: tuple[Array, Array] | None = None,
    negative_slope: float | None = None,
) -> tuple[Tensor, ...]:
    if is_grad_enabled():
        if negative_slope is not None:
            g = leaky_relu_grad(g, instance_norm(x, weight, bias, eps=eps, stats=stats), negative_slope=negative_slope)
        return _recorded_rule(g, x, weight, eps, tuple(range(2, x.ndim)))
    flat = _one_image(x.data)
    weights, biases = (_for_each_image(vector.data, x.data) for vector in (weight, bias))
    mean, var = stats or find("batch_norm_stats", flat)(flat)
    grads = find("batch_norm_grad", flat)
    dx, *of_images = grads(_one_image(g.data), flat, mean, var, weights, eps, biases, negative_slope)
    return Tensor(dx.reshape(x.shape)), *(Tensor(each.reshape(x.shape[:2]).sum(axis=0)) for each in of_images)


def _recorded_rule(g: Tensor, x: Tensor, weight: Tensor, eps: float, axes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """The gradients in x, weight and bias, where the means were taken over `axes`."""
    centered = x - mean(x, axes, keepdim=True)
    rstd = (mean(square(centered), axes, keepdim=True) + eps) ** -0.5
    xhat = centered * rstd
    h = g * _channel(weight, x)
    dx = rstd * (h - mean(h, axes, keepdim=True) - xhat * mean(h * xhat, axes, keepdim=True))
    all_but_channels = (0, *range(2, x.ndim))
    return dx, sum(g * xhat, all_but_channels), sum(g, all_but_channels)


batch_norm.vjp_all(_batch_rule)
instance_norm.vjp_all(_instance_rule)
