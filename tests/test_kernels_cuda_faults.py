"""What guards the CUDA convolutions: budgets for their machine code, and faults planted in them, each found.

A fault is a text replaced in a module's source.  Races and wrong addresses are found by the emulator, wrong sums by
comparison with the reference on small integers, what makes a kernel slow or its last bits random by the budgets.
"""

import importlib
import inspect
import linecache
import types

import numpy as np
import pytest

from minigen.kernels import emulator, reference

if reason := emulator.why_not():
    pytest.skip(reason, allow_module_level=True)

from minigen.kernels import cuda, static_report
from minigen.kernels.cuda import conv, launch
from minigen.kernels.cuda.launch import emulated

pytestmark = pytest.mark.emulator
compiles = pytest.mark.skipif(bool(static_report.why_not()), reason=static_report.why_not())
N = 64


def kernels_of(call):
    """The kernels that a call launches, which are not run."""
    found = []
    start = lambda kernel, blocks, arguments: found.append(kernel)  # noqa: E731
    token = launch._place.set(types.SimpleNamespace(arrays=np, start=start))
    try:
        call()
    finally:
        launch._place.reset(token)
    return found


def product_of(call, cc):
    """Analysis of the one matrix product among them."""
    (kernel,) = [k for k in kernels_of(call) if k.function.__name__ in ("correlate", "products")]
    return static_report.analyse(kernel.function, kernel.arguments, kernel.threads, cc)


def new(*shape):
    return np.empty(shape, np.float32)  # never touched


def call(op, channels, outputs, size, kernel, stride, padding):
    how = (stride,) * 2, (padding,) * 2, (1, 1), 1
    pixels = reference.conv.output_size(size, kernel, stride, padding, 1)
    x, w, y = new(N, channels, size, size), new(outputs, channels, kernel, kernel), new(N, outputs, pixels, pixels)
    return {
        "conv2d": lambda: cuda.conv2d(x, w, *how),
        "conv2d_input_grad": lambda: cuda.conv2d_input_grad(y, w, (size, size), *how),
        "conv2d_weight_grad": lambda: cuda.conv2d_weight_grad(x, y, (kernel, kernel), *how),
    }[op]


#: Channels, outputs, image, kernel, stride and padding; a transposed layer's forward kernel is the input gradient.
LAYERS = [
    (3, 64, 64, 4, 2, (1, 1)),
    (64, 128, 32, 4, 2, (1, 1)),
    (128, 256, 16, 4, 2, (1, 1)),
    (256, 128, 7, 5, 1, (2, 2)),
]
OPS = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")


@compiles
@pytest.mark.parametrize("cc", [80, 90])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("op", OPS)
def test_the_products_of_a_dcgan_stay_within_their_budget(op, layer, cc):
    """No spill, nothing in double precision, no call in the hot loop, 8 multiply-adds per load from shared memory..."""
    analysis = product_of(call(op, *layer), cc)
    assert analysis.over_budget() == []
    assert not analysis.counts["ATOM"]


@compiles
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_else_spills_or_computes_in_double_precision(dtype):
    x, g, v = (np.ones(shape, dtype) for shape in ((2, 3, 8, 8), (2, 3, 8, 8), 3))
    how = (2, 2), ((0, 0), (0, 0))
    p = [np.ones(5, dtype) for _ in range(5)]
    kernels = kernels_of(
        lambda: [
            cuda.bias_leaky_relu(x, v, 0.2),
            cuda.leaky_relu_grad(g, x, 0.2),
            cuda.batch_norm_stats(x),
            cuda.batch_norm_grad(g, x, v, v, v, 1e-5),
            cuda.max_pool2d(x, (2, 2), *how, (1, 1)),
            cuda.conv2d_weight_grad(x, x[..., ::2, ::2], (2, 2), *how, (1, 1), 1),
            cuda.adam_step(*p, 1, 0.1, 0.9, 0.99, 1e-8, 0.1, False),
            cuda.rmsprop_step(*p, 0.1, 0.9, 1e-8, 0.1, 0.9),
            cuda.sgd_step(*p[:3], 0.1, 0.9, 0.1, 0.1, True, False),
        ]
    )
    for kernel in kernels:
        analysis = static_report.analyse(kernel.function, kernel.arguments, kernel.threads, 80)
        assert not analysis.code.spilled and not analysis.counts["ATOM"], kernel.function.__name__
        assert dtype == np.float64 or not analysis.counts["F64"], kernel.function.__name__


def mutant(name, text, fault):
    """A module of `minigen.kernels.cuda` whose source has `fault` in place of `text`."""
    original = importlib.import_module(f"minigen.kernels.cuda.{name}")
    source = inspect.getsource(original)
    assert source.count(text) == 1
    source, path = source.replace(text, fault), f"<{name} with {fault.strip()}>"
    linecache.cache[path] = len(source), None, source.splitlines(True), path
    module = types.ModuleType(original.__name__)
    module.__package__, module.__file__ = original.__package__, path
    exec(compile(source, path, "exec"), module.__dict__)
    return module


FAULTS = [
    # a barrier is gone: the next terms overwrite those that others still read
    ("correlate", "            cuda.syncthreads()\n", "            pass\n", emulator.RaceError),
    # guards are gone: pixels and channels that the last tile has and the result has not
    ("correlate", "if pixel < pixels and p < height", "if p < height", emulator.BoundsError),
    ("correlate", "if column < outputs:", "if column >= 0:", emulator.BoundsError),
    # off by one: a pixel after the last is gathered; a row of the filters is taken for its neighbour
    ("correlate", "+ i * a_rows, pixels - 1)", "+ i * a_rows, pixels)", emulator.BoundsError),
    ("correlate", "(begin + row) * columns", "(begin + row + 1) * columns", (emulator.BoundsError, AssertionError)),
    # the inner loop leaves the last terms of a tile out
    ("tiles", "range(0, depth, UNROLLED)", "range(0, depth - UNROLLED, UNROLLED)", AssertionError),
    # the rows of a tile lie one number further apart: vectors start where none may
    ("tiles", "tile.rows + PAD, tile.columns", "tile.rows + PAD + 1, tile.columns", emulator.AlignmentError),
]


@pytest.mark.parametrize("name, text, fault, error", FAULTS, ids=[f"{f[0]}: {f[2].strip()}" for f in FAULTS])
def test_a_planted_fault_is_found(name, text, fault, error, monkeypatch):
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((1, 9, 8, 8), (12, 9, 2, 2)))
    how = (1, 1), ((0, 0), (0, 0)), (1, 1), 1
    module = mutant(name, text, fault)
    if name == "tiles":
        correlate = mutant("correlate", "def correlate(plan", "def correlate(plan")
        correlate.multiplier = module.multiplier
        module = correlate
    monkeypatch.setattr(conv, "correlate", module.correlate)
    with emulated(check=True), pytest.raises(error):
        np.testing.assert_array_equal(cuda.conv2d(x, w, *how), reference.conv2d(x, w, *how))


@compiles
def test_a_float64_accumulator_is_over_budget(monkeypatch):
    module = mutant(
        "correlate", "sums = cuda.local.array((m, n), dtype)", "sums = cuda.local.array((m, n), np.float64)"
    )
    monkeypatch.setattr(conv, "correlate", module.correlate)
    analysis = product_of(call("conv2d", *LAYERS[1]), 80)
    assert any("double precision" in fault for fault in analysis.over_budget())


@compiles
def test_a_float_atomic_is_over_budget(monkeypatch):
    text = "partial[((number * groups + group) * rows + row) * columns + column] = sums[i, j]"
    place, value = text.removeprefix("partial[").split("] = ")
    module = mutant("weight_grad", text, f"cuda.atomic.add(partial, {place}, {value})")
    monkeypatch.setattr(conv, "weight_grad", module.weight_grad)
    assert product_of(call("conv2d_weight_grad", *LAYERS[1]), 80).counts["ATOM"]
