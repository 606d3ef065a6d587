"""Rows and columns of images with labels and a caption: what the commands that look into a model make.

Drawn by Pillow, pixel by pixel, so that an image is enlarged by a whole number and nothing is smoothed.
"""

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.optional import require
from .images import image_grid, save_image
from .style import GREY

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageTable"]

_TEXT, _LINE, _MARGIN = 13, 17, 8  # size of the letters, height of a line of them, white all around; in pixels
_WIDE, _NARROW = 600, 380  # images are enlarged until the table is this wide; a caption needs some width too


@dataclass(frozen=True)
class ImageTable:
    """Rows of images; a notebook displays it by itself.

    Parameters
    ----------
    images : ndarray (rows, columns, C, H, W) with C = 1 or 3
        In [-1, 1].
    caption : str
        Stands below, wrapped.
    rows, columns : sequence of str
        Labels, one for each row or column; none by default.
    title : str
        Above the images.

    Raises
    ------
    ValueError
        If the shape is none of the above, there is no image, or the labels are not as many as rows or columns.

    Examples
    --------
    >>> table = ImageTable(np.zeros((2, 5, 1, 28, 28)), "Two rows of grey.", rows=["first", "second"])
    >>> table.draw().mode
    'RGB'
    """

    images: np.ndarray
    caption: str = ""
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    title: str = ""

    def __post_init__(self) -> None:
        shape = self.images.shape
        if len(shape) != 5 or shape[2] not in (1, 3) or 0 in shape:
            raise ValueError(f"ImageTable: expected images (rows, columns, C, H, W), none empty, got shape {shape}")
        for what, labels, count in (("rows", self.rows, shape[0]), ("columns", self.columns, shape[1])):
            if labels and len(labels) != count:
                raise ValueError(f"ImageTable: expected {count} labels for the {what}, or none, got {len(labels)}")

    def draw(self, scale: int | None = None) -> "Image":
        """The picture.

        Parameters
        ----------
        scale : int, optional
            Every pixel of an image is drawn as scale x scale pixels; by default as large as a page is wide.

        Returns
        -------
        PIL Image
        """
        Pillow, ImageDraw, ImageFont = (require(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
        _, columns, channels, height, width = self.images.shape
        scale = max(1, min(32, math.ceil(_WIDE / (columns * width)))) if scale is None else scale
        grid = image_grid(self.images.reshape(-1, channels, height, width), ncols=columns, scale=scale)

        font = ImageFont.load_default(_TEXT)
        left = _MARGIN + max([0, *(int(font.getlength(label)) + _MARGIN for label in self.rows)])
        heading = _MARGIN + (_LINE + 6 if self.title else 0)
        top = heading + (_LINE if self.columns else 0)
        total = max(left + grid.shape[1] + _MARGIN, _NARROW if self.caption else 0)
        lines = _wrapped(self.caption, total - 2 * _MARGIN, font)
        below = top + grid.shape[0] + _MARGIN
        picture: Image = Pillow.new("RGB", (total, below + len(lines) * _LINE + (_MARGIN if lines else 0)), "white")
        picture.paste(Pillow.fromarray(grid), (left, top))

        draw = ImageDraw.Draw(picture)
        draw.text((_MARGIN, _MARGIN), self.title, "black", ImageFont.load_default(_TEXT + 3))
        step = [(size * scale + 2) for size in (height, width)]  # 2: the white lines of the grid
        for i, label in enumerate(self.rows):
            place = (left - _MARGIN, top + 1 + (i + 0.5) * step[0])
            draw.text(place, label, "black", font, anchor="rm")
        for i, label in enumerate(self.columns):
            place = (left + 1 + (i + 0.5) * step[1], top - 2)
            draw.text(place, label, "black", font, anchor="ms")
        for i, line in enumerate(lines):
            draw.text((_MARGIN, below + i * _LINE), line, GREY, font)
        return picture

    def save(self, path: str | os.PathLike[str]) -> None:
        """Draw to a file, whole or not at all; errors as `save_image`."""
        save_image(self.draw(), path)

    def _repr_png_(self) -> bytes:
        memory = io.BytesIO()
        self.draw().save(memory, format="png")
        return memory.getvalue()


def _wrapped(text: str, width: float, font: Any) -> list[str]:
    """`text` in lines of at most `width` pixels; a longer word has a line for itself."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
