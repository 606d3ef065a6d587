"""Plans for the tiled kernels: how large blocks are, and the three convolutions in terms of them."""

from functools import lru_cache

import numpy as np

from . import geometry, tiled
from .cook_toom import transform
from .geometry import round_up
from .memory import empty
from .microkernel import ROWS, SUM_ROWS, VECTORS
from .simd import VECTOR_BYTES
from .threads import get_num_threads

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]

#: Bytes of V and M that a block may have.  Larger blocks read the filters less often, smaller ones stay in the cache.
BLOCK_BYTES = 4 << 20
#: Bytes of M that are made before they are transformed back.
PRODUCT_BYTES = 1 << 19
#: Bytes of V and Z in one block of `conv2d_weight_grad`; all threads share it.
SUM_BYTES = 6 << 20


def conv2d(x, w, out, stride, padding, groups, tile):
    """Write the convolution to `out`; `tile` is (m, r) of F(m x m, r x r)."""
    walk = geometry.forward_walk(out.shape[2:], w.shape[2:], stride, padding, tile[1])
    inputs, outputs = w.shape[1], w.shape[0] // groups
    taps = w.shape[2] * w.shape[3]
    _correlate(x, w, out, walk, tile[0], groups, (inputs, taps), (outputs, inputs * taps))


def conv2d_input_grad(g, w, out, stride, padding, groups, tile):
    """Write the adjoint of `conv2d` in x to `out`."""
    walk = geometry.backward_walk(out.shape[2:], w.shape[2:], stride, padding, tile[1])
    inputs, outputs = w.shape[1], w.shape[0] // groups
    taps = w.shape[2] * w.shape[3]
    _correlate(g, w, out, walk, tile[0], groups, (outputs, inputs * taps), (inputs, taps))


def conv2d_weight_grad(x, g, out, stride, padding, groups, tile):
    """Write the adjoint of `conv2d` in w to `out`."""
    m, r = tile
    walk = geometry.forward_walk(g.shape[2:], out.shape[2:], stride, padding, r)
    inputs, outputs = out.shape[1], out.shape[0] // groups
    plan = _sum_plan(x.shape, g.shape, _Key(walk), inputs, outputs, groups, m, x.itemsize)
    read, write, blocks, product, sums_shape, shared, own = plan
    to_points, spread, finish = (transform(name, m, r) for name in ("BT", "A", "GT"))
    sums, space = empty(sums_shape, x.dtype), empty((shared,), x.dtype)
    workspace = empty((get_num_threads(), own), x.dtype)
    for group in range(groups):
        add = False
        for image in range(0, x.shape[0], blocks.images):
            for row in range(0, blocks.tiles_down, blocks.rows):
                images, rows = min(blocks.images, x.shape[0] - image), min(blocks.rows, blocks.tiles_down - row)
                tiled.transform_block(to_points, spread, x, g, read, write, blocks, product, group, image, images, row,
                                      rows, space, workspace)  # fmt: skip
                tiled.sum_products(sums, space, images * rows * blocks.tiles_across, blocks, product, add)
                add = True
        tiled.finish_filters(finish, sums, out, walk.taps, product, group, inputs, outputs)


def _correlate(x, w, out, walk, m, groups, inputs, outputs):
    """Both passes over images; `inputs` and `outputs` are (channels of a group, their stride in w)."""
    threads = get_num_threads()
    plan = _block_plan(x.shape, out.shape, _Key(walk), inputs[0], outputs[0], groups, m, x.itemsize, threads)
    read, write, blocks, product, filters, space = plan
    to_points, filter_points, from_points = (transform(name, m, walk.r) for name in ("BT", "G", "AT"))
    u = empty((filters,), x.dtype)
    tiled.transform_filters(filter_points, w, u, walk.taps, product, inputs[0], outputs[0], inputs[1], outputs[1])
    workspace = empty((threads, space), x.dtype)
    tiled.correlate(to_points, from_points, x, u, out, read, write, blocks, product, workspace)


class _Key:
    """A walk as a key of a cache: walks are cached themselves, so the same one is the same object."""

    def __init__(self, walk):
        self.walk = walk

    def __hash__(self):
        return id(self.walk)

    def __eq__(self, other):
        return self.walk is other.walk


@lru_cache(maxsize=256)
def _block_plan(in_shape, out_shape, key, inputs, outputs, groups, m, itemsize, threads):
    walk = key.walk
    lanes = VECTOR_BYTES // itemsize
    extent = m + walk.r - 1
    down, across = (-(-n // m) for n in walk.grid)
    product = _product(walk, extent, inputs, outputs, groups, lanes)
    phases = len(walk.parts)
    bytes_per_tile = extent**2 * lanes * itemsize
    most = BLOCK_BYTES // (bytes_per_tile * len(walk.part_row) * product.channel_blocks)
    images, rows = _block_shape(in_shape[0], groups, down, across, most, threads)
    capacity = round_up(images * rows * across, ROWS)
    vectors = min(product.vectors, round_up(PRODUCT_BYTES // (bytes_per_tile * phases * capacity) + 1, VECTORS))
    read = geometry.side(in_shape, inputs, walk.read_step, walk.part_row, walk.part_column, rows, across, m, extent)
    write = geometry.side(out_shape, outputs, walk.write_step, walk.phase_row, walk.phase_column, rows, across, m, m)
    sizes = [
        extent**2 * len(walk.part_row) * product.channel_blocks * capacity * lanes,
        extent**2 * phases * vectors * capacity * lanes,
        read.buffer_rows * read.buffer_width * lanes,
        write.buffer_rows * write.buffer_width * lanes,
        2 * lanes * lanes,
    ]
    blocks, space = _blocks(down, across, images, rows, capacity, vectors, sizes)
    filters = groups * int(product.first[-1]) * extent**2 * product.channel_blocks * lanes * product.vectors * lanes
    return read, write, blocks, product, filters, space


@lru_cache(maxsize=256)
def _sum_plan(x_shape, g_shape, key, inputs, outputs, groups, m, itemsize):
    """As `_block_plan`; does not depend on the number of threads, since the sum over blocks has an order."""
    walk = key.walk
    lanes = VECTOR_BYTES // itemsize
    extent = m + walk.r - 1
    down, across = (-(-n // m) for n in walk.grid)
    product = _product(walk, extent, inputs, outputs, groups, lanes)
    columns = len(walk.part_row) * product.channel_blocks
    most = max(1, SUM_BYTES // (extent**2 * lanes * itemsize * (columns + product.vectors)))
    if down * across > most:
        images, rows = 1, max(1, most // across)
    else:
        images, rows = min(x_shape[0], most // (down * across)), down
    capacity = images * rows * across
    read = geometry.side(x_shape, inputs, walk.read_step, walk.part_row, walk.part_column, rows, across, m, extent)
    write = geometry.side(g_shape, outputs, (1, 1), walk.phase_row, walk.phase_column, rows, across, m, m)
    v, z = (extent**2 * n * capacity * lanes for n in (columns, product.vectors))
    sizes = [0, 0, read.buffer_rows * read.buffer_width * lanes, write.buffer_rows * write.buffer_width * lanes]
    blocks, space = _blocks(down, across, images, rows, capacity, product.vectors, [*sizes, 2 * lanes * lanes])
    sums_shape = (extent**2, round_up(outputs, SUM_ROWS), columns * lanes)
    return read, write, blocks._replace(v=0, m=v), product, sums_shape, v + z, space


def _product(walk, extent, inputs, outputs, groups, lanes):
    return tiled.Product(
        groups=groups,
        phases=len(walk.parts),
        points=extent**2,
        all_parts=len(walk.part_row),
        first=np.cumsum([0, *map(len, walk.parts)]),
        channel_blocks=-(-inputs // lanes),
        vectors=-(-outputs // lanes),
    )


def _blocks(down, across, images, rows, capacity, vectors, sizes):
    starts = [0, *(int(end) for end in np.cumsum(sizes))]
    return tiled.Blocks(down, across, images, rows, capacity, vectors, *starts[:-1]), starts[-1]


def _block_shape(n, groups, down, across, most, threads):
    """(images, rows of tiles) in a block: what lets the busiest thread finish first."""
    choices = [(images, down) for images in range(1, n + 1) if images * down * across <= most]
    choices += [(1, rows) for rows in range(1, down) if rows * across <= most]

    def time(choice):
        images, rows = choice
        blocks = groups * -(-n // images) * -(-down // rows)
        filters_and_borders = 16  # what a block costs besides its tiles, in tiles
        return -(-blocks // threads) * (round_up(images * rows * across, ROWS) + filters_and_borders)

    return min(choices or [(1, 1)], key=time)
