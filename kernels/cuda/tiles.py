"""The inner loops of every convolution: a block of threads multiplies two tiles of matrices in shared memory.

A block computes a tile of the product C = A B, `rows` x `columns` large, going through the sum `depth` terms at a time:
it brings ``A[rows, depth]`` and ``B[depth, columns]`` into shared memory, from where each thread multiplies what it
needs.  A thread holds `thread_rows` x `thread_columns` sums in registers: with 8 x 4 of them it reads 12 numbers from
shared memory per term, by 3 load instructions, and does 32 multiply-adds with them.  That ratio is what matters: shared
memory delivers a fraction of the numbers that the arithmetic units can take.

The tile of A lies in memory transposed, ``A[k, row]``, so that both kinds of number are read four at a time.  A
thread's rows come in groups of four, `rows / 2` apart (for 8 of them), rather than 8 in sequence: neighboring threads
then read neighboring 16 bytes, which never meet in one of the 32 banks of shared memory.
"""

import functools
from typing import NamedTuple

from .target import copy_vector, cuda, device, lanes

__all__ = ["PAD", "Tile", "multiplier"]

#: Numbers between the rows of a tile in shared memory, so that columns do not all lie in one bank.
PAD = 4


#: Terms in one row of instructions, without counting and jumping: the compiler takes a loop as short as this apart.
UNROLLED = 4


class Tile(NamedTuple):
    """What a block of threads computes at a time, and how its threads share that."""

    rows: int
    columns: int
    depth: int
    thread_rows: int
    thread_columns: int

    @property
    def threads(self) -> int:
        """Of the block."""
        return self.rows // self.thread_rows * (self.columns // self.thread_columns)


@functools.cache
def multiplier(tile, dtype):
    """A device function that adds to a thread's sums the product of two tiles in shared memory."""
    vector = lanes(dtype)
    height, width, depth, m, n = tile.rows + PAD, tile.columns + PAD, tile.depth, tile.thread_rows, tile.thread_columns
    apart, across = tile.rows // m * vector, tile.columns // n * vector

    @device
    def multiply(a_tile, a_start, b_tile, b_start, sums):
        a = cuda.local.array(m, dtype, alignment=16)
        b = cuda.local.array(n, dtype, alignment=16)
        for first in range(0, depth, UNROLLED):
            for k in range(first, first + UNROLLED):
                for i in range(0, m, vector):
                    copy_vector(a, i, a_tile, a_start + k * height + i // vector * apart)
                for j in range(0, n, vector):
                    copy_vector(b, j, b_tile, b_start + k * width + j // vector * across)
                for i in range(m):
                    for j in range(n):
                        sums[i, j] += a[i] * b[j]

    return multiply
