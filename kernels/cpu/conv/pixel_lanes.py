r"""Direct convolution with pixels in the vector lanes: for few channels, 1 x 1 filters and odd shapes.

With three input channels a vector of channels is mostly empty.  Neighboring pixels of a row fill one always:

$$ y_{o,\,u} = \sum_{k = (c, r, s)} w_{o,k}\; x_{\mathrm{offset}(k) + u} . $$

For stride 1 the pixels that tap k meets are neighbors in memory, so a vector of them is one load, and im2col is only a
table of offsets, one for each k.  For stride s they are s apart; so each image is first split into its
s x s phases (every s-th pixel of every s-th row), padding included, in a buffer that stays in the cache.

- `correlate`: broadcast filter coefficients x pixels; `correlate_rows` is the same for the few output channels of a
  depthwise convolution or before an image, which would leave most rows of a block empty.
- `scatter`: the adjoint.  ``W^T g`` is a 1 x 1 convolution to C*R*S channels, each of which is added to the phase
  planes at its offset (*col2im*, in the cache); then the phases are interleaved.
- `sum_products`: dw.  Pixels broadcast x gradients with output channels in the lanes
  (`minigen.kernels.cpu.blocked_layout`).

Threads share the images and groups, and where these are few also bands of rows.  dw is summed over *shards* of the
images, then over the shards.  Their number depends on the shapes alone, so the bits do not depend on the threads.

Source: the table of offsets is a variant of M. Dukhan, "The Indirect Convolution Algorithm", 2019, arXiv:1907.02129.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...shapes import Array, Padding, Pair, round_up
from ..blocked_layout import fill_zeros, planes_to_blocks
from ..microkernel import (
    BROAD_PLACES,
    PLACES,
    ROW_VECTORS,
    ROWS,
    SHORT_ROWS,
    VECTORS,
    WIDE_PLACES,
    pixels_kernel,
    pixels_kernel_narrow,
    pixels_kernel_row,
    pixels_kernel_short,
    pixels_kernel_short_narrow,
    taps_kernel,
    taps_kernel_broad,
    taps_kernel_narrow,
    taps_kernel_wide,
)
from ..runtime.allocator import empty
from ..runtime.compile import inlined
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..runtime.threads import get_num_threads
from ..simd import VECTOR_BYTES, advance, lanes, load_even, load_first, pointer, store_first
from .packing import add_shards, pack, shard_count

__all__ = [
    "Split",
    "band_count",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "inside",
    "row_height",
    "split_image",
    "split_plan",
]

#: With fewer items than _FEW, a weight gradient shares out the output channels too.  Each share copies the image; that
#: costs little with at least _TAPS taps.
_FEW, _TAPS = 8, 4
#: Most output channels of a group that are computed one after the other.
FEW_OUTPUTS = 3


class Split(NamedTuple):
    """Phase planes ``[channel][row phase][column phase][height][width]`` of an image, padded."""

    channels: int  # of one group
    groups: int
    top: int
    left: int
    stride_row: int
    stride_column: int
    height: int
    width: int
    plane: int  # elements of a phase plane
    pairs: int  # of a channel and a tap


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    split, offset = _split(w.shape[1:], out.shape[2:], stride, padding, dilation, groups, x.itemsize)
    bands = min(out.shape[2], band_count(x.shape[0] * groups))
    if w.shape[0] // groups <= FEW_OUTPUTS and bands == 1:
        tables = _row_tables(*out.shape[2:], split.width, VECTOR_BYTES // x.itemsize)
        correlate_rows(x, w.reshape(w.shape[0], -1), out, split, offset, *tables, _workspace(split, x))
        return
    height = row_height(w.shape[0] // groups)
    packed = _packed(w, np.arange(split.pairs), split, split.pairs, w.shape[0] // groups, height)
    correlate(x, packed, out, split, offset, bands, _workspace(split, x), height)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    split, offset = _split(w.shape[1:], g.shape[2:], stride, padding, dilation, groups, g.itemsize)
    height = row_height(split.pairs)
    channels = np.arange(w.shape[0] // groups)
    packed = _packed(w, channels * split.pairs, split, 1, split.pairs, height)
    pixels = g.shape[2] * g.shape[3]
    lanes = VECTOR_BYTES // g.itemsize
    sizes = (w.shape[0] // groups * pixels + 2 * lanes, split.pairs * pixels)
    spaces = [PerThread((size,), g.dtype) for size in sizes]
    scatter(g, packed, out, split, offset, channels * pixels, _workspace(split, g), *spaces, height)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    split, offset = _split(out.shape[1:], g.shape[2:], stride, padding, dilation, groups, x.itemsize)
    lanes = VECTOR_BYTES // x.itemsize
    outputs = out.shape[0] // groups
    columns = round_up(outputs, lanes)
    pixels = g.shape[2] * g.shape[3]
    padded = np.zeros(max(round_up(split.pairs, places) for places in (PLACES, WIDE_PLACES, BROAD_PLACES)), np.int64)
    padded[: split.pairs] = offset
    shards = shard_count(x.shape[0], pixels, len(padded) * columns * x.itemsize)
    taps = out.shape[2] * out.shape[3]
    parts = _column_sets(columns // lanes) if shards * groups < _FEW and taps >= _TAPS else 1
    sums = empty((shards, groups, len(padded), columns), x.dtype)
    space = PerThread((columns * pixels + 2 * lanes * lanes,), x.dtype)
    sum_products(x, g, sums, split, padded, _apart(pixels), _workspace(split, x), space, outputs, parts)
    add_shards(sums, out.reshape(groups, outputs, split.pairs), work=sums.size)


def band_count(images: int) -> int:
    """Into how many bands of rows to divide each image (or group of one), so that all threads have work."""
    threads = get_num_threads()
    return 1 if threads == 1 else -(-2 * threads // max(images, 1))


@lru_cache(maxsize=256)
def _column_sets(vectors):
    """How many sets `_vectors` makes of the vectors of outputs."""
    count = 0
    while vectors:
        vectors -= _vectors.py_func(vectors)
        count += 1
    return count


@lru_cache(maxsize=256)
def _apart(pixels):
    """Row n has the places of pixels that are n vectors apart."""
    return np.outer(np.arange(VECTORS + 3), np.arange(pixels))


def row_height(rows: int) -> int:
    """Rows of the micro-kernel's block that waste least."""
    return min(ROWS, SHORT_ROWS, key=lambda height: (round_up(rows, height), -height))


def _split(filter_shape, pixels, stride, padding, dilation, groups, itemsize):
    return split_plan(filter_shape, pixels, stride, padding, dilation, groups, VECTOR_BYTES // itemsize)


@lru_cache(maxsize=256)
def split_plan(filter_shape, pixels, stride, padding, dilation, groups, lanes):
    """The `Split` in which a convolution finds what it needs, and the table of offsets.

    Parameters
    ----------
    filter_shape : tuple of int
        Channels of a group, rows and columns.
    pixels : tuple of int
        Rows and columns of the convolution's result.
    lanes : int
        Pixels of a row of the result that are read together.
    """
    channels, rows, columns = filter_shape
    height = pixels[0] + (rows - 1) * dilation[0] // stride[0]
    width = round_up(pixels[1], lanes) + (columns - 1) * dilation[1] // stride[1]
    plane = height * width
    down, across = (np.arange(k) * d for k, d in zip((rows, columns), dilation, strict=True))
    row = (down % stride[0] * stride[1] * plane + down // stride[0] * width)[:, None]
    tap = row + across % stride[1] * plane + across // stride[1]
    offset = np.arange(channels)[:, None, None] * (stride[0] * stride[1] * plane) + tap
    top, left = padding[0][0], padding[1][0]
    return Split(channels, groups, top, left, *stride, height, width, plane, offset.size), offset.ravel()


def _workspace(split, x):
    size = split.channels * split.stride_row * split.stride_column * split.plane
    return PerThread((round_up(size, VECTOR_BYTES),), x.dtype)


def _packed(w, pairs, split, stride, rows, height):
    """(groups, rows / height, pairs, height), see `pack`."""
    packed = empty((split.groups, -(-rows // height), len(pairs), height), w.dtype)
    pack(w.reshape(-1), pairs, w.size // split.groups, stride, rows, packed)
    return packed


@inlined
def split_image(x, image, group, split, planes, first_row, last_row):
    """Copy one image's channels of one group into rows of phase planes, whose padding is zero already and stays so."""
    height, width, L = x.shape[2], x.shape[3], lanes(planes)
    source = advance(pointer(x), (image * x.shape[1] + group * split.channels) * height * width)
    for _ in range(split.channels):
        for phase_row in range(split.stride_row):
            top, bottom = inside(phase_row - split.top, split.stride_row, height, split.height)
            for phase_column in range(split.stride_column):
                start = phase_column - split.left
                first, last = inside(start, split.stride_column, width, split.width)
                target = advance(planes, phase_row * split.stride_column * split.plane + phase_column * split.plane)
                for i in range(max(top, first_row), min(bottom, last_row)):
                    row = advance(source, (i * split.stride_row + phase_row - split.top) * width + start)
                    to = advance(target, i * split.width)
                    if split.stride_column == 1:
                        for j in range(first, last, L):
                            store_first(to, j, load_first(row, j, min(L, last - j)), min(L, last - j))
                    elif split.stride_column == 2:
                        for j in range(first, last, L):
                            store_first(to, j, load_even(row, 2 * j, min(L, last - j)), min(L, last - j))
                    else:
                        for j in range(first, last):
                            to[j] = row[j * split.stride_column]
        source = advance(source, height * width)  # the next channel
        planes = advance(planes, split.stride_row * split.stride_column * split.plane)


@inlined
def inside(start, step, size, count):
    """The j < count for which ``0 <= start + j * step < size``, as a range."""
    first = min(max(0, -(start // step)), count)
    return first, max(min(count, (size - start + step - 1) // step), first)


@parallel
def correlate(thread, counter, x, packed, y, split, offset, bands, workspace, height):
    """Forward; `packed` is ``[group][M / height][pair][height]``, the filters; `bands`: see `band_count`."""
    outputs, rows = y.shape[1] // split.groups, y.shape[2]
    planes = pointer(workspace[thread])
    fill_zeros(planes, workspace.shape[1])
    for item in chunked_range(counter, x.shape[0] * split.groups * bands):
        image, group, band = item // bands // split.groups, item // bands % split.groups, item % bands
        first, last = band * rows // bands, (band + 1) * rows // bands
        split_image(x, image, group, split, planes, first, last + split.height - rows)
        target = advance(pointer(y), (image * y.shape[1] + group * outputs) * rows * y.shape[3])
        _multiply_pixels(packed[group], planes, pointer(offset), split.width, rows, y.shape[3], first, last, target,
                         outputs, height)  # fmt: skip


@lru_cache(maxsize=256)
def _row_tables(rows, columns, width, lanes):
    """For each vector of an image's pixels: its place among phase planes, in the result, and how many lanes it uses.

    There are whole blocks of the micro-kernel: the last vector is repeated.
    """
    row, column = (index.ravel() for index in np.indices((rows, -(-columns // lanes))))
    tables = row * width + column * lanes, row * columns + column * lanes, np.minimum(lanes, columns - column * lanes)
    return tuple(np.pad(table, (0, -table.size % ROW_VECTORS), "edge") for table in tables)


@parallel
def correlate_rows(thread, counter, x, w, y, split, offset, position, place, used, workspace):
    """Forward, one output channel after the other; w: array (output channels, pairs)."""
    outputs, pixels = y.shape[1] // split.groups, y.shape[2] * y.shape[3]
    planes = pointer(workspace[thread])
    fill_zeros(planes, workspace.shape[1])
    for item in chunked_range(counter, x.shape[0] * split.groups):
        image, group = item // split.groups, item % split.groups
        split_image(x, image, group, split, planes, 0, split.height)
        for output in range(group * outputs, (group + 1) * outputs):
            target = advance(pointer(y), (image * y.shape[1] + output) * pixels)
            for first in range(0, position.size, ROW_VECTORS):
                pixels_kernel_row(w.shape[1], pointer(w[output]), planes, pointer(offset),
                                  advance(pointer(position), first), target, advance(pointer(place), first),
                                  advance(pointer(used), first))  # fmt: skip


@inlined
def _multiply_pixels(packed, planes, offset, width, rows, columns, first_row, last_row, target, outputs, height):
    """All output channels of some rows of one group and image: blocks of `height` channels x 2 vectors of pixels."""
    L = lanes(planes)
    across = -(-columns // L)
    for m in range(packed.shape[0]):
        a = pointer(packed[m])
        used = min(height, outputs - m * height)
        for first in range(first_row * across, last_row * across, 2):
            second = min(first + 1, last_row * across - 1)
            row, column = first // across, first % across * L
            row_second, column_second = second // across, second % across * L
            b = advance(planes, row * width + column)
            b_second = (row_second - row) * width + column_second - column
            c = advance(target, (m * height * rows + row) * columns + column)
            c_second = (row_second - row) * columns + column_second - column
            left, left_second = min(L, columns - column), min(L, columns - column_second)
            if height == ROWS and second > first:
                pixels_kernel(packed.shape[1], a, b, offset, b_second, c, rows * columns, c_second, used, left,
                              left_second)  # fmt: skip
            elif height == ROWS:
                pixels_kernel_narrow(packed.shape[1], a, b, offset, b_second, c, rows * columns, c_second, used, left,
                                     left_second)  # fmt: skip
            elif second > first:
                pixels_kernel_short(packed.shape[1], a, b, offset, b_second, c, rows * columns, c_second, used, left,
                                    left_second)  # fmt: skip
            else:
                pixels_kernel_short_narrow(packed.shape[1], a, b, offset, b_second, c, rows * columns, c_second, used,
                                           left, left_second)  # fmt: skip


@parallel
def scatter(thread, counter, g, packed, dx, split, offset, channel_offset, workspace, space, products, height):
    """The adjoint in x; `packed` holds the transposed filters."""
    outputs, pixels = channel_offset.size, g.shape[2] * g.shape[3]
    planes, source, product = pointer(workspace[thread]), pointer(space[thread]), pointer(products[thread])
    for item in chunked_range(counter, g.shape[0] * split.groups):
        image, group = item // split.groups, item % split.groups
        gradient = advance(pointer(g), (image * g.shape[1] + group * outputs) * pixels)
        for i in range(outputs * pixels):  # a copy with space behind it, since vectors reach beyond the last pixel
            source[i] = gradient[i]
        _multiply_pixels(packed[group], source, pointer(channel_offset), pixels, 1, pixels, 0, 1, product, split.pairs,
                         height)  # fmt: skip
        fill_zeros(planes, workspace.shape[1])
        for pair in range(split.pairs):
            for row in range(g.shape[2]):
                target = advance(planes, offset[pair] + row * split.width)
                values = advance(product, pair * pixels + row * g.shape[3])
                for i in range(g.shape[3]):
                    target[i] += values[i]
        _join_image(dx, image, group, split, planes)


@inlined
def _join_image(dx, image, group, split, planes):
    """The reverse of `split_image`; pixels that no plane holds are zero."""
    height, width = dx.shape[2], dx.shape[3]
    target = advance(pointer(dx), (image * dx.shape[1] + group * split.channels) * height * width)
    for channel in range(split.channels):
        for row in range(height):
            phase_row, i = (row + split.top) % split.stride_row, (row + split.top) // split.stride_row
            for phase_column in range(split.stride_column):
                phase = (channel * split.stride_row + phase_row) * split.stride_column + phase_column
                source = advance(planes, phase * split.plane + i * split.width)
                column = (phase_column - split.left) % split.stride_column
                j = (column + split.left) // split.stride_column
                while column < width:
                    target[column] = source[j] if i < split.height and j < split.width else 0
                    column += split.stride_column
                    j += 1
            target = advance(target, width)


@parallel
def sum_products(thread, counter, x, g, sums, split, offset, apart, workspace, space, outputs, parts):
    """dw: ``sums[shard, group, pair, output channel]``; the sets of output channels are shared out in `parts`."""
    shards, groups, pairs, columns = sums.shape
    L = lanes(pointer(x))
    pixels = g.shape[2] * g.shape[3]
    planes, blocks = pointer(workspace[thread]), pointer(space[thread])
    scratch = advance(blocks, columns * pixels)
    fill_zeros(planes, workspace.shape[1])
    for item in chunked_range(counter, shards * groups * parts):
        shard, group, part = item // parts // groups, item // parts % groups, item % parts
        begin, end = shard * x.shape[0] // shards, (shard + 1) * x.shape[0] // shards
        for image in range(begin, end):
            split_image(x, image, group, split, planes, 0, split.height)
            gradient = advance(pointer(g), (image * groups + group) * outputs * pixels)
            first = number = 0
            while first < columns:
                vectors = _vectors((columns - first) // L)
                if number % parts == part:
                    if image == begin:
                        for pair in range(pairs):
                            fill_zeros(pointer(sums[shard, group, pair, first:]), vectors * L)
                    block = advance(blocks, first * pixels)
                    for vector in range(vectors):  # side by side
                        channel = first + vector * L
                        planes_to_blocks(advance(gradient, channel * pixels), pixels, min(L, outputs - channel), 0,
                                         pixels, pointer(apart[vectors]), 0, advance(block, vector * L),
                                         scratch)  # fmt: skip
                    _add_products(g.shape[2], g.shape[3], planes, split, offset, block, vectors,
                                  sums[shard, group, :, first:])  # fmt: skip
                first += vectors * L
                number += 1


@inlined
def _vectors(left):
    """How many of the vectors of outputs that are left to take at a time."""
    most = VECTORS + 2 if BROAD_PLACES > VECTORS else VECTORS + 1
    return left if left <= most else min(most, left - VECTORS)


@inlined
def _add_products(rows, columns, planes, split, offset, block, vectors, sums):
    """Add an image's products to ``sums[pair, output channel]``, for all pairs and a few vectors of outputs."""
    apart = sums.strides[0] // sums.itemsize
    if vectors > VECTORS + 1:
        for pair in range(0, split.pairs, BROAD_PLACES):
            taps_kernel_broad(rows, columns, planes, pointer(offset[pair:]), split.width, block, pointer(sums[pair]),
                              apart)  # fmt: skip
    elif vectors > VECTORS:
        for pair in range(0, split.pairs, WIDE_PLACES):
            taps_kernel_wide(rows, columns, planes, pointer(offset[pair:]), split.width, block, pointer(sums[pair]),
                             apart)  # fmt: skip
    elif vectors == VECTORS:
        for pair in range(0, split.pairs, PLACES):
            taps_kernel(rows, columns, planes, pointer(offset[pair:]), split.width, block, pointer(sums[pair]),
                        apart)  # fmt: skip
    else:
        for pair in range(0, split.pairs, PLACES):
            taps_kernel_narrow(rows, columns, planes, pointer(offset[pair:]), split.width, block, pointer(sums[pair]),
                               apart)  # fmt: skip
