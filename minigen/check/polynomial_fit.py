r"""A second measurement, made only before a gradient is called wrong: polynomials fitted at random nodes.

The ladder of `minigen.check.differences` is quick, and it must be told the noise of the values.  Here the noise is a
result.  The function $\varphi(t) = \langle g, f(x + t v) \rangle$ is taken at `NODES` random places $t$ in $[-s, s]$,
and a polynomial of degree `DEGREE` is fitted to them by least squares.  Its slope at 0 is a linear function
$\sum_i r_i \varphi(t_i)$ of the values.  What the polynomial does not explain, the residual $\rho$, is noise, or
truncation, or both; whichever it is, the slope is uncertain by about $\rho \lVert r \rVert_2$; ten times that is
granted.

- Values that move in steps (cancellation against 1 in a GELU, the logarithm of a rounded 1) have residuals as large as
  the steps, at every scale s that contains some.
- Random nodes cannot alias: a sine that is faster than the nodes has a large residual.
- Where the values do not change at all, a step may hide: the slope is known up to one step divided by s.

The same fit of the *claimed* slope along the line, $\psi(t) = \langle \mathrm{vjp}(g; x + t v), v \rangle$, has the
noise of the vjp as its residual, and its value at 0 is what the vjp says beside the point.

The scale s with the least error is kept; all scales are tried, from a quarter of the input's size down.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Fit", "fit_slope", "fit_value"]

Array = np.ndarray
U = 2.0**-53
NODES = 24
DEGREE = 7
RATIO = 5.3
SCALES = 21
SAFETY = 10
"""Multiples of the residual's standard error that are granted."""

HIDDEN = 64
"""Roundings that a step may be high where no step is seen."""

STAIRS = 4
"""The number of different values that must occur again before they are taken for steps: a clamp has two."""

PATIENCE = 4
"""Scales in a row that are much worse than the best, before finer ones are left out."""


@dataclass(frozen=True)
class Fit:
    """A slope with its error.

    Attributes
    ----------
    slope, error : float
        The error is infinite where no scale had enough finite values.
    step : float
        The height of the steps in which the values move, or 0.
    scale : float
        Of the nodes that were best.
    """

    slope: float
    error: float
    step: float
    scale: float


def _weights(nodes: Array) -> tuple[Array, Array, Array]:
    """Of nodes in [-1, 1]: the Vandermonde matrix, and the rows that give value and slope at 0."""
    basis = np.polynomial.chebyshev.chebvander(nodes, DEGREE)
    inverse = np.linalg.pinv(basis)
    at_zero = np.polynomial.chebyshev.chebvander(np.zeros(1), DEGREE)[0]
    derivative = np.array([0.0 if n % 2 == 0 else n * (-1.0) ** (n // 2) for n in range(DEGREE + 1)])
    return basis, at_zero @ inverse, derivative @ inverse


def fit_slope(
    along: Callable[[float], tuple[float, float]], largest: float, unknown: float, rng: np.random.Generator
) -> Fit:
    """The slope at 0 of a function of one number.

    Parameters
    ----------
    along : callable
        ``along(t)`` gives the value, and the sum of the sizes of its parts, which bounds its rounding.
    largest : float
        The largest scale to try.
    unknown : float
        The size of the numbers that a value of exactly 0 may have been computed from.
    rng : numpy.random.Generator

    Returns
    -------
    Fit

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> fit = fit_slope(lambda t: (float(np.sin(1 + t)), 1.0), 0.25, 1.0, rng)
    >>> bool(abs(fit.slope - np.cos(1)) <= fit.error < 1e-11)
    True
    >>> fit = fit_slope(lambda t: ((1e9 + t) - 1e9, 1.0), 0.25, 1.0, rng)  # in steps of 1.2e-7
    >>> bool(abs(fit.slope - 1) <= fit.error < 1e-4)
    True
    """
    middle, size = along(0.0)
    best, scale, step, worse = Fit(0.0, np.inf, 0.0, largest), largest, 0.0, 0
    with np.errstate(all="ignore"):
        for _ in range(SCALES):
            nodes = rng.uniform(-1, 1, NODES)
            pairs = np.array([along(scale * t) for t in nodes])
            good = np.isfinite(pairs).all(1)
            if good.sum() >= NODES - 4 and nodes[good].min() < -0.3 and nodes[good].max() > 0.3:
                values, size = pairs[good, 0] - middle, max(size, float(pairs[good, 1].max()))
                distinct, counts = np.unique(values, return_counts=True)
                if np.sum(counts > 1) >= STAIRS:
                    step = max(step, float(np.median(np.diff(distinct))))
                basis, _, row = _weights(nodes[good])
                left = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
                noise = float(np.sqrt(left @ left / max(1, good.sum() - DEGREE - 1)))
                error = SAFETY * noise * float(np.linalg.norm(row)) + 4 * U * size * float(np.abs(row).sum())
                if distinct.size == 1:  # nothing moves: a step may hide
                    error = max(step, HIDDEN * U * (size or unknown))
                found = Fit(float(row @ values) / scale, error / scale, step, scale)
                worse = worse + 1 if found.error > 30 * best.error else 0
                if found.error < best.error:
                    best = found
                if worse >= PATIENCE:
                    break
            scale /= RATIO
    return best if best.step == step else Fit(best.slope, best.error, step, best.scale)


def fit_value(along: Callable[[float], float], scale: float, rng: np.random.Generator) -> tuple[float, float]:
    """The value at 0 of a smooth function, from its values beside 0, and their noise.

    Parameters
    ----------
    along : callable
    scale : float
        The largest distance from 0; two much smaller ones are looked at too.
    rng : numpy.random.Generator

    Returns
    -------
    value, noise : float
        The noise is the median residual, so that a few stray values do not count; infinite where there are none.

    Examples
    --------
    >>> value, noise = fit_value(np.exp, 1e-2, np.random.default_rng(0))
    >>> abs(value - 1) < 1e-14, noise < 1e-14
    (True, True)
    """
    value, noise = np.nan, 0.0
    with np.errstate(all="ignore"):
        for s in (scale, scale / 40, scale / 1600):
            nodes = rng.uniform(-1, 1, NODES)
            values = np.array([along(s * t) for t in nodes])
            good = np.isfinite(values)
            if good.sum() < NODES - 4:
                continue
            basis, row, _ = _weights(nodes[good])
            away = values[good] - basis @ np.linalg.lstsq(basis, values[good], rcond=None)[0]
            value, noise = float(row @ values[good]), max(noise, float(np.median(np.abs(away))))
    return value, noise if np.isfinite(value) else np.inf
