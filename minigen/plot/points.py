"""Points of the plane as an image, without matplotlib: for the samples of each epoch and for animations."""

from typing import Any

import numpy as np

__all__ = ["draw_points"]

_DATA, _SAMPLES = (0.62, 0.62, 0.62), (0.0, 0.27, 0.55)  # gray, and the dark blue of the figures
_OPACITY = 0.5


def draw_points(points: Any, data: Any = None, extent: float = 1.0, size: int = 600) -> np.ndarray:
    """Draw points in blue, over points of the data in gray.

    Parameters
    ----------
    points : array (N, D)
        The first two coordinates are drawn; those outside the picture are left out.
    data : array (M, D), optional
    extent : float
        The picture shows [-extent, extent] in both directions; the second coordinate points up.
    size : int
        Side of the picture in pixels.

    Returns
    -------
    ndarray (3, size, size), float32, in [-1, 1]

    Raises
    ------
    ValueError
        If the points are not (N, D), or `extent` is not positive.

    Examples
    --------
    >>> picture = draw_points(np.array([[0.0, 0.0]]), extent=1, size=9)
    >>> picture.shape, int((picture.min(0) < 0.9).sum())  # a dot of 3 x 3 pixels
    ((3, 9, 9), 9)
    """
    if not extent > 0:
        raise ValueError(f"draw_points: expected an extent above 0, got {extent}")
    picture = np.ones((size, size, 3))
    for some, colour in ((data, _DATA), (points, _SAMPLES)):
        if some is None:
            continue
        some = np.asarray(some, np.float64)
        if some.ndim != 2:
            raise ValueError(f"draw_points: expected points (N, D), got shape {some.shape}")
        x, y = some[:, 0], some[:, 1] if some.shape[1] > 1 else np.zeros(len(some))
        count = _count(x, y, extent, size)
        covered = count > 0  # few pixels: most of the time would go into the others
        cover = (1 - (1 - _OPACITY) ** count[covered])[:, None]
        picture[covered] = (1 - cover) * picture[covered] + cover * np.asarray(colour)
    return (2 * picture - 1).transpose(2, 0, 1).astype(np.float32)


def _count(x: np.ndarray, y: np.ndarray, extent: float, size: int) -> np.ndarray:
    """How many dots of 3 x 3 pixels cover each pixel."""
    edges = np.linspace(-extent, extent, size + 1)
    inside = np.isfinite(x) & np.isfinite(y)
    grid = np.histogram2d(-y[inside], x[inside], [edges, edges])[0]
    padded = np.pad(grid, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    covered: np.ndarray = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return covered
