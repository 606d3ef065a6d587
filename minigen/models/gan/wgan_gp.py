r"""WGAN-GP: a WGAN whose critic has a penalty on its gradient (Gulrajani et al. 2017, arXiv 1704.00028).

The slope of a critic must not be above 1.  Clipped weights (`minigen.models.gan.wgan`) ensure some bound, and make the
critic worse.  Here the slope is measured, between real and generated images, and its distance from 1 is part of the
loss.  That loss contains a gradient, so its own gradient is the gradient of a gradient: *double backward*.  The
mathematics is in ``minigen.losses.derivation("wgan_gp")``.

Two details decide whether it works:

- **No batch norm in the critic.**  The penalty is on the gradient of the score of *one* image.  With layer norm,
  instance norm or no norm the scores of a batch are independent.  (The generator keeps its batch norm.)
- **Adam with** $\beta_1 = 0$: no momentum, as in the WGAN, but Adam's steps; $\beta_2 = 0.9$ follows a loss that
  changes quickly (the paper's Algorithm 1).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...creation import rand
from ...losses import critic_gradients, gradient_penalty, wgan_gp_d
from ...optim import Adam, Optimizer
from ...tensor import Tensor
from ..networks.gan import NORMS
from ..options import option
from ..registry import register
from .wgan import BaseWGAN

__all__ = ["WGANGP"]


@register("wgan-gp")
class WGANGP(BaseWGAN):
    """WGAN-GP: a WGAN whose critic has a penalty on its gradient (Gulrajani et al. 2017).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = WGANGP(size=28, channels=1, width=8)
    >>> list(model.training_step({"images": np.zeros((16, 1, 28, 28), np.float32)}))
    ['loss_d', 'loss_g', 'distance', 'penalty']
    """

    @dataclass(frozen=True)
    class Options(BaseWGAN.Options):
        """Options of the WGAN-GP."""

        norm: str = option(
            "layer",
            "what the conv critic normalizes by; not batch norm, with which a score depends on the other images",
            choices=tuple(norm for norm in NORMS if norm != "batch"),
        )
        penalty: float = option(10.0, "weight of the gradient penalty; the paper's lambda", minimum=0)

    options: Options

    def build_optimizer(self, parameters: Iterable[Any]) -> Optimizer:
        """Build Adam without momentum."""
        return Adam(parameters, lr=self.options.lr, betas=(0.0, 0.9))

    def critic_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of the WGAN and the penalty; see `minigen.losses.wgan_gp_d`."""
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        # One random place on the line for each pair of images, not for each pixel.
        gradients = critic_gradients(self.discriminator, real, fake, rand(len(real.data), device=real.device))
        loss = wgan_gp_d(real_scores, fake_scores, gradients, self.options.penalty)
        penalty = gradient_penalty(gradients.detach(), self.options.penalty)
        return loss, {**self._log_scores(real_scores, fake_scores), "penalty": penalty}
