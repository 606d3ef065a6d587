"""Rung 4: a SIMD micro-kernel.  The panels of rung 3, multiplied in vector registers.

Rung 3 adds each product to a number in memory: two loads and a store for a multiply-add.  Here a block of results,
ROWS filters x 2 vectors of pixels, stays in registers for the whole sum (`minigen.kernels.cpu.microkernel`); per step
it takes 2 loads of pixels, and one filter coefficient for every 2 multiply-adds.
"""

import math

import numpy as np

from ..cpu.microkernel import ROWS, pixels_kernel
from ..cpu.runtime.allocator import contiguous
from ..cpu.runtime.thread_pool import PerThread, chunked_range, parallel
from ..cpu.simd import VECTOR_BYTES, advance, lanes, pointer
from ..shapes import Array, Padding, Pair
from ..signatures import checked
from .implicit_gemm import gather
from .shapes import deliver, empty_output

__all__ = ["simd"]


@checked("conv2d")
def simd(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Convolution; arguments as in `minigen.kernels.reference.conv.conv2d`."""
    y = empty_output(x, w, stride, padding, dilation)
    per_group, depth = w.shape[0] // groups, math.prod(w.shape[1:])
    blocks = -(-per_group // ROWS)
    packed = np.zeros((groups, blocks * ROWS, depth), x.dtype)  # ROWS filters side by side for each k
    packed[:, :per_group] = w.reshape(groups, per_group, depth)
    packed = np.ascontiguousarray(packed.reshape(groups, blocks, ROWS, depth).swapaxes(2, 3))
    width = 2 * VECTOR_BYTES // x.itemsize
    patches = PerThread((depth, width), x.dtype)
    before = padding[0][0], padding[1][0]
    offset = np.arange(depth) * width
    _multiply(contiguous(x), packed, y, w.shape[2:], stride, before, dilation, offset, patches)
    return deliver(y, out)


@parallel
def _multiply(thread, counter, x, packed, y, kernel_size, stride, before, dilation, offset, patches):
    images, outputs, rows, columns = y.shape
    groups, blocks, depth, _ = packed.shape
    panel, pixels, per_group = patches[thread], rows * columns, outputs // groups
    L = lanes(pointer(x))
    for n in chunked_range(counter, images):
        for group in range(groups):
            for start in range(0, pixels, 2 * L):
                used = min(2 * L, pixels - start)
                gather(x[n], group, start, used, columns, kernel_size, stride, before, dilation, panel)
                for block in range(blocks):
                    first = group * per_group + block * ROWS
                    c = advance(pointer(y), (n * outputs + first) * pixels + start)
                    height = min(ROWS, per_group - block * ROWS)
                    filters = pointer(packed[group, block])
                    pixels_kernel(depth, filters, pointer(panel), pointer(offset), L, c, pixels, L, height,
                                  min(L, used), max(0, used - L))  # fmt: skip
