r"""RCGAN: a conditional GAN whose generator is recurrent (Esteban, Hyland, Rätsch 2017, arXiv 1706.02633).

The generator is a GRU over T steps.  Its first state is made of noise and class, and every step gets them again:

$$h_0 = \tanh(W [z, c] + b), \qquad h_t = \mathrm{GRU}([z, c], h_{t-1}), \qquad x_t = \tanh(V h_t + v)$$

So one network, used T times, draws a day hour by hour or a note frame by frame.  A step is a *frame* of a spectrogram
and not a sample of a sound: a quarter of a second has 32 frames, and 2,048 samples.

The paper's critic is recurrent too (``--critic recurrent``).  The default is a convolution over time: see
`minigen.models.networks.sequence`.

**Why a penalty.**  Without one this critic wins in the first epochs: real notes are lines in a spectrogram, the
generator begins with noise, and no step of the generator comes as near as the critic moves away.  R1, a penalty on the
critic's slope at real sequences (`minigen.losses.derivation("zero_centred")`), keeps the critic flat where the data
are.
"""

from dataclasses import dataclass

from ...losses.zero_centred import input_gradients, zero_centred_penalty
from ...tensor import Tensor
from ..networks.gan import Networks
from ..networks.sequence import CRITICS, sequence_networks
from ..options import option
from ..registry import register
from .base import SequenceGAN

__all__ = ["RCGAN"]


@register("rcgan")
class RCGAN(SequenceGAN):
    """RCGAN: a GAN that makes series or sound of a class, step by step (Esteban et al. 2017).

    Raises
    ------
    ValueError
        If an option is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = RCGAN(steps=24, features=1, classes=2, kind="series", width=8)
    >>> days = np.zeros((16, 24, 1), np.float32)
    >>> numbers = model.training_step({"series": days, "labels": np.arange(16) % 2})
    >>> model.sample(4, labels=1).shape
    (4, 24, 1)
    """

    @dataclass(frozen=True)
    class Options(SequenceGAN.Options):
        """Options of the RCGAN."""

        width: int = option(128, "length of the generator's state; units or channels of the critic", minimum=1)
        critic: str = option("conv", "what the critic is made of", choices=CRITICS)
        norm: bool = option(False, "layer norm in the conv critic")
        r1: float = option(
            1.0, "weight of the penalty on the critic's slope at real sequences; not used with wgan-gp", minimum=0
        )

    options: Options

    def build_networks(self) -> Networks:
        """Build a recurrent generator, and the critic that the option `critic` names."""
        o = self.options
        return sequence_networks(o.steps, o.features, self.latent, self.classes, o.width, o.critic, o.norm)

    def penalize(self, real: Tensor, condition: Tensor | None) -> Tensor | None:
        """Compute R1, at real sequences."""
        if not self.options.r1:
            return None
        gradients = input_gradients(lambda sequences: self.discriminate(sequences, condition), real)
        return zero_centred_penalty(gradients, self.options.r1)
