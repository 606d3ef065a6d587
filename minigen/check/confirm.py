"""The second measurement of a difference that is about to be called wrong: see `minigen.check.polynomial_fit`."""

import math
from dataclasses import dataclass

import numpy as np

from .differences import Array, U, step_along, value_or_nan
from .polynomial_fit import fit_slope, fit_value
from .problem import Point

__all__ = ["Second", "second_measurement"]

NOISE = 8
"""Multiples of the vjp's median residual that are granted."""

CANCELLED = 1024
"""Roundings of numbers as large as the cotangent and the input that may be left after cancellation in a vjp.  More
noise than this, and more than the inputs' own rounding explains, is no excuse: digits were lost on the way."""


@dataclass(frozen=True)
class Second:
    """What the second measurement found.

    Attributes
    ----------
    slope : float
        Of <g, f> along the direction.
    beside : float
        What the vjp says beside the point.
    allowed : float
        What the slope and the vjp may differ by: the errors of both.
    step : float
        The height of the steps in which the function moves, or 0.
    noise : float
        By how much the vjp varies beside the point, as its median residual from a polynomial.
    error : float
        Of `slope`.
    """

    slope: float
    beside: float
    allowed: float
    step: float
    noise: float
    error: float


def _largest(x: Array) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def second_measurement(point: Point, k: int, g: Array, w: Array, blur: Array) -> Second:
    """Measure the slope of <g, f> along `w`, and the noise of the vjp for the k-th argument there.

    Parameters
    ----------
    point : Point
    k : int
    g, w : array
        The cotangent, and the direction in which the argument moves.
    blur : array
        What tiny changes of the inputs do to each element of the vjp.
    """
    i, heard = point.which[k], g != 0
    x = point.inputs[i]
    rng = np.random.default_rng(0)

    def moved(t: float) -> list[Array]:
        return [*point.inputs[:i], step_along(x, t, w), *point.inputs[i + 1 :]]

    def value(t: float) -> tuple[float, float]:
        parts = g[heard] * value_or_nan(point.fn, moved(t), point.value)[heard]
        return (math.fsum(parts), float(np.abs(parts).sum())) if np.all(np.isfinite(parts)) else (np.nan, np.nan)

    def claim(t: float) -> float:
        return float(np.sum(np.asarray(point.vjp(g, *moved(t))[k]) * w))

    size = max(1.0, float(np.max(np.abs(x), initial=0.0)))
    length = max(float(np.max(np.abs(w))), 1e-300)
    fit = fit_slope(value, size / 4 / length, size * float(np.linalg.norm(g)), rng)
    beside, noise = fit_value(claim, fit.scale, rng)
    if not np.isfinite(noise):
        noise = 0.0
    granted = point.granted(k, g, max(point.natural, float(np.linalg.norm(g * point.value))))
    excused = max(4 * float(np.sum(np.abs(w) * blur)), CANCELLED * U * _largest(g) * size * float(np.abs(w).sum()))
    allowed = fit.error + min(NOISE * noise, excused) + granted * float(np.abs(w).sum())
    return Second(fit.slope, beside, allowed, fit.step, noise, fit.error)
