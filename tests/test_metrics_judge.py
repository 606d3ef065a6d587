"""The judges: what is shipped, what is refused, and what each of them sees and does not see."""

from pathlib import Path

import numpy as np
import pytest

import minigen as mg
from minigen import metrics
from minigen.data import Dataset
from minigen.metrics import Judge, Reference, load_judges, random_judges, train_judges
from minigen.metrics.distortions import add_noise, speckle
from minigen.metrics.judge import SHIPPED, JudgeNetwork

FILE = Path(metrics.__file__).with_name("judges_mnist5k.safetensors")


@pytest.fixture(scope="module")
def digits():
    return [mg.data.load("mnist5k", split) for split in ("train", "test")]


@pytest.fixture(scope="module")
def small():
    train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    return train_judges(train, test, steps=60), train, test


def test_the_shipped_judges_are_the_known_ones_and_read_as_well_as_they_say(digits):
    judges, (_, test) = load_judges(), digits
    assert FILE.stat().st_size < 500_000 and judges.sha256 == SHIPPED["mnist5k"] == judges.describe()["sha256"]
    assert judges.classes == test.classes and judges.recipe["steps"] == 1500 and not judges.weak
    for judge in (judges.looker, judges.reader):
        assert (judge.predict(test.images) == test.labels).mean() == pytest.approx(judge.accuracy, abs=0.003)
        assert judge.accuracy > 0.98
        probabilities = judge.probabilities(test.images[:50])
        np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
        assert np.array_equal(probabilities.argmax(1), judge.predict(test.images[:50]))


def test_the_reader_reads_speckled_digits_that_the_looker_does_not(digits):
    judges, (_, test) = load_judges(), digits
    damaged = speckle(test.images, 0.06, np.random.default_rng(0))
    looker, reader = ((j.predict(damaged) == test.labels).mean() for j in (judges.looker, judges.reader))
    assert looker < 0.9 < 0.96 < reader


def test_the_looker_sees_noise_that_the_reader_does_not(digits):
    judges, (train, test) = load_judges(), digits
    noisy = add_noise(test.images, 0.1, np.random.default_rng(0))
    looker, reader = (
        [metrics.fid(j.features(train.images[::2]), j.features(images)) for images in (noisy, test.images)]
        for j in (judges.looker, judges.reader)
    )
    assert looker[0] > 4 * looker[1] and reader[0] < 2 * reader[1]


def test_a_judge_computes_what_its_network_does():
    network, random = JudgeNetwork(channels=2, classes=4), np.random.default_rng(3)
    state = network.state_dict()
    small = {name: random.uniform(0.5, 2, np.shape(value)) for name, value in state.items() if np.ndim(value) < 2}
    weights = {name: random.normal(0, 0.2, np.shape(value)) for name, value in state.items() if np.ndim(value) > 1}
    network.load_state_dict({name: value.astype(np.float32) for name, value in (small | weights).items()}, strict=False)
    images = random.uniform(-1, 1, (5, 2, 12, 12)).astype(np.float32)
    judge = Judge("looker", network.eval(), (2, 12, 12))
    with mg.no_grad():
        features, logits = network.features(mg.tensor(images)).numpy(), network(mg.tensor(images)).numpy()
    np.testing.assert_allclose(judge.features(images), features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(judge.probabilities(images), np.exp(logits) / np.exp(logits).sum(1)[:, None], rtol=1e-4)


def test_judges_survive_a_file(small, tmp_path):
    judges, _, test = small
    judges.save(tmp_path / "judges.safetensors")
    again = load_judges(tmp_path / "judges.safetensors")
    assert again.sha256 == judges.sha256 and again.classes == judges.classes and again.recipe == judges.recipe
    assert np.array_equal(again.looker.features(test.images), judges.looker.features(test.images))
    assert np.array_equal(again.reader.probabilities(test.images), judges.reader.probabilities(test.images))


def test_a_seed_gives_the_same_judges_and_leaves_the_random_stream(small):
    judges, train, test = small
    mg.manual_seed(5)
    expected = mg.randn(2).numpy()
    mg.manual_seed(5)
    assert train_judges(train, test, steps=60).sha256 == judges.sha256
    assert train_judges(train, test, steps=61).sha256 != judges.sha256
    assert np.array_equal(mg.randn(2).numpy(), expected)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "judges.safetensors"
    data = bytearray(FILE.read_bytes())
    data[-1000] ^= 1
    for content, words in ((bytes(data), "is damaged"), (b"nothing", "is damaged")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words) as error:
            load_judges(path)
        assert str(path) in str(error.value)
    mg.train.save_checkpoint(path, {"weight": np.ones(3)})
    with pytest.raises(ValueError, match="holds no judges: expected the format 'minigen-judges-1'"):
        load_judges(path)
    with pytest.raises(FileNotFoundError):
        load_judges(tmp_path / "none")


def test_what_the_judges_refuse(digits, small):
    judges, (_, test) = load_judges(), digits
    some = test.images[:3]
    for images, words in (
        ((some + 1) / 2, r"expected images in \[-1, 1\], got 0 to 1; use 2 \* images - 1"),
        (((some + 1) * 127.5).astype(np.uint8), r"got uint8; use minigen.data.from_levels"),
        (some * np.float32("nan"), "got NaN or infinite values"),
        (2 * some, r"expected images in \[-1, 1\], got -2 to 2"),
        (some[:, 0], r"expected images \(N, 1, 28, 28\), as the looker learned from, got \(3, 28, 28\)"),
        (some[..., 2:-2, 2:-2], r"got \(3, 1, 24, 24\); for other images train judges of their own \(--judge train\)"),
        (some.repeat(3, 1), r"got \(3, 3, 28, 28\)"),
        (some[:0], r"got \(0, 1, 28, 28\)"),
    ):
        with pytest.raises(ValueError, match=words):
            judges.looker.features(images)
    letters = Dataset("letters", test.images, test.labels, tuple("abcdefghij"))
    with pytest.raises(ValueError, match=r"these judges do not fit letters: its classes are a, b, c, \.\.\., those"):
        Reference(judges, letters, letters)
    with pytest.raises(ValueError, match="do not fit digits: its images are 1x8x8, those of the judges 1x28x28"):
        Reference(judges, small[1], small[2])
    with pytest.raises(ValueError, match="points, not images"):
        Reference(judges, mg.data.load("ring8", count=20), test)
    with pytest.raises(ValueError, match="expected labeled images, bare has no labels"):
        train_judges(Dataset("bare", test.images))
    one = Dataset("one", test.images, np.zeros(1000, np.int64), ("a",))
    with pytest.raises(ValueError, match="at least two classes, one has 1"):
        train_judges(one)


def test_the_reference_is_the_same_half_for_all_and_has_the_shares_of_the_classes(digits):
    judges, (train, test) = load_judges(), digits
    first, second = Reference(judges, train, test), Reference(judges, train, test)
    assert first.sha256 == second.sha256 and len(first.real) == len(first.held_out) == 2000
    both = np.concatenate([first.real.images, first.held_out.images]).reshape(4000, -1)
    assert len(np.unique(both, axis=0)) == len(np.unique(train.images.reshape(4000, -1), axis=0))
    assert set(np.bincount(first.real.labels)) == {200}
    assert Reference(judges, train, test, "test").sha256 != first.sha256


def test_measures_of_few_images_say_what_is_missing(digits):
    reference = Reference(load_judges(), *digits)
    found = reference.measure(digits[1].images[::20])
    assert np.isnan(found.values["fid"]) and "no FID: 50 samples for 64 features" in found.warnings[0]
    assert np.isfinite(found.values["kid"]) and np.isfinite(found.values["coverage"])
    same = reference.measure(np.full((80, 1, 28, 28), -1, np.float32))
    assert np.isnan(same.values["recall"]) and "degenerate" in same.warnings[0]
    with pytest.raises(ValueError, match="with N of at least 6"):
        reference.measure(digits[1].images[:5])


def test_images_without_labels_have_weak_judges(digits):
    train, test = (Dataset(d.name, d.images) for d in digits)
    reference = Reference(random_judges(train.shape), train, test)
    found = reference.measure(test.images[:200], copies=False)
    assert reference.judges.weak and found.classes is None and np.isnan(found.values["inception_score"])
    assert found.values["precision"] > 0.7 and reference.lost(np.zeros(3, int)) == ([], False)
