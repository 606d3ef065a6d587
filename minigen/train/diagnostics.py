"""Notice that a training goes wrong, and say it once, with what to try.

Four things are looked at, for every family:

- the data: are the images all the same?
- the weights: do they move at all?
- the samples: are they nearly all alike, or nothing but black and white?
- the losses: are they far outside the range in which a training learns?

What else can go wrong in one family is in the `diagnose` of its file in ``minigen/models/``: a discriminator that has
won is in ``gan/base.py``.  Losses are judged as means over a *window* of steps, a tenth
of the run, and a warning must last for three windows; samples must show the same after two reports.  One step proves
nothing: D wins many a batch, and the first samples are all alike.

The measured values are next to each threshold.  They come from gan, dcgan, wgan-gp, cgan and vae: on digits and shapes
108 to 400 steps with two seeds, on mnist5k a few thousand steps.  Other data and longer trainings were not measured.

NaN and infinite numbers end a training at once (`minigen.train.fit`).
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backend import array_module
from .trainable import Trainable

__all__ = ["Diagnostics", "alike_share", "saturated_share"]

MIN_WINDOW, MAX_WINDOW = 8, 100  # steps
PATIENCE = 3  # windows
MIN_STEPS = 30  # before that samples prove nothing
_SAME = 0.02
"""Two samples are the same if they are nearer than this share of the median distance between two images of the data.
In healthy trainings at most 3 % of the pairs are that near from step 30 on (of an iwae; of the others none)."""

_ALIKE = 0.1
"""Samples are alike if this share of their pairs are the same: all pairs if G makes one image, 1 / k if it makes k.
A low share says nothing of quality: noise has one too."""

_UNSATURATED = 0.25
"""Samples are saturated if their share of gray pixels (neither black nor white) is below this part of the data's share.
With a learning rate of 1 it is 0 to 0.2 of it; the lowest of healthy trainings was 0.9."""

_STILL = 0.01
"""Weights do not move if at their speed so far they go less than this part of their length in the whole run.
It is 4e-5 at a learning rate of 1e-8 and 2e-3 at 1e-6; the least of healthy ones was 0.08, of wgan-gp in 108 steps."""

_FAR = 30.0
"""A loss that has a level (not 0) is out of range above this many times the level (or 1, if that is more).
Healthy generators reached 6, those of a learning rate of 1 came to 1e4 and more."""

_GROWN = 1000.0
"""A loss without a level is out of range above this many times its size in the first window (or 1, if that is more).
Scores of critics have no scale; those of healthy ones came to 40."""


class Diagnostics:
    """Notice what goes wrong in one training.

    Parameters
    ----------
    model : Trainable
    images : ndarray (N, C, H, W) or None
        Of the data: about as many as the samples that they are compared with.
    total : int
        Steps of the whole run.
    step : int
        Steps that are done already.
    """

    def __init__(self, model: Trainable, images: np.ndarray | None, total: int, step: int = 0):
        self._model, self._total, self._step = model, total, step
        self.window: int = min(max(total // 10, MIN_WINDOW), MAX_WINDOW)
        self._recent: deque[Mapping[str, float]] = deque(maxlen=self.window)
        self._levels: Mapping[str, float] = model.reference_levels()
        self._lasting: dict[str, int] = {}  # for how many windows or reports a kind was seen without a break
        self._texts: dict[str, str] = {}
        self._said: set[str] = set()
        self._first: Mapping[str, float] = {}  # the numbers of step 1, if this is not a resumed run
        self._first_sizes: dict[str, float] = {}  # of the losses, in the first window
        self._first_step = step
        self._weights = {name: [array.copy() for array in arrays] for name, arrays in _weights(model).items()}
        self._scale = self._data_alike = self._data_unsaturated = math.nan
        if images is not None and len(images) > 1:
            distances = pair_distances(images)
            self._scale = float(np.median(distances))
            self._data_alike = alike_share(images, self._scale)
            self._data_unsaturated = 1 - saturated_share(images)
            if not distances.max() > 0:
                self._texts["constant"] = (
                    f"the {len(images)} images of the data that were compared are all the same: there is nothing to "
                    "learn. Look at the data"
                )

    def update(self, numbers: Mapping[str, float]) -> None:
        """Record the numbers of one step."""
        if self._step == 0:
            self._first = numbers
        self._recent.append(numbers)
        self._step += 1
        if (self._step - self._first_step) % self.window == 0:
            means = {name: float(np.mean([each[name] for each in self._recent])) for name in self._recent[-1]}
            found = dict(self._model.diagnose(means)) | self._judge_losses(means)
            self._record("losses", found, PATIENCE)

    def new_warnings(self, samples: np.ndarray) -> list[str]:
        """Return the warnings that were not returned before.

        Parameters
        ----------
        samples : ndarray (M, C, H, W)
            Of the model as it is now.
        """
        if self._step - self._first_step >= MIN_STEPS:
            found = self._judge_weights()
            if not any(kind.startswith("losses") for kind in self._texts):  # the cause is known already
                found |= self._judge_samples(samples)
            self._record("samples", found, 1 if self._step == self._total else 2)
        fresh = [kind for kind in self._texts if kind not in self._said]
        self._said.update(fresh)
        return [self._texts[kind] for kind in fresh]

    def _record(self, source: str, found: Mapping[str, str], patience: int) -> None:
        """Count for how long each kind has lasted; keep the text of those that have lasted long enough."""
        seen = {f"{source} {kind}": text for kind, text in found.items()}
        gone = [kind for kind in self._lasting if kind.startswith(source) and kind not in seen]
        for kind in gone:
            del self._lasting[kind]
        for kind, text in seen.items():
            self._lasting[kind] = self._lasting.get(kind, 0) + 1
            if self._lasting[kind] >= patience:
                self._texts.setdefault(kind, text)

    def _judge_losses(self, means: Mapping[str, float]) -> dict[str, str]:
        """Find losses that are far outside the range in which a training learns."""
        sizes = {name: abs(mean) for name, mean in means.items() if name.startswith("loss")}
        self._first_sizes = self._first_sizes or sizes
        found = {}
        for name, size in sizes.items():
            level = self._levels.get(name, 0.0)  # a level of 0 gives no scale
            limit = _FAR * max(abs(level), 1.0) if level else _GROWN * max(self._first_sizes[name], 1.0)
            if not size <= limit:
                beside = f", where an undecided discriminator gives {level:.3g}" if level else ""
                found["far"] = (
                    f"{name} is {means[name]:.3g}{beside}: the training has left the range in which it learns. Try a "
                    "smaller --lr"
                )
        # The one loss of a model that has no opponent falls: steps that leave it where it began are too large.
        if "loss" in self._first and not means["loss"] <= self._first["loss"] and not found:
            found["worse"] = (
                f"the loss is {means['loss']:.4g}, above the {self._first['loss']:.4g} of the first step, before "
                "anything was learned. Try a smaller --lr"
            )
        return found

    def _judge_weights(self) -> dict[str, str]:
        """Find optimizers whose weights hardly move."""
        share = (self._step - self._first_step) / self._total
        for name, now in _weights(self._model).items():
            if not now:
                continue
            way = math.sqrt(sum(map(_squares, (new - old for new, old in zip(now, self._weights[name])))))
            length = math.sqrt(sum(map(_squares, self._weights[name])))
            if not way / share > _STILL * length:
                moved = way / length if length else 0.0
                return {
                    "still": f"the weights of {name} hardly move: by {moved:.1g} of their size in "
                    f"{self._step - self._first_step} steps. Try a larger --lr"
                }
        return {}

    def _judge_samples(self, samples: np.ndarray) -> dict[str, str]:
        """Find samples that are nearly all alike, or nothing but black and white."""
        if not self._scale > 0 or len(samples) < 2:
            return {}
        alike = alike_share(samples, self._scale)
        if not alike <= max(_ALIKE, 2 * self._data_alike):
            kinds = "all samples are" if alike > 0.9 else f"{alike:.0%} of the pairs of samples are"
            return {
                "alike": f"{kinds} the same image (of the data {self._data_alike:.0%}). If that does not pass, try a "
                "smaller --lr, another --loss or --seed, or wgan-gp"
            }
        unsaturated = 1 - saturated_share(samples)
        if not unsaturated >= _UNSATURATED * self._data_unsaturated:
            return {
                "saturated": f"{1 - unsaturated:.1%} of the samples' pixels are black or white, of the data's "
                f"{1 - self._data_unsaturated:.1%}: the generator's last layer is saturated. Try a smaller --lr"
            }
        return {}


def pair_distances(images: np.ndarray) -> np.ndarray:
    """Compute the distance of every pair of images, as a root mean square over the pixels.

    >>> pair_distances(np.array([0.0, 0.0, 3.0]).reshape(3, 1, 1, 1)).tolist()
    [0.0, 3.0, 3.0]
    """
    flat = images.reshape(len(images), -1).astype(np.float64)
    return np.concatenate([np.sqrt(((flat[i + 1 :] - one) ** 2).mean(1)) for i, one in enumerate(flat)])


def alike_share(images: np.ndarray, scale: float) -> float:
    """Compute the share of pairs of images that are the same: less than 2 % of `scale` apart.

    Parameters
    ----------
    images : ndarray (N, C, H, W)
    scale : float
        A typical distance, such as the median of `pair_distances` of the data.

    Examples
    --------
    >>> images = np.random.default_rng(0).uniform(-1, 1, (4, 1, 8, 8))
    >>> [round(alike_share(images[some], 1.0), 3) for some in ([0, 1, 2, 3], [0, 0, 0, 0], [0, 1, 0, 1])]
    [0.0, 1.0, 0.333]
    """
    return float(np.mean(~(pair_distances(images) > _SAME * scale)))  # NaN counts too


def saturated_share(images: np.ndarray) -> float:
    """Compute the share of pixels that are black or white: within 1 % of -1 or 1.

    >>> saturated_share(np.array([-1.0, 0.995, 0.5, 0.0]))
    0.5
    """
    return float(np.mean(np.abs(images) > 0.99))


def _weights(model: Trainable) -> dict[str, list[Any]]:
    """Find the weights that each optimizer moves."""
    return {
        name: [parameter.data for group in getattr(optimizer, "param_groups", ()) for parameter in group["params"]]
        for name, optimizer in model.optimizers.items()
    }


def _squares(array: Any) -> float:
    return float((array_module(array).square(array)).sum(dtype="float64"))
