"""Stacked MNIST: three digits, one in each color channel, which makes 1,000 modes that can be counted."""

from pathlib import Path

import numpy as np

from .dataset import Dataset
from .official import mnist
from .packaged import mnist5k
from .points import split_rng

__all__ = ["stacked_mnist"]


def stacked_mnist(
    split: str = "train",
    size: int | None = None,
    root: str | Path | None = None,
    count: int | None = None,
    seed: int = 0,
    base: str = "mnist5k",
) -> Dataset:
    """Make color images whose red, green and blue are three digits.

    Every one of the 1,000 modes comes equally often (up to one image, where `count` is not a multiple of 1,000): a
    mode that a generator misses is missed by the generator, not by the data.

    Parameters
    ----------
    split : {"train", "test"}
        Both the digits' split and the random stream.
    size : int, optional
        Image side: 28 if not given, black margins up to 32, resized otherwise.
    root : path, optional
        Folder that holds the downloads, for base="mnist".
    count : int, optional
        Number of images: 10,000 for train and 2,000 for test if not given.  100 MB of memory for each 10,000 of 28x28.
    seed : int
        The same seed and split give the same images.
    base : {"mnist5k", "mnist"}
        Where the digits come from.

    Returns
    -------
    Dataset
        Images (count, 3, size, size); label = 100 red + 10 green + blue; ``factors`` are the three digits.

    Raises
    ------
    ValueError
        If `base` is neither of those.

    References
    ----------
    Metz, Poole, Pfau, Sohl-Dickstein, "Unrolled generative adversarial networks", ICLR 2017.

    Examples
    --------
    >>> stacked = stacked_mnist("test", count=1000)
    >>> stacked
    Dataset('stacked_mnist', 1000 of shape (3, 28, 28), 1000 classes)
    >>> bool((stacked.labels == stacked.factors @ [100, 10, 1]).all())
    True
    """
    if base == "mnist5k":
        source = mnist5k(split, size)
    elif base == "mnist":
        source = mnist(split, size, root)
    else:
        raise ValueError(f"stacked_mnist: base must be mnist5k or mnist, got {base!r}")
    assert source.labels is not None
    count = {"train": 10_000, "test": 2_000}[split] if count is None else count
    rng = split_rng(seed, split)
    labels = rng.permutation(np.arange(count, dtype=np.int64) % 1000)
    factors = np.stack([labels // 100, labels // 10 % 10, labels % 10], axis=1)
    picks = np.empty_like(factors)
    for digit in range(10):
        here = factors == digit
        picks[here] = rng.choice(np.flatnonzero(source.labels == digit), size=here.sum())
    images = source.images[picks, 0]
    classes = tuple(f"{label:03d}" for label in range(1000))
    return Dataset("stacked_mnist", images, labels, classes, factors=factors, factor_names=("red", "green", "blue"))
