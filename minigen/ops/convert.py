"""Change a Tensor's dtype or device."""

from typing import Any

import numpy as np

from ..arguments import check_tensor, shown
from ..backend import FLOATS
from ..tensor import DType, Tensor, tensor
from . import elementwise

__all__ = ["double", "float", "long", "to"]


def to(input: Tensor, *targets: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """Return the Tensor on another device or in another dtype; itself if there is nothing to change.

    Parameters
    ----------
    input : Tensor
    *targets : dtype, or one of "cpu" and "cuda", or a Tensor that has both
        In any order.
    dtype : dtype, optional
    device : {"cpu", "cuda"}, optional

    Examples
    --------
    >>> import minigen as mg
    >>> mg.ones(1).to("float64")
    tensor([1.], dtype=float64)
    """
    check_tensor("to", "input", input)
    for target in targets:
        if isinstance(target, Tensor):
            dtype, device = target.dtype, target.device
        elif isinstance(target, str) and target in ("cpu", "cuda"):
            device = target
        else:
            dtype = target
    if dtype is not None:
        input = _to_dtype(input, _as_dtype(dtype))
    if device is None or device == input.device:
        return input
    return elementwise.to_device(input, device=device)


def _as_dtype(dtype: Any) -> DType:
    try:
        found: DType = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"to: expected a dtype, 'cpu' or 'cuda', got {shown(dtype)}") from None
    return found


def _to_dtype(input: Tensor, dtype: DType) -> Tensor:
    if dtype == input.dtype:
        return input
    if dtype in FLOATS and input.dtype in FLOATS:
        return elementwise.cast(input, dtype=dtype)
    return tensor(input, dtype=dtype)


def float(input: Tensor) -> Tensor:
    """Return the Tensor in float32.

    >>> import minigen as mg
    >>> mg.arange(2).float()
    tensor([0., 1.])
    """
    return to(input, dtype=np.float32)


def double(input: Tensor) -> Tensor:
    """Return the Tensor in float64.

    >>> import minigen as mg
    >>> mg.ones(1).double()
    tensor([1.], dtype=float64)
    """
    return to(input, dtype=np.float64)


def long(input: Tensor) -> Tensor:
    """Return the Tensor in int64; fractions are cut off.

    >>> import minigen as mg
    >>> mg.tensor([1.7, -1.7]).long()
    tensor([ 1, -1])
    """
    return to(input, dtype=np.int64)
