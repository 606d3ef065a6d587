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

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..creation import randn
from ..engine import no_grad
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
from .condition import with_label_maps
from .ema import EMA

_WON = 0.98  # the lead from which D is said to have won

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
    "lr_decay": "share of the training, at its end, in which the learning rate falls to 0; 0 for a constant one",
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
    lr_decay : float
        Share of the training, at its end, in which the learning rates fall linearly to 0.  Two players that go on
        moving at full speed circle around their equilibrium; smaller and smaller moves let them settle.
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
        lr_decay: float = 0.0,
        ema: float = 0.0,
        classes: int = 0,
        flat: bool = False,
    ):
        super().__init__()
        if loss not in GAMES:
            raise ValueError(f"{name}: loss must be one of {', '.join(GAMES)}, got {loss!r}")
        if not 0 <= smoothing < 1:
            raise ValueError(f"{name}: smoothing must be at least 0 and below 1, got {smoothing}")
        if not 0 <= lr_decay <= 1:
            raise ValueError(f"{name}: lr_decay must be from 0 to 1, got {lr_decay}")
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
        self.lr_decay = lr_decay
        self.rates = {player: o.param_groups[0]["lr"] for player, o in self.optimizers.items()}

    # ---- the networks, with the condition if there is one

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

    def training_step(self, data: np.ndarray, labels: np.ndarray | None = None) -> dict[str, Tensor]:
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
        real = tensor(data, device=self.device)
        # The labels of this very batch go to both: with the real images they are pairs drawn from p(x, c) jointly, and
        # the generated images are asked for the same classes.  D can only tell the two by how image and label fit.
        condition = self._condition(labels, len(data))
        fake = self._draw(self.generator, randn(len(data), self.latent, device=self.device), condition)

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
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "d_real": self._reading(real_outputs).mean(),
            "d_fake": self._reading(fake_outputs).mean(),
        }

    def schedule(self, done: float) -> None:
        """Set the learning rates: a function of the share that is done alone, so that a resumed run has the same.

        (A run that is prolonged goes on with the rate that the longer run has there: higher than at its own end.)
        """
        if not self.lr_decay:
            return
        left = min(1.0, (1 - done) / self.lr_decay)
        for player, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.rates[player] * left

    def _reading(self, outputs: Tensor) -> Tensor:
        """D's outputs as one reads them: a logit as a probability."""
        outputs = outputs.detach()
        return outputs.sigmoid() if self.game.logits else outputs

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Notice a D that has won; see `GenerativeModel.diagnose`.

        D *has won* if its lead is above 0.98: d_real - d_fake, as a share of what it aims at.  It is practically never
        wrong then.  (Beyond the hinge's margins D's scores may lie anywhere: 1 - loss_d / 2 is the same lead, with each
        score counted up to its margin.)  It leads in healthy games too: a `DCGAN`'s by 0.15 in the first epoch and 0.6
        in the last, a `CGAN`'s by 0.82 in the first, at low rates by up to 0.87.  With minimax the first epoch may pass
        0.98 and the second be back at 0.91: such a short lead is not reported, because a warning must last.
        """
        found = {}
        if "d_real" in means:  # a critic's scores have no scale that it could win on
            real, fake = means["d_real"], means["d_fake"]
            hinge = self.game is GAMES["hinge"]
            lead = 1 - means["loss_d"] / 2 if hinge else (real - fake) / (1 - self.smoothing)
            if lead > _WON:
                other = "--loss non_saturating" if self.game is GAMES["minimax"] else "a smaller --lr"
                other += "" if hinge else ", more --smoothing"
                found["won"] = (
                    f"the discriminator has won (d_real {real:.3f}, d_fake {fake:.3f}), and the generator learns "
                    f"little from it. Try {other}, or wgan-gp, in which a better critic does no harm"
                )
        return found

    def judge(self, images: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """What the discriminator makes of given images, a batch of them, as it does in training.

        In training mode, then: a batch norm learnt to judge with the statistics of batches of one kind, all real or all
        generated, and its running averages are those of a mixture.  These stay as they were.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1]; all real or all generated, in random order.
        labels : ndarray of int (N,), optional
            For a conditional model.

        Returns
        -------
        ndarray (N,), float32
            Probabilities of being real where D's output is a logit; else its outputs.
        """
        before, mode = self.discriminator.state_dict(), self.discriminator.training
        with no_grad():
            self.discriminator.train()
            outputs = self._judge(tensor(images, device=self.device), self._condition(labels, len(images)))
        self.discriminator.train(mode).load_state_dict(before)
        return self._reading(outputs).numpy()[:, 0]

    def _move_average(self) -> None:
        if self.average is not None:
            self.average.update(self.generator)

    # ---- what came of it

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """G(z) or G(z, c), by the averaged generator if there is one; see `GenerativeModel.generate`."""
        return self._draw(self.generator if self.average is None else self.average, z, condition)
