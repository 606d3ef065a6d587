"""What each kernel accepts: one check for every kernel, the same for every set and for kernels of your own.

A compiled kernel does not check its indices, so a wrong shape would read or write outside an array.  `checked` puts the
check of a kernel's arguments before a function:

- arrays are float32 or float64, of one dtype, and of the shapes that the reference's docstring says;
- stride, padding, dilation, groups and sizes are Python integers (NumPy's are converted), in tuples;
- an array that the kernel writes to is writeable and shares no memory with another argument.  An input that shares
  memory with `out` is copied first, so the result is that of the reference.

A failed check raises TypeError or ValueError and names the argument, what was given and what is expected; nothing has
been written then.  A check takes a few microseconds.

The optimizers' kernels for many parameters (`adam_steps` and its like) may work on the parameters in any order, or on
all at once.  So they are given parameters together only if these share no memory, and else one after another.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from .shapes import Padding, Pair, output_size

__all__ = ["checked"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
#: Integers from here on could overflow in a kernel's index arithmetic.
_LIMIT = 1 << 31


_Function = TypeVar("_Function", bound=Callable[..., Any])


def checked(kernel: str) -> Callable[[_Function], _Function]:
    """Decorate a function that serves `kernel`: its arguments are checked before each call.

    Parameters
    ----------
    kernel : str
        The kernel's name, such as ``"conv2d"``.

    Examples
    --------
    >>> @checked("matmul")
    ... def product(a, b):
    ...     return np.dot(a, b)
    >>> product(np.ones((2, 3)), np.ones((4, 5)))
    Traceback (most recent call last):
    ...
    ValueError: matmul: b: got shape (4, 5), expected (..., 3, m), as a has shape (2, 3)
    """
    check = _CHECKS[kernel]

    def decorate(function: _Function) -> _Function:
        if kernel in _MANY:

            @functools.wraps(function)
            def call_in_parts(*args: Any, **kwargs: Any) -> None:
                for part in check(*args, **kwargs):
                    function(*part)

            return call_in_parts  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*check(*args, **kwargs))

        return call  # type: ignore[return-value]

    return decorate


# ---------------------------------------------------------------- arrays


def _array(kernel: str, name: str, x: Any, shape: tuple[int, ...] | None = None, like: Any = None) -> Any:
    """`x`, an array of floats; of `shape` and of the dtype of `like` if those are given."""
    if type(x) is not np.ndarray:
        x = _foreign(kernel, name, x)
    dtype = x.dtype
    if dtype not in _FLOATS:
        raise TypeError(f"{kernel}: {name}: got dtype {dtype}, expected float32 or float64")
    if like is not None and dtype != like.dtype:
        raise TypeError(f"{kernel}: {name}: got dtype {dtype}, expected {like.dtype} as the other arrays")
    if shape is not None and x.shape != shape:
        raise ValueError(f"{kernel}: {name}: got shape {x.shape}, expected {shape}")
    return x


def _integers(kernel: str, name: str, x: Any) -> Any:
    """An array of int64."""
    if type(x) is not np.ndarray:
        x = _foreign(kernel, name, x)
    if x.dtype != np.int64:
        raise TypeError(f"{kernel}: {name}: got dtype {x.dtype}, expected int64")
    return x


def _foreign(kernel: str, name: str, x: Any) -> Any:
    """A subclass of NumPy's array as a plain one; an array of a device as it is."""
    if isinstance(x, np.ndarray):
        return x.view(np.ndarray)
    if hasattr(x, "__cuda_array_interface__"):
        return x
    raise TypeError(f"{kernel}: {name}: got {type(x).__module__}.{type(x).__qualname__}, expected an array")


def _images(kernel: str, name: str, x: Any, like: Any = None) -> Any:
    """An array (N, C, H, W)."""
    x = _array(kernel, name, x, like=like)
    if x.ndim != 4:
        raise ValueError(f"{kernel}: {name}: got shape {x.shape}, expected four dimensions")
    return x


def _channels_second(kernel: str, name: str, x: Any) -> Any:
    """An array (N, C, ...)."""
    x = _array(kernel, name, x)
    if x.ndim < 2:
        raise ValueError(f"{kernel}: {name}: got shape {x.shape}, expected (N, C, ...)")
    return x


def _writeable(kernel: str, name: str, x: Any) -> None:
    if not getattr(x.flags, "writeable", True):
        raise ValueError(f"{kernel}: {name}: got a read-only array, and the kernel writes to it")


def _out(kernel: str, out: Any, shape: tuple[int, ...], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs and `out`, which has been checked; an input that shares its memory is a copy."""
    if out is None:
        return (*inputs, None)
    plain = _array(kernel, "out", out, shape, inputs[0])
    _writeable(kernel, "out", plain)
    return (*(x.copy() if _overlap(x, plain) else x for x in inputs), plain)


def _overlap(a: Any, b: Any) -> bool:
    """Whether two arrays may share memory: whether the spans between their first and last byte meet."""
    if a is b:
        return bool(a.size)
    if type(a) is np.ndarray and type(b) is np.ndarray:
        # distinct arrays that own their memory cannot meet
        return (a.base is not None or b.base is not None) and np.may_share_memory(a, b)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)
    (a_low, a_high), (b_low, b_high) = _span(a), _span(b)
    return a_low < b_high and b_low < a_high


def _span(x: Any) -> Pair:
    """Addresses of an array's first byte and of the byte after its last."""
    if isinstance(x, np.ndarray):
        return np.lib.array_utils.byte_bounds(x) if x.size else (0, 0)
    pointer = getattr(getattr(x, "data", None), "ptr", None)
    if pointer is not None and x.flags.c_contiguous:  # CuPy's, without the dict that the interface is
        return pointer, pointer + x.nbytes
    interface = x.__cuda_array_interface__
    low = high = interface["data"][0]
    if not x.size:
        return low, high
    strides = interface.get("strides")
    if strides is None:
        return low, high + x.size * x.itemsize
    for count, stride in zip(interface["shape"], strides):
        low, high = low + min(0, (count - 1) * stride), high + max(0, (count - 1) * stride)
    return low, high + x.itemsize


# ---------------------------------------------------------------- numbers


def _integer(kernel: str, name: str, n: Any, least: int) -> int:
    if type(n) is not int:
        try:
            if isinstance(n, (bool, np.bool_)):
                raise TypeError
            n = operator.index(n)
        except TypeError:
            raise TypeError(f"{kernel}: {name}: got {n!r}, expected an integer") from None
    if not least <= n < _LIMIT:
        raise ValueError(f"{kernel}: {name}: got {n}, expected {least} or more, and less than 2**31")
    return int(n)


def _pair(kernel: str, name: str, pair: Any, least: int) -> Pair:
    if type(pair) is tuple and len(pair) == 2:  # the usual case, quickly
        first, second = pair
        if type(first) is type(second) is int and least <= first < _LIMIT and least <= second < _LIMIT:
            return pair
    try:
        first, second = pair
    except (TypeError, ValueError):
        raise TypeError(f"{kernel}: {name}: got {pair!r}, expected two integers") from None
    return _integer(kernel, name, first, least), _integer(kernel, name, second, least)


def _padding(kernel: str, padding: Any) -> Padding:
    try:
        vertical, horizontal = padding
    except (TypeError, ValueError):
        raise TypeError(f"{kernel}: padding: got {padding!r}, expected ((top, bottom), (left, right))") from None
    return _pair(kernel, "padding", vertical, 0), _pair(kernel, "padding", horizontal, 0)


def _real(kernel: str, name: str, x: Any) -> float:
    if type(x) is not float:
        try:
            if isinstance(x, str | bytes | complex):
                raise TypeError
            x = float(x)
        except (TypeError, ValueError):
            raise TypeError(f"{kernel}: {name}: got {x!r}, expected a number") from None
    return x


def _decay_rate(kernel: str, name: str, x: Any) -> float:
    """A rate at which an average forgets, by whose ``1 - x**step`` the kernel divides."""
    x = _real(kernel, name, x)
    if not 0 <= x < 1:
        raise ValueError(f"{kernel}: {name}: got {x}, expected a number from 0 to below 1")
    return x


# ---------------------------------------------------------------- one check for each kernel


def _window(
    kernel: str, size: tuple[int, ...], kernel_size: tuple[int, ...], stride: Pair, padding: Padding, dilation: Pair
) -> Pair:
    """The size (P, Q) of the result."""
    if kernel_size[0] < 1 or kernel_size[1] < 1:
        raise ValueError(f"{kernel}: got a kernel of size {tuple(kernel_size)}, expected at least (1, 1)")
    pixels = (
        output_size(size[0], kernel_size[0], stride[0], padding[0], dilation[0]),
        output_size(size[1], kernel_size[1], stride[1], padding[1], dilation[1]),
    )
    if pixels[0] < 1 or pixels[1] < 1:
        raise ValueError(
            f"{kernel}: a kernel of size {tuple(kernel_size)} with dilation {dilation} does not fit an image of size "
            f"{tuple(size)} with padding {padding}"
        )
    return pixels


def _divisible(kernel: str, name: str, count: int, groups: int) -> None:
    if count % groups:
        raise ValueError(f"{kernel}: {name}: got {count} channels, expected a multiple of groups={groups}")


def _conv2d(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: Any, out: Any = None) -> tuple[Any, ...]:
    return _forward("conv2d", x, w, stride, padding, dilation, groups, out)


def _conv2d_bias(
    x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any, negative_slope: Any = None
) -> tuple[Any, ...]:
    name = "conv2d_bias"
    x, w, *how, _ = _forward(name, x, w, stride, padding, dilation, groups, None)
    return x, w, _array(name, "bias", bias, w.shape[:1], x), *how, _slope(name, negative_slope)


def _forward(
    name: str, x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: Any, out: Any
) -> tuple[Any, ...]:
    x, stride, padding = _images(name, "x", x), _pair(name, "stride", stride, 1), _padding(name, padding)
    w, dilation, groups = (
        _images(name, "w", w, x),
        _pair(name, "dilation", dilation, 1),
        _integer(name, "groups", groups, 1),
    )
    (n, channels, *size), (outputs, per_group, *kernel_size) = x.shape, w.shape
    if channels != per_group * groups:
        raise ValueError(
            f"{name}: w: got shape {w.shape}, expected (O, {channels / groups:g}, R, S) for x of shape {x.shape} "
            f"with groups={groups}"
        )
    _divisible(name, "w", outputs, groups)
    pixels = _window(name, size, kernel_size, stride, padding, dilation)
    x, w, out = _out(name, out, (n, outputs, *pixels), (x, w))
    return x, w, stride, padding, dilation, groups, out


def _conv2d_input_grad(
    g: Any, w: Any, input_size: Any, stride: Any, padding: Any, dilation: Any, groups: Any, out: Any = None
) -> tuple[Any, ...]:
    return _adjoint("conv2d_input_grad", g, w, input_size, stride, padding, dilation, groups, out)


def _conv2d_input_grad_bias(
    g: Any,
    w: Any,
    bias: Any,
    input_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    negative_slope: Any = None,
) -> tuple[Any, ...]:
    name = "conv2d_input_grad_bias"
    g, w, *how, _ = _adjoint(name, g, w, input_size, stride, padding, dilation, groups, None)
    bias = _array(name, "bias", bias, (w.shape[1] * how[-1],), g)
    return g, w, bias, *how, _slope(name, negative_slope)


def _adjoint(
    name: str, g: Any, w: Any, input_size: Any, stride: Any, padding: Any, dilation: Any, groups: Any, out: Any
) -> tuple[Any, ...]:
    g, stride, padding = _images(name, "g", g), _pair(name, "stride", stride, 1), _padding(name, padding)
    w, dilation, groups = (
        _images(name, "w", w, g),
        _pair(name, "dilation", dilation, 1),
        _integer(name, "groups", groups, 1),
    )
    input_size = _pair(name, "input_size", input_size, 0)
    if g.shape[1] != w.shape[0]:
        raise ValueError(f"{name}: w: got shape {w.shape}, expected ({g.shape[1]}, C, R, S) for g of shape {g.shape}")
    _divisible(name, "g", g.shape[1], groups)
    pixels = _window(name, input_size, w.shape[2:], stride, padding, dilation)
    if g.shape[2:] != pixels:
        expected = f"(N, {w.shape[0]}, {pixels[0]}, {pixels[1]})"
        raise ValueError(f"{name}: g: got shape {g.shape}, expected {expected} for w of shape {w.shape}")
    g, w, out = _out(name, out, (g.shape[0], w.shape[1] * groups, *input_size), (g, w))
    return g, w, input_size, stride, padding, dilation, groups, out


def _conv2d_weight_grad(
    x: Any, g: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, groups: Any, out: Any = None
) -> tuple[Any, ...]:
    name = "conv2d_weight_grad"
    x, stride, padding = _images(name, "x", x), _pair(name, "stride", stride, 1), _padding(name, padding)
    g, dilation, groups = (
        _images(name, "g", g, x),
        _pair(name, "dilation", dilation, 1),
        _integer(name, "groups", groups, 1),
    )
    kernel_size = _pair(name, "kernel_size", kernel_size, 1)
    _divisible(name, "x", x.shape[1], groups)
    _divisible(name, "g", g.shape[1], groups)
    pixels = _window(name, x.shape[2:], kernel_size, stride, padding, dilation)
    if g.shape[0] != x.shape[0] or g.shape[2:] != pixels:
        expected = f"({x.shape[0]}, O, {pixels[0]}, {pixels[1]})"
        raise ValueError(f"{name}: g: got shape {g.shape}, expected {expected} for x of shape {x.shape}")
    x, g, out = _out(name, out, (g.shape[1], x.shape[1] // groups, *kernel_size), (x, g))
    return x, g, kernel_size, stride, padding, dilation, groups, out


def _matmul(a: Any, b: Any) -> tuple[Any, ...]:
    a = _array("matmul", "a", a)
    b = _array("matmul", "b", b, like=a)
    if a.ndim < 2 or b.ndim < 2:
        name, x = ("a", a) if a.ndim < 2 else ("b", b)
        raise ValueError(f"matmul: {name}: got shape {x.shape}, expected two dimensions or more")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: b: got shape {b.shape}, expected (..., {a.shape[-1]}, m), as a has shape {a.shape}")
    if a.ndim > 2 or b.ndim > 2:
        try:
            np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise ValueError(
                f"matmul: b: got shape {b.shape}, whose leading dimensions do not broadcast with those of a, {a.shape}"
            ) from None
    return a, b


def _matmul_bias(a: Any, b: Any, bias: Any, negative_slope: Any = None) -> tuple[Any, ...]:
    name = "matmul_bias"
    a = _array(name, "a", a)
    b = _array(name, "b", b, like=a)
    if a.ndim != 2:
        raise ValueError(f"{name}: a: got shape {a.shape}, expected (n, k)")
    if b.ndim != 2 or b.shape[0] != a.shape[1]:
        raise ValueError(f"{name}: b: got shape {b.shape}, expected ({a.shape[1]}, m), as a has shape {a.shape}")
    return a, b, _array(name, "bias", bias, b.shape[1:], a), _slope(name, negative_slope)


def _statistics(kernel: str) -> Callable[[Any], tuple[Any, ...]]:
    def check(x: Any) -> tuple[Any, ...]:
        return (_channels_second(kernel, "x", x),)

    return check


def _per_channel(kernel: str, x: Any, **vectors: Any) -> Iterable[Any]:
    shape = x.shape[1:2]
    return [_array(kernel, name, vector, shape, x) for name, vector in vectors.items()]


def _batch_norm(
    x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: Any, negative_slope: Any = None
) -> tuple[Any, ...]:
    name = "batch_norm"
    x, eps = _channels_second(name, "x", x), _real(name, "eps", eps)
    vectors = _per_channel(name, x, mean=mean, var=var, weight=weight, bias=bias)
    return x, *vectors, eps, _slope(name, negative_slope)


def _batch_norm_train(
    x: Any,
    weight: Any,
    bias: Any,
    eps: Any,
    negative_slope: Any = None,
    running_mean: Any = None,
    running_var: Any = None,
    momentum: Any = 0.1,
) -> tuple[Any, ...]:
    name = "batch_norm_train"
    x, eps, momentum = _channels_second(name, "x", x), _real(name, "eps", eps), _real(name, "momentum", momentum)
    vectors = _per_channel(name, x, weight=weight, bias=bias)
    running: Iterable[Any] = (None, None)
    if running_mean is not None or running_var is not None:
        running = _per_channel(name, x, running_mean=running_mean, running_var=running_var)
    return x, *vectors, eps, _slope(name, negative_slope), *running, momentum


def _batch_norm_grad(
    g: Any, x: Any, mean: Any, var: Any, weight: Any, eps: Any, bias: Any = None, negative_slope: Any = None
) -> tuple[Any, ...]:
    name = "batch_norm_grad"
    x, eps, negative_slope = _channels_second(name, "x", x), _real(name, "eps", eps), _slope(name, negative_slope)
    vectors = _per_channel(name, x, mean=mean, var=var, weight=weight)
    if negative_slope is not None or bias is not None:
        (bias,) = _per_channel(name, x, bias=bias)
    return _array(name, "g", g, x.shape, x), x, *vectors, eps, bias, negative_slope


def _slope(kernel: str, x: Any) -> float | None:
    return None if x is None else _real(kernel, "negative_slope", x)


def _leaky_relu(x: Any, negative_slope: Any) -> tuple[Any, ...]:
    return _array("leaky_relu", "x", x), _real("leaky_relu", "negative_slope", negative_slope)


def _leaky_relu_grad(g: Any, x: Any, negative_slope: Any) -> tuple[Any, ...]:
    name = "leaky_relu_grad"
    x = _array(name, "x", x)
    return _array(name, "g", g, x.shape, x), x, _real(name, "negative_slope", negative_slope)


def _add(x: Any, y: Any) -> tuple[Any, ...]:
    x = _array("add", "x", x)
    return x, _array("add", "y", y, x.shape, x)


def _add_pairs(xs: Any, ys: Any) -> tuple[Any, ...]:
    name = "add_pairs"
    for key, column in (("xs", xs), ("ys", ys)):
        if not isinstance(column, list | tuple):
            raise TypeError(f"{name}: {key}: got {type(column).__name__}, expected a list of arrays")
    if len(ys) != len(xs):
        raise ValueError(f"{name}: ys: got {len(ys)} arrays, expected {len(xs)}, as xs has")
    like: Any = _array(name, "xs[0]", xs[0]) if xs else None
    pairs = []
    for i, (x, y) in enumerate(zip(xs, ys)):
        if not (type(x) is type(y) is type(like) and x.dtype == y.dtype == like.dtype and x.shape == y.shape):
            x = _array(name, f"xs[{i}]", x, like=like)
            y = _array(name, f"ys[{i}]", y, x.shape, like)
        pairs.append((x, y))
    return [x for x, _ in pairs], [y for _, y in pairs]


def _sigmoid(x: Any) -> tuple[Any, ...]:
    return (_array("sigmoid", "x", x),)


def _sigmoid_grad(g: Any, x: Any) -> tuple[Any, ...]:
    x = _array("sigmoid_grad", "x", x)
    return _array("sigmoid_grad", "g", g, x.shape, x), x


def _softplus(x: Any) -> tuple[Any, ...]:
    return (_array("softplus", "x", x),)


def _softplus_grad(g: Any, x: Any) -> tuple[Any, ...]:
    x = _array("softplus_grad", "x", x)
    return _array("softplus_grad", "g", g, x.shape, x), x


def _tanh_grad(g: Any, y: Any) -> tuple[Any, ...]:
    y = _array("tanh_grad", "y", y)
    return _array("tanh_grad", "g", g, y.shape, y), y


def _mean(x: Any) -> tuple[Any, ...]:
    x = _array("mean", "x", x)
    if not x.size:
        raise ValueError(f"mean: x: got shape {x.shape}, expected at least one element")
    return (x,)


def _add_bias(x: Any, bias: Any, out: Any = None, negative_slope: Any = None) -> tuple[Any, ...]:
    name = "add_bias"
    x, slope = _channels_second(name, "x", x), _slope(name, negative_slope)
    bias = _array(name, "bias", bias, x.shape[1:2], x)
    if out is x:  # in place: each element is read before it is written
        _writeable(name, "out", x)
        return x, bias.copy() if _overlap(bias, x) else bias, out, slope
    return *_out(name, out, x.shape, (x, bias)), slope


def _add_bias_grad(g: Any, y: Any, negative_slope: Any) -> tuple[Any, ...]:
    name = "add_bias_grad"
    y = _channels_second(name, "y", y)
    return _array(name, "g", g, y.shape, y), y, _real(name, "negative_slope", negative_slope)


def _dropout(x: Any, p: Any, seed: Any) -> tuple[Any, ...]:
    x, p = _array("dropout", "x", x), _real("dropout", "p", p)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p: got {p}, expected a number from 0 to 1")
    if isinstance(seed, (bool, np.bool_)) or not hasattr(seed, "__index__"):
        raise TypeError(f"dropout: seed: got {seed!r}, expected an integer")
    seed = operator.index(seed)
    if not 0 <= seed < 1 << 63:
        raise ValueError(f"dropout: seed: got {seed}, expected 0 or more, and less than 2**63")
    return x, p, seed


def _max_pool2d(x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Any, ...]:
    name = "max_pool2d"
    x, kernel_size, padding = _images(name, "x", x), _pair(name, "kernel_size", kernel_size, 1), _padding(name, padding)
    stride, dilation = _pair(name, "stride", stride, 1), _pair(name, "dilation", dilation, 1)
    _window(name, x.shape[2:], kernel_size, stride, padding, dilation)
    return x, kernel_size, stride, padding, dilation


def _max_pool2d_grad(g: Any, index: Any, input_size: Any, window: Any = None) -> tuple[Any, ...]:
    name = "max_pool2d_grad"
    g, input_size = _images(name, "g", g), _pair(name, "input_size", input_size, 0)
    if type(index) is not np.ndarray:
        index = _foreign(name, "index", index)
    if index.dtype != np.int64:
        raise TypeError(f"{name}: index: got dtype {index.dtype}, expected int64")
    if index.shape != g.shape:
        raise ValueError(f"{name}: index: got shape {index.shape}, expected that of g, {g.shape}")
    if window is None:
        return g, index, input_size, None
    if not isinstance(window, list | tuple) or len(window) != 4:
        raise TypeError(f"{name}: window: got {window!r}, expected (kernel_size, stride, padding, dilation)")
    kernel_size, stride, dilation = (
        _pair(name, f"window: {key}", window[i], 1) for i, key in ((0, "kernel_size"), (1, "stride"), (3, "dilation"))
    )
    padding = _padding(name, window[2])
    pixels = _window(name, input_size, kernel_size, stride, padding, dilation)
    if g.shape[2:] != pixels:
        raise ValueError(f"{name}: g: got shape {g.shape}, expected (N, C, {pixels[0]}, {pixels[1]}) for the window")
    return g, index, input_size, (kernel_size, stride, padding, dilation)


def _places(kernel: str, index: Any, weight: Any, like: Any) -> tuple[Any, Any]:
    """The places (N, K, P, Q) in each image that `warp` takes, and their weights."""
    index = _integers(kernel, "index", index)
    if index.ndim != 4 or index.shape[0] != like.shape[0]:
        raise ValueError(f"{kernel}: index: got shape {index.shape}, expected ({like.shape[0]}, K, P, Q)")
    return index, _array(kernel, "weight", weight, index.shape, like)


def _warp(x: Any, index: Any, weight: Any) -> tuple[Any, ...]:
    x = _images("warp", "x", x)
    return x, *_places("warp", index, weight, x)


def _warp_adjoint(g: Any, index: Any, weight: Any, input_size: Any) -> tuple[Any, ...]:
    name = "warp_adjoint"
    g, input_size = _images(name, "g", g), _pair(name, "input_size", input_size, 0)
    index, weight = _places(name, index, weight, g)
    if index.shape[2:] != g.shape[2:]:
        expected = f"({g.shape[0]}, K, {g.shape[2]}, {g.shape[3]})"
        raise ValueError(f"{name}: index: got shape {index.shape}, expected {expected} for g of shape {g.shape}")
    return g, index, weight, input_size


def _resample(x: Any, first: Any, source: Any, weight: Any) -> tuple[Any, ...]:
    name = "resample"
    x = _array(name, "x", x)
    if x.ndim != 3:
        raise ValueError(f"{name}: x: got shape {x.shape}, expected (outer, n, inner)")
    first, source = _integers(name, "first", first), _integers(name, "source", source)
    if first.ndim != 1 or not first.size:
        raise ValueError(f"{name}: first: got shape {first.shape}, expected (m + 1,)")
    if source.ndim != 1:
        raise ValueError(f"{name}: source: got shape {source.shape}, expected (K,)")
    return x, first, source, _array(name, "weight", weight, source.shape, x)


def _recurrent(kernel: str, a: Any, weight: Any, gates: int) -> tuple[Any, Any, tuple[int, int]]:
    """The input's product (T, N, gates * H), the state's weights (gates * H, H), and the shape (N, H) of a state."""
    a = _array(kernel, "a", a)
    if a.ndim != 3:
        raise ValueError(f"{kernel}: a: got shape {a.shape}, expected (T, N, {gates} * H)")
    weight = _array(kernel, "weight", weight, like=a)
    if weight.ndim != 2 or weight.shape[0] != gates * weight.shape[1]:
        raise ValueError(f"{kernel}: weight: got shape {weight.shape}, expected ({gates} * H, H)")
    if a.shape[2] != weight.shape[0]:
        expected = f"(T, N, {weight.shape[0]}) for weight of shape {weight.shape}"
        raise ValueError(f"{kernel}: a: got shape {a.shape}, expected {expected}")
    return a, weight, (a.shape[1], weight.shape[1])


def _gru(a: Any, weight: Any, bias: Any, h: Any) -> tuple[Any, ...]:
    a, weight, shape = _recurrent("gru", a, weight, 3)
    return a, weight, _array("gru", "bias", bias, weight.shape[:1], a), _array("gru", "h", h, shape, a)


def _lstm(a: Any, weight: Any, bias: Any, h: Any, c: Any) -> tuple[Any, ...]:
    a, weight, shape = _recurrent("lstm", a, weight, 4)
    states = (_array("lstm", name, state, shape, a) for name, state in (("h", h), ("c", c)))
    return a, weight, _array("lstm", "bias", bias, weight.shape[:1], a), *states


def _recurrent_grad(kernel: str, g: Any, states: Any, gates: Any, weight: Any, h: Any, last: str) -> tuple[Any, ...]:
    """Arguments of a gradient; `last`, the state before the first step, is called h or c."""
    lead, count, dims = ((), 3, "T, N, H") if kernel == "gru_grad" else ((2,), 4, "2, T, N, H")
    g = _array(kernel, "g", g)
    if g.ndim != 3 + len(lead) or g.shape[: len(lead)] != lead:
        raise ValueError(f"{kernel}: g: got shape {g.shape}, expected ({dims})")
    steps, n, size = g.shape[-3:]
    states = _array(kernel, "states", states, g.shape, g)
    gates = _array(kernel, "gates", gates, (steps, n, 4 * size), g)
    weight = _array(kernel, "weight", weight, (count * size, size), g)
    return g, states, gates, weight, _array(kernel, last, h, (n, size), g)


def _gru_grad(g: Any, states: Any, gates: Any, weight: Any, h: Any) -> tuple[Any, ...]:
    return _recurrent_grad("gru_grad", g, states, gates, weight, h, "h")


def _lstm_grad(g: Any, states: Any, gates: Any, weight: Any, c: Any) -> tuple[Any, ...]:
    return _recurrent_grad("lstm_grad", g, states, gates, weight, c, "c")


def _updated(kernel: str, param: Any, grad: Any, state: dict[str, Any]) -> tuple[Any, ...]:
    """The parameter, its gradient and the state arrays (or None) of an optimizer step, which overwrites the state."""
    plain = _array(kernel, "param", param)
    _writeable(kernel, "param", plain)
    arrays = {"param": plain}
    for name, x in state.items():
        if x is not None:
            arrays[name] = _array(kernel, name, x, plain.shape, plain)
            _writeable(kernel, name, x)
    arrays["grad"] = _array(kernel, "grad", grad, plain.shape, plain)
    names = list(arrays)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            if _overlap(arrays[first], arrays[second]):
                raise ValueError(f"{kernel}: {first} and {second} share memory, expected separate arrays")
    return plain, arrays["grad"], *(arrays.get(name) for name in state)


def _updated_together(kernel: str, updated: dict[str, Any], states: dict[str, Any]) -> list[list[Any]]:
    """Lists of arrays, cut into parts whose arrays share no memory.

    `updated` has the list of the arrays to update, such as parameters, and that of those which tell how, such as
    gradients; only these are not written to.  Lists of `states` may be None.
    """
    columns = updated | {name: column for name, column in states.items() if column is not None}
    main, read = updated
    length = len(updated[main]) if isinstance(updated[main], list | tuple) else 0
    for name, column in columns.items():
        if not isinstance(column, list | tuple):
            raise TypeError(f"{kernel}: {name}: got {type(column).__name__}, expected a list of arrays")
        if len(column) != length:
            raise ValueError(f"{kernel}: {name}: got {len(column)} arrays, expected {length}, as {main} has")
    like = _array(kernel, f"{main}[0]", updated[main][0]) if length else None
    rows = [_updated_row(kernel, columns, i, like, read) for i in range(length)]
    if _separate([array for row in rows for array in row]):
        parts = [rows] if rows else []
    else:
        for i, row in enumerate(rows):
            if not _separate(row):
                kind = "parameter" if main == "params" else main[:-1]
                raise ValueError(f"{kernel}: the arrays of {kind} {i} share memory, expected separate arrays")
        parts = [[row] for row in rows]
    names = list(columns)
    return [
        [[row[names.index(name)] for row in part] if name in columns else None for name in (*updated, *states)]
        for part in parts
    ]


def _updated_row(kernel: str, columns: dict[str, Any], i: int, like: Any, read: str) -> list[Any]:
    """The arrays at place i, checked, of the dtype of `like`; all but that of the list `read` are written to."""
    row: list[Any] = []
    for name, column in columns.items():
        x = column[i]
        usual = type(x) is type(like) and x.dtype == like.dtype and (not row or x.shape == row[0].shape)
        if not usual:
            x = _array(kernel, f"{name}[{i}]", x, row[0].shape if row else None, like)
        if name != read and type(x) is np.ndarray and not x.flags.writeable:
            _writeable(kernel, f"{name}[{i}]", x)
        row.append(x)
    return row


def _separate(arrays: Sequence[Any]) -> bool:
    """Whether surely no two of the arrays share memory."""
    owners = {_owner(x) for x in arrays}
    if None not in owners and len(owners) == len(arrays):
        return True
    end = 0
    for low, high in sorted(_span(x) for x in arrays if x.size):
        if low < end:
            return False
        end = high
    return True


def _owner(x: Any) -> int | None:
    """What tells an array's memory from that of other arrays: the array of NumPy's that owns it, if there is one."""
    while isinstance(x, np.ndarray):
        if x.base is None:
            return id(x)
        x = x.base
    return None


def _sgd_steps(
    params: Any,
    grads: Any,
    velocities: Any,
    lr: Any,
    momentum: Any,
    dampening: Any,
    weight_decay: Any,
    nesterov: Any,
    first: Any,
) -> Iterable[tuple[Any, ...]]:
    name = "sgd_steps"
    parts = _updated_together(name, {"params": params, "grads": grads}, {"velocities": velocities})
    rates = _sgd_rates(name, lr, momentum, dampening, weight_decay, nesterov, first)
    return [(*part, *rates) for part in parts]


def _adam_steps(
    params: Any,
    grads: Any,
    ms: Any,
    vs: Any,
    vmaxs: Any,
    step: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    eps: Any,
    weight_decay: Any,
    decoupled: Any,
) -> Iterable[tuple[Any, ...]]:
    name = "adam_steps"
    _required(name, ms=ms, vs=vs)
    parts = _updated_together(name, {"params": params, "grads": grads}, {"ms": ms, "vs": vs, "vmaxs": vmaxs})
    rates = _adam_rates(name, step, lr, beta1, beta2, eps, weight_decay, decoupled)
    return [(*part, *rates) for part in parts]


def _rmsprop_steps(
    params: Any,
    grads: Any,
    vs: Any,
    means: Any,
    velocities: Any,
    lr: Any,
    alpha: Any,
    eps: Any,
    weight_decay: Any,
    momentum: Any,
) -> Iterable[tuple[Any, ...]]:
    name = "rmsprop_steps"
    _required(name, vs=vs)
    parts = _updated_together(
        name, {"params": params, "grads": grads}, {"vs": vs, "means": means, "velocities": velocities}
    )
    rates = _rmsprop_rates(name, lr, alpha, eps, weight_decay, momentum)
    return [(*part, *rates) for part in parts]


def _ema_steps(averages: Any, values: Any, share: Any) -> Iterable[tuple[Any, ...]]:
    name = "ema_steps"
    parts = _updated_together(name, {"averages": averages, "values": values}, {})
    return [(*part, _real(name, "share", share)) for part in parts]


def _required(kernel: str, **arrays: Any) -> None:
    for name, x in arrays.items():
        if x is None:
            raise TypeError(f"{kernel}: {name}: got None, expected {'arrays' if name.endswith('s') else 'an array'}")


def _sgd_rates(
    kernel: str, lr: Any, momentum: Any, dampening: Any, weight_decay: Any, nesterov: Any, first: Any
) -> tuple[Any, ...]:
    rates = _real(kernel, "lr", lr), _real(kernel, "momentum", momentum), _real(kernel, "dampening", dampening)
    return *rates, _real(kernel, "weight_decay", weight_decay), bool(nesterov), bool(first)


def _adam_rates(
    kernel: str, step: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any, decoupled: Any
) -> tuple[Any, ...]:
    betas = _decay_rate(kernel, "beta1", beta1), _decay_rate(kernel, "beta2", beta2)
    rates = _real(kernel, "lr", lr), *betas, _real(kernel, "eps", eps)
    step = _integer(kernel, "step", step, 1)
    return step, *rates, _real(kernel, "weight_decay", weight_decay), bool(decoupled)


def _rmsprop_rates(kernel: str, lr: Any, alpha: Any, eps: Any, weight_decay: Any, momentum: Any) -> tuple[Any, ...]:
    rates = _real(kernel, "lr", lr), _real(kernel, "alpha", alpha), _real(kernel, "eps", eps)
    return *rates, _real(kernel, "weight_decay", weight_decay), _real(kernel, "momentum", momentum)


def _sgd_step(
    param: Any,
    grad: Any,
    velocity: Any,
    lr: Any,
    momentum: Any,
    dampening: Any,
    weight_decay: Any,
    nesterov: Any,
    first: Any,
) -> tuple[Any, ...]:
    name = "sgd_step"
    arrays = _updated(name, param, grad, {"velocity": velocity})
    return *arrays, *_sgd_rates(name, lr, momentum, dampening, weight_decay, nesterov, first)


def _adam_step(
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    vmax: Any,
    step: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    eps: Any,
    weight_decay: Any,
    decoupled: Any,
) -> tuple[Any, ...]:
    name = "adam_step"
    _required(name, m=m, v=v)
    arrays = _updated(name, param, grad, {"m": m, "v": v, "vmax": vmax})
    return *arrays, *_adam_rates(name, step, lr, beta1, beta2, eps, weight_decay, decoupled)


def _rmsprop_step(
    param: Any,
    grad: Any,
    v: Any,
    mean: Any,
    velocity: Any,
    lr: Any,
    alpha: Any,
    eps: Any,
    weight_decay: Any,
    momentum: Any,
) -> tuple[Any, ...]:
    name = "rmsprop_step"
    _required(name, v=v)
    arrays = _updated(name, param, grad, {"v": v, "mean": mean, "velocity": velocity})
    return *arrays, *_rmsprop_rates(name, lr, alpha, eps, weight_decay, momentum)


_CHECKS: dict[str, Callable[..., Any]] = {
    "adam_step": _adam_step,
    "adam_steps": _adam_steps,
    "add": _add,
    "add_bias": _add_bias,
    "add_bias_grad": _add_bias_grad,
    "add_pairs": _add_pairs,
    "batch_norm": _batch_norm,
    "batch_norm_grad": _batch_norm_grad,
    "batch_norm_stats": _statistics("batch_norm_stats"),
    "batch_norm_train": _batch_norm_train,
    "channel_sums": _statistics("channel_sums"),
    "conv2d": _conv2d,
    "conv2d_bias": _conv2d_bias,
    "conv2d_input_grad": _conv2d_input_grad,
    "conv2d_input_grad_bias": _conv2d_input_grad_bias,
    "conv2d_weight_grad": _conv2d_weight_grad,
    "dropout": _dropout,
    "ema_steps": _ema_steps,
    "gru": _gru,
    "gru_grad": _gru_grad,
    "leaky_relu": _leaky_relu,
    "leaky_relu_grad": _leaky_relu_grad,
    "lstm": _lstm,
    "lstm_grad": _lstm_grad,
    "matmul": _matmul,
    "matmul_bias": _matmul_bias,
    "max_pool2d": _max_pool2d,
    "max_pool2d_grad": _max_pool2d_grad,
    "mean": _mean,
    "resample": _resample,
    "rmsprop_step": _rmsprop_step,
    "rmsprop_steps": _rmsprop_steps,
    "sgd_step": _sgd_step,
    "sgd_steps": _sgd_steps,
    "sigmoid": _sigmoid,
    "sigmoid_grad": _sigmoid_grad,
    "softplus": _softplus,
    "softplus_grad": _softplus_grad,
    "tanh_grad": _tanh_grad,
    "warp": _warp,
    "warp_adjoint": _warp_adjoint,
}
#: Kernels that take lists of arrays; their checks give the arguments of one call or several.
_MANY = ("adam_steps", "ema_steps", "rmsprop_steps", "sgd_steps")
