"""The functions of `minigen.functional` against straightforward NumPy, and their errors."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import minigen as mg
import minigen.functional as F
from minigen.ops import pool

numbers = np.random.default_rng


def conv_by_loops(x, w, b, stride, sides, dilation, groups):
    """The definition, one output pixel at a time."""
    (top, bottom), (left, right) = sides
    n, c, h, width = x.shape
    o, per_group, r, s = w.shape
    padded = np.zeros((n, c, h + top + bottom, width + left + right))
    padded[:, :, top : top + h, left : left + width] = x
    p = (padded.shape[2] - dilation[0] * (r - 1) - 1) // stride[0] + 1
    q = (padded.shape[3] - dilation[1] * (s - 1) - 1) // stride[1] + 1
    y = np.zeros((n, o, p, q))
    for image, filter_, row, column in itertools.product(range(n), range(o), range(p), range(q)):
        first = filter_ // (o // groups) * per_group
        for channel, i, j in itertools.product(range(per_group), range(r), range(s)):
            pixel = padded[
                image, first + channel, row * stride[0] + i * dilation[0], column * stride[1] + j * dilation[1]
            ]
            y[image, filter_, row, column] += w[filter_, channel, i, j] * pixel
        y[image, filter_, row, column] += b[filter_]
    return y


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 2))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    side = st.tuples(st.integers(0, 2), st.integers(0, 2))
    kernel, dilation = draw(pair), draw(pair)
    sides = (draw(side), draw(side))
    size = [
        draw(st.integers(max(1, d * (k - 1) + 1 - sum(s)), 8)) for k, d, s in zip(kernel, dilation, sides, strict=True)
    ]
    shape = (draw(st.integers(0, 2)), groups * draw(st.integers(1, 2)), *size)
    weight = (groups * draw(st.integers(1, 2)), shape[1] // groups, *kernel)
    return shape, weight, draw(pair), sides, dilation, groups, draw(st.integers(0, 2**32 - 1))


@given(convolutions())
def test_conv2d_is_its_definition(case):
    shape, weight, stride, sides, dilation, groups, seed = case
    rng = numbers(seed)
    x, w, b = rng.standard_normal(shape), rng.standard_normal(weight), rng.standard_normal(weight[0])
    y = F.conv2d(mg.tensor(x), mg.tensor(w), mg.tensor(b), stride, sides, dilation, groups)
    expected = conv_by_loops(x, w, b, stride, sides, dilation, groups)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=1e-12)


@given(convolutions(), st.tuples(st.integers(0, 2), st.integers(0, 2)))
@settings(deadline=None)
def test_conv_transpose2d_scatters_each_pixel(case, extra):
    shape, weight, stride, sides, dilation, groups, seed = case
    rng = numbers(seed)
    extra = tuple(min(e, max(s, d) - 1) for e, s, d in zip(extra, stride, dilation, strict=True))
    x = rng.standard_normal((shape[0], weight[0], 2, 3))
    w, b = rng.standard_normal(weight), rng.standard_normal(weight[1] * groups)
    full = np.zeros((shape[0], len(b), *((n - 1) * s + d * (k - 1) + 1 + 4 for n, s, d, k in
                                         zip((2, 3), stride, dilation, weight[2:], strict=True))))  # fmt: skip
    for channel, out, i, j, r, s in itertools.product(
        range(weight[0]), range(weight[1]), range(2), range(3), range(weight[2]), range(weight[3])
    ):
        to = channel // (weight[0] // groups) * weight[1] + out
        row, column = i * stride[0] + r * dilation[0], j * stride[1] + s * dilation[1]
        full[:, to, row, column] += w[channel, out, r, s] * x[:, channel, i, j]
    size = [
        (n - 1) * s + d * (k - 1) + 1 + e - sum(p)
        for n, s, d, k, e, p in zip((2, 3), stride, dilation, weight[2:], extra, sides, strict=True)
    ]
    call = (mg.tensor(x), mg.tensor(w), mg.tensor(b), stride, sides, extra, groups, dilation)
    if min(size) < 1:
        with pytest.raises(ValueError, match="nothing is left"):
            F.conv_transpose2d(*call)
        return
    (top, _), (left, _) = sides
    expected = full[:, :, top : top + size[0], left : left + size[1]] + b[:, None, None]
    np.testing.assert_allclose(F.conv_transpose2d(*call).numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("size", "kernel", "stride"), [*itertools.product((5, 6, 7, 8), (1, 3, 4, 5), (1, 2, 3))])
def test_same_padding_divides_the_size_by_the_stride_and_its_transpose_multiplies(size, kernel, stride):
    x, w = mg.ones(1, 2, size, size), mg.ones(3, 2, kernel, kernel)
    assert F.conv2d(x, w, None, stride, "same").shape[2:] == (math.ceil(size / stride),) * 2
    up = F.conv_transpose2d(mg.ones(1, 3, size, size), w, None, stride, "same")
    assert up.shape == (1, 2, size * stride, size * stride)


def test_same_padding_at_kernel_5_stride_2_is_one_before_and_two_after():
    x = numbers(0).standard_normal((1, 1, 8, 8))
    w = numbers(1).standard_normal((1, 1, 5, 5))
    expected = conv_by_loops(x, w, np.zeros(1), (2, 2), ((1, 2), (1, 2)), (1, 1), 1)
    np.testing.assert_allclose(F.conv2d(mg.tensor(x), mg.tensor(w), None, 2, "same").numpy(), expected, atol=1e-12)


def test_an_unbatched_image_is_a_batch_of_one():
    x, w = numbers(0).standard_normal((2, 6, 6)), numbers(1).standard_normal((2, 2, 3, 3))
    for function in (F.conv2d, F.conv_transpose2d):
        single = function(mg.tensor(x), mg.tensor(w)).numpy()
        np.testing.assert_array_equal(single, function(mg.tensor(x[None]), mg.tensor(w)).numpy()[0])


def standardised(x, axes, eps):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_batch_norm_in_training_normalises_and_updates_the_running_statistics():
    x, w, b = numbers(0).standard_normal((4, 3, 2, 5)), numbers(1).standard_normal(3), numbers(2).standard_normal(3)
    mean, var = mg.tensor(np.full(3, 7.0)), mg.tensor(np.full(3, 9.0))
    y = F.batch_norm(mg.tensor(x), mean, var, mg.tensor(w), mg.tensor(b), training=True, momentum=0.3, eps=1e-3)
    expected = standardised(x, (0, 2, 3), 1e-3) * w[:, None, None] + b[:, None, None]
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(mean.numpy(), 0.7 * 7 + 0.3 * x.mean((0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(var.numpy(), 0.7 * 9 + 0.3 * x.var((0, 2, 3), ddof=1), atol=1e-12)


def test_batch_norm_in_evaluation_uses_the_running_statistics_and_leaves_them():
    x, mean, var = numbers(0).standard_normal((4, 3)), np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    running = mg.tensor(mean), mg.tensor(var)
    y = F.batch_norm(mg.tensor(x), *running, eps=0.5)
    np.testing.assert_allclose(y.numpy(), (x - mean) / np.sqrt(var + 0.5), atol=1e-12)
    np.testing.assert_array_equal(running[0].numpy(), mean)


def test_the_other_norms_normalise_over_their_own_axes():
    x, w, b = numbers(0).standard_normal((4, 6, 2, 5)), numbers(1).standard_normal(6), numbers(2).standard_normal(6)
    affine = (mg.tensor(w), mg.tensor(b))
    scaled = lambda y: y * w[:, None, None] + b[:, None, None]  # noqa: E731
    groups = standardised(x.reshape(4, 3, -1), 2, 1e-5).reshape(x.shape)
    np.testing.assert_allclose(F.group_norm(mg.tensor(x), 3, *affine).numpy(), scaled(groups), atol=1e-11)
    instances = standardised(x, (2, 3), 1e-5)
    np.testing.assert_allclose(
        F.instance_norm(mg.tensor(x), None, None, *affine).numpy(), scaled(instances), atol=1e-11
    )
    layers = standardised(x, (1, 2, 3), 1e-5)
    np.testing.assert_allclose(F.layer_norm(mg.tensor(x), (6, 2, 5)).numpy(), layers, atol=1e-11)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 3), (2, 1), (1, 1)), ((3, 3), (4, 2), (0, 1)), ((1, 1), (1, 1), (0, 0))]
)
def test_pooling_looks_at_every_window(kernel, stride, padding):
    x = numbers(0).standard_normal((2, 3, 7, 8))
    border = ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)
    low, zero = np.pad(x, border, constant_values=-np.inf), np.pad(x, border)
    counted = np.pad(np.ones_like(x), border)
    size = [(n - k) // s + 1 for n, k, s in zip(low.shape[2:], kernel, stride, strict=True)]
    largest, mean, inner = (np.zeros((2, 3, *size)) for _ in range(3))
    for i, j in itertools.product(*map(range, size)):
        window = np.s_[..., i * stride[0] : i * stride[0] + kernel[0], j * stride[1] : j * stride[1] + kernel[1]]
        largest[..., i, j] = low[window].max((2, 3))
        mean[..., i, j] = zero[window].mean((2, 3))
        inner[..., i, j] = zero[window].sum((2, 3)) / counted[window].sum((2, 3))
    t = mg.tensor(x)
    np.testing.assert_array_equal(F.max_pool2d(t, kernel, stride, padding).numpy(), largest)
    np.testing.assert_allclose(F.avg_pool2d(t, kernel, stride, padding).numpy(), mean, atol=1e-14)
    excluding = F.avg_pool2d(t, kernel, stride, padding, count_include_pad=False)
    np.testing.assert_allclose(excluding.numpy(), inner, atol=1e-14)


@pytest.mark.parametrize("kernel_set", ["reference", "cpu"])
def test_max_pooling_gives_the_gradient_to_an_element_of_the_window_even_if_all_are_minus_infinity(kernel_set):
    x = mg.full((1, 1, 4, 4), -np.inf, requires_grad=True)
    with mg.kernels.use(kernel_set):
        (dx,) = mg.grad(F.max_pool2d(x, 2, padding=1).sum(), x)
    np.testing.assert_array_equal(dx.numpy()[0, 0], np.outer([1, 1, 0, 1], [1, 1, 0, 1]))


def test_the_gradient_of_max_pooling_tells_the_kernel_its_window(monkeypatch):
    """Without it the kernel of a GPU has one thread for each image, and not for each element."""
    seen, find = [], pool.find

    def spy(name, like):
        kernel = find(name, like)
        return kernel if name == "max_pool2d" else lambda *arguments: (seen.append(arguments[3]), kernel(*arguments))[1]

    monkeypatch.setattr(pool, "find", spy)
    x = mg.tensor(np.ones((1, 1, 5, 5)), requires_grad=True)
    F.max_pool2d(x, 3, 2, 1).sum().backward()
    assert seen == [((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))]


def test_zero_to_a_power_is_zero_one_or_infinity_with_no_gradient():
    x = mg.tensor([2.0, 0.0, -1.0, np.nan], requires_grad=True)
    y = 0**x
    np.testing.assert_array_equal(y.numpy(), [0, 1, np.inf, np.nan])
    np.testing.assert_array_equal(mg.grad(y.sum(), x)[0].numpy(), 0)


@pytest.mark.parametrize("shape", [(2, 0, 1, 0), (0, 3, 2, 2), (2, 3, 0), (0, 3, 1, 1)])
@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_a_norm_of_nothing_is_nothing(name, shape):
    if name == "instance_norm" and shape == (0, 3, 1, 1):
        return  # one value per channel
    x, weight = mg.zeros(*shape, requires_grad=True), mg.ones(shape[1], requires_grad=True)
    mean, var = mg.zeros(shape[1]), mg.ones(shape[1])
    function = getattr(F, name)
    out = function(x, mean, var, weight, None, True)
    assert out.shape == shape and mg.grad(out.sum(), weight)[0].numpy().tolist() == [0.0] * shape[1]
    assert not mean.numpy().any() and (var.numpy() == 1).all()  # no NaN, the mean of nothing


def test_beside_an_infinity_large_numbers_do_not_overflow_in_the_gradient_of_the_variance():
    x = mg.tensor([-3e38, 3e38, 1.0, 3e38, -np.inf], requires_grad=True)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        (g,) = mg.grad(mg.var(x, dim=0), x)
    np.testing.assert_array_equal(g.numpy(), [np.inf, np.inf, np.inf, np.inf, np.nan])  # x_i minus a mean of -inf


def test_vectors_are_normalized_in_any_norm_without_overflow():
    x = np.array([[3e30, -4e30], [0, 0]], np.float32)
    for p, length in ((1, 7e30), (2, 5e30), (3, 91 ** (1 / 3) * 1e30), (np.inf, 4e30)):
        np.testing.assert_allclose(F.normalize(mg.tensor(x), p).numpy(), x / np.float32(length), 1e-5)


def test_max_pooling_shows_a_nan():
    x = np.zeros((1, 1, 2, 2))
    x[0, 0, 0, 1] = np.nan
    assert np.isnan(F.max_pool2d(mg.tensor(x), 2).item())


def test_interpolation_keeps_a_ramp_a_ramp_and_corners_where_they_were():
    ramp = mg.tensor(np.arange(5.0).reshape(1, 1, 1, 5))
    wide = F.interpolate(ramp, (1, 9), mode="bilinear", align_corners=True)
    np.testing.assert_allclose(wide.numpy().ravel(), np.linspace(0, 4, 9), atol=1e-12)
    edges = F.interpolate(ramp, (1, 10), mode="bilinear").numpy().ravel()
    np.testing.assert_allclose(edges, np.clip((np.arange(10) + 0.5) / 2 - 0.5, 0, 4), atol=1e-12)
    assert F.interpolate(ramp, scale_factor=(1, 0.4)).numpy().ravel().tolist() == [0, 2]


@pytest.mark.parametrize(("size", "mode"), [((9, 5), "bicubic"), ((24, 30), "bicubic"), ((9, 5), "bilinear")])
def test_antialiasing_is_that_of_pillow(size, mode):
    x = numbers(0).standard_normal((12, 15)).astype(np.float32)
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    expected = np.asarray(Image.fromarray(x).resize(size[::-1], filters[mode]))
    ours = F.interpolate(mg.tensor(x[None, None]), size, mode=mode, antialias=True)
    np.testing.assert_allclose(ours.numpy()[0, 0], expected, atol=2e-6)


def test_classification_losses_are_minus_log_probabilities():
    rng = numbers(0)
    logits, labels = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    each = -np.log(p[np.arange(5), labels])
    t = mg.tensor(logits)
    np.testing.assert_allclose(F.cross_entropy(t, mg.tensor(labels)).item(), each.mean(), rtol=1e-12)
    labels_with_hole = np.where(np.arange(5) == 2, -100, labels)
    weight = rng.random(4)
    counted = np.arange(5) != 2
    expected = (each * weight[labels])[counted].sum() / weight[labels][counted].sum()
    ours = F.cross_entropy(t, mg.tensor(labels_with_hole), mg.tensor(weight))
    np.testing.assert_allclose(ours.item(), expected, rtol=1e-12)
    smooth = 0.9 * each + 0.1 * -np.log(p).mean(1)
    np.testing.assert_allclose(
        F.cross_entropy(t, mg.tensor(labels), reduction="none", label_smoothing=0.1).numpy(), smooth, rtol=1e-12
    )


def test_binary_losses_agree_and_stay_finite_where_probabilities_round():
    x, y = np.array([-3.0, 0.5, 2.0]), np.array([0.0, 0.3, 1.0])
    p = 1 / (1 + np.exp(-x))
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    logits = F.binary_cross_entropy_with_logits(mg.tensor(x), mg.tensor(y), reduction="none")
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-12)
    probabilities = F.binary_cross_entropy(mg.tensor(p), mg.tensor(y), reduction="none")
    np.testing.assert_allclose(probabilities.numpy(), expected, rtol=1e-12)
    far = mg.tensor([-1000.0, 1000.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(far, mg.tensor([1.0, 0.0]), reduction="sum")
    loss.backward()
    assert loss.item() == 2000 and far.grad.numpy().tolist() == [-1, 1]
    edge = mg.tensor([0.0, 1.0], requires_grad=True)
    F.binary_cross_entropy(edge, mg.tensor([1.0, 0.0]), reduction="sum").backward()
    assert np.isfinite(edge.grad.numpy()).all()


def test_dropout_keeps_the_mean_and_follows_its_generator():
    x = mg.ones(200, 200)
    y = F.dropout(x, 0.3, generator=numbers(0)).numpy()
    np.testing.assert_array_equal(y, F.dropout(x, 0.3, generator=numbers(0)).numpy())
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs(y.mean() - 1) < 4 * math.sqrt(0.3 / 0.7 / y.size)
    assert F.dropout(x, 0.3, training=False) is x
    assert not F.dropout(x, 1.0).numpy().any()


def test_float32_stays_float32():
    x, w = mg.ones(2, 4, 6, 6), mg.ones(4, 4, 3, 3)
    results = [
        F.conv2d(x, w), F.conv_transpose2d(x, w), F.batch_norm(x, None, None, training=True), F.group_norm(x, 2),
        F.layer_norm(x, (6,)), F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.interpolate(x, 3, mode="bilinear"),
        F.softmax(x, 1), F.log_softmax(x, 1), F.logsumexp(x, 1), F.softplus(x), F.elu(x), F.leaky_relu(x, 0.3),
        F.dropout(x), F.mse_loss(x, x), F.binary_cross_entropy_with_logits(x, x), F.binary_cross_entropy(x, x),
        F.cross_entropy(x, mg.tensor(np.zeros((2, 6, 6), int)), label_smoothing=0.1), F.pad(x, (1, 1)),
        mg.var(x), mg.mean(x), x**2.5, 2**x, x / 3,
    ]  # fmt: skip
    assert {r.dtype for r in results} == {np.dtype(np.float32)}


BAD = {
    "conv rank": (lambda: F.conv2d(mg.ones(3, 3), mg.ones(1, 1, 1, 1)), r"'input'.*\(3, 3\)"),
    "conv channels": (lambda: F.conv2d(mg.ones(1, 3, 8, 8), mg.ones(4, 2, 3, 3)), r"3 channels.*expects 2"),
    "conv groups": (lambda: F.conv2d(mg.ones(1, 4, 8, 8), mg.ones(3, 2, 3, 3), groups=2), r"3 output channels.*groups=2"),
    "conv groups zero": (lambda: F.conv2d(mg.ones(1, 4, 8, 8), mg.ones(3, 4, 3, 3), groups=0), r"'groups'.*got 0"),
    "conv stride": (lambda: F.conv2d(mg.ones(1, 1, 8, 8), mg.ones(1, 1, 3, 3), stride=0), r"'stride'.*got 0"),
    "conv padding": (lambda: F.conv2d(mg.ones(1, 1, 8, 8), mg.ones(1, 1, 3, 3), padding=-1), r"'padding'.*got -1"),
    "conv padding word": (lambda: F.conv2d(mg.ones(1, 1, 8, 8), mg.ones(1, 1, 3, 3), padding="full"), r"'full'"),
    "conv kernel too large": (lambda: F.conv2d(mg.ones(1, 1, 2, 8), mg.ones(1, 1, 3, 3)), r"height 2"),
    "conv bias": (lambda: F.conv2d(mg.ones(1, 1, 8, 8), mg.ones(2, 1, 3, 3), mg.ones(3)), r"'bias'.*\(3,\).*\(2,\)"),
    "transpose channels": (lambda: F.conv_transpose2d(mg.ones(1, 3, 8, 8), mg.ones(4, 2, 3, 3)), r"3 channels"),
    "output padding": (
        lambda: F.conv_transpose2d(mg.ones(1, 4, 8, 8), mg.ones(4, 2, 3, 3), output_padding=1), r"output_padding \(1, 1\)"
    ),
    "linear": (lambda: F.linear(mg.ones(2, 3), mg.ones(4, 5)), r"\(2, 3\).*\(4, 5\)"),
    "batch norm size": (lambda: F.batch_norm(mg.ones(2, 3), None, None, mg.ones(4), training=True), r"'weight'.*\(4,\)"),
    "batch norm of one": (lambda: F.batch_norm(mg.ones(1, 3), None, None, training=True), r"1 value per channel"),
    "batch norm statistics": (lambda: F.batch_norm(mg.ones(2, 3), None, None), r"running_mean and running_var"),
    "group norm": (lambda: F.group_norm(mg.ones(2, 3), 2), r"num_groups=2"),
    "layer norm": (lambda: F.layer_norm(mg.ones(2, 3), (2,)), r"normalized_shape \(2,\)"),
    "pool": (lambda: F.max_pool2d(mg.ones(1, 2, 2), 3), r"window \(3, 3\)"),
    "pool padding": (lambda: F.max_pool2d(mg.ones(1, 8, 8), 2, padding=2), r"more than half"),
    "mse": (lambda: F.mse_loss(mg.ones(2), mg.ones(3)), r"\(2,\).*\(3,\)"),
    "reduction": (lambda: F.mse_loss(mg.ones(2), mg.ones(2), "avg"), r"'avg'"),
    "probability": (lambda: F.binary_cross_entropy(mg.tensor([1.5]), mg.ones(1)), r"\[0, 1\].*1.5"),
    "label": (lambda: F.cross_entropy(mg.ones(2, 3), mg.tensor([0, 3])), r"labels from 0 to 3, expected 0 to 2"),
    "one hot": (lambda: F.one_hot(mg.tensor([0, 5]), 3), r"0 to 5.*0 to 2"),
    "dropout": (lambda: F.dropout(mg.ones(2), 1.5), r"got 1.5"),
    "interpolate": (lambda: F.interpolate(mg.ones(1, 1, 2, 2)), r"either size or scale_factor"),
    "antialias": (lambda: F.interpolate(mg.ones(1, 1, 2, 2), 3, antialias=True), r"antialias=True needs"),
    "pad": (lambda: F.pad(mg.ones(2, 2), (1, 2, 3)), r"\(1, 2, 3\)"),
    "reflect": (lambda: F.pad(mg.ones(2, 2), (2, 0), "reflect"), r"does not fit"),
    "matmul": (lambda: mg.ones(2, 3) @ mg.ones(2, 3), r"\(2, 3\) and \(2, 3\)"),
    "reshape": (lambda: mg.ones(2, 3).reshape(4, -1), r"\(4, -1\).*6 elements"),
    "cat": (lambda: mg.cat([mg.ones(2, 3), mg.ones(2, 4)]), r"tensors\[1\] of shape \(2, 4\)"),
    "expand": (lambda: mg.ones(2, 3).expand(2, 4), r"\(2, 3\).*\(2, 4\)"),
    "zeros": (lambda: mg.zeros(2, -1), r"\(2, -1\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_values_are_named_with_their_sizes(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mg.ones(2) + mg.ones(2, dtype=np.float64), r"add: argument 'other' has dtype float64, expected float32"),
        (lambda: F.conv2d(mg.ones(1, 1, 4, 4), mg.ones(1, 1, 2, 2, dtype="float64")), r"conv2d: argument 'w'.*float64"),
        (lambda: mg.exp(mg.arange(3)), r"exp: argument 'input' has dtype int64"),
        (lambda: F.cross_entropy(mg.ones(2, 3), mg.tensor([True, False])), r"dtype bool, expected integers"),
        (lambda: mg.tensor([1, 2], requires_grad=True), r"only float32 and float64"),
        (lambda: mg.tensor(["a"]), r"expected numbers"),
        (lambda: mg.tensor([1j]), r"expected numbers"),
        (lambda: F.conv2d(np.ones((1, 1, 4, 4)), mg.ones(1, 1, 2, 2)), r"'input': expected a Tensor, got ndarray"),
    ],
)  # fmt: skip
def test_bad_types_are_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_initialization_names_what_it_needs_in_place_of_an_array():
    with pytest.raises(TypeError, match="pass the parameter itself"):
        mg.nn.init.normal_(mg.nn.Linear(2, 2).weight.data)


def test_align_corners_may_be_none_as_in_pytorch():
    x = mg.arange(4.0).reshape(1, 1, 2, 2)
    assert F.interpolate(x, 3, mode="bilinear", align_corners=None).equal(F.interpolate(x, 3, mode="bilinear"))


def test_the_gradient_of_a_square_overflows_only_where_it_is_too_large_itself():
    x = mg.tensor([3e38], requires_grad=True)
    with np.errstate(over="ignore"):  # the square itself
        (dx,) = mg.grad(F.mse_loss(x, mg.zeros(1), "none"), x, mg.tensor([0.5]))
    np.testing.assert_allclose(dx.numpy(), x.numpy(), 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradients_of_softplus_and_tanh_have_the_bits_of_their_formulas(dtype):
    """One kernel does what the formulas do in two and three operations: also in the second derivatives."""
    rng = np.random.default_rng(0)
    x, g, v = (mg.tensor((5 * rng.standard_normal((4, 70))).astype(dtype), requires_grad=True) for _ in range(3))
    y = F.tanh(x)
    for out, written in ((F.softplus(x), g * F.sigmoid(x)), (y, g * (1 - y * y))):
        (dx,) = mg.grad(out, x, g, create_graph=True)
        np.testing.assert_array_equal(dx.numpy(), written.numpy())
        for ours, theirs in zip(
            mg.grad(dx, [g, x], v, retain_graph=True), mg.grad(written, [g, x], v, retain_graph=True)
        ):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
