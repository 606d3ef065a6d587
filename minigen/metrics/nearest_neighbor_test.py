r"""The two-sample test by nearest neighbors: can a simple classifier tell samples from data?

Put equally many real and generated images together.  Each image is classified by its nearest other image: real or
generated.  The share that is right is the leave-one-out accuracy of the 1-nearest-neighbor classifier.

- 0.5: the two sets cannot be told apart.
- above 0.5: they differ; 1 means no overlap.
- below 0.5: each sample lies closer to a real image than another real image does: **copies**.  With exact copies it is
  near 0.

*Derivation.* If all 2N images come from one distribution, the labels are exchangeable: of the 2N - 1 other images, N -
1 have the same label as the image, so the expected accuracy is $(N - 1) / (2N - 1)$, a little below 0.5.

Source: Lopez-Paz & Oquab 2017 (arXiv 1610.06545); Xu et al. 2018 (arXiv 1806.07755), which finds it the most useful of
six measures.

**What it cannot see.** It says that sets differ, not in what: blur, noise and missing classes give the same number.
The errors of copies and of bad samples cancel; so the accuracies of the real and of the generated images are given
too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .features import check_features
from .neighbors import distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NearestNeighborTest", "nearest_neighbor_test"]


@dataclass(frozen=True)
class NearestNeighborTest:
    """Leave-one-out accuracies of the 1-nearest-neighbor classifier.

    Parameters
    ----------
    accuracy : float
        Of all images; the mean of the two others.
    real, fake : float
        Of the real images and of the samples.
    """

    accuracy: float
    real: float
    fake: float


def nearest_neighbor_test(real: Any, fake: Any) -> NearestNeighborTest:
    """Classify each image by its nearest other image.

    Equal distances, as exact copies have, count in the proportion of the labels among them.

    Parameters
    ----------
    real, fake : ndarray (N, D)
        Features of equally many real images and samples.

    Returns
    -------
    NearestNeighborTest

    Raises
    ------
    ValueError
        If the numbers of rows differ, or the features are not finite matrices of one width.

    Examples
    --------
    >>> a, b = np.random.default_rng(0).normal(size=(2, 300, 2))
    >>> abs(nearest_neighbor_test(a, b).accuracy - 0.5) < 0.1, nearest_neighbor_test(a, b + 99).accuracy
    (True, 1.0)
    >>> nearest_neighbor_test(a, a).accuracy
    0.0
    """
    real, fake = check_features("nearest_neighbor_test", 2, real=real, fake=fake)
    if len(real) != len(fake):
        raise ValueError(
            f"nearest_neighbor_test: expected equally many real and generated images, got {len(real)} and {len(fake)}"
        )
    own = _right(real, fake), _right(fake, real)
    return NearestNeighborTest((own[0] + own[1]) / 2, *own)


def _right(points: "NDArray[Any]", others: "NDArray[Any]") -> float:
    """The share of points whose nearest other image is one of the points."""
    right = []
    for start in range(0, len(points), 500):
        rows = np.arange(start, min(start + 500, len(points)))
        within = distances(points[rows], points)
        within[np.arange(len(rows)), rows] = np.inf
        across = distances(points[rows], others)
        least = np.minimum(within.min(1), across.min(1))[:, None]
        same, other = (within == least).sum(1), (across == least).sum(1)
        right.append(same / (same + other))
    return float(np.concatenate(right).mean())
