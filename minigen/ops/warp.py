r"""Moving the pixels of an image: each pixel of the result is a weighted sum of a few pixels of the input.

With fixed places i and weights w, the same for all channels,

$$y_p = \sum_k w_{kp}\, x_{i(k, p)}$$

is linear in x.  The cotangent of $x_j$ is the sum of $w_{kp}\, g_p$ over all k, p with $i(k, p) = j$: a *scatter* with
the same places and weights, `warp_adjoint`.  It is linear in g, and its own vjp is the gather again.  So the pair has
gradients of any order, as convolution and transposed convolution have.  There is no gradient in the places.
"""

from typing import Any

import numpy as np

from ..backend import Array, to_device
from ..engine import primitive
from ..kernels import find
from ..kernels.shapes import Pair
from ..tensor import Tensor

__all__ = ["linear_places", "nearest_places", "warp", "warp_adjoint"]


def _fixed(like: Array, index: Array, weight: Array) -> tuple[Array, Array]:
    """The places and weights on the device and in the dtype of `like`."""
    device = "cpu" if isinstance(like, np.ndarray) else "cuda"
    return to_device(index, device), to_device(weight.astype(like.dtype, copy=False), device)


@primitive
def warp(input: Array, *, index: Array, weight: Array) -> Array:
    """Weighted sums of pixels, (N, C, H, W) to (N, C, P, Q); see `minigen.kernels.reference.warp`."""
    return find("warp", input)(input, *_fixed(input, index, weight))


@primitive
def warp_adjoint(g: Array, *, index: Array, weight: Array, input_size: Pair) -> Array:
    """Add each cotangent, times its weights, to the pixels that `warp` took."""
    return find("warp_adjoint", g)(g, *_fixed(g, index, weight), input_size)


def _warp_vjp(g: Tensor, out: Tensor, input: Tensor, *, index: Array, weight: Array) -> Tensor:
    return warp_adjoint(g, index=index, weight=weight, input_size=input.shape[2:])


def _warp_adjoint_vjp(u: Tensor, out: Tensor, g: Tensor, *, index: Array, weight: Array, input_size: Any) -> Tensor:
    return warp(u, index=index, weight=weight)


warp.vjp(input=_warp_vjp)
warp_adjoint.vjp(g=_warp_adjoint_vjp)


def linear_places(rows: Array, columns: Array, size: Pair) -> tuple[Array, Array]:
    """Find the four pixels around each place, and their weights in bilinear interpolation.

    Parameters
    ----------
    rows, columns : ndarray (N, P, Q)
        Places in pixels: the center of the first pixel is (0, 0).
    size : (H, W)
        Of the images.

    Returns
    -------
    index : int64 ndarray (N, 4, P, Q)
        Positions in the flattened image; -1 for a pixel outside the image, and for one whose weight is 0.
    weight : ndarray (N, 4, P, Q), of the dtype of `rows`

    Examples
    --------
    >>> index, weight = linear_places(np.full((1, 1, 1), 0.25), np.full((1, 1, 1), 1.0), (2, 2))
    >>> index.ravel().tolist(), weight.ravel().tolist()
    ([1, -1, 3, -1], [0.75, 0.0, 0.25, 0.0])
    """
    height, width = size
    # Limits keep a place far outside within the integers; it stays outside.
    rows, columns = rows.clip(-2, height + 1), columns.clip(-2, width + 1)
    top, left = np.floor(rows), np.floor(columns)
    down, over = rows - top, columns - left
    index, weight = [], []
    for i, by_row in ((top, 1 - down), (top + 1, down)):
        for j, by_column in ((left, 1 - over), (left + 1, over)):
            part = by_row * by_column
            inside = (part != 0) & (i >= 0) & (i < height) & (j >= 0) & (j < width)
            index.append(np.where(inside, i * width + j, -1).astype(np.int64))
            weight.append(part)
    return np.stack(index, 1), np.stack(weight, 1)


def nearest_places(rows: Array, columns: Array, size: Pair) -> tuple[Array, Array]:
    """Find the pixel nearest to each place, with the weight 1; as `linear_places`, with one pixel in place of four.

    Half-way between two pixels it takes the even one, as PyTorch does.

    >>> index, weight = nearest_places(np.full((1, 1, 1), 0.75), np.full((1, 1, 1), 5.0), (2, 2))
    >>> index.item(), weight.item()
    (-1, 1.0)
    """
    height, width = size
    i, j = np.rint(rows.clip(-2, height + 1)), np.rint(columns.clip(-2, width + 1))
    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
    index = np.where(inside, i * width + j, -1).astype(np.int64)
    return index[:, None], np.ones_like(rows)[:, None]
