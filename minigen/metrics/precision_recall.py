r"""Precision, recall, density and coverage: are the samples realistic, and is all of the data there?

The region of the data is estimated by a ball around each real image, with the distance to its k-th nearest real
neighbor as radius; the region of the samples likewise.

- **precision**: the share of samples inside a ball of a real image.  $\frac1M \sum_j 1[\exists i: d(x_i, y_j) \le
  r_k(x_i)]$
- **recall**: the share of real images inside a ball of a sample.
- **density**: how many real balls hold a sample, on average, divided by k: not 0 or 1 but a count, so that one real
  outlier with a huge ball does not decide.  It can be above 1.
- **coverage**: the share of real balls that hold a sample.  Only real balls are used, so samples that are outliers do
  not make it larger.

*Derivation of the expected coverage.*  A perfect model does not have coverage 1.  Of M real and N generated images from
one distribution, the ball of $x$ is empty if the k nearest of all other M - 1 + N images are real.  All orders are
equally likely, so the probability is $\prod_{i=1}^k (M - i) / (M + N - i)$.

A point on the border is inside (equation 1 of the first paper).  With a strict inequality, equal points, whose radius
is 0, would count as outside of their own ball.

Source: Kynkäänniemi et al. 2019 (arXiv 1904.06991), equations 1 and 2; Naeem et al. 2020 (arXiv 2002.09797), equations
5 and 6, and theorem 1 for the expected coverage.

**What they cannot see.** Precision does not see missing classes, repeated images or copies: 50 good images, repeated,
have precision 1.  Recall does not see a wrong mixture of classes, nor junk: outliers among the samples have huge balls
that hold many real images.  Coverage depends on both numbers of images: compare it with the expected coverage of a
perfect model.  If samples are equal, recall is degenerate: balls have the radius 0.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .features import check_features
from .neighbors import blocks, kth_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["K", "Coverage", "expected_coverage", "precision_recall"]

K = 5
"""Which neighbor decides the radius of a ball."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """The four measures, and what they are means of.

    Parameters
    ----------
    precision, recall, density, coverage : float
    inside : ndarray of bool (M,)
        Whether a sample is inside a real ball.
    margin : ndarray (M,)
        For each sample the smallest ratio of its distance to a real image and the radius of the ball there; at most 1
        inside.
    covered : ndarray of bool (N,)
        Whether a real ball holds a sample.
    degenerate : bool
        Whether most balls of samples have the radius 0: each of these samples is there k + 1 times, and recall has no
        meaning.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    inside: "NDArray[np.bool_]"
    margin: "NDArray[np.float64]"
    covered: "NDArray[np.bool_]"
    degenerate: bool


def precision_recall(real: Any, fake: Any, k: int = K, radii: Any = None) -> Coverage:
    """Compute precision, recall, density and coverage of samples.

    Parameters
    ----------
    real : ndarray (N, D)
        Features of real images, more than k.
    fake : ndarray (M, D)
        Features of samples, more than k.
    k : int
        Which neighbor decides the radius of a ball.
    radii : ndarray (N,), optional
        Of the real balls, if they are known already: ``kth_distances(real, k)``.

    Returns
    -------
    Coverage

    Raises
    ------
    ValueError
        If a set has k rows or less, `k` is less than 1, or the features are not finite matrices of one width.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> a, b = random.normal(size=(2, 400, 2))
    >>> good, far = precision_recall(a, b), precision_recall(a, b + 9)
    >>> good.precision > 0.9, far.precision, far.coverage
    (True, 0.0, 0.0)
    """
    if k < 1:
        raise ValueError(f"precision_recall: k must be at least 1, got {k}")
    real, fake = check_features("precision_recall", k + 1, real=real, fake=fake)
    real_radii = kth_distances(real, k) if radii is None else np.asarray(radii, np.float64)
    fake_radii = kth_distances(fake, k)
    counts = np.zeros(len(fake), np.int64)
    margin = np.full(len(fake), np.inf)
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for part, block in blocks(real, fake):
        inside = block <= real_radii[part, None]
        counts += inside.sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(inside, np.minimum(block / real_radii[part, None], 1), block / real_radii[part, None])
        margin = np.minimum(margin, np.where(np.isnan(ratios), 0, ratios).min(0))
        covered[part] = inside.any(1)
        recalled[part] = (block <= fake_radii).any(1)
    return Coverage(
        float((counts > 0).mean()),
        float(recalled.mean()),
        float(counts.mean() / k),
        float(covered.mean()),
        counts > 0,
        margin,
        covered,
        bool((fake_radii == 0).mean() > 0.5),
    )


def expected_coverage(real: int, fake: int, k: int = K) -> float:
    """Compute the coverage that a perfect model has on average.

    Parameters
    ----------
    real, fake : int
        Numbers of images; `real` above `k`.
    k : int

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there are not more than `k` real images and at least one sample.

    Examples
    --------
    >>> round(expected_coverage(2000, 1000), 3)
    0.869
    """
    if real <= k or fake < 1 or k < 1:
        raise ValueError(f"expected_coverage: expected more than k = {k} real images and a sample, got {real}, {fake}")
    return 1 - float(np.prod([(real - i) / (real + fake - i) for i in range(1, k + 1)]))
