"""Pictures of what a trained model has learned: one function a command, each for use in a notebook too.

>>> import minigen as mg
>>> model = mg.models.build("vae", size=8, latent=2, width=4)  # or mg.train.load_trained("vae-mnist5k").model
>>> mg.visualize.manifold(model, side=5).images.shape
(5, 5, 1, 8, 8)

=============== =================== =======================================================
function        command             shows
=============== =================== =======================================================
`sample`        minigen sample      new images, of chosen classes if the model knows classes
`interpolate`   minigen interpolate the images between two random latent vectors
`manifold`      minigen manifold    the whole plane of codes of length 2
`reconstruct`   minigen reconstruct images beside their reconstructions from a VAE's code
`traverse`      minigen traverse    what each component of a VAE's code changes
`animate`       minigen gif         the samples of each epoch, one after the other
=============== =================== =======================================================

All but `animate` return a `minigen.plot.ImageTable`: an array ``images`` to compute with, and a picture that a
notebook displays by itself.
"""

from .animation import animate
from .interpolation import interpolate, slerp
from .manifold import manifold
from .reconstruction import reconstruct
from .samples import sample, sample_images
from .traversal import traverse

__all__ = [
    "animate",
    "interpolate",
    "manifold",
    "reconstruct",
    "sample",
    "sample_images",
    "slerp",
    "traverse",
]
