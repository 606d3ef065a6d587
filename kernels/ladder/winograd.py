"""Rung 5: Winograd (Cook-Toom) minimal filtering.  It multiplies less than the definition does.

A tile of 2 x 2 outputs of a 3 x 3 filter takes 36 multiplications, or 16 in another basis: the derivation is in
`minigen.kernels.cpu.winograd.transforms`, the loops are in `minigen.kernels.cpu.winograd.kernels`, and how stride
enters is in `minigen.kernels.cpu.winograd.geometry`.
"""

from ..cpu import winograd as tiles
from ..cpu.conv import channel_lanes
from ..cpu.runtime.allocator import contiguous
from ..shapes import Array, Padding, Pair
from ..signatures import checked
from .shapes import deliver, empty_output

__all__ = ["winograd"]

#: Outputs of a tile along each axis, for each number of taps.
_TILE = {2: 3, 3: 2, 5: 2}


@checked("conv2d")
def winograd(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Convolution; arguments as in `minigen.kernels.reference.conv.conv2d`.

    The transforms amplify rounding errors a little.  Where they do not pay (dilation, 1 x 1 and very large
    filters) and for float64, the convolution is computed directly, by `minigen.kernels.cpu.conv.channel_lanes`.
    """
    y = empty_output(x, w, stride, padding, dilation)
    taps = max(-(-k // s) for k, s in zip(w.shape[2:], stride, strict=True))
    applies = taps in _TILE and dilation == (1, 1) and x.itemsize == 4
    if 0 in (x.size, w.size):  # a sum over no channels
        y[...] = 0
    elif y.size and applies:
        tiles.conv2d(contiguous(x), contiguous(w), y, stride, padding, dilation, groups, (_TILE[taps], taps))
    elif y.size:
        channel_lanes.conv2d(contiguous(x), contiguous(w), y, stride, padding, dilation, groups)
    return deliver(y, out)
