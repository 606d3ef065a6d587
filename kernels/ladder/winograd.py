"""Rung 5: minimal filtering.  No rung below multiplies less than the definition does; this one does.

A tile of 2 x 2 outputs of a 3 x 3 filter takes 36 multiplications, or 16 in another basis: the derivation is in
`minigen.kernels.cpu.cook_toom`, the loops are in `minigen.kernels.cpu.tiled`, and what stride does to it is in
`minigen.kernels.cpu.geometry`.
"""

from ..cpu import direct, tiling
from ..cpu.runtime.allocator import contiguous
from .shapes import deliver, empty_output

__all__ = ["minimal_filtering"]

#: Outputs of a tile along each axis, for each number of taps.
_TILE = {2: 3, 3: 2, 5: 2}


def minimal_filtering(x, w, stride, padding, dilation, groups, out=None):
    """Convolution; arguments as in `minigen.kernels.reference.conv.conv2d`.

    The transforms amplify rounding errors a little.  What they do not pay for (dilation, 1 x 1 and very large
    filters, and float64) is computed directly, by `minigen.kernels.cpu.direct`.
    """
    y = empty_output(x, w, stride, padding, dilation)
    taps = max(-(-k // s) for k, s in zip(w.shape[2:], stride, strict=True))
    applies = taps in _TILE and dilation == (1, 1) and x.itemsize == 4
    if y.size and applies:
        tiling.conv2d(contiguous(x), contiguous(w), y, stride, padding, groups, (_TILE[taps], taps))
    elif y.size:
        direct.conv2d(contiguous(x), contiguous(w), y, stride, padding, dilation, groups)
    return deliver(y, out)
