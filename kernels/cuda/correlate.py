"""`conv2d` and `conv2d_input_grad`: one implicit GEMM, and two plans of what it gathers.

The product has a row for each output pixel (of all images), a column for each output channel, and a term for each input
channel and filter element.  Neither matrix is stored: images and filters are read where they lie, and turned into the
order of a product while they are brought into shared memory.  A copy in that order would be read with fewer
instructions, by 16 bytes at a time; but it would be two more launches, and a small network waits for launches.

How well the reads are coalesced:

- *images*: neighboring threads take neighboring pixels for the same term.  With a stride of 2 they use every other
  number of a sector; the next filter element uses the rest, which the cache still has.
- *filters*: neighboring threads take neighboring terms for the same output channel.  For `conv2d` these are neighbors
  in memory.  For its adjoint they are neighbors only within a filter, of which a phase with stride 2 uses a quarter;
  with filters of 1x1 each thread reads another sector.  Filters are few and all blocks read the same, so it is the
  cache that serves them.

The bias and a leaky ReLU are applied to the sums while they are in registers.
"""

import functools
from typing import NamedTuple

import numpy as np

from .launch import Kernel, launch
from .plan import Axis
from .pointwise import activation
from .target import cuda, flat, int32, lanes, number
from .tiles import PAD, Tile, multiplier

__all__ = ["Plan", "correlate", "correlation"]


#: Elements of a filter: a kernel has a table of them, three numbers each, in the 64 KiB of constant memory.
MOST_TAPS = 5000


class Plan(NamedTuple):
    """All that is known about a call but the number of images."""

    groups: int
    channels: int
    """Of the source, in a group."""
    outputs: int
    """Channels of the result, in a group."""
    source: tuple[int, int]
    """Rows and columns of the source."""
    window: tuple[int, int]
    """Rows and columns of a filter."""
    transposed: bool
    """Whether the filters' first axis counts the channels of the source, not of the result."""
    vertical: Axis
    horizontal: Axis
    size: tuple[int, int]
    """Rows and columns of the result."""
    biased: bool
    rectify: bool | None
    """The activation, as `minigen.kernels.cuda.pointwise.rectified` names it."""


def correlate(plan, source, filters, bias, result, negative_slope):
    """Run the kernel; without a bias and an activation it looks at none.

    Raises
    ------
    ValueError
        If a filter has more than `MOST_TAPS` elements.
    """
    if plan.window[0] * plan.window[1] > MOST_TAPS:
        raise ValueError(f"correlate: filters of size {plan.window} have more than {MOST_TAPS} elements; use the CPU")
    pixels = result.shape[0] * plan.vertical.pixels * plan.horizontal.pixels
    tile = _tile(plan, pixels, result.dtype)
    blocks = -(-pixels // tile.rows) * plan.groups * len(_phases(plan)) * -(-plan.outputs // tile.columns)
    kernel = correlation(plan, tile, result.dtype)
    launch(kernel, blocks, source, filters, filters if bias is None else bias, result, negative_slope or 0, pixels)


def _phases(plan):
    """Every phase of the rows with every phase of the columns."""
    return [(v, h) for v in plan.vertical.phases for h in plan.horizontal.phases]


def _tables(plan):
    """For each phase: first tap, number of taps, first source pixel, first output pixel; and for each tap: how far its
    source pixel is from that of the first tap, and which filter element it is.
    """
    phases, taps = [], []
    for v, h in _phases(plan):
        phases.append((len(taps), len(v.taps) * len(h.taps), v.source, h.source, v.output, h.output))
        for i, r in enumerate(v.taps):
            for j, s in enumerate(h.taps):
                taps.append((i * plan.vertical.step, j * plan.horizontal.step, r * plan.window[1] + s))
    return np.array(phases, np.int32), np.array(taps or [(0, 0, 0)], np.int32)


def _tile(plan, pixels, dtype):
    """The largest tile that leaves enough blocks for a big GPU; which it is changes no bit of the result."""
    if dtype.itemsize == 8:
        return Tile(64, 32, 8, 4, 4)
    if plan.outputs <= 8:
        return Tile(256, 8, 16, 4, 4)
    blocks = -(-pixels // 128) * plan.groups * len(_phases(plan)) * -(-plan.outputs // 64)
    return Tile(128, 64, 16, 8, 4) if blocks >= 512 else Tile(64, 64, 16, 8, 4)


@functools.cache
def correlation(plan, tile, dtype):
    """The kernel for a plan.

    It takes flat ``(source, filters, bias, result)``, the slope, and the number of output pixels per phase.  Term k of
    the product is filter element ``k % taps`` of channel ``k // taps``; each thread steps from one of its terms to the
    next without a division.
    """
    vector, activate = lanes(dtype), activation(plan.rectify, dtype)
    channels, outputs, groups, biased = plan.channels, plan.outputs, plan.groups, plan.biased
    (source_height, source_width), (height, width) = plan.source, plan.size
    plane, window = source_height * source_width, plan.window[0] * plan.window[1]
    vertical, horizontal = plan.vertical, plan.horizontal
    p_count, q_count = vertical.pixels, horizontal.pixels
    p_step, q_step, p_apart, q_apart = vertical.stride, horizontal.stride, vertical.output_step, horizontal.output_step
    # From a filter element to the same of the next output, and of the next input channel.
    column_step, channel_step = (window, outputs * window) if plan.transposed else (channels * window, window)
    column_blocks = -(-outputs // tile.columns)
    phase_numbers, tap_numbers = _tables(plan)
    phases = len(phase_numbers)

    multiply = multiplier(tile, dtype)
    zero, depth, threads = dtype.type(0), tile.depth, tile.threads
    a_pitch, b_pitch = tile.rows + PAD, tile.columns + PAD
    a_size, b_size = depth * a_pitch, depth * b_pitch
    a_width = min(tile.rows, threads)  # threads side by side, each with a pixel, or with several
    a_pixels, a_lines, b_columns = tile.rows // a_width, threads // a_width, threads // depth
    a_terms, b_loads = depth // a_lines, tile.columns // b_columns
    a_loads, a_two, b_two = a_terms * a_pixels, 2 * a_size, 2 * b_size
    m, n = tile.thread_rows, tile.thread_columns
    down_threads = tile.rows // m
    m_apart, n_apart = down_threads * vector, tile.columns // n * vector

    def correlate(source, filters, bias, result, slope, pixels):
        phase_table, tap_table = cuda.const.array_like(phase_numbers), cuda.const.array_like(tap_numbers)
        a_tile = cuda.shared.array(a_two, dtype, alignment=16)
        b_tile = cuda.shared.array(b_two, dtype, alignment=16)
        a_next, b_next = cuda.local.array(a_loads, dtype), cuda.local.array(b_loads, dtype)
        rows, columns, origins = (
            cuda.local.array(a_pixels, int32), cuda.local.array(a_pixels, int32), cuda.local.array(a_pixels, int32)
        )  # fmt: skip
        sums = cuda.local.array((m, n), dtype)

        thread, block = int32(cuda.threadIdx.x), int32(cuda.blockIdx.x)
        column_block, block = block % column_blocks, block // column_blocks
        phase, block = block % phases, block // phases
        group, row_block = block % groups, block // groups
        first_tap, taps = phase_table[phase, 0], max(phase_table[phase, 1], int32(1))
        a_column, a_line = thread % a_width, thread // a_width
        for j in range(a_pixels):
            # past the last pixel the last is read again: a valid address, and the sums are not stored
            pixel = min(row_block * tile.rows + a_column + j * a_width, pixels - 1)
            q, p, image = pixel % q_count, pixel // q_count % p_count, pixel // (q_count * p_count)
            rows[j] = phase_table[phase, 2] + p * p_step
            columns[j] = phase_table[phase, 3] + q * q_step
            origins[j] = (image * groups + group) * channels * plane
        for i in range(m):
            for j in range(n):
                sums[i, j] = zero

        steps = int32((channels * phase_table[phase, 1] + depth - 1) // depth)
        a_channel, a_tap = int32(a_line // taps), int32(a_line % taps)
        a_channels, a_taps = int32(a_lines // taps), int32(a_lines % taps)  # to the thread's next term
        b_line, b_column = thread % depth, thread // depth
        b_channel, b_tap = int32(b_line // taps), int32(b_line % taps)
        b_channels, b_taps = int32(depth // taps), int32(depth % taps)
        b_start = group * outputs * channels * window + (column_block * tile.columns + b_column) * column_step
        for step in range(steps + 1):
            if step < steps:
                for i in range(a_terms):
                    down, across = tap_table[first_tap + a_tap, 0], tap_table[first_tap + a_tap, 1]
                    for j in range(a_pixels):
                        row, column = rows[j] + down, columns[j] + across
                        a_next[i * a_pixels + j] = zero
                        if a_channel < channels and 0 <= row < source_height and 0 <= column < source_width:
                            place = origins[j] + a_channel * plane + row * source_width + column
                            a_next[i * a_pixels + j] = source[place]
                    a_channel, a_tap = int32(a_channel + a_channels), int32(a_tap + a_taps)
                    if a_tap >= taps:
                        a_channel, a_tap = int32(a_channel + 1), int32(a_tap - taps)
                start = b_start + b_channel * channel_step + tap_table[first_tap + b_tap, 2]
                for i in range(b_loads):
                    b_next[i] = zero
                    if b_channel < channels and column_block * tile.columns + b_column + i * b_columns < outputs:
                        b_next[i] = filters[start + i * b_columns * column_step]
                b_channel, b_tap = int32(b_channel + b_channels), int32(b_tap + b_taps)
                if b_tap >= taps:
                    b_channel, b_tap = int32(b_channel + 1), int32(b_tap - taps)
            if step > 0:
                other = (step + 1) % 2
                multiply(
                    a_tile, other * a_size + thread % down_threads * vector,
                    b_tile, other * b_size + thread // down_threads * vector, sums,
                )  # fmt: skip
            if step < steps:
                half = step % 2
                for i in range(a_terms):
                    for j in range(a_pixels):
                        place = half * a_size + (a_line + i * a_lines) * a_pitch + a_column + j * a_width
                        a_tile[place] = a_next[i * a_pixels + j]
                for i in range(b_loads):
                    b_tile[half * b_size + b_line * b_pitch + b_column + i * b_columns] = b_next[i]
            cuda.syncthreads()

        for i in range(m):
            pixel = row_block * tile.rows + i // vector * m_apart + thread % down_threads * vector + i % vector
            q, p, image = pixel % q_count, pixel // q_count % p_count, pixel // (q_count * p_count)
            p, q = phase_table[phase, 4] + p * p_apart, phase_table[phase, 5] + q * q_apart
            if pixel < pixels and p < height and q < width:
                for j in range(n):
                    column = column_block * tile.columns + j // vector * n_apart
                    column += thread // down_threads * vector + j % vector
                    if column < outputs:
                        channel, value = group * outputs + column, sums[i, j]
                        if biased:
                            value += bias[channel]
                        place = ((image * groups * outputs + channel) * height + p) * width + q
                        result[place] = activate(value, slope)

    return Kernel(correlate, (*[flat(dtype)] * 4, number(dtype), int32), threads)
