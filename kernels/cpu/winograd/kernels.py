r"""Winograd minimal filtering: convolution tile by tile, with fewer multiplications.

A tile of m x m outputs needs alpha x alpha inputs, alpha = m + r - 1.  With the transforms of F(m, r)
(`minigen.kernels.cpu.winograd.transforms`):

1. each input tile is transformed, ``V[p] = (B^T x B)[p]`` for each of the alpha^2 points p;
2. at each point, a matrix product over channels and parts of the filter: ``M[p] = V[p] U[p]``, where U is the
   transformed filter;
3. each product tile is transformed back, ``y = A^T M A``.

Work is cut into *blocks*: some tiles (several small images, or some rows of tiles of a large one) of one group of
channels.  A block's V and M stay in the cache of the core that computes it.  A block does not depend on other blocks or
on the thread, and each sum has a fixed order.  So any number of threads gives the same bits.

A transform reads or writes one vector at each of the alpha^2 points.  If the points were a multiple of 4 KB apart, all
these vectors would map to the same few sets of the cache and evict each other.  So the distance from point to point is
always an odd number of cache lines.

Threads write next to each other to U, to V and Z, and to the gradient of the filters.  A cache line belongs to one core
at a time: two that write to it in turn wait for each other, 40 to 200 nanoseconds each time.  So what is shared out are
pieces of whole lines.

================ ==================================================================================
symbol           meaning
================ ==================================================================================
L                lanes of a vector
V                ``[point][part][channel block][tile][L]``
U                ``[group][phase][point][vectors of output channels][part, channel][L]``
M                ``[phase][point][vector of output channels][tile][L]``
Z                as V, for the gradient of the outputs
================ ==================================================================================

Sources: see `minigen.kernels.cpu.winograd.transforms`; stride phases and their adjoint,
`minigen.kernels.cpu.winograd.geometry`.
"""

from typing import NamedTuple

import numpy as np

from ..blocked_layout import blocks_to_planes, fill_zeros, planes_to_blocks
from ..microkernel import (
    ROWS,
    SUM_ROWS,
    VECTORS,
    channels_kernel,
    channels_kernel_narrow,
    sums_kernel,
    sums_kernel_narrow,
)
from ..runtime.compile import inlined
from ..runtime.instruction_set import CACHE_LINE
from ..runtime.thread_pool import chunked_range, parallel
from ..simd import advance, lanes, pointer
from .transforms import apply, size_in, size_out

__all__ = [
    "Blocks",
    "Product",
    "Tiles",
    "correlate",
    "finish_filters",
    "sum_products",
    "transform_block",
    "transform_filters",
]

#: Channel blocks that one call of the micro-kernel sums over: its panel of U, at most 64 KB, stays near the core.
CHANNEL_BLOCKS = 32
#: Least tiles that one thread transforms to V or Z, where an image has fewer.
TILES = 16
#: In the gradient of the filters: least output channels that are transformed back at a time, and pieces of that work
#: if there are more channels.
OUTPUTS, PIECES = 16, 32


class Product(NamedTuple):
    """The matrix products of step 2: which parts of the filter each phase sums over, and the sizes."""

    groups: int
    phases: int
    points: int
    all_parts: int  # in V
    first: np.ndarray  # first[phase] to first[phase + 1] are a phase's parts in U
    origin: np.ndarray  # the first of them in V
    start: np.ndarray  # of each phase's filters in U
    point: np.ndarray  # from point to point of each phase's filters in U
    spans: np.ndarray  # spans[phase, point]: of these parts, the first and the end of those not zero at the point
    channel_blocks: int  # blocks of input channels
    vectors: int  # vectors of output channels
    rows: int  # output channels, rounded up to SUM_ROWS


class Blocks(NamedTuple):
    """How the tiles of all images are cut into blocks, and the layout of a thread's workspace."""

    tiles_down: int  # in an image
    tiles_across: int
    lattices: int  # of each image; each has its own tiles
    images: int  # in a block
    rows: int  # rows of tiles in a block; fewer than tiles_down only if images == 1
    capacity: int  # of V and M, in tiles
    vectors: int  # vectors of output channels in M, which are transformed back together
    v_point: int  # from point to point of V
    m_point: int  # of M, or of Z
    v: int  # offsets into the workspace
    m: int
    read: int
    write: int
    scratch: int


class Tiles(NamedTuple):
    """The tiles of one block: some rows of tiles of some images."""

    image: int  # the first
    images: int
    row: int  # the first
    rows: int


# ---------------------------------------------------------------- step 1


@inlined
def _transform_plane(transform, planes, channels, side, tiles, across, v, point, part, buffer, scratch):
    """Transform the rows of `across` tiles, of all lattices, of one block of channels of one image.

    They become consecutive tiles of `v`, where `point` and `part` are the strides between points and between parts.
    """
    L = lanes(planes)
    base = tiles.row * side.tile * side.step_row + side.first_row
    first, last = max(base, 0), min(base + side.buffer_rows, side.height)
    if first < last:
        planes_to_blocks(planes, side.height * side.width, channels, first * side.width, last * side.width,
                         pointer(side.position), base * side.buffer_width, buffer, scratch)  # fmt: skip
    step_row, step_column = side.step_row * side.buffer_width * L, side.step_column * L
    for i in range(side.rows.size):
        target = advance(v, i * part)
        for lattice in range(side.lattices_down * side.lattices_across):
            corner = advance(buffer, _corner(side, i, lattice) * L)
            for down in range(tiles.rows):
                for right in range(across):
                    tile = advance(corner, (down * step_row + right * step_column) * side.tile)
                    apply(transform, tile, step_row, step_column, target, size_out(transform) * point, point)
                    target = advance(target, L)


@inlined
def _corner(side, i, lattice):
    """Where part or phase `i` of a lattice begins in the buffer, in vectors."""
    row = side.rows[i] - side.first_row + lattice // side.lattices_across
    column = side.columns[i] - side.first_column + lattice % side.lattices_across
    return row * side.buffer_width + column


# ---------------------------------------------------------------- step 2


@inlined
def _multiply(v, u, m, phase, first, last, tiles, blocks, product):
    """``M[p] = V[p] U[p]`` at all points, for the vectors `first` to `last` of output channels of one phase."""
    L = lanes(v)
    plane = blocks.capacity * L
    v = advance(v, product.origin[phase] * product.channel_blocks * plane)
    panel = (product.first[phase + 1] - product.first[phase]) * product.channel_blocks * L * L
    for p in range(product.points):
        low = product.spans[phase, p, 0] * product.channel_blocks
        high = product.spans[phase, p, 1] * product.channel_blocks
        if low == high:  # for instance where the stride jumps over these pixels
            fill_zeros(advance(m, p * blocks.m_point), (last - first) * plane)
        for vector in range(first, last, VECTORS):
            width = min(VECTORS, last - vector)
            b = advance(u, product.start[phase] + p * product.point[phase] + vector * panel)
            c = advance(m, p * blocks.m_point + (vector - first) * plane)
            for block in range(low, high, CHANNEL_BLOCKS):
                a, b_panel = advance(v, p * blocks.v_point + block * plane), advance(b, block * L * width * L)
                _multiply_panel(a, b_panel, c, min(CHANNEL_BLOCKS, high - block), tiles, plane, width, block > low)


@inlined
def _multiply_panel(a, b, c, count, tiles, stride, width, add):
    L = lanes(a)
    for tile in range(0, tiles, ROWS):
        if width == VECTORS:
            channels_kernel(advance(a, tile * L), stride, count, b, advance(c, tile * L), stride, add)
        else:
            channels_kernel_narrow(advance(a, tile * L), stride, count, b, advance(c, tile * L), stride, add)


# ---------------------------------------------------------------- step 3


@inlined
def _transform_back(transform, m, point, phase, side, rows, across, buffer):
    """Products of one vector of output channels, one phase, one image, into the buffer."""
    L = lanes(m)
    n = size_in(transform)
    step_row, step_column = side.step_row * side.buffer_width * L, side.step_column * L
    for lattice in range(side.lattices_down * side.lattices_across):
        corner = advance(buffer, _corner(side, phase, lattice) * L)
        for down in range(rows):
            for right in range(across):
                target = advance(corner, (down * step_row + right * step_column) * side.tile)
                apply(transform, m, n * point, point, target, step_row, step_column)
                m = advance(m, L)


@inlined
def _correlate_block(to_points, from_points, x, u, y, group, tiles, read, write, blocks, product, space):
    """Steps 1 to 3 for one block."""
    L = lanes(x)
    across, count = blocks.tiles_across, blocks.lattices * tiles.rows * blocks.tiles_across
    v, m, scratch = advance(space, blocks.v), advance(space, blocks.m), advance(space, blocks.scratch)
    part = product.channel_blocks * blocks.capacity * L
    plane = read.height * read.width
    buffer = advance(space, blocks.read)
    fill_zeros(buffer, read.buffer_rows * read.buffer_width * L)
    for i in range(tiles.images):
        for block in range(product.channel_blocks):
            channels = min(L, read.channels - block * L)
            planes = advance(x, ((tiles.image + i) * read.all_channels + group * read.channels + block * L) * plane)
            target = advance(v, (block * blocks.capacity + i * count) * L)
            _transform_plane(to_points, planes, channels, read, tiles, across, target, blocks.v_point, part,
                             buffer, scratch)  # fmt: skip
    buffer, plane = advance(space, blocks.write), write.height * write.width
    base = tiles.row * write.tile * write.step_row + write.first_row
    top, bottom = max(base, 0), min(base + tiles.rows * write.tile * write.step_row, write.height)
    for first in range(0, product.vectors, blocks.vectors):
        last = min(first + blocks.vectors, product.vectors)
        for phase in range(product.phases):
            products = advance(m, phase * product.points * blocks.m_point)
            _multiply(v, u, products, phase, first, last, tiles.images * count, blocks, product)
        for i in range(tiles.images):
            for vector in range(first, last):
                for phase in range(product.phases):
                    start = phase * product.points * blocks.m_point
                    products = advance(m, start + ((vector - first) * blocks.capacity + i * count) * L)
                    _transform_back(from_points, products, blocks.m_point, phase, write, tiles.rows, across, buffer)
                channels = min(L, write.channels - vector * L)
                channel = (tiles.image + i) * write.all_channels + group * write.channels + vector * L
                planes = advance(y, channel * plane)
                if top < bottom:
                    blocks_to_planes(buffer, pointer(write.position), base * write.buffer_width, channels,
                                     top * write.width, bottom * write.width, planes, plane, scratch)  # fmt: skip


@parallel
def correlate(thread, counter, to_points, from_points, x, u, y, read, write, blocks, product, workspace):
    """`conv2d` and `conv2d_input_grad`, by their walks.

    Parameters
    ----------
    to_points, from_points : Transform
        BT and AT.
    x, y : array (N, C, H, W)
        Read and written.
    u : array
        Filters, from `transform_filters`.
    read, write : Side
    blocks : Blocks
    product : Product
    workspace : array (threads, ...)
    """
    bands = -(-blocks.tiles_down // blocks.rows)
    count = -(-read.images // blocks.images) * bands * product.groups
    space = advance(pointer(workspace), thread * workspace.shape[1])
    for item in chunked_range(counter, count):
        group, rest = item % product.groups, item // product.groups
        image, row = rest // bands * blocks.images, rest % bands * blocks.rows
        images, rows = min(blocks.images, read.images - image), min(blocks.rows, blocks.tiles_down - row)
        tiles = Tiles(image, images, row, rows)
        filters = advance(pointer(u), group * (u.size // product.groups))
        _correlate_block(to_points, from_points, pointer(x), filters, pointer(y), group, tiles, read, write, blocks,
                         product, space)  # fmt: skip


# ---------------------------------------------------------------- filters


@parallel
def transform_filters(thread, counter, transform, w, u, taps, product, inputs, outputs, input_stride, output_stride):
    """U from the filters.

    Parameters
    ----------
    transform : Transform
        G.
    w : array (O, C/groups, R, S)
    u : array
        See the table above.
    taps : array (parts of all phases, r * r)
        Flat indices into a filter, -1 for zero.
    inputs, outputs : int
        Channels of a group that are summed over, and that are produced.
    input_stride, output_stride : int
        Distance between them in w.  `conv2d` and its adjoint differ here only.
    """
    r, L = size_in(transform), lanes(pointer(u))
    pairs, depth = -(-product.vectors // VECTORS), product.channel_blocks * L
    group_size, filter_size = u.size // product.groups, w.size // product.groups
    square = np.empty(r * r * L, w.dtype)
    values = pointer(square)
    for item in chunked_range(counter, product.groups * product.first[product.phases] * pairs * product.channel_blocks):
        block, rest = item % product.channel_blocks, item // product.channel_blocks
        first, i, group = rest % pairs * VECTORS, rest // pairs % taps.shape[0], rest // pairs // taps.shape[0]
        phase = 0
        while product.first[phase + 1] <= i:
            phase += 1
        begin, count = product.first[phase], product.first[phase + 1] - product.first[phase]
        width = min(VECTORS, product.vectors - first)
        target = group * group_size + product.start[phase] + (first * count + (i - begin) * width) * depth * L
        point = product.point[phase]
        square[:] = 0
        for channel in range(block * L, block * L + L):
            if channel == inputs:  # the rest of the last block of channels
                square[:] = 0
            for vector in range(first, first + width):
                filters = group * filter_size + vector * L * output_stride + channel * input_stride
                used = min(L, outputs - vector * L)
                for tap in range(r * r):
                    if taps[i, tap] >= 0 and channel < inputs:
                        there = advance(pointer(w), filters + taps[i, tap])
                        for lane in range(used):
                            values[tap * L + lane] = there[lane * output_stride]
                apply(transform, values, r * L, L, advance(pointer(u), target + (channel * width + vector - first) * L),
                      size_out(transform) * point, point)  # fmt: skip


# ---------------------------------------------------------------- gradient of the filters


@parallel
def transform_block(thread, counter, to_points, spread, x, g, read, write, blocks, product, group, tiles, space,
                    workspace):  # fmt: skip
    """V and Z of one block of tiles; the planes are shared out.

    Parameters
    ----------
    to_points, spread : Transform
        BT and A.
    x, g : array (N, C, H, W)
    group : int
    tiles : Tiles
    space : array
        Memory for V and Z, which all threads read later.
    workspace : array (threads, ...)
    """
    L = lanes(pointer(x))
    across, capacity = blocks.tiles_across, blocks.capacity
    count = blocks.lattices * tiles.rows * across
    own = advance(pointer(workspace), thread * workspace.shape[1])
    scratch, buffer = advance(own, blocks.scratch), advance(own, blocks.read)
    part = product.channel_blocks * capacity * L
    fill_zeros(buffer, read.buffer_rows * read.buffer_width * L)
    images = -(-TILES // count)
    sets = -(-tiles.images // images)
    for item in chunked_range(counter, sets * product.channel_blocks):
        first, block = item // product.channel_blocks * images, item % product.channel_blocks
        for i in range(first, min(first + images, tiles.images)):
            channel = (tiles.image + i) * read.all_channels + group * read.channels + block * L
            planes = advance(pointer(x), channel * read.height * read.width)
            v = advance(pointer(space), blocks.v + (block * capacity + i * count) * L)
            _transform_plane(to_points, planes, min(L, read.channels - block * L), read, tiles, across, v,
                             blocks.v_point, part, buffer, scratch)  # fmt: skip
    buffer = advance(own, blocks.write)
    fill_zeros(buffer, write.buffer_rows * write.buffer_width * L)
    for item in chunked_range(counter, sets * product.vectors, 1):
        first, block = item // product.vectors * images, item % product.vectors
        for i in range(first, min(first + images, tiles.images)):
            channel = (tiles.image + i) * write.all_channels + group * write.channels + block * L
            planes = advance(pointer(g), channel * write.height * write.width)
            z = advance(pointer(space), blocks.m + (block * capacity + i * count) * L)
            _transform_plane(spread, planes, min(L, write.channels - block * L), write, tiles, across, z,
                             blocks.m_point, 0, buffer, scratch)  # fmt: skip


@parallel
def sum_products(thread, counter, sums, space, tiles, blocks, product, add):
    """``sums[p] = sum over tiles of Z[p] V[p]^T`` for one block; pieces of `sums` are shared out.

    Parameters
    ----------
    sums : array (points, ...)
        At each point ``[pair of vectors][output channel][2 L]``, so that what is written together is contiguous;
        the number of output channels is rounded up to SUM_ROWS.
    space : array
        V and Z from `transform_block`.
    tiles : int
        In this block.
    add : bool
        To what `sums` holds; False for the first block.
    """
    L = lanes(pointer(space))
    columns = product.all_parts * product.channel_blocks
    plane, steps = blocks.capacity * L, -(-columns // VECTORS)
    for item in chunked_range(counter, product.points * steps):
        p, column = item // steps, item % steps * VECTORS
        width = min(VECTORS, columns - column)
        low, high = product.spans[0, p, 0] * product.channel_blocks, product.spans[0, p, 1] * product.channel_blocks
        if column + width <= low or column >= high:  # for taps that are not there: `finish_filters` does not ask
            continue
        v = advance(pointer(space), blocks.v + p * blocks.v_point + column * plane)
        z = advance(pointer(space), blocks.m + p * blocks.m_point)
        for channel in range(0, product.rows, SUM_ROWS):
            a = advance(z, channel // L * plane + channel % L)
            c = advance(pointer(sums), p * sums.shape[1] + (column * product.rows + channel * width) * L)
            if width == VECTORS:
                sums_kernel(tiles, a, v, plane, c, width * L, add)
            else:
                sums_kernel_narrow(tiles, a, v, plane, c, width * L, add)


@parallel
def finish_filters(thread, counter, transform, sums, dw, taps, product, group, inputs, outputs):
    """``dw = G^T sums G`` for one group; `transform` is GT, the rest as in `transform_filters`."""
    r, alpha = size_out(transform), size_in(transform)
    L = lanes(pointer(dw))
    kernel_size = dw.shape[2] * dw.shape[3]
    columns, point = product.all_parts * product.channel_blocks, sums.shape[1]
    square = np.zeros(r * r * L, dw.dtype)
    values = pointer(square)
    neighbors = max(1, CACHE_LINE // (L * dw.itemsize))  # one thread writes all that is in a cache line
    steps = -(-product.channel_blocks // neighbors)
    together = max(OUTPUTS, outputs * steps // PIECES)
    for item in chunked_range(counter, steps * -(-outputs // together)):
        begin, band = item % steps * neighbors, item // steps * together
        for block in range(begin, min(begin + neighbors, product.channel_blocks)):
            used = min(L, inputs - block * L)
            for part in range(product.all_parts):
                column = part * product.channel_blocks + block
                first = column // VECTORS * VECTORS
                width = min(VECTORS, columns - first)
                source = advance(pointer(sums), (first * product.rows + column - first) * L)
                for output in range(band, min(band + together, outputs)):
                    apply(transform, advance(source, output * width * L), alpha * point, point, values, r * L, L)
                    first_channel = (group * outputs + output) * inputs + block * L
                    for tap in range(r * r):
                        if taps[part, tap] >= 0:
                            target = advance(pointer(dw), first_channel * kernel_size + taps[part, tap])
                            for lane in range(used):
                                target[lane * kernel_size] = values[tap * L + lane]
