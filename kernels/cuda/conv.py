"""The three convolutions on a GPU, as in `minigen.kernels.reference.conv`.

Each brings its operands into the order in which a tiled product reads them (`layout`), and multiplies: `correlate` sums
over channels and kernel elements, `weight_grad` over pixels.
"""

from ..shapes import Array, Padding, Pair, output_size
from ..signatures import checked
from .correlate import Plan, correlate, taps
from .launch import contiguous, deliver, receiver
from .layout import Images, pack_filters, pack_images
from .plan import gather_axis, scatter_axis
from .weight_grad import Products, weight_grad

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]


@checked("conv2d")
def conv2d(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Cross-correlate images with a bank of filters; see `minigen.kernels.reference.conv.conv2d`."""
    x = contiguous("conv2d: x", x)
    w = contiguous("conv2d: w", w)
    pixels = tuple(map(output_size, x.shape[2:], w.shape[2:], stride, padding, dilation))
    axes = map(gather_axis, w.shape[2:], stride, (before for before, _ in padding), dilation, pixels)
    return _correlate("conv2d", x, w, False, axes, pixels, groups, out)


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
    g = contiguous("conv2d_input_grad: g", g)
    w = contiguous("conv2d_input_grad: w", w)
    axes = map(scatter_axis, w.shape[2:], stride, (before for before, _ in padding), dilation, input_size)
    return _correlate("conv2d_input_grad", g, w, True, axes, tuple(input_size), groups, out)


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
    channels, outputs, pixels = x.shape[1] // groups, g.shape[1] // groups, g.shape[2:]
    target = receiver("conv2d_weight_grad: out", out, x, (g.shape[1], channels, *kernel_size))
    if x.size and g.size:
        (top, _), (left, _) = padding
        vertical, horizontal = map(gather_axis, kernel_size, stride, (top, left), dilation, pixels)
        images = Images(groups, channels, x.shape[2:], (top, left), (vertical.size, horizontal.size))
        source = pack_images(x, images)
        cotangents = pack_images(g, Images(groups, outputs, pixels, (0, 0), pixels))
        sides: list[Pair] = [(down, across) for down, across in (kernel_size, stride, dilation)]
        weight_grad(
            Products(groups, channels, outputs, pixels, images.padded, *sides), source, cotangents, x.shape[0], target
        )
    else:
        target[...] = 0
    return deliver(target, out)


def _correlate(name, source, w, transposed, axes, size, groups, out):
    """Gather from `source` by the plan of both axes."""
    channels, outputs = source.shape[1] // groups, w.shape[0] // groups
    if transposed:
        outputs = w.shape[1]
    target = receiver(f"{name}: out", out, source, (source.shape[0], groups * outputs, *size))
    if source.size and w.size and target.size:
        plan = Plan(groups, channels, outputs, *axes, size)
        before, padded = zip(*((axis.before, axis.size) for axis in (plan.vertical, plan.horizontal)))
        images = Images(groups, channels, source.shape[2:], before, padded)
        filters = pack_filters(w, groups, transposed, taps(plan, w.shape[3]))
        correlate(plan, pack_images(source, images), filters, target)
    else:
        target[...] = 0
    return deliver(target, out)
