"""CVAE: a VAE that is given the class, and makes an image of it (Sohn, Lee & Yan 2015).

Encoder and decoder both get the label, one-hot (``derivation("cvae")`` says why both).  The code keeps what the label
does not say: slant, width and stroke of a digit.
"""

from dataclasses import dataclass

from ...losses import cvae_loss
from ...tensor import Tensor
from ..options import option
from ..registry import register
from .base import BaseVAE

__all__ = ["CVAE"]


@register("cvae")
class CVAE(BaseVAE):
    """CVAE: a VAE that is given the class, and makes an image of it (Sohn, Lee & Yan 2015).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = CVAE(size=28, channels=1, network="mlp", width=8)
    >>> digits = -np.ones((16, 1, 28, 28), np.float32)
    >>> numbers = model.training_step({"images": digits, "labels": np.arange(16) % 10})
    >>> model.sample(4, labels=7).shape
    (4, 1, 28, 28)
    """

    @dataclass(frozen=True)
    class Options(BaseVAE.Options):
        """Options of the CVAE."""

        classes: int = option(10, "number of classes of the data", minimum=1, from_data=True)

    options: Options

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Compute minus the conditional ELBO, with the prior N(0, I) for every class; see `BaseVAE.loss`."""
        return cvae_loss(log_likelihood, mu, log_var)
