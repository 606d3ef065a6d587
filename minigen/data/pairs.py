"""The user's own pairs of images, and two collections of images without pairs: for models from image to image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .dataset import Dataset, from_levels
from .folder import header, image_files, read_levels

__all__ = ["pairs", "unpaired"]

_SHOWN = 3  # examples in a message

Source = tuple[Path, int | None]
"""A file, and which half of it: 0 left, 1 right, None all."""


def pairs(
    path: str | Path,
    split: str = "train",
    size: int | None = None,
    channels: int | None = None,
    out_channels: int | None = None,
) -> Dataset:
    """Read pairs of images: an input, and the output that belongs to it.

    There are two ways to store them: in the folders ``A`` (inputs) and ``B`` (outputs) under the same names (the
    suffixes may differ); or side by side in one file, the input left, the output right.  Either may be in a folder
    ``train``, and in ``test`` beside it; without these folders all pairs are train.

    Parameters
    ----------
    path : path
    split : {"train", "test"}
    size : int, optional
        Side of the square images that come out, as in `folder`.  Not needed if all have the same size already.
    channels, out_channels : {1, 3}, optional
        Of inputs and outputs.  If not given: 1 if every image is gray, else 3.

    Returns
    -------
    Dataset
        Images (N, channels, size, size) and partners (N, out_channels, size, size).

    Raises
    ------
    FileNotFoundError
        If there is no such folder or split, or one of the two sides is empty.
    OSError
        If an image cannot be read; the message names it.
    ValueError
        If names or sizes of the two sides differ (the message lists three), or sizes differ and `size` is not given.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as place:
    ...     Image.new("L", (16, 8), "white").save(Path(place, "both.png"))
    ...     pairs(place)  # doctest: +ELLIPSIS
    Dataset('pairs:...', 1 of shape (1, 8, 8), partners of shape (1, 8, 8))
    """
    place = _split_folder("pairs", path, split)
    sides = _sides("pairs", place, split)
    if sides is None:
        files = sorted(image_files(place))
        if not files:
            raise FileNotFoundError(f"pairs: no image in {place}; expected folders A and B, or files with two halves")
        odd = [file for file in files if header(file)[1][0] % 2]
        if odd:
            raise ValueError(
                f"pairs: images side by side must have an even width; {_some(odd, place)}; or use folders A and B"
            )
        inputs: list[Source] = [(file, 0) for file in files]
        outputs: list[Source] = [(file, 1) for file in files]
    else:
        inputs, outputs = _matched(*sides)
    images = _read("pairs", inputs, size, channels)
    partners = _read("pairs", outputs, size, out_channels)
    return Dataset(f"pairs:{path}", images, partners=partners)


def unpaired(
    path: str | Path,
    split: str = "train",
    size: int | None = None,
    channels: int | None = None,
    out_channels: int | None = None,
) -> Dataset:
    """Read two collections of images that do not belong together one by one: the folders ``A`` and ``B``.

    Parameters
    ----------
    path : path
        Holds ``A`` and ``B``, or ``trainA``, ``trainB``, ``testA``, ``testB``, or ``train/A`` and so on.
    split : {"train", "test"}
    size : int, optional
        Side of the square images that come out, as in `folder`.  Not needed if all have the same size already.
    channels, out_channels : {1, 3}, optional
        Of A and of B.  If not given: 1 if every image is gray, else 3.

    Returns
    -------
    Dataset
        Images (N, channels, size, size) and partners (M, out_channels, size, size), with ``paired`` False.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or split, or one of the two sides is empty.
    OSError
        If an image cannot be read; the message names it.
    ValueError
        If sizes differ and `size` is not given.
    """
    place = _split_folder("unpaired", path, split)
    sides = _sides("unpaired", place, split)
    if sides is None:
        raise FileNotFoundError(f"unpaired: {place} has no folders A and B")
    inputs, outputs = ([(file, None) for file in sorted(image_files(side))] for side in sides)
    images = _read("unpaired", inputs, size, channels)
    partners = _read("unpaired", outputs, size, out_channels)
    if images.shape[2:] != partners.shape[2:]:
        raise ValueError(
            "unpaired: size must be given, since the images of A are {1}x{0} pixels and those of B {3}x{2}".format(
                *images.shape[2:], *partners.shape[2:]
            )
        )
    return Dataset(f"unpaired:{path}", images, partners=partners, paired=False)


def _split_folder(op: str, path: str | Path, split: str) -> Path:
    """The folder of one split: `path` itself if it has no folders train and test."""
    path = Path(path).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"{op}: {path} is {'not a folder' if path.exists() else 'not there'}")
    if (path / "train").is_dir() or (path / "test").is_dir():
        path = path / split
        if not path.is_dir():
            raise FileNotFoundError(f"{op}: {path} is not there, though the folder is split into train and test")
    elif split == "test" and not (path / "testA").is_dir():
        raise FileNotFoundError(f"{op}: {path} has no split test; sort its images into folders train and test")
    return path


def _sides(op: str, place: Path, split: str) -> tuple[Path, Path] | None:
    """The folders of A and of B, neither empty; None if there are no such folders."""
    for names in (("A", "B"), (f"{split}A", f"{split}B")):
        found = [place / name for name in names]
        if any(side.is_dir() for side in found):
            for side in found:
                if not side.is_dir() or not any(True for _ in image_files(side)):
                    raise FileNotFoundError(f"{op}: {side} has no image; A and B must both have some")
            return found[0], found[1]
    return None


def _matched(a: Path, b: Path) -> tuple[list[Source], list[Source]]:
    """The files of two folders that have the same names, in one order."""
    inputs, outputs = ({file.relative_to(side).with_suffix(""): file for file in image_files(side)} for side in (a, b))
    alone = sorted(inputs.keys() ^ outputs.keys())
    if alone:
        files = [inputs.get(name) or outputs[name] for name in alone]
        raise ValueError(f"pairs: each image needs one of the same name in A and in B; alone: {_some(files, a.parent)}")
    names = sorted(inputs)
    different = [
        "{} {}x{} and {}x{}".format(name, *header(inputs[name])[1], *header(outputs[name])[1])
        for name in names
        if header(inputs[name])[1] != header(outputs[name])[1]
    ]
    if different:
        raise ValueError(f"pairs: the two images of a pair must have the same size; not so: {_some(different)}")
    return [(inputs[name], None) for name in names], [(outputs[name], None) for name in names]


def _some(found: list[Path] | list[str], inside: Path | None = None) -> str:
    """The first three of a list, and how many there are."""
    names = [str(each.relative_to(inside)) if isinstance(each, Path) and inside else str(each) for each in found]
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _read(op: str, sources: Sequence[Source], size: int | None, channels: int | None) -> np.ndarray:
    """All images as one array (N, C, H, W) in [-1, 1]."""
    if channels not in (None, 1, 3):
        raise ValueError(f"{op}: channels must be 1 or 3, got {channels}")
    seen = [header(file) for file, _ in sources]
    if channels is None:
        channels = 1 if all(grey for grey, _ in seen) else 3
    if size is None:
        for (file, _), (_, pixels) in zip(sources, seen):
            if pixels != seen[0][1]:
                raise ValueError(
                    "{}: size must be given, since the images differ: {} is {}x{} pixels, {} is {}x{}".format(
                        op, sources[0][0], *seen[0][1], file, *pixels
                    )
                )
    width, height = seen[0][1] if size is None else (size, size)
    if size is None and sources[0][1] is not None:
        width //= 2
    levels = np.empty((len(sources), height, width, channels), np.uint8)
    for index, (file, half) in enumerate(sources):
        levels[index] = read_levels(file, width, height, channels, half)
    return from_levels(levels.transpose(0, 3, 1, 2))
