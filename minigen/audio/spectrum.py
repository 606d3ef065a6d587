r"""The short-time Fourier transform, its inverse, and a way back from magnitudes alone.

A sound is cut into overlapping frames of `n_fft` samples, `hop_length` apart; each is multiplied by a Hann window w and
transformed.  $X_{kt} = \sum_n w_n\, x_{n + t h}\, e^{-2 \pi i k n / N}$ has a magnitude, how loud frequency k is in
frame t, and a phase, where in its period the wave is.

The sound is extended on both sides by mirrored samples, $(N - h) / 2$ of them, so that S samples give S / h frames.

**The way back.**  The frames of `istft` are multiplied by w once more, added where they overlap, and divided by the sum
of $w^2$.  Of all sounds this one has the STFT that is nearest to X in the mean square (Griffin & Lim 1984).

**Griffin-Lim.**  A generator draws magnitudes without phases.  Begin with any phase; transform to a sound and back; of
the result keep the phase, and put the wanted magnitudes again; repeat.  No round increases the distance between the
wanted magnitudes and those of the sound.  The fast version (Perraudin, Balazs, Søndergaard 2013) continues each round a
bit further in the direction of the last one.

It takes *magnitudes*: not their logarithm, and not those of another window or hop.
"""

from typing import Any

import numpy as np

__all__ = ["FLOOR", "HOP", "N_FFT", "griffin_lim", "istft", "log_spectrogram", "stft"]

N_FFT, HOP = 256, 64
"""Samples of a frame, and from one frame to the next."""

FLOOR = 0.01
"""Added to magnitudes before the logarithm: below it is silence.  The loudest magnitude of a note is about 60."""

_EPSILON = 1e-12


def _check_sizes(name: str, n_fft: int, hop_length: int) -> np.ndarray:
    """Return the window, if the sizes fit."""
    if hop_length < 1 or n_fft < 2 * hop_length or (n_fft - hop_length) % 2:
        raise ValueError(
            f"{name}: expected hop_length of at least 1, n_fft at least twice it and their difference even, "
            f"got n_fft {n_fft} and hop_length {hop_length}"
        )
    window: np.ndarray = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return window


def stft(x: Any, n_fft: int = N_FFT, hop_length: int = HOP) -> np.ndarray:
    """Transform a sound into spectra of short frames.

    Parameters
    ----------
    x : array (..., samples)
        A multiple of `hop_length` samples, at least `n_fft`.
    n_fft, hop_length : int

    Returns
    -------
    ndarray (..., n_fft // 2 + 1, samples / hop_length), complex128

    Raises
    ------
    ValueError
        If the sizes do not fit.
    """
    window, x = _check_sizes("stft", n_fft, hop_length), np.asarray(x, np.float64)
    if x.ndim < 1 or x.shape[-1] < n_fft or x.shape[-1] % hop_length:
        raise ValueError(
            f"stft: expected a multiple of hop_length {hop_length} samples and at least n_fft {n_fft}, got shape "
            f"{x.shape}"
        )
    side = (n_fft - hop_length) // 2
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(side, side)], mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=-1)[..., ::hop_length, :]
    return np.fft.rfft(frames * window).swapaxes(-1, -2)


def istft(spectra: Any, hop_length: int = HOP) -> np.ndarray:
    """Compute the sound whose STFT is nearest to `spectra`.

    Parameters
    ----------
    spectra : complex array (..., n_fft // 2 + 1, frames)
    hop_length : int
        As it was for `stft`.

    Returns
    -------
    ndarray (..., frames * hop_length), float64

    Raises
    ------
    ValueError
        If the sizes do not fit.
    """
    spectra = np.asarray(spectra)
    if spectra.ndim < 2:
        raise ValueError(f"istft: expected spectra (..., frequencies, frames), got shape {spectra.shape}")
    n_fft, count = 2 * (spectra.shape[-2] - 1), spectra.shape[-1]
    window = _check_sizes("istft", n_fft, hop_length)
    frames = np.fft.irfft(spectra.swapaxes(-1, -2), n_fft) * window
    length = (count - 1) * hop_length + n_fft
    sound, weight = np.zeros((*frames.shape[:-2], length)), np.zeros(length)
    for t in range(count):
        part = slice(t * hop_length, t * hop_length + n_fft)
        sound[..., part] += frames[..., t, :]
        weight[part] += window**2
    side = (n_fft - hop_length) // 2
    inside = slice(side, side + count * hop_length)
    return sound[..., inside] / np.maximum(weight[inside], _EPSILON)


def griffin_lim(
    magnitudes: Any,
    hop_length: int = HOP,
    rounds: int = 60,
    momentum: float = 0.99,
    generator: np.random.Generator | None = None,
) -> np.ndarray:
    """Find a sound with given magnitudes of its STFT.

    Parameters
    ----------
    magnitudes : array (..., n_fft // 2 + 1, frames)
        Not negative: not logarithms.
    hop_length : int
        As it was for `stft`.
    rounds : int
    momentum : float
        0 for the slower version of 1984.
    generator : numpy.random.Generator, optional
        Of the phases at the start; by default always the same.

    Returns
    -------
    ndarray (..., frames * hop_length), float64

    Raises
    ------
    ValueError
        If a magnitude is negative or not finite.
    """
    magnitudes = np.asarray(magnitudes, np.float64)
    if magnitudes.size and not (np.isfinite(magnitudes).all() and magnitudes.min() >= 0):
        raise ValueError(
            f"griffin_lim: expected magnitudes of at least 0, got {magnitudes.min():g} to {magnitudes.max():g}; "
            "take the exponential of logarithms first"
        )
    generator = np.random.default_rng(0) if generator is None else generator
    phases = np.exp(2j * np.pi * generator.random(magnitudes.shape))
    n_fft, before = 2 * (magnitudes.shape[-2] - 1), np.zeros(magnitudes.shape, complex)
    share = momentum / (1 + momentum)
    for _ in range(rounds):
        rebuilt = stft(istft(magnitudes * phases, hop_length), n_fft, hop_length)
        ahead = rebuilt - share * before
        phases = ahead / np.maximum(np.abs(ahead), _EPSILON)
        before = rebuilt
    return istft(magnitudes * phases, hop_length)


def log_spectrogram(x: Any, n_fft: int = N_FFT, hop_length: int = HOP) -> np.ndarray:
    """Compute the logarithm of the magnitudes of the STFT, without the highest frequency.

    Parameters
    ----------
    x : array (..., samples)
    n_fft, hop_length : int

    Returns
    -------
    ndarray (..., n_fft // 2, samples / hop_length), float32
        ``log(FLOOR + magnitude)``.  2,048 samples give 128 x 32 numbers.
    """
    return np.log(FLOOR + np.abs(stft(x, n_fft, hop_length)[..., :-1, :])).astype(np.float32)
