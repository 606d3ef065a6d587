"""Filters, and sums that become filters, between memory and the order in which the direct kernels go through them."""

from ..runtime.thread_pool import chunked_range, parallel
from ..simd import pointer

__all__ = ["SHARDS", "add_shards", "pack"]

#: Shares of the images over which a weight gradient is summed, before the shares are: their number is fixed, so that
#: the bits do not depend on the threads.
SHARDS = 8


@parallel
def pack(thread, counter, w, pairs, group_stride, stride, rows, packed):
    """``packed[group, block, k, i] = w[group * group_stride + pairs[k] + row * stride]``, ``row = block * width + i``.

    Parameters
    ----------
    w : array, flat
    pairs : array of int64
        Where each of the pairs of a channel and a tap that are summed over lies in w.
    group_stride, stride : int
        From group to group, and from row to row: a row is a channel of the result.
    rows : int
        What lies beyond is zero.
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
    for item in chunked_range(counter, groups * pairs):
        group, pair = item // pairs, item % pairs
        total = pointer(sums[0, group, pair])
        for shard in range(1, sums.shape[0]):
            one = pointer(sums[shard, group, pair])
            for output in range(outputs):
                total[output] += one[output]
        for output in range(outputs):
            dw[group, output, pair] = total[output]
