"""New Tensors: constants, ranges, random numbers.

Random functions draw from the package's stream (`minigen.manual_seed`), or from a ``generator`` that the caller gives,
any ``numpy.random.Generator``.  The numbers are the same on every device.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .backend import describe, repeated, rng, to_device
from .tensor import Tensor, tensor

__all__ = [
    "arange",
    "bernoulli",
    "eye",
    "full",
    "full_like",
    "linspace",
    "multinomial",
    "ones",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "zeros",
]


def _shape(op: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int | np.integer) else sizes
    if any(isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(f"{op}: expected sizes of 0 or more, got {shape}")
    return shape


def _finish(array: Any, requires_grad: bool, device: str) -> Tensor:
    return Tensor(to_device(array, device), requires_grad)


def _drawn(draw: Callable[[], Any], device: str, requires_grad: bool = False) -> Tensor:
    """What `draw` returns; where a step is replayed, it draws anew."""
    return Tensor(repeated(lambda: to_device(np.asarray(draw()), device)), requires_grad)


def zeros(*size: Any, dtype: Any = np.float32, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """Make a Tensor of zeros.

    >>> zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _finish(np.zeros(_shape("zeros", size), dtype), requires_grad, device)


def ones(*size: Any, dtype: Any = np.float32, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """Make a Tensor of ones.

    >>> ones(3)
    tensor([1., 1., 1.])
    """
    return _finish(np.ones(_shape("ones", size), dtype), requires_grad, device)


def full(
    size: Any, fill_value: float, dtype: Any = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """Make a Tensor whose every element is `fill_value`.

    >>> full((2,), 7.0)
    tensor([7., 7.])
    """
    return _finish(np.full(_shape("full", (size,)), fill_value, dtype), requires_grad, device)


def arange(*bounds: float, dtype: Any = None, device: str = "cpu") -> Tensor:
    """Count from `start` (0) to before `end` in steps of `step` (1); integers unless a bound is a float.

    >>> arange(3)
    tensor([0, 1, 2])
    >>> arange(0, 1, 0.5)
    tensor([0. , 0.5])
    """
    if dtype is None:
        dtype = np.float32 if any(isinstance(b, float) for b in bounds) else np.int64
    return tensor(np.arange(*bounds), dtype=dtype, device=device)


def linspace(start: float, end: float, steps: int, dtype: Any = np.float32, device: str = "cpu") -> Tensor:
    """Make `steps` evenly spaced numbers from `start` to `end`, both included.

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
    """Draw independent numbers from the standard normal distribution.

    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> randn(2, 3).shape
    (2, 3)
    """
    shape = _shape("randn", size)
    return _drawn(lambda: (generator or rng()).standard_normal(shape, dtype=dtype), device, requires_grad)


def rand(
    *size: Any,
    generator: np.random.Generator | None = None,
    dtype: Any = np.float32,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Draw independent numbers from the uniform distribution on [0, 1).

    >>> bool(rand(4).max() < 1)
    True
    """
    shape = _shape("rand", size)
    return _drawn(lambda: (generator or rng()).random(shape, dtype=dtype), device, requires_grad)


def randint(
    low: int, high: int, size: Any, generator: np.random.Generator | None = None, device: str = "cpu"
) -> Tensor:
    """Draw integers from `low` to before `high`, all equally likely.

    >>> randint(0, 1, (3,))
    tensor([0, 0, 0])
    """
    shape = _shape("randint", (size,))
    return _drawn(lambda: (generator or rng()).integers(low, high, shape), device)


def randperm(n: int, generator: np.random.Generator | None = None, device: str = "cpu") -> Tensor:
    """Return the integers below `n` in random order.

    >>> sorted(randperm(4).numpy().tolist())
    [0, 1, 2, 3]
    """
    return _drawn(lambda: (generator or rng()).permutation(n), device)


def eye(
    n: int, m: int | None = None, dtype: Any = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """Make the identity matrix, of n rows and m (n) columns.

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    rows, columns = _shape("eye", (n, n if m is None else m))
    return _finish(np.eye(rows, columns, dtype=dtype), requires_grad, device)


def full_like(input: Tensor, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a Tensor of the shape, dtype and device of `input` whose every element is `fill_value`.

    >>> full_like(ones(2), 7.0)
    tensor([7., 7.])
    """
    return full(input.shape, fill_value, dtype or input.dtype, input.device, requires_grad)


def randn_like(input: Tensor, generator: np.random.Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Draw from the standard normal distribution, with the shape, dtype and device of `input`.

    >>> randn_like(ones(2, 3)).shape
    (2, 3)
    """
    return randn(*input.shape, generator=generator, dtype=input.dtype, device=input.device, requires_grad=requires_grad)


def rand_like(input: Tensor, generator: np.random.Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Draw from the uniform distribution on [0, 1), with the shape, dtype and device of `input`.

    >>> rand_like(ones(2, 3)).shape
    (2, 3)
    """
    return rand(*input.shape, generator=generator, dtype=input.dtype, device=input.device, requires_grad=requires_grad)


def bernoulli(input: Tensor, generator: np.random.Generator | None = None) -> Tensor:
    """Draw 1 with the probability that `input` has at each place, else 0.

    >>> bernoulli(tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    p = input.numpy()
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("bernoulli: input: expected probabilities in [0, 1]")
    draws = np.asarray((generator or rng()).random(p.shape) < p, p.dtype)
    return _finish(draws, False, input.device)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, generator: np.random.Generator | None = None
) -> Tensor:
    """Draw indices, each with a probability proportional to its weight in `input`.

    Parameters
    ----------
    input : Tensor (k,) or (n, k)
        Weights of 0 or more; each row is a separate distribution.
    num_samples : int
        How many indices to draw from each row.
    replacement : bool
        Whether an index can be drawn more than once from a row.
    generator : numpy.random.Generator, optional

    Returns
    -------
    Tensor of integers (num_samples,) or (n, num_samples)

    Examples
    --------
    >>> multinomial(tensor([0.0, 2.0, 0.0]), 3, replacement=True)
    tensor([1, 1, 1])
    """
    weights = input.numpy().astype(np.float64)
    if input.ndim not in (1, 2) or num_samples < 1:
        raise ValueError(
            f"multinomial: expected one or two dimensions and num_samples of at least 1, got {describe(input)} and "
            f"{num_samples}"
        )
    if not ((weights >= 0) & (weights < np.inf)).all() or not (weights.sum(-1) > 0).all():
        raise ValueError("multinomial: input: expected finite weights of 0 or more, with a positive sum in each row")
    if not replacement and ((weights > 0).sum(-1) < num_samples).any():
        raise ValueError(f"multinomial: cannot draw {num_samples} different indices from {describe(input)}")
    rows = np.atleast_2d(weights)
    if replacement:
        ends = rows.cumsum(-1)
        points = (generator or rng()).random((len(rows), num_samples)) * ends[:, -1:]
        draws = np.stack([np.searchsorted(end, point, side="right") for end, point in zip(ends, points)])
    else:  # the smallest of exponential times, with the weights as rates, come in the order of such draws
        times = (generator or rng()).standard_exponential(rows.shape)
        times = np.divide(times, rows, out=np.full_like(rows, np.inf), where=rows > 0)
        draws = times.argsort(-1, kind="stable")[:, :num_samples]
    return _finish(draws.astype(np.int64).reshape(*input.shape[:-1], num_samples), False, input.device)
