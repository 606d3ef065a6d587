"""The operations that can be checked by name: what each is called with, and what it is.

An entry draws its own cases, from Hypothesis (which shrinks) or from a NumPy generator (which is quick and
reproducible anywhere): see `Source`.  Names, parameters and defaults are those of ``torch.nn.functional``.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .array_generators import KINDS, LAYOUTS, lay_out
from .reference_ops import REFERENCE_OPS

__all__ = ["ALIASES", "OP_REGISTRY", "Case", "Entry", "RandomSource", "Source"]

Array = np.ndarray

TAILS = (7, 8, 9, 15, 16, 17, 33, 40)
"""Sides one less, equal to and one more than the width of a vector register, for loops that forget their last part."""

MOSTLY = 6
"""How often the first choice is taken for each other one, where the others are to be rare."""


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int | np.integer) else tuple(value)


@dataclass(frozen=True)
class Case:
    """What an operation is called with: ``op(*inputs, **params)``."""

    inputs: tuple[Array, ...]
    params: dict[str, Any] = field(default_factory=dict)


class Source:
    """Where an entry's choices come from.

    Parameters
    ----------
    fixed : dict, optional
        Parameters that are not drawn but given.
    layouts : bool
        Whether arrays come in transposed, reversed and strided memory too.
    """

    tails = False
    """Whether sides may be long, as `TAILS` are."""

    def __init__(self, fixed: dict[str, Any] | None = None, layouts: bool = True):
        self.fixed: dict[str, Any] = fixed or {}
        self.layouts = layouts

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included; small ones are the simple ones."""
        raise NotImplementedError

    def choose(self, choices: Sequence[Any]) -> Any:
        """One of several; the first is the simplest."""
        return choices[self.integer(0, len(choices) - 1)]

    def seldom(self, name: str, choices: Sequence[Any]) -> Any:
        """Another choice with a name, mostly the first: with the others few mistakes show, but some only there."""
        return choices[max(0, self.integer(0, MOSTLY + len(choices) - 2) - MOSTLY + 1)]

    def param(self, name: str, choices: Sequence[Any]) -> Any:
        """A parameter: one of `choices`, unless it is fixed.  The first is the default."""
        return self.fixed[name] if name in self.fixed else self.choose(choices)

    def factor(self, name: str, choices: Sequence[Any]) -> Any:
        """Another choice with a name: what is no parameter, but may be the condition of a mistake."""
        return self.choose(choices)

    def note(self, name: str, value: Any) -> None:
        """Something that follows from the choices, and may be the condition of a mistake too."""

    def array(self, shape: Sequence[int], *kinds: str) -> Array:
        """An array filled in one of the `kinds` of `minigen.check.array_generators`, Gaussian by default."""
        rng = self.generator()
        x = np.asarray(KINDS[self.choose(kinds or ("gaussian",))](rng, tuple(shape)), np.float64)
        return lay_out(x, self.choose(LAYOUTS)) if self.layouts else x

    def side(self, low: int, high: int) -> int:
        """A side of an array: from `low` to `high`, and sometimes a length at which vector loops end."""
        return self.choose(TAILS) if self.tails and self.integer(0, 7) == 7 else self.integer(low, high)

    def shape(self, least: int, most: int, side: int = 4) -> tuple[int, ...]:
        """A shape of `least` to `most` dimensions, of which one may be long."""
        sides = [self.integer(1, side) for _ in range(self.integer(least, most))]
        if self.tails and sides and self.integer(0, 2) == 2:
            sides[-self.integer(1, len(sides))] = self.choose(TAILS)
        return tuple(sides)

    def generator(self) -> np.random.Generator:
        """A random generator with a seed from this source."""
        return np.random.default_rng(self.integer(0, 2**32 - 1))


class RandomSource(Source):
    """Choices from a NumPy generator."""

    def __init__(self, rng: np.random.Generator, fixed: dict[str, Any] | None = None, layouts: bool = True):
        super().__init__(fixed, layouts)
        self.rng = rng

    def integer(self, low: int, high: int) -> int:
        """An integer that the generator draws."""
        return int(self.rng.integers(low, high + 1))


@dataclass(frozen=True)
class Entry:
    """One operation.

    Attributes
    ----------
    name : str
    inputs : tuple of str
        Names of the array arguments, in order.
    make : callable
        ``make(source)`` gives a `Case`.
    defaults : dict
        The parameters' values for a function that does not take them.
    constant : tuple of str
        Inputs that are labels or targets, which have no gradient.
    optional : int
        The number of last inputs that may be missing in a function that does not take them.
    convention : callable, optional
        ``convention(function, arrays, params)`` calls a framework's function whose arguments are no plain list of
        arrays.
    """

    name: str
    inputs: tuple[str, ...]
    make: Callable[[Source], Case]
    defaults: dict[str, Any] = field(default_factory=dict)
    constant: tuple[str, ...] = ()
    optional: int = 0
    convention: Callable[..., Any] | None = None

    def call(self, function: Callable[..., Any], inputs: Sequence[Any], params: dict[str, Any]) -> Any:
        """The function of this name in PyTorch or minigen, called with tensors."""
        if self.convention is not None:
            return self.convention(function, inputs, params)
        if self.name == "batch_norm":  # PyTorch has no defaults for these two
            params = {"running_mean": None, "running_var": None, **params}
        named = dict(zip(self.inputs, inputs))
        first = [t for n, t in named.items() if n not in BY_NAME]
        return function(*first, **{n: t for n, t in named.items() if n in BY_NAME}, **params)

    @property
    def has_spec(self) -> bool:
        """Whether there is a definition: not for a function of the user's own."""
        return self.name in REFERENCE_OPS and OP_REGISTRY.get(self.name) is self

    @property
    def spec(self) -> Callable[..., Array]:
        """The definition: ``spec(**inputs, **params)``."""
        return REFERENCE_OPS[self.name]

    def parameters(self) -> list[str]:
        """Names of the parameters that the cases may set."""
        if not self.has_spec:
            return list(self.defaults)
        return [name for name in inspect.signature(self.spec).parameters if name not in self.inputs]

    @property
    def differentiable(self) -> list[int]:
        """Positions of the inputs that have a gradient."""
        return [i for i, name in enumerate(self.inputs) if name not in self.constant]


OP_REGISTRY: dict[str, Entry] = {}
"""The entries by name."""

BY_NAME = ("weight", "bias", "index")
"""Inputs that do not stand among the first arguments of every function that has them."""

ALIASES = {
    "max": "amax", "attention": "scaled_dot_product_attention", "concat": "cat", "concatenate": "cat",
    "subtract": "sub", "multiply": "mul", "divide": "div", "power": "pow",
}  # fmt: skip
"""Other names of operations."""


def _entry(
    inputs: str,
    constant: str = "",
    optional: int = 0,
    convention: Callable[..., Any] | None = None,
    **defaults: Any,
) -> Callable[..., Any]:
    def register(make: Callable[[Source], Case]) -> Callable[[Source], Case]:
        name = make.__name__.strip("_")
        named, fixed = tuple(inputs.split()), tuple(constant.split())
        OP_REGISTRY[name] = Entry(name, named, make, defaults, fixed, optional, convention)
        return make

    return register


# ---- linear and convolutional


@_entry("input weight bias", optional=1)
def _linear(s: Source) -> Case:
    k, m = s.side(1, 4), s.side(1, 4)
    return Case((s.array((*s.shape(1, 2), k)), s.array((m, k)), s.array((m,))))


@_entry("input other")
def _matmul(s: Source) -> Case:
    n, k, m = (s.side(1, 4) for _ in range(3))
    lead = s.choose([((), ()), ((), ()), ((2,), (2,)), ((3, 1), (2,)), ((2,), ())])
    return Case((s.array((*lead[0], n, k)), s.array((*lead[1], k, m))))


_STRIDES, _PADDINGS, _DILATIONS, _GROUPS = [1, 2, 3], [0, 1, 2], [1, 2, 3], [1, 2, 4]
_KERNELS = [1, 2, 3, 3, 4, 5, 7]
_LONG = [*_KERNELS, 9]
_BATCHES = [1, 2, 3, 4, 0]
_FULL = [1, 2, 3, 4]


def _channels_of(s: Source, groups: int) -> tuple[int, int]:
    """Channels per group of the two sides of a convolution; one per group is a depthwise convolution."""
    c, o = s.side(1, 2) if groups == 1 else s.integer(1, 2), s.side(1, 2)
    depthwise = "depthwise" if o == 1 else "depthwise, several outputs"
    s.note("kind of convolution", "dense" if groups == 1 else "grouped" if c > 1 else depthwise)
    return c, o


def _image_side(s: Source, window: int, stride: int, padding: int) -> int:
    """A side of an image that windows fit into, without a rest; seldom a shorter one, or one whose end none reaches.

    In a shorter one a part of the kernel meets nothing but padding, and has no gradient.
    """
    more = s.choose([0, 1]) + s.seldom("short image", [max(1, -(-2 * padding // stride)), 0])
    return max(1, window - 2 * padding + stride * more) + s.seldom("rest", [0, stride // 2, stride - 1])


def _or_equal(s: Source, side: int, other: int, least: int) -> int:
    """A side that is now and then as long as another one: where two axes that are exchanged are not seen by shapes."""
    return other if s.integer(0, 3) == 3 and other >= least else side


@_entry("input weight bias", optional=1, stride=1, padding=0, dilation=1, groups=1)
def _conv2d(s: Source) -> Case:
    p = {
        "stride": s.param("stride", _STRIDES),
        "padding": s.param("padding", _PADDINGS),
        "dilation": s.param("dilation", _DILATIONS),
        "groups": s.param("groups", _GROUPS),
    }
    n, (c, o) = s.factor("batch", _BATCHES), _channels_of(s, p["groups"])
    height = s.factor("kernel height", _KERNELS)
    kernel = [height, s.factor("kernel width", _LONG) if s.integer(0, 3) else height]
    axes = zip(kernel, _pair(p["dilation"]), _pair(p["stride"]), _pair(p["padding"]))
    size = [_image_side(s, d * (k - 1) + 1, *rest) for k, d, *rest in axes]
    if kernel[1] == 1:
        size[1] = s.side(1, 4)
    size[1] = _or_equal(s, size[1], size[0], size[1])
    weight = s.array((o * p["groups"], c, *kernel))
    return Case((s.array((n, c * p["groups"], *size)), weight, s.array((o * p["groups"],))), p)


@_entry("input weight bias", optional=1, stride=1, padding=0, output_padding=0, groups=1, dilation=1)
def _conv_transpose2d(s: Source) -> Case:
    stride, dilation = s.param("stride", _STRIDES), s.param("dilation", _DILATIONS)
    groups, extra = s.param("groups", _GROUPS), s.param("output_padding", list(range(min(_pair(stride)))))
    kernel = [s.factor("kernel height", _KERNELS[:-1]), s.factor("kernel width", _LONG)]
    most = min(d * (k - 1) for d, k in zip(_pair(dilation), kernel))
    pad = s.param("padding", list(range(min(2, most) + 1)))
    n, (c, o) = s.factor("batch", _BATCHES), _channels_of(s, groups)
    size = [part + q for part, q in zip((s.integer(1, 3), s.side(1, 3)), _pair(pad))]
    p = {"stride": stride, "padding": pad, "output_padding": extra, "groups": groups, "dilation": dilation}
    return Case((s.array((n, c * groups, *size)), s.array((c * groups, o, *kernel)), s.array((o * groups,))), p)


@_entry("input weight bias", optional=1, stride=1, padding=0, dilation=1, groups=1)
def _conv1d(s: Source) -> Case:
    p = {
        "stride": s.param("stride", _STRIDES),
        "padding": s.param("padding", _PADDINGS),
        "dilation": s.param("dilation", _DILATIONS),
        "groups": s.param("groups", _GROUPS),
    }
    n, (c, o), kernel = s.factor("batch", _BATCHES), _channels_of(s, p["groups"]), s.factor("kernel", _LONG)
    window = p["dilation"] * (kernel - 1) + 1
    size = _image_side(s, window, p["stride"], p["padding"]) + s.side(0, 0)
    size = _or_equal(s, size, c * p["groups"], window - 2 * p["padding"])
    weight = s.array((o * p["groups"], c, kernel))
    return Case((s.array((n, c * p["groups"], size)), weight, s.array((o * p["groups"],))), p)


@_entry("input weight bias", optional=1, stride=1, padding=0, output_padding=0, groups=1, dilation=1)
def _conv_transpose1d(s: Source) -> Case:
    stride, dilation = s.param("stride", _STRIDES), s.param("dilation", _DILATIONS)
    groups, extra = s.param("groups", _GROUPS), s.param("output_padding", list(range(stride)))
    kernel = s.factor("kernel", _LONG)
    most = dilation * (kernel - 1)
    pad = s.param("padding", list(range(min(2, most) + 1)))
    n, (c, o) = s.factor("batch", _BATCHES), _channels_of(s, groups)
    p = {"stride": stride, "padding": pad, "output_padding": extra, "groups": groups, "dilation": dilation}
    x = s.array((n, c * groups, _or_equal(s, s.side(1, 3) + pad, c * groups, pad)))
    return Case((x, s.array((c * groups, o, kernel)), s.array((o * groups,))), p)


@_entry("input weight", "input")
def _embedding(s: Source) -> Case:
    rows = s.integer(1, 4)
    return Case((s.generator().integers(0, rows, s.shape(1, 2)), s.array((rows, s.side(1, 3)))))


EQUATIONS = ["ij,jk->ik", "ij,kj->ik", "bij,bjk->bik", "i,j->ij", "ij,ij->j", "ij,ij->", "ijk,k->ji", "ii,ij->j"]


@_entry("input other", convention=lambda f, x, p: f(p["equation"], *x), equation="ij,jk->ik")
def _einsum(s: Source) -> Case:
    equation = s.param("equation", EQUATIONS)
    left = equation.partition("->")[0].split(",")
    sides = {letter: s.side(1, 4) for letter in sorted(set("".join(left)))}
    arrays = tuple(s.array([sides[letter] for letter in letters]) for letters in left)
    return Case(arrays, {"equation": equation})


@_entry("query key value", is_causal=False, scale=None, attn_mask=None)
def _scaled_dot_product_attention(s: Source) -> Case:
    lead = s.factor("lead", [(), (2,), (2, 3), (1,), (3,)])
    n, m = (s.seldom("single", [s.side(2, 4), 1]) for _ in range(2))  # a single key has all the weight, and no gradient
    e, d = s.side(1, 4), s.side(1, 3)
    p: dict[str, Any] = {"is_causal": s.param("is_causal", [False, True]), "scale": s.param("scale", [None, 0.5])}
    if "attn_mask" in s.fixed:
        p["attn_mask"] = s.fixed["attn_mask"]
    elif not p["is_causal"]:  # PyTorch takes one of the two
        p["attn_mask"] = s.array((n, m)) if s.param("attn_mask given", [False, True]) else None
    query = s.array((*lead, n, e), "gaussian")
    return Case((query, s.array((*lead, m, e)), s.array((*lead, m, d))), p)


# ---- picking and joining


@_entry("input index", "index", dim=0)
def _gather(s: Source) -> Case:
    shape = tuple(n + 1 for n in s.shape(1, 3, 3))
    dim = s.param("dim", [0, -1, len(shape) // 2])
    ends = s.factor("the ends are picked", [False, True])
    picked = [s.integer(2, 4) if d == dim % len(shape) else n if ends else s.integer(1, n) for d, n in enumerate(shape)]
    index = s.generator().integers(0, shape[dim], picked)
    if ends:
        index.flat[0], index.flat[-1] = 0, shape[dim] - 1
    return Case((s.array(shape), index), {"dim": dim})


def _join(function: Callable[..., Any], arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    return function(list(arrays), **params)


@_entry("first second third", optional=1, convention=_join, dim=0)
def _cat(s: Source) -> Case:
    shape = s.shape(1, 3)
    dim = s.param("dim", [0, -1, len(shape) // 2])
    return Case(
        tuple(s.array([s.side(1, 4) if d == dim % len(shape) else n for d, n in enumerate(shape)]) for _ in range(3)),
        {"dim": dim},
    )


# ---- pooling, resizing, padding


def _pooled(s: Source, *kinds: str, dilated: bool = False) -> tuple[Array, dict[str, Any]]:
    kernel = s.param("kernel_size", [2, 1, 3, 4])
    p = {
        "kernel_size": kernel,
        "stride": s.param("stride", [kernel, *(n for n in (1, 2, 3, 4) if n != kernel)]),
        "padding": s.param("padding", list(range(min(_pair(kernel)) // 2 + 1))),
    }
    dilation = s.param("dilation", [1, 2]) if dilated else 1
    axes, long = zip(_pair(kernel), _pair(dilation), _pair(p["stride"]), _pair(p["padding"])), s.side(0, 0)
    # no shorter than the dilation: else a window may hold nothing but padding, and has no maximum
    size = [max(d, _image_side(s, d * (k - 1) + 1, *rest) + long) for k, d, *rest in axes]
    x = s.array((s.factor("batch", _BATCHES), s.integer(1, 4), *size), *kinds)
    return x, p | ({"dilation": dilation} if dilated else {})


@_entry("input", kernel_size=2, stride=2, padding=0, dilation=1)
def _max_pool2d(s: Source) -> Case:
    x, p = _pooled(s, "corners", "ties", dilated=True)
    return Case((x,), p)


@_entry("input", kernel_size=2, stride=2, padding=0, count_include_pad=True, divisor_override=None)
def _avg_pool2d(s: Source) -> Case:
    x, p = _pooled(s)
    p["count_include_pad"] = s.param("count_include_pad", [True, False])
    return Case((x,), {**p, "divisor_override": s.param("divisor_override", [None, 3])})


@_entry("input", output_size=2)
def _adaptive_avg_pool2d(s: Source) -> Case:
    x = s.array((s.factor("batch", _FULL), s.integer(1, 2), s.integer(1, 5), s.side(1, 5)))
    return Case((x,), {"output_size": s.param("output_size", [2, 1, (3, 2)])})


@_entry("input", upscale_factor=2)
def _pixel_shuffle(s: Source) -> Case:
    r = s.param("upscale_factor", [2, 1, 3])
    x = s.array((s.factor("batch", _FULL), s.integer(1, 2) * r * r, s.integer(1, 3), s.side(1, 3)))
    return Case((x,), {"upscale_factor": r})


@_entry("input", downscale_factor=2)
def _pixel_unshuffle(s: Source) -> Case:
    r = s.param("downscale_factor", [2, 1, 3])
    x = s.array((s.factor("batch", _FULL), s.integer(1, 2), s.integer(1, 2) * r, s.side(1, 2) * r))
    return Case((x,), {"downscale_factor": r})


@_entry("input", scale_factor=2, mode="nearest")
def _interpolate(s: Source) -> Case:
    x = s.array((s.factor("batch", _FULL), s.integer(1, 2), s.integer(1, 4), s.side(1, 4)))
    p: dict[str, Any] = {"mode": s.param("mode", ["nearest", "bilinear", "bicubic"])}
    if "scale_factor" not in s.fixed and s.factor("size given", [False, True]):
        p["size"] = (s.integer(1, 6), s.integer(1, 6))
    else:
        p["scale_factor"] = s.param("scale_factor", [2, 3, 1])
    if p["mode"] != "nearest":
        p["align_corners"] = s.param("align_corners", [False, True])
        if not p["align_corners"]:
            p["antialias"] = s.param("antialias", [False, True])
    return Case((x,), p)


@_entry("input", pad=(1, 1), mode="constant", value=0.0)
def _pad(s: Source) -> Case:
    x = s.array((s.factor("batch", _FULL), 2, s.integer(3, 4), s.side(3, 4)))
    mode = s.param("mode", ["constant", "reflect", "replicate", "circular"])
    p = {"pad": s.param("pad", [tuple(s.factor(f"pad {k}", [0, 1, 2]) for k in range(4))]), "mode": mode}
    return Case((x,), p | ({"value": s.param("value", [0.0, -1.5])} if mode == "constant" else {}))


# ---- normalization


@_entry("input weight bias", training=True, eps=1e-5)
def _batch_norm(s: Source) -> Case:
    c = s.side(1, 3)
    images = s.factor("images", [(), (s.side(2, 3),), (2, 2)])
    x = s.array((s.integer(2, 4), c, *images), "gaussian", "offset", "constant")
    p: dict[str, Any] = {"training": s.param("training", [True, False]), "eps": s.param("eps", [1e-5, 1e-2])}
    if not p["training"]:
        p |= {"running_mean": s.array((c,)), "running_var": s.array((c,), "positive")}
    return Case((x, s.array((c,), "away"), s.array((c,))), p)


@_entry("input weight bias", eps=1e-5)
def _instance_norm(s: Source) -> Case:
    c = s.side(1, 3)
    x = s.array((s.factor("batch", _FULL), c, s.integer(2, 3), s.side(2, 3)), "gaussian", "offset", "constant")
    return Case((x, s.array((c,), "away"), s.array((c,))), {"eps": s.param("eps", [1e-5, 1e-2])})


@_entry("input weight bias", num_groups=2, eps=1e-5)
def _group_norm(s: Source) -> Case:
    groups = s.param("num_groups", [1, 2])
    c = groups * s.side(1, 2)
    x = s.array((s.factor("batch", _FULL), c, s.integer(2, 3), s.side(2, 3)), "gaussian", "offset", "constant")
    return Case((x, s.array((c,), "away"), s.array((c,))), {"num_groups": groups, "eps": s.param("eps", [1e-5, 1e-2])})


@_entry("input weight bias", eps=1e-5)
def _layer_norm(s: Source) -> Case:
    side = s.side(3, 5)
    shape = s.factor("shape", [(side,), (2, side)])
    x = s.array((*s.shape(1, 2, 3), *shape), "gaussian", "offset", "constant")
    return Case(
        (x, s.array(shape, "away"), s.array(shape)),
        {"normalized_shape": s.param("normalized_shape", [shape]), "eps": s.param("eps", [1e-5, 1e-2])},
    )


# ---- one element at a time


def _elementwise(name: str, *kinds: str, **params: Sequence[Any]) -> None:
    def make(s: Source) -> Case:
        x = s.array(s.shape(1, 3) if s.integer(0, 3) else (s.side(1, 4),), *kinds)
        return Case((x,), {key: s.param(key, choices) for key, choices in params.items()})

    OP_REGISTRY[name] = Entry(name, ("input",), make, {key: choices[0] for key, choices in params.items()})


_elementwise("relu", "corners", "gaussian", "ties")
_elementwise("leaky_relu", "gaussian", "ties", negative_slope=[0.01, 0.2, 0.0])
_elementwise("elu", "gaussian", "ties", alpha=[1.0, 0.5])
_elementwise("silu", "gaussian", "logits")
_elementwise("gelu", "gaussian", approximate=["none", "tanh"])
_elementwise("tanh", "gaussian", "logits")
_elementwise("sigmoid", "gaussian", "logits")
_elementwise("softplus", "gaussian", "logits")
_elementwise("exp", "gaussian", "logits")
_elementwise("log", "positive", "log_uniform")
_elementwise("sqrt", "positive", "log_uniform")


@_entry("input weight")
def _prelu(s: Source) -> Case:
    x = s.array(s.shape(2, 3), "gaussian", "ties")
    return Case((x, s.array((s.factor("weights", [1, x.shape[1]]),))))


_elementwise("abs", "gaussian", "ties")
_elementwise("sin", "gaussian")
_elementwise("cos", "gaussian")

_EXPONENTS = [2.0, 3.0, 1.0, 0.0, -1.0, 0.5, 1.5]


@_entry("input", exponent=2.0)
def _pow(s: Source) -> Case:
    exponent = s.param("exponent", _EXPONENTS)
    kinds = ("gaussian",) if exponent >= 0 and exponent == int(exponent) else ("away",)
    kinds = kinds if exponent == int(exponent) else ("positive",)
    return Case((s.array(s.shape(1, 3), *kinds),), {"exponent": exponent})


# ---- two arrays that broadcast


def _broadcasting(s: Source) -> tuple[Any, Any]:
    n, m = s.side(1, 4), s.side(3, 5)
    shapes = [((n, m), (n, m)), ((n, m), (m,)), ((n, 1), (1, m)), ((m,), (2, n, m)), ((), (n,)), ((n, m), ())]
    return s.param("shapes", shapes)


def _arithmetic(name: str, *kinds: str) -> None:
    def make(s: Source) -> Case:
        a, b = _broadcasting(s)
        return Case((s.array(a), s.array(b, *kinds)))

    OP_REGISTRY[name] = Entry(name, ("input", "other"), make)


_arithmetic("add")
_arithmetic("sub")
_arithmetic("mul")
_arithmetic("div", "away")


@_entry("input other")
def _maximum(s: Source) -> Case:
    larger = s.factor("larger at the corners", [0, 1])
    kinds = ["corners" if i == larger else "gaussian" for i in (0, 1)]
    return Case(tuple(s.array(shape, kind, "ties") for shape, kind in zip(_broadcasting(s), kinds)))


# ---- along a dimension


def _over_dims(name: str, *kinds: str) -> None:
    def make(s: Source) -> Case:
        shape = (*s.shape(1, 2), s.side(2, 5))
        dim = s.param("dim", [(), -1, 0, (0, -1)])
        if dim in ((), None):  # PyTorch's sum has no keepdim then
            return Case((s.array(shape, *kinds),))
        return Case((s.array(shape, *kinds),), {"dim": dim, "keepdim": s.param("keepdim", [False, True])})

    OP_REGISTRY[name] = Entry(name, ("input",), make, {"dim": (), "keepdim": False})


_over_dims("sum", "gaussian", "wide")
_over_dims("amax", "corners", "gaussian", "ties")


def _longer(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    """A shape with one more element along `dim`: of a single one, many functions give what does not depend on it."""
    return tuple(n + 1 if d == dim % len(shape) else n for d, n in enumerate(shape))


def _along_dim(name: str, *kinds: str, **params: Sequence[Any]) -> None:
    def make(s: Source) -> Case:
        shape = s.shape(1, 3)
        dim = s.param("dim", [-1, 0, len(shape) // 2, -len(shape)])
        x = s.array(_longer(shape, dim), "gaussian", "spread", *kinds)
        return Case((x,), {"dim": dim, **{key: s.param(key, choices) for key, choices in params.items()}})

    OP_REGISTRY[name] = Entry(name, ("input",), make, {"dim": -1, **{k: choices[0] for k, choices in params.items()}})


_along_dim("softmax")
_along_dim("log_softmax")
_along_dim("logsumexp", keepdim=[False, True])
_along_dim("mean", keepdim=[False, True])
_along_dim("var", "constant", correction=[1, 0], keepdim=[False, True])


@_entry("input", p=2.0, dim=1)
def _normalize(s: Source) -> Case:
    p = {"p": s.param("p", [2.0, 1.0]), "dim": s.param("dim", [1, 0])}
    return Case((s.array(_longer(s.shape(2, 3), p["dim"]), "away"),), p)


@_entry("x1 x2", dim=1)
def _cosine_similarity(s: Source) -> Case:
    dim = s.param("dim", [1, 0])
    shape = _longer(s.shape(2, 3), dim)
    return Case((s.array(shape, "away"), s.array(shape, "away")), {"dim": dim})


# ---- losses

_REDUCTIONS = ["mean", "sum", "none"]


def _regression(s: Source, *kinds: str) -> Case:
    shape = s.shape(1, 3)
    return Case((s.array(shape, *kinds), s.array(shape, *kinds)), {"reduction": s.param("reduction", _REDUCTIONS)})


@_entry("input target", "target", reduction="mean")
def _mse_loss(s: Source) -> Case:
    return _regression(s)


@_entry("input target", "target", reduction="mean")
def _l1_loss(s: Source) -> Case:
    return _regression(s, "gaussian", "ties")


def _two_sided(name: str, width: str) -> None:
    def make(s: Source) -> Case:
        case = _regression(s)
        return Case(case.inputs, {**case.params, width: s.param(width, [1.0, 0.5])})

    OP_REGISTRY[name] = Entry(name, ("input", "target"), make, {"reduction": "mean", width: 1.0}, ("target",))


_two_sided("smooth_l1_loss", "beta")
_two_sided("huber_loss", "delta")


def _weights(s: Source, name: str, shape: Sequence[int]) -> dict[str, Any]:
    """An optional array of positive weights, given in one case of two."""
    if name in s.fixed:
        return {name: s.fixed[name]}
    return {name: s.array(shape, "positive") if s.param(f"{name} given", [False, True]) else None}


@_entry("input target", "target", reduction="mean", weight=None)
def _binary_cross_entropy(s: Source) -> Case:
    shape = s.shape(1, 2)
    target = s.array(shape, "unit", "labels")
    p = {"reduction": s.param("reduction", _REDUCTIONS), **_weights(s, "weight", shape)}
    return Case((s.array(shape, "probabilities"), target), p)


@_entry("input target", "target", reduction="mean", weight=None, pos_weight=None)
def _binary_cross_entropy_with_logits(s: Source) -> Case:
    shape = s.shape(1, 2)
    target = s.array(shape, "unit", "labels")
    p = {"reduction": s.param("reduction", _REDUCTIONS), **_weights(s, "weight", shape)}
    return Case((s.array(shape, "gaussian", "logits"), target), {**p, **_weights(s, "pos_weight", shape[-1:])})


def _classified(s: Source) -> Case:
    n, k = s.integer(1, 4), s.side(2, 4)
    tail = s.factor("positions", [(), (s.side(1, 3),)])
    target = s.generator().integers(0, k, (n, *tail))
    if s.factor("corners", [False, True]):  # the first, the last and the middle element of the input count
        for place in (0, target.size * k // 2, target.size * k - 1):
            i, label, *position = np.unravel_index(place, (n, k, *tail))
            target[(i, *position)] = label
    ignore = s.param("ignore_index", [-100, int(target.flat[0])])
    if np.all(target == ignore):
        ignore = -100
    p = {"reduction": s.param("reduction", _REDUCTIONS), "ignore_index": ignore, **_weights(s, "weight", (k,))}
    return Case((s.array((n, k, *tail), "gaussian", "spread"), target), p)


@_entry("input target", "target", reduction="mean", ignore_index=-100, weight=None)
def _nll_loss(s: Source) -> Case:
    return _classified(s)


@_entry("input target", "target", reduction="mean", label_smoothing=0.0, ignore_index=-100, weight=None)
def _cross_entropy(s: Source) -> Case:
    case = _classified(s)
    return Case(case.inputs, {**case.params, "label_smoothing": s.param("label_smoothing", [0.0, 0.1])})
