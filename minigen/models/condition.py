"""Class labels as a condition: checked, and as label maps beside an image."""

from typing import Any

import numpy as np

from ..ops.shape import cat, expand
from ..tensor import Tensor

__all__ = ["broadcast_labels", "concat_label_maps"]


def broadcast_labels(labels: Any, n: int) -> np.ndarray:
    """Return one whole number for each of `n` images.

    Parameters
    ----------
    labels : int or array of int (n,)
    n : int

    Returns
    -------
    ndarray of int (n,)

    Raises
    ------
    ValueError
        If the labels are not whole numbers, or not `n`.

    Examples
    --------
    >>> broadcast_labels(7, 3)
    array([7, 7, 7])
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.shape not in ((), (n,)):
        raise ValueError(
            f"labels: expected whole numbers, one for all or one for each of {n}, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    return np.broadcast_to(labels, n)


def concat_label_maps(images: Tensor, condition: Tensor) -> Tensor:
    """Append label maps to images: a channel for each class.

    The channel of the image's own class is 1 everywhere, the others are 0.  A convolution sees only a few pixels at a
    time, so the class must be present at every pixel.

    Parameters
    ----------
    images : Tensor (N, C, H, W)
    condition : Tensor (N, classes)

    Returns
    -------
    Tensor (N, C + classes, H, W)

    Examples
    --------
    >>> import minigen as mg
    >>> concat_label_maps(mg.zeros(1, 1, 2, 2), mg.tensor([[0.0, 1.0]]))
    tensor([[[[0., 0.],
              [0., 0.]],
    <BLANKLINE>
             [[0., 0.],
              [0., 0.]],
    <BLANKLINE>
             [[1., 1.],
              [1., 1.]]]])
    """
    maps = expand(condition[:, :, None, None], *condition.shape, *images.shape[2:])
    return cat([images, maps], 1)
