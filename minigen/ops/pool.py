"""Max pooling.  (Average pooling and resizing are linear and composed from other operations, in `functional`.)"""

from ..backend import Array
from ..engine import primitive
from ..kernels import find
from ..kernels.shapes import Padding, Pair, Window
from ..tensor import Tensor
from .shape import take_along_dim

__all__ = ["max_pool2d"]


@primitive
def max_pool2d(x: Array, *, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """The largest element of each window; see `minigen.kernels.reference.pool.max_pool2d`.

    At a tie the first of equals in row order gets the cotangent.
    """
    return find("max_pool2d", x)(x, kernel_size, stride, padding, dilation)[0]


@primitive
def max_unpool2d(g: Array, *, index: Array, input_size: Pair, window: Window | None = None) -> Array:
    """Hand each window's cotangent to the element that won it."""
    return find("max_pool2d_grad", g)(g, index, input_size, window)


def _max_pool2d_vjp(
    g: Tensor, out: Tensor, x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Tensor:
    window = (kernel_size, stride, padding, dilation)
    index = find("max_pool2d", x.data)(x.data, *window)[1]
    return max_unpool2d(g, index=index, input_size=x.shape[2:], window=window)


def _max_unpool2d_vjp(
    u: Tensor, out: Tensor, g: Tensor, *, index: Array, input_size: Pair, window: Window | None = None
) -> Tensor:
    pixels, windows = u.shape[2] * u.shape[3], g.shape[2] * g.shape[3]
    flat = take_along_dim(u.reshape(*u.shape[:2], pixels), index.reshape(*g.shape[:2], windows), 2)
    return flat.reshape(g.shape)


max_pool2d.vjp(x=_max_pool2d_vjp)
max_unpool2d.vjp(g=_max_unpool2d_vjp)
