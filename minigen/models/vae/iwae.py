"""IWAE: a VAE trained on a tighter bound, of several weighted codes an image (Burda et al. 2016, arXiv 1509.00519).

The same networks as the VAE and another loss, ``derivation("iwae")``: a code that explains its image badly costs little
if another code explains it well.  So q(z | x) may be wider, and the true posterior need not be Gaussian.
"""

from dataclasses import dataclass

from ...losses import iwae_loss
from ...ops.elementwise import maximum
from ...tensor import Tensor, tensor
from ..options import option
from ..registry import register
from .base import BaseVAE

__all__ = ["IWAE"]


@register("iwae")
class IWAE(BaseVAE):
    """IWAE: a VAE trained on a tighter bound, of several weighted codes an image (Burda et al. 2016).

    The mlp networks are the default, because every image is decoded `samples` times.  With one sample this is the VAE,
    except that the KL is estimated from the code drawn.

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = IWAE(size=28, channels=1, width=8, samples=5)
    >>> digits = -np.ones((16, 1, 28, 28), np.float32)
    >>> numbers = model.training_step({"images": digits})
    >>> bool(numbers["loss"] < numbers["reconstruction"] + numbers["kl"])  # the tighter bound
    True
    """

    @dataclass(frozen=True)
    class Options(BaseVAE.Options):
        """Options of the IWAE."""

        network: str = "mlp"
        samples: int = option(50, "weighted codes drawn for each image", minimum=1)

    options: Options

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Compute minus the importance-weighted bound; see `BaseVAE.loss`.

        Each code needs its own log q - log p, so the KL is that of the sample, not the closed form.  The log-weights
        are not detached: the gradient of the logsumexp weights the codes.
        """
        log_weights = log_likelihood - self.sampled_kl(mu, log_var, eps)
        # Weights below e^-60 of the largest one of an image do not change the sum or the gradient in float32.  But they
        # make gradients subnormal, which is slow on CPUs.  With this floor they become zero.
        floor = tensor(log_weights.data.max(0) - 60)
        return iwae_loss(maximum(log_weights, floor))
