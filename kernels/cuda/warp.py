"""Weighted sums of a few pixels: a thread for each pixel, and backwards for each image of each channel.

Threads that add to the same element would have to take turns, in an order that changes from run to run.  So, as in
`pool`, one thread takes a whole channel of an image.
"""

import functools

from ..shapes import Array, Pair
from ..signatures import checked
from .launch import Kernel, contiguous, elements, empty
from .target import cuda, flat, int32, types

__all__ = ["warp", "warp_adjoint"]


@checked("warp")
def warp(x: Array, index: Array, weight: Array) -> Array:
    """As `minigen.kernels.reference.warp`, but an index that lies outside the image is passed over.

    Telling the caller would make the CPU wait for the GPU.
    """
    (n, c, height, width), (count, *pixels) = x.shape, index.shape[1:]
    out = empty((n, c, *pixels), x.dtype)
    places, factors = contiguous("warp: index", index), contiguous("warp: weight", weight)
    kernel = _warp(c, count, pixels[0] * pixels[1], height * width, x.dtype)
    elements(kernel, out.size, contiguous("warp: x", x), places, factors, out)
    return out


@checked("warp_adjoint")
def warp_adjoint(g: Array, index: Array, weight: Array, input_size: Pair) -> Array:
    """As `minigen.kernels.reference.warp_adjoint`, but an index that lies outside the image is passed over."""
    (n, c, *pixels), count = g.shape, index.shape[1]
    dx = empty((n, c, *input_size), g.dtype)
    places, factors = contiguous("warp_adjoint: index", index), contiguous("warp_adjoint: weight", weight)
    kernel = _warp_adjoint(c, count, pixels[0] * pixels[1], input_size[0] * input_size[1], g.dtype)
    elements(kernel, n * c, contiguous("warp_adjoint: g", g), places, factors, dx)
    return dx


@functools.cache
def _warp(channels, terms, pixels, size, dtype):
    zero = dtype.type(0)

    def warp(x, index, weight, out, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            p, plane = e % pixels, e // pixels
            total = zero
            for k in range(terms):
                at = (plane // channels * terms + k) * pixels + p
                place = index[at]
                if 0 <= place < size:
                    total += weight[at] * x[plane * size + place]
            out[e] = total

    return Kernel(warp, (flat(dtype), types.Array(types.int64, 1, "C"), flat(dtype), flat(dtype), int32))


@functools.cache
def _warp_adjoint(channels, terms, pixels, size, dtype):
    zero = dtype.type(0)

    def warp_adjoint(g, index, weight, dx, count):
        for plane in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            for e in range(size):
                dx[plane * size + e] = zero
            for k in range(terms):
                for p in range(pixels):
                    at = (plane // channels * terms + k) * pixels + p
                    place = index[at]
                    if 0 <= place < size:
                        dx[plane * size + place] += weight[at] * g[plane * pixels + p]

    return Kernel(warp_adjoint, (flat(dtype), types.Array(types.int64, 1, "C"), flat(dtype), flat(dtype), int32))
