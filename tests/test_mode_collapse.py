"""Techniques against mode collapse, the family of points, and the counting of modes."""

import copy
import math
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import losses, nn
from minigen.check import gradcheck
from minigen.cli import main
from minigen.data import Dataset, Loader
from minigen.data.points import SIGMAS, centres
from minigen.metrics import Modes, count_modes, known_modes, load_judges, stacked_modes
from minigen.models import PointGAN, build, family
from minigen.models.gan.techniques import pack, unroll
from minigen.nn.utils import functional_call, spectral_norm
from minigen.train import Run, fit

TECHNIQUES = [
    {"pack": 2},
    {"r1": 0.5},
    {"spectral": True},
    {"minibatch": True},
    {"unroll": 2},
    {"pack": 2, "r1": 0.5, "minibatch": True, "unroll": 1},
    {"spectral": True, "r1": 0.5, "r1_end": 0.1, "r1_every": 3, "pack": 2},
]
FAMILIES = {
    "points": {"width": 6, "layers": 2, "layers_d": 2, "r1": 0.0, "r1_end": None, "r1_every": 1},
    "dcgan": {"size": 8, "channels": 1, "latent": 3, "width": 2, "network": "conv", "norm": "layer"},
}


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    """What is tested here does not depend on the kernels, and these need no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


def fresh(name="points", seed=0, **options):
    mg.manual_seed(seed)
    return build(name, **(FAMILIES[name] | options))


def batch(name="points", n=8, seed=0):
    rng = np.random.default_rng(seed)
    if name == "points":
        return {"points": rng.standard_normal((n, 2)).astype(np.float32)}
    return {"images": rng.uniform(-1, 1, (n, 1, 8, 8)).astype(np.float32)}


def dataset(name="points", n=40):
    return Dataset("noise", **batch(name, n))


# ---- packing


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_a_pack_holds_neighbouring_images_with_their_channels_side_by_side(m, packs, channels):
    images = np.arange(m * packs * channels * 6.0).reshape(m * packs, channels, 2, 3)
    packed = pack(mg.tensor(images), m).numpy()
    assert packed.shape == (packs, m * channels, 2, 3)
    for n in range(packs):
        np.testing.assert_array_equal(packed[n], np.concatenate(images[n * m : (n + 1) * m], 0))


def test_packs_that_do_not_divide_a_batch_are_refused():
    for m in (0, 3):
        with pytest.raises(
            ValueError, match=f"pack: expected m of at least 1 that divides the batch, got m = {m} for 4"
        ):
            pack(mg.ones(4, 2), m)


def test_the_discriminator_decides_once_a_pack_and_never_sees_real_beside_generated():
    model = fresh(pack=4)
    seen, plain = [], model.discriminator.forward
    model.discriminator.forward = lambda x: seen.append(x.numpy().copy()) or plain(x)
    data = batch()
    model.training_step(data)
    real, fake, again = seen
    np.testing.assert_array_equal(real, data["points"].reshape(2, 8))
    np.testing.assert_array_equal(fake, again)
    assert fake.shape == (2, 8) and model.score(data["points"]).shape == (2,)


# ---- unrolled steps


def critic():
    mg.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).to("float64")


def game(network, real, steps, stop=False):
    """The generator's loss as a function of its points, after unrolled steps of D."""

    def loss(fake):
        def loss_d(call):
            return losses.non_saturating_d(call(real), call(fake))

        weights = unroll(network, loss_d, steps, 0.3)
        if stop:
            weights = {name: w.detach() for name, w in weights.items()}
        return losses.non_saturating_g(functional_call(network, weights, fake))

    return loss


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_gradient_through_unrolled_steps_is_right(steps):
    rng = np.random.default_rng(0)
    network, real, fake = critic(), mg.tensor(rng.standard_normal((3, 2))), rng.standard_normal((4, 2))
    before = copy.deepcopy(network.state_dict())
    gradcheck(game(network, real, steps), [fake], order=1, name="unroll", names=["fake"], repeats=1).raise_if_wrong()
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_steps_without_their_gradient_are_found_wrong():
    """The value is the same and the samples may look as good: only the gradient shows it."""
    rng = np.random.default_rng(0)
    network, real = critic(), mg.tensor(rng.standard_normal((3, 2)))
    fake = mg.tensor(rng.standard_normal((4, 2)), requires_grad=True)
    true, stopped = game(network, real, 3)(fake), game(network, real, 3, stop=True)(fake)
    assert true.item() == stopped.item()
    ways = [mg.grad(value, fake)[0].numpy() for value in (true, stopped)]
    assert np.abs(ways[0] - ways[1]).max() > 0.05 * np.abs(ways[0]).max()
    point = fake.numpy().copy()
    h, way = 1e-6, rng.standard_normal(point.shape)
    ends = [game(network, real, 3)(mg.tensor(point + s * h * way)).item() for s in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx((ways[0] * way).sum(), rel=1e-6)


def test_unrolled_steps_are_gradient_descent():
    network, real, fake = critic(), mg.ones(3, 2).to("float64"), mg.zeros(4, 2).to("float64")

    def loss_d(call):
        return losses.non_saturating_d(call(real), call(fake))

    unrolled = unroll(network, loss_d, 3, 0.5)
    twin = copy.deepcopy(network)
    optimizer = mg.optim.SGD(twin.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        loss_d(twin).backward()
        optimizer.step()
    for name, p in twin.named_parameters():
        np.testing.assert_allclose(unrolled[name].numpy(), p.numpy(), rtol=1e-12)


def test_networks_whose_unrolled_gradient_would_be_wrong_are_refused():
    for layer, words in ((spectral_norm(nn.Linear(2, 1)), "'0' has spectral_norm"), (nn.BatchNorm1d(2), "batch norm")):
        with pytest.raises(ValueError, match=f"unroll: .*{words}"):
            unroll(nn.Sequential(layer), lambda call: call(mg.ones(2, 2)).sum(), 1, 0.1)
    for steps, lr in ((-1, 0.1), (1, 0.0)):
        with pytest.raises(ValueError, match="unroll: expected steps of at least 0 and lr above 0"):
            unroll(critic(), lambda call: call(mg.ones(2, 2)).sum(), steps, lr)


# ---- the options of the families


@pytest.mark.parametrize("options", TECHNIQUES, ids=lambda o: "-".join(o))
@pytest.mark.parametrize("name", FAMILIES)
def test_each_optimizer_moves_its_own_network_only_and_the_techniques_change_the_step(name, options):
    for still in ("generator", "discriminator"):
        model = fresh(name, **options)
        for group in model.optimizers[still].param_groups:
            group["lr"] = 0.0
        before = {n: p.numpy().copy() for n, p in model.named_parameters()}
        model.training_step(batch(name))
        for n, p in model.named_parameters():
            moved = not np.array_equal(p.numpy(), before[n])
            assert moved != n.startswith(still), n
    plain, changed = fresh(name), fresh(name, **options)
    numbers = [model.training_step(batch(name)) for model in (plain, changed) for _ in range(2)]
    assert numbers[1]["loss_g"].item() != numbers[3]["loss_g"].item()
    assert ("penalty" in numbers[3]) == ("r1" in options)


@pytest.mark.parametrize("options", TECHNIQUES[-2:], ids=lambda o: "-".join(o))
@pytest.mark.parametrize("name", FAMILIES)
def test_a_run_with_techniques_resumes_bit_for_bit(name, options, tmp_path, monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    monkeypatch.setattr(PointGAN, "RECALIBRATE", 200)
    loader = Loader(dataset(name), 8, seed=1)
    straight, broken = (Run.create(tmp_path / folder, {}) for folder in ("straight", "broken"))
    fit(fresh(name, **options), loader, straight, 2, progress=False)
    model = fresh(name, **options)
    step, count = model.training_step, iter(range(100))
    model.training_step = lambda b: (next(count) == 6 and signal.raise_signal(signal.SIGINT)) or step(b)
    assert fit(model, loader, broken, 2, progress=False).step == 7
    fit(fresh(name, seed=9, **options), loader, broken, 2, resume=True, progress=False)
    states = [run.load()["model"] for run in (straight, broken)]
    assert states[0].keys() == states[1].keys()
    assert all(states[0][key].tobytes() == states[1][key].tobytes() for key in states[0])


def test_the_penalty_is_r1_of_the_logit_at_real_points():
    model = fresh(r1=0.5)
    data = batch()["points"]
    leaf = mg.tensor(data, requires_grad=True)
    (u,) = mg.grad(model.discriminator(leaf).sum(), leaf)
    expected = 0.25 * np.square(u.numpy()).sum(1).mean()
    assert model.training_step({"points": data})["penalty"].item() == pytest.approx(expected, rel=1e-5)


def test_a_lazy_penalty_is_computed_in_some_steps_only_with_more_weight():
    model, plain = fresh(r1=0.5, r1_every=3), fresh(r1=0.5)
    seen = [model.training_step(batch(seed=i))["penalty"].item() for i in range(7)]
    first = plain.training_step(batch(seed=0))["penalty"].item()
    assert seen[0] == pytest.approx(3 * first, rel=1e-5)
    assert [value > 0 for value in seen] == [True, False, False, True, False, False, True]
    with pytest.raises(ValueError, match="points: r1_every must be at least 1, got 0"):
        fresh(r1_every=0)


def test_the_schedule_lets_the_rate_fall_and_r1_go_to_its_end():
    model = fresh(r1=0.1, r1_end=0.001, lr=0.02, lr_d=0.01, lr_decay=0.5)
    found = []
    for done in (0.0, 0.5, 0.75):
        model.schedule(done)
        found.append([model.optimizers[n].param_groups[0]["lr"] for n in ("generator", "discriminator")] + [model.r1])
    np.testing.assert_allclose(found, [[0.02, 0.01, 0.1], [0.02, 0.01, 0.01], [0.01, 0.005, 10**-2.5]])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("points", {"pack": 0}, "points: pack must be at least 1, got 0"),
        ("points", {"r1": -1.0}, "points: r1 must be at least 0, got -1.0"),
        ("points", {"r1_end": 0.0}, "points: r1_end must be above 0, got 0.0"),
        ("points", {"unroll": -1}, "points: unroll must be at least 0, got -1"),
        ("points", {"unroll": 2, "unroll_lr": 0.0}, "points: unroll_lr must be above 0, got 0.0"),
        ("points", {"unroll": 2, "spectral": True}, "points: unroll: '1' has spectral_norm"),
        ("points", {"size": 28}, "points: unknown option 'size'"),
        ("dcgan", {"size": 16, "network": "conv_dense", "norm": "batch", "r1": 1.0}, "dcgan: r1: batch norm"),
        ("dcgan", {"size": 16, "norm": "batch", "r1": 1.0}, "dcgan: r1: batch norm"),
        ("dcgan", {"size": 16, "norm": "batch", "unroll": 1}, "dcgan: unroll: .* batch norm"),
        ("dcgan", {"network": "conv_k4_bn", "width": None}, "dcgan: norm is an option of the conv and conv_dense"),
    ],
)
def test_options_that_are_wrong_or_contradict_each_other_are_named(name, options, words):
    with pytest.raises(ValueError, match=words):
        fresh(name, **options)


def test_batches_that_do_not_fit_are_refused_before_the_first_step():
    with pytest.raises(ValueError, match="points: --pack 3 does not divide the batch of 8"):
        fresh(pack=3).check_batch_size(8)
    with pytest.raises(ValueError, match="points: --minibatch needs at least 2 examples for D to compare, got 1"):
        fresh(pack=4, minibatch=True).check_batch_size(4)
    fresh(pack=4, minibatch=True).check_batch_size(8)


@pytest.mark.parametrize("points", [np.zeros((4, 3)), np.zeros(4), np.full((4, 2), np.nan)])
def test_points_that_do_not_fit_are_refused(points):
    with pytest.raises(ValueError, match=r"points: expected (points \(N, 2\)|finite points), got"):
        fresh().training_step({"points": points})


# ---- stale statistics


def trained(steps=12, **options):
    model = fresh(lr=0.02, **options)
    for i in range(steps):
        model.training_step(batch(n=32, seed=i))
    return model


def expected_samples(network, z):
    """The forward pass by hand, with the statistics of very many vectors under the present weights."""
    h, many = np.asarray(z, np.float64), np.random.default_rng(8).standard_normal((100_000, z.shape[1]))
    layers = list(network.children())
    for layer in layers:
        if isinstance(layer, nn.Linear):
            bias = 0 if layer.bias is None else layer.bias.numpy()
            h, many = (x @ layer.weight.numpy().T + bias for x in (h, many))
        elif isinstance(layer, nn.BatchNorm1d):
            mean, spread = many.mean(0), np.sqrt(many.var(0) + layer.eps)
            h, many = ((x - mean) / spread * layer.weight.numpy() + layer.bias.numpy() for x in (h, many))
        elif isinstance(layer, nn.LeakyReLU):
            h, many = (np.where(x > 0, x, 0.2 * x) for x in (h, many))
        else:
            h, many = (x * layer.factor for x in (h, many))
    return h


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_samples_are_never_drawn_with_stale_batch_norm_statistics(ema):
    model = trained(ema=ema)
    network = model.generator if model.average is None else model.average.network
    z = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    running = network.eval()(mg.tensor(z)).detach().numpy()
    network.train()
    expected = expected_samples(network, z)
    found = model.decode(z)
    spread = expected.std()
    assert np.abs(found - expected).mean() < 0.03 * spread
    assert np.abs(running - expected).mean() > 0.1 * spread  # the moving averages lag behind the weights
    for layer in network.children():
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean = layer.running_mean + 5.0
    np.testing.assert_array_equal(model.decode(z), found)


def test_the_statistics_follow_every_change_of_the_weights_and_looking_changes_nothing():
    model = trained()
    state = copy.deepcopy(model.state_dict())
    before = model.sample(50, np.random.default_rng(0))
    np.testing.assert_array_equal(model.sample(50, np.random.default_rng(0)), before)
    assert all(np.array_equal(value, state[name]) for name, value in model.state_dict().items())
    with model.generator[0].weight.inplace() as weight:
        weight *= np.linspace(0.5, 2, weight.shape[0], dtype=np.float32)[:, None] * np.array([1, 3], np.float32)
    z = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    expected = expected_samples(model.generator, z)
    assert np.abs(model.decode(z) - expected).mean() < 0.03 * expected.std()


# ---- counting modes


@given(st.integers(0, 2**32 - 1))
def test_modes_are_counted_by_the_definition(seed):
    rng = np.random.default_rng(seed)
    name = "ring8" if seed % 2 else "grid25"
    places, sigma = centres(name), SIGMAS[name]
    points = places[rng.integers(0, len(places), 40)] + sigma * rng.choice([1, 3]) * rng.standard_normal((40, 2))
    found = count_modes(points, places, sigma)
    counts = np.zeros(len(places), int)
    for point in points:
        distances = [math.dist(point, place) for place in places]
        if min(distances) <= 3 * sigma:
            counts[int(np.argmin(distances))] += 1
    assert found.counts == tuple(counts) and found.modes == (counts > 0).sum() and found.of == len(places)
    assert found.high_quality == counts.sum() / 40
    shares = counts / max(counts.sum(), 1)
    if counts.sum():
        kl = sum(q * math.log(q * len(places)) for q in shares if q)
        assert found.kl == pytest.approx(kl)
    else:
        assert math.isnan(found.kl)


def test_the_radius_is_three_sigma_in_the_plane_not_an_axis_and_not_a_variance():
    corner = np.array([[2.5, 2.5]]) * 0.01  # each coordinate is within 3 sigma, the point is not
    assert count_modes(corner, np.zeros((1, 2)), 0.01).high_quality == 0
    assert count_modes(corner / 2, np.zeros((1, 2)), 0.01).high_quality == 1


@pytest.mark.parametrize("name", ["ring8", "grid25"])
def test_perfect_data_score_the_floors(name):
    data = mg.data.load(name, count=20_000)
    found = count_modes(data.points, *known_modes(data))
    assert found.modes == found.of
    assert found.high_quality == pytest.approx(found.high_quality_floor, abs=0.003)
    assert 0.2 < found.kl / found.kl_floor < 3


def test_the_floor_of_the_divergence_is_its_mean_over_perfect_samples():
    rng = np.random.default_rng(0)
    for n, k in ((5, 3), (40, 8)):
        found = []
        for _ in range(2000):
            share = np.bincount(rng.integers(0, k, n), minlength=k) / n
            found.append(sum(q * math.log(q * k) for q in share if q))
        floor = Modes(k, k, 1.0, 0.0, n, (1,) * k).kl_floor
        assert floor == pytest.approx(np.mean(found), abs=4 * np.std(found) / 2000**0.5)
    assert Modes(8, 8, 1.0, 0.0, 2500, (1,) * 8).kl_floor == pytest.approx(7 / 5000, rel=0.01)


def test_data_without_known_modes_and_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="modes: the modes of digits are not known; they are those of ring8, grid25"):
        known_modes(mg.data.load("digits", "test"))
    for points, sigma in ((np.zeros((0, 2)), 1.0), (np.zeros((3, 3)), 1.0), (np.zeros((3, 2)), 0.0)):
        with pytest.raises(ValueError, match="count_modes: "):
            count_modes(points, np.zeros((2, 2)), sigma)


class Reader:
    """Reads the digit from the first pixel, and is certain if the second is white."""

    accuracy = 0.99

    def probabilities(self, x):
        level = np.rint((x[:, 0, 0, 0] + 1) * 5).astype(int)
        sure = np.where(x[:, 0, 0, 1] > 0, 0.95, 0.5)[:, None]
        return sure * np.eye(10)[level] + (1 - sure) / 10


def test_stacked_modes_are_read_digit_by_digit_and_the_unsure_are_counted_apart():
    digits = np.array([[1, 2, 3], [1, 2, 3], [3, 2, 1], [0, 0, 9]])
    images = np.ones((4, 3, 4, 4), np.float32)
    images[:, :, 0, 0] = digits / 5 - 1
    images[3, 1, 0, 1] = -1  # one unsure digit makes the image unsure
    found = stacked_modes(images, Reader())
    assert (found.modes, found.confident, found.confident_modes, found.images) == (3, 0.75, 2, 4)
    shares = np.array([0.5, 0.25, 0.25])
    assert found.kl == pytest.approx(np.sum(shares * np.log(shares * 1000)))
    with pytest.raises(ValueError, match=r"stacked_modes: expected images \(N, 3, H, W\), got \(4, 1, 4, 4\)"):
        stacked_modes(images[:, :1], Reader())
    weak = Reader()
    weak.accuracy = 0.9
    with pytest.warns(UserWarning, match="stacked_modes: this reader is right on 90.0% only"):
        stacked_modes(images, weak)


def test_averaged_digits_have_many_modes_and_are_not_read_with_certainty():
    stacked = mg.data.load("stacked_mnist", "test", count=1000)
    reader = load_judges().reader
    real = stacked_modes(stacked.images[:100], reader)
    mixed = stacked_modes((stacked.images[:100] + stacked.images[100:200]) / 2, reader)
    assert mixed.modes > 0.6 * real.modes
    assert real.confident > 0.7 > 0.3 > mixed.confident


# ---- the family


def test_a_picture_shows_points_where_they_are():
    picture = mg.plot.draw_points(np.array([[0.5, 0.25], [9.0, 0.0], [np.nan, 0.0]]), np.array([[-0.5, -0.5]]), 1.0, 80)
    assert picture.shape == (3, 80, 80) and picture.dtype == np.float32 and np.abs(picture).max() <= 1
    rows = np.nonzero(picture[0] < 0.9)[0]
    blue = picture[2] > picture[0] + 0.1
    assert {(int(r), int(c)) for r, c in zip(*np.nonzero(blue))} == {(r, c) for r in (29, 30, 31) for c in (59, 60, 61)}
    assert len(rows) == 18 and {int(r) for r in rows if r > 40} == {59, 60, 61}
    for wrong in ({"points": np.zeros(3)}, {"points": np.zeros((3, 2)), "extent": 0.0}):
        with pytest.raises(ValueError, match="draw_points: expected"):
            mg.plot.draw_points(**wrong)


def test_the_depths_of_generator_and_discriminator_are_set_apart():
    model = fresh(layers=3, layers_d=1)
    linear = [
        [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        for network in (model.generator, model.discriminator)
    ]
    assert [len(layers) for layers in linear] == [4, 2]


def test_a_short_training_finds_most_of_the_ring():
    data, kind = mg.data.load("ring8"), family("points")
    mg.manual_seed(0)
    model = kind(**kind.data_options(data), width=32)
    batches, steps = Loader(data, 128, seed=0, drop_last=True), 300
    for step in range(steps):
        model.schedule(step / steps)
        model.training_step(next(batches.epoch(step // len(batches), step % len(batches))))
    found = count_modes(model.sample(2500, np.random.default_rng(1)), *known_modes(data))
    assert found.modes >= 6 and found.high_quality > 0.02, found  # noise of the data's spread has 0.2 %
    untrained = count_modes(kind(**kind.data_options(data)).sample(2500), *known_modes(data))
    assert untrained.high_quality < 0.01


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_points_on_the_command_line(here, capsys):
    tiny = ["--data", "ring8", "--steps", "3", "--width", "8", "--run", "ring"]
    assert main(["train", "points", *tiny, "--pack", "2", "--minibatch", "--unroll", "1"]) == 0
    assert main(["evaluate", "ring"]) == 0
    text = capsys.readouterr().out
    assert "of 8 modes, HQ" in text and "perfect  HQ 98.9%, KL 0.0014" in text and "data     8 of 8 modes" in text
    assert main(["sample", "ring", "--out", "some.npz", "-n", "7"]) == 0 and main(["sample", "ring"]) == 0
    assert np.load("some.npz")["points"].shape == (7, 2) and (here / "runs/ring/sample.png").is_file()
    assert main(["gif", "ring"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "points", "--data", "digits"], "points: learns from points, and digits has images"),
        (["train", "dcgan", "--data", "ring8"], "has points"),
        (["train", "points", "--data", "ring8", "--pack", "3"], "--pack 3 does not divide the batch of 512"),
        (["train", "points", "--data", "ring8", "--unroll", "1", "--spectral"], "has spectral_norm"),
        (["interpolate", "ring"], "points makes points, and this command needs images"),
        (["sample", "ring", "--class", "1"], "points knows no classes"),
    ],
)
def test_mistakes_cost_one_line(arguments, words, here, capsys):
    if "ring" in arguments:
        assert main(["train", "points", "--data", "ring8", "--steps", "1", "--width", "4", "--run", "ring"]) == 0
    capsys.readouterr()
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and words in lines[0], lines
