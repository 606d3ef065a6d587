"""Hypothesis strategies that look for trouble: arrays, and for each operation the inputs and parameters it takes.

They draw what breaks gradients: strides larger than the kernel, 1x1 kernels, dilation together with groups, several
images with one group, empty batches, four different paddings, arrays in transposed, reversed and strided memory, ties,
points on kinks, large offsets, saturated logits.  Subnormal numbers are left out: processors may flush them to zero.

Values come from a seed that Hypothesis draws, since drawing every number by itself is slow; shapes, layouts and
parameters are drawn one by one and shrink.  Write ``@given(case=STRATEGIES["conv2d"])`` to test a kernel of your own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.optional import require
from ..kernels.shapes import output_size
from ..ops.border import BORDERS
from ..ops.resample import make_taps
from .array_generators import KINDS, LAYOUTS, lay_out
from .kernel_cases import window
from .op_registry import OP_REGISTRY, Case, Source

__all__ = ["Case", "STRATEGIES", "DrawnSource", "arrays", "cases", "layouts", "shapes", "windows"]

if TYPE_CHECKING:
    from hypothesis import strategies as st
else:
    st = require("hypothesis.strategies")

Array = np.ndarray


# ---- arrays


@st.composite
def layouts(draw: Any, x: Array) -> Array:
    """The array `x` itself, or its values in transposed, reversed or strided memory."""
    return lay_out(x, draw(st.sampled_from(LAYOUTS)))


@st.composite
def arrays(draw: Any, shape: Any, kinds: Sequence[str] = ("gaussian",), dtype: Any = np.float64) -> Array:
    """An array of `shape` (or of a shape drawn from a strategy) in one of the `kinds` and in any layout.

    Parameters
    ----------
    shape : tuple of int, or strategy
    kinds : sequence of str
        Keys of `KINDS`; the first is what failures shrink to.
    dtype : dtype
    """
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    kind = draw(st.sampled_from(list(kinds)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return draw(layouts(np.asarray(KINDS[kind](rng, shape), dtype)))


@st.composite
def shapes(draw: Any, min_dims: int = 0, max_dims: int = 4, min_side: int = 0, max_side: int = 4) -> tuple[int, ...]:
    """A shape; sides of 0 are rare but there."""
    dims = draw(st.integers(min_dims, max_dims))
    side = st.integers(1, max_side) if min_side > 0 else st.sampled_from([*range(1, max_side + 1)] * 3 + [0])
    return tuple(draw(st.lists(side, min_size=dims, max_size=dims)))


_NONE: Any = st.just({})


@st.composite
def _one_array(draw: Any, /, kinds: Sequence[str], params: Any = _NONE, **sizes: Any) -> Case:
    return Case((draw(arrays(shapes(**sizes), kinds)),), draw(params))


@st.composite
def _broadcasting(draw: Any, kinds: Sequence[str], other_kinds: Sequence[str] | None = None) -> Case:
    """Two arrays whose shapes broadcast against each other."""
    full = draw(shapes())
    pair = []
    for these in (kinds, other_kinds or kinds):
        cut = draw(st.integers(0, len(full)))
        shape = tuple(draw(st.sampled_from([n, 1])) for n in full[cut:])
        pair.append(draw(arrays(shape, these)))
    return Case(tuple(pair))


@st.composite
def _where(draw: Any) -> Case:
    case = draw(_broadcasting(["gaussian"]))
    shape = np.broadcast_shapes(*[x.shape for x in case.inputs])
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Case(case.inputs, {"condition": rng.random(shape) < 0.5})


@st.composite
def _select(draw: Any) -> Case:
    case = draw(_broadcasting(["gaussian"], ["ties"]))
    shape = np.broadcast_shapes(*[x.shape for x in case.inputs])
    return Case(case.inputs[:1], {"weight": np.broadcast_to(case.inputs[1], shape)})


@st.composite
def _two_alike(draw: Any, kinds: Sequence[str], params: Any) -> Case:
    x = draw(arrays(shapes(), kinds))
    return Case((draw(arrays(x.shape)), x), draw(params))


class DrawnSource(Source):
    """Choices that Hypothesis makes, and shrinks."""

    def __init__(self, draw: Any, fixed: dict[str, Any] | None = None, layouts: bool = True):
        super().__init__(fixed, layouts)
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        """An integer that Hypothesis draws."""
        return self.draw(st.integers(low, high))


@st.composite
def cases(draw: Any, /, name: str, layouts: bool = True, **fixed: Any) -> Case:
    """Inputs and parameters for the operation of `minigen.check.op_registry` called `name`.

    Parameters
    ----------
    name : str
    layouts : bool
        Whether arrays come in transposed, reversed and strided memory too.
    **fixed
        Parameters to keep at one value.
    """
    return OP_REGISTRY[name].make(DrawnSource(draw, fixed, layouts))


# ---- shapes


@st.composite
def _reshape(draw: Any) -> Case:
    x = draw(arrays(shapes()))
    sides = draw(st.permutations(x.shape))
    if draw(st.booleans()):
        sides = [x.size]
    return Case((x,), {"shape": tuple(sides)})


@st.composite
def _permute(draw: Any) -> Case:
    x = draw(arrays(shapes()))
    return Case((x,), {"dims": tuple(draw(st.permutations(range(x.ndim))))})


@st.composite
def _expand(draw: Any) -> Case:
    full = draw(shapes())
    cut = draw(st.integers(0, len(full)))
    return Case((draw(arrays(tuple(draw(st.sampled_from([n, 1])) for n in full[cut:]))),), {"shape": full})


def _dims(ndim: int) -> Any:
    return (
        st.lists(st.integers(0, ndim - 1), unique=True, max_size=ndim).map(sorted).map(tuple) if ndim else st.just(())
    )


@st.composite
def _flip(draw: Any) -> Case:
    x = draw(arrays(shapes()))
    return Case((x,), {"dims": draw(_dims(x.ndim))})


@st.composite
def _index(draw: Any, shape: tuple[int, ...]) -> Any:
    """Slices with steps and backwards, integers, new axes, repeated integer arrays, a boolean mask."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if shape and draw(st.integers(0, 4)) == 0:
        return rng.random(shape) < 0.5
    parts: list[Any] = []
    fancy = False
    for n in shape:
        kind = draw(st.sampled_from(["all", "slice", "backwards", "integer", "array", "new"]))
        if n == 0 or kind == "all" or (kind == "array" and fancy):
            parts.append(slice(None))
        elif kind == "slice":
            parts.append(slice(draw(st.integers(0, n - 1)), None, draw(st.integers(1, 3))))
        elif kind == "backwards":
            parts.append(slice(None, None, -draw(st.integers(1, 2))))
        elif kind == "integer":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "new":
            parts += [None, slice(None)]
        else:
            fancy = True
            parts.append(rng.integers(0, n, (3,)))
    return tuple(parts)


@st.composite
def _getitem(draw: Any) -> Case:
    x = draw(arrays(shapes(max_dims=3)))
    return Case((x,), {"index": draw(_index(x.shape))})


@st.composite
def _putitem(draw: Any) -> Case:
    shape = draw(shapes(max_dims=3))
    index = draw(_index(shape))
    return Case((draw(arrays(np.zeros(shape)[index].shape)),), {"index": index, "shape": shape})


@st.composite
def _put_several(draw: Any) -> Case:
    shape = draw(shapes(max_dims=3))
    indices = tuple(draw(_index(shape)) for _ in range(draw(st.integers(1, 3))))
    gs = tuple(draw(arrays(np.zeros(shape)[index].shape)) for index in indices)
    return Case(gs, {"indices": indices, "shape": shape})


@st.composite
def _sequence(draw: Any, gates: int, states: int) -> Case:
    """The input's product, the weights, biases and first states of a recurrent layer; saturated gates round slopes."""
    steps, n, h = draw(st.integers(1, 3)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    sides = [(steps, n, gates * h), (gates * h, h), (gates * h,), *[(n, h)] * states]
    return Case(tuple(draw(arrays(shape)) for shape in sides))


@st.composite
def _cat(draw: Any) -> Case:
    shape = draw(shapes(min_dims=1, max_dims=3))
    dim = draw(st.integers(0, len(shape) - 1))
    sides = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    return Case(tuple(draw(arrays((*shape[:dim], n, *shape[dim + 1 :]))) for n in sides), {"dim": dim})


@st.composite
def _pad(draw: Any) -> Case:
    x = draw(arrays(shapes(min_dims=1, max_dims=3, max_side=3)))
    widths = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(x.ndim))
    return Case((x,), {"widths": widths, "value": draw(st.sampled_from([0.0, -2.5]))})


@st.composite
def _border(draw: Any, folded: bool = False) -> Case:
    x = draw(arrays(shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)))
    mode = draw(st.sampled_from(BORDERS))
    most = [min(2, n - 1 if mode == "reflect" else n) for n in x.shape]
    widths = tuple((draw(st.integers(0, m)), draw(st.integers(0, m))) for m in most)
    if folded:
        x = draw(arrays(tuple(n + sum(width) for n, width in zip(x.shape, widths))))
    return Case((x,), {"widths": widths, "mode": mode})


@st.composite
def _blocks(draw: Any, summed: bool = False) -> Case:
    n, c, h, w = draw(st.sampled_from([1, 2, 0])), *(draw(st.integers(1, 3)) for _ in range(3))
    r, s = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Case((draw(arrays((n, c, h * r, w * s) if summed else (n, c, h, w))),), {"factors": (r, s)})


@st.composite
def _matmul(draw: Any) -> Case:
    n, k, m = (draw(st.integers(0 if i == 1 else 1, 4)) for i in range(3))
    batch = draw(shapes(max_dims=2, max_side=3))
    lead = [tuple(draw(st.sampled_from([b, 1])) for b in batch[draw(st.integers(0, len(batch))) :]) for _ in range(2)]
    return Case((draw(arrays((*lead[0], n, k))), draw(arrays((*lead[1], k, m)))))


@st.composite
def _dense(draw: Any, which: str) -> Case:
    n, k, m = (draw(st.integers(0 if i < 2 else 1, 4)) for i in range(3))
    shape = {"x": (n, k), "w": (m, k), "b": (m,), "g": (n, m)}
    return Case(tuple(draw(arrays(shape[name])) for name in which), _activation(draw, which))


def _activation(draw: Any, which: str) -> dict[str, Any]:
    """The leaky ReLU that may follow where there is a bias."""
    slope = draw(st.sampled_from([None, None, 0.0, 0.2])) if which[-1] in "bc" else None
    return {} if slope is None else {"negative_slope": slope}


@st.composite
def _reduction(draw: Any, kinds: Sequence[str], min_side: int = 0) -> Case:
    x = draw(arrays(shapes(min_side=min_side), kinds))
    return Case((x,), {"dim": draw(_dims(x.ndim)), "keepdim": draw(st.booleans())})


@st.composite
def _vectors(draw: Any, /, **params: Sequence[Any]) -> Case:
    x = draw(arrays(shapes(min_dims=1, min_side=1), ["away"]))
    return Case((x,), {"dim": draw(_dims(x.ndim))} | {name: draw(st.sampled_from(c)) for name, c in params.items()})


@st.composite
def _resample(draw: Any) -> Case:
    x = draw(arrays(shapes(min_dims=1, max_dims=3, min_side=1)))
    dim, size, count = draw(st.integers(0, x.ndim - 1)), draw(st.integers(1, 4)), draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    targets, sources = rng.integers(0, size, count), rng.integers(0, x.shape[dim], count)
    taps = make_taps(targets, sources, rng.choice([1.0, 0.5, -2.0], count), size)
    return Case((x,), {"dim": dim, "taps": taps})


@st.composite
def _share(draw: Any) -> Case:
    full = draw(shapes(min_side=1))
    dim = draw(_dims(len(full)))
    kept = draw(st.booleans())
    sides = [1 if d in dim else n for d, n in enumerate(full) if kept or d not in dim]
    return Case((draw(arrays(tuple(sides))),), {"shape": full, "dim": dim})


@st.composite
def _along_one(draw: Any, kinds: Sequence[str]) -> Case:
    x = draw(arrays(shapes(min_dims=1, max_dims=3, min_side=1), kinds))
    return Case((x,), {"dim": draw(st.integers(0, x.ndim - 1))})


# ---- windows


@st.composite
def windows(draw: Any, /, **most: int) -> dict[str, Any]:
    """The geometry of a sliding window, see `minigen.check.kernel_cases.window`, and how many pixels it gives."""
    w = window(DrawnSource(draw), **most)
    axes = zip(*(w[name] for name in ("size", "kernel", "stride", "padding", "dilation")))
    return {**w, "pixels": tuple(output_size(*axis) for axis in axes)}


@st.composite
def _convolution(draw: Any, which: str, kinds: Sequence[str] = ("gaussian",), dtype: Any = np.float64) -> Case:
    w = draw(windows())
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    n = draw(st.sampled_from([1, 2, 3, 0]))
    c, o = (groups * draw(st.integers(1, 2)) for _ in range(2))
    shape = {"x": (n, c, *w["size"]), "w": (o, c // groups, *w["kernel"]), "g": (n, o, *w["pixels"])}
    shape |= {"b": (o,), "c": (c,)}  # biases of the convolution and of its adjoint
    params = {"stride": w["stride"], "padding": w["padding"], "dilation": w["dilation"], "groups": groups}
    if which.startswith("gw"):
        params = {"input_size": w["size"], **params}
    if which == "xg":
        params = {"kernel_size": w["kernel"], **params}
    params |= _activation(draw, which)
    return Case(tuple(draw(arrays(shape[name], kinds, dtype)) for name in which), params)


def _largest_exist(w: dict[str, Any]) -> bool:
    """Whether no window of a pooling lies in the padding alone: there the largest element would be -inf."""
    for n, k, step, (before, after), gap in zip(
        *(w[key] for key in ("size", "kernel", "stride", "padding", "dilation"))
    ):
        first = range(-before, n + after - gap * (k - 1), step)
        if 2 * max(before, after) > k or not all(any(0 <= i + gap * j < n for j in range(k)) for i in first):
            return False
    return True


@st.composite
def _max_pool(draw: Any) -> Case:
    w = draw(windows(max_pad=1).filter(_largest_exist))
    shape = (draw(st.sampled_from([1, 2, 0])), draw(st.integers(1, 2)), *w["size"])
    params = {"kernel_size": w["kernel"], "stride": w["stride"], "padding": w["padding"], "dilation": w["dilation"]}
    return Case((draw(arrays(shape, ("gaussian", "ties"))),), params)


@st.composite
def _max_unpool(draw: Any) -> Case:
    n, c, p, q = (draw(st.integers(1, 3)) for _ in range(4))
    size = tuple(draw(st.integers(2, 4)) for _ in range(2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    index = rng.integers(0, size[0] * size[1], (n, c, p, q))  # with repetitions: windows overlap
    return Case((draw(arrays((n, c, p, q))),), {"index": index, "input_size": size})


@st.composite
def _warp(draw: Any, adjoint: bool = False) -> Case:
    n, c, h, w, p, q, k = (draw(st.integers(1, 3)) for _ in range(7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    index = rng.integers(-1, h * w, (n, k, p, q))  # with repetitions, and places outside
    params = {"index": index, "weight": rng.standard_normal(index.shape)}
    if adjoint:
        return Case((draw(arrays((n, c, p, q))),), {**params, "input_size": (h, w)})
    return Case((draw(arrays((n, c, h, w))),), params)


@st.composite
def _channelled(draw: Any, kinds: Sequence[str]) -> Case:
    n, c = draw(st.sampled_from([3, 2, 5])), draw(st.integers(1, 3))
    tail = draw(st.sampled_from([(), (2,), (2, 3)]))
    return Case((draw(arrays((n, c, *tail), kinds)),))


@st.composite
def _batch_norm(draw: Any) -> Case:
    (x,) = draw(_channelled(("gaussian", "offset"))).inputs
    c = x.shape[1]
    weight, bias = draw(arrays((c,), ("away",))), draw(arrays((c,)))
    return Case((x, weight, bias), {"eps": draw(st.sampled_from([1e-5, 1e-3, 0.1]))})


@st.composite
def _instance_norm(draw: Any) -> Case:
    shape = draw(st.sampled_from([(2, 3, 4), (3, 1, 2, 3), (1, 2, 3)]))
    weight, bias = draw(arrays(shape[1:2], ("away",))), draw(arrays(shape[1:2]))
    x = draw(arrays(shape, ("gaussian", "offset")))
    return Case((x, weight, bias), {"eps": draw(st.sampled_from([1e-5, 1e-3, 0.1]))})


def _fixed(**choices: Sequence[Any]) -> Any:
    return st.fixed_dictionaries({name: st.sampled_from(list(values)) for name, values in choices.items()})


_SLOPES = _fixed(negative_slope=[0.01, 0.2, 0.0, 0.3])

STRATEGIES: dict[str, st.SearchStrategy[Case]] = {
    "conv2d": _convolution("xw"),
    "conv2d_input_grad": _convolution("gw"),
    "conv2d_weight_grad": _convolution("xg"),
    "conv2d_bias": _convolution("xwb"),
    "conv2d_input_grad_bias": _convolution("gwc"),
    "dense": _dense("xw"),
    "dense_bias": _dense("xwb"),
    "dense_weight_grad": _dense("xg"),
    "add": _broadcasting(["gaussian", "wide"]),
    "sub": _broadcasting(["gaussian", "wide"]),
    "mul": _broadcasting(["gaussian", "wide"]),
    "div": _broadcasting(["gaussian"], ["away"]),
    "neg": _one_array(["gaussian"]),
    "pow": st.one_of(
        _one_array(["gaussian", "ties"], _fixed(exponent=[2.0, 3.0, 1.0, 0.0])),
        _one_array(["away"], _fixed(exponent=[-1.0, -2.0])),
        _one_array(["positive", "log_uniform"], _fixed(exponent=[0.5, 1.5, -0.5, 2.7])),
    ),
    "square": _one_array(["gaussian", "wide"]),
    "exp": _one_array(["gaussian"]),
    "expm1": _one_array(["gaussian"]),
    "erf": _one_array(["gaussian"]),
    "log": _one_array(["positive", "log_uniform"]),
    "log1p": _one_array(["positive", "log_uniform"]),
    "sqrt": _one_array(["positive", "log_uniform"]),
    "sin": _one_array(["gaussian"]),
    "cos": _one_array(["gaussian"]),
    "tanh": _one_array(["gaussian"]),
    "tanh_grad": _two_alike(["gaussian"], _NONE),
    "sigmoid": _one_array(["gaussian", "logits"]),
    "sigmoid_grad": _two_alike(["gaussian", "logits"], _NONE),
    "softplus": _one_array(["gaussian", "logits"]),
    "softplus_grad": _two_alike(["gaussian", "logits"], _NONE),
    "abs": _one_array(["gaussian", "ties"]),
    "maximum": _broadcasting(["gaussian", "ties"]),
    "minimum": _broadcasting(["gaussian", "ties"]),
    "select": _select(),
    "clamp": _one_array(["gaussian", "ties"], _fixed(min=[-0.5, -1.0, None], max=[0.7, 1.0, None])),
    "leaky_relu": _one_array(["gaussian", "ties"], _SLOPES),
    "dropout": _one_array(["gaussian"], _fixed(p=[0.5, 0.1, 1.0], seed=[0, 3, 2**63 - 1])),
    "leaky_relu_grad": _two_alike(["gaussian"], _SLOPES),
    "elu": _one_array(["gaussian", "ties"], _fixed(alpha=[1.0, 0.5])),
    "silu": _one_array(["gaussian", "logits"]),
    "gelu": _one_array(["gaussian", "logits"], _fixed(approximate=["none", "tanh"])),
    "where": _where(),
    "clone": _one_array(["gaussian"]),
    "cast": _one_array(["gaussian"], _fixed(dtype=[np.float64])),
    "to_device": _one_array(["gaussian"], _fixed(device=["cpu"])),
    "reshape": _reshape(),
    "permute": _permute(),
    "expand": _expand(),
    "flip": _flip(),
    "getitem": _getitem(),
    "putitem": _putitem(),
    "put_several": _put_several(),
    "cat": _cat(),
    "pad": _pad(),
    "pad_border": _border(),
    "fold_border": _border(folded=True),
    "repeat_blocks": _blocks(),
    "sum_blocks": _blocks(summed=True),
    "matmul": _matmul(),
    "sum": _reduction(["gaussian", "wide"]),
    "mean": _reduction(["gaussian", "wide"], min_side=1),
    "share": _share(),
    "resample": _resample(),
    "channel_sums": _channelled(["gaussian", "wide"]),
    "amax": _reduction(["gaussian", "ties"], min_side=1),
    "center": _vectors(),
    "scatter": _vectors(scale=[1.0, 0.5]),
    "length": st.one_of(_vectors(p=[2.0, 3.0, 1.5, 1.0]), _vectors(centered=[True], count=[1.0, 3.0])),
    "unit": st.one_of(_vectors(p=[2.0, 3.0, 1.5, 1.0]), _vectors(centered=[True])),
    "batch_norm": _batch_norm(),
    "instance_norm": _instance_norm(),
    "gru": _sequence(3, states=1),
    "lstm": _sequence(4, states=2),
    "max_pool2d": _max_pool(),
    "max_unpool2d": _max_unpool(),
    "warp": _warp(),
    "warp_adjoint": _warp(adjoint=True),
    "cumsum": _along_one(["gaussian", "spread"]),
    "softmax": _along_one(["gaussian", "spread"]),
    "log_softmax": _along_one(["gaussian", "spread"]),
}
"""For each primitive of `minigen.engine.primitives`, the float64 cases it is checked on."""
