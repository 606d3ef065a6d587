"""Few labels with augmentation, progressive growing, statistics of batch norm, and the page with their numbers."""

import copy
import json
import math
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import nn
from minigen.data import Dataset, random_affine
from minigen.models import build

FOLDER = Path(__file__).parents[1] / "lessons" / "reference"


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    """What is tested here does not depend on the kernels, and these need no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


@pytest.fixture(scope="module")
def growing():
    return runpy.run_path(str(FOLDER / "progressive_growing.py"))


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(FOLDER / "make_image_modes.py"))


# ---- augmentation


@given(st.integers(0, 2**32 - 1))
def test_a_plane_stays_a_plane_whose_slope_says_angle_scale_and_translation(seed):
    """Bilinear reading of a linear function is exact, so three numbers of the result give all that was drawn."""
    rng = np.random.default_rng(seed)
    slope, (height, width) = rng.standard_normal(2), (13, 17)
    rows, columns = np.mgrid[:height, :width]
    plane = slope[0] * (rows - 6) + slope[1] * (columns - 8)
    turned = random_affine(np.stack([plane, -plane])[None], rng, 20, (0.1, 0.05), (0.8, 1.25))[0].astype(np.float64)
    inside = turned[0, 4:9, 5:12]
    np.testing.assert_allclose(turned[1, 4:9, 5:12], -inside, atol=1e-5)  # all channels of an image move together
    down, right = inside[1, 0] - inside[0, 0], inside[0, 1] - inside[0, 0]
    expected = inside[0, 0] + down * np.arange(5)[:, None] + right * np.arange(7)
    np.testing.assert_allclose(inside, expected, atol=1e-4)
    assert 1 / 1.25 - 1e-4 <= math.hypot(down, right) / math.hypot(*slope) <= 1 / 0.8 + 1e-4
    before, after = math.atan2(slope[0], slope[1]), math.atan2(down, right)
    assert abs((after - before + math.pi) % (2 * math.pi) - math.pi) <= math.radians(20) + 1e-3
    # The value at the centre is that of the place that moved there.
    assert abs(turned[0, 6, 8]) <= 1e-4 + (abs(down) * 0.05 * height + abs(right) * 0.1 * width)


def test_a_translation_moves_columns_by_a_share_of_the_width_and_fills():
    images = np.zeros((200, 1, 4, 20), np.float32)
    moved = random_affine(images, np.random.default_rng(0), translate=(0.25, 0.0), fill=-1.0)
    filled = (moved[:, 0] < 0).sum(2)
    assert (filled == filled[:, :1]).all() and filled.max() in (5, 6) and len(set(filled[:, 0])) > 4
    assert (moved[:, 0, :, 8:12] == 0).all() and (moved[:, 0, 0, 0] < 0).any() and (moved[:, 0, 0, -1] < 0).any()


def test_each_image_moves_by_itself_and_the_generator_decides():
    images = np.repeat(mg.data.load("digits").images[:1], 6, 0)
    found = [random_affine(images, np.random.default_rng(seed), 10, (0.1, 0.1), (0.9, 1.1)) for seed in (0, 0, 1)]
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])
    assert len({one.tobytes() for one in found[0]}) == 6 and found[0].dtype == np.float32
    assert np.abs(found[0]).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"images": np.zeros((2, 4, 4))}, r"expected images \(N, C, H, W\), got \(2, 4, 4\)"),
        ({"degrees": -1.0}, "got degrees -1.0"),
        ({"scale": (1.1, 0.9)}, r"got .* scale \(1.1, 0.9\)"),
        ({"translate": (0.0, math.nan)}, "got .* translate"),
    ],
)
def test_ranges_that_are_none_are_refused(arguments, words):
    with pytest.raises(ValueError, match=f"random_affine: .*{words}"):
        random_affine(**({"images": np.zeros((1, 1, 4, 4)), "generator": np.random.default_rng(0)} | arguments))


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_only_the_labelled_images_are_augmented_each_time_anew(strength):
    mg.manual_seed(0)
    data = mg.data.load("digits")
    model = build("ssgan", size=8, width=4, latent=5, labelled=20, affine=strength)
    model.prepare(data)
    seen, plain = [], model.discriminator.forward
    model.discriminator.forward = lambda x: seen.append(x.numpy().copy()) or plain(x)
    images = data.images[:32]
    for _ in range(2):
        model.training_step({"images": images})
    known = {one.tobytes() for one in model.known[0]}
    labelled, real = seen[0::3], seen[1::3]
    assert all(np.array_equal(one, images) for one in real)
    same = sum(one.tobytes() in known for batch in labelled for one in batch)
    assert same == (0 if strength else 40)
    with pytest.raises(ValueError, match="ssgan: affine must be at least 0 and below 10, got -1"):
        build("ssgan", size=8, affine=-1.0)


# ---- statistics of batch norm


def steps(model, side, n=8):
    rng = np.random.default_rng(1)
    images = (rng.random((64, 1, side, side)) < 0.3).astype(np.float32) * 2 - 1
    model.prepare(Dataset("noise", images, np.arange(64) % 10, tuple("0123456789")))
    for step in range(n):
        model.schedule(step / n)
        model.training_step({"images": images[8 * (step % 8) :][:16]})
    return model


@pytest.mark.parametrize("name", ["ssgan", "growing"])
def test_samples_of_images_are_never_drawn_with_stale_statistics(name, growing):
    mg.manual_seed(0)
    if name == "ssgan":
        model = steps(build("ssgan", size=8, width=4, latent=5, labelled=20, lr=0.02), 8)
    else:
        model = steps(growing["GrowingGAN"](size=16, width=4, latent=5, lr=0.02), 16, 5)
    z = np.random.default_rng(0).standard_normal((1000, 5)).astype(np.float32)
    network = copy.deepcopy(model.generator)
    expected = network.train()(mg.tensor(z)).detach().numpy()  # the statistics of this batch, under the present weights
    stale = model.generator.eval()(mg.tensor(z)).detach().numpy()
    model.generator.train()
    found = model.decode(z)
    error, scale = np.abs(found - expected).mean(), expected.std(0).mean()
    assert error < 0.1 * scale and error < 0.3 * np.abs(stale - expected).mean()
    for layer in model.generator.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = layer.running_mean + 5.0
    np.testing.assert_array_equal(model.decode(z), found)


@pytest.mark.parametrize(("network", "limit"), [("conv", 0.03), ("conv_dense", 0.1)])
def test_running_statistics_of_a_dcgan_suffice_after_its_first_steps(network, limit):
    """So it needs no measuring anew: its batches say more than those of points, and its rate falls to 0."""
    data, errors = mg.data.load("digits"), {}
    mg.manual_seed(0)
    model = build("dcgan", size=8, channels=1, width=4, latent=8, network=network, ema=0.0)
    z = np.random.default_rng(0).standard_normal((1000, 8)).astype(np.float32)
    for step in range(150):
        model.schedule(step / 150)
        model.training_step(data.batch(slice(32 * (step % 40), 32 * (step % 40 + 1))))
        if step in (9, 149):
            expected = copy.deepcopy(model.generator).train()(mg.tensor(z)).detach().numpy()
            errors[step] = np.abs(model.decode(z) - expected).mean() / expected.std(0).mean()
    assert errors[149] < limit < errors[9], errors


# ---- progressive growing


def test_stages_follow_each_other_and_every_new_block_is_faded_in(growing):
    at = growing["stage_and_alpha"]
    seen = [at(done, 0.6, 4) for done in np.linspace(0, 1, 2001)]
    assert [stage for stage, _ in seen] == sorted(stage for stage, _ in seen)
    assert {stage for stage, _ in seen} == {0, 1, 2, 3}
    for stage in range(4):
        alphas = [alpha for s, alpha in seen if s == stage]
        assert alphas == sorted(alphas) and alphas[-1] == 1.0 and (alphas[0] < 0.01) == (stage > 0)
    assert sum(stage < 3 for stage, _ in seen) == pytest.approx(0.6 * 2001, abs=2)
    assert at(0.0, 0.0, 4) == (3, 1.0) and at(0.3, 0.5, 1) == (0, 1.0)


def test_a_new_block_changes_nothing_at_first_and_replaces_the_old_image_at_last(growing):
    mg.manual_seed(0)
    model = growing["GrowingGAN"](size=16, width=3, latent=4)
    z, x = mg.randn(6, 4), mg.randn(6, 1, 16, 16)
    found = {}
    for stage, alpha in ((0, 1.0), (1, 0.0), (1, 0.5), (1, 1.0)):
        for network in (model.generator, model.discriminator):
            network.set_use(stage, alpha)
        found[stage, alpha] = model.generate(z, None).numpy(), model.discriminate(x, None).numpy()
    for before, after, half, full in zip(found[0, 1.0], found[1, 0.0], found[1, 0.5], found[1, 1.0]):
        np.testing.assert_allclose(after, before, atol=1e-5)
        assert np.abs(full - before).max() > 1e-3 and np.abs(half - before).max() > 1e-3
    images = [found[key][0] for key in ((0, 1.0), (1, 0.5), (1, 1.0))]
    np.testing.assert_allclose(images[1], (images[0] + images[2]) / 2, atol=1e-6)
    squares = images[0].reshape(6, 1, 8, 2, 8, 2)
    assert (squares == squares[:, :, :, :1, :, :1]).all()  # 8x8 pixels, each repeated 2x2


def test_blocks_that_are_not_in_use_stay_and_d_sees_the_resolution_of_the_stage(growing):
    mg.manual_seed(0)
    model = growing["GrowingGAN"](size=16, width=3, latent=4)
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}
    seen, plain = [], model.discriminator.forward
    model.discriminator.forward = lambda x: seen.append(x.numpy().copy()) or plain(x)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 1, 16, 16)).astype(np.float32)
    model.schedule(0.0)
    model.training_step({"images": images})
    for name, p in model.named_parameters():
        in_use = not re.search(r"\.(blocks|to_image|from_image)\.1\.", name)
        assert np.array_equal(p.numpy(), before[name]) != in_use, name
    np.testing.assert_allclose(seen[0], images.reshape(8, 1, 8, 2, 8, 2).mean((3, 5)), atol=1e-6)
    model.schedule(0.5)  # alpha 0: the real images have the details of 8x8 only
    seen.clear()
    model.training_step({"images": images})
    assert seen[0].shape == (8, 1, 16, 16)
    means = images.reshape(8, 1, 8, 2, 8, 2).mean((3, 5))
    np.testing.assert_allclose(seen[0], means.repeat(2, 2).repeat(2, 3), atol=1e-6)


def test_a_growing_run_keeps_its_stage_in_its_state(growing):
    model, other = (growing["GrowingGAN"](size=32, width=2, latent=4) for _ in range(2))
    model.schedule(0.3125)
    other.load_state_dict(model.state_dict())
    assert (other.generator.stage, other.discriminator.alpha) == (1, 0.5)
    for size in (28, 4, 24):
        with pytest.raises(
            ValueError, match=f"growing doubles the side: expected a size of 8, 16, 32, 64 ..., got {size}"
        ):
            growing["GrowingGAN"](size=size)


# ---- the page


def test_the_tables_of_the_page_hold_the_results_that_are_kept(script):
    page = (FOLDER / "mode_collapse.md").read_text(encoding="utf-8")
    kept = json.loads((FOLDER / "image_modes.json").read_text(encoding="utf-8"))
    assert script["with_tables"](page, kept) == page
    for name in script["ROWS"]:
        assert f"<!-- table {name} -->" in page
    kept["floors"]["real images"]["kl"] = 1.234
    assert "| 1.234 |" in script["with_tables"](page, kept)


def test_gains_are_paired_by_seed_and_every_seed_is_printed(script):
    first, second = list(script["ROWS"]["labels"])[:2]
    kept = {
        "labels": {
            first: {"0": {"accuracy": 0.7, "seconds": 1.0}, "1": {"accuracy": 0.8, "seconds": math.nan}},
            second: {"1": {"accuracy": 0.9, "seconds": 2.0}, "0": {"accuracy": 0.71, "seconds": 2.0}},
        }
    }
    lines = script["table"]("labels", kept).splitlines()
    assert lines[2] == f"| {first} | 0 1 | 70.0 80.0 (mean 75.0) | 1 - |  |"
    assert lines[3] == f"| {second} | 1 0 | 90.0 71.0 (mean 80.5) | 2 2 (mean 2) | 10.0 1.0 (mean 5.5) |"


def test_results_of_processes_that_run_side_by_side_are_all_kept(script, tmp_path, monkeypatch):
    monkeypatch.setitem(script["keep"].__globals__, "KEPT", tmp_path / "kept.json")
    for seed, row in ((1, "aae"), (0, "aae"), (0, "vae"), (10, "aae"), (2, "aae")):
        script["keep"]({"codes": {row: {str(seed): {"mse": seed + 0.5}}}})
    codes = json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))["codes"]
    assert codes["vae"] == {"0": {"mse": 0.5}}
    assert {int(seed): found["mse"] - int(seed) for seed, found in codes["aae"].items()} == dict.fromkeys(
        (0, 1, 2, 10), 0.5
    )
    assert list(codes["aae"]) == ["0", "1", "2", "10"]
    script["keep"]({"codes": {"aae": {"1": {"mse": 9.0}}}})
    assert script["results"]()["codes"]["aae"]["1"] == {"mse": 9.0} and len(script["results"]()["codes"]["aae"]) == 4


def test_the_judge_reads_the_middle_of_images_with_a_margin(script):
    digits = mg.data.load("mnist5k", "test").images[:4]
    wide = np.pad(digits, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=-1)
    np.testing.assert_array_equal(script["features"](wide), script["features"](digits))
