"""Generative adversarial networks, one family a file; what they share is in `minigen.models.gan.base`."""

from .base import GAN, GAN_LOSSES, BaseGAN, GANLoss
from .cgan import CGAN
from .dcgan import DCGAN
from .mlp_gan import MLPGAN
from .points import PointGAN
from .techniques import StabilizedGAN
from .wgan import WGAN, BaseWGAN
from .wgan_gp import WGANGP

__all__ = [
    "CGAN",
    "DCGAN",
    "GAN",
    "GAN_LOSSES",
    "MLPGAN",
    "PointGAN",
    "StabilizedGAN",
    "WGAN",
    "WGANGP",
    "BaseGAN",
    "BaseWGAN",
    "GANLoss",
]
