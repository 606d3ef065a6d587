"""SpecGAN: a conditional GAN that makes spectrograms as if they were images (Donahue et al. 2019, arXiv 1802.04208).

A note is an image of frequencies by time.  The networks are the convolutions of a DCGAN, for images that are not
square.  The generated image becomes sound by Griffin-Lim (`minigen.audio`).
"""

from dataclasses import dataclass

from ...ops.shape import cat, squeeze, transpose, unsqueeze
from ...tensor import Tensor
from ..condition import concat_label_maps
from ..networks.gan import Networks, conv_networks
from ..options import option
from ..registry import register
from .base import SequenceGAN

__all__ = ["SpecGAN"]


@register("specgan")
class SpecGAN(SequenceGAN):
    """SpecGAN: a GAN that makes the spectrogram of a note as an image (Donahue et al. 2019).

    Raises
    ------
    ValueError
        If an option is not allowed, or the networks cannot make spectrograms of that size.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> SpecGAN(width=4).sample(2, labels=1).shape
    (2, 32, 128)
    """

    @dataclass(frozen=True)
    class Options(SequenceGAN.Options):
        """Options of the SpecGAN."""

        width: int = option(16, "channels of the critic's first layer", minimum=1)

    options: Options

    def build_networks(self) -> Networks:
        """Build the convolutional networks; a critic of wgan-gp has layer norm in place of batch norm."""
        o = self.options
        norm = "layer" if o.loss == "wgan-gp" else "batch"
        return conv_networks((o.features, o.steps), 1, self.latent, o.width, self.classes, norm)

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Compute spectrograms (N, T, D); see `GenerativeModel.generate`."""
        assert condition is not None
        network = self.generator if self.training or self.average is None else self.average
        return transpose(squeeze(network(cat([z, condition], 1)), 1), 1, 2)

    def discriminate(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the critic's output (N, 1) for spectrograms (N, T, D), the label as maps beside it."""
        assert condition is not None
        outputs: Tensor = self.discriminator(concat_label_maps(unsqueeze(transpose(images, 1, 2), 1), condition))
        return outputs
