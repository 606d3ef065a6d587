"""Checks that the measures on features share."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_features"]


def check_features(measure: str, least: int = 2, **given: Any) -> "list[NDArray[np.float64]]":
    """Check sets of features and return them as float64.

    Parameters
    ----------
    measure : str
        Its name, for messages.
    least : int
        Rows that each set must have.
    **given : ndarray (N, D)
        The sets by their argument names; D is the same for all.

    Returns
    -------
    list of ndarray (N, D), float64

    Raises
    ------
    ValueError
        If a set is not a matrix of finite numbers, has too few rows, or the widths differ.

    Examples
    --------
    >>> check_features("fid", real=np.zeros((3, 2)))[0].shape
    (3, 2)
    >>> check_features("fid", 2, real=np.zeros((1, 2)))
    Traceback (most recent call last):
        ...
    ValueError: fid: expected real features (N, D) with N of at least 2, got (1, 2)
    """
    found = []
    for name, features in given.items():
        array = np.asarray(features)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{measure}: expected {name} features of real numbers, got {array.dtype}")
        if array.ndim != 2 or len(array) < least or not array.shape[1]:
            raise ValueError(
                f"{measure}: expected {name} features (N, D) with N of at least {least}, got {array.shape}"
            )
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise ValueError(f"{measure}: expected finite {name} features, got NaN or infinite values")
        found.append(array)
    if len({array.shape[1] for array in found}) > 1:
        shapes = " and ".join(str(array.shape) for array in found)
        raise ValueError(f"{measure}: expected features of one width, got {shapes}")
    return found
