"""``minigen melody``."""

import argparse
import re
from pathlib import Path

import numpy as np

from ..audio import write_wav
from ..models import SequenceGAN
from .run_options import add_run, opened

__all__ = ["add_arguments", "parse_melody", "run"]

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_OCTAVE = 4


def parse_melody(text: str) -> list[int]:
    """Turn the names of notes into MIDI keys.

    Parameters
    ----------
    text : str
        Names separated by spaces: a letter, ``#`` or ``b`` for a semitone up or down, and the octave, by default 4.

    Raises
    ------
    ValueError
        If a name is no note; the message says how notes are written.

    Examples
    --------
    >>> parse_melody("C D Eb F# C5")
    [60, 62, 63, 66, 72]
    """
    keys = []
    for name in text.split():
        found = re.fullmatch(r"([A-Ga-g])([#b]?)(-?\d?)", name)
        if found is None:
            raise ValueError(f"expected notes such as C, F#, Bb or C5, separated by spaces, got {name!r}")
        letter, sign, octave = found.groups()
        shift = {"": 0, "#": 1, "b": -1}[sign]
        keys.append(12 * (int(octave or _OCTAVE) + 1) + _SEMITONES[letter.upper()] + shift)
    if not keys:
        raise ValueError("expected at least one note, such as C")
    return keys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen melody``."""
    parser.description = (
        "Play a melody with a model that was trained on notes: one sound for each note, written to a WAV file.\n"
        'Notes are letters with # or b and an octave: minigen melody rcgan-notes "C D E F G A B C5".'
    )
    add_run(parser, "melody.wav", "the noise")
    parser.add_argument("notes", metavar="NOTES", help='such as "C D E F G"; C is C4, key 60')


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen melody`` was asked."""
    trained = opened(arguments, points=True, from_images=True, sequences=True)
    model = trained.model
    if not isinstance(model, SequenceGAN) or model.options.kind != "audio":
        raise ValueError(f"{model.name}: expected a model of sound, such as minigen train rcgan --data notes")
    labels = []
    for key in parse_melody(arguments.notes):
        if str(key) not in trained.class_names:
            known = trained.class_names
            raise ValueError(f"key {key} was not learned: the model knows keys {known[0]} to {known[-1]}")
        labels.append(trained.class_names.index(str(key)))
    generator = np.random.default_rng(arguments.seed)
    # One noise for all notes: the same instrument plays them.
    noise = np.repeat(generator.standard_normal((1, model.latent), np.float32), len(labels), 0)
    sounds = model.to_sound(model.decode(noise, np.asarray(labels)))
    fade = np.minimum(1, np.arange(sounds.shape[1], 0, -1) / 200)  # no click at the end of a note
    out = Path(arguments.out) if arguments.out else trained.run.output(arguments.file_name)
    write_wav(out, (sounds * fade).reshape(-1), model.options.rate)
    print(f"{len(labels)} notes of step {trained.step}: {out}")
