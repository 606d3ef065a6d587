"""Plans for the Winograd kernels: how large blocks are, and the three convolutions in terms of them."""

import math
from functools import lru_cache

import numpy as np

from ...shapes import Array, Padding, Pair, round_up
from ..microkernel import ROWS, SUM_ROWS, VECTORS
from ..runtime.allocator import empty
from ..runtime.instruction_set import CACHE_LINE
from ..runtime.thread_pool import PerThread
from ..runtime.threads import get_num_threads
from ..simd import VECTOR_BYTES
from . import geometry, kernels
from .transforms import matrices, transform

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]

#: Bytes of V that a block may have.  Larger blocks read the filters less often, smaller ones stay in the cache: 6.5 MB
#: gain a tenth where filters are many, and add 30 MB to the peak of a training step.
BLOCK_BYTES = 4 << 20
#: Bytes of M that are made before they are transformed back.
PRODUCT_BYTES = 1 << 19
#: Bytes of V and Z in one block of `conv2d_weight_grad`; all threads share it.
SUM_BYTES = 6 << 20


def conv2d(
    x: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, tile: tuple[int, int]
) -> None:
    """Write the convolution to `out`; `tile` is (m, r) of F(m x m, r x r)."""
    inputs, outputs = w.shape[1], w.shape[0] // groups
    taps = w.shape[2] * w.shape[3]
    _correlate(
        _forward_plan, x, w, out, stride, padding, dilation, groups, tile, (inputs, taps), (outputs, inputs * taps)
    )


def conv2d_input_grad(
    g: Array, w: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, tile: tuple[int, int]
) -> None:
    """Write the adjoint of `conv2d` in x to `out`."""
    inputs, outputs = w.shape[1], w.shape[0] // groups
    taps = w.shape[2] * w.shape[3]
    _correlate(
        _backward_plan, g, w, out, stride, padding, dilation, groups, tile, (outputs, inputs * taps), (inputs, taps)
    )


def conv2d_weight_grad(
    x: Array, g: Array, out: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, tile: tuple[int, int]
) -> None:
    """Write the adjoint of `conv2d` in w to `out`."""
    inputs, outputs = out.shape[1], out.shape[0] // groups
    plan = _sum_plan(
        x.shape, g.shape, out.shape[2:], stride, padding, dilation, inputs, outputs, groups, tile, x.itemsize
    )
    transforms, taps, read, write, blocks, product, sums_shape, shared, own = plan
    to_points, spread, finish = transforms
    sums, space = empty(sums_shape, x.dtype), empty((shared,), x.dtype)
    workspace = PerThread((own,), x.dtype)
    for group in range(groups):
        add = False
        for image in range(0, x.shape[0], blocks.images):
            for row in range(0, blocks.tiles_down, blocks.rows):
                images, rows = min(blocks.images, x.shape[0] - image), min(blocks.rows, blocks.tiles_down - row)
                tiles = kernels.Tiles(image, images, row, rows)
                kernels.transform_block(to_points, spread, x, g, read, write, blocks, product, group, tiles, space,
                                        workspace)  # fmt: skip
                kernels.sum_products(
                    sums, space, blocks.lattices * images * rows * blocks.tiles_across, blocks, product, add
                )
                add = True
        kernels.finish_filters(finish, sums, out, taps, product, group, inputs, outputs)


def _correlate(plan, x, w, out, stride, padding, dilation, groups, tile, inputs, outputs):
    """Both passes over images; `inputs` and `outputs` are (channels of a group, their stride in w)."""
    threads = get_num_threads()
    transforms, taps, read, write, blocks, product, filters, space = plan(
        x.shape,
        out.shape,
        w.shape[2:],
        stride,
        padding,
        dilation,
        inputs[0],
        outputs[0],
        groups,
        tile,
        x.itemsize,
        threads,
    )
    to_points, filter_points, from_points = transforms
    u = empty((filters,), x.dtype)
    kernels.transform_filters(filter_points, w, u, taps, product, inputs[0], outputs[0], inputs[1], outputs[1])
    workspace = PerThread((space,), x.dtype)
    kernels.correlate(to_points, from_points, x, u, out, read, write, blocks, product, workspace)


def _transforms(names, tile):
    return tuple(transform(name, *tile) for name in names)


@lru_cache(maxsize=256)
def _forward_plan(
    in_shape, out_shape, kernel_size, stride, padding, dilation, inputs, outputs, groups, tile, itemsize, threads
):
    walk = geometry.forward_walk(out_shape[2:], kernel_size, stride, padding, dilation, tile[1])
    plan = _block_plan(in_shape, out_shape, walk, inputs, outputs, groups, tile[0], itemsize, threads)
    return _transforms(("BT", "G", "AT"), tile), walk.taps, *plan


@lru_cache(maxsize=256)
def _backward_plan(
    in_shape, out_shape, kernel_size, stride, padding, dilation, inputs, outputs, groups, tile, itemsize, threads
):
    walk = geometry.backward_walk(out_shape[2:], kernel_size, stride, padding, dilation, *tile)
    plan = _block_plan(in_shape, out_shape, walk, inputs, outputs, groups, tile[0], itemsize, threads)
    return _transforms(("BT", "G", "AT"), tile), walk.taps, *plan


def _block_plan(in_shape, out_shape, walk, inputs, outputs, groups, m, itemsize, threads):
    lanes = VECTOR_BYTES // itemsize
    extent = m + walk.r - 1
    down, across = (-(-n // m) for n in walk.grid)
    lattices = math.prod(walk.lattices)
    product = _product(walk, extent, inputs, outputs, groups, lanes)
    phases = len(walk.parts)
    bytes_per_tile = extent**2 * lanes * itemsize
    most = BLOCK_BYTES // (bytes_per_tile * len(walk.part_row) * product.channel_blocks)
    images, rows = _block_shape(in_shape[0], groups, down, lattices * across, most, threads)
    capacity = round_up(lattices * images * rows * across, ROWS)
    vectors = min(product.vectors, round_up(PRODUCT_BYTES // (bytes_per_tile * phases * capacity) + 1, VECTORS))
    read = geometry.side(
        in_shape, inputs, walk.read_step, walk.lattices, walk.part_row, walk.part_column, rows, across, m, extent
    )
    write = geometry.side(
        out_shape, outputs, walk.write_step, walk.lattices, walk.phase_row, walk.phase_column, rows, across, m, m
    )
    v_point, m_point = (_odd(n * capacity) * lanes for n in (len(walk.part_row) * product.channel_blocks, vectors))
    sizes = [
        extent**2 * v_point,
        extent**2 * phases * m_point,
        read.buffer_rows * read.buffer_width * lanes,
        write.buffer_rows * write.buffer_width * lanes,
        2 * lanes * lanes,
    ]
    blocks, space = _blocks(down, across, lattices, images, rows, capacity, vectors, v_point, m_point, sizes)
    return read, write, blocks, product, groups * int(product.start[-1]), space


@lru_cache(maxsize=256)
def _sum_plan(x_shape, g_shape, kernel_size, stride, padding, dilation, inputs, outputs, groups, tile, itemsize):
    """As `_forward_plan`; does not depend on the number of threads, since the sum over blocks has an order."""
    m, r = tile
    walk = geometry.forward_walk(g_shape[2:], kernel_size, stride, padding, dilation, r)
    lanes = VECTOR_BYTES // itemsize
    extent = m + walk.r - 1
    down, across = (-(-n // m) for n in walk.grid)
    lattices = math.prod(walk.lattices)
    product = _product(walk, extent, inputs, outputs, groups, lanes)
    columns = len(walk.part_row) * product.channel_blocks
    most = max(1, SUM_BYTES // (extent**2 * lanes * itemsize * (columns + product.vectors)))
    if lattices * down * across > most:
        images, rows = 1, max(1, most // (lattices * across))
    else:
        images, rows = min(x_shape[0], most // (lattices * down * across)), down
    capacity = lattices * images * rows * across
    read = geometry.side(
        x_shape, inputs, walk.read_step, walk.lattices, walk.part_row, walk.part_column, rows, across, m, extent
    )
    write = geometry.side(
        g_shape, outputs, walk.write_step, walk.lattices, walk.phase_row, walk.phase_column, rows, across, m, m
    )
    v_point, z_point = (_odd(n * capacity) * lanes for n in (columns, product.vectors))
    v, z = extent**2 * v_point, extent**2 * z_point
    sizes = [0, 0, read.buffer_rows * read.buffer_width * lanes, write.buffer_rows * write.buffer_width * lanes]
    sizes.append(2 * lanes * lanes)
    blocks, space = _blocks(down, across, lattices, images, rows, capacity, product.vectors, v_point, z_point, sizes)
    sums_shape = (extent**2, _odd(product.rows * columns) * lanes)
    transforms = _transforms(("BT", "A", "GT"), tile)
    return transforms, walk.taps, read, write, blocks._replace(v=0, m=v), product, sums_shape, v + z, space


def _product(walk, extent, inputs, outputs, groups, lanes):
    """The `Product`; `spans` follows from which taps there are, and which of them the transform takes to a point."""
    reaches = np.array(matrices(extent + 1 - walk.r, walk.r)["G"]) != 0
    there = (walk.taps >= 0).reshape(-1, walk.r, walk.r).astype(int)
    nonzero = np.einsum("pu,iuv,qv->ipq", reaches, there, reaches).reshape(len(there), extent**2) > 0
    firsts = np.cumsum([0, *map(len, walk.parts)])
    spans = np.zeros((len(walk.parts), extent**2, 2), np.int64)
    for phase, (begin, end) in enumerate(zip(firsts, firsts[1:])):
        for point, which in enumerate(nonzero[begin:end].T):
            if which.any():
                (indices,) = which.nonzero()
                spans[phase, point] = indices[0], indices[-1] + 1
    channel_blocks, vectors = -(-inputs // lanes), -(-outputs // lanes)
    points = np.array([_odd(len(parts) * channel_blocks * lanes * vectors) * lanes for parts in walk.parts])
    return kernels.Product(
        groups=groups,
        phases=len(walk.parts),
        points=extent**2,
        all_parts=len(walk.part_row),
        first=firsts,
        start=np.cumsum([0, *(extent**2 * points)]),
        point=points,
        origin=np.array([parts[0] if parts else 0 for parts in walk.parts]),
        spans=spans,
        channel_blocks=channel_blocks,
        vectors=vectors,
        rows=round_up(outputs, SUM_ROWS),
    )


def _odd(vectors):
    """The vectors, and a few more, that fill an odd number of cache lines.

    See the end of the introduction to `minigen.kernels.cpu.winograd.kernels`.
    """
    in_line = CACHE_LINE // VECTOR_BYTES
    return (-(-vectors // in_line) | 1) * in_line


def _blocks(down, across, lattices, images, rows, capacity, vectors, v_point, m_point, sizes):
    starts = [0, *(int(end) for end in np.cumsum(sizes))]
    return kernels.Blocks(
        down, across, lattices, images, rows, capacity, vectors, v_point, m_point, *starts[:-1]
    ), starts[-1]


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
