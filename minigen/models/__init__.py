"""Models: GANs, VAEs, and what they are built of.

>>> import minigen as mg
>>> {"cgan", "dcgan", "gan", "vae", "wgan-gp"} <= set(mg.models.families())
True
>>> model = mg.models.build("dcgan", size=28, channels=1, width=8)
>>> model.sample(4).shape
(4, 1, 28, 28)

A family is a subclass of `Model`: networks, optimizers, options and a training step; `register` gives it a name.
"""

from . import networks
from .base import GenerativeModel, ImageModel, Model
from .ema import EMA
from .gan import (
    AAE,
    CGAN,
    DCGAN,
    GAN,
    MLPGAN,
    SSGAN,
    WGAN,
    WGANGP,
    BaseGAN,
    BaseWGAN,
    PointGAN,
    StabilizedGAN,
)
from .options import Options, option
from .registry import absolute_name, build, families, family, register
from .repair import Repair
from .sequence import RCGAN, SequenceGAN, SpecGAN, WaveGAN
from .single_image import image_prior, style_transfer
from .translation import CycleGAN, Pix2Pix
from .vae import CVAE, IWAE, VAE, BaseVAE

__all__ = [
    "AAE",
    "CGAN",
    "CVAE",
    "CycleGAN",
    "DCGAN",
    "EMA",
    "GAN",
    "IWAE",
    "MLPGAN",
    "VAE",
    "WGAN",
    "WGANGP",
    "WaveGAN",
    "BaseGAN",
    "BaseVAE",
    "BaseWGAN",
    "GenerativeModel",
    "ImageModel",
    "Model",
    "Options",
    "Pix2Pix",
    "PointGAN",
    "RCGAN",
    "Repair",
    "SSGAN",
    "SequenceGAN",
    "SpecGAN",
    "StabilizedGAN",
    "absolute_name",
    "build",
    "families",
    "family",
    "image_prior",
    "networks",
    "option",
    "register",
    "style_transfer",
]
