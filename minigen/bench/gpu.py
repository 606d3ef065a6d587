"""Training steps and convolutions on a GPU, beside PyTorch's on the same GPU: ``minigen bench --device cuda``."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..check.gpu.machine import usable_torch
from ..check.gpu.result import Check, Outcome
from ..check.gpu.speed import checks as convolutions
from ..check.gpu.speed import seconds_of
from ..check.gpu.training import GRAPH_STEPS
from ..kernels.shapes import Convolution
from ..kernels.static_report.layers import LAYERS
from .steps import STEPS, our_step, their_steps

__all__ = ["checks", "time_step"]


def checks(layers: Sequence[Convolution] = LAYERS) -> Iterator[Check]:
    """The training steps of `minigen.bench.steps.STEPS`, and what `minigen check --gpu` times."""
    for name in STEPS:
        yield name, partial(time_step, name)
    yield from convolutions(layers)


def time_step(name: str) -> Outcome:
    """Time a training step whose kernels are started one by one, the same by a CUDA graph, and PyTorch's."""
    seconds, host = seconds_of(our_step(name, "cuda"))
    replay = our_step(name, "cuda", graph=True)
    for _ in range(GRAPH_STEPS):  # afterwards each kind of step has its graph
        replay()
    numbers = {"ms": 1e3 * seconds, "ms of the CPU": 1e3 * host, "ms by a graph": 1e3 * seconds_of(replay)[0]}
    if usable_torch():
        numbers["ms of PyTorch"] = 1e3 * min(seconds_of(step)[0] for step in their_steps(name, "cuda"))
    return Outcome("pass", ", ".join(f"{what} {value:.3g}" for what, value in numbers.items()), numbers)
