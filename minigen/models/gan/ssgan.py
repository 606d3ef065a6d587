"""A semi-supervised GAN: a classifier that learns from few labels and from many images without one.

The discriminator has an output for each class, and "generated" is one class more (Salimans et al. 2016, arXiv
1606.03498, section 5; the derivation is in ``minigen.losses.derivation("semi_supervised")``).  The generator matches
mean features of D.  It is there to help the classifier: its images are not the aim.

**Which labels are used.**  `prepare` chooses `labelled` images of the training data, as many of each class, once.  No
other label is read: `training_step` takes images only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ... import nn
from ...backend import rng
from ...creation import randn
from ...data import Dataset, random_affine
from ...functional import cross_entropy
from ...losses import feature_matching, semi_supervised_d
from ...optim import Adam, Optimizer
from ...tensor import Tensor, tensor
from ..networks.gan import Networks, builder
from ..options import option
from ..registry import register
from ..sizes import parts
from .base import BaseGAN

__all__ = ["SSGAN"]


@register("ssgan")
class SSGAN(BaseGAN):
    """SSGAN: a classifier from few labels, with a GAN on images without labels (Salimans et al. 2016).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> data = mg.data.load("digits")
    >>> model = SSGAN(size=8, channels=1, outputs=10, width=4, labelled=20)
    >>> model.prepare(data)
    >>> list(model.training_step(data.batch(slice(0, 32))))
    ['loss_d', 'loss_g', 'labelled_accuracy']
    >>> model.predict(data.images[:3]).shape
    (3,)
    """

    @dataclass(frozen=True)
    class Options(BaseGAN.Options):
        """Options of the semi-supervised GAN."""

        WITHOUT = ("augment", "augment_p")
        outputs: int = option(10, "classes of the data", minimum=2, from_data=True)
        labelled: int = option(100, "images whose labels are used, as many of each class", minimum=1)
        subset: int = option(0, "seed of the choice of these images", minimum=0)
        supervised: bool = option(False, "learn from the labeled images only: the baseline")
        affine: float = option(
            0.0,
            "turn, move and scale the labeled images at random: by up to 10 degrees, 7 % of the side and 10 %, each "
            "times this number",
            minimum=0,
            below=10,
        )
        network_d: str = option(
            "mlp", "the classifier: dense layers, as in the paper for digits, or conv", choices=("mlp", "conv")
        )
        units: int = option(256, "units in each of D's two hidden layers, if it is mlp", minimum=1)
        width: int = option(16, "channels of G's last convolution, and of D's first one if it is conv", minimum=1)
        noise: float = option(0.3, "standard deviation of the noise added to the pixels that D gets", minimum=0)
        hidden_noise: float = option(0.3, "the same for the outputs of D's hidden layers", minimum=0)
        dropout: float = option(0.0, "share of D's last features set to 0 in training", minimum=0, below=1)
        lr: float = 3e-3
        lr_decay: float = option(
            0.5, "share of the training, at its end, in which the rate falls linearly to 0", minimum=0, maximum=1
        )

    EPOCHS: ClassVar[int] = 40
    BATCH_SIZE: ClassVar[int] = 100
    RECALIBRATE: ClassVar[int] = 1000
    TRAINING_ONLY: ClassVar[tuple[str, ...]] = ()  # D is the classifier
    options: Options
    _known: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def data_options(cls, dataset: Dataset) -> dict[str, Any]:
        """Find size, channels and the number of classes; ValueError if the data has no classes."""
        if dataset.labels is None or not dataset.classes:
            raise ValueError(f"{cls.name}: learns to classify, and {dataset.name} has no classes")
        return super().data_options(dataset) | {"outputs": len(dataset.classes)}

    def build_augmentation(self) -> tuple[None, float, None]:
        """Build none: this family's option `affine` moves the labeled images only."""
        return None, 1.0, None

    def build_networks(self) -> Networks:
        """Build a conv G, and D with an output for each class, noise after each hidden layer, and no batch norm.

        The noise in every layer of D is the paper's (section 5.1).
        """
        o = self.options
        generator, plain = builder("conv", o.width, norm="none")(o.size, o.channels, self.latent)
        if o.network_d == "mlp":
            plain = builder("mlp", o.units)(o.size, o.channels, self.latent)[1]
        *hidden, last = plain.children()
        assert isinstance(last, nn.Linear)
        layers: list[nn.Module] = [nn.GaussianNoise(o.noise)]
        for layer in hidden:
            layers += [layer, nn.GaussianNoise(o.hidden_noise)] if isinstance(layer, nn.LeakyReLU) else [layer]
        features = nn.Sequential(*layers, nn.Dropout(o.dropout))
        return generator, nn.Sequential(features, nn.Linear(last.in_features, o.outputs))

    def build_optimizer(self, parameters: Any) -> Optimizer:
        """Build Adam."""
        return Adam(parameters, lr=self.options.lr, betas=(0.5, 0.999))

    def prepare(self, dataset: Dataset) -> None:
        """Choose the images whose labels are used; the training loop calls it before the first step.

        Raises
        ------
        ValueError
            If there are fewer labels than classes, a class has too few images, or the numbers do not divide.
        """
        count, classes = self.options.labelled, self.options.outputs
        if count < classes or count % classes:
            raise ValueError(
                f"{self.name}: --labelled {count}: expected a multiple of the {classes} classes, as many of each"
            )
        assert dataset.labels is not None
        order = np.random.default_rng(self.options.subset).permutation(len(dataset))
        chosen = []
        for label in range(classes):
            of_class = order[dataset.labels[order] == label][: count // classes]
            if len(of_class) < count // classes:
                raise ValueError(
                    f"{self.name}: --labelled {count}: expected {count // classes} images of each class, "
                    f"{dataset.name} has {len(of_class)} of {dataset.classes[label]!r}"
                )
            chosen.append(of_class)
        index = np.concatenate(chosen)
        self._known = self.check_images(dataset.images[index], self.shape), dataset.labels[index]

    @property
    def known(self) -> tuple[np.ndarray, np.ndarray]:
        """The images whose labels are used, and these labels."""
        if self._known is None:
            raise ValueError(f"{self.name}: call prepare(dataset) first: it chooses the labeled images")
        return self._known

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update D, then G, by one batch without labels and one of labeled images.

        Parameters
        ----------
        batch : mapping of str to ndarray
            ``images`` (N, C, H, W) in [-1, 1]; labels are not read.

        Returns
        -------
        dict
            ``loss_d``, ``loss_g`` (feature matching), and the share of the labeled batch that D reads right.
        """
        images = self.check_images(self.field(batch, "images"), self.shape)
        known, labels = self.known
        chosen = rng().permutation(len(known))[: len(images)]
        labelled = tensor(self._augmented(known[chosen]), device=self.device)
        targets = tensor(labels[chosen], device=self.device)
        logits = self.discriminator(labelled)
        right = (logits.detach().argmax(1) == targets).to(np.float32).mean()
        if self.options.supervised:
            loss = cross_entropy(logits, targets)
            self.update(loss, self.optimizers["discriminator"])
            return {"loss_d": loss.detach(), "labelled_accuracy": right}
        real = tensor(images, device=self.device)
        fake = self.generator(randn(len(images), self.latent, device=self.device))
        loss_d = semi_supervised_d(logits, self.discriminator(real), self.discriminator(fake.detach()), targets)
        self.update(loss_d, self.optimizers["discriminator"])
        # The features before the last layer; those of real images are constants for G.
        features, _ = self.discriminator.children()
        loss_g = feature_matching(features(real).detach(), features(fake))
        self.update(loss_g, self.optimizers["generator"])
        self.update_average()
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach(), "labelled_accuracy": right}

    def _augmented(self, images: np.ndarray) -> np.ndarray:
        strength = self.options.affine
        if not strength:
            return images
        most = 0.07 * strength
        scale = (1 - 0.1 * strength, 1 + 0.1 * strength)
        return random_affine(images, rng(), 10 * strength, (most, most), scale)

    def schedule(self, done: float) -> None:
        """Let the learning rates fall, as the option `lr_decay` says; see `Model.decay_learning_rates`."""
        self.decay_learning_rates(done, self.options.lr_decay)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the likeliest class of each image (N,), in evaluation mode."""
        images = self.check_images(images, self.shape)
        read = [np.zeros(0, np.int64)]
        with self.evaluating():
            for part in parts(len(images)):
                read.append(self.discriminator(tensor(images[part], device=self.device)).numpy().argmax(1))
        return np.concatenate(read)

    def as_probability(self, outputs: Tensor) -> Tensor:
        """Convert the logits of classes to the probability of being real, (N, 1)."""
        return outputs.detach().logsumexp(1, keepdim=True).sigmoid()
