"""Numbers about a trained model: ``minigen evaluate``."""

import argparse
from typing import Any

import numpy as np

from ..data import Dataset
from ..flags import at_least
from ..models import GenerativeModel
from ..models.adversarial import Adversarial
from ..models.variational import Variational
from ..train.diagnostics import variety
from .command import add_run, add_split, asked_data, opened
from .fidelity import Fidelity, class_fidelity
from .reconstruction import pick

__all__ = ["add_arguments", "evaluate", "run"]

_IMAGES = 1000  # images that a GAN's players are judged on


def evaluate(model: GenerativeModel, dataset: Dataset, samples: int = 0, seed: int = 0) -> dict[str, Any]:
    """Measure a model on a data set, best one that it was not trained on.

    Of a VAE, in nats an image: ``elbo`` = -(``reconstruction`` + ``kl``), the bound on log p(x); ``active_units`` of
    its ``units`` components; and with `samples` the importance-weighted estimate ``log_likelihood`` (Burda et al.
    2016).

    A GAN assigns no probability to an image, so there is no such number.  What it has are two players: ``d_data`` and
    ``d_samples`` are the mean outputs of D, as in training, for images of the data and for new ones.  On images that D
    was trained on and on others they should agree: a D that is surer of the former has learnt them by heart.
    ``variety`` is the distance from a sample to the nearest other one, relative to the same of the data: 1 is as varied
    as the data, 0 is one image over and over.

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
    ['d_data', 'd_samples', 'variety']
    """
    if isinstance(model, Variational):
        return _of_a_vae(model, dataset, samples, seed)
    if not isinstance(model, Adversarial):
        raise ValueError(f"evaluate: expected a GAN or a VAE, got {type(model).__name__}")
    if samples:
        raise ValueError(f"evaluate: --samples estimates log p(x), and {model.name} assigns no probability to an image")
    return _of_a_gan(model, dataset, seed)


def _of_a_vae(model: Variational, dataset: Dataset, samples: int, seed: int) -> dict[str, Any]:
    found = model.evaluate(dataset.images, dataset.labels, np.random.default_rng(seed))
    del found["kl_per_unit"]
    found["units"] = model.latent
    if samples:
        generator = np.random.default_rng(seed)
        estimates = model.log_likelihood(dataset.images, dataset.labels, samples, generator)
        found["log_likelihood"] = float(estimates.mean())
    return found


def _of_a_gan(model: Adversarial, dataset: Dataset, seed: int) -> dict[str, Any]:
    real = pick(dataset, min(len(dataset), _IMAGES), seed)
    labels = real.labels if model.classes else None  # the samples are of the same classes
    fake = model.sample(len(real), np.random.default_rng(seed), labels)
    return {
        "d_data": _judged(model, real.images, labels),
        "d_samples": _judged(model, fake, labels),
        "variety": variety(fake, real.images),
    }


def _judged(model: Adversarial, images: np.ndarray, labels: np.ndarray | None) -> float:
    """D's mean output for images in random order, in batches as in training."""
    size = min(model.BATCH_SIZE, len(images))
    whole = [slice(start, start + size) for start in range(0, len(images) - size + 1, size)]
    outputs = [model.judge(images[part], None if labels is None else labels[part]) for part in whole]
    return float(np.mean(np.concatenate(outputs), dtype=np.float64))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen evaluate``."""
    parser.description = (
        "Measure a trained model. Of the VAE family: -ELBO and its parts, in nats an image.\n"
        "Of a GAN, which assigns no probability to an image: how far apart its players are, and\n"
        "how varied its samples.\n\n"
        "Of a model that knows classes, --classify N reads N samples with a classifier that has\n"
        "learnt from the training images, and the test images with another that has learnt from\n"
        "the samples alone. The first says whether samples are what was asked for, and nothing\n"
        "about their variety; the second suffers if they lack some."
    )
    add_run(parser, None, "the noise")
    parser.add_argument(
        "--samples", type=at_least(0), default=0, metavar="K",
        help="of the VAE family: also estimate log p(x), with K codes an image (say 100; 1000 take minutes)",
    )  # fmt: skip
    parser.add_argument(
        "--classify", type=at_least(1), default=0, metavar="N",
        help="of a cgan or cvae: have classifiers read N samples (10000 take about 3 minutes)",
    )  # fmt: skip
    add_split(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen evaluate`` was asked."""
    trained = opened(arguments)
    model, seed = trained.model, arguments.seed
    dataset = asked_data(arguments, trained)
    readings = None
    if arguments.classify:
        splits = trained.data("train"), trained.data("test")
        readings = class_fidelity(model, *splits, arguments.classify, seed, progress=True)
    found = evaluate(model, dataset, arguments.samples, seed)
    print(f"{trained.run.path}, step {trained.step}, on {len(dataset)} images of {dataset.name} ({arguments.split})")
    if isinstance(model, Variational):
        print(f"-ELBO            {-found['elbo']:8.2f} nats an image")
        print(f"  reconstruction {found['reconstruction']:8.2f}")
        print(f"  KL             {found['kl']:8.2f}")
        print(f"active units     {found['active_units']:5} of {found['units']}")
        if arguments.samples:
            at_most = f"nats an image at most, with {arguments.samples} codes"
            print(f"-log p(x)        {-found['log_likelihood']:8.2f} {at_most}")
    else:
        print(f"D on the data    {found['d_data']:8.3f}")
        print(f"D on samples     {found['d_samples']:8.3f}")
        print(f"variety          {found['variety']:8.3f} (1: as varied as the data; near 0: all alike)")
        print(f"How good the samples are, these do not say: look at them with minigen sample {arguments.model_run}")
    if readings is not None:
        _print_readings(readings)


def _print_readings(found: Fidelity) -> None:
    hardest = np.argsort(found.by_class, kind="stable")[:3]
    least = ", ".join(f"{found.by_class[i]:.1%} of {found.names[i]}" for i in hardest)
    mistakes = ", ".join(f"{asked} as {read} ({count})" for asked, read, count in found.mistakes(3))
    print(
        f"{found.confusion.sum()} samples, read by a classifier that reads {found.reader:.1%} of the test images right"
    )
    print(f"  read as asked  {found.as_asked:8.1%} (least: {least}; most misread: {mistakes or 'none'})")
    print(f"test images read {found.taught:8.1%} by a classifier that has seen these samples only")
