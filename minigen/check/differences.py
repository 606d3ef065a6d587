r"""Derivatives measured by differences, each with a bound on its own error.

**The U-shaped error.**  The central difference of $\varphi(h) = f(x + h v)$ is

$$D(h) = \frac{\varphi(h) - \varphi(-h)}{2h} = \varphi'(0) + \frac{h^2}{6} \varphi'''(0) + O(h^4)
          \quad \text{and rounding adds up to} \quad \frac{e}{h}$$

for values that carry an error of up to e.  The sum is least at $h = (3e / |\varphi'''|)^{1/3}$, where it is about
$e^{2/3}$.  The five-point formula is one step of Richardson's extrapolation, with the error
$h^4 |\varphi^{(5)}| / 30 + 1.5 e / h$, least at $h = (11.25 e / |\varphi^{(5)}|)^{1/5}$: about
$e^{4/5}$.  A step fixed in advance hits neither; no one knows $\varphi'''$ beforehand, and it differs from
one output element to the next.

**The ladder.**  So differences are taken at $h_k = h_0 / 4^k$ and extrapolated (Richardson 1911; Ridders 1982,
"Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering Software 4):

$$T_{k,0} = D(h_k), \qquad T_{k,m} = T_{k,m-1} + \frac{T_{k,m-1} - T_{k-1,m-1}}{16^m - 1}.$$

The error of $T_{k,m}$ is taken as its distance from both of its parents (two coincidences would be needed to
fool it), plus rounding.  *Each output element* keeps the entry with the least error.

**The noise e is measured,** not assumed: every input is moved by up to two units in the last place, at random up
or down, a few times, and the largest change of each output is its noise.  This is what x costs merely by being a
rounded number.  The textbook $u |f|$ is wrong in both directions: it misses the cancellation inside batch norm of
data at $10^4 \pm 10^{-3}$, and serves only as a floor.

One ulp does not show everything: $\log(1 + t)$ for small t moves in steps of u however finely t moves, and
between two steps every difference is zero and in perfect agreement with the next.  So the ladder is judged twice; the
second time with the noise that the first betrayed (`_Ladder.unrest`).

**Finer levels must agree.**  A sine of 1e4, sampled at steps that are near multiples of its period, gives a perfectly
smooth ladder: that of another, slower sine (aliasing).  The ladder alone cannot know, but the finer levels do: they
give another slope.  So the error of a level k also covers the noise that would be needed to explain every finer level j
by noise, $1.5 \max_j (|T_j - T_k| - E_j) h_j / h_k$.  It is zero for a level that all finer levels support.

**Memory layout.**  A moved input has the strides of the original: a function that is wrong for Fortran order must be
wrong at every point of the ladder, and must not look like noise.

**Which levels count.**  A difference that jumps over a bump is worthless, yet two of them may agree perfectly (0 and 0,
far outside a narrow peak).  Only $\varphi(0)$ knows better.  With
$S(h) = |\varphi(h) - 2 \varphi(0) + \varphi(-h)| / h$ a smooth function has
$S(h) \approx |\varphi''| h$: it falls fourfold from level to level.  A level where S has not at least halved, and
is not noise, is not trusted.  Where no level is, the best of these serves, with S, the distance between the two
one-sided slopes, as a part of its error.

**Kinks.**  Where the slope jumps by J, S(h) tends to J and not to 0.  Central differences *converge* there, to the mean
of the two slopes, so that their convergence proves nothing; S does.  See `Measured.kinked`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Measured", "directional", "jitter", "measure_noise", "same_layout", "step_along", "value_or_nan"]

Array = np.ndarray
Function = Callable[..., Array]

U = 2.0**-53
"""Unit roundoff of float64."""

LEVELS = 40
ORDERS = 4
GRANULARITY = 64
"""The most roundings, of the size of the largest value or input, taken for noise where an ulp showed none.

What cancellation of yet larger numbers does, as in (1e12 + x) - 1e12, is left to `minigen.check.quantization`."""

LEAST = 6
"""The number of levels that is needed before two of them may agree by chance."""

LAST = 4
"""How many of the finest levels are taken to show nothing but noise."""

KINK = 1e-3
"""Slopes that differ by less than this part are not taken for a kink."""


@dataclass(frozen=True)
class Measured:
    """A directional derivative of every output element, as measured.

    Attributes
    ----------
    value : array
        The derivative.
    error : array
        A bound on the error of `value`; infinite where nothing could be measured.
    kinked : boolean array
        Where the slopes on the two sides differ, so that there is no derivative to measure.
    undefined : boolean array
        Where no step, however small, had values on both sides: the point lies on the edge of the domain.
    reach : array
        How large the function is a unit step or less away: what a derivative of zero can be compared with.
    still : array
        The largest step that left the value as it was, bit for bit, though a larger one had changed it visibly; or 0.
    sides : array, optional
        Stacked: the slope on the left, the slope on the right, and the error of both; of use where `kinked`.
    """

    value: Array
    error: Array
    kinked: Array
    undefined: Array
    reach: Array
    still: Array
    sides: Any = None


def same_layout(values: Array, x: Array) -> Array:
    """The array `values` in new memory with the strides of `x`; gaps are filled with NaN.

    >>> x = np.zeros((2, 6))[:, ::-2]
    >>> y = same_layout(np.arange(6.0).reshape(2, 3), x)
    >>> y.strides == x.strides, y.tolist()
    (True, [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    """
    if x.flags.c_contiguous or x.size == 0 or 0 in x.strides or any(st % x.itemsize for st in x.strides):
        return values
    if x.flags.f_contiguous:
        return np.asfortranarray(values)
    reach = [(n - 1) * (st // x.itemsize) for n, st in zip(x.shape, x.strides)]
    if sum(map(abs, reach)) >= 64 * x.size:
        return values
    first = -sum(r for r in reach if r < 0)
    memory = np.full(sum(map(abs, reach)) + 1, np.nan if values.dtype.kind in "fc" else 0, values.dtype)
    strides = [st // x.itemsize * values.itemsize for st in x.strides]
    out: Array = np.lib.stride_tricks.as_strided(memory[first:], x.shape, strides)
    out[...] = values
    return out


def step_along(x: Array, h: float, direction: Array) -> Array:
    """``x + h * direction`` with the strides of `x`."""
    return same_layout(np.asarray(x + h * direction), x)


def jitter(x: Array, rng: np.random.Generator) -> Array:
    """Every element of `x` moved by up to two units in the last place, at random up or down; its strides are kept.

    One unit for all would not do: rounding is discrete, and in a difference such as x - mean(x) equal moves cancel.

    >>> x = jitter(np.ones(100), np.random.default_rng(0))
    >>> bool(0 < abs(x - 1).max() <= 2.0**-51)
    True
    """
    steps = rng.integers(-2, 3, x.shape)
    steps = np.where((x == 0) & (steps == 0), 1, steps)  # a vjp may treat 0 itself in another way
    away = np.where(steps < 0, -np.inf, np.inf).astype(x.dtype)
    once = np.where(steps == 0, x, np.nextafter(x, away))
    return same_layout(np.where(np.abs(steps) == 2, np.nextafter(once, away), once), x)


def measure_noise(
    fn: Function, inputs: Sequence[Array], which: Sequence[int], rng: np.random.Generator, samples: int = 8
) -> tuple[Array, Array]:
    """The value of `fn`, and by how much each element of it changes when the inputs move by an ulp or two.

    Parameters
    ----------
    fn : callable
        Takes the arrays `inputs`, returns an array.
    inputs : sequence of array
    which : sequence of int
        Positions of the inputs that are moved.
    rng : numpy.random.Generator
    samples : int
        How often.

    Returns
    -------
    value, noise : array
        The noise is at least half a unit in the last place of the value itself.
    """
    value = fn(*inputs)
    noise = U * np.abs(value)
    for _ in range(samples):
        moved = list(inputs)
        for i in which:
            moved[i] = jitter(inputs[i], rng)
        with np.errstate(all="ignore"):
            change = np.abs(value_or_nan(fn, moved, value) - value)
        noise = np.fmax(noise, change)
    return value, noise


def directional(
    fn: Function, inputs: Sequence[Array], i: int, direction: Array, value: Array, noise: Array
) -> Measured:
    """Measure the derivative of `fn` in its input `i` along `direction`.

    Parameters
    ----------
    fn : callable
    inputs : sequence of array
    i : int
    direction : array of the shape of ``inputs[i]``
    value, noise : array
        As `measure_noise` gives them.

    Returns
    -------
    Measured
        With the shape of the output.

    Examples
    --------
    >>> x = [np.array([2.0])]
    >>> value, noise = measure_noise(np.log, x, [0], np.random.default_rng(0))
    >>> d = directional(np.log, x, 0, np.ones(1), value, noise)
    >>> bool(abs(d.value[0] - 0.5) <= d.error[0] < 1e-10)
    True
    """
    x = inputs[i]
    size = max(1.0, float(np.max(np.abs(x), initial=0.0)))
    h = 2.0 ** np.ceil(np.log2(size)) / 4
    ladder, seen, spent = _Ladder(value, noise), 0, 0
    with np.errstate(all="ignore"):
        for _ in range(LEVELS):
            up, down = (
                value_or_nan(fn, [*inputs[:i], step_along(x, s, direction), *inputs[i + 1 :]], value) for s in (h, -h)
            )
            ladder.step(h, up, down)
            h /= 4
            seen += bool(np.all(np.isfinite(up - down)))
            spent += bool(np.all(1.5 * ladder.noise / h >= ladder.error))  # rounding alone is worse than what is known
            if seen >= LEAST and spent >= LAST:
                break
        cap = GRANULARITY * U * max(size, float(np.max(np.abs(value), initial=0.0)))
        for _ in range(2):
            ladder = ladder.again_with(np.maximum(noise, np.minimum(cap, ladder.unrest())))
    return ladder.measured(cap)


def value_or_nan(fn: Function, inputs: Sequence[Array], like: Array) -> Array:
    """The value of `fn`; NaN where it refuses the inputs, as a logarithm that raises in place of giving NaN."""
    try:
        return fn(*inputs)
    except (ValueError, ArithmeticError, RuntimeError):
        return np.full(like.shape, np.nan)


class _Ladder:
    """The table of extrapolated differences, level by level, and what each output element keeps of it."""

    def __init__(self, value: Array, noise: Array):
        self.value, self.noise = value, noise
        self.best, self.error = np.full(value.shape, np.nan), np.full(value.shape, np.inf)
        self.spare = np.stack([self.best, self.error])
        self.levels: list[tuple[float, Array, Array]] = []
        self.strays: list[Array] = []
        self.row: list[Array] = []  # T_{k-1, 0}, T_{k-1, 1}, ...
        self.bends: list[tuple[Array, Array]] = [(np.full(value.shape, np.inf), noise)]
        self.tops: list[tuple[float, Array, Array, Array]] = []  # of each level: h, the best T, its doubt, trusted

    def step(self, h: float, up: Array, down: Array) -> None:
        """Take in the values at +h and -h."""
        rounding = np.fmax(self.noise, U * np.fmax(np.abs(up), np.abs(down))) / h  # values out there may be larger
        bend = np.abs(up - 2 * self.value + down) / h
        trusted = (bend <= self.bends[-1][0] / 2) | (bend <= 8 * rounding)
        new = [(up - down) / (2 * h)]
        top, least_doubt = new[0], np.full(self.value.shape, np.inf)
        least = np.full(self.value.shape, np.inf)
        for m in range(1, min(len(self.row), ORDERS) + 1):
            new.append(new[m - 1] + (new[m - 1] - self.row[m - 1]) / (16.0**m - 1))
            doubt = np.maximum(np.abs(new[m] - new[m - 1]), np.abs(new[m] - self.row[m - 1])) + 1.5 * rounding
            if m < len(self.row):
                least = np.fmin(least, np.abs(new[m] - self.row[m]))
            top, least_doubt = np.where(doubt < least_doubt, new[m], top), np.fmin(doubt, least_doubt)
            better = trusted & (doubt < self.error)
            self.best, self.error = np.where(better, new[m], self.best), np.where(better, doubt, self.error)
            lost = np.isinf(self.error) & np.isfinite(doubt) & (doubt + bend < self.spare[1])
            self.spare = np.where(lost, np.stack([new[m], doubt + bend]), self.spare)
        self.row = new
        self.tops.append((h, top, least_doubt, trusted))
        self.strays.append(h * least)
        self.levels.append((h, up, down))
        self.bends.append((bend, 4 * rounding))

    def unrest(self) -> Array:
        """The noise that the levels themselves betray.

        On the last few levels truncation is gone, and what still parts the extrapolations of one level from those of
        the next is noise.  And where a step leaves the value as it is, bit for bit, though a larger one did not, the
        values come in steps as large as the last change seen.
        """
        ends = np.stack(self.strays[-LAST:])
        stray = np.max(np.where(np.isfinite(ends), ends, 0.0), axis=0)
        change = np.zeros(self.value.shape)
        for _, up, down in self.levels:
            for side in (up, down):
                moved = np.abs(side - self.value)
                stray = np.where(moved == 0, np.maximum(stray, change), stray)
                change = np.where(moved > 0, moved, change)
        return stray

    def again_with(self, noise: Array) -> "_Ladder":
        """The same levels, judged with another noise."""
        ladder = _Ladder(self.value, noise)
        for level in self.levels:
            ladder.step(*level)
        return ladder

    def agreed(self) -> tuple[Array, Array]:
        """The best level and its error, where every finer level must support it, or be explained by noise."""
        best, error = np.full(self.value.shape, np.nan), np.full(self.value.shape, np.inf)
        steps = np.array([h for h, *_ in self.tops]).reshape(-1, *[1] * self.value.ndim)
        slopes, doubts = (np.stack([level[n] for level in self.tops]) for n in (1, 2))
        doubts = np.where(np.isfinite(slopes), doubts, np.inf)
        with np.errstate(all="ignore"):
            for k, (h, slope, doubt, trusted) in enumerate(self.tops):
                if k + 1 < len(self.tops):
                    away = np.abs(slopes[k + 1 :] - slope) - doubts[k + 1 :]
                    doubt = doubt + 1.5 * np.max(np.fmax(away, 0.0) * steps[k + 1 :] / h, axis=0)
                better = trusted & (doubt < error)
                best, error = np.where(better, slope, best), np.where(better, doubt, error)
        return best, error

    def still(self, least: float) -> Array:
        """The largest step that changed nothing, where a larger one had changed more than `least`; or 0."""
        still, change = np.zeros(self.value.shape), np.zeros(self.value.shape)
        for h, up, down in self.levels:
            with np.errstate(invalid="ignore"):  # a value of infinity stays where it is
                moved = np.fmax(np.abs(up - self.value), np.abs(down - self.value))
            still = np.where((still == 0) & (moved == 0) & (change > least), h, still)
            change = np.where(moved > 0, moved, change)
        return still

    def measured(self, least: float) -> Measured:
        best, error = self.agreed()
        lost = np.isinf(error)
        best, error = np.where(lost, self.spare, np.stack([best, error]))
        bends = self.bends[1:]
        undefined = np.all([~np.isfinite(b) for b, _ in bends], axis=0)
        near = next((np.fmax(np.abs(up), np.abs(down)) for h, up, down in self.levels if h <= 1), self.value)
        reach = np.nan_to_num(near, posinf=0.0)
        sides = self.sides()
        return Measured(best, error, _kinked(bends, best, error), undefined, reach, self.still(least), sides)

    def sides(self) -> Array:
        """The slopes on the two sides, of the level where rounding and curvature together are least."""
        best = np.full((2, *self.value.shape), np.nan)
        least = np.full(self.value.shape, np.inf)
        before = [np.full(self.value.shape, np.inf)] * 2
        for h, up, down in self.levels:
            with np.errstate(all="ignore"):
                slopes = [(self.value - down) / h, (up - self.value) / h]
                doubt = np.maximum(*(np.abs(s - b) for s, b in zip(slopes, before))) + 2 * self.noise / h
            better = doubt < least
            best, least = np.where(better, np.stack(slopes), best), np.where(better, doubt, least)
            before = slopes
        return np.stack([*best, least])


def _kinked(bends: Sequence[tuple[Array, Array]], best: Array, error: Array) -> Array:
    """Where the slope jumps: S stays, level after level, until the noise swallows it.

    S at the smallest step that still stands out of the noise is compared with S two steps before; a smooth function's
    has fallen sixteenfold.  If S went under in the noise while the noise was already much smaller than S, it did fall,
    and the kink lies beside the point, outside the smaller stencils.
    """
    last = np.full(best.shape, np.nan)
    before = np.full((2, *best.shape), np.inf)
    history = np.full((2, *best.shape), np.inf)
    swallowed = np.full(best.shape, np.inf)
    for bend, noise in bends:
        clear = np.isfinite(bend) & (bend > 4 * noise)
        last = np.where(clear, bend, last)
        before = np.where(clear, history, before)
        floor = np.where(np.isfinite(bend), bend + 4 * noise, np.inf)
        swallowed = np.where(clear, np.inf, np.minimum(swallowed, floor))
        history = np.stack([np.where(np.isfinite(bend), bend, np.inf), history[0]])
    slope = np.abs(np.nan_to_num(best)) + last
    with np.errstate(invalid="ignore"):
        stays = (last > before[1] / 4) & (last > before[0] / 2) & (swallowed > last / 4)
        return np.nan_to_num(stays & (last > KINK * slope)).astype(bool)
