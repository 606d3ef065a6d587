"""Checks of arguments: one for each kind of argument, used by every room.

A check takes the name of the function that was called, the name of the argument and its value.  It returns the value in
a standard form, or raises an error with one line: the function, the argument, what is expected, what was given.

A wrong type is a TypeError, a wrong value is a ValueError, a dimension out of range is an IndexError.  NumPy's integers
and floats count as numbers.  A boolean is not a number here: ``var(x, False)`` is a mistake, not dimension 0.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from .tensor import Tensor, tensor

__all__ = [
    "Dims",
    "Padding",
    "Pair",
    "check_boolean",
    "check_choice",
    "check_classes",
    "image_batch",
    "check_integer",
    "check_number",
    "check_same_shape",
    "check_shape",
    "check_sizes",
    "check_tensor",
    "check_tensors",
    "check_vector",
    "integer_array",
    "normalize_dim",
    "normalize_dims",
    "normalize_padding",
    "pair",
    "shown",
]

Pair = int | Sequence[int]
Padding = int | str | Sequence[int] | Sequence[Sequence[int]]
Dims = int | Sequence[int] | None
Sides = tuple[tuple[int, int], tuple[int, int]]


# ---- numbers and words


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_integer(op: str, name: str, value: Any, least: int | None = None) -> int:
    """Return an integer of at least `least` as an int.

    >>> check_integer("pool", "stride", 2, 1)
    2

    Raises
    ------
    TypeError
        If the value is not an integer.
    ValueError
        If it is less than `least`.
    """
    bound = "" if least is None else f" of at least {least}"
    if not _is_integer(value):
        raise TypeError(f"{op}: argument {name!r}: expected an integer{bound}, got {shown(value)}")
    if least is not None and value < least:
        raise ValueError(f"{op}: argument {name!r}: expected an integer{bound}, got {value}")
    return int(value)


def check_sizes(op: str, **sizes: Any) -> None:
    """Check that every argument is an integer of at least 1.

    Raises
    ------
    TypeError, ValueError
    """
    for name, value in sizes.items():
        check_integer(op, name, value, 1)


def check_number(
    op: str, name: str, value: Any, least: float = 0.0, below: float = math.inf, most: float | None = None
) -> float:
    """Return a number in [least, below), or in [least, most] if `most` is given, as a float.

    >>> check_number("dropout", "p", 0.5, most=1)
    0.5

    Raises
    ------
    TypeError
        If the value is not a number.
    ValueError
        If it is outside the range, or NaN.
    """
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"{op}: argument {name!r}: expected a number, got {shown(value)}")
    if not (least <= value and (value < below if most is None else value <= most)):  # NaN fails too
        if most is not None:
            limit = f"a number between {least:g} and {most:g}"
        elif below < math.inf:
            limit = f"at least {least:g}, below {below:g}"
        elif least > -math.inf:
            limit = f"a finite number of at least {least:g}"
        else:
            limit = "a finite number"
        raise ValueError(f"{op}: argument {name!r}: expected {limit}, got {value}")
    return float(value)


def check_boolean(op: str, name: str, value: Any) -> bool:
    """Return True or False as a bool.

    Raises
    ------
    TypeError
        If the value is not a boolean.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{op}: argument {name!r}: expected True or False, got {shown(value)}")
    return bool(value)


def check_choice(op: str, name: str, value: Any, choices: Collection[str]) -> str:
    """Return a word that is one of `choices`.

    Raises
    ------
    ValueError
        If it is not; the message lists the choices.
    """
    if not isinstance(value, str) or value not in choices:
        *first, last = map(repr, choices)
        expected = f"{', '.join(first)} or {last}" if first else last
        raise ValueError(f"{op}: argument {name!r}: expected {expected}, got {shown(value)}")
    return value


def pair(op: str, name: str, value: Any, least: int) -> tuple[int, int]:
    """Return one or two integers of at least `least` as (vertical, horizontal).

    >>> pair("conv2d", "stride", 2, 1)
    (2, 2)

    Raises
    ------
    TypeError, ValueError
    """
    values = value if isinstance(value, tuple | list) else (value, value)
    if len(values) != 2 or not all(_is_integer(v) for v in values):
        kind = ValueError if isinstance(value, tuple | list) and all(_is_integer(v) for v in values) else TypeError
        raise kind(f"{op}: argument {name!r}: expected one or two integers of at least {least}, got {shown(value)}")
    if min(values) < least:
        raise ValueError(
            f"{op}: argument {name!r}: expected one or two integers of at least {least}, got {shown(value)}"
        )
    return int(values[0]), int(values[1])


def normalize_padding(
    op: str,
    padding: Any,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> Sides:
    """Return padding in any of its forms as ((top, bottom), (left, right)).

    Raises
    ------
    TypeError, ValueError
    """
    if isinstance(padding, str):
        if check_choice(op, "padding", padding, ("same", "valid")) == "valid":
            return (0, 0), (0, 0)
        sides = []
        for n, k, s, d in zip(size, kernel, stride, dilation):
            total = max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
            sides.append((total // 2, total - total // 2))
        return sides[0], sides[1]
    if isinstance(padding, tuple | list) and len(padding) == 2 and all(isinstance(p, tuple | list) for p in padding):
        return pair(op, "padding", padding[0], 0), pair(op, "padding", padding[1], 0)
    vertical, horizontal = pair(op, "padding", padding, 0)
    return (vertical, vertical), (horizontal, horizontal)


# ---- dimensions


def normalize_dim(op: str, shape: Sequence[int], dim: Any, extra: int = 0) -> int:
    """Return one dimension, counted from 0.

    A Tensor without dimensions accepts 0 and -1, as in PyTorch.

    Parameters
    ----------
    op : str
    shape : sequence of int
    dim : int
        May be negative.
    extra : int
        1 where the dimension may also be one behind the last, as in ``unsqueeze``.

    Raises
    ------
    TypeError
        If the dimension is not an integer.
    IndexError
        If the Tensor does not have it.
    """
    if not _is_integer(dim):
        raise TypeError(f"{op}: argument 'dim': expected an integer, got {shown(dim)}")
    n = len(shape) + extra
    if not -max(n, 1) <= dim < max(n, 1):
        raise IndexError(f"{op}: dim {dim} is out of range for shape {tuple(shape)}")
    return int(dim) % n if n else 0


def normalize_dims(op: str, shape: Sequence[int], dim: Any) -> tuple[int, ...]:
    """Return `dim` as a sorted tuple of dimensions counted from 0; None or an empty tuple means all of them.

    >>> normalize_dims("sum", (2, 3, 4), (-1, 0))
    (0, 2)

    Raises
    ------
    TypeError
        If a dimension is not an integer.
    IndexError
        If the Tensor does not have it.
    ValueError
        If one is named twice.
    """
    if dim is None:
        return tuple(range(len(shape)))
    if _is_integer(dim):
        return (normalize_dim(op, shape, dim),)[: len(shape)]
    if not isinstance(dim, tuple | list):
        raise TypeError(f"{op}: argument 'dim': expected an integer, a tuple of integers or None, got {shown(dim)}")
    if not dim:
        return tuple(range(len(shape)))
    result = tuple(sorted(normalize_dim(op, shape, d) for d in dim))
    if len(set(result)) < len(result):
        raise ValueError(f"{op}: dim {tuple(dim)} names a dimension twice")
    return result[: len(shape)]


# ---- Tensors


def shown(value: Any) -> str:
    """A value in a message: its type where its text would be long."""
    if isinstance(value, Tensor):
        return f"a Tensor of shape {value.shape}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else type(value).__name__


def check_tensor(op: str, name: str, value: Any) -> Tensor:
    """Return a Tensor.

    Raises
    ------
    TypeError
        If the value is something else; an array is named with the way to convert it.
    """
    if not isinstance(value, Tensor):
        hint = "; convert it with minigen.tensor()" if isinstance(value, np.ndarray | list | tuple) else ""
        raise TypeError(f"{op}: argument {name!r}: expected a Tensor, got {type(value).__name__}{hint}")
    return value


def check_tensors(op: str, **values: Any) -> None:
    """Check that every argument is a Tensor or None.

    Raises
    ------
    TypeError
    """
    for name, value in values.items():
        if value is not None and not isinstance(value, Tensor):
            check_tensor(op, name, value)


def check_shape(op: str, name: str, value: Any, shape: Sequence[int]) -> None:
    """Check a Tensor of the given shape, or None.

    Raises
    ------
    TypeError, ValueError
    """
    if value is not None and check_tensor(op, name, value).shape != tuple(shape):
        raise ValueError(f"{op}: argument {name!r} has shape {value.shape}, expected {tuple(shape)}")


def check_vector(op: str, name: str, value: Any, length: int) -> None:
    """Check a Tensor of shape (length,), or None.

    Raises
    ------
    TypeError, ValueError
    """
    check_shape(op, name, value, (length,))


def image_batch(op: str, input: Any) -> Tensor:
    """Return images (N, C, H, W), or one image (C, H, W) as a batch of one.

    Raises
    ------
    TypeError, ValueError
    """
    if check_tensor(op, "input", input).ndim not in (3, 4):
        raise ValueError(f"{op}: argument 'input': expected (N, C, H, W) or (C, H, W), got shape {input.shape}")
    batched: Tensor = input if input.ndim == 4 else input.reshape(1, *input.shape)
    return batched


def check_same_shape(op: str, input: Any, target: Any) -> Tensor:
    """Return the target of a loss as a Tensor of the input's shape and dtype.

    Raises
    ------
    TypeError
        If the input is not a Tensor, or the target has another dtype.
    ValueError
        If the shapes differ.
    """
    check_tensor(op, "input", input)
    if not isinstance(target, Tensor):
        if target is None:
            raise TypeError(f"{op}: argument 'target': expected a Tensor, got None")
        target = tensor(target)
    if input.shape != target.shape:
        raise ValueError(f"{op}: input of shape {input.shape} and target of shape {target.shape} differ")
    if target.dtype != input.dtype:
        raise TypeError(
            f"{op}: argument 'target' has dtype {target.dtype}, expected {input.dtype} like the input; "
            "convert it with .to(dtype)"
        )
    return target


def integer_array(op: str, name: str, value: Any) -> Any:
    """Return the array of an integer Tensor, or of anything that NumPy makes an array of integers of.

    Raises
    ------
    TypeError
        If the elements are not integers.
    """
    try:
        array = value.data if isinstance(value, Tensor) else value if hasattr(value, "dtype") else np.asarray(value)
        kind = array.dtype.kind
    except (TypeError, ValueError):  # such as rows of different lengths
        kind = "O"
    if kind not in "iu":
        found = f"has dtype {array.dtype}" if kind != "O" else f"is {shown(value)}"
        raise TypeError(f"{op}: argument {name!r} {found}, expected integers")
    return array


def check_classes(op: str, labels: Any, classes: int) -> None:
    """Check that labels on the CPU are from 0 to ``classes - 1``.

    Labels on a GPU are not looked at: the CPU would have to wait for the GPU, in every step of a training.

    Raises
    ------
    ValueError
    """
    if isinstance(labels, np.ndarray) and labels.size and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        raise ValueError(f"{op}: labels from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
