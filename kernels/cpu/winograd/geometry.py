r"""Which pixels meet which filter taps: the geometry of the Winograd kernels.

Along one axis, with stride s and padding t before the first pixel,

$$ y_u = \sum_k w_k\, x_{s u + k - t}, \qquad \bar x_i = \sum_{s v + k - t = i} w_k\, \bar y_v . $$

**Stride phases.**  Write k = s j + p.  $y_u = \sum_p \sum_j w_{sj+p}\, x_{s(u+j)+p-t}$: a convolution
of stride s is the sum of s convolutions of *stride 1*, each of one phase p of the filter and one phase of the pixels.
The same split of the adjoint gives $\bar x_{sv+p-t} = \sum_j w_{sj+p}\, \bar y_{v-j}$: phase p of the result is
a stride-1 convolution of $\bar y$ with phase p of the filter, flipped.  So the phases are additional *input
channels* of the forward pass and additional *output channels* of its adjoint; in both, what remains has stride 1, and
Winograd minimal filtering applies.

**Pieces.**  A filter with more taps than the r of the tile is cut into pieces of r, each of which reads the image
at its first tap: again more input channels.  (The adjoint needs this for stride 1 only.)  So r = 2 and r = 3
serve all filters: F(4 x 4, 3 x 3) multiplies 121 times for 16 outputs of a 5 x 5 filter, while a tile for r = 5,
F(2 x 2, 5 x 5), multiplies 144 times and has larger errors.

**Lattices.**  A filter of dilation d meets every d-th pixel: with k d in place of k, and for stride 1, pixel
u = d v + a of the result needs pixels $x_{d (v + k) + a - t}$ only, whose places all differ by multiples of d.  So the
image falls into d *lattices* along each axis, a = 0 to d - 1, each of every d-th pixel.  Each is convolved by itself
with dilation 1.  The lattices of an image are additional *tiles*: steps between pixels become d times as long, and each
lattice begins a pixel after the one before.

====================== =================================================================================
word                   meaning
====================== =================================================================================
*grid*                 positions u (or v); neighbors are ``step`` pixels apart in the image read
*part*                 a filter of r x r taps whose first tap is at pixel ``step * u + origin``
*phase*                the output pixels ``step * u + origin`` of the image written
*lattice*              pixels as many steps apart as the dilation; with dilation 1 there is a single one
``taps``               for each phase and each part: which of the filter's taps stand there (-1: none)
====================== =================================================================================
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["Side", "Walk", "backward_grid", "backward_walk", "forward_walk", "lattice_grid", "side"]


class Walk(NamedTuple):
    """How a tiled kernel walks over the image it reads and the one it writes; arrays are indexed (part) or (phase)."""

    r: int  # taps of a part along each axis
    grid: tuple[int, int]  # grid positions that have to be computed, of each lattice
    lattices: tuple[int, int]  # the dilation; more than 1 for stride 1 only
    read_step: tuple[int, int]
    part_row: np.ndarray
    part_column: np.ndarray
    write_step: tuple[int, int]
    phase_row: np.ndarray
    phase_column: np.ndarray
    parts: tuple[tuple[int, ...], ...]  # the parts that each phase needs, one after the other
    taps: np.ndarray  # (sum of the lengths of parts, r * r): flat index into the filter, or -1


def _pairs(rows, columns):
    return [(row, column) for row in rows for column in columns]


@lru_cache(maxsize=256)
def forward_walk(out_size, kernel_size, stride, padding, dilation, r):
    """For `conv2d`."""
    axes = [
        [
            (piece[0] * d - before, _column(piece, r))
            for phase in range(min(s, k))
            for piece in _pieces(range(phase, k, s), r)
        ]
        for k, s, d, (before, _) in zip(kernel_size, stride, dilation, padding, strict=True)
    ]
    return _single_phase(out_size, stride, dilation, axes, kernel_size, r)


def _single_phase(size, stride, dilation, axes, kernel_size, r):
    """A walk that writes every pixel alike; `axes` has the parts along each axis, as (origin, taps)."""
    parts = sorted(_pairs(*axes), key=_which_are_short)
    return Walk(
        r=r,
        grid=lattice_grid(size, dilation),
        lattices=dilation,
        read_step=(stride[0] * dilation[0], stride[1] * dilation[1]),
        part_row=np.array([row for (row, _), _ in parts]),
        part_column=np.array([column for _, (column, _) in parts]),
        write_step=dilation,
        phase_row=np.zeros(1, np.int64),
        phase_column=np.zeros(1, np.int64),
        parts=(tuple(range(len(parts))),),
        taps=np.array([_flat(down, across, kernel_size[1]) for (_, down), (_, across) in parts]),
    )


def lattice_grid(size, dilation):
    """Grid positions of the largest lattice of an image.

    >>> lattice_grid((16, 7), (3, 1))
    (6, 7)
    """
    return tuple(-(-n // d) for n, d in zip(size, dilation, strict=True))


@lru_cache(maxsize=256)
def backward_walk(in_size, kernel_size, stride, padding, dilation, m, r):
    """For `conv2d_input_grad`, in tiles of m x m grid positions; only for stride 1 may the kernel be larger than r.

    Seen from the first pixel, phases whose first pixel is in the padding begin one grid position later than the
    others: see `backward_grid`.
    """
    if stride == (1, 1):
        return _backward_walk_in_pieces(in_size, kernel_size, padding, dilation, r)
    grid, aligned = backward_grid(in_size, stride, padding, m)
    views, phases = [], []
    for k, s, (before, _) in zip(kernel_size, stride, padding, strict=True):
        late = [int(aligned and phase < before % s) for phase in range(s)]
        views.append([before // s - (r - 1) + shift for shift in sorted(set(late))])
        last = len(views[-1]) - 1  # where nothing is late, or everything shares one view, there is a single one
        phases.append(
            [
                (phase - before % s + s * shift, min(shift, last), _column(range(phase, k, s), r)[::-1])
                for phase, shift in enumerate(late)
            ]
        )
    parts, rows = [], []
    for (_, view_down, down), (_, view_across, across) in _pairs(*phases):
        wanted = _any(down) and _any(across)  # a stride longer than the kernel jumps over some phases
        parts.append((view_down * len(views[1]) + view_across,) if wanted else ())
        rows += [_flat(down, across, kernel_size[1])] if wanted else []
    return Walk(
        r=r,
        grid=grid,
        lattices=(1, 1),
        read_step=(1, 1),
        part_row=np.array([row for row, _ in _pairs(*views)]),
        part_column=np.array([column for _, column in _pairs(*views)]),
        write_step=stride,
        phase_row=np.array([row[0] for row, _ in _pairs(*phases)]),
        phase_column=np.array([column[0] for _, column in _pairs(*phases)]),
        parts=tuple(parts),
        taps=np.array(rows, np.int64).reshape(len(rows), r * r),
    )


def _backward_walk_in_pieces(in_size, kernel_size, padding, dilation, r):
    """The same for stride 1: a single phase, and a part for each piece of the filter."""
    axes = [
        [(before - (piece[0] + r - 1) * d, _column(piece, r)[::-1]) for piece in _pieces(range(k), r)]
        for k, d, (before, _) in zip(kernel_size, dilation, padding, strict=True)
    ]
    return _single_phase(in_size, (1, 1), dilation, axes, kernel_size, r)


def backward_grid(in_size, stride, padding, m):
    """Grid positions to compute for `conv2d_input_grad`, and whether the phases are aligned.

    Where the padding is no multiple of the stride, the pixels of the phases begin at different grid positions.  Either
    all phases share one view of the gradient, and the grid has a row more than pixels of any phase, or each phase has
    its own view, shifted so that all begin with their first pixel: a part for each.  That pays if it saves tiles: 8
    positions are two tiles of 4, 9 are three.

    >>> backward_grid((16, 16), (2, 2), ((1, 1), (1, 1)), 4)
    ((8, 8), True)
    >>> backward_grid((16, 16), (2, 2), ((1, 1), (1, 1)), 3)
    ((9, 9), False)
    """
    axes = list(zip(in_size, stride, [before for before, _ in padding], strict=True))
    shared = tuple((size - 1 + before) // s - before // s + 1 for size, s, before in axes)
    own = tuple(-(-size // s) for size, s, _ in axes)
    tiles_shared, tiles_own = ([-(-n // m) for n in grid] for grid in (shared, own))
    return (own, True) if tiles_own[0] * tiles_own[1] < tiles_shared[0] * tiles_shared[1] else (shared, False)


def _pieces(taps, r):
    return [taps[i : i + r] for i in range(0, len(taps), r)]


def _which_are_short(part):
    """A key for sorting parts.

    At the point infinity (in the adjoint, 0) of one direction, only parts with all r taps in that direction have
    anything to multiply.  In this order they are neighbors, whichever direction it is.
    """
    down, across = (-1 in column for _, column in part)
    return 2 + across if down else 1 - across


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
    lattices_down: int  # each begins a pixel after the one before
    lattices_across: int
    rows: np.ndarray  # origins of the parts (or phases)
    columns: np.ndarray
    first_row: int  # pixel row of the buffer's first row, for the first row of tiles
    first_column: int
    buffer_rows: int
    buffer_width: int
    position: np.ndarray  # (height * width): vector of the buffer for each pixel, were the buffer's first row row 0


def side(shape, channels, step, lattices, rows, columns, tile_rows, tile_columns, tile, extent):
    """A `Side` for buffers of `tile_rows` x `tile_columns` tiles, each touching `extent` x `extent` grid positions."""
    n, all_channels, height, width = shape
    first_row, first_column = int(rows.min()), min(int(columns.min()), 0)
    buffer_rows = ((tile_rows - 1) * tile + extent - 1) * step[0] + int(rows.max()) - first_row + lattices[0]
    last_column = ((tile_columns - 1) * tile + extent - 1) * step[1] + int(columns.max()) + lattices[1] - 1
    return Side(
        images=n,
        all_channels=all_channels,
        channels=channels,
        height=height,
        width=width,
        step_row=step[0],
        step_column=step[1],
        tile=tile,
        lattices_down=lattices[0],
        lattices_across=lattices[1],
        rows=rows,
        columns=columns,
        first_row=first_row,
        first_column=first_column,
        buffer_rows=buffer_rows,
        buffer_width=(buffer_width := max(last_column + 1, width) - first_column),
        position=np.add.outer(np.arange(height) * buffer_width, np.arange(width) - first_column).ravel(),
    )
