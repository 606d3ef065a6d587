"""Comparisons and logic: results are booleans, or integers, and have no gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import check_tensor, normalize_dims
from ..backend import array_module, describe, is_array
from ..tensor import Tensor

__all__ = ["OPERATORS", "all", "allclose", "any", "equal", "isfinite", "isnan"]


def _comparison(symbol: str) -> Callable[[Tensor, Any], Any]:
    def compare(self: Tensor, other: Any) -> Any:
        other = other.data if isinstance(other, Tensor) else other
        if not isinstance(other, bool | int | float) and not is_array(other):
            return NotImplemented
        return _boolean(getattr(self.data, symbol)(other))

    compare.__name__ = symbol
    compare.__doc__ = "Compare element by element: a boolean Tensor, without a gradient."
    return compare


def _logic(symbol: str) -> Callable[[Tensor, Any], Any]:
    def combine(self: Tensor, other: Any) -> Any:
        other = other.data if isinstance(other, Tensor) else other
        if not isinstance(other, bool | int) and not is_array(other):
            return NotImplemented
        for x in (self.data, other):
            if is_array(x) and x.dtype.kind not in "iub":
                raise TypeError(f"{symbol.strip('_')}: expected booleans or integers, got dtype {x.dtype}")
        return _boolean(getattr(self.data, symbol)(other))

    combine.__name__ = symbol
    combine.__doc__ = "Combine booleans, or the bits of integers, element by element."
    return combine


def _invert(self: Tensor) -> Tensor:
    """Negate booleans, or flip the bits of integers, element by element."""
    if self.dtype.kind not in "iub":
        raise TypeError(f"invert: expected booleans or integers, got dtype {self.dtype}")
    return _boolean(~self.data)


def _boolean(result: Any) -> Tensor:
    return Tensor(np.asarray(result) if isinstance(result, np.generic) else result)


OPERATORS: dict[str, Callable[..., Any]] = {
    **{symbol: _comparison(symbol) for symbol in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__")},
    **{symbol: _logic(symbol) for symbol in ("__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__")},
    "__invert__": _invert,
}
"""The operators of this module by their Python names."""


def any(input: Tensor, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> Tensor:
    """Say whether any element over `dim` is True (not 0).

    >>> import minigen as mg
    >>> mg.any(mg.tensor([[True, False], [False, False]]), dim=1)
    tensor([ True, False])
    """
    check_tensor("any", "input", input)
    return _boolean(input.data.any(axis=normalize_dims("any", input.shape, dim), keepdims=keepdim))


def all(input: Tensor, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> Tensor:
    """Say whether all elements over `dim` are True (not 0).

    >>> import minigen as mg
    >>> (mg.arange(3) < 5).all()
    tensor(True)
    """
    check_tensor("all", "input", input)
    return _boolean(input.data.all(axis=normalize_dims("all", input.shape, dim), keepdims=keepdim))


def isnan(input: Tensor) -> Tensor:
    """Say of each element whether it is NaN.

    >>> import minigen as mg
    >>> mg.isnan(mg.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    check_tensor("isnan", "input", input)
    return _boolean(input.data != input.data)


def isfinite(input: Tensor) -> Tensor:
    """Say of each element whether it is neither infinite nor NaN.

    >>> import minigen as mg
    >>> mg.isfinite(mg.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """
    check_tensor("isfinite", "input", input)
    return _boolean(array_module(input.data).isfinite(input.data))


def equal(input: Tensor, other: Tensor) -> bool:
    """Say whether two Tensors have the same shape and the same elements.

    >>> import minigen as mg
    >>> mg.equal(mg.ones(2), mg.ones(3))
    False
    """
    check_tensor("equal", "input", input)
    _check_two("equal", input, other)
    return input.shape == other.shape and bool((input.data == other.data).all())


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Say whether ``|input - other| <= atol + rtol * |other|`` for all elements.

    >>> import minigen as mg
    >>> mg.allclose(mg.ones(2), mg.ones(2) + 1e-6)
    True
    """
    check_tensor("allclose", "input", input)
    _check_two("allclose", input, other)
    return bool(array_module(input.data).allclose(input.data, other.data, rtol, atol, equal_nan))


def _check_two(op: str, *tensors: Any) -> None:
    for name, x in zip(("input", "other"), tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"{op}: {name}: expected a Tensor, got {describe(x)}")
