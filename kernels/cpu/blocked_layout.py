"""From images to the blocked layout and back.

Images are stored as ``[image][channel][row][column]``.  The Winograd kernels need the L channels that share a vector
next to each other: ``[row][column][channel % L]`` for each block of L channels, in a buffer with space for padding.
A transposition of L x L numbers in registers turns L pixels of L channels around at once.  The buffer holds one block
of one image, so it stays in the cache; no blocked copy of a whole batch ever exists.
"""

from .runtime.compile import subroutine
from .simd import advance, lanes, load, store, transpose, zero

__all__ = ["blocks_to_planes", "fill_zeros", "planes_to_blocks"]


@subroutine
def fill_zeros(target, count):
    """Zero `count` elements, a multiple of L."""
    for i in range(0, count, lanes(target)):
        store(target, i, zero(target))


@subroutine
def planes_to_blocks(planes, plane, channels, first, last, position, shift, blocks, scratch):
    """Copy pixels `first` to `last` of up to L planes into the buffer.

    Parameters
    ----------
    planes : pointer
        Plane i starts at ``planes[i * plane]``.
    channels : int
        How many there are; the other lanes become zero.
    position : pointer to int64
        Pixel i goes to vector ``position[i] - shift`` of `blocks`.
    scratch : pointer
        Scratch memory for L vectors.
    """
    L = lanes(planes)
    if last - first < L:
        for pixel in range(first, last):
            for lane in range(L):
                there = (position[pixel] - shift) * L + lane
                if lane < channels:
                    blocks[there] = planes[lane * plane + pixel]
                else:
                    blocks[there] = 0
        return
    pixel = first
    while pixel < last:
        pixel = min(pixel, last - L)  # the last step overlaps the one before
        together = position[pixel + L - 1] - position[pixel] == L - 1  # as in the middle of a row
        target = advance(blocks, (position[pixel] - shift) * L) if together else scratch
        transpose(advance(planes, pixel), plane, channels, target, L)
        for j in range(0 if together else L):
            store(blocks, (position[pixel + j] - shift) * L, load(scratch, j * L))
        pixel += L


@subroutine
def blocks_to_planes(blocks, position, shift, channels, first, last, planes, plane, scratch):
    """The reverse of `planes_to_blocks`; `scratch` has space for 2 L vectors."""
    L = lanes(planes)
    if last - first < L:
        for pixel in range(first, last):
            for lane in range(channels):
                planes[lane * plane + pixel] = blocks[(position[pixel] - shift) * L + lane]
        return
    turned = advance(scratch, L * L)
    pixel = first
    while pixel < last:
        pixel = min(pixel, last - L)
        together = position[pixel + L - 1] - position[pixel] == L - 1
        source = advance(blocks, (position[pixel] - shift) * L) if together else scratch
        for j in range(0 if together else L):
            store(scratch, j * L, load(blocks, (position[pixel + j] - shift) * L))
        whole = channels == L
        transpose(source, L, L, advance(planes, pixel) if whole else turned, plane if whole else L)
        for lane in range(0 if whole else channels):
            store(planes, lane * plane + pixel, load(turned, lane * L))
        pixel += L
