"""Pix2pix: learn from pairs of images to make the second from the first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...data import Dataset
from ...losses import masked_l1, non_saturating_d, non_saturating_g
from ...ops.elementwise import tanh
from ...ops.shape import cat
from ...optim import Adam, Optimizer
from ...tensor import Tensor, tensor
from ..base import ImageModel
from ..networks.image import UNet, patch_discriminator
from ..options import option
from ..registry import register

__all__ = ["Pix2Pix"]


@register("pix2pix")
class Pix2Pix(ImageModel):
    """Pix2pix: translates images, learned from pairs (Isola et al. 2017).

    The loss of the generator has two parts.  The pixel loss |output - truth| asks for the *median* of what is possible:
    where the input decides the output, it is the best answer; where it does not, the median is gray, or nothing.  The
    discriminator sees the input beside a true or a made output, and judges each patch: it does not accept an output
    that never occurs.

    References
    ----------
    Isola, Zhu, Zhou and Efros 2017, *Image-to-Image Translation with Conditional Adversarial Networks* (arXiv
    1611.07004).  Theirs has dropout as the only noise, and weights 1 and 100.
    """

    DATA = "outline:mnist5k"
    EPOCHS = 7

    @dataclass(frozen=True)
    class Options(ImageModel.Options):
        """Options of pix2pix."""

        out_channels: int = option(1, "channels of the outputs", minimum=1, from_data=True)
        l1: float = option(10.0, "weight of the pixel loss", minimum=0)
        adversarial: float = option(1.0, "weight of the discriminator's loss; 0 for none", minimum=0)
        width: int = option(16, "channels of the generator's first layer", minimum=1)
        lr: float = option(1e-3, "learning rate of the generator at the start; D has a fifth of it", minimum=0)

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.l1 and not self.adversarial:
                raise ValueError("l1 and adversarial are both 0: there is nothing to learn from")

    TRAINING_ONLY = ("discriminator",)
    smallest_side = 4  # the networks halve the sides twice
    options: Options

    def __init__(self, channels: int = 1, out_channels: int = 1, **options: Any):
        super().__init__(channels, out_channels=out_channels, **options)
        chosen = self.options
        self.generator: nn.Module = UNet(channels, out_channels, chosen.width)
        beta1 = 0.5 if chosen.adversarial else 0.9  # in a game, a long memory of gradients is out of date
        self.optimizers: dict[str, Optimizer] = {
            "generator": Adam(self.generator.parameters(), chosen.lr, (beta1, 0.999))
        }
        self.discriminator: nn.Module | None = None
        if chosen.adversarial:
            self.discriminator = patch_discriminator(channels + out_channels)
            self.optimizers["discriminator"] = Adam(self.discriminator.parameters(), 0.2 * chosen.lr, (0.5, 0.999))

    def prepare(self, dataset: Dataset) -> None:
        """Refuse data without pairs, and images that are too small."""
        if dataset.partners is None or not dataset.paired:
            raise ValueError(f"{self.name}: learns from pairs, and {dataset.name} has none; cyclegan needs no pairs")
        super().prepare(dataset)

    def forward(self, x: Tensor) -> Tensor:
        """Compute outputs (N, C', H, W) of images (N, C, H, W)."""
        output: Tensor = tanh(self.generator(x))
        return output

    def discriminate(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        """Compute the logit of each patch of outputs, beside their inputs."""
        assert self.discriminator is not None
        logits: Tensor = self.discriminator(cat([inputs, outputs], 1))
        return logits

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update D, then G, by the pairs of a batch (``images``, ``partners``); see `Model.training_step`."""
        inputs = self.check_images(self.field(batch, "images"), (self.options.channels, "H", "W"))
        partners = self.check_images(self.field(batch, "partners"), (self.options.out_channels, *inputs.shape[2:]))
        x, truth = (tensor(each, device=self.device) for each in (inputs, partners))
        output = self(x)
        pixel = masked_l1(output, truth)
        numbers = {"loss_pixel": pixel.detach()}
        loss = self.options.l1 * pixel
        if self.discriminator is not None:
            loss_d = non_saturating_d(self.discriminate(x, truth), self.discriminate(x, output.detach()))
            self.update(loss_d, self.optimizers["discriminator"])
            loss_g = non_saturating_g(self.discriminate(x, output))
            numbers |= {"loss_d": loss_d.detach(), "loss_g": loss_g.detach()}
            loss = loss + self.options.adversarial * loss_g
        self.update(loss, self.optimizers["generator"])
        return numbers

    def schedule(self, done: float) -> None:
        """Keep the learning rates for half of the training, then let them fall to 0 in a straight line."""
        self.decay_learning_rates(done, 0.5)

    def reference_levels(self) -> dict[str, float]:
        """Return the losses of an undecided discriminator, if there is one."""
        return {"loss_d": 2 * math.log(2), "loss_g": math.log(2)} if self.discriminator is not None else {}
