r"""Convolution and its two adjoints: three primitives, closed under differentiation.

Let $S(x, w, g) = \langle C(x, w), g \rangle$ with C the convolution.  S is linear in each argument, so

$$S(x, w, g) = \langle C(x, w), g \rangle = \langle x, T(g, w) \rangle = \langle w, W(x, g) \rangle$$

defines T (the adjoint in x: transposed convolution) and W (the adjoint in w).  The vjp of each of the three is given by
the two others, because a cotangent merely takes the empty place in S:

====== ========= =================== ====================
of     cotangent in its first input  in its second input
====== ========= =================== ====================
C(x,w) g         T(g, w)             W(x, g)
T(g,w) u         C(u, w)             W(u, g)
W(x,g) v         T(g, v)             C(x, v)
====== ========= =================== ====================

T needs the size of x and W the size of w as parameters: stride rounds down, so they do not follow from the output.
"""

from ..backend import Array
from ..engine import primitive
from ..kernels import find
from ..kernels.shapes import Padding, Pair
from .bias import share_vjps

__all__ = ["conv2d", "conv2d_bias", "conv2d_input_grad", "conv2d_input_grad_bias", "conv2d_weight_grad"]


@primitive
def conv2d(x: Array, w: Array, *, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> Array:
    """C(x, w): see `minigen.kernels.reference.conv.conv2d`."""
    return find("conv2d", x)(x, w, stride, padding, dilation, groups)


@primitive
def conv2d_input_grad(
    g: Array, w: Array, *, input_size: Pair, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Array:
    """T(g, w): see `minigen.kernels.reference.conv.conv2d_input_grad`."""
    return find("conv2d_input_grad", g)(g, w, input_size, stride, padding, dilation, groups)


@primitive
def conv2d_weight_grad(
    x: Array, g: Array, *, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Array:
    """W(x, g): see `minigen.kernels.reference.conv.conv2d_weight_grad`."""
    return find("conv2d_weight_grad", x)(x, g, kernel_size, stride, padding, dilation, groups)


conv2d.vjp(
    x=lambda g, out, x, w, **p: conv2d_input_grad(g, w, input_size=x.shape[2:], **p),
    w=lambda g, out, x, w, **p: conv2d_weight_grad(x, g, kernel_size=w.shape[2:], **p),
)
conv2d_input_grad.vjp(
    g=lambda u, out, g, w, *, input_size, **p: conv2d(u, w, **p),
    w=lambda u, out, g, w, *, input_size, **p: conv2d_weight_grad(u, g, kernel_size=w.shape[2:], **p),
)
conv2d_weight_grad.vjp(
    x=lambda v, out, x, g, *, kernel_size, **p: conv2d_input_grad(g, v, input_size=x.shape[2:], **p),
    g=lambda v, out, x, g, *, kernel_size, **p: conv2d(x, v, **p),
)


# The bias of a layer, b[c] for channel c of the result, and a leaky ReLU that may follow: no pass over memory more.


@primitive
def conv2d_bias(
    x: Array,
    w: Array,
    b: Array,
    *,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    negative_slope: float | None = None,
) -> Array:
    """C(x, w) + b."""
    return find("conv2d_bias", x)(x, w, b, stride, padding, dilation, groups, negative_slope)


@primitive
def conv2d_input_grad_bias(
    g: Array,
    w: Array,
    b: Array,
    *,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    negative_slope: float | None = None,
) -> Array:
    """T(g, w) + b."""
    kernel = find("conv2d_input_grad_bias", g)
    return kernel(g, w, b, input_size, stride, padding, dilation, groups, negative_slope)


share_vjps(conv2d_bias, conv2d)
share_vjps(conv2d_input_grad_bias, conv2d_input_grad)
