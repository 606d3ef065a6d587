r"""Weighted sums of a few elements along a dimension: resizing, and pooling over windows of any size.

$y_p = \sum_k w_{pk} x_{i(p, k)}$ is linear in x.  Its adjoint is of the same kind, with p and i swapped.  The
sum is written as *taps*: a tap adds to some places of the result, each at most once, one element each with its weight.
No element is multiplied by 0, so an infinite element reaches its own windows only.
"""

from typing import Any

import numpy as np

from ..backend import Array, array_module, to_device
from ..engine import primitive
from ..tensor import Tensor

__all__ = ["Taps", "make_taps", "resample"]

Taps = tuple[tuple[Any, Any, Any], ...]
"""For each tap the places in the result, the places in the input, and the weights; None stands for weights of 1."""


def make_taps(targets: Any, sources: Any, weights: Any) -> Taps:
    """Divide a list of (target, source, weight) into taps that reach each target at most once.

    >>> len(make_taps(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0.5, 0.5, 1.0])))
    2
    """
    order = np.argsort(targets, kind="stable")
    targets, sources, weights = targets[order], sources[order], weights[order]
    rank = np.arange(len(targets)) - np.searchsorted(targets, targets)  # of several for one target: the how-manieth
    parts = (rank == k for k in range(rank.max(initial=-1) + 1))
    return tuple((targets[at], sources[at], None if (weights[at] == 1).all() else weights[at]) for at in parts)


@primitive
def resample(input: Array, *, dim: int, size: int, taps: Taps) -> Array:
    """Weighted sums of elements along `dim`, which gets `size`; the vjp is the same with the taps turned around."""
    xp = array_module(input)
    device = "cpu" if isinstance(input, np.ndarray) else "cuda"
    shape = (*input.shape[:dim], size, *input.shape[dim + 1 :])
    out: Any = None
    for targets, sources, weights in taps:
        part = input.take(to_device(sources, device), axis=dim)
        if weights is not None:
            column = (-1, *[1] * (input.ndim - dim - 1))
            part *= to_device(weights.astype(input.dtype), device).reshape(column)
        if out is None and len(targets) == size:
            out = part  # the first tap reaches all places, in order
        else:
            out = xp.zeros(shape, input.dtype) if out is None else out
            out[(*[slice(None)] * dim, to_device(targets, device))] += part
    return xp.zeros(shape, input.dtype) if out is None else out


def _resample_vjp(g: Tensor, out: Tensor, input: Tensor, *, dim: int, size: int, taps: Taps) -> Tensor:
    whole = [(t, s, np.ones(len(t)) if w is None else w) for t, s, w in taps] or [(np.zeros(0, int),) * 3]
    targets, sources, weights = (np.concatenate(arrays) for arrays in zip(*whole))
    return resample(g, dim=dim, size=input.shape[dim], taps=make_taps(sources, targets, weights))


resample.vjp(input=_resample_vjp)
