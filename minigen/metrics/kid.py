r"""The kernel distance between two sets of features (KID).

The squared maximum mean discrepancy with the kernel $k(x, y) = (x^T y / D + 1)^3$, estimated without bias:

$$\frac{1}{m(m-1)}\sum_{i \ne j} k(x_i, x_j) + \frac{1}{n(n-1)}\sum_{i \ne j} k(y_i, y_j)
  - \frac{2}{mn}\sum_{i,j} k(x_i, y_j)$$

*Derivation.* A kernel is an inner product of (many) functions of its arguments, $k(x, y) = \phi(x)^T \phi(y)$.  So
$\|E\phi(x) - E\phi(y)\|^2 = E\,k(x, x') + E\,k(y, y') - 2 E\,k(x, y)$ with independent $x, x'$.  The three means
estimate this without bias if no image is paired with itself: with the diagonal the first two would be too large.
$\phi$ of this kernel holds all products of up to three features, so the distance compares means, covariances and third
moments.

*Standard error.*  The estimate is a U-statistic of order 2, and its variance is exactly (Hoeffding)

$$\frac4m \operatorname{Var} g(x) + \frac4n \operatorname{Var} h(y) + \frac{2 s_{xx}}{m(m-1)} + \frac{2 s_{yy}}{n(n-1)}
  + \frac{4 s_{xy}}{mn}$$

with $g(x) = E\,k(x, x') - E\,k(x, y)$, $h(y) = E\,k(y, y') - E\,k(x, y)$, and $s$ the mean square of the kernel after
its row and column means are subtracted.  The means in $g$ and $h$ are themselves estimated, which adds
$s_{xx}/(m-1) + s_{xy}/n$ to the variance of $g$; this is subtracted, otherwise the error of two equal distributions is
a third too large.

Source: Bińkowski et al. 2018 (arXiv 1801.01401), section 4; Hoeffding 1948.

**What it cannot see.** Copies of training images.  A difference beyond third moments.  As for FID, its size is a
property of the judge.  It has no bias, so it may be slightly negative, and numbers of different sizes of samples can
be compared.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .features import check_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KID", "kernel_mean", "kid", "kid_with_error"]


@dataclass(frozen=True)
class KID:
    """A kernel distance and its standard error.

    Parameters
    ----------
    value : float
        Unbiased; below 0 by chance if the distributions are equal.
    se : float
        Standard error, over new draws of both sets.
    """

    value: float
    se: float


def kernel_mean(features: "NDArray[np.float64]") -> float:
    """Compute the mean kernel of two different rows of features (N, D): the first and the second term of KID.

    Examples
    --------
    >>> kernel_mean(np.array([[1.0], [2.0], [0.0]]))  # (27 + 1 + 1) / 3
    9.666666666666666
    """
    return _mean_off_diagonal(_kernel(features, features))


def kid(real: Any, fake: Any, real_mean: float | None = None) -> float:
    """Compute the kernel distance between two sets of features.

    Parameters
    ----------
    real : ndarray (N, D)
    fake : ndarray (M, D)
        At least two rows each.
    real_mean : float, optional
        Of the real features, if it is known already: ``kernel_mean(real)``.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the features are not finite matrices of one width.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> a, b = random.normal(size=(2, 500, 3))
    >>> abs(kid(a, b)) < 0.02, kid(a, b + 1) > 1
    (True, True)
    """
    real, fake = check_features("kid", 2, real=real, fake=fake)
    within = (kernel_mean(real) if real_mean is None else real_mean) + kernel_mean(fake)
    return float(within - 2 * _kernel(real, fake).mean())


def kid_with_error(real: Any, fake: Any) -> KID:
    """Compute the kernel distance and its standard error; arguments and errors as `kid`, three rows at least.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> found = kid_with_error(*random.normal(size=(2, 200, 3)))
    >>> abs(found.value) < 3 * found.se
    True
    """
    real, fake = check_features("kid", 3, real=real, fake=fake)
    xx, yy, xy = _kernel(real, real), _kernel(fake, fake), _kernel(real, fake)
    value = _mean_off_diagonal(xx) + _mean_off_diagonal(yy) - 2 * xy.mean()
    m, n = xy.shape
    s_xx, s_yy, s_xy = _interaction(xx), _interaction(yy), _cross_interaction(xy)
    first = _row_means(xx) - xy.mean(1), _row_means(yy) - xy.mean(0)
    var_g = first[0].var(ddof=1) - s_xx / (m - 1) - s_xy / n
    var_h = first[1].var(ddof=1) - s_yy / (n - 1) - s_xy / m
    second = 2 * s_xx / (m * (m - 1)) + 2 * s_yy / (n * (n - 1)) + 4 * s_xy / (m * n)
    # For equal distributions the first two terms are 0 and their estimates are below 0 in half of the cases: to set
    # these to 0 would make the error too large on average.
    return KID(float(value), float(np.sqrt(max(4 * var_g / m + 4 * var_h / n + second, second / 2))))


def _kernel(a: "NDArray[Any]", b: "NDArray[Any]") -> "NDArray[Any]":
    base = a @ b.T / a.shape[1] + 1
    return base * base * base  # `base**3` takes ten times as long


def _row_means(square: "NDArray[Any]") -> "NDArray[Any]":
    """The mean of each row without the diagonal."""
    return (square.sum(1) - square.diagonal()) / (len(square) - 1)


def _mean_off_diagonal(square: "NDArray[Any]") -> float:
    return float(_row_means(square).mean())


def _interaction(square: "NDArray[Any]") -> float:
    """The variance of k(x, x') that is no sum of a function of x and one of x', without bias."""
    n = len(square)
    means = _row_means(square)
    # Row effects of a symmetric table without its diagonal: least squares gives (n - 1) / (n - 2) of the deviation.
    effects = (n - 1) / (n - 2) * (means - means.mean())
    rest = square - means.mean() - effects[:, None] - effects
    np.fill_diagonal(rest, 0)
    return float((rest**2).sum() / (n * (n - 3))) if n > 3 else 0.0


def _cross_interaction(table: "NDArray[Any]") -> float:
    """The same of k(x, y)."""
    m, n = table.shape
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    return float((rest**2).sum() / ((m - 1) * (n - 1)))
