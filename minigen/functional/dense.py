"""The dense layer, one-hot rows, and rows picked from a table."""

import math

import numpy as np

from ..arguments import check_classes, check_integer, check_tensor, check_vector, integer_array
from ..backend import array_module
from ..ops.elementwise import where
from ..ops.linalg import dense, dense_bias
from ..ops.shape import getitem
from ..tensor import Tensor
from .activation import check_slope, leaky

__all__ = ["embedding", "linear", "one_hot"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, negative_slope: float | None = None) -> Tensor:
    """Dense layer: ``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor (..., in_features)
    weight : Tensor (out_features, in_features)
    bias : Tensor (out_features,), optional
    negative_slope : float, optional
        A leaky ReLU of this slope, 0 or more (0: a ReLU), follows.  PyTorch has no such argument.

    Returns
    -------
    Tensor (..., out_features)

    Raises
    ------
    ValueError
        If the sizes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.linear(mg.ones(2, 3), mg.ones(4, 3), mg.ones(4)).shape
    (2, 4)
    """
    check_tensor("linear", "input", input)
    check_tensor("linear", "weight", weight)
    if weight.ndim != 2 or input.ndim < 1 or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: input of shape {input.shape} does not fit weight of shape {weight.shape}: "
            "expected (..., in_features) and (out_features, in_features)"
        )
    check_vector("linear", "bias", bias, weight.shape[0])
    check_slope("linear", negative_slope, 0.0)
    rows = math.prod(input.shape[:-1])
    batched = input if input.ndim == 2 else input.reshape(rows, weight.shape[1])
    if bias is None:
        out = leaky(dense(batched, weight), negative_slope)
    else:
        out = dense_bias(batched, weight, bias, negative_slope=negative_slope)
    return out if input.ndim == 2 else out.reshape(*input.shape[:-1], weight.shape[0])


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Integers to rows with a single 1.

    Parameters
    ----------
    tensor : integer Tensor (...)
    num_classes : int
        By default one more than the largest.

    Returns
    -------
    int64 Tensor (..., num_classes)

    Raises
    ------
    ValueError
        If an integer is negative or not below `num_classes`.  (On a GPU only a `num_classes` of -1 looks at the
        integers: it would have to be waited for.  Their rows are zeros then.)

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.one_hot(mg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = integer_array("one_hot", "tensor", check_tensor("one_hot", "tensor", tensor))
    check_integer("one_hot", "num_classes", num_classes, -1)
    xp = array_module(labels)
    if num_classes == -1:
        if labels.size == 0:
            raise ValueError("one_hot: num_classes is needed when there are no labels")
        num_classes = int(labels.max()) + 1
    check_classes("one_hot", labels, num_classes)
    return Tensor((labels[..., None] == xp.arange(num_classes)).astype(np.int64))


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of a table by their numbers: ``one_hot(input) @ weight`` without the product.

    Parameters
    ----------
    input : integer Tensor (...)
        From 0 to the number of rows - 1.
    weight : Tensor (rows, features)
    padding_idx : int, optional
        A row whose gradient is 0; may be negative.

    Returns
    -------
    Tensor (..., features)

    Raises
    ------
    ValueError
        If a number is not one of a row.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.embedding(mg.tensor([1, 0]), mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    op = "embedding"
    numbers = integer_array(op, "input", check_tensor(op, "input", input))
    if check_tensor(op, "weight", weight).ndim != 2:
        raise ValueError(f"{op}: argument 'weight': expected (rows, features), got shape {weight.shape}")
    check_classes(op, numbers, weight.shape[0])
    rows = getitem(weight, numbers)
    if padding_idx is None:
        return rows
    padding = check_integer(op, "padding_idx", padding_idx)
    if not -weight.shape[0] <= padding < weight.shape[0]:
        raise ValueError(f"{op}: argument 'padding_idx': expected a row of {weight.shape[0]}, got {padding_idx}")
    return where((numbers != padding % weight.shape[0])[..., None], rows, rows.detach())
