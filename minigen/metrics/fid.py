r"""The Fréchet distance between two sets of features (FID).

Each set is summarized by a Gaussian, its mean $m$ and covariance $S$.  The squared Fréchet (2-Wasserstein) distance of
two Gaussians is

$$d^2 = \|m_1 - m_2\|^2 + \operatorname{tr}(S_1 + S_2 - 2\,(S_1^{1/2} S_2 S_1^{1/2})^{1/2})$$

*Derivation.* It is the smallest $E\|x - y\|^2$ over all pairs of random vectors with these two distributions.  With
$C$ the covariance of $x$ and $y$, that is $\|m_1 - m_2\|^2 + \operatorname{tr} S_1 + \operatorname{tr} S_2 - 2
\operatorname{tr} C$.  $C$ is possible if $C = S_1^{1/2} K S_2^{1/2}$ with a matrix $K$ of norm at most 1, and the
largest $\operatorname{tr}(S_1^{1/2} K S_2^{1/2})$ over such $K$ is the sum of the singular values of $S_1^{1/2}
S_2^{1/2}$.  These are the square roots of the eigenvalues of $S_1^{1/2} S_2 S_1^{1/2}$.

The roots come from `numpy.linalg.eigh` with eigenvalues below 0 set to 0, so that no number is ever complex. (A
general matrix root of $S_1 S_2$ becomes complex by rounding where a covariance has not full rank.)

Source: Heusel et al. 2017 (arXiv 1706.08500), equation 6; Dowson & Landau 1982.

**What it cannot see.**  Only means and covariances count: two sets with equal ones have distance 0.  It does not see
copies of training images, which make it *better* than new images do.  It is biased: it falls with the number of images,
so compare only equal numbers.  A few images that are pure noise can dominate it.  How strong it reacts to a fault is a
property of the judge.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from .features import check_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fid", "fid_terms", "gaussian_fid"]


def fid(real: Any, fake: Any) -> float:
    """Compute the Fréchet distance between two sets of features.

    Parameters
    ----------
    real : ndarray (N, D)
    fake : ndarray (M, D)
        N and M above D: with fewer rows the covariance has not full rank, and the distance is mostly bias.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        If the features are not finite matrices of one width with more rows than columns.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> a, b = random.normal(size=(2, 1000, 3))
    >>> fid(a, b) < 0.05, 2.5 < fid(a, b + 1) < 3.5
    (True, True)
    """
    return sum(fid_terms(real, fake))


def fid_terms(real: Any, fake: Any) -> tuple[float, float]:
    """Compute the two terms of `fid`: that of the means and that of the covariances.

    Parameters
    ----------
    real, fake : ndarray (N, D), (M, D)
        As for `fid`, which raises the same errors.

    Returns
    -------
    tuple of float
    """
    real, fake = check_features("fid", 2, real=real, fake=fake)
    least = real.shape[1] + 1
    if min(len(real), len(fake)) < least:
        raise ValueError(
            f"fid: expected at least {least} images for {real.shape[1]} features, got {len(real)} real and "
            f"{len(fake)} generated ones; use kid, which has no bias"
        )
    means, covariances = zip(*((one.mean(0), np.atleast_2d(np.cov(one, rowvar=False))) for one in (real, fake)))
    return _terms(*means, *covariances)


def gaussian_fid(mean1: Any, covariance1: Any, mean2: Any, covariance2: Any) -> float:
    """Compute the squared Fréchet distance of two Gaussians.

    Parameters
    ----------
    mean1, mean2 : ndarray (D,)
    covariance1, covariance2 : ndarray (D, D)
        Symmetric and positive semidefinite.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> gaussian_fid([0.0], [[1.0]], [3.0], [[4.0]])  # (0 - 3)^2 + (1 - 2)^2
    10.0
    """
    arrays = [np.asarray(a, np.float64) for a in (mean1, mean2, covariance1, covariance2)]
    width = arrays[0].shape
    if len(width) != 1 or [a.shape for a in arrays] != [width, width, width * 2, width * 2]:
        raise ValueError(f"gaussian_fid: expected means (D,) and covariances (D, D), got {[a.shape for a in arrays]}")
    return sum(_terms(*arrays))


def _terms(
    mean1: "NDArray[Any]", mean2: "NDArray[Any]", covariance1: "NDArray[Any]", covariance2: "NDArray[Any]"
) -> tuple[float, float]:
    roots = np.linalg.svd(_root(covariance1) @ _root(covariance2), compute_uv=False)
    spread = np.trace(covariance1) + np.trace(covariance2) - 2 * roots.sum()
    return float(((mean1 - mean2) ** 2).sum()), max(float(spread), 0.0)


def _root(covariance: "NDArray[Any]") -> "NDArray[Any]":
    """The symmetric square root."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
