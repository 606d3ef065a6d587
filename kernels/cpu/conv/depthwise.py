r"""Depthwise convolution with pixels in the lanes: one filter for each channel, stride 1.

$$ y_{u,v} = \sum_{r,s} w_{r,s}\; x_{u+r,\,v+s} $$

There is no matrix product: a pixel that is read meets K x K coefficients of one filter.  What limits the speed is how
often pixels are read and copied.  So a plane is copied once to where it has its padding, and then read from top to
bottom, K vectors of each row: the row as each of the K taps of a filter's row meets it.  A row belongs to K rows of the
result, whose sums stay in registers.  Each row completes one of them: `slide_kernel`.

The adjoint in x is the same with the filter turned around.  The adjoint in w has a sum for each tap, whose lanes are
added at the end: `slide_sums_kernel`.  It is summed over shares of the images, then over the shares; their number
depends on the shapes alone, so the bits of the result do not depend on the number of threads.
"""

from typing import ClassVar

import numpy as np

from ...shapes import Array, Padding, Pair, round_up
from ..blocked_layout import fill_zeros
from ..microkernel import slide_kernel, slide_kernel_narrow, slide_sums_kernel
from ..runtime.allocator import empty
from ..runtime.compile import TypeArgument, inlined
from ..runtime.instruction_set import NAME
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..simd import VECTOR_BYTES, advance, lanes, load, load_first, pointer, store, store_first

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "serves"]

#: Sizes of filters: of both passes over images, and of the adjoint in w, which has a register for each tap.
_SIZES, _SUM_SIZES = (2, 3, 4, 5, 6, 7), (2, 3, 4, 5)
#: A weight gradient has at least that many pieces of work, if there are as many images.
_PIECES = 64


class Size(TypeArgument):
    """The size K of a filter."""

    __slots__ = ()
    taps: ClassVar[int]


#: A class for each size.
_OF_SIZE = {k: type(f"Size{k}", (Size,), {"taps": k, "__slots__": (), "__module__": __name__}) for k in _SIZES}
globals().update((cls.__name__, cls) for cls in _OF_SIZE.values())


def serves(filter_shape: tuple[int, ...], outputs: int, stride: Pair, dilation: Pair, sums: bool = False) -> bool:
    """Whether these kernels can do it; `outputs` are those of a group, `sums` is for a weight gradient.

    They load and store parts of vectors all the time, for which other instruction sets have no instruction.
    """
    channels, rows, columns = filter_shape
    plain = channels == outputs == 1 and stride == dilation == (1, 1)
    return plain and rows == columns and rows in (_SUM_SIZES if sums else _SIZES) and NAME in ("avx512", "avx2")


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    top, left = padding[0][0], padding[1][0]
    buffer = _buffer(out.shape[2:], w.shape[2], x)
    slide(_OF_SIZE[w.shape[2]](), x, w.reshape(groups, -1), out, top, left, *buffer, work=out.size)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    size = w.shape[2]
    top, left = (size - 1 - before for before, _ in padding)
    buffer = _buffer(out.shape[2:], size, g)
    turned = np.ascontiguousarray(w.reshape(groups, -1)[:, ::-1])
    slide(_OF_SIZE[size](), g, turned, out, top, left, *buffer, work=out.size)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    size, lanes = out.shape[2], VECTOR_BYTES // x.itemsize
    shards = min(x.shape[0], -(-_PIECES // groups))
    sums = empty((shards, groups, size * size), x.dtype)
    space = PerThread((size * size, lanes), x.dtype)
    buffer = _buffer(g.shape[2:], size, x)
    slide_sums(_OF_SIZE[size](), x, g, sums, padding[0][0], padding[1][0], *buffer, space, work=x.size)
    np.sum(sums, axis=0, out=out.reshape(sums.shape[1:]))


def _buffer(pixels, size, x):
    """Rows and columns of a plane with its padding, as far as vectors of the result reach; and memory for it."""
    rows, columns = pixels[0] + size - 1, round_up(pixels[1], VECTOR_BYTES // x.itemsize) + size - 1
    return rows, columns, PerThread((round_up(rows * columns, VECTOR_BYTES),), x.dtype)


@inlined
def _copy_plane(source, height, width, top, left, buffer, rows, columns):
    """Copy a plane into the buffer, whose padding is zero already; parts outside the buffer are left out."""
    L = lanes(buffer)
    skipped = max(0, -left)
    count = min(width, columns - left) - skipped
    whole = count // L * L
    for i in range(max(0, -top), min(height, rows - top)):
        row = advance(source, i * width + skipped)
        to = advance(buffer, (i + top) * columns + max(left, 0))
        for j in range(0, whole, L):
            store(to, j, load(row, j))
        if whole < count:
            store_first(to, whole, load_first(row, whole, count - whole), count - whole)


@parallel
def slide(thread, counter, size, x, w, y, top, left, rows, columns, buffers):
    """Both passes over images.

    Parameters
    ----------
    size : Size
    x, y : array (N, C, H, W)
        Read and written.
    w : array (C, K * K)
    top, left : int
        Padding; a negative one leaves out pixels.
    rows, columns : int
        Of a plane with its padding.
    buffers : array (threads, ...)
        Workspace: such a plane.
    """
    buffer = pointer(buffers[thread])
    fill_zeros(buffer, buffers.shape[1])
    L, channels, height, width = lanes(buffer), y.shape[1], y.shape[2], y.shape[3]
    plane = x.shape[2] * x.shape[3]
    for item in chunked_range(counter, x.shape[0] * channels):
        _copy_plane(advance(pointer(x), item * plane), x.shape[2], x.shape[3], top, left, buffer, rows, columns)
        filters, target = pointer(w[item % channels]), advance(pointer(y), item * height * width)
        for column in range(0, width, 2 * L):
            left_over = width - column
            here, to = advance(buffer, column), advance(target, column)
            if left_over > L:
                slide_kernel(size, height, here, columns, filters, to, width, L, min(L, left_over - L))
            else:
                slide_kernel_narrow(size, height, here, columns, filters, to, width, left_over, 0)


@parallel
def slide_sums(thread, counter, size, x, g, sums, top, left, rows, columns, buffers, spaces):
    """dw: ``sums[shard, channel, tap]``; the rest as in `slide`.  `spaces`: a vector for each tap, of each thread."""
    buffer, space = pointer(buffers[thread]), spaces[thread]
    fill_zeros(buffer, buffers.shape[1])
    L, (shards, channels, taps) = lanes(buffer), sums.shape
    height, width = g.shape[2], g.shape[3]
    plane = x.shape[2] * x.shape[3]
    for item in chunked_range(counter, shards * channels):
        shard, channel = item // channels, item % channels
        fill_zeros(pointer(space), space.size)
        for image in range(shard * x.shape[0] // shards, (shard + 1) * x.shape[0] // shards):
            number = image * channels + channel
            _copy_plane(advance(pointer(x), number * plane), x.shape[2], x.shape[3], top, left, buffer, rows, columns)
            gradient = advance(pointer(g), number * height * width)
            for column in range(0, width, L):
                slide_sums_kernel(size, height, advance(buffer, column), columns, advance(gradient, column), width,
                                  min(L, width - column), pointer(space))  # fmt: skip
        for tap in range(taps):
            total = space[tap, 0]
            for lane in range(1, L):
                total += space[tap, lane]
            sums[shard, channel, tap] = total
