"""What agreement is worth: the smallest relative error that would have been seen."""

import math

__all__ = ["RESOLUTION", "resolution_of"]

RESOLUTION = 1e-5
"""The relative error that a check must be able to see before it may say *right*."""


def resolution_of(bound: float, size: float, natural: float) -> float:
    """The smallest visible relative error.

    A gradient that is zero has no relative error.  Where it does not stand out of the bound, the bound is compared
    with the natural size of a derivative: that of the function's values by that of the input.

    Parameters
    ----------
    bound : float
        What the measured and the claimed gradient may differ by.
    size : float
        Of the larger of the two.
    natural : float

    Examples
    --------
    >>> resolution_of(1e-10, 2.0, 1.0), resolution_of(1e-10, 1e-12, 1.0)
    (5e-11, 1e-10)
    """
    if bound == 0:
        return 0.0
    if size <= bound:
        size = max(size, natural)
    return bound / size if size else math.inf
