r"""Losses: how far an output is from its target."""

import math

from ..arguments import (
    check_choice,
    check_classes,
    check_number,
    check_same_shape,
    check_tensor,
    check_vector,
    integer_array,
)
from ..backend import array_module
from ..ops.elementwise import abs, log, softplus, square, where
from ..ops.reduce import mean, sum
from ..ops.softmax import log_softmax
from ..tensor import Tensor, tensor
from .norm import _affine, _channelwise

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "l1_loss", "mse_loss"]


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared differences.

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.mse_loss(mg.tensor([1.0, 3.0]), mg.tensor([0.0, 0.0]))
    tensor(5.)
    """
    target = check_same_shape("mse_loss", input, target)
    return _reduce("mse_loss", square(input - target), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute differences; where there is none the gradient is 0.

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.l1_loss(mg.tensor([1.0, 3.0]), mg.tensor([0.0, 0.0]))
    tensor(2.)
    """
    target = check_same_shape("l1_loss", input, target)
    return _reduce("l1_loss", abs(input - target), reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy of probabilities p with targets y: :math:`-y \log p - (1 - y) \log(1 - p)`.

    Each logarithm is at least -100, as in PyTorch; where that limit holds the gradient is 0, as the limit's is.  Prefer
    `binary_cross_entropy_with_logits`, which needs no limit.

    Parameters
    ----------
    input : Tensor
        Probabilities.
    target : Tensor of the same shape
        In [0, 1].
    weight : Tensor, optional
        Multiplies the loss of each element; broadcasts.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1] (on the CPU: a GPU is not waited for) or the shapes differ.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.binary_cross_entropy(mg.tensor([0.5]), mg.tensor([1.0]))
    tensor(0.6931472)
    """
    op = "binary_cross_entropy"
    target = check_same_shape(op, input, target)
    if input.device == "cpu" and bool(((input.data < 0) | (input.data > 1)).any()):
        raise ValueError(
            f"{op}: argument 'input' must be probabilities in [0, 1], got values from "
            f"{input.data.min():g} to {input.data.max():g}"
        )
    loss = -(target * _limited_log(input) + (1 - target) * _limited_log(1 - input))
    return _reduce(op, loss if weight is None else loss * weight, reduction)


def _limited_log(p: Tensor) -> Tensor:
    """``max(log p, -100)``, with a gradient of 0 (not NaN) where the limit holds."""
    fine = p > math.exp(-100)
    return where(fine, log(where(fine, p, 1.0)), -100.0)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of logits x with targets y: :math:`y \zeta(-x) + (1 - y) \zeta(x)`, :math:`\zeta` the softplus.

    Since :math:`-\log \sigma(x) = \zeta(-x)` this is `binary_cross_entropy` of ``sigmoid(x)``, without ever computing a
    probability that could round to 0 or 1.  Its derivative is :math:`\sigma(x) - y`.

    Parameters
    ----------
    input : Tensor
        Logits.
    target : Tensor of the same shape
        In [0, 1].
    weight : Tensor, optional
        Multiplies the loss of each element; broadcasts.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional
        Multiplies the part of the positive class; broadcasts.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.binary_cross_entropy_with_logits(mg.tensor([0.0]), mg.tensor([1.0]))
    tensor(0.6931472)
    """
    op = "binary_cross_entropy_with_logits"
    target = check_same_shape(op, input, target)
    positive = target if pos_weight is None else target * pos_weight
    loss = positive * softplus(-input) + (1 - target) * softplus(input)
    return _reduce(op, loss if weight is None else loss * weight, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy of logits with classes: :math:`-\sum_c y_c \log \mathrm{softmax}(x)_c`.

    Parameters
    ----------
    input : Tensor (C,), (N, C) or (N, C, ...)
        Logits.
    target : integer Tensor (), (N,) or (N, ...), or float Tensor of the input's shape
        Classes, or a probability for each.
    weight : Tensor (C,), optional
        Multiplies the terms of each class.
    ignore_index : int
        A class label that does not count.
    reduction : {"mean", "sum", "none"}
        With class labels the mean is weighted by the labels' weights, as in PyTorch.
    label_smoothing : float
        Share of the target that is spread evenly over the classes (Szegedy et al. 2016).

    Raises
    ------
    ValueError
        If the shapes do not fit or a label is not a class.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.cross_entropy(mg.zeros(2, 4), mg.tensor([0, 3]))
    tensor(1.3862944)
    """
    op = "cross_entropy"
    check_number(op, "label_smoothing", label_smoothing, most=1)
    if check_tensor(op, "input", input).ndim == 0:
        raise ValueError(f"{op}: expected input (C,) or (N, C, ...), got shape ()")
    axis = 0 if input.ndim == 1 else 1
    classes = input.shape[axis]
    check_vector(op, "weight", weight, classes)
    target = target if isinstance(target, Tensor) else tensor(target)
    xp = array_module(input.data)
    each = _affine(input, classes, weight, None)[0]
    each = _channelwise(each, input.ndim) if axis else each
    if target.dtype.kind == "f":
        share, total = check_same_shape(op, input, target), None
    else:
        labels = integer_array(op, "target", target)
        if labels.shape != input.shape[:axis] + input.shape[axis + 1 :]:
            raise ValueError(f"{op}: target of shape {labels.shape} does not fit input of shape {input.shape}")
        counted = labels != ignore_index
        check_classes(op, xp.where(counted, labels, 0), classes)
        places = xp.arange(classes).reshape([-1 if d == axis else 1 for d in range(input.ndim)])
        chosen = (xp.expand_dims(labels, axis) == places).astype(input.dtype)
        share = Tensor(chosen)
        each = each * Tensor(xp.expand_dims(counted, axis).astype(input.dtype))
        total = sum(share * each)  # after the mask: ignore_index may be a class like any other
    share = share * (1 - label_smoothing) + label_smoothing / classes
    loss = -sum(share * each * log_softmax(input, axis), axis)
    if reduction == "mean" and total is not None:
        return sum(loss) / total
    return _reduce(op, loss, reduction)


def _reduce(op: str, loss: Tensor, reduction: str) -> Tensor:
    check_choice(op, "reduction", reduction, ("mean", "sum", "none"))
    return mean(loss) if reduction == "mean" else sum(loss) if reduction == "sum" else loss
