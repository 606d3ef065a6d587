r"""A normalizing flow: an invertible network from noise N(0, I) to codes.

Real NVP (Dinh, Sohl-Dickstein & Bengio 2017, arXiv 1605.08803): a chain of affine couplings, each of which changes half
of the components by what the other half says.  ``minigen.losses.derivation("flow")`` derives its density.
"""

import numpy as np

from ... import nn
from ...creation import full_like
from ...ops.elementwise import exp, tanh
from ...tensor import Tensor, tensor

__all__ = ["AffineCoupling", "Flow"]

_STEEPEST = 2.0  # the logarithm of the most that one layer may stretch: an outlier must not make a code infinite


class AffineCoupling(nn.Module):
    """Stretch and move half of the components, by what the others say.

    It starts as the identity.

    Parameters
    ----------
    mask : ndarray (features,)
        1 for a component that is kept, 0 for one that is changed.
    units : int
        In each of the two hidden layers.
    """

    mask: Tensor

    def __init__(self, mask: np.ndarray, units: int):
        super().__init__()
        features = len(mask)
        self.register_buffer("mask", tensor(mask.astype(np.float32)))
        self.body: nn.Sequential = nn.Sequential(
            nn.Linear(features, units), nn.LeakyReLU(0.2), nn.Linear(units, units), nn.LeakyReLU(0.2)
        )
        self.stretch: nn.Linear = nn.Linear(units, features)
        self.move: nn.Linear = nn.Linear(units, features)
        for head in (self.stretch, self.move):
            for parameter in head.parameters():
                nn.init.zeros_(parameter)

    def _changes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute s and t of the changed components; 0 for the kept ones.  `x` is u or z: they agree where kept."""
        features = self.body(self.mask * x)
        changed = 1 - self.mask
        return changed * (_STEEPEST * tanh(self.stretch(features) / _STEEPEST)), changed * self.move(features)

    def forward(self, u: Tensor) -> Tensor:
        """Compute z of u, (N, features) both."""
        s, t = self._changes(u)
        return u * exp(s) + t

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Compute u of z, and s, (N, features) all."""
        s, t = self._changes(z)
        return (z - t) * exp(-s), s


class Flow(nn.Module):
    r"""Compute codes of noise, z = T(u), and back.

    Parameters
    ----------
    features : int
        Length of a code, at least 2: a coupling needs a part to keep and a part to change.
    couplings : int
        Layers; the first keeps the even components, the second the odd ones, and so on.
    units : int
        In each hidden layer.

    Raises
    ------
    ValueError
        If `features` is less than 2, or another number less than 1.

    Examples
    --------
    >>> import minigen as mg
    >>> flow = Flow(features=3, couplings=2, units=8)
    >>> z = mg.tensor([[0.5, -1.0, 2.0]])
    >>> u, log_scale = flow.inverse(z)
    >>> flow(u).detach()
    tensor([[ 0.5, -1. ,  2. ]])
    """

    def __init__(self, features: int, couplings: int = 6, units: int = 128):
        super().__init__()
        if features < 2:
            raise ValueError(f"a flow needs codes of at least 2 components, got latent = {features}")
        if couplings < 1 or units < 1:
            raise ValueError(f"a flow needs at least 1 coupling and 1 unit, got {couplings} and {units}")
        even = np.arange(features) % 2 == 0
        self.layers: nn.ModuleList = nn.ModuleList(
            AffineCoupling(even if i % 2 == 0 else ~even, units) for i in range(couplings)
        )

    def forward(self, u: Tensor) -> Tensor:
        """Compute T(u).

        Parameters
        ----------
        u : Tensor (N, features)
            Noise; a priori N(0, I).

        Returns
        -------
        z : Tensor (N, features)
        """
        for layer in self.layers:
            u = layer(u)
        return u

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        r"""Compute $T^{-1}(z)$, and how much T stretches there.

        Parameters
        ----------
        z : Tensor (N, features)

        Returns
        -------
        u : Tensor (N, features)
        log_scale : Tensor (N, features)
            Their sum over the components is $\log |\det T'(u)|$.
        """
        log_scale = full_like(z, 0.0)
        for layer in reversed(list(self.layers)):
            z, s = layer.inverse(z)
            log_scale = log_scale + s
        return z, log_scale
