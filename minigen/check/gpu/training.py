"""A short training on the GPU, beside the same on the CPU; and steps by a CUDA graph, beside steps one by one.

GPU and CPU play the same game with the same seed, but round in different places, and a game between two networks
magnifies that, about twice with each step: soon any two trainings differ.  So how far they may is measured: the game is
played on the CPU again from weights that are off by one unit in their last place, a few times, and the GPU's losses may
depart by some times as much.

A graph starts the same kernels with the same numbers, so its losses and weights have the same bits.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ... import backend, kernels
from ...data import Loader, load
from ...models import DCGAN, VAE
from ...models.base import Model
from ...tensor import Tensor
from ...train import GraphedStep
from .result import Check, Outcome
from .speed import seconds_of

__all__ = ["GAME", "GRAPHED", "Game", "check_graph", "check_training", "checks", "play"]

TIMES = 8
"""What the GPU's losses may be off by, as a multiple of what such a change of the weights moves them by (at least one
unit in the last place of the loss itself).  Our two sets of CPU kernels differ by up to 1.3 times as much."""
SHAKEN = 3
"""Trainings from changed weights."""
GRAPH_STEPS = 20
"""Steps with and without a graph: three of each kind come before its graph, and R1 is in every fourth."""


class Game(NamedTuple):
    """Sizes of the training."""

    steps: int = 10
    images: int = 64
    size: int = 32
    width: int = 16


GAME = Game()


def _dcgan(game: Game, channels: int, **options: Any) -> Model:
    return DCGAN(game.size, channels, network="conv", width=game.width, lr=5e-4, **options)


GRAPHED: dict[str, Callable[[Game, int], Model]] = {
    "DCGAN with R1": partial(_dcgan, r1=0.1, r1_every=4, ema=0.9),
    "VAE with dropout": lambda game, channels: VAE(
        game.size, channels, network="mlp", width=8 * game.width, likelihood="gaussian", dropout=0.3
    ),
}
"""Models whose steps are repeated by a graph: what differs from step to step is a rate, a count, noise and seeds."""


def checks(game: Game) -> Iterator[Check]:
    """One training, and graphs of the steps of two models."""
    yield f"DCGAN, {game.steps} steps of {game.images} images", partial(check_training, game)
    for name in GRAPHED:
        yield f"{name}, steps of {game.images} images by a CUDA graph", partial(check_graph, name, game)


def check_training(game: Game) -> Outcome:
    """Train a DCGAN on the GPU twice and on the CPU, and compare the losses."""
    began = time.perf_counter()
    ours = play(game, "cuda")
    took = time.perf_counter() - began
    again = play(game, "cuda")
    with kernels.use("reference"):
        theirs = play(game, "cpu")
        shaken = [play(game, "cpu", shake=seed) for seed in range(SHAKEN)]
    spread = np.maximum.accumulate(np.max([abs(other - theirs) for other in shaken], axis=(0, 2)))
    allowed = TIMES * (spread[:, None] + 2.0**-23 * abs(theirs))
    off = abs(ours - theirs)
    numbers = {
        "seconds": took,
        "losses": ours.tolist(),
        "losses on the CPU": theirs.tolist(),
        "allowed": allowed.tolist(),
    }
    if not (off <= allowed).all():
        step, which = (int(i) for i in np.argwhere(~(off <= allowed))[0])
        return Outcome(
            "fail",
            f"at step {step + 1} loss_{'dg'[which]} is {ours[step, which]:.7g}, on the CPU {theirs[step, which]:.7g}: "
            f"they may differ by {allowed[step, which]:.2g}",
            numbers,
        )
    if not np.array_equal(ours, again):
        step = int(np.argwhere((ours != again).any(axis=1))[0, 0])
        return Outcome("fail", f"two runs from the same seed differ from step {step + 1} on", numbers)
    share = float((off / allowed).max())
    return Outcome("pass", f"losses off by at most {share:.0%} of what they may, the same bits again", numbers)


def play(game: Game, device: str, shake: int | None = None) -> np.ndarray:
    """The losses of a training, (steps, 2); with `shake` from weights off by one unit in their last place."""
    batches = _batches(game)
    with backend.seeded(0):
        model = _dcgan(game, batches[0]["images"].shape[1])
        if shake is not None:
            _shake(model, np.random.default_rng(shake))
        model.to(device)
        found = [model.training_step(batches[i % len(batches)]) for i in range(game.steps)]
        return np.array([[float(numbers["loss_d"]), float(numbers["loss_g"])] for numbers in found])


def check_graph(name: str, game: Game) -> Outcome:
    """Take the same steps one by one and by a CUDA graph, compare all bits, and time both."""
    plain, state, seconds, host = _steps(name, game, graph=False)
    replayed, after, faster, started = _steps(name, game, graph=True)
    numbers = {
        "ms": 1e3 * faster,
        "ms of the CPU": 1e3 * started,
        "ms one by one": 1e3 * seconds,
        "ms of the CPU one by one": 1e3 * host,
    }
    for step, (ours, theirs) in enumerate(zip(replayed, plain), start=1):
        for key, value in ours.items():
            if value != theirs[key]:
                return Outcome(
                    "fail", f"at step {step} {key} is {value:.9g}, without a graph {theirs[key]:.9g}", numbers
                )
    for key, array in after.items():
        if not np.array_equal(array, state[key]):
            return Outcome("fail", f"after {GRAPH_STEPS} steps {key} differs from that without a graph", numbers)
    return Outcome("pass", f"the same bits; {1e3 * faster:.3g} ms a step, one by one {1e3 * seconds:.3g} ms", numbers)


def _steps(name: str, game: Game, graph: bool) -> tuple[list[dict[str, float]], Mapping[str, np.ndarray], float, float]:
    """What steps return, the weights after them, and how long a step takes, altogether and of the CPU."""
    batches = _batches(game)
    with backend.seeded(0):
        model = GRAPHED[name](game, batches[0]["images"].shape[1])
        model.to("cuda")
        step: Callable[..., Mapping[str, Tensor | float]] = GraphedStep(model) if graph else model.training_step
        found = [step(batches[i % len(batches)]) for i in range(GRAPH_STEPS)]
        numbers = [{key: float(value) for key, value in each.items()} for each in found]
        state = model.state_dict()
        return numbers, state, *seconds_of(lambda: step(batches[0]))


def _batches(game: Game) -> list[dict[str, np.ndarray]]:
    data = load("shapes", size=game.size, count=game.images * min(game.steps, 8))
    return list(Loader(data, game.images, seed=0).epoch(0))


def _shake(model: Model, rng: np.random.Generator) -> None:
    for parameter in model.parameters():
        with parameter.inplace() as array:
            towards = rng.choice(np.array([-np.inf, np.inf], array.dtype), array.shape)
            array[...] = np.nextafter(array, towards)
