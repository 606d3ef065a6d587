r"""Direct convolution with output channels in the vector lanes: for any kernel, stride, dilation, groups and image.

$$ y_{o,\,u} = \sum_{k = (c, r, s)} w_{o,k}\; x_{\mathrm{offset}(k) + \mathrm{position}(u)} $$

`pixel_lanes` puts neighboring pixels of a row into a vector, which leaves lanes empty where rows are short.  Here a
vector holds output channels, and a block of the micro-kernel a few pixels, any pixels.  Two tables give the position of
pixel u in the (padded) image, and the offset from there of the number that pair k of a channel and a tap meets, for any
stride and dilation.  That is im2col as two tables.  Images with padding are copied, those of one block at a time, small
enough for the cache; others are read where they are.

The adjoint in x works alike, on g: the pixels of dx fall into phases, by their place between two steps of the stride,
and each phase meets other taps.

The adjoint in w has input channels in the lanes: with L of them to a pixel, the image that the next tap meets is the
same memory, some vectors further on.  `pixel_lanes.conv2d_weight_grad` has output channels there, which are often more;
this one is for few of them, as in a group or before an image.

Source: M. Dukhan, "The Indirect Convolution Algorithm", 2019, arXiv:1907.02129; here the table has two parts.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...shapes import Array, Padding, Pair, round_up
from ..blocked_layout import blocks_to_planes, fill_zeros, planes_to_blocks
from ..microkernel import (
    PLACES,
    VECTORS,
    WIDE_PLACES,
    places_kernel,
    places_kernel_narrow,
    places_kernel_wide,
    shifts_kernel,
    shifts_kernel_wide,
)
from ..runtime.allocator import empty
from ..runtime.compile import inlined
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..simd import VECTOR_BYTES, advance, lanes, pointer
from .packing import add_shards, pack, shard_count
from .padded import padded_image, phase_taps
from .pixel_lanes import Split, band_count, split_image, split_plan

__all__ = ["adjoint_reads_in_place", "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "reads_in_place"]

#: Least pixels of a block: images smaller than that share blocks of the micro-kernel.
_PIXELS = 16 * PLACES
#: Pairs that are summed over at a time, for all pixels: their filters (24 KB) and pixels stay in the first cache.
_DEPTH = 192


class Tables(NamedTuple):
    """What is summed for which pixels of the result; phase f's entries run from ``first_...[f]`` to ``[f + 1]``."""

    offset: np.ndarray  # of each pair, into the channels of an image
    first_pair: np.ndarray
    position: np.ndarray  # of each pixel, into the planes of the images of a block
    place: np.ndarray  # of each pixel, into the images of the result
    first_pixel: np.ndarray  # whole blocks of the micro-kernel for each phase: the last pixel is repeated
    pixels: np.ndarray  # of one image, in each phase


class Block(NamedTuple):
    """What is computed at a time: the images of a block, and the pixels and channels of the micro-kernel's."""

    images: int
    image_size: int  # elements from one image to the next
    in_place: bool  # whether images are read where they are
    vectors: int  # of output channels
    places: int  # pixels


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    shape = _block_shape(w.shape[0] // groups, x.itemsize)
    sizes = x.shape[0], w.shape[1:], x.shape[2:], out.shape[2:]
    split, tables, block = _forward_plan(*sizes, stride, padding, dilation, groups, shape)
    _run(x, w, np.arange(split.pairs), split.pairs, out, split, tables, block)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    outputs = w.shape[0] // groups
    shape = _block_shape(w.shape[1], g.itemsize)
    sizes = g.shape[0], outputs, w.shape[1:], g.shape[2:], out.shape[2:]
    split, tables, block, pairs = _backward_plan(*sizes, stride, padding, dilation, groups, shape)
    _run(g, w, pairs, w.shape[2] * w.shape[3], out, split, tables, block)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w, whose filters have two columns at least, to `out`."""
    lanes = VECTOR_BYTES // x.itemsize
    outputs, channels = out.shape[0] // groups, out.shape[1]
    taps = out.shape[2], out.shape[3]
    blocks, rows = -(-channels // lanes), round_up(outputs, WIDE_PLACES)
    shards = shard_count(x.shape[0], g.shape[2] * g.shape[3], groups * blocks * rows * math.prod(taps) * VECTOR_BYTES)
    height, width, position = padded_image(x.shape[2:], g.shape[2:], taps, stride, padding, dilation)
    sums = empty((shards, groups, blocks, rows, math.prod(taps), lanes), x.dtype)
    buffer = PerThread(((height * width + 2 * lanes) * lanes,), x.dtype)
    sum_products(x, g, sums, buffer, position, width, taps, stride, dilation, outputs, channels)
    total = empty((groups, blocks, rows, lanes, *taps), x.dtype)
    sums = sums.reshape(shards, -1, math.prod(taps), lanes)
    add_shards(sums, total.reshape(-1, lanes, math.prod(taps)), work=sums.size)
    by_output = total.swapaxes(1, 2)[:, :outputs].reshape(groups, outputs, blocks * lanes, *taps)
    out[...] = by_output[:, :, :channels].reshape(out.shape)


def _block_shape(outputs, itemsize):
    """(vectors of output channels, pixels) of the micro-kernel's block: the one with three vectors where it fits."""
    vectors = -(-outputs * itemsize // VECTOR_BYTES)
    return (VECTORS + 1, WIDE_PLACES) if vectors % (VECTORS + 1) == 0 else (VECTORS, PLACES)


def _run(x, w, pairs, stride, out, split, tables, block):
    """`pairs` and `stride`: the position of the filters of all phases in w, see `pack`."""
    groups, outputs = split.groups, out.shape[1] // split.groups
    lanes = VECTOR_BYTES // x.itemsize
    width = block.vectors * lanes
    packed = empty((groups, -(-outputs // width), len(pairs), width), x.dtype)
    pack(w.reshape(-1), pairs, w.size // groups, stride, outputs, packed)
    pixels = out.shape[2] * out.shape[3]
    pieces = -(-x.shape[0] // block.images) * groups * packed.shape[1]
    bands = 1  # of the pixels of an image, where it is the only one of its block and its pixels have one phase
    if block.images == 1 and len(tables.pixels) == 1:
        bands = min(-(-pixels // block.places), band_count(pieces))
    size = 0 if block.in_place else block.images * block.image_size
    planes = PerThread((round_up(size, lanes),), x.dtype)
    buffers = PerThread(((block.images * pixels + block.places) * width + 2 * lanes * lanes,), x.dtype)
    correlate(x, packed, out, split, tables, block, bands, np.arange(pixels), planes, buffers)


def reads_in_place(
    images: int,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    pixels: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> bool:
    """Whether the convolution, from images of `size` to images of `pixels`, meets no padding, and their number fits."""
    axes = zip(size, kernel, pixels, stride, padding, dilation, strict=True)
    inside = all(before == 0 and (count - 1) * s + (k - 1) * d < n for n, k, count, s, (before, _), d in axes)
    return inside and _images(images, pixels, True) > 0


@lru_cache(maxsize=256)
def _forward_plan(images, filter_shape, size, pixels, stride, padding, dilation, groups, shape):
    reach = tuple((count - 1) * s + 1 for count, s in zip(pixels, stride, strict=True))
    in_place = reads_in_place(images, size, filter_shape[1:], pixels, stride, padding, dilation)
    if in_place:  # an image of that many pixels before the filter's first tap is the image itself
        reach = tuple(n - (k - 1) * d for n, k, d in zip(size, filter_shape[1:], dilation, strict=True))
    split, offset = split_plan(filter_shape, reach, (1, 1), padding, dilation, groups, 1)
    image = split.channels * split.plane * (groups if in_place else 1)
    images = _images(images, pixels, in_place)
    tables = _tables(images, pixels, image, split.width, ((0, 0, offset),), (1, 1), stride, shape[1])
    return split, tables, Block(images, image, in_place, *shape)


@lru_cache(maxsize=256)
def _backward_plan(images, outputs, filter_shape, size, pixels, stride, padding, dilation, groups, shape):
    """As `_forward_plan`; also the position in w of each pair of an output channel and a tap, phase by phase."""
    kernel_size = filter_shape[1:]
    taps = np.arange(outputs * math.prod(filter_shape)).reshape(outputs, *filter_shape)[:, 0]
    meets, before, reach = _backward_reach(kernel_size, pixels, stride, padding, dilation)
    in_place = adjoint_reads_in_place(images, size, kernel_size, pixels, stride, padding, dilation)
    height, width = size if in_place else reach
    plane = height * width
    image = outputs * plane * (groups if in_place else 1)
    split = Split(outputs, groups, *before, 1, 1, height, width, plane, 0)
    phases, pairs = [], []
    for a, of_row in enumerate(meets[0]):
        for b, of_column in enumerate(meets[1]):
            row, column = (
                np.array([shift + more for _, shift in axis], np.int64)
                for axis, more in zip((of_row, of_column), before, strict=True)
            )
            channel = np.arange(outputs)[:, None, None] * plane
            phases.append((a, b, (channel + row[:, None] * width + column).ravel()))
            rows, columns = ([tap for tap, _ in axis] for axis in (of_row, of_column))
            pairs.append(taps[:, rows][..., columns].ravel())
    images = _images(images, pixels, in_place)
    tables = _tables(images, pixels, image, width, phases, stride, (1, 1), shape[1])
    return split, tables, Block(images, image, in_place, *shape), np.concatenate(pairs)


@lru_cache(maxsize=256)
def _backward_reach(kernel_size, pixels, stride, padding, dilation):
    """`phase_taps` of both axes, how far pixels of dx reach before g, and the size of g with what they reach."""
    meets = [phase_taps(*axis) for axis in zip(kernel_size, stride, padding, dilation, strict=True)]
    shifts = [[shift for taps in phases for _, shift in taps] for phases in meets]
    before = [max(0, -min(shift)) for shift in shifts]
    reach = [-(-n // s) + max(shift) + b for n, s, shift, b in zip(pixels, stride, shifts, before, strict=True)]
    return meets, before, [max(r, 1) for r in reach]


def adjoint_reads_in_place(
    images: int,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    pixels: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> bool:
    """The same for the adjoint in x, from gradients of `size` to those of `pixels`."""
    _, before, reach = _backward_reach(kernel, pixels, stride, padding, dilation)
    inside = before == [0, 0] and reach[0] <= size[0] and reach[1] <= size[1]
    return inside and _images(images, pixels, True) > 0


def _images(images, pixels, in_place):
    """How many images a block has.

    Its last pixels are repeated to fill the micro-kernel's block, for the images that it has at most: where images are
    read in place, all blocks must have as many.  0: there is no such number that is not much too small.
    """
    wanted = -(-_PIXELS // math.prod(pixels))
    if not in_place:
        return wanted
    most = max(n for n in range(1, min(images, wanted) + 1) if images % n == 0)
    return most if 2 * most >= min(images, wanted) else 0


def _tables(images, pixels, image, width, phases, step, stride, places):
    """The tables for images of `pixels` whose phase (a, b), of `phases`, begins there and goes on in `step`s.

    Neighbors of a phase meet numbers that are `stride` apart.  A block of the micro-kernel has `places` pixels.
    """
    count = pixels[0] * pixels[1]
    position, place, counts = [], [], []
    for a, b, _ in phases:
        rows, columns = (np.arange(start, n, s) for start, n, s in zip((a, b), pixels, step, strict=True))
        image_index = np.arange(images)[:, None, None]
        there = rows[:, None] // step[0] * stride[0] * width + columns // step[1] * stride[1] + image_index * image
        target = rows[:, None] * pixels[1] + columns + image_index * count
        counts.append(len(rows) * len(columns))
        extra = (0, -there.size % places)
        position.append(np.pad(there.ravel(), extra, "edge") if there.size else np.zeros(0, np.int64))
        place.append(np.pad(target.ravel(), extra, "edge") if there.size else np.zeros(0, np.int64))
    offset = [pairs for *_, pairs in phases]
    firsts = (np.cumsum([0, *map(len, parts)]) for parts in (offset, position))
    first_pair, first_pixel = firsts
    return Tables(
        np.concatenate(offset),
        first_pair,
        np.concatenate(position),
        np.concatenate(place),
        first_pixel,
        np.array(counts),
    )


@parallel
def correlate(thread, counter, x, packed, y, split, tables, block, bands, identity, planes, buffers):
    """Both passes over images, by their tables.

    Parameters
    ----------
    x, y : array (N, C, H, W)
        Read and written.
    packed : array (groups, panels, pairs, vectors * L)
        The filters; a panel is a few vectors of output channels.
    split : Split
    tables : Tables
    block : Block
    bands : int
        Into how many the pixels are divided, where threads would else have nothing to do.
    identity : array
        0, 1, ... as many as y has pixels.
    planes, buffers : array (threads, ...)
        Workspace: phase planes of the images, and the block of the result.
    """
    own, buffer = pointer(planes[thread]), pointer(buffers[thread])
    fill_zeros(own, planes.shape[1])
    groups, panels = packed.shape[:2]
    outputs = y.shape[1] // groups
    current = -1
    for piece in chunked_range(counter, -(-x.shape[0] // block.images) * groups * panels * bands):
        band, item = piece % bands, piece // bands
        first, group, panel = item // panels // groups * block.images, item // panels % groups, item % panels
        used = min(block.images, x.shape[0] - first)
        if block.in_place:
            own = advance(pointer(x), (first * groups + group) * split.channels * split.plane)
        elif item // panels != current:
            current = item // panels
            for i in range(used):
                split_image(x, first + i, group, split, advance(own, i * block.image_size), 0, split.height)
        capacity = identity.size * block.images + block.places
        left = outputs - panel * packed.shape[3]
        _multiply(packed[group, panel], own, tables, used, buffer, capacity, left, block, band, bands)
        _write(buffer, identity, used, y, first, group * outputs, outputs, panel, block, band, bands)


@inlined
def _multiply(filters, planes, tables, images, buffer, capacity, outputs, block, band, bands):
    """One panel of output channels of all pixels of a band: ``[vector][pixel][L]``."""
    L, width = lanes(planes), filters.shape[1]
    for phase in range(tables.pixels.size):
        pixel, first, last = tables.first_pixel[phase], tables.first_pair[phase], tables.first_pair[phase + 1]
        for pair in range(first, max(last, first + 1), _DEPTH):  # once at least: what no tap reaches is zero
            count = min(_DEPTH, last - pair)
            here, add = advance(pointer(tables.offset), pair), pair > first
            b = advance(pointer(filters), pair * width)
            low, high = _band(images * tables.pixels[phase], block.places, band, bands)
            for tile in range(pixel + low, pixel + high, block.places):
                position, place = advance(pointer(tables.position), tile), advance(pointer(tables.place), tile)
                if block.vectors > VECTORS:
                    places_kernel_wide(count, planes, here, position, b, width, buffer, capacity * L, place, add)
                elif outputs > L:
                    places_kernel(count, planes, here, position, b, width, buffer, capacity * L, place, add)
                else:
                    places_kernel_narrow(count, planes, here, position, b, width, buffer, capacity * L, place, add)


@inlined
def _band(pixels, places, band, bands):
    """The first and the end of the pixels of a band, which is whole blocks of `places`."""
    blocks = -(-pixels // places)
    return band * blocks // bands * places, min((band + 1) * blocks // bands * places, pixels)


@inlined
def _write(buffer, identity, images, y, first, first_channel, outputs, panel, block, band, bands):
    """The panel's channels of a band into the images of y."""
    L = lanes(buffer)
    plane = identity.size
    vector_size = (plane * block.images + block.places) * L
    scratch = advance(buffer, block.vectors * vector_size)
    low, high = _band(plane, block.places, band, bands)
    for vector in range(block.vectors):
        channel = (panel * block.vectors + vector) * L
        channels = min(L, outputs - channel)
        for i in range(images if channels > 0 else 0):
            planes = advance(pointer(y), ((first + i) * y.shape[1] + first_channel + channel) * plane)
            blocks_to_planes(advance(buffer, vector * vector_size + i * plane * L), pointer(identity), 0, channels, low,
                             high, planes, plane, scratch)  # fmt: skip


@parallel
def sum_products(thread, counter, x, g, sums, buffers, position, width, taps, stride, dilation, outputs, channels):
    """dw: ``sums[shard, group, block of input channels, output channel, tap, lane]``.

    Parameters
    ----------
    x, g : array (N, C, H, W)
    sums : array
        Its shards are summed over shares of the images, each by one thread.
    buffers : array (threads, ...)
        Workspace: an image of L channels with its padding.
    position : array of int64
        Where each pixel of an image goes there.
    width : int
        Pixels in a row of it.
    taps, stride, dilation : (int, int)
    outputs, channels : int
        Of a group.
    """
    buffer = pointer(buffers[thread])
    L = lanes(buffer)
    fill_zeros(buffer, buffers.shape[1])
    scratch = advance(buffer, buffers.shape[1] - L * L)
    shards, groups, blocks = sums.shape[:3]
    plane, pixels = x.shape[2] * x.shape[3], g.shape[2] * g.shape[3]
    for item in chunked_range(counter, shards * groups * blocks):
        shard, group, block = item // blocks // groups, item // blocks % groups, item % blocks
        fill_zeros(pointer(sums[shard, group, block]), sums[shard, group, block].size)
        for image in range(shard * x.shape[0] // shards, (shard + 1) * x.shape[0] // shards):
            gradient = advance(pointer(g), (image * groups + group) * outputs * pixels)
            first = (image * groups + group) * channels + block * L
            planes_to_blocks(advance(pointer(x), first * plane), plane, min(L, channels - block * L), 0, plane,
                             pointer(position), 0, buffer, scratch)  # fmt: skip
            for output in range(0, outputs, WIDE_PLACES):
                _add_shifts(g.shape[2], g.shape[3], advance(gradient, output * pixels),
                            min(WIDE_PLACES, outputs - output), buffer, width, taps, stride, dilation,
                            pointer(sums[shard, group, block, output]))  # fmt: skip


@inlined
def _add_shifts(rows, columns, gradient, used, buffer, width, taps, stride, dilation, sums):
    """Add the products of some output channels and a block of input channels: taps of a row by threes, then by twos."""
    L = lanes(buffer)
    down, across, apart = stride[0] * width * L, stride[1] * L, taps[0] * taps[1] * L
    for row in range(taps[0]):
        column = 0
        while column < taps[1]:
            image = advance(buffer, (row * dilation[0] * width + column * dilation[1]) * L)
            target = advance(sums, (row * taps[1] + column) * L)
            left = taps[1] - column
            if left > VECTORS + 2 or left == VECTORS + 1:
                shifts_kernel_wide(rows, columns, gradient, rows * columns, used, image, down, across, dilation[1] * L,
                                   target, apart)  # fmt: skip
                column += VECTORS + 1
            else:
                shifts_kernel(rows, columns, gradient, rows * columns, used, image, down, across, dilation[1] * L,
                              target, apart)  # fmt: skip
                column += VECTORS
