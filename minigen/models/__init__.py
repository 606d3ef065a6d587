"""Generative models, one family a file: networks and the step that trains them.

>>> import minigen as mg
>>> model = mg.models.build("dcgan", size=28, channels=1, width=8)
>>> model.sample(4).shape
(4, 1, 28, 28)
"""

import difflib
from typing import Any

from .base import GenerativeModel
from .cgan import CGAN
from .cvae import CVAE
from .dcgan import DCGAN
from .dense_gan import DenseGAN
from .iwae import IWAE
from .vae import VAE
from .wgan import WGAN
from .wgan_gp import WGANGP

__all__ = [
    "CGAN",
    "CVAE",
    "DCGAN",
    "IWAE",
    "MODELS",
    "VAE",
    "WGAN",
    "WGANGP",
    "DenseGAN",
    "GenerativeModel",
    "build",
]

MODELS: dict[str, type[GenerativeModel]] = {
    "gan": DenseGAN,
    "dcgan": DCGAN,
    "cgan": CGAN,
    "wgan": WGAN,
    "wgan-gp": WGANGP,
    "vae": VAE,
    "cvae": CVAE,
    "iwae": IWAE,
}
"""Every family by the name that the command line knows it by."""


def build(name: str, **options: Any) -> GenerativeModel:
    """Make a fresh model of the family called `name`.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    **options
        What its constructor takes.

    Raises
    ------
    ValueError
        If there is no such family, or an option is unknown or out of range.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=1)
        hint = f", did you mean {near[0]}?" if near else "."
        raise ValueError(f"unknown model {name!r}{hint} Known: {', '.join(MODELS)}")
    unknown = set(options) - {"size", "channels", *MODELS[name].OPTIONS}
    if unknown:
        raise ValueError(f"{name}: unknown option {min(unknown)!r}; it takes {', '.join(MODELS[name].OPTIONS)}")
    return MODELS[name](**options)
