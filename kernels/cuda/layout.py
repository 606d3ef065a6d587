"""Bringing the operands of a convolution into the order in which its inner loop reads them.

An image comes as (N, C, H, W): neighboring pixels of one channel are neighbors in memory.  The inner loop wants all
channels of one pixel at once, 16 bytes in one load, from an address that it need not test: so the copy has the channels
last, their number rounded up to whole vectors, and the zeros of the padding around it.  The inner loop then adds a
constant to an address where it would have had to ask, for every number, whether it lies in the image.

The copy costs one pass over the image.  Each element of it takes part in R*S*O/G multiply-adds afterwards, some hundred
at least in any layer that is worth the trouble.
"""

import functools
from typing import NamedTuple

import numpy as np

from .launch import Kernel, elements, empty
from .target import copy_vector, cuda, flat, int32, lanes

__all__ = ["Images", "pack_filters", "pack_images", "whole"]


class Images(NamedTuple):
    """How a copy of images lies in memory: ``[image][group][row][column][channel]``."""

    groups: int
    channels: int
    """In a group."""
    size: tuple[int, int]
    """Of the images, without padding."""
    before: tuple[int, int]
    """Rows and columns of zeros before them."""
    padded: tuple[int, int]
    """Rows and columns of the copy."""


def whole(count, dtype):
    """`count` rounded up to whole vectors."""
    return -(-count // lanes(dtype)) * lanes(dtype)


def pack_images(x, images):
    """Copy a contiguous (N, C, H, W) into the layout `images`.

    Returns
    -------
    array, flat
    """
    count = x.shape[0] * images.groups * images.padded[0] * images.padded[1]
    packed = empty((count * whole(images.channels, x.dtype),), x.dtype)
    vectors = packed.size // lanes(x.dtype)
    elements(_image_packer(images, x.dtype), vectors, x, packed)
    return packed


def pack_filters(w, groups, transposed, taps):
    """Copy a contiguous (O, C/groups, R, S) into one matrix per group, row by row as the inner loop goes through it.

    Parameters
    ----------
    w : array (O, C/groups, R, S)
    groups : int
    transposed : bool
        False: a row is an input channel, a column an output channel; True: the other way round.
    taps : tuple of int
        The filter elements, as ``r * S + s``, in the order in which their rows follow each other.

    Returns
    -------
    array, flat
        ``[group][tap][row][column]``, rows and columns rounded up to whole vectors.
    """
    rows, columns = w.shape[1], w.shape[0] // groups
    if transposed:
        rows, columns = columns, rows
    packed = empty((groups * len(taps) * whole(rows, w.dtype) * whole(columns, w.dtype),), w.dtype)
    vectors = packed.size // lanes(w.dtype)
    kernel = _filter_packer(rows, columns, w.shape[2] * w.shape[3], transposed, taps, w.dtype)
    elements(kernel, vectors, w, packed)
    return packed


@functools.cache
def _image_packer(images, dtype):
    (height, width), (top, left), (padded_height, padded_width) = images.size, images.before, images.padded
    channels, vector, zero = images.channels, lanes(dtype), dtype.type(0)
    vectors_per_pixel = whole(channels, dtype) // vector

    def pack_images(x, packed, vectors):
        numbers = cuda.local.array(vector, dtype, alignment=16)
        for e in range(int32(cuda.grid(1)), vectors, int32(cuda.gridsize(1))):
            # neighboring threads write neighboring vectors; what they read apart, the block reads as a whole
            c, pixel = e % vectors_per_pixel * vector, e // vectors_per_pixel
            column, line = pixel % padded_width - left, pixel // padded_width
            row, image = line % padded_height - top, line // padded_height
            inside = 0 <= row < height and 0 <= column < width
            for v in range(vector):
                numbers[v] = zero
                if inside and c + v < channels:
                    numbers[v] = x[((image * channels + c + v) * height + row) * width + column]
            copy_vector(packed, e * vector, numbers, 0)

    return Kernel(pack_images, (flat(dtype), flat(dtype), int32))


@functools.cache
def _filter_packer(rows, columns, window, transposed, taps, dtype):
    vector, zero = lanes(dtype), dtype.type(0)
    padded_rows, vectors_per_row = whole(rows, dtype), whole(columns, dtype) // vector
    down, across = (columns * window, window) if transposed else (window, rows * window)
    slots = len(taps)
    order = np.array(taps, np.int32)

    def pack_filters(w, packed, vectors):
        tap = cuda.const.array_like(order)
        numbers = cuda.local.array(vector, dtype, alignment=16)
        for e in range(int32(cuda.grid(1)), vectors, int32(cuda.gridsize(1))):
            column, line = e % vectors_per_row * vector, e // vectors_per_row
            row, line = line % padded_rows, line // padded_rows
            slot, group = line % slots, line // slots
            start = group * (rows * columns * window) + row * down + tap[slot]
            for v in range(vector):
                numbers[v] = zero
                if row < rows and column + v < columns:
                    numbers[v] = w[start + (column + v) * across]
            copy_vector(packed, e * vector, numbers, 0)

    return Kernel(pack_filters, (flat(dtype), flat(dtype), int32))
