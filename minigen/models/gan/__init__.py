"""Generative adversarial networks, one family a file; what they share is in `minigen.models.gan.base`."""

from .aae import AAE
from .base import GAN, GAN_LOSSES, BaseGAN, GANLoss
from .cgan import CGAN
from .dcgan import DCGAN
from .mlp_gan import MLPGAN
from .points import PointGAN
from .ssgan import SSGAN
from .techniques import StabilizedGAN
from .wgan import WGAN, BaseWGAN
from .wgan_gp import WGANGP

__all__ = [
    "AAE",
    "CGAN",
    "DCGAN",
    "GAN",
    "GAN_LOSSES",
    "MLPGAN",
    "PointGAN",
    "SSGAN",
    "StabilizedGAN",
    "WGAN",
    "WGANGP",
    "BaseGAN",
    "BaseWGAN",
    "GANLoss",
]
