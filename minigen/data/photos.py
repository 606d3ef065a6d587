"""Photographs that ship inside scikit-image and scikit-learn, cut into patches: here without any download.

Twelve photographs are for training and four for testing, so no test patch shows anything that a training patch shows.
(`motorcycle_right` of scikit-image is left out: it is the left one, seen from a few centimetres beside.)  Photographs
with a side above 700 pixels are halved, by the mean of 2 x 2 pixels.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from .._util.optional import check_installed, require
from .dataset import Dataset, from_levels
from .download import sha256
from .folder import opened

__all__ = ["LUMA", "PHOTOGRAPHS", "photographs", "photos", "photos_colour"]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the gray of a color (ITU-R BT.601)."""

PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "train": (
        "chelsea.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg", "ihc.png", "retina.jpg",
        "brick.png", "grass.png", "gravel.png", "coins.png", "moon.png", "china.jpg",
    ),
    "test": ("astronaut.png", "camera.png", "coffee.png", "flower.jpg"),
}  # fmt: skip
"""The files of each split; `china.jpg` and `flower.jpg` are in scikit-learn, the others in scikit-image."""

_SHA256 = {
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    "hubble_deep_field.jpg": "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    "ihc.png": "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    "retina.jpg": "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    "brick.png": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "grass.png": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "gravel.png": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    "coins.png": "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    "moon.png": "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
    "china.jpg": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "camera.png": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "flower.jpg": "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
}
_SIZE = 48
_LARGE = 700  # a photograph with a longer side is halved


def photographs(split: str = "test", channels: int = 1) -> dict[str, np.ndarray]:
    """Load whole photographs.

    Parameters
    ----------
    split : {"train", "test"}
    channels : {1, 3}
        Gray (the luma of a color) or color; a gray photograph in color has three equal channels.

    Returns
    -------
    dict of str to ndarray (channels, H, W), float32
        In [-1, 1], of different sizes.

    Raises
    ------
    ModuleNotFoundError
        If scikit-image or scikit-learn is not installed.
    OSError
        If a file is missing or not the known one.

    Examples
    --------
    >>> {name: image.shape for name, image in photographs("test").items()}
    {'astronaut': (1, 512, 512), 'camera': (1, 512, 512), 'coffee': (1, 400, 600), 'flower': (1, 427, 640)}
    """
    if split not in PHOTOGRAPHS or channels not in (1, 3):
        raise ValueError(f"photographs: expected split train or test and channels 1 or 3, got {split!r}, {channels}")
    return {Path(name).stem: _photograph(name, channels) for name in PHOTOGRAPHS[split]}


@lru_cache(maxsize=32)
def _photograph(name: str, channels: int) -> np.ndarray:
    """One photograph (channels, H, W), read-only."""
    package, folder = ("sklearn", "datasets/images") if name in ("china.jpg", "flower.jpg") else ("skimage", "data")
    path = Path(check_installed(package), folder, name)
    if not path.is_file():
        raise FileNotFoundError(f"photos: {path} is not there; expected {package} of a version that brings it")
    found = sha256(path)
    if found != _SHA256[name]:
        raise OSError(f"photos: {path} has SHA-256 {found}, expected {_SHA256[name]}; reinstall {package}")
    with opened(path, "photos") as file:
        image = from_levels(np.asarray(file.convert("RGB"))).transpose(2, 0, 1)
    if max(image.shape[1:]) > _LARGE:
        height, width = (side // 2 for side in image.shape[1:])
        image = image[:, : 2 * height, : 2 * width].reshape(3, height, 2, width, 2).mean(axis=(2, 4))
    if channels == 1:
        image = np.tensordot(LUMA, image, 1)[None]
    image = np.ascontiguousarray(image.clip(-1, 1))
    image.setflags(write=False)
    return image


def photos(split: str = "train", size: int | None = None, count: int | None = None, seed: int = 0) -> Dataset:
    """Cut gray patches out of photographs, at random places, turned and mirrored at random.

    Parameters
    ----------
    split : {"train", "test"}
        Patches of 12 photographs, or of 4 others.
    size : int, optional
        Side of the patches: 48 if not given, at most 300.
    count : int, optional
        Number of patches, as many of each photograph: 4,096 for train and 1,024 for test if not given.
    seed : int
        Which patches.

    Returns
    -------
    Dataset
        Images (count, 1, size, size).

    Raises
    ------
    ModuleNotFoundError
        If scikit-image or scikit-learn is not installed.
    OSError
        If a file is missing or not the known one.
    ValueError
        If a photograph is smaller than `size`.

    Examples
    --------
    >>> photos("test", count=8)
    Dataset('photos', 8 of shape (1, 48, 48))
    """
    return _patches("photos", split, size, count, seed, 1)


def photos_colour(split: str = "train", size: int | None = None, count: int | None = None, seed: int = 0) -> Dataset:
    """Cut patches out of photographs in color; see `photos`.

    Parameters
    ----------
    split : {"train", "test"}
    size, count : int, optional
    seed : int

    Returns
    -------
    Dataset
        Images (count, 3, size, size).

    Raises
    ------
    ModuleNotFoundError, OSError, ValueError
        As `photos`.

    Examples
    --------
    >>> photos_colour("test", count=8)
    Dataset('photos_colour', 8 of shape (3, 48, 48))
    """
    return _patches("photos_colour", split, size, count, seed, 3)


def _patches(name: str, split: str, size: int | None, count: int | None, seed: int, channels: int) -> Dataset:
    size = _SIZE if size is None else size
    count = {"train": 4096, "test": 1024}[split] if count is None else count
    require("PIL.Image")
    images = list(photographs(split, channels).values())
    least = min(min(image.shape[1:]) for image in images)
    if size > least:
        raise ValueError(
            f"{name}: size must be at most {least}, the shorter side of the smallest photograph, got {size}"
        )
    rng = np.random.default_rng([seed, split == "test"])
    patches = np.empty((count, channels, size, size), np.float32)
    for i, patch in enumerate(patches):
        image = images[i % len(images)]
        top, left = (rng.integers(side - size + 1) for side in image.shape[1:])
        turns, mirrored = int(rng.integers(4)), rng.integers(2)
        cut = np.rot90(image[:, top : top + size, left : left + size], turns, (1, 2))
        patch[...] = cut[:, :, ::-1] if mirrored else cut
    return Dataset(name, patches)
