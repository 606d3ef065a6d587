"""What all GANs share: a generator, a discriminator, the pair of losses, and the training step.

The pair of losses (`minigen.losses.GAN_LOSSES`) is what most GANs differ in; networks and training step stay the same.
"""

import copy
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ... import nn
from ...augment import Adaptive, Compose
from ...creation import randn
from ...engine import no_grad
from ...losses import GAN_LOSSES, GANLoss
from ...nn.utils import update_bn
from ...ops.shape import cat
from ...optim import Adam, Optimizer
from ...tensor import Tensor, tensor
from ..augmentation import AUGMENT, AUGMENT_P, NO_GRAPH, build_augmentation
from ..base import GenerativeModel
from ..condition import concat_label_maps
from ..ema import EMA
from ..networks.gan import Networks
from ..options import option

__all__ = ["GAN", "BaseGAN"]

_MAX_LEAD = 0.98  # the lead from which D is said to have won
_MAX_GAP = 0.3  # the gap between training and held-out images from which D is said to overfit


class BaseGAN(GenerativeModel):
    """Base of all families with a generator and a discriminator: a family builds them and their optimizers.

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.
    """

    @dataclass(frozen=True)
    class Options(GenerativeModel.Options):
        """Options of every family with a generator and a discriminator."""

        lr: float = option(5e-4, "learning rate of both networks at the start", minimum=0)
        ema: float = option(
            0.0,
            "make samples with an average of the generator's weights over about 1 / (1 - ema) steps; 0 for the last "
            "weights",
            minimum=0,
            below=1,
        )
        augment: str | None = option(None, AUGMENT.format("that D sees real and generated images through"))
        augment_p: float | str | None = option(
            None, f"{AUGMENT_P}; ada adapts it to how sure D is of the training images"
        )

    FIELD: str = "images"
    """The field of a batch that holds the examples."""

    LOSSES: ClassVar[Mapping[str, GANLoss]] = GAN_LOSSES
    """The pairs of losses that the family may have."""

    TRAINING_ONLY: ClassVar[tuple[str, ...]] = ("discriminator",)

    RECALIBRATE: ClassVar[int] = 0
    """From how many vectors the statistics of G's batch norms are measured before samples are made.

    0 uses the running statistics of the training: moving averages over the last few batches, while the weights moved.
    """

    ADAPTIVE: ClassVar[bool] = False
    """Whether an output of D has a point where D is undecided, which adaptive augmentation needs."""

    options: Options
    generator: nn.Module
    discriminator: nn.Module
    average: EMA | None
    augmentation: Compose | None
    augment_p: float
    ada: Adaptive | None
    _calibrated: tuple[bytes, nn.Module] | None = None

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        super().__init__(size, channels, **options)
        self.augmentation, self.augment_p, self.ada = self.build_augmentation()
        try:
            self.generator, self.discriminator = self.build_networks()
            self.average = EMA(self.generator, self.options.ema) if self.options.ema else None
            self.optimizers: dict[str, Optimizer] = {
                "generator": self.build_optimizer(self.generator.parameters()),
                "discriminator": self.build_optimizer(self.discriminator.parameters()),
            }
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def build_networks(self) -> Networks:
        """Build the generator and the discriminator; see `minigen.models.networks.gan`."""
        raise NotImplementedError(f"{type(self).__name__} does not define build_networks()")

    def build_optimizer(self, parameters: Iterable[Any]) -> Optimizer:
        """Build the optimizer of one network."""
        raise NotImplementedError(f"{type(self).__name__} does not define build_optimizer()")

    # ---- the networks, with the condition if there is one

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Compute G(z), or G(z, c): by the generator in training mode, by its average in evaluation mode.

        See `GenerativeModel.generate`.
        """
        network = self.generator if self.training or self.average is None else self.average
        if not self.training and self.RECALIBRATE:
            network = self._recalibrated(network)
        images: Tensor = network(z if condition is None else cat([z, condition], 1))
        return images

    def _recalibrated(self, network: nn.Module) -> nn.Module:
        """Return a copy whose batch norms have the statistics of its present weights, by `update_bn`."""
        state = hashlib.sha256(b"".join(p.numpy().tobytes() for p in network.parameters())).digest()
        if self._calibrated is None or self._calibrated[0] != state:
            copied = copy.deepcopy(network)
            noise = np.random.default_rng(0)  # a separate stream: looking at samples does not change the training
            size = self.RECALIBRATE // 20
            update_bn((randn(size, self.latent, generator=noise, device=self.device) for _ in range(20)), copied)
            self._calibrated = (state, copied.eval())
        return self._calibrated[1]

    def discriminate(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Compute D(x), or D(x, c): the output of the discriminator, (N, 1).

        A dense discriminator (`network` mlp) gets the one-hot label appended to the pixels, a convolutional one as
        label maps.
        """
        if condition is None:
            inputs = images
        elif getattr(self.options, "network", "conv") == "mlp":
            inputs = cat([images.flatten(1), condition], 1)
        else:
            inputs = concat_label_maps(images, condition)
        outputs: Tensor = self.discriminator(inputs)
        return outputs

    def build_augmentation(self) -> tuple[Compose | None, float, Adaptive | None]:
        """Build what the options ask for; see `minigen.models.augmentation.build_augmentation`."""
        return build_augmentation(self, adaptive=self.ADAPTIVE)

    def augmented(self, images: Tensor) -> Tensor:
        """Apply the option `augment` to images that D is to see, with fresh random numbers.

        D sees real and generated images through the same kind of transform, so it can only learn differences that
        survive the transform, and cannot learn its few real images by heart.  G must get its gradient *through* the
        transform.  If only the real images were transformed, G would learn to make transformed images.
        """
        if self.augmentation is None:
            return images
        return self.augmentation(images, self.augment_p if self.ada is None else self.ada.p)

    def check_examples(self, examples: Any) -> np.ndarray:
        """Check images of the data and return them as float32; see `Model.check_images`."""
        return self.check_images(examples, self.shape)

    def as_probability(self, outputs: Tensor) -> Tensor:
        """Convert outputs of D for reading: a logit becomes a probability, other outputs stay."""
        return outputs.detach()

    def adopt_average(self) -> None:
        """Give the generator the average of its weights; see `Model.adopt_average`."""
        if self.average is not None:
            self.generator.load_state_dict(self.average.network.state_dict())
            self.average = None

    def recalibrate(self) -> None:
        """Give the generator's batch norms the statistics that samples are made with; see `RECALIBRATE`."""
        if self.RECALIBRATE:
            self.generator.load_state_dict(self._recalibrated(self.generator).state_dict())

    def update_average(self) -> None:
        """Update the average of the generator's weights, if there is one."""
        if self.average is not None:
            self.average.update(self.generator)

    # ---- measuring

    def score(self, images: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Compute D's output for each image of a batch, in training mode, as it is trained.

        A batch norm of D has learned to normalize by the statistics of batches of one kind, all real or all generated;
        its running averages are those of a mixture.  They are not changed.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1]; all real or all generated, in random order.
        labels : ndarray of int (N,), optional
            For a conditional model.

        Returns
        -------
        ndarray (N,), float32
            Probabilities of being real if D's output is a logit; else its outputs.
        """
        images = self.check_examples(images)
        outputs = self._outputs_unchanged(tensor(images, device=self.device), self.condition(labels, len(images)))
        return self.as_probability(outputs).numpy()[:, 0]

    def _outputs_unchanged(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """D's outputs in training mode, with its running statistics as they were afterwards."""
        before, mode = self.discriminator.state_dict(), self.discriminator.training
        with no_grad():
            self.discriminator.train()
            outputs = self.discriminate(images, condition)
        self.discriminator.train(mode).load_state_dict(before)
        return outputs

    def heldout_outputs(self, batch: Mapping[str, np.ndarray]) -> Tensor | None:
        """Compute D's outputs for real images that it does not learn from; None if the batch has none.

        They are augmented like the others, so that their mean can be compared with that of the training images: what
        the mean is lower by is what D knows by heart.

        Parameters
        ----------
        batch : mapping of str to ndarray
            ``heldout`` and, for a conditional model, ``heldout_labels``; see `minigen.data.HeldOut`.
        """
        if "heldout" not in batch:
            return None
        images = self.check_examples(batch["heldout"])
        condition = self.condition(batch.get("heldout_labels"), len(images))
        return self._outputs_unchanged(self.augmented(tensor(images, device=self.device)), condition)


class GAN(BaseGAN):
    """Base of the families with a pair of losses of `GAN_LOSSES`: a family gives the networks, and its own options.

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.
    """

    @dataclass(frozen=True)
    class Options(BaseGAN.Options):
        """Options of every GAN with a pair of losses."""

        loss: str = option("non_saturating", "pair of losses", choices=tuple(GAN_LOSSES))
        beta1: float = option(0.5, "first decay rate of Adam; lower adapts faster to the other network")
        smoothing: float = option(
            0.1, "one-sided label smoothing: real labels are 1 - smoothing (no effect with hinge)", minimum=0, below=1
        )
        lr_decay: float = option(
            0.0,
            "share of the training, at its end, in which the learning rate falls linearly to 0; 0 for a constant rate",
            minimum=0,
            maximum=1,
        )

    ADAPTIVE: ClassVar[bool] = True
    options: Options

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        super().__init__(size, channels, **options)
        self.gan_loss: GANLoss = self.LOSSES[self.options.loss]

    def build_optimizer(self, parameters: Iterable[Any]) -> Optimizer:
        """Build Adam.

        The loss surface of a GAN is not fixed: it changes with every step of the other network.  A beta1 of 0.5
        averages the gradient over about 2 steps; the usual 0.9 averages over 10.
        """
        return Adam(parameters, lr=self.options.lr, betas=(self.options.beta1, 0.999))

    def as_probability(self, outputs: Tensor) -> Tensor:
        """Convert outputs of D for reading: a logit becomes a probability, other outputs stay."""
        outputs = outputs.detach()
        return outputs.sigmoid() if self.gan_loss.logits else outputs

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update D, then G, by one batch.

        Parameters
        ----------
        batch : mapping of str to ndarray
            ``images`` (N, C, H, W) in [-1, 1]; and ``labels`` (N,) for a conditional model.

        Returns
        -------
        dict
            ``loss_d`` and ``loss_g`` (`reference_levels` says what they are if D is undecided), and the
            means of D's outputs for real and for generated images before its update, ``d_real`` and ``d_fake``: as
            probabilities if they are logits.  ``d_heldout`` is the same for real images that D does not learn from, if
            the batch has some, and ``augment_p`` the probability of adaptive augmentation.
        """
        images = self.check_examples(self.field(batch, self.FIELD))
        heldout_outputs = self.heldout_outputs(batch)
        real = self.augmented(tensor(images, device=self.device))
        # Both networks get the labels of this batch.  With the real images they are pairs drawn from p(x, c) jointly,
        # and the generated images have the same classes.  So D can only use how well image and label fit together.
        condition = self.condition(batch.get("labels"), len(images))
        fake = self.generate(randn(len(images), self.latent, device=self.device), condition)

        # The discriminator.  Its two batches go through it one after the other, as in the paper: batch norm then
        # normalizes each by its own statistics, and D cannot compare an image with the rest of a mixture. detach: for D
        # the generated images are given; this loss must not update G. (`update` computes the gradient of D only, so
        # here detach changes no result, and saves keeping the graph of G.)
        real_outputs = self.discriminate(real, condition)
        fake_outputs = self.discriminate(self.augmented(fake.detach()), condition)
        loss_d = self.gan_loss.discriminator(real_outputs, fake_outputs, self.options.smoothing)
        penalty = self.penalize(real, condition)
        self.update(loss_d if penalty is None else loss_d + penalty, self.optimizers["discriminator"])

        # The generator.  The updated discriminator computes its outputs for the same images again.  No detach: the
        # gradient reaches G through D, and through the augmentation.
        judged = self.outputs_for_generator(real, self.augmented(fake), condition)
        loss_g = self.gan_loss.generator(judged, self.options.smoothing)
        self.update(loss_g, self.optimizers["generator"])
        self.update_average()

        numbers = {} if heldout_outputs is None else {"d_heldout": self.as_probability(heldout_outputs).mean()}
        if self.ada is not None:
            self.ada.update(self._decision(real_outputs.detach()))
            numbers["augment_p"] = tensor(np.float32(self.ada.p))
        return {
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "d_real": self.as_probability(real_outputs).mean(),
            "d_fake": self.as_probability(fake_outputs).mean(),
            **({} if penalty is None else {"penalty": penalty.detach()}),
            **numbers,
        }

    def why_no_graph(self) -> str:
        """Say why a CUDA graph cannot repeat the training step; see `Model.why_no_graph`."""
        return "" if self.augmentation is None else NO_GRAPH

    def _decision(self, outputs: Tensor) -> Tensor:
        """Shift outputs of D so that 0 is undecided: a logit is so already, the middle of an lsgan is 1/2."""
        return outputs if self.gan_loss.logits else outputs - self.gan_loss.undecided(self.options.smoothing)[2]

    def penalize(self, real: Tensor, condition: Tensor | None) -> Tensor | None:
        """Compute what is added to the loss of D, if anything."""
        return None

    def outputs_for_generator(self, real: Tensor, fake: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the outputs of D that the loss of G is made of."""
        return self.discriminate(fake, condition)

    def schedule(self, done: float) -> None:
        """Let the learning rates fall, as the option `lr_decay` says; see `Model.decay_learning_rates`.

        A family may set another default of `lr_decay`, as `DCGAN` does.
        """
        self.decay_learning_rates(done, self.options.lr_decay)

    def reference_levels(self) -> dict[str, float]:
        """Return the losses and outputs of an undecided D, with the smoothing of the options."""
        loss_d, loss_g, output = self.gan_loss.undecided(self.options.smoothing)
        return {"loss_d": loss_d, "loss_g": loss_g, "d_real": output, "d_fake": output}

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Find a discriminator that has won, or that overfits; see `Model.diagnose`.

        The *lead* of D is d_real - d_fake, as a share of the largest possible difference.  Above 0.98 D is practically
        never wrong.  (With hinge D's scores beyond the margins are not limited: 1 - loss_d / 2 is the same lead, with
        each score counted up to its margin.)  D leads in healthy trainings too: by 0.15 in the first epoch of a `DCGAN`
        and 0.6 in the last, by 0.82 in the first epoch of a `CGAN`, at low rates by up to 0.87.  With minimax the first
        epoch may exceed 0.98 and the second be back at 0.91: only a lead that lasts is a fault.

        D *overfits* if it takes training images for real and held-out ones not.  A gap of 0.3 between the two
        probabilities is far outside of what two batches differ by.
        """
        if "d_real" not in means:  # the scores of a critic have no scale
            return {}
        real, fake = means["d_real"], means["d_fake"]
        margins = self.gan_loss.margins
        lead = 1 - means["loss_d"] / 2 if margins else (real - fake) / (1 - self.options.smoothing)
        overfit = {}
        heldout = means.get("d_heldout", real)
        if self.gan_loss.logits and real - heldout > _MAX_GAP:
            overfit["overfit"] = (
                f"the discriminator knows its training images by heart (d_real {real:.3f}, d_heldout {heldout:.3f}). "
                "Try --augment translate+cutout, more images, or fewer --steps"
            )
        if not lead > _MAX_LEAD:
            return overfit
        remedy = "--loss non_saturating" if self.options.loss == "minimax" else "a smaller --lr"
        remedy += "" if margins else ", more --smoothing"
        return overfit | {
            "won": f"the discriminator has won (d_real {real:.3f}, d_fake {fake:.3f}): the gradient of the generator "
            f"is small. Try {remedy}, or wgan-gp, where a better critic gives a better gradient"
        }
