"""Networks from image to image, for repair and translation, and the discriminators that judge their outputs.

All are made of convolutions, so they take images of any height and width.  `reach` says how far an output pixel looks:
it depends on no input pixel that is farther away in rows or in columns.  So a large image can be computed in tiles,
each cut out with a margin of `reach` pixels, and the result is that of the whole image.
"""

from collections.abc import Callable
from functools import partial

from ... import nn
from ...functional import interpolate, pad, pixel_shuffle
from ...ops.shape import cat
from ...tensor import Tensor

__all__ = ["Enlarger", "Residual", "ResidualCNN", "Translator", "UNet", "patch_discriminator"]

Norm = Callable[[int], nn.Module]


class Residual(nn.Module):
    """Add the output of a network to its input: x + body(x) (He et al. 2016).

    Parameters
    ----------
    body : Module
        From (N, C, H, W) to the same shape.

    Examples
    --------
    >>> import minigen as mg
    >>> Residual(nn.Conv2d(4, 4, 3, padding=1))(mg.ones(1, 4, 5, 5)).shape
    (1, 4, 5, 5)
    """

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Compute x + body(x)."""
        out: Tensor = x + self.body(x)
        return out


class ResidualCNN(nn.Module):
    """A plain row of convolutions that computes what to add to the image (DnCNN, Zhang et al. 2017).

    The last layer begins with zeros, so that at first the output is the input.

    Parameters
    ----------
    channels : int
        Of the images.
    width : int
        Channels of the hidden layers.
    depth : int
        Convolutions, each 3 x 3; at least 2.

    Examples
    --------
    >>> import minigen as mg
    >>> network = ResidualCNN(1)
    >>> image = mg.randn(1, 1, 5, 7)
    >>> network(image).equal(image), network.reach
    (True, 6)
    """

    stride: int = 1

    def __init__(self, channels: int, width: int = 32, depth: int = 6):
        super().__init__()
        self.reach = depth
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, _zero(nn.Conv2d(width, channels, 3, padding=1)))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output images (N, C, H, W)."""
        out: Tensor = x + self.layers(x)
        return out


class Enlarger(nn.Module):
    """Twice the height and width: a bicubic enlargement, plus what a network at the small size adds (EDSR, ESPCN).

    The network gives four numbers for each small pixel; `minigen.functional.pixel_shuffle` makes them a block of 2 x 2
    (Shi et al. 2016).  The last layer begins with zeros.

    Parameters
    ----------
    channels : int
    width : int
        Channels of the hidden layers.
    blocks : int
        Residual blocks (`Residual`) of two convolutions.
    factor : int

    Examples
    --------
    >>> import minigen as mg
    >>> Enlarger(1)(mg.ones(1, 1, 5, 7)).shape
    (1, 1, 10, 14)
    """

    stride: int = 1

    def __init__(self, channels: int, width: int = 32, blocks: int = 3, factor: int = 2):
        super().__init__()
        self.factor = factor
        self.reach = 2 * blocks + 2  # in pixels of the small image
        self.head = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.Sequential(
            *(
                Residual(
                    nn.Sequential(
                        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
                    )
                )
                for _ in range(blocks)
            )
        )
        self.tail = _zero(nn.Conv2d(width, channels * factor**2, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output images (N, C, 2 H, 2 W)."""
        enlarged = interpolate(x, scale_factor=self.factor, mode="bicubic", antialias=True)
        return enlarged + pixel_shuffle(self.tail(self.blocks(self.head(x))), self.factor)


class UNet(nn.Module):
    """Down to a quarter of the size and up again, with skips between equal sizes (Ronneberger et al. 2015).

    At a quarter of the size, dilated residual blocks (Yu & Koltun 2016) look far across the image.  There is no dense
    layer, so any height and width will do: sides that are no multiple of 4 are continued by reflection, and the result
    is cut.

    Parameters
    ----------
    in_channels, out_channels : int
    width : int
        Channels at full size; twice as many at half the size, four times at a quarter.
    dilations : sequence of int
        One residual block for each.
    norm : {"batch", "instance"}

    Examples
    --------
    >>> import minigen as mg
    >>> UNet(2, 1, width=4)(mg.ones(2, 2, 10, 13)).shape
    (2, 1, 10, 13)
    """

    stride: int = 4

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 16,
        dilations: tuple[int, ...] = (1, 2, 4),
        norm: str = "batch",
    ):
        super().__init__()
        make = _norm(norm)
        middle, deep = 2 * width, 4 * width
        self.reach = 4 * sum(d + 1 for d in dilations) + 14
        self.first = _block(nn.Conv2d(in_channels, width, 3, padding=1), make(width))
        self.down1 = _block(nn.Conv2d(width, middle, 4, 2, 1, bias=False), make(middle))
        self.down2 = _block(nn.Conv2d(middle, deep, 4, 2, 1, bias=False), make(deep))
        self.waist = nn.Sequential(*(Residual(_dilated(deep, d, make)) for d in dilations))
        self.up1 = _block(nn.ConvTranspose2d(deep, middle, 4, 2, 1, bias=False), make(middle))
        self.join1 = _block(nn.Conv2d(2 * middle, middle, 3, padding=1, bias=False), make(middle))
        self.up2 = _block(nn.ConvTranspose2d(middle, width, 4, 2, 1, bias=False), make(width))
        self.join2 = _block(nn.Conv2d(2 * width, width, 3, padding=1, bias=False), make(width))
        self.last = nn.Conv2d(width, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output images (N, C', H, W)."""
        height, width = x.shape[2:]
        rest = (-width % self.stride, -height % self.stride)
        if any(rest):
            x = pad(x, (0, rest[0], 0, rest[1]), mode="reflect")
        full = self.first(x)
        half = self.down1(full)
        quarter = self.waist(self.down2(half))
        half = self.join1(cat([self.up1(quarter), half], 1))
        out: Tensor = self.last(self.join2(cat([self.up2(half), full], 1)))
        return out[:, :, :height, :width] if any(rest) else out


class Translator(nn.Module):
    """Down to half the size, residual blocks, and up again (Johnson et al. 2016; the generator of a CycleGAN).

    Instance norm: an image is normalized by its own mean and variance, in training as in use.  So an output does not
    depend on the other images of the batch, nor on running averages.  Odd sides are continued by reflection.

    Parameters
    ----------
    in_channels, out_channels : int
    width : int
        Channels at full size; twice as many at half the size.
    blocks : int
        Residual blocks.

    Examples
    --------
    >>> import minigen as mg
    >>> Translator(3, 1, width=4)(mg.ones(2, 3, 9, 12)).shape
    (2, 1, 9, 12)
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 16, blocks: int = 2):
        super().__init__()
        make: Norm = lambda n: nn.InstanceNorm2d(n, affine=True)  # noqa: E731
        wide = 2 * width
        self.layers = nn.Sequential(
            _block(nn.Conv2d(in_channels, width, 3, padding=1, bias=False), make(width)),
            _block(nn.Conv2d(width, wide, 4, 2, 1, bias=False), make(wide)),
            *(Residual(_dilated(wide, 1, make)) for _ in range(blocks)),
            _block(nn.ConvTranspose2d(wide, width, 4, 2, 1, bias=False), make(width)),
            nn.Conv2d(width, out_channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output images (N, C', H, W), in [-1, 1]."""
        height, width = x.shape[2:]
        if height % 2 or width % 2:
            x = pad(x, (0, width % 2, 0, height % 2), mode="reflect")
        out: Tensor = self.layers(x)
        return out[:, :, :height, :width]


def patch_discriminator(channels: int, width: int = 32, norm: str = "batch") -> nn.Module:
    """Build a discriminator that gives a logit for each patch of an image (PatchGAN, Isola et al. 2017).

    Parameters
    ----------
    channels : int
        Of everything it sees: the image, and beside it a mask or the input image.
    width : int
    norm : {"batch", "instance"}

    Returns
    -------
    Module
        (N, channels, H, W) -> (N, 1, H / 4, W / 4), rounded down; each logit sees 26 x 26 pixels.

    Examples
    --------
    >>> import minigen as mg
    >>> patch_discriminator(2, 4)(mg.ones(3, 2, 28, 28)).shape
    (3, 1, 7, 7)
    """
    make = _norm(norm)
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        make(2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1, bias=False),
        make(2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 3, padding=1),
    )


def _norm(name: str) -> Norm:
    """The layer that normalizes a number of channels."""
    if name not in ("batch", "instance"):
        raise ValueError(f"norm must be batch or instance, got {name!r}")
    return nn.BatchNorm2d if name == "batch" else partial(nn.InstanceNorm2d, affine=True)


def _block(layer: nn.Module, norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(layer, norm, nn.ReLU())


def _dilated(width: int, dilation: int, make: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
        make(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        make(width),
    )


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    """Let a layer begin with the output 0."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
