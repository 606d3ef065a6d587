"""Filters, and sums that become filters, between memory and the order in which the direct kernels go through them."""

from ..runtime.compile import inlined
from ..runtime.instruction_set import CACHE_LINE
from ..runtime.thread_pool import chunked_range, parallel
from ..simd import add, advance, lanes, load, pointer, store_first, transpose

__all__ = ["add_lanes", "add_shards", "pack", "shard_count"]

#: Least and most shards of the images of a weight gradient; never more than images.
SHARDS, MOST_SHARDS = 8, 64
#: Beyond the first few shards: bytes that the sums of all may take, and pixels that each has at least.
SHARD_BYTES, SHARD_PIXELS = 1 << 21, 1 << 10


def shard_count(images: int, pixels: int, nbytes: int) -> int:
    """Into how many shards to divide the images of a weight gradient, whose sums take `nbytes` for each shard.

    The gradient is summed over each shard, then over the shards.  Their number depends on the shapes alone: so the bits
    of the result do not depend on the number of threads.

    >>> shard_count(images=128, pixels=1024, nbytes=4096), shard_count(images=128, pixels=1024, nbytes=1 << 20)
    (64, 8)
    """
    more = min(MOST_SHARDS, SHARD_BYTES // max(nbytes, 1), images * pixels // SHARD_PIXELS)
    return min(images, max(SHARDS, more))


@parallel
def pack(thread, counter, w, pairs, group_stride, stride, rows, packed):
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
    groups, blocks, depth, width = packed.shape
    for item in chunked_range(counter, groups * blocks):
        group, block = item // blocks, item % blocks
        first = block * width
        used = min(width, rows - first)
        base = group * group_stride + first * stride
        for k in range(depth):
            for i in range(used):
                packed[group, block, k, i] = w[base + pairs[k] + i * stride]
            for i in range(used, width):
                packed[group, block, k, i] = 0


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
