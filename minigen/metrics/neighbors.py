"""Nearest neighbors among rows, by blocks: exact distances, bounded memory."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..models.sizes import parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["blocks", "distances", "kth_distances", "nearest"]

_ROWS = 500  # rows whose distances to all others are held at once
_CLOSE = 1e-6  # squared distances below this part of the squared norms are computed again from the difference


def distances(a: "NDArray[Any]", b: "NDArray[Any]") -> "NDArray[Any]":
    r"""Compute the Euclidean distances (N, M) of all rows of `a` to all rows of `b`, in their dtype.

    $\|a\|^2 + \|b\|^2 - 2 a^T b$ is fast but has no accurate digit where two rows are almost equal: these few are
    computed again from the difference.  So the distance of equal rows is exactly 0.

    Examples
    --------
    >>> distances(np.array([[0.1, 3.0]]), np.array([[0.1, 3.0], [3.1, -1.0]])).tolist()
    [[0.0, 5.0]]
    """
    norms_a, norms_b = (a**2).sum(1), (b**2).sum(1)
    scale = norms_a[:, None] + norms_b
    squares = scale - 2 * (a @ b.T)
    close = _CLOSE if a.dtype == np.float64 else 1e-3
    rows, columns = np.nonzero(squares <= close * scale)
    for part in parts(len(rows), 100_000):
        squares[rows[part], columns[part]] = ((a[rows[part]] - b[columns[part]]) ** 2).sum(1)
    return np.sqrt(squares)


def blocks(a: "NDArray[Any]", b: "NDArray[Any]") -> "Iterator[tuple[slice, NDArray[Any]]]":
    """Yield slices of rows of `a` with their distances to all rows of `b`.

    Examples
    --------
    >>> [(part, block.shape) for part, block in blocks(np.zeros((3, 2)), np.ones((4, 2)))]
    [(slice(0, 3, None), (3, 4))]
    """
    for part in parts(len(a), _ROWS):
        yield part, distances(a[part], b)


def kth_distances(points: "NDArray[Any]", k: int) -> "NDArray[np.float64]":
    """Compute the distance of each row to its k-th nearest other row.

    Parameters
    ----------
    points : ndarray (N, D)
        N above k.
    k : int
        At least 1.

    Returns
    -------
    ndarray (N,), float64

    Examples
    --------
    >>> kth_distances(np.array([[0.0], [1.0], [5.0]]), 1).tolist()
    [1.0, 1.0, 4.0]
    """
    found = np.empty(len(points))
    for part, block in blocks(points, points):
        found[part] = np.partition(block, k, axis=1)[:, k]  # a row is its own nearest row
    return found


def nearest(points: "NDArray[Any]", others: "NDArray[Any]", k: int = 1) -> "tuple[NDArray[Any], NDArray[np.int64]]":
    """Find for each row the k nearest of the other rows, nearest first.

    Parameters
    ----------
    points : ndarray (N, D)
    others : ndarray (M, D)
        M of at least k.
    k : int

    Returns
    -------
    distances : ndarray (N, k)
    indices : ndarray of int (N, k)

    Examples
    --------
    >>> nearest(np.array([[0.0]]), np.array([[3.0], [1.0], [2.0]]), 2)
    (array([[1., 2.]]), array([[1, 2]]))
    """
    found, where = np.empty((len(points), k)), np.empty((len(points), k), np.int64)
    for part, block in blocks(points, others):
        chosen = np.argpartition(block, k - 1, axis=1)[:, :k] if k < len(others) else np.argsort(block, 1)
        near = np.take_along_axis(block, chosen, 1)
        order = np.argsort(near, axis=1, kind="stable")
        found[part], where[part] = np.take_along_axis(near, order, 1), np.take_along_axis(chosen, order, 1)
    return found, where
