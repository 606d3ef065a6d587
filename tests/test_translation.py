"""Translation: what each network learns from, translation on the command line, and the scores."""

import re

import numpy as np
import pytest
from PIL import Image

import minigen as mg
from minigen.cli import main
from minigen.data import Dataset, load, render_shapes
from minigen.metrics import measure_family, shape_scores, translation_scores
from minigen.models import CycleGAN, Pix2Pix


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


def noise(n=6, channels=1, out=1, paired=True):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (n, channels, 8, 8)).astype(np.float32)
    return Dataset("noise", images, partners=np.repeat(-images[:, :1], out, axis=1), paired=paired)


def snapshot(network):
    return {name: value.copy() for name, value in network.state_dict().items()}


def moved(network, before):
    parameters = {name for name, _ in network.named_parameters()}
    return {
        not np.array_equal(before[name], value) for name, value in network.state_dict().items() if name in parameters
    }


def test_the_cycle_teaches_both_networks_by_both_terms():
    """Section 3 of the derivation, for linear maps in float64; with A(x) detached its first term teaches B alone."""
    rng = np.random.default_rng(3)
    a, b, x, y = (mg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((3, 3), (3, 3), (3, 1), (3, 1)))
    first = mg.losses.cycle_loss(b @ (a @ x), x, y, y)
    in_a, in_b = (g.numpy() for g in mg.grad(first, [a, b]))
    s = np.sign(b.numpy() @ a.numpy() @ x.numpy() - x.numpy()) / 3
    assert np.allclose(in_b, s @ (a.numpy() @ x.numpy()).T) and np.allclose(in_a, b.numpy().T @ s @ x.numpy().T)
    assert np.abs(in_a).min() > 0
    detached = mg.losses.cycle_loss(b @ (a @ x).detach(), x, y, y)
    assert not mg.grad(detached, [a], allow_unused=True)[0] or not np.any(mg.grad(detached, [a])[0].numpy())


def test_pix2pix_updates_d_then_g_and_repeats():
    data, states = noise(), []
    for _ in range(2):
        mg.manual_seed(1)
        model = Pix2Pix(width=2)
        before = snapshot(model.generator), snapshot(model.discriminator)
        numbers = model.training_step(data.batch([0, 1, 2, 3]))
        assert set(numbers) == {"loss_pixel", "loss_d", "loss_g"}
        assert moved(model.generator, before[0]) == moved(model.discriminator, before[1]) == {True}
        states.append(model.state_dict())
    assert all(np.array_equal(states[0][key], states[1][key]) for key in states[0])


def test_the_pixel_loss_alone_learns_to_invert():
    mg.manual_seed(0)
    model, data = Pix2Pix(width=2, adversarial=0.0, lr=1e-2), noise()
    losses = [float(model.training_step(data.batch(slice(0, 6)))["loss_pixel"]) for _ in range(60)]
    assert model.discriminator is None and list(model.optimizers) == ["generator"]
    assert losses[-1] < 0.6 * losses[0], losses[::10]


def test_a_cycle_of_0_leaves_out_the_cycle_and_identity_adds_a_term():
    data, made = noise(), {}
    for name, options in {"both": {}, "none": {"cycle": 0.0}, "identity": {"identity": 5.0}}.items():
        mg.manual_seed(1)
        model = CycleGAN(width=2, **options)
        batch = data.batch([0, 1, 2])
        numbers = model.training_step(batch)
        assert set(numbers) == {"loss_d", "loss_g", "loss_cycle"}
        made[name] = model.state_dict()["a.layers.0.0.weight"]
    assert not np.array_equal(made["both"], made["none"]) and not np.array_equal(made["both"], made["identity"])


@pytest.mark.parametrize("family", [Pix2Pix, CycleGAN])
def test_an_image_gives_the_same_alone_as_in_a_batch_and_has_any_size(family):
    mg.manual_seed(2)
    model = family(channels=1, out_channels=3, width=2)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 1, 9, 13)).astype(np.float32)
    together = model.apply(images)
    assert together.shape == (3, 3, 9, 13)
    assert np.allclose(together[1:2], model.apply(images[1:2]), atol=1e-6)
    if family is CycleGAN:
        assert model.apply(together, back=True).shape == images.shape
        with pytest.raises(ValueError, match=re.escape("expected images (N, 3, H, W), got (3, 1, 9, 13)")):
            model.apply(images, back=True)


def test_previews_show_input_output_truth():
    data, generator = noise(channels=1, out=3), np.random.default_rng
    model = Pix2Pix(out_channels=3, width=2)
    shown, columns = model.preview(6, data, generator(0))
    assert columns == 3 and shown.shape == (6, 3, 8, 8)
    first = generator(0).permutation(6)[0]
    assert np.array_equal(shown[0], np.repeat(data.images[first], 3, 0)) and np.array_equal(
        shown[2], data.partners[first]
    )
    shown, columns = CycleGAN(width=2).preview(12, noise(paired=False), generator(0))
    assert columns == 6 and shown.shape == (12, 1, 8, 8)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Pix2Pix(l1=0.0, adversarial=0.0), "l1 and adversarial are both 0"),
        (lambda: CycleGAN(channels=1, out_channels=3, identity=1.0), "identity must be 0 for images of 1 and of 3"),
        (lambda: Pix2Pix().prepare(noise(paired=False)), "pix2pix: learns from pairs, and noise has none"),
        (lambda: Pix2Pix.data_options(load("digits")), "pix2pix: learns from two images each, and digits has no"),
        (
            lambda: CycleGAN().prepare(load("thick:digits", size=7)),
            "cyclegan: expected images of at least 8 pixels a side, got 7x7",
        ),
        (
            lambda: Pix2Pix().prepare(load("outline:digits", size=3)),
            "pix2pix: expected images of at least 4 pixels a side, got 3x3; --size makes them larger",
        ),
        (lambda: CycleGAN().prepare(load("digits")), "cyclegan: learns from two kinds of images, and digits has no"),
        (lambda: translation_scores(CycleGAN(), noise(paired=False)), "noise has no pairs"),
    ],
)
def test_bad_input(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_shape_scores():
    factors = np.array([[1, 0, 2, 0, 1, 1], [0, 3, 2, 0, 2, 2]])
    truth = render_shapes(factors, 32)
    assert shape_scores(truth, truth) == pytest.approx({"iou": 1, "saturation": 1, "hue": 1})
    assert shape_scores(0 * truth - 1, truth) == {"iou": 0, "saturation": 0, "hue": 0}
    other = render_shapes(factors + [0, 1, 0, 0, 0, 0], 32)
    assert shape_scores(other, truth) == pytest.approx({"iou": 1, "saturation": 1, "hue": 0})
    grey = np.repeat(truth.max(1, keepdims=True), 3, 1)
    assert shape_scores(grey, truth)["saturation"] == 0
    shifted = np.roll(truth, 4, axis=3)
    assert 0.1 < shape_scores(shifted, truth)["iou"] < 0.8


def test_scores_of_a_model_that_copies():
    class Copy(CycleGAN):
        def forward(self, x, back=False):
            return x

    data = noise()
    found = measure_family(Copy(width=2), data)
    assert (
        found["psnr"] == found["psnr_copy"] == found["psnr_back"]
        and found["psnr_cycle"] == found["psnr_invert"] == np.inf
    )


# ---- the command line


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("translation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minigen.plot.training_curves", lambda *_: None)
        for family, data in (("pix2pix", "outline:digits"), ("cyclegan", "thick:digits")):
            run = ["--run", str(place / family), "--steps", "2", "--width", "2", "--batch-size", "4"]
            assert main(["train", family, "--data", data, *run]) == 0
        assert (
            main(["train", "repair", "--data", "digits", "--steps", "1", "--width", "2", "--run", str(place / "r")])
            == 0
        )
    Image.fromarray(np.full((10, 12), 90, np.uint8)).save(place / "grey.png")
    Image.fromarray(np.full((10, 12, 4), 90, np.uint8)).save(place / "colour.png")
    Image.fromarray(np.zeros((2, 12), np.uint8)).save(place / "flat.png")
    return place


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def test_translate_writes_pictures(runs, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    assert main(["translate", str(runs / "pix2pix"), "grey.png", "colour.png"]) == 0
    assert size_of("grey-translated.png") == (12, 10)
    said = capsys.readouterr().out
    assert "transparency is ignored" in said and "its gray values are used" in said
    assert main(["translate", str(runs / "cyclegan"), "grey.png", "--back", "--out", "back.png"]) == 0
    assert size_of("back.png") == (12, 10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pix2pix", "grey.png", "--back"], "is a pix2pix, which has no way back"),
        (["r", "grey.png"], "is a repair, not a translation"),
        (["pix2pix", "flat.png"], "flat.png has 12x2 pixels: expected at least 4 a side"),
        (["pix2pix", "none.png"], "none.png"),
        (["pix2pix", "grey.png", "colour.png", "--out", "one.png"], "2 pictures need a folder that exists"),
        (["pix2pix", "grey.png", "--out", "grey.png"], "--out: grey.png is the picture itself"),
    ],
)
def test_translate_refuses(runs, arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    assert main(["translate", str(runs / arguments[0]), *arguments[1:]]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_evaluate_prints_the_scores(runs, capsys):
    assert main(["evaluate", str(runs / "cyclegan")]) == 0
    said = capsys.readouterr().out
    assert all(text in said for text in ("dB to the truth, the way back", "dB of the inverted input"))


def test_names_of_runs_and_data_that_do_not_fit(runs, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    assert main(["train", "pix2pix", "--data", "thick:digits", "--steps", "1"]) == 2
    assert "learns from pairs" in capsys.readouterr().err
    assert main(["train", "cyclegan", "--data", "digits", "--steps", "1"]) == 2
    assert "digits has no partners" in capsys.readouterr().err
