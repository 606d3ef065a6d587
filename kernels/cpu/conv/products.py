r"""Convolution with 1 x 1 filters: a matrix product over the pixels of all images side by side.

With a single tap no pixel meets another one: $Y = W X$, where a column of X holds the channels of a pixel.

- **Panels.**  Two vectors of pixels of all channels, a *panel*, are copied to where they lie together; some neighboring
  panels at a time, as many as stay in the cache.  There they meet one block of filters after the other, so that each
  channel of the result is written along its row.
- **Images side by side.**  The columns of an image are its pixels.  Where they are few, such as the 4 x 4 at the end of
  a network, panels would be half empty.  So the columns of the next image follow in the same panel, and the panels of
  the result, too, are first made in a buffer that stays in the cache.
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
    """Whether images of this number of pixels share panels."""
    return images > 1 and pixels < _SMALL


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    outputs, channels = w.shape[0] // groups, w.shape[1]
    source = _columns(x, out.shape[2:], stride)
    _product(source, w, np.arange(channels), channels, outputs, _columns(out, out.shape[2:], (1, 1)), groups)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    outputs, channels = w.shape[0] // groups, w.shape[1]
    source = _columns(g, g.shape[2:], (1, 1))
    apart = stride != (1, 1)
    target = empty((*out.shape[:2], source.shape[2]), out.dtype) if apart else _columns(out, g.shape[2:], stride)
    _product(source, w, np.arange(outputs) * channels, 1, channels, target, groups)
    if apart:
        spread(target, out, g.shape[2:], stride, work=out.size)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    outputs, channels = out.shape[0] // groups, out.shape[1]
    x, g = _columns(x, g.shape[2:], stride), _columns(g, g.shape[2:], (1, 1))
    lanes = VECTOR_BYTES // x.itemsize
    together = _together(x)
    panels, across = -(-channels // (VECTORS * lanes)), -(-together * x.shape[2] // _CHUNK)
    chunk = round_up(-(-together * x.shape[2] // across), lanes)
    shards = shard_count(x.shape[0] // together * across, chunk, out.nbytes)
    shards = min(shards, -(-_SHARED // (groups * panels)))
    sums = out.reshape(1, *out.shape[:2]) if shards == 1 else empty((shards, *out.shape[:2]), x.dtype)
    parts = min(panels, -(-_pieces() // (shards * groups)))
    buffers = [PerThread(shape, x.dtype) for shape in ((outputs, chunk + _GAP), (chunk, VECTORS * lanes))]
    sum_products(x, g, sums, groups, together, chunk, parts, *buffers, work=g.size * channels)
    if shards > 1:
        np.sum(sums, axis=0, out=out.reshape(sums.shape[1:]))


def _together(x):
    """How many of the images (images, channels, pixels) lie side by side."""
    return x.shape[0] if are_beside(x.shape[0], x.shape[2]) else 1


def _pieces():
    """Into how many pieces to cut the work, at least."""
    return _PIECES * get_num_threads() if get_num_threads() > 1 else 1


def _columns(x, pixels, stride):
    """(images, channels, pixels); `pixels`: height and width of what counts in each image."""
    if stride == (1, 1):
        return x.reshape(*x.shape[:2], -1)
    out = empty((*x.shape[:2], math.prod(pixels)), x.dtype)
    gather(x, out, pixels, stride, work=out.size)
    return out


def _product(source, w, pairs, stride, rows, target, groups):
    """`pairs`, `stride` and `rows`: see `pack`."""
    height = row_height(rows)
    packed = empty((groups, -(-rows // height), len(pairs), height), w.dtype)
    pack(w.reshape(-1), pairs, w.size // groups, stride, rows, packed, work=packed.size)
    width, together = VECTORS * VECTOR_BYTES // w.itemsize, _together(source)
    panels = -(-together * source.shape[2] // width)
    size = min(panels, max(1, min(_PANELS, _PANEL_BYTES // (len(pairs) * width * w.itemsize))))
    parts = min(packed.shape[1], -(-_pieces() // (source.shape[0] // together * groups * -(-panels // size))))
    buffer = PerThread((size, len(pairs), width), w.dtype)
    result = PerThread((rows if together > 1 else 0, size * width), w.dtype)
    work = target.size * len(pairs)
    multiply(source, packed, target, together, np.arange(len(pairs)) * width, buffer, result, parts, work=work)


@parallel
def gather(thread, counter, x, out, pixels, stride):
    """``out[image, channel, p * columns + q] = x[image, channel, p * stride, q * stride]``.

    `pixels`: how many p and q.
    """
    rows, columns = pixels
    L = lanes(pointer(x))
    for item in chunked_range(counter, x.shape[0] * x.shape[1]):
        source, target = pointer(x[item // x.shape[1], item % x.shape[1]]), advance(pointer(out), item * rows * columns)
        for p in range(rows):
            row, to = advance(source, p * stride[0] * x.shape[3]), advance(target, p * columns)
            for q in range(0, columns if stride[1] <= 2 else 0, L):
                count = min(L, columns - q)
                values = load_first(row, q, count) if stride[1] == 1 else load_even(row, 2 * q, count)
                store_first(to, q, values, count)
            for q in range(columns if stride[1] <= 2 else 0, columns):
                to[q] = row[q * stride[1]]


@parallel
def spread(thread, counter, source, y, pixels, stride):
    """The adjoint of `gather`: pixels of y that it leaves out become zero."""
    rows, columns = pixels
    for item in chunked_range(counter, y.shape[0] * y.shape[1]):
        values, target = (
            advance(pointer(source), item * rows * columns),
            pointer(y[item // y.shape[1], item % y.shape[1]]),
        )
        for i in range(y.shape[2] * y.shape[3]):
            target[i] = 0
        for p in range(rows):
            for q in range(columns):
                target[p * stride[0] * y.shape[3] + q * stride[1]] = values[p * columns + q]


@parallel
def multiply(thread, counter, x, packed, y, together, offset, buffers, results, parts):
    """``y[image, group] = filters[group] @ x[image, group]``.

    Parameters
    ----------
    x, y : array (images, channels, pixels)
    packed : array (groups, blocks of channels of y, channels of x, height of a block)
        The filters.
    together : int
        How many images lie side by side; a divisor of the images.
    offset : array of int64
        Of each channel in a panel.
    buffers, results : array (threads, ...)
        Workspace: some panels of x, and of y where there is more than one image in them.
    parts : int
        Into how many the blocks are divided that these meet.
    """
    groups, blocks, depth, height = packed.shape
    outputs, pixels = y.shape[1] // groups, x.shape[2]
    size, width, columns = buffers.shape[1], buffers.shape[3], together * pixels
    panels = -(-columns // width)
    runs = -(-panels // size)
    L = lanes(pointer(x))
    for item in chunked_range(counter, x.shape[0] // together * groups * runs * parts):
        part, run, group = item % parts, item // parts % runs, item // parts // runs % groups
        image = item // parts // runs // groups * together
        first, last = run * size, min(run * size + size, panels)
        source = advance(pointer(x), (image * groups + group) * depth * pixels)
        _copy_panels(source, groups * depth * pixels, pixels, columns, first, last, buffers[thread])
        result = advance(pointer(y), (image * groups + group) * outputs * pixels)
        begin, end = part * blocks // parts, (part + 1) * blocks // parts
        here, pitch, start = (result, pixels, 0) if together == 1 else (pointer(results[thread]), size * width, first)
        for block in range(begin, end):
            a, row = pointer(packed[group, block]), advance(here, block * height * pitch)
            used = min(height, outputs - block * height)
            for panel in range(first, last):
                b, c, left = (
                    pointer(buffers[thread, panel - first]),
                    advance(row, (panel - start) * width),
                    columns - panel * width,
                )
                if height == ROWS and left > L:
                    pixels_kernel(depth, a, b, pointer(offset), L, c, pitch, L, used, L, min(L, left - L))
                elif height == ROWS:
                    pixels_kernel_narrow(depth, a, b, pointer(offset), L, c, pitch, L, used, min(L, left), 0)
                elif left > L:
                    pixels_kernel_short(depth, a, b, pointer(offset), L, c, pitch, L, used, L, min(L, left - L))
                else:
                    pixels_kernel_short_narrow(depth, a, b, pointer(offset), L, c, pitch, L, used, min(L, left), 0)
        if together > 1:
            _write_panels(
                here,
                pitch,
                result,
                groups * outputs * pixels,
                pixels,
                first * width,
                min(last * width, columns),
                begin * height,
                min(end * height, outputs),
            )


@inlined
def _piece(column, end, pixels):
    """Where columns `column` to `end` begin: image, pixel, and how many of them are in this image."""
    image = column // pixels
    pixel = column - image * pixels
    return image, pixel, min(end - column, pixels - pixel)


@inlined
def _copy_panels(source, image_size, pixels, columns, first, last, panels):
    """Panels `first` to `last` of a group of images side by side: ``[panel][channel][column]``.

    There are zeros beyond the last column.  `image_size`: elements from image to image.
    """
    L, width, depth = lanes(source), VECTORS * lanes(source), panels.shape[1]
    column, end = first * width, last * width
    while column < end:
        image, pixel, count = _piece(column, end, pixels)
        inside, place = column < columns, column - first * width
        whole = count // width * width if inside and place % width == 0 else 0
        for k in range(depth):
            row = advance(source, image * image_size + k * pixels + pixel)
            to = advance(pointer(panels), k * width)
            for i in range(0, whole, width):
                store(to, (place + i) * depth, load(row, i))
                store(to, (place + i) * depth + L, load(row, i + L))
            i = whole
            while i < count:
                at = (place + i) % width
                n = min(L, count - i, width - at)
                store_first(to, (place + i - at) * depth + at, load_first(row, i, n if inside else 0), n)
                i += n
        column += count


@inlined
def _write_panels(panels, pitch, target, image_size, pixels, column, end, output, outputs):
    """Columns `column` to `end` of outputs `output` to `outputs` to the images that they belong to."""
    L, start = lanes(target), column
    while column < end:
        image, pixel, count = _piece(column, end, pixels)
        for row in range(output, outputs):
            source = advance(panels, row * pitch + column - start)
            to = advance(target, image * image_size + row * pixels + pixel)
            for i in range(0, count, L):
                n = min(L, count - i)
                store_first(to, i, load_first(source, i, n), n)
        column += count


@parallel
def sum_products(thread, counter, x, g, sums, groups, together, chunk, parts, rows, panels):
    """dw: ``sums[shard, channel of g, channel of x in the group]``.

    Parameters
    ----------
    x, g : array (images, channels, pixels)
    sums : array
        Its shards are summed over shares of the chunks, each by one thread.
    groups : int
    together : int
        How many images lie side by side.
    chunk : int
        Pixels of a chunk.
    parts : int
        Into how many the panels of a group are divided.
    rows, panels : array (threads, ...)
        Workspace: a chunk of the rows of a group of g, and a panel: ``[pixel][channel]``.
    """
    shards, outputs, channels = sums.shape[0], sums.shape[1] // groups, sums.shape[2]
    pixels, pitch, width = x.shape[2], rows.shape[2], panels.shape[2]
    blocks, across = -(-channels // width), -(-together * pixels // chunk)
    chunks = x.shape[0] // together * across
    a, b = pointer(rows[thread]), pointer(panels[thread])
    L = lanes(b)
    for item in chunked_range(counter, shards * groups * parts):
        part, group, shard = item % parts, item // parts % groups, item // parts // groups
        begin, end = shard * chunks // shards, (shard + 1) * chunks // shards
        for number in range(begin, end):
            image_group, first = number // across * together * groups + group, number % across * chunk
            last = min(first + chunk, together * pixels)
            source = advance(pointer(g), image_group * outputs * pixels)
            column = first
            while column < last:
                image, pixel, count = _piece(column, last, pixels)
                for output in range(outputs):
                    row = advance(source, (image * groups * outputs + output) * pixels + pixel)
                    to = advance(a, output * pitch + column - first)
                    for i in range(0, count, L):
                        n = min(L, count - i)
                        store_first(to, i, load_first(row, i, n), n)
                column += count
            for block in range(part * blocks // parts, (part + 1) * blocks // parts):
                source = advance(pointer(x), (image_group * channels + block * width) * pixels)
                left, column = channels - block * width, first
                while column < last:
                    image, pixel, count = _piece(column, last, pixels)
                    _turn(
                        advance(source, image * groups * channels * pixels + pixel),
                        pixels,
                        count,
                        left,
                        advance(b, (column - first) * width),
                    )
                    column += count
                for output in range(0, outputs, ROWS):
                    c = advance(pointer(sums[shard, group * outputs + output]), block * width)
                    matmul_kernel(last - first, advance(a, output * pitch), pitch, 1, b, c, channels,
                                  min(ROWS, outputs - output), min(L, left), max(0, min(L, left - L)),
                                  number > begin)  # fmt: skip


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
