"""PyTorch's own ``gradcheck`` before the same mutants, for comparison: slow and fast, with its default tolerances.

Each pair of NumPy functions is wrapped as a ``torch.autograd.Function``, its double backward as another.  A mutant
counts as caught where ``gradcheck`` rejects it *and accepts the right gradient at the same point*: who rejects both has
seen nothing.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import torch
except ImportError as error:
    message = 'PyTorch is not installed: python -m pip install "minigen-lab[bench]"'
    raise ModuleNotFoundError(message, name="torch") from error

from ..adapters.minigen import table
from ..compare import smooth_elements
from ..op_registry import OP_REGISTRY, Case
from ..report import Verdict
from .registry import Mutant

__all__ = ["PyTorch"]

LARGEST = 10**7
"""Elements of the Jacobian that slow mode is asked to fill; ten thousand by ten thousand would not fit."""


class _Function(torch.autograd.Function):  # type: ignore[misc]
    """``run(*arrays)`` with the gradients ``pull(g, *arrays)``, a list with None for inputs that have none."""

    @staticmethod
    def forward(ctx: Any, run: Any, pull: Any, *inputs: Any) -> Any:
        ctx.save_for_backward(*inputs)
        ctx.pull = pull
        out = run(*[t.detach().numpy() for t in inputs])
        return tuple(map(_tensor, out)) if isinstance(out, list | tuple) else _tensor(out)

    @staticmethod
    def backward(ctx: Any, *g: Any) -> Any:
        return (None, None, *ctx.pull(g, ctx.saved_tensors))


def _tensor(array: np.ndarray) -> Any:
    return torch.from_numpy(np.array(array, np.float64, order="C"))


def _function(fn: Any, vjp: Any, double: Any, case: Case, which: list[int]) -> Callable[..., Any]:
    """The operation on tensors of the inputs `which`; differentiable once, and twice if there is a `double`."""
    count = len(which)

    def whole(arrays: Any) -> list[np.ndarray]:
        inputs = list(case.inputs)
        for i, a in zip(which, arrays):
            inputs[i] = a
        return inputs

    def run(*arrays: np.ndarray) -> np.ndarray:
        return fn(*whole(arrays), **case.params)

    def pulled(g: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
        out = vjp(g, *whole(arrays), **case.params)
        return list(out) if isinstance(out, list | tuple) else [out]

    def twice(us: Any, saved: Any) -> list[Any]:
        g, *arrays = [t.detach().numpy() for t in saved]
        return [_tensor(d) for d in double([u.detach().numpy() for u in us], g, *whole(arrays), **case.params)]

    def once(g: Any, saved: Any) -> list[Any]:
        if double is not None:
            return list(_Function.apply(pulled, twice, g[0], *saved))
        return [_tensor(d) for d in pulled(g[0].detach().numpy(), *[t.detach().numpy() for t in saved])]

    def function(*tensors: Any) -> Any:
        assert len(tensors) == count
        return _Function.apply(run, once, *tensors)

    return function


class PyTorch:
    """``torch.autograd.gradcheck`` and ``gradgradcheck``; see `minigen.check.mutants.score.Checker`."""

    def __init__(self, fast: bool):
        self.fast = fast
        self.name = f"PyTorch, {'fast' if fast else 'slow'}"

    def _accepts(self, op: str, vjp: Any, double: Any, case: Case, order: int) -> bool:
        entry = OP_REGISTRY[op]
        which = [i for i in entry.differentiable if i < len(case.inputs)]
        function = _function(table[op][0], vjp, double, case, which)
        tensors = [_tensor(case.inputs[i]).requires_grad_() for i in which]
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gradcheck = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
            return bool(gradcheck(function, tensors, fast_mode=self.fast, raise_exception=False))

    def catches(self, mutant: Mutant, case: Case, seed: int) -> bool | None:
        """Rejects the mutant, and accepts the right gradient."""
        if not self.fast and max(x.size for x in case.inputs) ** 2 > LARGEST:
            return None
        _, vjp, double = table[mutant.op]
        order = 2 if mutant.family == "second" else 1
        if self._accepts(mutant.op, mutant.vjp or vjp, mutant.double or double if order == 2 else None, case, order):
            return False
        return self._accepts(mutant.op, vjp, double if order == 2 else None, case, order)

    def verdict(self, op: str, case: Case, seed: int) -> Verdict | None:
        """Right or wrong; nothing else can be said."""
        fn, vjp, double = table[op]
        floats = [i for i in OP_REGISTRY[op].differentiable if i < len(case.inputs)]

        def values(*inputs: np.ndarray) -> np.ndarray:
            return fn(*inputs, **case.params)

        out = values(*case.inputs)
        if smooth_elements(values, case.inputs, floats, np.random.default_rng(seed)).size < out.size:
            return None
        return "right" if all(self._accepts(op, vjp, double, case, order) for order in (1, 2)) else "wrong"
