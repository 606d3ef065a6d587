r"""Transforms that move pixels: one affine map for each image.

A map says where a pixel of the result comes from: $p \mapsto A p + b$, in pixels from the middle of the image.  Of
transforms that follow each other the maps are multiplied, and the image is interpolated once: twice would blur it
twice.  If y is x by the map $M_1$, and z is y by $M_2$, then z at p is x at $M_1 M_2 p$.
"""

from collections.abc import Sequence

import numpy as np

from ..arguments import check_number
from ..ops.warp import linear_places, warp
from ..tensor import Tensor
from .transform import Transform, chosen

__all__ = ["Geometry", "affine_places", "flip", "rotate", "scale", "translate"]


def affine_places(maps: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Compute the row and the column that each pixel comes from.

    Parameters
    ----------
    maps : ndarray (N, 3, 3)
        From (row, column, 1) of the result to that of the image, in pixels from the middle.
    size : (H, W)

    Returns
    -------
    rows, columns : ndarray (N, H, W)
        Places in pixels; the center of the first pixel is (0, 0).

    Examples
    --------
    >>> rows, columns = affine_places(np.eye(3)[None], (2, 2))
    >>> rows.tolist(), columns.tolist()
    ([[[0.0, 0.0], [1.0, 1.0]]], [[[0.0, 1.0], [0.0, 1.0]]])
    """
    middle = [(length - 1) / 2 for length in size]
    y, x = (np.arange(length) - m for length, m in zip(size, middle))
    a = maps[:, :2, :, None, None]
    rows, columns = (a[:, i, 0] * y[:, None] + a[:, i, 1] * x + a[:, i, 2] + middle[i] for i in range(2))
    return rows, columns


class Geometry(Transform):
    """An affine map for each image; pixels that come in from outside are black.

    A subclass defines `maps`; an instance with `parts` applies them one after the other, with one interpolation.

    Parameters
    ----------
    parts : sequence of Geometry
    """

    def __init__(self, parts: Sequence["Geometry"] = ()) -> None:
        self.parts: tuple[Geometry, ...] = tuple(parts)
        for part in self.parts:
            if not isinstance(part, Geometry):
                raise TypeError(f"Geometry: argument 'parts': expected transforms that move pixels, got {part!r}")

    def maps(self, n: int, size: tuple[int, int], p: float, generator: np.random.Generator) -> np.ndarray:
        """Draw the map of each image.

        Parameters
        ----------
        n : int
        size : (H, W)
        p : float
            Probability that an image is changed.
        generator : numpy.random.Generator

        Returns
        -------
        ndarray (n, 3, 3)
        """
        product = np.broadcast_to(np.eye(3), (n, 3, 3))
        for part in self.parts:
            product = product @ part.maps(n, size, p, generator)
        return product

    def change(self, images: Tensor, p: float, generator: np.random.Generator) -> Tensor:
        """Move the pixels of each image; see `Transform.__call__`."""
        size = images.shape[2], images.shape[3]
        index, weight = linear_places(*affine_places(self.maps(len(images.data), size, p, generator), size), size)
        return warp(images + 1, index=index, weight=weight) - 1  # black is -1, and warp brings in zeros


def _maps(n: int, **entries: np.ndarray) -> np.ndarray:
    """Maps that differ from the identity in some entries: ``a01`` is row 0, column 1."""
    maps = np.tile(np.eye(3), (n, 1, 1))
    for name, values in entries.items():
        maps[:, int(name[1]), int(name[2])] = values
    return maps


class translate(Geometry):  # noqa: N801 - the names of the text form
    """Shift each image by whole pixels, in both directions, up to a share of its side.

    Parameters
    ----------
    share : float
        From 0 to 1; 0.125 as in DiffAugment.

    Examples
    --------
    >>> import minigen as mg
    >>> image = mg.ones(1, 1, 1, 8)
    >>> translate(0.25)(image, generator=np.random.default_rng(3)).numpy().ravel().tolist()
    [-1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, share: float = 0.125) -> None:
        super().__init__()
        self.share: float = check_number("translate", "share", share, 0, most=1)

    def maps(self, n: int, size: tuple[int, int], p: float, generator: np.random.Generator) -> np.ndarray:
        """Draw shifts; see `Geometry.maps`."""
        changed = chosen(n, p, generator)
        most = [int(self.share * length + 0.5) for length in size]
        down, across = (generator.integers(-m, m + 1, n) * changed for m in most)
        return _maps(n, a02=down, a12=across)


class rotate(Geometry):  # noqa: N801
    """Turn each image by up to an angle, in both directions.

    Parameters
    ----------
    degrees : float
        From 0 to 180.
    """

    def __init__(self, degrees: float = 11.0) -> None:
        super().__init__()
        self.degrees: float = check_number("rotate", "degrees", degrees, 0, most=180)

    def maps(self, n: int, size: tuple[int, int], p: float, generator: np.random.Generator) -> np.ndarray:
        """Draw angles; see `Geometry.maps`."""
        changed = chosen(n, p, generator)
        angle = np.radians(generator.uniform(-self.degrees, self.degrees, n)) * changed
        return _maps(n, a00=np.cos(angle), a01=-np.sin(angle), a10=np.sin(angle), a11=np.cos(angle))


class scale(Geometry):  # noqa: N801
    """Stretch each image in both directions, by factors between 1 - share and 1 + share.

    Parameters
    ----------
    share : float
        At least 0, less than 1.
    """

    def __init__(self, share: float = 0.12) -> None:
        super().__init__()
        self.share: float = check_number("scale", "share", share, 0, below=1)

    def maps(self, n: int, size: tuple[int, int], p: float, generator: np.random.Generator) -> np.ndarray:
        """Draw factors; see `Geometry.maps`."""
        changed = chosen(n, p, generator)
        down, across = (np.where(changed, generator.uniform(1 - self.share, 1 + self.share, n), 1) for _ in range(2))
        return _maps(n, a00=down, a11=across)


class flip(Geometry):  # noqa: N801
    """Mirror half of the images left to right.

    Not for images whose label a mirror changes, such as digits and letters.
    """

    def maps(self, n: int, size: tuple[int, int], p: float, generator: np.random.Generator) -> np.ndarray:
        """Draw which images are mirrored; see `Geometry.maps`."""
        mirrored = chosen(n, p, generator) & (generator.random(n) < 0.5)
        return _maps(n, a11=np.where(mirrored, -1, 1))
