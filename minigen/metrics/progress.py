"""Measures of a model while it is trained: after each epoch, in a fraction of the time of an epoch."""

import math
from typing import Any

import numpy as np

from ..data import Dataset
from ..models import GenerativeModel
from .class_shares import class_shares, total_variation
from .distortions import round_to_levels
from .kid import kid
from .likelihood import elbo
from .neighbors import blocks
from .reference import Reference

__all__ = ["EpochMeasure", "ValidationLoss"]


class EpochMeasure:
    """Function of a model to its KID, total variation of classes, and coverage.

    The samples come from a separate generator with the same seed every time, so that measuring does not change the
    training, and the numbers of two epochs differ by the weights only.

    Parameters
    ----------
    reference : Reference
    n : int
        Samples.
    seed : int
        Of the noise.

    Examples
    --------
    >>> import minigen as mg
    >>> from minigen.metrics import random_judges
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> measure = EpochMeasure(Reference(random_judges((1, 8, 8)), train, test), n=100)
    >>> found = measure(mg.models.build("dcgan", size=8, width=4))
    >>> list(found), found["kid"] > 0
    (['kid', 'class_tv', 'coverage'], True)
    """

    reference: Reference
    n: int
    seed: int

    def __init__(self, reference: Reference, n: int = 1000, seed: int = 0):
        self.reference, self.n, self.seed = reference, n, seed

    def __call__(self, model: Any) -> dict[str, float]:
        """Measure a `GenerativeModel`; all are NaN if its samples are not finite."""
        if not isinstance(model, GenerativeModel):
            raise ValueError(f"measure: expected a GenerativeModel, got {type(model).__name__}")
        images = model.sample(self.n, np.random.default_rng(self.seed))
        if not np.isfinite(images).all():
            return dict.fromkeys(("kid", "class_tv", "coverage"), math.nan)
        images, reference = round_to_levels(images), self.reference
        features = reference.judges.looker.features(images)
        variation = math.nan
        if reference.shares is not None:
            classes = reference.judges.reader.predict(images)
            variation = total_variation(class_shares(classes, len(reference.shares)), reference.shares)
        covered = [
            (block.min(1) <= reference.radii[part]).mean() * len(block)
            for part, block in blocks(reference.features, features)
        ]
        coverage = float(sum(covered) / len(reference.features))
        distance = kid(reference.features, features, reference.kernel_mean)
        return {"kid": distance, "class_tv": variation, "coverage": coverage}


class ValidationLoss:
    """Function of a VAE to its mean -ELBO on images that it does not learn from, in nats an image.

    The noise of the codes is the same every time, and comes from a separate generator.

    Parameters
    ----------
    dataset : Dataset
        The held-out images, with labels for a conditional model.

    Examples
    --------
    >>> import minigen as mg
    >>> data = mg.data.load("digits", "test")
    >>> list(ValidationLoss(data)(mg.models.VAE(size=8, network="mlp", width=4, latent=2)))
    ['loss_validation']
    """

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __call__(self, model: Any) -> dict[str, float]:
        """Measure a model of the VAE family."""
        labels = self.dataset.labels if model.classes else None
        bound = elbo(model, self.dataset.images, labels, np.random.default_rng(0))
        return {"loss_validation": -float(bound.mean())}
