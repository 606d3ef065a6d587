"""Classical methods of image repair, from scikit-image: what a trained network is compared with.

Each method is given what it needs to know of the damage: the strength of the noise, the width of the blur.  (If the
strength is a range, the middle of the range.)  Its free parameter is **tuned on the truth**: of all values on a grid,
the one with the highest PSNR is taken, for each photograph separately.  With a real photograph that is impossible, so
these numbers are the best that the methods can reach on the grid, and more than they reach in practice.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from .._util.optional import require
from ..functional import interpolate
from ..models.repair import Blur, Damage, Damaged, Hole, Noise, Shrink
from ..tensor import tensor
from .similarity import psnr

__all__ = ["classical_repairs"]

_LEVELS = 255.0
_PAD = 24  # pixels of reflection around a blurred image: the deconvolutions wrap round at the border


def classical_repairs(damage: Damage, damaged: Damaged) -> dict[str, np.ndarray]:
    """Repair images by the classical methods for a damage.

    Parameters
    ----------
    damage : Damage
    damaged : Damaged
        What `Damage.draw` returned; its truth decides the free parameters.

    Returns
    -------
    dict of str to ndarray
        By the name of the method; each of the shape of ``damaged.truth``, in [-1, 1].

    Raises
    ------
    ModuleNotFoundError
        If scikit-image is not installed.

    Examples
    --------
    >>> from minigen.models.repair import make_damage
    >>> halves = make_damage("shrink").draw(np.zeros((1, 1, 8, 8), np.float32), np.random.default_rng(0))
    >>> list(classical_repairs(make_damage("shrink"), halves))
    ['bicubic', 'bilinear']
    """
    methods = {Noise: _denoised, Blur: _sharpened, Hole: _filled, Shrink: _enlarged}[type(damage)]
    found = {}
    for name, candidates in methods(damage, damaged):
        tried = [np.asarray(each, np.float32).clip(-1, 1) for each in candidates]
        found[name] = max(tried, key=lambda each: psnr(each, damaged.truth, damaged.mask))
    return found


Methods = Iterator[tuple[str, Iterable[np.ndarray]]]
"""The name of each method, and its results for all values of its free parameter."""


def _denoised(damage: Damage, damaged: Damaged) -> Methods:
    restoration, filters, ndimage = require("skimage.restoration"), require("skimage.filters"), require("scipy.ndimage")
    sigma = (damage.low + damage.high) / 2 / _LEVELS

    def each(method: Callable[..., np.ndarray], **options: object) -> np.ndarray:
        return _by_image(damaged.images, lambda image: method(image, **options))

    def non_local_means(**options: object) -> np.ndarray:
        """Of a color image, patches are alike if they are so in all channels together."""
        if damaged.images.shape[1] == 1:
            return each(restoration.denoise_nl_means, **options)
        images = (damaged.images.transpose(0, 2, 3, 1).astype(np.float64) + 1) / 2
        found = np.stack([restoration.denoise_nl_means(image, **options, channel_axis=-1) for image in images])
        return 2 * found.transpose(0, 3, 1, 2) - 1

    yield (
        "non-local means",
        [
            non_local_means(h=h * sigma, sigma=sigma, patch_size=size, patch_distance=9)
            for h in (0.4, 0.6, 0.8, 1.0)
            for size in (5, 7)
        ],
    )
    yield (
        "total variation",
        [each(restoration.denoise_tv_chambolle, weight=w * sigma) for w in (0.6, 0.8, 1.0, 1.3, 1.7)],
    )
    yield "Gauss", [each(filters.gaussian, sigma=s) for s in (0.4, 0.6, 0.8, 1.0, 1.2, 1.6)]
    yield "median", [each(ndimage.median_filter, size=size) for size in (3, 5)]
    yield (
        "bilateral",
        [
            each(restoration.denoise_bilateral, sigma_color=c * sigma, sigma_spatial=s)
            for c in (2, 3, 5)
            for s in (1, 2)
        ],
    )


def _sharpened(damage: Damage, damaged: Damaged) -> Methods:
    restoration = require("skimage.restoration")
    sigma = (damage.low + damage.high) / 2
    offsets = np.arange(-_PAD // 2, _PAD // 2 + 1)
    weights = np.exp(-0.5 * (offsets / max(sigma, 1e-3)) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2

    def each(method: Callable[..., np.ndarray], *arguments: object, **options: object) -> np.ndarray:
        def sharpen(image: np.ndarray) -> np.ndarray:
            wide = np.pad(image, _PAD, mode="reflect")
            result = method(wide, kernel, *arguments, **options)
            result = result[0] if isinstance(result, tuple) else result
            return result[_PAD:-_PAD, _PAD:-_PAD]

        return _by_image(damaged.images, sharpen)

    yield "Richardson-Lucy", [each(restoration.richardson_lucy, num_iter=n) for n in (3, 5, 8, 12, 20, 30)]
    yield "Wiener", [each(restoration.wiener, balance) for balance in (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)]
    yield "unsupervised Wiener", [each(restoration.unsupervised_wiener, rng=0)]


def _filled(damage: Damage, damaged: Damaged) -> Methods:
    inpaint = require("skimage.restoration").inpaint_biharmonic
    assert damaged.mask is not None
    filled = [
        np.stack([inpaint(channel.astype(np.float64), hole[0] > 0) for channel in image])
        for image, hole in zip(damaged.images, damaged.mask)
    ]
    yield "biharmonic", [np.stack(filled)]
    yield "black", [damaged.images * (1 - damaged.mask) - damaged.mask]


def _enlarged(damage: Damage, damaged: Damaged) -> Methods:
    for mode in ("bicubic", "bilinear"):
        yield mode, [interpolate(tensor(damaged.images), scale_factor=2, mode=mode, antialias=True).numpy()]


def _by_image(images: np.ndarray, method: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a method for gray images in [0, 1] to each channel of each image in [-1, 1]."""
    unit = (images.astype(np.float64) + 1) / 2
    return 2 * np.stack([np.stack([method(channel) for channel in image]) for image in unit]) - 1
