"""VAE and beta-VAE: images from codes, and codes from images (Kingma & Welling 2014, arXiv 1312.6114).

The encoder gives for each image a distribution of codes, q(z | x); the decoder makes an image of a code, p(x | z); both
are trained together on minus the ELBO, which `minigen.losses` derives (``derivation("elbo")``).  beta is the weight of
its KL term (Higgins et al. 2017; ``derivation("beta_vae")``): 1 is the VAE.
"""

from dataclasses import dataclass

from ...losses import beta_vae_loss
from ...tensor import Tensor
from ..options import option
from ..registry import register
from .base import BaseVAE

__all__ = ["VAE"]


@register("vae")
class VAE(BaseVAE):
    """VAE and beta-VAE: images from codes, and codes from images (Kingma & Welling 2014).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = VAE(size=28, channels=1, network="mlp", latent=2, width=8)
    >>> digits = -np.ones((16, 1, 28, 28), np.float32)
    >>> list(model.training_step({"images": digits}))
    ['loss', 'reconstruction', 'kl']
    >>> model.encode(digits).shape, model.sample(3).shape
    ((16, 2), (3, 1, 28, 28))
    """

    @dataclass(frozen=True)
    class Options(BaseVAE.Options):
        """Options of the VAE."""

        beta: float = option(
            1.0,
            "weight of the KL: above 1 for a simpler code, below 1 for sharper images",
            minimum=0,
            below=float("inf"),
        )
        prior: str = option(
            "normal",
            "distribution of the codes before an image is seen: normal is N(0, I); flow is learned, so that samples "
            "come from where codes of images are",
            choices=("normal", "flow"),
        )

    options: Options

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Compute minus the ELBO, with the KL times beta; see `BaseVAE.loss`."""
        return beta_vae_loss(log_likelihood, self.kl(mu, log_var, eps), self.options.beta)
