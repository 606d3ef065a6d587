r"""DCGAN: a generator and a discriminator made of convolutions (Radford, Metz, Chintala 2016, arXiv 1511.06434).

**The rules of that paper** (section 3), which made adversarial training of convolutions work: strided convolutions in
place of pooling; batch norm in both networks, except at the generator's output and the discriminator's input; ReLU in
the generator with tanh at its end (images are in [-1, 1]); LeakyReLU of slope 0.2 in the discriminator; weights start
as N(0, 0.02); Adam with learning rate 2e-4 and $\beta_1 = 0.5$.

Our defaults are for 1,500 steps on 4,000 images; the paper took many more steps on millions of images.  Labels are
smoothed by 0.1, and the learning rate begins at 0.01 and falls linearly to 0.  With the paper's 2e-4 and no smoothing
the discriminator is soon far ahead, and the strokes stay ragged.

**Why the rate is high at first.**  Large steps find rough digits of all kinds in a few hundred steps.  Batch norm makes
such steps possible: the output of a layer does not depend on the scale of its weights, so a step that was too long
makes the weights longer, and the next steps small beside them.  Two cases are unstable at 0.01 and start at 5e-4.  The
networks conv_k5_dropout have no batch norm, and collapse to one image.  With minimax D becomes perfect in the first
steps, so the gradient of G vanishes.

**Why the rate must fall.**  With a constant rate G and D circle around the solution: each step answers the last step of
the other network, and no stroke is finished.  When the rate falls, they settle.  The training loop calls `schedule`;
your own loop must do so too, or use a rate that can stay constant, such as 5e-4.

The networks are in `minigen.models.networks.gan`, the training step is in `minigen.models.gan.base`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from ...optim import Adam, Optimizer
from ..networks.gan import NORMS, Networks, builder
from ..options import option
from ..registry import register
from .techniques import StabilizedGAN

__all__ = ["DCGAN"]


@register("dcgan")
class DCGAN(StabilizedGAN):
    """DCGAN: a generator and a discriminator made of convolutions (Radford et al. 2016).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make images of that size.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = DCGAN(size=28, channels=1, width=8)
    >>> numbers = model.training_step({"images": np.zeros((16, 1, 28, 28), np.float32)})
    >>> list(numbers)
    ['loss_d', 'loss_g', 'd_real', 'd_fake']
    """

    @dataclass(frozen=True)
    class Options(StabilizedGAN.Options):
        """Options of the DCGAN."""

        network: str = option(
            "conv", "networks; see minigen.models.networks", choices=("conv", "conv_k4_bn", "conv_k5_dropout")
        )
        width: int | None = option(None, "channels of D's first layer, for conv only (default: 32)", minimum=1)
        norm: str = option("batch", "what D normalizes by, for conv only", choices=tuple(NORMS))
        lr: float | None = option(  # type: ignore[assignment]
            None,
            "learning rate of both networks at the start (default: 0.01; 0.0005 for conv_k5_dropout and minimax)",
            minimum=0,
        )
        lr_decay: float = 1.0

    EPOCHS: ClassVar[int] = 12
    options: Options

    def build_networks(self) -> Networks:
        """Build the networks that the option `network` names."""
        options = self.options
        if options.norm != "batch" and options.network != "conv":
            raise ValueError(f"norm is an option of the conv networks, not of {options.network}")
        build = builder(options.network, options.width, norm=options.norm)
        return self.stabilized(lambda m: build(options.size, m * options.channels, self.latent))

    def build_optimizer(self, parameters: Any) -> Optimizer:
        """Build Adam with the rate that suits the networks and the loss."""
        lr = self.options.lr
        if lr is None:
            lr = 5e-4 if self.options.network == "conv_k5_dropout" or self.options.loss == "minimax" else 1e-2
        return Adam(parameters, lr=lr, betas=(self.options.beta1, 0.999))
