"""Running error analysis: numbers that carry a bound on what rounding may have made of them.

A bound for a long formula, such as a recurrent layer's, is tedious to derive.  Here the formula is evaluated once more,
with `Rounded` numbers: each operation carries the errors of its operands on, and adds its own rounding.

Source: Higham 2002, *Accuracy and Stability of Numerical Algorithms*, section 3.3 (the method is Wilkinson's).
"""

from typing import Any

import numpy as np

from .error_bounds import gamma

__all__ = ["Rounded"]

Array = np.ndarray

_FUNCTION = 8  # units roundoff of 1 that a kernel's tanh or sigmoid may be off by


class Rounded:
    """An array as float64 computes it, and how far a computation with unit roundoff `u` may be from it.

    Parameters
    ----------
    value : array
    u : float
    error : array, optional
        By default 0: an input.

    Examples
    --------
    >>> x = Rounded(np.array([3.0, -2.0]), u=2.0**-24)
    >>> bool((x * x + x).error.max() < 4 * 12 * 2.0**-24)
    True
    """

    __array_ufunc__ = None  # so that `array * Rounded` comes here

    def __init__(self, value: Any, u: float, error: Any = 0.0):
        self.value: Array = np.asarray(value, np.float64)
        self.u = u
        self.error: Array = np.broadcast_to(error, self.value.shape)

    def _result(self, value: Array, error: Array) -> "Rounded":
        """The result of one operation, rounded once."""
        return Rounded(value, self.u, error + self.u * (np.abs(value) + error))

    def _other(self, other: Any) -> "Rounded":
        return other if isinstance(other, Rounded) else Rounded(other, self.u)

    def __getitem__(self, index: Any) -> "Rounded":
        return Rounded(self.value[index], self.u, self.error[index])

    def __add__(self, other: Any) -> "Rounded":
        other = self._other(other)
        return self._result(self.value + other.value, self.error + other.error)

    def __sub__(self, other: Any) -> "Rounded":
        other = self._other(other)
        return self._result(self.value - other.value, self.error + other.error)

    def __rsub__(self, other: Any) -> "Rounded":
        return self._other(other) - self

    def __mul__(self, other: Any) -> "Rounded":
        other = self._other(other)
        error = np.abs(self.value) * other.error + self.error * (np.abs(other.value) + other.error)
        return self._result(self.value * other.value, error)

    def __matmul__(self, other: Any) -> "Rounded":
        other = self._other(other)
        sizes = (np.abs(self.value) + self.error) @ (np.abs(other.value) + other.error)
        exact = np.abs(self.value) @ np.abs(other.value)
        return Rounded(self.value @ other.value, self.u, sizes - exact + gamma(len(other.value) + 1, self.u) * sizes)

    def tanh(self) -> "Rounded":
        """The hyperbolic tangent; its slope is largest at the point that is nearest to 0."""
        slope = 1 - np.tanh(np.maximum(np.abs(self.value) - self.error, 0)) ** 2
        return Rounded(np.tanh(self.value), self.u, slope * self.error + _FUNCTION * self.u)

    def sigmoid(self) -> "Rounded":
        """The sigmoid, whose slope is at most a quarter."""
        return Rounded(0.5 + 0.5 * np.tanh(0.5 * self.value), self.u, self.error / 4 + _FUNCTION * self.u)
