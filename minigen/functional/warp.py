r"""Sampling images at given places: affine maps, rotations, and any other warp.

A *grid* (N, P, Q, 2) says for each pixel of the result which place of the image it shows, as (x, y).  The image
reaches from -1 to 1 in both directions.  With ``align_corners=False`` -1 and 1 are the outer *edges* of the first and
the last pixel, with True they are these pixels' *centers*:

$$\text{column} = \frac{(x + 1) W - 1}{2} \qquad\text{or}\qquad \text{column} = \frac{(x + 1)(W - 1)}{2}$$

An affine map takes (x, y) of the result to $\theta\, (x, y, 1)^\top$ of the image, with $\theta$ of 2 rows and 3
columns: it says where a pixel *comes from*, the inverse of where it goes to.
"""

from collections.abc import Sequence

import numpy as np

from ..arguments import check_boolean, check_choice, check_integer, check_tensor, shown
from ..backend import array_module
from ..ops.shape import transpose
from ..ops.warp import linear_places, nearest_places, warp
from ..tensor import Tensor

__all__ = ["affine_grid", "grid_sample"]


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Compute the grid of an affine map for each image; see `minigen.functional.warp`.

    Parameters
    ----------
    theta : Tensor (N, 2, 3)
    size : (N, C, P, Q)
        Of the result of `grid_sample`.
    align_corners : bool
        Whether -1 and 1 are the centers of the corner pixels, and not the edges of the image.

    Returns
    -------
    Tensor (N, P, Q, 2)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> affine_grid(mg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    tensor([[[[-0.5,  0. ],
              [ 0.5,  0. ]]]])
    """
    check_tensor("affine_grid", "theta", theta)
    align_corners = check_boolean("affine_grid", "align_corners", align_corners)
    if not isinstance(size, Sequence) or len(size) != 4:
        raise ValueError(f"affine_grid: argument 'size': expected (N, C, P, Q), got {shown(size)}")
    n, _, height, width = (check_integer("affine_grid", "size", number, 0) for number in size)
    if theta.shape != (n, 2, 3):
        raise ValueError(f"affine_grid: argument 'theta': expected ({n}, 2, 3), got shape {theta.shape}")
    y, x = (_ends(length, align_corners) for length in (height, width))
    places = np.stack([*np.meshgrid(x, y), np.ones((height, width))], -1).reshape(1, height * width, 3)
    base = Tensor(array_module(theta.data).asarray(places.astype(theta.dtype)))
    return (base @ transpose(theta, 1, 2)).reshape(n, height, width, 2)


def _ends(length: int, align_corners: bool) -> np.ndarray:
    """The places of a row of pixels."""
    if align_corners:
        return np.linspace(-1, 1, length) if length > 1 else np.zeros(length)
    return (2 * np.arange(length) + 1) / max(length, 1) - 1


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Tensor:
    """Sample images at the places of a grid; see `minigen.functional.warp`.

    It differs from ``torch.nn.functional.grid_sample`` in two points: there is no gradient in `grid`, and neither
    bicubic sampling nor reflection.

    Parameters
    ----------
    input : Tensor (N, C, H, W)
    grid : Tensor (N, P, Q, 2)
        (x, y) of each pixel of the result; finite.
    mode : {"bilinear", "nearest"}
    padding_mode : {"zeros", "border"}
        What is outside the image: zeros, or the nearest pixel of the image.
    align_corners : bool
        Whether -1 and 1 are the centers of the corner pixels, and not the edges of the image.

    Returns
    -------
    Tensor (N, C, P, Q)

    Raises
    ------
    ValueError
        If the shapes do not fit, a number of the grid is NaN or infinite, or the grid needs a gradient.

    Examples
    --------
    >>> import minigen as mg
    >>> image = mg.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> grid_sample(image, mg.tensor([[[[0.0, 0.0], [1.0, 0.0]]]]))  # the middle, and the right edge
    tensor([[[[2. , 1.5]]]])
    """
    if check_tensor("grid_sample", "input", input).ndim != 4 or 0 in input.shape[2:]:
        raise ValueError(f"grid_sample: argument 'input': expected images (N, C, H, W), got shape {input.shape}")
    check_tensor("grid_sample", "grid", grid)
    check_choice("grid_sample", "mode", mode, ("bilinear", "nearest"))
    check_choice("grid_sample", "padding_mode", padding_mode, ("zeros", "border"))
    align_corners = check_boolean("grid_sample", "align_corners", align_corners)
    n, _, height, width = input.shape
    if grid.ndim != 4 or grid.shape[0] != n or grid.shape[3] != 2:
        raise ValueError(f"grid_sample: argument 'grid': expected ({n}, P, Q, 2), got shape {grid.shape}")
    if grid.requires_grad:
        raise ValueError("grid_sample: argument 'grid': expected a grid that needs no gradient; use grid.detach()")
    places = grid.numpy()
    if not np.isfinite(places).all():
        raise ValueError("grid_sample: argument 'grid': expected finite numbers, got NaN or infinite ones")
    columns, rows = (_pixels(places[..., k], length, align_corners) for k, length in enumerate((width, height)))
    if padding_mode == "border":
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    find = linear_places if mode == "bilinear" else nearest_places
    index, weight = find(rows, columns, (height, width))
    return warp(input, index=index, weight=weight)


def _pixels(places: np.ndarray, length: int, align_corners: bool) -> np.ndarray:
    """Places from -1 to 1 as pixels."""
    pixels: np.ndarray = (places + 1) / 2 * (length - 1) if align_corners else ((places + 1) * length - 1) / 2
    return pixels
