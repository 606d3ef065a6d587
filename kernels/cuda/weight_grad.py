"""`conv2d_weight_grad`: a product that sums over all output pixels, in shares that are added up in a fixed order.

The result is small, a few thousand numbers, and each is a sum over every pixel of every image: too few tiles to occupy
a GPU.  So the pixels are shared out, each share's sums are stored apart, and a second kernel adds the shares up.  It
could be saved by adding them where they are made, with atomic instructions; but then the order of the additions, and
with it the last bits of the result, would change from run to run.  Here both depend on the shapes alone.

Images and cotangents are read where they lie, as in `correlate`: neighboring threads take neighboring pixels, 16 at a
time, of the same channel.
"""

import functools
from typing import NamedTuple

from .launch import Kernel, elements, empty, launch
from .target import cuda, flat, int32, lanes
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
    source: tuple[int, int]
    """Rows and columns of the input."""
    pixels: tuple[int, int]
    """Rows and columns of the output."""
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]
    """Rows and columns of zeros before the input."""
    dilation: tuple[int, int]


def weight_grad(plan, source, cotangents, result):
    """Run the kernels: one where the pixels are a single share, else both."""
    dtype = result.dtype
    tile, pixels = _tile(plan, dtype), source.shape[0] * plan.pixels[0] * plan.pixels[1]
    columns = plan.channels * plan.kernel_size[0] * plan.kernel_size[1]
    tiles = plan.groups * -(-plan.outputs // tile.rows) * -(-columns // tile.columns)
    steps = -(-pixels // tile.depth)
    share = -(-steps // min(-(-BLOCKS // tiles), -(-steps // 8))) * tile.depth
    shares = -(-pixels // share)
    partial = result if shares == 1 else empty((shares * result.size,), dtype)
    launch(products(plan, tile, dtype), tiles * shares, source, cotangents, partial, pixels, share)
    if shares > 1:
        elements(adder(dtype), result.size, partial, result, shares)


def _tile(plan, dtype):
    if dtype.itemsize == 8:
        return Tile(32, 64, 8, 4, 4)
    return Tile(128, 64, 16, 8, 4) if plan.outputs > 96 else Tile(64, 64, 16, 8, 4)


@functools.cache
def products(plan, tile, dtype):
    """The kernel that sums products: a row for each output channel, a column for each input channel and filter element.

    It takes flat ``(source, cotangents, partial)``, the number of pixels, and how many of them make a share.
    """
    vector = lanes(dtype)
    channels, outputs, groups = plan.channels, plan.outputs, plan.groups
    (p_count, q_count), (height, width) = plan.pixels, plan.source
    image, plane = p_count * q_count, height * width
    kernel_width, window = plan.kernel_size[1], plan.kernel_size[0] * plan.kernel_size[1]
    (p_step, q_step), (top, left), (down, across) = plan.stride, plan.before, plan.dilation
    all_columns = channels * window
    row_blocks, column_blocks = -(-outputs // tile.rows), -(-all_columns // tile.columns)

    multiply = multiplier(tile, dtype)
    zero, depth, threads = dtype.type(0), tile.depth, tile.threads
    a_pitch, b_pitch = tile.rows + PAD, tile.columns + PAD
    a_size, b_size = depth * a_pitch, depth * b_pitch
    apart = threads // depth  # rows of A, and columns of B, that all threads together load at a time
    a_loads, b_loads, a_two, b_two = tile.rows // apart, tile.columns // apart, 2 * a_size, 2 * b_size
    m, n = tile.thread_rows, tile.thread_columns
    across_threads = tile.columns // n
    m_apart, n_apart = tile.rows // m * vector, tile.columns // n * vector

    def products(source, cotangents, partial, pixels, share):
        a_tile = cuda.shared.array(a_two, dtype, alignment=16)
        b_tile = cuda.shared.array(b_two, dtype, alignment=16)
        a_next, b_next = cuda.local.array(a_loads, dtype), cuda.local.array(b_loads, dtype)
        rows, columns, planes = (
            cuda.local.array(b_loads, int32), cuda.local.array(b_loads, int32), cuda.local.array(b_loads, int32)
        )  # fmt: skip
        sums = cuda.local.array((m, n), dtype)

        thread, block = int32(cuda.threadIdx.x), int32(cuda.blockIdx.x)
        column_block, block = block % column_blocks, block // column_blocks
        row_block, block = block % row_blocks, block // row_blocks
        group, number = block % groups, block // groups
        begin, end = int32(number * share), int32(min(number * share + share, pixels))
        line, first = thread % depth, thread // depth
        first_row, first_column = row_block * tile.rows + first, column_block * tile.columns + first
        for i in range(b_loads):
            column = first_column + i * apart
            channel, tap = column // window, column % window
            rows[i], columns[i] = tap // kernel_width * down - top, tap % kernel_width * across - left
            planes[i] = channel * plane
        for i in range(m):
            for j in range(n):
                sums[i, j] = zero

        steps = int32((end - begin + depth - 1) // depth)
        for step in range(steps + 1):
            if step < steps:
                pixel = begin + step * depth + line
                q, p, at = pixel % q_count, pixel // q_count % p_count, pixel // image * groups + group
                start = (at * outputs + first_row) * image + p * q_count + q
                for i in range(a_loads):
                    a_next[i] = zero
                    if pixel < end and first_row + i * apart < outputs:
                        a_next[i] = cotangents[start + i * apart * image]
                for i in range(b_loads):
                    row, column = p * p_step + rows[i], q * q_step + columns[i]
                    b_next[i] = zero
                    inside = 0 <= row < height and 0 <= column < width and first_column + i * apart < all_columns
                    if inside and pixel < end:
                        b_next[i] = source[at * channels * plane + planes[i] + row * width + column]
            if step > 0:
                other = (step + 1) % 2
                multiply(
                    a_tile, other * a_size + thread // across_threads * vector,
                    b_tile, other * b_size + thread % across_threads * vector, sums,
                )  # fmt: skip
            if step < steps:
                half = step % 2
                for i in range(a_loads):
                    a_tile[half * a_size + line * a_pitch + first + i * apart] = a_next[i]
                for i in range(b_loads):
                    b_tile[half * b_size + line * b_pitch + first + i * apart] = b_next[i]
            cuda.syncthreads()

        for i in range(m):
            row = row_block * tile.rows + i // vector * m_apart + thread // across_threads * vector + i % vector
            for j in range(n):
                column = column_block * tile.columns + j // vector * n_apart
                column += thread % across_threads * vector + j % vector
                if row < outputs and column < all_columns:
                    partial[((number * groups + group) * outputs + row) * all_columns + column] = sums[i, j]

    return Kernel(products, (flat(dtype), flat(dtype), flat(dtype), int32, int32), threads)


@functools.cache
def adder(dtype):
    """The kernel that adds up the shares, one thread for each element of the result."""
    zero = dtype.type(0)

    def add_shares(partial, result, shares, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            total = zero
            for share in range(shares):
                total += partial[share * count + e]
            result[e] = total

    return Kernel(add_shares, (flat(dtype), flat(dtype), int32, int32))
