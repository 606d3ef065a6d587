"""Modules: registration, modes, saving, initialisation."""

import copy
import math

import numpy as np
import pytest

import minigen as mg
from minigen import nn


def network():
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(16, 3))


def test_parameters_and_buffers_come_in_the_order_of_assignment():
    names = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
             "4.weight", "4.bias"]  # fmt: skip
    net = network()
    assert list(net.state_dict()) == names
    assert [name for name, _ in net.named_parameters()] == [n for n in names if "running" not in n and "num" not in n]
    assert [type(m).__name__ for m in net.modules()] == [
        "Sequential", "Conv2d", "BatchNorm2d", "LeakyReLU", "Flatten", "Linear",
    ]  # fmt: skip


def test_a_shared_module_counts_once():
    layer = nn.Linear(2, 2)
    assert len(list(nn.Sequential(layer, nn.ReLU(), layer).parameters())) == 2


def tied_autoencoder():
    encoder, decoder = nn.Linear(3, 3), nn.Linear(3, 3)
    decoder.weight = encoder.weight
    activation = nn.BatchNorm1d(3)
    return nn.Sequential(encoder, activation, decoder, activation)


def test_tied_weights_and_shared_modules_load_their_own_state():
    mg.manual_seed(0)
    net, other = tied_autoencoder(), tied_autoencoder()
    net(mg.randn(5, 3))
    state = net.state_dict()
    assert {"0.weight", "2.weight", "1.running_mean", "3.running_mean"} <= set(state)
    assert other.load_state_dict(state) == ([], [])
    np.testing.assert_equal(other.state_dict(), state)
    assert other[0].weight is other[2].weight and len(list(other.parameters())) == 5
    del state["2.weight"]
    with pytest.raises(ValueError, match=r"missing 2\.weight$"):
        other.load_state_dict(state)
    assert other.load_state_dict({**state, "extra": 0}, strict=False) == (["2.weight"], ["extra"])


def test_a_module_that_contains_itself_is_named():
    net = nn.Sequential(nn.Linear(2, 2))
    net[0].parent = net
    assert len(list(net.modules())) == 2
    with pytest.raises(ValueError, match=r"Sequential contains itself, as '0.parent'"):
        net.state_dict()


def test_hooks_see_and_replace_arguments_and_output():
    layer, seen = nn.Identity(), []
    before = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
    after = layer.register_forward_hook(lambda module, args, output: seen.append(args[0].item()) or output * 2)
    assert layer(mg.ones(1)).item() == 4 and seen == [2]
    before.remove()
    assert copy.deepcopy(layer)(mg.ones(1)).item() == 2
    after.remove()
    after.remove()
    assert layer(mg.ones(1)).item() == 1 and seen == [2, 1]


def test_names_that_cannot_be_registered():
    layer = nn.Linear(2, 2)
    for register, value in (
        (layer.register_buffer, mg.ones(1)), (layer.register_parameter, nn.Parameter(mg.ones(1))),
        (layer.add_module, nn.ReLU()),
    ):  # fmt: skip
        for name in ("forward", "in_features", "training", "a.b", ""):
            with pytest.raises(KeyError, match=r"already has an attribute|expected a name"):
                register(name, value)
        with pytest.raises(TypeError, match=r"expected a .*, got int"):
            register("fresh", 3)
    with pytest.raises(KeyError, match="already has an attribute 'forward'"):
        nn.Sequential({"forward": nn.ReLU()})
    layer.register_buffer("count", mg.ones(1), persistent=False)
    del layer.count
    layer.register_buffer("count", mg.ones(1))
    assert "count" in layer.state_dict()


def test_containers_hold_modules_under_the_names_that_are_saved():
    a, b, c, d = (nn.Linear(1, i) for i in range(1, 5))
    listed = nn.ModuleList([a, c]).append(d)
    listed.insert(1, b)
    assert list(listed) == [a, b, c, d] == list(listed[0:2]) + list(listed[2:]) and listed[-1] is d and b in listed
    listed[0] = d
    assert listed.state_dict()["0.bias"].shape == (4,)
    assert list(nn.Sequential(a, b, c)[1:].state_dict()) == ["1.weight", "1.bias", "2.weight", "2.bias"]
    assert nn.Sequential([a, b])[1] is b
    named = nn.ModuleDict({"first": a})
    named["second"] = b
    assert list(named) == ["first", "second"] and list(named.items())[1][1] is b and "first" in named
    assert named.pop("first") is a and list(named.state_dict()) == ["second.weight", "second.bias"]
    for make in (lambda: nn.ModuleDict({"a": 1}), lambda: listed.append(None), lambda: nn.Sequential({"a": None})):
        with pytest.raises(TypeError, match="expected a Module, got "):
            make()


def test_repr_counts_each_parameter_once():
    assert repr(tied_autoencoder()).endswith("\n)  # 21 parameters")
    assert repr(nn.Linear(2, 2)) == "Linear(in_features=2, out_features=2, bias=True)"


def test_a_torch_name_that_is_left_out_names_its_replacement():
    with pytest.raises(AttributeError, match=r"use .to\(.cuda.\)"):
        nn.Linear(2, 2).cuda()
    with pytest.raises(ValueError, match="expected 'cpu', 'cuda', 'float32' or 'float64', got 'int64'"):
        nn.Linear(2, 2).to("int64")


def test_a_typo_is_an_error_with_a_suggestion():
    with pytest.raises(AttributeError, match="'wieght'; did you mean 'weight'"):
        nn.Linear(2, 2).wieght  # noqa: B018


def test_assignment_before_init_and_to_a_parameters_name_are_errors():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match=r"super\(\).__init__"):
        Early()
    with pytest.raises(TypeError, match=r"Linear.weight is registered as a parameter and cannot become a ndarray"):
        nn.Linear(2, 2).weight = np.ones((2, 2))


def test_training_mode_reaches_every_module():
    net = network().eval()
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())


def test_state_survives_a_round_trip_and_is_a_copy():
    mg.manual_seed(0)
    net, other = network(), network()
    net(mg.randn(3, 2, 4, 4))
    saved = net.state_dict()
    other.load_state_dict(saved)
    x = mg.randn(2, 2, 4, 4)
    np.testing.assert_array_equal(net.eval()(x).numpy(), other.eval()(x).numpy())
    assert int(other.state_dict()["1.num_batches_tracked"]) == 1
    saved["0.weight"][:] = 7
    assert not (net.state_dict()["0.weight"] == 7).any()


def test_a_state_that_does_not_fit_is_named_and_changes_nothing():
    net = network()
    before = net.state_dict()
    state = {**net.state_dict(), "extra": np.ones(1), "4.weight": np.ones((3, 15), np.float32)}
    del state["0.bias"]
    message = r"missing 0.bias; unexpected extra; 4.weight has shape \(3, 15\), expected \(3, 16\)"
    with pytest.raises(ValueError, match=message):
        net.load_state_dict(state)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    net.load_state_dict({"0.bias": np.full(4, 2.0, np.float32)}, strict=False)
    assert (net.state_dict()["0.bias"] == 2).all()


def test_to_a_dtype_keeps_every_parameters_identity():
    net = network()
    optimizer = mg.optim.SGD(net.parameters(), lr=0.1)
    net.to("float64")
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)}
    net(mg.randn(3, 2, 4, 4, dtype=np.float64)).sum().backward()
    before = net.state_dict()["4.bias"]
    optimizer.step()
    np.testing.assert_allclose(net.state_dict()["4.bias"], before - 0.1 * 3, atol=1e-12)


def test_batch_norm_without_momentum_averages_all_batches():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(np.float32)
    for batch in batches:
        layer(mg.tensor(batch))
    np.testing.assert_allclose(layer.running_mean.numpy(), batches.mean((0, 1)), atol=1e-6)
    expected = batches.var(1, ddof=1).mean(0)
    np.testing.assert_allclose(layer.running_var.numpy(), expected, atol=1e-6)


def test_batch_norm_in_evaluation_does_not_depend_on_the_rest_of_the_batch():
    layer = nn.BatchNorm2d(3)
    x = mg.randn(4, 3, 2, 2)
    layer(x)
    layer.eval()
    np.testing.assert_allclose(layer(x).numpy()[:1], layer(x[:1]).numpy(), atol=1e-6)


def test_wrong_inputs_and_sizes_are_named():
    with pytest.raises(ValueError, match=r"BatchNorm2d: expected 4 dimensions with 3 channels.*\(2, 3\)"):
        nn.BatchNorm2d(3)(mg.ones(2, 3))
    with pytest.raises(ValueError, match=r"Linear: argument .in_features.: expected an integer of at least 1, got 0"):
        nn.Linear(0, 2)
    with pytest.raises(ValueError, match=r"groups=2 must divide in_channels=3"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(TypeError, match="expected a Module, got int"):
        nn.Sequential(3)


def test_starting_values_have_the_variance_they_promise():
    rng = np.random.default_rng(0)
    w = mg.zeros(400, 200, 2, 2)
    n = w.numel()
    cases = {
        "kaiming_normal_": 2 / 800, "kaiming_uniform_": 2 / 800, "xavier_normal_": 2 / 2400, "xavier_uniform_": 2 / 2400,
    }  # fmt: skip
    for name, variance in cases.items():
        values = getattr(nn.init, name)(w, generator=rng).numpy()
        assert abs(values.var() / variance - 1) < 5 * math.sqrt(2 / n), name
    assert (
        abs(nn.init.kaiming_normal_(w, a=0.2, mode="fan_out", generator=rng).numpy().var() * 1600 * 1.04 / 2 - 1) < 0.02
    )
    default = nn.Linear(400, 300).weight.numpy()
    assert np.abs(default).max() <= 0.05 and abs(default.var() * 1200 - 1) < 0.02


def test_a_truncated_normal_has_no_value_outside_and_the_variance_of_its_formula():
    from statistics import NormalDist

    w = nn.init.trunc_normal_(mg.zeros(200, 500), 1.0, 2.0, -1.0, 2.0, np.random.default_rng(0)).numpy()
    assert w.min() >= -1 and w.max() <= 2
    a, b, normal = -1.0, 0.5, NormalDist()  # in standard deviations from the mean
    share = normal.cdf(b) - normal.cdf(a)
    assert abs(w.mean() - (1 + 2 * (normal.pdf(a) - normal.pdf(b)) / share)) < 0.02
    with pytest.raises(ValueError, match=r"trunc_normal_: \[8.0, 9.0\] is too far from mean 0.0 for std 1.0"):
        nn.init.trunc_normal_(mg.zeros(2), a=8.0, b=9.0)


def test_dropout2d_drops_whole_channels_and_follows_its_generator():
    x = mg.tensor(np.full((40, 50, 2, 2), np.inf, np.float32))
    layer = nn.Dropout2d(0.25, generator=np.random.default_rng(0))
    y = layer(x).numpy()
    assert set(y.ravel().tolist()) == {0.0, math.inf}
    dropped = (y == 0).all((2, 3))
    np.testing.assert_array_equal(dropped, (y == 0).any((2, 3)))
    assert abs(dropped.mean() - 0.25) < 0.05
    again = nn.Dropout2d(0.25, generator=np.random.default_rng(0))(mg.ones_like(x)).numpy()
    np.testing.assert_array_equal(again, np.where(y == 0, 0, np.float32(1 / 0.75)))
    assert not nn.Dropout2d(1.0)(x).numpy().any() and layer.eval()(x) is x


def test_an_embeddings_padding_is_zero_and_does_not_learn():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert layer.padding_idx == 4 and not layer.weight.numpy()[4].any()
    layer(mg.tensor([4, 0, 4])).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy().sum(1), [3, 0, 0, 0, 0])


def test_an_output_size_chooses_the_output_padding():
    layer, x = nn.ConvTranspose2d(2, 3, 3, stride=2), mg.randn(1, 2, 3, 4)
    found = layer(x, output_size=(8, 9))
    layer.output_padding = (1, 0)
    np.testing.assert_array_equal(found.numpy(), layer(x).numpy())


def test_dcgan_start():
    mg.manual_seed(0)
    net = nn.init.dcgan_(nn.Sequential(nn.ConvTranspose2d(100, 64, 4), nn.BatchNorm2d(64)))
    assert abs(net[0].weight.numpy().std() / 0.02 - 1) < 0.02 and abs(net[0].weight.numpy().mean()) < 1e-3
    assert abs(net[1].weight.numpy().mean() - 1) < 0.02 and not net[1].bias.numpy().any()


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_layers_are_their_functions(mode):
    x = mg.randn(2, 4, 6, 6)
    F = mg.functional
    same = [
        (nn.Upsample(scale_factor=2, mode=mode), F.interpolate(x, scale_factor=2, mode=mode)),
        (nn.MaxPool2d(3, 2, 1), F.max_pool2d(x, 3, 2, 1)),
        (nn.AvgPool2d(3, 2, 1, count_include_pad=False), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
        (nn.ELU(0.5), F.elu(x, alpha=0.5)),
        (nn.InstanceNorm2d(4), F.instance_norm(x)),
        (nn.GroupNorm(2, 4), F.group_norm(x, 2)),
        (nn.LayerNorm((6, 6)), F.layer_norm(x, (6, 6))),
    ]
    for layer, expected in same:
        np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())


def test_moving_a_module_leaves_the_callers_tensors_as_they_are():
    weight = mg.ones(3)
    loss = nn.BCELoss(weight).to("float64")
    assert weight.dtype == np.float32 and loss.weight.dtype == np.float64
    shared = nn.BatchNorm1d(3)
    net = nn.Sequential(shared, nn.Sequential(shared)).to("float64")
    assert net[0].running_mean is net[1][0].running_mean and net[0].running_mean.dtype == np.float64


def test_noise_follows_its_generator_in_training_only():
    x = mg.zeros(3, 4)
    layers = [nn.GaussianNoise(0.5, generator=np.random.default_rng(1)) for _ in range(2)]
    first, second = (layer(x).numpy() for layer in layers)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, 0.5 * np.random.default_rng(1).standard_normal((3, 4), np.float32))
    assert np.abs(layers[0](x).numpy() - first).min() > 0
    assert layers[0].eval()(x) is x and nn.GaussianNoise(0.0)(x) is x
    for std in (-0.1, "1"):
        with pytest.raises((TypeError, ValueError), match="GaussianNoise: argument 'std'"):
            nn.GaussianNoise(std)


def nearness(rows):
    """The definition, one pair after the other."""
    out = np.zeros(rows.shape[:2])
    for i, b in np.ndindex(out.shape):
        out[i, b] = sum(np.exp(-np.abs(rows[i, b] - rows[j, b]).sum()) for j in range(len(rows)) if j != i)
    return out


def test_minibatch_discrimination_is_its_definition_and_both_roles_of_an_example_count():
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    layer = nn.MinibatchDiscrimination(4, out_features=3, kernel_dims=2).to("float64")
    x = mg.tensor(rng.standard_normal((5, 4)))
    rows = (x.numpy() @ layer.weight.numpy().T).reshape(5, 3, 2)
    out = layer(x)
    np.testing.assert_allclose(out.numpy(), np.concatenate([x.numpy(), nearness(rows)], 1), rtol=1e-12)
    g = rng.standard_normal((5, 3))
    both = np.zeros_like(rows)
    for i, j, b in np.ndindex(5, 5, 3):
        way = rows[i, b] - rows[j, b]
        both[i, b] -= (i != j) * (g[i, b] + g[j, b]) * np.exp(-np.abs(way).sum()) * np.sign(way)
    (found,) = mg.grad((out[:, 4:] * mg.tensor(g)).sum(), layer.weight)
    np.testing.assert_allclose(found.numpy(), both.reshape(5, 6).T @ x.numpy(), rtol=1e-10, atol=1e-12)


def test_the_minibatch_standard_deviation_is_over_the_batch_and_finite_where_it_collapsed():
    x = np.random.default_rng(0).standard_normal((4, 3, 2, 5))
    out = nn.MinibatchStdDev()(mg.tensor(x)).numpy()
    assert out.shape == (4, 4, 2, 5)
    np.testing.assert_array_equal(out[:, :3], x)
    np.testing.assert_allclose(out[:, 3], x.std(0).mean(), rtol=1e-6)
    same = mg.tensor(np.ones((4, 3)), requires_grad=True)
    value = nn.MinibatchStdDev()(same)
    assert value.numpy()[:, 3] == pytest.approx(1e-4)
    assert np.isfinite(mg.grad(value.sum(), same)[0].numpy()).all()


@pytest.mark.parametrize("layer", [nn.MinibatchDiscrimination(2), nn.MinibatchStdDev()])
def test_layers_that_compare_need_two_examples(layer):
    with pytest.raises(ValueError, match=f"{type(layer).__name__}: expected a batch of at least 2 .* got 1"):
        layer(mg.ones(1, 2))
    with pytest.raises(ValueError, match=f"{type(layer).__name__}: expected input"):
        layer(mg.ones(3))
