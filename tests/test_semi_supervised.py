"""The semi-supervised GAN and the adversarial autoencoder: who learns from what, and from how little."""

import math

import numpy as np
import pytest

import minigen as mg
from minigen import nn
from minigen.cli import main
from minigen.data import Dataset
from minigen.metrics import energy_distance
from minigen.models import build


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    """What is tested here does not depend on the kernels, and these need no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


def ssgan(seed=0, **options):
    mg.manual_seed(seed)
    return build("ssgan", size=8, width=4, latent=5, **({"labelled": 20} | options))


def weights(model):
    return {name: p.numpy().copy() for name, p in model.named_parameters()}


# ---- labels


def test_the_labelled_images_are_as_many_of_each_class_and_a_function_of_the_subset():
    data = mg.data.load("digits")
    found = []
    for seed, subset in ((0, 0), (1, 0), (0, 1)):
        model = ssgan(seed, subset=subset)
        model.prepare(data)
        images, labels = model.known
        assert np.bincount(labels, minlength=10).tolist() == [2] * 10
        for image, label in zip(images, labels):
            at = np.flatnonzero((data.images == image).all((1, 2, 3)))
            assert label in data.labels[at]
        found.append(images)
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_no_other_label_is_read():
    """With all other labels changed, every weight is the same after some steps."""
    data, ends = mg.data.load("digits"), []
    for spoil in (False, True):
        model = ssgan()
        model.prepare(data)
        for start in range(0, 96, 32):
            batch = data.batch(slice(start, start + 32))
            if spoil:
                batch["labels"] = (batch["labels"] + 3) % 10
            model.training_step(batch)
        ends.append(weights(model))
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize(
    ("labelled", "words"),
    [
        (5, "ssgan: --labelled 5: expected a multiple of the 10 classes"),
        (25, "ssgan: --labelled 25: expected a multiple of the 10 classes"),
        (5000, "ssgan: --labelled 5000: expected 500 images of each class, digits has"),
    ],
)
def test_labels_that_cannot_be_chosen_are_refused(labelled, words):
    with pytest.raises(ValueError, match=words):
        ssgan(labelled=labelled).prepare(mg.data.load("digits"))


def test_a_class_without_an_image_is_refused():
    digits = mg.data.load("digits")
    without = digits.subset(digits.labels != 7)
    with pytest.raises(ValueError, match="expected 2 images of each class, digits has 0 of '7'"):
        ssgan().prepare(without)
    with pytest.raises(ValueError, match=r"ssgan: call prepare\(dataset\) first"):
        ssgan().training_step({"images": digits.images[:8]})
    with pytest.raises(ValueError, match="ssgan: learns to classify, and plain has no classes"):
        type(ssgan()).data_options(Dataset("plain", images=digits.images))


# ---- the step


@pytest.mark.parametrize("still", ["generator", "discriminator"])
def test_each_optimizer_moves_its_own_network(still):
    model, data = ssgan(), mg.data.load("digits")
    model.prepare(data)
    model.schedule(0.0)
    for group in model.optimizers[still].param_groups:
        group["lr"] = 0.0
    before = weights(model)
    model.training_step(data.batch(slice(0, 16)))
    for name, p in model.named_parameters():
        assert np.array_equal(p.numpy(), before[name]) == name.startswith(still), name


def test_the_baseline_learns_from_the_labelled_images_only():
    data, ends = mg.data.load("digits"), []
    for start in (0, 64):
        model = ssgan(supervised=True)
        model.prepare(data)
        numbers = model.training_step(data.batch(slice(start, start + 32)))
        assert list(numbers) == ["loss_d", "labelled_accuracy"]
        ends.append(weights(model))
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_the_loss_of_d_is_that_of_three_batches_and_g_matches_features():
    model, data = ssgan(noise=0.0, dropout=0.0), mg.data.load("digits")
    model.prepare(data)
    calls, plain = [], model.discriminator.forward
    model.discriminator.forward = lambda x: calls.append(plain(x)) or calls[-1]
    images = data.images[:8]
    numbers = model.training_step({"images": images})
    labelled, real, fake = (c.numpy().astype(np.float64) for c in calls)
    assert len(labelled) == 8 and len(fake) == 8

    def likelihood(logits):  # log p(real), log p(generated)
        z = np.log(np.exp(logits).sum(1))
        return -np.log1p(np.exp(-z)), -np.log1p(np.exp(z))

    unlabelled = -(likelihood(real)[0].mean() + likelihood(fake)[1].mean()) / 2
    classifier = numbers["loss_d"].item() - unlabelled
    chances = np.log(np.exp(labelled) / np.exp(labelled).sum(1, keepdims=True))
    assert -chances.max(1).mean() - 1e-6 <= classifier <= -chances.min(1).mean() + 1e-6
    assert numbers["loss_g"].item() > 0


@pytest.mark.parametrize(("network_d", "kind"), [("mlp", nn.Linear), ("conv", nn.Conv2d)])
def test_noise_follows_every_hidden_layer_of_d_in_training_only(network_d, kind):
    images, inputs, loud = mg.data.load("digits").images[:4], [], 0.5
    model = ssgan(network_d=network_d, noise=0.0, hidden_noise=loud)
    for layer in model.discriminator.modules():
        if isinstance(layer, kind | nn.Linear):
            layer.forward = lambda x, plain=layer.forward: inputs.append(x.numpy().copy()) or plain(x)
    first, second = (model.discriminator(mg.tensor(images)).numpy() for _ in range(2))
    layers = len(inputs) // 2
    assert layers >= 2 and np.array_equal(inputs[0], inputs[layers])  # the pixels have none here
    for a, b in zip(inputs[1:layers], inputs[layers + 1 :]):
        assert np.abs(a - b).mean() > 0.5 * loud
    assert not np.array_equal(first, second)
    # What enters the second layer differs by two draws of one noise.
    np.testing.assert_allclose(np.std(inputs[1] - inputs[layers + 1]), loud * math.sqrt(2), rtol=0.2)
    inputs.clear()
    with model.evaluating():
        model.discriminator(mg.tensor(images)), model.discriminator(mg.tensor(images))
    assert all(np.array_equal(a, b) for a, b in zip(inputs[:layers], inputs[layers:]))


def test_a_short_training_reads_digits_and_evaluate_says_how_many(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny = ["--data", "digits", "--steps", "60", "--width", "8", "--labelled", "50", "--run", "few"]
    assert main(["train", "ssgan", *tiny]) == 0
    assert main(["evaluate", "few"]) == 0
    text = capsys.readouterr().out
    line = next(line for line in text.splitlines() if line.startswith("accuracy"))
    assert 40 < float(line.split()[1].rstrip("%")) <= 100  # a guess is right on 10 %
    assert main(["train", "ssgan", "--data", "digits", "--labelled", "7"]) == 2
    assert "multiple of the 10 classes" in capsys.readouterr().err


def test_evaluate_prints_how_near_the_codes_of_an_aae_are_to_the_prior(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "aae", "--data", "digits", "--steps", "3", "--width", "8", "--run", "codes"]) == 0
    assert main(["evaluate", "codes"]) == 0
    text = capsys.readouterr().out
    assert "mean squared error" in text and "energy distance" in text and "of two draws" in text


# ---- the adversarial autoencoder


def aae(seed=0, **options):
    mg.manual_seed(seed)
    return build("aae", size=8, width=16, latent=3, **options)


@pytest.mark.parametrize("moving", ["autoencoder", "discriminator", "encoder"])
def test_the_three_moves_of_an_aae_reach_their_own_networks(moving):
    model = aae()
    model.schedule(0.0)
    for name, optimizer in model.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (name == moving)
    before = weights(model)
    model.training_step({"images": mg.data.load("digits").images[:16]})
    own = {"autoencoder": ("encoder", "decoder"), "discriminator": ("discriminator",), "encoder": ("encoder",)}[moving]
    for name, p in model.named_parameters():
        assert np.array_equal(p.numpy(), before[name]) != name.startswith(own), name


def test_the_prior_is_real_and_codes_are_fake():
    model = aae()
    seen, plain = [], model.discriminator.forward
    model.discriminator.forward = lambda x: seen.append(x.numpy().copy()) or plain(x)
    images = mg.data.load("digits").images[:16]
    for group in model.optimizers["autoencoder"].param_groups:
        group["lr"] = 0.0
    model.schedule = lambda done: None
    codes = model.encode(images)
    numbers = model.training_step({"images": images})
    prior, first, second = seen
    assert prior.shape == codes.shape == (16, 3)
    np.testing.assert_allclose(first, codes, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(first, second)
    assert not np.isclose(prior, codes).any()
    assert 0 < numbers["d_prior"].item() < 1


def test_an_aae_learns_to_reconstruct_and_its_discriminator_brings_the_codes_to_the_prior():
    images, test = (mg.data.load("digits", split).images for split in ("train", "test"))
    prior = np.random.default_rng(1).standard_normal((len(test), 3))
    distances = []
    for alone in (False, True):
        model = aae(lr=2e-3)
        errors = [np.square(model.reconstruct(test) - test).mean()]
        for group in model.optimizers["encoder"].param_groups:
            group["lr"] *= not alone
        rng = np.random.default_rng(0)
        for _ in range(200):
            model.training_step({"images": images[rng.integers(0, len(images), 64)]})
        errors.append(np.square(model.reconstruct(test) - test).mean())
        assert errors[1] < 0.6 * errors[0]
        distances.append(energy_distance(model.encode(test), prior))
    assert distances[0] < 0.5 * distances[1], distances


def test_the_energy_distance_is_its_definition():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 2)), rng.standard_normal((4, 2)) + 1

    def mean(one, other, same):
        pairs = [(i, j) for i in range(len(one)) for j in range(len(other)) if not (same and i == j)]
        return np.mean([math.dist(one[i], other[j]) for i, j in pairs])

    expected = 2 * mean(x, y, False) - mean(x, x, True) - mean(y, y, True)
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-12)
    draws = [energy_distance(*rng.standard_normal((2, 50, 2))) for _ in range(40)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 40**0.5  # unbiased
    with pytest.raises(ValueError, match="energy_distance: expected at least two points each"):
        energy_distance(x, y[:1])
