"""WaveGAN: a conditional GAN that makes the samples of a sound directly (Donahue et al. 2019, arXiv 1802.04208).

It is the DCGAN in one dimension: kernel 25 and stride 4 in place of 5 x 5 and 2.  Here it is a **counter-example**: on
the notes, after as many steps as `SpecGAN`, 18 % of its tones are at the pitch that was asked for; a guess reaches 8 %,
SpecGAN 99 %.  A generator of samples must place every period of a wave.  One of spectra (`RCGAN`, `SpecGAN`) draws how
loud each frequency is, and leaves the phases to Griffin-Lim.  The figures are on the page
``lessons/reference/sequences.md``.

Other than in the paper: the default loss is that of the other families, so that only the networks differ (the paper's
is ``--loss wgan-gp``); and the critic has no phase shuffle, which moves the features of each layer by up to two places.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...audio import log_spectrogram
from ...data import Dataset
from ..networks.gan import Networks
from ..networks.sequence import wave_networks
from ..options import option
from ..registry import register
from .base import SequenceGAN

__all__ = ["WaveGAN"]


@register("wavegan")
class WaveGAN(SequenceGAN):
    """WaveGAN: a GAN that makes the samples of a sound; a counter-example (Donahue et al. 2019).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make sounds of that length.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = WaveGAN(width=4)
    >>> model.to_sound(model.sample(2, labels=1)).shape
    (2, 2048)
    """

    @dataclass(frozen=True)
    class Options(SequenceGAN.Options):
        """Options of the WaveGAN."""

        steps: int = option(2048, "samples of a sound", minimum=1, from_data=True)
        features: int = option(1, "channels of a sound", minimum=1, from_data=True)
        width: int = option(16, "channels of the critic's first layer", minimum=1)

    options: Options

    @classmethod
    def data_options(cls, dataset: Dataset) -> dict[str, Any]:
        """Find what the data decides; ValueError if it holds no audio, or has no classes."""
        found = super().data_options(dataset)
        if dataset.kind != "audio":
            raise ValueError(f"{cls.name}: learns from audio, and {dataset.name} has {dataset.kind}; try --data notes")
        return found | {"steps": dataset.shape[1], "features": 1}

    def build_networks(self) -> Networks:
        """Build the convolutional networks; a critic of wgan-gp has layer norm in place of batch norm."""
        norm = "layer" if self.options.loss == "wgan-gp" else "batch"
        return wave_networks(self.options.steps, self.latent, self.options.width, self.classes, norm)

    def measure_spectrum(self, dataset: Dataset) -> None:
        """Do nothing: samples are used as they are."""

    def audio_frames(self, sounds: np.ndarray) -> np.ndarray:
        """Turn sounds (N, 1, samples) into (N, samples, 1): a step is one sample."""
        return sounds.swapaxes(1, 2)

    def frames_to_sound(self, frames: np.ndarray) -> np.ndarray:
        """Turn (N, samples, 1) into sounds (N, samples)."""
        return frames[:, :, 0]

    def pictures(self, samples: np.ndarray) -> np.ndarray:
        """Draw the spectrogram of each sound; see `SequenceGAN.pictures`."""
        logs = log_spectrogram(samples[:, :, 0])[:, None, ::-1]
        low, high = float(logs.min()), float(logs.max())
        drawn: np.ndarray = (2 * (logs - low) / max(high - low, 1e-6) - 1).astype(np.float32)
        return drawn
