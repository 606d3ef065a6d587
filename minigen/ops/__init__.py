"""The operations: every primitive with its derivation, and the operators and methods of `Tensor`.

========================= ======================================================
module                    holds
========================= ======================================================
`minigen.ops.elementwise` arithmetic, exponentials, activations, choices
`minigen.ops.reduce`      sums, means, extremes
`minigen.ops.shape`       reshaping, indexing, joining, padding
`minigen.ops.linalg`      matrix products
`minigen.ops.bias`        the gradient of a bias
`minigen.ops.conv`        convolution and its two adjoints
`minigen.ops.norm`        batch normalisation
`minigen.ops.pool`        max pooling
`minigen.ops.softmax`     softmax and its logarithm
========================= ======================================================
"""

from typing import Any

import numpy as np

from ..backend import FLOATS
from ..tensor import Tensor, tensor
from . import conv, elementwise, linalg, norm, pool, reduce, shape, softmax

__all__ = [
    "FROM_NUMPY",
    "clamp",
    "conv",
    "elementwise",
    "linalg",
    "norm",
    "pool",
    "pow",
    "reduce",
    "shape",
    "softmax",
    "to",
]


def pow(base: Any, exponent: Any) -> Tensor:
    """``base ** exponent``, where one of the two is a Python number.

    >>> import minigen as mg
    >>> 2 ** mg.tensor([1.0, 3.0])
    tensor([2., 8.])
    """
    if isinstance(exponent, Tensor):
        if isinstance(base, Tensor):
            raise TypeError("pow: of base and exponent one must be a Python number; write exp(y * log(x)) for both")
        if base <= 0:
            raise ValueError(f"pow: expected a positive base, got {base}")
        return elementwise.exp(exponent * float(np.log(base)))
    return elementwise.pow(base, exponent=float(exponent))


def clamp(input: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """Limit every element to [min, max]; see `minigen.ops.elementwise.clamp`.

    >>> import minigen as mg
    >>> mg.clamp(mg.tensor([-2.0, 3.0]), max=1)
    tensor([-2.,  1.])
    """
    return elementwise.clamp(input, min=min, max=max)


def to(input: Tensor, target: Any) -> Tensor:
    """The Tensor on another device or in another dtype; itself if there is nothing to change.

    Parameters
    ----------
    input : Tensor
    target : dtype, or one of "cpu" and "cuda"

    Examples
    --------
    >>> import minigen as mg
    >>> mg.ones(1).to("float64")
    tensor([1.], dtype=float64)
    """
    if target in ("cpu", "cuda"):
        if target == input.device:
            return input
        return elementwise.to_device(input, device=target) if input.dtype in FLOATS else tensor(input, device=target)
    try:
        dtype = np.dtype(target)
    except TypeError:
        raise TypeError(f"to: expected a dtype, 'cpu' or 'cuda', got {target!r}") from None
    if dtype == input.dtype:
        return input
    if dtype in FLOATS and input.dtype in FLOATS:
        return elementwise.cast(input, dtype=dtype)
    return tensor(input, dtype=dtype)


def _comparison(symbol: str) -> Any:
    def compare(self: Tensor, other: Any) -> Tensor:
        other = other.data if isinstance(other, Tensor) else other
        if not isinstance(other, bool | int | float | np.generic) and not hasattr(other, "dtype"):
            return NotImplemented
        result = getattr(self.data, symbol)(other)
        return Tensor(np.asarray(result) if isinstance(result, np.generic) else result)

    compare.__name__ = symbol
    compare.__doc__ = "Compare element by element: a boolean Tensor, without a gradient."
    return compare


def _swapped(function: Any) -> Any:
    return lambda self, other: function(other, self)


def _attach() -> None:
    """Give `Tensor` its operators and its methods, which mirror the functions."""
    for name, function in (("add", elementwise.add), ("sub", elementwise.sub), ("mul", elementwise.mul),
                           ("truediv", elementwise.div), ("matmul", linalg.matmul), ("pow", pow)):  # fmt: skip
        setattr(Tensor, f"__{name}__", lambda self, other, function=function: function(self, other))
        setattr(Tensor, f"__r{name}__", _swapped(function))
    for symbol in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"):
        setattr(Tensor, symbol, _comparison(symbol))
    Tensor.__hash__ = object.__hash__  # type: ignore[method-assign]
    methods: dict[str, Any] = {"to": to, "clamp": clamp, "__getitem__": shape.getitem, "__neg__": elementwise.neg,
                               "__abs__": elementwise.abs, "view": shape.reshape}  # fmt: skip
    for module, names in (
        (elementwise, "abs clone cos exp expm1 log log1p maximum minimum neg relu sigmoid sin sqrt square tanh"),
        (reduce, "amax amin argmax argmin logsumexp max mean min std sum var"),
        (shape, "expand flatten flip permute reshape squeeze take_along_dim transpose unsqueeze"),
        (linalg, "matmul"),
        (softmax, "log_softmax softmax"),
    ):
        methods |= {name: getattr(module, name) for name in names.split()}
    for name, function in methods.items():
        setattr(Tensor, name, _method(function))
    Tensor.T = property(lambda self: shape.transpose(self, -1, -2))


def _method(function: Any) -> Any:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__, method.__doc__ = function.__name__, function.__doc__
    return method


FROM_NUMPY: dict[Any, Any] = {
    np.add: elementwise.add,
    np.subtract: elementwise.sub,
    np.multiply: elementwise.mul,
    np.divide: elementwise.div,
    np.negative: elementwise.neg,
    np.matmul: linalg.matmul,
    np.exp: elementwise.exp,
    np.expm1: elementwise.expm1,
    np.log: elementwise.log,
    np.log1p: elementwise.log1p,
    np.sqrt: elementwise.sqrt,
    np.square: elementwise.square,
    np.absolute: elementwise.abs,
    np.tanh: elementwise.tanh,
    np.sin: elementwise.sin,
    np.cos: elementwise.cos,
    np.maximum: elementwise.maximum,
    np.minimum: elementwise.minimum,
}
"""NumPy's functions that do the same to a Tensor as ours."""

_attach()
