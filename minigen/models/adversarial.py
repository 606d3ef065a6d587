r"""What all adversarial families share: two networks, the pair of losses they play for, and the moves of the game.

A *pair of losses* is what distinguishes most GANs from one another; the networks and the moves stay the same.

=============== ============================================================================ ==================
loss            D's output is                                                                undecided D gives
=============== ============================================================================ ==================
non_saturating  a logit; G makes -log D(G(z)) small                                          D 1.386, G 0.693
minimax         a logit; G makes log(1 - D(G(z))) small, which saturates                     D 1.386, G -0.693
lsgan           a number that is to be 1 for real and 0 for generated images                 D 0.25, G 0.125
hinge           a score that is to be above 1 for real and below -1 for generated images     D 2, G 0
=============== ============================================================================ ==================

Each is derived in `minigen.losses` (``derivation("lsgan")``); none is written out here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..creation import randn
from ..losses import (
    hinge_d,
    hinge_g,
    label_smoothing_d,
    lsgan_d,
    lsgan_g,
    minimax_g,
    non_saturating_d,
    non_saturating_g,
)
from ..ops.shape import cat
from ..optim import Optimizer
from ..tensor import Tensor, tensor
from .base import GenerativeModel
from .condition import one_hot_labels, with_label_maps
from .ema import EMA

__all__ = ["GAMES", "GAME_OPTIONS", "Adversarial", "Game", "Networks"]

Networks = tuple[nn.Module, nn.Module]
"""A generator and a discriminator."""


class Game(NamedTuple):
    """A pair of losses.

    Parameters
    ----------
    discriminator : callable
        (real outputs, fake outputs, smoothing) to D's loss.
    generator : callable
        (fake outputs, smoothing) to G's loss.
    logits : bool
        Whether D's output is a logit, and its sigmoid a probability.
    """

    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    generator: Callable[[Tensor, float], Tensor]
    logits: bool


GAMES = {
    "non_saturating": Game(non_saturating_d, lambda fake, _: non_saturating_g(fake), True),
    # D's half of the game is the same; with a smoothing of 0 it is `minimax_d`.
    "minimax": Game(label_smoothing_d, lambda fake, _: minimax_g(fake), True),
    # Targets a = 0, b = c = 1 - smoothing: G aims where D places the real images, not beyond.
    "lsgan": Game(
        lambda real, fake, smoothing: lsgan_d(real, fake, 0.0, 1 - smoothing),
        lambda fake, smoothing: lsgan_g(fake, 1 - smoothing),
        False,
    ),
    # Margins in place of labels: nothing to smooth.
    "hinge": Game(lambda real, fake, _: hinge_d(real, fake), lambda fake, _: hinge_g(fake), False),
}
"""Every pair of losses by the name of its option."""

GAME_OPTIONS = {
    "loss": f"what the two play for: {', '.join(GAMES)}",
    "lr": "learning rate of both players",
    "beta1": "Adam's first decay rate: lower follows the other player faster",
    "smoothing": "label real images 1 - SMOOTHING, to keep the discriminator humble (hinge has no labels)",
    "ema": "draw samples with the generator's weights averaged over about 1 / (1 - EMA) steps; 0 for the last weights",
}
"""Options of the families that play one of the `GAMES`, with a line of help."""


class Adversarial(GenerativeModel):
    """Base of the adversarial families.

    Parameters
    ----------
    name : str
        The family's, for messages.
    networks : callable
        (size, channels, latent) to a generator and a discriminator.  With `classes` the generator takes
        (N, latent + classes), noise and one-hot label, and the discriminator images with label maps
        (N, channels + classes, size, size), or with `flat` pixels and one-hot label (N, channels * size**2 + classes).
    optimizer : callable
        Parameters to their optimizer; called once for each player.
    size, channels, latent : int
    loss : str
        A key of `GAMES`.
    smoothing : float
        Real images are labelled 1 - smoothing.
    ema : float
        Decay of the average of the generator's weights; 0 for none.
    classes : int
        How many classes the labels name; 0 for a model that does not look at labels.
    flat : bool
        Whether the networks are dense.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.
    """

    def __init__(
        self,
        name: str,
        networks: Callable[[int, int, int], Networks],
        optimizer: Callable[[Any], Optimizer],
        size: int,
        channels: int,
        latent: int,
        *,
        loss: str = "non_saturating",
        smoothing: float = 0.0,
        ema: float = 0.0,
        classes: int = 0,
        flat: bool = False,
    ):
        super().__init__()
        if loss not in GAMES:
            raise ValueError(f"{name}: loss must be one of {', '.join(GAMES)}, got {loss!r}")
        if not 0 <= smoothing < 1:
            raise ValueError(f"{name}: smoothing must be at least 0 and below 1, got {smoothing}")
        for option, value in (("size", size), ("channels", channels), ("latent", latent)):
            if value < 1:
                raise ValueError(f"{name}: {option} must be at least 1, got {value}")
        self.name, self.latent, self.classes, self.flat = name, latent, classes, flat
        self.game, self.smoothing = GAMES[loss], smoothing
        try:
            self.generator, self.discriminator = networks(size, channels, latent)
            self.average = EMA(self.generator, ema) if ema else None
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.optimizers = {
            "generator": optimizer(self.generator.parameters()),
            "discriminator": optimizer(self.discriminator.parameters()),
        }

    # ---- the networks, with the condition if there is one

    def _condition(self, labels: Any, n: int) -> Tensor | None:
        """One-hot labels (n, classes); None for a model without a condition."""
        return one_hot_labels(self.name, labels, n, self.classes) if self.classes else None

    def _draw(self, network: nn.Module, z: Tensor, condition: Tensor | None) -> Tensor:
        """Images of the noise `z`, by the generator or its average: G(z), or G(z, c)."""
        return network(z if condition is None else cat([z, condition], 1))

    def _judge(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """What the discriminator makes of images, or of images and labels together: D(x), or D(x, c)."""
        if condition is None:
            return self.discriminator(images)
        if self.flat:
            return self.discriminator(cat([images.flatten(1), condition], 1))
        return self.discriminator(with_label_maps(images, condition))

    # ---- the game

    def training_step(self, data: np.ndarray, labels: np.ndarray | None = None) -> dict[str, float]:
        """One move of each player on one batch.

        Parameters
        ----------
        data : ndarray (N, C, H, W)
            Real images in [-1, 1].
        labels : ndarray of int (N,), optional
            For a conditional model; the others have no use for classes.

        Returns
        -------
        dict
            ``loss_d`` and ``loss_g`` (what they are when D cannot tell stands at the top of this file), and the mean of
            D's outputs for real and for generated images before its move, ``d_real`` and ``d_fake``: as probabilities
            where they are logits.
        """
        real = tensor(data)
        # The labels of this very batch go to both: with the real images they are pairs drawn from p(x, c) jointly, and
        # the generated images are asked for the same classes.  D can only tell the two by how image and label fit.
        condition = self._condition(labels, len(data))
        fake = self._draw(self.generator, randn(len(data), self.latent), condition)

        # The discriminator's move.  Its two batches go through it one after the other, as in the paper: batch norm then
        # standardises each by its own statistics, and D cannot compare an image with the rest of a mixture.
        # detach: to D the fakes are given images; this loss must not teach G, which would learn to be found out.
        # (`descend` asks for D's gradients only, so here it says what would hold anyway, and saves keeping G's graph.)
        real_outputs = self._judge(real, condition)
        fake_outputs = self._judge(fake.detach(), condition)
        loss_d = self.game.discriminator(real_outputs, fake_outputs, self.smoothing)
        self.descend(loss_d, self.optimizers["discriminator"])

        # The generator's move, against the discriminator as it is now: the same images are judged again, by the new
        # weights.  No detach: the gradient reaches G through D.
        loss_g = self.game.generator(self._judge(fake, condition), self.smoothing)
        self.descend(loss_g, self.optimizers["generator"])
        self._move_average()

        return {
            "loss_d": loss_d.item(),
            "loss_g": loss_g.item(),
            "d_real": self._verdict(real_outputs),
            "d_fake": self._verdict(fake_outputs),
        }

    def _verdict(self, outputs: Tensor) -> float:
        outputs = outputs.detach()
        return (outputs.sigmoid() if self.game.logits else outputs).mean().item()

    def _move_average(self) -> None:
        if self.average is not None:
            self.average.update(self.generator)

    # ---- what came of it

    def generate(self, n: int, generator: np.random.Generator, labels: np.ndarray | None = None) -> Tensor:
        """`n` images (n, C, H, W), by the averaged generator if there is one, in whatever mode it is; see `sample`.

        Parameters
        ----------
        n : int
        generator : numpy.random.Generator
        labels : int or ndarray of int (n,), optional
            For a conditional model, which needs them.

        Returns
        -------
        Tensor (n, C, H, W)

        Raises
        ------
        ValueError
            If the labels do not fit the model.
        """
        if labels is not None and not self.classes:
            raise ValueError(f"{self.name}: this model knows no classes: leave labels out, or train a cgan")
        z = randn(n, self.latent, generator=generator)
        network = self.generator if self.average is None else self.average
        return self._draw(network, z, self._condition(labels, n))
