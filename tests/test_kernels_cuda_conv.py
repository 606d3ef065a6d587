"""The CUDA convolutions, emulated, against the NumPy reference in float64.

Every kernel here is compiled for the shapes at hand, in a second or two, so there are few examples, and each of them
serves for several checks at once.
"""

import numpy as np
import pytest
from convolutions import Case, gamma, integers, normal
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.kernels import emulator

if reason := emulator.why_not():
    pytest.skip(reason, allow_module_level=True)

from minigen.kernels import cuda
from minigen.kernels.cuda import conv, correlate, weight_grad
from minigen.kernels.cuda.plan import gather_axis, scatter_axis
from minigen.kernels.cuda.tiles import Tile
from minigen.kernels.emulator import emulated
from minigen.kernels.shapes import output_size

pytestmark = pytest.mark.emulator
ORDERS = ("forward", "reverse", 1)


@st.composite
def cases(draw):
    """Any valid shapes: odd channels, four-sided padding, stride > kernel, tiny and non-square images."""
    pair = lambda values: (draw(values), draw(values))  # noqa: E731
    kernel, stride, dilation = pair(st.integers(1, 4)), pair(st.integers(1, 3)), pair(st.integers(1, 3))
    padding = (pair(st.integers(0, 3)), pair(st.integers(0, 3)))
    smallest = [d * (k - 1) + 1 - sum(p) for d, k, p in zip(dilation, kernel, padding, strict=True)]
    size = tuple(draw(st.integers(max(1, least), max(1, least) + 6)) for least in smallest)
    channels, outputs = draw(st.integers(1, 18)), draw(st.integers(1, 18))
    return Case(draw(st.integers(1, 3)), channels, outputs, size, kernel, stride, padding, dilation,
                draw(st.integers(1, 3)))  # fmt: skip


def check(case, seed, dtype):
    """Exact on small integers, within the bound on others; free of races; the same in any order of the threads."""
    operands = case.operands(seed, dtype, integers)
    with emulated(check=True):
        results = case.results(cuda, *operands)
    for result, exact in zip(results, case.exact(*operands), strict=True):
        np.testing.assert_array_equal(result, exact)
        assert result.dtype == dtype

    operands = case.operands(seed, dtype, normal)
    sizes = case.exact(*(abs(a) for a in operands))
    runs = []
    for order in ORDERS:
        with emulated(check=True, order=order):
            runs.append(case.results(cuda, *operands))
    errs = 2 if dtype == np.float64 else 1  # the reference adds up in float64 itself
    for result, exact, size, n in zip(runs[0], case.exact(*operands), sizes, case.terms(), strict=True):
        assert (abs(result - exact) <= errs * gamma(n + 2, dtype) * size).all()
    for run in runs[1:]:
        for first, second in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(first, second)


@settings(max_examples=8)
@given(case=cases(), seed=st.integers(0, 9))
def test_float32_is_exact_or_bounded_and_free_of_races(case, seed):
    check(case, seed, np.float32)


@settings(max_examples=3)
@given(case=cases(), seed=st.integers(0, 9))
def test_float64_is_exact_or_bounded_and_free_of_races(case, seed):
    check(case, seed, np.float64)


SAME = ((1, 1), (1, 1))
NAMED = [
    Case(2, 3, 12, (8, 8), (4, 4), (2, 2), SAME, (1, 1)),  # the first layer of a discriminator
    Case(2, 20, 9, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),  # a matrix product
    Case(1, 1, 1, (7, 5), (2, 3), (3, 4), ((0, 1), (2, 0)), (2, 1), groups=5),  # depthwise, with gaps
]


@pytest.mark.parametrize("case", NAMED, ids=repr)
def test_named_shapes(case):
    check(case, 0, np.float32)


TILES = [Tile(128, 64, 16, 8, 4), Tile(64, 64, 16, 8, 4), Tile(256, 8, 16, 4, 4)]


@pytest.mark.parametrize("tile", TILES, ids=str)
def test_every_tile_with_several_blocks_in_each_direction(tile, monkeypatch):
    """Rows, columns and terms that do not fill the last tile."""
    case = Case(1, 9, tile.columns + 5, (20, 15), (2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1))
    monkeypatch.setattr(correlate, "_tile", lambda *_: tile)
    x, w, g = case.operands(0, np.float32, integers)
    with emulated(check=True):
        y = cuda.conv2d(x, w, *case.how)
    np.testing.assert_array_equal(y, case.exact(x, w, g)[0])


@pytest.mark.parametrize("tile", TILES[:2], ids=str)
def test_every_tile_of_the_weight_gradient(tile, monkeypatch):
    case = Case(2, 9, tile.rows + 5, (7, 9), (2, 4), (1, 1), ((0, 0), (0, 0)), (1, 1))
    monkeypatch.setattr(weight_grad, "_tile", lambda *_: tile)
    x, w, g = case.operands(0, np.float32, integers)
    with emulated(check=True):
        dw = cuda.conv2d_weight_grad(x, g, w.shape[2:], *case.how)
    np.testing.assert_array_equal(dw, case.exact(x, w, g)[2])


def test_new_numbers_of_images_compile_nothing():
    kernels = conv.correlate, weight_grad.products
    case = NAMED[0]
    x, w, g = case.operands(0, np.float32, integers)
    with emulated(check=True):
        case.results(cuda, x, w, g)
        known = [correlate.correlation.cache_info().currsize, weight_grad.products.cache_info().currsize]
        for n in (1, 5):
            more = np.repeat(x, n, axis=0), w, np.repeat(g, n, axis=0)
            for result, exact in zip(case.results(cuda, *more), case.exact(*more), strict=True):
                np.testing.assert_array_equal(result, exact)
    assert known == [correlate.correlation.cache_info().currsize, weight_grad.products.cache_info().currsize], kernels


@pytest.mark.parametrize("kernel", [0, 1, 2])
def test_out_strides_and_read_only_inputs(kernel):
    case = NAMED[0]
    x, w, g = case.operands(0, np.float32, integers)
    exact = case.exact(x, w, g)[kernel]
    name = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")[kernel]
    first, second, size = ((x, w, ()), (g, w, (x.shape[2:],)), (x, g, (w.shape[2:],)))[kernel]
    first, second = first.transpose(3, 1, 0, 2).copy().transpose(2, 1, 3, 0), second[::-1].copy()[::-1]
    first.flags.writeable = False
    wide = np.full((*exact.shape[:3], 2 * exact.shape[3]), 7, np.float32)
    with emulated(check=True):
        for out in (np.empty(exact.shape, np.float32), wide[..., ::2]):
            assert getattr(cuda, name)(first, second, *size, *case.how, out=out) is out
            np.testing.assert_array_equal(out, exact)
    assert (wide[..., 1::2] == 7).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [None, 0.0, 0.25])
def test_a_bias_and_an_activation_in_the_same_launch(slope, dtype):
    """The same bits as by two kernels; in groups, and with phases that no filter element reaches."""
    case = NAMED[2] if slope is None else NAMED[0]
    x, w, g = case.operands(0, dtype, normal)
    rng = np.random.default_rng(1)
    for name, args in (("conv2d", (x, w)), ("conv2d_input_grad", (g, w, x.shape[2:]))):
        with emulated(check=True):
            plain = getattr(cuda, name)(*args, *case.how)
            bias = normal(rng, plain.shape[1:2]).astype(dtype)
            expected = cuda.add_bias(plain, bias, None, slope)
            got = getattr(cuda, f"{name}_bias")(*args[:2], bias, *args[2:], *case.how, slope)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == dtype


def test_empty_batches():
    case = Case(0, 3, 4, (6, 6), (3, 3), (1, 1), SAME, (1, 1))
    with emulated():
        y, dx, dw = case.results(cuda, *case.operands(0, np.float32, normal))
    assert y.shape == case.y and dx.shape == case.x
    np.testing.assert_array_equal(dw, np.zeros(case.w))


def test_filters_too_large_for_constant_memory_are_refused():
    x, w = np.zeros((1, 1, 1, 5001), np.float32), np.zeros((1, 1, 1, 5001), np.float32)
    with emulated(), pytest.raises(ValueError, match=r"filters of size \(1, 5001\) have more than 5000 elements"):
        cuda.conv2d(x, w, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)


def test_wrong_arguments_are_named():
    x, w, how = np.zeros((1, 4, 3, 3), np.float32), np.zeros((2, 2, 1, 1), np.float32), ((1, 1), SAME, (1, 1))
    with emulated():
        with pytest.raises(TypeError, match="conv2d: w: got dtype float64, expected float32 as the other arrays"):
            cuda.conv2d(x, w.astype(np.float64), *how, 2)
        with pytest.raises(ValueError, match=r"conv2d: w: got shape \(2, 2, 1, 1\), expected \(O, 4, R, S\)"):
            cuda.conv2d(x, w, *how, 1)
        with pytest.raises(ValueError, match=r"conv2d: out: got shape \(1, 2, 3, 3\), expected \(1, 2, 5, 5\)"):
            cuda.conv2d(x, w, *how, 2, out=np.zeros((1, 2, 3, 3), np.float32))


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 4), st.integers(1, 4), st.integers(1, 12), st.data())
@settings(max_examples=200)
def test_both_plans_meet_the_same_pairs(kernel, stride, before, dilation, size, data):
    """What the plan of the forward kernel gathers, the plan of its adjoint gathers the other way round."""
    pixels = output_size(size, kernel, stride, (before, 20), dilation)
    pixels = data.draw(st.integers(1, max(1, min(pixels, 6))))
    found = []
    for axis, far in (
        (gather_axis(kernel, stride, before, dilation, pixels), pixels),
        (scatter_axis(kernel, stride, before, dilation, size), size),
    ):
        pairs = []
        for phase in axis.phases:
            for t in range(axis.pixels):
                to = phase.output + t * axis.output_step
                for i, tap in enumerate(phase.taps):
                    source = phase.source + t * axis.stride + i * axis.step
                    if to < far:
                        pairs.append((to, source, tap))
        found.append({(to, source, tap) for to, source, tap in pairs})
        assert len(found[-1]) == len(pairs)
    forward = {(p, h, r) for p, h, r in found[0] if 0 <= h < size}
    assert forward == {(p, h, r) for h, p, r in found[1] if 0 <= p < pixels}
