r"""What a convolution gathers from where, worked out axis by axis before anything runs.

`conv2d` gathers: output row p adds up the source rows $p s + r d$ of the padded input, one for each kernel row r
(stride s, dilation d).  Its adjoint `conv2d_input_grad` scatters, as it is written: output row p hands its cotangent to
the rows $p s + r d$.  Threads that scatter would have to add to the same element in turns; so turn it round and
ask which p reach input row h.  With t rows of padding above, those with

$$ p = (h + t - r d) / s \quad\text{for every } r \text{ with } r d \equiv h + t \pmod s . $$

Which r these are depends on $(h + t) \bmod s$ alone.  So the input rows fall into s *phases*; within one, every
row adds up the same kernel rows, and neighboring rows neighboring p: a convolution of stride 1 with a part of the
filter.  Both kernels are the same gather then, with other numbers.
"""

from math import gcd
from typing import NamedTuple

__all__ = ["Axis", "Phase", "gather_axis", "scatter_axis"]


class Phase(NamedTuple):
    """Output rows that add up the same kernel rows."""

    source: int
    """The source row that the first kernel row meets at the first output row; below 0 in the padding."""
    taps: tuple[int, ...]
    """Kernel rows, in the order of the source rows that they meet."""
    output: int
    """The first output row."""


class Axis(NamedTuple):
    """One axis of a convolution as a gather."""

    pixels: int
    """Output rows in a phase; some may lie past the end of the output."""
    stride: int
    """Source rows from an output row to the next of its phase."""
    step: int
    """Source rows from a kernel row to the next of its phase."""
    output_step: int
    """Output rows from one of a phase to its next."""
    phases: tuple[Phase, ...]


def gather_axis(kernel: int, stride: int, before: int, dilation: int, pixels: int) -> Axis:
    """The plan of `conv2d` along one axis.

    >>> gather_axis(kernel=3, stride=2, before=1, dilation=1, pixels=4).phases  # the first row is one of padding
    (Phase(source=-1, taps=(0, 1, 2), output=0),)
    """
    return Axis(pixels, stride, dilation, 1, (Phase(-before, tuple(range(kernel)), 0),))


def scatter_axis(kernel: int, stride: int, before: int, dilation: int, size: int) -> Axis:
    """The plan of `conv2d_input_grad` along one axis; `before` is the padding of the convolution, `size` its input's.

    >>> [phase.taps for phase in scatter_axis(kernel=4, stride=2, before=1, dilation=1, size=8).phases]
    [(2, 0), (3, 1)]
    """
    pixels = -(-size // stride)
    phases = []
    for remainder in range(stride):
        output = (remainder - before) % stride
        if output >= size:
            continue
        taps = tuple(r for r in reversed(range(kernel)) if (r * dilation - remainder) % stride == 0)
        source = 0
        if taps:
            source = (output + before) // stride - (taps[0] * dilation - remainder) // stride
        phases.append(Phase(source, taps, output))
    return Axis(pixels, 1, dilation // gcd(stride, dilation), stride, tuple(phases))
