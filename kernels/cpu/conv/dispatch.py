"""The three convolutions on the CPU, as in `minigen.kernels.reference.conv`, and which method serves a call.

=============== ========================================================= ======================================
method          idea                                                      good for
=============== ========================================================= ======================================
winograd        fewer multiplications (`minigen.kernels.cpu.winograd`)    many channels, dilation 1, float32
channel lanes   direct, channels in the lanes (`channel_lanes`)           many channels, everything else
pixel lanes     direct, pixels in the lanes (`pixel_lanes`)               few channels, wide rows
product         all pixels of all images as columns (`products`)          1 x 1
columns         what a pixel meets as a column (`columns`)                small images, windows that overlap little
group lanes     direct, groups in the lanes (`group_lanes`)               depthwise, many groups of few channels
depthwise       each plane read once, from top to bottom (`depthwise`)    depthwise, stride 1 or 2
dot products    weight gradients along the pixels (`dot_products`)        few channels, many pixels
=============== ========================================================= ======================================

The choice compares estimates of the time, in multiply-adds per lane: what the micro-kernel executes, rounded up to full
vectors and blocks, and what it costs to bring the operands into its layout, fitted to measured times.  It depends on
nothing but the shapes, the dtype and `minigen.kernels.cpu.precision`.
"""

import functools
import math
from typing import Any, NamedTuple

from ...shapes import Array, Padding, Pair, output_size, round_up
from ...signatures import checked
from .. import winograd
from ..microkernel import GROUP_TAPS, PLACES, ROWS, SUM_ROWS, VECTORS, WIDE_PLACES
from ..precision import current
from ..runtime.allocator import contiguous, empty
from ..simd import VECTOR_BYTES
from ..winograd.geometry import backward_grid, lattice_grid
from . import channel_lanes, columns, depthwise, dot_products, group_lanes, pixel_lanes, products

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "met_taps"]

#: Tiles F(m x m, r x r) to choose from, as (m, r).
TILES: dict[str, tuple[tuple[int, int], ...]] = {
    "direct": (),
    "default": ((2, 2), (3, 2), (4, 2), (2, 3), (4, 3)),
    "fast": ((2, 2), (3, 2), (4, 2), (2, 3), (4, 3), (6, 3)),
}
#: The times below are in multiply-adds per lane.  To move a number takes as long however wide vectors are, but a
#: multiply-add per lane takes longer where they are narrow: so what moves numbers is given for vectors of 64 bytes.
_MOVE = VECTOR_BYTES / 64
#: To write and read one number of the pixels that a tap meets, or of a tile's transform.
LAYOUT, TILE_LAYOUT = 12 * _MOVE, 16 * _MOVE
#: For weight gradients: the same of a tile's transform, which all threads share, and to copy a number of an image.
SUM_LAYOUT, COPY = 30 * _MOVE, 5 * _MOVE
#: To transform a number of the filter, and for a weight gradient to write a number of the filter's transform and to
#: transform it back: once for all images, which is much where they are few and small.
FILTER, SUM_FILTER = 32 * _MOVE, 33 * _MOVE
#: More for each number of a filter's transform of that many bytes, which passes through the caches.
FAR, FAR_BYTES = 24 * _MOVE, 1 << 24
#: Where groups are in the lanes: what a multiply-add takes, whose two factors are both read, and to copy a number.
GROUP_PRODUCT, GROUP_LAYOUT = 1.8, 10.5 * _MOVE
#: Where each channel has its own filter: what a multiply-add takes, and all else for each pixel between two steps.
SLIDE_PRODUCT, SLIDE_LAYOUT = 1.1, 3 * _MOVE
#: For sums along pixels: what a multiply-add takes, to copy a number of an image, and to add the lanes of a sum.
DOT_PRODUCT, DOT_COPY, DOT_LANES = 1.2, 3.5 * _MOVE, 130 * _MOVE
#: To add a number to the pixel that a tap meets, and to bring a number of the image into its place after that.
SCATTER = 35 * _MOVE
#: For few outputs, one after the other: what a multiply-add takes, which reads a vector of pixels each time.
ROW_PRODUCT = 2.5 * _MOVE
#: Where pixels of all channels are copied to where they lie together, for a product: to copy a number, and to write one
#: of the result from a buffer.
PANEL, FROM_BUFFER = 7 * _MOVE, 9 * _MOVE
#: To copy a number to the column of a pixel; and to write a number of its gradient, read it, and add it to its pixel.
COLUMN, FROM_COLUMN = 60 * _MOVE, 42 * _MOVE
#: Where channels are in the lanes: to copy a number of an image with padding, and to write one of the result.
TO_PLANES, FROM_BLOCK = 30 * _MOVE, 8 * _MOVE
#: To begin with an image of a group, and with a plane that is copied.
ITEM, PLANE = 15000 * _MOVE, 2000 * _MOVE
#: To begin with a row of pixels that a tap meets.
LINE = 150 * _MOVE
#: To call a kernel, of which Winograd's weight gradient needs three for each group and block of tiles.
CALL = 600000 * _MOVE
#: What a multiply-add takes in blocks of a single vector of outputs, which read more for each.
NARROW = 1.2
#: Direct methods: to bring a number of the filter into its layout; and for a weight gradient to write it for each share
#: of the images and to add these up.
DIRECT_FILTER, DIRECT_SUM = 40 * _MOVE, 300 * _MOVE


#: The direct methods, by their names.
DIRECT = {
    "channel lanes": channel_lanes,
    "columns": columns,
    "depthwise": depthwise,
    "dot products": dot_products,
    "group lanes": group_lanes,
    "pixel lanes": pixel_lanes,
    "product": products,
}


class Question(NamedTuple):
    """All that the choice between the methods depends on.

    Parameters
    ----------
    source, result : tuple of int
        Shapes of what is read and of what is written, image by image; for a weight gradient, of x and of g.
    itemsize : int
    filter_shape : tuple of int
        (C / groups, R, S).
    how : tuple
        (stride, padding, dilation, groups), which every method is given.
    level : str
        See `minigen.kernels.cpu.precision`.
    """

    source: tuple[int, ...]
    result: tuple[int, ...]
    itemsize: int
    filter_shape: tuple[int, ...]
    how: tuple[Pair, Padding, Pair, int]
    level: str


@checked("conv2d")
def conv2d(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Cross-correlate images with a bank of filters; see `minigen.kernels.reference.conv.conv2d`."""
    sizes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    out = _output(out, (x.shape[0], w.shape[0], *(output_size(*axis) for axis in sizes)), x.dtype)
    if met := met_taps(x.shape[2:], w.shape[2:], out.shape[2:], stride, padding, dilation):
        (rows, columns), padding = met
        w = w[:, :, rows, columns]
    question = Question(x.shape, out.shape, x.itemsize, w.shape[1:], (stride, padding, dilation, groups), current())
    return _run(forward_costs, run_forward, x, w, out, question)


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
    if met := met_taps(out.shape[2:], w.shape[2:], g.shape[2:], stride, padding, dilation):
        (rows, columns), padding = met
        w = w[:, :, rows, columns]
    question = Question(g.shape, out.shape, g.itemsize, w.shape[1:], (stride, padding, dilation, groups), current())
    return _run(input_grad_costs, run_input_grad, g, w, out, question)


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
    dw = out
    if met := met_taps(x.shape[2:], out.shape[2:], g.shape[2:], stride, padding, dilation):
        (rows, columns), padding = met
        out[...] = 0
        dw = out[:, :, rows, columns]
    question = Question(x.shape, g.shape, x.itemsize, dw.shape[1:], (stride, padding, dilation, groups), current())
    _run(weight_grad_costs, run_weight_grad, x, g, dw, question)
    return out


@functools.lru_cache(maxsize=256)
def met_taps(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    pixels: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> tuple[tuple[slice, ...], Padding] | None:
    """The taps that meet more than padding, a slice for each axis, and the padding of these; None if all taps do.

    On small images a wide filter has many that do not: of 7 taps with dilation 2 only 3 meet a row of 4 pixels.
    """
    slices, left = [], []
    for n, k, count, s, (before, after), d in zip(size, kernel, pixels, stride, padding, dilation, strict=True):
        first = min(max(0, -(-(before - (count - 1) * s) // d)), before // d, k - 1)  # the last pixel meets it first
        end = max(min(k, (n - 1 + before) // d + 1), k - after // d, first + 1)
        slices.append(slice(first, end))
        left.append((before - first * d, after - (k - end) * d))
    return None if [one.stop - one.start for one in slices] == list(kernel) else (tuple(slices), (left[0], left[1]))


def _output(out, shape, dtype):
    return empty(shape, dtype) if out is None else out


def _run(estimate, run, first, second, out, question):
    """Bring the operands into the form that kernels read, and the result into `out`."""
    if 0 in (first.size, second.size, out.size):
        out[...] = 0
        return out
    plain = out.flags.c_contiguous and out.flags.aligned
    target = out if plain else empty(out.shape, out.dtype)
    method, tile = _best(estimate, question)
    run(method, tile, contiguous(first), contiguous(second), target, question)
    if not plain:
        out[...] = target
    return out


# ---- the three convolutions by a given method; Winograd's has a tile


def run_forward(method: str, tile: Any, x: Array, w: Array, y: Array, question: Question) -> None:
    """Write the convolution to `y`."""
    if method == "winograd":
        winograd.conv2d(x, w, y, *question.how, tile)
    elif method == "pixel lanes":
        stride, padding, dilation, groups = question.how
        bands = pixel_lanes.band_count(x.shape[0] * groups)
        x, y, padding = _as_rows(x, y, question.filter_shape, stride, padding, bands)
        pixel_lanes.conv2d(x, w, y, stride, padding, dilation, groups)
    else:
        DIRECT[method].conv2d(x, w, y, *question.how)


def run_input_grad(method: str, tile: Any, g: Array, w: Array, dx: Array, question: Question) -> None:
    """Write the adjoint in x to `dx`."""
    if method == "winograd":
        winograd.conv2d_input_grad(g, w, dx, *question.how, tile)
    elif method == "pixel lanes" and question.how[0] == (1, 1):  # the adjoint is a convolution with the flipped filter
        filter_shape, (stride, padding, dilation, groups) = question.filter_shape, question.how
        channels, outputs = filter_shape[0], w.shape[0] // groups
        w = w.reshape(groups, outputs, *filter_shape).swapaxes(1, 2)[..., ::-1, ::-1]
        w = contiguous(w.reshape(groups * channels, outputs, *filter_shape[1:]))
        before = [d * (k - 1) - p[0] for d, k, p in zip(dilation, filter_shape[1:], padding, strict=True)]
        flipped = tuple((p, 0) for p in before)  # what follows the image is zero anyhow
        g, dx, flipped = _as_rows(g, dx, filter_shape, stride, flipped, pixel_lanes.band_count(g.shape[0] * groups))
        pixel_lanes.conv2d(g, w, dx, stride, flipped, dilation, groups)
    else:
        DIRECT[method].conv2d_input_grad(g, w, dx, *question.how)


def run_weight_grad(method: str, tile: Any, x: Array, g: Array, dw: Array, question: Question) -> None:
    """Write the adjoint in w to `dw`."""
    if method == "winograd":
        winograd.conv2d_weight_grad(x, g, dw, *question.how, tile)
    elif method == "pixel lanes":
        stride, padding, dilation, groups = question.how
        x, g, padding = _as_rows(x, g, question.filter_shape, stride, padding)
        pixel_lanes.conv2d_weight_grad(x, g, dw, stride, padding, dilation, groups)
    else:
        DIRECT[method].conv2d_weight_grad(x, g, dw, *question.how)


# ---- the choice: (method, tile); a training step asks the same few questions again and again


@functools.lru_cache(maxsize=1536)
def _best(estimate, question):
    costs = estimate(question)
    return min(costs, key=costs.__getitem__)


def forward_costs(question: Question) -> dict[Any, float]:
    """An estimate of the time of each method that can serve; of equal ones the first is better."""
    source, result, _, filter_shape, (stride, padding, dilation, groups), _ = question
    outputs, pairs = result[1] // groups, math.prod(filter_shape)
    in_place = channel_lanes.reads_in_place(
        source[0], source[2:], filter_shape[1:], result[2:], stride, padding, dilation
    )
    costs: dict[Any, float] = {
        ("pixel lanes", None): _pixel_lanes_cost(question),
        ("channel lanes", None): _channel_lanes_cost(question, pairs, in_place),
        ("group lanes", None): _group_lanes_cost(question, pairs),
    }
    if products.serves(filter_shape, padding):
        costs["product", None] = _product_cost(question, math.prod(result[2:]), filter_shape[0], outputs)
    if copied := _column_numbers(question, result[2:]):
        multiplied = _product_cost(_without_taps(question), math.prod(result[2:]), pairs, outputs)
        costs["columns", None] = multiplied + COLUMN * copied
    if depthwise.serves(filter_shape, outputs, stride, dilation):
        costs["depthwise", None] = _depthwise_cost(question, pairs)
    return costs | _winograd_costs(question, outputs, lambda m: (result[2:], 1))


def input_grad_costs(question: Question) -> dict[Any, float]:
    """As `forward_costs`."""
    g_shape, dx_shape, itemsize, filter_shape, (stride, padding, dilation, groups), _ = question
    n, outputs = g_shape[0], g_shape[1] // groups

    def grid(m):
        size, aligned = backward_grid(dx_shape[2:], stride, padding, m)
        return size, math.prod(stride) if aligned else 1

    if stride == (1, 1):
        pixel_lanes_cost = _pixel_lanes_cost(question._replace(filter_shape=(outputs, *filter_shape[1:])))
    else:
        sums = math.prod(filter_shape)  # of a pixel of g, each added to another pixel of dx
        rows = round_up(sums, pixel_lanes.row_height(sums)) * outputs + sums * SCATTER
        pixel_lanes_cost = n * groups * rows * round_up(math.prod(g_shape[2:]), VECTOR_BYTES // itemsize)
        pixel_lanes_cost += SCATTER * math.prod(dx_shape) + DIRECT_FILTER * _filter_numbers(question)
    pairs = outputs * math.prod(filter_shape[1:]) / math.prod(stride)  # that a pixel of dx meets
    sizes = g_shape[2:], filter_shape[1:], dx_shape[2:]
    in_place = channel_lanes.adjoint_reads_in_place(n, *sizes, stride, padding, dilation)
    costs = {
        ("pixel lanes", None): pixel_lanes_cost,
        ("channel lanes", None): _channel_lanes_cost(question, pairs, in_place),
        ("group lanes", None): _group_lanes_cost(question, pairs),
    }
    if products.serves(filter_shape, padding):
        costs["product", None] = _product_cost(question, math.prod(g_shape[2:]), outputs, filter_shape[0])
    if copied := _column_numbers(question, g_shape[2:]):
        multiplied = _product_cost(_without_taps(question), math.prod(g_shape[2:]), outputs, math.prod(filter_shape))
        costs["columns", None] = multiplied + FROM_COLUMN * copied
    if depthwise.serves(filter_shape, outputs, stride, dilation):
        costs["depthwise", None] = _depthwise_cost(question, pairs)
    return costs | _winograd_costs(question, outputs, grid)


def weight_grad_costs(question: Question) -> dict[Any, float]:
    """As `forward_costs`."""
    x_shape, g_shape, itemsize, filter_shape, (stride, padding, dilation, groups), _ = question
    n, outputs, pixels = g_shape[0], g_shape[1] // groups, math.prod(g_shape[2:])
    lanes, copies = VECTOR_BYTES // itemsize, filter_shape[0] * (COPY * math.prod(x_shape[2:]) + PLANE)
    work: float = round_up(math.prod(filter_shape), PLACES) * round_up(outputs, lanes)
    if outputs <= lanes:
        work *= NARROW
    sums, lines = DIRECT_SUM * _filter_numbers(question), LINE * filter_shape[0] * math.prod(stride) * g_shape[2]
    costs = {("pixel lanes", None): n * groups * (pixels * (work + LAYOUT * outputs) + copies + lines) + sums}
    if filter_shape[2] > 1:
        work = round_up(filter_shape[0], lanes) * math.prod(filter_shape[1:]) * round_up(outputs, WIDE_PLACES)
        costs["channel lanes", None] = n * groups * (pixels * work + copies) + sums
    taps = round_up(math.prod(filter_shape[1:]), GROUP_TAPS)
    costs["group lanes", None] = _group_lanes_cost(question, filter_shape[0] * taps)
    if products.serves(filter_shape, padding):
        work = _sum_product_cost(filter_shape[0], outputs, lanes) + _skips(stride, filter_shape[0])
        costs["product", None] = n * groups * pixels * work
    if copied := _column_numbers(question, g_shape[2:]):
        work = _sum_product_cost(math.prod(filter_shape), outputs, lanes)
        costs["columns", None] = n * groups * pixels * work + COLUMN * copied
    if depthwise.serves(filter_shape, outputs, stride, dilation, sums=True):
        costs["depthwise", None] = _depthwise_cost(question, math.prod(filter_shape))
    if dot_products.serves(filter_shape, outputs):
        plan = dot_products.make_plan(n, filter_shape, outputs, g_shape[2:], stride, padding, dilation, groups)
        space, sums = plan.copies, plan.outputs * plan.offset.size
        copied = space.phases * space.taps * (DOT_COPY * space.height * round_up(space.width, lanes) + PLANE)
        each = DOT_PRODUCT * round_up(pixels, lanes) * sums + filter_shape[0] * copied
        costs["dot products", None] = groups * (n * each + DOT_LANES * plan.shards * sums)
    return costs | _winograd_costs(question, outputs, lambda m: (g_shape[2:], 1), sums=True)


def _winograd_costs(question, outputs, grid, sums=False):
    """Estimates for the tiles that fit.

    ``grid(m)`` is what tiles of m x m cover, and in how many views, see `minigen.kernels.cpu.winograd.geometry`;
    `sums`: for a weight gradient.
    """
    source, _, itemsize, filter_shape, (stride, _, dilation, groups), level = question
    n = source[0]
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
        copied = n * tiles * points * (parts * channels + views * outputs) * itemsize  # bytes
        calls = 1 + 2 * -(-copied // winograd.SUM_BYTES) if sums else 0
        return groups * (executed * products * channels * outputs + n * tiles * layout + filters + CALL * calls)

    return {("winograd", tile): cost(tile) for tile in fits}


def _group_lanes_cost(question, pairs):
    """Estimate for `group_lanes`; a pixel of the result meets `pairs` pairs of a channel and a tap."""
    source, result, itemsize, _, (_, _, _, groups), _ = question
    filled = round_up(groups, VECTOR_BYTES // itemsize) / groups
    layout = math.prod(source[1:]) + math.prod(result[1:])
    return source[0] * filled * (math.prod(result[1:]) * pairs * GROUP_PRODUCT + GROUP_LAYOUT * layout)


def _depthwise_cost(question, pairs):
    """Estimate for `depthwise`; a pixel of the result meets `pairs` taps."""
    _, result, itemsize, _, (stride, _, _, _), _ = question
    per_pixel = SLIDE_PRODUCT * pairs + SLIDE_LAYOUT * math.prod(stride)
    half = VECTOR_BYTES // itemsize // 2  # narrow planes take half vectors
    return math.prod(result[:3]) * round_up(result[3], half) * per_pixel


def _product_cost(question, pixels, channels, outputs):
    """Estimate for `products`, from pixels, and the channels that are summed over and that are produced."""
    source, _, itemsize, _, (stride, _, _, groups), _ = question
    n, lanes = source[0], VECTOR_BYTES // itemsize
    columns = round_up(n * pixels, lanes) if products.are_beside(n, pixels) else n * round_up(pixels, lanes)
    per_column = channels * (round_up(outputs, pixel_lanes.row_height(outputs)) + PANEL)
    copies = FROM_BUFFER * outputs if products.are_beside(n, pixels) else 0
    filters = DIRECT_FILTER * channels * outputs + ITEM * n
    return groups * (columns * per_column + n * pixels * (copies + _skips(stride, channels)) + filters)


def _sum_product_cost(channels, outputs, lanes):
    """Estimate for a weight gradient of `products`, for each pixel of a group."""
    return round_up(channels, VECTORS * lanes) * round_up(outputs, ROWS) + PANEL * (channels + outputs)


def _column_numbers(question, pixels):
    """How many numbers `columns` copies, or 0 where it does not serve; `pixels`: of the result, or of g."""
    source, _, itemsize, filter_shape, (_, _, _, groups), _ = question
    n, channels, taps, pixels = source[0], groups * filter_shape[0], math.prod(filter_shape[1:]), math.prod(pixels)
    return n * channels * taps * pixels if columns.serves(n, channels, taps, pixels, itemsize) else 0


def _filter_numbers(question):
    """How many numbers all filters have."""
    source, result, _, filter_shape, (_, _, _, groups), _ = question
    return source[1] * result[1] // groups * math.prod(filter_shape[1:])


def _without_taps(question):
    """The question about the product that `columns` leaves: its stride is 1."""
    return question._replace(how=((1, 1), ((0, 0), (0, 0)), (1, 1), question.how[3]))


def _skips(stride, channels):
    """What it costs `products`, for each pixel that counts, to leave out those between the steps of a stride."""
    return FROM_BUFFER * channels if stride != (1, 1) else 0


def _channel_lanes_cost(question, pairs, in_place):
    """Estimate for `channel_lanes`; a pixel of the result meets `pairs` pairs of a channel and a tap."""
    source, result, itemsize, _, (_, _, _, groups), _ = question
    lanes = VECTOR_BYTES // itemsize
    products = round_up(math.prod(result[2:]), PLACES) * pairs * round_up(result[1] // groups, lanes)
    layout = FROM_BLOCK * math.prod(result[1:]) + (0 if in_place else TO_PLANES * math.prod(source[1:]))
    return source[0] * (groups * (products + ITEM) + layout) + DIRECT_FILTER * _filter_numbers(question)


def _pixel_lanes_cost(question):
    """Estimate for `pixel_lanes.conv2d`."""
    source, result, itemsize, filter_shape, (stride, _, _, groups), _ = question
    pixelwise = _is_pixelwise(source[2:], result[2:], filter_shape[1:], stride)
    rows, columns = (1, math.prod(result[2:])) if pixelwise else result[2:]
    outputs = result[1] // groups
    per_pixel = round_up(outputs, pixel_lanes.row_height(outputs)) * math.prod(filter_shape)
    if outputs <= pixel_lanes.FEW_OUTPUTS:
        per_pixel = ROW_PRODUCT * outputs * math.prod(filter_shape)
    copied = filter_shape[0] * math.prod(stride)  # for each pixel, and pieces of rows for each row
    per_row = round_up(columns, VECTOR_BYTES // itemsize) * (per_pixel + LAYOUT * copied) + LINE * copied
    return source[0] * groups * rows * per_row + DIRECT_FILTER * _filter_numbers(question)


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
