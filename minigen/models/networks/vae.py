"""Encoders and decoders.

Each function gives a pair: an `Encoder` from images to the mean and the log-variance of q(z | x), and a *decoder* from
codes (N, latent) to logits, or to means of p(x | z).  With a one-hot label, if `classes` is not 0, both get the label
too; see `minigen.models.condition`.

The listings made *one* vector a code, and so were plain autoencoders.  The encoder of a VAE has two heads, the mean and
the log-variance of q(z | x), both without an activation: a ReLU there (listing S0) forbids negative means, a sigmoid
(listing S2) forbids means outside (0, 1).  A decoder ends in numbers without bounds.
"""

from collections.abc import Callable

from ... import nn
from ...ops.shape import cat
from ...tensor import Tensor
from ..condition import concat_label_maps
from ..sizes import downsampled_sizes

__all__ = ["NETWORKS", "Encoder", "conv_k5_networks", "conv_networks", "mlp_512_networks", "mlp_networks"]


class Encoder(nn.Module):
    """Compute mean and log-variance of the code of an image: a body, and a linear head for each.

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

    body: nn.Module
    flat: bool

    def __init__(self, body: nn.Module, features: int, latent: int, flat: bool = False):
        super().__init__()
        self.body, self.flat = body, flat
        self.mu: nn.Linear = nn.Linear(features, latent)
        self.log_var: nn.Linear = nn.Linear(features, latent)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute the parameters of q(z | x), or of q(z | x, c).

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
            x = cat([x, condition], 1) if self.flat else concat_label_maps(x, condition)
        features = self.body(x)
        return self.mu(features), self.log_var(features)


Networks = tuple[Encoder, nn.Sequential]
"""An encoder and a decoder."""


def conv_networks(
    size: int,
    channels: int,
    latent: int,
    classes: int = 0,
    width: int = 16,
    depth: int | None = None,
    dropout: float = 0.0,
) -> Networks:
    """Build strided convolutions down to 4 to 7 pixels, a dense layer, and the mirror of both.

    Because of batch norm a few thousand images are enough.  With mlp, 30 epochs on 3,600 digits leave -ELBO at 113 nats
    for 400 other digits with batch norm, and at 121 without.

    A short code needs more dense layers than a long one.  With a code of 2 the -ELBO after 40 epochs falls from 156
    nats with one dense layer next to the code to 144 with four.  With a code of 20 more layers do harm: behind three
    layers some components of the code are unused (KL 16 nats and not 23), and after 30 epochs the -ELBO is 108 and not
    104.

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
        If `size` does not halve to 4 to 7 pixels.
    """
    *halved, base = downsampled_sizes(size, 4)
    if not halved or base > 7:
        raise ValueError(
            f"the conv networks need a size that halves to 4 to 7 pixels, such as 28, 32 or 64, got {size}"
        )
    widths = [width * 2**i for i in range(len(halved))]
    flat, hidden = widths[-1] * base * base, 16 * width

    down: list[nn.Module] = []
    for narrow, wide in zip([channels + classes, *widths], widths):
        down += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
    depth = _default_depth(latent) if depth is None else depth
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
    """Build one dense layer next to the image and `depth` next to the code (Burda et al. 2016), with batch norm.

    Parameters and returns as `conv_networks`; `width` is the number of units of every layer.  Cheap where many codes of
    each image are decoded.
    """
    hidden = [width] * (1 + (_default_depth(latent) if depth is None else depth))
    pixels = channels * size * size
    up = [*_dense([latent + classes, *hidden], dropout), nn.Linear(width, pixels)]
    up += [nn.Unflatten(1, (channels, size, size))]
    return Encoder(
        nn.Sequential(*_dense([pixels + classes, *hidden], dropout)), width, latent, flat=True
    ), nn.Sequential(*up)


def _default_depth(latent: int) -> int:
    return 4 if latent < 5 else 1


def _dense(sizes: list[int], dropout: float = 0.0) -> list[nn.Module]:
    """Build dense layers from the first size to the last, each with batch norm, ReLU and dropout."""
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:]):
        # A bias before batch norm would be subtracted again with the mean: left out.
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(dropout)]
    return layers


def conv_k5_networks(size: int, channels: int, latent: int = 256, classes: int = 0) -> Networks:
    """Build the networks of listing S0 (lines 133-155), repaired: kernel 5, stride 2, a code of 256.

    At 64x64x3 the encoder has 16,987,520 parameters, at 32x32x3 the decoder 2,081,667.  Kept from the listing: kernel 5
    and stride 2 with "same" padding, and no layer between the convolutions and the code.  At 28 pixels the decoder
    starts from 7 and has one layer fewer.

    Repaired: the encoder gave one vector through a ReLU and has two heads now; the encoder took 64 pixels and the
    decoder made 32, now both have one size.

    Parameters
    ----------
    size, channels, latent, classes : int
        `size` 28, or a multiple of 8 from 16.

    Returns
    -------
    encoder, decoder
        As `conv_networks`.

    Raises
    ------
    ValueError
        If `size` is something else.
    """
    if size != 28 and (size % 8 or size < 16):
        raise ValueError(f"the conv_k5 networks need size 28 or a multiple of 8 from 16, got {size}")
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


def mlp_512_networks(size: int, channels: int, latent: int = 32, classes: int = 0) -> Networks:
    """Build the networks of listing S2 (lines 220-240), repaired: dense layers 512-256-128-64, a code of 32.

    Repaired: there was no activation between the layers; the encoder gave one vector through a sigmoid and has two
    heads now; the last layer did not have the size of the image.

    Parameters
    ----------
    size, channels, latent, classes : int

    Returns
    -------
    encoder, decoder
        As `conv_networks`.
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
    "conv": (conv_networks, 20),
    "mlp": (mlp_networks, 20),
    "conv_k5": (conv_k5_networks, 256),
    "mlp_512": (mlp_512_networks, 32),
}
"""The function that builds each pair of networks, by name, and the default length of its code."""
