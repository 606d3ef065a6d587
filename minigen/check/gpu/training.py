"""A short training on the GPU, beside the same on the CPU.

Both play the same game with the same seed, but round in different places, and a game between two networks magnifies
that, about twice with each step: soon any two trainings differ.  So how far they may is measured: the game is played on
the CPU again from weights that are off by one unit in their last place, a few times, and the GPU's losses may depart by
some times as much.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ... import backend, kernels
from ...data import Loader, load
from ...models import DCGAN
from .result import Check, Outcome

__all__ = ["GAME", "Game", "check_training", "checks", "play"]

TIMES = 8
"""What the GPU's losses may be off by, as a multiple of what such a change of the weights moves them by (at least one
unit in the last place of the loss itself).  Our two sets of CPU kernels differ by up to 1.3 times as much."""
SHAKEN = 3
"""Trainings from changed weights."""


class Game(NamedTuple):
    """Sizes of the training."""

    steps: int = 10
    images: int = 64
    size: int = 32
    width: int = 16


GAME = Game()


def checks(game: Game) -> Iterator[Check]:
    """One training."""
    yield f"DCGAN, {game.steps} steps of {game.images} images", partial(check_training, game)


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
    data = load("shapes", size=game.size, count=game.images * min(game.steps, 8))
    batches = list(Loader(data, game.images, seed=0).epoch(0))
    with backend.seeded(0):
        model = DCGAN(size=game.size, channels=batches[0]["images"].shape[1], network="conv", width=game.width, lr=5e-4)
        if shake is not None:
            _shake(model, np.random.default_rng(shake))
        model.to(device)
        losses: list[Any] = []
        for step in range(game.steps):
            numbers = model.training_step(batches[step % len(batches)])
            losses.append([numbers["loss_d"], numbers["loss_g"]])
        return np.array([[float(loss) for loss in pair] for pair in losses])


def _shake(model: DCGAN, rng: np.random.Generator) -> None:
    for parameter in model.parameters():
        with parameter.inplace() as array:
            towards = rng.choice(np.array([-np.inf, np.inf], array.dtype), array.shape)
            array[...] = np.nextafter(array, towards)
