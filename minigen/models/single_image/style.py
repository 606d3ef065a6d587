"""Style transfer without a trained network: the Gram matrices of random filters (see `minigen.losses.gram`).

A *style* is what the Gram matrices of an image say: which colors and short strokes come together, and how often.  The
features are ReLUs of random filters of three sizes, on three scales of the image.  The pixels themselves are what is
optimized, by L-BFGS of SciPy.

Two details decide how it looks.  Between the scales the image is blurred by [1 3 3 1] / 8 before every second pixel is
left out; without the blur the pixels that are left out are free, and the picture gets a grid.  And colors are
whitened: the colors of the style are made uncorrelated with variance 1, so that gray differences, the largest, do not
hide the others.
"""

from dataclasses import dataclass

import numpy as np

from ..._util.optional import require
from ...data.photos import LUMA
from ...engine import grad, no_grad
from ...functional import conv2d, pad, relu
from ...losses import gram_loss, gram_matrix
from ...ops.elementwise import square
from ...tensor import Tensor, tensor

__all__ = ["StyleResult", "style_transfer"]

_SIZES, _SCALES, _FILTERS = (3, 5, 9), 3, 24
_FLOOR = 3e-4  # variance of a color direction, of values in [-1, 1], below which it is noise and not whitened further
_SMALLEST = 9 * 2 ** (_SCALES - 1)  # pixels a side: the largest filter fits on the smallest scale


@dataclass(frozen=True)
class StyleResult:
    """What `style_transfer` found.

    Parameters
    ----------
    image : ndarray (C, H, W), float32
        In [-1, 1].
    style_loss, content_loss : float
        At the end: 0 is the style of the style image, and the content of the content image.
    evaluations : int
        How often loss and gradient were computed.
    """

    image: np.ndarray
    style_loss: float
    content_loss: float
    evaluations: int


def style_transfer(
    content: np.ndarray, style: np.ndarray, strength: float = 1.0, *, evaluations: int = 200, seed: int = 0
) -> StyleResult:
    """Paint one image in the style of another; see `minigen.models.single_image.style`.

    What is minimized is the mean of `minigen.losses.gram_loss` over nine layers, times 100 `strength`, plus the squared
    difference to the light and dark of the content (in variances of it, on half the scale).

    Parameters
    ----------
    content, style : ndarray (C, H, W)
        In [-1, 1], of any two sizes; C is 1 or 3.
    strength : float
        Weight of the style.
    evaluations : int
        About how often loss and gradient are computed.
    seed : int
        Of the filters.

    Returns
    -------
    StyleResult
        Its image has the size of the content, and three channels if one of the two has.

    Raises
    ------
    ValueError
        If an image has another shape, values outside [-1, 1], or is smaller than 36 pixels, one of the two has one
        color only, or a number is out of range.
    ModuleNotFoundError
        If SciPy is not installed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> content, style = rng.uniform(-1, 1, (1, 36, 40)), rng.uniform(-1, 1, (3, 36, 36))
    >>> style_transfer(content, style, evaluations=2).image.shape
    (3, 36, 40)
    """
    channels = 3 if 3 in (np.shape(content)[0], np.shape(style)[0]) else 1
    content, style = (_checked(name, each, channels) for name, each in (("content", content), ("style", style)))
    if strength < 0 or evaluations < 1:
        raise ValueError(
            f"style_transfer: expected strength >= 0 and evaluations >= 1, got {strength} and {evaluations}"
        )
    optimize = require("scipy.optimize")
    features = _Features(style, np.random.default_rng(seed))
    with no_grad():
        targets = [gram_matrix(layer) for layer in features(tensor(style[None]))]
        light = _light(style)
        wanted = _light(content)
        # The content's light and dark, with the mean and contrast of the style.
        wanted = (wanted - wanted.mean()) / wanted.std() * light.std() + light.mean()
        half = _halved(tensor(wanted[None]))
    scale = float(half.numpy().var())
    start = (wanted + (style.mean((1, 2), keepdims=True) - light.mean())).clip(-1, 1)
    weights = LUMA if channels == 3 else np.ones(1, np.float32)
    count, last = 0, (0.0, 0.0)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal count, last
        x = tensor(flat.reshape(1, *start.shape).astype(np.float32), requires_grad=True)
        of_style = sum((gram_loss(f, a) for f, a in zip(features(x), targets)), tensor(0.0)) / len(targets)
        shade = (x * tensor(weights[:, None, None])).sum(1, keepdim=True)
        of_content = square(_halved(shade) - half).mean() / scale
        loss = 100 * strength * of_style + of_content
        (gradient,) = grad(loss, [x])
        count, last = count + 1, (of_style.item(), of_content.item())
        return loss.item(), gradient.numpy().astype(np.float64).ravel()

    found = optimize.minimize(
        objective, start.ravel().astype(np.float64), jac=True, method="L-BFGS-B", bounds=[(-1, 1)] * start.size,
        options={"maxfun": evaluations, "maxiter": evaluations, "maxcor": 20, "ftol": 0, "gtol": 0},
    )  # fmt: skip
    calls = count
    objective(found.x)
    return StyleResult(found.x.reshape(start.shape).astype(np.float32), *last, calls)


class _Features:
    """ReLUs of random filters of an image whose colors are whitened as those of the style."""

    def __init__(self, style: np.ndarray, rng: np.random.Generator):
        channels = len(style)
        pixels = style.reshape(channels, -1).astype(np.float64)
        mean = pixels.mean(1, keepdims=True)
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(pixels)))
        whiten = vectors / np.sqrt(np.maximum(values, _FLOOR)) @ vectors.T
        self.whiten = tensor(whiten[:, :, None, None].astype(np.float32))
        self.shift = tensor((-whiten @ mean)[:, 0].astype(np.float32))
        self.filters = []
        for _ in range(_SCALES):
            for size in _SIZES:
                filters = rng.standard_normal((_FILTERS, channels, size, size)) / np.sqrt(channels * size * size)
                self.filters.append(tensor(filters.astype(np.float32)))

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Compute the layers (1, filters, h, w) of an image (1, C, H, W)."""
        x, layers = conv2d(image, self.whiten, self.shift), []
        for number, filters in enumerate(self.filters):
            if number and number % len(_SIZES) == 0:
                x = _halved(x)
            layers.append(relu(conv2d(x, filters)))
        return layers


def _halved(x: Tensor) -> Tensor:
    """Half the size: blurred by [1 3 3 1] / 8 along both axes, then every second pixel."""
    n, channels, height, width = x.shape
    line = np.array([1, 3, 3, 1], np.float32) / 8
    blur = tensor(np.outer(line, line)[None, None])
    one = pad(x.reshape(n * channels, 1, height, width), (1, 1, 1, 1), mode="reflect")
    half = conv2d(one, blur, stride=2)
    out: Tensor = half.reshape(n, channels, *half.shape[2:])
    return out


def _light(image: np.ndarray) -> np.ndarray:
    """The luma (1, H, W) of an image (C, H, W)."""
    light: np.ndarray = np.tensordot(LUMA, image, 1)[None] if len(image) == 3 else image
    return light


def _checked(name: str, image: np.ndarray, channels: int) -> np.ndarray:
    image = np.asarray(image, np.float32)
    if image.ndim != 3 or len(image) not in (1, 3) or min(image.shape[1:]) < _SMALLEST:
        raise ValueError(
            f"style_transfer: {name}: expected (1 or 3, H, W) of at least {_SMALLEST} pixels a side, got {image.shape}"
        )
    if not (image.min() >= -1 and image.max() <= 1):
        raise ValueError(f"style_transfer: {name}: expected values in [-1, 1], got {image.min():g} to {image.max():g}")
    if float(_light(image).var()) < _FLOOR / 3 and float(image.var(axis=(1, 2)).max()) < _FLOOR / 3:
        raise ValueError(f"style_transfer: {name}: the image has one color only: there is nothing in it to transfer")
    return np.repeat(image, channels // len(image), axis=0)
