r"""Resizing of images."""

from typing import Any

import numpy as np

from ..arguments import Pair, pair
from ..backend import to_device
from ..ops.linalg import matmul
from ..ops.shape import getitem
from ..tensor import Tensor

__all__ = ["interpolate"]


def interpolate(
    input: Tensor,
    size: Pair | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    r"""Resize images.

    Bilinear interpolation is linear and separable: :math:`Y = A_H X A_W^\top` with two fixed matrices, which is how it
    is computed here, and why it needs no gradient of its own.

    Parameters
    ----------
    input : Tensor (N, C, H, W)
    size : int or (int, int), optional
        Output size.  Give this or `scale_factor`.
    scale_factor : float or (float, float), optional
    mode : {"nearest", "bilinear"}
    align_corners : bool
        For bilinear: whether the corner pixels' centres (True) or the images' edges (False) coincide.

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
    if input.ndim != 4 or 0 in input.shape[2:]:
        raise ValueError(f"interpolate: expected input (N, C, H, W), got shape {input.shape}")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    if size is not None:
        target = pair("interpolate", "size", size, 1)
        steps = [n / m for n, m in zip(input.shape[2:], target)]
    else:
        factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor or 0.0,) * 2
        target = (int(input.shape[2] * factors[0]), int(input.shape[3] * factors[1]))
        steps = [1 / f if f else 0.0 for f in factors]
        if min(target) < 1:
            raise ValueError(f"interpolate: nothing is left of shape {input.shape} with scale_factor {scale_factor}")
    if mode == "nearest":
        # the small number keeps a source position such as 2.9999999 from falling short of the pixel it means
        rows, columns = (
            np.minimum((np.arange(m) * step + 1e-9).astype(np.int64), n - 1)
            for m, n, step in zip(target, input.shape[2:], steps)
        )
        return getitem(getitem(input, (..., rows, slice(None))), (..., columns))
    if mode != "bilinear":
        raise ValueError(f"interpolate: unknown mode {mode!r}; expected nearest or bilinear")
    down, across = (
        Tensor(to_device(_bilinear_matrix(n, m, step, align_corners).astype(input.dtype), input.device))
        for n, m, step in zip(input.shape[2:], target, steps)
    )
    return matmul(matmul(down, input), across.T)


def _bilinear_matrix(n: int, m: int, step: float, align_corners: bool) -> np.ndarray[Any, Any]:
    """The (m, n) matrix that resamples n pixels to m."""
    if align_corners:
        source = np.linspace(0, n - 1, m) if m > 1 else np.zeros(1)
    else:
        source = np.maximum((np.arange(m) + 0.5) * step - 0.5, 0)
    low = np.minimum(source.astype(np.int64), n - 1)
    high = np.minimum(low + 1, n - 1)
    matrix = np.zeros((m, n))
    np.add.at(matrix, (np.arange(m), low), 1 - (source - low))
    np.add.at(matrix, (np.arange(m), high), source - low)
    return matrix
