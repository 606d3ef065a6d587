"""Operations that move elements without changing them.

All of them are linear.  The vjp of each is its adjoint: it moves every cotangent back to where the element came from,
and adds where one element went to several places.  They take Tensors of any dtype; only floats have gradients.
"""

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..arguments import check_integer, check_tensor, integer_array, normalize_dim
from ..backend import array_module, describe, is_array, to_device
from ..engine import primitive
from ..tensor import Tensor
from .border import BORDERS, pad_border
from .elementwise import unbroadcast, where

__all__ = [
    "cat",
    "chunk",
    "expand",
    "flatten",
    "flip",
    "gather",
    "getitem",
    "masked_fill",
    "pad",
    "permute",
    "repeat",
    "reshape",
    "setitem",
    "split",
    "squeeze",
    "stack",
    "t",
    "take_along_dim",
    "transpose",
    "tril",
    "triu",
    "unbind",
    "unsqueeze",
]


def _sizes(op: str, sizes: Sequence[Any]) -> tuple[int, ...]:
    """Accept both f(2, 3) and f((2, 3)), as PyTorch does."""
    if len(sizes) == 1 and isinstance(sizes[0], Sequence):
        sizes = tuple(sizes[0])
    if set(map(type, sizes)) <= {int}:  # the usual case
        return tuple(sizes)
    if any(isinstance(n, bool) or not hasattr(n, "__index__") for n in sizes):
        raise TypeError(f"{op}: expected integers, got {tuple(sizes)}")
    return tuple(operator.index(n) for n in sizes)


def _as_tensors(op: str, tensors: Any) -> list[Tensor]:
    several: list[Tensor] = list(tensors)
    for i, x in enumerate(several):
        if not isinstance(x, Tensor):
            raise TypeError(f"{op}: tensors[{i}]: expected a Tensor, got {describe(x)}")
    return several


@primitive(any_dtype=True)
def reshape_(input: Any, *, shape: tuple[int, ...]) -> Any:
    """Give the elements another shape; the vjp gives the cotangent the old shape."""
    return input.reshape(shape)


reshape_.vjp(input=lambda g, out, input, *, shape: reshape_(g, shape=input.shape))


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """Arrange the same elements, in the same order, in another shape.

    Parameters
    ----------
    input : Tensor
    *shape : int
        One may be -1: it is computed from the number of elements.

    Raises
    ------
    ValueError
        If the number of elements differs.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.reshape(mg.arange(4.0), 2, -1)
    tensor([[0., 1.],
            [2., 3.]])
    """
    shape, input = _sizes("reshape", shape), check_tensor("reshape", "input", input)
    count, target = input.numel(), shape
    if shape.count(-1) == 1:
        known = math.prod(n for n in shape if n != -1)
        if known and count % known == 0:
            target = tuple(count // known if n == -1 else n for n in shape)
    if math.prod(target) != count or min(target, default=0) < 0:
        raise ValueError(f"reshape: cannot make shape {shape} of {count} elements, shape {input.shape}")
    return reshape_(input, shape=target)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the dimensions from `start_dim` to `end_dim` into one.

    >>> import minigen as mg
    >>> mg.flatten(mg.ones(2, 3, 4), 1).shape
    (2, 12)
    """
    check_tensor("flatten", "input", input)
    start, end = (normalize_dim("flatten", input.shape, d) for d in (start_dim, end_dim))
    if input.ndim == 0:
        return reshape(input, 1)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(input, (*input.shape[:start], math.prod(input.shape[start : end + 1]), *input.shape[end + 1 :]))


def squeeze(input: Tensor, dim: int | None = None) -> Tensor:
    """Drop dimensions of size 1: all of them, or `dim` if it has size 1.

    >>> import minigen as mg
    >>> mg.squeeze(mg.ones(2, 1, 3)).shape
    (2, 3)
    """
    check_tensor("squeeze", "input", input)
    drop = range(input.ndim) if dim is None else [normalize_dim("squeeze", input.shape, dim)]
    return reshape(input, tuple(n for d, n in enumerate(input.shape) if not (d in drop and n == 1)))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of size 1 at `dim`.

    >>> import minigen as mg
    >>> mg.unsqueeze(mg.ones(2, 3), 1).shape
    (2, 1, 3)
    """
    check_tensor("unsqueeze", "input", input)
    dim = normalize_dim("unsqueeze", input.shape, dim, extra=1)
    return reshape(input, (*input.shape[:dim], 1, *input.shape[dim:]))


@primitive(any_dtype=True)
def permute_(input: Any, *, dims: tuple[int, ...]) -> Any:
    """Reorder the dimensions; the vjp reorders them back."""
    return input.transpose(dims)


permute_.vjp(input=lambda g, out, input, *, dims: permute_(g, dims=tuple(int(d) for d in np.argsort(dims))))


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Reorder the dimensions: dimension i of the result is dimension ``dims[i]`` of `input`.

    Raises
    ------
    ValueError
        If `dims` does not name every dimension once.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.permute(mg.ones(2, 3, 4), 2, 0, 1).shape
    (4, 2, 3)
    """
    check_tensor("permute", "input", input)
    dims = tuple(normalize_dim("permute", input.shape, d) for d in _sizes("permute", dims))
    if sorted(dims) != list(range(input.ndim)):
        raise ValueError(f"permute: dims {dims} do not name each dimension of shape {input.shape} once")
    return permute_(input, dims=dims)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions.

    >>> import minigen as mg
    >>> mg.transpose(mg.ones(2, 3), 0, 1).shape
    (3, 2)
    """
    check_tensor("transpose", "input", input)
    dims = list(range(input.ndim))
    a, b = normalize_dim("transpose", input.shape, dim0), normalize_dim("transpose", input.shape, dim1)
    if dims:
        dims[a], dims[b] = dims[b], dims[a]
    return permute_(input, dims=tuple(dims))


def t(input: Tensor) -> Tensor:
    """Transpose a matrix; a vector stays as it is.

    >>> import minigen as mg
    >>> mg.ones(2, 3).t().shape
    (3, 2)
    """
    check_tensor("t", "input", input)
    if input.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {input.shape}; use transpose(dim0, dim1)")
    return transpose(input, 0, 1) if input.ndim == 2 else input


@primitive(any_dtype=True)
def expand_(input: Any, *, shape: tuple[int, ...]) -> Any:
    """Repeat along dimensions of size 1; the vjp adds the repetitions."""
    out = array_module(input).empty(shape, input.dtype)
    out[...] = input  # NumPy's `broadcast_to` takes longer than to fill a small array
    return out


expand_.vjp(input=lambda g, out, input, *, shape: unbroadcast(g, input.shape))


def expand(input: Tensor, *shape: Any) -> Tensor:
    """Repeat along dimensions of size 1, or new leading ones; -1 keeps a dimension's size.

    Raises
    ------
    ValueError
        If a dimension of another size than 1 would have to change.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.expand(mg.tensor([[1.0], [2.0]]), 2, 3)
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    check_tensor("expand", "input", input)
    shape = _sizes("expand", shape)
    new = len(shape) - input.ndim
    sizes = tuple(input.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(shape))
    if new < 0 or any(m not in (1, n) for m, n in zip(input.shape, sizes[max(new, 0) :])) or min(sizes, default=0) < 0:
        raise ValueError(f"expand: shape {input.shape} cannot be expanded to {tuple(shape)}")
    return expand_(input, shape=sizes)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Repeat the whole Tensor ``repeats[i]`` times along dimension i, as ``numpy.tile`` does.

    Raises
    ------
    ValueError
        If there are fewer numbers than dimensions, or one is negative.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.repeat(mg.tensor([1.0, 2.0]), 2, 2)
    tensor([[1., 2., 1., 2.],
            [1., 2., 1., 2.]])
    """
    check_tensor("repeat", "input", input)
    repeats = _sizes("repeat", repeats)
    if len(repeats) < input.ndim or min(repeats, default=0) < 0:
        raise ValueError(f"repeat: expected at least {input.ndim} numbers of 0 or more, got {repeats}")
    shape = (1,) * (len(repeats) - input.ndim) + input.shape
    apart = reshape_(input, shape=tuple(m for n in shape for m in (1, n)))
    copies = expand_(apart, shape=tuple(m for r, n in zip(repeats, shape) for m in (r, n)))
    return reshape_(copies, shape=tuple(r * n for r, n in zip(repeats, shape)))


@primitive(any_dtype=True)
def flip_(input: Any, *, dims: tuple[int, ...]) -> Any:
    """Reverse the order along `dims`; a second time restores it, so the vjp is the same operation."""
    return array_module(input).flip(input, dims)


flip_.vjp(input=lambda g, out, input, *, dims: flip_(g, dims=dims))


def flip(input: Tensor, dims: int | Sequence[int]) -> Tensor:
    """Reverse the order of the elements along `dims`.

    >>> import minigen as mg
    >>> mg.flip(mg.tensor([1.0, 2.0, 3.0]), 0)
    tensor([3., 2., 1.])
    """
    check_tensor("flip", "input", input)
    several = dims if isinstance(dims, Sequence) else (dims,)
    return flip_(input, dims=tuple(normalize_dim("flip", input.shape, d) for d in several))


@primitive(any_dtype=True)
def getitem_(input: Any, *, index: Any) -> Any:
    """Pick elements; the vjp puts each cotangent back in its place, adding where one was picked twice."""
    out = input[index]
    if isinstance(out, np.generic):  # one element: a view of it, as for every other slice
        out = input[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    return out


@primitive
def putitem(g: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    """The adjoint of indexing: zeros of `shape`, with `g` added at `index`."""
    xp = array_module(g)
    out = xp.zeros(shape, g.dtype)
    if _is_basic(index):
        out[index] = g  # slices pick nothing twice
    else:
        xp.add.at(out, index, g)
    return out


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts)


@primitive
def put_several(*gs: Any, indices: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """The sum of `putitem` over several pairs of `g` and index, in one array.

    A Tensor of T time steps that is cut into T slices has T cotangents.  One full-size array for each would cost
    $O(T^2)$; here each is added in its place.
    """
    xp = array_module(gs[0])
    out = xp.zeros(shape, gs[0].dtype)
    for g, index in zip(gs, indices):
        if _is_basic(index):
            out[index] += g
        else:
            xp.add.at(out, index, g)
    return out


def _put_uses(gs: tuple[Tensor, ...], params: tuple[dict[str, Any], ...], input: Tensor) -> Tensor:
    """The vjp of all uses of one Tensor by `getitem_`."""
    if len(gs) == 1:
        return putitem(gs[0], index=params[0]["index"], shape=input.shape)
    return put_several(*gs, indices=tuple(each["index"] for each in params), shape=input.shape)


getitem_.vjp_uses(_put_uses)
putitem.vjp(g=lambda u, out, g, *, index, shape: getitem_(u, index=index))
put_several.vjp(gs=lambda i, u, out, *gs, indices, shape: getitem_(u, index=indices[i]))


def _as_index(index: Any, device: str) -> Any:
    """Convert an index that a user gave to what an array on `device` takes."""

    def plain(part: Any) -> Any:
        part = part.data if isinstance(part, Tensor) else part
        if isinstance(part, list | range):
            part = np.asarray(part, dtype=None if part else np.int64)
        if is_array(part):
            if part.shape == () and part.dtype.kind in "iu":
                return int(part)
            if part.dtype.kind not in "iub":
                raise IndexError(f"index: expected integers or booleans, got an array of dtype {part.dtype}")
            return to_device(np.asarray(part) if isinstance(part, np.generic) else part, device)
        if part is None or part is Ellipsis or isinstance(part, bool | slice) or hasattr(part, "__index__"):
            return part
        raise IndexError(f"index: expected integers, booleans, slices, None or ..., got {describe(part)}")

    return tuple(plain(part) for part in index) if isinstance(index, tuple) else plain(index)


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: slices, integers, None, ``...``, integer arrays and boolean masks, as in NumPy.

    Raises
    ------
    IndexError
        If an index is out of range or of an unknown kind.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.arange(6.0).reshape(2, 3)
    >>> x[:, [0, 2]]
    tensor([[0., 2.],
            [3., 5.]])
    """
    check_tensor("getitem", "input", input)
    try:
        return getitem_(input, index=_as_index(index, input.device))
    except IndexError as error:
        raise IndexError(f"index into shape {input.shape}: {error}") from None


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, which changes `input` in place and is not recorded.

    Raises
    ------
    RuntimeError
        If a gradient is asked for: of `input` or of `value`, outside `minigen.no_grad`.
    TypeError
        If `value` is no number, array or Tensor, or does not fit the dtype of `input`.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.zeros(3)
    >>> x[1:] = 5
    >>> x
    tensor([0., 5., 5.])
    """
    check_tensor("setitem", "input", input)
    from ..engine import is_grad_enabled

    if is_grad_enabled() and (input.requires_grad or (isinstance(value, Tensor) and value.requires_grad)):
        raise RuntimeError(
            "item assignment is not recorded: do it under minigen.no_grad(), or build the Tensor with where(), cat() "
            "or stack()"
        )
    array = value.data if isinstance(value, Tensor) else value
    if not isinstance(array, bool | int | float) and not is_array(array):
        try:
            array = np.asarray(array)
        except ValueError as error:
            raise TypeError(f"item assignment: rows of unequal length ({error})") from None
    dtype = np.asarray(array).dtype if not is_array(array) else array.dtype
    if dtype.kind not in "iufb" or not np.can_cast(dtype, input.dtype, "same_kind"):
        raise TypeError(f"item assignment: {describe(value)} does not fit a Tensor of dtype {input.dtype}")
    if is_array(array) and not isinstance(array, np.generic):
        array = to_device(array, input.device)
    place = _as_index(index, input.device)
    with input.inplace() as data:
        try:
            data[place] = array
        except (IndexError, ValueError) as error:
            raise type(error)(f"item assignment into shape {input.shape}: {error}") from None


def gather(input: Tensor, dim: int, index: Any) -> Tensor:
    """Pick along `dim` the elements that `index` names: ``out[i][j] = input[i][index[i][j]]`` for `dim` 1.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : integer Tensor or array
        Of as many dimensions as `input`, and not larger than `input` in any other than `dim`.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.gather(mg.tensor([[1.0, 5.0], [3.0, 4.0]]), 1, mg.tensor([[1], [0]]))
    tensor([[5.],
            [3.]])
    """
    check_tensor("gather", "input", input)
    dim = normalize_dim("gather", input.shape, dim)
    index = _as_indices("gather", "index", index, input)
    if any(m > n for d, (m, n) in enumerate(zip(index.shape, input.shape)) if d != dim):
        raise ValueError(
            f"gather: index of shape {index.shape} is larger than input of shape {input.shape} outside dim {dim}"
        )
    return _pick("gather", input, dim, index)


def take_along_dim(input: Tensor, indices: Any, dim: int | None = None) -> Tensor:
    """Pick along `dim` the element that `indices` names at each place.

    Parameters
    ----------
    input : Tensor
    indices : integer Tensor or array
        Of as many dimensions as `input`; the two broadcast in every other dimension than `dim`.
    dim : int, optional
        By default both are flattened first.

    Raises
    ------
    IndexError
        If an index is out of range.
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.take_along_dim(mg.tensor([[1.0, 5.0], [3.0, 4.0]]), mg.tensor([[1], [0]]), 1)
    tensor([[5.],
            [3.]])
    """
    check_tensor("take_along_dim", "input", input)
    if dim is None:
        return take_along_dim(flatten(input), integer_array("take_along_dim", "indices", indices).reshape(-1), 0)
    dim = normalize_dim("take_along_dim", input.shape, dim)
    indices = _as_indices("take_along_dim", "indices", indices, input)
    if not input.ndim:
        return _pick("take_along_dim", input, dim, indices)
    try:
        shape = np.broadcast_shapes(*((*x.shape[:dim], 1, *x.shape[dim + 1 :]) for x in (input, indices)))
    except ValueError:
        raise ValueError(
            f"take_along_dim: indices of shape {indices.shape} do not fit input of shape {input.shape}: "
            f"expected sizes that broadcast outside dim {dim}"
        ) from None
    indices = array_module(indices).broadcast_to(indices, (*shape[:dim], indices.shape[dim], *shape[dim + 1 :]))
    return _pick("take_along_dim", expand(input, *shape[:dim], input.shape[dim], *shape[dim + 1 :]), dim, indices)


def _as_indices(op: str, name: str, indices: Any, input: Tensor) -> Any:
    """Return the integer array of `indices`, which must have as many dimensions as `input`."""
    array = to_device(integer_array(op, name, indices), input.device)
    if array.ndim != input.ndim:
        raise ValueError(
            f"{op}: {name} of shape {array.shape} does not fit input of shape {input.shape}: expected as many "
            "dimensions"
        )
    return array


def _pick(op: str, input: Tensor, dim: int, indices: Any) -> Tensor:
    """Index along `dim` with `indices`, and with its own position in every other dimension."""
    n = input.shape[dim] if input.ndim else 1
    if isinstance(indices, np.ndarray) and indices.size and not -n <= indices.min() <= indices.max() < n:
        raise IndexError(f"{op}: expected indices from {-n} to {n - 1}, got {indices.min()} to {indices.max()}")
    if not input.ndim:
        return input.clone()
    xp = array_module(indices)
    places = (
        indices if d == dim else xp.arange(m).reshape([-1 if e == d else 1 for e in range(input.ndim)])
        for d, m in enumerate(indices.shape)
    )
    return getitem(input, tuple(places))


@primitive(any_dtype=True)
def cat_(*tensors: Any, dim: int) -> Any:
    """Join along `dim`; the vjp cuts the cotangent at the same places."""
    return array_module(tensors[0]).concatenate(tensors, axis=dim)


def _cat_vjp(i: int, g: Tensor, out: Tensor, *tensors: Tensor, dim: int) -> Tensor:
    start = sum(x.shape[dim] for x in tensors[:i])
    return _slice(g, dim, start, start + tensors[i].shape[dim])


cat_.vjp(tensors=_cat_vjp)


def _slice(input: Tensor, dim: int, start: int, stop: int) -> Tensor:
    return getitem_(input, index=(*[slice(None)] * dim, slice(start, stop)))


def cat(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Join Tensors along an existing dimension.

    Raises
    ------
    ValueError
        If there is nothing to join, or the other dimensions differ.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.cat([mg.ones(2), mg.zeros(1)])
    tensor([1., 1., 0.])
    """
    tensors = _as_tensors("cat", tensors)
    if not tensors:
        raise ValueError("cat: expected at least one Tensor, got none")
    dim = normalize_dim("cat", tensors[0].shape, dim)
    first = tensors[0].shape
    for i, x in enumerate(tensors):
        same = x.ndim == len(first) and all(d == dim or n == m for d, (n, m) in enumerate(zip(x.shape, first)))
        if not same or x.ndim == 0:
            raise ValueError(
                f"cat: tensors[{i}] of shape {x.shape} does not join tensors[0] of shape {first} along dim {dim}"
            )
    return cat_(*tensors, dim=dim)


def stack(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Join Tensors of one shape along a new dimension.

    >>> import minigen as mg
    >>> mg.stack([mg.ones(2), mg.zeros(2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    tensors = _as_tensors("stack", tensors)
    shapes = {x.shape for x in tensors}
    if len(shapes) != 1:
        raise ValueError(f"stack: expected Tensors of one shape, got {sorted(shapes) or 'none'}")
    return cat([unsqueeze(x, dim) for x in tensors], dim)


def split(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Cut into parts of `split_size` along `dim`; the last one may be smaller.

    Parameters
    ----------
    input : Tensor
    split_size : int or sequence of int
        One size for all parts, or the size of each.
    dim : int

    Raises
    ------
    ValueError
        If the sizes are negative or do not add up to the size of `dim`.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.split(mg.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    check_tensor("split", "input", input)
    dim = normalize_dim("split", input.shape, dim)
    if input.ndim == 0:
        raise ValueError("split: expected at least one dimension, got shape ()")
    total = input.shape[dim]
    if isinstance(split_size, Sequence):
        sizes = list(_sizes("split", [split_size]))
        if sum(sizes) != total or min(sizes, default=0) < 0:
            raise ValueError(f"split: sizes {sizes} do not add up to {total}, the size of dim {dim}")
    else:
        (size,) = _sizes("split", [split_size])
        if size < 1:
            raise ValueError(f"split: split_size: expected at least 1, got {size}")
        sizes = [min(size, total - start) for start in range(0, total, size)] or [0]
    ends = accumulate(sizes)
    return tuple(_slice(input, dim, end - size, end) for size, end in zip(sizes, ends))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut into at most `chunks` parts of one size along `dim`; the last one may be smaller.

    >>> import minigen as mg
    >>> mg.chunk(mg.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    check_tensor("chunk", "input", input)
    (count,) = _sizes("chunk", [chunks])
    if count < 1:
        raise ValueError(f"chunk: chunks: expected at least 1, got {count}")
    n = input.shape[normalize_dim("chunk", input.shape, dim)] if input.ndim else 0
    return split(input, max(-(-n // count), 1), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut into slices along `dim`, and drop `dim`: the time steps of a sequence.

    In the backward pass all slices add to one array, so its cost is that of the whole Tensor, whatever the number of
    slices.

    Parameters
    ----------
    input : Tensor
    dim : int

    Raises
    ------
    ValueError
        If `input` has no dimension, or not `dim`.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.unbind(mg.tensor([[1, 2], [3, 4]]), 1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    check_tensor("unbind", "input", input)
    dim = normalize_dim("unbind", input.shape, dim)
    if input.ndim == 0:
        raise ValueError("unbind: expected at least one dimension, got shape ()")
    before = (slice(None),) * dim
    return tuple(getitem_(input, index=(*before, i)) for i in range(input.shape[dim]))


def masked_fill(input: Tensor, mask: Any, value: Any) -> Tensor:
    """Put `value` where `mask` is True; the shapes broadcast.

    >>> import minigen as mg
    >>> mg.masked_fill(mg.tensor([1.0, 2.0]), mg.tensor([True, False]), -1)
    tensor([-1.,  2.])
    """
    check_tensor("masked_fill", "input", input)
    return where(mask, value, input)


def _triangle(input: Tensor, op: str, diagonal: int, upper: bool) -> Tensor:
    if input.ndim < 2:
        raise ValueError(f"{op}: expected at least 2 dimensions, got shape {input.shape}")
    check_integer(op, "diagonal", diagonal)
    xp = array_module(input.data)
    rows, columns = input.shape[-2:]
    above = xp.arange(columns) - xp.arange(rows).reshape(-1, 1)  # 0 on the diagonal, positive above it
    return where(above >= diagonal if upper else above <= diagonal, input, input.dtype.type(0))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Keep the lower triangle of each matrix, up to the `diagonal`-th diagonal; the rest is 0.

    >>> import minigen as mg
    >>> mg.tril(mg.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    check_tensor("tril", "input", input)
    return _triangle(input, "tril", diagonal, upper=False)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Keep the upper triangle of each matrix, from the `diagonal`-th diagonal on; the rest is 0.

    >>> import minigen as mg
    >>> mg.triu(mg.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    check_tensor("triu", "input", input)
    return _triangle(input, "triu", diagonal, upper=True)


@primitive(any_dtype=True)
def pad_(input: Any, *, widths: tuple[tuple[int, int], ...], value: float) -> Any:
    """Surround with a constant; the vjp cuts the border off again."""
    return array_module(input).pad(input, widths, constant_values=value)


pad_.vjp(
    input=lambda g, out, input, *, widths, value: getitem_(
        g, index=tuple(slice(before, before + n) for (before, _), n in zip(widths, input.shape))
    )
)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Widen the last dimensions.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        Before and after, from the last dimension backwards: ``(left, right, top, bottom, ...)``.  Negative cuts off.
    mode : {"constant", "reflect", "replicate", "circular"}
    value : float
        What the border is filled with, for ``"constant"``.

    Raises
    ------
    ValueError
        If `pad` does not fit the Tensor, or the mode is unknown.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.pad(mg.ones(2), (1, 2))
    tensor([0., 1., 1., 0., 0.])
    """
    check_tensor("pad", "input", input)
    if not isinstance(pad, Sequence):
        raise TypeError(f"pad: argument 'pad': expected a sequence of integers, got {describe(pad)}")
    sizes = _sizes("pad", [tuple(pad)])
    if len(sizes) % 2 or len(sizes) // 2 > input.ndim:
        raise ValueError(f"pad: expected two numbers for each of at most {input.ndim} dimensions, got {sizes}")
    widths = [(0, 0)] * (input.ndim - len(sizes) // 2)
    widths += [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 2, -1, -2)]
    for d, (before, after) in enumerate(widths):
        if before + input.shape[d] + after < 0 or min(before, after) < -input.shape[d]:
            raise ValueError(f"pad: {before, after} leaves nothing of dimension {d} of shape {input.shape}")
    if mode == "constant":
        if input.dtype.kind != "f" and input.dtype.type(value) != value:
            raise TypeError(f"pad: value {value} does not fit dtype {input.dtype}")
        if any(before < 0 or after < 0 for before, after in widths):
            cut = tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(widths, input.shape))
            input = getitem_(input, index=cut)
        return pad_(input, widths=tuple((max(b, 0), max(a, 0)) for b, a in widths), value=value)
    if mode not in BORDERS:
        raise ValueError(f"pad: unknown mode {mode!r}; expected constant, {', '.join(BORDERS)}")
    for d, (before, after) in enumerate(widths):
        limit = {"reflect": input.shape[d] - 1, "circular": input.shape[d]}.get(mode)
        if min(before, after) < 0 or (limit is not None and max(before, after) > limit) or 0 in input.shape[d : d + 1]:
            raise ValueError(f"pad: {mode} of {before, after} does not fit dimension {d} of shape {input.shape}")
    return pad_border(input, widths=tuple(widths), mode=mode)
