"""Derivatives of analytic functions by a step into the complex plane, to the last digits."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .differences import Array, Function, Measured, U, directional, jitter

__all__ = ["NotAnalytic", "by_complex_step", "complex_step"]


class NotAnalytic(ValueError):  # noqa: N818 - what the function is, not what went wrong
    """The function cannot be computed with complex numbers."""


def complex_step(fn: Function, inputs: Sequence[Array], i: int, direction: Array, h: float = 1e-20) -> Array:
    r"""Derivative by a step into the complex plane: $\mathrm{Im} f(x + i h v) / h$, without any cancellation.

    Exact to rounding for analytic functions that are written with NumPy and no ``abs``, comparison or conjugate
    (Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions", SIAM Review 40).

    Parameters
    ----------
    fn : callable
    inputs : sequence of array
    i : int
        The input in which to differentiate.
    direction : array
        Of that input's shape.
    h : float
        So small that its square vanishes beside 1.

    Returns
    -------
    array
        Of the output's shape.

    Raises
    ------
    NotAnalytic
        If `fn` refuses complex numbers, or gives real ones for them.

    Examples
    --------
    >>> float(complex_step(np.exp, [np.zeros(1)], 0, np.ones(1))[0])
    1.0
    """
    stepped = inputs[i].astype(np.complex128)
    stepped.imag = h * direction
    try:
        out = np.asarray(fn(*inputs[:i], stepped, *inputs[i + 1 :]))
    except Exception as error:
        raise NotAnalytic(f"raises {type(error).__name__} for complex numbers: {error}") from error
    if out.dtype.kind != "c":
        raise NotAnalytic(f"gives {out.dtype} for complex numbers")
    return np.imag(out) / h


def by_complex_step(
    fn: Function, inputs: Sequence[Array], i: int, direction: Array, value: Array, noise: Array
) -> Measured:
    """Measure as `minigen.check.differences.directional` does, and sharpen the result by a complex step.

    Differences find the kinks and the edges of the domain.  Where the complex step agrees with them within their bound
    it takes their place, with a separate bound: what moving the inputs by an ulp or two does to it, and a few
    roundings.  Where it does not, the function is not analytic (an ``abs``, a real part), and differences serve.
    """
    measured = directional(fn, inputs, i, direction, value, noise)
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        exact = complex_step(fn, inputs, i, direction)
        blur = 4 * U * np.abs(exact)
        for _ in range(4):
            moved = [jitter(x, rng) if x.dtype.kind == "f" else x for x in inputs]
            blur = np.fmax(blur, 2 * np.abs(complex_step(fn, moved, i, direction) - exact))
        agrees = np.abs(exact - measured.value) <= 2 * measured.error + blur
    trusted = agrees & ~measured.kinked & (blur < measured.error)
    return replace(
        measured,
        value=np.where(trusted, exact, measured.value),
        error=np.where(trusted, blur, measured.error),
    )
