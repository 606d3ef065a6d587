"""Networks that the families choose from by the option `network`, each name saying what the network is made of.

================= ======== =======================================================================================
name              for      what it is
================= ======== =======================================================================================
conv              GAN, VAE strided convolutions with batch norm, as wide as a laptop allows; the default of most
mlp               GAN, VAE dense layers only
conv_k4_bn        DCGAN    listing S3, lines 83-110: kernel 4, stride 2, batch norm, 64x64 pixels
conv_k5_dropout   DCGAN    listing S4, lines 158-176: kernel 5, dropout, no batch norm, 28x28 pixels
conv_k5           VAE      listing S0, lines 133-155: kernel 5, stride 2, a code of 256
mlp_512           VAE      listing S2, lines 220-240: dense layers 512-256-128-64, a code of 32
================= ======== =======================================================================================

Networks from image to image, of repair and translation, are in `minigen.models.networks.image`.

**The listings.**  S0 to S4 are five tutorials on image generation, published in Chinese.  Their listings do not run as
printed.  Each is built here as it was meant, with its layers and sizes, and with its faults repaired; the docstring of
each function names the faults.  (The dense GAN, `mlp_networks` in `minigen.models.networks.gan`, is listing S1, lines
82-96.)
"""

from . import gan, image, vae

__all__ = ["gan", "image", "vae"]
