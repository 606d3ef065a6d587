"""PyTorch's operations as a table for the checks: the worked example of an adapter.

``minigen check --against minigen.check.adapters.pytorch:table`` runs the golden vectors against it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._util.optional import missing_package

try:
    import torch
except ImportError as error:
    message = f"this adapter needs PyTorch: {missing_package('torch')}"
    raise ModuleNotFoundError(message, name="torch") from error

from . import frameworks

__all__ = ["table"]


def _plain_attention(*tensors: Any, **params: Any) -> Any:
    """PyTorch's attention without a fused kernel: those have no second derivative."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.nn.functional.scaled_dot_product_attention(*tensors, **params)


class _PyTorch(frameworks.Tape):
    def tensor(self, array: np.ndarray, requires_grad: bool) -> Any:
        return torch.tensor(np.array(array, order="C"), requires_grad=requires_grad)

    def array(self, tensor: Any) -> np.ndarray:
        return tensor.detach().numpy(force=True).copy()

    def grad(
        self, outputs: Sequence[Any], inputs: Sequence[Any], seeds: Sequence[Any], create_graph: bool
    ) -> list[Any]:
        live = [(o, s) for o, s in zip(outputs, seeds) if o.requires_grad]
        found: Sequence[Any] = [None] * len(inputs)
        if live:
            found = torch.autograd.grad(
                [o for o, _ in live], inputs, [s for _, s in live], create_graph=create_graph, allow_unused=True
            )
        return [torch.zeros_like(t) if d is None else d for d, t in zip(found, inputs)]

    def function(self, name: str) -> Callable[..., Any]:
        if name == "softplus":  # PyTorch's is x itself above `threshold`, by default already where e^-20 is left out
            return lambda input: torch.nn.functional.softplus(input, threshold=800)
        if name == "scaled_dot_product_attention":
            return _plain_attention
        return getattr(torch.nn.functional, name, None) or getattr(torch, name)


table: dict[str, tuple[Callable[..., Any], ...]] = frameworks.table(_PyTorch())
"""``{operation: (fn, vjp, double)}``."""
