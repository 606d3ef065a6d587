r"""Repair one picture of any size, gray or in color, with a trained `Repair`.

**Tiles.**  A large picture is repaired in tiles, so the memory does not grow with it.  Each tile is cut out with a
margin of as many pixels as the network looks far (``network.reach``), and the margin is cut off from the result.  So
every pixel is computed from what it would be computed from in the whole picture, and the results are equal except for
rounding.  (A network with instance norm would need the whole picture: its means go over all pixels.)

**Color.**  A gray model repairs a color picture channel by channel.  To enlarge, it repairs the luma only, and a
bicubic filter enlarges the two color differences: the eye sees their detail badly.

$$Y = 0.299 R + 0.587 G + 0.114 B, \quad C_b = B - Y, \quad C_r = R - Y$$

Against noise, a gray model also repairs two color differences, $(R - B) / \sqrt 2$ and $(R - 2 G + B) / \sqrt 6$.
Their weights have length 1, so independent noise of the channels is as strong in them as the model expects.  But most
pictures have little in them, so nearly all of the noise goes.  The repaired picture has these color differences, and
the mean of the three repaired channels.  Channel by channel, what is left of the noise is colorful.
"""

from typing import Any

import numpy as np

from ...data.photos import LUMA
from ...functional import interpolate
from ...tensor import tensor
from .damage import LEVEL
from .repair import Repair

__all__ = ["noise_level", "repair_image"]

_DIFFERENCES = np.array([[1, 0, -1], [1, -2, 1]], np.float32) / np.sqrt(np.array([[2], [6]], np.float32))

TILE = 256
"""Side of a tile in pixels, without its margin."""


def repair_image(model: Repair, image: np.ndarray, mask: np.ndarray | None = None, tile: int = TILE) -> np.ndarray:
    """Repair a picture; see `minigen.models.repair.image`.

    Parameters
    ----------
    model : Repair
    image : ndarray (C, H, W)
        About in [-1, 1]; C is 1 for gray, 3 for color, whichever the model was trained with.
    mask : ndarray (1, H, W), optional
        1 in the hole, 0 where the pixels are known; needed if the damage is a hole.
    tile : int
        Side of a tile.

    Returns
    -------
    ndarray (C, H, W), or (C, 2 H, 2 W) if the model enlarges, float32, in [-1, 1]

    Raises
    ------
    ValueError
        If the picture has another number of channels, is too small or not finite, or the mask is missing, is not wanted
        or has another size.

    Examples
    --------
    >>> import minigen as mg
    >>> model = mg.models.build("repair", damage="shrink", width=4)
    >>> repair_image(model, np.zeros((3, 5, 7), np.float32)).shape
    (3, 10, 14)
    """
    image = np.asarray(image, np.float32)
    if image.ndim != 3 or image.shape[0] not in (1, 3) or min(image.shape[1:]) < model.network.stride:
        least = model.network.stride
        raise ValueError(
            f"repair_image: expected a picture (1 or 3, H, W) of at least {least}x{least}, got {image.shape}"
        )
    if not np.isfinite(image).all():
        raise ValueError("repair_image: the picture holds NaN or infinite values")
    channels = model.options.channels
    if image.shape[0] == channels:
        return _tiled(model, image[None], mask, tile)[0].clip(-1, 1)
    if channels == 3:  # gray, repaired by a color model
        return np.tensordot(LUMA, _tiled(model, image[None].repeat(3, 1), mask, tile)[0].clip(-1, 1), 1)[None]
    if model.factor == 1:
        repaired = _tiled(model, image[:, None], mask, tile)[:, 0].clip(-1, 1)
        if model.options.damage != "noise":
            return repaired
        differences = _tiled(model, np.tensordot(_DIFFERENCES, image, 1)[:, None], None, tile)[:, 0]
        colour: np.ndarray = repaired.mean(axis=0) + np.tensordot(_DIFFERENCES.T, differences, 1)
        return colour.clip(-1, 1)
    luma = np.tensordot(LUMA, image, 1)[None]
    y = _tiled(model, luma[None], mask, tile)[0, 0].clip(-1, 1)
    small = tensor((image[[0, 2]] - luma)[None])
    red, blue = interpolate(small, scale_factor=model.factor, mode="bicubic", antialias=True).numpy()[0] + y
    green = (y - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return np.stack([red, green, blue]).clip(-1, 1)


def noise_level(image: np.ndarray) -> float:
    """Estimate the standard deviation of noise in a picture, in levels of 0 to 255.

    A filter that is 0 on every plane leaves noise, 6 times as strong, and edges; the median ignores the edges.
    Fine texture counts as noise.

    Parameters
    ----------
    image : ndarray (C, H, W)
        In [-1, 1].

    Returns
    -------
    float
        0 for pictures less than 3 pixels high or wide.

    References
    ----------
    Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding 64, 1996; with the median in
    place of his mean.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1, 200, 200))
    >>> round(noise_level(20 * LEVEL * noise))
    20
    """
    if min(image.shape[1:]) < 3:
        return 0.0
    rows = image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]
    both = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return float(np.median(np.abs(both)) / 0.6745 / 6 / LEVEL)


def _tiled(model: Repair, planes: np.ndarray, mask: np.ndarray | None, tile: int) -> np.ndarray:
    """Repair planes (N, C, H, W), all with the same mask (1, H, W), tile by tile."""
    network, factor = model.network, model.factor
    n, c, height, width = planes.shape
    if mask is not None and mask.shape != (1, height, width):
        raise ValueError(f"repair_image: expected a mask (1, {height}, {width}), got {mask.shape}")
    margin = -(-network.reach // network.stride) * network.stride
    step = max(tile // network.stride, 1) * network.stride
    out = np.empty((n, c, factor * height, factor * width), np.float32)
    for top in range(0, height, step):
        for left in range(0, width, step):
            inner = [slice(top, min(top + step, height)), slice(left, min(left + step, width))]
            outer = [slice(max(s.start - margin, 0), s.stop + margin) for s in inner]
            place: Any = (..., *(slice(factor * s.start, factor * s.stop) for s in inner))
            if model.needs_mask and mask is not None and not mask[:, *inner].any():
                out[place] = planes[:, :, *inner].clip(-1, 1)
                continue
            holes = None if mask is None else mask[None, :, *outer].repeat(n, 0)
            part = model.outputs(planes[:, :, *outer], holes)
            cut: Any = [slice(factor * (s.start - o.start), factor * (s.stop - o.start)) for s, o in zip(inner, outer)]
            out[place] = part[(..., *cut)]
    return out
