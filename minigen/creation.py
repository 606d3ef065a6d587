"""Tensors from nothing: constants, ranges, random numbers.

Random functions draw from the package's stream (`minigen.manual_seed`), or from the caller's own ``generator``, any
``numpy.random.Generator``; on every device the same numbers.
"""

from typing import Any

import numpy as np

from .backend import rng, to_device
from .tensor import Tensor, tensor

__all__ = ["arange", "full", "linspace", "ones", "rand", "randint", "randn", "randperm", "zeros"]


def _shape(op: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int | np.integer) else sizes
    if any(not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(f"{op}: expected sizes of 0 or more, got {shape}")
    return shape


def _finish(array: Any, requires_grad: bool, device: str) -> Tensor:
    return Tensor(to_device(array, device), requires_grad)


def zeros(*size: Any, dtype: Any = np.float32, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """A Tensor of zeros.

    >>> zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _finish(np.zeros(_shape("zeros", size), dtype), requires_grad, device)


def ones(*size: Any, dtype: Any = np.float32, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """A Tensor of ones.

    >>> ones(3)
    tensor([1., 1., 1.])
    """
    return _finish(np.ones(_shape("ones", size), dtype), requires_grad, device)


def full(
    size: Any, fill_value: float, dtype: Any = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A Tensor whose every element is `fill_value`.

    >>> full((2,), 7.0)
    tensor([7., 7.])
    """
    return _finish(np.full(_shape("full", (size,)), fill_value, dtype), requires_grad, device)


def arange(*bounds: float, dtype: Any = None, device: str = "cpu") -> Tensor:
    """Numbers from `start` (0) to before `end` in steps of `step` (1); integers unless a bound is a float.

    >>> arange(3)
    tensor([0, 1, 2])
    >>> arange(0, 1, 0.5)
    tensor([0. , 0.5])
    """
    if dtype is None:
        dtype = np.float32 if any(isinstance(b, float) for b in bounds) else np.int64
    return tensor(np.arange(*bounds), dtype=dtype, device=device)


def linspace(start: float, end: float, steps: int, dtype: Any = np.float32, device: str = "cpu") -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included.

    >>> linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    return tensor(np.linspace(start, end, steps), dtype=dtype, device=device)


def randn(
    *size: Any,
    generator: np.random.Generator | None = None,
    dtype: Any = np.float32,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Independent draws from the standard normal distribution.

    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> randn(2, 3).shape
    (2, 3)
    """
    draws = np.asarray((generator or rng()).standard_normal(_shape("randn", size), dtype=dtype))
    return _finish(draws, requires_grad, device)


def rand(
    *size: Any,
    generator: np.random.Generator | None = None,
    dtype: Any = np.float32,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Independent draws from the uniform distribution on [0, 1).

    >>> bool(rand(4).max() < 1)
    True
    """
    draws = np.asarray((generator or rng()).random(_shape("rand", size), dtype=dtype))
    return _finish(draws, requires_grad, device)


def randint(
    low: int, high: int, size: Any, generator: np.random.Generator | None = None, device: str = "cpu"
) -> Tensor:
    """Integers from `low` to before `high`, all equally likely.

    >>> randint(0, 1, (3,))
    tensor([0, 0, 0])
    """
    return _finish(np.asarray((generator or rng()).integers(low, high, _shape("randint", (size,)))), False, device)


def randperm(n: int, generator: np.random.Generator | None = None, device: str = "cpu") -> Tensor:
    """The integers below `n` in random order.

    >>> sorted(randperm(4).numpy().tolist())
    [0, 1, 2, 3]
    """
    return _finish((generator or rng()).permutation(n), False, device)
