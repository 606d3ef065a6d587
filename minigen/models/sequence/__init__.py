"""Families that make sequences: time series, and spectrograms that become sound."""

from .base import SequenceGAN
from .rcgan import RCGAN
from .specgan import SpecGAN
from .wavegan import WaveGAN

__all__ = ["RCGAN", "SequenceGAN", "SpecGAN", "WaveGAN"]
