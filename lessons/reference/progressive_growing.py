"""Progressive growing as an experiment: a GAN that starts with small images and doubles their side (Karras et al. 2018).

Karras, Aila, Laine & Lehtinen, *Progressive Growing of GANs for Improved Quality, Stability, and Variation*, ICLR 2018,
arXiv 1710.10196.  The networks first learn 8x8 pixels.  Then a new block for 16x16 is *faded in*: its image is added with
a weight alpha that goes from 0 to 1, so that the trained layers are not disturbed at once.  Then 32x32, and so on.

    minigen train lessons/reference/progressive_growing.py:GrowingGAN --size 32
    minigen train lessons/reference/progressive_growing.py:GrowingGAN --size 32 --growing 0   # the full size at once

The training step, losses and rates are those of the DCGAN.  Not from the paper: batch norm in place of its equalized
learning rate and pixel norm, and the loss (theirs is WGAN-GP).
"""

from dataclasses import dataclass

import numpy as np

from minigen import functional as F
from minigen import grad, nn, tensor
from minigen.models.gan import GAN
from minigen.models.options import option
from minigen.optim import Adam

SMALLEST = 8


def stage_and_alpha(done: float, growing: float, stages: int) -> tuple[int, float]:
    """Find which resolution is trained, and the weight of its newest block.

    The stages before the last one share `growing` of the training equally.  Each new block, also that of the last stage,
    is faded in during half as long as one of these stages.

    Parameters
    ----------
    done : float
        Share of the training that is done, from 0 to 1.
    growing : float
        Share of the training before the last stage; 0 to begin with it.
    stages : int

    Returns
    -------
    stage : int
        From 0.
    alpha : float
        From 0 to 1.

    Examples
    --------
    >>> [stage_and_alpha(done, 0.5, 3) for done in (0.0, 0.25, 0.3125, 0.45, 0.5, 0.5625, 1.0)]
    [(0, 1.0), (1, 0.0), (1, 0.5), (1, 1.0), (2, 0.0), (2, 0.5), (2, 1.0)]
    >>> stage_and_alpha(0.0, 0.0, 3)
    (2, 1.0)
    """
    if not growing or stages == 1:
        return stages - 1, 1.0
    length = growing / (stages - 1)
    stage = min(int(done / length), stages - 1)
    return stage, min(1.0, (done / length - stage) * 2) if stage else 1.0


def double(images):
    """Repeat each pixel in both directions."""
    return F.interpolate(images, scale_factor=2)


class Growing(nn.Module):
    """What both networks share: how many of their blocks are in use, kept in checkpoints."""

    def __init__(self, stages: int):
        super().__init__()
        self.register_buffer("use", tensor([stages - 1, 1.0]))  # all of them, until `set_use` is called

    def set_use(self, stage: int, alpha: float) -> None:
        """Use the blocks up to `stage`, the newest one with the weight `alpha`."""
        self.use = tensor([stage, alpha], device=self.use.device)

    @property
    def stage(self) -> int:
        """The number of the newest block in use."""
        return int(self.use[0].item())

    @property
    def alpha(self) -> float:
        """The weight of that block."""
        return self.use[1].item()


class Generator(Growing):
    """From noise to 4x4 features; each block doubles the side; every resolution has its own layer to an image."""

    def __init__(self, latent: int, widths: list[int], channels: int):
        super().__init__(len(widths) - 1)
        self.first = nn.Sequential(
            nn.Linear(latent, widths[0] * 16, bias=False),
            nn.Unflatten(1, (widths[0], 4, 4)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in zip(widths, widths[1:])
        )
        self.to_image = nn.ModuleList(nn.Sequential(nn.Conv2d(b, channels, 1), nn.Tanh()) for b in widths[1:])

    def forward(self, z):
        """Make images of the resolution in use."""
        features = before = self.first(z)
        for block in list(self.blocks)[: self.stage + 1]:
            before, features = features, block(features)
        images = self.to_image[self.stage](features)
        if self.alpha < 1:
            earlier = double(self.to_image[self.stage - 1](before))
            images = (1 - self.alpha) * earlier + self.alpha * images
        return images


class Discriminator(Growing):
    """The mirror image: every resolution has its own layer from an image; each block halves the side."""

    def __init__(self, widths: list[int], channels: int):
        super().__init__(len(widths) - 1)
        self.from_image = nn.ModuleList(nn.Sequential(nn.Conv2d(channels, b, 1), nn.LeakyReLU(0.2)) for b in widths[1:])
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b, a, 4, 2, 1, bias=False), nn.BatchNorm2d(a), nn.LeakyReLU(0.2))
            for a, b in zip(widths, widths[1:])
        )
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(16 * widths[0], 1))

    def forward(self, images):
        """Decide about images of the resolution in use."""
        features = self.blocks[self.stage](self.from_image[self.stage](images))
        if self.alpha < 1:
            earlier = self.from_image[self.stage - 1](F.avg_pool2d(images, 2))
            features = (1 - self.alpha) * earlier + self.alpha * features
        for stage in range(self.stage - 1, -1, -1):
            features = self.blocks[stage](features)
        return self.last(features)


class GrowingGAN(GAN):
    """GAN that learns small images first, and then doubles their side again and again (Karras et al. 2018)."""

    @dataclass(frozen=True)
    class Options(GAN.Options):
        """Options of the growing GAN."""

        width: int = option(16, "channels at the full size; twice as many at each half of it", minimum=1)
        growing: float = option(
            0.5, "share of the training before the full size; 0 for the full size at once", minimum=0, below=1
        )
        lr: float = 1e-2
        lr_decay: float = 1.0

    EPOCHS = 12
    RECALIBRATE = 1000  # statistics of batch norm are those of another stage after each switch
    options: Options

    @property
    def stages(self) -> int:
        """The number of resolutions."""
        return int(np.log2(self.options.size // SMALLEST)) + 1

    def build_networks(self):
        """Build both networks at their full size."""
        size, width = self.options.size, self.options.width
        if size < SMALLEST or size & (size - 1):
            raise ValueError(f"growing doubles the side: expected a size of 8, 16, 32, 64 ..., got {size}")
        widths = [width * 2**i for i in range(self.stages, -1, -1)]
        channels = self.options.channels
        networks = Generator(self.latent, widths, channels), Discriminator(widths, channels)
        for network in networks:
            network.apply(nn.init.dcgan_)
        return networks

    def build_optimizer(self, parameters):
        """Build Adam."""
        return Adam(parameters, lr=self.options.lr, betas=(self.options.beta1, 0.999))

    def schedule(self, done):
        """Choose stage and alpha; the rates stay constant until the full size is reached, and then fall."""
        stage, alpha = stage_and_alpha(done, self.options.growing, self.stages)
        for network in (self.generator, self.discriminator):
            network.set_use(stage, alpha)
        self._calibrated = None  # the statistics of batch norm were those of the blocks that were in use
        self.decay_learning_rates(done, min(self.options.lr_decay, 1 - self.options.growing))

    def reduced(self, images):
        """Average images over squares of pixels, to the resolution in use."""
        return F.avg_pool2d(images, 2 ** (self.stages - 1 - self.generator.stage))

    def generate(self, z, condition):
        """Make images; those of a low resolution are enlarged to the full size by repeating pixels."""
        images = super().generate(z, condition)
        return F.interpolate(images, self.options.size)

    def discriminate(self, images, condition):
        """Compute D's output for images of the full size, averaged to the resolution in use."""
        return super().discriminate(self.reduced(images), condition)

    def training_step(self, batch):
        """Train as any GAN; the real images get their new details with the same weight as the generated ones."""
        images, alpha = self.check_examples(self.field(batch, "images")), self.generator.alpha
        if alpha < 1:
            fine = self.reduced(tensor(images))
            mixed = (1 - alpha) * double(F.avg_pool2d(fine, 2)) + alpha * fine
            images = F.interpolate(mixed, self.options.size).numpy()
        return super().training_step({**batch, "images": images})

    def update(self, loss, optimizer):
        """Do one step; layers that are not in use have no gradient, and stay."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for p, g in zip(parameters, grad(loss, parameters, allow_unused=True)):
            p.grad = g
        optimizer.step()
        optimizer.zero_grad()
