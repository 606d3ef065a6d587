"""The ladder: one convolution, five times, each rung faster than the one below for a reason that can be named.

====================== ==================================================================== ======================
rung                   idea                                                                 where
====================== ==================================================================== ======================
``naive``              the definition: seven loops                                          `ladder.naive`
``im2col``             gather all patches, then one matrix product                          `reference.conv`
``implicit_gemm``      gather a few patches at a time, so that they stay in the cache       `ladder.implicit_gemm`
``simd``               the same, with the product in vector registers                       `ladder.simd`
``winograd``           fewer multiplications: Winograd (Cook-Toom) minimal filtering        `ladder.winograd`
====================== ==================================================================== ======================

All have the signature of `minigen.kernels.reference.conv.conv2d` and take what it takes, so they can be timed side by
side, checked by the same tests, and plugged in: ``minigen.kernels.register("conv2d", ladder.RUNGS["simd"])``.

>>> import numpy as np
>>> x, w = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float32)
>>> [float(rung(x, w, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)[0, 0, 0, 0]) for rung in RUNGS.values()]
[18.0, 18.0, 18.0, 18.0, 18.0]
"""

from ..reference.conv import conv2d as im2col
from .implicit_gemm import implicit_gemm
from .naive import naive
from .simd import simd
from .winograd import winograd

__all__ = ["RUNGS", "im2col", "implicit_gemm", "naive", "simd", "winograd"]

#: From the slowest to the fastest.
RUNGS = {
    "naive": naive,
    "im2col": im2col,
    "implicit_gemm": implicit_gemm,
    "simd": simd,
    "winograd": winograd,
}
