"""Gaussian noise as a layer."""

import numpy as np

from ..arguments import check_number
from ..creation import randn_like
from ..tensor import Tensor
from .module import Module

__all__ = ["GaussianNoise"]


class GaussianNoise(Module):
    r"""Add noise $N(0, \sigma^2)$ to every element in training; in evaluation nothing is added.

    As the first layer of a discriminator it is *instance noise* (Sønderby et al. 2017, arXiv 1610.04490): both
    distributions get wider, so that they overlap and D cannot be certain.  Between layers it regularizes, as in the
    discriminators of Salimans et al. 2016.

    The gradient is that of the identity.

    Parameters
    ----------
    std : float
        At least 0; may be changed in the course of a training.
    generator : numpy.random.Generator, optional
        The source of the noise; by default the package's stream.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.GaussianNoise(0.5)
    >>> round(layer(mg.zeros(10_000)).numpy().std().item(), 1), layer.eval()(mg.zeros(2))
    (0.5, tensor([0., 0.]))
    """

    std: float
    generator: np.random.Generator | None

    def __init__(self, std: float = 0.1, *, generator: np.random.Generator | None = None):
        super().__init__()
        self.std, self.generator = check_number("GaussianNoise", "std", std), generator

    def forward(self, input: Tensor) -> Tensor:
        """Add noise to an input of any shape."""
        if not self.training or self.std == 0:
            return input
        return input + self.std * randn_like(input, self.generator)

    def extra_repr(self) -> str:
        """Return the standard deviation."""
        return f"std={self.std}"
