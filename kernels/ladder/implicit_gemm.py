"""Rung 3: implicit GEMM.  The matrix of patches (im2col) never exists as a whole.

im2col writes each pixel R*S times to memory and reads it back: for a 3 x 3 filter nine times the image, far more than
any cache holds.  But a matrix product needs only a few of its columns at a time.  So take the output pixels PANEL at a
time, gather their patches, (C*R*S) x PANEL numbers that fit the cache, and multiply all filters with them.
"""

import math

import numpy as np

from ..cpu.runtime.allocator import contiguous
from ..cpu.runtime.compile import subroutine
from ..cpu.runtime.thread_pool import PerThread, chunked_range, parallel
from ..shapes import Array, Padding, Pair
from ..signatures import checked
from .shapes import deliver, empty_output

__all__ = ["PANEL", "gather", "implicit_gemm"]

#: Output pixels in a panel: two of the widest vectors of float32.
PANEL = 32


@checked("conv2d")
def implicit_gemm(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Convolution; arguments as in `minigen.kernels.reference.conv.conv2d`."""
    y = empty_output(x, w, stride, padding, dilation)
    patches = PerThread((math.prod(w.shape[1:]), PANEL), x.dtype)
    before = padding[0][0], padding[1][0]
    filters = contiguous(w.reshape(w.shape[0], math.prod(w.shape[1:])))
    _multiply(contiguous(x), filters, y, w.shape[2:], stride, before, dilation, groups, patches)
    return deliver(y, out)


@parallel
def _multiply(thread, counter, x, filters, y, kernel_size, stride, before, dilation, groups, patches):
    images, outputs, rows, columns = y.shape
    panel = patches[thread]
    flat = y.reshape(images, outputs, rows * columns)
    per_group = outputs // groups
    for n in chunked_range(counter, images):
        for group in range(groups):
            for start in range(0, rows * columns, PANEL):
                used = min(PANEL, rows * columns - start)
                gather(x[n], group, start, used, columns, kernel_size, stride, before, dilation, panel)
                for o in range(group * per_group, (group + 1) * per_group):
                    total = np.zeros(panel.shape[1], x.dtype)
                    for k in range(panel.shape[0]):
                        coefficient, pixels = filters[o, k], panel[k]
                        for i in range(pixels.size):  # Numba turns this loop into vector instructions
                            total[i] += coefficient * pixels[i]
                    flat[n, o, start : start + used] = total[:used]


@subroutine
def gather(image, group, start, used, columns, kernel_size, stride, before, dilation, panel):
    """``panel[k, i]``: the pixel that the k-th pair of a channel and a tap meets at output pixel ``start + i``."""
    taps = kernel_size[0] * kernel_size[1]
    channels = panel.shape[0] // taps
    panel[:, used:] = 0
    for k in range(panel.shape[0]):
        channel, r, s = group * channels + k // taps, k % taps // kernel_size[1], k % kernel_size[1]
        p, q = start // columns, start % columns
        for i in range(used):
            row, column = p * stride[0] + r * dilation[0] - before[0], q * stride[1] + s * dilation[1] - before[1]
            inside = 0 <= row < image.shape[1] and 0 <= column < image.shape[2]
            panel[k, i] = image[channel, row, column] if inside else 0
            q += 1  # the next pixel, without a division, which takes longer than all the rest
            if q == columns:
                p, q = p + 1, 0
