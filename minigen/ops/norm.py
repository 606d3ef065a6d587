r"""Batch normalisation in training mode.

Per channel, over n elements: $\mu = \frac1n \sum x$, $v = \frac1n \sum (x - \mu)^2$,
$\hat x = (x - \mu) / \sqrt{v + \epsilon}$, $y = \gamma \hat x + \beta$  (Ioffe & Szegedy 2015).

**The gradient.**  $\mu$ and $v$ are functions of x, so x acts on the loss in three ways.  With
$h = \gamma g$ the cotangent of $\hat x$ and $r = 1 / \sqrt{v + \epsilon}$:

$$dx = r \left( h - \overline{h} - \hat x \, \overline{h \hat x} \right)$$

where bars are means over the channel.  The projection removes from h its components along 1 and along $\hat x$:
the directions in which moving x does not change y.  Hence $\sum dx = 0$, and under a constant cotangent
$dx = 0$: a gradient test of batch norm with a cotangent of ones proves nothing.

**Two ways to the same gradient.**  Where the backward pass is not recorded one fused kernel gives all three gradients.
Where it is, the same formula is written with Tensors, so that its own derivative includes how $\mu$ and $v$
move.
"""

from ..backend import Array
from ..engine import is_grad_enabled, primitive
from ..kernels import find
from ..tensor import Tensor
from .elementwise import square
from .reduce import mean, sum

__all__ = ["batch_norm"]


@primitive
def batch_norm(x: Array, weight: Array, bias: Array, *, eps: float, stats: tuple[Array, Array] | None = None) -> Array:
    """Normalise each channel of x (N, C, ...) by its own mean and variance, then scale and shift.

    `stats` may hand over the mean and biased variance of x, if the caller has them already.
    """
    mean, var = stats or find("batch_norm_stats", x)(x)
    return find("batch_norm", x)(x, mean, var, weight, bias, eps)


def _channel(vector: Tensor, x: Tensor) -> Tensor:
    return vector.reshape(1, -1, *[1] * (x.ndim - 2))


def _joint_rule(
    g: Tensor,
    out: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    eps: float,
    stats: tuple[Array, Array] | None = None,
) -> tuple[Tensor, ...]:
    axes = (0, *range(2, x.ndim))
    if not is_grad_enabled():
        mean_, var_ = stats or find("batch_norm_stats", x.data)(x.data)
        fused = find("batch_norm_grad", x.data)(g.data, x.data, mean_, var_, weight.data, eps)
        return tuple(Tensor(array) for array in fused)
    centered = x - mean(x, axes, keepdim=True)
    rstd = (mean(square(centered), axes, keepdim=True) + eps) ** -0.5
    xhat = centered * rstd
    h = g * _channel(weight, x)
    dx = rstd * (h - mean(h, axes, keepdim=True) - xhat * mean(h * xhat, axes, keepdim=True))
    return dx, sum(g * xhat, axes), sum(g, axes)


batch_norm.vjp_all(_joint_rule)
