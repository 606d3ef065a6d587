"""minigen's own operations as a table for the checks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigen

from ...tensor import Tensor
from . import frameworks

__all__ = ["table"]


class _Ours(frameworks.Tape):
    def tensor(self, array: np.ndarray, requires_grad: bool) -> Tensor:
        return Tensor(array.view(), requires_grad=requires_grad)

    def array(self, tensor: Tensor) -> np.ndarray:
        return np.array(tensor.data)

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


table = frameworks.table(_Ours())
"""``{operation: (fn, vjp, double)}``."""
