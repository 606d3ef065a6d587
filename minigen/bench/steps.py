"""Times of whole training steps: our models beside PyTorch models that do the same passes with the same weights."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import nn
from ..models import DCGAN, VAE
from ..optim import Adam
from ..train import GraphedStep
from .pytorch_models import to_pytorch
from .timing import Measurement, interleave
from .worker import Worker, fastest

__all__ = ["STEPS", "our_step", "their_steps", "time_steps"]

Model = DCGAN | VAE
Step = Callable[[], Any]


def _gan(model: DCGAN, generator: nn.Sequential, discriminator: nn.Sequential) -> DCGAN:
    """`model` with other networks."""
    model.generator, model.discriminator = generator, discriminator
    model.optimizers = {
        "generator": Adam(generator.parameters(), 2e-4, (0.5, 0.999)),
        "discriminator": Adam(discriminator.parameters(), 2e-4, (0.5, 0.999)),
    }
    return model


def _wide() -> DCGAN:
    """DCGAN for 64x64 with the usual widths: 256-128-64 up from 8x8, 64-128-256 down to it."""
    up: list[nn.Module] = [
        nn.Linear(100, 256 * 64, bias=False),
        nn.Unflatten(1, (256, 8, 8)),
        nn.BatchNorm2d(256),
        nn.ReLU(),
    ]
    for before, after in ((256, 128), (128, 64)):
        up += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    up += [nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Tanh()]
    down: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, after in ((64, 128), (128, 256)):
        down += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    down += [nn.Flatten(), nn.Linear(256 * 64, 1)]
    return _gan(DCGAN(64, 3, network="conv_k4_bn"), nn.Sequential(*up), nn.Sequential(*down))


def _dense() -> DCGAN:
    """A dense GAN on 28x28: G 100-128-128-784 and D 784-128-128-1."""
    slope = 0.2
    up = nn.Sequential(
        nn.Linear(100, 128), nn.LeakyReLU(slope), nn.Linear(128, 128), nn.LeakyReLU(slope), nn.Linear(128, 784),
        nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)),
    )  # fmt: skip
    down = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 128),
        nn.LeakyReLU(slope),
        nn.Linear(128, 128),
        nn.LeakyReLU(slope),
        nn.Linear(128, 1),
    )
    return _gan(DCGAN(28, 1, network="conv"), up, down)


STEPS: dict[str, tuple[Callable[[], Model], tuple[int, ...]]] = {
    "DCGAN-64 step (conv_k4_bn), batch 32": (lambda: DCGAN(64, 3, network="conv_k4_bn"), (32, 3, 64, 64)),
    "DCGAN-64 step (wide), batch 32": (_wide, (32, 3, 64, 64)),
    "DCGAN-28 step (conv_k5_dropout), batch 128": (
        lambda: DCGAN(28, 1, network="conv_k5_dropout"),
        (128, 1, 28, 28),
    ),
    "dense GAN step (two layers of 128), batch 128": (_dense, (128, 1, 28, 28)),
    "conv VAE step (32-64 channels, latent 20), batch 128": (
        lambda: VAE(28, 1, width=32, latent=20, dropout=0.0, ema=0.0),
        (128, 1, 28, 28),
    ),
}
"""What is timed: the model, and the shape of a batch."""


def our_step(name: str, device: str = "cpu", graph: bool = False) -> Step:
    """A step of a model of ours on one batch; with `graph` repeated by a CUDA graph."""
    make, shape = STEPS[name]
    model = make()
    model.to(device)
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    step = GraphedStep(model) if graph else model.training_step
    return lambda: step({"images": images})


def their_step(name: str) -> dict[str, Step]:
    """The same step in PyTorch, in the memory format in which it is faster here."""
    return {name: fastest(their_steps(name))}


def their_steps(name: str, device: str = "cpu") -> list[Step]:
    """The same step in PyTorch, contiguous and channels last: the same passes, gradients for the updated network only.

    On a GPU in float32 throughout, as ours.
    """
    import torch

    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = False, True
    make, shape = STEPS[name]
    model = make()
    formats = (torch.contiguous_format, torch.channels_last)
    if isinstance(model, VAE):
        return [_their_vae_step(model, shape, format, device) for format in formats]
    return [_their_gan_step(model, shape, format, device) for format in formats]


def _their_gan_step(model: DCGAN, shape: tuple[int, ...], format: Any, device: str) -> Step:
    import torch

    softplus = torch.nn.functional.softplus
    networks = (to_pytorch(network) for network in (model.generator, model.discriminator))
    generator, discriminator = (network.to(device, memory_format=format) for network in networks)
    up, down = list(generator.parameters()), list(discriminator.parameters())
    optimizers = [torch.optim.Adam(p, 2e-4, (0.5, 0.999)) for p in (up, down)]
    images = (torch.rand(shape) * 2 - 1).to(device, memory_format=format)

    def descend(loss: Any, parameters: list[Any], optimizer: Any) -> None:
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
            p.grad = g
        optimizer.step()
        optimizer.zero_grad()

    def step() -> dict[str, Any]:
        fake = generator(torch.randn(shape[0], 100, device=device))
        real_logits, fake_logits = discriminator(images), discriminator(fake.detach())
        loss_d = softplus(-real_logits).mean() + softplus(fake_logits).mean()
        descend(loss_d, down, optimizers[1])
        loss_g = softplus(-discriminator(fake)).mean()
        descend(loss_g, up, optimizers[0])
        means = [torch.sigmoid(logits.detach()).mean() for logits in (real_logits, fake_logits)]
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach(), "d_real": means[0], "d_fake": means[1]}

    return step


def _their_vae_step(model: VAE, shape: tuple[int, ...], format: Any, device: str) -> Step:
    import torch

    ours = (model.encoder.body, model.encoder.mu, model.encoder.log_var, model.decoder)
    body, mean, log_variance, decoder = (to_pytorch(network).to(device, memory_format=format) for network in ours)
    parameters = [p for network in (body, mean, log_variance, decoder) for p in network.parameters()]
    group = model.optimizers["vae"].param_groups[0]
    optimizer = torch.optim.AdamW(parameters, group["lr"], weight_decay=group["weight_decay"])
    images = torch.rand(shape).to(device, memory_format=format)

    def step() -> dict[str, Any]:
        features = body(images)
        mu, log_var = mean(features), log_variance(features)
        output = decoder(mu + (0.5 * log_var).exp() * torch.randn_like(mu))
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(output, images, reduction="sum") / shape[0] + kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss.detach(), "reconstruction": (loss - kl).detach(), "kl": kl.detach()}

    return step


def time_steps(rounds: int, worker: Worker | None) -> Iterator[Measurement]:
    """Time a training step of each model."""
    for name in STEPS:
        theirs = {"theirs": worker.make(their_step, name)[name]} if worker else {}
        yield Measurement("step", name, interleave({"ours": our_step(name), **theirs}, rounds))
