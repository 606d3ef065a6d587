"""`conv2d` and `conv2d_input_grad`: one implicit GEMM, and two plans of what it gathers.

The product has a row for each output pixel (of all images), a column for each output channel, and sums over kernel
elements and input channels.  Its left matrix is never stored: a row of it is a handful of contiguous runs of the packed
image (`layout`), one for each kernel row.
"""

import functools
from typing import NamedTuple

import numpy as np

from .launch import Kernel, launch
from .layout import whole
from .plan import Axis
from .target import copy_vector, cuda, flat, int32, lanes
from .tiles import PAD, Tile, multiplier

__all__ = ["Plan", "correlate", "correlation", "taps"]


class Plan(NamedTuple):
    """All that is known about a call but the number of images."""

    groups: int
    channels: int
    """Channels of the packed source, in a group."""
    outputs: int
    """Channels of the result, in a group."""
    vertical: Axis
    horizontal: Axis
    size: tuple[int, int]
    """Rows and columns of the result."""


def taps(plan, width):
    """The order in which the kernel goes through the filter elements ``r * width + s``."""
    return tuple(r * width + s for _, _, rows, columns in _phases(plan) for r in rows for s in columns)


def correlate(plan, source, filters, result):
    """Run the kernel on packed operands."""
    pixels = result.shape[0] * plan.vertical.pixels * plan.horizontal.pixels
    tile = _tile(plan, pixels, result.dtype)
    blocks = -(-pixels // tile.rows) * plan.groups * len(_phases(plan)) * -(-plan.outputs // tile.columns)
    launch(correlation(plan, tile, result.dtype), blocks, source, filters, result, pixels)


def _phases(plan):
    """Every phase of the rows with every phase of the columns: first source pixel, first output pixel, and taps."""
    return [
        ((v.source, h.source), (v.output, h.output), v.taps, h.taps)
        for v in plan.vertical.phases
        for h in plan.horizontal.phases
    ]


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
    """The kernel for a plan; it takes flat ``(source, filters, result)`` and the number of output pixels per phase."""
    vector = lanes(dtype)
    channels, columns = whole(plan.channels, dtype), whole(plan.outputs, dtype)
    (height, width), groups, outputs = plan.size, plan.groups, plan.outputs
    vertical, horizontal = plan.vertical, plan.horizontal
    p_count, q_count, line = vertical.pixels, horizontal.pixels, horizontal.size * channels
    image = vertical.size * line
    p_step, q_step = vertical.stride * line, horizontal.stride * channels
    p_apart, q_apart = vertical.output_step, horizontal.output_step
    column_blocks = -(-outputs // tile.columns)

    # Neighboring kernel columns that meet neighboring pixels form one long run with their channels.
    joined = horizontal.step == 1
    down, across = vertical.step * line, horizontal.step * channels
    table, done = [], 0
    for (top, left), (p_first, q_first), rows, across_taps in _phases(plan):
        runs, run = (1, len(across_taps) * channels) if joined else (len(across_taps), channels)
        table.append((top * line + left * channels, len(rows), runs, run, done * channels, p_first, q_first))
        done += len(rows) * len(across_taps)
    phases, table = len(table), np.array(table, np.int32)

    multiply = multiplier(tile, dtype)
    zero, depth, threads = dtype.type(0), tile.depth, tile.threads
    a_pitch, b_pitch = tile.rows + PAD, tile.columns + PAD
    a_size, b_size = depth * a_pitch, depth * b_pitch
    a_vectors, b_vectors = depth // vector, tile.columns // vector  # in a row of A, and of B
    a_rows, b_rows = threads // a_vectors, threads // b_vectors  # that all threads together load at a time
    a_loads, b_loads = tile.rows // a_rows, max(depth // b_rows, 1)
    few = depth < b_rows  # threads without anything to load of B
    a_numbers, b_numbers, a_two, b_two = a_loads * vector, b_loads * vector, 2 * a_size, 2 * b_size
    m, n = tile.thread_rows, tile.thread_columns
    across_threads = tile.columns // n
    m_apart, n_apart = tile.rows // m * vector, tile.columns // n * vector

    def correlate(source, filters, result, pixels):
        phase_table = cuda.const.array_like(table)
        a_tile = cuda.shared.array(a_two, dtype, alignment=16)
        b_tile = cuda.shared.array(b_two, dtype, alignment=16)
        a_next = cuda.local.array(a_numbers, dtype, alignment=16)
        b_next = cuda.local.array(b_numbers, dtype, alignment=16)
        origins = cuda.local.array(a_loads, int32)
        sums = cuda.local.array((m, n), dtype)

        thread, block = int32(cuda.threadIdx.x), int32(cuda.blockIdx.x)
        column_block, block = block % column_blocks, block // column_blocks
        phase, block = block % phases, block // phases
        group, row_block = block % groups, block // groups
        start, run = phase_table[phase, 0], phase_table[phase, 3]
        b_line, b_column = thread // b_vectors, column_block * tile.columns + thread % b_vectors * vector
        a_line, a_depth = thread // a_vectors, thread % a_vectors * vector
        for i in range(a_loads):
            # past the last pixel the last is read again: a valid address, and the sums are not stored
            pixel = min(row_block * tile.rows + a_line + i * a_rows, pixels - 1)
            q, p, number = pixel % q_count, pixel // q_count % p_count, pixel // (q_count * p_count)
            origins[i] = start + (number * groups + group) * image + p * p_step + q * q_step + a_depth
        for i in range(m):
            for j in range(n):
                sums[i, j] = zero

        row_taps, runs = phase_table[phase, 1], phase_table[phase, 2]
        steps = int32(row_taps * runs * ((run + depth - 1) // depth))
        begin = int32(group * table_rows + phase_table[phase, 4])
        at, offset, turn = int32(0), int32(0), int32(0)
        for step in range(steps + 1):
            if step < steps:
                for i in range(a_loads):
                    if at + a_depth < run:
                        copy_vector(a_next, i * vector, source, origins[i] + offset + at)
                    else:
                        for v in range(vector):
                            a_next[i * vector + v] = zero
                for i in range(b_loads):
                    row = at + b_line + i * b_rows
                    if row < run and b_column < columns and (not few or b_line < depth):
                        copy_vector(b_next, i * vector, filters, (begin + row) * columns + b_column)
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
                    for v in range(vector):
                        a_tile[half * a_size + (a_depth + v) * a_pitch + a_line + i * a_rows] = a_next[i * vector + v]
                if not few or b_line < depth:
                    for i in range(b_loads):
                        place = half * b_size + (b_line + i * b_rows) * b_pitch + thread % b_vectors * vector
                        copy_vector(b_tile, place, b_next, i * vector)
                at = int32(at + depth)
                if at >= run:
                    at, begin, turn = int32(0), int32(begin + run), int32(turn + 1)
                    offset = int32(offset + across)
                    if turn == runs:
                        turn, offset = int32(0), int32(offset + down - runs * across)
            cuda.syncthreads()

        p_first, q_first = phase_table[phase, 5], phase_table[phase, 6]
        for i in range(m):
            pixel = row_block * tile.rows + i // vector * m_apart + thread // across_threads * vector + i % vector
            q, p, number = pixel % q_count, pixel // q_count % p_count, pixel // (q_count * p_count)
            p, q = p_first + p * p_apart, q_first + q * q_apart
            if pixel < pixels and p < height and q < width:
                for j in range(n):
                    column = column_block * tile.columns + j // vector * n_apart
                    column += thread % across_threads * vector + j % vector
                    if column < outputs:
                        plane = (number * groups + group) * outputs + column
                        result[(plane * height + p) * width + q] = sums[i, j]

    table_rows = done * channels
    return Kernel(correlate, (flat(dtype), flat(dtype), flat(dtype), int32), threads)
