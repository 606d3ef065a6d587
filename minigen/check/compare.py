r"""The judgment: a claimed vjp against measured derivatives.

For one argument x, a direction v and a cotangent g the chain rule says

$$\langle g, \, f'(x) v \rangle = \langle \mathrm{vjp}(g), \, v \rangle .$$

The left side is measured (`minigen.check.differences`), with a bound $E_j$ on the error of each output element;
the right side is claimed, and carries the noise $n_i$ that tiny changes of the inputs make in it.  The two
may differ by $\sum_j |g_j| E_j + \sum_i |v_i| n_i$ and rounding; twice that is *wrong*.

g and v are drawn for the purpose and independent of x.  All ones would be blind: batch norm's gradient vanishes under
a constant cotangent.  They are Gaussian, pushed away from zero by a quarter, so that no element goes unexamined.

Agreement is worth what could have disagreed.  The *resolution* is the bound divided by the size of the gradient;
where it is poorer than asked for, agreement is *inconclusive*, never right.

Output elements whose derivative is lost in rounding get a cotangent of their own, so that they do not drown the
others: the largest element of a saturated softmax is 1 less something tiny.  Theirs is no relative error; what could be
seen of them is compared with the size of the function.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from .array_generators import EXPANDED, LAYOUTS
from .confirm import second_measurement
from .differences import Array, Function, Measured, U, directional, measure_noise
from .jacobian import compare_jacobians
from .problem import MeasureRule, Point, Vjp, place
from .quantization import quantization
from .report import Finding
from .sensitivity import RESOLUTION, resolution_of

__all__ = ["compare", "draw", "smooth_elements"]

BAND = 1e4
"""Gradients whose sizes differ by more than this are examined apart: the large ones' bound would hide the small."""

RELAID = 2
"""How often the vjp is called with the same cotangent in another arrangement of memory."""

ROUGH, STEADY = 1e-3, 1e-6
"""A vjp whose values beside the point vary by more than this part, where the function has a slope good to that part,
is no function of its inputs."""

VARIES = (
    "varies from call to call, at points that differ by almost nothing, while the function is smooth there "
    "(remembered state, a race, memory read before it is written)"
)

DIFFERS = (
    "differs between calls: right beside this point and wrong on it, or at some calls only "
    "(an input of exactly this value, remembered state, a race, memory read before it is written)"
)

ARRANGED = "differs with the arrangement of the cotangent in memory: right in one, wrong in another"


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A random cotangent or direction: Gaussian, pushed away from zero by 1/4, with eight decimals so that it prints.

    With fewer, products of it would have an end that a gradient rounded to some decimals hits exactly half way.

    >>> bool(np.all(np.abs(draw(np.random.default_rng(0), (100,))) >= 0.25))
    True
    """
    z = rng.standard_normal(shape)
    return np.round(z + np.copysign(0.25, z), 8)


def compare(
    op: str,
    fn: Function,
    vjp: Vjp,
    inputs: Sequence[Array],
    which: Sequence[int],
    names: Sequence[str],
    rng: np.random.Generator,
    order: int = 1,
    *,
    resolution: float = RESOLUTION,
    repeats: int = 2,
    natural: float = 0.0,
    measure: MeasureRule = directional,
    full_jacobian: bool = False,
    locate: bool = True,
    confirm: bool = True,
    rtol: float = 0.0,
    layouts: "Counter[Any] | None" = None,
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
    measure : callable
        How derivatives are measured: by differences, or `minigen.check.analytic.by_complex_step`.
    full_jacobian : bool
        Whether to compare every element of the Jacobian, in place of random directions.
    locate : bool
        Whether to look for the element that is worst, which takes longer than to see that something is wrong.
    confirm : bool
        Whether to measure again, by another method, before a gradient is called wrong.
    rtol : float
        A tolerance of the user's own: a gradient is right where it is off by no more than this part of its size.
    layouts : Counter, optional
        Which arrangements of cotangents in memory were dealt so far; by default they are plain.

    Returns
    -------
    list of Finding
        One per argument.
    """
    value, noise = measure_noise(fn, inputs, which, rng)
    point = Point(
        op, fn, vjp, inputs, which, rng, order, measure, value, noise, natural, locate, confirm, rtol, layouts
    )
    if not np.all(np.isfinite(value)):
        where = place(~np.isfinite(value))
        reason = f"the function gives {value[where]} here, so there is nothing to differentiate"
        return [point.finding("inconclusive", name, reason, where) for name in names]
    findings = {}
    for k in rng.permutation(len(names)).tolist():  # else every nth call may be for the same argument at every point
        if inputs[which[k]].size == 0 or value.size == 0:
            findings[k] = _empty(point, k, names[k])
        elif full_jacobian:
            findings[k] = compare_jacobians(point, k, names[k], resolution)
        else:
            findings[k] = _argument(point, k, names[k], resolution, repeats)
    return [findings[k] for k in range(len(names))]


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


def _argument(point: Point, k: int, name: str, resolution: float, repeats: int) -> Finding:
    i, worst = point.which[k], 0.0
    for _ in range(repeats):
        v, g = draw(point.rng, point.inputs[i].shape), draw(point.rng, point.value.shape)
        measured = point.along(i, v)
        problem = point.outside_hull(k, name, v, measured) or point.no_derivative(name, measured)
        if problem:
            return problem
        heard, part = ~measured.kinked, None
        lost = heard & (measured.error >= resolution * np.abs(measured.value))
        if np.any(lost) and np.any(heard & ~lost):
            part = heard = heard & ~lost
            size = max(_reach(point, i, measured), float(np.linalg.norm(measured.value[heard])))
            worst = max(worst, float(np.max(measured.error[lost])) / size)
            verdict = _cotangent(point, k, name, v, np.where(lost, g, 0.0), measured)
            if isinstance(verdict, Finding):
                return verdict
        verdict = _cotangent(point, k, name, v, np.where(heard, g, 0.0), measured, part)
        if isinstance(verdict, Finding):
            return verdict
        worst = max(worst, verdict)
        if point.layouts is not None and g.size > 1 and not np.any(measured.kinked):
            verdict = _cotangent(point, k, name, v, g, measured, layouts=EXPANDED)
            if isinstance(verdict, Finding) and verdict.verdict == "wrong":  # what such a cotangent leaves open is said
                return verdict
    return point.agreement(name, worst, resolution)


def _cotangent(
    point: Point,
    k: int,
    name: str,
    v: Array,
    g: Array,
    measured: Measured,
    part: Array | None = None,
    layouts: Sequence[str] = LAYOUTS,
) -> Finding | float:
    """What is wrong under the cotangent g, or the smallest relative error that would have been seen."""
    i, worst = point.which[k], 0.0
    g = point.lay_out(k, g, layouts)
    repeats = any(st == 0 and n > 1 for st, n in zip(g.strides, g.shape))  # a gradient under it may cancel to noise
    claimed, blur, again = point.claimed(k, g, part)
    others, plain = [], np.ascontiguousarray(g).reshape(g.shape)
    for _ in range(RELAID if point.layouts is not None and not repeats else 0):  # the same numbers in other memory
        others.append(point.lay_out(k, plain))
        again.append(np.asarray(point.vjp(others[-1], *point.inputs)[k]))
    problem = next((p for c in (claimed, *again) if (p := point.not_finite(name, c))), None)
    if problem:
        return problem
    for band in _bands(claimed):
        w = v if band is None else np.where(band, v, 0.0)
        along = measured if band is None else point.along(i, w)
        if np.any(along.kinked & (g != 0)):
            continue
        seen, said, bound, size = _compare(g, along, claimed, w, blur)
        called = [said, *(math.fsum((c * w).ravel()) for c in again)]
        length = float(np.linalg.norm(claimed * w))
        if (
            band is None and point.order == 1 and point.confirm and point.measure is directional and not repeats
            and length > STEADY * point.natural / point.scale(i)
            and float(np.linalg.norm(blur * w)) > ROUGH * length
        ):  # fmt: skip
            second = second_measurement(point, k, g, w, blur)
            if second.noise > ROUGH * length and second.error < STEADY * length:
                return point.finding("wrong", name, VARIES, None, said, second.slope, second.allowed, cotangent=g)
        off = max(range(len(called)), key=lambda n: abs(seen - called[n]))
        tolerated = point.rtol * math.fsum(np.abs(claimed * w).ravel())  # each element may be off by so much
        allowed = max(2 * bound, tolerated)
        first = len(called) - len(others)
        reason, shown = (ARRANGED, others[off - first]) if off >= first else (DIFFERS, g)
        if not abs(seen - called[off]) <= allowed:
            problem = _too_coarse(point, i, name, g, w, along, claimed, blur)
            if problem:
                return problem
            if point.confirm and point.measure is directional:
                second = second_measurement(point, k, g, w, blur)
                allowed = max(second.allowed, tolerated)
                if abs(second.slope - called[off]) <= allowed:
                    if band is None:
                        worst = max(worst, resolution_of(allowed, size, _reach(point, i, measured)))
                    continue
                # A gradient moves in steps of its function's roundings: of a saturated softmax it is far smaller.
                steps = 4 * U * point.given
                problem = _too_coarse(point, i, name, g, w, along, claimed, blur, steps) if steps else None
                if problem:
                    return problem
                if abs(second.slope - second.beside) <= allowed:
                    numbers = None, called[off], second.slope, allowed
                    return point.finding("wrong", name, reason, *numbers, cotangent=shown)
            if off > 0 and abs(seen - said) <= allowed:
                return point.finding("wrong", name, reason, None, called[off], seen, allowed, cotangent=shown)
            return _locate(point, i, name, g, w, claimed, blur, (said, seen, bound))
        if band is None and (seen or said):  # both exactly zero: nothing could agree better
            worst = max(worst, resolution_of(max(bound, allowed / 2), size, _reach(point, i, measured)))
    return worst


def _reach(point: Point, i: int, measured: Measured) -> float:
    """The natural size of a derivative: that of the function's values, here and a unit step away, by the input's."""
    return max(point.natural / point.scale(i), float(np.linalg.norm(measured.reach)))


def _too_coarse(
    point: Point, i: int, name: str, g: Array, v: Array, measured: Measured, claimed: Array, blur: Array,
    least: float = 0.0,
) -> Finding | None:  # fmt: skip
    """Whether the two sides only differ because the function moves in steps, which are not smaller than `least`."""
    height = np.fmax(quantization(point.fn, point.inputs, i, v, point.value, measured), least)
    if not np.any(height):
        return None
    again = point.along(i, v, np.maximum(point.noise, height))
    seen, said, bound, size = _compare(g, again, claimed, v, blur)
    if abs(seen - said) > 2 * bound:
        return None
    reason = f"the function moves in steps of {np.max(height):.1g}: cancellation inside it hides the derivative"
    return point.finding("inconclusive", name, reason, resolution=bound / size)


def _empty(point: Point, k: int, name: str) -> Finding:
    """Nothing goes in or nothing comes out: the gradient is empty, or zero."""
    shape = point.inputs[point.which[k]].shape
    claimed = point.vjp(np.zeros(point.value.shape), *point.inputs)[k]
    if claimed is None or claimed.shape != shape or np.any(claimed != 0):
        found = "None" if claimed is None else f"an array of shape {claimed.shape}"
        return point.finding("wrong", name, f"expected zeros of shape {shape}, got {found}")
    return point.finding("right", name, "empty", resolution=0.0)


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


def _locate(
    point: Point, i: int, name: str, g: Array, v: Array, claimed: Array, blur: Array, whole: tuple[float, float, float]
) -> Finding:
    """Halve the set of elements, again and again keeping the half that disagrees more, down to one."""
    x, reason = point.inputs[i], "differs from the measured derivative"
    if not point.locate:
        said, seen, bound = whole
        return point.finding("wrong", name, reason, None, said, seen, 2 * bound, cotangent=g)

    def look(part: Array) -> tuple[float, float, float, float]:
        """How far the two sides disagree along some elements of v (a single one: along its axis), in bounds."""
        flat = np.zeros(x.size)
        flat[part] = v.ravel()[part] if part.size > 1 else 1.0
        w = flat.reshape(x.shape)
        measured = point.along(i, w)
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
    return point.finding("wrong", name, reason, index, said, seen, 2 * bound, cotangent=g)
