"""Class labels as a condition: checked, one-hot, and laid over images as maps."""

from typing import Any

import numpy as np

from ..functional import one_hot
from ..ops.shape import cat, expand
from ..tensor import Tensor, tensor

__all__ = ["broadcast_labels", "one_hot_labels", "with_label_maps"]


def broadcast_labels(labels: Any, n: int) -> np.ndarray:
    """One whole number for each of `n` images.

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


def one_hot_labels(name: str, labels: Any, n: int, classes: int) -> Tensor:
    """The condition of `n` images: row i is 1 at the place of the i-th label and 0 elsewhere.

    One-hot, because classes have no order: as a single number, a 9 would be "more" than a 1.

    Parameters
    ----------
    name : str
        The family's, for messages.
    labels : int or array of int (n,)
    n, classes : int

    Returns
    -------
    Tensor (n, classes), float32

    Raises
    ------
    ValueError
        If the labels are missing, not whole numbers, not `n`, or out of range.

    Examples
    --------
    >>> one_hot_labels("cgan", np.array([2, 0]), 2, 3)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if labels is None:
        raise ValueError(f"{name}: the labels are missing: a conditional model needs one for each image")
    labels = broadcast_labels(labels, n)
    if n and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"{name}: expected labels from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    return one_hot(tensor(labels), classes).to(np.float32)


def with_label_maps(images: Tensor, condition: Tensor) -> Tensor:
    """Images and their condition as one: a channel more for each class, all 1 for the image's own class and else 0.

    A convolution sees only a few pixels at a time: so every pixel must know the class.

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
    >>> with_label_maps(mg.zeros(1, 1, 2, 2), mg.tensor([[0.0, 1.0]]))
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
