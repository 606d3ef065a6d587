r"""What the families of sequences share: series and sounds as frames, two kinds of losses, and the way back to sound.

**Series** (N, T, D) are divided by the largest absolute value of the training data, a constant of the run.

**Sounds** become frames: the spectrogram of a note, T frames of D frequencies (`minigen.audio.log_spectrogram`).  Each
frequency is standardized by its mean and standard deviation over the training data, divided by 3 and cut to [-1, 1]
(the SpecGAN of Donahue, McAuley, Puckette 2019, arXiv 1802.04208).  These numbers are found before the first step and
are part of every checkpoint, so that samples of a run become sound without its data.

**Losses.**  The pairs of losses of any GAN, or ``wgan-gp``: then `n_critic` updates of the critic for one of G, and
Adam without momentum (`minigen.models.gan.wgan_gp`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...audio import FLOOR, N_FFT, griffin_lim, log_spectrogram
from ...creation import rand, randn
from ...data import Dataset
from ...engine import no_grad
from ...losses import GAN_LOSSES, GANLoss, critic_gradients, gradient_penalty, wgan_d, wgan_g, wgan_gp_d
from ...ops.shape import cat, expand, unsqueeze
from ...optim import Adam, Optimizer
from ...tensor import Tensor, tensor
from ..gan.base import GAN
from ..options import option

__all__ = ["SequenceGAN"]

SPREAD = 3.0
"""Standard deviations of a frequency that become 1."""

_GP = "wgan-gp"
_LOSSES: dict[str, GANLoss] = {
    **GAN_LOSSES,
    _GP: GANLoss(
        lambda real, fake, _: wgan_d(real, fake), lambda fake, _: wgan_g(fake), False, lambda _: (0.0, 0.0, 0.0)
    ),
}
_SIDE = 64  # pixels of a drawn series


class SequenceGAN(GAN):
    """Base of the families of sequences: a family builds the networks.

    Raises
    ------
    ValueError
        If an option is not allowed.
    """

    @dataclass(frozen=True)
    class Options(GAN.Options):
        """Options of every family of sequences."""

        WITHOUT = ("size", "channels", "augment", "augment_p")
        steps: int = option(32, "T, the steps of a sequence", minimum=1, from_data=True)
        features: int = option(128, "D, the numbers of a step", minimum=1, from_data=True)
        classes: int = option(13, "number of classes of the data", minimum=1, from_data=True)
        kind: str = option("audio", "what the data holds", choices=("audio", "series"), from_data=True)
        scale: float = option(1.0, "largest absolute value of a series", above=0, from_data=True)
        rate: int = option(8000, "of audio: samples a second", minimum=1, from_data=True)
        latent: int = 32
        loss: str = option("non_saturating", "pair of losses", choices=tuple(_LOSSES))
        n_critic: int = option(3, "with wgan-gp: updates of the critic for each update of the generator", minimum=1)
        penalty: float = option(10.0, "with wgan-gp: weight of the gradient penalty", minimum=0)
        lr: float = 2e-3
        lr_decay: float = 1.0

    LOSSES: ClassVar[Mapping[str, GANLoss]] = _LOSSES
    EPOCHS: ClassVar[int] = 16  # of 58 batches of the notes: 928 steps
    options: Options
    critic_steps: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, **options: Any):
        for name in self.Options.WITHOUT:
            if name in options:
                raise ValueError(f"{self.name}: unknown option {name!r}: it makes sequences, not images")
        super().__init__(**options)
        self.FIELD = self.options.kind
        self.register_buffer("critic_steps", tensor(np.array(0)))  # a resumed run knows which step updates G
        self.register_buffer("mean", tensor(np.zeros(self.options.features, np.float32)))
        self.register_buffer("deviation", tensor(np.ones(self.options.features, np.float32)))

    @classmethod
    def data_options(cls, dataset: Dataset) -> dict[str, Any]:
        """Find what the data decides; ValueError if it holds neither series nor audio, or has no classes."""
        if dataset.kind not in ("series", "audio"):
            raise ValueError(
                f"{cls.name}: learns from series or audio, and {dataset.name} has {dataset.kind}; "
                "try --data notes or --data power"
            )
        if dataset.labels is None or not dataset.classes:
            raise ValueError(f"{cls.name}: learns from classes, and {dataset.name} has none")
        found: dict[str, Any] = {"classes": len(dataset.classes), "kind": dataset.kind}
        if dataset.kind == "audio":
            features, steps = log_spectrogram(dataset.audio[0, 0]).shape
            return found | {"steps": steps, "features": features, "rate": dataset.rate}
        scale = float(np.abs(dataset.series).max())
        return found | {"steps": dataset.shape[0], "features": dataset.shape[1], "scale": round(scale, 4) or 1.0}

    def example_shape(self) -> tuple[int, ...]:
        """Return the shape of a sequence, (T, D)."""
        return (self.options.steps, self.options.features)

    def build_optimizer(self, parameters: Any) -> Optimizer:
        """Build Adam; for a critic without momentum."""
        beta1, beta2 = (0.0, 0.9) if self.options.loss == _GP else (self.options.beta1, 0.999)
        return Adam(parameters, lr=self.options.lr, betas=(beta1, beta2))

    def prepare(self, dataset: Dataset) -> None:
        """Measure the mean and the deviation of each frequency; see `Model.prepare`."""
        if dataset.kind != self.options.kind:
            raise ValueError(f"{self.name}: expected {self.options.kind}, and {dataset.name} has {dataset.kind}")
        if dataset.kind == "audio":
            self.measure_spectrum(dataset)

    def measure_spectrum(self, dataset: Dataset) -> None:
        """Measure the mean and the deviation of each frequency of a set of sounds."""
        logs = np.concatenate([log_spectrogram(part) for part in np.array_split(dataset.audio[:, 0], 10)])
        self.mean.data = logs.mean((0, 2), dtype=np.float64).astype(np.float32)
        self.deviation.data = np.maximum(logs.std((0, 2), dtype=np.float64), 1e-3).astype(np.float32)

    # ---- between data and frames

    def check_examples(self, examples: Any) -> np.ndarray:
        """Check series (N, T, D) or sounds (N, 1, samples) of a batch, and return them as frames (N, T, D)."""
        return self.to_frames(examples)

    def to_frames(self, examples: Any) -> np.ndarray:
        """Turn series or sounds into what the networks see: (N, T, D), about in [-1, 1].

        Raises
        ------
        ValueError
            If the shape is another than the run's, or a value is not finite.
        """
        examples, shape = np.asarray(examples, np.float32), self.example_shape()
        audio = self.options.kind == "audio"
        if examples.ndim != 3 or (examples.shape[1] != 1 if audio else examples.shape[1:] != shape):
            expected = "(N, 1, samples)" if audio else f"(N, {shape[0]}, {shape[1]})"
            raise ValueError(f"{self.name}: expected {self.options.kind} {expected}, got {examples.shape}")
        if not np.isfinite(examples).all():
            raise ValueError(f"{self.name}: expected finite {self.options.kind}, got NaN or infinite values")
        if not audio:
            return examples / np.float32(self.options.scale)
        frames = self.audio_frames(examples)
        if frames.shape[1:] != shape:
            raise ValueError(f"{self.name}: expected sounds of {shape[0]} steps, got {frames.shape[1]}")
        return frames

    def audio_frames(self, sounds: np.ndarray) -> np.ndarray:
        """Turn sounds (N, 1, samples) into frames (N, T, D): standardized logarithms of a spectrogram."""
        frames = log_spectrogram(sounds[:, 0]).swapaxes(1, 2)
        return np.clip((frames - self.mean.numpy()) / (SPREAD * self.deviation.numpy()), -1, 1)

    def to_magnitudes(self, frames: np.ndarray) -> np.ndarray:
        """Turn frames (N, T, D) into magnitudes of a spectrum (N, D + 1, T); the highest frequency is 0."""
        logs = frames * (SPREAD * self.deviation.numpy()) + self.mean.numpy()
        magnitudes = np.maximum(np.exp(logs.astype(np.float64)) - FLOOR, 0).swapaxes(1, 2)
        return np.concatenate([magnitudes, np.zeros_like(magnitudes[:, :1])], axis=1)

    def to_sound(self, frames: np.ndarray) -> np.ndarray:
        """Turn frames (N, T, D) into sounds (N, samples), the loudest sample at 0.95; see `minigen.audio.griffin_lim`.

        Raises
        ------
        ValueError
            If the model was not trained on audio.
        """
        if self.options.kind != "audio":
            raise ValueError(f"{self.name}: this model was trained on series, which have no sound")
        sounds = self.frames_to_sound(np.asarray(frames))
        return (0.95 * sounds / np.maximum(np.abs(sounds).max(-1, keepdims=True), 1e-9)).astype(np.float32)

    def frames_to_sound(self, frames: np.ndarray) -> np.ndarray:
        """Turn frames (N, T, D) into sounds (N, samples) of any loudness."""
        if 2 * self.options.features != N_FFT:
            raise ValueError(f"{self.name}: expected {N_FFT // 2} frequencies, got {self.options.features}")
        return griffin_lim(self.to_magnitudes(frames))

    def decode(self, codes: np.ndarray, labels: Any = None) -> np.ndarray:
        """Make the series of each vector, in the units of the data; of a model of audio the frames in [-1, 1]."""
        frames = super().decode(codes, labels)
        return frames if self.options.kind == "audio" else frames * np.float32(self.options.scale)

    # ---- training

    def discriminate(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the critic's output (N, 1) for sequences (N, T, D), the one-hot label beside every step."""
        assert condition is not None
        beside = expand(unsqueeze(condition, 1), len(condition.data), images.shape[1], self.classes)
        outputs: Tensor = self.discriminator(cat([images, beside], 2))
        return outputs

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update the critic and the generator by one batch of series or sounds with labels.

        With ``wgan-gp`` the generator is updated in every `n_critic`-th step.

        Returns
        -------
        dict
            As `GAN.training_step`; with wgan-gp as `minigen.models.WGANGP`.
        """
        if self.options.loss != _GP:
            return super().training_step(batch)
        frames = self.check_examples(self.field(batch, self.FIELD))
        real, n = tensor(frames, device=self.device), len(frames)
        condition = self.condition(batch.get("labels"), n)
        with no_grad():
            fake = self.generate(randn(n, self.latent, device=self.device), condition)
        of_real, of_fake = self.discriminate(real, condition), self.discriminate(fake, condition)
        gradients = critic_gradients(
            lambda sequences: self.discriminate(sequences, condition), real, fake, rand(n, device=self.device)
        )
        loss_d = wgan_gp_d(of_real, of_fake, gradients, self.options.penalty)
        self.update(loss_d, self.optimizers["discriminator"])
        self.critic_steps.data = np.array(self.critic_steps.item() + 1)
        if self.critic_steps.item() % self.options.n_critic == 0:
            fake = self.generate(randn(n, self.latent, device=self.device), condition)
            self.update(wgan_g(self.discriminate(fake, condition)), self.optimizers["generator"])
            self.update_average()
        of_real, of_fake = of_real.detach(), of_fake.detach()
        return {
            "loss_d": loss_d.detach(),
            "loss_g": wgan_g(of_fake),
            "distance": -wgan_d(of_real, of_fake),
            "penalty": gradient_penalty(gradients.detach(), self.options.penalty),
        }

    def reference_levels(self) -> dict[str, float]:
        """Return the losses of an undecided critic; with wgan-gp the distance of equal distributions."""
        return {"distance": 0.0} if self.options.loss == _GP else super().reference_levels()

    def preview(self, n: int, dataset: Dataset, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Draw samples: spectrograms with low frequencies below, or curves; a column for each class."""
        count = n - n % self.classes if self.classes <= n else n
        columns = self.classes if self.classes <= n else None
        samples = self.sample(count, generator)
        return self.pictures(samples), columns

    def pictures(self, samples: np.ndarray) -> np.ndarray:
        """Draw what `sample` returned as images (N, 1, H, W) in [-1, 1]."""
        if self.options.kind == "audio":
            return np.ascontiguousarray(samples.swapaxes(1, 2)[:, None, ::-1])
        if self.options.features > 1:  # several numbers a step: a row of the image is a step
            return samples[:, None] / np.float32(self.options.scale)
        return np.stack([_curve(series[:, 0] / self.options.scale) for series in samples])


def _curve(values: np.ndarray) -> np.ndarray:
    """Draw one curve of values in [-1, 1] as an image (1, side, side), black on white."""
    image = np.ones((1, _SIDE, _SIDE), np.float32)
    at = np.interp(np.linspace(0, len(values) - 1, _SIDE), np.arange(len(values)), values)
    rows = np.clip(np.round((1 - at) / 2 * (_SIDE - 1)), 0, _SIDE - 1).astype(int)
    for column, (row, before) in enumerate(zip(rows, [rows[0], *rows])):
        image[0, min(row, before) : max(row, before) + 1, column] = -1
    return image
