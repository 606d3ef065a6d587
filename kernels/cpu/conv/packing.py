"""Filters, and sums that become filters, between memory and the order in which the direct kernels go through them."""

from ...shapes import Array
from ..runtime.compile import inlined
from ..runtime.instruction_set import CACHE_LINE
from ..runtime.thread_pool import PerThread, chunked_range, parallel
from ..simd import VECTOR_BYTES, add, advance, lanes, load, pointer, store_first, transpose

__all__ = ["add_lanes", "add_shards", "pack", "shard_count"]

#: Least and most shards of the images of a weight gradient; never more than images.
SHARDS, MOST_SHARDS = 8, 64
#: Beyond the first few shards: bytes that the sums of all may take, and pixels that each has at least.
SHARD_BYTES, SHARD_PIXELS = 1 << 21, 1 << 10

#: Pairs of filters that are packed at a time.
_DEPTH = 256


def shard_count(images: int, pixels: int, nbytes: int) -> int:
    """Into how many shards to divide the images of a weight gradient, whose sums take `nbytes` for each shard.

    The gradient is summed over each shard, then over the shards.  Their number depends on the shapes alone: so the bits
    of the result do not depend on the number of threads.

    >>> shard_count(images=128, pixels=1024, nbytes=4096), shard_count(images=128, pixels=1024, nbytes=1 << 20)
    (64, 8)
    """
    more = min(MOST_SHARDS, SHARD_BYTES // max(nbytes, 1), images * pixels // SHARD_PIXELS)
    return min(images, max(SHARDS, more))


def pack(w: Array, pairs: Array, group_stride: int, stride: int, rows: int, packed: Array) -> None:
    """``packed[group, block, k, i] = w[group * group_stride + pairs[k] + row * stride]``, ``row = block * width + i``.

    Parameters
    ----------
    w : array, flat
    pairs : array of int64
        Position in w of each pair of a channel and a tap that is summed over.
    group_stride, stride : int
        From group to group, and from row to row: a row is a channel of the result.
    rows : int
        Rows beyond are zero.
    packed : array (groups, blocks, pairs, width)
    """
    tile = PerThread(((VECTOR_BYTES // w.itemsize) ** 2,), w.dtype)
    _pack(w, pairs, group_stride, stride, rows, packed, tile, work=packed.size)


@parallel
def _pack(thread, counter, w, pairs, group_stride, stride, rows, packed, tiles):
    groups, blocks, depth, width = packed.shape
    tile = pointer(tiles[thread])
    L = lanes(tile)
    pieces = -(-depth // _DEPTH)
    for item in chunked_range(counter, groups * blocks * pieces):
        group, block, piece = item // pieces // blocks, item // pieces % blocks, item % pieces
        first, used = block * width, min(width, rows - block * width)
        source = advance(pointer(w), group * group_stride + first * stride)
        for k in range(piece * _DEPTH, min(depth, (piece + 1) * _DEPTH), L):
            count, row, target = min(L, depth - k), advance(source, pairs[k]), pointer(packed[group, block, k])
            together = count == L and stride > 1  # neighbors, while rows are not
            for j in range(1, count):
                together &= pairs[k + j] == pairs[k] + j
            for i in range(0, used if together else 0, L):
                transpose(advance(row, i * stride), stride, min(L, used - i), tile, L)
                for j in range(L):
                    store_first(target, j * width + i, load(tile, j * L), min(L, width - i))
            for j in range(0 if together else count):
                row = advance(source, pairs[k + j])
                for i in range(used):
                    target[j * width + i] = row[i * stride]
            for j in range(count):
                for i in range(used, width):
                    target[j * width + i] = 0


@parallel
def add_shards(thread, counter, sums, dw):
    """``dw[group, output, pair]``: the sum of ``sums[shard, group, pair, output]`` over shards, in their order.

    The sums end in the memory of the first shard: row by row, so that whole vectors are added.
    """
    groups, outputs, pairs = dw.shape
    neighbors = CACHE_LINE // dw.itemsize  # as many outputs as a cache line of sums has; in dw they lie together
    sets = -(-outputs // neighbors)
    for item in chunked_range(counter, groups * sets):
        group, first = item // sets, item % sets * neighbors
        end = min(first + neighbors, outputs)
        for pair in range(pairs):
            total = pointer(sums[0, group, pair])
            for shard in range(1, sums.shape[0]):
                one = pointer(sums[shard, group, pair])
                for output in range(first, end):
                    total[output] += one[output]
            for output in range(first, end):
                dw[group, output, pair] = total[output]


@inlined
def add_lanes(vectors, count, target, scratch):
    """``target[i]``: the sum of the lanes of vector i, for `count` vectors; `scratch` has space for L vectors."""
    L = lanes(vectors)
    for i in range(0, count, L):
        transpose(advance(vectors, i * L), L, min(L, count - i), scratch, L)
        total = load(scratch, 0)
        for lane in range(1, L):
            total = add(total, load(scratch, lane * L))
        store_first(target, i, total, min(L, count - i))
