r"""Layers that let a discriminator compare the images of a batch.

A discriminator that sees one image at a time cannot notice that all generated images are the same one: each of them
may look real.  These layers append to the features of an image what only the batch can tell.  Real and generated images
must then be in separate batches.
"""

from typing import Any

from ..arguments import check_number, check_sizes
from ..backend import array_module
from ..creation import zeros
from ..ops.elementwise import abs, exp, sqrt
from ..ops.reduce import mean, sum, var
from ..ops.shape import cat, expand
from ..tensor import Tensor
from .init import _start
from .module import Module, Parameter

__all__ = ["MinibatchDiscrimination", "MinibatchStdDev"]


class MinibatchDiscrimination(Module):
    r"""Append to each example how near the others of its batch are, in learned projections.

    Salimans et al. 2016 (arXiv 1606.03498), section 3.2.  With features $f_i$ (in_features) and a learned tensor $T$,
    $M_i = f_i T$ is a matrix of out_features rows $M_{ib}$ of length kernel_dims, and

    $$o_{ib} = \sum_{j \ne i} \exp(-\|M_{ib} - M_{jb}\|_1)$$

    is near $N - 1$ where all examples are alike and near 0 where they differ.  The output is $[f_i, o_i]$.

    **The gradient.**  Let $c_{ijb}$ be the summand and $g_{ib}$ the cotangent of $o_{ib}$.  $M_{ib}$ occurs in
    $o_{ib}$, and as the other example in every $o_{jb}$.  Both have the same sign, because
    $\|M_{ib} - M_{jb}\|_1$ is symmetric:

    $$\frac{\partial L}{\partial M_{ib}} = -\sum_{j \ne i} (g_{ib} + g_{jb})\, c_{ijb}\,
      \mathrm{sign}(M_{ib} - M_{jb})$$

    A program that has only $g_{ib}$ computes half of it where the cotangents are equal.

    Memory: $N^2$ times out_features times kernel_dims numbers.

    Parameters
    ----------
    in_features : int
    out_features : int
        How many numbers are appended (the paper's B).
    kernel_dims : int
        Length of the rows that are compared (the paper's C).

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.MinibatchDiscrimination(4, out_features=2, kernel_dims=3)
    >>> layer(mg.ones(5, 4))[0, 4:].detach()  # five equal examples: each has four others at distance 0
    tensor([4., 4.])
    """

    in_features: int
    out_features: int
    kernel_dims: int

    def __init__(self, in_features: int, out_features: int = 16, kernel_dims: int = 5):
        super().__init__()
        check_sizes(
            "MinibatchDiscrimination", in_features=in_features, out_features=out_features, kernel_dims=kernel_dims
        )
        self.in_features, self.out_features, self.kernel_dims = in_features, out_features, kernel_dims
        self.weight: Parameter = Parameter(zeros(out_features * kernel_dims, in_features))
        _start(self.weight, None)

    def forward(self, input: Tensor) -> Tensor:
        """Compute (N, in_features + out_features) of (N, in_features); N is at least 2."""
        if input.ndim != 2 or input.shape[1] != self.in_features:
            raise ValueError(
                f"MinibatchDiscrimination: expected input (N, {self.in_features}), got shape {input.shape}"
            )
        n = _compared("MinibatchDiscrimination", input)
        rows = (input @ self.weight.T).reshape(n, self.out_features, self.kernel_dims).permute(2, 0, 1)
        distances = sum(abs(rows[:, :, None] - rows[:, None]), 0)  # (N, N, out_features)
        others = 1 - array_module(input.data).eye(n, dtype=input.dtype)
        nearness = sum(exp(-distances) * Tensor(others[:, :, None]), 1)
        output: Tensor = cat([input, nearness], 1)
        return output

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.in_features}, out_features={self.out_features}, kernel_dims={self.kernel_dims}"


class MinibatchStdDev(Module):
    r"""Append one channel: how much the examples of the batch differ.

    Karras et al. 2018 (*Progressive Growing of GANs*, arXiv 1710.10196), section 3.  First the standard deviation of
    each feature over the batch, $\sqrt{\mathrm{var} + \epsilon}$ with the variance that divides by $N$; *then* the mean
    of these over all features.  The number is the same for all examples and all pixels.

    $\epsilon$ is inside the root, because a collapsed batch has the variance 0, where the root has no derivative.

    Parameters
    ----------
    eps : float

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.MinibatchStdDev()
    >>> layer(mg.tensor([[0.0, 1.0], [2.0, 1.0]]))  # standard deviations 1 and 0 (by eps 0.0001), their mean
    tensor([[0.     , 1.     , 0.50005],
            [2.     , 1.     , 0.50005]])
    """

    eps: float

    def __init__(self, eps: float = 1e-8):
        super().__init__()
        self.eps = check_number("MinibatchStdDev", "eps", eps)

    def forward(self, input: Tensor) -> Tensor:
        """Compute (N, C + 1, ...) of (N, C, ...); N is at least 2."""
        if input.ndim < 2:
            raise ValueError(f"MinibatchStdDev: expected input (N, C, ...), got shape {input.shape}")
        n = _compared("MinibatchStdDev", input)
        spread = mean(sqrt(var(input, 0, correction=0) + self.eps))
        output: Tensor = cat([input, expand(spread, n, 1, *input.shape[2:])], 1)
        return output

    def extra_repr(self) -> str:
        """Return eps."""
        return f"eps={self.eps}"


def _compared(name: str, input: Any) -> int:
    """The size of the batch, which must hold something to compare."""
    n: int = input.shape[0]
    if n < 2:
        raise ValueError(f"{name}: expected a batch of at least 2 examples to compare, got {n}")
    return n
