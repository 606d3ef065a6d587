"""Rung 1: the definition, in loops.  Every later rung computes these sums, in another order or with fewer products."""

from ..cpu.runtime.allocator import contiguous
from ..cpu.runtime.thread_pool import chunked_range, parallel
from ..shapes import Array, Padding, Pair
from ..signatures import checked
from .shapes import deliver, empty_output

__all__ = ["naive"]


@checked("conv2d")
def naive(
    x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, out: Array | None = None
) -> Array:
    """Convolution; arguments as in `minigen.kernels.reference.conv.conv2d`."""
    y = empty_output(x, w, stride, padding, dilation)
    _loops(contiguous(x), contiguous(w), y, stride, (padding[0][0], padding[1][0]), dilation, groups)
    return deliver(y, out)


@parallel
def _loops(thread, counter, x, w, y, stride, before, dilation, groups):
    images, outputs, rows, columns = y.shape
    channels = w.shape[1]
    for n in chunked_range(counter, images):
        for o in range(outputs):
            first = o // (outputs // groups) * channels
            for p in range(rows):
                for q in range(columns):
                    total = x.dtype.type(0)
                    for c in range(channels):
                        for r in range(w.shape[2]):
                            for s in range(w.shape[3]):
                                i = p * stride[0] + r * dilation[0] - before[0]
                                j = q * stride[1] + s * dilation[1] - before[1]
                                if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]:
                                    total += w[o, c, r, s] * x[n, first + c, i, j]
                    y[n, o, p, q] = total
