"""The three convolutions on the CPU, as in `minigen.kernels.reference.conv`, and which method serves a call.

=============== ========================================================= ======================================
method          idea                                                      good for
=============== ========================================================= ======================================
winograd        fewer multiplications (`minigen.kernels.cpu.winograd`)    many channels, dilation 1, float32
channel lanes   direct, channels in the lanes (`channel_lanes`)           many channels, everything else
pixel lanes     direct, pixels in the lanes (`pixel_lanes`)               few channels, wide rows
product         all pixels of all images as columns (`products`)          1 x 1
group lanes     direct, groups in the lanes (`group_lanes`)               depthwise, many groups of few channels
depthwise       each plane read once, from top to bottom (`depthwise`)    depthwise, stride 1 or 2
dot products    weight gradients along the pixels (`dot_products`)        few channels, many pixels
=============== ========================================================= ======================================

The choice compares estimates of the time, in multiply-adds per lane: what the micro-kernel executes, rounded up to full
vectors and blocks, and what it costs to bring the operands into its layout.  It depends on nothing but the shapes, the
dtype and `minigen.kernels.cpu.precision`.
"""

import functools
import math
from typing import Any

from ...shapes import Array, Padding, Pair, output_size, round_up
from ...signatures import checked
from .. import winograd
from ..microkernel import GROUP_TAPS, PLACES, ROWS, SUM_ROWS, VECTORS, WIDE_PLACES
from ..precision import current
from ..runtime.allocator import contiguous, empty
from ..simd import VECTOR_BYTES
from ..winograd.geometry import backward_grid, lattice_grid
from . import channel_lanes, depthwise, dot_products, group_lanes, pixel_lanes, products

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]

#: Tiles F(m x m, r x r) to choose from, as (m, r).
TILES: dict[str, tuple[tuple[int, int], ...]] = {
    "direct": (),
    "default": ((2, 2), (3, 2), (4, 2), (2, 3), (4, 3)),
    "fast": ((2, 2), (3, 2), (4, 2), (2, 3), (4, 3), (6, 3)),
}
#: Time to write and read one number of the pixels that a tap meets, or of a tile's transform, in multiply-adds.
LAYOUT, TILE_LAYOUT = 27, 18
#: For weight gradients: the same of a tile's transform, which all threads share, and to copy a number of an image.
SUM_LAYOUT, COPY = 18, 27
#: To transform a number of the filter, and for a weight gradient to write a number of the filter's transform and to
#: transform it back: once for all images, which is much where they are few and small.
FILTER, SUM_FILTER = 34, 7
#: More for each number of a filter's transform of that many bytes, which passes through the caches.
FAR, FAR_BYTES = 30, 1 << 24
#: Where groups are in the lanes: what a multiply-add takes, whose two factors are both read, and to copy a number.
GROUP_PRODUCT, GROUP_LAYOUT = 1.5, 20
#: Where each channel has its own filter: what a multiply-add takes, and all else for each pixel between two steps.
SLIDE_PRODUCT, SLIDE_LAYOUT = 1.4, 2.5
#: For sums along pixels: what a multiply-add takes, to copy a number of an image, and to add the lanes of a sum.
DOT_PRODUCT, DOT_COPY, DOT_LANES = 1.15, 55, 200
#: To add a number to the pixel that a tap meets, and to bring a number of the image into its place after that.
SCATTER = 50
#: For few outputs, one after the other: what a multiply-add takes, which reads a vector of pixels each time.
ROW_PRODUCT = 1
#: Where pixels of all channels are copied to where they lie together, for a product: to copy a number, and to write one
#: of the result from a buffer.
PANEL, FROM_BUFFER = 20, 8
#: What a multiply-add takes in blocks of a single vector of outputs, which read more for each.
NARROW = 1.3


#: The direct methods, by their names.
DIRECT = {
    "channel lanes": channel_lanes,
    "depthwise": depthwise,
    "dot products": dot_products,
    "group lanes": group_lanes,
    "pixel lanes": pixel_lanes,
    "product": products,
}


@checked("conv2d")
def conv2d(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Cross-correlate images with a bank of filters; see `minigen.kernels.reference.conv.conv2d`."""
    sizes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    out = _output(out, (x.shape[0], w.shape[0], *(output_size(*axis) for axis in sizes)), x.dtype)
    return _run(_forward, x, w, out, (w.shape[1:], stride, padding, dilation, groups))


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
    out = _output(out, (g.shape[0], w.shape[1] * groups, *input_size), g.dtype)
    return _run(_input_grad, g, w, out, (w.shape[1:], stride, padding, dilation, groups))


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
    out = _output(out, (g.shape[1], x.shape[1] // groups, *kernel_size), x.dtype)
    return _run(_weight_grad, x, g, out, (out.shape[1:], stride, padding, dilation, groups))


def _output(out, shape, dtype):
    return empty(shape, dtype) if out is None else out


def _run(operation, first, second, out, how):
    """Bring the operands into the form that kernels read, and the result into `out`."""
    if 0 in (first.size, second.size, out.size):
        out[...] = 0
        return out
    plain = out.flags.c_contiguous and out.flags.aligned
    target = out if plain else empty(out.shape, out.dtype)
    operation(contiguous(first), contiguous(second), target, *how)
    if not plain:
        out[...] = target
    return out


def _forward(x, w, y, filter_shape, stride, padding, dilation, groups):
    shapes = x.shape, y.shape, x.itemsize, filter_shape
    method, tile = _best(forward_costs, *shapes, stride, padding, dilation, groups, current())
    run_forward(method, tile, x, w, y, filter_shape, stride, padding, dilation, groups)


def _input_grad(g, w, dx, filter_shape, stride, padding, dilation, groups):
    shapes = g.shape, dx.shape, g.itemsize, filter_shape
    method, tile = _best(input_grad_costs, *shapes, stride, padding, dilation, groups, current())
    run_input_grad(method, tile, g, w, dx, filter_shape, stride, padding, dilation, groups)


def _weight_grad(x, g, dw, filter_shape, stride, padding, dilation, groups):
    shapes = x.shape, g.shape, x.itemsize, filter_shape
    method, tile = _best(weight_grad_costs, *shapes, stride, padding, dilation, groups, current())
    run_weight_grad(method, tile, x, g, dw, filter_shape, stride, padding, dilation, groups)


# ---- the three convolutions by a given method; Winograd's has a tile


def run_forward(
    method: str,
    tile: Any,
    x: Array,
    w: Array,
    y: Array,
    filter_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> None:
    """Write the convolution to `y`."""
    how = stride, padding, dilation, groups
    if method == "winograd":
        winograd.conv2d(x, w, y, *how, tile)
    elif method == "pixel lanes":
        x, y, padding = _as_rows(x, y, filter_shape, stride, padding, pixel_lanes.band_count(x.shape[0] * groups))
        pixel_lanes.conv2d(x, w, y, stride, padding, dilation, groups)
    else:
        DIRECT[method].conv2d(x, w, y, *how)


def run_input_grad(
    method: str,
    tile: Any,
    g: Array,
    w: Array,
    dx: Array,
    filter_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> None:
    """Write the adjoint in x to `dx`."""
    how = stride, padding, dilation, groups
    if method == "winograd":
        winograd.conv2d_input_grad(g, w, dx, *how, tile)
    elif method == "pixel lanes" and stride == (1, 1):  # the adjoint is a convolution with the flipped filter
        channels, outputs = filter_shape[0], w.shape[0] // groups
        w = w.reshape(groups, outputs, *filter_shape).swapaxes(1, 2)[..., ::-1, ::-1]
        w = contiguous(w.reshape(groups * channels, outputs, *filter_shape[1:]))
        before = [d * (k - 1) - p[0] for d, k, p in zip(dilation, filter_shape[1:], padding, strict=True)]
        padding = tuple((p, 0) for p in before)  # what follows the image is zero anyhow
        g, dx, padding = _as_rows(g, dx, w.shape[1:], stride, padding, pixel_lanes.band_count(g.shape[0] * groups))
        pixel_lanes.conv2d(g, w, dx, stride, padding, dilation, groups)
    else:
        DIRECT[method].conv2d_input_grad(g, w, dx, *how)


def run_weight_grad(
    method: str,
    tile: Any,
    x: Array,
    g: Array,
    dw: Array,
    filter_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> None:
    """Write the adjoint in w to `dw`."""
    how = stride, padding, dilation, groups
    if method == "winograd":
        winograd.conv2d_weight_grad(x, g, dw, *how, tile)
    elif method == "pixel lanes":
        x, g, padding = _as_rows(x, g, filter_shape, stride, padding)
        pixel_lanes.conv2d_weight_grad(x, g, dw, stride, padding, dilation, groups)
    else:
        DIRECT[method].conv2d_weight_grad(x, g, dw, *how)


# ---- the choice: (method, tile); a training step asks the same few questions again and again


@functools.lru_cache(maxsize=1536)
def _best(estimate, *question):
    costs = estimate(*question)
    return min(costs, key=costs.__getitem__)


def forward_costs(
    x_shape: Any,
    y_shape: Any,
    itemsize: int,
    filter_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    level: str,
) -> dict[Any, float]:
    """An estimate of the time of each method that can serve; of equal ones the first is better."""
    outputs = y_shape[1] // groups
    costs = {
        ("pixel lanes", None): _pixel_lanes_cost(x_shape, y_shape, itemsize, filter_shape, stride, groups),
        ("channel lanes", None): _channel_lanes_cost(x_shape, y_shape, itemsize, math.prod(filter_shape), groups),
        ("group lanes", None): _group_lanes_cost(x_shape, y_shape, itemsize, math.prod(filter_shape), groups),
    }
    if products.serves(filter_shape, padding):
        costs["product", None] = _product_cost(
            y_shape[0], math.prod(y_shape[2:]), filter_shape[0], outputs, itemsize, stride, groups
        )
    if depthwise.serves(filter_shape, outputs, stride, dilation):
        costs["depthwise", None] = _depthwise_cost(y_shape, itemsize, math.prod(filter_shape), stride)
    return costs | _winograd_costs(
        x_shape[0], itemsize, lambda m: (y_shape[2:], 1), filter_shape, outputs, stride, dilation, groups, level
    )


def input_grad_costs(
    g_shape: Any,
    dx_shape: Any,
    itemsize: int,
    filter_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    level: str,
) -> dict[Any, float]:
    """As `forward_costs`."""
    n, outputs = g_shape[0], g_shape[1] // groups

    def grid(m):
        size, aligned = backward_grid(dx_shape[2:], stride, padding, m)
        return size, math.prod(stride) if aligned else 1

    if stride == (1, 1):
        pixel_lanes_cost = _pixel_lanes_cost(g_shape, dx_shape, itemsize, (outputs, *filter_shape[1:]), stride, groups)
    else:
        pairs = math.prod(filter_shape)
        rows = round_up(pairs, pixel_lanes.row_height(pairs)) * outputs + pairs * SCATTER
        pixel_lanes_cost = n * groups * rows * round_up(math.prod(g_shape[2:]), VECTOR_BYTES // itemsize)
        pixel_lanes_cost += SCATTER * math.prod(dx_shape)
    pairs = outputs * math.prod(filter_shape[1:]) / math.prod(stride)  # that a pixel of dx meets
    costs = {
        ("pixel lanes", None): pixel_lanes_cost,
        ("channel lanes", None): _channel_lanes_cost(g_shape, dx_shape, itemsize, pairs, groups),
        ("group lanes", None): _group_lanes_cost(g_shape, dx_shape, itemsize, pairs, groups),
    }
    if products.serves(filter_shape, padding):
        costs["product", None] = _product_cost(
            n, math.prod(g_shape[2:]), outputs, filter_shape[0], itemsize, stride, groups
        )
    if depthwise.serves(filter_shape, outputs, stride, dilation):
        costs["depthwise", None] = _depthwise_cost(dx_shape, itemsize, pairs, stride)
    return costs | _winograd_costs(n, itemsize, grid, filter_shape, outputs, stride, dilation, groups, level)


def weight_grad_costs(
    x_shape: Any,
    g_shape: Any,
    itemsize: int,
    filter_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    level: str,
) -> dict[Any, float]:
    """As `forward_costs`."""
    n, outputs, pixels = g_shape[0], g_shape[1] // groups, math.prod(g_shape[2:])
    lanes, copies = VECTOR_BYTES // itemsize, COPY * filter_shape[0] * math.prod(x_shape[2:])
    work: float = round_up(math.prod(filter_shape), PLACES) * round_up(outputs, lanes)
    if outputs <= lanes:
        work *= NARROW
    costs = {("pixel lanes", None): n * groups * (pixels * (work + LAYOUT * outputs) + copies)}
    if filter_shape[2] > 1:
        work = round_up(filter_shape[0], lanes) * math.prod(filter_shape[1:]) * round_up(outputs, WIDE_PLACES)
        costs["channel lanes", None] = n * groups * (pixels * work + copies)
    taps = round_up(math.prod(filter_shape[1:]), GROUP_TAPS)
    costs["group lanes", None] = _group_lanes_cost(x_shape, g_shape, itemsize, filter_shape[0] * taps, groups)
    if products.serves(filter_shape, padding):
        work = round_up(filter_shape[0], VECTORS * lanes) * round_up(outputs, ROWS)
        work += PANEL * (filter_shape[0] + outputs) + _skips(stride, filter_shape[0])
        costs["product", None] = n * groups * pixels * work
    if depthwise.serves(filter_shape, outputs, stride, dilation, sums=True):
        costs["depthwise", None] = _depthwise_cost(g_shape, itemsize, math.prod(filter_shape), stride)
    if dot_products.serves(filter_shape, outputs):
        plan = dot_products.make_plan(n, filter_shape, outputs, g_shape[2:], stride, padding, dilation, groups)
        sums, copied = plan.outputs * plan.offset.size, filter_shape[0] * plan.copies.size
        each = DOT_PRODUCT * round_up(pixels, lanes) * sums + DOT_COPY * copied
        costs["dot products", None] = groups * (n * each + DOT_LANES * plan.shards * sums)
    return costs | _winograd_costs(
        n, itemsize, lambda m: (g_shape[2:], 1), filter_shape, outputs, stride, dilation, groups, level, sums=True
    )


def _winograd_costs(n, itemsize, grid, filter_shape, outputs, stride, dilation, groups, level, sums=False):
    """Estimates for the tiles that fit, for a call on `n` images.

    ``grid(m)`` is what tiles of m x m cover, and in how many views, see `minigen.kernels.cpu.winograd.geometry`;
    `sums`: for a weight gradient.
    """
    kernel_size = filter_shape[1:]
    lanes = VECTOR_BYTES // itemsize
    rows = min(lanes, SUM_ROWS) if sums else lanes  # a weight gradient takes outputs by rows
    channels, outputs = round_up(filter_shape[0], lanes), round_up(outputs, rows)
    taps = max(-(-k // s) for k, s in zip(kernel_size, stride, strict=True))
    serves = taps > 1 and (dilation == (1, 1) or stride == (1, 1)) and itemsize == 4
    fits = [tile for tile in TILES[level] if serves and (tile[1] >= taps or stride == (1, 1))]

    def cost(tile):
        m, r = tile
        size, views = grid(m)
        tiles = math.prod(d * -(-n // m) for d, n in zip(dilation, lattice_grid(size, dilation), strict=True))
        products = parts = 1
        for k, s in zip(kernel_size, stride, strict=True):
            taps = [-(-(k - phase) // s) for phase in range(min(s, k))]
            pieces = [min(n - i, r) for n in taps for i in range(0, n, r)]
            parts *= len(pieces)
            products *= sum(m + r - 1 - (n < r) for n in pieces)  # a piece that lacks taps has a point less
        points = (m + r - 1) ** 2
        layout = points * (SUM_LAYOUT if sums else TILE_LAYOUT) * (parts * channels + views * outputs)
        transformed = points * parts * channels * outputs  # of the filter
        far = FAR if groups * transformed * itemsize > FAR_BYTES else 0
        filters = transformed * (SUM_FILTER if sums else FILTER + far)
        executed = n * tiles if sums else round_up(n * tiles, ROWS)
        return groups * (executed * products * channels * outputs + n * tiles * layout + filters)

    return {("winograd", tile): cost(tile) for tile in fits}


def _group_lanes_cost(source, result, itemsize, pairs, groups):
    """Estimate for `group_lanes`, from shapes; a pixel of the result meets `pairs` pairs of a channel and a tap."""
    filled = round_up(groups, VECTOR_BYTES // itemsize) / groups
    layout = math.prod(source[1:]) + math.prod(result[1:])
    return source[0] * filled * (math.prod(result[1:]) * pairs * GROUP_PRODUCT + GROUP_LAYOUT * layout)


def _depthwise_cost(result, itemsize, pairs, stride):
    """Estimate for `depthwise`, from shapes; a pixel of the result meets `pairs` taps."""
    per_pixel = SLIDE_PRODUCT * pairs + SLIDE_LAYOUT * math.prod(stride)
    half = VECTOR_BYTES // itemsize // 2  # narrow planes take half vectors
    return math.prod(result[:3]) * round_up(result[3], half) * per_pixel


def _product_cost(n, pixels, channels, outputs, itemsize, stride, groups):
    """Estimate for `products`, from images, pixels, and the channels that are summed over and that are produced."""
    lanes = VECTOR_BYTES // itemsize
    columns = round_up(n * pixels, lanes) if products.are_beside(n, pixels) else n * round_up(pixels, lanes)
    per_column = channels * (round_up(outputs, pixel_lanes.row_height(outputs)) + PANEL)
    copies = FROM_BUFFER * outputs if products.are_beside(n, pixels) else 0
    return groups * (columns * per_column + n * pixels * (copies + _skips(stride, channels)))


def _skips(stride, channels):
    """What it costs `products`, for each pixel that counts, to leave out those between the steps of a stride."""
    return FROM_BUFFER * channels if stride != (1, 1) else 0


def _channel_lanes_cost(source, result, itemsize, pairs, groups):
    """Estimate for `channel_lanes`, from shapes; a pixel of the result meets `pairs` pairs of a channel and a tap."""
    products = round_up(math.prod(result[2:]), PLACES) * pairs * round_up(result[1] // groups, VECTOR_BYTES // itemsize)
    layout = math.prod(source[1:]) + math.prod(result[1:])
    return source[0] * (groups * products + LAYOUT * layout)


def _pixel_lanes_cost(source, result, itemsize, filter_shape, stride, groups):
    """Estimate for `pixel_lanes.conv2d`, from shapes."""
    pixelwise = _is_pixelwise(source[2:], result[2:], filter_shape[1:], stride)
    rows, columns = (1, math.prod(result[2:])) if pixelwise else result[2:]
    outputs = result[1] // groups
    per_pixel = round_up(outputs, pixel_lanes.row_height(outputs)) * math.prod(filter_shape)
    if outputs <= pixel_lanes.FEW_OUTPUTS:
        per_pixel = ROW_PRODUCT * outputs * math.prod(filter_shape)
    per_row = round_up(columns, VECTOR_BYTES // itemsize) * (per_pixel + LAYOUT * filter_shape[0] * math.prod(stride))
    return source[0] * groups * rows * per_row


def _is_pixelwise(source, result, kernel_size, stride):
    """Whether pixel u of the result depends on pixel u of the source only: a 1 x 1 filter, no stride, no padding.

    That there is no padding follows from the equal sizes.  One padding alone does not tell: zeros may stand on the
    other side, and the padding of the adjoint is another one.
    """
    return kernel_size == (1, 1) and stride == (1, 1) and source == result


def _as_rows(x, y, filter_shape, stride, padding, bands=1):
    """Where the convolution is pixelwise, make each image a few long rows, which fill vectors better.

    There are at most `bands` of them; their number changes no bit of the result.
    """
    if _is_pixelwise(x.shape[2:], y.shape[2:], filter_shape[1:], stride):
        vectors, rest = divmod(math.prod(x.shape[2:]), VECTOR_BYTES // x.itemsize)
        rows = 1 if rest else max(n for n in range(1, bands + 1) if vectors % n == 0)
        x, y = (array.reshape(*array.shape[:2], rows, -1) for array in (x, y))
        return x, y, ((0, 0), (0, 0))
    return x, y, padding
