"""Times of a step of single networks (forward, mean squared error, backward, Adam), beside the same in PyTorch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import nn
from ..backend import manual_seed
from ..engine import grad
from ..functional import mse_loss
from ..models.networks.image import Enlarger, UNet
from ..models.networks.sequence import RecurrentGenerator
from ..optim import Adam
from ..tensor import tensor
from .pytorch_models import to_pytorch
from .timing import Measurement, interleave
from .worker import Worker, fastest

__all__ = ["NETWORKS", "our_networks", "their_networks", "time_networks"]

Step = Callable[[], Any]

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "U-Net step (filling holes), 48x48, batch 16": (lambda: UNet(2, 1), (16, 2, 48, 48)),
    "super-resolution step, 24x24 to 48x48, batch 16": (lambda: Enlarger(1), (16, 1, 24, 24)),
    "GRU generator step, 28 steps, 128 states, batch 64": (lambda: RecurrentGenerator(28, 28, 74, 128), (64, 74)),
}
"""What is timed: the network, and the shape of its input."""


def _made(name: str) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """A network, an input, and what it should make of it."""
    make, shape = NETWORKS[name]
    manual_seed(0)
    network, rng = make(), np.random.default_rng(0)
    x = rng.standard_normal(shape, dtype=np.float32)
    return network, x, rng.standard_normal(network(tensor(x)).shape, dtype=np.float32)


def our_networks(name: str) -> Step:
    """A step of a network of ours; returns the loss."""
    network, *arrays = _made(name)
    x, target = map(tensor, arrays)
    parameters = list(network.parameters())
    optimizer = Adam(parameters)

    def step() -> float:
        loss = mse_loss(network(x), target)
        for p, g in zip(parameters, grad(loss, parameters)):
            p.grad = g
        optimizer.step()
        return float(loss.item())

    return step


def their_networks(name: str) -> dict[str, Step]:
    """The same step in PyTorch, in the memory format in which it is faster here."""
    import torch

    _, *arrays = _made(name)
    x, target = map(torch.from_numpy, arrays)

    def in_format(format: Any) -> Step:
        network, inputs = to_pytorch(_made(name)[0]), x
        if x.ndim == 4:
            network, inputs = network.to(memory_format=format), x.to(memory_format=format)
        parameters = list(network.parameters())
        optimizer = torch.optim.Adam(parameters)

        def step() -> float:
            loss = torch.nn.functional.mse_loss(network(inputs), target)
            for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
                p.grad = g
            optimizer.step()
            return float(loss.item())

        return step

    return {name: fastest([in_format(format) for format in (torch.contiguous_format, torch.channels_last)])}


def time_networks(rounds: int, worker: Worker | None) -> Iterator[Measurement]:
    """Time a step of each network."""
    for name in NETWORKS:
        theirs = {"theirs": worker.make(their_networks, name)[name]} if worker else {}
        yield Measurement("step", name, interleave({"ours": our_networks(name), **theirs}, rounds))
