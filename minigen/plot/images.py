"""Grids of images, and pictures in files: by Pillow alone; only `show_images` needs matplotlib."""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.atomic_write import check_folder, replace_file
from .._util.optional import require
from .style import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = ["image_format", "image_grid", "save_image", "save_image_grid", "show_images"]


def image_grid(
    images: Any,
    ncols: int | None = None,
    padding: int = 2,
    value_range: tuple[float, float] = (-1.0, 1.0),
    scale: int = 1,
) -> np.ndarray:
    """Lay images out in rows, first image top left, with white lines between.

    Parameters
    ----------
    images : array (N, C, H, W) with C = 1 or 3, or (N, H, W)
        Floats, or bytes that are taken as they are.
    ncols : int, optional
        Images in a row; by default as many as make the grid about square.
    padding : int
        Width of the lines, in pixels.
    value_range : (low, high)
        Which float is black and which is white.  Values outside are clipped; NaN becomes black.
    scale : int
        Every pixel is drawn as scale x scale pixels.

    Returns
    -------
    ndarray of uint8, (height, width) or (height, width, 3)

    Raises
    ------
    ValueError
        If the shape is none of the above, there is no image, or an argument is out of range.

    Examples
    --------
    >>> image_grid(np.ones((3, 1, 2, 2)), ncols=3, padding=1).shape
    (4, 10)
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"image_grid: expected images (N, C, H, W) with C = 1 or 3, or (N, H, W), none empty, "
            f"got shape {images.shape}"
        )
    low, high = value_range
    if not low < high:
        raise ValueError(f"image_grid: expected value_range (low, high) with low < high, got {value_range}")
    for name, value, least in (("ncols", ncols, 1), ("padding", padding, 0), ("scale", scale, 1)):
        if value is not None and value < least:
            raise ValueError(f"image_grid: expected {name} of at least {least}, got {value}")

    if images.dtype != np.uint8:
        shares = np.nan_to_num((images.astype(np.float64) - low) / (high - low), nan=0.0)
        images = np.rint(255 * shares.clip(0, 1)).astype(np.uint8)
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    count, channels, height, width = images.shape
    ncols = min(ncols or math.ceil(math.sqrt(count)), count)
    nrows = math.ceil(count / ncols)
    step = (height + padding, width + padding)
    grid = np.full((nrows * step[0] + padding, ncols * step[1] + padding, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (place * size + padding for place, size in zip(divmod(i, ncols), step))
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return grid[:, :, 0] if channels == 1 else grid


def save_image_grid(path: str | os.PathLike[str], images: Any, ncols: int | None = None, **options: Any) -> None:
    """Write an `image_grid` to a file, whole or not at all.

    Parameters
    ----------
    path : str or path
        The suffix says in which format; .png loses nothing.
    images, ncols, **options
        As for `image_grid`.

    Raises
    ------
    ValueError, FileNotFoundError
        As `image_grid` and `save_image`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_image_grid(Path(folder, "samples.png"), np.zeros((4, 1, 8, 8)))
    """
    save_image(require("PIL.Image").fromarray(image_grid(images, ncols, **options)), path)


def image_format(path: str | os.PathLike[str]) -> str:
    """Find the format that the suffix of a file says, and whether the file can be written there.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    str
        Pillow's name of it.

    Raises
    ------
    ValueError
        If Pillow does not know the suffix.
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> image_format("black.jpg")
    'JPEG'
    """
    suffix = Path(path).suffix.lower()
    found: str | None = require("PIL.Image").registered_extensions().get(suffix)
    if found is None:
        raise ValueError(f"{os.fspath(path)}: expected a suffix like .png, got {suffix or 'none'}")
    check_folder(Path(path))
    return found


def save_image(picture: "Image", path: str | os.PathLike[str], **options: Any) -> None:
    """Write a Pillow image to a file, whole or not at all; the suffix says in which format.

    Parameters
    ----------
    picture : PIL Image
    path : str or path
    **options
        For Pillow's ``save``.

    Raises
    ------
    ValueError
        If Pillow does not know the suffix.
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_image(Image.new("L", (8, 8)), Path(folder, "black.png"))
    """
    file_format, memory = image_format(path), io.BytesIO()
    picture.save(memory, format=file_format, **options)
    replace_file(Path(path), memory.getvalue())


def show_images(
    images: Any,
    titles: Sequence[str] | None = None,
    ncols: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
    caption: str | None = None,
) -> "Figure":
    """Draw images side by side, each under its title.

    Parameters
    ----------
    images : array (N, C, H, W) with C = 1 or 3, or (N, H, W)
    titles : sequence of str, optional
        One per image.
    ncols : int, optional
        Images in a row; 8 or fewer by default.
    value_range : (low, high)
    caption : str, optional

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        As `image_grid`, or if there are not as many titles as images.

    Examples
    --------
    >>> picture = show_images(np.zeros((2, 1, 8, 8)), ["first", "second"])
    >>> [axes.get_title() for axes in picture.axes]
    ['first', 'second']
    """
    pictures = [image_grid(image[None], padding=0, value_range=value_range) for image in np.asarray(images)]
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"show_images: expected {len(pictures)} titles, one per image, got {len(titles)}")
    ncols = min(ncols or 8, len(pictures))
    nrows = math.ceil(len(pictures) / ncols)
    side = min(2.0, 8 / ncols)
    size = (max(ncols * side, 4), nrows * (side + 0.3 * (titles is not None)) + 0.5 * (caption is not None))
    picture, axes = figure(nrows, ncols, size, caption)
    for i, place in enumerate(np.ravel(axes)):
        if i < len(pictures):
            place.imshow(pictures[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if titles is not None:
                place.set_title(titles[i], fontsize=11)
        place.set_axis_off()
    for place in np.ravel(axes)[len(pictures) :]:
        place.remove()
    return picture
