"""Classifiers that read samples: what they learn, what is counted, and what the command says."""

import shutil

import numpy as np
import pytest

import minigen as mg
from minigen.cli import main
from minigen.data import Dataset
from minigen.metrics import ClassAccuracy, Classifier, class_accuracy, train_classifier
from minigen.metrics.classifier import _augmented, _bilinear
from minigen.models import build

pytestmark = pytest.mark.usefixtures("plain_kernels")

RUNS = {name: ["--latent", "3"] for name in ("cgan", "cvae", "vae")}
TRAIN, TEST = (mg.data.load("digits", split) for split in ("train", "test"))


# ---- the classifier


def test_a_classifier_learns_digits_in_a_few_steps():
    reader = train_classifier(TRAIN, steps=150, width=12)
    assert not reader.training
    assert (reader.predict(TEST.images) == TEST.labels).mean() > 0.92


def test_the_seed_decides_the_classifier_and_the_packages_stream_stays_where_it_is():
    before = mg.get_rng_state()
    one, same, other = (train_classifier(TRAIN, steps=3, seed=seed, width=2).state_dict() for seed in (1, 1, 2))
    assert mg.get_rng_state() == before
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not all(np.array_equal(one[name], other[name]) for name in one)


def test_an_image_is_read_by_itself():
    reader = train_classifier(TRAIN, steps=20, width=2)
    together = reader.predict(TEST.images[:130])
    assert np.array_equal(np.concatenate([reader.predict(TEST.images[i : i + 1]) for i in range(130)]), together)
    assert reader.predict(TEST.images[:0]).shape == (0,)


@pytest.mark.parametrize("size", [4, 7, 8, 28, 30, 33, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_every_size(size, channels):
    reader = Classifier(size, channels, classes=5, width=2)
    assert reader(mg.zeros(2, channels, size, size)).shape == (2, 5)


def test_bilinear_a_slope_goes_on_evenly():
    random = np.random.default_rng(0)
    steep = random.normal(size=(3, 2, 2, 1, 1))  # of each image and channel, down and to the right
    rows, columns = np.mgrid[:6, :5]
    images = steep[:, :, 0] * rows + steep[:, :, 1] * columns
    places = random.uniform(0, 5, (3, 6, 5)), random.uniform(0, 4, (3, 6, 5))
    expected = steep[:, :, 0] * places[0][:, None] + steep[:, :, 1] * places[1][:, None]
    np.testing.assert_allclose(_bilinear(images, *places), expected, atol=1e-12)
    at_pixels = np.broadcast_to(rows, (3, 6, 5)), np.broadcast_to(columns, (3, 6, 5))
    assert np.array_equal(_bilinear(images, *at_pixels), images)


def test_each_image_is_moved_a_little_in_its_own_way():
    dot = np.full((200, 1, 29, 29), -1, np.float32)
    dot[:, 0, 14, 14] = 1
    centre = [np.unravel_index(image.argmax(), (29, 29)) for image in _augmented(dot, np.random.default_rng(0))]
    assert np.abs(np.array(centre) - 14).max() <= 3 and len(set(centre)) > 10
    far = np.full((200, 1, 29, 29), -1, np.float32)
    far[:, 0, 14, 24] = 1  # turning and stretching move what is far from the centre more
    edge = [np.unravel_index(image.argmax(), (29, 29)) for image in _augmented(far, np.random.default_rng(0))]
    assert np.std(edge, axis=0).min() > np.std(centre, axis=0).max() and np.abs(np.array(edge) - (14, 24)).max() <= 5
    flat = np.full((5, 3, 7, 8), 0.25, np.float32)
    assert np.array_equal(_augmented(flat, np.random.default_rng(1)), flat)  # nothing black moves in


def test_what_a_classifier_refuses():
    with pytest.raises(ValueError, match="expected labeled images, digits has no labels"):
        train_classifier(Dataset("digits", TRAIN.images), steps=1)
    with pytest.raises(ValueError, match=r"expected images \(N, 1, 8, 8\), got \(2, 1, 9, 9\)"):
        Classifier(8, 1, 10, width=2).predict(np.zeros((2, 1, 9, 9), np.float32))


# ---- what is counted


class Drawing:
    """A model whose samples are known: real digits of the class that `drawn` makes of the class asked for."""

    name, classes = "drawing", 10

    def __init__(self, drawn=lambda asked: asked, different=1000):
        self.drawn, self.different = drawn, different

    def sample(self, n, generator, labels):
        pools = [TRAIN.images[TRAIN.labels == digit][: self.different] for digit in range(10)]
        return np.stack([generator.choice(pools[self.drawn(asked)]) for asked in labels])


class Nearest:
    """A classifier that needs no training: the class of the nearest image."""

    def __init__(self, dataset, *_, **__):
        self.known, self.labels = dataset.images.reshape(len(dataset), -1), dataset.labels
        self.classes = len(dataset.classes)

    def predict(self, images):
        distances = (self.known**2).sum(1) - 2 * images.reshape(len(images), -1) @ self.known.T
        return self.labels[distances.argmin(1)]


@pytest.fixture
def nearest(monkeypatch):
    monkeypatch.setattr("minigen.metrics.accuracy.train_classifier", Nearest)


def test_a_model_that_draws_what_is_asked(nearest):
    found = class_accuracy(Drawing(), TRAIN, TEST, n=1000)
    assert found.class_accuracy == 1 and found.classifier_accuracy > 0.95 and found.classification_accuracy_score > 0.9
    assert np.array_equal(found.confusion, 100 * np.eye(10)) and found.top_confusions(3) == []


def test_a_model_that_draws_the_next_class_is_found_out_twice(nearest):
    found = class_accuracy(Drawing(lambda asked: (asked + 1) % 10), TRAIN, TEST, n=1000)
    assert found.class_accuracy == 0 and found.classification_accuracy_score < 0.05
    assert np.array_equal(found.confusion, 100 * np.roll(np.eye(10), 1, axis=1))  # a row is what was asked for


def test_a_model_that_draws_one_image_of_each_class_is_found_out_by_the_second_only(nearest):
    found = class_accuracy(Drawing(different=1), TRAIN, TEST, n=1000)
    assert found.class_accuracy == 1 and found.classification_accuracy_score < 0.8


def test_the_numbers_of_a_confusion():
    found = ClassAccuracy(np.array([[6, 3, 1], [0, 9, 1], [0, 4, 6]]), 0.9, 0.8, ("ant", "bee", "cat"))
    assert found.class_accuracy == pytest.approx(0.7)
    np.testing.assert_allclose(found.per_class, [0.6, 0.9, 0.6])
    assert found.top_confusions(2) == [("cat", "bee", 4), ("ant", "bee", 3)]
    assert len(found.top_confusions(9)) == 4


def test_a_reader_that_is_given_is_used(nearest):
    liar = Nearest(Dataset("liar", TRAIN.images, (TRAIN.labels + 5) % 10, TRAIN.classes))
    found = class_accuracy(Drawing(), TRAIN, TEST, n=100, classifier=liar)
    assert found.class_accuracy == 0 and found.classifier_accuracy < 0.05 and found.classification_accuracy_score > 0.8


def test_all_of_it_with_classifiers_that_learn():
    found = class_accuracy(Drawing(), TRAIN, TEST, n=1000, steps=150)
    assert found.class_accuracy > 0.9 and found.classification_accuracy_score > 0.9


def test_what_does_not_go_together_is_named():
    bare = Dataset("bare", TRAIN.images)
    letters = Dataset("letters", TEST.images, TEST.labels, tuple("abcdefghij"))
    few = build("cgan", size=8, width=2, classes=3)
    for words, model, train, test, options in (
        ("vae: this model knows no classes that could be read", build("vae", size=8, width=2), TRAIN, TEST, {}),
        ("expected labeled images, bare has no labels", Drawing(), bare, TEST, {}),
        ("expected labeled images, bare has no labels", Drawing(), TRAIN, bare, {}),
        ("learn from, 0, 1, .* 9, are not those to be tested on, a, b,", Drawing(), TRAIN, letters, {}),
        ("cgan knows 3 classes, digits has 10", few, TRAIN, TEST, {}),
        ("at least one sample for each of 10 classes, got n = 9", Drawing(), TRAIN, TEST, {"n": 9}),
        (
            "classifier of 10 classes, got one of 3",
            Drawing(),
            TRAIN,
            TEST,
            {"classifier": Classifier(8, 1, 3, width=2)},
        ),
    ):
        with pytest.raises(ValueError, match=words):
            class_accuracy(model, train, test, **options)


# ---- the command


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(trained, tmp_path / "here"))
    return tmp_path / "here"


@pytest.mark.parametrize("name", ["cgan", "cvae"])
def test_evaluate_reads_samples_on_request(name, here, nearest, capsys):
    assert main(["evaluate", name]) == 0
    assert "read as asked" not in capsys.readouterr().out
    assert main(["evaluate", name, "--classify", "200"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    found = class_accuracy(mg.train.load_trained(name).model, TRAIN, TEST, 200)
    assert (
        f"200 samples, read by a classifier that reads {found.classifier_accuracy:.1%} of the test images right" in out
    )
    assert f"read as asked {found.class_accuracy:.1%} (least: " in out
    assert (
        f"test images read {found.classification_accuracy_score:.1%} by a classifier that has seen these samples only"
        in out
    )
    assert ("D on samples" in out) == (name == "cgan") and ("-ELBO" in out) == (name == "cvae")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vae", "--classify", "100"], "vae: this model knows no classes that could be read: train a cgan or a cvae"),
        (["cgan", "--classify", "9"], "at least one sample for each of 10 classes, got n = 9"),
    ],
)
def test_a_mistake_costs_one_line(arguments, words, here, capsys):
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
