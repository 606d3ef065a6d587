r"""Resizing of images."""

import numpy as np

from ..arguments import Pair, check_boolean, check_choice, check_integer, check_number, check_tensor, pair
from ..ops.resample import Taps, make_taps, resample
from ..tensor import Tensor

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle"]


def interpolate(
    input: Tensor,
    size: Pair | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Resize images.

    Both modes work along each axis by itself: rows first, then columns.

    Parameters
    ----------
    input : Tensor (N, C, H, W)
    size : int or (int, int), optional
        Output size.  Give this or `scale_factor`.
    scale_factor : float or (float, float), optional
    mode : {"nearest", "bilinear"}
    align_corners : bool, optional
        For bilinear: whether the corner pixels' centres (True) or the images' edges (False, None) coincide.

    Returns
    -------
    Tensor (N, C, P, Q)

    Raises
    ------
    ValueError
        If neither or both of `size` and `scale_factor` are given, or the mode is unknown.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.interpolate(mg.arange(2.0).reshape(1, 1, 1, 2), scale_factor=2)
    tensor([[[[0., 0., 1., 1.],
              [0., 0., 1., 1.]]]])
    """
    if check_tensor("interpolate", "input", input).ndim != 4 or 0 in input.shape[2:]:
        raise ValueError(f"interpolate: argument 'input': expected input (N, C, H, W), got shape {input.shape}")
    check_choice("interpolate", "mode", mode, ("nearest", "bilinear"))
    align_corners = align_corners is not None and check_boolean("interpolate", "align_corners", align_corners)
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    if size is not None:
        target = pair("interpolate", "size", size, 1)
        steps = [n / m for n, m in zip(input.shape[2:], target)]
    else:
        factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor,) * 2
        if len(factors) != 2:
            raise ValueError(f"interpolate: argument 'scale_factor': expected one or two numbers, got {scale_factor}")
        down, across = (check_number("interpolate", "scale_factor", f) for f in factors)
        target = (int(input.shape[2] * down), int(input.shape[3] * across))
        steps = [1 / f if f else 0.0 for f in (down, across)]
        if min(target) < 1:
            raise ValueError(f"interpolate: nothing is left of shape {input.shape} with scale_factor {scale_factor}")
    out = input
    for axis, n, m, step in zip((2, 3), input.shape[2:], target, steps):
        taps = _nearest_taps(n, m, step) if mode == "nearest" else _linear_taps(n, m, step, align_corners)
        out = resample(out, dim=axis, size=m, taps=taps)
    return out


def _nearest_taps(n: int, m: int, step: float) -> Taps:
    """The source of each of m pixels among n."""
    # the small number keeps a source position such as 2.9999999 from falling short of the pixel it means
    sources = np.minimum((np.arange(m) * step + 1e-9).astype(np.int64), n - 1)
    return make_taps(np.arange(m), sources, np.ones(m))


def _linear_taps(n: int, m: int, step: float, align_corners: bool) -> Taps:
    """The two sources of each of m pixels among n, or the one on which it lies."""
    if align_corners:
        position = np.linspace(0, n - 1, m) if m > 1 else np.zeros(1)
    else:
        position = np.clip((np.arange(m) + 0.5) * step - 0.5, 0, n - 1)
    low = position.astype(np.int64)
    part = position - low
    between = part > 0
    targets = np.concatenate([np.arange(m), np.arange(m)[between]])
    return make_taps(targets, np.concatenate([low, low[between] + 1]), np.concatenate([1 - part, part[between]]))


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Turn channels into pixels: (..., C r r, H, W) to (..., C, H r, W r) (Shi et al. 2016).

    Parameters
    ----------
    input : Tensor (..., C r r, H, W)
    upscale_factor : int
        r.

    Raises
    ------
    ValueError
        If the channels are not divisible by r r.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.pixel_shuffle(mg.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = check_integer("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if check_tensor("pixel_shuffle", "input", input).ndim < 3 or input.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle: argument 'input': expected (..., C, H, W), C divisible by {r * r}, got shape {input.shape}"
        )
    *lead, channels, h, w = input.shape
    k = len(lead)
    parts = input.reshape(*lead, channels // (r * r), r, r, h, w)
    return parts.permute(*range(k + 1), k + 3, k + 1, k + 4, k + 2).reshape(*lead, channels // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Turn pixels into channels: (..., C, H r, W r) to (..., C r r, H, W), the inverse of `pixel_shuffle`.

    Parameters
    ----------
    input : Tensor (..., C, H r, W r)
    downscale_factor : int
        r.

    Raises
    ------
    ValueError
        If height and width are not divisible by r.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.pixel_unshuffle(mg.arange(4.0).reshape(1, 2, 2), 2).shape
    (4, 1, 1)
    """
    r = check_integer("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if check_tensor("pixel_unshuffle", "input", input).ndim < 3 or input.shape[-2] % r or input.shape[-1] % r:
        raise ValueError(
            f"pixel_unshuffle: argument 'input': expected (..., C, H, W), H and W divisible by {r}, "
            f"got shape {input.shape}"
        )
    *lead, channels, h, w = input.shape
    k = len(lead)
    parts = input.reshape(*lead, channels, h // r, r, w // r, r)
    return parts.permute(*range(k + 1), k + 2, k + 4, k + 1, k + 3).reshape(*lead, channels * r * r, h // r, w // r)
