r"""Kernels in float32 and below: judged against the float64 reference at the numbers that the kernel was given.

Differences of a float32 function say little: of its 7 digits they leave two or three.  But rounding a number is no
error if both sides round it.  So the inputs are rounded to float32 first, and the float64 reference gets the *rounded*
numbers; what remains between the two is the kernel's own rounding, and its mistakes.

**The reference.**  For a named operation its definition in float64, and minigen's vjp in float64; before a gradient is
called wrong, the derivative of the definition is measured at the element in question, and must support the reference.
For a function of the user's own, the same function in float64; its Jacobian J comes from its vjp, or is measured.

**The bound.**  A gradient is a sum of products, $d_i = \sum_j g_j J_{ji}$, with $n_i$ terms that are not zero.  In
arithmetic of unit roundoff u, in any order, with up to c roundings in each of the factors (Higham 2002, *Accuracy and
Stability of Numerical Algorithms*, section 3.1),

$$|\hat d_i - d_i| \le \gamma_{n_i + c} \sum_j |g_j| |J_{ji}| + \sum_j |g_j| |\delta J_{ji}| + r_i .$$

- $\gamma_n = n u / (1 - n u)$: see `minigen.check.error_bounds`.
- $\delta J$ is what the Jacobian moves by if the inputs move by $\gamma_{n_i}$.  A backward stable kernel computes the
  exact gradient at such a neighbor.  It is measured: the inputs move at random by up to two units in the last place,
  and the reference is computed there.  The largest change is multiplied by $\sqrt{n_i} (1 + n_i / 2)$: the roundings of
  a kernel need not have random signs (that of a mean is the same in every element), and sum up to $n_i / 2$ units.  For
  sums of products it is zero: there the first term contains all roundings.
- r covers cancellation against numbers that no move of the inputs shows, such as $1 - \tanh^2 x$ near 1: a few
  roundings of the largest number among the inputs, the values and 1.

The values of the function have the same bound, with $\sum_i |J_{ji}| |x_i| + |y_j|$ in place of the first sum.

**Noise.**  The kernel is called at each of the moved points too, and every call is compared with the reference there.
Where its errors differ from call to call, they are rounding, and up to `EXCUSED` roundings are excused; a mistake gives
about the same error at all of them.

**What it can see.**  The *resolution* is the norm of the bound by that of the gradient.  A factor of 1.001 is seen in
float32 and not in float16.  Elements on a kink are not judged, and neither are those where
`LOST` of the gradient is lost by moving the inputs.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import kernels
from .adapters.minigen import table
from .array_generators import deal_layout
from .called import Called, Problem
from .compare import draw
from .differences import Array, directional, measure_noise, same_layout, value_or_nan
from .error_bounds import gamma
from .op_registry import Case
from .preconditions import function_contract, vjp_preconditions
from .report import Finding
from .sensitivity import resolution_of

__all__ = ["Exact", "judge_rounded"]

FACTORS = 16
"""Roundings in the factors of a product: c above.  An exponential or a tanh of a fast library is good to 4 or so, and
a normalization has a few operations one after the other."""

FLOOR = 8
"""Roundings of the largest number among the inputs and the values: r above; as for float64."""

CALLS = 3
"""How often the kernel is called again, at inputs that differ by one or two units in the last place."""

LOST = 0.1
"""Elements that move by more than this part of the largest are on a kink, or cannot be had in this format."""

EXCUSED = 256
"""Roundings of that largest number that an error may have where it differs from call to call."""

STEP = 2.0**-7
"""The largest step of a quick Jacobian, in sizes of the input."""

TRIES = 16
"""How many elements are measured before a gradient is called wrong: those on a kink do not count."""

MOST = 600
"""No larger Jacobian is measured: each of its columns costs about forty evaluations."""


PRODUCTS = (
    "linear", "matmul", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "einsum", "embedding",
)  # fmt: skip
"""Functions that are sums of products of their inputs: of the sizes of the inputs they give the sums of the sizes, and
no Jacobian is needed."""


class Exact:
    """The float64 reference of a kernel.

    Parameters
    ----------
    problem : Problem
    given : Case
        A point in the kernel's precision.

    Attributes
    ----------
    inputs : list of array
        The numbers of the point, in float64.
    """

    def __init__(self, problem: Problem, given: Case):
        self.precision = problem.precision
        self.inputs = [self.wide(x) for x in given.inputs]
        fn, vjp = _reference(problem)
        self.has_vjp = vjp is not None
        same = problem.with_options(fn=fn, vjp=vjp, taken=None)
        self.called = Called(same, Case(tuple(self.inputs), {k: self.wide(v) for k, v in given.params.items()}))

    def wide(self, x: Any) -> Any:
        """An array of the kernel's precision in float64; anything else as it is."""
        return np.array(x, np.float64) if isinstance(x, np.ndarray) and x.dtype == self.precision.dtype else x

    def values(self, *inputs: Array) -> Array:
        """Of the function."""
        y = self._asked(lambda: self.called.values(*inputs))
        if y.dtype != np.float64:
            raise ValueError(f"minigen.check: reference= returns {y.dtype} for float64 inputs, expected float64")
        return y

    def gradients(self, g: Array, inputs: Sequence[Array]) -> list[Array]:
        """Of <g, f>, one per differentiable input."""
        if not self.has_vjp:
            return [np.nan_to_num(self._quickly(i, inputs)[0]).T @ g.reshape(-1) for i in self.called.which]
        return [np.asarray(d, np.float64).reshape(-1) for d in self._asked(lambda: self.called.pulled(g, *inputs))]

    def _asked(self, question: Callable[[], Any]) -> Any:
        """What the reference answers; an exception of it is not the kernel's."""
        try:
            with kernels.use("reference"):
                return question()
        except Exception as error:
            text = f"minigen.check: the float64 reference raises {type(error).__name__}: {error}"
            raise RuntimeError(text) from error

    def jacobians(self, inputs: Sequence[Array]) -> list[tuple[Array, Array]]:
        """For each differentiable input: the Jacobian, and a bound on its error; infinite on a kink."""
        self.y = y = self.values(*inputs)
        if self.has_vjp:
            rows = [self.gradients(e.reshape(y.shape), inputs) for e in np.eye(y.size)]
            whole = [np.array([row[k] for row in rows]) for k in range(len(self.called.which))]
            whole = [j.reshape(y.size, inputs[i].size) for j, i in zip(whole, self.called.which)]
            return [(j, np.zeros(j.shape)) for j in whole]
        size = sum(inputs[i].size for i in self.called.which)
        if size > MOST:
            raise ValueError(f"minigen.check: {size} elements are too many for a Jacobian that is measured (at most "
                             f"{MOST}); give the vjp in float64 too: reference=(fn64, vjp64)")  # fmt: skip
        value, noise = measure_noise(self.values, inputs, self.called.which, np.random.default_rng(0))
        found = []
        for i in self.called.which:
            slopes, errors = self._quickly(i, inputs)
            sure = np.all(errors <= self.precision.unit / 64 * np.abs(slopes).max(initial=0), axis=0)
            for n in np.flatnonzero(~sure).tolist():
                axis = np.eye(1, inputs[i].size, n).reshape(inputs[i].shape)
                column = directional(self.values, inputs, i, axis, value, noise)
                slopes[:, n] = column.value.reshape(-1)
                errors[:, n] = np.where(column.kinked, np.inf, column.error).reshape(-1)
            found.append((slopes, errors))
        return found

    def _quickly(self, i: int, inputs: Sequence[Array]) -> tuple[Array, Array]:
        """The Jacobian in input `i` by extrapolated central differences of three steps, and how far two of them differ.

        Truncation is of order $h^6$ here: far below the roundings of float32 where the function is smooth.
        """
        x, columns, errors = inputs[i], [], []
        for axis in np.eye(x.size):
            v = axis.reshape(x.shape)
            with np.errstate(all="ignore"):
                d = []
                for h in STEP * max(1.0, float(np.max(np.abs(x)))) / np.array([1, 2, 4]):
                    up, down = (value_or_nan(self.values, [*inputs[:i], x + s * v, *inputs[i + 1 :]], self.y)
                                for s in (h, -h))  # fmt: skip
                    d.append((up - down).reshape(-1) / (2 * h))
                once = [d[k + 1] + (d[k + 1] - d[k]) / 3 for k in range(2)]
                columns.append(once[1] + (once[1] - once[0]) / 15)
                errors.append(np.abs(once[1] - once[0]))
        return tuple(np.array(part).reshape(x.size, self.y.size).T.copy() for part in (columns, errors))  # type: ignore


def _reference(problem: Problem) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """The function in float64, and its vjp where there is one."""
    if problem.reference is not None:
        pair = problem.reference if isinstance(problem.reference, tuple) else (problem.reference, None)
        return pair[0], pair[1]
    entry = problem.entry
    return (lambda *x, **params: entry.spec(**dict(zip(entry.inputs, x)), **params)), table[entry.name][1]


def judge_rounded(problem: Problem, case: Case, rng: np.random.Generator, dealt: "Counter[Any]") -> list[Finding]:
    """Judge a kernel of less than float64 at one point.

    Parameters
    ----------
    problem : Problem
    case : Case
        The point in float64; it is rounded here.
    rng : numpy.random.Generator
    dealt : Counter
        Which arrangements of cotangents were dealt so far.

    Returns
    -------
    list of Finding
        Empty where the exact results are out of the format's range.
    """
    given = problem.precision.rounded_case(case)
    judge = _Judge(problem, given, Exact(problem, given), rng)
    if not judge.in_range(judge.exact_values):
        problem.skipped.add(f"values beyond the range of {problem.precision.name}")
        return []
    wrong = function_contract(problem.entry.name, judge.called.raw, problem.entry, given) or judge.values()
    return [wrong] if wrong else judge.gradients(dealt)


class _Judge:
    """One point: what the kernel gives, what the reference gives, and what they may differ by."""

    def __init__(self, problem: Problem, given: Case, exact: Exact, rng: np.random.Generator):
        self.problem, self.precision, self.exact, self.rng = problem, problem.precision, exact, rng
        self.called, self.op = Called(problem, given), problem.entry.name
        self.points: list[Sequence[Array]] = [given.inputs]
        for _ in range(CALLS):
            moved = list(given.inputs)
            for i in self.called.which:
                moved[i] = self._moved(moved[i])
            self.points.append(moved)
        self.wide = [[exact.wide(x) for x in point] for point in self.points]
        self.exact_values = exact.values(*self.wide[0])
        self.products = problem.entry.name in PRODUCTS and problem.reference is None
        self.jacobians = [] if self.products else exact.jacobians(self.wide[0])
        numbers = [self.exact_values, *(self.wide[0][i] for i in self.called.which)]
        least = 0.0 if self.products else 1.0  # what is canceled is often a 1: log(1 - p), 1 - tanh^2
        self.size = max(float(np.max(np.abs(x), initial=least)) for x in numbers)

    def in_range(self, x: Array) -> bool:
        """Whether the numbers are finite and far from overflow."""
        return bool(np.all(np.isfinite(x)) and np.max(np.abs(x), initial=0.0) < self.precision.largest / 16)

    def _moved(self, x: Array) -> Array:
        """The array with every element moved by up to two units in the last place."""
        steps = 2 * self.precision.unit * self.rng.integers(-1, 2, x.shape)
        return same_layout(np.asarray(x.astype(np.float64) * (1 + steps)).astype(x.dtype), x)

    def _bound(self, terms: Array, sums: Array, moves: Array, unit_size: float) -> Array:
        """The bound of the page above: of n terms, their absolute sum, the effect of moves, and what r is made of."""
        u = self.precision.unit
        rounding = np.array([gamma(int(n), u) if n * u < 0.5 else np.inf for n in (terms + FACTORS).ravel()])
        return rounding.reshape(sums.shape) * sums + moves + FLOOR * u * unit_size

    def _allowed(self, errors: list[Array], bound: Array, unit_size: float) -> Array:
        """The bound, and what differs from call to call."""
        with np.errstate(all="ignore"):
            e = np.nan_to_num(np.stack(errors), nan=0.0, posinf=0.0, neginf=0.0)
            spread = 2 * np.sort(np.abs(e - np.median(e, axis=0)), axis=0)[-2]
        return bound + np.minimum(4 * spread, EXCUSED * self.precision.unit * unit_size)

    def values(self) -> Finding | None:
        """What is wrong with the values of the function."""
        if not self.problem.compare_values:
            return None
        exact = [self.exact.values(*x) for x in self.wide]
        found = [np.asarray(self.called.values(*x), np.float64) for x in self.points]
        if any(y.shape != exact[0].shape for y in found):
            return Finding("wrong", self.op, "the function", 0, f"returns shape {found[0].shape}, expected "
                                                                f"{exact[0].shape}")  # fmt: skip
        if exact[0].size == 0:
            return None
        terms, sums, unsure = self._value_sums()
        moves = unsure if self.products else _together([y.reshape(-1) for y in exact], terms) + unsure
        errors = [(a - b).reshape(-1) for a, b in zip(found, exact)]
        allowed = self._allowed(errors, self._bound(terms, sums, moves, self.size), self.size)
        n, place = _worst(errors, allowed)
        if place is None:
            return None
        index = tuple(int(a) for a in np.unravel_index(place, exact[0].shape))
        what = f"is not {self.op}: its values differ" if self.problem.entry.has_spec else "its values differ"
        reason = f"{what} from the float64 reference at the same {self.precision.name} inputs"
        numbers = float(found[n][index]), float(exact[n][index]), float(allowed[place])
        return Finding("wrong", self.op, "the function", 0, reason, index, *numbers)

    def _value_sums(self) -> tuple[Array, Array, Array]:
        """For each value: how many terms it has, their absolute sum, and what is not known of it."""
        y = self.exact_values.reshape(-1)
        if self.products:
            sums, terms = (self.exact.values(*part).reshape(-1) for part in self._sizes())
            return terms, 2 * sums, np.zeros(y.size)
        terms, sums, unsure = np.zeros(y.size), np.abs(y), np.zeros(y.size)
        for (j, error), i in zip(self.jacobians, self.called.which):
            slopes = np.abs(np.where(np.isfinite(error), j, 0.0))
            terms = terms + np.count_nonzero(slopes, axis=1)
            sums = sums + slopes @ np.abs(self.wide[0][i]).reshape(-1)
            unsure = unsure + 64 * self.precision.unit * self.size * ~np.all(np.isfinite(error), axis=1)
        return terms, sums, unsure

    def _gradient_sums(self, k: int, g: Array) -> tuple[Array, Array, Array]:
        """For each element of the k-th gradient: the same."""
        if self.products:
            sizes, ones = self._sizes()
            sums, terms = self.exact.gradients(np.abs(g), sizes)[k], self.exact.gradients(1 + 0 * g, ones)[k]
            return terms, sums, np.zeros(sums.shape)
        (j, error), weights, heard = self.jacobians[k], np.abs(g).reshape(-1), np.ravel(g != 0)
        slopes = np.where(np.isfinite(error), np.abs(j), 0.0)
        return np.count_nonzero(slopes, axis=0), weights @ slopes, weights[heard] @ error[heard]

    def _sizes(self) -> tuple[list[Array], list[Array]]:
        """The sizes of the inputs, and ones in their place: the first give absolute sums, the second count terms."""
        floats = [i in self.called.which for i in range(len(self.wide[0]))]
        sizes = [np.abs(x) if f else x for x, f in zip(self.wide[0], floats)]
        return sizes, [np.ones(x.shape) if f else x for x, f in zip(self.wide[0], floats)]

    def gradients(self, dealt: "Counter[Any]") -> list[Finding]:
        """The verdicts on the gradients."""
        g = self.precision.rounded(np.asarray(draw(self.rng, self.exact_values.shape)))
        if self.problem.layouts and self.called.shapes is None:
            g = deal_layout(g, "all", dealt, self.rng)
        which, names = self.called.which, self.called.names
        wrong = vjp_preconditions(self.op, self.called.pulled, g, self.points[0], which, names)
        if wrong:
            return [wrong]
        g64 = np.array(g, np.float64)
        exact = [self.exact.gradients(g64, x) for x in self.wide]
        if not all(self.in_range(d) for d in exact[0]):
            self.problem.skipped.add(f"gradients beyond the range of {self.precision.name}")
            return []
        found = [[np.asarray(d, np.float64).reshape(-1) for d in self.called.pulled(g, *x)] for x in self.points]
        return [
            self._gradient(k, g, [d[k] for d in found], [d[k] for d in exact]) for k in range(len(which))
        ]  # fmt: skip

    def _gradient(self, k: int, g: Array, found: list[Array], exact: list[Array]) -> Finding:
        name, precision = self.called.names[k], self.precision
        if exact[0].size == 0 or g.size == 0:
            wrong = any(np.any(d != 0) for d in found)
            reason = "expected zeros: nothing comes out" if wrong else "empty"
            return Finding("wrong" if wrong else "right", self.op, name, 1, reason, resolution=None if wrong else 0.0)
        g64 = np.array(g, np.float64)
        terms, sums, unsure = self._gradient_sums(k, g64)
        moves = unsure if self.products else _together(exact, terms) + unsure
        unit_size = self.size * float(np.sqrt(np.mean(np.square(g64))))
        errors = [a - b for a, b in zip(found, exact)]
        allowed = self._allowed(errors, self._bound(terms, sums, moves, unit_size), unit_size)
        allowed = np.maximum(allowed, self.problem.rtol * np.abs(exact[0]))
        allowed = np.where(moves > LOST * np.max(np.abs(exact[0])), np.inf, allowed)
        shape = self.points[0][self.called.which[k]].shape
        for _ in range(TRIES):
            n, place = _worst(errors, allowed)
            if place is None:
                break
            supported = self._supported(k, place, g64, exact[0][place])
            if supported is None:  # on a kink
                allowed[place] = np.inf
                continue
            index = tuple(int(a) for a in np.unravel_index(place, shape))
            numbers = float(found[n][place]), float(exact[n][place]), float(allowed[place])
            if not supported:
                reason = "the float64 reference and the measured derivative do not agree here"
                return Finding("inconclusive", self.op, name, 1, reason, index, *numbers)
            reason = f"differs from the float64 reference at the same {precision.name} inputs"
            return Finding("wrong", self.op, name, 1, reason, index, *numbers, cotangent=g)
        judged = np.isfinite(allowed)
        if 2 * np.count_nonzero(judged) < judged.size or _worst(errors, allowed)[1] is not None:
            return Finding("inconclusive", self.op, name, 1, "most elements lie on a kink, or are lost in rounding")
        size = float(np.linalg.norm(exact[0][judged]))
        seen = resolution_of(float(np.linalg.norm(allowed[judged])), size, unit_size * float(np.sqrt(judged.sum())))
        if seen <= self.problem.resolution:
            return Finding("right", self.op, name, 1, "agrees with the float64 reference", resolution=seen)
        reason = f"agrees, but {precision.name} could only have shown a larger error here"
        return Finding("inconclusive", self.op, name, 1, reason, resolution=seen)

    def _supported(self, k: int, place: int, g: Array, claimed: float) -> bool | None:
        """Whether the measured derivative of the reference is the reference's gradient; None on a kink."""
        if not self.problem.confirm or not self.exact.has_vjp:
            return True
        x, i = self.wide[0], self.called.which[k]
        value, noise = measure_noise(self.exact.values, x, self.called.which, np.random.default_rng(0))
        axis = np.zeros(x[i].size)
        axis[place] = 1.0
        measured = directional(self.exact.values, x, i, axis.reshape(x[i].shape), value, noise)
        heard = g != 0
        if np.any(measured.kinked & heard):
            return None
        slope = float(np.sum(g[heard] * measured.value[heard]))
        error = float(np.sum(np.abs(g[heard]) * measured.error[heard]))
        return bool(abs(slope - claimed) <= 2 * error + self.precision.unit / 64 * abs(claimed))


def _together(exact: list[Array], terms: Array) -> Array:
    """What moves of the inputs do at most: with random signs they grow as the root of the number of terms."""
    moved = np.max([np.abs(d - exact[0]) for d in exact[1:]], axis=0)
    return np.sqrt(np.maximum(terms, 4)) * (1 + terms / 2) * moved


def _worst(errors: list[Array], allowed: Array) -> tuple[int, int | None]:
    """The call and the element whose error exceeds what is allowed by most; None where none does."""
    with np.errstate(all="ignore"):
        excess = np.stack([np.where(np.isnan(e), np.inf, np.abs(e)) / allowed for e in errors])
    excess = np.where(np.isinf(allowed), 0.0, np.nan_to_num(excess, nan=0.0, posinf=np.finfo(float).max))
    n, place = divmod(int(np.argmax(excess)), allowed.size)
    return (n, place) if excess[n, place] > 1 else (0, None)
