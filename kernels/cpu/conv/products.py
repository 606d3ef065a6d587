r"""Convolution with 1 x 1 filters: a matrix product over the pixels of all images side by side.

With a single tap no pixel meets another one: $Y = W X$, where a column of X holds the channels of a pixel.

- **Panels.**  Two vectors of pixels of all channels, a *panel*, are copied to where they lie together; some neighboring
  panels at a time, as many as stay in the cache.  There they meet one block of filters after the other, so that each
  channel of the result is written along its row.
- **Images side by side.**  The columns of an image are its pixels.  Where they are few, such as the 4 x 4 at the end of
  a network, panels would be half empty.  So the columns of the next image follow in the same panel, and the panels of
  the result, too, are first made in a buffer that stays in the cache.
- **Stride.**  With stride s only every s-th pixel of every s-th row counts.  The copy to panels leaves out the others;
  the adjoint in x, too, is first made in a buffer, and written together with the zeros between.

The adjoint in x is a product with the transposed W.  The adjoint in w is $G X^T$: a panel is two vectors of channels
there, and sums run over pixels; a few pixels of all images are a *chunk*, and a shard a share of the chunks.

Source: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.
"""

import math
from typing import NamedTuple

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
from ..simd import (
    VECTOR_BYTES,
    advance,
    lanes,
    load,
    load_even,
    load_first,
    pointer,
    store,
    store_even,
    store_first,
    transpose,
    zero,
)
from .packing import pack, shard_count
from .pixel_lanes import row_height

__all__ = ["are_beside", "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "serves"]

#: Images with fewer pixels are put side by side: the last panel of each would be partly empty.
_SMALL = 256
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


class Lines(NamedTuple):
    """Which pixels of an image of height x width count: lines of `length`, `down` rows and `across` columns apart."""

    length: int
    down: int
    across: int
    height: int
    width: int


def conv2d(x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> None:
    """Write the convolution to `out`."""
    outputs, channels = w.shape[0] // groups, w.shape[1]
    lines = _lines(x, out, stride), _lines(out, out)
    _product(x, w, np.arange(channels), channels, outputs, out, lines, groups)


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    outputs, channels = w.shape[0] // groups, w.shape[1]
    _product(g, w, np.arange(outputs) * channels, 1, channels, out, (_lines(g, g), _lines(out, g, stride)), groups)


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    outputs, channels = out.shape[0] // groups, out.shape[1]
    lanes, pixels, lines = VECTOR_BYTES // x.itemsize, math.prod(g.shape[2:]), _lines(x, g, stride)
    together = _together(x.shape[0], pixels)
    panels, across = -(-channels // (VECTORS * lanes)), -(-together * pixels // _CHUNK)
    chunk = round_up(-(-together * pixels // across), lanes)
    shards = shard_count(x.shape[0] // together * across, chunk, out.nbytes)
    shards = min(shards, -(-_SHARED // (groups * panels)))
    sums = out.reshape(1, *out.shape[:2]) if shards == 1 else empty((shards, *out.shape[:2]), x.dtype)
    parts = min(panels, -(-_pieces() // (shards * groups)))
    apart = VECTORS * lanes if stride != (1, 1) else 0
    shapes = (outputs, chunk + _GAP), (apart, chunk + _GAP), (chunk, VECTORS * lanes)
    buffers = [PerThread(shape, x.dtype) for shape in shapes]
    work = g.size * channels
    sum_products(_planes(x), _planes(g), sums, lines, groups, together, chunk, parts, *buffers, work=work)
    if shards > 1:
        np.sum(sums, axis=0, out=out.reshape(sums.shape[1:]))


def _together(images, pixels):
    """How many of the images lie side by side."""
    return images if are_beside(images, pixels) else 1


def _pieces():
    """Into how many pieces to cut the work, at least."""
    return _PIECES * get_num_threads() if get_num_threads() > 1 else 1


def _lines(images, pixels, stride=(1, 1)):
    """The pixels of images that meet those of `pixels`: a single line where these are all."""
    if stride == (1, 1):
        count = math.prod(pixels.shape[2:])
        return Lines(count, 1, 1, 1, count)
    return Lines(pixels.shape[3], *stride, *images.shape[2:])


def _planes(x):
    """(images, channels, pixels)"""
    return x.reshape(*x.shape[:2], -1)


def _product(source, w, pairs, stride, rows, target, lines, groups):
    """`pairs`, `stride` and `rows`: see `pack`; `lines`: of the source and of the target."""
    height = row_height(rows)
    packed = empty((groups, -(-rows // height), len(pairs), height), w.dtype)
    pack(w.reshape(-1), pairs, w.size // groups, stride, rows, packed)
    images, pixels = source.shape[0], min(math.prod(array.shape[2:]) for array in (source, target))
    width, together = VECTORS * VECTOR_BYTES // w.itemsize, _together(images, pixels)
    panels = -(-together * pixels // width)
    size = min(panels, max(1, min(_PANELS, _PANEL_BYTES // (len(pairs) * width * w.itemsize))))
    parts = min(packed.shape[1], -(-_pieces() // (images // together * groups * -(-panels // size))))
    buffer = PerThread((size, len(pairs), width), w.dtype)
    buffered = together > 1 or target[0, 0].size > pixels
    result = PerThread((rows if buffered else 0, size * width), w.dtype)
    work = target.size * len(pairs)
    source, target, offset = _planes(source), _planes(target), np.arange(len(pairs)) * width
    multiply(source, packed, target, *lines, pixels, together, offset, buffer, result, parts, work=work)


@parallel
def multiply(thread, counter, x, packed, y, x_lines, y_lines, pixels, together, offset, buffers, results, parts):
    """``y[image, group] = filters[group] @ x[image, group]``.

    Parameters
    ----------
    x, y : array (images, channels, elements)
    packed : array (groups, blocks of channels of y, channels of x, height of a block)
        The filters.
    x_lines, y_lines : Lines
        The pixels of x that count, and those of y that they meet.
    pixels : int
        How many of an image count.
    together : int
        How many images lie side by side; a divisor of the images.
    offset : array of int64
        Of each channel in a panel.
    buffers, results : array (threads, ...)
        Workspace: some panels of x, and of y where there is more than one image in them, or zeros between its pixels.
    parts : int
        Into how many the blocks are divided that these meet.
    """
    groups, blocks, depth, height = packed.shape
    outputs, plane, y_plane, buffered = y.shape[1] // groups, x.shape[2], y.shape[2], results.shape[1] > 0
    size, width, columns = buffers.shape[1], buffers.shape[3], together * pixels
    panels = -(-columns // width)
    runs = -(-panels // size)
    L = lanes(pointer(x))
    for item in chunked_range(counter, x.shape[0] // together * groups * runs * parts):
        part, run, group = item % parts, item // parts % runs, item // parts // runs % groups
        image = item // parts // runs // groups * together
        first, last = run * size, min(run * size + size, panels)
        source = advance(pointer(x), (image * groups + group) * depth * plane)
        _copy_panels(source, groups * depth * plane, plane, x_lines, pixels, columns, first, last, buffers[thread])
        result = advance(pointer(y), (image * groups + group) * outputs * y_plane)
        begin, end = part * blocks // parts, (part + 1) * blocks // parts
        here, pitch, start = (pointer(results[thread]), size * width, first) if buffered else (result, pixels, 0)
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
        if buffered:
            _write_panels(here, pitch, result, groups * outputs * y_plane, y_plane, y_lines, pixels, first * width,
                          min(last * width, columns), begin * height, min(end * height, outputs))  # fmt: skip


@inlined
def _piece(column, end, pixels):
    """Where columns `column` to `end` begin: image, pixel, and how many of them are in this image."""
    image = column // pixels
    pixel = column - image * pixels
    return image, pixel, min(end - column, pixels - pixel)


@inlined
def _copy_panels(source, image_size, plane, lines, pixels, columns, first, last, panels):
    """Panels `first` to `last` of a group of images side by side: ``[panel][channel][column]``.

    There are zeros beyond the last column.  `image_size`, `plane`: elements from image to image, and from channel to
    channel.
    """
    L, width, depth = lanes(source), VECTORS * lanes(source), panels.shape[1]
    column, end = first * width, last * width
    while column < end:
        image, pixel, count = _piece(column, end, pixels)
        line, at, count = _piece(pixel, pixel + count, lines.length)
        inside, place = column < columns, column - first * width
        whole = count // width * width if inside and place % width == 0 and lines.across == 1 else 0
        begin = advance(source, image * image_size + line * lines.down * lines.width + at * lines.across)
        for k in range(depth if whole else 0):
            row, to = advance(begin, k * plane), advance(pointer(panels), k * width)
            for i in range(0, whole, width):
                store(to, (place + i) * depth, load(row, i))
                store(to, (place + i) * depth + L, load(row, i + L))
        i = whole
        while i < count:
            at = (place + i) % width
            n = min(L, count - i, width - at)
            to = advance(pointer(panels), (place + i - at) * depth + at)
            for k in range(depth):
                _copy_few(advance(begin, k * plane), i, lines.across, n if inside else 0, advance(to, k * width), n)
            i += n
        column += count


@inlined
def _copy_few(row, i, step, inside, to, n):
    """Pixels i, i + 1, ..., `inside` of them, that are `step` apart, and zeros up to `n`; at most a vector."""
    if step == 1:
        store_first(to, 0, load_first(row, i, inside), n)
    elif step == 2:
        store_first(to, 0, load_even(row, 2 * i, inside), n)
    else:
        for j in range(n):
            to[j] = row[(i + j) * step] if j < inside else 0


@inlined
def _write_panels(panels, pitch, target, image_size, plane, lines, pixels, column, end, output, outputs):
    """Columns `column` to `end` of outputs `output` to `outputs` to the images that they belong to.

    A pixel becomes `down` x `across` pixels, of which all but the first are zero, as far as the image goes.
    """
    L, start = lanes(target), column
    while column < end:
        image, pixel, count = _piece(column, end, pixels)
        line, at, count = _piece(pixel, pixel + count, lines.length)
        first, left = line * lines.down, at * lines.across
        right = min((at + count) * lines.across, lines.width)
        begin = advance(target, image * image_size + first * lines.width)
        for i in range(0, count, L):
            n, to = min(L, count - i), advance(begin, left + i * lines.across)
            for row in range(output, outputs):
                source = advance(panels, row * pitch + column - start + i)
                _write_few(source, n, lines.across, advance(to, row * plane), right - left - i * lines.across)
        below = min(first + lines.down, lines.height) - first  # the rows of zeros between this line and the next
        for i in range(left, right if below > 1 else left, L):
            for row in range(output, outputs):
                for j in range(1, below):
                    to = advance(begin, row * plane + j * lines.width)
                    store_first(to, i, zero(to), min(L, right - i))
        column += count


@inlined
def _write_few(source, n, step, to, left):
    """The first `n` numbers, at most a vector, `step` apart with zeros between, but no more than `left` in all."""
    if step == 1:
        store_first(to, 0, load_first(source, 0, n), n)
    elif step == 2:
        store_even(to, 0, load_first(source, 0, n), left)
    else:
        for j in range(min(n * step, left)):
            to[j] = source[j // step] if j % step == 0 else 0


@parallel
def sum_products(thread, counter, x, g, sums, lines, groups, together, chunk, parts, rows, x_rows, panels):
    """dw: ``sums[shard, channel of g, channel of x in the group]``.

    Parameters
    ----------
    x, g : array (images, channels, elements)
    sums : array
        Its shards are summed over shares of the chunks, each by one thread.
    lines : Lines
        The pixels of x that count, as many as g has.
    groups : int
    together : int
        How many images lie side by side.
    chunk : int
        Pixels of a chunk.
    parts : int
        Into how many the panels of a group are divided.
    rows, x_rows, panels : array (threads, ...)
        Workspace: a chunk of the rows of a group of g; of those of x that make a panel, if not all pixels count; and a
        panel: ``[pixel][channel]``.
    """
    shards, outputs, channels = sums.shape[0], sums.shape[1] // groups, sums.shape[2]
    pixels, plane, pitch, width = g.shape[2], x.shape[2], rows.shape[2], panels.shape[2]
    blocks, across = -(-channels // width), -(-together * pixels // chunk)
    chunks = x.shape[0] // together * across
    a, b, copied = pointer(rows[thread]), pointer(panels[thread]), pointer(x_rows[thread])
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
                source = advance(pointer(x), (image_group * channels + block * width) * plane)
                left, column = channels - block * width, first
                while column < last:
                    image, pixel, count = _piece(column, last, pixels)
                    line, at, count = _piece(pixel, pixel + count, lines.length)
                    here = advance(source, image * groups * channels * plane + line * lines.down * lines.width)
                    if x_rows.shape[1] > 0:
                        for i in range(0, count, L):
                            n, to = min(L, count - i), advance(copied, column - first + i)
                            for k in range(min(width, left)):
                                row = advance(here, k * plane + at * lines.across)
                                _copy_few(row, i, lines.across, n, advance(to, k * pitch), n)
                    else:
                        _turn(advance(here, at), plane, count, left, advance(b, (column - first) * width))
                    column += count
                if x_rows.shape[1] > 0:
                    _turn(copied, pitch, last - first, left, b)
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
