"""Images beside what a code keeps of them: ``minigen reconstruct``."""

import argparse

import numpy as np

from ..data import Dataset
from ..flags import at_least
from ..image_table import ImageTable
from ..models import GenerativeModel
from ..models.variational import Variational
from .command import add_run, add_split, asked_data, opened, save_table

__all__ = ["add_arguments", "reconstruct", "run", "variational"]


def variational(model: GenerativeModel, what: str) -> Variational:
    """The model itself, if it has an encoder; ValueError, which says what asks for one, if not."""
    if not isinstance(model, Variational):
        raise ValueError(f"{what}: needs a model that makes codes of images (vae, cvae, iwae), {model.name} does not")
    return model


def reconstruct(model: GenerativeModel, dataset: Dataset, n: int = 10, seed: int = 0) -> ImageTable:
    """Images of a data set, and below each the mean image of the mean of its code.

    Above each stands -ELBO in nats, the smaller the better: at least as much as the image's surprise -log p(x).  The
    labels of a conditional model are those of the images.

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
    picked = pick(dataset, n, seed)
    bounds = model.elbo(picked.images, picked.labels)
    images = np.stack([picked.images, model.reconstruct(picked.images, picked.labels)])
    caption = (
        "Above: images of the data, each with its -ELBO in nats: what is hard to describe costs more. Below: what "
        "their codes keep of them."
    )
    return ImageTable(images, caption, ["image", "from its code"], [f"{-bound:.0f}" for bound in bounds])


def pick(dataset: Dataset, n: int, seed: int) -> Dataset:
    """`n` examples drawn at random, without repetition; ValueError if there are not so many."""
    if not 1 <= n <= len(dataset):
        raise ValueError(f"{dataset.name}: expected between 1 and {len(dataset)} images, got {n}")
    return dataset.subset(np.random.default_rng(seed).permutation(len(dataset))[:n])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen reconstruct``."""
    parser.description = "Send images through the code of a trained VAE and back, and write both as one picture."
    add_run(parser, "reconstruction.png", "which images")
    parser.add_argument("-n", type=at_least(1), default=10, help="how many images (default: 10)")
    add_split(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen reconstruct`` was asked."""
    trained = opened(arguments)
    model = variational(trained.model, "reconstruct")  # before the data, which may take a while
    table = reconstruct(model, asked_data(arguments, trained), arguments.n, arguments.seed)
    save_table(table, arguments, trained, f"{arguments.n} reconstructions")
