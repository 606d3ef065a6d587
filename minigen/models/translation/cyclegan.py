"""CycleGAN: learn to translate between two collections of images that have no pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...data import Dataset
from ...losses import cycle_loss, lsgan_d, lsgan_g
from ...ops.elementwise import abs
from ...optim import Adam, Optimizer
from ...tensor import Tensor, tensor
from ..base import ImageModel, image_rows
from ..networks.image import Translator, patch_discriminator
from ..options import option
from ..registry import register

__all__ = ["CycleGAN"]


@register("cyclegan")
class CycleGAN(ImageModel):
    """CycleGAN: translates between two kinds of images, learned without pairs (Zhu et al. 2017).

    A generator A makes images of the second kind from images of the first, another one, B, goes back.  A discriminator
    for each kind compares made with real images (`minigen.losses.lsgan_d`), and `minigen.losses.cycle_loss` asks that
    B(A(x)) = x and A(B(y)) = y.  With a `cycle` of 0 only the discriminators are left.

    If the colors come out inverted (black and white exchanged is a perfect cycle), try another seed, or `identity`
    above 0, where the two kinds look alike.

    References
    ----------
    Zhu, Park, Isola and Efros 2017, *Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks*
    (arXiv 1703.10593).  Theirs shows D a mixture with earlier images; ours does not.
    """

    DATA = "thick:mnist5k"
    EPOCHS = 3
    BATCH_SIZE = 8

    @dataclass(frozen=True)
    class Options(ImageModel.Options):
        """Options of a CycleGAN."""

        out_channels: int = option(1, "channels of the second kind of images", minimum=1, from_data=True)
        cycle: float = option(10.0, "weight of the cycle loss", minimum=0)
        identity: float = option(
            0.0, "weight of |A(y) - y| + |B(x) - x|: images of the right kind stay as they are", minimum=0
        )
        width: int = option(16, "channels of the generators' first layer", minimum=1)
        lr: float = option(
            1e-3, "learning rate of the generators at the start; the discriminators have a fifth of it", minimum=0
        )

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.identity and self.channels != self.out_channels:
                raise ValueError(
                    f"identity must be 0 for images of {self.channels} and of {self.out_channels} channels"
                )

    TRAINING_ONLY = ("discriminator_x", "discriminator_y")
    smallest_side = 8  # the discriminators halve the sides twice, and instance norm needs more than one value
    options: Options

    def __init__(self, channels: int = 1, out_channels: int = 1, **options: Any):
        super().__init__(channels, out_channels=out_channels, **options)
        width = self.options.width
        self.a: nn.Module = Translator(channels, out_channels, width)
        self.b: nn.Module = Translator(out_channels, channels, width)
        self.discriminator_x: nn.Module = patch_discriminator(channels, 2 * width, "instance")
        self.discriminator_y: nn.Module = patch_discriminator(out_channels, 2 * width, "instance")
        groups = {"generators": (self.a, self.b), "discriminators": (self.discriminator_x, self.discriminator_y)}
        rates = {"generators": self.options.lr, "discriminators": 0.2 * self.options.lr}
        self.optimizers: dict[str, Optimizer] = {
            name: Adam([p for network in networks for p in network.parameters()], rates[name], (0.5, 0.999))
            for name, networks in groups.items()
        }

    def prepare(self, dataset: Dataset) -> None:
        """Refuse data with one kind of images only, and images that are too small."""
        if dataset.partners is None:
            raise ValueError(f"{self.name}: learns from two kinds of images, and {dataset.name} has no partners")
        super().prepare(dataset)

    def forward(self, x: Tensor, back: bool = False) -> Tensor:
        """Compute A(x), or B(x) with `back`: images (N, C, H, W) to (N, C', H, W)."""
        output: Tensor = self.b(x) if back else self.a(x)
        return output

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update both discriminators, then both generators (``images``, ``partners``); see `Model.training_step`."""
        first = self.check_images(self.field(batch, "images"), (self.options.channels, "H", "W"))
        second = self.check_images(self.field(batch, "partners"), (self.options.out_channels, "H", "W"))
        x, y = (tensor(each, device=self.device) for each in (first, second))
        made_y, made_x = self.a(x), self.b(y)

        # detach: for the discriminators the made images are given.
        loss_d = lsgan_d(self.discriminator_y(y), self.discriminator_y(made_y.detach()))
        loss_d = loss_d + lsgan_d(self.discriminator_x(x), self.discriminator_x(made_x.detach()))
        self.update(loss_d, self.optimizers["discriminators"])

        # No detach: in B(A(x)) the cycle loss reaches A through B.
        loss_g = lsgan_g(self.discriminator_y(made_y)) + lsgan_g(self.discriminator_x(made_x))
        cycle = cycle_loss(self.b(made_y), x, self.a(made_x), y)
        loss = loss_g + self.options.cycle * cycle
        if self.options.identity:
            same = abs(self.a(y) - y).mean() + abs(self.b(x) - x).mean()
            loss = loss + self.options.identity * same
        self.update(loss, self.optimizers["generators"])
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach(), "loss_cycle": cycle.detach()}

    def schedule(self, done: float) -> None:
        """Keep the learning rates for half of the training, then let them fall to 0 in a straight line."""
        self.decay_learning_rates(done, 0.5)

    def reference_levels(self) -> dict[str, float]:
        """Return the losses of two undecided discriminators: twice those of `minigen.losses.lsgan`."""
        return {"loss_d": 0.5, "loss_g": 0.25}

    def apply(self, images: Any, back: bool = False) -> Any:
        """Translate images to the second kind, or with `back` to the first, in evaluation mode.

        (A function is applied to every sub-module instead, see `minigen.nn.Module.apply`.)

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1].
        back : bool

        Returns
        -------
        ndarray (N, C', H, W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If the images have another number of channels, or a value is outside [-1, 1].
        """
        if callable(images):
            return super().apply(images)
        channels = self.options.out_channels if back else self.options.channels
        return self.apply_network(lambda x: self(x, back), images, channels)

    def preview(self, n: int, dataset: Dataset, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Show in each row x, A(x), B(A(x)), and y, B(y), A(B(y))."""
        assert dataset.partners is not None
        rows = min(max(n // 6, 1), len(dataset), len(dataset.partners))
        x = dataset.images[generator.permutation(len(dataset))[:rows]]
        y = dataset.partners[generator.permutation(len(dataset.partners))[:rows]]
        made_y, made_x = self.apply(x), self.apply(y, back=True)
        return image_rows(x, made_y, self.apply(made_y, back=True), y, made_x, self.apply(made_x)), 6
