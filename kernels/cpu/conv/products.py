r"""Convolution with 1 x 1 filters: a matrix product over the pixels of all images side by side.

With a single tap no pixel meets another one: $Y = W X$, where a column of X holds the channels of a pixel.

- **Panels.**  Two vectors of pixels of all channels, a *panel*, are copied to where they lie together; some neighboring
  panels at a time, as many as stay in the cache.  There they meet one block of filters after the other, so that each
  channel of the result is written along its row.
- **Images side by side.**  The columns of an image are its pixels.  Where they are few, such as the 4 x 4 at the end of
  a network, panels are half empty.  So X is first copied such that the images follow each other in each channel.
- **Stride.**  With stride s only every s-th pixel of every s-th row counts.  A copy of X leaves out the others, and the
  adjoint in x writes zeros to them.

The adjoint in x is a product with the transposed W.  The adjoint in w is $G X^T$: a panel is two vectors of channels
there, and sums run over pixels; a few pixels of all images are a *chunk*, and a shard a share of the chunks.

Source: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.
"""

import math

import numpy as np

from ...shapes import Array, Padding, Pair, round_up
from ..microkernel import (
    ROWS,
    VECTORS,
    matmul_kernel,
    pixels_kernel,
    pixels_kernel_narrow,
    pixels_kernel_short,
    pixels_kernel_short_narrow,
)
from ..runtime.allocator import empty
from ..runtime.compile import inlined
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..runtime.threads import get_num_threads
from ..simd import VECTOR_BYTES, advance, lanes, load, load_even, load_first, pointer, store, store_first, transpose
from .packing import pack, shard_count
from .pixel_lanes import row_height

__all__ = ["are_beside", "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "serves"]

#: Images with fewer pixels are put side by side.
_SMALL = 128
#: Most pixels of a chunk, over which a weight gradient sums at a time, and the space between rows of a copy of it,
#: which is such that the rows do not all fall into the same sets of the cache.
_CHUNK, _GAP = 192, 16
#: A weight gradient with that many panels is not cut into shards: threads share out its panels.
_SHARED = 16
#: Panels at a time, and bytes that they may take together.
_PANELS, _PANEL_BYTES = 8, 1 << 18
#: Pieces that the work is cut into for each thread, at least: where panels are few, they meet the filters in several
#: parts, each of which copies them.  That changes no bit of the result.
_PIECES = 2


def serves(filter_shape: tuple[int, ...], padding: Padding) -> bool:
    """Whether a convolution is such a product: one tap, and no pixel beyond the border."""
    return filter_shape[1:] == (1, 1) and padding == ((0, 0), (0, 0))


def are_beside(images: int, pixels: int) -> bool:
    """Whether images of this number of pixels are copied, side by side."""
    return images > 1 and pixels < _SMALL


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    outputs, channels = w.shape[0] // groups, w.shape[1]
    pixels = out.shape[2:]
    source, target = _columns(x, pixels, stride), _result(out, pixels, (1, 1))
    _product(source, w, np.arange(channels), channels, outputs, target, groups)
    _deliver(target, out, pixels, (1, 1))


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    outputs, channels = w.shape[0] // groups, w.shape[1]
    pixels = g.shape[2:]
    source, target = _columns(g, pixels, (1, 1)), _result(out, pixels, stride)
    _product(source, w, np.arange(outputs) * channels, 1, channels, target, groups)
    _deliver(target, out, pixels, stride)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    outputs, channels = out.shape[0] // groups, out.shape[1]
    x, g = _columns(x, g.shape[2:], stride), _columns(g, g.shape[2:], (1, 1))
    lanes = VECTOR_BYTES // x.itemsize
    panels, across = -(-channels // (VECTORS * lanes)), -(-x.shape[2] // _CHUNK)
    chunk = round_up(-(-x.shape[2] // across), lanes)
    shards = min(shard_count(x.shape[0] * across, chunk, out.nbytes), -(-_SHARED // (groups * panels)))
    sums = out.reshape(1, *out.shape[:2]) if shards == 1 else empty((shards, *out.shape[:2]), x.dtype)
    parts = min(panels, -(-_pieces() // (shards * groups)))
    buffers = [PerThread(shape, x.dtype) for shape in ((outputs, chunk + _GAP), (chunk, VECTORS * lanes))]
    sum_products(x, g, sums, groups, chunk, parts, *buffers, work=g.size * channels)
    if shards > 1:
        np.sum(sums, axis=0, out=out.reshape(sums.shape[1:]))


def _pieces():
    """Into how many pieces to cut the work, at least."""
    return _PIECES * get_num_threads() if get_num_threads() > 1 else 1


def _columns(x, pixels, stride):
    """(images, channels, pixels), where all images may be one; `pixels`: height and width of what counts in each."""
    beside = are_beside(x.shape[0], math.prod(pixels))
    if stride == (1, 1) and not beside:
        return x.reshape(*x.shape[:2], -1)
    out = empty(_shape(x, pixels, beside), x.dtype)
    gather(x, out.reshape(-1), pixels, stride, beside, work=out.size)
    return out


def _result(out, pixels, stride):
    """An array for the product, in the order of `_columns`."""
    beside = are_beside(out.shape[0], math.prod(pixels))
    if stride == (1, 1) and not beside:
        return out.reshape(*out.shape[:2], -1)
    return empty(_shape(out, pixels, beside), out.dtype)


def _deliver(product, out, pixels, stride):
    """The product of `_result` to where it belongs, unless it is there."""
    beside = are_beside(out.shape[0], math.prod(pixels))
    if stride != (1, 1) or beside:
        spread(product.reshape(-1), out, pixels, stride, beside, work=out.size)


def _shape(x, pixels, beside):
    images, channels = x.shape[:2]
    return (1, channels, images * math.prod(pixels)) if beside else (images, channels, math.prod(pixels))


def _product(source, w, pairs, stride, rows, target, groups):
    """`pairs`, `stride` and `rows`: see `pack`."""
    height = row_height(rows)
    packed = empty((groups, -(-rows // height), len(pairs), height), w.dtype)
    pack(w.reshape(-1), pairs, w.size // groups, stride, rows, packed, work=packed.size)
    width = VECTORS * VECTOR_BYTES // w.itemsize
    panels = -(-source.shape[2] // width)
    size = min(panels, max(1, min(_PANELS, _PANEL_BYTES // (len(pairs) * width * w.itemsize))))
    parts = min(packed.shape[1], -(-_pieces() // (source.shape[0] * groups * -(-panels // size))))
    buffer = PerThread((size, len(pairs), width), w.dtype)
    multiply(source, packed, target, np.arange(len(pairs)) * width, buffer, parts, work=target.size * len(pairs))


@parallel
def gather(thread, counter, x, out, pixels, stride, beside):
    """``out[image, channel, p, q] = x[image, channel, p * stride, q * stride]``; `pixels`: how many p and q.

    `beside`: rather to ``out[channel, image, p, q]``.
    """
    rows, columns = pixels if stride[0] * stride[1] > 1 else (1, pixels[0] * pixels[1])
    L = lanes(pointer(x))
    for item in chunked_range(counter, x.shape[0] * x.shape[1]):
        image, channel = item // x.shape[1], item % x.shape[1]
        place = channel * x.shape[0] + image if beside else item
        source, target = pointer(x[image, channel]), advance(pointer(out), place * rows * columns)
        for p in range(rows):
            row, to = advance(source, p * stride[0] * x.shape[3]), advance(target, p * columns)
            for q in range(0, columns if stride[1] <= 2 else 0, L):
                count = min(L, columns - q)
                values = load_first(row, q, count) if stride[1] == 1 else load_even(row, 2 * q, count)
                store_first(to, q, values, count)
            for q in range(columns if stride[1] <= 2 else 0, columns):
                to[q] = row[q * stride[1]]


@parallel
def spread(thread, counter, source, y, pixels, stride, beside):
    """The adjoint of `gather`: pixels of y that it leaves out become zero."""
    rows, columns = pixels
    for item in chunked_range(counter, y.shape[0] * y.shape[1]):
        image, channel = item // y.shape[1], item % y.shape[1]
        place = channel * y.shape[0] + image if beside else item
        values, target = advance(pointer(source), place * rows * columns), pointer(y[image, channel])
        if stride[0] * stride[1] == 1:
            for i in range(rows * columns):
                target[i] = values[i]
            continue
        for i in range(y.shape[2] * y.shape[3]):
            target[i] = 0
        for p in range(rows):
            for q in range(columns):
                target[p * stride[0] * y.shape[3] + q * stride[1]] = values[p * columns + q]


@parallel
def multiply(thread, counter, x, packed, y, offset, buffers, parts):
    """``y[image, group] = filters[group] @ x[image, group]``.

    Parameters
    ----------
    x, y : array (images, channels, pixels)
    packed : array (groups, blocks of channels of y, channels of x, height of a block)
        The filters.
    offset : array of int64
        Of each channel in a panel.
    buffers : array (threads, ...)
        Workspace: some panels.
    parts : int
        Into how many the blocks are divided that these meet.
    """
    groups, blocks, depth, height = packed.shape
    outputs, pixels = y.shape[1] // groups, x.shape[2]
    size, width = buffers.shape[1], buffers.shape[3]
    panels = -(-pixels // width)
    runs = -(-panels // size)
    for item in chunked_range(counter, x.shape[0] * groups * runs * parts):
        part, run, image_group = item % parts, item // parts % runs, item // parts // runs
        first, last = run * size, min(run * size + size, panels)
        _copy_panels(advance(pointer(x), image_group * depth * pixels), pixels, first, last, buffers[thread])
        target = advance(pointer(y), image_group * outputs * pixels)
        for block in range(part * blocks // parts, (part + 1) * blocks // parts):
            a, row = pointer(packed[image_group % groups, block]), advance(target, block * height * pixels)
            used = min(height, outputs - block * height)
            for panel in range(first, last):
                b, c = pointer(buffers[thread, panel - first]), advance(row, panel * width)
                L, left = lanes(b), pixels - panel * width
                if height == ROWS and left > L:
                    pixels_kernel(depth, a, b, pointer(offset), L, c, pixels, L, used, L, min(L, left - L))
                elif height == ROWS:
                    pixels_kernel_narrow(depth, a, b, pointer(offset), L, c, pixels, L, used, min(L, left), 0)
                elif left > L:
                    pixels_kernel_short(depth, a, b, pointer(offset), L, c, pixels, L, used, L, min(L, left - L))
                else:
                    pixels_kernel_short_narrow(depth, a, b, pointer(offset), L, c, pixels, L, used, min(L, left), 0)


@inlined
def _copy_panels(source, pixels, first, last, panels):
    """Panels `first` to `last` of a group of an image: ``[panel][channel][pixel]``, zeros beyond the last pixel."""
    L, width = lanes(source), panels.shape[2]
    for k in range(panels.shape[1]):
        for panel in range(first, last):
            row, to = advance(source, k * pixels + panel * width), pointer(panels[panel - first, k])
            left = pixels - panel * width
            if left >= width:
                store(to, 0, load(row, 0))
                store(to, L, load(row, L))
            else:
                store(to, 0, load_first(row, 0, min(L, left)))
                store(to, L, load_first(row, L, max(0, left - L)))


@parallel
def sum_products(thread, counter, x, g, sums, groups, chunk, parts, rows, panels):
    """dw: ``sums[shard, channel of g, channel of x in the group]``.

    Parameters
    ----------
    x, g : array (images, channels, pixels)
    sums : array
        Its shards are summed over shares of the chunks, each by one thread.
    groups : int
    chunk : int
        Pixels of a chunk.
    parts : int
        Into how many the panels of a group are divided.
    rows, panels : array (threads, ...)
        Workspace: a chunk of the rows of a group of g, and a panel: ``[pixel][channel]``.
    """
    shards, outputs, channels = sums.shape[0], sums.shape[1] // groups, sums.shape[2]
    pixels, pitch, width = x.shape[2], rows.shape[2], panels.shape[2]
    blocks, across = -(-channels // width), -(-pixels // chunk)
    chunks = x.shape[0] * across
    a, b = pointer(rows[thread]), pointer(panels[thread])
    L = lanes(b)
    for item in chunked_range(counter, shards * groups * parts):
        part, group, shard = item % parts, item // parts % groups, item // parts // groups
        begin, end = shard * chunks // shards, (shard + 1) * chunks // shards
        for piece in range(begin, end):
            image_group, first = piece // across * groups + group, piece % across * chunk
            count = min(chunk, pixels - first)
            gradient = advance(pointer(g), image_group * outputs * pixels + first)
            for output in range(outputs):
                row, to = advance(gradient, output * pixels), advance(a, output * pitch)
                for i in range(0, count, L):
                    store(to, i, load_first(row, i, min(L, count - i)))
            for block in range(part * blocks // parts, (part + 1) * blocks // parts):
                source = advance(pointer(x), (image_group * channels + block * width) * pixels + first)
                left = channels - block * width
                _turn(source, pixels, count, left, b)
                for output in range(0, outputs, ROWS):
                    c = advance(pointer(sums[shard, group * outputs + output]), block * width)
                    matmul_kernel(count, advance(a, output * pitch), pitch, 1, b, c, channels,
                                  min(ROWS, outputs - output), min(L, left), max(0, min(L, left - L)),
                                  piece > begin)  # fmt: skip


@inlined
def _turn(source, pixels, count, left, panel):
    """``panel[pixel, channel]`` for `count` pixels; zeros in channels beyond the `left` ones."""
    L = lanes(source)
    for vector in range(VECTORS):
        channels = max(0, min(L, left - vector * L))
        whole = channels > 0 and count >= L
        for step in range(0, count if whole else 0, L):
            i = min(step, count - L)  # the last step overlaps the one before
            transpose(advance(source, vector * L * pixels + i), pixels, channels,
                      advance(panel, i * VECTORS * L + vector * L), VECTORS * L)  # fmt: skip
        for i in range(0 if whole else count):
            for lane in range(L):
                value = source[(vector * L + lane) * pixels + i] if lane < channels else 0
                panel[i * VECTORS * L + vector * L + lane] = value
