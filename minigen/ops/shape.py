"""Operations that move elements without changing them.

All of them are linear, and the vjp of each is its adjoint: it moves every cotangent back to where the element came
from, and adds up where one element went to several places.
"""

import math

import numpy as np

from ..arguments import integer_array, normalize_dim
from ..backend import array_module, to_device
from ..engine import primitive
from ..tensor import Tensor

__all__ = [
    "cat",
    "expand",
    "flatten",
    "flip",
    "getitem",
    "pad",
    "permute",
    "reshape",
    "squeeze",
    "stack",
    "take_along_dim",
    "transpose",
    "unsqueeze",
]


def _sizes(sizes):
    """Accept both f(2, 3) and f((2, 3)), as PyTorch does."""
    return tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int | np.integer) else sizes


@primitive
def reshape_(input, *, shape):
    """The same elements in another shape; the vjp gives the cotangent the old shape."""
    return input.reshape(shape)


reshape_.vjp(input=lambda g, out, input, *, shape: reshape_(g, shape=input.shape))


def reshape(input, *shape):
    """The same elements, in the same order, in another shape.

    Parameters
    ----------
    input : Tensor
    *shape : int
        One may be -1: whatever makes the number of elements come out.

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
    shape = _sizes(shape)
    count, known = input.numel(), math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and count % known == 0:
        target = tuple(count // known if n == -1 else n for n in shape)
    else:
        target = shape
    if math.prod(target) != count or min(target, default=0) < 0:
        raise ValueError(f"reshape: cannot make shape {shape} of {count} elements, shape {input.shape}")
    return reshape_(input, shape=target) if input.dtype.kind == "f" else Tensor(input.data.reshape(target))


def flatten(input, start_dim=0, end_dim=-1):
    """Merge the dimensions from `start_dim` to `end_dim` into one.

    >>> import minigen as mg
    >>> mg.flatten(mg.ones(2, 3, 4), 1).shape
    (2, 12)
    """
    start, end = (normalize_dim("flatten", input.shape, d) for d in (start_dim, end_dim))
    if input.ndim == 0:
        return reshape(input, 1)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    merged = int(np.prod(input.shape[start : end + 1], dtype=np.int64))
    return reshape(input, (*input.shape[:start], merged, *input.shape[end + 1 :]))


def squeeze(input, dim=None):
    """Drop dimensions of size 1: all of them, or `dim` if it has size 1.

    >>> import minigen as mg
    >>> mg.squeeze(mg.ones(2, 1, 3)).shape
    (2, 3)
    """
    drop = range(input.ndim) if dim is None else [normalize_dim("squeeze", input.shape, dim)]
    return reshape(input, tuple(n for d, n in enumerate(input.shape) if not (d in drop and n == 1)))


def unsqueeze(input, dim):
    """Insert a dimension of size 1 at `dim`.

    >>> import minigen as mg
    >>> mg.unsqueeze(mg.ones(2, 3), 1).shape
    (2, 1, 3)
    """
    dim = normalize_dim("unsqueeze", input.shape, dim, extra=1)
    return reshape(input, (*input.shape[:dim], 1, *input.shape[dim:]))


@primitive
def permute_(input, *, dims):
    """Reorder the dimensions; the vjp reorders them back."""
    return input.transpose(dims)


permute_.vjp(input=lambda g, out, input, *, dims: permute_(g, dims=tuple(int(d) for d in np.argsort(dims))))


def permute(input, *dims):
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
    dims = tuple(normalize_dim("permute", input.shape, d) for d in _sizes(dims))
    if sorted(dims) != list(range(input.ndim)):
        raise ValueError(f"permute: dims {dims} do not name each dimension of shape {input.shape} once")
    return permute_(input, dims=dims)


def transpose(input, dim0, dim1):
    """Swap two dimensions.

    >>> import minigen as mg
    >>> mg.transpose(mg.ones(2, 3), 0, 1).shape
    (3, 2)
    """
    dims = list(range(input.ndim))
    a, b = normalize_dim("transpose", input.shape, dim0), normalize_dim("transpose", input.shape, dim1)
    dims[a], dims[b] = dims[b], dims[a]
    return permute_(input, dims=tuple(dims))


@primitive
def expand_(input, *, shape):
    """Repeat along dimensions of size 1; the vjp adds the repetitions up."""
    return array_module(input).broadcast_to(input, shape).copy()


def _expand_vjp(g, out, input, *, shape):
    from .elementwise import unbroadcast

    return unbroadcast(g, input.shape)


expand_.vjp(input=_expand_vjp)


def expand(input, *shape):
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
    shape = _sizes(shape)
    new = len(shape) - input.ndim
    sizes = tuple(input.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(shape))
    if new < 0 or any(m not in (1, n) for m, n in zip(input.shape, sizes[max(new, 0) :])) or min(sizes, default=0) < 0:
        raise ValueError(f"expand: shape {input.shape} cannot be expanded to {tuple(shape)}")
    return expand_(input, shape=sizes)


@primitive
def flip_(input, *, dims):
    """Reverse the order along `dims`; doing it twice undoes it, so the vjp is the same."""
    return array_module(input).flip(input, dims)


flip_.vjp(input=lambda g, out, input, *, dims: flip_(g, dims=dims))


def flip(input, dims):
    """Reverse the order of the elements along `dims`.

    >>> import minigen as mg
    >>> mg.flip(mg.tensor([1.0, 2.0, 3.0]), 0)
    tensor([3., 2., 1.])
    """
    dims = (dims,) if isinstance(dims, int | np.integer) else dims
    return flip_(input, dims=tuple(normalize_dim("flip", input.shape, d) for d in dims))


@primitive
def getitem_(input, *, index):
    """Pick elements; the vjp puts each cotangent back in its place, adding up where one was picked twice."""
    return input[index]


@primitive
def putitem(g, *, index, shape):
    """The adjoint of indexing: zeros of `shape`, with `g` added at `index`."""
    xp = array_module(g)
    out = xp.zeros(shape, g.dtype)
    if _is_basic(index):
        out[index] = g  # slices pick nothing twice
    else:
        xp.add.at(out, index, g)
    return out


def _is_basic(index):
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts)


getitem_.vjp(input=lambda g, out, input, *, index: putitem(g, index=index, shape=input.shape))
putitem.vjp(g=lambda u, out, g, *, index, shape: getitem_(u, index=index))


def getitem(input, index):
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

    def plain(part):
        part = part.data if isinstance(part, Tensor) else part
        if isinstance(part, list):
            part = np.asarray(part, dtype=None if part else np.int64)
        if getattr(part, "shape", None) == () and part.dtype.kind in "iu":
            part = int(part)
        if getattr(part, "dtype", np.dtype(int)).kind not in "iub":
            raise IndexError(f"index: expected integers or booleans, got an array of dtype {part.dtype}")
        return to_device(part, input.device) if isinstance(part, np.ndarray) else part

    index = tuple(plain(part) for part in index) if isinstance(index, tuple) else plain(index)
    if input.dtype.kind != "f":
        return Tensor(array_module(input.data).asarray(input.data[index]))
    try:
        return getitem_(input, index=index)
    except IndexError as error:
        raise IndexError(f"index into shape {input.shape}: {error}") from None


def take_along_dim(input, indices, dim=None):
    """Pick along `dim` the element that `indices` names at each place.

    Parameters
    ----------
    input : Tensor
    indices : integer Tensor or array
        Of as many dimensions as `input`; their sizes broadcast, except along `dim`.
    dim : int, optional
        Without it both are flattened.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    IndexError
        If an index is out of range (on the CPU: a GPU is not waited for).

    Examples
    --------
    >>> import minigen as mg
    >>> mg.take_along_dim(mg.tensor([[1.0, 5.0], [3.0, 4.0]]), mg.tensor([[1], [0]]), 1)
    tensor([[5.],
            [3.]])
    """
    op = "take_along_dim"
    places = integer_array(op, "indices", indices)
    if dim is None:
        input, places, dim = reshape(input, -1), places.reshape(-1), 0
    dim = normalize_dim(op, input.shape, dim)
    try:
        fits = input.ndim == places.ndim
        np.broadcast_shapes(*[(*shape[:dim], 1, *shape[dim + 1 :]) for shape in (input.shape, places.shape)])
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{op}: indices of shape {places.shape} do not fit input of shape {input.shape}: "
            f"expected as many dimensions, with sizes that broadcast except along dim {dim}"
        )
    n = input.shape[dim] if input.ndim else 1
    if isinstance(places, np.ndarray) and places.size and not -n <= places.min() <= places.max() < n:
        raise IndexError(f"{op}: expected indices from {-n} to {n - 1}, got {places.min()} to {places.max()}")
    if input.ndim == 0:
        return getitem(reshape(input, 1), places)
    xp = array_module(places)
    index = [
        places if d == dim else xp.arange(m).reshape([-1 if e == d else 1 for e in range(input.ndim)])
        for d, m in enumerate(input.shape)
    ]
    return getitem(input, tuple(index))


@primitive
def cat_(*tensors, dim):
    """Join along `dim`; the vjp cuts the cotangent at the same places."""
    return array_module(tensors[0]).concatenate(tensors, axis=dim)


def _cat_vjp(i, g, out, *tensors, dim):
    start = sum(t.shape[dim] for t in tensors[:i])
    return getitem_(g, index=(*[slice(None)] * dim, slice(start, start + tensors[i].shape[dim])))


cat_.vjp(tensors=_cat_vjp)


def cat(tensors, dim=0):
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
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: expected at least one Tensor, got none")
    dim = normalize_dim("cat", tensors[0].shape, dim)
    for i, t in enumerate(tensors):
        same = t.ndim == tensors[0].ndim and all(
            d == dim or n == m for d, (n, m) in enumerate(zip(t.shape, tensors[0].shape))
        )
        if not same or t.ndim == 0:
            raise ValueError(
                f"cat: tensors[{i}] of shape {t.shape} does not join tensors[0] of shape {tensors[0].shape} "
                f"along dim {dim}"
            )
    return cat_(*tensors, dim=dim)


def stack(tensors, dim=0):
    """Join Tensors of one shape along a new dimension.

    >>> import minigen as mg
    >>> mg.stack([mg.ones(2), mg.zeros(2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    tensors = list(tensors)
    shapes = {t.shape for t in tensors}
    if len(shapes) != 1:
        raise ValueError(f"stack: expected Tensors of one shape, got {sorted(shapes) or 'none'}")
    return cat([unsqueeze(t, dim) for t in tensors], dim)


@primitive
def pad_(input, *, widths, value):
    """Surround with a constant; the vjp cuts the border off again."""
    return array_module(input).pad(input, widths, constant_values=value)


pad_.vjp(
    input=lambda g, out, input, *, widths, value: getitem_(
        g, index=tuple(slice(before, before + n) for (before, _), n in zip(widths, input.shape))
    )
)


def pad(input, pad, mode="constant", value=0.0):
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
    pad = tuple(int(p) for p in pad)
    if len(pad) % 2 or len(pad) // 2 > input.ndim:
        raise ValueError(f"pad: expected two numbers for each of at most {input.ndim} dimensions, got {pad}")
    widths = [(0, 0)] * (input.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    for d, (before, after) in enumerate(widths):
        if before + input.shape[d] + after < 0 or min(before, after) < -input.shape[d]:
            raise ValueError(f"pad: {before, after} leaves nothing of dimension {d} of shape {input.shape}")
    if mode == "constant":
        cut = tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(widths, input.shape))
        if any(b < 0 or a < 0 for b, a in widths):
            input = getitem_(input, index=cut)
        return pad_(input, widths=tuple((max(b, 0), max(a, 0)) for b, a in widths), value=value)
    kinds = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in kinds:
        raise ValueError(f"pad: unknown mode {mode!r}; expected constant, {', '.join(kinds)}")
    for d, (before, after) in enumerate(widths):
        limit = {"reflect": input.shape[d] - 1, "circular": input.shape[d]}.get(mode)
        if min(before, after) < 0 or (limit is not None and max(before, after) > limit) or 0 in input.shape[d : d + 1]:
            raise ValueError(f"pad: {mode} of {before, after} does not fit dimension {d} of shape {input.shape}")
        if before or after:
            places = np.pad(np.arange(input.shape[d]), (before, after), mode=kinds[mode])
            input = getitem(input, (*[slice(None)] * d, places))
    return input
