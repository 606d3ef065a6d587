"""Generators and discriminators.

Each function gives a pair: a *generator* from noise (N, latent), with a one-hot label beside it if `classes` is not 0,
to images (N, C, H, W) in [-1, 1]; and a *discriminator* from images to one logit each, (N, 1).  A dense discriminator
takes the label appended to the pixels, a convolutional one as label maps; see `minigen.models.condition`.
"""

from collections.abc import Callable
from functools import partial

from ... import nn
from ..sizes import downsampled_sizes

__all__ = [
    "NORMS",
    "UPSAMPLINGS",
    "Networks",
    "builder",
    "conv_dense_networks",
    "conv_k4_bn_networks",
    "conv_k5_dropout_networks",
    "conv_networks",
    "mlp_networks",
]

Networks = tuple[nn.Module, nn.Module]
"""A generator and a discriminator."""

Builder = Callable[[int, int, int], Networks]
"""(size, channels, latent) to a generator and a discriminator."""


def builder(
    network: str, width: int | None, classes: int = 0, norm: str = "batch", upsample: str = "transposed"
) -> Builder:
    """Choose the networks by name.

    Parameters
    ----------
    network : {"conv", "conv_dense", "mlp", "conv_k4_bn", "conv_k5_dropout"}
    width : int or None
        Of conv, conv_dense and mlp only; None for 32 channels or 128 units.
    classes : int
        Length of the one-hot condition, for conv and mlp only.
    norm : str
        What the discriminator of conv and conv_dense normalizes by; see `conv_networks`.
    upsample : str
        How the generator of conv and conv_dense doubles the sides; see `conv_networks`.

    Returns
    -------
    callable
        (size, channels, latent) to a generator and a discriminator.

    Raises
    ------
    ValueError
        If there is no such network, or it has no such option.
    """
    known: dict[str, Builder] = {
        "conv": partial(conv_networks, norm=norm, upsample=upsample),
        "conv_dense": partial(conv_dense_networks, norm=norm, upsample=upsample),
        "mlp": mlp_networks,
        "conv_k4_bn": conv_k4_bn_networks,
        "conv_k5_dropout": conv_k5_dropout_networks,
    }
    if network not in known:
        raise ValueError(f"network must be one of {', '.join(known)}, got {network!r}")
    options = {"conv": ("width", "classes"), "conv_dense": ("width",), "mlp": ("width", "classes")}
    given = ({} if width is None else {"width": width}) | ({"classes": classes} if classes else {})
    for name in given:
        if name not in options.get(network, ()):
            raise ValueError(f"{name} is an option of the conv and mlp networks, not of {network}")
    return partial(known[network], **given)


def conv_networks(
    size: int | tuple[int, int],
    channels: int,
    latent: int = 100,
    width: int = 32,
    classes: int = 0,
    norm: str = "batch",
    upsample: str = "transposed",
) -> Networks:
    """Build the networks of the DCGAN paper: twice the channels at half the size.

    The discriminator goes from the image down to 4 to 7 pixels, the generator the other way.

    Parameters
    ----------
    size : int, or (int, int) for height and width
        The shorter side must halve to between 4 and 7 pixels: 28, 32, 64, and 8, 12, 16, 20, 24, 40, 48, 56 ...; the
        longer side must halve as often.
    channels : int
        Of the images.
    latent : int
    width : int
        Channels of D's first layer.
    classes : int
        Length of the condition: the number of additional inputs of G, and of additional input channels of D.
    norm : {"batch", "layer", "instance", "none"}
        Of the discriminator.  A WGAN-GP critic must score every image independently of the others in the batch, so it
        cannot use batch norm; "layer" normalizes over a whole image, "instance" over each channel of an image.
    upsample : {"transposed", "nearest", "bilinear"}
        How the generator doubles the sides; see `UPSAMPLINGS`.

    Returns
    -------
    generator : (N, latent + classes) -> (N, channels, size, size) in [-1, 1]
    discriminator : (N, channels + classes, size, size) -> (N, 1) logits

    Raises
    ------
    ValueError
        If `size` does not halve to 4 to 7 pixels, or an option is out of range.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    if upsample not in UPSAMPLINGS:
        raise ValueError(f"upsample must be one of {', '.join(UPSAMPLINGS)}, got {upsample!r}")
    sides = size if isinstance(size, tuple) else (size, size)
    *halved, shortest = downsampled_sizes(min(sides), 4)
    if not halved or shortest > 7 or max(sides) % 2 ** len(halved):
        raise ValueError(
            f"the conv networks need a size that halves to 4 to 7 pixels, such as 28, 32 or 64, got {size}"
        )
    base = tuple(side // 2 ** len(halved) for side in sides)
    area = base[0] * base[1]
    widths = [width * 2**i for i in range(len(halved))]

    # A bias before batch norm would be subtracted again with the mean: left out.
    up: list[nn.Module] = [
        nn.Linear(latent + classes, widths[-1] * area, bias=False),
        nn.Unflatten(1, (widths[-1], *base)),
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
    ]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1]):
        up += [*UPSAMPLINGS[upsample](wide, narrow, False), nn.BatchNorm2d(narrow), nn.ReLU()]
    up += [*UPSAMPLINGS[upsample](width, channels, True), nn.Tanh()]

    down: list[nn.Module] = [nn.Conv2d(channels + classes, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for narrow, wide in zip(widths, widths[1:]):
        down += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=norm == "none"), *NORMS[norm](wide), nn.LeakyReLU(0.2)]
    down += [nn.Flatten(), nn.Linear(widths[-1] * area, 1)]
    return _initialize(nn.Sequential(*up)), _initialize(nn.Sequential(*down))


def conv_dense_networks(
    size: int | tuple[int, int],
    channels: int,
    latent: int = 100,
    width: int = 32,
    units: int = 256,
    norm: str = "none",
    upsample: str = "transposed",
) -> Networks:
    r"""Build the networks of `conv_networks` with dense layers: two before G's first map, one before D's logit.

    The convolutions alone have little between the noise and the picture.  The first map of G is then a *linear*
    function of z, and the logit of D a linear function of its last map: whether two strokes that are far apart belong
    to one digit is a question about products of features, which a linear function cannot answer.

    - The two layers of G bend z before it becomes a map, as the *mapping network* of Karras, Laine & Aila 2019 does (*A
      Style-Based Generator Architecture*, arXiv 1812.04948, section 2).  The normal distribution is connected, the
      classes of digits are not; the more G can bend, the less of z it spends on images between two classes.
    - The layer of D compares all places of the image.  The DCGAN paper removed such layers (section 3), for very deep
      networks; ours have two convolutions at 28 pixels.

    Parameters
    ----------
    size, channels, latent, width, norm, upsample
        As for `conv_networks`.
    units : int
        Of each dense layer.

    Returns
    -------
    generator, discriminator
        As `conv_networks`.

    Raises
    ------
    ValueError
        As `conv_networks`.
    """
    generator, discriminator = conv_networks(size, channels, units, width, norm=norm, upsample=upsample)
    mapping: list[nn.Module] = []
    for before in (latent, units):
        mapping += [nn.Linear(before, units, bias=False), nn.BatchNorm1d(units), nn.ReLU()]
    *convolutions, last = discriminator.children()
    assert isinstance(last, nn.Linear)
    comparing = [nn.Linear(last.in_features, units), nn.LeakyReLU(0.2), nn.Linear(units, 1)]
    return (
        _initialize(nn.Sequential(*mapping, *generator.children())),
        _initialize(nn.Sequential(*convolutions, *comparing)),
    )


NORMS: dict[str, Callable[[int], list[nn.Module]]] = {
    "batch": lambda channels: [nn.BatchNorm2d(channels)],
    "layer": lambda channels: [nn.GroupNorm(1, channels)],  # one group of all channels: a layer norm for any size
    "instance": lambda channels: [nn.InstanceNorm2d(channels, affine=True)],
    "none": lambda channels: [],
}
"""The layers that may follow a convolution of the conv discriminator, by the name of the option `norm`."""

UPSAMPLINGS: dict[str, Callable[[int, int, bool], list[nn.Module]]] = {
    # k4 s2: every output pixel gets contributions from the same number (2 x 2) of kernel elements.  With an odd kernel
    # at stride 2 the number alternates, which shows as a checkerboard.
    "transposed": lambda wide, narrow, bias: [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=bias)],
    "nearest": lambda wide, narrow, bias: [nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, 1, 1, bias=bias)],
    "bilinear": lambda wide, narrow, bias: [
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(wide, narrow, 3, 1, 1, bias=bias),
    ],
}
"""Three ways to double the sides, from `wide` channels to `narrow`, by the name of the option `upsample`.

A transposed convolution of stride 2 makes the four pixels of a square with four different parts of its filter.  Until
it has learned to make them alike, they differ by a pattern that repeats every 2 pixels; after two more such layers the
pattern is 8 pixels wide.  Resizing before a convolution avoids that, for 9/4 of the products (Odena, Dumoulin & Olah
2016, *Deconvolution and Checkerboard Artifacts*, doi 10.23915/distill.00003).  With nearest neighbors the edges of the
squares remain: those of the first map of a generator are 16 pixels apart in an image of 64, those of the next one 8,
and the samples look woven.  Bilinear weights have no such edges.
"""


def conv_k4_bn_networks(size: int, channels: int, latent: int = 100) -> Networks:
    """Build the networks of listing S3 (lines 83-110), repaired: kernel 4, stride 2, batch norm.

    At 64x64x3 G has 168,771 trainable parameters and D 676,033.  Smaller images start from fewer pixels, and 28 pixels
    start from 7 with one layer fewer.

    Repaired: the layers LeakyReLU, BatchNormalization and Flatten were never imported; D ended in a sigmoid, before a
    logarithm, where a logit is stable; both networks were called in inference mode, where batch norm does not normalize
    by the batch.

    Parameters
    ----------
    size, channels, latent : int
        `size` 28, or a multiple of 8 from 16.

    Returns
    -------
    generator, discriminator
        As `conv_networks`.

    Raises
    ------
    ValueError
        If `size` is something else.
    """
    if size != 28 and (size % 8 or size < 16):
        raise ValueError(f"the conv_k4_bn networks need size 28 or a multiple of 8 from 16, got {size}")
    widths = [64] if size == 28 else [128, 64]
    base = size // 2 ** (len(widths) + 1)
    up: list[nn.Module] = [nn.Linear(latent, 4 * base * base), nn.LeakyReLU(0.2), nn.Unflatten(1, (4, base, base))]
    for before, after in zip([4, *widths], widths):
        up += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    up += [nn.ConvTranspose2d(64, channels, 4, 2, 1), nn.Tanh()]

    down = nn.Sequential(
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
    return _initialize(nn.Sequential(*up)), _initialize(down)


def conv_k5_dropout_networks(size: int, channels: int, latent: int = 100) -> Networks:
    """Build the networks of listing S4 (lines 158-176), repaired: kernel 5, dropout, no batch norm.

    At 28x28x1 G has 2,656,897 parameters and D 212,865.  Kept from the listing: kernel 5 and stride 2 with "same"
    padding, which at even sizes pads 1 before and 2 after.

    Repaired: G lacked one transposed convolution (128-64-1), so its images had 14x14 pixels and not 28x28.

    Parameters
    ----------
    size, channels, latent : int
        `size` a multiple of 4.

    Returns
    -------
    generator, discriminator
        As `conv_networks`.

    Raises
    ------
    ValueError
        If `size` is something else.
    """
    if size % 4 or size < 4:
        raise ValueError(f"the conv_k5_dropout networks need a size that is a multiple of 4, got {size}")
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


def _initialize(network: nn.Sequential) -> nn.Sequential:
    """Start from N(0, 0.02), as the DCGAN paper does; only with batch norm, else the signal would shrink to zero."""
    network.apply(nn.init.dcgan_)
    return network


def mlp_networks(size: int, channels: int, latent: int = 100, width: int = 128, classes: int = 0) -> Networks:
    r"""Build the dense networks of listing S1 (lines 82-96), repaired, for images of any size.

    At 28x28x1 G is 100-128-128-784 with 130,576 parameters and D is 784-128-128-1 with 117,121, with LeakyReLU of slope
    0.2 between the layers.

    Repaired: D did not flatten its input, and so gave 28 outputs for each image; D ended in a sigmoid, before a loss
    that expects logits.  G ends in tanh and not in a sigmoid, because the images are in [-1, 1]: it is the same
    function on another scale, $\tanh(a) = 2\sigma(2a) - 1$.

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
