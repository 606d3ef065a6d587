"""GAN: the first one, with dense layers only (Goodfellow et al. 2014, arXiv 1406.2661).

A dense layer does not know which pixels are neighbors.  These networks must learn what convolutions are given, and
their digits keep specks that those of a `DCGAN` do not have.  The networks are `mlp_networks` in
`minigen.models.networks.gan`, the training step is in `minigen.models.gan.base`.
"""

from dataclasses import dataclass
from typing import ClassVar

from ..networks.gan import Networks, mlp_networks
from ..options import option
from ..registry import register
from .techniques import StabilizedGAN

__all__ = ["MLPGAN"]


@register("gan")
class MLPGAN(StabilizedGAN):
    """GAN: the first one, with dense layers only (Goodfellow et al. 2014).

    Raises
    ------
    ValueError
        If an option is not allowed.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> MLPGAN(size=28, channels=1).sample(2).shape
    (2, 1, 28, 28)
    """

    @dataclass(frozen=True)
    class Options(StabilizedGAN.Options):
        """Options of the dense GAN."""

        width: int = option(128, "units in each hidden layer", minimum=1)

    EPOCHS: ClassVar[int] = 60
    options: Options

    def build_networks(self) -> Networks:
        """Build the dense networks, with the techniques that the options ask for."""
        o = self.options
        return self.stabilized(lambda m: mlp_networks(o.size, m * o.channels, self.latent, o.width))
