"""What each component of a code changes."""

import numpy as np

from ..data import Dataset
from ..data.dataset import random_subset
from ..metrics import elbo_terms
from ..models import GenerativeModel
from ..plot import ImageTable
from .reconstruction import variational

__all__ = ["traverse"]

_MEASURED = 1000  # images from which the KL of the components is taken


def traverse(
    model: GenerativeModel, dataset: Dataset, rows: int = 10, steps: int = 9, limit: float = 3.0, seed: int = 0
) -> ImageTable:
    """Show how one image changes when one component of its code goes from low to high: one row for each component.

    The rows are sorted by the KL between the component and the prior, a mean over images: it measures how much the
    component says about an image.  A component with (nearly) no KL is noise.  The decoder has learned to ignore it, so
    the images of its row are equal.

    Parameters
    ----------
    model : GenerativeModel
        Of the VAE family.
    dataset : Dataset
        The image is one of it, and so are those that the KL is measured on (1,000 at most).
    rows : int
        How many components at most.
    steps : int
        Images in a row.
    limit : float
        From -limit to limit, in standard deviations of the prior.
    seed : int
        Which image.

    Returns
    -------
    ImageTable

    Raises
    ------
    ValueError
        If the model makes no codes, the data set does not fit it, or a number is too small.

    Examples
    --------
    >>> import minigen as mg
    >>> model = mg.models.build("vae", size=8, latent=3, width=4)
    >>> traverse(model, mg.data.load("digits", "test"), rows=2, steps=5).images.shape
    (2, 5, 1, 8, 8)
    """
    model = variational(model, "traverse")
    if rows < 1 or steps < 2:
        raise ValueError(f"traverse: expected at least 1 row of at least 2 steps, got {rows} of {steps}")
    measured = random_subset(dataset, min(len(dataset), _MEASURED), seed)
    kl = elbo_terms(model, measured.images, measured.labels)["kl_per_unit"]
    order = np.argsort(-kl, kind="stable")[:rows]
    label = int(measured.labels[0]) if model.classes and measured.labels is not None else None
    values = np.linspace(-limit, limit, steps)
    codes = np.tile(model.encode(measured.images[:1], label), (len(order), steps, 1))
    codes[np.arange(len(order)), :, order] = values
    images = model.decode(codes.reshape(-1, model.latent), label).reshape(len(order), steps, *model.shape)
    hidden = f" The other {model.latent - rows} have less." if model.latent > rows else ""
    caption = (
        f"One image of the data, one component of its code at a time set to values from -{limit:g} to {limit:g}. Rows "
        f"by KL, which measures how much the component says about an image.{hidden}"
    )
    return ImageTable(
        images,
        caption,
        [f"z{unit + 1}, {kl[unit]:.2f} nats" for unit in order],
        [f"{value:.3g}" for value in values],
    )
