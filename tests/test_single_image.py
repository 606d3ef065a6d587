"""The image prior and style transfer: what they fit, what they keep, and their commands."""

import numpy as np
import pytest
from PIL import Image

import minigen as mg
from minigen.cli import main
from minigen.models import image_prior, style_transfer
from minigen.models.single_image import style as style_module


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


def smooth(size=24, channels=1):
    y, x = np.mgrid[:size, :size] / size
    planes = [np.sin(4 * x + 3 * y + i) * 0.8 for i in range(channels)]
    return np.stack(planes).astype(np.float32)


# ---- the prior


def test_the_prior_removes_noise_from_a_smooth_image_and_repeats():
    truth = smooth(16)
    noisy = truth + 0.4 * np.random.default_rng(0).standard_normal(truth.shape).astype(np.float32)
    result = image_prior(noisy, steps=50, width=8, film=(1, 50), lr=0.02)
    errors = {step: float(np.mean((image - truth) ** 2)) for step, image in result.film.items()}
    assert errors[50] < 0.6 * np.mean((noisy - truth) ** 2) < errors[1], errors
    assert np.array_equal(result.film[50], result.image) and len(result.losses) == 50
    again = image_prior(noisy, steps=50, width=8, lr=0.02)
    assert np.array_equal(again.image, result.image)
    other = image_prior(noisy, steps=50, width=8, lr=0.02, seed=1)
    assert not np.array_equal(other.image, result.image)


def test_known_pixels_stay_and_hidden_ones_do_not_matter():
    image, mask = smooth(16, 3), np.zeros((1, 16, 16), np.float32)
    mask[:, 5:9, 4:10] = 1
    spoiled = np.where(mask > 0, 1, image).astype(np.float32)
    results = [image_prior(each, mask, 4, width=4) for each in (image, spoiled)]
    for result, given in zip(results, (image, spoiled)):
        assert np.array_equal(result.image[:, mask[0] == 0], given[:, mask[0] == 0].clip(-1, 1))
    hole = np.broadcast_to(mask > 0, image.shape)
    assert np.array_equal(results[0].image[hole], results[1].image[hole])  # the loss never saw them


def test_the_random_numbers_of_others_are_left_alone():
    mg.manual_seed(5)
    expected = mg.randn(3).numpy()
    mg.manual_seed(5)
    image_prior(smooth(16), steps=1, width=2)
    assert np.array_equal(mg.randn(3).numpy(), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.zeros((16, 16)),), r"expected an image \(C, H, W\) of at least 8 pixels a side, got \(16, 16\)"),
        ((np.zeros((1, 7, 16)),), "at least 8 pixels"),
        ((np.full((1, 9, 9), np.nan),), "not finite"),
        ((np.zeros((1, 9, 9)), np.zeros((1, 9, 8))), r"expected a mask \(1, 9, 9\), got \(1, 9, 8\)"),
        ((np.zeros((1, 9, 9)), np.zeros((1, 9, 9))), "with some of each"),
        ((np.zeros((1, 9, 9)), np.full((1, 9, 9), 0.5)), "mask of 0"),
        ((np.zeros((1, 9, 9)), None, 0), "steps >= 1"),
    ],
)
def test_the_prior_refuses(arguments, words):
    with pytest.raises(ValueError, match=words):
        image_prior(*arguments)


# ---- style


def test_shuffled_pixels_have_the_same_gram_matrix():
    features = np.random.default_rng(0).standard_normal((1, 4, 5, 6))
    order = np.random.default_rng(1).permutation(30)
    shuffled = features.reshape(1, 4, 30)[:, :, order].reshape(1, 4, 5, 6)
    one, other = (mg.losses.gram_matrix(mg.tensor(each)).numpy() for each in (features, shuffled))
    assert np.allclose(one, other, rtol=1e-12)


def test_halving_is_the_binomial_blur_without_every_second_pixel():
    signal = pytest.importorskip("scipy.signal")
    x = np.random.default_rng(0).standard_normal((1, 2, 8, 10))
    found = style_module._halved(mg.tensor(x.astype(np.float32))).numpy()
    line = np.array([1, 3, 3, 1]) / 8
    for channel in range(2):
        padded = np.pad(x[0, channel], 1, mode="reflect")
        blurred = signal.correlate2d(padded, np.outer(line, line), mode="valid")
        assert np.allclose(found[0, channel], blurred[::2, ::2], atol=1e-5)


def test_colours_are_whitened_by_those_of_the_style():
    rng = np.random.default_rng(0)
    mix = np.array([[0.3, 0.1, 0], [0.2, 0.2, 0.1], [0.25, 0, 0.2]])
    style = (mix @ rng.standard_normal((3, 1600))).reshape(3, 40, 40).clip(-1, 1).astype(np.float32)
    features = style_module._Features(style, rng)
    white = mg.functional.conv2d(mg.tensor(style[None]), features.whiten, features.shift).numpy()[0].reshape(3, -1)
    assert np.allclose(white.mean(1), 0, atol=1e-4) and np.allclose(np.cov(white), np.eye(3), atol=1e-3)


def test_style_becomes_alike_and_strength_trades_it_for_content():
    rng = np.random.default_rng(0)
    style = np.repeat(np.repeat(rng.uniform(-1, 1, (3, 12, 12)), 3, 1), 3, 2)
    weak, strong = (style_transfer(smooth(36), style, w, evaluations=12) for w in (0.01, 10.0))
    assert strong.image.shape == (3, 36, 36) and np.abs(strong.image).max() <= 1
    assert strong.style_loss < weak.style_loss and strong.content_loss > weak.content_loss
    assert np.array_equal(style_transfer(smooth(36), style, 10.0, evaluations=12).image, strong.image)


@pytest.mark.parametrize(
    ("content", "style", "strength", "words"),
    [
        (smooth(36), np.full((3, 36, 36), 0.5), 1, "style: the image has one color only"),
        (np.zeros((1, 36, 36)), smooth(36), 1, "content: the image has one color only"),
        (smooth(35), smooth(36), 1, "content: expected .* at least 36 pixels a side"),
        (smooth(36), 2 * smooth(36), 1, r"style: expected values in \[-1, 1\]"),
        (smooth(36), smooth(36), -1, "strength >= 0"),
    ],
)
def test_style_refuses(content, style, strength, words):
    with pytest.raises(ValueError, match=words):
        style_transfer(content, style, strength)


# ---- the commands


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).save(place / "colour.png")
    Image.fromarray(rng.integers(0, 256, (60, 80), np.uint8)).save(place / "grey.png")
    Image.fromarray(np.full((60, 80), 99, np.uint8)).save(place / "flat.png")
    Image.fromarray(np.pad(np.full((20, 20), 255, np.uint8), ((20, 20), (30, 30)))).save(place / "mask.png")
    return place


def size_of(path):
    with Image.open(path) as picture:
        return picture.size, picture.mode


def test_prior_on_the_command_line(pictures, monkeypatch, capsys):
    monkeypatch.chdir(pictures)
    assert main(["prior", "grey.png", "--mask", "mask.png", "--steps", "2", "--size", "40"]) == 0
    assert size_of("grey-prior.png") == ((40, 30), "L") and "reduced to 40x30" in capsys.readouterr().out
    assert main(["prior", "grey.png", "--mask", "colour.png", "--steps", "1", "--size", "40", "--out", "x.png"]) == 0
    assert "has gray levels" in capsys.readouterr().out


def test_style_on_the_command_line(pictures, monkeypatch, capsys):
    monkeypatch.chdir(pictures)
    assert main(["style", "grey.png", "colour.png", "--evaluations", "2", "--size", "48", "--out", "s.png"]) == 0
    assert size_of("s.png") == ((48, 36), "RGB") and "style loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["style", "grey.png", "flat.png"], "style: the image has one color only"),
        (["style", "grey.png", "colour.png", "--strength", "-1"], "--strength: expected a number of at least 0"),
        (["style", "none.png", "colour.png"], "none.png"),
        (["prior", "grey.png", "--mask", "flat.png"], "no white pixel"),
        (["prior", "mask.png", "--mask", "none.png"], "cannot read none.png: No such file"),
        (["prior", "grey.png", "--out", "nowhere/a.png"], "cannot write nowhere/a.png: there is no folder nowhere"),
        (["prior", "grey.png", "--out", "./grey.png"], "--out: grey.png is the picture itself, which would be lost"),
        (["style", "grey.png", "colour.png", "--out", "a.xyz"], "a.xyz: expected a suffix like .png"),
        (["style", "grey.png", "colour.png", "--out", "grey.png"], "--out: grey.png is the picture itself"),
    ],
)
def test_the_commands_refuse(pictures, arguments, words, monkeypatch, capsys):
    """Before the work: nothing is computed that could not be written."""
    monkeypatch.chdir(pictures)
    if "--out" in arguments:
        for name in ("prior.image_prior", "style.style_transfer"):
            monkeypatch.setattr(f"minigen.cli.{name}", lambda *_, **__: pytest.fail("worked"))
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
