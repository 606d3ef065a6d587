"""Running sums and products."""

from typing import Any

import numpy as np

from ..arguments import check_tensor, normalize_dim
from ..backend import array_module
from ..engine import primitive
from ..tensor import Tensor
from .elementwise import ones_like
from .reduce import sum
from .shape import cat, flip, split

__all__ = ["cumsum", "prod"]


@primitive
def cumsum_(input: Any, *, dim: int) -> Any:
    """Running sums along `dim`; the vjp is the running sum from the other end."""
    return input.cumsum(axis=dim, dtype=np.float64).astype(input.dtype)


cumsum_.vjp(input=lambda g, out, input, *, dim: flip(cumsum_(flip(g, dim), dim=dim), dim))


def cumsum(input: Tensor, dim: int) -> Tensor:
    """Running sums along `dim`: element i is the sum of the elements up to i.

    >>> import minigen as mg
    >>> mg.cumsum(mg.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    check_tensor("cumsum", "input", input)
    dim = normalize_dim("cumsum", input.shape, dim)
    if input.dtype.kind != "f":
        return Tensor(input.data.cumsum(axis=dim, dtype=np.int64).reshape(input.shape))
    return cumsum_(input, dim=dim) if input.ndim else input.clone()


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Product of the elements, of all of them or along `dim`.

    It multiplies the first half by the second until one element is left.  So the gradients of every order are right
    also where elements are 0, which ``prod / x`` is not.

    >>> import minigen as mg
    >>> mg.prod(mg.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    check_tensor("prod", "input", input)
    if dim is None:
        out = prod(input.reshape(-1), 0)
        return out.reshape((1,) * input.ndim) if keepdim else out
    dim = normalize_dim("prod", input.shape, dim)
    if input.dtype.kind != "f":
        array = input.data.prod(axis=dim if input.ndim else None, keepdims=keepdim, dtype=np.int64)
        return Tensor(array_module(input.data).asarray(array))
    if input.ndim == 0:
        return input.clone()
    n = input.shape[dim]
    if n == 0:
        return ones_like(sum(input, dim, keepdim))
    while n > 1:
        first, second, *rest = split(input, [n // 2, n // 2, n % 2][: 2 + n % 2], dim)
        input = cat([first * second, *rest], dim)
        n = input.shape[dim]
    return input.clone() if keepdim else input.squeeze(dim)
