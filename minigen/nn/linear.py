"""The linear layer, the embedding, and the layer that returns its input."""

from typing import Any

from .. import functional as F
from ..arguments import check_integer, check_sizes
from ..creation import zeros
from ..tensor import Tensor
from .init import _start, normal_
from .module import Module, Parameter

__all__ = ["Embedding", "Identity", "Linear"]


class Linear(Module):
    """Compute ``x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Linear(3, 2)(mg.ones(5, 3)).shape
    (5, 2)
    """

    in_features: int
    out_features: int

    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight: Parameter = Parameter(zeros(out_features, in_features))
        self.register_parameter("bias", Parameter(zeros(out_features)) if bias else None)
        _start(self.weight, self.bias)

    def forward(self, input: Tensor, *, negative_slope: float | None = None) -> Tensor:
        """See `minigen.functional.linear`."""
        return F.linear(input, self.weight, self.bias, negative_slope=negative_slope)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Embedding(Module):
    """Look up a learned vector for each integer, such as a class label.

    Parameters
    ----------
    num_embeddings : int
        The integers are from 0 to ``num_embeddings - 1``.
    embedding_dim : int
        The length of a vector.
    padding_idx : int, optional
        An integer whose vector is 0 and does not learn.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Embedding(10, 4)(mg.tensor([3, 3, 7])).shape
    (3, 4)
    """

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None):
        super().__init__()
        check_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if padding_idx is not None:
            check_integer("Embedding", "padding_idx", padding_idx, -num_embeddings)
            if padding_idx >= num_embeddings:
                raise ValueError(
                    f"Embedding: argument 'padding_idx': expected less than num_embeddings={num_embeddings}, "
                    f"got {padding_idx}"
                )
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight: Parameter = Parameter(zeros(num_embeddings, embedding_dim))
        normal_(self.weight)
        if padding_idx is not None:
            with self.weight.inplace() as array:
                array[padding_idx] = 0

    def forward(self, input: Any) -> Tensor:
        """See `minigen.functional.embedding`."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Return the sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Identity(Module):
    """Return the input itself."""

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input
