r"""The exponential moving average of a network's weights.

G and D of a GAN circle around the solution and do not settle in it; the weights of the last step are one point of that
circle.  Their average is inside the circle (Yazici et al. 2019, *The Unusual Effectiveness of Averaging in GAN
Training*, arXiv 1806.04498):

$$\bar\theta_t = d_t\, \bar\theta_{t-1} + (1 - d_t)\, \theta_t$$

The average is not used in training.  No gradient goes through it; images are made with it.
"""

import copy

import numpy as np

from .. import nn
from ..backend import FLOATS, repeated
from ..kernels import find
from ..tensor import Tensor, inplace_all, tensor

__all__ = ["EMA"]


class EMA(nn.Module):
    """Compute as a network does, with the moving average of its weights.

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
    >>> average.update(network)  # the weights are the same, so the average is too
    >>> x = mg.ones(1, 1)
    >>> average(x).item() == network(x).item()
    True
    """

    updates: Tensor

    def __init__(self, network: nn.Module, decay: float):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"ema must be at least 0 and below 1, got {decay}")
        self.network: nn.Module = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.register_buffer("updates", tensor(np.array(0)))

    def update(self, network: nn.Module) -> None:
        """Update the average with the present weights of the network.

        Batch norm's running mean and variance are averaged like the weights, because they describe the inputs of a
        layer under those weights.  Integers (its count of batches) are copied.

        Parameters
        ----------
        network : Module
            With the layers of the network that was copied.
        """
        repeated(lambda: self._update(network))

    def _update(self, network: nn.Module) -> None:
        done = int(self.updates.item())
        # The weights of the first steps are noise; with the full decay from the start they would have a large share.
        decay = min(self.decay, (1 + done) / (10 + done))
        pairs = list(zip(_state(self.network), _state(network)))
        for dtype in FLOATS:
            floats = [(own, new.data) for own, new in pairs if own.dtype == dtype]
            with inplace_all([own for own, _ in floats]) as averages:
                if averages:  # one launch for all, on a GPU
                    find("ema_steps", averages[0])(averages, [value for _, value in floats], 1 - decay)
        for own, new in pairs:
            if own.dtype not in FLOATS:
                with own.inplace() as count:
                    count[...] = new.data
        self.updates.data = np.array(done + 1)

    def forward(self, input: Tensor) -> Tensor:
        """Compute the output of the network with averaged weights."""
        output: Tensor = self.network(input)
        return output


def _state(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
