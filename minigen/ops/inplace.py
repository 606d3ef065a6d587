"""Operations that change a Tensor in place: ``w -= x``, ``w.add_(x)``, ``w.zero_()``.

As in PyTorch they write into the memory of the Tensor, so that its views and its other names see the change, and the
change is counted (see `minigen.tensor`).  They are not recorded:

- A leaf whose gradient is asked for can be changed only under `minigen.no_grad`.
- Where a gradient would have to be recorded, ``y += x`` computes ``y = y + x``: the name ``y`` gets a new Tensor.  The
  methods, such as ``y.add_(x)``, raise an error there.
"""

from collections.abc import Callable
from typing import Any

from ..engine import is_grad_enabled, no_grad
from ..tensor import Tensor

__all__ = ["copy_", "fill_", "method", "operator", "zero_"]


def _is_recorded(op: str, target: Tensor, *operands: Any) -> bool:
    """Say whether the change would have to be recorded; a leaf that requires a gradient is refused."""
    if not is_grad_enabled():
        return False
    if target.requires_grad and target.node is None:
        raise RuntimeError(
            f"{op}: a leaf that requires a gradient cannot be changed in place while operations are recorded; "
            "do it under minigen.no_grad()"
        )
    return target.requires_grad or any(isinstance(x, Tensor) and x.requires_grad for x in operands)


def _write(op: str, target: Tensor, result: Tensor) -> Tensor:
    """Copy `result` into the memory of `target`."""
    if result.shape != target.shape or result.dtype != target.dtype:
        raise ValueError(
            f"{op}: the result, {result.dtype}{list(result.shape)}, does not fit into the Tensor, "
            f"{target.dtype}{list(target.shape)}"
        )
    with target.inplace() as array:
        array[...] = result.data
    return target


def operator(symbol: str, function: Callable[..., Any]) -> Callable[[Tensor, Any], Any]:
    """Make the in-place operator, such as ``+=``, of a function of two Tensors."""

    def change(self: Tensor, other: Any) -> Any:
        if _is_recorded(symbol, self, other):
            return function(self, other)
        with no_grad():
            result = function(self, other)
        return result if result is NotImplemented else _write(symbol, self, result)

    change.__doc__ = f"``self {symbol} other``, in place."
    return change


def method(name: str, function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Make the in-place method, such as ``add_``, of a function."""

    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        _refuse_recording(name, self, *args, *kwargs.values())
        with no_grad():
            return _write(name, self, function(self, *args, **kwargs))

    change.__name__ = name
    change.__doc__ = f"Do `{name.rstrip('_')}` in place, and return the Tensor itself."
    return change


def _refuse_recording(name: str, target: Tensor, *operands: Any) -> None:
    if _is_recorded(name, target, *operands):
        raise RuntimeError(
            f"{name}: a change in place is not recorded; compute a new Tensor, or do it under minigen.no_grad()"
        )


def copy_(input: Tensor, source: Any) -> Tensor:
    """Write the values of `source` into the Tensor, and return it; the shapes broadcast.

    >>> import minigen as mg
    >>> mg.zeros(2).copy_(mg.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return _fill("copy_", input, source)


def fill_(input: Tensor, value: Any) -> Tensor:
    """Write `value` into every element, and return the Tensor.

    >>> import minigen as mg
    >>> mg.zeros(2).fill_(7)
    tensor([7., 7.])
    """
    return _fill("fill_", input, value)


def zero_(input: Tensor) -> Tensor:
    """Write 0 into every element, and return the Tensor.

    >>> import minigen as mg
    >>> mg.ones(2).zero_()
    tensor([0., 0.])
    """
    return _fill("zero_", input, 0)


def _fill(op: str, input: Tensor, value: Any) -> Tensor:
    _refuse_recording(op, input, value)
    with no_grad():
        input[...] = value
    return input
