r"""What all variational autoencoders share: the two networks, their data, and what is measured and shown of them.

Everything is in nats an image.  Pixels run from 0 to 1 inside (`minigen.data` gives -1 to 1, for tanh): a Bernoulli
pixel is the probability of white.  Codes of images that are looked at are the means of q(z | x); codes that are learnt
from, or measured with, are drawn.  The mathematics stands in `minigen.losses`; a family adds the bound that it raises.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from .. import nn
from ..creation import full, randn
from ..data import to_unit
from ..engine import no_grad
from ..losses import (
    bernoulli_log_likelihood,
    gaussian_kl,
    gaussian_log_likelihood,
    monte_carlo_kl,
    reparameterise,
)
from ..ops.shape import cat
from ..optim import AdamW
from ..tensor import Tensor, tensor
from .base import GenerativeModel, _evaluating
from .ema import EMA
from .vae_networks import NETWORKS

__all__ = ["SHARED_OPTIONS", "Variational"]

_AT_ONCE = 100  # images that are encoded or decoded together: bounds the memory
_CODES_AT_ONCE = 1000  # codes that are decoded together where there are many of each image

_VANISHED = 0.1  # nats: the KL below which a code is said to tell nothing

_ACTIVE = 0.01  # the variance of a code's mean from which Burda et al. 2016 (section 5.2) call it active

SHARED_OPTIONS = {
    "network": "which networks: small (convolutions), mlp (dense), s0 or s2 (two published listings, repaired)",
    "latent": "length of the code z (default: 20; 256 of s0, 32 of s2)",
    "width": "channels next to the image of small (default: 16), units of a layer of mlp (default: 200)",
    "depth": "dense layers next to the code, for small and mlp (default: 1; 4 if the code is shorter than 5)",
    "likelihood": "of a pixel: bernoulli (grey values in [0, 1]) or gaussian (with one learned variance)",
    "dropout": "share of the hidden features dropped in training, for small and mlp",
    "weight_decay": "AdamW's: share of lr by which every weight shrinks in a step",
    "lr": "learning rate",
    "ema": "measure and draw with the weights averaged over about 1 / (1 - EMA) steps; 0 for the last weights",
}
"""Options of all variational autoencoders, with a line of help."""


class Variational(GenerativeModel):
    """Base of `VAE`, `CVAE` and `IWAE`: an encoder q(z | x), a decoder p(x | z) and the prior N(0, I).

    Parameters
    ----------
    name : str
        The family's, for messages.
    size, channels : int
        Of the images.
    network : {"small", "mlp", "s0", "s2"}
        See `minigen.models.vae_networks`.
    latent : int or None
        Length of the code; None for the networks' own.
    width, depth : int or None
        Of the small and mlp networks; None for their own.
    likelihood : {"bernoulli", "gaussian"}
    dropout, weight_decay, lr, ema : float
    classes : int
        Length of the one-hot condition; 0 for none.
    samples : int
        Codes drawn for each image in training.

    Raises
    ------
    ValueError
        If an option is out of range, or the networks cannot make images of that size.
    """

    beta: float = 1.0
    """Weight of the KL in the loss."""

    EPOCHS: ClassVar[int] = 40
    BATCH_SIZE: ClassVar[int] = 64

    def __init__(
        self,
        name: str,
        size: int,
        channels: int,
        network: str,
        latent: int | None,
        width: int | None,
        depth: int | None,
        likelihood: str,
        dropout: float,
        weight_decay: float,
        lr: float,
        ema: float,
        *,
        classes: int = 0,
        samples: int = 1,
    ):
        super().__init__()
        if network not in NETWORKS:
            raise ValueError(f"{name}: network must be one of {', '.join(NETWORKS)}, got {network!r}")
        if likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(f"{name}: likelihood must be bernoulli or gaussian, got {likelihood!r}")
        counts = {
            "size": size,
            "channels": channels,
            "latent": latent,
            "width": width,
            "depth": depth,
            "samples": samples,
        }
        for option, value in counts.items():
            if value is not None and value < 1:
                raise ValueError(f"{name}: {option} must be at least 1, got {value}")
        if not 0 <= dropout < 1:
            raise ValueError(f"{name}: dropout must be at least 0 and below 1, got {dropout}")
        extra: dict[str, Any] = {"width": width, "depth": depth, "dropout": dropout or None}
        extra = {option: value for option, value in extra.items() if value is not None}
        if extra and network not in ("small", "mlp"):
            raise ValueError(
                f"{name}: {next(iter(extra))} is an option of the small and mlp networks, not of {network}"
            )
        builder, own_latent = NETWORKS[network]
        self.latent, self.classes, self.samples = latent or own_latent, classes, samples
        try:
            self.encoder, self.decoder = builder(size, channels, self.latent, classes, **extra)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.name, self.shape, self.likelihood = name, (channels, size, size), likelihood
        if likelihood == "gaussian":
            # One variance for all pixels, learned: nobody has to choose the weight of the squared error against the KL
            # (the derivation "gaussian", step 3).  Its root starts at 0.2, where black is 0 and white 1.
            self.decoder.pixel_log_var = nn.Parameter(full((1,), 2 * np.log(0.2)))
        self.optimizers = {"vae": AdamW(list(self.parameters()), lr, weight_decay=weight_decay)}
        # Each step follows the noise of its few images and of one code for each.  The average of some hundred steps
        # (Polyak & Juditsky 1992) is better than any of them, on 4,000 digits by 3 nats.  It takes no part in training.
        self.average = EMA(nn.ModuleList([self.encoder, self.decoder]), ema) if ema else None

    # ---- training

    def loss(self, log_likelihood: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Minus the bound that this family raises.

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

    def training_step(self, data: np.ndarray, labels: np.ndarray | None = None) -> dict[str, Tensor]:
        """One step down the loss, of encoder and decoder together.

        Parameters
        ----------
        data : ndarray (N, C, H, W)
            Images in [-1, 1].
        labels : ndarray of int (N,), optional
            For a conditional model; the others ignore them.

        Returns
        -------
        dict
            ``loss``; and its two parts as they are at beta = 1, a mean over images each: ``reconstruction``, that is
            -log p(x | z) summed over the pixels, and ``kl``, summed over the code.
        """
        x, condition = self._given(data, labels)
        mu, log_var = self._encode(x, condition)
        # Fresh noise in every step.  Nothing is detached: by z = mu + sigma * eps the gradient of the reconstruction
        # reaches the encoder, and one optimizer moves both networks down one loss.
        eps = randn(self.samples, *mu.shape, device=self.device)
        log_likelihood = self._log_likelihood(x, mu, log_var, eps, condition)
        loss = self.loss(log_likelihood, mu, log_var, eps)
        self.descend(loss, self.optimizers["vae"])
        if self.average is not None:
            self.average.update(nn.ModuleList([self.encoder, self.decoder]))
        with no_grad():
            kl = gaussian_kl(mu, log_var).mean()
        return {"loss": loss.detach(), "reconstruction": -log_likelihood.detach().mean(), "kl": kl}

    def _log_likelihood(self, x: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor, condition: Tensor | None) -> Tensor:
        """The log-likelihoods log p(x | z) (K, N) for the codes that the noise (K, N, latent) makes."""
        z = reparameterise(mu, log_var, eps)
        count = len(eps.data)
        if condition is not None and count > 1:
            condition = condition.expand(count, *condition.shape).reshape(-1, self.classes)
        output = self._decode(z.reshape(-1, self.latent), condition).reshape(count, *x.shape)
        if self.likelihood == "bernoulli":
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

    def _given(self, images: np.ndarray, labels: Any) -> tuple[Tensor, Tensor | None]:
        """Images in [0, 1], and their condition."""
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != self.shape:
            raise ValueError(f"{self.name}: expected images (N, {', '.join(map(str, self.shape))}), got {images.shape}")
        if images.size and not (images.min() >= -1 and images.max() <= 1):
            raise ValueError(f"{self.name}: expected images in [-1, 1], got {images.min():g} to {images.max():g}")
        x = tensor(to_unit(images.astype(np.float32, copy=False)), device=self.device)
        return x, self._condition(labels, len(images))

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Notice a KL that has vanished; see `GenerativeModel.diagnose`.

        The KL is at least as much as the code tells of an image; to tell two kinds apart takes log 2 = 0.69 nats.
        Below 0.1 the code tells nothing.  With beta = 100 it is 0.04 on digits; healthy models end at 5 (a code of 2)
        to 25, and the lowest seen in their first steps was 0.4, of a `CVAE` on images of 8x8.
        """
        if self.beta > 0 and means["kl"] < _VANISHED:
            other = "a smaller --beta" if self.beta > 1 else "a smaller --lr, another --seed, or the small networks"
            return {
                "vanished": f"the KL has vanished ({means['kl']:.3f} nats an image): the code tells "
                f"nothing of its image, and all samples are alike. Try {other}"
            }
        return {}

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
        with no_grad(), _evaluating(self):
            for x, condition in self._batches(images, labels):
                codes.append(self._encode(x, condition)[0].numpy())
        return np.concatenate(codes)

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """The mean images of p(x | z), in [-1, 1]; see `GenerativeModel.generate`.

        Not draws from p(x | z): the independent noise of its pixels is no part of what was learnt.
        """
        output = self._decode(z, condition)
        return 2 * (output.sigmoid() if self.likelihood == "bernoulli" else output.clamp(0, 1)) - 1

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
            "active_units": int((means.var(0) > _ACTIVE).sum()),
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
        with no_grad(), _evaluating(self):
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
        with no_grad(), _evaluating(self):
            for x, condition in self._batches(images, labels):
                mu, log_var = self._encode(x, condition)
                log_weights = []
                for part in _parts(samples, max(_CODES_AT_ONCE // len(x.data), 1)):
                    eps = randn(part.stop - part.start, *mu.shape, generator=generator, device=self.device)
                    likelihood = self._log_likelihood(x, mu, log_var, eps, condition)
                    log_weights.append((likelihood - monte_carlo_kl(mu, log_var, eps)).numpy().astype(np.float64))
                # weights of e^-100 and less: only their ratios to the greatest can be added up
                weights = np.concatenate(log_weights)
                top = weights.max(0)
                estimates.append(top + np.log(np.exp(weights - top).mean(0)))
        return np.concatenate(estimates)

    def _batches(self, images: np.ndarray, labels: Any) -> Iterator[tuple[Tensor, Tensor | None]]:
        x, condition = self._given(images, labels)
        for part in _parts(len(x.data), _AT_ONCE):
            yield x[part], None if condition is None else condition[part]


def _parts(n: int, most: int) -> list[slice]:
    """Slices of at most `most` that cover range(n).

    >>> _parts(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + most, n)) for start in range(0, n, most)]
