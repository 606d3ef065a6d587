r"""WGAN: a critic with clipped weights measures the earth mover's distance (Arjovsky et al. 2017, arXiv 1701.07875).

The game of a GAN asks whether an image is real.  Where D is always right the answer teaches nothing.  A *critic* gives
a score instead, and the difference of the mean scores of real and generated images estimates how far apart the two
distributions lie.  A better critic gives a better gradient, so it may be trained further than G: `n_critic` moves to
one.  The mathematics, and why the weights must be bounded, stands in ``minigen.losses.derivation("wgan")``.

Three things are left out on purpose: no logarithm, no sigmoid (a score is not a probability), and no momentum.
"""

from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..creation import randn
from ..engine import no_grad
from ..losses import clip_weights, wgan_d, wgan_g
from ..optim import RMSprop
from ..tensor import Tensor, tensor
from .adversarial import Adversarial
from .dcgan import NORMS
from .gan_networks import small_or_dense

__all__ = ["WASSERSTEIN_OPTIONS", "WGAN", "Wasserstein"]

WASSERSTEIN_OPTIONS = {
    "network": "which networks: small (convolutions) or dense",
    "latent": "length of the noise vector",
    "width": "channels next to the image of small (default: 32), units of a layer of dense (default: 128)",
    "n_critic": "moves of the critic for each of the generator",
    "lr": "learning rate of both players",
    "ema": "draw samples with the generator's weights averaged over about 1 / (1 - EMA) moves; 0 for the last weights",
}
"""Options of both Wasserstein families, with a line of help."""


class Wasserstein(Adversarial):
    """Base of `WGAN` and `WGANGP`: the critic moves in every step, the generator in every `n_critic`-th.

    Parameters
    ----------
    name : str
        The family's, for messages.
    size, channels : int
        Of the images.
    network : {"small", "dense"}
        The small networks of `DCGAN`, or those of `DenseGAN`.
    optimizer : callable
        Parameters to their optimizer.
    latent : int
    width : int or None
        Of the networks; None for their own.
    norm : str
        What the small critic standardises by; see `minigen.models.dcgan.small_networks`.
    n_critic : int
        Moves of the critic for each of the generator.
    ema : float
        Decay of the average of the generator's weights; 0 for none.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.
    """

    moves: Tensor

    EPOCHS: ClassVar[int] = 40

    def __init__(
        self,
        name: str,
        optimizer: Any,
        size: int,
        channels: int,
        *,
        network: str,
        latent: int,
        width: int | None,
        norm: str,
        n_critic: int,
        ema: float,
    ):
        if n_critic < 1:
            raise ValueError(f"{name}: n_critic must be at least 1, got {n_critic}")
        networks = small_or_dense(name, network, width, norm=norm)
        super().__init__(name, networks, optimizer, size, channels, latent, ema=ema)
        self.n_critic = n_critic
        # How often the critic has moved: part of the state, so that a resumed run knows when it is G's turn.
        self.register_buffer("moves", tensor(np.array(0)))

    def critic_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's loss on a batch of real and one of (detached) generated images, and what to log of it."""
        raise NotImplementedError(f"{type(self).__name__} does not define critic_loss()")

    def restrain(self) -> None:
        """Bound the critic's slope after its move, if the loss does not."""

    def training_step(self, data: np.ndarray, labels: np.ndarray | None = None) -> dict[str, Tensor]:
        """One move of the critic on one batch, and in every `n_critic`-th step one of the generator.

        Parameters
        ----------
        data : ndarray (N, C, H, W)
            Real images in [-1, 1].
        labels : ignored
            A plain GAN has no use for classes.

        Returns
        -------
        dict
            ``loss_d``, ``loss_g`` and ``distance``, all as the critic judged before its move.  The distance, the mean
            score of real images less that of generated ones, is what to watch: it rises while the critic learns, and
            from then on should fall.
        """
        real = tensor(data, device=self.device)
        # The critic's move.  Its own noise, and no graph through G: to the critic the fakes are given images.
        with no_grad():
            fake = self.generator(randn(len(data), self.latent, device=self.device))
        loss_d, numbers = self.critic_loss(real, fake)
        self.descend(loss_d, self.optimizers["discriminator"])
        self.restrain()

        self.moves.data = np.array(self.moves.item() + 1)
        if self.moves.item() % self.n_critic == 0:
            # The generator's move, against the critic as it is now, with fresh noise (Algorithm 1, line 9).  Its loss
            # has the minus: G is to raise its images' scores.  No detach: the gradient reaches G through the critic.
            fake = self.generator(randn(len(data), self.latent, device=self.device))
            self.descend(wgan_g(self.discriminator(fake)), self.optimizers["generator"])
            self._move_average()
        return {"loss_d": loss_d.detach(), **numbers}

    def _reading(self, outputs: Tensor) -> Tensor:
        """Scores as they are; they have no scale of their own, only their differences say something."""
        return outputs.detach()

    @staticmethod
    def _scores(real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
        """What every critic's move tells, at no cost."""
        real_scores, fake_scores = real_scores.detach(), fake_scores.detach()
        # Minus the critic's loss without a penalty: the sign with which a distance is positive.
        return {"loss_g": wgan_g(fake_scores), "distance": -wgan_d(real_scores, fake_scores)}


class WGAN(Wasserstein):
    """A generator and a critic whose weights stay in [-clip, clip].

    Parameters
    ----------
    size, channels : int
        Of the images.
    network : {"small", "dense"}
        The small networks of `DCGAN`, or those of `DenseGAN`.
    latent : int
        Length of the noise vector z.
    width : int, optional
        Channels next to the image of the small networks (32 if not given), or units of a dense layer (128).
    n_critic : int
        Moves of the critic for each of the generator.
    lr : float
        RMSprop's learning rate, of both players.
    ema : float
        Decay of the average of the generator's weights that samples are drawn with; 0 for the weights as they are.
    norm : {"batch", "layer", "instance", "none"}
        What the small critic standardises by.
    clip : float
        The bound of every weight of the critic; the paper's c.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = WGAN(size=28, channels=1, width=8)
    >>> numbers = model.training_step(np.zeros((16, 1, 28, 28), np.float32))
    >>> list(numbers), max(p.abs().max().item() for p in model.discriminator.parameters()) <= 0.01
    (['loss_d', 'loss_g', 'distance'], True)
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        **WASSERSTEIN_OPTIONS,
        "norm": f"what the small critic standardises by: {', '.join(NORMS)}",
        "clip": "bound of every weight of the critic",
    }

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        *,
        network: str = "small",
        latent: int = 100,
        width: int | None = None,
        n_critic: int = 5,
        lr: float = 5e-4,
        ema: float = 0.0,
        norm: str = "batch",
        clip: float = 0.01,
    ):
        if not clip > 0:
            raise ValueError(f"wgan: clip must be above 0, got {clip}")
        # RMSprop, as the paper has it: with Adam's momentum the authors saw unstable critics (section 4).
        super().__init__(
            "wgan",
            partial(RMSprop, lr=lr),
            size,
            channels,
            network=network,
            latent=latent,
            width=width,
            norm=norm,
            n_critic=n_critic,
            ema=ema,
        )
        self.clip = clip

    def critic_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the difference of the mean scores; see `minigen.losses.wgan_d`."""
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        return wgan_d(real_scores, fake_scores), self._scores(real_scores, fake_scores)

    def restrain(self) -> None:
        """Put every weight of the critic back into [-clip, clip] (Algorithm 1, line 7)."""
        clip_weights(self.discriminator.parameters(), self.clip)
