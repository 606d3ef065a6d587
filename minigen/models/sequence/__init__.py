"""Families that make sequences: time series, and spectrograms that become sound."""

from .base import SequenceGAN
from .rcgan import RCGAN
from .specgan import SpecGAN

__all__ = ["RCGAN", "SequenceGAN", "SpecGAN"]
