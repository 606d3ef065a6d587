"""Read a sound font (SoundFont 2.04, a RIFF file): recorded notes, and how to play other keys with them.

A *preset* (such as "Flute") is a list of zones, each a range of keys that names an *instrument*.  An instrument is
again a list of zones, each a range of keys that names a *sample*: a recorded note, the key that it was played on (its
root key), and a part of it that may be repeated for as long as the key is held (its loop).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Recording", "SoundFont"]

_INSTRUMENT, _KEYS, _COARSE, _FINE, _SAMPLE, _MODES, _ROOT = 41, 43, 51, 52, 53, 54, 58  # section 8.1.3 of the format
_UNSET = 255


@dataclass(frozen=True)
class Recording:
    """One recorded note.

    Parameters
    ----------
    samples : ndarray (n,), int16
    rate : int
        Samples a second.
    root : float
        The key that it sounds like, 60 for C4; fractions are tuning.
    loop : tuple of int, or None
        Where the part that may be repeated begins and ends.
    """

    samples: np.ndarray
    rate: int
    root: float
    loop: tuple[int, int] | None

    def play(self, key: float, count: int, rate: int) -> np.ndarray:
        """Render `count` samples of the note at another key.

        The recording is read faster or slower, at four times the rate that is asked for; then the frequencies that the
        asked rate cannot have are removed, and every fourth sample is kept.

        Parameters
        ----------
        key : float
            60 for C4; fractions detune.
        count, rate : int

        Returns
        -------
        ndarray (count,), float64
        """
        step = 2.0 ** ((key - self.root) / 12) * self.rate / (4 * rate)
        position = step * np.arange(4 * count)
        if self.loop is not None:
            start, end = self.loop
            position = np.where(position < end, position, start + (position - start) % (end - start))
        sound = np.interp(position, np.arange(len(self.samples)), self.samples / 32768.0, right=0.0)
        spectrum = np.fft.rfft(sound)
        spectrum[count // 2 :] = 0
        rendered: np.ndarray = np.fft.irfft(spectrum, 4 * count)[::4]
        return rendered


class SoundFont:
    """The presets and recordings of a sound font.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    ValueError
        If the file is no sound font.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        data = self.path.read_bytes()
        if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
            raise ValueError(f"{path}: expected a sound font (RIFF, sfbk), got a file that begins with {data[:4]!r}")
        chunks: dict[bytes, bytes] = {}
        for name, body in _chunks(data[12:]):
            chunks |= dict(_chunks(body[4:])) if name == b"LIST" else {name: body}
        missing = [name for name in (b"smpl", b"phdr", b"pbag", b"pgen", b"inst", b"ibag", b"igen", b"shdr")
                   if name not in chunks]  # fmt: skip
        if missing:
            raise ValueError(f"{path}: the sound font has no part {missing[0].decode()}")
        self._samples = np.frombuffer(chunks[b"smpl"], "<i2")
        self._headers = list(struct.iter_unpack("<20s5IBbHH", chunks[b"shdr"]))
        presets = list(struct.iter_unpack("<20sHHH3I", chunks[b"phdr"]))
        instruments = list(struct.iter_unpack("<20sH", chunks[b"inst"]))
        self._presets = {(p[2], p[1]): (p[3], after[3]) for p, after in zip(presets, presets[1:])}
        self._instruments = [(i[1], after[1]) for i, after in zip(instruments, instruments[1:])]
        self._tables = {
            level: (
                [bag[0] for bag in struct.iter_unpack("<HH", chunks[level + b"bag"])],
                list(struct.iter_unpack("<HH", chunks[level + b"gen"])),
            )
            for level in (b"p", b"i")
        }

    def _zones(self, level: bytes, first: int, last: int, target: int) -> Iterator[dict[int, int]]:
        """The zones of a preset or instrument that name a `target`; a first zone that names none is their default."""
        starts, generators = self._tables[level]
        default: dict[int, int] = {}
        for bag in range(first, last):
            zone = dict(generators[starts[bag] : starts[bag + 1]])
            if target in zone:
                yield default | zone
            elif bag == first:
                default = zone

    def recording(self, preset: int, key: int) -> Recording:
        """Find the recording that a preset plays for a key.

        Parameters
        ----------
        preset : int
            Number in General MIDI from 0: 73 is a flute.
        key : int
            0 to 127; 60 is C4.

        Raises
        ------
        ValueError
            If the key is outside 0 to 127, there is no such preset, or the preset has no recording for the key.
        """
        if not 0 <= key <= 127:
            raise ValueError(f"sound font: expected a key from 0 to 127, got {key}")
        if (0, preset) not in self._presets:
            raise ValueError(f"{self.path}: has no preset {preset} in bank 0")
        for outer in self._zones(b"p", *self._presets[0, preset], _INSTRUMENT):
            if _covers(outer, key):
                for zone in self._zones(b"i", *self._instruments[outer[_INSTRUMENT]], _SAMPLE):
                    if _covers(zone, key):
                        return self._recording(outer, zone)
        raise ValueError(f"{self.path}: preset {preset} has no recording for key {key}")

    def _recording(self, outer: dict[int, int], zone: dict[int, int]) -> Recording:
        _, start, end, loop_start, loop_end, rate, pitch, correction, *_ = self._headers[zone[_SAMPLE]]
        # The root key of the zone counts, not that of the sample's header, which often says 60 whatever it is.
        root = zone.get(_ROOT, _UNSET)
        root = root if root <= 127 else pitch
        semitones = sum(_signed(part.get(_COARSE, 0)) + _signed(part.get(_FINE, 0)) / 100 for part in (outer, zone))
        loops = zone.get(_MODES, 0) in (1, 3) and loop_end > loop_start
        return Recording(
            self._samples[start:end],
            rate,
            root - semitones - correction / 100,
            (loop_start - start, loop_end - start) if loops else None,
        )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a RIFF file: a name of four letters, a length, and as many bytes."""
    at = 0
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        yield name, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _covers(zone: dict[int, int], key: int) -> bool:
    low, high = zone.get(_KEYS, 127 << 8) & 0xFF, zone.get(_KEYS, 127 << 8) >> 8
    return low <= key <= high


def _signed(amount: int) -> int:
    return amount - 65536 if amount >= 32768 else amount
