"""The mean of all elements, in plain NumPy: what every loss ends with."""

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = ["mean"]


@checked("mean")
def mean(x: Array) -> Array:
    """Mean of all elements: a sum and a division, which on a GPU would be two launches.

    Parameters
    ----------
    x : array
        Not empty.

    Returns
    -------
    array ()
    """
    return np.asarray(np.ascontiguousarray(x).sum() / x.size)
