"""The other adversarial families: counts, shapes, who learns from what, the condition, the critics, the average."""

import copy
import itertools
import math
import signal

import numpy as np
import pytest

import minigen as mg
from minigen.data import Dataset, Loader
from minigen.losses import GAN_LOSSES
from minigen.models import build
from minigen.models.ema import EMA
from minigen.train import Run, fit

CONV = {"size": 8, "channels": 1, "latent": 3, "width": 2}
DENSE = {"size": 8, "channels": 1, "latent": 3, "width": 4}
FAMILIES = {
    "gan": ("gan", DENSE),
    "gan-ema": ("gan", {**DENSE, "ema": 0.9}),
    "dcgan-minimax": ("dcgan", {**CONV, "loss": "minimax"}),
    "dcgan-lsgan": ("dcgan", {**CONV, "loss": "lsgan"}),
    "dcgan-hinge-ema": ("dcgan", {**CONV, "loss": "hinge", "ema": 0.9}),
    "cgan": ("cgan", {**CONV, "classes": 3}),
    "cgan-dense-ema": ("cgan", {**DENSE, "network": "mlp", "classes": 3, "ema": 0.9}),
    "wgan": ("wgan", {**CONV, "n_critic": 3}),
    "wgan-dense": ("wgan", {**DENSE, "network": "mlp", "n_critic": 3}),
    "wgan-gp-ema": ("wgan-gp", {**CONV, "n_critic": 3, "ema": 0.9}),
    "wgan-gp-instance": ("wgan-gp", {**CONV, "n_critic": 3, "norm": "instance"}),
}


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    """What is tested here does not depend on the kernels, and these need no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


def fresh(name, seed=0, **options):
    mg.manual_seed(seed)
    family, usual = FAMILIES.get(name, (name, {}))
    return build(family, **(usual | options))


def images(seed=0, n=6):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1, 8, 8)).astype(np.float32)


def labels(n=6):
    return np.arange(n) % 3


def trainable(network):
    return sum(p.numel() for p in network.parameters())


def weights(network):
    return {name: p.numpy().copy() for name, p in network.named_parameters()}


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def spied(network):
    """The inputs that a network will get, in the order of the calls."""
    seen, plain = [], network.forward

    def forward(x):
        seen.append(x.numpy().copy())
        return plain(x)

    network.forward = forward
    return seen


# ---- networks


def test_counts_of_the_repaired_s1_listing():
    model = build("gan", size=28, channels=1)
    g = (100 * 128 + 128) + (128 * 128 + 128) + (128 * 784 + 784)
    d = (784 * 128 + 128) + (128 * 128 + 128) + (128 + 1)
    assert trainable(model.generator) == g == 130_576
    assert trainable(model.discriminator) == d == 117_121


@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_a_condition_adds_one_input_a_class(network):
    plain = build("gan", **CONV) if network == "mlp" else build("dcgan", network="conv", **CONV)
    told = build("cgan", **CONV, network=network, classes=3)
    units = trainable(told.generator) - trainable(plain.generator)
    assert units == 3 * (2 if network == "mlp" else 2 * 4 * 4)  # 3 more inputs of G's first dense layer
    more = trainable(told.discriminator) - trainable(plain.discriminator)
    assert more == 3 * 2 * (1 if network == "mlp" else 4 * 4)  # 3 more pixels of one, channels of the other


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gan", {}),
        ("cgan", {}),
        ("cgan", {"network": "mlp"}),
        ("wgan", {}),
        ("wgan-gp", {}),
        ("wgan-gp", {"norm": "none"}),
        ("wgan-gp", {"network": "mlp"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_every_size_and_number_of_channels(name, options, size, channels):
    model = build(name, size=size, channels=channels, latent=4, width=2, **options)
    data = np.random.default_rng(0).uniform(-1, 1, (2, channels, size, size)).astype(np.float32)
    numbers = model.training_step({"images": data, "labels": np.array([0, 9])})
    made = model.sample(3)
    assert all(map(math.isfinite, numbers.values()))
    assert made.shape == (3, channels, size, size) and made.dtype == np.float32 and np.abs(made).max() <= 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("gan", {"loss": "wgan"}, "gan: loss must be one of non_saturating, minimax, lsgan, hinge, got 'wgan'"),
        ("gan", {"width": 0}, "gan: width must be at least 1, got 0"),
        ("gan", {"channels": 0}, "gan: channels must be at least 1, got 0"),
        ("gan", {"ema": 1.0}, "gan: ema must be at least 0 and below 1, got 1.0"),
        ("gan", {"ema": -0.1}, "gan: ema must be at least 0 and below 1, got -0.1"),
        ("dcgan", {"loss": "l2"}, "dcgan: loss must be one of"),
        ("cgan", {"classes": 0}, "cgan: classes must be at least 1, got 0"),
        ("cgan", {"network": "conv_k4_bn"}, "cgan: network must be one of conv, mlp, got 'conv_k4_bn'"),
        ("cgan", {"size": 30}, "cgan: the conv networks need a size .* got 30"),
        ("cgan", {"smoothing": 1.0}, "cgan: smoothing must be at least 0 and below 1, got 1.0"),
        ("wgan", {"clip": 0.0}, "wgan: clip must be above 0, got 0.0"),
        ("wgan", {"n_critic": 0}, "wgan: n_critic must be at least 1, got 0"),
        ("wgan", {"norm": "spectral"}, "wgan: norm must be one of batch, layer, instance, none, got 'spectral'"),
        ("wgan", {"lr": -1.0}, "lr"),
        (
            "wgan-gp",
            {"norm": "batch"},
            "wgan-gp: norm must be one of layer, instance, none, got 'batch'",
        ),
        ("wgan-gp", {"penalty": -1.0}, "wgan-gp: penalty must be at least 0, got -1.0"),
    ],
)
def test_bad_options_are_named(name, options, words):
    with pytest.raises(ValueError, match=words):
        build(name, **options)


# ---- every family under the same loop


def final_state(run):
    state = run.load()
    state["counters"].pop("seconds")
    return state


def equal(one, two):
    """Whether two states are equal, bit for bit."""
    if isinstance(one, dict):
        return list(one) == list(two) and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(equal, one, two))
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.tobytes() == two.tobytes()
    return type(one) is type(two) and one == two


def interrupted(model, when):
    """Presses Ctrl-C in its step number `when`."""
    step, count = model.training_step, itertools.count(1)

    def training_step(batch):
        if next(count) == when:
            signal.raise_signal(signal.SIGINT)
        return step(batch)

    model.training_step = training_step
    return model


@pytest.mark.parametrize("name", FAMILIES)
def test_a_resumed_run_ends_bit_for_bit_where_an_uninterrupted_one_does(name, tmp_path, monkeypatch, terminal):
    monkeypatch.setattr(mg.plot, "loss_curves", lambda *_: None)  # takes longer than the training
    loader = Loader(Dataset("noise", images(0, 21), labels(21), ("a", "b", "c")), batch_size=4, seed=1, drop_last=True)
    assert len(loader) == 5  # a round of 3 moves of a critic and one of its generator is cut in two
    straight, broken = (Run.create(tmp_path / folder, {}) for folder in ("straight", "broken"))
    fit(fresh(name), loader, straight, epochs=2, progress=False)
    assert fit(interrupted(fresh(name), 7), loader, broken, epochs=2, progress=False).step == 7
    fit(fresh(name, seed=9), loader, broken, epochs=2, resume=True, progress=False)  # as another process might start
    assert equal(final_state(broken), final_state(straight))
    picture = straight.samples(2).name
    assert (broken.path / "samples" / picture).read_bytes() == (straight.path / "samples" / picture).read_bytes()


def test_the_learning_rate_falls_to_zero_in_the_last_share_of_the_training(tmp_path):
    model, rates = build("cgan", size=8, width=4, classes=3, lr=0.01, lr_decay=0.5), []
    step = model.training_step

    def training_step(batch):
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in model.optimizers.values()])
        return step(batch)

    model.training_step = training_step
    loader = Loader(Dataset("noise", images(0, 20), labels(20), ("a", "b", "c")), batch_size=4, seed=1)
    fit(model, loader, Run.create(tmp_path / "run", {}), epochs=2, progress=False)
    expected = [0.01] * 6 + [0.008, 0.006, 0.004, 0.002]
    np.testing.assert_allclose(rates, np.transpose([expected, expected]), rtol=1e-12)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_seed_decides_everything(name):
    def train(seed):
        model = fresh(name, seed)
        for i in range(4):
            model.training_step({"images": images(i), "labels": labels()})
        return model.state_dict()

    one, again, other = train(1), train(1), train(2)
    assert same(one, again) and not same(one, other)


@pytest.mark.parametrize("still", ["generator", "discriminator"])
@pytest.mark.parametrize("name", FAMILIES)
def test_each_optimizer_moves_its_own_player_and_no_other(name, still):
    critic = {"n_critic": 1} if name.startswith("wgan") else {}
    wide = {"clip": 10.0} if FAMILIES[name][0] == "wgan" else {}  # clipping moves weights whatever the learning rate
    model = fresh(name, **critic, **wide)
    model.optimizers[still].param_groups[0]["lr"] = 0.0
    before = {player: weights(getattr(model, player)) for player in ("generator", "discriminator")}
    model.training_step({"images": images(), "labels": labels()})
    assert all(p.grad is None for p in model.parameters())
    for player, old in before.items():
        for key, new in weights(getattr(model, player)).items():
            if player == still:
                assert np.array_equal(new, old[key]), f"{player}.{key}"
            # A bias may shift the scores of all images alike, and critics (and hinges) look at differences only.
            elif player == "generator" or not key.endswith("bias"):
                assert not np.array_equal(new, old[key]), f"{player}.{key}"


# ---- pairs of losses

SIGMOID_PAIRS = {
    "non_saturating": lambda fake: np.log1p(np.exp(-fake)).mean(),
    "minimax": lambda fake: np.log(1 - 1 / (1 + np.exp(-fake))).mean(),
}


def by_hand(loss, real, fake, smoothing):
    """D's loss, from the papers."""
    if loss == "lsgan":
        return (((real - (1 - smoothing)) ** 2).mean() + (fake**2).mean()) / 2
    if loss == "hinge":
        return np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    p, q = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    return -((1 - smoothing) * np.log(p) + smoothing * np.log(1 - p)).mean() - np.log(1 - q).mean()


def by_hand_g(loss, fake, smoothing):
    """G's loss, from the papers."""
    if loss in SIGMOID_PAIRS:
        return SIGMOID_PAIRS[loss](fake)
    return ((fake - (1 - smoothing)) ** 2).mean() / 2 if loss == "lsgan" else -fake.mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_the_numbers_are_those_of_the_move(loss, smoothing):
    options = {**DENSE, "loss": loss, "smoothing": smoothing}
    model = fresh("gan", **options)
    noise = np.random.default_rng(3).standard_normal((6, 3), dtype=np.float32)
    before = copy.deepcopy(model.generator), copy.deepcopy(model.discriminator)
    mg.manual_seed(3)
    numbers = model.training_step({"images": images()})

    generator, discriminator = before
    with mg.no_grad():
        fakes = generator(mg.tensor(noise))
        real = discriminator(mg.tensor(images())).numpy().astype(np.float64)
        fake = discriminator(fakes).numpy().astype(np.float64)
        moved = model.discriminator(fakes).numpy().astype(np.float64)  # G plays against the D that has moved
    np.testing.assert_allclose(numbers["loss_d"], by_hand(loss, real, fake, smoothing), rtol=1e-4)
    np.testing.assert_allclose(numbers["loss_g"], by_hand_g(loss, moved, smoothing), rtol=1e-4, atol=1e-6)
    shown = (lambda x: 1 / (1 + np.exp(-x))) if loss in SIGMOID_PAIRS else (lambda x: x)
    np.testing.assert_allclose(numbers["d_real"], shown(real).mean(), rtol=1e-4)
    np.testing.assert_allclose(numbers["d_fake"], shown(fake).mean(), rtol=1e-4)


@pytest.mark.parametrize(("player", "number"), [("discriminator", "loss_d"), ("generator", "loss_g")])
@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_each_player_lowers_its_own_loss_when_the_other_stands_still(loss, player, number):
    model = fresh("gan", **DENSE, loss=loss, lr=2e-3)
    model.optimizers[{"generator": "discriminator", "discriminator": "generator"}[player]].param_groups[0]["lr"] = 0.0
    seen = []
    for _ in range(20):
        mg.manual_seed(5)  # the same noise every time: descent, not luck
        seen.append(model.training_step({"images": images()})[number])
    assert seen[-1] < seen[0] - 0.004, seen


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_reference_levels_are_the_losses_of_the_best_constant_discriminator(loss, smoothing):
    outputs = np.linspace(-2, 2, 4001)
    best = min(outputs, key=lambda c: (by_hand(loss, np.full(1, c), np.full(1, c), smoothing), abs(c)))
    levels = fresh("gan", **DENSE, loss=loss, smoothing=smoothing).reference_levels()
    if loss in SIGMOID_PAIRS and smoothing:
        best = 0.0  # with smoothed labels the best constant is not 1/2; the levels are those of the output 1/2
    constant = np.full(1, best)
    shown = 1 / (1 + np.exp(-best)) if loss in SIGMOID_PAIRS else best
    expected = {"d_real": shown, "d_fake": shown}
    expected |= {"loss_d": by_hand(loss, constant, constant, smoothing), "loss_g": by_hand_g(loss, constant, smoothing)}
    assert levels == pytest.approx(expected, abs=1e-3)


# ---- the condition


def test_dense_networks_get_the_label_appended_one_hot():
    model = fresh("cgan-dense-ema")
    told, judged = spied(model.generator), spied(model.discriminator)
    model.training_step({"images": images(), "labels": labels()})
    one_hot = np.eye(3, dtype=np.float32)[labels()]
    assert told[0].shape == (6, 3 + 3) and np.array_equal(told[0][:, 3:], one_hot)
    assert len(judged) == 3  # real, generated, and the generator's move
    assert all(np.array_equal(x[:, 64:], one_hot) for x in judged)
    assert np.array_equal(judged[0][:, :64], images().reshape(6, 64))


def test_convolutions_get_the_label_as_maps():
    model = fresh("cgan")
    told, judged = spied(model.generator), spied(model.discriminator)
    model.training_step({"images": images(), "labels": labels()})
    assert np.array_equal(told[0][:, 3:], np.eye(3, dtype=np.float32)[labels()])
    maps = np.zeros((6, 3, 8, 8), np.float32)
    for i, label in enumerate(labels()):
        maps[i, label] = 1
    assert len(judged) == 3
    assert all(x.shape == (6, 4, 8, 8) and np.array_equal(x[:, 1:], maps) for x in judged)
    assert np.array_equal(judged[0][:, :1], images())


@pytest.mark.parametrize("name", ["cgan", "cgan-dense-ema"])
def test_samples_are_of_the_asked_class(name):
    model = fresh(name)
    for i in range(5):
        model.training_step({"images": images(i), "labels": labels()})

    def draw(n=4, **asked):
        return model.sample(n, np.random.default_rng(7), **asked)

    ones, twos = draw(labels=1), draw(labels=2)
    assert not np.allclose(ones, twos, atol=1e-3)
    np.testing.assert_allclose(draw(labels=np.array([1, 2, 2, 1])), [ones[0], twos[1], twos[2], ones[3]], atol=1e-6)
    np.testing.assert_allclose(draw(), draw(labels=[0, 1, 2, 0]), atol=1e-6)  # in turn, if nobody asks
    many = np.arange(230) % 3  # more than are made together
    np.testing.assert_allclose(draw(230, labels=many)[many == 1], draw(230, labels=1)[many == 1], atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (3, "cgan: expected labels from 0 to 2, got 3 to 3"),
        (-1, "cgan: expected labels from 0 to 2, got -1 to -1"),
        (1.0, "labels: expected whole numbers, .* got float64 of shape ()"),
        ([0, 1], r"one for each of 4, got int64 of shape \(2,\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(asked, words):
    with pytest.raises(ValueError, match=words):
        fresh("cgan").sample(4, labels=asked)


def test_a_conditional_model_asks_for_labels_and_the_others_refuse_them():
    with pytest.raises(ValueError, match="cgan: the labels are missing"):
        fresh("cgan").training_step({"images": images()})
    for name in ("gan", "wgan"):
        with pytest.raises(ValueError, match=f"{name}: this model knows no classes: leave labels out, or train a cgan"):
            fresh(name).sample(4, labels=1)


# ---- critics


@pytest.mark.parametrize("name", ["wgan", "wgan-gp-ema"])
def test_the_generator_moves_in_every_nth_step_only(name):
    model = fresh(name)
    moved = []
    for i in range(7):
        before = weights(model.generator)
        model.training_step({"images": images(i)})
        moved.append(not same(before, weights(model.generator)))
    assert moved == [False, False, True, False, False, True, False]


def test_every_weight_of_the_critic_is_clipped_after_every_move():
    model = fresh("wgan", clip=0.02, lr=0.1)
    for i in range(4):
        model.training_step({"images": images(i)})
        assert max(np.abs(p).max() for p in weights(model.discriminator).values()) == np.float32(0.02)
    assert max(np.abs(p).max() for p in weights(model.generator).values()) > 0.02


@pytest.mark.parametrize("name", ["wgan-dense", "wgan-gp-ema"])
def test_the_numbers_of_a_critic_are_those_of_its_move(name):
    model = fresh(name)
    generator, critic = copy.deepcopy(model.generator), copy.deepcopy(model.discriminator)
    draws = np.random.default_rng(3)
    noise, mix = draws.standard_normal((6, 3), dtype=np.float32), draws.random(6, dtype=np.float32)
    mg.manual_seed(3)
    numbers = model.training_step({"images": images()})

    with mg.no_grad():
        fakes = generator(mg.tensor(noise)).numpy()

    def score(x):
        with mg.no_grad():
            return critic(mg.tensor(x)).numpy()[:, 0]

    real, fake = score(images()), score(fakes)
    expected = {"loss_d": fake.mean() - real.mean(), "loss_g": -fake.mean(), "distance": real.mean() - fake.mean()}
    if "gp" in name:
        # The slope of each image's own score, by central differences in double precision.
        critic.to("float64")
        t = mix.reshape(6, 1, 1, 1)
        points = (t * images() + (1 - t) * fakes).astype(np.float64)
        slopes = np.zeros_like(points)
        for place in np.ndindex(1, 8, 8):
            step = np.zeros((1, 1, 8, 8))
            step[(0, *place)] = 1e-6
            slopes[(slice(None), *place)] = (score(points + step) - score(points - step)) / 2e-6
        norms = np.sqrt((slopes**2).sum((1, 2, 3)))
        expected["penalty"] = 10 * ((norms - 1) ** 2).mean()
        expected["loss_d"] += expected["penalty"]
    assert list(numbers) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(numbers[key], value, rtol=1e-4, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_the_critic_learns_from_its_penalty(norm):
    """By the gradient of a gradient: with the scores' own gradient alone the slope would not go to 1."""
    model = fresh("wgan-gp", **CONV, norm=norm, n_critic=1000, lr=5e-3, penalty=1000.0)
    seen = []
    for _ in range(60):
        mg.manual_seed(5)
        seen.append(model.training_step({"images": images()})["penalty"])
    assert seen[0] > 300 and seen[-1] < 30, seen[::10]


@pytest.mark.parametrize("name", ["wgan", "wgan-gp-ema"])
def test_a_critic_that_learns_tells_real_from_generated(name):
    model = fresh(name, n_critic=1000)
    seen = []
    for _ in range(30):
        mg.manual_seed(5)
        seen.append(model.training_step({"images": np.sign(images())})["distance"])
    assert seen[-1] > seen[0] and seen[-1] > 0, seen[::5]


def test_no_momentum_in_the_critics_optimizers():
    for optimizer in fresh("wgan").optimizers.values():
        assert type(optimizer) is mg.optim.RMSprop and optimizer.param_groups[0]["momentum"] == 0
    for optimizer in fresh("wgan-gp-ema").optimizers.values():
        assert type(optimizer) is mg.optim.Adam and optimizer.param_groups[0]["betas"] == (0.0, 0.9)


# ---- the average of the generator


@pytest.mark.parametrize("name", ["gan", "dcgan-lsgan", "cgan", "wgan", "wgan-gp-ema"])
def test_the_average_follows_its_recursion_and_takes_no_part_in_the_game(name):
    with_average, without = fresh(name, ema=0.6), fresh(name, ema=0.0)
    expected = {key: value.astype(np.float64) for key, value in with_average.generator.state_dict().items()}
    moves = 0
    for i in range(6):
        for model in (with_average, without):
            mg.manual_seed(i)
            model.training_step({"images": images(i), "labels": labels()})
        if name.startswith("wgan") and i % 3 < 2:
            continue  # the generator did not move
        decay = min(0.6, (1 + moves) / (10 + moves))
        moves += 1
        for key, value in with_average.generator.state_dict().items():
            expected[key] = value if value.dtype.kind == "i" else decay * expected[key] + (1 - decay) * value
    assert same(with_average.generator.state_dict(), without.generator.state_dict())
    assert same(with_average.discriminator.state_dict(), without.discriminator.state_dict())
    for key, value in with_average.average.network.state_dict().items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-5, atol=1e-6, err_msg=key)


def test_samples_are_drawn_with_the_average():
    model = fresh("gan-ema")
    for i in range(3):
        model.training_step({"images": images(i)})
    drawn = model.sample(4, np.random.default_rng(7))
    averaged = model.average.network.state_dict()
    model.average = None
    assert not np.allclose(drawn, model.sample(4, np.random.default_rng(7)), atol=1e-4)
    model.generator.load_state_dict(averaged)
    assert np.array_equal(drawn, model.sample(4, np.random.default_rng(7)))


def test_the_average_of_a_standstill_is_the_network():
    network = mg.nn.Sequential(mg.nn.Linear(2, 2), mg.nn.BatchNorm1d(2))
    average = EMA(network, 0.9)
    for _ in range(20):
        average.update(network)
    assert same(average.network.state_dict(), network.state_dict())
    assert not any(p.requires_grad for p in average.parameters())
    assert all(p.requires_grad for p in network.parameters())


def test_a_late_average_remembers_as_long_as_its_decay_says():
    network = mg.nn.Linear(1, 1, bias=False)
    average = EMA(network, 0.9)
    network.weight.data = np.zeros((1, 1), np.float32)
    for _ in range(200):
        average.update(network)
    network.weight.data = np.ones((1, 1), np.float32)
    for step in range(1, 11):
        average.update(network)
        np.testing.assert_allclose(average.network.weight.item(), 1 - 0.9**step, rtol=1e-5)


# ---- copies of networks


def test_a_deep_copy_of_a_network_is_a_network_of_its_own():
    network = mg.nn.Sequential(mg.nn.Linear(2, 2), mg.nn.BatchNorm1d(2))
    network[0].weight.requires_grad = False
    twin = copy.deepcopy(network)
    assert same(network.state_dict(), twin.state_dict()) and [p.requires_grad for p in twin.parameters()][:2] == [
        False,
        True,
    ]
    with twin[0].bias.inplace() as array:
        array += 1
    assert not np.array_equal(twin[0].bias.numpy(), network[0].bias.numpy())
    assert isinstance(twin[0].weight, mg.nn.Parameter) and not twin[0].weight.data.flags.writeable
    with pytest.raises(RuntimeError, match="deepcopy: expected a leaf, got a Tensor made by"):
        copy.deepcopy(network[0].bias * 2)


def test_the_common_options_have_the_same_defaults_in_every_family():
    common = {"loss": "non_saturating", "beta1": 0.5, "smoothing": 0.1}
    for name, options in (("gan", {}), ("dcgan", {"network": "conv"}), ("cgan", {})):
        chosen = build(name, **CONV, **options).options
        assert {key: getattr(chosen, key) for key in common} == common
