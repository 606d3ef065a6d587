"""Images beside their reconstructions from the code of a VAE."""

import numpy as np

from ..data import Dataset
from ..data.dataset import random_subset
from ..metrics import elbo
from ..models import BaseVAE, GenerativeModel
from ..plot import ImageTable

__all__ = ["reconstruct", "variational"]


def variational(model: GenerativeModel, what: str) -> BaseVAE:
    """Return the model if it has an encoder; raise ValueError, with the name `what` of the command, if not."""
    if not isinstance(model, BaseVAE):
        raise ValueError(f"{what}: needs a model that makes codes of images (vae, cvae, iwae), {model.name} does not")
    return model


def reconstruct(model: GenerativeModel, dataset: Dataset, n: int = 10, seed: int = 0) -> ImageTable:
    """Show images of a data set, and below each its reconstruction: the mean image of the mean of its code.

    The number above each image is -ELBO in nats, an upper bound on -log p(x): smaller is better.  A conditional model
    gets the labels of the images.

    Parameters
    ----------
    model : GenerativeModel
        Of the VAE family.
    dataset : Dataset
    n : int
        How many.
    seed : int
        Which ones.

    Returns
    -------
    ImageTable
        Two rows: images, reconstructions.

    Raises
    ------
    ValueError
        If the model makes no codes, or the data set does not fit it or has less than `n` images.

    Examples
    --------
    >>> import minigen as mg
    >>> table = reconstruct(mg.models.build("vae", size=8, width=4), mg.data.load("digits", "test"), n=5)
    >>> table.images.shape
    (2, 5, 1, 8, 8)
    """
    model = variational(model, "reconstruct")
    picked = random_subset(dataset, n, seed)
    bounds = elbo(model, picked.images, picked.labels)
    images = np.stack([picked.images, model.reconstruct(picked.images, picked.labels)])
    caption = (
        "Above: images of the data, each with its -ELBO in nats: an image that is hard to describe has a larger one. "
        "Below: the same images, reconstructed from their codes."
    )
    return ImageTable(images, caption, ["image", "from its code"], [f"{-bound:.0f}" for bound in bounds])
