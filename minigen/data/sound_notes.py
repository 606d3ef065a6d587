"""Notes of instruments, rendered on this machine from a sound font that the package pretty_midi ships.

The sound font, TimGM6mb.sf2 by Tim Brechbill, is under the GPL version 2; the package around it is under the MIT
license.  minigen reads the file where the package put it.  It neither copies the file nor stores a sound made of it.
"""

from pathlib import Path

import numpy as np

from .._util.optional import check_installed
from .dataset import Dataset
from .download import sha256
from .points import split_rng
from .sound_font import SoundFont

__all__ = ["INSTRUMENTS", "KEYS", "RATE", "SAMPLES", "notes", "sound_font"]

RATE = 8_000
"""Samples a second."""

SAMPLES = 2_048
"""Samples of a note: a quarter of a second."""

KEYS = tuple(range(60, 73))
"""The keys: from C4 to C5, MIDI numbers 60 to 72."""

INSTRUMENTS = {
    "piano": 0, "vibraphone": 11, "guitar": 24, "violin": 40, "cello": 42, "trumpet": 56, "horn": 60, "saxophone": 66,
    "oboe": 68, "bassoon": 70, "clarinet": 71, "flute": 73,
}  # fmt: skip
"""The instruments by their number in General MIDI, from 0."""

_SHA256 = "82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1"
_CENTS = 20.0  # the largest detuning


def sound_font() -> SoundFont:
    """Open the sound font of pretty_midi, without importing the package.

    Raises
    ------
    ModuleNotFoundError
        If pretty_midi is not installed.
    OSError
        If its file is missing or not the known one.
    """
    path = Path(check_installed("pretty_midi")) / "TimGM6mb.sf2"
    if not path.is_file():
        raise FileNotFoundError(f"notes: {path} is not there; expected pretty_midi 0.2.10 or later to bring it")
    found = sha256(path)
    if found != _SHA256:
        raise OSError(
            f"notes: {path} has SHA-256 {found}, expected {_SHA256}; reinstall it: "
            "python -m pip install --force-reinstall --no-deps pretty_midi"
        )
    return SoundFont(path)


def notes(split: str = "train", count: int | None = None, seed: int = 0) -> Dataset:
    """Render notes of 12 instruments on 13 keys, each detuned by up to 20 cents.

    These are 156 tones.  The notes of the test split are other detunings of the same tones, not new tones.

    Parameters
    ----------
    split : {"train", "test"}
        Independent detunings.
    count : int, optional
        Notes of each instrument on each key: 12 for train and 4 for test if not given.
    seed : int
        The same seed and split give the same notes.

    Returns
    -------
    Dataset
        ``audio`` (156 * count, 1, 2048) at 8,000 samples a second, the loudest sample of each note at 0.95; classes
        are the keys, "60" to "72"; the one factor is the instrument.

    Raises
    ------
    ModuleNotFoundError, OSError
        As `sound_font`.

    Examples
    --------
    >>> notes("test", count=1)  # doctest: +SKIP
    Dataset('notes', 156 of shape (1, 2048), 13 classes)
    """
    count = {"train": 12, "test": 4}[split] if count is None else count
    font, rng = sound_font(), split_rng(seed, split)
    audio = np.empty((len(INSTRUMENTS), len(KEYS), count, 1, SAMPLES), np.float32)
    cents = rng.uniform(-_CENTS, _CENTS, audio.shape[:3])
    for i, k, n in np.ndindex(*audio.shape[:3]):
        recording = font.recording(list(INSTRUMENTS.values())[i], KEYS[k])
        sound = recording.play(KEYS[k] + float(cents[i, k, n]) / 100, SAMPLES, RATE)
        audio[i, k, n, 0] = 0.95 * sound / np.abs(sound).max()
    instruments, keys = np.indices(audio.shape[:3])[:2]
    return Dataset(
        "notes",
        audio=audio.reshape(-1, 1, SAMPLES),
        rate=RATE,
        labels=keys.reshape(-1).astype(np.int64),
        classes=[str(key) for key in KEYS],
        factors=instruments.reshape(-1, 1).astype(np.int64),
        factor_names=("instrument",),
    )
