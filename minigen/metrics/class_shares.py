r"""Whether the classes are as frequent among the samples as in the data: their total variation distance.

$$\mathrm{TV} = \tfrac12 \sum_c |p_c - q_c|$$

*Derivation.* It is the largest difference that the two distributions give to any set of classes: $\max_A (p(A) -
q(A))$ is reached by the set of all classes with $p_c > q_c$.  So TV = 0.3 means that 30 % of the samples would have to
change their class.

Source: any book on probability, such as Levin & Peres, Markov Chains and Mixing Times, section 4.1.

**What it cannot see.** Everything within a class: one image of each class, repeated, has TV 0.  It depends on the
reader: on noisy images a reader that was trained on clean ones reports missing classes that are there.  It is never
exactly 0: print the value of real images beside it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["class_shares", "lost_classes", "total_variation"]

_LOST = 0.1  # a class is lost if it has less than this part of its share in the data
_FAILED = 3  # a run that has lost this many classes, or more, has failed


def class_shares(classes: Any, count: int) -> "NDArray[np.float64]":
    """Compute the share of each of `count` classes, from labels (N,).

    Examples
    --------
    >>> class_shares([0, 0, 1, 0], 3).tolist()
    [0.75, 0.25, 0.0]
    """
    labels = np.asarray(classes)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise ValueError(f"class_shares: expected labels (N,) of whole numbers, got {labels.dtype} {labels.shape}")
    if labels.min() < 0 or labels.max() >= count:
        raise ValueError(f"class_shares: expected labels from 0 to {count - 1}, got {labels.min()} to {labels.max()}")
    return np.bincount(np.asarray(labels, np.intp), minlength=count) / len(labels)


def total_variation(p: Any, q: Any) -> float:
    """Compute the total variation distance between two distributions over classes.

    Parameters
    ----------
    p, q : ndarray (classes,)
        Not negative, with the sum 1.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If they are not two distributions over the same classes.

    Examples
    --------
    >>> total_variation([0.5, 0.5, 0.0], [0.25, 0.25, 0.5])
    0.5
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    if p.ndim != 1 or p.shape != q.shape:
        raise ValueError(f"total_variation: expected two distributions (classes,), got {p.shape} and {q.shape}")
    for one in (p, q):
        if not (one >= 0).all() or not np.isclose(one.sum(), 1, atol=1e-6):
            raise ValueError(f"total_variation: expected shares with the sum 1, got the sum {one.sum():g}")
    return float(np.abs(p - q).sum() / 2)


def lost_classes(shares: Any, expected: Any) -> tuple[list[int], bool]:
    """Find the classes with less than a tenth of their share, and whether that is a failed run: three or more.

    Parameters
    ----------
    shares, expected : ndarray (classes,)
        Of the samples and of the data.

    Returns
    -------
    tuple of (list of int, bool)

    Examples
    --------
    >>> lost_classes([0.0, 0.5, 0.5], [0.3, 0.3, 0.4])
    ([0], False)
    """
    shares, expected = np.asarray(shares), np.asarray(expected)
    lost = [int(c) for c in np.flatnonzero(shares < _LOST * expected)]
    return lost, len(lost) >= _FAILED
