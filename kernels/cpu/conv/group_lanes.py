r"""Direct convolution with groups in the vector lanes: for many groups of few channels, such as depthwise ones.

$$ y_{g,\,q,\,u} = \sum_{k = (c, r, s)} w_{g,\,q,\,k}\; x_{g,\,\mathrm{position}(u) + \mathrm{offset}(k)} $$

Where each channel has its own filter there is no matrix product: a pixel that is read meets one filter, and not a row
of them.  But all groups do the same steps, each with its own numbers.  So a vector holds channel c of L neighboring
groups, and another one holds coefficient (q, k) of these groups: one multiply-add serves L groups.

Images are brought into this order (`minigen.kernels.cpu.blocked_layout`) for L groups of one image at a time, with
their padding, in a buffer that stays in the cache.  There every pixel is a whole vector, so a stride, a dilation and a
short row cost nothing extra: pixel u and pair k are steps in tables.

The adjoint in x works alike, on g: the pixels of dx fall into phases, by their place between two steps of the stride,
and each phase meets other taps.  The adjoint in w multiplies, for each tap, an image and a gradient vector by vector.

Source: E. Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD Architectures", SC 2018,
arXiv:1808.05567, for the blocked layout.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...shapes import Array, Padding, Pair, round_up
from ..blocked_layout import blocks_to_planes, fill_zeros, planes_to_blocks
from ..microkernel import GROUP_PIXELS, GROUP_TAPS, group_pixels_kernel, group_taps_kernel
from ..runtime.allocator import empty
from ..runtime.compile import inlined
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..simd import VECTOR_BYTES, advance, lanes, pointer
from ..simd.streaming import prefetch
from .packing import shard_count
from .padded import padded_image, phase_taps

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]

#: Numbers that are prefetched: the planes of L groups are read side by side, more than a processor foresees.
_SOON = 1 << 14


class Tables(NamedTuple):
    """What is summed for which pixels of the result; phase f's entries run from ``first_...[f]`` to ``[f + 1]``."""

    size: int  # elements of the padded image of a channel of L groups
    padded: np.ndarray  # where each pixel of the source goes there, in vectors
    offset: np.ndarray  # of each pair of a channel and a tap, from the first channel's image, in elements
    first_pair: np.ndarray
    position: np.ndarray  # of each pixel of the result, in elements of the padded image
    place: np.ndarray  # of each pixel of the result, among its pixels
    first_pixel: np.ndarray  # whole blocks of the micro-kernel for each phase: the last pixel is repeated


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    lanes = VECTOR_BYTES // x.itemsize
    tables = _forward_tables(w.shape[1:], x.shape[2:], out.shape[2:], stride, padding, dilation, lanes)
    filters = w.reshape(groups, w.shape[0] // groups, -1)
    _run(x, filters, out, tables)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    lanes, outputs = VECTOR_BYTES // g.itemsize, w.shape[0] // groups
    how = outputs, w.shape[2:], g.shape[2:], out.shape[2:], stride, padding, dilation, lanes
    tables, pairs = _backward_tables(*how)
    # for each channel of the result the pairs of an output channel and a tap, phase by phase
    filters = w.reshape(groups, outputs, w.shape[1], -1).swapaxes(1, 2).reshape(groups, w.shape[1], -1)
    _run(g, filters[:, :, pairs], out, tables)


def _run(source, filters, result, tables):
    """`filters`: array (groups, channels of the result in a group, pairs)."""
    groups, outputs, pairs = filters.shape
    lanes = VECTOR_BYTES // source.itemsize
    blocks = -(-groups // lanes)
    packed = np.zeros((blocks, outputs, pairs, lanes), source.dtype)
    for block in range(blocks):
        some = filters[block * lanes : (block + 1) * lanes]
        packed[block, :, :, : len(some)] = some.transpose(1, 2, 0)
    channels, pixels = source.shape[1] // groups, math.prod(result.shape[2:])
    sizes = channels * tables.size, pixels * lanes, 2 * lanes * lanes
    buffers = [PerThread((size,), source.dtype) for size in sizes]
    correlate(source, packed, result, groups, tables, np.arange(pixels), *buffers)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    lanes, outputs, channels = VECTOR_BYTES // x.itemsize, out.shape[0] // groups, out.shape[1]
    taps, pixels = math.prod(out.shape[2:]), math.prod(g.shape[2:])
    how = (1, *out.shape[2:]), x.shape[2:], g.shape[2:], stride, padding, dilation, lanes
    tables = _forward_tables(*how)
    width = padded_image(x.shape[2:], g.shape[2:], out.shape[2:], stride, padding, dilation)[1]
    offset = np.zeros(round_up(taps, GROUP_TAPS), np.int64)  # what is beyond the taps is computed and not used
    offset[:taps] = tables.offset
    blocks = -(-groups // lanes)
    sums_shape = (blocks, outputs, channels, len(offset), lanes)
    shards = shard_count(x.shape[0], pixels, math.prod(sums_shape) * x.itemsize)
    sums = empty((shards, *sums_shape), x.dtype)
    sizes = channels * tables.size, outputs * pixels * lanes, lanes * lanes
    buffers = [PerThread((size,), x.dtype) for size in sizes]
    steps = stride[0] * width * lanes, stride[1] * lanes
    sum_products(x, g, sums, groups, tables, np.arange(pixels), offset, steps, *buffers)
    total = sums.sum(0)[:, :, :, :taps].transpose(0, 4, 1, 2, 3).reshape(blocks * lanes, outputs, channels, taps)
    out[...] = total[:groups].reshape(out.shape)


@lru_cache(maxsize=256)
def _forward_tables(filter_shape, size, pixels, stride, padding, dilation, lanes):
    channels, *taps = filter_shape
    height, width, padded = padded_image(size, pixels, tuple(taps), stride, padding, dilation)
    down, across = (np.arange(k) * d for k, d in zip(taps, dilation, strict=True))
    channel = np.arange(channels) * (height * width)
    offset = (channel[:, None, None] + down[:, None] * width + across).ravel()
    rows, columns = (np.arange(n) for n in pixels)
    position = (rows[:, None] * (stride[0] * width) + columns * stride[1]).ravel()
    return _tables(height * width, padded, [(offset, position, np.arange(position.size))], lanes)


@lru_cache(maxsize=256)
def _backward_tables(outputs, kernel_size, size, pixels, stride, padding, dilation, lanes):
    """Tables for g of `size` and dx of `pixels`; also which coefficient of (output, tap) each pair has, by phase."""
    meets = [phase_taps(*axis) for axis in zip(kernel_size, stride, padding, dilation, strict=True)]
    shifts = [[shift for phase in axis for _, shift in phase] for axis in meets]
    before = [max(0, -min(shift)) for shift in shifts]
    reach = [
        max(n + b, -(-count // s) + max(shift) + b)
        for n, count, s, shift, b in zip(size, pixels, stride, shifts, before, strict=True)
    ]
    height, width = reach
    padded = np.add.outer((np.arange(size[0]) + before[0]) * width, np.arange(size[1]) + before[1]).ravel()
    output = np.arange(outputs)[:, None, None]
    phases, pairs = [], []
    for a, of_row in enumerate(meets[0]):
        for b, of_column in enumerate(meets[1]):
            down, across = (
                np.array([shift + more for _, shift in axis], np.int64)
                for axis, more in zip((of_row, of_column), before, strict=True)
            )
            tap_row, tap_column = (np.array([tap for tap, _ in axis], np.int64) for axis in (of_row, of_column))
            rows, columns = (np.arange(start, n, s) for start, n, s in zip((a, b), pixels, stride, strict=True))
            position = (rows[:, None] // stride[0] * width + columns // stride[1]).ravel()
            place = (rows[:, None] * pixels[1] + columns).ravel()
            phases.append(((output * (height * width) + down[:, None] * width + across).ravel(), position, place))
            tap = tap_row[:, None] * kernel_size[1] + tap_column
            pairs.append((output * math.prod(kernel_size) + tap).ravel())
    return _tables(height * width, padded, phases, lanes), np.concatenate(pairs)


def _tables(size, padded, phases, lanes):
    """From (offset, position, place) of each phase, in vectors."""
    offsets = [offset * lanes for offset, _, _ in phases]
    positions, places = [], []
    for _, position, place in phases:
        extra = (0, -position.size % GROUP_PIXELS)
        positions.append(np.pad(position * lanes, extra, "edge") if position.size else position)
        places.append(np.pad(place, extra, "edge") if place.size else place)
    first_pair, first_pixel = (np.cumsum([0, *map(len, parts)]) for parts in (offsets, positions))
    return Tables(size * lanes, padded, np.concatenate(offsets), first_pair, np.concatenate(positions),
                  np.concatenate(places), first_pixel)  # fmt: skip


@inlined
def _gather(source, image, groups, block, channels, step, tables, buffer, scratch):
    """The channels of L groups of one image: ``[channel][padded pixel][L]``; the padding is zero already.

    Those of `step` blocks later are needed next.
    """
    L = lanes(buffer)
    plane = source.shape[2] * source.shape[3]
    first = advance(pointer(source), (image * groups + block * L) * channels * plane)
    for channel in range(channels):
        planes_to_blocks(advance(first, channel * plane), channels * plane, min(L, groups - block * L), 0, plane,
                         pointer(tables.padded), 0, advance(buffer, channel * tables.size), scratch)  # fmt: skip
    prefetch(first, step * L * channels * plane, min(L * channels * plane, _SOON))


@parallel
def correlate(thread, counter, source, packed, result, groups, tables, identity, buffers, results, scratches):
    """Both passes over images, by their tables.

    Parameters
    ----------
    source, result : array (N, C, H, W)
        Read and written.
    packed : array (blocks of L groups, channels of the result in a group, pairs, L)
        The filters.
    groups : int
    tables : Tables
    identity : array
        0, 1, ... as many as the result has pixels.
    buffers, results, scratches : array (threads, ...)
        Workspace: padded images of the source, one image of the result, and for transpositions.
    """
    buffer, done, scratch = pointer(buffers[thread]), pointer(results[thread]), pointer(scratches[thread])
    fill_zeros(buffer, buffers.shape[1])
    L, blocks, outputs, pixels = lanes(buffer), packed.shape[0], packed.shape[1], identity.size
    for item in chunked_range(counter, source.shape[0] * blocks):
        image, block = item // blocks, item % blocks
        first = advance(pointer(result), (image * groups + block * L) * outputs * pixels)
        prefetch(first, 0, min(L * outputs * pixels, _SOON))
        _gather(source, image, groups, block, source.shape[1] // groups, 1, tables, buffer, scratch)
        for output in range(outputs):
            for phase in range(tables.first_pair.size - 1):
                pair = tables.first_pair[phase]
                count = tables.first_pair[phase + 1] - pair  # 0: no tap reaches these pixels, which become zero
                filters, offset = (
                    advance(pointer(packed[block, output]), pair * L),
                    advance(pointer(tables.offset), pair),
                )
                for tile in range(tables.first_pixel[phase], tables.first_pixel[phase + 1], GROUP_PIXELS):
                    group_pixels_kernel(count, buffer, offset, advance(pointer(tables.position), tile), filters, done,
                                        advance(pointer(tables.place), tile))  # fmt: skip
            blocks_to_planes(done, pointer(identity), 0, min(L, groups - block * L), 0, pixels,
                             advance(first, output * pixels), outputs * pixels, scratch)  # fmt: skip


@parallel
def sum_products(thread, counter, x, g, sums, groups, tables, identity, offset, steps, buffers, gradients, scratches):
    """dw: ``sums[shard, block of L groups, output channel, channel, tap, lane]``.

    Parameters
    ----------
    x, g : array (N, C, H, W)
    sums : array
        Its shards are summed over shares of the images, each by one thread.
    groups : int
    tables : Tables
    identity : array
        0, 1, ... as many as g has pixels.
    offset : array of int64
        Of each tap, in elements of a padded image; there are whole blocks of the micro-kernel.
    steps : (int, int)
        Elements of a padded image from one row, and from one pixel, of g to the next.
    buffers, gradients, scratches : array (threads, ...)
        Workspace: padded images of x, images of g, and for transpositions.
    """
    buffer, gradient, scratch = pointer(buffers[thread]), pointer(gradients[thread]), pointer(scratches[thread])
    fill_zeros(buffer, buffers.shape[1])
    L, pixels = lanes(buffer), identity.size
    shards, blocks, outputs, channels = sums.shape[:4]
    for item in chunked_range(counter, shards * blocks):
        shard, block = item // blocks, item % blocks
        fill_zeros(pointer(sums[shard, block]), sums[shard, block].size)
        for image in range(shard * x.shape[0] // shards, (shard + 1) * x.shape[0] // shards):
            first = advance(pointer(g), (image * groups + block * L) * outputs * pixels)
            prefetch(first, 0, min(L * outputs * pixels, _SOON))
            _gather(x, image, groups, block, channels, blocks, tables, buffer, scratch)
            for output in range(outputs):
                own = advance(gradient, output * pixels * L)
                planes_to_blocks(advance(first, output * pixels), outputs * pixels, min(L, groups - block * L), 0,
                                 pixels, pointer(identity), 0, own, scratch)  # fmt: skip
                for channel in range(channels):
                    images, total = advance(buffer, channel * tables.size), sums[shard, block, output, channel]
                    for tap in range(0, offset.size, GROUP_TAPS):
                        group_taps_kernel(g.shape[2], g.shape[3], images, advance(pointer(offset), tap), steps[0],
                                          steps[1], own, pointer(total[tap]))  # fmt: skip
