r"""Depthwise convolution with pixels in the lanes: one square filter for each channel, stride S = 1 or 2.

$$ y_{u,v} = \sum_{i,j} w_{i,j}\; x_{uS+i,\,vS+j} $$

There is no matrix product: a pixel that is read meets K x K coefficients of one filter.  What limits the speed is how
often pixels are read and copied.  So a plane is read where it is, from top to bottom, K vectors of each row: the row as
each of the K taps of a filter's row meets it.  A row belongs to several rows of the result, whose sums stay in
registers; see `minigen.kernels.cpu.conv.plane_kernels`.  For stride 2 the pixels that a tap meets are every other one.

The adjoint in x goes through the rows of g; each row of dx takes one of S phases of the filter's rows, each column one
of its columns.  The adjoint in w has a sum for each tap, whose lanes are added at the end.  It is summed over shares of
the images, then over the shares; their number depends on the shapes alone, so the bits of the result do not depend on
the number of threads.
"""

import numpy as np

from ...shapes import Array, Padding, Pair
from ..blocked_layout import fill_zeros
from ..runtime.allocator import empty
from ..runtime.instruction_set import NAME
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..simd import VECTOR_BYTES, advance, pointer
from .packing import add_lanes
from .plane_kernels import FORMS, SIZES, STEPS, slide_kernel, slide_sums_kernel, spread_kernel

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "serves"]

#: Size of the largest filter, except for passes over images with stride 1: larger ones do not fit the registers.
_LARGEST = 5
#: A weight gradient has at least that many pieces of work, if there are as many images.
_PIECES = 32
#: Most channels at a time, whose planes are read in one run, and bytes of these planes, which stay in the first cache.
_MOST, _BYTES = 16, 1 << 15


def serves(filter_shape: tuple[int, ...], outputs: int, stride: Pair, dilation: Pair, sums: bool = False) -> bool:
    """Whether these kernels can do it; `outputs` are those of a group, `sums` is for a weight gradient.

    They load and store parts of vectors all the time, for which other instruction sets have no instruction.
    """
    channels, rows, columns = filter_shape
    plain = channels == outputs == 1 and stride in ((s, s) for s in STEPS) and dilation == (1, 1)
    largest = max(SIZES) if stride == (1, 1) and not sums else _LARGEST
    return plain and rows == columns and min(SIZES) <= rows <= largest and NAME in ("avx512", "avx2")


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    how = _beside(x), *_before(padding), _zeros(x)
    slide(*_form(w, stride, x, out.shape[3]), x, w.reshape(groups, -1), out, *how, work=out.size)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    step, left = stride[1], padding[1][0]
    form = _form(w, stride, g, (out.shape[3] - 1 + left) // step - left // step + 1)
    spread(*form, g, w.reshape(groups, -1), out, _beside(out), *_before(padding), _zeros(g), work=out.size)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    taps, lanes, beside = out.shape[2] * out.shape[3], VECTOR_BYTES // x.itemsize, _beside(x)
    shards = min(x.shape[0], -(-_PIECES // -(-groups // beside)))
    sums = empty((shards, groups, taps), x.dtype) if shards > 1 else out.reshape(1, groups, taps)
    spaces = [PerThread(shape, x.dtype) for shape in ((beside, taps, lanes), (lanes, lanes))]
    slide_sums(*_form(out, stride, x, g.shape[3]), x, g, sums, *_before(padding), _zeros(x), *spaces, work=x.size)
    if shards > 1:
        np.sum(sums, axis=0, out=out.reshape(groups, taps))


def _form(w, stride, images, columns):
    """The form of a kernel, for `columns` of these images; and its step and lanes once more, as numbers."""
    lanes = VECTOR_BYTES // images.itemsize
    part = 2 if columns <= lanes // 2 else 1
    return FORMS[w.shape[2], stride[0], part](), stride[0], lanes // part


def _beside(images):
    """How many channels to take at a time."""
    return max(1, min(_MOST, images.shape[1], _BYTES // (images.shape[2] * images.shape[3] * images.itemsize)))


def _before(padding):
    return padding[0][0], padding[1][0]


def _zeros(images):
    return np.zeros(images.shape[3], images.dtype)


@parallel
def slide(thread, counter, form, step, L, x, w, y, beside, top, left, zeros):
    """Forward.

    Parameters
    ----------
    form : Form
    step, L : int
        Its step and the lanes of its vectors, once more.
    x, y : array (N, C, H, W)
        Read and written.
    w : array (C, K * K)
    beside : int
        How many channels to take at a time.
    top, left : int
        Padding.
    zeros : array
        A row of x full of zeros.
    """
    (_, channels, height, width), (rows, columns) = x.shape, y.shape[2:]
    blocks = -(-channels // beside)
    for item in chunked_range(counter, x.shape[0] * blocks):
        image, first = item // blocks, item % blocks * beside
        source, target = pointer(x[image, first]), pointer(y[image, first])
        for column in range(0, columns, L):
            slide_kernel(form, min(beside, channels - first), source, height, width, top, column * step - left,
                         pointer(zeros), pointer(w[first]), advance(target, column), rows, columns,
                         min(L, columns - column))  # fmt: skip


@parallel
def spread(thread, counter, form, step, L, g, w, dx, beside, top, left, zeros):
    """The adjoint in x, dx; `zeros`: a row of g; the rest as in `slide`."""
    (_, channels, height, width), (rows, columns) = g.shape, dx.shape[2:]
    blocks = -(-channels // beside)
    for item in chunked_range(counter, g.shape[0] * blocks):
        image, begin = item // blocks, item % blocks * beside
        source, target = pointer(g[image, begin]), pointer(dx[image, begin])
        for first in range(left // step, (columns - 1 + left) // step + 1, L):
            spread_kernel(form, min(beside, channels - begin), source, height, width, top, left, pointer(zeros),
                          pointer(w[begin]), target, rows, columns, first)  # fmt: skip


@parallel
def slide_sums(thread, counter, form, step, L, x, g, sums, top, left, zeros, spaces, scratches):
    """dw: ``sums[shard, channel, tap]``; the rest as in `slide`.

    `spaces`, `scratches`: of each thread, a vector for each tap of the channels that are taken at a time; and L
    vectors, for transpositions.
    """
    (_, _, height, width), (rows, columns) = x.shape, g.shape[2:]
    (shards, channels, taps), beside = sums.shape, spaces.shape[1]
    space, scratch, full = pointer(spaces[thread]), pointer(scratches[thread]), spaces.shape[3]
    blocks = -(-channels // beside)
    for item in chunked_range(counter, shards * blocks):
        shard, first = item // blocks, item % blocks * beside
        planes = min(beside, channels - first)
        fill_zeros(space, planes * taps * full)
        for image in range(shard * x.shape[0] // shards, (shard + 1) * x.shape[0] // shards):
            source, gradient = pointer(x[image, first]), pointer(g[image, first])
            for column in range(0, columns, L):
                slide_sums_kernel(form, planes, source, height, width, top, column * step - left, pointer(zeros),
                                  advance(gradient, column), rows, columns, min(L, columns - column),
                                  space)  # fmt: skip
        add_lanes(space, planes * taps, pointer(sums[shard, first]), scratch)
