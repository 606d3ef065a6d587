r"""Weight gradients as dot products along the pixels: for few input channels, or groups of few channels.

$$ \mathrm{d}w_{o,k} = \sum_u g_{o,u}\; x_{\mathrm{offset}(k) + u} $$

The other direct methods have channels in the lanes of a vector, so they first turn g from "pixel after pixel" to
"channel after channel".  That takes long where each number of g then meets few pairs k of a channel and a tap.  Here a
vector holds neighboring pixels of g, as they are in memory, and the pixels of x that one pair meets.  A block of the
kernel is a few output channels times a few pairs.  Each sum is a vector; its lanes are added once, at the end.

For that the pixels of x that a pair meets must be neighbors in memory as well, from the end of one row to the start of
the next.  So x is copied once for each column of the filter, and each copy has only the pixels that this column meets,
in rows as long as those of g.  Another row of the filter (of the same phase of the stride) then meets the same copy, a
few rows further on.  Images are copied a few at a time, which stay in the cache.

Threads share *shards* of the images, and where these are few also the output channels.  The sums of the shards are
added in their order.  The number of shards depends on the shapes alone, so the bits do not depend on the threads.
"""

import math
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ...shapes import Array, Padding, Pair, round_up
from ..microkernel import at, nested_loops, rows_at
from ..runtime.allocator import empty
from ..runtime.compile import TypeArgument, inlined
from ..runtime.instruction_set import NAME
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..simd import (
    INT64,
    VECTOR_BYTES,
    advance,
    lanes,
    load_masked,
    load_vector,
    multiply_add,
    pointer,
    store,
    store_vector,
    vector_of,
    zero,
)
from .packing import add_lanes
from .pixel_lanes import inside
from .plane_kernels import tap_masks, tap_pixels

__all__ = ["conv2d_weight_grad", "make_plan", "serves"]

#: Output channels and pairs of a block: their sums, and what they meet, fit the registers.
SHAPES = ((8, 3), (5, 5)) if NAME == "avx512" else ((4, 3), (2, 5))
#: A weight gradient has at least that many shards, of all groups, if there are as many images; and pieces of work.
_SHARDS, _PIECES = 8, 8
#: Bytes that the sums of a group take at most: they stay in the second cache.
_SUM_BYTES = 1 << 20
#: Bytes of copies, and of a block's rows of g, that are read again and again: they stay in the first cache.
_BYTES = 1 << 15


class Block(TypeArgument):
    """How many output channels and pairs a block has."""

    __slots__ = ()
    outputs: ClassVar[int]
    pairs: ClassVar[int]


def _block(outputs, pairs):
    own = {"outputs": outputs, "pairs": pairs, "__slots__": (), "__module__": __name__}
    return type(f"Block{outputs}x{pairs}", (Block,), own)


#: A class for each shape of a block.
BLOCKS = {shape: _block(*shape) for shape in SHAPES}
globals().update((cls.__name__, cls) for cls in BLOCKS.values())


class Copies(NamedTuple):
    """Copies ``[channel][phase][column of the filter][row][column]`` of an image."""

    phases: int  # of the rows of x
    taps: int  # columns of the filter
    height: int  # rows of a copy
    width: int
    size: int  # elements of a channel's copies
    stride_row: int
    stride_column: int
    dilation: int  # of columns
    top: int
    left: int


class Plan(NamedTuple):
    """How to compute a weight gradient; it depends on the shapes alone."""

    shape: tuple[int, int]  # of a block: output channels and pairs
    outputs: int  # of a group, in whole blocks
    offset: np.ndarray  # of each pair in the copies of an image, in whole blocks
    shards: int
    copies: Copies


def serves(filter_shape: tuple[int, ...], outputs: int) -> bool:
    """Whether this method can do it; `outputs` are those of a group.

    Instruction sets other than these have no masked loads.
    """
    return NAME in ("avx512", "avx2") and outputs * math.prod(filter_shape) * VECTOR_BYTES <= _SUM_BYTES


@lru_cache(maxsize=256)
def make_plan(
    images: int,
    filter_shape: tuple[int, int, int],
    outputs: int,
    pixels: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Plan:
    """Make the plan for a weight gradient; `pixels`: rows and columns of g, `outputs`: of a group."""
    channels, rows, columns = filter_shape
    down = np.arange(rows) * dilation[0]
    phases, height = min(stride[0], int(down[-1]) + 1), pixels[0] + int(down[-1]) // stride[0]
    plane = height * pixels[1]
    row = down % stride[0] * columns * plane + down // stride[0] * pixels[1]
    size = phases * columns * plane
    offset = (np.arange(channels)[:, None, None] * size + row[:, None] + np.arange(columns) * plane).ravel()
    shape = min(SHAPES, key=lambda shape: round_up(outputs, shape[0]) * round_up(offset.size, shape[1]))
    offset = np.pad(offset, (0, -offset.size % shape[1]))
    copies = Copies(phases, columns, height, pixels[1], size, *stride, dilation[1], padding[0][0], padding[1][0])
    return Plan(shape, round_up(outputs, shape[0]), offset, min(images, -(-_SHARDS // groups)), copies)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    L, outputs, pixels = VECTOR_BYTES // x.itemsize, out.shape[0] // groups, math.prod(g.shape[2:])
    plan = make_plan(x.shape[0], out.shape[1:], outputs, g.shape[2:], stride, padding, dilation, groups)
    parts = min(plan.outputs // plan.shape[0], -(-_PIECES // (plan.shards * groups)))
    size = out.shape[1] * plan.copies.size + L
    together = max(1, _BYTES // ((size + plan.shape[0] * pixels) * x.itemsize))
    sums = empty((plan.shards, *out.shape), x.dtype) if plan.shards > 1 else out
    shapes = (min(together, -(-x.shape[0] // plan.shards)), size), (plan.outputs, plan.offset.size, L), (L, L)
    workspaces = [PerThread(shape, x.dtype) for shape in shapes]
    sum_products(BLOCKS[plan.shape](), *plan.shape, x, g, sums.reshape(plan.shards, groups, outputs, -1), plan.copies,
                 plan.offset, parts, *workspaces, work=g.size)  # fmt: skip
    if plan.shards > 1:
        np.sum(sums, axis=0, out=out)


@inlined
def _copy_image(x, image, first, channels, copies, target):
    """Copy some channels of an image; what is written beyond the end of a row, the next row overwrites."""
    height, width, columns, step = x.shape[2], x.shape[3], copies.width, copies.stride_column
    for channel in range(first, first + channels):
        for phase in range(copies.phases):
            above = phase - copies.top
            top, bottom = inside(above, copies.stride_row, height, copies.height)
            rows, pitch = bottom - top, copies.stride_row * width
            source = advance(pointer(x[image, channel]), (top * copies.stride_row + above) * width)
            for tap in range(copies.taps):
                start, to = tap * copies.dilation - copies.left, advance(target, top * columns)
                _store_zeros(target, top * columns)
                if step == 1:
                    rows_kernel(rows, source, pitch, width, start, to, columns)
                elif step == 2:
                    rows_kernel_even(rows, source, pitch, width, start, to, columns)
                else:
                    for i in range(rows):
                        for j in range(columns):
                            column = start + j * step
                            to[i * columns + j] = source[i * pitch + column] if 0 <= column < width else 0
                _store_zeros(advance(target, bottom * columns), (copies.height - bottom) * columns)
                target = advance(target, copies.height * columns)


def _rows_kernel(step):
    @intrinsic
    def kernel(typing, rows, source, pitch, width, start, target, columns):
        """``target[i * columns + j] = source[i * pitch + start + step * j]``; zero for columns not in 0 .. `width`.

        Whole vectors are written, the last ones of all rows first; later ones overwrite what is beyond a row.
        """

        def generate(context, builder, signature, args):
            rows, source, pitch, width, start, target, columns = args
            vector = vector_of(source)
            L = ir.Constant(INT64, vector.count)
            across = builder.sdiv(builder.add(columns, ir.Constant(INT64, vector.count - 1)), L)
            with nested_loops(builder, [across]) as (k,):
                j = builder.mul(builder.sub(across, builder.add(k, ir.Constant(INT64, 1))), L)
                first = builder.add(start, builder.mul(j, ir.Constant(INT64, step)))
                masks = tap_masks(builder, vector, 1, step, first, width, builder.sub(columns, j))
                with nested_loops(builder, [rows]) as (i,):
                    pixels = tap_pixels(builder, at(builder, source, first, (i, pitch)), 1, step, masks)
                    store_vector(builder, pixels[0], at(builder, target, j, (i, columns)))
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, source, n, n, n, target, n), generate

    return kernel


rows_kernel, rows_kernel_even = _rows_kernel(1), _rows_kernel(2)


@inlined
def _store_zeros(target, count):
    """Zero `count` elements, and some more to fill a vector."""
    for i in range(0, count, lanes(target)):
        store(target, i, zero(target))


@parallel
def sum_products(thread, counter, form, height, width, x, g, sums, copies, offset, parts, planes, spaces, scratches):
    """dw: ``sums[shard, group, output channel, pair]``.

    Parameters
    ----------
    form : Block
    height, width : int
        Its output channels and pairs, once more.
    x, g : array (N, C, H, W)
    sums : array
        Its shards are summed over shares of the images.
    copies : Copies
    offset : array of int64
        Of each pair in the copies of an image.
    parts : int
        Into how many the blocks of output channels are divided.
    planes : array (threads, images, elements)
        Workspace: copies of some images.
    spaces, scratches : array (threads, ...)
        Workspace: a vector for each sum; and L vectors, for transpositions.
    """
    shards, groups, outputs = sums.shape[:3]
    rows, pairs = spaces.shape[1:3]
    own, L, pixels, blocks = pointer(planes[thread]), lanes(pointer(x)), g.shape[2] * g.shape[3], rows // height
    together, size = planes.shape[1:]
    channels = x.shape[1] // groups
    for item in chunked_range(counter, shards * groups * parts):
        shard, group, part = item // parts // groups, item // parts % groups, item % parts
        begin, end = shard * x.shape[0] // shards, (shard + 1) * x.shape[0] // shards
        low, high = part * blocks // parts, (part + 1) * blocks // parts
        for first in range(begin, end, together):
            images = min(together, end - first)
            for i in range(images):
                _copy_image(x, first + i, group * channels, channels, copies, advance(own, i * size))
            for block in range(low, high):
                output = block * height
                gradient = advance(pointer(g), (first * g.shape[1] + group * outputs + output) * pixels)
                for pair in range(0, pairs, width):
                    dots_kernel(form, images, pixels, gradient, g.shape[1] * pixels, outputs - output, own, size,
                                advance(pointer(offset), pair), pointer(spaces[thread, output, pair]), pairs * L,
                                first > begin)  # fmt: skip
        for output in range(low * height, min(high * height, outputs)):
            add_lanes(pointer(spaces[thread, output]), sums.shape[3], pointer(sums[shard, group, output]),
                      pointer(scratches[thread]))  # fmt: skip


@intrinsic
def dots_kernel(typing, form, images, count, a, a_image, used, b, b_image, offset, c, c_row, add):
    """Output channels x pairs of a block, added up over the `count` pixels of some images.

    a: planes of `count` pixels, `used` of them at least 1, images `a_image` apart.  Pixel u meets ``b[offset[j] + u]``
    with pair j, images `b_image` apart.  c: [output channel][pair][L], rows `c_row` apart.  `add`: to what is in c, or
    overwrite it.
    """
    M, T = form.instance_class.outputs, form.instance_class.pairs

    def generate(context, builder, signature, args):
        _, images, count, a, a_image, used, b, b_image, offset, c, c_row, add = args
        vector = vector_of(a)
        L = ir.Constant(INT64, vector.count)
        block = [(i, j) for i in range(M) for j in range(T)]
        targets = {(i, j): at(builder, c, (i, c_row), j * vector.count) for i, j in block}
        sums = {ij: cgutils.alloca_once(builder, vector) for ij in block}
        for ij in block:
            builder.store(ir.Constant(vector, None), sums[ij])
        with builder.if_then(add):
            for ij in block:
                builder.store(load_vector(builder, targets[ij]), sums[ij])
        starts = rows_at(builder, a, count, M, used)
        pixels = [at(builder, b, builder.load(at(builder, offset, j))) for j in range(T)]
        whole, rest = builder.sdiv(count, L), builder.srem(count, L)

        def add_vector(image, first, load):
            met = [load(at(builder, pixel, (image, b_image), first)) for pixel in pixels]
            for i in range(M):
                value = load(at(builder, starts[i], (image, a_image), first))
                for j in range(T):
                    total = multiply_add(builder, value, met[j], builder.load(sums[i, j]))
                    builder.store(total, sums[i, j])

        with nested_loops(builder, [images]) as (image,):
            with nested_loops(builder, [whole]) as (step,):
                add_vector(image, builder.mul(step, L), lambda there: load_vector(builder, there))
            with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(INT64, 0))):
                add_vector(image, builder.mul(whole, L), lambda there: load_masked(builder, there, rest))
        for ij in block:
            store_vector(builder, builder.load(sums[ij]), targets[ij])
        return context.get_dummy_value()

    n = types.intp
    return types.void(form, n, n, a, n, n, b, n, offset, c, n, types.boolean), generate
