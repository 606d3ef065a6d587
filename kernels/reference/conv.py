r"""The three convolutions, in plain NumPy.

Let $S(x, w, g) = \langle \mathrm{conv}(x, w), g \rangle$.  It is linear in each of its three arguments, so its
partial derivatives are three kernels that are each other's adjoints:

====================== ============================== ===================================
kernel                 computes                       is the derivative of $S$ in
====================== ============================== ===================================
`conv2d`               ``y = conv(x, w)``             ``g``
`conv2d_input_grad`    ``dx``, transposed convolution ``x``
`conv2d_weight_grad`   ``dw``                         ``w``
====================== ============================== ===================================

which is one identity, ``<y, g> = <x, dx> = <w, dw>``, and a complete test of all three.

Letters: N images, C input channels, O output channels, G groups, (H, W) input size, (P, Q) output size, (R, S) kernel
size.  With stride s, dilation d and padding (t, b) above and below,

$$ P = \lfloor (H + t + b - d (R - 1) - 1) / s \rfloor + 1 . $$

All three go through one array of *patches* (im2col): ``patches[n, c, r, s, p, q]`` is the input element that kernel
element (r, s) meets at output pixel (p, q).  Convolution is then a matrix product.
"""

import math

import numpy as np

from ..shapes import Array, Padding, Pair, output_size
from ..signatures import checked
from .bias import add_bias

__all__ = ["conv2d", "conv2d_bias", "conv2d_input_grad", "conv2d_input_grad_bias", "conv2d_weight_grad"]


@checked("conv2d")
def conv2d(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Cross-correlate images with a bank of filters, as deep learning calls convolution.

    ``y[n, o, p, q] = sum over c, r, s of w[o, c, r, s] * x[n, c, p*stride + r*dilation - top, ...]``

    Parameters
    ----------
    x : array (N, C, H, W)
    w : array (O, C/groups, R, S)
    stride, dilation : (int, int)
    padding : ((top, bottom), (left, right))
    groups : int
    out : array (N, O, P, Q), optional
        Where to write the result.

    Returns
    -------
    array (N, O, P, Q)
    """
    n, o = x.shape[0], w.shape[0]
    patches = _patches(x, w.shape[2:], stride, padding, dilation)
    pixels = patches.shape[4:]
    columns = patches.reshape(n, groups, math.prod(w.shape[1:]), pixels[0] * pixels[1])
    rows = w.reshape(groups, o // groups, columns.shape[2])
    return _deliver(np.matmul(rows, columns).reshape(n, o, *pixels), out)


@checked("conv2d_input_grad")
def conv2d_input_grad(
    g: Array,
    w: Array,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    out: Array | None = None,
) -> Array:
    """The adjoint of `conv2d` in x: each output pixel hands its cotangent back to the pixels it was made from.

    ``dx[n, c, p*stride + r*dilation - top, ...] += sum over o of w[o, c, r, s] * g[n, o, p, q]``

    Parameters
    ----------
    g : array (N, O, P, Q)
    w : array (O, C/groups, R, S)
    input_size : (H, W)
        Needed because stride rounds down: several H give the same P.
    stride, padding, dilation, groups
        As in `conv2d`.
    out : array (N, C, H, W), optional

    Returns
    -------
    array (N, C, H, W)
    """
    n, o = g.shape[:2]
    c = w.shape[1] * groups
    rows = w.reshape(groups, o // groups, math.prod(w.shape[1:]))
    columns = np.matmul(rows.transpose(0, 2, 1), g.reshape(n, groups, o // groups, g.shape[2] * g.shape[3]))
    patches = columns.reshape(n, c, *w.shape[2:], *g.shape[2:])
    return _deliver(_add_patches(patches, input_size, stride, padding, dilation), out)


@checked("conv2d_weight_grad")
def conv2d_weight_grad(
    x: Array,
    g: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    out: Array | None = None,
) -> Array:
    """The adjoint of `conv2d` in w: each filter element collects the inputs it met, weighted by the cotangent.

    ``dw[o, c, r, s] = sum over n, p, q of g[n, o, p, q] * x[n, c, p*stride + r*dilation - top, ...]``

    Parameters
    ----------
    x : array (N, C, H, W)
    g : array (N, O, P, Q)
    kernel_size : (R, S)
        Needed because stride rounds down: several R give the same P.
    stride, padding, dilation, groups
        As in `conv2d`.
    out : array (O, C/groups, R, S), optional

    Returns
    -------
    array (O, C/groups, R, S)
    """
    n, o = g.shape[:2]
    c = x.shape[1]
    patches = _patches(x, kernel_size, stride, padding, dilation, g.shape[2:])
    columns = patches.reshape(n, groups, c // groups * kernel_size[0] * kernel_size[1], g.shape[2] * g.shape[3])
    rows = g.reshape(n, groups, o // groups, columns.shape[3])
    dw = np.matmul(rows, columns.transpose(0, 1, 3, 2)).sum(axis=0)
    return _deliver(dw.reshape(o, c // groups, *kernel_size), out)


@checked("conv2d_bias")
def conv2d_bias(
    x: Array,
    w: Array,
    bias: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    negative_slope: float | None = None,
) -> Array:
    """`conv2d`, a number for each output channel added, and a leaky ReLU of that.

    Parameters
    ----------
    x, w, stride, padding, dilation, groups
        As in `conv2d`.
    bias : array (O,)
    negative_slope : float, optional
        Of the leaky ReLU (0: a ReLU); None is no activation.

    Returns
    -------
    array (N, O, P, Q)
    """
    y = conv2d(x, w, stride, padding, dilation, groups)
    return add_bias(y, bias, y, negative_slope)


@checked("conv2d_input_grad_bias")
def conv2d_input_grad_bias(
    g: Array,
    w: Array,
    bias: Array,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    negative_slope: float | None = None,
) -> Array:
    """`conv2d_input_grad`, a number for each channel of the result added, and a leaky ReLU of that.

    It is the forward pass of a transposed convolution.

    Parameters
    ----------
    g, w, input_size, stride, padding, dilation, groups
        As in `conv2d_input_grad`.
    bias : array (C,)
    negative_slope : float, optional
        Of the leaky ReLU (0: a ReLU); None is no activation.

    Returns
    -------
    array (N, C, H, W)
    """
    x = conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups)
    return add_bias(x, bias, x, negative_slope)


def _tap(offset: int, pixels: int, stride: int, dilation: int) -> slice:
    """The slice of a padded axis that kernel element `offset` visits: one input element per output pixel."""
    start = offset * dilation
    return slice(start, start + stride * (pixels - 1) + 1, stride)


def _patches(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, pixels: Pair | None = None
) -> Array:
    """Gather ``patches[n, c, r, s, p, q]`` from padded images; one strided copy per kernel element."""
    if pixels is None:
        rows, columns = map(output_size, x.shape[2:], kernel_size, stride, padding, dilation)
        pixels = rows, columns
    padded = np.pad(x, ((0, 0), (0, 0), *padding)) if any(map(any, padding)) else x
    patches = np.empty((*x.shape[:2], *kernel_size, *pixels), x.dtype)
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            down, across = _tap(r, pixels[0], stride[0], dilation[0]), _tap(s, pixels[1], stride[1], dilation[1])
            patches[:, :, r, s] = padded[:, :, down, across]
    return patches


def _add_patches(patches: Array, input_size: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """The adjoint of `_patches`: add every patch element to the pixel it came from, then cut the padding off."""
    (top, bottom), (left, right) = padding
    n, c, kernel_height, kernel_width, *pixels = patches.shape
    padded = np.zeros((n, c, input_size[0] + top + bottom, input_size[1] + left + right), patches.dtype)
    for r in range(kernel_height):
        for s in range(kernel_width):
            down, across = _tap(r, pixels[0], stride[0], dilation[0]), _tap(s, pixels[1], stride[1], dilation[1])
            padded[:, :, down, across] += patches[:, :, r, s]
    return np.ascontiguousarray(padded[:, :, top : top + input_size[0], left : left + input_size[1]])


def _deliver(result: Array, out: Array | None) -> Array:
    if out is None:
        return result
    out[...] = result
    return out
