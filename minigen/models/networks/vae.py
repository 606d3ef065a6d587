"""Encoders and decoders of the variational autoencoders.

Four pairs, each for images of 28, 32 or 64 pixels (and other sizes that halve well) with 1 or 3 channels:

======= =============================================================================================================
name    what it is
======= =============================================================================================================
small   convolutions with batch norm, as wide as a laptop likes; the default
mlp     two dense layers in each (Burda et al. 2016), and batch norm; cheap where many codes of an image are decoded
s0      S0's listing in the errata lesson, repaired.  At 64x64x3 its encoder has 16,987,520 parameters, at 32x32x3 its
        decoder 2,081,667
s2      S2's listing in the errata lesson, repaired: dense, 512-256-128-64 and a code of 32, and the mirror of that
======= =============================================================================================================

What had to be repaired: both listings made *one* vector a code, and so were plain autoencoders.  A VAE's encoder has
two heads, the mean and the log-variance of q(z | x), both without an activation: a ReLU there (S0) forbids negative
means, a sigmoid (S2) means outside (0, 1).  And a decoder ends in numbers without bounds: logits, or means of p(x | z).
"""

from collections.abc import Callable

from .. import nn
from ..ops.shape import cat
from ..tensor import Tensor
from .base import halvings
from .condition import with_label_maps

__all__ = ["NETWORKS", "Encoder", "mlp_networks", "s0_networks", "s2_networks", "small_networks"]


class Encoder(nn.Module):
    """From an image to the mean and the log-variance of its code: a body, and a linear head for each.

    Parameters
    ----------
    body : Module
        (N, C, H, W), or flat (N, C*H*W), to (N, features).
    features, latent : int
    flat : bool
        Whether the body takes flat images.

    Examples
    --------
    >>> import minigen as mg
    >>> encoder = Encoder(nn.Linear(64, 16), features=16, latent=2, flat=True)
    >>> mu, log_var = encoder(mg.zeros(5, 1, 8, 8))
    >>> mu.shape, log_var.shape
    ((5, 2), (5, 2))
    """

    def __init__(self, body: nn.Module, features: int, latent: int, flat: bool = False):
        super().__init__()
        self.body, self.flat = body, flat
        self.mu = nn.Linear(features, latent)
        self.log_var = nn.Linear(features, latent)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The parameters of q(z | x), or of q(z | x, c).

        Parameters
        ----------
        x : Tensor (N, C, H, W)
        condition : Tensor (N, classes), optional
            One-hot.  A dense body gets it appended to the pixels, a convolutional one as label maps.

        Returns
        -------
        mu, log_var : Tensor (N, latent)
        """
        if self.flat:
            x = x.flatten(1)
        if condition is not None:
            x = cat([x, condition], 1) if self.flat else with_label_maps(x, condition)
        features = self.body(x)
        return self.mu(features), self.log_var(features)


Networks = tuple[Encoder, nn.Sequential]


def small_networks(
    size: int,
    channels: int,
    latent: int,
    classes: int = 0,
    width: int = 16,
    depth: int | None = None,
    dropout: float = 0.0,
) -> Networks:
    """Strided convolutions from the image down to 4 to 7 pixels, a dense layer, and the mirror of both.

    Batch norm is what makes a few thousand images enough.  With mlp, 30 epochs on 3,600 digits leave -ELBO at 113 nats
    for 400 others with it and at 121 without.

    A short code must be unfolded by more layers than a long one: with a code of 2 that measure falls, after 40 epochs,
    from 156 nats with one dense layer next to it to 144 with four.  A code of 20 needs no unfolding, and behind three
    layers some of its components go unused (a KL of 16 nats in place of 23): 108 in place of 104, after 30 epochs.

    Parameters
    ----------
    size, channels : int
        Of the images; `size` must halve to between 4 and 7 pixels: 28, 32, 64, and 8, 12, 16, 20, 24, 40, 48, 56 ...
    latent : int
    classes : int
        Length of the one-hot condition that encoder and decoder both get; 0 for none.
    width : int
        Channels of the first layer; each further layer has twice as many at half the size.
    depth : int, optional
        Dense layers next to the code; by default 1, or 4 if the code has fewer than 5 components.
    dropout : float
        Share of the features that are dropped, in training.

    Returns
    -------
    encoder : (N, channels, size, size) to mu and log_var (N, latent)
    decoder : (N, latent + classes) to (N, channels, size, size), not bounded

    Raises
    ------
    ValueError
        If `size` does not halve as it must.
    """
    *halved, base = halvings(size, 4)
    if not halved or base > 7:
        raise ValueError(
            f"the small networks need a size that halves to 4 to 7 pixels, such as 28, 32 or 64, got {size}"
        )
    widths = [width * 2**i for i in range(len(halved))]
    flat, hidden = widths[-1] * base * base, 16 * width

    down: list[nn.Module] = []
    for narrow, wide in zip([channels + classes, *widths], widths):
        down += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
    depth = _own_depth(latent) if depth is None else depth
    down += [nn.Flatten(), *_dense([flat, *[hidden] * depth], dropout)]

    up = [*_dense([latent + classes, *[hidden] * depth], dropout), *_dense([hidden, flat])]
    up += [nn.Unflatten(1, (widths[-1], base, base))]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1]):
        up += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
    up += [nn.ConvTranspose2d(width, channels, 4, 2, 1)]
    return Encoder(nn.Sequential(*down), hidden, latent), nn.Sequential(*up)


def mlp_networks(
    size: int,
    channels: int,
    latent: int,
    classes: int = 0,
    width: int = 200,
    depth: int | None = None,
    dropout: float = 0.0,
) -> Networks:
    """A dense layer next to the image and `depth` next to the code; parameters and returns as `small_networks`.

    `width` is the number of units of every layer.
    """
    hidden = [width] * (1 + (_own_depth(latent) if depth is None else depth))
    pixels = channels * size * size
    up = [*_dense([latent + classes, *hidden], dropout), nn.Linear(width, pixels)]
    up += [nn.Unflatten(1, (channels, size, size))]
    return Encoder(
        nn.Sequential(*_dense([pixels + classes, *hidden], dropout)), width, latent, flat=True
    ), nn.Sequential(*up)


def _own_depth(latent: int) -> int:
    return 4 if latent < 5 else 1


def _dense(sizes: list[int], dropout: float = 0.0) -> list[nn.Module]:
    """Dense layers from the first size to the last, each with batch norm, ReLU and dropout."""
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:]):
        # A bias before batch norm would be subtracted again with the mean: left out.
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(dropout)]
    return layers


def s0_networks(size: int, channels: int, latent: int = 256, classes: int = 0) -> Networks:
    """S0's listing, repaired: two heads, and one size for both networks (its encoder took 64, its decoder made 32).

    Kept from the listing: k5 s2 with "same" padding, and hardly any layer between the convolutions and the code.  At 28
    pixels the decoder starts from 7 and has one layer fewer.

    Parameters
    ----------
    size, channels, latent, classes : int
        `size` 28, or a multiple of 8 from 16.

    Returns
    -------
    encoder, decoder
        As `small_networks`.

    Raises
    ------
    ValueError
        If `size` is something else.
    """
    if size != 28 and (size % 8 or size < 16):
        raise ValueError(f"the s0 networks need size 28 or a multiple of 8 from 16, got {size}")
    body = nn.Sequential(
        nn.Conv2d(channels + classes, 64, 5, 2, "same"),
        nn.ReLU(),
        nn.Conv2d(64, 128, 5, 2, "same"),
        nn.ReLU(),
        nn.Flatten(),
    )
    widths = [64] if size == 28 else [128, 64]
    base = size // 2 ** (len(widths) + 1)
    up: list[nn.Module] = [
        nn.Linear(latent + classes, 256 * base * base),
        nn.ReLU(),
        nn.Unflatten(1, (256, base, base)),
    ]
    for before, after in zip([256, *widths], widths):
        up += [nn.ConvTranspose2d(before, after, 5, 2, "same"), nn.ReLU()]
    up += [nn.ConvTranspose2d(64, channels, 5, 2, "same")]
    return Encoder(body, 128 * (size // 4) ** 2, latent), nn.Sequential(*up)


def s2_networks(size: int, channels: int, latent: int = 32, classes: int = 0) -> Networks:
    """S2's listing, repaired: activations between the layers, two heads, and a last layer of the image's size.

    Parameters
    ----------
    size, channels, latent, classes : int

    Returns
    -------
    encoder, decoder
        As `small_networks`.
    """
    pixels, widths = channels * size * size, [512, 256, 128, 64]
    body: list[nn.Module] = []
    for before, after in zip([pixels + classes, *widths], widths):
        body += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
    up: list[nn.Module] = []
    for before, after in zip([latent + classes, *widths[::-1]], widths[::-1]):
        up += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
    up += [nn.Linear(widths[0], pixels), nn.Unflatten(1, (channels, size, size))]
    return Encoder(nn.Sequential(*body), widths[-1], latent, flat=True), nn.Sequential(*up)


NETWORKS: dict[str, tuple[Callable[..., Networks], int]] = {
    "small": (small_networks, 20),
    "mlp": (mlp_networks, 20),
    "s0": (s0_networks, 256),
    "s2": (s2_networks, 32),
}
"""Each pair's builder by name, and how long its code is if nothing else is asked for."""
