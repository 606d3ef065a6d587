r"""WGAN-GP: a WGAN whose critic is held by a penalty on its gradient (Gulrajani et al. 2017, arXiv 1704.00028).

A critic may only be as steep as 1.  Clipped weights (`minigen.models.wgan`) ensure some bound, and spoil the critic.
Here the steepness itself is measured, between real and generated images, and its distance from 1 is part of the loss.
That loss contains a gradient, so training it takes the gradient of a gradient: *double backward*.  The mathematics
stands in ``minigen.losses.derivation("wgan_gp")``.

Two details decide whether it works:

- **No batch norm in the critic.**  The penalty is on the gradient of each image's *own* score.  Layer norm, instance
  norm or none leave scores independent.  (The generator keeps its batch norm.)
- **Adam with** :math:`\beta_1 = 0`: no momentum, as in the WGAN, but Adam's steps; :math:`\beta_2 = 0.9` follows a loss
  that changes quickly (the paper's Algorithm 1).
"""

from functools import partial
from typing import ClassVar

from ..creation import rand
from ..losses import critic_gradients, gradient_penalty, wgan_gp_d
from ..optim import Adam
from ..tensor import Tensor
from .dcgan import NORMS
from .wgan import WASSERSTEIN_OPTIONS, Wasserstein

__all__ = ["WGANGP"]

_NORMS = [norm for norm in NORMS if norm != "batch"]


class WGANGP(Wasserstein):
    """A generator and a critic whose gradient is kept near 1.

    Parameters
    ----------
    size, channels, network, latent, width, n_critic, ema
        See `WGAN`.
    lr : float
        Adam's learning rate, of both players.
    norm : {"layer", "instance", "none"}
        What the small critic standardises by.
    penalty : float
        The weight of the gradient penalty; the paper's lambda.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = WGANGP(size=28, channels=1, width=8)
    >>> list(model.training_step(np.zeros((16, 1, 28, 28), np.float32)))
    ['loss_d', 'loss_g', 'distance', 'penalty']
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        **WASSERSTEIN_OPTIONS,
        "norm": f"what the small critic standardises by: {', '.join(_NORMS)}",
        "penalty": "weight of the gradient penalty",
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
        norm: str = "layer",
        penalty: float = 10.0,
    ):
        if norm not in _NORMS:
            raise ValueError(
                f"wgan-gp: norm must be one of {', '.join(_NORMS)}, got {norm!r}"
                + (": it makes an image's score depend on the other images" if norm == "batch" else "")
            )
        if not penalty >= 0:
            raise ValueError(f"wgan-gp: penalty must be at least 0, got {penalty}")
        super().__init__(
            "wgan-gp",
            partial(Adam, lr=lr, betas=(0.0, 0.9)),
            size,
            channels,
            network=network,
            latent=latent,
            width=width,
            norm=norm,
            n_critic=n_critic,
            ema=ema,
        )
        self.penalty = penalty

    def critic_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The WGAN's loss and the penalty; see `minigen.losses.wgan_gp_d`."""
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        # One random place on the line for each pair, not for each pixel.
        gradients = critic_gradients(self.discriminator, real, fake, rand(len(real.data), device=real.device))
        loss = wgan_gp_d(real_scores, fake_scores, gradients, self.penalty)
        paid = gradient_penalty(gradients.detach(), self.penalty)
        return loss, {**self._scores(real_scores, fake_scores), "penalty": paid}
