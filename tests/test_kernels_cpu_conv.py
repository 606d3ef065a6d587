"""The CPU convolutions against the NumPy reference in float64.

Direct kernels: each element within ``gamma_n * conv(|x|, |w|)``, and exactly right on small integers, where every partial
sum is exact.  Winograd: a bound on the error in norm.
"""

import itertools
import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from convolutions import Case, gamma, integers, normal
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from minigen.kernels.cpu import conv, winograd
from minigen.kernels.cpu.conv import (
    channel_lanes,
    columns,
    depthwise,
    dispatch,
    dot_products,
    group_lanes,
    pixel_lanes,
    products,
)
from minigen.kernels.cpu.precision import precision
from minigen.kernels.cpu.runtime import thread_pool
from minigen.kernels.cpu.runtime.allocator import contiguous
from minigen.kernels.cpu.runtime.instruction_set import CACHE_LINE
from minigen.kernels.cpu.runtime.threads import get_num_threads, set_num_threads
from minigen.kernels.cpu.simd import VECTOR_BYTES
from minigen.kernels.cpu.winograd.transforms import amplification, matrices
from minigen.kernels.shapes import output_size

#: Bound on |error| / |result| in norm, for each tile (m, r) that the precision levels may choose.
NORM_BOUND = {(2, 2): 2e-6, (3, 2): 2e-6, (4, 2): 5e-6, (2, 3): 2e-6, (4, 3): 5e-6, (6, 3): 2e-5}
KERNELS = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")


class Method:
    """The three kernels by one method, whatever the dispatcher would choose; results begin as NaN."""

    def __init__(self, forward, input_grad, weight_grad):
        self.kernels = forward, input_grad, weight_grad

    def conv2d(self, x, w, stride, padding, dilation, groups):
        axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
        y = np.full((len(x), len(w), *(output_size(*axis) for axis in axes)), np.nan, x.dtype)
        self.kernels[0](contiguous(x), contiguous(w), y, stride, padding, dilation, groups)
        return y

    def conv2d_input_grad(self, g, w, input_size, stride, padding, dilation, groups):
        dx = np.full((len(g), w.shape[1] * groups, *input_size), np.nan, g.dtype)
        self.kernels[1](contiguous(g), contiguous(w), dx, stride, padding, dilation, groups)
        return dx

    def conv2d_weight_grad(self, x, g, kernel_size, stride, padding, dilation, groups):
        dw = np.full((g.shape[1], x.shape[1] // groups, *kernel_size), np.nan, x.dtype)
        self.kernels[2](contiguous(x), contiguous(g), dw, stride, padding, dilation, groups)
        return dw


def by_winograd(tile):
    def by(kernel):
        return lambda x, w, y, *how: kernel(x, w, y, *how, tile)

    return Method(by(winograd.conv2d), by(winograd.conv2d_input_grad), by(winograd.conv2d_weight_grad))


def direct_weight_grad(x, g, dw, *how):
    """By channel lanes, which needs two columns in a filter."""
    (channel_lanes if dw.shape[3] > 1 else pixel_lanes).conv2d_weight_grad(x, g, dw, *how)


DIRECT = {
    "dispatcher": conv,
    "channel lanes": Method(channel_lanes.conv2d, channel_lanes.conv2d_input_grad, direct_weight_grad),
    "pixel lanes": Method(pixel_lanes.conv2d, pixel_lanes.conv2d_input_grad, pixel_lanes.conv2d_weight_grad),
    "group lanes": Method(group_lanes.conv2d, group_lanes.conv2d_input_grad, group_lanes.conv2d_weight_grad),
    "columns": Method(columns.conv2d, columns.conv2d_input_grad, columns.conv2d_weight_grad),
}


@st.composite
def cases(draw, dilations=(1, 2), strides=(1, 2, 3), groups=(1, 2, 3), most_taps=4):
    """Any valid shapes: odd channels, four-sided padding, stride > kernel, tiny and non-square images."""
    pair = lambda values: (draw(values), draw(values))  # noqa: E731
    kernel, stride = pair(st.integers(1, most_taps)), pair(st.sampled_from(strides))
    dilation = pair(st.sampled_from(dilations))
    padding = (pair(st.integers(0, 3)), pair(st.integers(0, 3)))
    smallest = [d * (k - 1) + 1 - sum(p) for d, k, p in zip(dilation, kernel, padding, strict=True)]
    size = tuple(draw(st.integers(max(1, least), max(1, least) + 9)) for least in smallest)
    channels, outputs = draw(st.integers(1, 20)), draw(st.integers(1, 36))
    return Case(draw(st.integers(1, 4)), channels, outputs, size, kernel, stride, padding, dilation,
                draw(st.sampled_from(groups)))  # fmt: skip


@st.composite
def winograd_cases(draw, tile, groups):
    """What tiles of F(m, r) serve: a stride or a dilation; filters of more than r taps, cut into pieces, for stride 1."""
    strides, dilations = draw(st.sampled_from((((1,), (1,)), ((1, 2), (1,)), ((1,), (1, 2, 3)))))
    case = draw(cases(dilations, strides, groups, most_taps=2 * tile[1] + 1))
    taps = [-(-k // s) for k, s in zip(case.kernel, case.stride, strict=True)]
    assume(case.stride == (1, 1) or max(taps) <= tile[1])
    return case


@pytest.mark.parametrize("method", DIRECT)
@settings(max_examples=40, deadline=None)
@given(case=cases(), seed=st.integers(0, 9))
def test_direct_kernels_are_exact_on_small_integers(method, case, seed):
    operands = case.operands(seed, np.float32, integers)
    with precision("direct"):
        results = case.results(DIRECT[method], *operands)
    for result, exact in zip(results, case.exact(*operands), strict=True):
        np.testing.assert_array_equal(result, exact)


@st.composite
def many_groups(draw):
    """More groups than a vector has lanes, of few channels."""
    case = draw(cases(groups=(1,)))
    return replace(case, channels=draw(st.integers(1, 3)), outputs=draw(st.integers(1, 3)),
                   groups=draw(st.sampled_from((5, 16, 35))))  # fmt: skip


@st.composite
def single_taps(draw):
    """1 x 1 filters without padding, with any stride."""
    case = draw(cases())
    size = (draw(st.integers(1, 20)), draw(st.integers(1, 20)))
    return replace(case, size=size, kernel=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))


@st.composite
def planes(draw):
    """Channels each with its own square filter and stride."""
    case, kernel = draw(cases(dilations=(1,), strides=(1,))), (draw(st.integers(2, 5)),) * 2
    stride = (draw(st.integers(1, 2)),) * 2
    size = tuple(max(n, k - sum(p)) for n, k, p in zip(case.x[2:], kernel, case.padding, strict=True))
    columns = draw(st.sampled_from((0, 0, 12, 30)))  # up to three vectors
    groups = draw(st.integers(1, 5))
    return replace(
        case, size=(size[0], size[1] + columns), kernel=kernel, stride=stride, channels=1, outputs=1, groups=groups
    )


@st.composite
def few_channels(draw):
    """Few channels, and rows and planes of pixels that fill vectors or do not."""
    case = draw(cases(most_taps=6))
    columns, images = draw(st.sampled_from((0, 0, 7, 16, 30))), draw(st.sampled_from((1, 3, 19)))
    size = case.size[0], case.size[1] + columns
    return replace(case, images=images, size=size, channels=draw(st.integers(1, 4)), outputs=draw(st.integers(1, 19)))


def dot_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    """The weight gradient by dot products, between guard zones of NaN that must stay as they are."""

    def guarded(size):
        memory = np.full(size + 64, np.nan, x.dtype)
        return memory, memory[32 : 32 + size]

    shape = g.shape[1], x.shape[1] // groups, *kernel_size
    (_, x_own), (_, g_own), (memory, dw) = guarded(x.size), guarded(g.size), guarded(int(np.prod(shape)))
    x_own[:], g_own[:] = x.ravel(), g.ravel()
    operands = x_own.reshape(x.shape), g_own.reshape(g.shape), dw.reshape(shape)
    dot_products.conv2d_weight_grad(*operands, stride, padding, dilation, groups)
    assert np.isnan(memory[:32]).all() and np.isnan(memory[-32:]).all()
    return dw.reshape(shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=60, deadline=None)
@given(case=few_channels(), seed=st.integers(0, 9))
def test_dot_products_are_exact_on_small_integers(dtype, case, seed):
    x, w, g = case.operands(seed, dtype, integers)
    dw = dot_weight_grad(*case.arguments("conv2d_weight_grad", x, w, g))
    np.testing.assert_array_equal(dw, case.exact(x, w, g)[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=25, deadline=None)
@given(case=few_channels(), seed=st.integers(0, 9))
def test_dot_products_stay_within_the_elementwise_bound(dtype, case, seed):
    x, w, g = case.operands(seed, dtype, normal)
    dw = dot_weight_grad(*case.arguments("conv2d_weight_grad", x, w, g))
    size, n = case.exact(abs(x), abs(w), abs(g))[2], case.terms()[2]
    errs = 2 if dtype == np.float64 else 1  # the reference adds up in float64 itself
    assert (abs(dw - case.exact(x, w, g)[2]) <= errs * gamma(n + 1, dtype) * size).all()


@settings(max_examples=25, deadline=None)
@given(case=few_channels(), data=st.data())
def test_a_pixel_that_no_tap_meets_changes_no_dot_product(case, data):
    """An infinite pixel reaches exactly the taps that meet it, though vectors reach beyond rows and planes."""
    x, w, g = case.operands(0, np.float32, lambda rng, shape: np.ones(shape))
    place = tuple(data.draw(st.integers(0, n - 1)) for n in x.shape)
    x[place] = np.inf
    touched = np.zeros(x.shape)
    touched[place] = 1
    dw = dot_weight_grad(*case.arguments("conv2d_weight_grad", x, w, g))
    met = case.exact(touched, w, g)[2] > 0
    np.testing.assert_array_equal(dw[met], np.inf)
    assert np.isfinite(dw[~met]).all()


@pytest.mark.parametrize("groups, images, outputs", [(1, 9, 40), (1, 1, 40), (3, 2, 10), (9, 2, 3)])
def test_dot_products_are_bit_identical_for_any_number_of_threads(groups, images, outputs):
    case = Case(images, 3, outputs, (30, 27), (3, 5), (1, 2), ((1, 0), (2, 1)), (2, 1), groups)
    operands = case.operands(0, np.float32, normal)
    arguments, before, results = case.arguments("conv2d_weight_grad", *operands), get_num_threads(), []
    try:
        for threads in (1, 2, 5, 16):
            set_num_threads(threads)
            results.append(dot_weight_grad(*arguments))
    finally:
        set_num_threads(before)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    np.testing.assert_allclose(results[0], case.exact(*operands)[2], rtol=0, atol=1e-3)


@pytest.mark.skipif(not dot_products.serves((1, 3, 3), 16), reason="needs masked loads")
def test_a_weight_gradient_of_one_input_channel_is_dot_products():
    case = Case(64, 1, 16, (28, 28), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    costs = dispatch.weight_grad_costs(dispatch.Question(case.x, case.y, 4, case.w[1:], case.how, "default"))
    assert min(costs, key=costs.__getitem__) == ("dot products", None)


PRODUCT = Method(products.conv2d, products.conv2d_input_grad, products.conv2d_weight_grad)
DEPTHWISE = Method(depthwise.conv2d, depthwise.conv2d_input_grad, depthwise.conv2d_weight_grad)


@pytest.mark.parametrize(
    "method, drawn",
    [
        (DIRECT["group lanes"], many_groups()),
        (DIRECT["pixel lanes"], many_groups()),
        (DEPTHWISE, planes()),
        (PRODUCT, single_taps()),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_methods_for_special_layers_are_exact_on_small_integers(method, drawn, dtype):
    @settings(max_examples=20, deadline=None)
    @given(case=drawn, seed=st.integers(0, 9))
    def is_exact(case, seed):
        operands = case.operands(seed, dtype, integers)
        for result, exact in zip(case.results(method, *operands), case.exact(*operands), strict=True):
            np.testing.assert_array_equal(result, exact)

    is_exact()


@pytest.mark.parametrize("size, stride", [(16, 1), (12, 1), (23, 2), (40, 2), (50, 3), (4, 1)])
def test_a_product_is_exact_for_images_alone_and_side_by_side(size, stride):
    case = Case(3, 70, 45, (size, size), (1, 1), (stride,) * 2, ((0, 0), (0, 0)), (1, 1), 2)
    operands = case.operands(0, np.float32, integers)
    for result, exact in zip(case.results(PRODUCT, *operands), case.exact(*operands), strict=True):
        np.testing.assert_array_equal(result, exact)


@pytest.mark.parametrize(
    "images, channels, taps, pixels, serves",
    [(4, 256, 9, 16, True), (4, 256, 1, 16, False), (1, 1, 9, 1 << 20, False), (64, 256, 49, 256, False)],
)
def test_columns_take_little_memory(images, channels, taps, pixels, serves):
    """For a second tap, and where neither the columns nor the places that are kept take much."""
    assert columns.serves(images, channels, taps, pixels, 4) == serves


#: Every combination of zeros on the four sides with 1 x 1, 1 x 2 and 3 x 3 filters, strides, dilations and groups.
SMALL = [
    Case(2, 3, 5, (5, 6), kernel, stride, ((top, bottom), (left, right)), dilation, groups)
    for kernel, stride, top, bottom, left, right, dilation, groups in itertools.product(
        ((1, 1), (1, 2), (3, 3)), ((1, 1), (2, 1)), (0, 2), (0, 1), (0, 2), (0, 1), ((1, 1), (1, 2)), (1, 2)
    )
]


@pytest.mark.parametrize("method", DIRECT)
def test_all_kinds_of_padding_are_exact_on_small_integers(method):
    for case in SMALL:
        operands = case.operands(0, np.float32, integers)
        with precision("direct"):
            results = case.results(DIRECT[method], *operands)
        for result, exact in zip(results, case.exact(*operands), strict=True):
            np.testing.assert_array_equal(result, exact, err_msg=str(case))


@pytest.mark.parametrize("method", DIRECT)
@pytest.mark.parametrize("outputs", [16, 31, 48, 49, 64, 70, 96, 130])
def test_weight_gradients_are_exact_for_any_number_of_vectors_of_outputs(method, outputs):
    case = Case(2, 3, outputs, (9, 7), (3, 2), (2, 1), ((1, 0), (0, 1)), (1, 1), 1)
    operands = case.operands(0, np.float32, integers)
    with precision("direct"):
        result = case.results(DIRECT[method], *operands)[2]
    np.testing.assert_array_equal(result, case.exact(*operands)[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=25, deadline=None)
@given(case=cases(), seed=st.integers(0, 9))
def test_direct_kernels_stay_within_the_elementwise_bound(dtype, case, seed):
    operands = case.operands(seed, dtype, normal)
    sizes = case.exact(*(abs(a) for a in operands))
    # the reference adds up in float64 itself; against a float64 kernel both may err
    errs = 2 if dtype == np.float64 else 1
    with precision("direct"):
        results = case.results(conv, *operands)
    for result, exact, size, n in zip(results, case.exact(*operands), sizes, case.terms(), strict=True):
        assert result.dtype == dtype
        assert (abs(result - exact) <= errs * gamma(n + 1, dtype) * size).all()


@pytest.mark.parametrize("tile", NORM_BOUND, ids=str)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), seed=st.integers(0, 9))
def test_winograd_stays_within_its_bound_in_norm(tile, data, seed):
    case = data.draw(winograd_cases(tile, groups=(1, 2)))
    operands = case.operands(seed, np.float32, normal)
    sizes = case.exact(*(abs(a) for a in operands))
    for result, exact, size in zip(
        case.results(by_winograd(tile), *operands), case.exact(*operands), sizes, strict=True
    ):
        scale = max(np.linalg.norm(exact), np.linalg.norm(size) / np.sqrt(10 * size.size))
        assert np.linalg.norm(result - exact) <= NORM_BOUND[tile] * scale


@pytest.mark.parametrize(
    "channels, outputs, size, kernel, stride", [(32, 32, 16, 4, 2), (32, 32, 14, 3, 1), (64, 32, 7, 5, 1)]
)
def test_default_precision_stays_within_three_times_a_plain_sum(channels, outputs, size, kernel, stride):
    before = (kernel - 1) // 2
    case = Case(2, channels, outputs, (size,) * 2, (kernel,) * 2, (stride,) * 2, ((before, before),) * 2, (1, 1), 1)
    x, w, g = case.operands(0, np.float32, normal)
    exact = case.exact(x, w, g)[0]
    plain = np.zeros(case.y, np.float32)  # one term after the other, each rounded to float32
    padded = np.pad(x, ((0, 0), (0, 0), (before, before), (before, before)))
    for c, r, s in np.ndindex(w.shape[1:]):
        down, across = (slice(k, k + stride * (n - 1) + 1, stride) for k, n in zip((r, s), case.y[2:], strict=True))
        plain += w[:, c, r, s][:, None, None] * padded[:, c, None, down, across]
    error = abs(conv.conv2d(x, w, *case.how) - exact).max()
    assert error <= 3 * abs(plain - exact).max()


def plain_sums(case, x, w, g):
    """The three results in float32, one term after the other; images are padded to fit, with room for the adjoint."""
    before, stride, (high, wide) = case.padding[0][0], case.stride[0], case.y[2:]
    room = ((0, 0), (0, 0), (before, before + stride), (before, before + stride))
    padded, dx = np.pad(x, room), np.pad(np.zeros_like(x), room)
    y, dw = np.zeros_like(g), np.zeros_like(w)

    def met(image, r, s):
        return image[:, :, r : r + stride * (high - 1) + 1 : stride, s : s + stride * (wide - 1) + 1 : stride]

    for channel, r, s in np.ndindex(w.shape[1:]):
        y += w[:, channel, r, s][:, None, None] * met(padded, r, s)[:, channel, None]
    for output, r, s in np.ndindex(w.shape[0], *w.shape[2:]):
        met(dx, r, s)[...] += g[:, output, None] * w[output, :, r, s][:, None, None]
    for image, p, q in np.ndindex(len(g), high, wide):
        window = padded[image, :, p * stride :, q * stride :][:, : w.shape[2], : w.shape[3]]
        dw += g[image, :, p, q][:, None, None, None] * window
    return y, dx[:, :, before : before + x.shape[2], before : before + x.shape[3]], dw


@pytest.mark.parametrize("tile", dispatch.TILES["default"], ids=str)
@pytest.mark.parametrize("channels", [16, 64])
def test_what_tiles_of_default_precision_err_in_units_of_a_plain_sum(tile, channels):
    ratios = []
    for kernel, stride in ((3, 2), (4, 2)) if tile[1] == 2 else ((3, 1), (5, 1), (5, 2)):
        before = (kernel - 1) // 2
        case = Case(2, channels, 16, (16, 16), (kernel,) * 2, (stride,) * 2, ((before, before),) * 2, (1, 1), 1)
        operands = case.operands(channels, np.float32, normal)
        results = case.results(by_winograd(tile), *operands), plain_sums(case, *operands), case.exact(*operands)
        ratios += [abs(a - exact).max() / abs(b - exact).max() for a, b, exact in zip(*results, strict=True)]
    assert max(ratios) <= 3.5 and np.median(ratios) <= 2.5  # maxima of few elements scatter


def largest_near(a, window, start, stride, pixels, around):
    """``[..., p, q]``: the largest |a| in the window that begins at ``p * stride + start``, and `around` pixels outside."""
    reach = [range(first - more, first + n + more) for first, n, more in zip(start, window, around, strict=True)]
    found = np.zeros((*a.shape[:2], *pixels))
    for p, q in np.ndindex(*pixels):
        rows, columns = ([s * at + k for k in axis if 0 <= s * at + k < n]
                         for s, at, axis, n in zip(stride, (p, q), reach, a.shape[2:], strict=True))  # fmt: skip
        if rows and columns:
            found[:, :, p, q] = abs(a[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).max((2, 3))
    return found


def bounds_of_tiles(case, tile, x, w, g):
    """The documented bound on the error of each element of the three results, for any data."""
    (m, r), stride = tile, case.stride
    kernel = [(k - 1) * d + 1 for k, d in zip(case.kernel, case.dilation, strict=True)]  # pixels from first to last tap
    kappa, more = amplification(m, r), [(m + r - 1) * s * d - 1 for s, d in zip(stride, case.dilation, strict=True)]
    before = [a for a, _ in case.padding]
    n_y, n_dx, n_dw = (n + 6 * (m + r) for n in case.terms())
    near = largest_near(x, kernel, [-b for b in before], stride, case.y[2:], more)
    y = np.einsum("ncpq,oc->nopq", near, abs(w).sum((2, 3)))
    # pixel i of dx meets the rows of g from (i + before - kernel + 1) / stride to (i + before) / stride
    spread = np.zeros((*g.shape[:2], *((n - 1) * s + 1 for n, s in zip(g.shape[2:], stride, strict=True))))
    spread[:, :, :: stride[0], :: stride[1]] = g
    start = [b - k + 1 for b, k in zip(before, kernel, strict=True)]
    near = largest_near(spread, kernel, start, (1, 1), x.shape[2:], more)
    dx = np.einsum("nohw,oc->nchw", near, abs(w).sum((2, 3)))
    dw = np.einsum("nc,no->oc", abs(x).max((2, 3)), abs(g).sum((2, 3)))[:, :, None, None] + np.zeros(w.shape)
    return [kappa * gamma(n, np.float32) * size for n, size in zip((n_y, n_dx, n_dw), (y, dx, dw), strict=True)]


@pytest.mark.parametrize("tile", dispatch.TILES["fast"], ids=str)
@settings(max_examples=10, deadline=None)
@given(data=st.data(), seed=st.integers(0, 9), size=st.sampled_from([1e-8, 1e4, 1e8]))
def test_tiles_stay_within_the_documented_bound_for_any_outliers(tile, data, seed, size):
    case = data.draw(winograd_cases(tile, groups=(1,)))
    operands, rng = case.operands(seed, np.float32, normal), np.random.default_rng(seed)
    for a in operands:
        a.ravel()[rng.integers(0, a.size, 1 + a.size // 50)] *= size
    results, bounds = case.results(by_winograd(tile), *operands), bounds_of_tiles(case, tile, *operands)
    for result, exact, bound in zip(results, case.exact(*operands), bounds, strict=True):
        assert (abs(result - exact) <= bound).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("level, outside", [("direct", 0), ("default", 6)])
@pytest.mark.parametrize("kernel, stride, channels", [(3, 1, 24), (4, 2, 24), (3, 1, 2), (1, 1, 24), (5, 3, 6)])
def test_nan_and_infinity_reach_what_the_documentation_says(bad, level, outside, kernel, stride, channels):
    before = kernel // 2
    case = Case(2, channels, 24, (17, 19), (kernel,) * 2, (stride,) * 2, ((before, before),) * 2, (1, 1), 1)
    x, w, g = case.operands(0, np.float32, normal)
    x[1, 0, 8, 9] = bad
    touched = np.zeros_like(x[:, :1])
    touched[1, 0, 8, 9] = 1
    with precision(level):
        y, _, dw = case.results(conv, x, w, g)
    window = largest_near(touched, case.kernel, (-before,) * 2, case.stride, case.y[2:], (0, 0)) > 0
    around = largest_near(touched, case.kernel, (-before,) * 2, case.stride, case.y[2:], (outside * stride,) * 2) > 0
    finite = np.isfinite(y)
    assert not (finite & window).any() and (finite | around).all()
    assert np.isfinite(dw[:, 1:]).all() and not np.isfinite(dw[:, 0]).all()


@pytest.mark.parametrize("width", [9, 20, 40])
def test_what_a_depthwise_weight_gradient_does_not_read_changes_nothing(width):
    """The last pixel meets the last tap only, though vectors reach beyond the last column."""
    case = Case(2, 1, 1, (7, width), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 3)
    x, w, g = case.operands(0, np.float32, normal)
    x[1, 2, -1, -1] = np.inf
    dw = case.results(DEPTHWISE, x, w, g)[2]
    assert list(zip(*np.nonzero(~np.isfinite(dw)))) == [(2, 0, 2, 2)]


@settings(max_examples=25, deadline=None)
@given(case=cases(), seed=st.integers(0, 9))
def test_the_three_kernels_are_adjoints(case, seed):
    x, w, g = case.operands(seed, np.float64, normal)
    y, dx, dw = case.results(conv, x, w, g)
    products = [np.vdot(y, g), np.vdot(x, dx), np.vdot(w, dw)]
    scale = np.linalg.norm(y) * np.linalg.norm(g)
    np.testing.assert_allclose(products, products[0], rtol=0, atol=1e-13 * scale + 1e-300)


LARGE = [
    Case(5, 32, 40, (16, 16), (4, 4), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),  # winograd
    Case(5, 20, 24, (9, 11), (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2), 2),  # channel lanes
    Case(9, 3, 24, (20, 20), (5, 5), (2, 2), ((1, 2), (1, 2)), (1, 1), 1),  # pixel lanes
    Case(5, 1, 1, (12, 13), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 40),  # depthwise, stride 2
    Case(5, 1, 1, (12, 33), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 40),  # depthwise
    Case(9, 40, 30, (15, 15), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 2),  # product
]
#: Images so few that threads share each of them.
FEW = [
    Case(1, 5, 24, (21, 20), (5, 5), (1, 1), ((1, 2), (1, 2)), (1, 1), 1),
    Case(1, 20, 24, (16, 16), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 2),
    Case(2, 3, 130, (9, 9), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    Case(1, 3, 40, (4, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
]


@pytest.mark.parametrize("method", DIRECT)
@pytest.mark.parametrize("case", LARGE + FEW, ids=repr)
def test_results_are_bit_identical_for_any_number_of_threads(method, case):
    operands = case.operands(0, np.float32, normal)
    before, results = get_num_threads(), []
    try:
        for threads in (1, 2, 2, 5, 16):
            set_num_threads(threads)
            results.append(case.results(DIRECT[method], *operands))
    finally:
        set_num_threads(before)
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)
    for result, exact in zip(results[-1], case.exact(*operands), strict=True):
        np.testing.assert_allclose(result, exact, rtol=0, atol=1e-3)


@pytest.mark.parametrize("method, panels, place", [(pixel_lanes, 1, 5), (channel_lanes, 128 // VECTOR_BYTES, 6)])
def test_a_single_image_occupies_all_threads(monkeypatch, method, panels, place):
    """It is computed in bands, two for each thread; channel lanes divide the 64 outputs in panels of two vectors already."""
    case, before = Case(1, 5, 64, (64, 64), (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1), get_num_threads()
    found = []
    monkeypatch.setattr(method, "correlate", lambda *args: found.append(args[place]))
    x, w = case.operands(0, np.float32, normal)[:2]
    try:
        set_num_threads(16)
        method.conv2d(x, w, np.empty(case.y, np.float32), *case.how)
    finally:
        set_num_threads(before)
    assert found == [32 // panels]


@pytest.mark.parametrize(
    "size, taps, stride, padding, dilation, met",
    [
        ((4, 4), (7, 7), (1, 1), ((6, 6), (6, 6)), (2, 2), (3, 3)),
        ((7, 14), (7, 7), (1, 1), ((12, 12), (12, 12)), (4, 4), (3, 7)),
        ((4, 2), (3, 2), (2, 1), ((0, 5), (3, 0)), (2, 3), (2, 1)),  # zeros on one side only
        ((1, 1), (3, 1), (1, 1), ((1, 1), (0, 0)), (1, 1), (1, 1)),
        ((2, 3), (1, 1), (1, 1), ((3, 4), (5, 6)), (1, 1), (1, 1)),  # pixels of the result that meet zeros only
    ],
)
def test_taps_that_meet_only_padding_are_left_out(monkeypatch, size, taps, stride, padding, dilation, met):
    case, found = Case(2, 3, 4, size, taps, stride, padding, dilation, 1), []
    monkeypatch.setattr(dispatch, "_best", lambda _, question: found.append(question) or ("pixel lanes", None))
    operands = case.operands(0, np.float64, integers)
    for result, exact in zip(case.results(dispatch, *operands), case.exact(*operands), strict=True):
        np.testing.assert_array_equal(result, exact)
    assert {question.filter_shape[1:] for question in found} == {met}


def test_a_product_of_few_pixels_occupies_many_threads(monkeypatch):
    """16 pixels, half a panel, meet the filters in several parts."""
    case = Case(1, 8, 512, (4, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    parts, before = [], get_num_threads()
    monkeypatch.setattr(products, "multiply", lambda *args, work: parts.append(args[-1]))
    x, w = case.operands(0, np.float32, normal)[:2]
    try:
        set_num_threads(16)
        products.conv2d(x, w, np.empty(case.y, np.float32), *case.how)
    finally:
        set_num_threads(before)
    assert parts == [32]


def test_several_python_threads_may_call_at_once():
    case = LARGE[0]
    operands = case.operands(0, np.float32, normal)
    expected, found = case.results(conv, *operands), []
    workers = [threading.Thread(target=lambda: found.append(case.results(conv, *operands))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    for results in found:
        for first, second in zip(expected, results, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_may_convolve():
    script = """
import os, warnings, numpy as np
warnings.simplefilter("ignore")
from minigen.kernels.cpu import conv2d
x, w = np.ones((4, 3, 12, 12), np.float32), np.ones((16, 3, 3, 3), np.float32)
run = lambda: conv2d(x, w, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
y = run()
child = os.fork()
if child == 0:
    os._exit(0 if (run() == y).all() else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_another_thread_compiles_may_convolve():
    script = """
import os, sys, threading, time, warnings, numpy as np
from numba.core import event
from minigen.kernels.cpu.runtime.compile import compiled
from minigen.kernels.cpu.runtime.thread_pool import parallel
warnings.simplefilter("ignore")
started = threading.Event()
class Listener(event.Listener):
    def on_start(self, _):
        started.set()
        time.sleep(1)
    def on_end(self, _):
        pass
event.register("numba:compile", Listener())
def one(x):
    return x + 1
@parallel
def two(thread, counter, x):
    x[0] = 2
other = threading.Thread(target=compiled(one), args=(1,))
other.start()
started.wait()
child = os.fork()
if child == 0:
    x = np.zeros(1)
    two(x)
    os._exit(0 if x[0] == 2 else 1)
for _ in range(600):
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        sys.exit(status != 0)
    time.sleep(0.1)
os.kill(child, 9)
sys.exit("the child hangs")
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("view", ["reversed", "transposed", "sliced", "read-only"])
def test_any_strides_and_read_only_inputs(view):
    case = LARGE[1]
    operands = case.operands(0, np.float32, integers)

    def strange(a):
        if view == "reversed":
            return a[::-1, :, ::-1].copy()[::-1, :, ::-1]
        if view == "transposed":
            return a.transpose(3, 1, 0, 2).copy().transpose(2, 1, 3, 0)
        if view == "sliced":
            return np.repeat(a, 2, axis=3)[..., ::2]
        a.flags.writeable = False
        return a

    results = case.results(conv, *map(strange, operands))
    for result, exact in zip(results, case.exact(*operands), strict=True):
        np.testing.assert_array_equal(result, exact)


@pytest.mark.parametrize("name", KERNELS)
def test_out_receives_the_result(name):
    case = LARGE[1]
    x, w, g = case.operands(0, np.float32, integers)
    which = KERNELS.index(name)
    first, second, size = ((x, w, ()), (g, w, (x.shape[2:],)), (x, g, (w.shape[2:],)))[which]
    exact = case.exact(x, w, g)[which]
    wide = np.full((*exact.shape[:3], 2 * exact.shape[3]), 7, np.float32)
    for out in (np.empty(exact.shape, np.float32), wide[..., ::2]):
        assert getattr(conv, name)(first, second, *size, *case.how, out=out) is out
        np.testing.assert_array_equal(out, exact)
    assert (wide[..., 1::2] == 7).all()


def test_empty_batches():
    case = Case(0, 3, 4, (6, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    y, dx, dw = case.results(conv, *case.operands(0, np.float32, normal))
    assert y.shape == case.y and dx.shape == case.x
    np.testing.assert_array_equal(dw, np.zeros(case.w))


def test_mixed_dtypes_are_refused():
    with pytest.raises(TypeError, match="w: got dtype float64, expected float32"):
        conv.conv2d(np.zeros((1, 1, 3, 3), np.float32), np.zeros((1, 1, 1, 1)), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision: got 'exact', expected one of default, fast, direct"):
        precision("exact")


@pytest.mark.parametrize("m, r", NORM_BOUND)
def test_winograd_matrices_are_a_correlation(m, r):
    matrix = {name: np.array(rows, float) for name, rows in matrices(m, r).items()}
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(m + r - 1), rng.standard_normal(r)
    found = matrix["AT"] @ ((matrix["G"] @ w) * (matrix["BT"] @ x))
    np.testing.assert_allclose(found, np.correlate(x, w), atol=1e-12)


def lines_of_chunks(kernel, args):
    """Of each array that a kernel writes: the cache lines that each chunk of its work writes to, loop by loop."""
    outside = 1 << 40  # a counter that has come so far leaves nothing to do
    arrays = [a for a in args if isinstance(a, np.ndarray) and a.flags.writeable and a.dtype.kind == "f"]
    rng = np.random.default_rng(1)
    before = [rng.standard_normal(a.size).astype(a.dtype) for a in arrays]

    def run(loop, start):
        counter = np.full(thread_pool._APART, outside)
        counter[loop] = start
        for a, old in zip(arrays, before):
            a.reshape(-1)[:] = old
        kernel._compiled(thread_pool._pool.shared, 1, counter, *thread_pool._with_workspaces(args, 1))
        return counter[loop] - start, [a.reshape(-1) != old for a, old in zip(arrays, before)]

    for loop in range(2):  # as many as a kernel has
        size, _ = run(loop, outside)
        if size == 0:
            continue
        chunks = run(loop, 0)[0] // size - 1
        written = [run(loop, chunk * size)[1] for chunk in range(chunks + 1)]
        for i, a in enumerate(arrays):
            line = (a.ctypes.data + np.arange(a.size) * a.itemsize) // CACHE_LINE
            yield [set(line[now[i] & ~later[i]]) for now, later in zip(written, written[1:])]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size, k, stride", [(16, 4, 2), (16, 3, 1), (4, 3, 1), (8, 5, 1)])
def test_threads_do_not_write_to_the_same_cache_lines(monkeypatch, kernel, size, k, stride):
    """Two cores that write to one line in turn wait for each other each time: a tenth of the lines may be shared."""
    call, shares = thread_pool.parallel.__call__, {}
    if kernel == "conv2d_weight_grad" and stride == 1 and size == 16:
        monkeypatch.setattr(dispatch, "_best", lambda *question: ("pixel lanes", None))

    def spy(self, *args, work=0):
        arrays = [a for a in args if isinstance(a, np.ndarray) and a.flags.writeable]
        saved = [a.copy() for a in arrays]
        for chunks in lines_of_chunks(self, args):
            lines = set().union(*chunks)
            if len(lines) > 64:
                shared = sum(map(len, chunks)) - len(lines)
                shares[self.__name__] = max(shared / len(lines), shares.get(self.__name__, 0))
        for a, content in zip(arrays, saved):
            a[...] = content
        call(self, *args)

    case = Case(16, 32, 32, (size, size), (k, k), (stride, stride), ((k // 2, k // 2),) * 2)
    arguments = case.arguments(kernel, *case.operands(0, np.float32, normal))
    monkeypatch.setattr(thread_pool.parallel, "__call__", spy)
    getattr(conv, kernel)(*arguments)
    assert shares and max(shares.values()) < 0.1, shares
