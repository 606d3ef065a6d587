r"""How high is a tone?  Its fundamental frequency, by autocorrelation.

A tone of period p equals itself, moved by p.  So its autocorrelation $r(\tau) = \sum_n x_n x_{n + \tau}$ has a peak at
$\tau = p$, and others at 2p, 3p.  Two corrections make the first peak as high as it should be and its place exact
(Boersma 1993): r is divided by the autocorrelation of the window, and a parabola is laid through the peak and its
neighbors.
"""

from typing import Any

import numpy as np

__all__ = ["cents", "fundamental", "key_frequency"]

_NEAR = 0.9  # of the highest peak: the first peak this high is the period, and later ones are its multiples


def key_frequency(key: Any) -> Any:
    """Return the frequency of a MIDI key in Hz: 440 for 69, twice as much 12 keys higher.

    >>> key_frequency(69), round(key_frequency(60), 2)
    (440.0, 261.63)
    """
    return 440.0 * 2.0 ** ((np.asarray(key) - 69) / 12) if np.ndim(key) else 440.0 * 2.0 ** ((key - 69) / 12)


def cents(frequency: Any, reference: Any) -> np.ndarray:
    """Return the interval between two frequencies in cents: 100 for a semitone, 1,200 for an octave.

    >>> float(cents(880.0, 440.0))
    1200.0
    """
    with np.errstate(divide="ignore"):
        interval: np.ndarray = 1200 * np.log2(np.asarray(frequency, np.float64) / reference)
    return interval


def fundamental(x: Any, rate: float, low: float = 150.0, high: float = 900.0) -> np.ndarray:
    """Estimate the fundamental frequency of a tone.

    Parameters
    ----------
    x : array (..., samples)
    rate : float
        Samples a second.
    low, high : float
        The lowest and the highest frequency that is looked for, in Hz.

    Returns
    -------
    ndarray (...), float64
        In Hz; 0 for silence.

    Raises
    ------
    ValueError
        If `rate` is not above twice `high`, or the sound has less than two periods of `low`.
    """
    x = np.asarray(x, np.float64)
    if not 0 < low < high or rate <= 2 * high:
        raise ValueError(
            f"fundamental: expected 0 < low < high < rate / 2, got low {low:g}, high {high:g} and rate {rate:g}"
        )
    count, longest = x.shape[-1], int(np.ceil(rate / low)) + 1
    if count < 2 * longest:
        raise ValueError(
            f"fundamental: expected {2 * longest} samples, two periods of {low:g} Hz, or more, got {count}"
        )
    window = np.hanning(count)
    size = 2 * count

    def correlation(signal: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.abs(np.fft.rfft(signal, size)) ** 2)[..., : longest + 1]

    ours = correlation((x - x.mean(-1, keepdims=True)) * window).reshape(-1, longest + 1)
    of_window = correlation(window)
    found = np.zeros(len(ours))
    shortest = int(rate / high)
    for i, r in enumerate(ours):
        if r[0] > 0:
            found[i] = _first_peak(r / r[0] * of_window[0] / of_window, shortest, rate)
    return found.reshape(x.shape[:-1])


def _first_peak(r: np.ndarray, shortest: int, rate: float) -> float:
    """The frequency of the first high peak of the autocorrelation; 0 if there is none."""
    middle = r[shortest:-1]
    peaks = shortest + np.flatnonzero((middle >= r[shortest - 1 : -2]) & (middle > r[shortest + 1 :]))
    if not len(peaks):
        return 0.0
    before, at, after = r[peaks - 1], r[peaks], r[peaks + 1]
    bend = before - 2 * at + after
    heights = at - (before - after) ** 2 / (8 * bend)  # of the parabolas: a period seldom is a whole number of samples
    i = int(np.flatnonzero(heights >= _NEAR * heights.max())[0])
    return float(rate / (peaks[i] + 0.5 * (before[i] - after[i]) / bend[i]))
