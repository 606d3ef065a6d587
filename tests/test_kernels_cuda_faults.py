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
from minigen.kernels.cuda import conv
from minigen.kernels.emulator import emulated
from minigen.kernels.shapes import CONVOLUTIONS, Convolution
from minigen.kernels.static_report.works import launches

pytestmark = pytest.mark.emulator
compiles = pytest.mark.skipif(bool(static_report.why_not()), reason=static_report.why_not())
LAYER = static_report.LAYERS[1]


@compiles
@pytest.mark.parametrize("cc", [80, 90])
@pytest.mark.parametrize("layer", static_report.LAYERS, ids=str)
@pytest.mark.parametrize("op", CONVOLUTIONS)
def test_the_products_of_a_dcgan_stay_within_their_budget(op, layer, cc):
    """No spill, nothing in double precision, no call in the hot loop, 8 multiply-adds per load from shared memory..."""
    analysis = static_report.analyse_product(op, layer, cc)
    assert analysis.over_budget() == []
    numbers, hot = analysis.counts, analysis.hot
    assert not (analysis.code.spilled or numbers["F64"] or numbers["ATOM"] or hot["CALL"])
    assert hot["FFMA"] >= 8 * hot["LDS"] and hot["LDS"] == hot["LDS.128"] > 0 < numbers["LDG"]
    assert analysis.occupancy.share >= 0.25


@compiles
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_else_spills_or_computes_in_double_precision(dtype):
    x, g, v = (np.ones(shape, dtype) for shape in ((2, 3, 8, 8), (2, 3, 8, 8), 3))
    how, images = ((2, 2), ((0, 0), (0, 0))), np.ones((16, 3, 16, 16), dtype)
    p = [np.ones(5, dtype) for _ in range(5)]
    started = launches(
        lambda: [
            cuda.add_bias(x, v),
            cuda.leaky_relu_grad(g, x, 0.2),
            cuda.batch_norm_stats(x),
            cuda.batch_norm_grad(g, x, v, v, v, 1e-5),
            cuda.max_pool2d(x, (2, 2), *how, (1, 1)),
            cuda.conv2d_weight_grad(images, images[..., ::2, ::2], (2, 2), *how, (1, 1), 1),
            cuda.adam_step(*p, 1, 0.1, 0.9, 0.99, 1e-8, 0.1, False),
            cuda.rmsprop_step(*p, 0.1, 0.9, 1e-8, 0.1, 0.9),
            cuda.sgd_step(*p[:3], 0.1, 0.9, 0.1, 0.1, True, False),
        ]
    )
    assert {kernel.function.__name__ for kernel in started} >= {"products", "add_shares"}
    for kernel in started:
        analysis = static_report.analyse(kernel.function, kernel.types, kernel.threads, 80)
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
    ("weight_grad", "            cuda.syncthreads()\n", "            pass\n", emulator.RaceError),
    ("batch_norm", "            cuda.syncthreads()\n            if", "            if", emulator.RaceError),
    # guards are gone: pixels and channels that the last tile has and the result has not
    ("correlate", "if pixel < pixels and p < height", "if p < height", emulator.BoundsError),
    ("correlate", "if column < outputs:", "if column >= 0:", (emulator.BoundsError, emulator.RaceError)),
    (
        "correlate",
        "0 <= row < source_height and",
        "0 <= row <= source_height and",
        (emulator.BoundsError, AssertionError),
    ),
    ("weight_grad", "if inside and pixel < end:", "if inside:", (emulator.BoundsError, AssertionError)),
    # off by one: a pixel after the last is gathered; a row of the filters is taken for its neighbour; a share is lost
    ("correlate", "+ j * a_width, pixels - 1)", "+ j * a_width, pixels)", emulator.BoundsError),
    ("correlate", "filters[start + i", "filters[start + 1 + i", (emulator.BoundsError, AssertionError)),
    ("correlate", "if b_tap >= taps:", "if b_tap > taps:", (emulator.BoundsError, AssertionError)),
    ("weight_grad", "for share in range(shares):", "for share in range(shares - 1):", AssertionError),
    # the inner loop leaves the last terms of a tile out
    ("tiles", "range(0, depth, UNROLLED)", "range(0, depth - UNROLLED, UNROLLED)", AssertionError),
    # the rows of a tile lie one number further apart: vectors start where none may
    ("tiles", "tile.rows + PAD, tile.columns", "tile.rows + PAD + 1, tile.columns", emulator.AlignmentError),
]
#: Padding, terms that are no multiple of a tile's, and pixels enough for two shares.
CASE = Convolution(3, 9, 12, (6, 7), (2, 3), padding=((1, 1), (1, 1)))
SERVE = {
    "tiles": "conv2d",
    "correlate": "conv2d",
    "weight_grad": "conv2d_weight_grad",
    "batch_norm": "batch_norm_stats",
}


@pytest.mark.parametrize("name, text, fault, error", FAULTS, ids=[f"{f[0]}: {f[2].strip()}" for f in FAULTS])
def test_a_planted_fault_is_found(name, text, fault, error, monkeypatch):
    rng, shapes, op = np.random.default_rng(0), CASE, SERVE[name]
    x, w, g = (rng.integers(-3, 4, shape).astype(np.float32) for shape in (shapes.x, shapes.w, shapes.y))
    arguments = (x,) if op == "batch_norm_stats" else shapes.arguments(op, x, w, g)
    module = mutant(name, text, fault)
    if name == "tiles":
        correlate = mutant("correlate", "def correlate(plan", "def correlate(plan")
        correlate.multiplier = module.multiplier
        name, module = "correlate", correlate
    if op in CONVOLUTIONS:
        monkeypatch.setattr(conv, name, getattr(module, name))
    else:
        monkeypatch.setattr(cuda, op, getattr(module, op))
    with emulated(check=True), pytest.raises(error):
        np.testing.assert_array_equal(getattr(cuda, op)(*arguments), getattr(reference, op)(*arguments))


@compiles
def test_a_float64_accumulator_is_over_budget(monkeypatch):
    module = mutant(
        "correlate", "sums = cuda.local.array((m, n), dtype)", "sums = cuda.local.array((m, n), np.float64)"
    )
    monkeypatch.setattr(conv, "correlate", module.correlate)
    analysis = static_report.analyse_product("conv2d", LAYER)
    assert any("double precision" in fault for fault in analysis.over_budget())


@compiles
def test_a_float_atomic_is_over_budget(monkeypatch):
    text = "partial[((number * groups + group) * outputs + row) * all_columns + column] = sums[i, j]"
    place, value = text.removeprefix("partial[").split("] = ")
    module = mutant("weight_grad", text, f"cuda.atomic.add(partial, {place}, {value})")
    monkeypatch.setattr(conv, "weight_grad", module.weight_grad)
    analysis = static_report.analyse_product("conv2d_weight_grad", LAYER)
    assert any("atomic" in fault for fault in analysis.over_budget())
