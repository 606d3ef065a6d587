"""Translation of images: with pairs (`Pix2Pix`), and without (`CycleGAN`)."""

from .cyclegan import CycleGAN
from .pix2pix import Pix2Pix

__all__ = ["CycleGAN", "Pix2Pix"]
