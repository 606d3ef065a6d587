"""An adversarial autoencoder: the prior of a VAE, learned by a discriminator on codes (Makhzani et al. 2015).

Makhzani, Shlens, Jaitly, Goodfellow & Frey, *Adversarial Autoencoders*, arXiv 1511.05644.  An autoencoder alone uses
whatever region of the code space it likes, so that a code drawn from N(0, I) need not decode to an image.  A VAE adds
the KL of each code's distribution.  Here a **discriminator of codes** compares codes of images with draws from the
prior, and the encoder is trained to make the two alike as a whole.

*What is real?*  For this discriminator "real" is a draw from the **prior**, and "fake" is a code of an image.  It never
sees an image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ... import nn
from ...creation import randn
from ...functional import mse_loss
from ...losses import non_saturating_d, non_saturating_g
from ...optim import Adam, Optimizer
from ...tensor import Tensor, tensor
from ..base import GenerativeModel
from ..options import option
from ..registry import register
from ..sizes import parts

__all__ = ["AAE"]


@register("aae")
class AAE(GenerativeModel):
    """AAE: an autoencoder whose codes a discriminator compares with the prior (Makhzani et al. 2015).

    Raises
    ------
    ValueError
        If an option is not allowed.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = AAE(size=8, channels=1, width=16)
    >>> images = mg.data.load("digits").images[:32]
    >>> list(model.training_step({"images": images}))
    ['loss_reconstruction', 'loss_d', 'loss_g', 'd_prior', 'd_codes']
    >>> model.encode(images).shape, model.reconstruct(images).shape
    ((32, 8), (32, 1, 8, 8))
    """

    @dataclass(frozen=True)
    class Options(GenerativeModel.Options):
        """Options of the adversarial autoencoder."""

        latent: int = option(8, "length of the code", minimum=1)
        width: int = option(256, "units in each hidden layer of the three networks", minimum=1)
        lr: float = option(5e-4, "learning rate of the three networks at the start", minimum=0)
        lr_decay: float = option(
            0.5, "share of the training, at its end, in which the rate falls linearly to 0", minimum=0, maximum=1
        )

    EPOCHS: ClassVar[int] = 128
    BATCH_SIZE: ClassVar[int] = 64
    TRAINING_ONLY = ("discriminator",)
    options: Options
    encoder: nn.Sequential
    decoder: nn.Sequential
    discriminator: nn.Sequential

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        super().__init__(size, channels, **options)
        width, pixels = self.options.width, int(np.prod(self.shape))
        self.encoder = nn.Sequential(nn.Flatten(), *_hidden(pixels, width), nn.Linear(width, self.latent))
        self.decoder = nn.Sequential(
            *_hidden(self.latent, width), nn.Linear(width, pixels), nn.Tanh(), nn.Unflatten(1, self.shape)
        )
        self.discriminator = nn.Sequential(*_hidden(self.latent, width), nn.Linear(width, 1))
        rate = self.options.lr
        self.optimizers: dict[str, Optimizer] = {
            "autoencoder": Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=rate),
            "discriminator": Adam(self.discriminator.parameters(), lr=rate, betas=(0.5, 0.999)),
            "encoder": Adam(self.encoder.parameters(), lr=rate, betas=(0.5, 0.999)),
        }

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Do three updates: autoencoder, discriminator, encoder.

        Parameters
        ----------
        batch : mapping of str to ndarray
            ``images`` (N, C, H, W) in [-1, 1].

        Returns
        -------
        dict
            The three losses; and the mean probabilities of being a draw from the prior that D gives to draws and to
            codes, ``d_prior`` and ``d_codes``.
        """
        images = self.check_images(self.field(batch, "images"), self.shape)
        x = tensor(images, device=self.device)
        reconstruction = mse_loss(self.decoder(self.encoder(x)), x)
        self.update(reconstruction, self.optimizers["autoencoder"])

        # D: "real" is the prior.  The codes are those of the updated encoder; for D they are given.
        codes = self.encoder(x)
        prior = self.discriminator(randn(*codes.shape, device=self.device))
        judged = self.discriminator(codes.detach())
        loss_d = non_saturating_d(prior, judged)
        self.update(loss_d, self.optimizers["discriminator"])

        # The encoder is the generator of this game: it makes codes that D takes for draws from the prior.
        loss_g = non_saturating_g(self.discriminator(codes))
        self.update(loss_g, self.optimizers["encoder"])
        return {
            "loss_reconstruction": reconstruction.detach(),
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "d_prior": prior.detach().sigmoid().mean(),
            "d_codes": judged.detach().sigmoid().mean(),
        }

    def schedule(self, done: float) -> None:
        """Let the learning rates fall, as the option `lr_decay` says; see `Model.decay_learning_rates`."""
        self.decay_learning_rates(done, self.options.lr_decay)

    def reference_levels(self) -> dict[str, float]:
        """Return the losses of an undecided D."""
        return {"loss_d": 2 * float(np.log(2)), "loss_g": float(np.log(2)), "d_prior": 0.5, "d_codes": 0.5}

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Decode codes; see `GenerativeModel.generate`."""
        images: Tensor = self.decoder(z)
        return images

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Compute the code of each image, (N, latent) float32, in evaluation mode."""
        images = self.check_images(images, self.shape)
        codes = [np.zeros((0, self.latent), np.float32)]
        with self.evaluating():
            codes += [self.encoder(tensor(images[part], device=self.device)).numpy() for part in parts(len(images))]
        return np.concatenate(codes)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Encode and decode images (N, C, H, W)."""
        return self.decode(self.encode(images))


def _hidden(before: int, width: int) -> list[nn.Module]:
    return [nn.Linear(before, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)]
