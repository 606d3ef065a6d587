"""Noticing that a training goes wrong: what is seen, said once, with what to try.

What is looked at are means over the last `WINDOW` steps, and the samples of the epoch; it is said only if it is still
so as many steps later.  A single step proves nothing: D wins many a batch, and early samples are all alike.  The
thresholds are far from what healthy runs show, which stands beside each: an alarm that comes by mistake teaches to
ignore alarms.  What belongs to one family stands in the family's file (`diagnose`).

NaN and infinite numbers need no patience: the loop stops at once (`minigen.train.fit`).
"""

from collections import deque
from collections.abc import Mapping

import numpy as np

from .trainable import Trainable

__all__ = ["WINDOW", "Diagnostics", "variety"]

_ALIKE = 0.03

WINDOW = 100
"""Steps whose means are looked at; and how long something must be seen before it is said."""


class Diagnostics:
    """Notice what goes wrong in one training.

    Parameters
    ----------
    model : Trainable
    images : ndarray (N, C, H, W)
        Of the data: as many as the samples that they are compared with.
    """

    def __init__(self, model: Trainable, images: np.ndarray):
        self._model, self._images = model, images
        self._recent: deque[Mapping[str, float]] = deque(maxlen=WINDOW)
        self._steps = 0
        self._since: dict[str, int] = {}  # when what is seen now was first seen
        self._said: set[str] = set()

    def update(self, numbers: Mapping[str, float]) -> None:
        """Record the numbers of one step."""
        self._recent.append(numbers)
        self._steps += 1

    def new_warnings(self, samples: np.ndarray) -> list[str]:
        """Return the new warnings that have lasted for WINDOW steps."""
        if self._steps < WINDOW:
            return []
        means = {name: float(np.mean([numbers[name] for numbers in self._recent])) for name in self._recent[-1]}
        found = dict(self._model.diagnose(means))
        alike = variety(samples, self._images)
        if alike < _ALIKE and not found:  # the model may know the cause
            found["alike"] = (
                f"the samples are nearly all alike ({alike:.3f} of the distances within the data). If that does "
                "not pass, try a smaller --lr, another --loss or --seed, or wgan-gp"
            )
        self._since = {kind: self._since.get(kind, self._steps) for kind in found}
        lasting = {kind for kind, first in self._since.items() if self._steps - first >= WINDOW}
        fresh = lasting - self._said
        self._said |= fresh
        return [found[kind] for kind in found if kind in fresh]


def variety(samples: np.ndarray, images: np.ndarray) -> float:
    """How far a sample is from the nearest other one, relative to the same of images of the data.

    Medians of Euclidean distances, over the first so many of each as there are of both: among more images the nearest
    is nearer.  It falls to 0 if the samples are all alike, and also if there are a few kinds, all alike within: more of
    the ways in which a generator collapses than a variance shows.

    Parameters
    ----------
    samples, images : ndarray (N, C, H, W)

    Returns
    -------
    float
        1 for samples as varied as the data; NaN if there are less than two of either, or the data has no variety.

    Examples
    --------
    >>> images = np.random.default_rng(0).uniform(-1, 1, (64, 1, 8, 8))
    >>> variety(images[:3].repeat(8, axis=0), images), round(variety(images / 2, images), 6)
    (0.0, 0.5)
    """
    count = min(len(samples), len(images))
    if count < 2:
        return float("nan")
    distance = _nearest(images[:count])
    return _nearest(samples[:count]) / distance if distance else float("nan")


def _nearest(images: np.ndarray) -> float:
    """The median distance from an image to the nearest other one."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    squares = (flat**2).sum(1)
    distances = squares[:, None] + squares - 2 * flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    return float(np.median(np.sqrt(distances.min(1).clip(0))))
