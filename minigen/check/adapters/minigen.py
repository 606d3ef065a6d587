"""minigen's own operations as a table for the checks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigen

from ...backend import to_device
from ...tensor import Tensor
from . import frameworks

__all__ = ["table", "table_on"]


class _Ours(frameworks.Tape):
    def __init__(self, device: str):
        self.device = device

    def tensor(self, array: np.ndarray, requires_grad: bool) -> Tensor:
        return Tensor(to_device(np.asarray(array).view(), self.device), requires_grad=requires_grad)

    def array(self, tensor: Tensor) -> np.ndarray:
        return np.array(to_device(tensor.data, "cpu"))

    def grad(
        self, outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Tensor], create_graph: bool
    ) -> list[Tensor]:
        live = [(o, s) for o, s in zip(outputs, seeds) if o.requires_grad]
        found: Sequence[Tensor | None] = [None] * len(inputs)
        if live:
            found = minigen.grad(
                [o for o, _ in live], inputs, [s for _, s in live], create_graph=create_graph, allow_unused=True
            )
        return [Tensor(np.zeros(t.shape)) if d is None else d for d, t in zip(found, inputs)]

    def function(self, name: str) -> Callable[..., Any]:
        return getattr(minigen.functional, name, None) or getattr(minigen, name)


def table_on(device: str) -> dict[str, tuple[Callable[..., Any], ...]]:
    """``{operation: (fn, vjp, double)}``: NumPy arrays in and out, computed on a device."""
    return frameworks.table(_Ours(device))


table: dict[str, tuple[Callable[..., Any], ...]] = table_on("cpu")
"""The same on the CPU."""
