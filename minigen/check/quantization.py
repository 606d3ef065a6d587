"""Functions that move in steps: where cancellation has eaten the digits, no difference can see a slope.

``(1e12 + x) - 1e12`` has the derivative 1, but its values are multiples of 1.2e-4: between two of them the function is
constant, bit for bit, and every small difference is an honest zero.  Moving x by an ulp shows no noise either.  What
gives such a function away is that it takes *many* values along a line, each again and again.  One with kinks or jumps
does that with one or two: a rectifier with its zero, a clamp with its limits.

This runs only before a gradient is called wrong, at a point where a step that changed something is
followed by one that changed nothing.
"""

from collections.abc import Sequence

import numpy as np

from .differences import Array, Function, Measured, value_or_nan

__all__ = ["quantization"]

WIDTHS = (32, 512)
"""In steps that changed nothing: where the point lies in the middle of a stair, and where it lies near an edge."""

SAMPLES = 48
LEAST = 4
"""The number of different values that must occur again."""


def quantization(
    fn: Function, inputs: Sequence[Array], i: int, direction: Array, value: Array, measured: Measured
) -> Array:
    """The height of the stairs in which `fn` climbs along `direction`; 0 for elements that move smoothly.

    Parameters
    ----------
    fn : callable
    inputs : sequence of array
    i : int
        The input that moves.
    direction : array
    value : array
        Of `fn` at the point.
    measured : Measured
        As `minigen.check.differences.directional` gives it.

    Returns
    -------
    array
        Of the output's shape.

    Examples
    --------
    >>> def stairs(fn, x):
    ...     nothing = np.zeros(1)
    ...     measured = Measured(nothing, nothing, nothing, nothing, nothing, still=np.full(1, 1e-5))
    ...     return quantization(fn, [x], 0, np.ones(1), fn(x), measured).item()
    >>> round(stairs(lambda x: (1e12 + x) - 1e12, np.array([0.3])), 6)  # the distance of numbers near 1e12
    0.000122
    >>> stairs(lambda x: np.maximum(x, 0.1), np.array([0.0]))
    0.0
    """
    rng = np.random.default_rng(0)
    height = np.full(value.shape, np.inf)
    with np.errstate(all="ignore"):
        for width in np.outer(WIDTHS, np.unique(measured.still[measured.still > 0])).ravel():
            samples = []
            for t in width * rng.uniform(-1, 1, SAMPLES):
                samples.append(value_or_nan(fn, [*inputs[:i], inputs[i] + t * direction, *inputs[i + 1 :]], value))
            height = np.minimum(height, _stairs(np.sort(np.stack(samples), axis=0)))
    return np.where(np.isinf(height), 0.0, height)


def _stairs(values: Array) -> Array:
    """How high the stairs are that each element's sorted values form; infinite where they form none."""
    gaps = np.nan_to_num(np.diff(values, axis=0), posinf=0.0)
    run, repeated = np.zeros(values.shape[1:], int), np.zeros(values.shape[1:], int)
    for gap in gaps:
        run = np.where(gap == 0, run + 1, 0)
        repeated += run == 1
    stairs = repeated >= LEAST
    return np.where(stairs, np.median(np.where(gaps > 0, gaps, np.max(gaps, axis=0)), axis=0), np.inf)
