"""Dropout layers."""

import numpy as np

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """Zero elements with probability `p` in training; see `minigen.functional.dropout`.

    Parameters
    ----------
    p : float
    generator : numpy.random.Generator, optional
        Where the masks are drawn from; by default the package's stream.
    """

    def __init__(self, p: float = 0.5, *, generator: np.random.Generator | None = None):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: expected p between 0 and 1, got {p}")
        self.p, self.generator = p, generator

    def forward(self, input: Tensor) -> Tensor:
        """See `minigen.functional.dropout`."""
        return F.dropout(input, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
