"""WGAN: a critic with clipped weights measures the earth mover's distance (Arjovsky et al. 2017, arXiv 1701.07875).

The discriminator of a GAN decides whether an image is real.  If D is always right, its gradient vanishes.  A *critic*
gives a score instead, and the difference of the mean scores of real and generated images estimates the distance of the
two distributions.  A better critic gives a better gradient, so it may be trained more than G: `n_critic` updates for
one of G.  The mathematics, and why the weights must be bounded, is in ``minigen.losses.derivation("wgan")``.

Three things are absent on purpose: no logarithm, no sigmoid (a score is not a probability), and no momentum.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...creation import randn
from ...engine import no_grad
from ...losses import clip_weights, wgan_d, wgan_g
from ...optim import Optimizer, RMSprop
from ...tensor import Tensor, tensor
from ..networks.gan import NORMS, Networks, builder
from ..options import option
from ..registry import register
from .base import BaseGAN

__all__ = ["WGAN", "BaseWGAN"]


class BaseWGAN(BaseGAN):
    """Base of `WGAN` and `WGANGP`: every step updates the critic, every `n_critic`-th step the generator too.

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.
    """

    @dataclass(frozen=True)
    class Options(BaseGAN.Options):
        """Options of both Wasserstein families."""

        network: str = option("conv", "networks; see minigen.models.networks", choices=("conv", "mlp"))
        width: int | None = option(
            None,
            "channels of the critic's first layer for conv (default: 32), units of a layer for mlp (default: 128)",
            minimum=1,
        )
        norm: str = option("batch", "what the conv critic normalizes by", choices=tuple(NORMS))
        n_critic: int = option(5, "updates of the critic for each update of the generator", minimum=1)

    EPOCHS: ClassVar[int] = 40
    options: Options
    critic_steps: Tensor

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        super().__init__(size, channels, **options)
        # A buffer is part of the state, so a resumed run knows which step updates G.
        self.register_buffer("critic_steps", tensor(np.array(0)))

    def build_networks(self) -> Networks:
        """Build the networks that the option `network` names."""
        return builder(self.options.network, self.options.width, norm=self.options.norm)(
            self.options.size, self.options.channels, self.latent
        )

    def critic_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the critic's loss on a batch of real and one of (detached) generated images, and what to log."""
        raise NotImplementedError(f"{type(self).__name__} does not define critic_loss()")

    def constrain_critic(self) -> None:
        """Bound the slope of the critic after its update, if the loss does not."""

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update the critic by one batch, and in every `n_critic`-th step the generator.

        Parameters
        ----------
        batch : mapping of str to ndarray
            ``images`` (N, C, H, W) in [-1, 1]; labels are ignored.

        Returns
        -------
        dict
            ``loss_d``, ``loss_g`` and ``distance``, all from the scores before the critic's update.  The distance is
            the mean score of real images minus that of generated images.  It rises while the critic learns, and should
            fall after that.  ``distance_heldout`` is the same with real images that the critic does not learn from, if
            the batch has some.
        """
        images = self.check_images(self.field(batch, "images"), self.shape)
        heldout_scores = self.heldout_outputs(batch)
        real = self.augmented(tensor(images, device=self.device))
        # The critic.  It has its own noise, and no graph through G: for the critic the generated images are given.
        with no_grad():
            fake = self.generator(randn(len(images), self.latent, device=self.device))
        # Both are augmented first, so the gradient penalty of a WGAN-GP is at points between augmented images.
        loss_d, numbers = self.critic_loss(real, self.augmented(fake))
        self.update(loss_d, self.optimizers["discriminator"])
        self.constrain_critic()

        self.critic_steps.data = np.array(self.critic_steps.item() + 1)
        if self.critic_steps.item() % self.options.n_critic == 0:
            # The generator, with the updated critic and fresh noise (Algorithm 1, line 9).  Its loss has a minus: G is
            # to raise the scores of its images.  No detach: the gradient reaches G through the critic.
            fake = self.generator(randn(len(images), self.latent, device=self.device))
            self.update(wgan_g(self.discriminator(self.augmented(fake))), self.optimizers["generator"])
            self.update_average()
        if heldout_scores is not None:  # the scores of generated images are minus the loss of G
            numbers["distance_heldout"] = heldout_scores.mean() + numbers["loss_g"]
        return {"loss_d": loss_d.detach(), **numbers}

    def reference_levels(self) -> dict[str, float]:
        """Return the distance of equal distributions."""
        return {"distance": 0.0}

    @staticmethod
    def _log_scores(real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
        real_scores, fake_scores = real_scores.detach(), fake_scores.detach()
        # Minus the critic's loss without a penalty: with this sign the distance is positive.
        return {"loss_g": wgan_g(fake_scores), "distance": -wgan_d(real_scores, fake_scores)}


@register("wgan")
class WGAN(BaseWGAN):
    """WGAN: a critic with clipped weights measures the earth mover's distance (Arjovsky et al. 2017).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = WGAN(size=28, channels=1, width=8)
    >>> numbers = model.training_step({"images": np.zeros((16, 1, 28, 28), np.float32)})
    >>> list(numbers), max(p.abs().max().item() for p in model.discriminator.parameters()) <= 0.01
    (['loss_d', 'loss_g', 'distance'], True)
    """

    @dataclass(frozen=True)
    class Options(BaseWGAN.Options):
        """Options of the WGAN."""

        clip: float = option(0.01, "bound of every weight of the critic; the paper's c", above=0)

    options: Options

    def build_optimizer(self, parameters: Iterable[Any]) -> Optimizer:
        """Build RMSprop, as the paper: with the momentum of Adam its critics were unstable (section 4)."""
        return RMSprop(parameters, lr=self.options.lr)

    def critic_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute minus the difference of the mean scores; see `minigen.losses.wgan_d`."""
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        return wgan_d(real_scores, fake_scores), self._log_scores(real_scores, fake_scores)

    def constrain_critic(self) -> None:
        """Clip every weight of the critic to [-clip, clip] (Algorithm 1, line 7)."""
        clip_weights(self.discriminator.parameters(), self.options.clip)
