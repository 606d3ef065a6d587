"""Repair: a network learns to undo a damage that it is shown on whole images (noise, blur, holes, fewer pixels)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ... import backend, nn
from ...losses import masked_l1, masked_l2, masked_log_l2, non_saturating_d, non_saturating_g
from ...ops.elementwise import log, square, tanh
from ...ops.shape import cat
from ...optim import Adam, Optimizer
from ...tensor import Tensor, tensor
from ..base import ImageModel
from ..networks.image import Enlarger, ResidualCNN, UNet, patch_discriminator
from ..options import option
from ..registry import register
from ..sizes import parts
from .damage import DAMAGES, Damaged, make_damage

__all__ = ["Repair", "composite", "recolored"]

_LOSSES = {"l2": masked_l2, "l1": masked_l1, "log": masked_log_l2}


def composite(output: Any, images: Any, mask: Any) -> Any:
    """Put the known pixels over an output: ``mask * output + (1 - mask) * images``.

    Parameters
    ----------
    output, images : Tensor or ndarray (N, C, H, W)
    mask : Tensor or ndarray (N, 1, H, W)
        1 where the output is taken.
    """
    return mask * output + (1 - mask) * images


def recolored(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exchange the channels of each image at random, and tint half of the images.

    A few photographs have few colors, and a network that learns from them leaves noise in the others.  Tinting
    multiplies the light of each channel, 0 where the image is black, by a number from 0.2 to 1.

    Parameters
    ----------
    images : ndarray (N, 3, H, W), float32
        In [-1, 1].
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, same shape and dtype, in [-1, 1]
    """
    n = len(images)
    order = rng.permuted(np.tile(np.arange(3), (n, 1)), axis=1)
    light = np.take_along_axis(images, order[:, :, None, None], axis=1) + 1
    gains = np.where(rng.random((n, 1)) < 0.5, rng.uniform(0.2, 1, (n, 3)), 1).astype(images.dtype)
    tinted: np.ndarray = light * gains[:, :, None, None] - 1
    return tinted


@register("repair")
class Repair(ImageModel):
    """Repair: removes noise or blur, fills holes or doubles the size of images.

    Each step damages the images of the batch (`minigen.models.repair.damage`) and teaches the network to give back the
    images as they were.  The pixel loss is `minigen.losses.masked_l2`, inside the hole only, if there is one.  For a
    range of strengths it is `minigen.losses.masked_log_l2`: mild damage has as much weight as strong damage.

    With `adversarial` above 0, a discriminator sees repaired and true images (and the mask beside them), and its loss
    is added with this weight.  It sees the composite of repaired and known pixels, so its gradient, too, is 0 where the
    pixels are known.

    Against noise, blur and small size a color model learns from images whose colors are changed (`recolored`).

    References
    ----------
    Zhang et al. 2017 (arXiv 1608.03981): noise.  Shi et al. 2016 (arXiv 1609.05158): size.  Pathak et al. 2016 (arXiv
    1604.07379): holes, pixel loss and adversary.
    """

    DATA: ClassVar[str] = "photos"
    EPOCHS: ClassVar[int] = 4
    BATCH_SIZE = 16

    @dataclass(frozen=True)
    class Options(ImageModel.Options):
        """Options of a repair."""

        damage: str = option("noise", "what is repaired", choices=tuple(DAMAGES))
        strength: str | None = option(
            None,
            "how strong the damage is, or a range such as 5-50: noise: standard deviation in levels of 0 to 255 "
            "(default 25); blur: in pixels (1.6); hole: share of the image's side (0.5); shrink: the factor (2)",
        )
        loss: str | None = option(
            None,
            "pixel loss: l2 learns the mean of what is possible, l1 the median, log the mean, with equal weight "
            "for mild and strong damage (default: l2; log if the strength is a range)",
            choices=("l2", "l1", "log"),
        )
        adversarial: float = option(0.0, "weight of a discriminator's loss beside the pixel loss", minimum=0)
        width: int | None = option(None, "channels of the network's first layer (default: 32; hole: 16)", minimum=1)
        lr: float | None = option(None, "learning rate at the start (default: 1e-3; shrink: 2e-3)", minimum=0)

        def __post_init__(self) -> None:
            super().__post_init__()
            make_damage(self.damage, self.strength)

    TRAINING_ONLY = ("discriminator",)
    options: Options

    def __init__(self, channels: int = 1, **options: Any):
        super().__init__(channels, **options)
        chosen = self.options
        self.damage = make_damage(chosen.damage, chosen.strength)
        self.pixel_loss = _LOSSES[chosen.loss or ("l2" if self.damage.low == self.damage.high else "log")]
        width = chosen.width or (16 if chosen.damage == "hole" else 32)
        self.network: nn.Module
        if chosen.damage == "hole":
            self.network = UNet(channels + 1, channels, width)
        elif chosen.damage == "shrink":
            self.network = Enlarger(channels, width)
        else:
            self.network = ResidualCNN(channels, width)
        rate = chosen.lr if chosen.lr is not None else 2e-3 if chosen.damage == "shrink" else 1e-3
        beta1 = 0.5 if chosen.adversarial else 0.9  # in a game, a long memory of gradients is out of date
        self.optimizers: dict[str, Optimizer] = {"network": Adam(self.network.parameters(), rate, (beta1, 0.999))}
        # The U-Net and the discriminator halve the sides twice.
        self.smallest_side = 4 if chosen.damage == "hole" or chosen.adversarial else self.factor
        self.discriminator: nn.Module | None = None
        if chosen.adversarial:
            holes = chosen.damage == "hole"
            self.discriminator = patch_discriminator(channels + holes, 2 * width if holes else width)
            self.optimizers["discriminator"] = Adam(self.discriminator.parameters(), 0.2 * rate, (0.5, 0.999))

    @property
    def factor(self) -> int:
        """How many times higher and wider the output is."""
        return 2 if self.options.damage == "shrink" else 1

    @property
    def needs_mask(self) -> bool:
        """Whether an image to repair needs a mask."""
        return self.options.damage == "hole"

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute repaired images of damaged ones, both (N, C, H, W).

        Parameters
        ----------
        x : Tensor (N, C, H, W)
        mask : Tensor (N, 1, H, W), optional
            1 in the hole; needed if the damage is a hole.
        """
        if not self.needs_mask:
            repaired: Tensor = self.network(x)
            return repaired
        if mask is None:
            raise ValueError(f"{self.name}: the mask is missing: this model fills holes")
        filled: Tensor = composite(tanh(self.network(cat([x * (1 - mask), mask], 1))), x, mask)
        return filled

    def discriminate(self, images: Tensor, mask: Tensor | None) -> Tensor:
        """Compute the discriminator's logits for images, beside the mask if there is one."""
        assert self.discriminator is not None
        logits: Tensor = self.discriminator(images if mask is None else cat([images, mask], 1))
        return logits

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Damage the images of a batch, repair them and learn from the difference; see `Model.training_step`."""
        images = self.check_images(self.field(batch, "images"), (self.options.channels, "H", "W"))
        if self.options.channels == 3 and not self.needs_mask:
            images = recolored(images, backend.rng())
        damaged = self.damage.draw(images, backend.rng())
        x, truth = (tensor(each, device=self.device) for each in (damaged.images, damaged.truth))
        mask = None if damaged.mask is None else tensor(damaged.mask, device=self.device)
        output = self(x, mask)
        pixel = self.pixel_loss(output, truth, mask)
        numbers = {"loss_pixel": pixel.detach(), "psnr": _psnr(output.detach(), truth, mask)}
        if self.factor == 1:
            numbers["psnr_input"] = _psnr(x, truth, mask)
        loss = pixel
        if self.discriminator is not None:
            loss_d = non_saturating_d(self.discriminate(truth, mask), self.discriminate(output.detach(), mask))
            self.update(loss_d, self.optimizers["discriminator"])
            loss_g = non_saturating_g(self.discriminate(output, mask))
            numbers |= {"loss_d": loss_d.detach(), "loss_g": loss_g.detach()}
            loss = pixel + self.options.adversarial * loss_g
        self.update(loss, self.optimizers["network"])
        return numbers

    def schedule(self, done: float) -> None:
        """Keep the learning rates for half of the training, then let them fall to 0 in a straight line."""
        self.decay_learning_rates(done, 0.5)

    def reference_levels(self) -> dict[str, float]:
        """Return the losses of a discriminator that is undecided, if there is one."""
        return {"loss_d": 2 * math.log(2), "loss_g": math.log(2)} if self.discriminator is not None else {}

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Find an output that is worse than the damaged input."""
        if "psnr_input" in means and not means["psnr"] > means["psnr_input"]:
            return {
                "worse": f"the repaired images have {means['psnr']:.1f} dB, the damaged ones "
                f"{means['psnr_input']:.1f}: the network makes them worse. Try a smaller --lr"
            }
        return {}

    def apply(self, images: Any, mask: Any = None) -> Any:
        """Repair images, in evaluation mode.

        (A function is applied to every sub-module instead, see `minigen.nn.Module.apply`.)

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            About in [-1, 1]; noise may lead outside.
        mask : ndarray (N, 1, H, W), optional
            1 in the hole, 0 where the pixels are known; needed if the damage is a hole.

        Returns
        -------
        ndarray (N, C, H, W) or, of shrunken images, (N, C, 2 H, 2 W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If the images have another number of channels, a value is not finite, or the mask is missing, is not wanted
            or has another shape.
        """
        return super().apply(images) if callable(images) else self.outputs(images, mask).clip(-1, 1)

    def outputs(self, images: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Compute the outputs of the network, in evaluation mode, before they are cut to [-1, 1]; see `apply`."""
        images = np.asarray(images, np.float32)
        self.check_images(np.clip(images, -1, 1), (self.options.channels, "H", "W"))
        if not self.needs_mask and mask is not None:
            raise ValueError(f"{self.name}: got a mask, but damage {self.options.damage!r} has none")
        if self.needs_mask:
            if mask is None:
                raise ValueError(f"{self.name}: the mask is missing: this model fills holes")
            mask = np.asarray(mask, np.float32)
            if mask.shape != (len(images), 1, *images.shape[2:]):
                raise ValueError(
                    f"{self.name}: expected a mask ({len(images)}, 1, {images.shape[2]}, {images.shape[3]}), "
                    f"got {mask.shape}"
                )
        height, width = (self.factor * side for side in images.shape[2:])
        outputs = [np.zeros((0, images.shape[1], height, width), np.float32)]
        with self.evaluating():
            for part in parts(len(images)):
                x = tensor(images[part], device=self.device)
                hole = None if mask is None else tensor(mask[part], device=self.device)
                outputs.append(self(x, hole).numpy())
        return np.concatenate(outputs)

    def examples(self, images: np.ndarray, generator: np.random.Generator) -> tuple[Damaged, np.ndarray]:
        """Damage images and repair them.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1].
        generator : numpy.random.Generator

        Returns
        -------
        damaged : Damaged
        repaired : ndarray
            Of the shape of ``damaged.truth``.
        """
        damaged = self.damage.draw(images, generator)
        return damaged, self.apply(damaged.images, damaged.mask)

    def preview(self, n: int, dataset: Any, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Show damaged, repaired and true images beside each other, two of each in a row."""
        some = generator.permutation(len(dataset))[: max(min(n // 3, 16), 1)]
        damaged, repaired = self.examples(dataset.images[some], generator)
        shown = damaged.images.clip(-1, 1).repeat(self.factor, 2).repeat(self.factor, 3)
        return np.stack([shown, repaired, damaged.truth], 1).reshape(-1, *damaged.truth.shape[1:]), 6


def _psnr(output: Tensor, truth: Tensor, mask: Tensor | None) -> Tensor:
    """The peak signal-to-noise ratio in dB of values in [-1, 1], on the device."""
    with_mask = 1.0 if mask is None else mask
    error = (square(output - truth) * with_mask).mean() / (1.0 if mask is None else mask.mean())
    return 10 * math.log10(4) - 10 / math.log(10) * log(error + 1e-12)
