"""The commands that look into a trained model: what they draw and say, and what they refuse."""

import copy
import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minigen as mg
from minigen.cli import main
from minigen.data import Dataset
from minigen.metrics import elbo_terms, measure_family, memorization, nearest_distances
from minigen.models import ImageModel, build
from minigen.plot import save_image_grid
from minigen.train import Run, RunError, load_trained
from minigen.visualize import animate, interpolate, manifold, reconstruct, sample, slerp, traverse

pytestmark = pytest.mark.usefixtures("plain_kernels")

RUNS = {"cgan": ["--latent", "4"], "vae": ["--latent", "2"], "cvae": ["--latent", "3"]}


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(trained, tmp_path / "here"))
    return tmp_path / "here"


def tiny(name, **options):
    mg.manual_seed(0)
    return build(name, size=8, channels=1, **{"latent": 3, "width": 2, **options})


DIGITS = mg.data.load("digits", "test")


# ---- the commands


@pytest.mark.parametrize(
    ("arguments", "file", "said"),
    [
        (["sample", "vae", "-n", "5"], "sample.png", "5 samples of step 5"),
        (["sample", "cgan"], "sample.png", "100 samples of step 5"),
        (["sample", "cgan", "--class", "7"], "sample.png", "64 samples"),
        (["sample", "cvae", "--class", "7", "0", "-n", "3"], "sample.png", "6 samples"),
        (["interpolate", "cgan", "--rows", "2"], "interpolation.png", "2 interpolations"),
        (["interpolate", "vae", "--linear", "--steps", "3"], "interpolation.png", "8 interpolations"),
        (["manifold", "vae", "--side", "3"], "manifold.png", "3 x 3"),
        (["reconstruct", "cvae", "-n", "4"], "reconstruction.png", "4 reconstructions"),
        (["reconstruct", "vae", "--split", "train"], "reconstruction.png", "10 reconstructions"),
        (["traverse", "cvae", "--rows", "2"], "traversal.png", "traversals of 2 components"),
    ],
)
def test_a_command_writes_a_picture_and_says_where(arguments, file, said, here, capsys):
    assert main(arguments) == 0
    path = here / "runs" / arguments[1] / file
    out = capsys.readouterr().out
    assert said in out and str(path.relative_to(here)) in out
    first = path.read_bytes()
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.width >= 300
    assert main([*arguments, "--out", "again.png"]) == 0
    assert (here / "again.png").read_bytes() == first  # a function of the run and the seed
    if "manifold" not in arguments:
        assert main([*arguments, "--out", "other.png", "--seed", "1"]) == 0
        assert (here / "other.png").read_bytes() != first


def test_gif(here, capsys):
    assert main(["gif", "vae"]) == 0
    assert "2 frames" in capsys.readouterr().out
    with Image.open(here / "runs" / "vae" / "training.gif") as film:
        assert (film.format, film.n_frames) == ("GIF", 2)


def test_evaluate_prints_the_numbers_of_the_model(here, capsys):
    found = elbo_terms(load_trained("vae").model, DIGITS.images)
    assert main(["evaluate", "vae", "--samples", "3"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"-ELBO {-found['elbo']:.2f} nats an image" in out
    assert f"reconstruction {found['reconstruction']:.2f} KL {found['kl']:.2f}" in out
    assert f"active units {found['active_units']} of 2" in out and "at most, with 3 codes" in out

    assert main(["evaluate", "cgan"]) == 0
    out = capsys.readouterr().out
    assert all(
        words in out
        for words in (
            "355 images of digits (test)",
            "D on the data",
            "nearest training image of samples",
            "minigen sample cgan",
        )
    )


def test_samples_are_written_as_an_array_and_as_files(here, capsys):
    from minigen.data import from_levels

    assert main(["sample", "cgan", "--class", "7", "3", "-n", "4", "--out", "s.npz"]) == 0
    with np.load(here / "s.npz") as found:
        images, labels = found["images"], found["labels"]
    assert images.shape == (8, 1, 8, 8) and images.dtype == np.float32 and labels.tolist() == [7] * 4 + [3] * 4
    assert main(["sample", "cgan", "--class", "7", "3", "-n", "4", "--out", "files/"]) == 0
    paths = sorted((here / "files").iterdir())
    assert [path.name for path in paths][3:5] == ["00003-class-7.png", "00004-class-3.png"]
    for path, image in zip(paths, images, strict=True):
        with Image.open(path) as picture:
            np.testing.assert_allclose(from_levels(np.asarray(picture)), image[0], atol=1.01 / 255)
    assert main(["sample", "vae", "-n", "3", "--out", "more.npz"]) == 0
    with np.load(here / "more.npz") as found:
        assert list(found) == ["images"] and len(found["images"]) == 3
    capsys.readouterr()
    assert main(["sample", "vae", "--out", "files"]) == 2
    assert "files is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample", "vae", "--class", "3"], "vae: this model knows no classes: leave --class out"),
        (["sample", "cgan", "--class", "10"], "cgan: expected classes from 0 to 9, got 10"),
        (["sample", "cgan", "--class", "7", "cat"], "cgan: expected classes from 0 to 9, got cat"),
        (["sample", "cgan", "--out", "a.xyz"], "a.xyz: expected a suffix like .png, got .xyz"),
        (["sample", "cgan", "--out", "no/where.png"], "cannot write no/where.png: there is no folder no"),
        (["manifold", "cvae"], "manifold: needs a code of length 2, got 3: train with --latent 2"),
        (["manifold", "vae", "--class", "1", "2"], "vae: this model knows no classes"),
        (["reconstruct", "cgan"], "reconstruct: needs a model that makes codes of images (vae, cvae, iwae), cgan does"),
        (["reconstruct", "vae", "-n", "400"], "digits: expected between 1 and 355 images, got 400"),
        (["traverse", "cgan"], "traverse: needs a model that makes codes of images"),
        (["evaluate", "cgan", "--samples", "5"], "cgan assigns no probability to an image"),
        (["gif", "cgan", "--out", "film.png"], "film.png: expected a name that ends in .gif"),
        *[([name, "nowhere"], "no run at runs/nowhere") for name in ("interpolate", "evaluate", "gif", "traverse")],
    ],
)
def test_a_mistake_costs_one_line(arguments, words, here, capsys):
    before = sorted(here.rglob("*"))
    assert main(arguments) == 2
    assert words.replace("/", "\\" if "\\" in str(here) else "/") in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [["sample", "vae", "-n", "0"], ["gif", "vae", "--seconds", "soon"], ["traverse", "vae", "--limit", "-1"]],
)
def test_what_the_parser_refuses(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "error: argument" in capsys.readouterr().err


def test_the_data_decides_how_many_classes_there_are_and_what_they_are_called(here, capsys, monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    for name, level in (("cat", 60), ("dog", 120), ("emu", 180)):
        (here / "pets" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (9, 12 + i), (level, i * 30, 0)).save(here / "pets" / name / f"{i}.png")
    command = ["train", "cvae", "--data", "folder:pets", "--size", "8", "--batch-size", "2", "--width", "2"]
    assert main([*command, "--epochs", "1"]) == 0
    config = json.loads((here / "runs" / "cvae-pets" / "config.json").read_text())
    assert (config["options"]["classes"], config["class_names"]) == (3, ["cat", "dog", "emu"])
    assert main(["sample", "cvae-pets", "--class", "emu", "cat", "-n", "2"]) == 0
    assert main(["sample", "cvae-pets", "--class", "3"]) == 2
    assert "expected classes from 0 to 2 (cat, dog, emu), got 3" in capsys.readouterr().err
    with Image.open(here / "runs" / "cvae-pets" / "samples" / "epoch-0001.png") as grid:
        assert grid.width == 3 * (10 * 8 + 2) + 2 + 2 * 8  # a column for each class, and a margin


def test_a_model_of_classes_refuses_data_without(here, capsys):
    (here / "flat").mkdir()
    for i in range(4):
        Image.new("L", (8, 8), i * 30).save(here / "flat" / f"{i}.png")
    assert main(["train", "cgan", "--data", "folder:flat", "--batch-size", "2"]) == 2
    assert "cgan: learns from classes, and folder:flat has none" in capsys.readouterr().err
    assert not (here / "runs" / "cgan-flat").exists()


def test_own_images_without_a_test_split_are_offered_as_they_are(here, capsys, monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    (here / "own").mkdir()
    for i in range(4):
        Image.new("RGB", (8 + i, 10), (i * 30, 90, 0)).save(here / "own" / f"{i}.png")
    command = ["train", "vae", "--data", "folder:own", "--size", "8", "--batch-size", "2", "--width", "2"]
    assert main([*command, "--epochs", "1"]) == 0
    assert main(["reconstruct", "vae-own", "-n", "3"]) == 2
    assert "has no split test; sort its images into" in (said := capsys.readouterr().err) and "--split train" in said
    assert main(["reconstruct", "vae-own", "-n", "3", "--split", "train"]) == 0


# ---- the functions


def test_rows_of_samples_are_of_their_class_and_columns_share_their_noise():
    model = tiny("cgan", classes=4)
    table = sample(model, n=5, classes=[3, 1], seed=6)
    noise = np.random.default_rng(6).standard_normal((5, 3), np.float32)
    for row, label in zip(table.images, (3, 1)):
        np.testing.assert_allclose(row, model.decode(noise, label), atol=1e-6)
    assert table.rows == ["3", "1"] and "one class in each row" in table.caption
    assert sample(model, names=["a", "b", "c", "d"]).rows == ["a", "b", "c", "d"]


def test_a_square_of_samples_is_filled_up_with_white():
    model = tiny("vae")
    table = sample(model, n=5, seed=2)
    assert table.images.shape == (2, 3, 1, 8, 8)
    images = table.images.reshape(6, 1, 8, 8)
    assert np.array_equal(images[:5], model.sample(5, np.random.default_rng(2))) and (images[5] == 1).all()


@given(st.integers(0, 99), st.integers(2, 60))
def test_the_arc_keeps_the_length_and_turns_evenly(seed, size):
    a, b = np.random.default_rng(seed).standard_normal((2, 3, size))
    b *= np.linalg.norm(a, axis=1, keepdims=True) / np.linalg.norm(b, axis=1, keepdims=True)
    points = slerp(a, b, np.linspace(0, 1, 5))
    np.testing.assert_allclose(points[:, [0, -1]], np.stack([a, b], 1), atol=1e-12)
    lengths = np.linalg.norm(points, axis=2)
    np.testing.assert_allclose(lengths, lengths[:, :1].repeat(5, 1), rtol=1e-6)
    chords = np.linalg.norm(np.diff(points, axis=1), axis=2)
    np.testing.assert_allclose(chords, chords[:, :1].repeat(4, 1), rtol=1e-5)


def test_between_parallel_vectors_the_arc_is_the_line():
    a = np.array([3.0, 4.0])
    for b in (2 * a, a, -a, 0 * a):
        np.testing.assert_allclose(slerp(a, b, np.array([0.25])), [0.75 * a + 0.25 * b], atol=1e-7)


def test_an_interpolation_runs_from_noise_to_noise():
    model = tiny("dcgan")
    first, last = np.random.default_rng(4).standard_normal((2, 2, 3))
    for linear in (False, True):
        images = interpolate(model, rows=2, steps=3, seed=4, linear=linear).images
        np.testing.assert_allclose(images[:, 0], model.decode(first), atol=1e-6)
        np.testing.assert_allclose(images[:, 2], model.decode(last), atol=1e-6)
    np.testing.assert_allclose(images[:, 1], model.decode((first + last) / 2), atol=1e-6)
    assert interpolate(tiny("cgan", classes=2), rows=3).rows == ["0", "1", "0"]
    with pytest.raises(ValueError, match="at least 1 row of at least 2 steps, got 1 of 1"):
        interpolate(model, rows=1, steps=1)


def test_an_interpolation_between_given_codes_keeps_their_lengths():
    model = tiny("cvae", classes=2)
    first, last = np.random.default_rng(5).standard_normal((2, 3, 3))
    last *= np.linalg.norm(first, axis=1, keepdims=True) / np.linalg.norm(last, axis=1, keepdims=True)
    codes = []
    model.decode = lambda z, labels: codes.append((z, labels)) or type(model).decode(model, z, labels)
    table = interpolate(model, steps=5, ends=(first, last), classes=[1])
    ((found, labels),) = codes
    assert table.images.shape == (3, 5, 1, 8, 8) and (labels == 1).all()
    found = found.reshape(3, 5, 3)
    np.testing.assert_allclose(found[:, [0, -1]], np.stack([first, last], 1), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), np.linalg.norm(first, axis=1)[:, None].repeat(5, 1))
    with pytest.raises(ValueError, match=r"ends of shape \(rows, 3\) each, got \(2, 3\) and \(3, 3\)"):
        interpolate(model, ends=(first[:2], last))


def test_a_manifold_of_noise_of_length_2_works_too():
    table = manifold(tiny("dcgan", latent=2), side=3)
    assert table.images.shape == (3, 3, 1, 8, 8)
    assert "of class b" in manifold(tiny("cvae", latent=2, classes=3), 2, "b", ("a", "b", "c")).caption


def test_reconstructions_stand_below_their_images_with_their_bounds():
    model = tiny("cvae")
    table = reconstruct(model, DIGITS, n=3, seed=1)
    picked = np.random.default_rng(1).permutation(len(DIGITS))[:3]
    assert np.array_equal(table.images[0], DIGITS.images[picked])
    expected = model.reconstruct(DIGITS.images[picked], DIGITS.labels[picked])
    np.testing.assert_allclose(table.images[1], expected, atol=1e-6)
    mean = elbo_terms(model, DIGITS.images[picked], DIGITS.labels[picked])["elbo"]
    assert abs(np.mean([float(label) for label in table.columns]) + mean) < 0.5  # rounded to whole nats


def test_traversals_begin_with_the_component_that_tells_most(monkeypatch):
    model = tiny("vae", latent=4)
    kl = np.array([0.5, 0.0, 2.0, 1.0])
    monkeypatch.setattr("minigen.visualize.traversal.elbo_terms", lambda *_: {"kl_per_unit": kl})
    table = traverse(model, DIGITS, rows=3, steps=2, limit=1.5, seed=3)
    assert table.rows == ["z3, 2.00 nats", "z4, 1.00 nats", "z1, 0.50 nats"]
    assert list(table.columns) == ["-1.5", "1.5"] and "The other 1 have less" in table.caption
    image = DIGITS.images[np.random.default_rng(3).permutation(len(DIGITS))[0]]
    code = model.encode(image[None])[0]
    code[2] = 1.5
    np.testing.assert_allclose(table.images[0, 1], model.decode(code[None])[0], atol=1e-6)


def test_a_discriminator_judges_as_in_training_and_stays_as_it_is():
    model = tiny("dcgan")
    model.training_step({"images": DIGITS.images[:32]})
    before = model.state_dict()
    twin = copy.deepcopy(model.discriminator).train()
    logits = twin(mg.tensor(DIGITS.images[:8])).numpy().astype(np.float64)
    model.eval()
    np.testing.assert_allclose(model.score(DIGITS.images[:8]), 1 / (1 + np.exp(-logits[:, 0])), rtol=1e-5)
    assert not model.discriminator.training
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())


def test_a_model_that_copies_its_training_images_is_found_out():
    train, test = mg.data.load("digits", "train"), DIGITS.subset(range(200))
    distances = nearest_distances(test.images, train.images)
    brute = [np.sqrt(((image - train.images) ** 2).sum((1, 2, 3), dtype=np.float64).min()) for image in test.images]
    np.testing.assert_allclose(distances, brute, rtol=1e-6)
    assert (nearest_distances(train.images[:700], train.images) == 0).all()  # exactly, with any BLAS

    class Copies:
        classes = 0

        def sample(self, n, generator, labels):
            return train.images[generator.permutation(len(train))[:n]]

    found = memorization(Copies(), train, test)
    assert found.samples == 0 and found.test == np.median(distances)
    assert memorization(tiny("dcgan"), train, test).samples > found.test
    with pytest.raises(ValueError, match="images of one shape"):
        nearest_distances(test.images, train.images[:, :, :4])


def test_a_model_from_image_to_image_is_measured_by_the_partners_of_its_data():
    class Negative(ImageModel):
        name = "negative"

        def forward(self, x):
            return -x

        def parameters(self):
            return iter([mg.nn.Parameter(mg.zeros(1))])

    images = DIGITS.images[:9]
    data = Dataset("pairs", images, partners=-images + np.float32(0))
    assert measure_family(Negative(), data) == {
        "mse": 0.0,
        "mse_of_input": pytest.approx(4 * np.mean(images**2), rel=1e-5),
    }
    with pytest.raises(ValueError, match="negative makes images from images; digits has no partners"):
        measure_family(Negative(), DIGITS)


def test_a_critic_judges_in_scores_of_its_own():
    model = tiny("wgan-gp")
    scores = model.discriminator(mg.tensor(DIGITS.images[:8])).numpy()[:, 0]
    np.testing.assert_allclose(model.score(DIGITS.images[:8]), scores, rtol=1e-5)
    assert set(measure_family(model, DIGITS)) == {"d_data", "d_samples"}


def grids(folder, count):
    run = Run.create(folder / "run", {})
    for epoch in range(count):
        save_image_grid(run.samples(epoch), np.full((4, 1, 8, 8), 2 * epoch / count - 1))
    return run


def test_a_film_shows_the_epochs_in_their_order_and_the_last_one_longer(tmp_path):
    assert animate(grids(tmp_path, 5), tmp_path / "film.gif", seconds=1.0) == 5
    greys, times = [], []
    with Image.open(tmp_path / "film.gif") as film:
        for i in range(film.n_frames):
            film.seek(i)
            times.append(film.info["duration"])
            greys.append(int(np.asarray(film.convert("L"))[5, 5]))
    assert greys == sorted(greys) and greys[0] < 10 < greys[1]
    assert times == [200] * 4 + [2000]


def test_a_long_film_leaves_out_later_epochs_and_never_the_last(tmp_path):
    run = grids(tmp_path, 40)
    assert 6 <= animate(run, tmp_path / "film.gif", frames=8) <= 8
    with Image.open(tmp_path / "film.gif") as film:
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("L"))[5, 5]
    assert abs(int(last) - round(255 * 39 / 40)) < 8


def test_a_film_needs_pictures(tmp_path):
    with pytest.raises(RunError, match="holds 1 grids of samples, at least 2 are needed"):
        animate(grids(tmp_path / "short", 1), tmp_path / "film.gif")
    with pytest.raises(ValueError, match="at least 2 frames"):
        animate(grids(tmp_path / "long", 3), tmp_path / "film.gif", frames=1)
