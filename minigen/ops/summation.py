"""Sums of arrays whose rounding error stays small, along any axis."""

import math

import numpy as np

from ..backend import Array, array_module

__all__ = ["kept_shape", "max_array", "sum_array"]


def kept_shape(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with 1 for each of `dims`."""
    return tuple(1 if d in dims else n for d, n in enumerate(shape))


_BLOCK = 16  # rows that are added one after the other: each addition may cost half a unit in the last place
_WIDTH = 2048  # numbers side by side that such an addition takes: short rows are taken several at a time
_SLAB = 1 << 20  # numbers whose sums by blocks stay in a cache


def _sum_axis(x: Array, axis: int) -> Array:
    """Sum along one axis by blocks of blocks, so that rounding errors grow with the logarithm of its length.

    NumPy adds by halves along the axis that is contiguous in memory; along any other it adds row after row, and in
    float32 a sum of ones ends at 2^24.
    """
    n, before, after = x.shape[axis], x.shape[:axis], x.shape[axis + 1 :]
    if n <= 2 * _BLOCK:
        return np.asarray(x.sum(axis=axis))
    slab = max(_SLAB * n // max(x.size, 1), _BLOCK**2)
    at = (slice(None),) * axis
    if n > slab:
        parts = [_sum_axis(x[(*at, slice(i, i + slab))], axis) for i in range(0, n, slab)]
        return _sum_axis(np.stack(parts, axis), axis)
    side_by_side = min(n // _BLOCK, max(_WIDTH // max(math.prod(after), 1), 1))
    whole = n - n % (_BLOCK * side_by_side)
    blocks = x[(*at, slice(0, whole))].reshape(*before, -1, _BLOCK, side_by_side, *after)
    total = _sum_axis(blocks.sum(axis=axis + 1).reshape(*before, -1, *after), axis)
    return total if whole == n else total + _sum_axis(x[(*at, slice(whole, n))], axis)


def sum_array(x: Array, dims: tuple[int, ...], keepdim: bool = False) -> Array:
    """Sum of an array over `dims`, exact to a few units in the last place whichever dimensions they are.

    Parameters
    ----------
    x : array
    dims : tuple of int
        Sorted and counted from 0.
    keepdim : bool

    Returns
    -------
    array
    """
    short = not x.size or all(x.shape[d] <= 2 * _BLOCK for d in dims)
    if short or not isinstance(x, np.ndarray) or (len(dims) == x.ndim and x.flags.forc):
        return array_module(x).asarray(x.sum(axis=dims, keepdims=keepdim))
    order = sorted(range(x.ndim), key=lambda d: -abs(x.strides[d]))  # outermost in memory first
    y = x.transpose(order)
    kept = list(order)
    last = x.ndim  # the innermost run of reduced dimensions that is contiguous: NumPy adds it by halves
    while (
        last and order[last - 1] in dims and (last == x.ndim or y.strides[last - 1] == y.strides[last] * y.shape[last])
    ):
        last -= 1
    if last < x.ndim:
        y, kept = y.sum(axis=tuple(range(last, x.ndim))), kept[:last]
    for axis in reversed(range(len(kept))):
        if kept[axis] in dims:
            y = _sum_axis(y, axis)
            del kept[axis]
    y = y.transpose([kept.index(d) for d in sorted(kept)])
    return np.ascontiguousarray(y).reshape(kept_shape(x.shape, dims) if keepdim else y.shape)


def max_array(x: Array, dims: tuple[int, ...]) -> Array:
    """Largest elements over `dims`, which are kept with size 1; the largest of none is -inf."""
    if x.size:
        return x.max(axis=dims, keepdims=True)
    return array_module(x).full(kept_shape(x.shape, dims), -math.inf, x.dtype)
