r"""Techniques against mode collapse, as options of a GAN.

A generator *collapses* if it makes a part of the data only.  Its loss does not count what it leaves out: every image
that it makes may look real.

============ ======================================================================= ==================================
option       what it does                                                            source
============ ======================================================================= ==================================
`pack`       D sees `pack` images at a time: a missing mode shows in a pack          Lin et al. 2018, PacGAN
`r1`         penalizes D's gradient at real images (`minigen.losses`)                Mescheder et al. 2018
`spectral`   divides each weight of D by its largest singular value                  Miyato et al. 2018
`minibatch`  D compares the images of a batch                                        Salimans et al. 2016
`unroll`     G learns against the D of some steps later                              Metz et al. 2017
============ ======================================================================= ==================================

In the family of points R1 takes a fifth of a step.  `r1_every` computes it in every 4th step, say, with 4 times the
weight: the same force on average (*lazy regularization*, Karras et al. 2020, *Analyzing and Improving the Image Quality
of StyleGAN*, arXiv 1912.04958, section 3.1).

None of them is needed where D keeps up with G: with the learning rate of D as high as that of G, or several steps of D
for one of G.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...engine import grad
from ...losses import input_gradients, zero_centred_penalty
from ...losses.checks import check_separate_scores
from ...nn.utils import functional_call, spectral_norm
from ...tensor import Tensor, tensor
from ..networks.gan import Networks
from ..options import option
from .base import GAN

__all__ = ["StabilizedGAN", "pack", "unroll", "with_techniques"]


def pack(images: Tensor, m: int) -> Tensor:
    """Put each `m` images of a batch, one after the other, into one example with `m` times the channels.

    Lin, Khetan, Fanti & Oh 2018, *PacGAN* (arXiv 1712.04086).  D then decides about m images at once: were they all
    real or all generated?  If a generator has 7 of 8 modes, one sample gives D no hint, a pack of many that never holds
    the 8th does: the likelihood ratio of a pack is the product of the ratios of its images.

    Parameters
    ----------
    images : Tensor (N * m, C, ...)
        All real or all generated.
    m : int

    Returns
    -------
    Tensor (N, m * C, ...)

    Raises
    ------
    ValueError
        If `m` is less than 1, or the batch cannot be divided by it.

    Examples
    --------
    >>> import minigen as mg
    >>> pack(mg.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]), 2)
    tensor([[1., 1., 2., 2.],
            [3., 3., 4., 4.]])
    """
    n, channels, *rest = images.shape
    if m < 1 or n % m:
        raise ValueError(f"pack: expected m of at least 1 that divides the batch, got m = {m} for {n} images")
    return images if m == 1 else images.reshape(n // m, m * channels, *rest)


def unroll(
    network: nn.Module, loss: Callable[[Callable[[Tensor], Tensor]], Tensor], steps: int, lr: float
) -> dict[str, Tensor]:
    r"""Compute the weights of a network after steps of gradient descent that the gradient can pass.

    Metz, Poole, Pfau & Sohl-Dickstein 2017, *Unrolled Generative Adversarial Networks* (arXiv 1611.02163), equation 3:

    $$\theta_{k+1} = \theta_k - \eta\, \nabla_\theta L_D(\theta_k, G)$$

    G then descends $L_G(\theta_K, G)$.  Its gradient has two terms,

    $$\frac{d L_G}{d G} = \frac{\partial L_G}{\partial G} +
      \frac{\partial L_G}{\partial \theta_K}\, \frac{d \theta_K}{d G}$$

    The second says how D would *react* to a change of G, and it is the point: it is lost if the steps are computed
    without a graph of their gradients.  The weights of the network itself do not change.

    Parameters
    ----------
    network : Module
        Without batch norm in training mode, and without `minigen.nn.utils.spectral_norm`.
    loss : callable
        ``loss(call)`` computes the loss that the network descends; ``call(x)`` is its output with the present weights.
    steps : int
    lr : float
        The paper's eta, above 0.

    Returns
    -------
    dict of str to Tensor
        The weights after the last step by name, for `minigen.nn.utils.functional_call`.

    Raises
    ------
    ValueError
        If `steps` or `lr` is out of range, or the network holds a layer that is named above.

    Examples
    --------
    >>> import minigen as mg
    >>> network = mg.nn.Linear(1, 1, bias=False)
    >>> x = mg.tensor([[2.0]], requires_grad=True)
    >>> weights = unroll(network, lambda call: call(x).sum(), steps=3, lr=0.5)  # w - 3 * 0.5 * x
    >>> mg.grad(weights["weight"], x)[0].item()
    -1.5
    """
    if steps < 0 or not lr > 0:
        raise ValueError(f"unroll: expected steps of at least 0 and lr above 0, got {steps} and {lr}")
    check_unrollable(network)
    weights: dict[str, Tensor] = dict(network.named_parameters())
    for _ in range(steps):
        present = weights
        value = loss(lambda x, present=present: functional_call(network, present, x))  # type: ignore[misc]
        gradients = grad(value, list(weights.values()), create_graph=True)
        weights = {name: w - lr * g for (name, w), g in zip(weights.items(), gradients)}
    return weights


def check_unrollable(network: nn.Module) -> None:
    """Raise ValueError if the gradient through steps of the network would be wrong."""
    for name, module in network.named_modules():
        if module.__dict__.get("_spectral_norms"):
            raise ValueError(
                f"unroll: {name!r} has spectral_norm, whose second derivative in the weight would be wrong; "
                "leave one of the two out"
            )
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            raise ValueError(
                f"unroll: {name!r} is a batch norm, whose statistics each unrolled step would change; use layer norm, "
                "instance norm or none"
            )


def with_techniques(discriminator: nn.Module, spectral: bool, minibatch: bool) -> nn.Module:
    """Add spectral normalization, or minibatch discrimination before the last layer, to a discriminator.

    Parameters
    ----------
    discriminator : Sequential
        Ends in a `minigen.nn.Linear`.
    spectral, minibatch : bool

    Returns
    -------
    Module
    """
    if minibatch:
        *layers, last = discriminator.children()
        assert isinstance(last, nn.Linear)
        compare = nn.MinibatchDiscrimination(last.in_features, out_features=8, kernel_dims=3)
        wider = nn.Linear(last.in_features + compare.out_features, last.out_features)
        discriminator = nn.Sequential(*layers, compare, wider)
    if spectral:
        for layer in list(discriminator.modules()):
            if isinstance(layer, nn.Linear | nn.Conv2d):
                spectral_norm(layer)
    return discriminator


class StabilizedGAN(GAN):
    """Base of the families that have the techniques of this file as options.

    Raises
    ------
    ValueError
        If an option is not allowed, or two of them do not go together.
    """

    @dataclass(frozen=True)
    class Options(GAN.Options):
        """Options against mode collapse."""

        pack: int = option(1, "examples that D sees at a time (PacGAN); must divide the batch", minimum=1)
        r1: float = option(0.0, "weight of the penalty on D's gradient at real examples; gamma", minimum=0)
        r1_end: float | None = option(None, "value that r1 reaches at the end, at a constant ratio a step", above=0)
        r1_every: int = option(
            1, "compute that penalty only once in this many steps, with that many times the weight: faster", minimum=1
        )
        spectral: bool = option(False, "divide each weight of D by its largest singular value")
        minibatch: bool = option(False, "let D compare the examples of a batch (minibatch discrimination)")
        unroll: int = option(0, "let G learn against the D of this many steps later", minimum=0)
        unroll_lr: float = option(0.1, "learning rate of the unrolled steps", above=0)
        lr_d: float | None = option(None, "learning rate of D at the start, if it is not that of G", minimum=0)

    options: Options
    r1: float

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        super().__init__(size, channels, **options)
        self.r1 = self.options.r1
        if self.options.lr_d is not None:
            for group in self.optimizers["discriminator"].param_groups:
                group["lr"] = self.options.lr_d

    def stabilized(self, build: Callable[[int], Networks]) -> Networks:
        """Build the networks with the techniques; ``build(m)`` builds them for an input of D of m examples."""
        generator, discriminator = build(1)
        if self.options.pack > 1:
            discriminator = build(self.options.pack)[1]
        discriminator = with_techniques(discriminator, self.options.spectral, self.options.minibatch)
        if self.options.unroll:
            check_unrollable(discriminator)
        if self.options.r1:
            check_separate_scores("r1", discriminator)
        return generator, discriminator

    def check_batch_size(self, size: int) -> None:
        """Raise ValueError if packs do not divide the batch, or there is nothing to compare."""
        m = self.options.pack
        if size % m:
            raise ValueError(f"{self.name}: --pack {m} does not divide the batch of {size}")
        if self.options.minibatch and size < 2 * m:
            raise ValueError(f"{self.name}: --minibatch needs at least 2 examples for D to compare, got {size // m}")

    def discriminate(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Compute D's output for each pack, (N / pack, 1)."""
        return super().discriminate(pack(images, self.options.pack), condition)

    def penalize(self, real: Tensor, condition: Tensor | None) -> Tensor | None:
        """Compute R1, at real packs; in the steps that `r1_every` leaves out it is 0."""
        every = self.options.r1_every
        if not self.options.r1:
            return None
        if self.steps_of_d() % every:
            return tensor(np.float32(0), device=real.device)
        return zero_centred_penalty(input_gradients(self.discriminator, pack(real, self.options.pack)), every * self.r1)

    def kind_of_step(self) -> bool:
        """Say whether the next step computes R1; see `Model.kind_of_step`."""
        return bool(self.options.r1) and self.steps_of_d() % self.options.r1_every == 0

    def why_no_graph(self) -> str:
        """Say why a CUDA graph cannot repeat the training step; see `Model.why_no_graph`."""
        return super().why_no_graph() if self.options.r1_end is None else "r1_end changes the weight of R1 in each step"

    def steps_of_d(self) -> int:
        """Count the updates of D: the optimizer does, and checkpoints hold it."""
        optimizer = self.optimizers["discriminator"]
        first = optimizer.param_groups[0]["params"][0]
        return int(optimizer.state.get(first, {"step": 0})["step"])

    def outputs_for_generator(self, real: Tensor, fake: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the outputs of D, or of the unrolled D."""
        if not self.options.unroll:
            return self.discriminate(fake, condition)
        real, fake = pack(real, self.options.pack), pack(fake, self.options.pack)

        def loss(call: Callable[[Tensor], Tensor]) -> Tensor:
            return self.gan_loss.discriminator(call(real), call(fake), self.options.smoothing)

        weights = unroll(self.discriminator, loss, self.options.unroll, self.options.unroll_lr)
        outputs: Tensor = functional_call(self.discriminator, weights, fake)
        return outputs

    def schedule(self, done: float) -> None:
        """Set the learning rates and the weight of R1."""
        super().schedule(done)
        if self.options.r1 and self.options.r1_end is not None:
            self.r1 = self.options.r1 * (self.options.r1_end / self.options.r1) ** done
