r"""How well a VAE models images: the bound on $\log p(x)$, and an estimate of $\log p(x)$ itself.

All numbers are in nats an image.  Both work in evaluation mode; beta and the number of training samples play no part.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..creation import randn
from ..models import BaseVAE
from ..models.sizes import parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["elbo", "elbo_terms", "log_likelihood"]

_CODE_CHUNK = 1000  # codes that are decoded together: bounds the memory

_ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, section 5.2: a component is active if the variance of its mean is larger


def elbo_terms(
    model: BaseVAE, images: "NDArray[Any]", labels: Any = None, generator: np.random.Generator | None = None
) -> dict[str, Any]:
    """Measure the bound on log p(x) and its two terms, as means over images.

    Parameters
    ----------
    model : BaseVAE
    images : ndarray (N, C, H, W)
        In [-1, 1], at least one.
    labels : ndarray of int (N,), optional
        For a conditional model.
    generator : numpy.random.Generator, optional
        Source of the noise of the codes, one code for each image; by default always the same.

    Returns
    -------
    dict
        ``elbo`` = -(``reconstruction`` + ``kl``); ``kl_per_unit``, an array with the share of each component of the
        code; ``active_units``, the number of components whose mean varies from image to image (its variance is above
        0.01; Burda et al. 2016, section 5.2).

    Raises
    ------
    ValueError
        If there are no images, or the images or labels do not fit the model.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = mg.models.build("vae", size=8, latent=3, width=4)
    >>> terms = elbo_terms(model, mg.data.load("digits", "test").images)
    >>> terms["kl_per_unit"].shape, bool(terms["elbo"] == -(terms["reconstruction"] + terms["kl"]))
    ((3,), True)
    """
    reconstruction, kl, means = _terms(model, images, labels, generator)
    if not len(means):
        raise ValueError("elbo_terms: expected at least one image, got none")
    kl_per_unit = kl.mean(0)
    terms = {"reconstruction": float(reconstruction.mean()), "kl": float(kl_per_unit.sum())}
    return {
        "elbo": -sum(terms.values()),
        **terms,
        "kl_per_unit": kl_per_unit,
        "active_units": int((means.var(0) > _ACTIVE_VARIANCE).sum()),
    }


def elbo(
    model: BaseVAE, images: "NDArray[Any]", labels: Any = None, generator: np.random.Generator | None = None
) -> "NDArray[np.float64]":
    """Measure the bound on log p(x) of each image (N,); parameters and errors as `elbo_terms`."""
    reconstruction, kl, _ = _terms(model, images, labels, generator)
    bound: NDArray[np.float64] = -(reconstruction + kl.sum(1))
    return bound


def log_likelihood(
    model: BaseVAE,
    images: "NDArray[Any]",
    labels: Any = None,
    samples: int = 1000,
    generator: np.random.Generator | None = None,
) -> "NDArray[np.float64]":
    r"""Estimate log p(x) of each image, by importance sampling with q (Burda et al. 2016, equation 8).

    $$\log \frac1K \sum_k p(x \mid z_k)\, p(z_k) / q(z_k \mid x)$$

    The mean of the estimate is a lower bound that rises with K: compare estimates of the same K only.  It is fair to
    VAE and IWAE alike.

    Parameters
    ----------
    model : BaseVAE
    images : ndarray (N, C, H, W)
        In [-1, 1].
    labels : ndarray of int (N,), optional
        For a conditional model, which estimates log p(x | c).
    samples : int
        K.
    generator : numpy.random.Generator, optional
        Source of the noise; by default always the same.

    Returns
    -------
    ndarray (N,), float64

    Raises
    ------
    ValueError
        If `samples` is less than 1, or the images or labels do not fit the model.
    """
    if samples < 1:
        raise ValueError(f"log_likelihood: samples must be at least 1, got {samples}")
    generator = np.random.default_rng(0) if generator is None else generator
    estimates = [np.zeros(0)]
    with model.evaluating():
        for x, condition in model.batches(images, labels):
            mu, log_var = model.posterior(x, condition)
            log_weights = []
            for part in parts(samples, max(_CODE_CHUNK // len(x.data), 1)):
                eps = randn(part.stop - part.start, *mu.shape, generator=generator, device=model.device)
                likelihood = model.pixel_log_likelihood(x, mu, log_var, eps, condition)
                log_weights.append((likelihood - model.sampled_kl(mu, log_var, eps)).numpy().astype(np.float64))
            # The weights are e^-100 and less: only their ratios to the largest can be added up.
            weights = np.concatenate(log_weights)
            top = weights.max(0)
            estimates.append(top + np.log(np.exp(weights - top).mean(0)))
    return np.concatenate(estimates)


def _terms(
    model: BaseVAE, images: "NDArray[Any]", labels: Any, generator: np.random.Generator | None
) -> "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]":
    """For each image -log p(x | z) of one code (N,), and the KL and the mean of each component (N, latent)."""
    generator = np.random.default_rng(0) if generator is None else generator
    none = np.zeros((0, model.latent))
    reconstruction, kl, means = [none[:, 0]], [none], [none]
    with model.evaluating():
        for x, condition in model.batches(images, labels):
            mu, log_var = model.posterior(x, condition)
            eps = randn(1, *mu.shape, generator=generator, device=model.device)
            reconstruction.append(-model.pixel_log_likelihood(x, mu, log_var, eps, condition).numpy()[0])
            kl.append(model.kl_per_unit(mu, log_var, eps).numpy())
            means.append(mu.numpy())
    # The empty arrays at the beginning make the results float64: thousands of images are added up.
    return np.concatenate(reconstruction), np.concatenate(kl), np.concatenate(means)
