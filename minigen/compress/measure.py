"""Compare a compressed model with the one that it was made from: bytes, outputs and time."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data import Dataset
from ..metrics import Reference, load_judges
from ..models import GenerativeModel, Repair

__all__ = ["difference_db", "fid_percent", "outputs", "times_ms"]

_IMAGES = 64
_SAMPLES = 1000


def outputs(model: Any, dataset: Dataset | None, count: int = _IMAGES, seed: int = 0) -> np.ndarray:
    """Compute outputs that can be compared: of the same z, or for the same images.

    Parameters
    ----------
    model : GenerativeModel or ImageModel
    dataset : Dataset, optional
        For a model from image to image: its first images.
    count : int
    seed : int
        Of z, and of the damage that a repair undoes.

    Returns
    -------
    ndarray (count, ...), float32
    """
    generator = np.random.default_rng(seed)
    if isinstance(model, GenerativeModel):
        return model.sample(count, generator)
    assert dataset is not None
    images = dataset.images[:count]
    made: np.ndarray = model.examples(images, generator)[1] if isinstance(model, Repair) else model.apply(images)
    return made


def difference_db(first: np.ndarray, second: np.ndarray) -> float:
    """Compute the peak signal-to-noise ratio in dB of two arrays with values in [-1, 1]; infinite if they are equal.

    >>> round(difference_db(np.zeros(4), np.full(4, 0.02)), 1)
    40.0
    """
    error = float(np.mean(np.square(np.subtract(first, second, dtype=np.float64))))
    return math.inf if error == 0 else 10 * math.log10(4 / error)


def fid_percent(models: list[Any], train: Dataset, test: Dataset, seed: int = 0) -> list[float] | None:
    """Measure the FID of 1,000 samples of each model, in percent of the variance of the data.

    Parameters
    ----------
    models : list of GenerativeModel
    train, test : Dataset
        Of digits of 28 pixels, for which judges are shipped.
    seed : int
        Of z.

    Returns
    -------
    list of float, or None
        None if a model makes no images, or the shipped judges do not fit the data.
    """
    if "images" not in train.fields or not all(isinstance(model, GenerativeModel) for model in models):
        return None
    if load_judges().why_not(train):
        return None
    reference = Reference(load_judges(), train, test)
    samples = [model.sample(_SAMPLES, np.random.default_rng(seed)) for model in models]
    return [reference.measure(images, copies=False).values["fid_percent"] for images in samples]


def times_ms(functions: list[Callable[[], Any]], rounds: int = 7) -> list[float]:
    """Time functions in turn, after one call of each; return the medians in milliseconds."""
    for function in functions:
        function()
    taken: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, times in zip(functions, taken):
            start = time.perf_counter()
            function()
            times.append(1000 * (time.perf_counter() - start))
    return [statistics.median(times) for times in taken]
