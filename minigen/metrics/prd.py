r"""The curve of precision and recall of distributions (PRD).

Both sets of features are put into the same 20 clusters, which gives two histograms: $p$ of the data, $q$ of the
samples.  For each slope $\lambda$

$$\alpha(\lambda) = \sum_c \min(\lambda p_c, q_c), \qquad \beta(\lambda) = \sum_c \min(p_c, q_c / \lambda)$$

*Derivation.* $q$ has precision $\alpha$ at recall $\beta$ if both distributions contain a common part $\mu$: $p =
\beta\mu + (1 - \beta)\nu_p$ and $q = \alpha\mu + (1 - \alpha)\nu_q$.  Then $\beta\mu \le p$ and $\alpha\mu \le q$.
With $\alpha = \lambda\beta$ the largest such part is $\alpha\mu = \min(\lambda p, q)$, and $\mu$ sums to 1.

F8 weighs recall 8 times as much as precision, F1/8 the reverse; each is the largest along the curve.

Source: Sajjadi et al. 2018 (arXiv 1806.00035), equations 5 and 6; k-means is Lloyd's algorithm, with the best of 5
starts.

**What it cannot see.**  Only 20 clusters count: repeated images and copies change nothing, if each cluster keeps its
share.  It says where samples are missing, not whether they are good inside a cluster.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .features import check_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PRD", "k_means", "prd", "prd_curve"]

ANGLES = 201
CLUSTERS, STARTS, ITERATIONS = 20, 5, 30


@dataclass(frozen=True, eq=False)
class PRD:
    """A curve of precision against recall.

    Parameters
    ----------
    precision, recall : ndarray (201,)
        Along the curve, from slope 0 to infinity.
    f8, f1_8 : float
        The largest F8 and F1/8.
    """

    precision: "NDArray[np.float64]"
    recall: "NDArray[np.float64]"
    f8: float
    f1_8: float


def prd(real: Any, fake: Any, clusters: int = CLUSTERS, seed: int = 0) -> PRD:
    """Compute the curve of precision and recall of two sets of features.

    Parameters
    ----------
    real : ndarray (N, D)
    fake : ndarray (M, D)
    clusters : int
        At most N + M.
    seed : int
        Of the starts of k-means.

    Returns
    -------
    PRD

    Raises
    ------
    ValueError
        If the features are not finite matrices of one width.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> a, b = random.normal(size=(2, 500, 2))
    >>> prd(a, b).f8 > 0.9, prd(a, b[:, :1] * [1, 0]).f8 < 0.9
    (True, True)
    """
    real, fake = check_features("prd", 1, real=real, fake=fake)
    both = np.concatenate([real, fake])
    where = k_means(both, min(clusters, len(both)), np.random.default_rng(seed))
    p, q = (np.bincount(part, minlength=clusters) / len(part) for part in (where[: len(real)], where[len(real) :]))
    return prd_curve(p, q)


def prd_curve(p: Any, q: Any) -> PRD:
    """Compute the curve from the shares of the data and of the samples in each cluster.

    Examples
    --------
    >>> curve = prd_curve([0.5, 0.5], [1.0, 0.0])  # half of the data is missing, the samples are good
    >>> round(float(curve.precision.max()), 2), round(float(curve.recall.max()), 2)
    (1.0, 0.5)
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    slopes = np.tan(np.linspace(0, np.pi / 2, ANGLES + 2)[1:-1])[:, None]
    alpha, beta = np.minimum(slopes * p, q).sum(1), np.minimum(p, q / slopes).sum(1)

    def best(weight: float) -> float:
        below = weight**2 * alpha + beta
        return float(((1 + weight**2) * alpha * beta / np.where(below > 0, below, 1)).max())

    return PRD(alpha.clip(0, 1), beta.clip(0, 1), best(8.0), best(1 / 8))


def k_means(points: "NDArray[Any]", clusters: int, generator: np.random.Generator) -> "NDArray[np.int64]":
    """Put points into clusters by Lloyd's algorithm, from the best of 5 random starts.

    Parameters
    ----------
    points : ndarray (N, D)
    clusters : int
        At most N.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of int (N,)
        The cluster of each point.

    Examples
    --------
    >>> where = k_means(np.array([[0.0], [0.1], [9.0], [9.1]]), 2, np.random.default_rng(0))
    >>> bool(where[0] == where[1] != where[2] == where[3])
    True
    """
    norms = (points**2).sum(1)
    best, least = np.zeros(len(points), np.int64), np.inf
    for _ in range(STARTS):
        centers = points[_spread(points, clusters, generator)]
        where = np.zeros(len(points), np.int64)
        for _ in range(ITERATIONS):
            squares = (centers**2).sum(1) - 2 * points @ centers.T
            before, where = where, squares.argmin(1)
            counts = np.bincount(where, minlength=clusters)
            sums = np.zeros_like(centers)
            np.add.at(sums, where, points)
            centers = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centers)
            if (before == where).all():
                break
        error = float((squares.min(1) + norms).sum())
        if error < least:
            best, least = where, error
    return best


def _spread(points: "NDArray[Any]", clusters: int, generator: np.random.Generator) -> "NDArray[np.int64]":
    """k-means++: each start is drawn with the square of its distance to those before (Arthur & Vassilvitskii 2007)."""
    chosen = [int(generator.integers(len(points)))]
    squares = ((points - points[chosen[0]]) ** 2).sum(1)
    while len(chosen) < clusters:
        total = squares.sum()
        shares = squares / total if total > 0 else None
        chosen.append(int(generator.choice(len(points), p=shares)))
        squares = np.minimum(squares, ((points - points[chosen[-1]]) ** 2).sum(1))
    return np.array(chosen)
