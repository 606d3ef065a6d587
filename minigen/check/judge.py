r"""The judgement: a claimed vjp against measured derivatives.

For one argument x, a direction v and a cotangent g the chain rule says

.. math:: \langle g, \, f'(x) v \rangle = \langle \mathrm{vjp}(g), \, v \rangle .

The left side is measured (`minigen.check.differences`), with a bound :math:`E_j` on the error of each output element;
the right side is claimed, and carries the noise :math:`n_i` that tiny changes of the inputs make in it.  The two
may differ by :math:`\sum_j |g_j| E_j + \sum_i |v_i| n_i` and rounding; twice that is *wrong*.

g and v are drawn for the purpose and independent of x.  All ones would be blind: batch norm's gradient vanishes under
a constant cotangent.  They are Gaussian, pushed away from zero by a quarter, so that no element goes unexamined.

Agreement is worth what could have disagreed.  The *resolution* is the bound divided by the size of the gradient;
where it is poorer than asked for, agreement is *inconclusive*, never right.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from .differences import Array, Function, Measured, U, directional, jitter, measure_noise
from .report import Finding

__all__ = ["RESOLUTION", "draw", "judge", "smooth_elements"]

RESOLUTION = 1e-5
"""The relative error that a check must be able to see before it may say *right*."""

BAND = 1e4
"""Gradients whose sizes differ by more than this are examined apart: the large ones' bound would hide the small."""

FLOOR = 8
"""Roundings, of the function's own size, that any vjp is granted: 1 - sigmoid(x) near x = 30 has lost all its
digits, and moving x by one ulp does not show it."""

Vjp = Callable[..., Sequence[Array | None]]


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A random cotangent or direction: Gaussian, pushed away from zero by 1/4, with three decimals so that it prints.

    >>> bool(np.all(np.abs(draw(np.random.default_rng(0), (100,))) >= 0.25))
    True
    """
    z = rng.standard_normal(shape)
    return np.round(z + np.copysign(0.25, z), 3)


def judge(
    op: str,
    fn: Function,
    vjp: Vjp,
    inputs: Sequence[Array],
    which: Sequence[int],
    names: Sequence[str],
    rng: np.random.Generator,
    order: int = 1,
    resolution: float = RESOLUTION,
    repeats: int = 2,
    natural: float = 0.0,
) -> list[Finding]:
    """Judge the vjp of `fn` in each of the inputs at the positions `which`, at one point.

    Parameters
    ----------
    op : str
        What to call the function.
    fn : callable
        Arrays to one array.
    vjp : callable
        ``vjp(g, *inputs)`` gives one array per entry of `which`.
    inputs : sequence of float64 array
    which : sequence of int
    names : sequence of str
        What to call each of `which`.
    rng : numpy.random.Generator
    order : int
        Only for the findings' text.
    resolution : float
    repeats : int
        How many directions to try for each argument.
    natural : float
        The size of the function's values, where `fn` is derived from it: what a gradient of zero is compared with.

    Returns
    -------
    list of Finding
        One per argument.
    """
    value, noise = measure_noise(fn, inputs, which, rng)
    if not np.all(np.isfinite(value)):
        place = tuple(int(n) for n in np.argwhere(~np.isfinite(value))[0])
        reason = f"the function gives {value[place]} here, so there is nothing to differentiate"
        return [Finding("inconclusive", op, name, order, reason, place) for name in names]
    natural = max(natural, float(np.linalg.norm(value)))
    return [
        _argument(op, fn, vjp, inputs, which, k, name, value, noise, rng, order, resolution, repeats, natural)
        for k, name in enumerate(names)
    ]


def smooth_elements(fn: Function, inputs: Sequence[Array], which: Sequence[int], rng: np.random.Generator) -> Array:
    """Positions, in the flattened output, of the elements that do not lie on a kink.

    On a kink the first gradient jumps, and its own derivative is out of the question.
    """
    value, noise = measure_noise(fn, inputs, which, rng)
    kinked = np.zeros(value.shape, bool)
    for i in which:
        if inputs[i].size and value.size:
            kinked |= directional(fn, inputs, i, draw(rng, inputs[i].shape), value, noise).kinked
    return np.flatnonzero(~kinked)


def _argument(op, fn, vjp, inputs, which, k, name, value, noise, rng, order, resolution, repeats, natural) -> Finding:
    i = which[k]
    if inputs[i].size == 0 or value.size == 0:
        return _empty(op, vjp, inputs, i, k, name, value, order)
    worst = 0.0
    for _ in range(repeats):
        v, g = draw(rng, inputs[i].shape), draw(rng, value.shape)
        measured = directional(fn, inputs, i, v, value, noise)
        g = np.where(measured.kinked, 0.0, g)
        if np.all(g == 0):
            reason = "every output element lies on a kink, where no derivative exists"
            return Finding("inconclusive", op, name, order, reason)
        if np.any(measured.undefined):
            place = tuple(int(n) for n in np.argwhere(measured.undefined)[0])
            reason = "the edge of the domain: no step, however small, has values on both sides"
            return Finding("inconclusive", op, name, order, reason, place)
        scale = max(1.0, float(np.sqrt(np.mean(np.square(inputs[i])))))
        claimed, blur = _claim(vjp, g, inputs, which, k, rng)
        blur = np.fmax(blur, FLOOR * U * natural * float(np.sqrt(np.mean(np.square(g)))) / scale)
        if not np.all(np.isfinite(claimed)):
            place = tuple(int(n) for n in np.argwhere(~np.isfinite(claimed))[0])
            reason = f"the vjp has {claimed[place]} where the function is smooth"
            return Finding("wrong", op, name, order, reason, place, float(claimed[place]))
        for band in _bands(claimed):
            w = v if band is None else np.where(band, v, 0.0)
            along = measured if band is None else directional(fn, inputs, i, w, value, noise)
            if np.any(along.kinked & (g != 0)):
                continue
            seen, said, bound, size = _compare(g, along, claimed, w, blur)
            if abs(seen - said) > 2 * bound:
                return _locate(op, fn, inputs, i, name, order, value, noise, g, w, claimed, blur, (said, seen, bound))
            if band is None and (seen or said):  # both exactly zero: nothing could agree better
                worst = max(
                    worst, _resolution(bound, size, max(natural / scale, float(np.linalg.norm(measured.reach))))
                )
    if worst > resolution:
        reason = "agrees, but only a larger error could have been seen: the function is too noisy or too steep here"
        return Finding("inconclusive", op, name, order, reason, resolution=worst)
    return Finding("right", op, name, order, "agrees with differences", resolution=worst)


def _empty(op, vjp, inputs, i, k, name, value, order) -> Finding:
    """Nothing goes in or nothing comes out: the gradient is empty, or zero."""
    claimed = vjp(np.zeros(value.shape), *inputs)[k]
    if claimed is None or claimed.shape != inputs[i].shape or np.any(claimed != 0):
        found = "None" if claimed is None else f"an array of shape {claimed.shape}"
        return Finding("wrong", op, name, order, f"expected zeros of shape {inputs[i].shape}, got {found}")
    return Finding("right", op, name, order, "empty", resolution=0.0)


def _claim(vjp: Vjp, g: Array, inputs: Sequence[Array], which: Sequence[int], k: int, rng) -> tuple[Array, Array]:
    """The vjp for the k-th argument, and how much tiny changes of its inputs move each of its elements."""
    claimed = np.asarray(vjp(g, *inputs)[k])
    blur = U * np.abs(claimed)
    for _ in range(5):
        moved = list(inputs)
        for j in which:
            moved[j] = jitter(inputs[j], rng)
        with np.errstate(all="ignore"):
            again = np.asarray(vjp(np.where(g == 0, 0.0, jitter(g, rng)), *moved)[k])
            blur = np.fmax(blur, np.abs(again - claimed))
    return claimed, 2 * blur


def _bands(claimed: Array) -> list[Array | None]:
    """All elements together (None), and, where sizes differ widely, the small ones by themselves."""
    size = np.abs(claimed)
    nonzero = size[size > 0]
    if nonzero.size == 0 or nonzero.max() / nonzero.min() <= BAND:
        return [None]
    small = (size <= nonzero.max() / BAND) & (size > 0)
    smallest = (size <= nonzero.min() * BAND) & (size > 0)
    return [None, small] + ([smallest] if smallest.sum() < small.sum() else [])


def _compare(g: Array, measured: Measured, claimed: Array, v: Array, blur: Array) -> tuple[float, float, float, float]:
    """Both sides of the identity, what they may differ by, and the size of the gradient along v."""
    heard = g != 0
    left = g[heard] * measured.value[heard]
    right = (claimed * v).ravel()
    seen, said = math.fsum(left), math.fsum(right)
    bound = math.fsum(np.abs(g[heard]) * measured.error[heard]) + math.fsum((np.abs(v) * blur).ravel())
    bound += 2 * U * (math.fsum(np.abs(left)) + math.fsum(np.abs(right)))
    size = max(float(np.linalg.norm(left)), float(np.linalg.norm(right)))
    return seen, said, bound, size


def _resolution(bound: float, size: float, natural: float) -> float:
    """The smallest visible relative error.

    A gradient that is zero has no relative error.  Where neither side of the identity stands out of the bound, the
    bound is compared with the natural size of a derivative: that of the function's values by that of the input.
    """
    if bound == 0:
        return 0.0
    if size <= bound:
        size = max(size, natural)
    return bound / size if size else math.inf


def _locate(op, fn, inputs, i, name, order, value, noise, g, v, claimed, blur, whole) -> Finding:
    """Halve the set of elements, again and again keeping the half that disagrees more, down to one."""
    x = inputs[i]

    def look(part: Array) -> tuple[float, float, float, float]:
        """How far the two sides disagree along some elements of v (a single one: along its axis), in bounds."""
        w = np.zeros(x.size)
        w[part] = v.ravel()[part] if part.size > 1 else 1.0
        w = w.reshape(x.shape)
        measured = directional(fn, inputs, i, w, value, noise)
        a, b, e, _ = _compare(np.where(measured.kinked, 0.0, g), measured, claimed, w, blur)
        return abs(a - b) / e if np.isfinite(a) and e > 0 else math.inf if a != b else 0.0, b, a, e

    chosen = np.flatnonzero(v.ravel())
    (said, seen, bound) = whole if chosen.size > 1 else look(chosen)[1:]
    while chosen.size > 1:
        halves = [(look(half), half) for half in (chosen[: chosen.size // 2], chosen[chosen.size // 2 :])]
        (_, said, seen, bound), chosen = max(halves, key=lambda part: part[0][0])
    index = None
    if abs(said - seen) > 2 * bound:
        index = tuple(int(n) for n in np.unravel_index(int(chosen[0]), x.shape))
    else:  # visible only in many elements together
        said, seen, bound = whole
    reason = "differs from the measured derivative"
    return Finding("wrong", op, name, order, reason, index, said, seen, 2 * bound, cotangent=g)
