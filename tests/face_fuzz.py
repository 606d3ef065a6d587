"""Random calls of the whole public face, compared with PyTorch: ``python tests/face_fuzz.py SEED CALLS``.

Every function of `minigen.functional` and every operation of `minigen` is called with arrays of any size, layout and
dtype, ordinary or with infinities, NaN, huge and tiny numbers.  Where PyTorch computes something, minigen must give the
same value and the same gradient.  Where one argument is of a wrong type, minigen must say so in one line.
"""

import inspect
import math
import sys
import warnings
from collections import Counter

import numpy as np
import torch

import minigen as mg
from minigen import kernels
from minigen.check.op_registry import BY_NAME, OP_REGISTRY, RandomSource

TF = torch.nn.functional
SPECIAL = [math.inf, -math.inf, math.nan, 0.0, -0.0, 1.0, -1.0, 3e38, -3e38, 1e-38, 1e-45, 88.0, -88.0, 710.0, 1e-8]
DELTA = 1e-9
REFUSALS = (TypeError, ValueError, IndexError, RuntimeError)

# ---- what is called: nothing is listed by hand but what cannot be compared, with the reason

NOT_COMPARED = {
    "bernoulli": "random", "multinomial": "random", "dropout": "random: its mask is not PyTorch's",
    "allclose": "gives a Python boolean: tested by itself", "equal": "gives a Python boolean: tested by itself",
    "grid_sample": "its grid is finite and has no gradient: compared in test_torch_parity.py",
    "einsum": "its operands follow from an equation: tested by itself",
}  # fmt: skip

# ---- where minigen does not follow PyTorch, on purpose: a function of the arguments marks exactly those elements


def slices(bad, options, dim=None):
    """Mark every element of the slices along `dim` that have a bad one."""
    dim = options.get("dim", dim)
    dim = tuple(dim) if isinstance(dim, list) else dim
    return np.broadcast_to(bad.any(axis=dim if bad.ndim else None, keepdims=True), bad.shape)


def reduced(marks, shape):
    """Marks of an operand of `shape` that was broadcast: whether any of its copies is marked."""
    new = marks.ndim - len(shape)
    return marks.any(axis=(*range(new), *(i + new for i, n in enumerate(shape) if n == 1)), keepdims=True).reshape(
        shape
    )


def length_is_limited(args, options, i):
    """Vectors that are shorter than eps, or infinite, or multiplied by an infinite one."""
    dim = options.get("dim", 1)
    whole = np.broadcast_arrays(*args[:2])
    odd = slices(~np.isfinite(whole[0]) | ~np.isfinite(whole[1]), {}, dim)
    with np.errstate(over="ignore"):
        short = np.sqrt(np.square(whole[i]).sum(axis=dim, keepdims=True)) <= options.get("eps", 1e-8) * (1 + 1e-6)
    return reduced(odd | short, args[i].shape)


def ignored_rows(args, options, i):
    """All logits of a label that does not count."""
    logits, labels = args[:2]
    if labels.dtype.kind == "f" or i:
        return np.zeros((logits, *[a for a in args[1:] if a.dtype.kind == "f"])[i].shape, bool) if i < 2 else None
    ignored = labels == options.get("ignore_index", -100)
    return np.broadcast_to(np.expand_dims(ignored, 0 if logits.ndim == 1 else 1), logits.shape)


DELIBERATE = {
    "prod": (
        lambda args, options, i: (
            np.isinf(args[0]) | (slices(~np.isfinite(args[0]), options) & slices(args[0] == 0, options))
        ),
        "the product of the others is right where PyTorch divides infinity by infinity; with two zeros PyTorch takes 0, "
        "though infinity or NaN times 0 is NaN",
    ),
    "amax": (
        lambda args, options, i: slices(np.isnan(args[0]), options),
        "NaN is the largest element and gets the cotangent; PyTorch gives NaN to all",
    ),
    "amin": (lambda args, options, i: slices(np.isnan(args[0]), options), "as amax"),
    "l1_loss": (
        lambda args, options, i: np.isnan(args[0] - args[1]),
        "the gradient of NaN is NaN; PyTorch's sign of NaN is 0",
    ),
    "cosine_similarity": (
        length_is_limited,
        "below eps the length is a constant; PyTorch's gradient is that of the length. Of infinity: PyTorch gives NaN "
        "to fewer elements",
    ),
    "normalize": (
        lambda args, options, i: slices(np.isinf(args[0]), options, 1),
        "beside infinity the finite elements have the derivative 1 / infinity, 0; PyTorch multiplies infinity by 0",
    ),
    "scaled_dot_product_attention": (
        lambda args, options, i: bool(options) and not all(np.isfinite(a).all() for a in args if a.dtype.kind == "f"),
        "a masked key has the weight 0 also beside an infinite score; PyTorch's softmax makes the whole row NaN",
    ),
    "cross_entropy": (ignored_rows, "their gradient is 0; PyTorch computes NaN from an infinite logit"),
    "pow": (
        lambda args, options, i: np.signbit(args[0]) & ((args[0] == 0) | np.isinf(args[0])),
        "the power of -0 and of -inf as C defines it; PyTorch takes 1 / sqrt(x) for the exponent -0.5",
    ),
    "binary_cross_entropy": (
        lambda args, options, i: args[0] * (1 - args[0]) < [1e-12, math.exp(-100)][i],
        "the derivative of the logarithm, which is limited to -100; PyTorch limits p (1 - p) to 1e-12, and not at all "
        "for the gradient of the target",
    ),
}
"""The elements of the gradient of the i-th argument that are not compared, by the name of the function, and why."""


def terms_of_cosine(args, options):
    """The gradient is a difference of two vectors of about the inverse length."""
    with np.errstate(over="ignore", divide="ignore"):
        lengths = [np.sqrt(np.square(x).sum(axis=options.get("dim", 1))) for x in map(np.float64, args[:2])]
        return 1 / min(max(x[x > 0].min(initial=np.inf), options.get("eps", 1e-8)) for x in lengths)


def terms_of_std(args, options):
    """The gradient is a distance from the mean over the deviation, and PyTorch rounds the mean."""
    dim, x = options.get("dim"), np.where(np.isfinite(args[0]), args[0], 0).astype(np.float64)
    if not x.ndim or not x.size:
        return 0
    with np.errstate(all="ignore"):
        deviation = x.std(axis=tuple(dim) if isinstance(dim, list) else dim, keepdims=True)
        return (np.abs(x) / np.where(deviation > 0, deviation, np.inf)).max(initial=0)


TERMS = {"cosine_similarity": terms_of_cosine, "std": terms_of_std}
"""Where a gradient is a difference of larger numbers: how large those are, and so the rounding errors, PyTorch's too."""

ORDINARY = {
    "weight": "an infinite or NaN scale of a norm: PyTorch's formulas differ among themselves in where NaN appears",
    "bias": "as weight",
    "target": "a probability is between 0 and 1",
    "running_mean": "as weight", "running_var": "as weight",
}  # fmt: skip
"""Arguments that get no special values."""

VARIANCES = {"batch_norm", "group_norm", "instance_norm", "layer_norm"}
"""Their kernels hand on the variance.  It is above 3.4e38, the largest float32, where a deviation is above its root, 1.8e19.

From there on a norm in float32 gives zeros or NaN, PyTorch's too: these functions get no finite numbers above 1e19.
"""

PRODUCTS = {"prod"}
"""A part of a product can overflow float32, or become 0, though the whole does not, in whatever order one multiplies.

PyTorch multiplies from the first to the last, minigen by halves: this function gets no finite numbers above 1e19 and,
but for 0, none below 1e-19.
"""

# A gradient where the input itself is NaN is not compared: PyTorch gives 0 in some operations (abs, clamp), the slope in
# others.


def operations():
    """Names of all functions that compute something from Tensors."""
    names = {name for name in mg.__all__ if getattr(getattr(mg, name), "__module__", "").startswith("minigen.ops")}
    return sorted((names | set(mg.functional.__all__)) - set(NOT_COMPARED))


def ours(name):
    return getattr(mg.functional if name in mg.functional.__all__ else mg, name)


class Finite(torch.autograd.Function):
    """Put 0 in place of infinities and NaN; the derivative stays 1."""

    @staticmethod
    def forward(ctx, x):
        return torch.nan_to_num(x, 0.0, 0.0, 0.0)

    @staticmethod
    def backward(ctx, g):
        return g


def interpolated(input, *args, **options):
    """PyTorch's result, but infinities and NaN reach only pixels in which they have a weight."""

    def resized(x):
        height, width = options.get("size") or (0, 0)
        if options.get("antialias") and width == 1:  # PyTorch 2.13 repeats the first row there, but no first column
            return TF.interpolate(x.mT.contiguous(), *args, **options | {"size": (1, height)}).mT
        return TF.interpolate(x, *args, **options)

    batch, channels, height, width = input.shape
    pixels = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width)
    weights, flat = resized(pixels)[:, 0], input.detach().reshape(batch, channels, height * width)

    def reached(at, sign):
        heavy = (weights * sign > 1e-12).double()
        return torch.einsum("nck,kpq->ncpq", at.double(), heavy) > 0

    plus = reached(flat == math.inf, 1) | reached(flat == -math.inf, -1)
    minus = reached(flat == math.inf, -1) | reached(flat == -math.inf, 1)
    nan = reached(flat.isnan(), 1) | reached(flat.isnan(), -1)
    out = resized(Finite.apply(input))
    with torch.no_grad():
        out[plus], out[minus], out[nan | (plus & minus)] = math.inf, -math.inf, math.nan
    return out


def with_limits(function):
    """`function`, which is 0 or x far from 0, with these limits at infinities, where PyTorch gives NaN."""

    def limited(input, *args, **options):
        infinite = torch.isinf(input)
        inside = function(torch.where(infinite, 0.0, input), *args, **options)
        return torch.where(infinite, torch.relu(input), inside)

    return limited


def logit_loss(input, target, weight=None, reduction="mean", pos_weight=None):
    """The definition; PyTorch's formula gives NaN for every infinite logit, also where the loss is 0 or infinite."""

    def share(part, loss):
        return part * torch.where((part == 0) & torch.isinf(loss), 0.0, loss)

    def softplus(x):
        return TF.softplus(x, threshold=100)

    positive = target if pos_weight is None else target * pos_weight
    loss = share(positive, softplus(-input)) + share(1 - target, softplus(input))
    loss = loss if weight is None else loss * weight
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def pooled(input, kernel_size, stride=None, padding=0, dilation=1):
    """PyTorch's max pooling, but where a window has only padding: its gradient there is written outside its arrays."""
    result = TF.max_pool2d(input, kernel_size, stride, padding, dilation)
    for axis in range(2):
        k, s, p, d = (
            x if isinstance(x, int) else x[axis] for x in (kernel_size, stride or kernel_size, padding, dilation)
        )
        read = np.arange(result.shape[2 + axis])[:, None] * s - p + np.arange(k) * d
        if not ((read >= 0) & (read < input.shape[2 + axis])).any(1).all():
            raise RuntimeError("a window has only padding")
    return result


def theirs(name):
    if name == "interpolate":
        return interpolated
    if name == "leaky_relu":  # with a slope of 0 PyTorch multiplies infinity by it
        return lambda input, negative_slope=0.01: (
            TF.leaky_relu(input, negative_slope) if negative_slope else torch.relu(input)
        )
    if name in ("gelu", "silu"):
        return with_limits(getattr(TF, name))
    if name == "binary_cross_entropy_with_logits":
        return logit_loss
    if name == "max_pool2d":
        return pooled
    if name in ("softplus",):
        return lambda input: TF.softplus(input, threshold=40)
    if any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(ours(name)).parameters.values()):
        return getattr(torch.Tensor, name)
    return getattr(TF, name, None) or getattr(torch, name, None) or getattr(torch.Tensor, name)


# ---- arguments


class Draw:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def integer(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def choose(self, choices):
        return choices[self.integer(0, len(choices) - 1)]

    def chance(self, p):
        return self.rng.random() < p

    def shape(self, least=0, most=4):
        if self.chance(0.03):
            return tuple(self.choose([0, 1, 2]) for _ in range(self.integer(max(least, 1), most)))
        if self.chance(0.02):
            return (self.choose([1, 3, 700]), self.choose([1, 5, 900]))[: max(least, 2)]
        return tuple(self.integer(1, 4) for _ in range(self.integer(least, most)))

    def array(self, shape):
        x = self.rng.standard_normal(shape)
        if self.chance(0.2):  # ties
            x = np.round(x)
        return np.asarray(x, np.float64)


def by_name(draw, name, function):
    """Arguments by the names and defaults of the parameters: positional ones, then a dictionary."""
    x = draw.array(draw.shape(1 if name in ("split", "chunk", "cumsum", "gather", "logsumexp", "cat") else 0))
    args, options = [], {}
    n = x.ndim

    def dim():
        return draw.integer(-n - draw.chance(0.05), max(n - 1 + draw.chance(0.05), 0)) if n else draw.integer(-1, 0)

    def broadcast(shape):
        return (
            tuple(draw.choose([m, m, 1]) for m in shape[draw.integer(0, len(shape)) :]) if draw.chance(0.5) else shape
        )

    if name in ("matmul", "mm", "bmm"):
        k = draw.integer(0, 4)
        lead = {"mm": (), "bmm": (2,)}.get(name, draw.choose([(), (2,), (2, 3)]))
        return [draw.array((*lead, draw.integer(1, 4), k)), draw.array((*lead, k, draw.integer(1, 4)))], {}
    if name in ("t", "tril", "triu"):
        x = draw.array(tuple(draw.integer(0 if draw.chance(0.1) else 1, 4) for _ in range(2)))
        return [x], {} if name == "t" else {"diagonal": draw.integer(-3, 3)}
    if name == "affine_grid":
        images, align = draw.integer(1, 3), draw.choose([{}, {"align_corners": True}])
        return [draw.array((images, 2, 3)), (images, 1, draw.integer(1, 4), draw.integer(1, 4))], align
    for p in inspect.signature(function).parameters.values():
        if p.name in ("input", "base"):
            args.append(x)
        elif p.name == "other":
            args.append(draw.array(broadcast(x.shape)) if draw.chance(0.8) else draw.choose([2.0, 0.5, -1, 0]))
        elif p.name == "tensors":
            args.append([x, *(draw.array(x.shape) for _ in range(draw.integer(0, 2)))])
        elif p.name == "condition" or p.name == "mask":
            args.append(draw.rng.random(broadcast(x.shape)) < 0.5)
        elif p.name == "exponent":
            args.append(draw.choose([2, 3, 0.5, -1, 0, 1, 2.5, -2]))
        elif p.name in ("indices", "index"):
            at = options.get("dim", args[1] if name == "gather" and len(args) > 1 else None)
            at = draw.integer(-n, n - 1) if at is None and n else at or 0
            if not isinstance(at, int) or not -max(n, 1) <= at < max(n, 1):
                at = 0
            sizes = [draw.integer(1, 3) if d == at % max(n, 1) else m for d, m in enumerate(x.shape)]
            args.append(draw.rng.integers(0, max(x.shape[at] if n else 1, 1), sizes))
            if name == "take_along_dim":
                options["dim"] = at
        elif p.name in ("dim0", "dim1", "dims") or (p.name == "dim" and "dim" not in options):
            if p.name == "dims" and p.kind is p.VAR_POSITIONAL:
                args += [int(d) for d in draw.rng.permutation(n)]
            elif p.name == "dims":
                args.append(tuple(int(d) for d in draw.rng.permutation(n)[: draw.integer(0, n)]))
            elif p.default is inspect.Parameter.empty or draw.chance(0.7):
                value = dim()
                if "Sequence" in str(p.annotation) and n > 1 and draw.chance(0.3):
                    value = tuple(int(d) for d in draw.rng.permutation(n)[: draw.integer(1, n)])
                options[p.name] = value
                if name == "gather":
                    args.append(options.pop(p.name))
        elif p.name == "shape":
            if name == "expand":
                args += [draw.choose([-1, m]) if m != 1 else draw.integer(1, 3) for m in x.shape]
            else:
                args += draw.choose([[-1], list(x.shape[::-1]), [x.size], [1, *x.shape]])
        elif p.name == "repeats":
            args += [draw.integer(1, 2) for _ in range(n + draw.integer(0, 1))]
        elif p.name == "split_size" or p.name == "chunks":
            args.append(draw.integer(1, 3))
        elif p.name == "value":
            args.append(draw.choose([0.0, -2.0, math.inf]))
        elif p.name in ("start_dim", "end_dim"):
            if draw.chance(0.5):
                options[p.name] = dim()
        elif p.name == "keepdim":
            if draw.chance(0.5) and not (name in ("max", "min", "argmax", "argmin", "prod") and "dim" not in options):
                options["keepdim"] = draw.chance(0.5)
        elif p.name == "unbiased" and draw.chance(0.5):
            options["unbiased"] = draw.chance(0.5)
        elif p.name in ("min", "max") and p.default is None and (draw.chance(0.7) or (p.name == "max" and not options)):
            options[p.name] = draw.choose([-0.5, 0.0, 1.0])
        elif p.name == "p" and draw.chance(0.6):
            options["p"] = draw.choose([1, 2, 3, math.inf])
        elif p.name == "tensor":
            args.append(draw.rng.integers(0, 4, draw.shape(0, 2)))
    return args, options


def arguments(draw, name):
    entry = OP_REGISTRY.get(name)
    if entry is not None and entry.convention is None and draw.chance(0.9):
        case = entry.make(RandomSource(draw.rng))
        options = dict(case.params)
        args = []
        for key, array in zip(entry.inputs, case.inputs):
            if key in BY_NAME:
                options[key] = array
            else:
                args.append(array)
        if name == "batch_norm":
            options = {"running_mean": None, "running_var": None, **options}
        return args, options
    args, options = by_name(draw, name, ours(name))
    try:
        inspect.signature(ours(name)).bind(*args, **options)
    except TypeError:  # a parameter that `by_name` does not know
        return arguments(draw, name)
    return args, options


def spoil(draw, x, name):
    """Some elements replaced by special ones."""
    x = np.array(x)
    choices = [v for v in SPECIAL if name not in VARIANCES | PRODUCTS or not 1e19 < abs(v) < math.inf]
    choices = [v for v in choices if name not in PRODUCTS or not 0 < abs(v) < 1e-19]
    if x.size:
        for _ in range(draw.integer(1, 3)):
            x.reshape(-1)[draw.integer(0, x.size - 1)] = draw.choose(choices)
    return x


# ---- one call


def mapped(function, value):
    if isinstance(value, list):
        return [mapped(function, v) for v in value]
    return function(value) if isinstance(value, np.ndarray) else value


def outputs(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def near(rng, args, options):
    """The arguments, changed a little."""

    def moved(x):
        x = np.asarray(x, np.float64) if x.dtype.kind == "f" else x
        with np.errstate(all="ignore"):
            factor = 1 + DELTA * rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1, x.shape)
            return x if x.dtype.kind != "f" else np.asarray(x * factor)

    return [mapped(moved, a) for a in args], {k: mapped(moved, v) for k, v in options.items()}


def leaves_of(values):
    """The arrays of floats among the arguments, in order."""
    flat = [x for v in values for x in (v if isinstance(v, list) else [v])]
    return [x for x in flat if isinstance(x, np.ndarray) and x.dtype.kind == "f"]


def evaluate(function, args, options, make, gradient):
    leaves = []

    def tensor(x):
        t = make(x)
        if x.dtype.kind == "f":
            leaves.append(t)
        return t

    result = outputs(function(*[mapped(tensor, a) for a in args], **{k: mapped(tensor, v) for k, v in options.items()}))
    return [np.asarray(r.detach().numpy()) for r in result], gradient(result, leaves)


def our_gradient(result, leaves, cotangents):
    pairs = [(r, mg.tensor(g.astype(r.dtype))) for r, g in zip(result, cotangents) if r.requires_grad]
    if not pairs:
        return [None] * len(leaves)
    found = mg.grad([r for r, _ in pairs], leaves, [g for _, g in pairs], allow_unused=True)
    return [None if g is None else g.numpy() for g in found]


def their_gradient(result, leaves, cotangents):
    pairs = [(r, torch.tensor(g).to(r.dtype)) for r, g in zip(result, cotangents) if r.requires_grad]
    if not pairs:
        return [None] * len(leaves)
    found = torch.autograd.grad([r for r, _ in pairs], leaves, [g for _, g in pairs], allow_unused=True)
    return [None if g is None else g.numpy() for g in found]


def same(a, b, nearby, tolerance, terms=0):
    """The same infinities, NaN at the same places, and the rest close.

    How close depends on how much the oracle itself changes, to `nearby`, when its inputs change by DELTA of themselves;
    16 times that, because the changes of several inputs may cancel.
    """
    if a.shape != b.shape:
        return False
    if b.dtype.kind != "f" or a.dtype.kind != "f":
        return bool((a == b).all())
    with np.errstate(all="ignore"):
        change = np.nan_to_num(np.abs(nearby - b), posinf=0).max(initial=0) / DELTA * 16 if nearby is not None else 0
        b = b.astype(a.dtype)
        odd = ~np.isfinite(a) | ~np.isfinite(b)
        if not ((a == b) | (np.isnan(a) & np.isnan(b)))[odd].all():
            return False
        a, b = a[~odd].astype(np.float64), b[~odd].astype(np.float64)
        scale = np.abs(b) + max(np.abs(b).max(initial=0), 1) + change + terms
        return bool((np.abs(a - b) <= tolerance * scale).all())


def agrees(a, b, nearby, tolerance, terms=0):
    """As `same`, for gradients too: None stands for zeros."""
    if a is None or b is None:
        return all(x is None or not x.any() for x in (a, b))
    return same(a, b, nearby, tolerance, terms)


def listed(x):
    return None if x is None else x.tolist()


def describe(value):
    if isinstance(value, list):
        return [describe(v) for v in value]
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {value.tolist() if value.size < 13 else ''}"
    return value


class Disagreement(Exception):
    pass


def call(seed, name):
    """One random call; gives what came of it, or raises Disagreement."""
    draw = Draw(seed)
    args, options = arguments(draw, name)
    special, dtype = draw.chance(0.3), draw.choose([np.float32, np.float64])

    def prepare(x, argument=""):
        if x.dtype.kind != "f":
            return x
        x = spoil(draw, x, name) if special and argument not in ORDINARY and draw.chance(0.7) else x
        with np.errstate(over="ignore"):
            x = np.asarray(x, dtype)
        return draw.choose([x, x, np.asfortranarray(x), np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x])

    names = list(inspect.signature(ours(name)).parameters)
    args = [mapped(lambda x, n=n: prepare(x, n), a) for a, n in zip(args, [*names, *[""] * len(args)])]
    options = {k: mapped(lambda x, k=k: prepare(x, k), v) for k, v in options.items()}
    floats = leaves_of([*args, *options.values()])
    where = f"{name}, seed {seed}: {[describe(a) for a in args]}, { {k: describe(v) for k, v in options.items()} }"

    def ours_tensor(x):
        return mg.Tensor(x.view(), requires_grad=x.dtype.kind == "f")

    def make(kind):
        def tensor(x):
            t = torch.tensor(np.array(x, order="C"))
            return t.to(kind).requires_grad_() if x.dtype.kind == "f" else t

        return tensor

    variants = [torch.float64] if dtype == np.float64 else [torch.float64, torch.float32]
    cotangents = [draw.rng.standard_normal(64) for _ in range(8)]

    def sized(grads):
        return lambda r, leaves: grads(r, leaves, [np.resize(g, tuple(t.shape)) for g, t in zip(cotangents, r)])

    expected, refused = [], None
    for kind in variants:
        try:
            expected.append(evaluate(theirs(name), args, options, make(kind), sized(their_gradient)))
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
            refused = error
    try:
        nearby = evaluate(theirs(name), *near(draw.rng, args, options), make(torch.float64), sized(their_gradient))
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):
        nearby = None
    try:
        kernel_set = "reference" if special else draw.choose(["reference", "cpu"])
        with kernels.use(kernel_set), np.errstate(all="ignore"):
            values, grads = evaluate(ours(name), args, options, ours_tensor, sized(our_gradient))
    except REFUSALS as error:
        if "\n" in str(error):
            raise Disagreement(f"{where}: message of several lines: {error}") from None
        if not expected:
            return "refused by both"
        raise Disagreement(f"{where}: refused with {type(error).__name__}: {error}") from None
    except Exception as error:
        raise Disagreement(f"{where}: {type(error).__name__}: {error}") from None
    if not expected:
        return f"only minigen computes ({type(refused).__name__})"
    tolerance = 64 * np.finfo(dtype).eps
    for part, mine in (("value", values), ("gradient", grads)):
        terms = TERMS[name](args, options) if name in TERMS and part == "gradient" else 0
        for i, a in enumerate(mine):
            choices = [e[part == "gradient"][i] if len(e[part == "gradient"]) > i else None for e in expected]
            moved = nearby[part == "gradient"][i] if nearby and len(nearby[part == "gradient"]) > i else None
            if part == "gradient" and a is not None:
                left_out = np.isnan(floats[i])
                if name in DELIBERATE:
                    left_out = left_out | DELIBERATE[name][0](args, options, i)
                a, moved, *choices = (x if x is None else x[~left_out] for x in (a, moved, *choices))
            fine = any(agrees(a, b, moved, tolerance, terms) for b in choices)
            if not fine:
                raise Disagreement(f"{where}: {part} {i} {listed(a)}, PyTorch {[listed(b) for b in choices]}")
    return "special" if special else "agrees"


WRONG = [
    None, [1.0, 2.0], "x", 3 + 0j, {}, np.ones((2, 2), "complex64"), np.ones((2, 2), "float32"), [[1.0], [2.0, 3.0]],
    mg.tensor([1, 2]), mg.tensor([True]), mg.ones(2, dtype="float64"), object(), math.nan, np.float64(2.5),
]  # fmt: skip
INNER = ("has no attribute", "object is not", "not supported between", "positional argument", "numpy.")


def call_wrongly(seed, name):
    """A valid call with one argument of a wrong type: an error of one line about an argument of this function."""
    draw = Draw(seed)
    args, options = arguments(draw, name)
    args = [mapped(lambda x: mg.tensor(x), a) for a in args]
    options = {k: mapped(lambda x: mg.tensor(x), v) for k, v in options.items()}
    places = [*range(len(args)), *options]
    if not places:
        return "accepted"
    place, wrong = draw.choose(places), draw.choose(WRONG)
    if isinstance(place, str):
        options[place] = wrong
    else:
        args[place] = [args[place][0], wrong] if isinstance(args[place], list) else wrong
    try:
        with np.errstate(all="ignore"):
            ours(name)(*args, **options)
    except REFUSALS as error:
        if "\n" not in str(error) and not any(text in str(error) for text in INNER):
            return "refused"
        fault = error
    except Exception as error:
        fault = error
    else:
        return "accepted"
    raise Disagreement(f"{name}, seed {seed}, argument {place} = {wrong!r}: {type(fault).__name__}: {fault}") from None


def run(seed, calls, limit=None):
    """Random calls of all operations in turn; gives counts and the disagreements."""
    counts, faults, agreed = Counter(), [], Counter()
    names = operations()
    warnings.simplefilter("ignore")
    for i in range(calls):
        name = names[i % len(names)]
        try:
            if i // len(names) % 8 == 7:
                counts[call_wrongly(seed * 1_000_003 + i, name)] += 1
                continue
            outcome = call(seed * 1_000_003 + i, name)
            counts[outcome] += 1
            agreed[name] += outcome in ("agrees", "special")
        except Disagreement as fault:
            faults.append(str(fault))
            if limit and len(faults) >= limit:
                break
    return counts, faults, agreed


if __name__ == "__main__":
    counts, faults, agreed = run(int(sys.argv[1]), int(sys.argv[2]))
    for fault in faults:
        print(fault[:600])
    print(dict(counts), len(faults), "faults;", "seldom:", [n for n in operations() if agreed[n] < 2])
