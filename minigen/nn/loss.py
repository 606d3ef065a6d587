"""Losses as Modules: a function of `minigen.functional` and its settings.

The losses of the models, with their derivations, are in `minigen.losses`.
"""

from typing import Any

from .. import functional as F
from ..arguments import check_choice, check_integer, check_number
from ..tensor import Tensor
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]


class _Loss(Module):
    """What all losses share: how the losses of the elements become one number."""

    def __init__(self, reduction: str):
        super().__init__()
        self.reduction: str = check_choice(type(self).__name__, "reduction", reduction, ("mean", "sum", "none"))

    def extra_repr(self) -> str:
        """Return the reduction."""
        return f"reduction={self.reduction!r}"


class MSELoss(_Loss):
    """Squared differences; see `minigen.functional.mse_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.MSELoss()(mg.tensor([1.0, 3.0]), mg.zeros(2))
    tensor(5.)
    """

    def __init__(self, reduction: str = "mean"):
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `minigen.functional.mse_loss`."""
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """Absolute differences; see `minigen.functional.l1_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    """

    def __init__(self, reduction: str = "mean"):
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `minigen.functional.l1_loss`."""
        return F.l1_loss(input, target, self.reduction)


class SmoothL1Loss(_Loss):
    """Absolute differences with a square near 0.

    See `minigen.functional.smooth_l1_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    beta : float
        Where the square ends.
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction)
        self.beta: float = check_number("SmoothL1Loss", "beta", beta)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `minigen.functional.smooth_l1_loss`."""
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(_Loss):
    """Squares near 0, lines far from it; see `minigen.functional.huber_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float
        Where the square ends; above 0.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        self.delta: float = check_number("HuberLoss", "delta", delta)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `minigen.functional.huber_loss`."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class BCELoss(_Loss):
    """Cross-entropy of probabilities; see `minigen.functional.binary_cross_entropy`.

    Parameters
    ----------
    weight : Tensor, optional
        Multiplies the loss of each element; broadcasts.
    reduction : {"mean", "sum", "none"}
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean"):
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `minigen.functional.binary_cross_entropy`."""
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of logits.

    See `minigen.functional.binary_cross_entropy_with_logits`.

    Parameters
    ----------
    weight : Tensor, optional
        Multiplies the loss of each element; broadcasts.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional
        Multiplies the part of the positive class; broadcasts.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.BCEWithLogitsLoss()(mg.tensor([0.0]), mg.tensor([1.0]))
    tensor(0.6931472)
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None):
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `minigen.functional.binary_cross_entropy_with_logits`."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class NLLLoss(_Loss):
    """Minus the logarithm of the true class's probability.

    See `minigen.functional.nll_loss`.

    Parameters
    ----------
    weight : Tensor (C,), optional
    ignore_index : int
        A class label that does not count.
    reduction : {"mean", "sum", "none"}
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index: int = check_integer("NLLLoss", "ignore_index", ignore_index)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """See `minigen.functional.nll_loss`."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(_Loss):
    """Cross-entropy of logits with classes; see `minigen.functional.cross_entropy`.

    Parameters
    ----------
    weight : Tensor (C,), optional
    ignore_index : int
        A class label that does not count.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.CrossEntropyLoss()(mg.zeros(2, 4), mg.tensor([0, 3]))
    tensor(1.3862944)
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index: int = check_integer("CrossEntropyLoss", "ignore_index", ignore_index)
        self.label_smoothing: float = check_number("CrossEntropyLoss", "label_smoothing", label_smoothing, most=1)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """See `minigen.functional.cross_entropy`."""
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)
