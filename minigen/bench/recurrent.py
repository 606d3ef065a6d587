"""Times of recurrent layers, forward and backward, beside PyTorch's with the same weights."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import nn
from ..engine import grad
from ..tensor import tensor
from .timing import Measurement, interleave
from .worker import Worker, fastest

__all__ = ["our_layers", "their_layers", "time_recurrent"]

SIZES = (28, 64, 28, 128)
"""Steps, sequences, inputs and length of the state: an image of 28 rows."""

KINDS = ("GRU", "LSTM")


def _name(kind: str) -> str:
    steps, n, inputs, hidden = SIZES
    return f"{kind} forward + backward, {steps} steps, {inputs}->{hidden} x{n}"


def _arrays() -> tuple[np.ndarray, np.ndarray]:
    """The input, and the cotangent of the outputs."""
    steps, n, inputs, hidden = SIZES
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((steps, n, size), dtype=np.float32) for size in (inputs, hidden))
    return x, g


def our_layers() -> dict[str, Callable[[], Any]]:
    """Outputs of all steps; then the gradients of the input and of all weights."""
    x, g = (tensor(array) for array in _arrays())
    x.requires_grad = True

    def passes(layer: nn.Module) -> Callable[[], Any]:
        wanted = [x, *layer.parameters()]
        return lambda: grad(layer(x)[0], wanted, g)

    return {_name(kind): passes(getattr(nn, kind)(*SIZES[2:])) for kind in KINDS}


def their_layers() -> dict[str, Callable[[], Any]]:
    """The same in PyTorch, each in the fastest of four ways: time or batch first, with oneDNN or without."""
    import torch

    def passes(kind: str, batch_first: bool, onednn: bool) -> Callable[[], Any]:
        x, g = (torch.from_numpy(array) for array in _arrays())
        if batch_first:
            x, g = (array.transpose(0, 1).contiguous() for array in (x, g))
        x.requires_grad_()
        layer = getattr(torch.nn, kind)(*SIZES[2:], batch_first=batch_first)
        wanted = [x, *layer.parameters()]

        def run() -> Any:
            torch._C._set_mkldnn_enabled(onednn)  # its public face warns of a setting for other hardware
            return torch.autograd.grad(layer(x)[0], wanted, g)

        return run

    ways = [(batch_first, onednn) for batch_first in (False, True) for onednn in (True, False)]
    return {_name(kind): fastest([passes(kind, *way) for way in ways]) for kind in KINDS}


def time_recurrent(rounds: int, worker: Worker | None) -> Iterator[Measurement]:
    """Time a GRU and an LSTM."""
    ours, theirs = our_layers(), worker.make(their_layers) if worker else {}
    for name in ours:
        timings = interleave({"ours": ours[name], **({"theirs": theirs[name]} if worker else {})}, rounds)
        yield Measurement("recurrent", name, timings)
