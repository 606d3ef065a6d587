r"""What damages an image: noise, blur, a hole, fewer pixels.

Each damage has a *strength*: one number, or a range such as "5-50" from which each image draws one.

======= ======================================================= ====================================================
damage  what it does                                            strength
======= ======================================================= ====================================================
noise   adds independent Gaussian noise to every value          its standard deviation, in levels of 0 to 255
blur    averages with Gaussian weights, then adds noise of 2    standard deviation of the weights, in pixels
hole    replaces a square by gray                               side of the square, as a share of the shorter side
shrink  keeps every second row and column of the image,         the factor: 2
        after a bicubic filter that averages (antialiasing)
======= ======================================================= ====================================================

Noise is **not** clipped to [-1, 1]: clipped noise has a mean that is not 0 near black and white, and a network would
learn to undo the clipping of this one simulation.  Blur continues the image by reflection at its borders.

A mask is 1 in the hole (what is to be repaired) and 0 where the pixels are known.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...functional.resize import resize_matrix

__all__ = ["DAMAGES", "Blur", "Damage", "Damaged", "Hole", "Noise", "Shrink", "blur", "make_damage", "shrink"]

LEVEL = 2 / 255
"""One of 255 gray levels, for images in [-1, 1]."""


class Damaged(NamedTuple):
    """Damaged images and what is known of them.

    Parameters
    ----------
    images : ndarray (N, C, H, W), float32
    mask : ndarray (N, 1, H, W), float32, or None
        1 where pixels are missing; None if the damage has no mask.
    truth : ndarray (N, C, H', W'), float32
        The images before; cropped if their sides are no multiple of a factor.
    strengths : ndarray (N,)
        Of the damage, for each image.
    """

    images: np.ndarray
    mask: np.ndarray | None
    truth: np.ndarray
    strengths: np.ndarray


@dataclass(frozen=True)
class Damage:
    """Base of the damages.

    Parameters
    ----------
    low, high : float
        The range of the strength; equal for a fixed strength.
    """

    low: float
    high: float

    name = "damage"

    def given(self) -> str:
        """The strength as it is written: a number or a range."""
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"{self.name}: expected a strength from 0 on, low before high, got {self.given()}")

    def draw(self, images: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Damage images, each with a strength that is drawn for it.

        Parameters
        ----------
        images : ndarray (N, C, H, W), float32
            In [-1, 1].
        rng : numpy.random.Generator

        Returns
        -------
        Damaged
        """
        raise NotImplementedError

    def strengths(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the strength of each of `n` images, uniformly from the range."""
        if self.low == self.high:
            return np.full(n, self.low)
        return rng.uniform(self.low, self.high, n)


class Noise(Damage):
    """Independent Gaussian noise.

    Parameters
    ----------
    low, high : float
        Range of the standard deviation, in levels of 0 to 255.

    Examples
    --------
    >>> grey = np.zeros((1, 1, 100, 100), np.float32)
    >>> noisy = Noise(25, 25).draw(grey, np.random.default_rng(0))
    >>> round(float(noisy.images.std() / LEVEL))
    25
    """

    name = "noise"

    def draw(self, images: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Add noise; see `Damage.draw`."""
        strengths = self.strengths(len(images), rng)
        return Damaged(_noisy(images, strengths, rng), None, images, strengths)


class Blur(Damage):
    """Gaussian blur, and noise of 2 levels.

    Parameters
    ----------
    low, high : float
        Range of the standard deviation of the weights, in pixels; 0 leaves the image sharp.
    """

    name = "blur"
    NOISE = 2.0

    def draw(self, images: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Blur, then add noise; see `Damage.draw`."""
        strengths = self.strengths(len(images), rng)
        blurred = np.stack([blur(image, sigma) for image, sigma in zip(images, strengths)])
        return Damaged(_noisy(blurred, np.full(len(images), self.NOISE), rng), None, images, strengths)


class Hole(Damage):
    """A square hole; inside it the image is 0 (gray).

    Its place is random, but not at the border: of the rows that are not in the hole, 30 to 70 % are above it, and the
    same of the columns.  So known pixels surround it.

    Parameters
    ----------
    low, high : float
        Range of the square's side, as a share of the shorter side of the image.
    """

    name = "hole"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.low <= self.high < 1:
            raise ValueError(f"hole: expected a share between 0 and 1, got {self.given()}")

    def draw(self, images: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Cut out a square; see `Damage.draw`."""
        strengths = self.strengths(len(images), rng)
        height, width = images.shape[2:]
        mask = np.zeros((len(images), 1, height, width), np.float32)
        for one, share in zip(mask, strengths):
            side = max(round(share * min(height, width)), 1)
            top, left = (
                rng.integers(round(0.3 * rest), round(0.7 * rest) + 1) for rest in (height - side, width - side)
            )
            one[:, top : top + side, left : left + side] = 1
        return Damaged(images * (1 - mask), mask, images, strengths)


class Shrink(Damage):
    """Half the height and width, by a bicubic filter with antialiasing.

    Parameters
    ----------
    low, high : float
        The factor: 2.
    """

    name = "shrink"

    def __post_init__(self) -> None:
        if not self.low == self.high == 2:
            raise ValueError(f"shrink: expected the strength 2 (the factor), got {self.given()}")

    def draw(self, images: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Shrink; the truth is cropped to even sides; see `Damage.draw`."""
        if min(images.shape[2:]) < 2:
            raise ValueError(f"shrink: expected images of at least 2 pixels a side, got shape {images.shape}")
        height, width = (side - side % 2 for side in images.shape[2:])
        truth = images[:, :, :height, :width]
        return Damaged(shrink(truth), None, truth, self.strengths(len(images), rng))


DAMAGES: dict[str, tuple[type[Damage], str]] = {
    "noise": (Noise, "25"),
    "blur": (Blur, "1.6"),
    "hole": (Hole, "0.5"),
    "shrink": (Shrink, "2"),
}
"""Every damage by name, with the strength it has by default."""


def make_damage(name: str, strength: str | None = None) -> Damage:
    """Make a damage of its name and strength.

    Parameters
    ----------
    name : {"noise", "blur", "hole", "shrink"}
    strength : str, optional
        A number such as "25", or a range such as "5-50".

    Returns
    -------
    Damage

    Raises
    ------
    ValueError
        If there is no such damage, or the strength is not allowed.

    Examples
    --------
    >>> make_damage("noise", "5-50")
    Noise(low=5.0, high=50.0)
    """
    if name not in DAMAGES:
        raise ValueError(f"damage must be one of {', '.join(DAMAGES)}, got {name!r}")
    kind, default = DAMAGES[name]
    low, dash, high = (default if strength is None else strength).partition("-")
    try:
        ends = float(low), float(high if dash else low)
    except ValueError:
        raise ValueError(f"strength must be a number such as 25, or a range such as 5-50, got {strength!r}") from None
    return kind(*ends)


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    """Average with Gaussian weights; the image goes on by reflection at its borders.

    Parameters
    ----------
    images : ndarray (..., H, W)
    sigma : float
        Standard deviation of the weights in pixels; they end at 4 sigma.

    Returns
    -------
    ndarray, same shape and dtype
    """
    if not sigma:
        return images
    down, across = (_blur_matrix(side, sigma).astype(images.dtype) for side in images.shape[-2:])
    blurred: np.ndarray = down @ images @ across.T
    return blurred


def _blur_matrix(n: int, sigma: float) -> np.ndarray:
    """The matrix (n, n) that blurs a row of n pixels."""
    radius = max(round(4 * sigma), 1)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    places = np.arange(n)[:, None] + offsets
    period = max(2 * (n - 1), 1)
    places = np.abs((places + n - 1) % period - (n - 1)) if n > 1 else 0 * places
    matrix = np.zeros((n, n))
    np.add.at(matrix, (np.arange(n)[:, None], places), weights / weights.sum())
    return matrix


def shrink(images: np.ndarray, factor: int = 2) -> np.ndarray:
    """Shrink images by a bicubic filter with antialiasing, as Pillow does.

    Parameters
    ----------
    images : ndarray (..., H, W)
        Sides that are multiples of `factor`.
    factor : int

    Returns
    -------
    ndarray (..., H / factor, W / factor), same dtype
    """
    down, across = (
        resize_matrix(side, side // factor, mode="bicubic", antialias=True).astype(images.dtype)
        for side in images.shape[-2:]
    )
    small: np.ndarray = down @ images @ across.T
    return small


def _noisy(images: np.ndarray, sigmas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(images.shape, np.float32)
    noise *= (sigmas * LEVEL).astype(np.float32).reshape(-1, 1, 1, 1)
    noise += images
    return noise
