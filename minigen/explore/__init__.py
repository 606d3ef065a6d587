"""Looking into trained models: one function a command, each for use in a notebook too.

>>> import minigen as mg
>>> model = mg.models.build("vae", size=8, latent=2, width=4)  # or mg.explore.load_trained("vae-mnist5k").model
>>> mg.explore.manifold(model, side=5).images.shape
(5, 5, 1, 8, 8)

=================== ======================= =======================================================================
function            command                 shows
=================== ======================= =======================================================================
`sample`            minigen sample          new images, of chosen classes where the model knows classes
`interpolate`       minigen interpolate     the way from one random vector to another
`manifold`          minigen manifold        the whole plane of a code of length 2
`reconstruct`       minigen reconstruct     images beside what a VAE's code keeps of them
`traverse`          minigen traverse        what each component of a VAE's code does
`evaluate`          minigen evaluate        a VAE's bound and its parts; how far apart a GAN's players are
`class_fidelity`    minigen evaluate        whether samples are of the class asked for, as classifiers read them
                    --classify N
`animate`           minigen gif             the samples of each epoch, one after the other
=================== ======================= =======================================================================

All but the last three give a `minigen.plot.ImageTable`: its array ``images`` to compute with, and a picture that a
notebook displays by itself.
"""

from .animation import animate
from .classifier import Classifier, train_classifier
from .evaluation import evaluate
from .fidelity import Fidelity, class_fidelity
from .interpolation import interpolate, slerp
from .manifold import manifold
from .reconstruction import reconstruct
from .samples import sample
from .trained import Trained, load_trained
from .traversal import traverse

__all__ = [
    "Classifier",
    "Fidelity",
    "Trained",
    "animate",
    "class_fidelity",
    "evaluate",
    "interpolate",
    "load_trained",
    "manifold",
    "reconstruct",
    "sample",
    "slerp",
    "train_classifier",
    "traverse",
]
