"""Convolution against plain loops, and the identity that ties its three kernels together."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import kernels
from minigen.check.strategies import arrays, windows
from minigen.ops.conv import conv2d, conv2d_input_grad, conv2d_weight_grad

F = mg.functional


@st.composite
def triads(draw, kinds=("gaussian",), dtype=np.float64):
    """x, w and g of fitting shapes, in any layout, with the parameters of the three kernels."""
    w = draw(windows())
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    n = draw(st.sampled_from([1, 2, 3, 0]))
    c, o = (groups * draw(st.integers(1, 2)) for _ in range(2))
    x = draw(arrays((n, c, *w["size"]), kinds, dtype))
    weight = draw(arrays((o, c // groups, *w["kernel"]), kinds, dtype))
    g = draw(arrays((n, o, *w["pixels"]), kinds, dtype))
    return x, weight, g, {k: w[k] for k in ("stride", "padding", "dilation")} | {"groups": groups}


def loops(x, w, stride, padding, dilation, groups):
    """The definition, one multiplication at a time."""
    n, _, height, width = x.shape
    o, per_group, r, s = w.shape
    (top, bottom), (left, right) = padding
    p = (height + top + bottom - dilation[0] * (r - 1) - 1) // stride[0] + 1
    q = (width + left + right - dilation[1] * (s - 1) - 1) // stride[1] + 1
    y = np.zeros((n, o, p, q), x.dtype)
    for image, f, row, column in itertools.product(range(n), range(o), range(p), range(q)):
        for channel, i, j in itertools.product(range(per_group), range(r), range(s)):
            down = row * stride[0] + i * dilation[0] - top
            across = column * stride[1] + j * dilation[1] - left
            if 0 <= down < height and 0 <= across < width:
                source = f // (o // groups) * per_group + channel
                y[image, f, row, column] += w[f, channel, i, j] * x[image, source, down, across]
    return y


def close(a, b, terms=1.0):
    """Equal up to the rounding of a sum of this many terms of this size."""
    return np.max(np.abs(a - b), initial=0.0) <= 1e-13 * max(1.0, terms)


@given(triads())
def test_equals_the_loops(case):
    x, w, _, params = case
    y = conv2d(x, w, **params).data
    expected = loops(x, w, **params)
    assert y.shape == expected.shape
    assert close(y, expected, np.abs(w).sum() * np.max(np.abs(x), initial=0))


@settings(max_examples=4 * settings().max_examples)
@given(triads())
def test_the_three_kernels_are_one_trilinear_form(case):
    """<C(x, w), g> = <x, T(g, w)> = <w, W(x, g)>."""
    x, w, g, params = case
    c = conv2d(x, w, **params).data
    t = conv2d_input_grad(g, w, input_size=x.shape[2:], **params).data
    v = conv2d_weight_grad(x, g, kernel_size=w.shape[2:], **params).data
    assert (c.shape, t.shape, v.shape) == (g.shape, x.shape, w.shape)
    terms = float((conv2d(np.abs(x), np.abs(w), **params).data * np.abs(g)).sum())
    first, second, third = (float((a * b).sum()) for a, b in ((c, g), (x, t), (w, v)))
    assert abs(first - second) <= 1e-13 * max(terms, 1e-300)
    assert abs(first - third) <= 1e-13 * max(terms, 1e-300)


KERNEL_SETS = [s for s in kernels.available() if s != "cuda"]


@pytest.mark.parametrize("kernel_set", KERNEL_SETS)
@given(triads(kinds=("integers",), dtype=np.float32))
def test_float32_is_exact_where_every_partial_sum_is_a_small_integer(kernel_set, case):
    """Integers up to 4 and under 2^24 / 16 terms: no addition rounds, so any order of summation gives the same bits."""
    x, w, g, params = case
    exact = [a.astype(np.float64) for a in (x, w, g)]
    expected = loops(exact[0], exact[1], **params)
    expected_t = conv2d_input_grad(exact[2], exact[1], input_size=x.shape[2:], **params).data
    expected_w = conv2d_weight_grad(exact[0], exact[2], kernel_size=w.shape[2:], **params).data
    with kernels.use(kernel_set):
        assert np.array_equal(conv2d(x, w, **params).data, expected)
        assert np.array_equal(conv2d_input_grad(g, w, input_size=x.shape[2:], **params).data, expected_t)
        assert np.array_equal(conv2d_weight_grad(x, g, kernel_size=w.shape[2:], **params).data, expected_w)


@pytest.mark.parametrize("kernel_set", KERNEL_SETS)
def test_second_derivatives_are_exact_for_zeros_on_any_side(kernel_set):
    """Of <C(x, w), g^2> in x and w, and of a product with these in x, w and g: all three kernels, twice."""
    rng = np.random.default_rng(0)
    for top, bottom, left, right, r, s in itertools.product((0, 2), (0, 1), (0, 2), (0, 1), (1, 2), (1, 2)):
        params = {"stride": (1, s), "padding": ((top, bottom), (left, right)), "dilation": (1, 1), "groups": 1}
        size = (4 + top + bottom - r + 1, (3 + left + right - r) // s + 1)
        shapes = ((1, 2, 4, 3), (2, 2, r, r), (1, 2, *size))
        arrays = [rng.integers(-3, 4, shape).astype(np.float32) for shape in (*shapes, *shapes[:2])]

        def derivatives(params=params, arrays=arrays):
            x, w, g, u, v = (mg.tensor(a, requires_grad=i < 3) for i, a in enumerate(arrays))
            dx, dw = mg.grad((conv2d(x, w, **params) * g * g).sum(), [x, w], create_graph=True)
            return [d.data for d in (dx, dw, *mg.grad((dx * u).sum() + (dw * v).sum(), [x, w, g]))]

        with kernels.use("reference"):
            expected = derivatives()
        with kernels.use(kernel_set), kernels.precision("direct"):
            for found, exact in zip(derivatives(), expected, strict=True):
                np.testing.assert_array_equal(found, exact, err_msg=str(params))


@given(st.data())
def test_conv_transpose2d_is_the_adjoint_of_conv2d_output_padding_and_all(data):
    stride, dilation = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 2))
    extra = data.draw(st.integers(0, max(stride, dilation) - 1))
    r, padding = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    p = data.draw(st.integers(1, 4))
    size = (p - 1) * stride - 2 * padding + dilation * (r - 1) + extra + 1
    groups = data.draw(st.sampled_from([1, 2]))
    n, c, o = data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 2)), groups
    if size <= 0 or extra >= stride:
        return
    u = data.draw(arrays((n, o, p, p)))  # what the transposed convolution reads
    w = data.draw(arrays((o, c // groups, r, r)))
    x = data.draw(arrays((n, c, size, size)))
    y = F.conv_transpose2d(
        mg.tensor(u), mg.tensor(w), None, stride, padding, output_padding=extra, groups=groups, dilation=dilation
    )
    assert y.shape == x.shape
    both = ((padding, padding), (padding, padding))
    direct = loops(x, w, (stride, stride), both, (dilation, dilation), groups)[:, :, :p, :p]
    terms = np.abs(y.data).sum() * np.max(np.abs(x), initial=0) + np.abs(direct).sum() * np.max(np.abs(u), initial=0)
    assert abs(float((y.data * x).sum()) - float((direct * u).sum())) <= 1e-13 * max(terms, 1.0)


def test_rows_that_no_window_reaches_get_no_gradient():
    x = mg.tensor(np.ones((1, 1, 6, 6)), requires_grad=True)
    w = mg.tensor(np.ones((1, 1, 1, 1)))
    F.conv2d(x, w, stride=4).sum().backward()  # stride 4 beyond a 1x1 kernel: pixels 0 and 4 of each row
    expected = np.zeros((6, 6))
    expected[np.ix_([0, 4], [0, 4])] = 1
    assert np.array_equal(x.grad.data[0, 0], expected)


@pytest.mark.parametrize("kernel", [3, 4])
def test_the_kernel_size_cannot_be_told_from_the_output_and_is_kept(kernel):
    x = mg.tensor(np.random.default_rng(0).standard_normal((1, 1, 9, 9)), requires_grad=True)
    w = mg.tensor(np.random.default_rng(1).standard_normal((1, 1, kernel, kernel)), requires_grad=True)
    y = F.conv2d(x, w, stride=2, padding=(kernel - 3, 0) if kernel == 3 else 1)
    dx, dw = mg.grad(y, [x, w], mg.ones(*y.shape, dtype="float64"))
    assert dx.shape == x.shape and dw.shape == w.shape


def test_an_empty_batch_has_zero_weight_gradient():
    w = mg.tensor(np.ones((2, 3, 2, 2)), requires_grad=True)
    y = F.conv2d(mg.zeros(0, 3, 4, 4, dtype="float64"), w)
    assert y.shape == (0, 2, 3, 3)
    y.sum().backward()
    assert np.array_equal(w.grad.data, np.zeros((2, 3, 2, 2)))
