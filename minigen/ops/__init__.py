"""The operations: every primitive with its derivation, and the operators and methods of `Tensor`.

========================= ======================================================
module                    holds
========================= ======================================================
`minigen.ops.elementwise` arithmetic, exponentials, activations, choices
`minigen.ops.reduce`      sums, means, extremes
`minigen.ops.cumulative`  running sums and products
`minigen.ops.shape`       reshaping, indexing, joining, padding
`minigen.ops.border`      borders and blocks that repeat elements
`minigen.ops.linalg`      matrix products
`minigen.ops.einsum`      sums of products named by letters
`minigen.ops.bias`        the gradient of a bias
`minigen.ops.conv`        convolution and its two adjoints
`minigen.ops.norm`        batch and instance normalization
`minigen.ops.recurrent`   the gates of recurrent cells
`minigen.ops.pool`        max pooling
`minigen.ops.warp`        moving the pixels of images
`minigen.ops.softmax`     softmax and its logarithm
`minigen.ops.compare`     comparisons and logic
`minigen.ops.convert`     dtypes and devices
`minigen.ops.inplace`     changes in place
========================= ======================================================
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import check_number
from ..backend import describe
from ..tensor import Tensor
from . import (
    border,
    compare,
    conv,
    convert,
    cumulative,
    einsum,
    elementwise,
    inplace,
    linalg,
    norm,
    pool,
    recurrent,
    reduce,
    shape,
    softmax,
    warp,
)

__all__ = [
    "FROM_NUMPY",
    "METHODS",
    "OPERATORS",
    "border",
    "clamp",
    "compare",
    "conv",
    "convert",
    "cumulative",
    "einsum",
    "elementwise",
    "inplace",
    "linalg",
    "norm",
    "pool",
    "pow",
    "recurrent",
    "reduce",
    "shape",
    "softmax",
    "warp",
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
        if check_number("pow", "base", base, most=math.inf) == 0:
            return _zero_to_the(exponent)
        return elementwise.exp(exponent * math.log(base))
    check_number("pow", "exponent", exponent, -math.inf, most=math.inf)
    return elementwise.pow(base, exponent=float(exponent))


def _zero_to_the(exponent: Tensor) -> Tensor:
    """``0 ** exponent``: 0, 1 or infinity, with a gradient of 0, as in PyTorch."""
    x = exponent.float() if exponent.dtype.kind != "f" else exponent
    infinite = elementwise.where(x < 0, math.inf, x * 0)
    powers = elementwise.where(x > 0, 0.0, elementwise.where(x == 0, 1.0, infinite)).detach()
    return powers + elementwise.select(x, weight=elementwise.zeros_like(x).data)  # 0, which depends on the exponent


def clamp(input: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """Limit every element to [min, max]; see `minigen.ops.elementwise.clamp`.

    >>> import minigen as mg
    >>> mg.clamp(mg.tensor([-2.0, 3.0]), max=1)
    tensor([-2.,  1.])
    """
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both")
    for name, limit in (("min", min), ("max", max)):
        if isinstance(limit, Tensor):
            raise TypeError(
                f"clamp: argument {name!r}: expected a number, got {describe(limit)}; use minigen.maximum and minimum"
            )
        if limit is not None:
            check_number("clamp", name, limit, -math.inf, most=math.inf)
    return elementwise.clamp(input, min=min, max=max)


METHODS: dict[str, Callable[..., Any]] = {
    "view": shape.reshape,
    "pow": pow,
    "clamp": clamp,
    **{
        name: getattr(module, name)
        for module, names in (
            (compare, "all allclose any equal isfinite isnan"),
            (convert, "double float long to"),
            (
                elementwise,
                "abs add clone cos div erf exp expm1 log log1p maximum minimum mul neg relu sigmoid sin sqrt square "
                "sub tanh",
            ),
            (inplace, "copy_ fill_ zero_"),
            (linalg, "bmm matmul mm norm"),
            (cumulative, "cumsum prod"),
            (reduce, "amax amin argmax argmin logsumexp max mean min std sum var"),
            (
                shape,
                "chunk expand flatten flip gather masked_fill permute repeat reshape split squeeze t take_along_dim "
                "transpose tril triu unbind unsqueeze",
            ),
            (softmax, "log_softmax softmax"),
        )
        for name in names.split()
    },
}
"""The methods of `Tensor`: each is a function whose first argument is the Tensor."""

_ARITHMETIC: dict[str, tuple[str, Callable[..., Any]]] = {
    "add": ("+", elementwise.add),
    "sub": ("-", elementwise.sub),
    "mul": ("*", elementwise.mul),
    "truediv": ("/", elementwise.div),
    "pow": ("**", pow),
}


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: function(other, self)


def _direct(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: function(self, other)


def _transposed(self: Tensor) -> Tensor:
    """The matrix with its two dimensions swapped; a vector or a number stays as it is."""
    if self.ndim > 2:
        raise ValueError(f"T: expected at most 2 dimensions, got shape {self.shape}; use t.mT or t.transpose(...)")
    return shape.t(self)


OPERATORS: dict[str, Callable[..., Any]] = {
    **compare.OPERATORS,
    "__getitem__": shape.getitem,
    "__setitem__": shape.setitem,
    "__neg__": elementwise.neg,
    "__abs__": elementwise.abs,
    "__matmul__": _direct(linalg.matmul),
    "__rmatmul__": _swapped(linalg.matmul),
}
"""The operators of `Tensor` by their Python names."""


def _attach() -> None:
    """Give `Tensor` its operators and its methods, which mirror the functions."""
    for name, (symbol, function) in _ARITHMETIC.items():
        OPERATORS[f"__{name}__"] = _direct(function)
        OPERATORS[f"__r{name}__"] = _swapped(function)
        OPERATORS[f"__i{name}__"] = inplace.operator(f"{symbol}=", function)
    for name, symbol in (("and", "&"), ("or", "|"), ("xor", "^")):
        OPERATORS[f"__i{name}__"] = inplace.operator(f"{symbol}=", OPERATORS[f"__{name}__"])
    for name in ("add", "sub", "mul", "div", "pow", "clamp"):
        METHODS[f"{name}_"] = inplace.method(f"{name}_", METHODS[name])
    for name, function in {**OPERATORS, **METHODS, "__hash__": object.__hash__}.items():
        setattr(Tensor, name, function)
    Tensor.T = property(_transposed)  # type: ignore[assignment]
    Tensor.mT = property(lambda self: shape.transpose(self, -1, -2))  # type: ignore[assignment]


FROM_NUMPY: dict[Any, Callable[..., Any]] = {
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
