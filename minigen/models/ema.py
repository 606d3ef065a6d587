r"""The exponential moving average of a network's weights: a generator that is smoother than any of its moments.

Two players circle around the solution of their game rather than settle in it, and the generator's weights at the last
step are one point of that circle.  Their average lies inside it (Yazici et al. 2019, *The Unusual Effectiveness of
Averaging in GAN Training*, arXiv 1806.04498):

.. math:: \bar\theta_t = d_t\, \bar\theta_{t-1} + (1 - d_t)\, \theta_t

The average takes no part in the game.  No gradient goes through it; images are drawn with it.
"""

import copy

import numpy as np

from .. import nn
from ..tensor import Tensor, tensor

__all__ = ["EMA"]


class EMA(nn.Module):
    """The moving average of a network, which computes as the network does.

    Parameters
    ----------
    network : Module
        Copied: the average starts where the network starts.
    decay : float
        In [0, 1): the average remembers about 1 / (1 - decay) updates.

    Raises
    ------
    ValueError
        If `decay` is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> network = nn.Linear(1, 1)
    >>> average = EMA(network, decay=0.9)
    >>> average.update(network)  # at a standstill nothing changes
    >>> x = mg.ones(1, 1)
    >>> average(x).item() == network(x).item()
    True
    """

    updates: Tensor

    def __init__(self, network: nn.Module, decay: float):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"ema must be at least 0 and below 1, got {decay}")
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.register_buffer("updates", tensor(np.array(0)))

    def update(self, network: nn.Module) -> None:
        """Take the network's weights of now into the average.

        Batch norm's running mean and variance are averaged like the weights: they describe the layers' inputs under
        those weights.  Whole numbers (its count of batches) are copied.

        Parameters
        ----------
        network : Module
            Of the same make as the one that was copied.
        """
        done = int(self.updates.item())
        # The weights of the first steps are noise; with the full decay from the start they would count for long.
        decay = min(self.decay, (1 + done) / (10 + done))
        for own, new in zip(_state(self.network), _state(network)):
            with own.inplace() as average:
                if average.dtype.kind == "f":
                    average += (1 - decay) * (new.data - average)
                else:
                    average[...] = new.data
        self.updates.data = np.array(done + 1)

    def forward(self, input: Tensor) -> Tensor:
        """The output of the network with averaged weights."""
        return self.network(input)


def _state(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
