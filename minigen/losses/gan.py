"""The pairs of losses of a GAN: what ``--loss`` offers.  A new pair is a line in `GAN_LOSSES`.

=============== ============================================================================ ==================
loss            output of D                                                                  if D is undecided
=============== ============================================================================ ==================
non_saturating  a logit; G minimizes -log D(G(z))                                            D 1.386, G 0.693
minimax         a logit; G minimizes log(1 - D(G(z))), whose gradient vanishes if D is right D 1.386, G -0.693
lsgan           a number with the target 1 for real and 0 for generated images               D 0.25, G 0.125
hinge           a score, to be above 1 for real and below -1 for generated images            D 2, G 0
=============== ============================================================================ ==================

The derivations are those of the single losses: ``derivation("lsgan")``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from ..tensor import Tensor
from .hinge import hinge_d, hinge_g
from .label_smoothing import label_smoothing_d
from .lsgan import lsgan_d, lsgan_g
from .minimax import minimax_g
from .non_saturating import non_saturating_d, non_saturating_g

__all__ = ["GAN_LOSSES", "GANLoss"]


class GANLoss(NamedTuple):
    """A pair of losses.

    Parameters
    ----------
    discriminator : callable
        (real outputs, fake outputs, smoothing) to the loss of D.
    generator : callable
        (fake outputs, smoothing) to the loss of G.
    logits : bool
        Whether the output of D is a logit, and its sigmoid a probability.
    undecided : callable
        smoothing to three numbers, for a D that gives the same best output for every image: the losses of D and of G,
        and that output (as a probability if it is a logit).
    margins : bool
        Whether D's outputs are scores without limits, of which only the part up to a margin counts.

    Examples
    --------
    >>> import minigen as mg
    >>> pair = GAN_LOSSES["hinge"]
    >>> pair.discriminator(mg.zeros(4, 1), mg.zeros(4, 1), 0.0).item() == pair.undecided(0.0)[0]
    True
    """

    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    generator: Callable[[Tensor, float], Tensor]
    logits: bool
    undecided: Callable[[float], tuple[float, float, float]]
    margins: bool = False


GAN_LOSSES: dict[str, GANLoss] = {
    "non_saturating": GANLoss(
        non_saturating_d,
        lambda fake, _: non_saturating_g(fake),
        logits=True,
        undecided=lambda _: (2 * math.log(2), math.log(2), 0.5),
    ),
    # The loss of D is the same as above; with a smoothing of 0 it is `minimax_d`.
    "minimax": GANLoss(
        label_smoothing_d,
        lambda fake, _: minimax_g(fake),
        logits=True,
        undecided=lambda _: (2 * math.log(2), -math.log(2), 0.5),
    ),
    # Targets a = 0, b = c = 1 - smoothing: the target of G is the one that D has for real images.  The best constant
    # output is half-way between them.
    "lsgan": GANLoss(
        lambda real, fake, smoothing: lsgan_d(real, fake, 0.0, 1 - smoothing),
        lambda fake, smoothing: lsgan_g(fake, 1 - smoothing),
        logits=False,
        undecided=lambda smoothing: (0.25 * (1 - smoothing) ** 2, 0.125 * (1 - smoothing) ** 2, (1 - smoothing) / 2),
    ),
    # Margins in place of labels: there is nothing to smooth.
    "hinge": GANLoss(
        lambda real, fake, _: hinge_d(real, fake),
        lambda fake, _: hinge_g(fake),
        logits=False,
        undecided=lambda _: (2.0, 0.0, 0.0),
        margins=True,
    ),
}
"""Every pair of losses by the name of the option `loss`."""
