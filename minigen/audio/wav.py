"""WAV files of one channel and 16 bits, by Python's own module `wave`."""

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np

from .._util.atomic_write import replace_file

__all__ = ["read_wav", "wav_bytes", "write_wav"]


def write_wav(path: str | Path, x: Any, rate: int) -> None:
    """Write a sound to a WAV file.

    Parameters
    ----------
    path : str or path
        A file that exists is replaced only when the new one is complete.
    x : array (samples,)
        In [-1, 1]; louder samples are cut.
    rate : int
        Samples a second.

    Raises
    ------
    ValueError
        If the sound is not (samples,), or not finite, or the rate is not positive.
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 1:
        raise ValueError(f"write_wav: expected a sound of one channel (samples,), got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("write_wav: expected finite samples, got NaN or infinite ones")
    if rate < 1:
        raise ValueError(f"write_wav: expected a rate of at least 1 sample a second, got {rate}")
    replace_file(Path(path), wav_bytes(x, rate))


def wav_bytes(x: Any, rate: int) -> bytes:
    """Return the content of the file that `write_wav` writes."""
    memory = io.BytesIO()
    with wave.open(memory, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(rate))
        file.writeframes(np.round(32767 * np.clip(np.asarray(x), -1, 1)).astype("<i2").tobytes())
    return memory.getvalue()


def read_wav(path: str | Path) -> tuple[np.ndarray, int]:
    """Read a WAV file of one channel and 16 bits.

    Returns
    -------
    x : ndarray (samples,), float32, in [-1, 1]
    rate : int

    Raises
    ------
    ValueError
        If the file is no WAV file, or has several channels or another depth.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path}: expected a WAV file, got one that cannot be read: {error}") from None
    if channels != 1 or width != 2:
        raise ValueError(f"{path}: expected one channel of 16 bits, got {channels} of {8 * width} bits")
    return np.frombuffer(data, "<i2").astype(np.float32) / 32767, rate
