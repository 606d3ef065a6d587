"""What the adapters of frameworks with a tape share: from a function on tensors to (fn, vjp, double) on arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..op_registry import OP_REGISTRY, Entry

__all__ = ["Tape", "table"]


class Tape:
    """What differs between frameworks."""

    def tensor(self, array: np.ndarray, requires_grad: bool) -> Any:
        """An array as the framework's tensor."""
        raise NotImplementedError

    def array(self, tensor: Any) -> np.ndarray:
        """A tensor's values, as a separate array."""
        raise NotImplementedError

    def grad(
        self, outputs: Sequence[Any], inputs: Sequence[Any], seeds: Sequence[Any], create_graph: bool
    ) -> list[Any]:
        """Gradients of the outputs, zeros where there is no dependence."""
        raise NotImplementedError

    def function(self, name: str) -> Callable[..., Any]:
        """The framework's function of that name."""
        raise NotImplementedError


def _pair(tape: Tape, entry: Entry) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    function = tape.function(entry.name)

    def call(tensors: Sequence[Any], params: dict[str, Any]) -> Any:
        params = {k: tape.tensor(v, False) if isinstance(v, np.ndarray) else v for k, v in params.items()}
        return entry.call(function, tensors, params)

    def lift(inputs: Sequence[np.ndarray]) -> tuple[list[Any], list[Any]]:
        tensors = [tape.tensor(x, i in entry.differentiable) for i, x in enumerate(inputs)]
        return tensors, [t for i, t in enumerate(tensors) if i in entry.differentiable]

    def fn(*inputs: np.ndarray, **params: Any) -> np.ndarray:
        return tape.array(call(lift(inputs)[0], params))

    def vjp(g: np.ndarray, *inputs: np.ndarray, **params: Any) -> list[np.ndarray]:
        tensors, wanted = lift(inputs)
        return [tape.array(d) for d in tape.grad([call(tensors, params)], wanted, [tape.tensor(g, False)], False)]

    def double(u: Sequence[np.ndarray], g: np.ndarray, *inputs: np.ndarray, **params: Any) -> list[np.ndarray]:
        tensors, wanted = lift(inputs)
        seed = tape.tensor(g, True)
        first = tape.grad([call(tensors, params)], wanted, [seed], True)
        return [tape.array(d) for d in tape.grad(first, [seed, *wanted], [tape.tensor(a, False) for a in u], False)]

    return fn, vjp, double


def table(tape: Tape) -> dict[str, tuple[Callable[..., Any], ...]]:
    """A triple per operation of the catalog that the framework has."""
    return {name: _pair(tape, entry) for name, entry in OP_REGISTRY.items()}
