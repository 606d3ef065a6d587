"""A small autograd as written in a first course, and how it is checked: the worked example for teachers.

The autograd is `Value`, everything up to the table.  The table is all that is needed to check it:
``minigen check --against minigen.check.adapters.student:table``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Value", "table"]


class Value:
    """An array that knows how to send gradients back."""

    data: NDArray[np.float64]
    parents: tuple["Value", ...]

    def __init__(self, data: Any, parents: tuple["Value", ...] = ()):
        self.data, self.parents = np.asarray(data, np.float64), parents
        self.grad: NDArray[np.float64] = np.zeros(self.data.shape)
        self.push: Callable[[], None] = lambda: None

    def _add_grad(self, g: np.ndarray) -> None:
        while g.ndim > self.data.ndim:
            g = g.sum(0)
        repeated = tuple(i for i, n in enumerate(self.data.shape) if n == 1 and g.shape[i] > 1)
        self.grad = self.grad + (g.sum(repeated, keepdims=True) if repeated else g)

    def _share(self, other: "Value", mine: np.ndarray, others: np.ndarray) -> None:
        self._add_grad(mine)
        other._add_grad(others)

    def _unary(self, data: np.ndarray, slope: np.ndarray) -> "Value":
        out = Value(data, (self,))
        out.push = lambda: self._add_grad(out.grad * slope)
        return out

    def __add__(self, other: "Value") -> "Value":
        out = Value(self.data + other.data, (self, other))
        out.push = lambda: self._share(other, out.grad, out.grad)
        return out

    def __mul__(self, other: "Value") -> "Value":
        out = Value(self.data * other.data, (self, other))
        out.push = lambda: self._share(other, out.grad * other.data, out.grad * self.data)
        return out

    def __matmul__(self, other: "Value") -> "Value":
        if self.data.ndim != 2 or other.data.ndim != 2:
            raise NotImplementedError("matrices only")
        out = Value(self.data @ other.data, (self, other))
        out.push = lambda: self._share(other, out.grad @ other.data.T, self.data.T @ out.grad)
        return out

    def exp(self) -> "Value":
        """The exponential."""
        e = np.exp(self.data)
        return self._unary(e, e)

    def log(self) -> "Value":
        """The natural logarithm."""
        return self._unary(np.log(self.data), 1 / self.data)

    def tanh(self) -> "Value":
        """The hyperbolic tangent."""
        t = np.tanh(self.data)
        return self._unary(t, 1 - t * t)

    def relu(self) -> "Value":
        """The positive part."""
        return self._unary(np.maximum(self.data, 0), (self.data > 0) * 1.0)

    def backward(self, g: np.ndarray) -> None:
        """Send the cotangent g back to everything this was computed from."""
        order: list[Value] = []

        def visit(v: Value) -> None:
            if v not in order:
                for parent in v.parents:
                    visit(parent)
                order.append(v)

        visit(self)
        self.grad = np.array(g)
        for v in reversed(order):
            v.push()


def _pair(function: Callable[..., Value]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def vjp(g: np.ndarray, *inputs: np.ndarray) -> list[np.ndarray]:
        values = [Value(x) for x in inputs]
        function(*values).backward(g)
        return [v.grad for v in values]

    return lambda *inputs: function(*[Value(x) for x in inputs]).data, vjp


table: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "exp": _pair(Value.exp),
    "log": _pair(Value.log),
    "tanh": _pair(Value.tanh),
    "relu": _pair(Value.relu),
    "matmul": _pair(Value.__matmul__),
}
"""``{operation: (fn, vjp)}``."""
