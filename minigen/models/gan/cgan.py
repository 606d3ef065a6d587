r"""CGAN: a GAN that is given the class, and makes an image of it (Mirza & Osindero 2014, arXiv 1411.1784).

Both networks get the condition c: $\min_G \max_D E_{(x, c)}[\log D(x, c)] + E_{z, c}[\log(1 - D(G(z, c), c))]$ (the
paper's equation 2).  The losses are those of any GAN.  What is new is the question that D answers: not "is this a real
image?" but "is this a real image *of this class*?"  For the label 7 a good 3 counts as generated.

**Jointly.**  The real pairs (x, c) are images with their own labels.  If the labels were drawn independently of the
images, they would fit by chance only, D would learn that the label means nothing, and G could ignore it.

**How the condition is given.**  One-hot, because classes have no order.  It is appended to the noise, and for a dense D
to the pixels.  A convolutional D computes on small patches, so it gets *label maps*: a channel for each class, 1
everywhere for the image's own class and 0 for the others.

**How long.**  Digits look right first, and are the digit asked for later: after 16 epochs at a constant rate an
independent classifier reads 9 of 10 samples as their label; after 50 epochs, with a rate that falls to 0, 98 of 100.
``minigen evaluate RUN --classify 10000`` measures it (`minigen.metrics.class_accuracy`).
"""

from dataclasses import dataclass
from typing import ClassVar

from ..networks.gan import Networks, builder
from ..options import option
from ..registry import register
from .base import GAN

__all__ = ["CGAN"]


@register("cgan")
class CGAN(GAN):
    """CGAN: a GAN that is given the class, and makes an image of it (Mirza & Osindero 2014).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = CGAN(size=28, channels=1, width=8)
    >>> images = np.zeros((16, 1, 28, 28), np.float32)
    >>> numbers = model.training_step({"images": images, "labels": np.arange(16) % 10})
    >>> model.sample(4, labels=7).shape
    (4, 1, 28, 28)
    """

    @dataclass(frozen=True)
    class Options(GAN.Options):
        """Options of the CGAN."""

        network: str = option("conv", "networks; see minigen.models.networks", choices=("conv", "mlp"))
        width: int | None = option(
            None,
            "channels of D's first layer for conv (default: 32), units of a layer for mlp (default: 128)",
            minimum=1,
        )
        classes: int = option(10, "number of classes of the data", minimum=1, from_data=True)
        lr_decay: float = 1.0

    EPOCHS: ClassVar[int] = 50
    options: Options

    def build_networks(self) -> Networks:
        """Build the networks that the option `network` names, for image and class."""
        return builder(self.options.network, self.options.width, self.classes)(
            self.options.size, self.options.channels, self.latent
        )
