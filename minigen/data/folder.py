"""The user's own images: a folder of files of any size and any mode."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .._util.optional import require
from .dataset import Dataset, from_levels

__all__ = ["GREY_MODES", "eight_bits", "folder", "header", "image_files", "opened", "read_levels"]

# Formats that people keep pictures in.  Pillow knows more, but a PDF beside the pictures is not meant as one of them.
SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga"}
    | {".tif", ".tiff", ".webp"}
)
GREY_MODES = frozenset({"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_EXIF_ORIENTATION = 0x0112
_SPLITS = frozenset({"train", "test", "val", "valid", "validation", "dev"})  # names of folders that may be splits


def folder(path: str | Path, split: str = "train", size: int | None = None, channels: int | None = None) -> Dataset:
    """Read all images in a folder and its sub-folders.

    Sub-folders that hold images are the classes, in alphabetical order; without them there are no labels.  A sub-folder
    ``train`` is a split, and ``test`` beside it too, unless other sub-folders hold images: then ``train`` is a class.
    Without splits all images are train.  Links are followed.  Files that are not images by their suffix, and hidden
    ones, are ignored.

    Each image is turned upright (EXIF), converted to 8 bits a channel (16-bit grays are scaled, floats must be in
    [0, 1]), put on white where it is transparent, resized until its shorter side fits, and cropped around its center.
    Of an animation, the first frame is taken.

    Parameters
    ----------
    path : path
        The folder.  All its images are held in memory: 49 kB for each of 64x64 in color.
    split : {"train", "test"}
    size : int, optional
        Side of the square images that come out.  Not needed if all have the same size already.
    channels : {1, 3}, optional
        Gray or color.  If not given: 1 if every image is gray, else 3.

    Returns
    -------
    Dataset
        Images (N, channels, size, size), in the order of their relative paths.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, no image in it, or no such split.
    OSError
        If an image cannot be read; the message names it.
    ValueError
        If sizes differ and `size` is not given, some images are in classes and some are not, or it is not clear whether
        ``train`` and ``test`` are splits or classes.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for name in ("cat", "dog"):
    ...         (Path(place) / name).mkdir()
    ...         Image.new("RGB", (60, 40), "white").save(Path(place) / name / "1.png")
    ...     pets = folder(place, size=32)
    >>> pets.images.shape, pets.classes, pets.labels
    ((2, 3, 32, 32), ('cat', 'dog'), array([0, 1]))
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"folder: channels must be 1 or 3, got {channels}")
    files, labels, classes = _find(_split_folder(Path(path).expanduser(), split))
    seen = [header(file) for file in files]
    if channels is None:
        channels = 1 if all(grey for grey, _ in seen) else 3
    if size is None:
        for file, (_, pixels) in zip(files, seen):
            if pixels != seen[0][1]:
                raise ValueError(
                    "folder: size must be given, since the images differ: {} is {}x{} pixels, {} is {}x{}".format(
                        files[0], *seen[0][1], file, *pixels
                    )
                )
    width, height = seen[0][1] if size is None else (size, size)
    levels = np.empty((len(files), height, width, channels), np.uint8)
    for index, file in enumerate(files):
        levels[index] = read_levels(file, width, height, channels)
    return Dataset(f"folder:{path}", from_levels(levels.transpose(0, 3, 1, 2)), labels, classes)


def _split_folder(path: Path, split: str) -> Path:
    """Find the folder of one split.

    ``train`` is a split, unless it is one of several classes: unless other folders beside it hold images too.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"folder: {path} is {'not a folder' if path.exists() else 'not there'}")
    names = {each.name for each in path.iterdir() if each.is_dir() and not each.name.startswith(".")}
    others = sorted(name for name in names - _SPLITS if any(True for _ in image_files(path / name)))
    if "train" in names and not others:
        path = path / split
        if not path.is_dir():
            raise FileNotFoundError(f"folder: {path} is not there, though the folder is split into train and test")
        return path
    if {"train", "test"} <= names:
        raise ValueError(
            f"folder: {path} has images in train, in test and in {', '.join(others)}: if train and test are splits, "
            "move the others away; if they are classes, rename them"
        )
    if split == "test":
        raise FileNotFoundError(f"folder: {path} has no split test; sort its images into sub-folders train and test")
    return path


def image_files(path: Path) -> Iterator[Path]:
    """Find image files in a folder and below; follow links, but never into a parent."""
    for place, folders, files in os.walk(path, followlinks=True):
        inside = Path(place).resolve()
        above = {*inside.parents, inside}
        folders[:] = [name for name in folders if not name.startswith(".") and (inside / name).resolve() not in above]
        for name in files:
            file = Path(place, name)
            if file.suffix.lower() in SUFFIXES and not name.startswith(".") and file.is_file():
                yield file


def _find(path: Path) -> tuple[list[Path], np.ndarray | None, tuple[str, ...]]:
    """Find image files in a fixed order, their labels and the classes."""
    found = [(file.relative_to(path).parts, file) for file in image_files(path)]
    if not found:
        raise FileNotFoundError(f"folder: no image in {path}; expected files ending in {' '.join(sorted(SUFFIXES))}")
    found.sort()
    tops = [parts[0] if len(parts) > 1 else None for parts, _ in found]
    classes = sorted({top for top in tops if top is not None})
    files = [file for _, file in found]
    if not classes:
        return files, None, ()
    if None in tops:
        raise ValueError(
            f"folder: {files[tops.index(None)]} is beside the classes {', '.join(classes)}; move it into one of them"
        )
    return files, np.array([classes.index(top) for top in tops if top is not None], np.int64), tuple(classes)


def header(path: Path) -> tuple[bool, tuple[int, int]]:
    """Tell whether an image is gray, and its upright (width, height)."""
    with opened(path) as image:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
        return image.mode in GREY_MODES, image.size[::-1] if turned else image.size


def read_levels(path: Path, width: int, height: int, channels: int, half: int | None = None) -> np.ndarray:
    """Decode one image to bytes (height, width, channels); or its left (0) or right (1) half."""
    ImageOps = require("PIL.ImageOps")
    with opened(path) as file:
        image = eight_bits(ImageOps.exif_transpose(file), "L" if channels == 1 else "RGB")
        if half is not None:
            middle = image.width // 2
            image = image.crop((half * middle, 0, (half + 1) * middle, image.height))
        return np.asarray(ImageOps.fit(image, (width, height))).reshape(height, width, channels)


@contextmanager
def opened(path: Path, op: str = "folder") -> Iterator[Any]:
    """Open an image with Pillow; any error becomes one that names the file."""
    Image = require("PIL.Image")
    try:
        with Image.open(path) as image:
            yield image
    except Image.UnidentifiedImageError:
        raise OSError(f"{op}: cannot read {path}: not an image, or a damaged one") from None
    except Exception as error:  # damaged files make the decoders raise almost anything
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise OSError(f"{op}: cannot read {path}: {reason}") from error


def eight_bits(image: Any, mode: str) -> Any:
    """Convert a Pillow image of any mode to L or RGB, on white."""
    Image = require("PIL.Image")
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow would clip these at 255 instead of scaling them.
        values, top = np.asarray(image), 1 if image.mode == "F" else 65535
        if not ((values >= 0) & (values <= top)).all():
            raise ValueError(
                f"mode {image.mode} has values from {values.min()} to {values.max()}, expected 0 to {top}; scale "
                "them to that range and save the file again, or move it away"
            )
        image = Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
