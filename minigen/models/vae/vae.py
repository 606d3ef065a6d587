"""VAE and beta-VAE: images from codes, and codes from images (Kingma & Welling 2014, arXiv 1312.6114).

The encoder says of each image which codes it may have, q(z | x); the decoder draws an image for a code, p(x | z); both
are trained together on minus the ELBO, which `minigen.losses` derives (``derivation("elbo")``).  beta weighs its KL
term (Higgins et al. 2017; ``derivation("beta_vae")``): 1 is the VAE.
"""

from typing import ClassVar

from ..arguments import check_number
from ..losses import beta_vae_loss, gaussian_kl
from ..tensor import Tensor
from .variational import SHARED_OPTIONS, Variational

__all__ = ["VAE"]


class VAE(Variational):
    """A variational autoencoder.

    Parameters
    ----------
    size, channels : int
        Of the images.
    network : {"small", "mlp", "s0", "s2"}
        See `minigen.models.vae_networks`.
    latent : int, optional
        Length of the code; by default 20, or what the listing has.  With 2, `manifold` shows the whole of it.
    width, depth : int, optional
        Of the small and mlp networks; by default as these say.
    likelihood : {"bernoulli", "gaussian"}
        Of a pixel.
    beta : float
        Weight of the KL against the reconstruction.
    dropout : float
        Share of hidden features that are dropped in training, in the small and mlp networks.
    weight_decay : float
        AdamW's.
    lr : float
        Learning rate.
    ema : float
        The average weights of about 1 / (1 - ema) steps measure and draw; 0 for the last step's.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = VAE(size=28, channels=1, network="mlp", latent=2, width=8)
    >>> digits = -np.ones((16, 1, 28, 28), np.float32)
    >>> list(model.training_step(digits))
    ['loss', 'reconstruction', 'kl']
    >>> model.encode(digits).shape, model.reconstruct(digits).shape, model.manifold(side=5).shape
    ((16, 2), (16, 1, 28, 28), (25, 1, 28, 28))
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        **SHARED_OPTIONS,
        "beta": "weight of the KL: above 1 for a simpler code, below 1 for sharper images",
    }

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        *,
        network: str = "small",
        latent: int | None = None,
        width: int | None = None,
        depth: int | None = None,
        likelihood: str = "bernoulli",
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        lr: float = 2e-3,
        ema: float = 0.995,
        beta: float = 1.0,
    ):
        check_number("vae", "beta", beta)
        shared = (network, latent, width, depth, likelihood, dropout, weight_decay, lr, ema)
        super().__init__("vae", size, channels, *shared)
        self.beta = beta

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Minus the ELBO, its KL in closed form and times beta; see `Variational.loss`."""
        return beta_vae_loss(log_likelihood, gaussian_kl(mu, log_var), self.beta)
