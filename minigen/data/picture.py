"""One picture or mask of the user's, read from a file as an array."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._util.optional import require
from .dataset import from_levels
from .folder import GREY_MODES, eight_bits, opened

__all__ = ["Picture", "read_mask", "read_picture"]

_ALPHA_MODES = frozenset({"LA", "PA", "La", "RGBA", "RGBa"})


@dataclass(frozen=True)
class Picture:
    """A picture of any size.

    Parameters
    ----------
    image : ndarray (C, H, W), float32
        In [-1, 1]; C is 1 for gray, 3 for color.
    alpha : ndarray (H, W) of uint8, or None
        How opaque each pixel is, for a picture with transparency.
    bits : int
        Bits of a channel in the file: 8, 16, or 32 for floats; they are rounded to 8.
    """

    image: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8


def read_picture(path: str | Path) -> Picture:
    """Read a picture as it is: upright (EXIF), gray or in color, 16 bits or floats scaled like 8.

    Parameters
    ----------
    path : path

    Returns
    -------
    Picture

    Raises
    ------
    OSError
        If the file is missing, no image, or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as place:
    ...     Image.new("RGBA", (6, 4), "white").save(Path(place, "white.png"))
    ...     picture = read_picture(Path(place, "white.png"))
    >>> picture.image.shape, float(picture.image.min()), picture.alpha.shape
    ((3, 4, 6), 1.0, (4, 6))
    """
    with opened(Path(path), "picture") as file:
        image = require("PIL.ImageOps").exif_transpose(file)
        alpha, bits = None, {"I": 16, "F": 32}.get(image.mode[:1], 8)
        grey = image.mode in GREY_MODES
        if "transparency" in image.info or image.mode in _ALPHA_MODES:
            image = image.convert("RGBA")
            alpha = np.asarray(image.getchannel("A"))
            image = image.convert("RGB")  # the colors of transparent pixels stay as they are
        levels = np.asarray(eight_bits(image, "L" if grey else "RGB"))
    levels = levels[..., None] if levels.ndim == 2 else levels
    return Picture(np.ascontiguousarray(from_levels(levels).transpose(2, 0, 1)), alpha, bits)


def read_mask(path: str | Path, shape: tuple[int, int]) -> tuple[np.ndarray, bool]:
    """Read a mask: white (level 128 and more) is the hole, black is known.

    Parameters
    ----------
    path : path
    shape : (int, int)
        Height and width that the mask must have: those of the picture.

    Returns
    -------
    mask : ndarray (1, H, W), float32
        1 in the hole, 0 elsewhere.
    gray : bool
        Whether the file has levels between black and white, which the threshold decided.

    Raises
    ------
    OSError
        If the file is missing, no image, or damaged.
    ValueError
        If the mask has another size, or is black or white everywhere.
    """
    image = read_picture(path).image
    levels = np.rint((image.mean(axis=0) + 1) * 127.5)
    if levels.shape != tuple(shape):
        raise ValueError(
            f"mask: {path} has {levels.shape[1]}x{levels.shape[0]} pixels, the picture {shape[1]}x{shape[0]}: "
            "make the mask of the same size"
        )
    mask = (levels >= 128).astype(np.float32)[None]
    if not mask.any():
        raise ValueError(f"mask: {path} has no white pixel: nothing is to be repaired. White marks the hole")
    if mask.all():
        raise ValueError(f"mask: {path} is white everywhere: no pixel is known. White marks the hole, black is known")
    return mask, bool(((levels > 0) & (levels < 255)).any())
