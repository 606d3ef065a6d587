r"""How sure a measure is.

**There is no bootstrap here.** A bootstrap sample repeats images, and repeated images look like a collapsed model: on
the default conditional GAN with 500 images the FID is 0.29, and its bootstrap mean 0.45; the coverage is 0.77, and its
bootstrap mean 0.63.

A generator can be asked again: `t_interval` takes the values of several fresh draws.  For data that cannot be drawn
again, `jackknife` gives the standard error (only that; it does not correct the bias).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Interval", "jackknife", "t_interval", "t_quantile"]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval.

    Parameters
    ----------
    value : float
        The mean.
    se : float
        Standard error of the mean; NaN of one value.
    low, high : float
        Limits of the interval.
    """

    value: float
    se: float
    low: float
    high: float


def t_interval(values: Sequence[float] | Any, confidence: float = 0.95) -> Interval:
    r"""Compute the mean of independent values and its interval $\bar v \pm t_{n-1}\, s / \sqrt n$.

    Parameters
    ----------
    values : sequence of float
        One for each fresh draw, at least one.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        If there are no values, or one is not finite.

    Examples
    --------
    >>> found = t_interval([1.0, 2.0, 3.0])
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (2.0, -0.484, 4.484)
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f"t_interval: expected finite values (N,), at least one, got {values!r}")
    mean = float(array.mean())
    if len(array) == 1:
        return Interval(mean, math.nan, math.nan, math.nan)
    se = float(array.std(ddof=1) / math.sqrt(len(array)))
    half = t_quantile((1 + confidence) / 2, len(array) - 1) * se
    return Interval(mean, se, mean - half, mean + half)


def t_quantile(probability: float, freedom: int) -> float:
    r"""Compute a quantile of Student's t distribution with a whole number of degrees of freedom.

    With $t = \sqrt\nu \tan\theta$ the density becomes proportional to $\cos^{\nu-1}\theta$, whose integral has a
    finite sum (Abramowitz & Stegun 26.7.3 and 26.7.4); the quantile is found by bisection.

    Parameters
    ----------
    probability : float
        Between 0 and 1.
    freedom : int
        At least 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(t_quantile(0.975, 9), 4), round(t_quantile(0.975, 1), 3)
    (2.2622, 12.706)
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError(f"t_quantile: expected 0 < probability < 1 and freedom >= 1, got {probability}, {freedom}")
    low, high = -math.pi / 2, math.pi / 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_cdf(middle, freedom) < probability else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _t_cdf(theta: float, freedom: int) -> float:
    """The distribution function at t = sqrt(freedom) * tan(theta)."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for i in range(2 + odd, freedom - 1, 2):
        term *= (i - 1) / i * cosine**2
        total += term
    inner = 2 / math.pi * (theta + sine * total) if odd else sine * total
    return (1 + inner) / 2


def jackknife(
    measure: "Callable[[NDArray[Any]], float]", rows: Any, groups: int = 20, classes: Any = None, seed: int = 0
) -> float:
    r"""Estimate the standard error of a measure of fixed data, by leaving out one group of rows at a time.

    $$\mathrm{se}^2 = \frac{g-1}{g} \sum_i (v_{(i)} - \bar v)^2$$

    If the rows were made class by class, with as many of each class, the groups must be too: otherwise leaving out a
    group changes the shares of the classes, and the error comes out too large.

    Parameters
    ----------
    measure : callable
        Function of rows (M, D) to a number.
    rows : ndarray (N, D)
    groups : int
        From 2 to N.
    classes : ndarray of int (N,), optional
        The groups have the same share of each class.
    seed : int
        Of the random groups.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there are fewer rows than groups, or fewer than two groups.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(1000, 1))
    >>> found = jackknife(lambda some: float(some.mean()), rows)
    >>> bool(0.5 < found / (rows.std() / 1000**0.5) < 1.5)
    True

    References
    ----------
    Efron & Tibshirani, An Introduction to the Bootstrap, chapter 11.
    """
    rows = np.asarray(rows)
    if not 2 <= groups <= len(rows):
        raise ValueError(f"jackknife: expected between 2 and {len(rows)} groups, got {groups}")
    order = np.random.default_rng(seed).permutation(len(rows))
    if classes is not None:
        order = order[np.argsort(np.asarray(classes)[order], kind="stable")]
    group = np.empty(len(rows), np.int64)
    group[order] = np.arange(len(rows)) % groups
    values = np.array([measure(rows[group != i]) for i in range(groups)])
    return float(np.sqrt((groups - 1) / groups * ((values - values.mean()) ** 2).sum()))
