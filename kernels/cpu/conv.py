"""The three convolutions on the CPU, as in `minigen.kernels.reference.conv`, and which method serves a call.

=================== ==================================================== ========================================
method              idea                                                 good for
=================== ==================================================== ========================================
minimal filtering   fewer multiplications (`cook_toom`, `tiled`)         many channels, dilation 1, float32
direct              output channels in the lanes (`direct`)              many channels, everything else
pixels              pixels in the lanes (`pixels`)                       few channels, 1 x 1, wide rows
=================== ==================================================== ========================================

The choice compares estimates of the time, in multiply-adds per lane: what the micro-kernel executes, rounded up to full
vectors and blocks, and what it costs to bring the operands into its layout.  It depends on nothing but the shapes, the
dtype and `minigen.kernels.cpu.precision`.
"""

import math

from ..reference.conv import output_size
from . import direct, pixels, tiling
from .geometry import round_up
from .memory import empty, readable
from .microkernel import PLACES, SUM_ROWS
from .precision import current
from .simd import VECTOR_BYTES

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]

#: Tiles F(m x m, r x r) to choose from, as (m, r).
TILES = {
    "direct": (),
    "default": ((2, 2), (3, 2), (2, 3), (2, 5)),
    "fast": ((2, 2), (3, 2), (4, 2), (2, 3), (4, 3), (2, 5), (4, 5)),
}
#: Time to write and read one number of a tile's transform, or of the pixels that a tap meets, in multiply-adds.
LAYOUT = 40


def conv2d(x, w, stride, padding, dilation, groups, out=None):
    """Cross-correlate images with a bank of filters; see `minigen.kernels.reference.conv.conv2d`."""
    sizes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    out = _output(out, (x.shape[0], w.shape[0], *(output_size(*axis) for axis in sizes)), x.dtype)
    return _run(_forward, x, w, out, out.shape[2:], (w.shape[1:], stride, padding, dilation, groups))


def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups, out=None):
    """The adjoint of `conv2d` in x; see `minigen.kernels.reference.conv.conv2d_input_grad`."""
    out = _output(out, (g.shape[0], w.shape[1] * groups, *input_size), g.dtype)
    return _run(_input_grad, g, w, out, g.shape[2:], (w.shape[1:], stride, padding, dilation, groups))


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups, out=None):
    """The adjoint of `conv2d` in w; see `minigen.kernels.reference.conv.conv2d_weight_grad`."""
    out = _output(out, (g.shape[1], x.shape[1] // groups, *kernel_size), x.dtype)
    return _run(_weight_grad, x, g, out, g.shape[2:], (out.shape[1:], stride, padding, dilation, groups))


def _output(out, shape, dtype):
    return empty(shape, dtype) if out is None else out


def _run(operation, first, second, out, pixels_out, how):
    """Bring the operands into the form that kernels read, and the result into `out`."""
    if out.dtype != first.dtype or second.dtype != first.dtype:
        found = f"{first.dtype}, {second.dtype} and, for the result, {out.dtype}"
        raise TypeError(f"convolution: expected arrays of one dtype, got {found}")
    if 0 in (first.size, second.size, out.size):
        out[...] = 0
        return out
    plain = out.flags.c_contiguous and out.flags.aligned
    target = out if plain else empty(out.shape, out.dtype)
    operation(readable(first), readable(second), target, pixels_out, *how)
    if not plain:
        out[...] = target
    return out


def _forward(x, w, y, pixels_out, filter_shape, stride, padding, dilation, groups):
    outputs = w.shape[0] // groups
    tile, tiled_cost = _best_tile(x, pixels_out, filter_shape, outputs, stride, dilation, groups)
    pixels_cost = _pixels_cost(x, outputs, filter_shape, pixels_out, groups)
    direct_cost = _direct_cost(x, y, math.prod(filter_shape), groups)
    best = min(tiled_cost, pixels_cost, direct_cost)
    if best == pixels_cost:
        x, y, padding = _as_rows(x, y, filter_shape, stride, padding)
        pixels.conv2d(x, w, y, stride, padding, dilation, groups)
    elif best == direct_cost:
        direct.conv2d(x, w, y, stride, padding, dilation, groups)
    else:
        tiling.conv2d(x, w, y, stride, padding, groups, tile)


def _input_grad(g, w, dx, pixels_out, filter_shape, stride, padding, dilation, groups):
    channels, outputs = filter_shape[0], w.shape[0] // groups
    grid = [(n - 1 + t) // s - t // s + 1 for n, (t, _), s in zip(dx.shape[2:], padding, stride, strict=True)]
    tile, tiled_cost = _best_tile(g, grid, filter_shape, outputs, stride, dilation, groups)
    taps = math.prod(filter_shape[1:]) / math.prod(stride)  # that a pixel of dx meets
    direct_cost = _direct_cost(g, dx, outputs * taps, groups)
    flip = stride == (1, 1)  # then the adjoint is a convolution with the flipped filter
    if flip:
        pixels_cost = _pixels_cost(g, channels, (outputs, *filter_shape[1:]), dx.shape[2:], groups)
    else:
        pairs = math.prod(filter_shape)
        rows = round_up(pairs, pixels.row_height(pairs)) * outputs + pairs * LAYOUT
        pixels_cost = g.shape[0] * groups * rows * round_up(math.prod(pixels_out), _lanes(g))
    best = min(tiled_cost, pixels_cost, direct_cost)
    if best == pixels_cost and flip:
        w = w.reshape(groups, outputs, *filter_shape).swapaxes(1, 2)[..., ::-1, ::-1]
        w = readable(w.reshape(groups * channels, outputs, *filter_shape[1:]))
        before = [d * (k - 1) - p[0] for d, k, p in zip(dilation, filter_shape[1:], padding, strict=True)]
        padding = tuple((p, 0) for p in before)  # what follows the image is zero anyhow
        g, dx, padding = _as_rows(g, dx, w.shape[1:], stride, padding)
        pixels.conv2d(g, w, dx, stride, padding, dilation, groups)
    elif best == pixels_cost:
        pixels.conv2d_input_grad(g, w, dx, stride, padding, dilation, groups)
    elif best == direct_cost:
        direct.conv2d_input_grad(g, w, dx, stride, padding, dilation, groups)
    else:
        tiling.conv2d_input_grad(g, w, dx, stride, padding, groups, tile)


def _weight_grad(x, g, dw, pixels_out, filter_shape, stride, padding, dilation, groups):
    outputs = dw.shape[0] // groups
    tile, cost = _best_tile(x, pixels_out, filter_shape, outputs, stride, dilation, groups)
    products = round_up(math.prod(filter_shape), PLACES) * round_up(outputs, _lanes(x))
    if cost <= x.shape[0] * groups * math.prod(pixels_out) * (products + LAYOUT * outputs):
        tiling.conv2d_weight_grad(x, g, dw, stride, padding, groups, tile)
    else:
        pixels.conv2d_weight_grad(x, g, dw, stride, padding, dilation, groups)


def _best_tile(x, grid, filter_shape, outputs, stride, dilation, groups):
    """The fastest tile for a call, and the estimate of its time: infinite where none fits.

    `grid` is what the tiles cover, see `minigen.kernels.cpu.geometry`.  Of equal estimates the smaller tile is better.
    """
    kernel_size = filter_shape[1:]
    lanes = _lanes(x)
    channels, outputs = round_up(filter_shape[0], lanes), round_up(outputs, min(lanes, SUM_ROWS))
    r = max(-(-k // s) for k, s in zip(kernel_size, stride, strict=True))
    fits = [tile for tile in TILES[current()] if tile[1] >= r > 1 and dilation == (1, 1) and x.itemsize == 4]

    def cost(tile):
        m, r = tile
        parts = math.prod(map(min, stride, kernel_size))
        points = math.prod(-(-n // m) for n in grid) * (m + r - 1) ** 2
        work = parts * channels * outputs + LAYOUT * (parts * channels + outputs)
        return x.shape[0] * groups * points * work

    return min(((tile, cost(tile)) for tile in fits), key=lambda choice: choice[1], default=(None, math.inf))


def _direct_cost(source, result, pairs, groups):
    """Estimate for `direct`; a pixel of the result meets so many `pairs` of a channel and a tap."""
    pixels = math.prod(result.shape[2:])
    products = round_up(pixels, PLACES) * pairs * round_up(result.shape[1] // groups, _lanes(source))
    layout = math.prod(source.shape[1:]) + math.prod(result.shape[1:])
    return source.shape[0] * (groups * products + LAYOUT * layout)


def _pixels_cost(x, outputs, filter_shape, pixels_out, groups):
    """Estimate for `pixels.conv2d`."""
    rows, columns = (1, math.prod(pixels_out)) if filter_shape[1:] == (1, 1) else pixels_out
    per_pixel = round_up(outputs, pixels.row_height(outputs)) * math.prod(filter_shape)
    return x.shape[0] * groups * rows * round_up(columns, _lanes(x)) * (per_pixel + LAYOUT * filter_shape[0])


def _as_rows(x, y, filter_shape, stride, padding):
    """For a 1 x 1 filter without stride and padding an image is one long row, which fills vectors better."""
    if filter_shape[1:] == (1, 1) and stride == (1, 1) and not any(map(any, padding)):
        x, y = (array.reshape(*array.shape[:2], 1, -1) for array in (x, y))
        return x, y, ((0, 0), (0, 0))
    return x, y, padding


def _lanes(x):
    return VECTOR_BYTES // x.itemsize
