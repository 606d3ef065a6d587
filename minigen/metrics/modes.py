r"""Which modes a generator has, where the modes of the data are known.

Three numbers, as in the program of Lin, Khetan, Fanti & Oh 2018 (*PacGAN*, arXiv 1712.04086), for $N = 2500$ samples:

- **Modes.**  A sample is of *high quality* if it is within 3 standard deviations of the nearest center (Euclidean).  A
  mode is *found* if there is at least one such sample.
- **HQ**, the share of samples of high quality.
- **KL**, the divergence of the high-quality samples' distribution over the modes from the uniform one:
  $\sum_k q_k \log(q_k / (1/K))$.

Each number alone rewards something wrong: one perfect mode has the best HQ, noise everywhere has all modes.  Perfect
data do not score 100 % and 0 either.  A Gaussian of the plane has $1 - e^{-9/2} = 98.9$ % of its mass within 3 standard
deviations, and random counts are never exactly uniform: the KL is about $(K - 1) / (2N)$.  These are the *floors*.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from ..data import Dataset
from ..data.points import SIGMAS, centres
from .judge import Judge

__all__ = ["Modes", "StackedModes", "count_modes", "known_modes", "stacked_modes"]


@dataclass(frozen=True)
class Modes:
    """What `count_modes` found.

    Parameters
    ----------
    modes : int
        Modes with at least one sample of high quality.
    of : int
        Modes of the data.
    high_quality : float
        Share of samples of high quality, 0 to 1.
    kl : float
        In nats; NaN if no sample is of high quality.
    samples : int
    counts : tuple of int
        Samples of high quality of each mode.
    """

    modes: int
    of: int
    high_quality: float
    kl: float
    samples: int
    counts: tuple[int, ...]

    @property
    def high_quality_floor(self) -> float:
        """The share that perfect samples of a Gaussian of the plane have: 1 - exp(-9/2)."""
        return 1 - math.exp(-4.5)

    @property
    def kl_floor(self) -> float:
        """The divergence that perfect samples have on average: about (K - 1) / (2 N), if N is much larger than K."""
        return _expected_kl(self.samples, self.of)

    def __str__(self) -> str:
        return f"{self.modes} of {self.of} modes, HQ {self.high_quality:.1%}, KL {self.kl:.3f}"


def count_modes(points: np.ndarray, centres: np.ndarray, sigma: float) -> Modes:
    """Count modes, and samples of high quality.

    Parameters
    ----------
    points : ndarray (N, D)
    centres : ndarray (K, D)
    sigma : float
        Standard deviation of each mode, in each direction.

    Returns
    -------
    Modes

    Raises
    ------
    ValueError
        If there are no points, the shapes do not fit, or `sigma` is not positive.

    Examples
    --------
    >>> two = np.array([[0.0, 0.0], [10.0, 0.0]])
    >>> found = count_modes(np.array([[0.0, 2.9], [0.0, 3.1], [9.0, 0.0], [10.0, 1.0]]), two, sigma=1.0)
    >>> found.modes, found.high_quality, found.counts
    (2, 0.75, (1, 2))
    """
    points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    if points.ndim != 2 or not len(points) or centres.ndim != 2 or points.shape[1] != centres.shape[1]:
        raise ValueError(
            f"count_modes: expected points (N, D) and centres (K, D), got {points.shape} and {centres.shape}"
        )
    if not sigma > 0:
        raise ValueError(f"count_modes: sigma must be above 0, got {sigma}")
    squared = np.square(points[:, None] - centres).sum(2)
    nearest = squared.argmin(1)
    good = squared.min(1) <= (3 * sigma) ** 2  # NaN is not
    counts = np.bincount(nearest[good], minlength=len(centres))
    return Modes(
        int((counts > 0).sum()),
        len(centres),
        float(good.mean()),
        _kl_from_uniform(counts),
        len(points),
        tuple(map(int, counts)),
    )


def known_modes(dataset: Dataset) -> tuple[np.ndarray, float]:
    """Find centres and standard deviation of the modes of a data set.

    Parameters
    ----------
    dataset : Dataset
        ring8 or grid25.

    Returns
    -------
    centres : ndarray (K, 2)
    sigma : float

    Raises
    ------
    ValueError
        If the modes of the data are not known.

    Examples
    --------
    >>> import minigen as mg
    >>> data = mg.data.load("grid25", "test")
    >>> print(count_modes(data.points, *known_modes(data)))  # perfect samples: not 100 % and not 0
    25 of 25 modes, HQ 98.8%, KL 0.006
    """
    if dataset.name not in SIGMAS:
        raise ValueError(
            f"modes: the modes of {dataset.name} are not known; they are those of {', '.join(SIGMAS)}, and, by a "
            "classifier, stacked_mnist"
        )
    return centres(dataset.name), SIGMAS[dataset.name]


@dataclass(frozen=True)
class StackedModes:
    """What `stacked_modes` found.

    Parameters
    ----------
    modes : int
        Of 1,000 triples of digits, those that at least one image was read as.
    kl : float
        Divergence of the readings from uniform, in nats.
    confident : float
        Share of images whose three digits were all read with a probability above 0.9.
    confident_modes : int
        Modes among those images only.
    images : int
    """

    modes: int
    kl: float
    confident: float
    confident_modes: int
    images: int

    @property
    def kl_floor(self) -> float:
        """The divergence of perfect images on average: about 999 / (2 N), if N is much larger than 1,000."""
        return _expected_kl(self.images, 1000)

    def __str__(self) -> str:
        return (
            f"{self.modes} of 1000 modes, KL {self.kl:.2f}, all three digits read with p > .9: {self.confident:.1%} "
            f"({self.confident_modes} modes)"
        )


def stacked_modes(images: np.ndarray, reader: Judge) -> StackedModes:
    """Read the three digits of stacked images, and count the triples.

    A reader always reads *something*: blurred averages of two digits "have" nearly 800 modes.  So the share of
    images that it reads with certainty belongs beside the count.

    Parameters
    ----------
    images : ndarray (N, 3, H, W)
        In [-1, 1].
    reader : Judge
        Of the ten digits, gray; ``minigen.metrics.load_judges().reader``.  If it reads less than 95 % of its test
        images right, a warning says so.

    Returns
    -------
    StackedModes

    Raises
    ------
    ValueError
        If the images have not three channels, or the reader not ten classes.

    Examples
    --------
    >>> import minigen as mg
    >>> from minigen.metrics import load_judges
    >>> real = mg.data.load("stacked_mnist", "test", count=1000).images[:50]
    >>> stacked_modes(real, load_judges().reader).confident > 0.7
    True
    """
    if images.ndim != 4 or images.shape[1] != 3 or not len(images):
        raise ValueError(f"stacked_modes: expected images (N, 3, H, W), got {images.shape}")
    if reader.accuracy is not None and reader.accuracy < 0.95:
        warnings.warn(f"stacked_modes: this reader is right on {reader.accuracy:.1%} only", stacklevel=2)
    likelihoods = reader.probabilities(images.reshape(-1, 1, *images.shape[2:]))
    if likelihoods.shape[1] != 10:
        raise ValueError(f"stacked_modes: expected a reader of 10 digits, got one of {likelihoods.shape[1]} classes")
    digits, sure = likelihoods.argmax(1).reshape(-1, 3), (likelihoods.max(1) > 0.9).reshape(-1, 3).all(1)
    triples = digits @ np.array([100, 10, 1])
    counts = np.bincount(triples.astype(np.intp), minlength=1000)
    return StackedModes(
        int((counts > 0).sum()),
        _kl_from_uniform(counts),
        float(sure.mean()),
        len(set(triples[sure].tolist())),
        len(images),
    )


def _kl_from_uniform(counts: np.ndarray) -> float:
    """KL(counts as a distribution || uniform), in nats; NaN if there are none."""
    if not counts.sum():
        return math.nan
    share = counts[counts > 0] / counts.sum()
    return float(np.sum(share * np.log(share * len(counts))))


def _expected_kl(n: int, k: int) -> float:
    """The mean of `_kl_from_uniform` for n draws from k equal classes: each count is binomial."""
    counts = np.arange(1, n + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(counts))])
    chances = factorials[n] - factorials[counts] - factorials[n - counts]
    chances += -counts * math.log(k) + (n - counts) * math.log1p(-1 / k)
    return float(k * np.sum(np.exp(chances) * counts / n * np.log(counts * k / n)))
