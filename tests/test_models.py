"""The first family: parameter counts, shapes, and who learns from what in a step."""

import inspect

import numpy as np
import pytest

import minigen as mg
from minigen.models import DCGAN, build, families
from minigen.models.networks.gan import UPSAMPLINGS


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    """What is tested here does not depend on the kernels, and these need no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


def trainable(network):
    return sum(p.numel() for p in network.parameters())


def with_statistics(network):
    kept = [b for name, b in network.named_buffers() if name.endswith(("running_mean", "running_var"))]
    return trainable(network) + sum(b.numel() for b in kept)


# ---- networks


def test_counts_of_the_s3_listing():
    model = DCGAN(64, 3, network="conv_k4_bn")
    g = (100 * 256 + 256) + (4 * 128 * 16 + 128 + 2 * 128) + (128 * 64 * 16 + 64 + 2 * 64) + (64 * 3 * 16 + 3)
    d = (3 * 64 * 16 + 64) + (64 * 128 * 16 + 128 + 2 * 128) + (128 * 256 * 16 + 256 + 2 * 256) + (256 * 64 + 1)
    assert trainable(model.generator) == g == 168_771
    assert trainable(model.discriminator) == d == 676_033
    assert with_statistics(model.generator) == g + 2 * (128 + 64) == 169_155
    assert with_statistics(model.discriminator) == d + 2 * (128 + 256) == 676_801


def test_counts_of_the_repaired_s4_listing():
    model = DCGAN(28, 1, network="conv_k5_dropout")
    g = (100 * 128 + 128) + (128 * 12544 + 12544) + (256 * 128 * 25 + 128) + (128 * 64 * 25 + 64) + (64 * 25 + 1)
    d = (64 * 25 + 64) + (64 * 128 * 25 + 128) + (7 * 7 * 128 + 1)
    assert trainable(model.generator) == with_statistics(model.generator) == g == 2_656_897
    assert trainable(model.discriminator) == with_statistics(model.discriminator) == d == 212_865


def test_counts_of_the_conv_networks():
    model = DCGAN(28, 1, network="conv", width=32)
    g = (100 * 64 * 49 + 2 * 64) + (64 * 32 * 16 + 2 * 32) + (32 * 16 + 1)
    d = (32 * 16 + 32) + (32 * 64 * 16 + 2 * 64) + (64 * 49 + 1)
    assert (trainable(model.generator), trainable(model.discriminator)) == (g, d)


def test_counts_of_the_default_networks():
    model = DCGAN(28, 1)
    mapping = 100 * 256 + 256 * 256 + 2 * 2 * 256
    g = mapping + (256 * 64 * 49 + 2 * 64) + (64 * 32 * 16 + 2 * 32) + (32 * 16 + 1)
    compared = 256 * 8 * 3  # minibatch discrimination: 8 numbers more for the last layer
    d = (32 * 16 + 32) + (32 * 64 * 16 + 64) + (64 * 49 * 256 + 256) + compared + (256 + 8 + 1)
    assert (trainable(model.generator), trainable(model.discriminator)) == (g, d)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize(
    "options",
    [
        {"network": "conv_dense", "width": 4},
        {"network": "conv", "width": 4},
        {"network": "conv_k4_bn"},
        {"network": "conv_k5_dropout"},
    ],
    ids=["conv_dense", "conv", "conv_k4_bn", "conv_k5_dropout"],
)
def test_every_size_and_number_of_channels(options, size, channels):
    model = DCGAN(size, channels, latent=5, **options)
    with mg.no_grad():
        images = model.generator(mg.randn(2, 5))
        logits = model.discriminator(images)
    assert images.shape == (2, channels, size, size) and logits.shape == (2, 1)
    assert np.abs(images.numpy()).max() <= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 30}, "size"),
        ({"size": 7}, "size"),
        ({"size": 20, "network": "conv_k4_bn"}, "size"),
        ({"size": 30, "network": "conv_k5_dropout"}, "size"),
        ({"network": "big"}, "network must be one of conv_dense, conv, conv_k4_bn, conv_k5_dropout, got 'big'"),
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"width": 8, "network": "conv_k5_dropout"}, "width is an option of the conv and mlp networks"),
        ({"norm": "layer", "network": "conv_k4_bn"}, "norm is an option of the conv and conv_dense networks"),
        ({"upsample": "nearest", "network": "conv_k4_bn"}, "upsample is an option of the conv and conv_dense networks"),
        ({"upsample": "bicubic"}, "upsample must be one of transposed, nearest, bilinear, got 'bicubic'"),
        ({"lr": -1.0}, "lr"),
        ({"beta1": 1.0}, "betas"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"depth": 3}, "unknown option 'depth'"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        build("dcgan", **options)


def test_what_was_not_given_follows_from_the_networks_the_loss_and_the_norm():
    def found(size=28, channels=1, **options):
        o = DCGAN(size, channels, width=2, latent=2, **options).options
        return o.norm, o.lr, o.smoothing, o.r1, o.minibatch

    assert found() == ("none", 5e-3, 0.0, 0.1, True)
    assert found(network="conv") == ("batch", 1e-2, 0.1, 0.0, False)
    assert found(loss="minimax") == ("none", 5e-4, 0.0, 0.1, True)
    assert found(norm="batch") == ("batch", 5e-3, 0.0, 0.0, True)
    assert found(lr=1.0, smoothing=0.2, r1=0.0, minibatch=False) == ("none", 1.0, 0.2, 0.0, False)
    dense = {"network": "conv_dense"}
    assert [found(*shape, **dense)[3] for shape in ((28, 3), (56, 1), (64, 3))] == [0.3, 0.4, 1.57]  # 1.5673
    assert [DCGAN(28, network=name).options.ema for name in ("conv_dense", "conv", "conv_k4_bn")] == [0.999, 0.0, 0.0]
    assert [DCGAN(size, **dense).options.width for size in (28, 32)] == [None, 16]
    assert [found(size, **dense)[1] for size in (8, 28, 32, 64)] == [5e-3, 5e-3, 2e-3, 2e-3]
    assert [DCGAN(size, 1, width=2, **dense).options.upsample for size in (28, 32)] == ["transposed", "bilinear"]
    assert found(64, network="conv")[1] == 1e-2
    assert DCGAN(64, 1, network="conv", width=2).options.upsample == "transposed"


def test_from_32_pixels_the_defaults_are_for_photographs():
    def found(size, **options):
        o = DCGAN(size, **options).options
        return o.network, o.lr, o.ema, o.r1

    assert found(28) == ("conv_dense", 5e-3, 0.999, 0.1)
    assert found(32) == found(64) == ("conv_k4_bn", 5e-4, 0.998, 0.0)
    assert found(64, network="conv_k4_bn") == ("conv_k4_bn", 1e-2, 0.0, 0.0)
    assert found(64, lr=1e-3, ema=0.0) == ("conv_k4_bn", 1e-3, 0.0, 0.0)
    with pytest.raises(ValueError, match="width is an option of the conv and mlp networks, not of conv_k4_bn"):
        DCGAN(64, width=8)


@pytest.mark.parametrize(("upsample", "alike"), [("nearest", True), ("bilinear", True), ("transposed", False)])
def test_resizing_treats_all_pixels_alike(upsample, alike):
    """What a map that is the same everywhere becomes after three doublings, away from the border."""
    x = mg.ones(1, 3, 8, 8)
    for _ in range(3):
        x = mg.nn.Sequential(*UPSAMPLINGS[upsample](3, 3, True))(x)
    inside = x.detach().numpy()[..., 16:48, 16:48]
    assert (np.ptp(inside, axis=(2, 3)).max() < 1e-6) == alike
    np.testing.assert_allclose(inside, np.roll(inside, (8, 8), (2, 3)), atol=1e-6)  # a pattern of 8 pixels


def test_unknown_family_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="'dcgna', did you mean dcgan"):
        build("dcgna")


@pytest.mark.parametrize("name", families())
def test_every_option_is_described_and_has_a_default(name):
    family = families()[name]
    options = {each.name: each for each in family.Options.specifications()}
    parameters = inspect.signature(family).parameters
    assert list(parameters) == list(options)
    shape = [*parameters][:2] == ["size", "channels"] or [*parameters][:1] == ["channels"]
    assert shape or "dimensions" in parameters or "steps" in parameters
    for key, each in options.items():
        assert parameters[key].default == each.default
        assert each.kind is not None or key == "augment_p"  # a number, or the word ada
        for value in {each.default, *(each.metadata["choices"] or ())} - {None}:
            assert each.parse(str(value)) == value  # as the command line reads it
        assert f"\n{key} : " in family.__doc__ and each.help[1:] in family.__doc__


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- the step


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ({}, 0.005),
        ({"network": "conv"}, 0.01),
        ({"network": "conv_k4_bn"}, 0.01),
        ({"network": "conv_k5_dropout"}, 5e-4),
        ({"loss": "hinge"}, 0.005),
        ({"network": "conv", "loss": "lsgan"}, 0.01),
        ({"loss": "minimax"}, 5e-4),
        ({"network": "conv", "loss": "minimax"}, 5e-4),
        ({"network": "conv_k5_dropout", "lr": 0.02}, 0.02),
    ],
)
def test_the_rate_begins_high_where_the_game_bears_it_and_falls_to_0(options, rate):
    model = DCGAN(28, 1, **options)
    for done, share in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)):
        model.schedule(done)
        assert {o.param_groups[0]["lr"] for o in model.optimizers.values()} == {rate * share}


def small_model(seed=0, **options):
    mg.manual_seed(seed)
    return DCGAN(8, 1, latent=6, width=4, **options)


def images(seed=0, n=16):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1, 8, 8)).astype(np.float32)


def weights(network):
    return {name: p.numpy().copy() for name, p in network.named_parameters()}


def set_rate(model, player, lr):
    model.optimizers[player].param_groups[0]["lr"] = lr


@pytest.mark.parametrize("still", ["generator", "discriminator"])
def test_each_optimizer_moves_its_own_player_and_no_other(still):
    model = small_model()
    set_rate(model, still, 0.0)
    before = {name: weights(getattr(model, name)) for name in ("generator", "discriminator")}
    model.training_step({"images": images()})
    for player, old in before.items():
        for name, new in weights(getattr(model, player)).items():
            assert np.array_equal(new, old[name]) == (player == still), f"{player}.{name}"


def test_no_gradient_is_left_behind():
    model = small_model()
    model.training_step({"images": images()})
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(("player", "loss"), [("discriminator", "loss_d"), ("generator", "loss_g")])
def test_each_player_lowers_its_own_loss_when_the_other_stands_still(player, loss):
    model = small_model(lr=2e-3)
    set_rate(model, {"generator": "discriminator", "discriminator": "generator"}[player], 0.0)
    seen = []
    for _ in range(30):
        mg.manual_seed(5)  # the same noise every time: descent, not luck
        seen.append(model.training_step({"images": images()})[loss])
    assert seen[-1] < seen[0] - 0.005, seen


def test_the_numbers_are_those_of_the_move():
    model = small_model(smoothing=0.1)
    real = mg.tensor(images())
    before = {name: t.copy() for name, t in model.state_dict().items()}
    noise = np.random.default_rng(3).standard_normal((16, 6), dtype=np.float32)
    mg.manual_seed(3)
    numbers = model.training_step({"images": images()})

    twin = small_model()
    twin.load_state_dict(before)
    with mg.no_grad():
        l_real = twin.discriminator(real).numpy().astype(np.float64)
        l_fake = twin.discriminator(twin.generator(mg.tensor(noise))).numpy().astype(np.float64)
    expected = (0.9 * np.log1p(np.exp(-l_real)) + 0.1 * np.log1p(np.exp(l_real))).mean()
    expected += np.log1p(np.exp(l_fake)).mean()
    np.testing.assert_allclose(numbers["loss_d"], expected, rtol=1e-5)
    np.testing.assert_allclose(numbers["d_real"], sigmoid(l_real).mean(), rtol=1e-5)
    np.testing.assert_allclose(numbers["d_fake"], sigmoid(l_fake).mean(), rtol=1e-5)


def test_the_seed_decides_everything():
    def train(seed):
        model = small_model(seed)
        for i in range(3):
            model.training_step({"images": images(i)})
        return model.state_dict()

    one, same, other = train(1), train(1), train(2)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["generator.0.weight"], other["generator.0.weight"])


# ---- sampling


def test_samples_are_a_function_of_weights_and_noise():
    model = small_model()
    model.training_step({"images": images()})
    before, stream = model.state_dict(), mg.get_rng_state()
    one, two = (model.sample(5, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one, two) and one.shape == (5, 1, 8, 8)
    assert not np.array_equal(one, model.sample(5, np.random.default_rng(8)))
    assert model.training and mg.get_rng_state() == stream
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())


def test_samples_do_not_depend_on_how_many_are_made_together():
    model = small_model()
    many, few = (model.sample(n, np.random.default_rng(7)) for n in (230, 3))
    assert many.shape[0] == 230
    np.testing.assert_allclose(many[:3], few, atol=1e-6)
    assert not np.array_equal(many[100:110], many[:10])


def test_sample_refuses_nothing():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        small_model().sample(0)
