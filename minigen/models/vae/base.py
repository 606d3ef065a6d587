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
from ...augment import Compose
from ...backend import repeated
from ...creation import full, randn
from ...data import to_unit
from ...engine import no_grad
from ...losses import (
    bernoulli_log_likelihood,
    flow_kl,
    gaussian_kl,
    gaussian_log_likelihood,
    monte_carlo_kl,
    reparameterize,
)
from ...ops.shape import cat
from ...optim import AdamW, Optimizer
from ...tensor import Tensor, tensor
from ..augmentation import AUGMENT, AUGMENT_P, NO_GRAPH, build_augmentation
from ..base import GenerativeModel
from ..ema import EMA
from ..networks.flow import Flow
from ..networks.vae import NETWORKS, Encoder
from ..options import option
from ..sizes import parts

__all__ = ["BaseVAE"]

_VANISHED_KL = 0.1  # nats: below this KL the code says nothing about the image


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
            "distribution of a pixel: bernoulli (gray values in [0, 1]) or gaussian (one learned variance)",
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
        augment: str | None = option(None, AUGMENT.format("of the images in training"))
        augment_p: float | str | None = option(None, AUGMENT_P)

    options: Options
    augmentation: Compose | None
    encoder: Encoder
    decoder: nn.Sequential
    flow: Flow | None
    average: EMA | None

    EPOCHS: ClassVar[int] = 40
    BATCH_SIZE: ClassVar[int] = 64

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        super().__init__(size, channels, **options)
        self.augmentation, self.augment_p, _ = build_augmentation(self, adaptive=False)
        choice = self.options
        build, default_latent = NETWORKS[choice.network]
        extra = {"width": choice.width, "depth": choice.depth, "dropout": choice.dropout or None}
        extra = {name: value for name, value in extra.items() if value is not None}
        if extra and choice.network not in ("conv", "mlp"):
            raise ValueError(
                f"{self.name}: {next(iter(extra))} is an option of the conv and mlp networks, not of {choice.network}"
            )
        self.latent: int = choice.latent or default_latent
        self.samples: int = getattr(choice, "samples", 1)  # codes drawn for each image in training
        try:
            self.encoder, self.decoder = build(choice.size, choice.channels, self.latent, self.classes, **extra)
            self.flow = Flow(self.latent) if getattr(choice, "prior", "normal") == "flow" else None
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if choice.likelihood == "gaussian":
            # One learned variance for all pixels: the weight of the squared error against the KL need not be chosen
            # (the derivation "gaussian", step 3).  The standard deviation starts at 0.2, where black is 0 and white 1.
            self.decoder.pixel_log_var = nn.Parameter(full((1,), 2 * np.log(0.2)))
        self.optimizers: dict[str, Optimizer] = {
            "vae": AdamW(list(self.parameters()), choice.lr, weight_decay=choice.weight_decay)
        }
        # Each step has the noise of few images and of one code for each.  The average over some hundred steps (Polyak &
        # Juditsky 1992) is better than any of them, on 4,000 digits by 3 nats.  The training does not use it.
        self.average = EMA(nn.ModuleList(self._trained()), choice.ema) if choice.ema else None

    def _trained(self) -> list[nn.Module]:
        """Return encoder, decoder and flow, if any: the networks that the optimizer updates."""
        return [self.encoder, self.decoder, *([] if self.flow is None else [self.flow])]

    def adopt_average(self) -> None:
        """Give the networks the averages of their weights; see `Model.adopt_average`."""
        if self.average is not None:
            nn.ModuleList(self._trained()).load_state_dict(self.average.network.state_dict())
            self.average = None

    # ---- training

    def check_batch_size(self, size: int) -> None:
        """Raise ValueError if a batch of `size` images is too small for batch norm.

        The training loop asks at the start, with the smallest batch of an epoch; each step asks again.
        """
        if size == 1 and any(isinstance(layer, nn.BatchNorm1d) for layer in self.modules()):
            raise ValueError(
                f"{self.name}: batch norm needs more than one image in a batch, got 1; if it is the last batch of an "
                "epoch, leave it out: Loader(..., drop_last=True)"
            )

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
        x, condition = repeated(lambda: self._inputs(self.field(batch, "images"), batch.get("labels")))
        if self.augmentation is not None:  # of images in [-1, 1]; x is in [0, 1], as the likelihood expects
            x = (self.augmentation(2 * x - 1, self.augment_p) + 1).clamp(0, 2) / 2
        self.check_batch_size(len(x.data))
        mu, log_var = self.posterior(x, condition)
        # Fresh noise in every step.  Nothing is detached: through z = mu + sigma * eps the gradient of the
        # reconstruction reaches the encoder, and one optimizer updates both networks.
        eps = randn(self.samples, *mu.shape, device=self.device)
        log_likelihood = self.pixel_log_likelihood(x, mu, log_var, eps, condition)
        loss = self.loss(log_likelihood, mu, log_var, eps)
        with no_grad():
            kl = self.kl(mu, log_var, eps).mean()
        self.update(loss, self.optimizers["vae"])
        if self.average is not None:
            self.average.update(nn.ModuleList(self._trained()))
        return {"loss": loss.detach(), "reconstruction": -log_likelihood.detach().mean(), "kl": kl}

    def why_no_graph(self) -> str:
        """Say why a CUDA graph cannot repeat the training step; see `Model.why_no_graph`."""
        return "" if self.augmentation is None else NO_GRAPH

    def pixel_log_likelihood(
        self, x: Tensor, mu: Tensor, log_var: Tensor, eps: Tensor, condition: Tensor | None
    ) -> Tensor:
        """Compute log p(x | z) (K, N) for the codes that the noise `eps` (K, N, latent) makes."""
        z = reparameterize(mu, log_var, eps)
        count = len(eps.data)
        if condition is not None and count > 1:
            condition = condition.expand(count, *condition.shape).reshape(-1, self.classes)
        output = self._decode(z.reshape(-1, self.latent), condition).reshape(count, *x.shape)
        if self.options.likelihood == "bernoulli":
            return bernoulli_log_likelihood(output, x)
        return gaussian_log_likelihood(output, x, self._networks()[1].pixel_log_var)

    def kl(self, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Compute the KL between q(z | x) and the prior: in closed form, or from samples if the prior is a flow.

        Parameters
        ----------
        mu, log_var : Tensor (N, latent)
            Of q(z | x).
        eps : Tensor (K, N, latent)
            The noise of K codes for each image.

        Returns
        -------
        Tensor (N,), or (K, N) from samples
        """
        return gaussian_kl(mu, log_var) if self.flow is None else self.sampled_kl(mu, log_var, eps)

    def sampled_kl(self, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Compute log q(z | x) - log p(z) of each code (K, N); parameters as `kl`."""
        if self.flow is None:
            return monte_carlo_kl(mu, log_var, eps)
        return flow_kl(*self._noise_of(reparameterize(mu, log_var, eps)), log_var, eps)

    def kl_per_unit(self, mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
        """Compute the share of each component of the code in the KL, (N, latent); parameters as `kl`.

        The KL is a sum over the components.  With the prior N(0, I) each term is the KL of a code of length 1; with a
        flow, see step 3 of ``derivation("flow")``.
        """
        n, latent = mu.shape
        if self.flow is None:
            return gaussian_kl(mu.reshape(-1, 1), log_var.reshape(-1, 1)).reshape(n, latent)
        given = [*self._noise_of(reparameterize(mu, log_var, eps)), log_var, eps]
        return flow_kl(*(x.reshape(*x.shape[:-2], -1, 1) for x in given)).reshape(-1, n, latent).mean(0)

    def _noise_of(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the noise that the flow would make codes (..., latent) of, and its stretching there."""
        flow = self._networks()[2]
        assert isinstance(flow, Flow)
        u, log_scale = flow.inverse(z.reshape(-1, self.latent))
        return u.reshape(z.shape), log_scale.reshape(z.shape)

    def _networks(self) -> list[nn.Module]:
        """Return encoder, decoder and flow, if any: the trained ones in training mode, else their averages."""
        if self.training or self.average is None:
            return self._trained()
        return list(self.average.network.children())

    def posterior(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Compute mu and log sigma^2 (N, latent) of q(z | x), for images in [0, 1]."""
        parameters: tuple[Tensor, Tensor] = self._networks()[0](x, condition)
        return parameters

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        output: Tensor = self._networks()[1](z if condition is None else cat([z, condition], 1))
        return output

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
        """Compute the mean of each image's code, in evaluation mode.

        With a flow as the prior, it is the noise that the flow makes this mean of: for `decode`, `sample` and all that
        looks at codes, a code is a priori N(0, I).

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
            for x, condition in self.batches(images, labels):
                mu = self.posterior(x, condition)[0]
                codes.append((mu if self.flow is None else self._noise_of(mu)[0]).numpy())
        return np.concatenate(codes)

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the mean images of p(x | z), in [-1, 1]; see `GenerativeModel.generate`.

        They are not draws from p(x | z), whose pixels would have independent noise.
        """
        output = self._decode(z if self.flow is None else self._networks()[2](z), condition)
        return 2 * (output.sigmoid() if self.options.likelihood == "bernoulli" else output.clamp(0, 1)) - 1

    def reconstruct(self, images: np.ndarray, labels: Any = None) -> np.ndarray:
        """Encode and decode images; parameters and errors as `encode`.

        Returns
        -------
        ndarray (N, C, H, W), float32, in [-1, 1]
        """
        return self.decode(self.encode(images, labels), labels if self.classes else None)

    def batches(self, images: np.ndarray, labels: Any) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Split images in [-1, 1] into batches: images in [0, 1], and their condition."""
        x, condition = self._inputs(images, labels)
        for part in parts(len(x.data)):
            yield x[part], None if condition is None else condition[part]
