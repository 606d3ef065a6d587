"""The three convolutions on a GPU, as in `minigen.kernels.reference.conv`.

Each is a tiled product of matrices that are never stored: `correlate` sums over channels and filter elements,
`weight_grad` over pixels.
"""

from ..shapes import Array, Padding, Pair, output_size
from ..signatures import checked
from .correlate import Plan, correlate
from .launch import contiguous, deliver, receiver
from .plan import gather_axis, scatter_axis
from .pointwise import rectified
from .weight_grad import Products, weight_grad

__all__ = ["conv2d", "conv2d_bias", "conv2d_input_grad", "conv2d_input_grad_bias", "conv2d_weight_grad"]


@checked("conv2d")
def conv2d(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Cross-correlate images with a bank of filters; see `minigen.kernels.reference.conv.conv2d`."""
    return _forward("conv2d", x, w, None, stride, padding, dilation, groups, None, out)


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
    """As `minigen.kernels.reference.conv2d_bias`."""
    return _forward("conv2d_bias", x, w, bias, stride, padding, dilation, groups, negative_slope)


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
    """The adjoint of `conv2d` in x; see `minigen.kernels.reference.conv.conv2d_input_grad`."""
    return _adjoint("conv2d_input_grad", g, w, None, input_size, stride, padding, dilation, groups, None, out)


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
    """As `minigen.kernels.reference.conv2d_input_grad_bias`."""
    name = "conv2d_input_grad_bias"
    return _adjoint(name, g, w, bias, input_size, stride, padding, dilation, groups, negative_slope)


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
    """The adjoint of `conv2d` in w; see `minigen.kernels.reference.conv.conv2d_weight_grad`."""
    x = contiguous("conv2d_weight_grad: x", x)
    g = contiguous("conv2d_weight_grad: g", g)
    channels, outputs = x.shape[1] // groups, g.shape[1] // groups
    target = receiver("conv2d_weight_grad: out", out, x, (g.shape[1], channels, *kernel_size))
    if x.size and g.size:
        pairs = x.shape[2:], g.shape[2:], kernel_size, stride, _before(padding), dilation
        sides: list[Pair] = [(down, across) for down, across in pairs]
        weight_grad(Products(groups, channels, outputs, *sides), x, g, target)
    else:
        target[...] = 0
    return deliver(target, out)


def _before(padding):
    """Rows and columns of zeros before the image."""
    (top, _), (left, _) = padding
    return top, left


def _forward(name, x, w, bias, stride, padding, dilation, groups, negative_slope, out=None):
    pixels = tuple(map(output_size, x.shape[2:], w.shape[2:], stride, padding, dilation))
    axes = map(gather_axis, w.shape[2:], stride, _before(padding), dilation, pixels)
    return _correlate(name, x, w, bias, False, axes, pixels, groups, negative_slope, out)


def _adjoint(name, g, w, bias, input_size, stride, padding, dilation, groups, negative_slope, out=None):
    axes = map(scatter_axis, w.shape[2:], stride, _before(padding), dilation, input_size)
    return _correlate(name, g, w, bias, True, axes, tuple(input_size), groups, negative_slope, out)


def _correlate(name, source, w, bias, transposed, axes, size, groups, negative_slope, out):
    """Gather from `source` by the plan of both axes."""
    source, w = contiguous(f"{name}: {'g' if transposed else 'x'}", source), contiguous(f"{name}: w", w)
    bias = None if bias is None else contiguous(f"{name}: bias", bias)
    channels, outputs = source.shape[1] // groups, w.shape[1] if transposed else w.shape[0] // groups
    target = receiver(f"{name}: out", out, source, (source.shape[0], groups * outputs, *size))
    if target.size:
        kinds = bias is not None, rectified(negative_slope)
        plan = Plan(groups, channels, outputs, source.shape[2:], w.shape[2:], transposed, *axes, size, *kinds)
        correlate(plan, source, w, bias, target, negative_slope)
    return deliver(target, out)
