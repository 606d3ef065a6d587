"""A layer or a normalization that does the leaky ReLU after it: every bit is that of the two, one after the other."""

import copy
import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import kernels, nn
from minigen.kernels import reference

ACTIVATIONS = [nn.ReLU(), *(nn.LeakyReLU(slope) for slope in (0.0, 0.01, 0.2, 1.0, -0.5))]
LAYERS = {2: [nn.BatchNorm1d], 3: [nn.BatchNorm1d], 4: [nn.BatchNorm2d, nn.InstanceNorm2d]}


def bits(arrays):
    return [None if a is None else (a.dtype, a.shape, np.ascontiguousarray(a).tobytes()) for a in arrays]


def numbers(rng, shape, dtype, spread):
    """Numbers with zeros of both signs among them; in other memory if `spread`."""
    x = rng.standard_normal(shape) * rng.choice([1.0, 1.0, 0.0, -0.0], shape)
    return np.repeat(x.astype(dtype), 2, axis=-1)[..., ::2] if spread else x.astype(dtype)


def derivatives(network, layer, x, cotangents):
    """The output, the running statistics, and the first and second derivatives."""
    g, *directions = cotangents
    x, g = mg.tensor(x, requires_grad=True), mg.tensor(g, requires_grad=True)
    inputs = [x, *layer.parameters()]
    out = network(x)
    first = mg.grad(out, inputs, g, retain_graph=True)
    again = mg.grad(out, inputs, g, create_graph=True)
    total = sum(((a * mg.tensor(v)).sum() for a, v in zip(again, directions)), (out * out).sum())
    second = mg.grad(total, [*inputs, g], allow_unused=True)
    return [None if t is None else t.numpy() for t in (out, *layer.buffers(), *first, *again, *second)]


@st.composite
def cases(draw):
    shape = (draw(st.integers(1, 5)), *draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
    kind = draw(st.sampled_from(LAYERS[len(shape)]))
    return shape, kind, draw(st.integers(0, 2**32 - 1)), draw(st.booleans())


@settings(max_examples=60)
@given(cases(), st.sampled_from([np.float32, np.float64]), st.sampled_from(ACTIVATIONS), st.booleans(), st.booleans())
@example(((1, 3, 9, 17), nn.BatchNorm2d, 0, False), np.float32, ACTIVATIONS[3], True, True)
@example(((2, 3, 9, 17), nn.InstanceNorm2d, 0, True), np.float32, ACTIVATIONS[0], True, True)
def test_one_pass_gives_the_bits_of_two(case, dtype, activation, training, affine):
    shape, kind, seed, spread = case
    values = shape[0] * int(np.prod(shape[2:])) if kind is not nn.InstanceNorm2d else shape[2] * shape[3]
    training = training and values > 1
    rng = np.random.default_rng(seed)
    layer = kind(shape[1], affine=affine, track_running_stats=True).to(dtype)
    for vector in (*layer.parameters(), layer.running_mean):
        vector.data = numbers(rng, shape[1], dtype, False)
    layer.running_var.data = rng.random(shape[1]).astype(dtype)
    layer.train(training)
    twin = copy.deepcopy(layer)
    x, *cotangents = (numbers(rng, shape, dtype, spread) for _ in range(3))
    cotangents += [numbers(rng, shape[1], dtype, False) for _ in layer.parameters()]
    got = derivatives(nn.Sequential(layer, activation), layer, x, cotangents)
    expected = derivatives(lambda x: activation(twin(x)), twin, x, cotangents)
    assert bits(got) == bits(expected)


PLAIN_LAYERS = [
    ((5, 3), lambda **o: nn.Linear(3, 4, **o)),
    ((2, 3, 5), lambda **o: nn.Linear(5, 17, **o)),
    ((2, 3, 5, 6), lambda **o: nn.Conv2d(3, 4, 3, stride=2, padding=1, **o)),
    ((2, 4, 4, 5), lambda **o: nn.Conv2d(4, 6, (1, 2), groups=2, **o)),
    ((3, 4, 6), lambda **o: nn.Conv2d(3, 2, 3, **o)),
    ((2, 3, 3, 4), lambda **o: nn.ConvTranspose2d(3, 5, 3, 2, padding=1, **o)),
    ((2, 3, 3, 4), lambda **o: nn.ConvTranspose2d(3, 2, 2, 2, output_padding=1, **o)),
]


@settings(max_examples=60)
@given(
    st.sampled_from(PLAIN_LAYERS), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]),
    st.sampled_from(ACTIVATIONS), st.booleans(), st.booleans(),
)  # fmt: skip
def test_one_pass_after_a_layer_gives_the_bits_of_two(shape_and_layer, seed, dtype, activation, bias, spread):
    shape, make = shape_and_layer
    rng = np.random.default_rng(seed)
    layer = make(bias=bias).to(dtype)
    for p in layer.parameters():
        p.data = numbers(rng, p.shape, dtype, False)
    x = numbers(rng, shape, dtype, spread)
    out = layer(mg.tensor(x)).shape
    cotangents = [numbers(rng, s, dtype, spread) for s in (out, shape, *(p.shape for p in layer.parameters()))]
    got = derivatives(nn.Sequential(layer, activation), layer, x, cotangents)
    expected = derivatives(lambda x: activation(layer(x)), layer, x, cotangents)
    assert bits(got) == bits(expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [None, 0.0, 0.2, -0.5])
@pytest.mark.parametrize("shape", [(3, 5), (2, 5000), (4, 300, 1, 3), (1, 3, 17, 31), (33, 5, 91, 71), (2, 0, 3)])
def test_the_bias_kernel_gives_the_bits_of_two(shape, slope, dtype):
    rng = np.random.default_rng(5)
    x, bias = numbers(rng, shape, dtype, True), numbers(rng, shape[1], dtype, False)
    x.reshape(-1)[::97] = np.nan
    add, leaky = kernels.find("add_bias"), kernels.find("leaky_relu")
    got = add(x, bias, None, slope)
    np.testing.assert_array_equal(got, reference.add_bias(x, bias, None, slope))  # 0.0 and -0.0 are equal here
    expected = add(x, bias) if slope is None else leaky(add(x, bias), slope)
    assert bits([np.nan_to_num(got)]) == bits([np.nan_to_num(expected)])  # NaN has many bit patterns


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [0.0, 0.2, -0.5])
@pytest.mark.parametrize(
    "shape", [(3, 40, 4, 4), (1, 3, 17, 31), (33, 5, 91, 71), (65, 8, 64, 64), (7, 300), (0, 3, 2)]
)
def test_the_bias_gradient_has_the_bits_of_two_kernels(shape, slope, dtype):
    rng = np.random.default_rng(6)
    g, y = numbers(rng, shape, dtype, False), numbers(rng, shape, dtype, True)
    both, leaky_grad, sums = (kernels.find(name) for name in ("add_bias_grad", "leaky_relu_grad", "channel_sums"))
    dx = leaky_grad(g, y, slope)
    assert bits(both(g, y, slope)) == bits([dx, sums(dx)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [0.0, 0.2, -0.5])
@pytest.mark.parametrize("shape", [(3, 40, 4, 4), (1, 3, 17, 31), (33, 5, 91, 71), (7, 300)])
@np.errstate(all="ignore")
def test_kernels_give_the_bits_of_two(shape, slope, dtype):
    """Channels narrower and wider than the running sums, one image, and a result written past the caches."""
    rng = np.random.default_rng(5)
    g, x = numbers(rng, shape, dtype, False), numbers(rng, shape, dtype, True)
    x.reshape(-1)[::97], g.reshape(-1)[1::89] = np.nan, np.inf
    mean, weight, bias = (numbers(rng, shape[1], dtype, False) for _ in range(3))
    var = rng.random(shape[1]).astype(dtype)
    names = "batch_norm", "batch_norm_grad", "leaky_relu", "leaky_relu_grad"
    normalize, normalize_grad, leaky, leaky_grad = (kernels.find(name) for name in names)
    y = normalize(x, mean, var, weight, bias, 1e-5)
    assert bits([normalize(x, mean, var, weight, bias, 1e-5, slope)]) == bits([leaky(y, slope)])
    got = normalize_grad(g, x, mean, var, weight, 1e-5, bias, slope)
    expected = normalize_grad(leaky_grad(g, y, slope), x, mean, var, weight, 1e-5)
    for ours, theirs in zip(got, expected):  # NaN has many bit patterns
        assert bits([np.nan_to_num(ours)]) == bits([np.nan_to_num(theirs)])
        assert (np.isnan(ours) == np.isnan(theirs)).all()


@pytest.mark.parametrize("slope", [None, 0.2])
def test_sums_of_channels_are_not_taken_for_a_bias_that_is_not_asked_for(slope):
    """As in the step of a generator, whose gradient passes through D but is not that of D's parameters."""
    rng = np.random.default_rng(0)
    x, w, b = (mg.tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((2, 3), (4, 3), (4,)))
    taken = []
    with kernels.register("channel_sums", lambda x: taken.append(x.shape) or reference.channel_sums(x)):
        for inputs, times in (([x], 0), ([x, w], 0), ([x, w, b], 1), ([b], 2)):
            mg.grad(mg.functional.linear(x, w, b, negative_slope=slope).sum(), inputs)
            assert taken == [(2, 4)] * times


def test_the_reference_is_a_leaky_relu_of_the_normalization():
    x, one, zero = np.array([[-4.0], [4.0]]), np.ones(1), np.zeros(1)
    np.testing.assert_array_equal(reference.batch_norm(x, zero, one, one, zero, 0.0, 0.25), [[-1.0], [4.0]])
    # a cotangent of 4 and 0 after the slope of 1/4; the normalization takes the mean 1/2 and the part along x away
    dx, dweight, dbias = reference.batch_norm_grad(x * 0 + [[4.0], [0.0]], x, zero, one, one, 0.0, zero, 0.25)
    np.testing.assert_array_equal(dbias, [1.0])
    np.testing.assert_array_equal(dweight, [-4.0])
    np.testing.assert_array_equal(dx, [[1 - 0.5 - 4 * 2], [-0.5 + 4 * 2]])


def test_only_what_nobody_looks_between_is_done_in_one_pass():
    class Doubled(nn.LeakyReLU):
        def forward(self, input):
            return 2 * super().forward(input)

    x = mg.tensor(np.random.default_rng(0).standard_normal((4, 2, 3, 3)), requires_grad=True)

    def last(*layers):
        return nn.Sequential(*layers).to("float64")(x).node.primitive.name

    def norm():
        return nn.BatchNorm2d(2)

    assert [last(nn.Conv2d(2, 3, 3), nn.ReLU()), last(nn.ConvTranspose2d(2, 3, 3), nn.LeakyReLU(0.5))] == [
        "conv2d_bias", "conv2d_input_grad_bias",
    ]  # fmt: skip
    assert [last(nn.Conv2d(2, 3, 3, bias=False), nn.ReLU()), last(nn.Conv2d(2, 3, 3), nn.LeakyReLU(-0.5))] == [
        "leaky_relu"
    ] * 2
    assert [last(norm(), nn.ReLU()), last(nn.InstanceNorm2d(2), nn.ReLU())] == ["batch_norm", "instance_norm"]
    assert [last(norm(), Doubled()), last(norm(), nn.ReLU(), nn.ReLU()), last(norm())] == [
        "mul", "leaky_relu", "batch_norm",
    ]  # fmt: skip
    for hooked, before in itertools.product((0, 1), (False, True)):
        layers, seen = [norm(), nn.ReLU()], []
        if before:
            layers[hooked].register_forward_pre_hook(lambda module, args, seen=seen: seen.append(args[0]))
        else:
            layers[hooked].register_forward_hook(lambda module, args, out, seen=seen: seen.append(out))
        assert last(*layers) == ("batch_norm" if (hooked, before) == (0, True) else "leaky_relu")
        plain = norm().to("float64")(x)
        expected = x if (hooked, before) == (0, True) else plain.relu() if (hooked, before) == (1, False) else plain
        np.testing.assert_array_equal(seen[0].numpy(), expected.numpy())
    for replaced in (0, 1):  # by somebody's own function, which takes no slope
        layers = [norm(), nn.ReLU()]
        layers[replaced].forward = lambda input: input * 3
        assert last(*layers) == ("leaky_relu", "mul")[replaced]


@pytest.mark.parametrize("kind", [nn.Linear, nn.ReLU, nn.LeakyReLU])
def test_a_forward_that_replaces_that_of_a_class_is_called(kind, monkeypatch):
    plain, called = kind.forward, []

    def forward(self, input):
        called.append(kind)
        return plain(self, input)

    monkeypatch.setattr(kind, "forward", forward)
    nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2), nn.LeakyReLU())(mg.ones(2, 3))
    assert len(called) == (2 if kind is nn.Linear else 1)


@pytest.mark.parametrize("slope", ["0.2", None, np.inf])
def test_a_slope_that_was_set_later_is_the_mistake_of_the_activation(slope):
    activation = nn.LeakyReLU(0.2)
    activation.negative_slope = slope
    with pytest.raises((TypeError, ValueError), match=r"^leaky_relu: argument 'negative_slope': expected a"):
        nn.Sequential(nn.Linear(3, 2), activation)(mg.ones(2, 3))


@pytest.mark.parametrize("norm", [mg.functional.batch_norm, mg.functional.instance_norm])
def test_a_slope_that_is_no_number_is_named(norm):
    with pytest.raises(TypeError, match="argument 'negative_slope': expected a number"):
        norm(mg.ones(2, 3, 4), None, None, None, None, True, negative_slope="relu")


def test_a_layer_takes_no_negative_slope_below_0():
    image, filters = mg.ones(1, 2, 4, 4), mg.ones(2, 2, 3, 3)
    for op in (mg.functional.conv2d, mg.functional.conv_transpose2d):
        with pytest.raises(
            ValueError, match=f"{op.__name__}: argument 'negative_slope': expected a finite number of at"
        ):
            op(image, filters, negative_slope=-1.0)
    with pytest.raises(ValueError, match="linear: argument 'negative_slope': expected a finite number of at least 0"):
        mg.functional.linear(mg.ones(2, 3), mg.ones(4, 3), negative_slope=-1.0)
