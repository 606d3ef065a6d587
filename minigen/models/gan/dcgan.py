r"""DCGAN: a generator and a discriminator made of convolutions (Radford, Metz, Chintala 2016, arXiv 1511.06434).

**The rules of that paper** (section 3), which made adversarial training of convolutions work: strided convolutions in
place of pooling; batch norm in both networks, except at the generator's output and the discriminator's input; ReLU in
the generator with tanh at its end (images are in [-1, 1]); LeakyReLU of slope 0.2 in the discriminator; weights start
as N(0, 0.02); Adam with learning rate 2e-4 and $\beta_1 = 0.5$.

**Our defaults** are for 2,500 steps on 4,000 images; the paper took many more steps on millions of images.  They keep
the strided convolutions, the activations, the starting values and $\beta_1$, and change what the paper could do
without.  Each line is an option; `SETTINGS` has the values, and ``--network conv`` has the paper's.

- *Networks*: dense layers beside the convolutions; see `minigen.models.networks.gan.conv_dense_networks`.
- *R1* in place of batch norm in D.  It limits the slope of D at real images, so D stays a teacher that G can follow,
  and the game settles (Mescheder et al. 2018; `minigen.losses.zero_centred_penalty`).  Batch norm in D cannot stay:
  with it, the gradient at one image depends on all the others.  (So it does with the minibatch discrimination below,
  but through eight numbers beside the 256 of D's dense layer.  StyleGAN combines R1 with such numbers in the same way:
  Karras et al. 2020, arXiv 1912.04958.)  The weight is proportional to the numbers of an image, as in the code of
  Karras et al. 2020, arXiv 2006.06676.  Where both sides are doubled, four pixels share what one pixel did to D's
  output: each slope is a quarter, its square a sixteenth, and the sum over four times as many pixels a quarter.
- *Minibatch discrimination*: D also sees how alike the images of a batch are, so G cannot make a few classes only
  (Salimans et al. 2016).
- *Samples by an average of G's weights* (`minigen.models.ema`), over about 1,000 steps, and *batches of 64 for 40
  epochs*, with R1 of 0.1.  Medians of five seeds on digits, by `minigen evaluate`: without the average, with batches of
  32 for 20 epochs and R1 of 0.3, the Frechet distance is 2.4 % of the variance and coverage .64; with the average 1.8 %
  and .67; with all three 0.8 % and .78.
- *No label smoothing*.  It keeps a D that is far ahead from certainty.  R1 does so already, and with smoothing the best
  G is no longer the distribution of the data.
- *A learning rate that begins at 0.005* (0.01 for conv) *and falls linearly to 0*.
- *From 32 pixels*, if no networks are chosen (`LARGE`): the networks conv_k4_bn, with batch norm in D, a rate that
  begins at 5e-4, and an average over 500 steps.  Of 300 patches of photographs the networks conv_dense made smooth
  patterns like agate: G doubles the sides by bilinear resizing there, because transposed convolutions left a
  checkerboard, nearest neighbors a weave (`minigen.models.networks.gan.UPSAMPLINGS` says why).  Their rate begins at
  2e-3: with 5e-3 the logits of D exploded.

**Why the rate is high at first.**  Large steps find rough digits of all kinds in a few hundred steps.  Batch norm in G
makes such steps possible: the output of a layer does not depend on the scale of its weights, so a step that was too
long makes the weights longer, and the next steps small beside them.  Two cases are unstable at such a rate and start at
5e-4.  The networks conv_k5_dropout have no batch norm, and collapse to one image.  With minimax D becomes perfect in
the first steps, so the gradient of G vanishes.

**Why the rate must fall.**  With a constant rate G and D circle around the solution: each step answers the last step of
the other network, and no stroke is finished.  When the rate falls, they settle.  The training loop calls `schedule`;
your own loop must do so too, or use a rate that can stay constant, such as 5e-4.

The networks are in `minigen.models.networks.gan`, the training step is in `minigen.models.gan.base`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from ...optim import Adam, Optimizer
from ..networks.gan import NORMS, UPSAMPLINGS, Networks, builder
from ..options import option
from ..registry import register
from .techniques import StabilizedGAN

__all__ = ["LARGE", "SETTINGS", "DCGAN"]

_PAPER: dict[str, Any] = {
    "norm": "batch", "lr": 1e-2, "smoothing": 0.1, "r1": 0.0, "minibatch": False, "upsample": "transposed", "ema": 0.0
}  # fmt: skip

SETTINGS: dict[str, dict[str, Any]] = {
    "conv_dense": _PAPER | {"norm": "none", "lr": 5e-3, "smoothing": 0.0, "r1": 0.1, "minibatch": True, "ema": 0.999},
    "conv": _PAPER,
    "conv_k4_bn": _PAPER,
    "conv_k5_dropout": _PAPER | {"lr": 5e-4},
}
"""What an option of the DCGAN is where it was not given, by the name of the networks."""

LARGE: dict[str | None, dict[str, Any]] = {
    None: {"network": "conv_k4_bn", "lr": 5e-4, "ema": 0.998},
    "conv_dense": {"lr": 2e-3, "upsample": "bilinear", "width": 16},
}
"""What differs from 32 pixels, where G doubles the sides more than twice, by the networks; None if none were given."""


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
    ['loss_d', 'loss_g', 'd_real', 'd_fake', 'penalty']
    """

    @dataclass(frozen=True)
    class Options(StabilizedGAN.Options):
        """Options of the DCGAN."""

        # None here and below means: by `SETTINGS` and `LARGE`.  After that only width may be None.
        network: str = option(
            None,
            "networks; see minigen.models.networks. conv has the settings of the DCGAN paper: batch norm in D, no "
            "technique (default: conv_dense; conv_k4_bn from 32 pixels, with other settings, for photographs)",
            choices=tuple(SETTINGS),
        )
        width: int | None = option(
            None,
            "channels of D's first layer, for conv and conv_dense only (default: 32; 16 for conv_dense from 32 pixels)",
            minimum=1,
        )
        norm: str = option(
            None,
            "what D normalizes by, for conv and conv_dense only (default: none for conv_dense, batch for conv)",
            choices=tuple(NORMS),
        )
        upsample: str = option(
            None,
            "how G doubles the sides, for conv and conv_dense only (default: transposed; bilinear for conv_dense "
            "from 32 pixels)",
            choices=tuple(UPSAMPLINGS),
        )
        lr: float = option(
            None,
            "learning rate of both networks at the start (default: 0.005 for conv_dense, 0.002 from 32 pixels; "
            "0.01 for conv and conv_k4_bn; 0.0005 for conv_k5_dropout, for minimax, and for 32 pixels and more if no "
            "network is given)",
            minimum=0,
        )
        ema: float = option(
            None,
            "make samples with an average of the generator's weights over about 1 / (1 - ema) steps; 0 for the last "
            "weights (default: 0.999 for conv_dense, else 0; 0.998 from 32 pixels if no network is given)",
            minimum=0,
            below=1,
        )
        lr_decay: float = 1.0
        smoothing: float = option(
            None,
            "one-sided label smoothing: real labels are 1 - smoothing, no effect with hinge (default: 0 for "
            "conv_dense, else 0.1)",
            minimum=0,
            below=1,
        )
        r1: float = option(
            None,
            "weight of the penalty on D's gradient at real examples; gamma (default: for conv_dense 0.1 with 28 x 28 "
            "numbers an image, and as much more as there are more numbers; 0 for the others and with batch norm in D)",
            minimum=0,
        )
        r1_every: int = 4
        minibatch: bool = option(
            None,
            "let D compare the examples of a batch: minibatch discrimination (default: for conv_dense only)",
        )

        def __post_init__(self) -> None:
            """Check the values, and set those that were not given by the networks, the loss and the norm."""
            super().__post_init__()
            large = LARGE.get(self.network, {}) if self.size >= 32 else {}
            network = self.network or large.get("network", "conv_dense")
            for name in ("norm", "upsample"):
                if getattr(self, name) not in (None, _PAPER[name]) and network not in ("conv", "conv_dense"):
                    raise ValueError(f"{name} is an option of the conv and conv_dense networks, not of {network}")
            settings = SETTINGS[network] | {"network": network} | large
            if self.loss == "minimax":
                settings = settings | {"lr": 5e-4}
            if self.norm == "batch":
                settings = settings | {"r1": 0.0}
            settings = settings | {"r1": float(f"{settings['r1'] * self.size**2 * self.channels / 28**2:.3g}")}
            for name, value in settings.items():
                if getattr(self, name) is None:
                    object.__setattr__(self, name, value)  # the way to set a field of a frozen dataclass once

    EPOCHS: ClassVar[int] = 40
    BATCH_SIZE: ClassVar[int] = 64
    LEAST_STEPS: ClassVar[int] = 2500
    options: Options

    def build_networks(self) -> Networks:
        """Build the networks that the option `network` names."""
        options = self.options
        build = builder(options.network, options.width, norm=options.norm, upsample=options.upsample)
        return self.stabilized(lambda m: build(options.size, m * options.channels, self.latent))

    def build_optimizer(self, parameters: Any) -> Optimizer:
        """Build Adam with the rate that suits the networks and the loss.

        Where a gradient is suddenly large, Adam's step is up to (1 - beta1) / sqrt(1 - beta2) times the rate: 16 times
        with a beta2 of 0.999, 5 times with 0.99.  Steps of D with R1 have such gradients.  With 0.999 one of five seeds
        had such a step: D's logits jumped, and the digits stayed ragged to the end.
        """
        beta2 = 0.99 if self.options.network == "conv_dense" else 0.999
        return Adam(parameters, lr=self.options.lr, betas=(self.options.beta1, beta2))
