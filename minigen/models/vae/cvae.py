"""CVAE: a VAE that is told the class, and draws the one asked for (Sohn, Lee & Yan 2015).

Encoder and decoder both get the label (``derivation("cvae")`` says why both), one-hot.  The code is left with what the
label does not say: of a digit slant, width, stroke.
"""

from typing import ClassVar

from ..losses import cvae_loss
from ..tensor import Tensor
from .variational import SHARED_OPTIONS, Variational

__all__ = ["CVAE"]


class CVAE(Variational):
    """A conditional variational autoencoder.

    Parameters
    ----------
    size, channels, network, latent, width, depth, likelihood, dropout, weight_decay, lr, ema
        See `VAE`.
    classes : int
        How many classes the labels name.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = CVAE(size=28, channels=1, network="mlp", width=8)
    >>> numbers = model.training_step(-np.ones((16, 1, 28, 28), np.float32), np.arange(16) % 10)
    >>> model.sample(4, labels=7).shape
    (4, 1, 28, 28)
    """

    OPTIONS: ClassVar[dict[str, str]] = {**SHARED_OPTIONS, "classes": "how many classes the data has"}

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
        classes: int = 10,
    ):
        if classes < 1:
            raise ValueError(f"cvae: classes must be at least 1, got {classes}")
        shared = (network, latent, width, depth, likelihood, dropout, weight_decay, lr, ema)
        super().__init__("cvae", size, channels, *shared, classes=classes)

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Minus the conditional ELBO, with the prior N(0, I) for every class; see `Variational.loss`."""
        return cvae_loss(log_likelihood, mu, log_var)
