"""What the commands on pictures share: where the result goes, and the flags of those without a run."""

import argparse
from pathlib import Path

import numpy as np

from ..data.picture import read_picture
from ..functional import interpolate
from ..plot import image_format, save_image_grid
from ..tensor import tensor
from .output import print_line
from .types import at_least

__all__ = ["add_flags", "output_path", "read_reduced", "reduced", "save"]


def add_flags(parser: argparse.ArgumentParser, size: int, out: str) -> None:
    """The flags ``--size``, ``--seed`` and ``--out``."""
    parser.add_argument(
        "--size", type=at_least(36), default=size, metavar="PIXELS",
        help=f"a picture whose longer side is larger is reduced to this (default: {size}); time grows with its square",
    )  # fmt: skip
    parser.add_argument("--seed", type=at_least(0), default=0, help="seed of everything random (default: 0)")
    parser.add_argument("--out", metavar="FILE", help=f"where to (default: {out} in this folder)")


def output_path(asked: str | None, source: Path, ending: str, count: int = 1) -> Path:
    """Where the picture that is made of `source` goes; checked before the work that would be lost.

    Parameters
    ----------
    asked : str or None
        A file, or a folder that exists.
    source : Path
    ending : str
        Of the file's name, if that is not given.
    count : int
        How many pictures there are: several need a folder.

    Raises
    ------
    ValueError
        If there are several pictures and no folder, the suffix is of no picture, or the file is the source itself.
    FileNotFoundError
        If the folder does not exist.
    """
    default = f"{source.stem}-{ending}.png"
    out = Path(asked or default)
    if out.is_dir():
        out /= default
    elif asked is not None and count > 1:
        raise ValueError(f"--out: {count} pictures need a folder that exists, got {asked}")
    image_format(out)
    if out.exists() and source.exists() and out.samefile(source):
        raise ValueError(f"--out: {out} is the picture itself, which would be lost: give another name")
    return out


def read_reduced(name: str, size: int) -> np.ndarray:
    """The picture (C, H, W), with its longer side at most `size`; what is done to it is said."""
    path = Path(name)
    picture = read_picture(path)
    if picture.alpha is not None:
        print_line(f"note: {path}: the transparency is ignored")
    image = reduced(picture.image, size)
    if image.shape != picture.image.shape:
        print_line(f"note: {path}: reduced to {image.shape[2]}x{image.shape[1]} pixels; --size changes that")
    return image


def reduced(image: np.ndarray, size: int) -> np.ndarray:
    """An image (C, H, W), shrunk until its longer side is at most `size`."""
    height, width = image.shape[1:]
    longest = max(height, width)
    if longest <= size:
        return image
    sides = (max(1, round(height * size / longest)), max(1, round(width * size / longest)))
    smaller = interpolate(tensor(image[None]), sides, mode="bicubic", antialias=True).numpy()[0]
    whole: np.ndarray = smaller.clip(-1, 1)
    return whole


def save(image: np.ndarray, out: Path) -> None:
    """Write an image (C, H, W) as it is."""
    save_image_grid(out, image[None], padding=0)
