r"""Borders and enlargements that repeat elements of the input: padding by reflection, nearest neighbors.

Both copy elements, so both are linear, and their adjoints add every cotangent to the element that was copied.  Which
element that is follows from the place by a few slices; no index array is needed.  (Indexing with an array has the same
values, but its adjoint must add elements one by one, which is 30 times slower.)

**Borders.**  `pad_border` first copies the input into the middle of the result.  Then it fills one strip after the
other: for each dimension the strip before and the strip after, each a copy of a part that is filled already.  One such
copy, $y_P = y_S$ for two disjoint sets of places P and S, is a matrix; its transpose adds, $g_S \mathrel{+}= g_P$.  So
`fold_border`, the adjoint, adds the strips in the opposite order, and then cuts out the middle.

**Blocks.**  `repeat_blocks` copies each pixel into a block of r x s pixels; `sum_blocks`, its adjoint, adds up each
block: r s views of the array, each with every r-th row and every s-th column.
"""

from typing import Any

from ..backend import Array, array_module
from ..engine import primitive

__all__ = ["BORDERS", "fold_border", "pad_border", "repeat_blocks", "sum_blocks"]

BORDERS = ("reflect", "replicate", "circular")
"""How a border can continue the input; the names are PyTorch's."""

Widths = tuple[tuple[int, int], ...]
"""Of each dimension: how many places before and after."""


@primitive(any_dtype=True)
def pad_border(input: Array, *, widths: Widths, mode: str) -> Array:
    """Surround with elements of the input; the vjp is `fold_border`.

    Parameters
    ----------
    input : array
    widths : tuple of (int, int), one for each dimension
        At most n - 1 of n for ``"reflect"``, n for ``"circular"``.
    mode : {"reflect", "replicate", "circular"}
    """
    shape = tuple(before + n + after for n, (before, after) in zip(input.shape, widths))
    out: Array = array_module(input).empty(shape, input.dtype)
    out[_middle(input.shape, widths)] = input
    for _, place, source in _strips(input.shape, widths, mode):
        out[place] = out[source]
    return out


@primitive
def fold_border(g: Array, *, widths: Widths, mode: str) -> Array:
    """Add a border to the elements that it repeats, and cut it off: the adjoint of `pad_border`."""
    shape = tuple(n - before - after for n, (before, after) in zip(g.shape, widths))
    out: Array = g.copy()
    for dim, place, source in reversed(_strips(shape, widths, mode)):
        strip = out[place]
        out[source] += strip.sum(axis=dim, keepdims=True) if mode == "replicate" else strip
    return out[_middle(shape, widths)].copy()


pad_border.vjp(input=lambda g, out, input, *, widths, mode: fold_border(g, widths=widths, mode=mode))
fold_border.vjp(g=lambda u, out, g, *, widths, mode: pad_border(u, widths=widths, mode=mode))


def _middle(shape: tuple[int, ...], widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths))


def _strips(shape: tuple[int, ...], widths: Widths, mode: str) -> list[tuple[int, Any, Any]]:
    """The strips of a border in order: dimension, place, and the place that it is a copy of."""
    middle, strips = _middle(shape, widths), []
    for dim, (n, (before, after)) in enumerate(zip(shape, widths)):
        end = before + n
        sources = {
            "reflect": (_backwards(2 * before, before), _backwards(end - 2, after)),
            "replicate": (slice(before, before + 1), slice(end - 1, end)),
            "circular": (slice(n, end), slice(before, before + after)),
        }[mode]
        for width, place, source in zip((before, after), (slice(0, before), slice(end, end + after)), sources):
            if width:
                # The dimensions before this one have their borders already.
                whole, rest = (slice(None),) * dim, middle[dim + 1 :]
                strips.append((dim, (*whole, place, *rest), (*whole, source, *rest)))
    return strips


def _backwards(first: int, count: int) -> slice:
    """The `count` places from `first` down."""
    return slice(first, first - count if first >= count else None, -1)


@primitive
def repeat_blocks(input: Array, *, factors: tuple[int, int]) -> Array:
    """Copy each pixel (N, C, H, W) into a block of r x s pixels (N, C, H r, W s); the vjp is `sum_blocks`."""
    n, c, h, w = input.shape
    r, s = factors
    xp = array_module(input)
    # A wide row first, and then copies of it: whole rows are copied twice as fast as pixels.
    row = xp.empty((n, c, h, 1, w * s), input.dtype)
    for j in range(s):
        row[..., 0, j::s] = input
    out: Array = xp.empty((n, c, h, r, w * s), input.dtype)
    out[...] = row
    return out.reshape(n, c, h * r, w * s)


@primitive
def sum_blocks(g: Array, *, factors: tuple[int, int]) -> Array:
    """Add up each block of r x s pixels: the adjoint of `repeat_blocks`."""
    r, s = factors
    rows = g[:, :, ::r]
    for i in range(1, r):
        rows = rows + g[:, :, i::r]
    out: Array = rows[..., ::s]
    for j in range(1, s):
        out = out + rows[..., j::s]
    return out.copy() if r == s == 1 else out


repeat_blocks.vjp(input=lambda g, out, input, *, factors: sum_blocks(g, factors=factors))
sum_blocks.vjp(g=lambda u, out, g, *, factors: repeat_blocks(u, factors=factors))
