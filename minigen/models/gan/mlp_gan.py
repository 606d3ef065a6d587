r"""GAN: the first one, with dense layers only (Goodfellow et al. 2014, arXiv 1406.2661).

The networks are S1's listing in the errata lesson, repaired: at 28x28x1 a generator 100-128-128-784 with 130,576
parameters and a discriminator 784-128-128-1 with 117,121, LeakyReLU of slope 0.2 between the layers.  What had to be
repaired: D never flattened its input (and so gave 28 outputs an image), and ended in a sigmoid before a loss that
expects logits.

**The last activation.**  The listing ends G in a sigmoid, for pixels in [0, 1].  Our images lie in [-1, 1], so ours
ends in tanh.  It is the same function on another scale, :math:`\tanh(a) = 2\sigma(2a) - 1`, and has no parameters.

A dense layer does not know which pixels are neighbours.  What convolutions get for free these networks must learn, and
their digits keep specks that a `DCGAN`'s do not have.
"""

from functools import partial
from typing import ClassVar

from .. import nn
from ..optim import Adam
from .adversarial import GAME_OPTIONS, Adversarial, Networks

__all__ = ["DenseGAN", "dense_networks"]


class DenseGAN(Adversarial):
    """A dense generator and a dense discriminator.

    Parameters
    ----------
    size, channels : int
        Of the images.
    latent : int
        Length of the noise vector z.
    width : int
        Units in each hidden layer.
    lr : float
        Adam's learning rate at the start, of both players.
    loss, beta1, smoothing, lr_decay, ema
        See `DCGAN`.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> DenseGAN(size=28, channels=1).sample(2).shape
    (2, 1, 28, 28)
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "latent": "length of the noise vector",
        "width": "units in each hidden layer",
        **GAME_OPTIONS,
    }
    EPOCHS: ClassVar[int] = 60

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        *,
        latent: int = 100,
        width: int = 128,
        loss: str = "non_saturating",
        lr: float = 5e-4,
        beta1: float = 0.5,
        smoothing: float = 0.1,
        lr_decay: float = 0.0,
        ema: float = 0.0,
    ):
        # Why beta1 is 0.5 is said at the DCGAN.
        super().__init__(
            "gan",
            partial(dense_networks, width=width),
            partial(Adam, lr=lr, betas=(beta1, 0.999)),
            size,
            channels,
            latent,
            loss=loss,
            smoothing=smoothing,
            lr_decay=lr_decay,
            ema=ema,
        )


def dense_networks(size: int, channels: int, latent: int = 100, width: int = 128, classes: int = 0) -> Networks:
    """S1's listing, repaired, for images of any size.

    Parameters
    ----------
    size, channels : int
        Of the images.
    latent : int
    width : int
        Units in each of the two hidden layers.
    classes : int
        Length of the one-hot condition that both get appended to their input.

    Returns
    -------
    generator : (N, latent + classes) -> (N, channels, size, size) in [-1, 1]
    discriminator : (N, channels, size, size), or (N, channels * size**2 + classes) -> (N, 1) logits

    Raises
    ------
    ValueError
        If `width` is less than 1.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    pixels = channels * size * size
    generator = nn.Sequential(
        nn.Linear(latent + classes, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, pixels),
        nn.Tanh(),
        nn.Unflatten(1, (channels, size, size)),
    )
    discriminator = nn.Sequential(
        nn.Flatten(),
        nn.Linear(pixels + classes, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, 1),
    )
    return generator, discriminator
