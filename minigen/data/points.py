"""Gaussian mixtures in the plane: the smallest sets on which a collapsing generator shows."""

import numpy as np

from .dataset import Dataset

__all__ = ["SIGMAS", "centres", "grid25", "ring8"]

SIGMAS = {"ring8": 0.01, "grid25": 0.05}
"""The standard deviation of the modes of each mixture, in each direction."""


def centres(name: str) -> np.ndarray:
    """Return the centres of the modes of a mixture, in the order of its labels.

    Parameters
    ----------
    name : {"ring8", "grid25"}
        The ring has radius 1 and begins at (1, 0), counter-clockwise; the grid is {-4, -2, 0, 2, 4}^2.

    Returns
    -------
    ndarray (modes, 2), float64

    Raises
    ------
    ValueError
        If `name` is neither.

    Examples
    --------
    >>> centres("ring8")[2].round(6)
    array([0., 1.])
    >>> centres("grid25").shape
    (25, 2)
    """
    if name == "ring8":
        angles = 2 * np.pi * np.arange(8) / 8
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if name == "grid25":
        ticks = 2.0 * np.arange(-2, 3)
        return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(25, 2)
    raise ValueError(f"centres: no mixture is named {name!r}; expected ring8 or grid25")


def ring8(split: str = "train", count: int | None = None, seed: int = 0) -> Dataset:
    """Draw from eight Gaussians of sigma 0.01 on a circle of radius 1.

    Parameters
    ----------
    split : {"train", "test"}
        Independent draws.
    count : int, optional
        Number of points: 10,000 for train and 2,000 for test if not given.
    seed : int
        The same seed and split give the same points.

    Returns
    -------
    Dataset
        ``points`` (count, 2); ``labels`` are the modes, in the order of `centres`.

    References
    ----------
    Metz, Poole, Pfau, Sohl-Dickstein, "Unrolled generative adversarial networks", ICLR 2017.

    Examples
    --------
    >>> ring8("test")
    Dataset('ring8', 2000 of shape (2,), 8 classes)
    """
    return _mixture("ring8", split, count, seed)


def grid25(split: str = "train", count: int | None = None, seed: int = 0) -> Dataset:
    """Draw from twenty-five Gaussians of sigma 0.05 on a 5x5 grid of spacing 2.

    Arguments and result as `ring8`.

    References
    ----------
    Dumoulin et al., "Adversarially learned inference", ICLR 2017; sigma as in Lin, Khetan, Fanti, Oh, "PacGAN",
    NeurIPS 2018.

    Examples
    --------
    >>> grid25(count=50)
    Dataset('grid25', 50 of shape (2,), 25 classes)
    """
    return _mixture("grid25", split, count, seed)


def _mixture(name: str, split: str, count: int | None, seed: int) -> Dataset:
    modes = centres(name)
    count = {"train": 10_000, "test": 2_000}[split] if count is None else count
    rng = split_rng(seed, split)
    labels = rng.integers(len(modes), size=count)
    points = modes[labels] + SIGMAS[name] * rng.standard_normal((count, 2))
    return Dataset(
        name,
        points=points.astype(np.float32),
        labels=labels,
        classes=[str(mode) for mode in range(len(modes))],
    )


def split_rng(seed: int, split: str) -> np.random.Generator:
    """Make the random stream of one split, independent of that of the other."""
    return np.random.default_rng([seed, {"train": 0, "test": 1}[split]])
