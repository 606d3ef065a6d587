"""Dropout layers: set random elements to 0 in training."""

import numpy as np

from .. import functional as F
from ..arguments import check_number
from ..creation import rand
from ..ops.elementwise import where
from ..tensor import Tensor
from .module import Module

__all__ = ["Dropout", "Dropout2d"]


class Dropout(Module):
    """Set elements to 0 with probability `p` in training (Srivastava et al. 2014).

    See `minigen.functional.dropout`.

    Parameters
    ----------
    p : float
    generator : numpy.random.Generator, optional
        The source of the masks; by default the package's stream.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Dropout(0.5).eval()(mg.ones(3))
    tensor([1., 1., 1.])
    """

    p: float
    generator: np.random.Generator | None

    def __init__(self, p: float = 0.5, *, generator: np.random.Generator | None = None):
        super().__init__()
        self.p, self.generator = check_number(type(self).__name__, "p", p, most=1), generator

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.dropout`."""
        return F.dropout(input, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Set channels of images to 0 with probability `p` in training.

    Tompson et al. 2015.  The channels that stay are divided by 1 - p.

    Parameters
    ----------
    p : float
    generator : numpy.random.Generator, optional
        The source of the masks; by default the package's stream.

    Examples
    --------
    >>> import minigen as mg
    >>> y = mg.nn.Dropout2d(0.5)(mg.ones(2, 3, 4, 4))
    >>> sorted(set(y.numpy().ravel().tolist()) | {0.0, 2.0})
    [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Set channels of images (N, C, H, W) to 0."""
        if input.ndim != 4:
            raise ValueError(f"Dropout2d: expected images (N, C, H, W), got shape {input.shape}")
        if not self.training or self.p == 0:
            return input
        keep = rand(*input.shape[:2], 1, 1, generator=self.generator, device=input.device) >= self.p
        scaled = input / (1 - self.p) if self.p < 1 else input
        dropped: Tensor = where(keep, scaled, 0.0)
        return dropped
