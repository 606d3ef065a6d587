"""The whole plane of a latent vector of length 2."""

from statistics import NormalDist

import numpy as np

from ..models import GenerativeModel
from ..plot import ImageTable
from .classes import class_numbers

__all__ = ["manifold"]


def manifold(
    model: GenerativeModel, side: int = 20, label: int | str | None = None, names: tuple[str, ...] = ()
) -> ImageTable:
    """Show the images of a grid of codes in the plane.

    The codes are the quantiles of the prior N(0, 1) in both directions (Kingma & Welling 2014, figure 4).  Each image
    represents an equal share of the samples: if the images of one kind fill a tenth of the square, a tenth of the
    samples are of that kind.

    Parameters
    ----------
    model : GenerativeModel
        With ``latent == 2``.
    side : int
        Images in a row and in a column.
    label : int or str, optional
        Of a model that knows classes: which one, by number or name; by default the first.
    names : tuple of str
        What the classes are called.

    Returns
    -------
    ImageTable

    Raises
    ------
    ValueError
        If the code is not of length 2, `side` is less than 1, or the model does not know the class.

    Examples
    --------
    >>> from minigen.models import build
    >>> manifold(build("vae", size=8, latent=2, width=4), side=3).images.shape
    (3, 3, 1, 8, 8)
    """
    if model.latent != 2:
        raise ValueError(f"manifold: needs a code of length 2, got {model.latent}: train with --latent 2")
    if side < 1:
        raise ValueError(f"manifold: side must be at least 1, got {side}")
    if label is None and model.classes:
        label = 0
    number = None if label is None else class_numbers(model, [label], names)[0]
    quantiles = [NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)]
    images = model.decode(np.array([(right, up) for up in reversed(quantiles) for right in quantiles]), number)
    said = "" if number is None else f" of class {names[number] if names else number}"
    caption = (
        f"The plane of codes{said}: the first component grows to the right, the second upwards, by quantiles of "
        "N(0, 1). Every image represents an equal share of the samples."
    )
    return ImageTable(images.reshape(side, side, *images.shape[1:]), caption)
