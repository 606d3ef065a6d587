"""Measure a trained model on a data set by the numbers that its family defines, without judges."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Dataset
from ..data.dataset import random_subset
from ..models import AAE, SSGAN, BaseGAN, BaseVAE, CycleGAN, GenerativeModel, ImageModel, Pix2Pix, PointGAN, Repair
from .energy import energy_distance
from .likelihood import elbo_terms, log_likelihood
from .membership import membership
from .memorization import memorization
from .modes import count_modes, known_modes
from .repair import repair_scores, test_images
from .translation import translation_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["measure_family"]

MODE_SAMPLES = 2500  # as in the tables of PacGAN
_IMAGES = 1000  # images on which samples and the outputs of D are compared


def measure_family(
    model: Any,
    dataset: Dataset,
    samples: int = 0,
    seed: int = 0,
    train: Dataset | None = None,
    unseen: Dataset | None = None,
) -> dict[str, Any]:
    """Measure a model of any family on a data set, preferably one that it did not learn from.

    ==================================== =====================================================================
    VAE, in nats an image                ``elbo`` = -(``reconstruction`` + ``kl``); ``active_units`` of ``units``;
                                         with `samples` also ``log_likelihood``, see `minigen.metrics.log_likelihood`
    GAN                                  ``d_data`` and ``d_samples``, the mean outputs of D for images of the data
                                         and for samples, as in training
    every generative model, with `train` ``nearest_samples`` and ``nearest_data``, median distances to the nearest
                                         training image, see `minigen.metrics.memorization`
    VAE or GAN, with `train`             ``membership``, whether its score tells training images from new ones, see
                                         `minigen.metrics.membership`
    GAN of points                        ``modes``, a `minigen.metrics.Modes` of 2,500 samples; ``modes_data``, of as
                                         many points of the data
    SSGAN                                ``accuracy``, the share of images that D gives the right class
    AAE                                  ``code_mse``, the squared error of reconstructions; ``code_distance``, the
                                         energy distance of codes to the prior, and its floor, that of two draws
    model from image to image            ``mse``, the mean squared error to the partners of the data set, and
                                         ``mse_of_input``, the same of the unchanged input
    pix2pix, cyclegan                    see `minigen.metrics.translation_scores`
    repair                               ``psnr`` in dB of the repaired images, in the hole if there is one, and
                                         ``psnr_input`` of the damaged ones, see `minigen.metrics.repair_scores`
    ==================================== =====================================================================

    A GAN assigns no probability to an image.  Its ``d_data`` should agree on images that D learned from and on
    others: if D is surer of the former, it has memorized them.

    Parameters
    ----------
    model : Model
    dataset : Dataset
    samples : int
        Codes for each image in the estimate of log p(x), for the VAE family only; 0 for no estimate.
    seed : int
        Of the noise, and of the choice of images (1,000 at most) for samples and for D.
    train : Dataset, optional
        The images that the model learned from.
    unseen : Dataset, optional
        Images from the same source as `train` that the model has not seen, for ``membership``; by default `dataset`.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the data set does not fit the model, or `samples` are asked of a model without a likelihood.

    Examples
    --------
    >>> import minigen as mg
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> list(measure_family(mg.models.build("vae", size=8, width=4), test))
    ['elbo', 'reconstruction', 'kl', 'active_units', 'units']
    >>> list(measure_family(mg.models.build("dcgan", size=8, width=4), test, train=train))
    ['d_data', 'd_samples', 'nearest_samples', 'nearest_data', 'membership']
    """
    if samples and not isinstance(model, BaseVAE):
        raise ValueError(f"evaluate: --samples estimates log p(x), and {model.name} assigns no probability to an image")
    if isinstance(model, PointGAN):
        return _points(model, dataset, seed)
    if isinstance(model, Repair):
        scores = repair_scores(model, test_images(model, dataset), seed, classical=False)
        mean = scores.mean(scores.psnr)
        return {"psnr": mean["ours"]} | ({"psnr_input": mean["input"]} if "input" in mean else {})
    if isinstance(model, Pix2Pix | CycleGAN):
        return dict(translation_scores(model, dataset))
    if isinstance(model, ImageModel):
        return _image_model(model, dataset)
    if not isinstance(model, GenerativeModel):
        raise ValueError(f"measure_family: expected a GenerativeModel or an ImageModel, got {type(model).__name__}")
    found: dict[str, Any] = {}
    if isinstance(model, BaseVAE):
        found |= _vae(model, dataset, samples, seed)
    elif isinstance(model, SSGAN):
        assert dataset.labels is not None  # the data decided the number of classes
        found["accuracy"] = float((model.predict(dataset.images) == dataset.labels).mean())
    elif isinstance(model, AAE):
        found |= _autoencoder(model, dataset, seed)
    elif isinstance(model, BaseGAN) and model.discriminator is not None:  # a compressed one has none
        found |= _gan(model, dataset, seed)
    if train is not None:
        copies = memorization(model, train, dataset, _IMAGES, seed)
        found |= {"nearest_samples": copies.samples, "nearest_data": copies.test}
        others = dataset if unseen is None else unseen
        if ("elbo" in found or "d_data" in found) and min(len(train), len(others)) > 1:
            found["membership"] = membership(model, train, others, _IMAGES, seed)
    return found


def _vae(model: BaseVAE, dataset: Dataset, samples: int, seed: int) -> dict[str, Any]:
    found = elbo_terms(model, dataset.images, dataset.labels, np.random.default_rng(seed))
    del found["kl_per_unit"]
    found["units"] = model.latent
    if samples:
        generator = np.random.default_rng(seed)
        estimates = log_likelihood(model, dataset.images, dataset.labels, samples, generator)
        found["log_likelihood"] = float(estimates.mean())
    return found


def _gan(model: BaseGAN, dataset: Dataset, seed: int) -> dict[str, Any]:
    real = random_subset(dataset, min(len(dataset), _IMAGES), seed)
    labels = real.labels if model.classes else None  # the samples are of the same classes
    fake = model.sample(len(real), np.random.default_rng(seed), labels)
    return {"d_data": _mean_score(model, real.images, labels), "d_samples": _mean_score(model, fake, labels)}


def _autoencoder(model: AAE, dataset: Dataset, seed: int) -> dict[str, Any]:
    real = random_subset(dataset, min(len(dataset), _IMAGES), seed).images
    codes, draws = model.encode(real), np.random.default_rng(seed).standard_normal((2, len(real), model.latent))
    return {
        "code_mse": float(np.mean(np.square(model.reconstruct(real) - real), dtype=np.float64)),
        "code_distance": energy_distance(codes, draws[0]),
        "code_distance_floor": energy_distance(draws[1], draws[0]),
    }


def _points(model: PointGAN, dataset: Dataset, seed: int) -> dict[str, Any]:
    modes, samples = known_modes(dataset), model.sample(MODE_SAMPLES, np.random.default_rng(seed))
    data = dataset.points[:MODE_SAMPLES]
    return {"modes": count_modes(samples, *modes), "modes_data": count_modes(data, *modes)}


def _mean_score(model: BaseGAN, images: "NDArray[Any]", labels: "NDArray[Any] | None") -> float:
    """The mean output of D for images in random order, in batches as in training."""
    size = min(model.BATCH_SIZE, len(images))
    whole = [slice(start, start + size) for start in range(0, len(images) - size + 1, size)]
    outputs = [model.score(images[part], None if labels is None else labels[part]) for part in whole]
    return float(np.mean(np.concatenate(outputs), dtype=np.float64))


def _image_model(model: ImageModel, dataset: Dataset) -> dict[str, Any]:
    partners = dataset.partners
    if partners is None:
        raise ValueError(
            f"measure_family: {model.name} makes images from images; {dataset.name} has no partners to compare"
        )
    found = {"mse": float(np.mean(np.square(model.apply(dataset.images) - partners), dtype=np.float64))}
    if partners.shape == dataset.images.shape:
        found["mse_of_input"] = float(np.mean(np.square(dataset.images - partners), dtype=np.float64))
    return found
