r"""DCGAN: a generator and a discriminator made of convolutions (Radford, Metz, Chintala 2016, arXiv 1511.06434).

**The rules of that paper** (section 3), which made adversarial training of convolutions work: strided convolutions in
place of pooling; batch norm in both networks, except at the generator's output and the discriminator's input; ReLU in
the generator with tanh at its end (images lie in [-1, 1]); LeakyReLU of slope 0.2 in the discriminator; weights start
as N(0, 0.02); Adam with learning rate 2e-4 and :math:`\beta_1 = 0.5`.

Our defaults differ where 2,000 steps on 4,000 images must do what the paper did in hundreds of thousands of steps on
millions: a learning rate of 5e-4, and labels smoothed by 0.1.  At 2e-4 without smoothing the discriminator soon knows the
images by heart and the generator's strokes stay ragged.

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
from typing import ClassVar

import numpy as np

from .. import nn
from ..creation import randn
from ..losses import non_saturating_d, non_saturating_g
from ..optim import Adam
from ..tensor import Tensor, tensor
from .base import GenerativeModel, halvings

__all__ = ["DCGAN", "s3_networks", "s4_networks", "small_networks"]

Networks = tuple[nn.Sequential, nn.Sequential]


class DCGAN(GenerativeModel):
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
    lr : float
        Adam's learning rate, of both players.
    beta1 : float
        Adam's first decay rate.
    smoothing : float
        Real images are labelled 1 - smoothing; see `minigen.losses.non_saturating_d`.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.

    Examples
    --------
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
        "lr": "learning rate of both players",
        "beta1": "Adam's first decay rate: lower follows the other player faster",
        "smoothing": "label real images 1 - SMOOTHING, to keep the discriminator humble",
    }

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        *,
        network: str = "small",
        latent: int = 100,
        width: int | None = None,
        lr: float = 5e-4,
        beta1: float = 0.5,
        smoothing: float = 0.1,
    ):
        super().__init__()
        if network not in ("small", "s3", "s4"):
            raise ValueError(f"dcgan: network must be small, s3 or s4, got {network!r}")
        for name, value in (("channels", channels), ("latent", latent), ("width", width)):
            if value is not None and value < 1:
                raise ValueError(f"dcgan: {name} must be at least 1, got {value}")
        if not 0 <= smoothing < 1:
            raise ValueError(f"dcgan: smoothing must be at least 0 and below 1, got {smoothing}")
        if width is not None and network != "small":
            raise ValueError(f"dcgan: width is an option of the small networks, not of {network}")
        if network == "small":
            self.generator, self.discriminator = small_networks(size, channels, latent, width or 32)
        else:
            builder: Callable[[int, int, int], Networks] = s3_networks if network == "s3" else s4_networks
            self.generator, self.discriminator = builder(size, channels, latent)
        self.latent, self.smoothing = latent, smoothing
        # The game has no fixed loss surface: what was downhill changes with every move of the other player.  A beta1 of
        # 0.5 averages the gradient over about 2 steps, where the usual 0.9 remembers 10.
        self.optimizers = {
            "generator": Adam(self.generator.parameters(), lr, (beta1, 0.999)),
            "discriminator": Adam(self.discriminator.parameters(), lr, (beta1, 0.999)),
        }

    def training_step(self, data: np.ndarray, labels: np.ndarray | None = None) -> dict[str, float]:
        """One move of each player on one batch.

        Parameters
        ----------
        data : ndarray (N, C, H, W)
            Real images in [-1, 1].
        labels : ignored
            A plain GAN has no use for classes.

        Returns
        -------
        dict
            ``loss_d`` (2 log 2 = 1.386 when D cannot tell), ``loss_g`` (log 2 = 0.693 then), and the mean probability
            "real" that D gave to real and to generated images before its move.
        """
        real = tensor(data)
        fake = self.generator(randn(len(data), self.latent))

        # The discriminator's move.  Its two batches go through it one after the other, as in the paper: batch norm then
        # standardises each by its own statistics, and D cannot compare an image with the rest of a mixture.
        # detach: to D the fakes are given images; this loss must not teach G, which would learn to be found out.
        # (`descend` asks for D's gradients only, so here it says what would hold anyway, and saves keeping G's graph.)
        real_logits = self.discriminator(real)
        fake_logits = self.discriminator(fake.detach())
        loss_d = non_saturating_d(real_logits, fake_logits, self.smoothing)
        self.descend(loss_d, self.optimizers["discriminator"])

        # The generator's move, against the discriminator as it is now: the same images are judged again, by the new
        # weights.  No detach: the gradient reaches G through D.
        loss_g = non_saturating_g(self.discriminator(fake))
        self.descend(loss_g, self.optimizers["generator"])

        return {
            "loss_d": loss_d.item(),
            "loss_g": loss_g.item(),
            "d_real": real_logits.detach().sigmoid().mean().item(),
            "d_fake": fake_logits.detach().sigmoid().mean().item(),
        }

    def generate(self, n: int, generator: np.random.Generator) -> Tensor:
        """`n` images (n, C, H, W), in whatever mode the networks are; see `sample`."""
        return self.generator(randn(n, self.latent, generator=generator))


def small_networks(size: int, channels: int, latent: int = 100, width: int = 32) -> Networks:
    """The paper's design: from the image down to 4 to 7 pixels, twice the channels at half the size.

    Parameters
    ----------
    size, channels : int
        Of the images; `size` must halve to between 4 and 7 pixels: 28, 32, 64, and 8, 12, 16, 20, 24, 40, 48, 56 ...
    latent : int
    width : int
        Channels of D's first layer.

    Returns
    -------
    generator : (N, latent) -> (N, channels, size, size) in [-1, 1]
    discriminator : (N, channels, size, size) -> (N, 1) logits

    Raises
    ------
    ValueError
        If `size` does not halve as it must.
    """
    *halved, base = halvings(size, 4)
    if not halved or base > 7:
        raise ValueError(
            f"dcgan: the small networks need a size that halves to 4 to 7 pixels, such as 28, 32 or 64, got {size}"
        )
    widths = [width * 2**i for i in range(len(halved))]

    # A bias before batch norm would be subtracted again with the mean: left out.
    layers = [
        nn.Linear(latent, widths[-1] * base * base, bias=False),
        nn.Unflatten(1, (widths[-1], base, base)),
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
    ]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1]):
        # k4 s2: every output pixel is met by the same number (2 x 2) of kernel elements.  With an odd kernel at stride
        # 2 the number alternates, which shows as a checkerboard.
        layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
    layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]

    judge: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for narrow, wide in zip(widths, widths[1:]):
        judge += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
    judge += [nn.Flatten(), nn.Linear(widths[-1] * base * base, 1)]
    return _start(nn.Sequential(*layers)), _start(nn.Sequential(*judge))


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
        raise ValueError(f"dcgan: the s3 networks need size 28 or a multiple of 8 from 16, got {size}")
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
        raise ValueError(f"dcgan: the s4 networks need a size that is a multiple of 4, got {size}")
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
