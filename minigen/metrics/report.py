"""Measure a trained model on a data set."""

from typing import Any

import numpy as np

from ..data import Dataset
from ..data.dataset import random_subset
from ..models import GAN, BaseVAE, GenerativeModel

__all__ = ["evaluate"]

_IMAGES = 1000  # images that a GAN's players are judged on


def evaluate(model: GenerativeModel, dataset: Dataset, samples: int = 0, seed: int = 0) -> dict[str, Any]:
    """Measure a model on a data set, best one that it was not trained on.

    Of a VAE, in nats an image: ``elbo`` = -(``reconstruction`` + ``kl``), the bound on log p(x); ``active_units`` of
    its ``units`` components; and with `samples` the importance-weighted estimate ``log_likelihood`` (Burda et al.
    2016).

    A GAN assigns no probability to an image, so there is no such number.  What it has are two players: ``d_data`` and
    ``d_samples`` are the mean outputs of D, as in training, for images of the data and for new ones.  On images that D
    was trained on and on others they should agree: a D that is surer of the former has learnt them by heart.

    Parameters
    ----------
    model : GenerativeModel
    dataset : Dataset
    samples : int
        Codes an image for the estimate of log p(x), of the VAE family only; 0 for no estimate.
    seed : int
        Of the noise, and of the choice of images for a GAN (1,000 at most).

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the data set does not fit the model, or `samples` are asked of a GAN.

    Examples
    --------
    >>> import minigen as mg
    >>> test = mg.data.load("digits", "test")
    >>> list(evaluate(mg.models.build("vae", size=8, width=4), test))
    ['elbo', 'reconstruction', 'kl', 'active_units', 'units']
    >>> list(evaluate(mg.models.build("dcgan", size=8, width=4), test))
    ['d_data', 'd_samples']
    """
    if isinstance(model, BaseVAE):
        return _of_a_vae(model, dataset, samples, seed)
    if not isinstance(model, GAN):
        raise ValueError(f"evaluate: expected a GAN or a VAE, got {type(model).__name__}")
    if samples:
        raise ValueError(f"evaluate: --samples estimates log p(x), and {model.name} assigns no probability to an image")
    return _of_a_gan(model, dataset, seed)


def _of_a_vae(model: BaseVAE, dataset: Dataset, samples: int, seed: int) -> dict[str, Any]:
    found = model.evaluate(dataset.images, dataset.labels, np.random.default_rng(seed))
    del found["kl_per_unit"]
    found["units"] = model.latent
    if samples:
        generator = np.random.default_rng(seed)
        estimates = model.log_likelihood(dataset.images, dataset.labels, samples, generator)
        found["log_likelihood"] = float(estimates.mean())
    return found


def _of_a_gan(model: GAN, dataset: Dataset, seed: int) -> dict[str, Any]:
    real = random_subset(dataset, min(len(dataset), _IMAGES), seed)
    labels = real.labels if model.classes else None  # the samples are of the same classes
    fake = model.sample(len(real), np.random.default_rng(seed), labels)
    return {
        "d_data": _mean_score(model, real.images, labels),
        "d_samples": _mean_score(model, fake, labels),
    }


def _mean_score(model: GAN, images: np.ndarray, labels: np.ndarray | None) -> float:
    """D's mean output for images in random order, in batches as in training."""
    size = min(model.BATCH_SIZE, len(images))
    whole = [slice(start, start + size) for start in range(0, len(images) - size + 1, size)]
    outputs = [model.score(images[part], None if labels is None else labels[part]) for part in whole]
    return float(np.mean(np.concatenate(outputs), dtype=np.float64))
