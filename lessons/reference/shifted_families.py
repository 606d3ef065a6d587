"""Two families that see each image shifted at random by up to 3 pixels: a DCGAN and a VAE.

Shifting the real images only would make the generator draw shifted images.  So the discriminator sees its real and its
generated images shifted, also in the step of the generator, whose gradient passes through the shift (Zhao et al. 2020,
Differentiable Augmentation for Data-Efficient GAN Training, arXiv 2006.10738).  A VAE has no such game: it simply learns
from shifted images.

    minigen train lessons/reference/shifted_families.py:ShiftedDCGAN --network conv --batch-size 32 --images 100 --steps 1500
    minigen train lessons/reference/shifted_families.py:ShiftedVAE --images 100 --steps 2000
"""

import numpy as np

import minigen as mg
from minigen import functional as F
from minigen.models import DCGAN, VAE

FAR = 3  # pixels in each direction, about a tenth of the image


def shift(images: mg.Tensor) -> mg.Tensor:
    """Shift each image by its own random whole number of pixels; black comes in at the borders.

    Parameters
    ----------
    images : Tensor (N, C, H, W)
        In [-1, 1].

    Returns
    -------
    Tensor (N, C, H, W)
    """
    n, channels, height, width = images.shape
    padded = F.pad(images, (FAR, FAR, FAR, FAR), value=-1.0)
    corner = mg.randint(0, 2 * FAR + 1, (2, n)).numpy()
    rows = corner[0][:, None, None, None] + np.arange(height)[None, None, :, None]
    columns = corner[1][:, None, None, None] + np.arange(width)[None, None, None, :]
    return padded[np.arange(n)[:, None, None, None], np.arange(channels)[None, :, None, None], rows, columns]


class ShiftedDCGAN(DCGAN):
    """DCGAN whose discriminator sees real and generated images shifted at random."""

    shifting = False

    def training_step(self, batch):
        """Train as a DCGAN; only here are images shifted, not where D is measured."""
        self.shifting = True
        try:
            return super().training_step(batch)
        finally:
            self.shifting = False

    def discriminate(self, images, condition):
        """Compute D of the shifted images in training, and of the images themselves otherwise."""
        return super().discriminate(shift(images) if self.shifting else images, condition)


class ShiftedVAE(VAE):
    """VAE that learns from images shifted at random."""

    def training_step(self, batch):
        """Train as a VAE on shifted images."""
        return super().training_step({**batch, "images": shift(mg.tensor(batch["images"])).numpy()})
