r"""Which pixels meet which filter taps: the bookkeeping of the tiled kernels.

Along one axis, with stride s and padding t before the first pixel (minimal filtering does not serve a dilation),

.. math:: y_u = \sum_k w_k\, x_{s u + k - t}, \qquad \bar x_i = \sum_{s v + k - t = i} w_k\, \bar y_v .

**Stride phases.**  Write k = s j + p.  :math:`y_u = \sum_p \sum_j w_{sj+p}\, x_{s(u+j)+p-t}`: a convolution
of stride s is the sum of s convolutions of *stride 1*, each of one phase p of the filter and one phase of the pixels.
The same split of the adjoint gives :math:`\bar x_{sv+p-t} = \sum_j w_{sj+p}\, \bar y_{v-j}`: phase p of the result is
a stride-1 convolution of :math:`\bar y` with phase p of the filter, flipped.  So the phases are additional *input
channels* of the forward pass and additional *output channels* of its adjoint; in both, what remains has stride 1 and
:math:`r = \lceil k/s \rceil` taps, and minimal filtering applies.

====================== =================================================================================
word                   meaning
====================== =================================================================================
*grid*                 positions u (or v); neighbours are ``step`` pixels apart in the image read
*part*                 a filter of r x r taps whose first tap lies at pixel ``step * u + origin``
*phase*                the output pixels ``step * u + origin`` of the image written
``taps``               for each phase and each part: which of the filter's taps stand there (-1: none)
====================== =================================================================================
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["Side", "Walk", "backward_walk", "forward_walk", "round_up", "side"]


class Walk(NamedTuple):
    """How a tiled kernel walks over the image it reads and the one it writes; arrays are indexed (part) or (phase)."""

    r: int  # taps of a part along each axis
    grid: tuple[int, int]  # grid positions that have to be computed
    read_step: tuple[int, int]
    part_row: np.ndarray
    part_column: np.ndarray
    write_step: tuple[int, int]
    phase_row: np.ndarray
    phase_column: np.ndarray
    parts: tuple[tuple[int, ...], ...]  # the parts that each phase needs
    taps: np.ndarray  # (sum of the lengths of parts, r * r): flat index into the filter, or -1


def round_up(n, step):
    """The smallest multiple of `step` that is at least n.

    >>> round_up(13, 8)
    16
    """
    return -(-n // step) * step


def _pairs(rows, columns):
    return [(row, column) for row in rows for column in columns]


@lru_cache(maxsize=256)
def forward_walk(out_size, kernel_size, stride, padding, r):
    """For `conv2d`; ``r >= ceil(kernel / stride)``."""
    axes = [
        [(phase - before, _column(range(phase, k, s), r)) for phase in range(min(s, k))]
        for k, s, (before, _) in zip(kernel_size, stride, padding, strict=True)
    ]
    parts = _pairs(*axes)
    return Walk(
        r=r,
        grid=out_size,
        read_step=stride,
        part_row=np.array([row for (row, _), _ in parts]),
        part_column=np.array([column for _, (column, _) in parts]),
        write_step=(1, 1),
        phase_row=np.zeros(1, np.int64),
        phase_column=np.zeros(1, np.int64),
        parts=(tuple(range(len(parts))),),
        taps=np.array([_flat(down, across, kernel_size[1]) for (_, down), (_, across) in parts]),
    )


@lru_cache(maxsize=256)
def backward_walk(in_size, kernel_size, stride, padding, r):
    """For `conv2d_input_grad`; the grid starts at ``v = before // stride``, the first that reaches a pixel."""
    grid, origins, phases = [], [], []
    for size, k, s, (before, _) in zip(in_size, kernel_size, stride, padding, strict=True):
        start = before // s
        grid.append((size - 1 + before) // s - start + 1)
        origins.append(start - (r - 1))
        phases.append([(phase - before + s * start, _column(range(phase, k, s), r)[::-1]) for phase in range(s)])
    parts, rows = [], []
    for (_, down), (_, across) in _pairs(*phases):
        wanted = _any(down) and _any(across)  # a stride longer than the kernel jumps over some phases
        parts.append((0,) if wanted else ())
        rows += [_flat(down, across, kernel_size[1])] if wanted else []
    return Walk(
        r=r,
        grid=tuple(grid),
        read_step=(1, 1),
        part_row=np.array(origins[:1]),
        part_column=np.array(origins[1:]),
        write_step=stride,
        phase_row=np.array([row for (row, _), _ in _pairs(*phases)]),
        phase_column=np.array([column for _, (column, _) in _pairs(*phases)]),
        parts=tuple(parts),
        taps=np.array(rows, np.int64).reshape(len(rows), r * r),
    )


def _column(taps, r):
    """The taps, padded with -1 to length r."""
    return [*taps, *[-1] * (r - len(taps))]


def _any(taps):
    return any(tap >= 0 for tap in taps)


def _flat(down, across, width):
    return [row * width + column if row >= 0 and column >= 0 else -1 for row, column in _pairs(down, across)]


class Side(NamedTuple):
    """An image that a tiled kernel reads or writes, and the buffer through which its blocks of L channels go."""

    images: int
    all_channels: int
    channels: int  # of one group
    height: int
    width: int
    step_row: int  # pixels from one grid position to the next
    step_column: int
    tile: int  # grid positions from one tile to the next
    rows: np.ndarray  # origins of the parts (or phases)
    columns: np.ndarray
    first_row: int  # pixel row of the buffer's first row, for the first row of tiles
    first_column: int
    buffer_rows: int
    buffer_width: int
    position: np.ndarray  # (height * width): vector of the buffer for each pixel, were the buffer's first row row 0


def side(shape, channels, step, rows, columns, tile_rows, tile_columns, tile, extent):
    """A `Side` for buffers of `tile_rows` x `tile_columns` tiles, each touching `extent` x `extent` grid positions."""
    n, all_channels, height, width = shape
    first_row, first_column = int(rows.min()), min(int(columns.min()), 0)
    buffer_rows = ((tile_rows - 1) * tile + extent - 1) * step[0] + int(rows.max()) - first_row + 1
    last_column = ((tile_columns - 1) * tile + extent - 1) * step[1] + int(columns.max())
    return Side(
        images=n,
        all_channels=all_channels,
        channels=channels,
        height=height,
        width=width,
        step_row=step[0],
        step_column=step[1],
        tile=tile,
        rows=rows,
        columns=columns,
        first_row=first_row,
        first_column=first_column,
        buffer_rows=buffer_rows,
        buffer_width=(buffer_width := max(last_column + 1, width) - first_column),
        position=np.add.outer(np.arange(height) * buffer_width, np.arange(width) - first_column).ravel(),
    )
