r"""Resizing of images.

Resizing is linear, and every mode here works along each axis by itself: $y = A x B^\top$ for each channel, with one
matrix A for the rows and one, B, for the columns.  A row of A holds the weights of one output pixel, and they add up to
1.  The adjoint is $g \mapsto A^\top g B$.  *Nearest* has a single 1 in each row; *bilinear* two weights, read off the
triangle $1 - |t|$ at the distance t of the pixels; *bicubic* four, read off the cubic (Keys 1981, equation 4, with free
parameter a)

$$
k(t) = \begin{cases} (a + 2) |t|^3 - (a + 3) |t|^2 + 1 & |t| \le 1 \\
a |t|^3 - 5a |t|^2 + 8a |t| - 4a & 1 < |t| < 2 \\ 0 & \text{else.} \end{cases}
$$

**Antialiasing.**  Where an image shrinks by s, output pixels are s input pixels apart, and a kernel of the width of two
input pixels skips what is between them: fine stripes become coarse ones.  With ``antialias=True`` the kernel is as many
times wider, $k(t / s)$, and each row is divided by its sum.  Near the border the kernel is cut off.  Then bicubic has
a = -0.5 (as in Pillow), else a = -0.75 with the border repeated; both as in PyTorch.
"""

import functools

import numpy as np

from ..arguments import Pair, check_boolean, check_choice, check_integer, check_number, check_tensor, pair
from ..ops.border import repeat_blocks
from ..ops.resample import Taps, make_taps, resample
from ..tensor import Tensor

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle", "resize_matrix"]


def interpolate(
    input: Tensor,
    size: Pair | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    *,
    antialias: bool = False,
) -> Tensor:
    """Resize images; see `minigen.functional.resize`.

    All modes work along each axis by itself.

    Parameters
    ----------
    input : Tensor (N, C, H, W)
    size : int or (int, int), optional
        Output size.  Give this or `scale_factor`.
    scale_factor : float or (float, float), optional
    mode : {"nearest", "bilinear", "bicubic"}
    align_corners : bool, optional
        For bilinear and bicubic: whether the corner pixels' centers (True) or the images' edges (False, None) coincide.
    antialias : bool
        For bilinear and bicubic: average over all input pixels where the image shrinks, as Pillow does.

    Returns
    -------
    Tensor (N, C, P, Q)

    Raises
    ------
    ValueError
        If neither or both of `size` and `scale_factor` are given, the mode is unknown, or `antialias` is asked for with
        nearest or with `align_corners`.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.interpolate(mg.arange(2.0).reshape(1, 1, 1, 2), scale_factor=2)
    tensor([[[[0., 0., 1., 1.],
              [0., 0., 1., 1.]]]])
    """
    if check_tensor("interpolate", "input", input).ndim != 4 or 0 in input.shape[2:]:
        raise ValueError(f"interpolate: argument 'input': expected input (N, C, H, W), got shape {input.shape}")
    check_choice("interpolate", "mode", mode, ("nearest", "bilinear", "bicubic"))
    align_corners = align_corners is not None and check_boolean("interpolate", "align_corners", align_corners)
    if check_boolean("interpolate", "antialias", antialias) and (mode == "nearest" or align_corners):
        raise ValueError("interpolate: antialias=True needs the mode bilinear or bicubic, without align_corners")
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
    whole = [m // n if m % n == 0 and step == n / m else 0 for n, m, step in zip(input.shape[2:], target, steps)]
    if mode == "nearest" and all(whole):
        return repeat_blocks(input, factors=(whole[0], whole[1]))
    out = input
    # First the axis that makes the image smaller, or less larger: the other one has fewer numbers to work on then.  The
    # sums along rows are the slower ones, so they come first where it makes no difference.
    axes = sorted(zip((2, 3), input.shape[2:], target, steps), key=lambda axis: (axis[2] / axis[1], -axis[0]))
    for axis, n, m, step in axes:
        out = resample(out, dim=axis, taps=_taps(n, m, step, mode, align_corners, antialias))
    return out


@functools.lru_cache(maxsize=64)  # a network asks for the same few at every step
def _taps(n: int, m: int, step: float, mode: str, align_corners: bool, antialias: bool) -> Taps:
    """The sources of each of m pixels among n, and their weights."""
    if mode == "bicubic" or antialias:
        return _matrix_taps(resize_matrix(n, m, step, mode=mode, align_corners=align_corners, antialias=antialias))
    return _nearest_taps(n, m, step) if mode == "nearest" else _linear_taps(n, m, step, align_corners)


def _nearest_taps(n: int, m: int, step: float) -> Taps:
    """The source of each of m pixels among n."""
    # the small number keeps a source position such as 2.9999999 from falling short of the pixel it means
    sources = np.minimum((np.arange(m) * step + 1e-9).astype(np.int64), n - 1)
    return make_taps(np.arange(m), sources, np.ones(m), m)


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
    return make_taps(targets, np.concatenate([low, low[between] + 1]), np.concatenate([1 - part, part[between]]), m)


def _matrix_taps(matrix: np.ndarray) -> Taps:
    """The weights of a matrix that are not 0 up to rounding: an infinite pixel must not be multiplied by 0."""
    targets, sources = np.nonzero(np.abs(matrix) > 1e-12)
    return make_taps(targets, sources, matrix[targets, sources], len(matrix))


def resize_matrix(
    n: int,
    m: int,
    step: float | None = None,
    *,
    mode: str = "bicubic",
    align_corners: bool = False,
    antialias: bool = False,
) -> np.ndarray:
    """Compute the matrix that resizes a row of n pixels to m; see `minigen.functional.resize`.

    Parameters
    ----------
    n, m : int
    step : float, optional
        Distance of two output pixels, in input pixels: n / m by default.
    mode : {"bilinear", "bicubic"}
    align_corners, antialias : bool
        As for `interpolate`.

    Returns
    -------
    ndarray (m, n), float64
        Each row adds up to 1.

    Examples
    --------
    >>> resize_matrix(4, 2, mode="bilinear", antialias=True).round(3)
    array([[0.429, 0.429, 0.143, 0.   ],
           [0.   , 0.143, 0.429, 0.429]])
    """
    step = n / m if step is None else step
    centers = np.linspace(0, n - 1, m) if align_corners and m > 1 else (np.arange(m) + 0.5) * step - 0.5
    if align_corners and m == 1:
        centers = np.zeros(1)
    if antialias:
        distances = (np.arange(n) - centers[:, None]) / max(step, 1.0)
        weights = np.maximum(1 - np.abs(distances), 0) if mode == "bilinear" else _cubic(distances, -0.5)
        antialiased: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
        return antialiased
    matrix = np.zeros((m, n))
    first = np.floor(centers).astype(np.int64) - 1
    for k in range(4):  # pixels outside the image have the value of the border
        np.add.at(matrix, (np.arange(m), np.clip(first + k, 0, n - 1)), _cubic(first + k - centers, -0.75))
    return matrix


def _cubic(t: np.ndarray, a: float) -> np.ndarray:
    """The bicubic kernel with free parameter a."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = a * (((t - 5) * t + 8) * t - 4)
    kernel: np.ndarray = np.where(t <= 1, near, np.where(t < 2, far, 0.0))
    return kernel


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
