r"""The few directions of the latent space that change the image most.

Of 100 components of a GAN's noise none means anything by itself.  We look for directions that do.  Let x(z) be the
decoded image of z ~ N(0, I), minus its mean (within its class, if the model knows classes).  The best linear map,
$x \approx W z$, is found by least squares from draws.  The covariance of $W z$ is $W W^T$, so the principal components
of these images are the left singular vectors of W, and the unit vectors of the latent space that make them are the
right singular vectors v.  A step of 1 along $v_k$ changes the image by $\sigma_k$ on average; the share
$\sigma_k^2 / \mathrm{E}\|x\|^2$ says how much of all variation that is.

The shares add up to less than 1 where the image is not linear in z.  Härkönen et al. (2020, GANSpace, arXiv 2004.02546)
use principal components of a layer's features in the same way.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..models import GenerativeModel

__all__ = ["Directions", "find_directions"]


@dataclass(frozen=True)
class Directions:
    """Directions of the latent space, those that change the image most first.

    Parameters
    ----------
    vectors : ndarray (K, latent), float64
        Orthonormal rows.
    shares : ndarray (K,)
        Of all variation of the images, as a fraction.
    """

    vectors: "NDArray[np.float64]"
    shares: "NDArray[np.float64]"


def find_directions(model: "GenerativeModel", count: int = 6, draws: int = 512, seed: int = 0) -> Directions:
    """Find the directions in which the images of a model vary most.

    Parameters
    ----------
    model : GenerativeModel
    count : int
        How many; fewer if the latent space has fewer dimensions.
    draws : int
        Images to decode; at least twice the length of z are taken.
    seed : int

    Returns
    -------
    Directions
        The component of each vector that is largest in size is positive.

    Raises
    ------
    ValueError
        If `count` or `draws` is less than 1.

    Examples
    --------
    >>> from minigen.models import build
    >>> found = find_directions(build("vae", size=8, latent=2, width=4, network="mlp"), draws=32)
    >>> found.vectors.shape, bool(found.shares[0] >= found.shares[1])
    ((2, 2), True)
    """
    if count < 1 or draws < 1:
        raise ValueError(f"find_directions: expected count and draws of at least 1, got {count} and {draws}")
    draws = max(draws, 2 * model.latent)
    codes = np.random.default_rng(seed).standard_normal((draws, model.latent))
    labels: Any = np.arange(draws) % model.classes if model.classes else None
    images = model.decode(codes.astype(np.float32), labels).reshape(draws, -1).astype(np.float64)
    group = np.zeros(draws, int) if labels is None else labels
    for one in np.unique(group):
        images[group == one] -= images[group == one].mean(0)
    weights = np.linalg.lstsq(codes, images, rcond=None)[0]  # (latent, pixels): W^T
    left, sizes, _ = np.linalg.svd(weights, full_matrices=False)
    vectors = left.T[:count]
    places = np.abs(vectors).argmax(1)
    signs = np.sign(vectors[np.arange(len(vectors)), places])
    variation = float(np.square(images).sum(1).mean())
    shares = np.square(sizes[:count]) / variation if variation else np.zeros(len(vectors))
    return Directions(vectors * signs[:, None], shares)
