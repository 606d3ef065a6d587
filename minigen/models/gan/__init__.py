"""Generative adversarial networks, one family a file; what they share is in `minigen.models.gan.base`."""

from .aae import AAE
from .base import GAN, BaseGAN
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
    "MLPGAN",
    "PointGAN",
    "SSGAN",
    "StabilizedGAN",
    "WGAN",
    "WGANGP",
    "BaseGAN",
    "BaseWGAN",
]
