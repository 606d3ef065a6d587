"""Variational autoencoders, one family a file; what they share is in `minigen.models.vae.base`."""

from .base import BaseVAE
from .cvae import CVAE
from .iwae import IWAE
from .vae import VAE

__all__ = ["CVAE", "IWAE", "VAE", "BaseVAE"]
