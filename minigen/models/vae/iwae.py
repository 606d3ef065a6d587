"""IWAE: a VAE trained on a tighter bound, of several weighted codes an image (Burda et al. 2016, arXiv 1509.00519).

The same networks as the VAE's and another loss, ``derivation("iwae")``: a code that explains its image badly costs
little if another explains it well, so that q(z | x) may spread wider and the decoder is not held to posteriors that are
Gaussian.
"""

from typing import ClassVar

from ..losses import iwae_loss, monte_carlo_kl
from ..ops.elementwise import maximum
from ..tensor import Tensor, tensor
from .variational import SHARED_OPTIONS, Variational

__all__ = ["IWAE"]


class IWAE(Variational):
    """An importance-weighted autoencoder.

    Parameters
    ----------
    size, channels, network, latent, width, depth, likelihood, dropout, weight_decay, lr, ema
        See `VAE`; the mlp networks by default, because every image is decoded `samples` times.
    samples : int
        Codes an image; with 1 this is the VAE, but for the KL, which is estimated from the code drawn.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = IWAE(size=28, channels=1, width=8, samples=5)
    >>> digits = -np.ones((16, 1, 28, 28), np.float32)
    >>> numbers = model.training_step(digits)
    >>> bool(numbers["loss"] < numbers["reconstruction"] + numbers["kl"])  # the tighter bound
    True
    >>> model.log_likelihood(digits, samples=20).shape
    (16,)
    """

    OPTIONS: ClassVar[dict[str, str]] = {**SHARED_OPTIONS, "samples": "weighted codes drawn for each image"}

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        *,
        network: str = "mlp",
        latent: int | None = None,
        width: int | None = None,
        depth: int | None = None,
        likelihood: str = "bernoulli",
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        lr: float = 2e-3,
        ema: float = 0.995,
        samples: int = 50,
    ):
        shared = (network, latent, width, depth, likelihood, dropout, weight_decay, lr, ema)
        super().__init__("iwae", size, channels, *shared, samples=samples)

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Minus the importance-weighted bound; see `Variational.loss`.

        Each code needs its own log q - log p, so the KL is the one of the sample, not the closed form.  The log-weights
        are not detached: the gradient of the logsumexp is what weighs the codes.
        """
        log_weights = log_likelihood - monte_carlo_kl(mu, log_var, eps)
        # Weights below e^-60 of an image's greatest count for nothing in float32, in the sum and in the gradient;
        # but they make subnormal numbers of the gradients, with which processors are slow.  The floor makes them zeros.
        floor = tensor(log_weights.data.max(0) - 60)
        return iwae_loss(maximum(log_weights, floor))
