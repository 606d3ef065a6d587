"""Sound: spectra of short pieces, the way back to samples, pitch, and WAV files.

>>> import numpy as np
>>> tone = np.sin(2 * np.pi * 440 * np.arange(2048) / 8000)
>>> round(float(fundamental(tone, 8000)), 1)
440.0
>>> stft(tone).shape
(129, 32)
"""

from .pitch import cents, fundamental, key_frequency
from .spectrum import FLOOR, HOP, N_FFT, griffin_lim, istft, log_spectrogram, stft
from .wav import read_wav, wav_bytes, write_wav

__all__ = [
    "FLOOR",
    "HOP",
    "N_FFT",
    "cents",
    "fundamental",
    "griffin_lim",
    "istft",
    "key_frequency",
    "log_spectrogram",
    "read_wav",
    "stft",
    "wav_bytes",
    "write_wav",
]
