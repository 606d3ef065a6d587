r"""Losses: how far an output is from its target."""

import math
from typing import Any

import numpy as np

from ..arguments import (
    check_choice,
    check_classes,
    check_integer,
    check_number,
    check_same_shape,
    check_tensor,
    check_tensors,
    check_vector,
    integer_array,
)
from ..backend import array_module
from ..ops.elementwise import abs, clamp, constant, log, maximum, softplus, square, where
from ..ops.linalg import norm
from ..ops.reduce import mean, sum
from ..ops.shape import getitem, take_along_dim
from ..ops.softmax import log_softmax
from ..tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


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
    check_same_shape("mse_loss", input, target)
    return _reduce("mse_loss", square(input - target), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute differences; where the difference is 0 the gradient is 0.

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
    check_same_shape("l1_loss", input, target)
    return _reduce("l1_loss", abs(input - target), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    r"""Differences d: $d^2 / 2 \beta$ where $|d| < \beta$, $|d| - \beta / 2$ elsewhere (Girshick 2015).

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {"mean", "sum", "none"}
    beta : float
        With 0 it is `l1_loss`.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.smooth_l1_loss(mg.tensor([0.5, 3.0]), mg.tensor([0.0, 0.0]), "none")
    tensor([0.125, 2.5  ])
    """
    op = "smooth_l1_loss"
    check_same_shape(op, input, target)
    if check_number(op, "beta", beta) == 0:
        return l1_loss(input, target, reduction)
    return _reduce(op, _huber(input - target, beta) * (1 / beta), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    r"""Differences d: $d^2 / 2$ where $|d| < \delta$, $\delta (|d| - \delta / 2)$ elsewhere (Huber 1964).

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {"mean", "sum", "none"}
    delta : float
        Above 0.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.huber_loss(mg.tensor([0.5, 3.0]), mg.tensor([0.0, 0.0]), "none", delta=2.0)
    tensor([0.125, 4.   ])
    """
    op = "huber_loss"
    check_same_shape(op, input, target)
    if check_number(op, "delta", delta) == 0:
        raise ValueError(f"{op}: argument 'delta': expected a number above 0, got {delta}")
    return _reduce(op, _huber(input - target, delta), reduction)


def _huber(difference: Tensor, width: float) -> Tensor:
    near = clamp(difference, min=-width, max=width)
    return square(near) * 0.5 + abs(difference - near) * width


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    r"""Cosine of the angle between vectors: $\langle x_1, x_2 \rangle / (\max(|x_1|, \epsilon) \max(|x_2|, \epsilon))$.

    Parameters
    ----------
    x1, x2 : Tensor
        Their shapes broadcast.
    dim : int
        The dimension of the vectors.
    eps : float
        The least length, so that a vector of zeros has similarity 0 with every other.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.cosine_similarity(mg.tensor([[1.0, 0.0]]), mg.tensor([[1.0, 1.0]]))
    tensor([0.70710677])
    """
    op = "cosine_similarity"
    check_tensor(op, "x1", x1)
    check_tensor(op, "x2", x2)
    check_number(op, "eps", eps)
    lengths = [maximum(norm(x, 2, dim, keepdim=True), eps) for x in (x1, x2)]
    return sum((x1 / lengths[0]) * (x2 / lengths[1]), dim)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy of probabilities p with targets y: $-y \log p - (1 - y) \log(1 - p)$.

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
        If a probability is NaN or outside [0, 1] (on the CPU: a GPU is not waited for) or the shapes differ.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.binary_cross_entropy(mg.tensor([0.5]), mg.tensor([1.0]))
    tensor(0.6931472)
    """
    op = "binary_cross_entropy"
    check_same_shape(op, input, target)
    check_tensors(op, weight=weight)
    if input.device == "cpu":
        inside = (input.data >= 0) & (input.data <= 1)  # False for NaN
        if not inside.all():
            raise ValueError(
                f"{op}: argument 'input': expected probabilities in [0, 1], got {input.data[~inside].flat[0]!s}"
            )
    loss = -(target * _limited_log(input) + (1 - target) * _limited_log(1 - input))
    return _reduce(op, loss if weight is None else loss * weight, reduction)


def _limited_log(p: Tensor) -> Tensor:
    """``max(log p, -100)``, with a gradient of 0 (not NaN) where the limit holds.  The logarithm of NaN is NaN."""
    limited = p <= math.exp(-100)
    return where(limited, -100.0, log(where(limited, 1.0, p)))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of logits x with targets y: $y \zeta(-x) + (1 - y) \zeta(x)$, with $\zeta$ the softplus.

    Since $-\log \sigma(x) = \zeta(-x)$ this is `binary_cross_entropy` of ``sigmoid(x)``, without ever computing a
    probability that could round to 0 or 1.  Its derivative is $\sigma(x) - y$.  A term whose share is 0 does not count,
    not even if it is infinite: an infinite logit on the right side has the loss 0.

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
    check_same_shape(op, input, target)
    check_tensors(op, weight=weight, pos_weight=pos_weight)
    positive = target if pos_weight is None else target * pos_weight
    loss = _share_of(positive, softplus(-input)) + _share_of(1 - target, softplus(input))
    return _reduce(op, loss if weight is None else loss * weight, reduction)


def _share_of(weight: Tensor, loss: Tensor) -> Tensor:
    """``weight * loss``; a share of 0 of an infinite loss is 0, not NaN."""
    nothing = (weight.data == 0) & (loss.data == math.inf)
    if not isinstance(nothing, np.ndarray) or nothing.any():
        loss = where(nothing, 0.0, loss)
    return weight * loss


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Minus the log-probabilities of the labels: what `cross_entropy` does after its log-softmax.

    Parameters
    ----------
    input : Tensor (C,), (N, C) or (N, C, ...)
        Log-probabilities.
    target : integer Tensor (), (N,) or (N, ...)
        Classes.
    weight : Tensor (C,), optional
        Multiplies the terms of each class.
    ignore_index : int
        A label that does not count.
    reduction : {"mean", "sum", "none"}
        The mean is weighted by the labels' weights.

    Raises
    ------
    ValueError
        If the shapes do not fit or a label is not a class.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.nll_loss(mg.tensor([[-0.5, -1.0]]), mg.tensor([1]))
    tensor(1.)
    """
    op = "nll_loss"
    axis = _class_axis(op, input, weight)
    counted, labels = _labels(op, input, target, axis, ignore_index)
    terms, weights = _label_terms(input, labels, axis, weight)
    return _mean_of_counted(op, terms, weights, counted, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy of logits with classes: $-\sum_c y_c \log \mathrm{softmax}(x)_c$.

    Parameters
    ----------
    input : Tensor (C,), (N, C) or (N, C, ...)
        Logits.
    target : integer Tensor (), (N,) or (N, ...), or float Tensor of the input's shape
        Classes, or a probability for each.
    weight : Tensor (C,), optional
        Multiplies the terms of each class.
    ignore_index : int
        A label that does not count, whatever its logits are.
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
    axis = _class_axis(op, input, weight)
    classes = input.shape[axis]
    by_class = None if weight is None else weight.reshape(-1, *[1] * (input.ndim - axis - 1))

    if check_tensor(op, "target", target).dtype.kind == "f":
        check_same_shape(op, input, target)
        logp, share = log_softmax(input, axis), target
        if label_smoothing:
            share = share * (1 - label_smoothing) + label_smoothing / classes
        impossible = (share.data == 0) & (logp.data == -math.inf)
        if not isinstance(impossible, np.ndarray) or impossible.any():
            logp = where(impossible, 0.0, logp)  # 0 log 0 is 0
        terms = -sum(share * logp if by_class is None else share * logp * by_class, axis)
        if reduction != "mean":
            return _reduce(op, terms, reduction)
        return sum(terms) / terms.numel() if terms.numel() else mean(terms)

    counted, labels = _labels(op, input, target, axis, ignore_index)
    if not isinstance(counted, np.ndarray) or not counted.all():
        input = where(array_module(counted).expand_dims(counted, axis), input, 0.0)
    logp = log_softmax(input, axis)
    terms, weights = _label_terms(logp, labels, axis, weight)
    if label_smoothing:
        spread = -sum(logp if by_class is None else logp * by_class, axis)
        terms = terms * (1 - label_smoothing) + spread * (label_smoothing / classes)
    return _mean_of_counted(op, terms, weights, counted, reduction)


def _class_axis(op: str, input: Tensor, weight: Tensor | None) -> int:
    if check_tensor(op, "input", input).ndim == 0:
        raise ValueError(f"{op}: argument 'input': expected (C,) or (N, C, ...), got shape ()")
    axis = 0 if input.ndim == 1 else 1
    check_vector(op, "weight", weight, input.shape[axis])
    return axis


def _labels(op: str, input: Tensor, target: Tensor, axis: int, ignore_index: int) -> tuple[Any, Any]:
    """Which labels count, and the labels, with class 0 in place of the others."""
    labels = integer_array(op, "target", check_tensor(op, "target", target))
    check_integer(op, "ignore_index", ignore_index)
    if labels.shape != input.shape[:axis] + input.shape[axis + 1 :]:
        raise ValueError(f"{op}: target of shape {labels.shape} does not fit input of shape {input.shape}")
    counted = labels != ignore_index
    labels = array_module(labels).where(counted, labels, 0)
    check_classes(op, labels[counted] if isinstance(labels, np.ndarray) else labels, input.shape[axis])
    return array_module(labels).asarray(counted), labels


def _label_terms(logp: Tensor, labels: Any, axis: int, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Minus the weighted log-probability of each label, and the weights."""
    if not logp.shape[axis]:  # no classes, hence no labels that count
        return constant(array_module(labels).zeros(labels.shape, logp.dtype)), None
    xp = array_module(labels)
    terms = -take_along_dim(logp, xp.expand_dims(labels, axis), axis).reshape(labels.shape)
    if weight is None:
        return terms, None
    weights = getitem(weight, labels)
    return terms * weights, weights


def _mean_of_counted(op: str, terms: Tensor, weights: Tensor | None, counted: Any, reduction: str) -> Tensor:
    if not isinstance(counted, np.ndarray) or not counted.all():
        terms = where(counted, terms, 0.0)
    if reduction != "mean":
        return _reduce(op, terms, reduction)
    if weights is None:
        total = constant(counted.sum(dtype=terms.dtype).reshape(()))
    else:
        total = sum(where(counted, weights, 0.0))
    return sum(terms) / total


def _reduce(op: str, loss: Tensor, reduction: str) -> Tensor:
    check_choice(op, "reduction", reduction, ("mean", "sum", "none"))
    return mean(loss) if reduction == "mean" else sum(loss) if reduction == "sum" else loss
