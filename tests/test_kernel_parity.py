"""Every kernel of every set that takes NumPy arrays here, against the reference in float64: enumerated, not listed.

- Within a bound derived from the number of roundings: each operation errs by a factor of at most 1 + u, so k of them in
  a row by gamma_k, and a sum of n terms by gamma_n times the sum of their sizes (Higham 2002, section 3.1).
- Exactly, where the kernel only adds and multiplies and the inputs are small integers: nothing is rounded then.
- Bit for bit the same when called again, with other numbers of threads, and on arrays in any memory.
- Inputs are left as they were, and results are nobody else's memory.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import kernels
from minigen.check.bounds import gamma, terms
from minigen.check.strategies import windows
from minigen.kernels import reference

KERNELS = sorted(reference.__all__)
ROUNDS = {"adam_step": "a square root and a quotient", "rmsprop_step": "a square root and a quotient"}
"""Kernels that round whatever they are given, and why."""

UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}


@dataclass
class Call:
    """What a kernel is called with.

    `bound(u, *args)` gives, for arguments in float64, what each result may be off by in a dtype of unit roundoff u.
    """

    args: tuple[Any, ...]
    bound: Callable[..., Any]
    writes: tuple[int, ...] = ()


@dataclass
class Geometry:
    n: int
    channels: int
    outputs: int
    groups: int
    window: dict[str, Any]

    def __post_init__(self):
        self.x = (self.n, self.channels * self.groups, *self.window["size"])
        self.w = (self.outputs * self.groups, self.channels, *self.window["kernel"])
        self.g = (self.n, self.outputs * self.groups, *self.window["pixels"])
        self.how = (*(self.window[k] for k in ("stride", "padding", "dilation")), self.groups)


@st.composite
def geometries(draw):
    n, c, o = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Geometry(n, c, o, draw(st.sampled_from([1, 2])), draw(windows()))


LARGE = Geometry(4, 8, 12, 2, {"size": (33, 35), "kernel": (3, 3), "stride": (1, 1), "padding": ((1, 1), (1, 1)),
                               "dilation": (1, 1), "pixels": (33, 35)})  # fmt: skip
"""Enough work to be shared out among threads."""


def absolute(*arrays):
    return [np.abs(a) for a in arrays]


# ---- each kernel's arguments and bound; `fill(shape)` draws an array


def conv(name):
    def make(fill, geo, rng):
        x, w, g = fill(geo.x), fill(geo.w), fill(geo.g)
        args = {
            "conv2d": (x, w, *geo.how),
            "conv2d_input_grad": (g, w, geo.x[2:], *geo.how),
            "conv2d_weight_grad": (x, g, geo.w[2:], *geo.how),
        }[name]
        n = terms(name, geo.x, geo.w, geo.g, geo.groups)
        return Call(args, lambda u, a, b, *how: gamma(n + 1, u) * getattr(reference, name)(*absolute(a, b), *how))

    return make


def matmul(fill, geo, rng):
    n, k, m = geo.x[1], geo.x[2], geo.x[3]
    return Call((fill((geo.n, 1, n, k)), fill((2, k, m))), lambda u, a, b: gamma(k, u) * (np.abs(a) @ np.abs(b)))


def leaky_relu(fill, geo, rng):
    return Call((fill(geo.x), 0.25), lambda u, x, slope: gamma(2, u) * np.abs(x))


def leaky_relu_grad(fill, geo, rng):
    return Call((fill(geo.x), fill(geo.x), 0.25), lambda u, g, x, slope: gamma(2, u) * np.abs(g))


def bias_leaky_relu(fill, geo, rng):
    def bound(u, x, bias, slope):
        return gamma(3, u) * (np.abs(x) + np.abs(bias).reshape(1, -1, 1, 1))

    return Call((fill(geo.x), fill(geo.x[1:2]), 0.25), bound)


def pooling(geo):
    """The window without more padding than half the kernel."""
    padding = tuple((min(a, k // 2), min(b, k // 2)) for (a, b), k in zip(geo.window["padding"], geo.w[2:]))
    size = tuple(max(n, d * (k - 1) + 1) for n, k, d in zip(geo.x[2:], geo.w[2:], geo.window["dilation"]))
    return (*geo.x[:2], *size), (geo.w[2:], geo.window["stride"], padding, geo.window["dilation"])


def max_pool2d(fill, geo, rng):
    shape, how = pooling(geo)
    return Call((fill(shape), *how), lambda u, x, *how: (0.0, 0))


def max_pool2d_grad(fill, geo, rng):
    shape, how = pooling(geo)
    index = reference.max_pool2d(rng.standard_normal(shape), *how)[1]

    def bound(u, g, index, size):
        return gamma(how[0][0] * how[0][1], u) * reference.max_pool2d_grad(np.abs(g), index, size)

    return Call((fill(index.shape), index, shape[2:]), bound)


def channels(vector, x):
    return vector.reshape(1, -1, *[1] * (x.ndim - 2))


def over(x):
    """The axes of a channel, and how many elements it has."""
    return (0, *range(2, x.ndim)), x.size // x.shape[1]


def batch_norm_stats(fill, geo, rng):
    def bound(u, x):
        """(x - m)^2 sums to n times the variance plus the square of m's error."""
        axes, n = over(x)
        mean = gamma(n + 1, u) * np.abs(x).mean(axes)
        return mean, gamma(n + 5, u) * (x.var(axes) + mean**2) + mean**2

    return Call((fill(geo.x),), bound)


def batch_norm(fill, geo, rng):
    def bound(u, x, mean, var, weight, bias, eps):
        scale = np.abs(weight) / np.sqrt(var + eps)
        return gamma(8, u) * (np.abs(x - channels(mean, x)) * channels(scale, x) + channels(np.abs(bias), x))

    c = geo.x[1:2]
    return Call((fill(geo.x), fill(c), fill(c, "variance"), fill(c), fill(c), 0.25), bound)


def batch_norm_grad(fill, geo, rng):
    def bound(u, g, x, mean, var, weight, eps):
        axes, n = over(x)
        rstd = 1 / np.sqrt(var + eps)
        xhat, g = np.abs(x - channels(mean, x)) * channels(rstd, x), np.abs(g)
        bias, weighted = g.sum(axes), (g * xhat).sum(axes)
        sizes = g + channels(bias / n, x) + xhat * channels(weighted / n, x)
        dx = gamma(n + 24, u) * sizes * channels(np.abs(weight) * rstd, x)
        return dx, gamma(n + 8, u) * weighted, gamma(n, u) * bias

    c = geo.x[1:2]
    return Call((fill(geo.x), fill(geo.x), fill(c), fill(c, "variance"), fill(c), 0.25), bound)


def sgd_step(fill, geo, rng):
    def bound(u, p, g, v, lr, momentum, dampening, decay, nesterov, first):
        size = np.abs(g) + decay * np.abs(p)
        if v is None:
            return gamma(6, u) * (np.abs(p) + lr * size)
        speed = size if first else momentum * np.abs(v) + (1 - dampening) * size
        step = size + momentum * speed if nesterov else speed
        return gamma(12, u) * (np.abs(p) + lr * step), gamma(6, u) * speed

    still = rng.random() < 0.25
    momentum, nesterov = (0.0, False) if still else (0.5, rng.random() < 0.5)
    args = (fill(geo.x), fill(geo.x), None if still else fill(geo.x))
    rest = (0.25, momentum, 0.0 if nesterov else 0.5, rng.choice([0.0, 0.5]), nesterov, rng.random() < 0.5)
    return Call((*args, *rest), bound, (0,) if still else (0, 2))


def adam_step(fill, geo, rng):
    def bound(u, p, g, m, v, top, step, lr, beta1, beta2, eps, decay, decoupled):
        size = np.abs(g) + (0 if decoupled else decay * np.abs(p))
        value_m = beta1 * m + (1 - beta1) * (g + (0 if decoupled else decay * p))
        value_v = beta2 * v + (1 - beta2) * (g + (0 if decoupled else decay * p)) ** 2
        off_m = gamma(6, u) * (beta1 * np.abs(m) + (1 - beta1) * size)
        off_v = gamma(8, u) * (beta2 * v + (1 - beta2) * size**2)
        second = value_v if top is None else np.maximum(top, value_v)
        root = np.sqrt(second)
        below = root / np.sqrt(1 - beta2**step) + eps
        off_below = off_v / root / np.sqrt(1 - beta2**step) / below + gamma(4, u)
        update = lr / (1 - beta1**step) / below * (off_m + 2 * np.abs(value_m) * (off_below + gamma(6, u)))
        off = (gamma(4, u) * np.abs(p) + gamma(2, u) * lr * np.abs(value_m) / below + update, off_m, off_v)
        return off if top is None else (*off, off_v)

    top = fill(geo.x, "variance") if rng.random() < 0.5 else None
    rest = (int(rng.integers(1, 50)), 0.25, 0.9, 0.99, 1e-8, rng.choice([0.0, 0.25]), rng.random() < 0.5)
    args = (fill(geo.x), fill(geo.x), fill(geo.x), fill(geo.x, "variance"), top)
    return Call((*args, *rest), bound, (0, 2, 3) if top is None else (0, 2, 3, 4))


def rmsprop_step(fill, geo, rng):
    def bound(u, p, g, v, mean, speed, lr, alpha, eps, decay, momentum):
        grad, size = g + decay * p, np.abs(g) + decay * np.abs(p)
        second, off = alpha * v + (1 - alpha) * grad**2, gamma(8, u) * (alpha * v + (1 - alpha) * size**2)
        offs = [off]
        if mean is not None:
            centre, off_mean = mean + (1 - alpha) * (grad - mean), gamma(6, u) * (2 * np.abs(mean) + size)
            off = off + 2 * np.abs(centre) * off_mean + off_mean**2 + gamma(2, u) * (second + centre**2)
            second = second - centre**2
            offs.append(off_mean)
        below = np.sqrt(second) + eps
        step = gamma(8, u) * size / below + 2 * size / below * (off / np.sqrt(second) / below)
        if speed is not None:
            step = step + gamma(4, u) * (momentum * np.abs(speed) + size / below)
            offs.append(step)
            size = momentum * np.abs(speed) * below + size
        return gamma(4, u) * (np.abs(p) + lr * size / below) + lr * step, *offs

    centered, moving = rng.random(2) < 0.5
    mean, speed = (fill(geo.x) if there else None for there in (centered, moving))
    v = fill(geo.x, "variance") + (0 if mean is None else mean**2)
    args = (fill(geo.x), fill(geo.x), v, mean, speed, 0.25, 0.9, 1e-8, rng.choice([0.0, 0.25]), 0.5)
    return Call(args, bound, tuple(i for i, there in ((0, True), (2, True), (3, centered), (4, moving)) if there))


CASES = {name: conv(name) for name in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")} | {
    make.__name__: make
    for make in (matmul, leaky_relu, leaky_relu_grad, bias_leaky_relu, max_pool2d, max_pool2d_grad, batch_norm_stats,
                 batch_norm, batch_norm_grad, sgd_step, adam_step, rmsprop_step)
}  # fmt: skip


def call(name, geo, seed, kind="normal", dtype=np.float32):
    rng = np.random.default_rng(seed)

    def fill(shape, what=None):
        if what == "variance":  # with epsilon 1/4 its root is 1 or 2
            drawn = rng.choice([0.75, 3.75], shape) if kind == "integers" else 0.1 + rng.exponential(size=shape)
        else:
            drawn = rng.integers(-3, 4, shape) if kind == "integers" else rng.standard_normal(shape)
        return drawn.astype(dtype)

    return CASES[name](fill, geo, rng)


# ---- the sets


def load(name):
    """The set's module, or a skip that says why its kernels do not take NumPy arrays here."""
    try:
        module = kernels.load(name)
        module.leaky_relu(np.ones(2, np.float32), 0.1)
    except (ImportError, OSError, RuntimeError, TypeError) as error:
        pytest.skip(f"the kernels of {name!r} take no NumPy arrays here: {error}")
    return module


every_set = pytest.mark.parametrize("kernel_set", kernels.SETS)
few = settings(max_examples=max(3, settings().max_examples // 2))
every_kernel = pytest.mark.parametrize("name", KERNELS)


def run(module, name, drawn, fresh=np.copy):
    """Everything that the kernel gives or writes: results first, then the arrays that it updates in place."""
    if not hasattr(module, name):
        pytest.skip(f"{module.__name__} has no {name}: the reference's serves")
    given = [fresh(a) if i in drawn.writes else a for i, a in enumerate(drawn.args)]
    with getattr(module, "precision", contextlib.nullcontext)("direct"):
        out = getattr(module, name)(*given)
    results = list(out) if isinstance(out, tuple) else [] if out is None else [out]
    return results + [given[i] for i in drawn.writes]


def exact(name, drawn):
    """The same by the reference, in float64."""
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in drawn.args]
    return run(reference, name, Call(tuple(wide), drawn.bound, drawn.writes)), wide


def test_every_kernel_has_a_case_and_every_set_only_kernels_and_settings():
    assert sorted(set(KERNELS) - set(CASES)) == [], "these kernels have no case here"
    assert sorted(set(CASES) - set(KERNELS)) == [], "the reference has no such kernels"


@every_set
def test_a_set_has_nothing_but_the_references_kernels_and_settings(kernel_set):
    names = set(load(kernel_set).__all__) - set(KERNELS)
    assert sorted(name for name in names if not hasattr(kernels, name)) == []


@every_set
@every_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@few
@given(geo=geometries(), seed=st.integers(0, 2**16))
def test_within_the_bound_of_its_roundings(kernel_set, name, dtype, geo, seed):
    drawn = call(name, geo, seed, dtype=dtype)
    results, (expected, wide) = run(load(kernel_set), name, drawn), exact(name, drawn)
    allowed = drawn.bound(UNIT[dtype] * (1 if dtype == np.float32 else 2), *wide)  # in float64 the reference errs too
    allowed = allowed if isinstance(allowed, tuple) else (allowed,)
    assert len(results) == len(expected) == len(allowed)
    for result, right, most in zip(results, expected, allowed):
        assert result.shape == right.shape
        assert result.dtype == (dtype if right.dtype.kind == "f" else right.dtype)
        assert np.all(np.abs(result - right) <= most)


@every_set
@pytest.mark.parametrize("name", sorted(set(KERNELS) - set(ROUNDS)))
@few
@given(geo=geometries(), seed=st.integers(0, 2**16))
def test_exact_on_small_integers(kernel_set, name, geo, seed):
    if name.startswith("batch_norm"):  # means divide by the number of elements: a power of two
        geo = Geometry(4, geo.channels, 1, 1, {**geo.window, "size": (2, 4)})
    drawn = call(name, geo, seed, "integers")
    for result, right in zip(run(load(kernel_set), name, drawn), exact(name, drawn)[0]):
        np.testing.assert_array_equal(result, right)


# ---- bits and memory


def settled(name, geo, seed):
    """A call whose every sum is exact, so that its order cannot matter; elementwise kernels round alike anyway."""
    if name.startswith("batch_norm"):
        geo = Geometry(4, geo.channels, 1, 1, {**geo.window, "size": (2, 4)})
    return call(name, geo, seed, "normal" if name in ROUNDS else "integers")


@every_set
@every_kernel
def test_again_and_with_other_threads_the_same_bits(kernel_set, name):
    module, drawn = load(kernel_set), call(name, LARGE, 0)
    first = run(module, name, drawn)
    runs = [run(module, name, drawn)]
    if hasattr(module, "set_num_threads"):
        before = module.get_num_threads()
        try:
            for threads in (1, 2):
                module.set_num_threads(threads)
                runs.append(run(module, name, drawn))
        finally:
            module.set_num_threads(before)
    for other in runs:
        for a, b in zip(first, other, strict=True):
            assert a.tobytes() == b.tobytes()


LAYOUTS = {
    "transposed": lambda a: np.array(a, order="F"),
    "backwards": lambda a: np.array(a[(slice(None, None, -1),) * a.ndim], order="C")[(slice(None, None, -1),) * a.ndim],
    "spread": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "read-only": lambda a: a.copy(),
}


@every_set
@every_kernel
@pytest.mark.parametrize("layout", LAYOUTS)
@few
@given(geo=geometries(), seed=st.integers(0, 2**16))
def test_memory_of_any_layout_is_read_and_left_alone(kernel_set, name, layout, geo, seed):
    module, drawn = load(kernel_set), settled(name, geo, seed)
    plain = run(module, name, drawn)
    moved, kept = list(drawn.args), []
    for i, a in enumerate(drawn.args):
        if isinstance(a, np.ndarray) and i not in drawn.writes:
            moved[i] = LAYOUTS[layout](a)
            moved[i].flags.writeable = False
            kept.append((moved[i], a))
    other = Call(tuple(moved), drawn.bound, drawn.writes)
    results, again = (run(module, name, other, LAYOUTS[layout]) for _ in range(2))
    for a, b in zip(plain, results, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, before in kept:
        np.testing.assert_array_equal(a, before)
    for result in results:
        assert not any(np.shares_memory(result, a) for a, _ in kept)
        assert not any(np.shares_memory(result, b) for b in again)
