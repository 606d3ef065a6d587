r"""CGAN: a GAN that is told the class, and draws the one asked for (Mirza & Osindero 2014, arXiv 1411.1784).

Both players get the condition c: :math:`\min_G \max_D E_{(x, c)}[\log D(x, c)] + E_{z, c}[\log(1 - D(G(z, c), c))]`
(the paper's equation 2).  The losses are those of any GAN.  What is new is the question put to D: not "is this a real
image?" but "is this a real image *of this class*?"  A good 3 under the label 7 is a fake.

**Jointly.**  The real pairs (x, c) are images with their own labels.  Were the labels drawn apart from the images, they
would fit by chance only, D would learn that the label means nothing, and G could ignore it.

**How the condition gets in.**  One-hot, as classes have no order.  It is appended to the noise, and for a dense D to
the pixels.  A convolutional D sees a patch at a time, so it gets *label maps*: a channel for each class, 1 all over for
the image's own class and 0 for the others.

**How long.**  That digits look right comes first, that they are the digit asked for later: after 16 epochs at a
constant rate an independent classifier reads 9 of 10 samples as their label; after 50 epochs, with a rate that falls to
0 on the way, 98 of 100.  ``minigen evaluate RUN --classify 10000`` measures it (`minigen.metrics.class_accuracy`).
"""

from functools import partial
from typing import ClassVar

from ..optim import Adam
from .adversarial import GAME_OPTIONS, Adversarial
from .gan_networks import small_or_dense

__all__ = ["CGAN"]


class CGAN(Adversarial):
    """A generator and a discriminator that both know the class.

    Parameters
    ----------
    size, channels : int
        Of the images.
    network : {"small", "dense"}
        The small networks of `DCGAN`, or those of `DenseGAN`.
    latent : int
        Length of the noise vector z.
    width : int, optional
        Channels next to the image of the small networks (32 if not given), or units of a dense layer (128).
    classes : int
        How many classes the labels name.
    lr : float
        Adam's learning rate at the start, of both players.
    loss, beta1, smoothing, lr_decay, ema
        See `DCGAN`.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = CGAN(size=28, channels=1, width=8)
    >>> numbers = model.training_step(np.zeros((16, 1, 28, 28), np.float32), np.arange(16) % 10)
    >>> model.sample(4, labels=7).shape
    (4, 1, 28, 28)
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "network": "which networks: small (convolutions) or dense",
        "latent": "length of the noise vector",
        "width": "channels next to the image of small (default: 32), units of a layer of dense (default: 128)",
        "classes": "how many classes the data has",
        **GAME_OPTIONS,
    }
    EPOCHS: ClassVar[int] = 50

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        *,
        network: str = "small",
        latent: int = 100,
        width: int | None = None,
        classes: int = 10,
        loss: str = "non_saturating",
        lr: float = 5e-4,
        beta1: float = 0.5,
        smoothing: float = 0.1,
        lr_decay: float = 1.0,
        ema: float = 0.0,
    ):
        if classes < 1:
            raise ValueError(f"cgan: classes must be at least 1, got {classes}")
        super().__init__(
            "cgan",
            small_or_dense("cgan", network, width, classes),
            partial(Adam, lr=lr, betas=(beta1, 0.999)),
            size,
            channels,
            latent,
            loss=loss,
            smoothing=smoothing,
            lr_decay=lr_decay,
            ema=ema,
            classes=classes,
            flat=network == "dense",
        )
