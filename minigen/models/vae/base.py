"""What all variational autoencoders share: encoder, decoder and the training step.

Everything is in nats an image.  Inside, pixels are in [0, 1] (`minigen.data` gives [-1, 1], for tanh): a Bernoulli
pixel is the probability of white.  The code of an image that is shown is the mean of q(z | x); codes in training and
for estimates are drawn from q(z | x).  The mathematics is in `minigen.losses`; a family adds the bound that it
maximizes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ... import nn
from ...creation import full, randn
from ...data import to_unit
from ...engine import no_grad
from ...losses import (
    bernoulli_log_likelihood,
    gaussian_kl,
    gaussian_log_likelihood,
    monte_carlo_kl,
    reparameterize,
)
from ...ops.shape import cat
from ...optim import AdamW
from ...tensor import Tensor, tensor
from ..base import GenerativeModel
from ..ema import EMA
from ..networks.vae import NETWORKS, Encoder
from ..options import option
from ..sizes import parts

__all__ = ["BaseVAE"]

_CODE_CHUNK = 1000  # codes decoded together where there are many codes of each image

_VANISHED_KL = 0.1  # nats: below this KL the code says nothing about the image

_ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, section 5.2: a component is active if the variance of its mean is larger


class BaseVAE(GenerativeModel):
    """Base of `VAE`, `CVAE` and `IWAE`: an encoder q(z | x), a decoder p(x | z) and the prior N(0, I).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.
    """

    @dataclass(frozen=True)
    class Options(GenerativeModel.Options):
        """Options of every variational autoencoder."""

        network: str = option("conv", "networks; see minigen.models.networks", choices=tuple(NETWORKS))
        latent: int | None = option(  # type: ignore[assignment]
            None, "length of the code z (default: 20; 256 for conv_k5, 32 for mlp_512)", minimum=1
        )
        width: int | None = option(
            None,
            "channels of the first layer for conv (default: 16), units of a layer for mlp (default: 200)",
            minimum=1,
        )
        depth: int | None = option(
            None,
            "dense layers next to the code, for conv and mlp (default: 1; 4 if the code is shorter than 5)",
            minimum=1,
        )
        likelihood: str = option(
            "bernoulli",
            "distribution of a pixel: bernoulli (grey values in [0, 1]) or gaussian (one learned variance)",
            choices=("bernoulli", "gaussian"),
        )
        dropout: float = option(
            0.0, "share of the hidden features set to 0 in training, for conv and mlp", minimum=0, below=1
        )
        weight_decay: float = option(
            0.0, "weight decay of AdamW: share of lr by which every weight shrinks in a step", minimum=0
        )
        lr: float = option(2e-3, "learning rate", minimum=0)
        ema: float = option(
            0.995,
            "measure and sample with the weights averaged over about 1 / (1 - ema) steps; 0 for the last weights",
            minimum=0,
            below=1,
        )

    options: Options
    encoder: Encoder
    decoder: nn.Sequential
    average: EMA | None

    EPOCHS: ClassVar[int] = 40
    BATCH_SIZE: ClassVar[int] = 64

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        super().__init__(size, channels, **options)
        choice = self.options
        build, default_latent = NETWORKS[choice.network]
        extra = {"width": choice.width, "depth": choice.depth, "dropout": choice.dropout or None}
        extra = {name: value for name, value in extra.items() if value is not None}
        if extra and choice.network not in ("conv", "mlp"):
            raise ValueError(
                f"{self.name}: {next(iter(extra))} is an option of the conv and mlp networks, not of {choice.network}"
            )
        self.latent = choice.latent or default_latent
        self.samples: int = getattr(choice, "samples", 1)  # codes drawn for each image in training
        try:
            self.encoder, self.decoder = build(choice.size, choice.channels, self.latent, self.classes, **extra)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if choice.likelihood == "gaussian":
            # One learned variance for all pixels: the weight of the squared error against the KL need not be chosen
            # (the derivation "gaussian", step 3).  The standard deviation starts at 0.2, where black is 0 and white 1.
            self.decoder.pixel_log_var = nn.Parameter(full((1,), 2 * np.log(0.2)))
        self.optimizers = {"vae": AdamW(list(self.parameters()), choice.lr, weight_decay=choice.weight_decay)}
        # Each step has the noise of few images and of one code for each.  The average over some hundred steps (Polyak &
        # Juditsky 1992) is better than any of them, on 4,000 digits by 3 nats.  The training does not use it.
        self.average = EMA(nn.ModuleList([self.encoder, self.decoder]), choice.ema) if choice.ema else None

    # ---- training

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Compute minus the bound that this family maximizes.

        Parameters
        ----------
        log_likelihood : Tensor (K, N)
            log p(x | z) of K codes for each of N images.
        mu, log_var : Tensor (N, latent)
            Of q(z | x).
        eps : Tensor (K, N, latent)
            The noise that made the codes.

        Returns
        -------
        Tensor ()
        """
        raise NotImplementedError(f"{type(self).__name__} does not define loss()")

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update encoder and decoder together by one batch.

        Parameters
        ----------
        batch : mapping of str to ndarray
            ``images`` (N, C, H, W) in [-1, 1]; and ``labels`` (N,) for a conditional model.

        Returns
        -------
        dict
            ``loss``; and its two parts as they are at beta = 1, means over the images: ``reconstruction``, which is
            -log p(x | z) summed over the pixels, and ``kl``, summed over the code.
        """
        x, condition = self._inputs(self.field(batch, "images"), batch.get("labels"))
        mu, log_var = self._encode(x, condition)
        # Fresh noise in every step.  Nothing is detached: through z = mu + sigma * eps the gradient of the
        # reconstruction reaches the encoder, and one optimizer updates both networks.
        eps = randn(self.samples, *mu.shape, device=self.device)
        log_likelihood = self._log_likelihood(x, mu, log_var, eps, condition)
        loss = self.loss(log_likelihood, mu, log_var, eps)
        self.update(loss, self.optimizers["vae"])
        if self.average is not None:
            self.average.update(nn.ModuleList([self.encoder, self.decoder]))
        with no_grad():
            kl = gaussian_kl(mu, log_var).mean()
        return {"loss": loss.detach(), "reconstruction": -log_likelihood.detach().mean(), "kl": kl}

    def _log_likelihood(self, x: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor, condition: Tensor | None) -> Tensor:
        """The log-likelihoods log p(x | z) (K, N) for the codes that the noise (K, N, latent) makes."""
        z = reparameterize(mu, log_var, eps)
        count = len(eps.data)
        if condition is not None and count > 1:
            condition = condition.expand(count, *condition.shape).reshape(-1, self.classes)
        output = self._decode(z.reshape(-1, self.latent), condition).reshape(count, *x.shape)
        if self.options.likelihood == "bernoulli":
            return bernoulli_log_likelihood(output, x)
        return gaussian_log_likelihood(output, x, self._networks()[1].pixel_log_var)

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder: those that learn in training mode, their averages in evaluation mode."""
        if self.training or self.average is None:
            return self.encoder, self.decoder
        encoder, decoder = self.average.network.children()
        return encoder, decoder

    def _encode(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._networks()[0](x, condition)

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self._networks()[1](z if condition is None else cat([z, condition], 1))

    def _inputs(self, images: np.ndarray, labels: Any) -> tuple[Tensor, Tensor | None]:
        """Images in [0, 1], and their condition."""
        images = self.check_images(images, self.shape)
        return tensor(to_unit(images), device=self.device), self.condition(labels, len(images))

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Find a KL that has vanished; see `Model.diagnose`.

        The KL is at least the information of the code about the image; to tell two kinds apart takes log 2 = 0.69 nats.
        Below 0.1 the code says nothing.  With beta = 100 the KL is 0.04 on digits; healthy models end at 5 (a code of
        2) to 25, and the lowest value in their first steps was 0.4, of a `CVAE` on images of 8x8.
        """
        beta = getattr(self.options, "beta", 1.0)
        if not (beta > 0 and means["kl"] < _VANISHED_KL):
            return {}
        remedy = "a smaller --beta" if beta > 1 else "a smaller --lr, another --seed, or --network conv"
        return {
            "vanished": f"the KL has vanished ({means['kl']:.3f} nats an image): the code says nothing about its "
            f"image, and all samples are alike. Try {remedy}"
        }

    # ---- from images to codes and back

    def encode(self, images: np.ndarray, labels: Any = None) -> np.ndarray:
        """The mean of each image's code, in evaluation mode.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1].
        labels : int or ndarray of int (N,), optional
            For a conditional model.

        Returns
        -------
        ndarray (N, latent), float32

        Raises
        ------
        ValueError
            If the images or labels do not fit the model.
        """
        codes = [np.zeros((0, self.latent), np.float32)]
        with self.evaluating():
            for x, condition in self._batches(images, labels):
                codes.append(self._encode(x, condition)[0].numpy())
        return np.concatenate(codes)

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """The mean images of p(x | z), in [-1, 1]; see `GenerativeModel.generate`.

        Not draws from p(x | z): the independent noise of its pixels is no part of what was learnt.
        """
        output = self._decode(z, condition)
        return 2 * (output.sigmoid() if self.options.likelihood == "bernoulli" else output.clamp(0, 1)) - 1

    def reconstruct(self, images: np.ndarray, labels: Any = None) -> np.ndarray:
        """Images sent through the code and back; parameters and errors as `encode`.

        Returns
        -------
        ndarray (N, C, H, W), float32, in [-1, 1]
        """
        return self.decode(self.encode(images, labels), labels if self.classes else None)

    # ---- looking at the code

    def interpolate(self, first: np.ndarray, last: np.ndarray, steps: int = 8, labels: Any = None) -> np.ndarray:
        """From each image of `first` to the one of `last`, along a straight line between their codes.

        Parameters
        ----------
        first, last : ndarray (N, C, H, W)
            In [-1, 1].
        steps : int
            Images in a row, both ends included.
        labels : int or ndarray of int (N,), optional
            Of a conditional model: the class of both.

        Returns
        -------
        ndarray (N, steps, C, H, W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If `steps` is less than 2, or the images or labels do not fit.
        """
        if steps < 2:
            raise ValueError(f"interpolate: steps must be at least 2, got {steps}")
        ends = self.encode(first, labels), self.encode(last, labels)
        if len(ends[0]) != len(ends[1]):
            raise ValueError(
                f"interpolate: expected as many last images as first ones, got {len(first)} and {len(last)}"
            )
        codes = np.linspace(*ends, steps, axis=1)
        return self._decode_rows(codes, labels)

    def traverse(self, image: np.ndarray, steps: int = 8, limit: float = 3.0, label: int | None = None) -> np.ndarray:
        """What each component of the code does to one image, while the others stay: one row a component.

        Parameters
        ----------
        image : ndarray (C, H, W)
            In [-1, 1].
        steps : int
        limit : float
            Each component goes from -limit to limit, in standard deviations of the prior.
        label : int, optional
            Of a conditional model: the image's class.

        Returns
        -------
        ndarray (latent, steps, C, H, W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If `steps` is less than 2, or the image or label does not fit.
        """
        if steps < 2:
            raise ValueError(f"traverse: steps must be at least 2, got {steps}")
        codes = np.tile(self.encode(np.asarray(image)[None], label), (self.latent, steps, 1))
        unit = np.arange(self.latent)
        codes[unit, :, unit] = np.linspace(-limit, limit, steps)
        return self._decode_rows(codes, label)

    def _decode_rows(self, codes: np.ndarray, labels: Any) -> np.ndarray:
        """Images (N, steps, C, H, W) of codes (N, steps, latent)."""
        n, steps, _ = codes.shape
        repeated = np.repeat(np.broadcast_to(labels, n), steps) if self.classes else None
        return self.decode(codes.reshape(-1, self.latent), repeated).reshape(n, steps, *self.shape)

    # ---- measuring

    def evaluate(
        self, images: np.ndarray, labels: Any = None, generator: np.random.Generator | None = None
    ) -> dict[str, Any]:
        """The bound and its parts on given images, in evaluation mode; beta and the number of samples play no part.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1], at least one.
        labels : ndarray of int (N,), optional
            For a conditional model.
        generator : numpy.random.Generator, optional
            Where the noise of the codes, one an image, comes from; always the same by default.

        Returns
        -------
        dict
            ``elbo`` = -(``reconstruction`` + ``kl``), means over the images in nats; ``kl_per_unit``, an array with the
            share of each component of the code; ``active_units``, how many components have a mean that varies from
            image to image (its variance is above 0.01; Burda et al. 2016, section 5.2).

        Raises
        ------
        ValueError
            If there are no images, or they or the labels do not fit the model.
        """
        reconstruction, kl, means = self._bound(images, labels, generator)
        if not len(means):
            raise ValueError("evaluate: expected at least one image, got none")
        kl_per_unit = kl.mean(0)
        parts = {"reconstruction": float(reconstruction.mean()), "kl": float(kl_per_unit.sum())}
        return {
            "elbo": -sum(parts.values()),
            **parts,
            "kl_per_unit": kl_per_unit,
            "active_units": int((means.var(0) > _ACTIVE_VARIANCE).sum()),
        }

    def elbo(self, images: np.ndarray, labels: Any = None, generator: np.random.Generator | None = None) -> np.ndarray:
        """The bound on log p(x) of each image in nats, (N,); parameters and errors as `evaluate`."""
        reconstruction, kl, _ = self._bound(images, labels, generator)
        return -(reconstruction + kl.sum(1))

    def _bound(
        self, images: np.ndarray, labels: Any, generator: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each image: -log p(x | z) for one code (N,), the KL and the mean of each component (N, latent)."""
        generator = np.random.default_rng(0) if generator is None else generator
        none = np.zeros((0, self.latent))
        reconstruction, kl, means = [none[:, 0]], [none], [none]
        with self.evaluating():
            for x, condition in self._batches(images, labels):
                mu, log_var = self._encode(x, condition)
                eps = randn(1, *mu.shape, generator=generator, device=self.device)
                reconstruction.append(-self._log_likelihood(x, mu, log_var, eps, condition).numpy()[0])
                # the KL of independent components is a sum over them: each is the KL of a code of length 1
                kl.append(gaussian_kl(mu.reshape(-1, 1), log_var.reshape(-1, 1)).numpy().reshape(mu.shape))
                means.append(mu.numpy())
        # float64, by the empty beginnings: thousands of images are added up
        return np.concatenate(reconstruction), np.concatenate(kl), np.concatenate(means)

    def log_likelihood(
        self,
        images: np.ndarray,
        labels: Any = None,
        samples: int = 1000,
        generator: np.random.Generator | None = None,
    ) -> np.ndarray:
        r"""An estimate of log p(x) of each image, by importance sampling with q (Burda et al. 2016, equation 8).

        :math:`\log \frac1K \sum_k p(x \mid z_k)\, p(z_k) / q(z_k \mid x)`.  Its mean is a lower bound that rises with
        K: compare estimates of the same K only.  The one measure that is fair to VAE and IWAE alike.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1].
        labels : ndarray of int (N,), optional
            For a conditional model, which estimates log p(x | c).
        samples : int
            K.
        generator : numpy.random.Generator, optional
            Where the noise comes from; always the same by default.

        Returns
        -------
        ndarray (N,), float64

        Raises
        ------
        ValueError
            If `samples` is less than 1, or the images or labels do not fit the model.
        """
        if samples < 1:
            raise ValueError(f"log_likelihood: samples must be at least 1, got {samples}")
        generator = np.random.default_rng(0) if generator is None else generator
        estimates = [np.zeros(0)]
        with self.evaluating():
            for x, condition in self._batches(images, labels):
                mu, log_var = self._encode(x, condition)
                log_weights = []
                for part in parts(samples, max(_CODE_CHUNK // len(x.data), 1)):
                    eps = randn(part.stop - part.start, *mu.shape, generator=generator, device=self.device)
                    likelihood = self._log_likelihood(x, mu, log_var, eps, condition)
                    log_weights.append((likelihood - monte_carlo_kl(mu, log_var, eps)).numpy().astype(np.float64))
                # weights of e^-100 and less: only their ratios to the greatest can be added up
                weights = np.concatenate(log_weights)
                top = weights.max(0)
                estimates.append(top + np.log(np.exp(weights - top).mean(0)))
        return np.concatenate(estimates)

    def _batches(self, images: np.ndarray, labels: Any) -> Iterator[tuple[Tensor, Tensor | None]]:
        x, condition = self._inputs(images, labels)
        for part in parts(len(x.data)):
            yield x[part], None if condition is None else condition[part]
