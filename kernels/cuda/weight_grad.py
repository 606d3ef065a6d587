"""`conv2d_weight_grad`: a product that sums over all output pixels, in shares that are added up in a fixed order.

The result is small, a few thousand numbers, and each is a sum over every pixel of every image: too few tiles to occupy
a GPU.  So the pixels are shared out, each share's sums are stored apart, and a second kernel adds the shares up.  It
could be saved by adding them where they are made, with atomic instructions; but then the order of the additions, and
with it the last bits of the result, would change from run to run.  Here both depend on the shapes alone.
"""

import functools
from typing import NamedTuple

from .launch import Kernel, elements, empty, launch
from .layout import whole
from .target import copy_vector, cuda, flat, int32, lanes
from .tiles import PAD, Tile, multiplier

__all__ = ["Products", "adder", "products", "weight_grad"]

#: Blocks that occupy a large GPU; the work is divided into shares to make this number.
BLOCKS = 512


class Products(NamedTuple):
    """All that is known about a call but the number of images."""

    groups: int
    channels: int
    """Input channels in a group."""
    outputs: int
    """Output channels in a group."""
    pixels: tuple[int, int]
    """Rows and columns of the output."""
    padded: tuple[int, int]
    """Rows and columns of the packed input."""
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]


def weight_grad(plan, source, cotangents, images, result):
    """Run both kernels on packed operands."""
    dtype = result.dtype
    tile, pixels = _tile(plan, dtype), images * plan.pixels[0] * plan.pixels[1]
    columns = plan.kernel_size[0] * plan.kernel_size[1] * whole(plan.channels, dtype)
    tiles = plan.groups * -(-plan.outputs // tile.rows) * -(-columns // tile.columns)
    steps = -(-pixels // tile.depth)
    share = -(-steps // min(-(-BLOCKS // tiles), -(-steps // 8))) * tile.depth
    shares = -(-pixels // share)
    partial = empty((shares * plan.groups * plan.outputs * columns,), dtype)
    launch(products(plan, tile, dtype), tiles * shares, source, cotangents, partial, pixels, share)
    elements(adder(plan, dtype), result.size, partial, result, shares)


def _tile(plan, dtype):
    if dtype.itemsize == 8:
        return Tile(32, 64, 8, 4, 4)
    return Tile(128, 64, 16, 8, 4) if plan.outputs > 96 else Tile(64, 64, 16, 8, 4)


@functools.cache
def products(plan, tile, dtype):
    """The kernel that sums products: a row for each output channel, a column for each kernel element and input channel.

    It takes flat ``(source, cotangents, partial)``, the number of pixels, and how many of them make a share.
    """
    vector = lanes(dtype)
    channels, outputs, groups = whole(plan.channels, dtype), whole(plan.outputs, dtype), plan.groups
    (p_count, q_count), (padded_height, padded_width) = plan.pixels, plan.padded
    kernel_width, columns = plan.kernel_size[1], plan.kernel_size[0] * plan.kernel_size[1] * channels
    line = padded_width * channels
    image = padded_height * line
    p_step, q_step = plan.stride[0] * line, plan.stride[1] * channels
    down, across = plan.dilation[0] * line, plan.dilation[1] * channels
    rows, row_blocks, column_blocks = plan.outputs, -(-plan.outputs // tile.rows), -(-columns // tile.columns)

    multiply = multiplier(tile, dtype)
    zero, depth, threads = dtype.type(0), tile.depth, tile.threads
    a_pitch, b_pitch = tile.rows + PAD, tile.columns + PAD
    a_size, b_size = depth * a_pitch, depth * b_pitch
    a_vectors, b_vectors = tile.rows // vector, tile.columns // vector
    a_lines, b_lines = threads // a_vectors, threads // b_vectors
    a_loads, b_loads = depth // a_lines, depth // b_lines
    a_numbers, b_numbers, a_two, b_two = a_loads * vector, b_loads * vector, 2 * a_size, 2 * b_size
    m, n = tile.thread_rows, tile.thread_columns
    across_threads = tile.columns // n
    m_apart, n_apart = tile.rows // m * vector, tile.columns // n * vector

    def products(source, cotangents, partial, pixels, share):
        a_tile = cuda.shared.array(a_two, dtype, alignment=16)
        b_tile = cuda.shared.array(b_two, dtype, alignment=16)
        a_next = cuda.local.array(a_numbers, dtype, alignment=16)
        b_next = cuda.local.array(b_numbers, dtype, alignment=16)
        sums = cuda.local.array((m, n), dtype)

        thread, block = int32(cuda.threadIdx.x), int32(cuda.blockIdx.x)
        column_block, block = block % column_blocks, block // column_blocks
        row_block, block = block % row_blocks, block // row_blocks
        group, number = block % groups, block // groups
        begin, end = int32(number * share), int32(min(number * share + share, pixels))
        a_line, a_row = thread // a_vectors, thread % a_vectors * vector
        b_line, b_column = thread // b_vectors, thread % b_vectors * vector
        column = column_block * tile.columns + b_column
        tap = column // channels
        origin = tap // kernel_width * down + tap % kernel_width * across + column % channels
        a_inside, b_inside = row_block * tile.rows + a_row < outputs, column < columns
        for i in range(m):
            for j in range(n):
                sums[i, j] = zero

        steps = int32((end - begin + depth - 1) // depth)
        for step in range(steps + 1):
            if step < steps:
                for i in range(a_loads):
                    pixel = begin + step * depth + a_line + i * a_lines
                    if a_inside and pixel < end:
                        place, at = pixel % (p_count * q_count), pixel // (p_count * q_count) * groups + group
                        start = (at * (p_count * q_count) + place) * outputs + row_block * tile.rows + a_row
                        copy_vector(a_next, i * vector, cotangents, start)
                    else:
                        for v in range(vector):
                            a_next[i * vector + v] = zero
                for i in range(b_loads):
                    pixel = begin + step * depth + b_line + i * b_lines
                    if b_inside and pixel < end:
                        q, p, at = pixel % q_count, pixel // q_count % p_count, pixel // (q_count * p_count)
                        start = (at * groups + group) * image + p * p_step + q * q_step + origin
                        copy_vector(b_next, i * vector, source, start)
                    else:
                        for v in range(vector):
                            b_next[i * vector + v] = zero
            if step > 0:
                other = (step + 1) % 2
                multiply(
                    a_tile, other * a_size + thread // across_threads * vector,
                    b_tile, other * b_size + thread % across_threads * vector, sums,
                )  # fmt: skip
            if step < steps:
                half = step % 2
                for i in range(a_loads):
                    copy_vector(a_tile, half * a_size + (a_line + i * a_lines) * a_pitch + a_row, a_next, i * vector)
                for i in range(b_loads):
                    copy_vector(b_tile, half * b_size + (b_line + i * b_lines) * b_pitch + b_column, b_next, i * vector)
            cuda.syncthreads()

        for i in range(m):
            row = row_block * tile.rows + i // vector * m_apart + thread // across_threads * vector + i % vector
            for j in range(n):
                column = column_block * tile.columns + j // vector * n_apart
                column += thread % across_threads * vector + j % vector
                if row < rows and column < columns:
                    partial[((number * groups + group) * rows + row) * columns + column] = sums[i, j]

    return Kernel(products, (flat(dtype), flat(dtype), flat(dtype), int32, int32), threads)


@functools.cache
def adder(plan, dtype):
    """The kernel that adds up the shares, one thread for each element of the result."""
    channels, window = whole(plan.channels, dtype), plan.kernel_size[0] * plan.kernel_size[1]
    inputs, size, zero = plan.channels, plan.groups * plan.outputs * window * channels, dtype.type(0)

    def add_shares(partial, result, shares, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            tap, c, o = e % window, e // window % inputs, e // (window * inputs)
            total = zero
            for share in range(shares):
                total += partial[share * size + (o * window + tap) * channels + c]
            result[e] = total

    return Kernel(add_shares, (flat(dtype), flat(dtype), int32, int32))
