r"""DCGAN: a generator and a discriminator made of convolutions (Radford, Metz, Chintala 2016, arXiv 1511.06434).

**The rules of that paper** (section 3), which made adversarial training of convolutions work: strided convolutions in
place of pooling; batch norm in both networks, except at the generator's output and the discriminator's input; ReLU in
the generator with tanh at its end (images lie in [-1, 1]); LeakyReLU of slope 0.2 in the discriminator; weights start
as N(0, 0.02); Adam with learning rate 2e-4 and :math:`\beta_1 = 0.5`.

Our defaults differ where 1,500 steps on 4,000 images must do what the paper did in many more on millions: labels
smoothed by 0.1, and a learning rate that begins at 0.01 and falls linearly to 0.  With the paper's 2e-4 and no
smoothing the discriminator is soon far ahead, and the strokes stay ragged.

**Why so high a rate, and why it must fall.**  Large moves find rough digits of all kinds in a few hundred steps.  Batch
norm allows them: what a layer gives does not depend on the scale of its weights, so that a move which was too long
makes them longer, and the next moves small beside them.  (Two games do not bear it, and begin at 5e-4.  S4's networks
have no batch norm, and at 0.01 draw one and the same image.  With minimax D's first wild moves win the game, and G,
whose gradient then vanishes, never hears of it.)  But two players who go on moving at full speed circle around the
solution of their game: each answers to where the other was, and no stroke gets finished.  As the rate falls they
settle.  The loop tells the model how far it is (`schedule`); who trains by hand must do so too, or choose a rate that
may stay, such as 5e-4.

Three pairs of networks, each for images of 28, 32 or 64 pixels (and other sizes that halve well) with 1 or 3 channels:

======= ===================================================================================================
name    what it is
======= ===================================================================================================
small   the paper's design, as wide as a laptop likes; the default
s3      S3's listing in the errata lesson, repaired: batch norm, k4 s2.  At 64x64x3 G has 168,771 trainable
        parameters and D 676,033
s4      S4's listing in the errata lesson, repaired (its generator made 14x14 images): no batch norm, k5,
        dropout.  At 28x28x1 G has 2,656,897 parameters and D 212,865
======= ===================================================================================================
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from .. import nn
from ..optim import Adam
from .adversarial import GAME_OPTIONS, Adversarial, Networks
from .base import halvings

__all__ = ["DCGAN", "s3_networks", "s4_networks", "small_networks"]


class DCGAN(Adversarial):
    """A generator and a discriminator, and the game that trains them.

    Parameters
    ----------
    size, channels : int
        Of the images.
    network : {"small", "s3", "s4"}
    latent : int
        Length of the noise vector z.
    width : int, optional
        Channels next to the image, for the small networks only; 32 if not given.
    loss : {"non_saturating", "minimax", "lsgan", "hinge"}
        What the two play for; see `minigen.models.adversarial`.
    lr : float, optional
        Adam's learning rate at the start, of both players; if not given 0.01, or 5e-4 for s4 and minimax.
    beta1 : float
        Adam's first decay rate.
    smoothing : float
        Real images are labelled 1 - smoothing; see `minigen.losses.label_smoothing_d`.
    lr_decay : float
        Share of the training, at its end, in which the learning rates fall linearly to 0.
    ema : float
        Decay of the average of the generator's weights that samples are drawn with; 0 for the weights as they are.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = DCGAN(size=28, channels=1, width=8)
    >>> numbers = model.training_step(np.zeros((16, 1, 28, 28), np.float32))
    >>> list(numbers)
    ['loss_d', 'loss_g', 'd_real', 'd_fake']
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "network": "which networks: small, s3 or s4 (two published listings, repaired)",
        "latent": "length of the noise vector",
        "width": "channels next to the image, for the small networks (default: 32)",
        **GAME_OPTIONS,
        "lr": "learning rate of both players at the start (default: 0.01; 0.0005 for s4 and minimax)",
    }
    EPOCHS: ClassVar[int] = 12

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        *,
        network: str = "small",
        latent: int = 100,
        width: int | None = None,
        loss: str = "non_saturating",
        lr: float | None = None,
        beta1: float = 0.5,
        smoothing: float = 0.1,
        lr_decay: float = 1.0,
        ema: float = 0.0,
    ):
        if network not in ("small", "s3", "s4"):
            raise ValueError(f"dcgan: network must be small, s3 or s4, got {network!r}")
        if width is not None and network != "small":
            raise ValueError(f"dcgan: width is an option of the small networks, not of {network}")
        networks: dict[str, Callable[[int, int, int], Networks]] = {
            "small": partial(small_networks, width=32 if width is None else width),
            "s3": s3_networks,
            "s4": s4_networks,
        }
        if lr is None:
            lr = 5e-4 if network == "s4" or loss == "minimax" else 1e-2
        # The game has no fixed loss surface: what was downhill changes with every move of the other player.  A beta1 of
        # 0.5 averages the gradient over about 2 steps, where the usual 0.9 remembers 10.
        optimizer = partial(Adam, lr=lr, betas=(beta1, 0.999))
        super().__init__(
            "dcgan",
            networks[network],
            optimizer,
            size,
            channels,
            latent,
            loss=loss,
            smoothing=smoothing,
            lr_decay=lr_decay,
            ema=ema,
        )


def small_networks(
    size: int, channels: int, latent: int = 100, width: int = 32, classes: int = 0, norm: str = "batch"
) -> Networks:
    """The paper's design: from the image down to 4 to 7 pixels, twice the channels at half the size.

    Parameters
    ----------
    size, channels : int
        Of the images; `size` must halve to between 4 and 7 pixels: 28, 32, 64, and 8, 12, 16, 20, 24, 40, 48, 56 ...
    latent : int
    width : int
        Channels of D's first layer.
    classes : int
        Length of the condition: so many more inputs of the generator, and channels of D's input.
    norm : {"batch", "layer", "instance", "none"}
        Of the discriminator.  A critic must judge every image by itself, which batch norm does not; "layer" and
        "instance" standardise within an image, over all of it or each channel by itself.

    Returns
    -------
    generator : (N, latent + classes) -> (N, channels, size, size) in [-1, 1]
    discriminator : (N, channels + classes, size, size) -> (N, 1) logits

    Raises
    ------
    ValueError
        If `size` does not halve as it must, or an option is out of range.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    *halved, base = halvings(size, 4)
    if not halved or base > 7:
        raise ValueError(
            f"the small networks need a size that halves to 4 to 7 pixels, such as 28, 32 or 64, got {size}"
        )
    widths = [width * 2**i for i in range(len(halved))]

    # A bias before batch norm would be subtracted again with the mean: left out.
    layers = [
        nn.Linear(latent + classes, widths[-1] * base * base, bias=False),
        nn.Unflatten(1, (widths[-1], base, base)),
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
    ]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1]):
        # k4 s2: every output pixel is met by the same number (2 x 2) of kernel elements.  With an odd kernel at stride
        # 2 the number alternates, which shows as a checkerboard.
        layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
    layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]

    judge: list[nn.Module] = [nn.Conv2d(channels + classes, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for narrow, wide in zip(widths, widths[1:]):
        judge += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=norm == "none"), *NORMS[norm](wide), nn.LeakyReLU(0.2)]
    judge += [nn.Flatten(), nn.Linear(widths[-1] * base * base, 1)]
    return _start(nn.Sequential(*layers)), _start(nn.Sequential(*judge))


NORMS: dict[str, Callable[[int], list[nn.Module]]] = {
    "batch": lambda channels: [nn.BatchNorm2d(channels)],
    "layer": lambda channels: [nn.GroupNorm(1, channels)],  # one group of all channels: a layer norm for any size
    "instance": lambda channels: [nn.InstanceNorm2d(channels, affine=True)],
    "none": lambda channels: [],
}
"""What may stand after a convolution of the small discriminator."""


def s3_networks(size: int, channels: int, latent: int = 100) -> Networks:
    """S3's listing, repaired: logits in place of a sigmoid, training mode, one channel order.

    At 64 pixels as listed.  Smaller images start from fewer pixels, and at 28 from 7 with one layer fewer.

    Parameters
    ----------
    size, channels, latent : int
        `size` 28, or a multiple of 8 from 16.

    Returns
    -------
    generator, discriminator
        As `small_networks`.

    Raises
    ------
    ValueError
        If `size` is something else.
    """
    if size != 28 and (size % 8 or size < 16):
        raise ValueError(f"the s3 networks need size 28 or a multiple of 8 from 16, got {size}")
    widths = [64] if size == 28 else [128, 64]
    base = size // 2 ** (len(widths) + 1)
    layers = [nn.Linear(latent, 4 * base * base), nn.LeakyReLU(0.2), nn.Unflatten(1, (4, base, base))]
    for before, after in zip([4, *widths], widths):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    layers += [nn.ConvTranspose2d(64, channels, 4, 2, 1), nn.Tanh()]

    judge = nn.Sequential(
        nn.Conv2d(channels, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, 2, 1),
        nn.BatchNorm2d(256),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(256 * (size // 8) ** 2, 1),
    )
    return _start(nn.Sequential(*layers)), _start(judge)


def s4_networks(size: int, channels: int, latent: int = 100) -> Networks:
    """S4's listing, repaired: one more transposed convolution (128-64-1), without which 28x28 came out as 14x14.

    Kept from the listing: k5 s2 with "same" padding, which at even sizes pads 1 before and 2 after.

    Parameters
    ----------
    size, channels, latent : int
        `size` a multiple of 4.

    Returns
    -------
    generator, discriminator
        As `small_networks`.

    Raises
    ------
    ValueError
        If `size` is something else.
    """
    if size % 4 or size < 4:
        raise ValueError(f"the s4 networks need a size that is a multiple of 4, got {size}")
    base = size // 4
    generator = nn.Sequential(
        nn.Linear(latent, 128),
        nn.ReLU(),
        nn.Linear(128, 256 * base * base),
        nn.ReLU(),
        nn.Unflatten(1, (256, base, base)),
        nn.ConvTranspose2d(256, 128, 5, 1, "same"),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 5, 2, "same"),
        nn.ReLU(),
        nn.ConvTranspose2d(64, channels, 5, 2, "same"),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(channels, 64, 5, 2, "same"),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Conv2d(64, 128, 5, 2, "same"),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(128 * base * base, 1),
    )
    return generator, discriminator


def _start(network: nn.Sequential) -> nn.Sequential:
    """The paper's starting weights.  Not for S4's: without batch norm N(0, 0.02) would shrink the signal to nothing."""
    network.apply(nn.init.dcgan_)
    return network
