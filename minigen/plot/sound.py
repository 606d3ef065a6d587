"""A sound in a notebook: its spectrogram, and a player."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.data_url import data_url
from ..audio import HOP, N_FFT, log_spectrogram, wav_bytes
from .style import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SoundPicture", "show_audio"]


@dataclass(frozen=True)
class SoundPicture:
    """The picture of a sound, and the sound; a notebook shows both.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The spectrogram.
    sound : ndarray (samples,)
    rate : int
        Samples a second.
    """

    figure: "Figure"
    sound: np.ndarray
    rate: int

    def _repr_html_(self) -> str:
        memory = io.BytesIO()
        self.figure.savefig(memory, format="png", dpi=100)
        picture, player = data_url(memory.getvalue()), data_url(wav_bytes(self.sound, self.rate), "audio/wav")
        return f'<img src="{picture}" alt="spectrogram"><br><audio controls src="{player}"></audio>'


def show_audio(sound: Any, rate: int, caption: str = "") -> SoundPicture:
    """Draw the spectrogram of a sound, with a player below it in a notebook.

    Parameters
    ----------
    sound : array (samples,)
        In [-1, 1]; what is beyond a whole number of frames is not drawn.
    rate : int
        Samples a second.
    caption : str

    Returns
    -------
    SoundPicture

    Raises
    ------
    ValueError
        If the sound is not (samples,), or shorter than a frame.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(2048) / 8000)
    >>> show_audio(tone, 8000).rate
    8000
    """
    sound = np.asarray(sound, np.float64)
    if sound.ndim != 1 or len(sound) < N_FFT:
        raise ValueError(f"show_audio: expected a sound of {N_FFT} samples or more, got shape {sound.shape}")
    logs = log_spectrogram(sound[: len(sound) // HOP * HOP])
    picture, axes = figure(size=(8, 3), caption=caption or None)
    axes.imshow(
        logs, origin="lower", aspect="auto", cmap="magma", extent=(0, logs.shape[1] * HOP / rate, 0, rate / 2000)
    )
    axes.set_xlabel("time in seconds")
    axes.set_ylabel("frequency in kHz")
    axes.grid(False)
    return SoundPicture(picture, sound, rate)
