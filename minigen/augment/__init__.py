r"""Differentiable augmentation: random changes of images that a gradient can pass.

=============================== ===================================================================================
transform                       what it does to each image, with its own random numbers
=============================== ===================================================================================
`translate`                     shift by whole pixels, up to a share of the side
`rotate`, `scale`               turn by up to an angle, enlarge or shrink; bilinear interpolation
`flip`                          mirror left to right (a mirrored digit has a wrong label)
`cutout`                        cover a square with gray
`brightness`, `contrast`        add to all pixels; multiply their distance from the mean
`noise`                         add normal noise to each pixel
=============================== ===================================================================================

Images are in [-1, 1]: black is -1, and what comes in from outside is black.  `Compose` applies several transforms, and
`parse` makes one of a text such as ``"translate+cutout"``.

>>> import numpy as np
>>> import minigen as mg
>>> augment = parse("translate+cutout")
>>> augment(mg.full((2, 1, 8, 8), 0.5), generator=np.random.default_rng(0)).shape
(2, 1, 8, 8)

**Where to use it.**  For a classifier and for a VAE: on the images.  For a GAN not on the real images alone: G would
learn to make augmented images.  Inside the game, D sees augmented real *and* augmented generated images, and G gets its
gradient through the augmentation (`minigen.models.gan.base`; Zhao, Liu, Lin, Zhu & Han 2020, *Differentiable
Augmentation for Data-Efficient GAN Training*, arXiv 2006.10738).
"""

from .adaptive import Adaptive
from .compose import TRANSFORMS, Augment, Compose, parse
from .geometry import Geometry, flip, rotate, scale, translate
from .intensity import brightness, contrast, cutout, noise
from .transform import Transform

__all__ = [
    "TRANSFORMS",
    "Adaptive",
    "Augment",
    "Compose",
    "Geometry",
    "Transform",
    "brightness",
    "contrast",
    "cutout",
    "flip",
    "noise",
    "parse",
    "rotate",
    "scale",
    "translate",
]
