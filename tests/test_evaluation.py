"""``minigen evaluate``: the protocol, records, the page, several runs, failures, mistakes."""

import json
import math
import re
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minigen as mg
from minigen.cli import main
from minigen.metrics import (
    Protocol,
    Reference,
    check_comparable,
    evaluate_samples,
    fid,
    headline,
    load_judges,
    measure_floors,
    random_judges,
    record,
    train_judges,
)
from minigen.metrics.evaluation import seeds_table
from minigen.metrics.planted import FAILURES, planted_floor, planted_table
from minigen.visualize.evaluation_page import evaluation_page

SMALL = Protocol(n=200, draws=3)


@pytest.fixture(scope="module")
def digits():
    train, test = (mg.data.load("mnist5k", split) for split in ("train", "test"))
    reference = Reference(load_judges(), train, test)
    return SimpleNamespace(train=train, test=test, reference=reference, floors=measure_floors(reference, SMALL))


def some(dataset, classes=range(10)):
    """Draws of 200 images of a data set, which holds them in the order of their classes."""
    images = dataset.images[np.isin(dataset.labels, classes)]
    return lambda i: images[np.random.default_rng([7, i]).permutation(len(images))[:200]]


@pytest.fixture(scope="module")
def found_real(digits):
    return evaluate_samples(some(digits.reference.held_out), digits.reference, SMALL, digits.floors)


# ---- the protocol


def test_real_images_are_at_the_floor(found_real):
    found = found_real
    for name in ("fid", "kid", "precision", "recall", "coverage", "class_tv"):
        one = found.measures[name]
        assert abs(one.value - one.floor) < 4 * one.floor_se, name
        assert (
            len(one.per_draw) == 3
            and one.low <= one.value <= one.high
            and one.value == pytest.approx(np.mean(one.per_draw))
        )
    assert not found.failures and not found.lost and found.real_curve.f8 > 0.95
    assert [row.name for row in found.classes] == list("0123456789")
    assert sum(row.count for row in found.classes) == pytest.approx(200)


def test_the_closest_pairs_and_the_alarms_of_copies(digits):
    """A tenth of the samples are training images."""

    def draw(i):
        images = some(digits.test)(i)
        images[:20] = digits.train.images[100 * i : 100 * i + 20]
        return images

    found = evaluate_samples(draw, digits.reference, SMALL, digits.floors)
    assert [pair.distance for pair in found.pairs] == [0] * 5
    for pair in found.pairs:
        assert np.array_equal(pair.sample, digits.train.images[pair.train_index]) and pair.test_distance > 0
        assert 100 * pair.draw <= pair.train_index < 100 * pair.draw + 20
    assert found.measures["copies"].value > 0.1 and "near copies" in headline(found)
    assert any(text.startswith("near copies, pixels: 1") for text in found.warnings)


def test_a_distance_below_that_of_real_images_is_an_alarm(digits):
    one = Protocol(n=1000, draws=1)
    found = evaluate_samples(lambda i: digits.reference.real.images[::2], digits.reference, one, digits.floors)
    assert found.measures["nn_accuracy"].value < 0.3
    assert any("1-NN accuracy" in text and "below that of real images" in text for text in found.warnings)


def test_a_run_fails_by_a_fixed_rule(digits):
    one, held_out = Protocol(n=200, draws=1), digits.reference.held_out
    two_lost = evaluate_samples(some(held_out, range(8)), digits.reference, one, digits.floors)
    assert two_lost.lost == ["8", "9"] and not two_lost.failures and headline(two_lost).endswith("without 8, 9")
    three_lost = evaluate_samples(some(held_out, range(7)), digits.reference, one, digits.floors)
    assert three_lost.failures == ["lost 3 classes: 7, 8, 9"]
    few, draw = Protocol(n=20, draws=2), some(held_out, range(3))
    unknown = evaluate_samples(lambda i: draw(i)[:20], digits.reference, few, digits.floors)
    assert not unknown.lost and not unknown.failures and headline(unknown).endswith("near copies")
    assert "40 samples are too few to say whether classes are missing" in unknown.warnings
    broken = evaluate_samples(lambda i: np.full((200, 1, 28, 28), np.nan), digits.reference, one, digits.floors)
    assert broken.failures and headline(broken) == "failed: NaN or infinite values in the samples"
    table = seeds_table(["a", "b", "c"], [two_lost, three_lost, broken], ["gan"] * 3)
    assert len(table.rows) == 5 and table.rows[3][0] == "median: gan" and table.rows[3][-1] == "2 failed of 3"
    assert table.rows[2][1] == "-" and table.rows[3][1] != "-"  # the failed run is shown, and does not count as 0


def test_a_record_is_json_and_is_compared_only_with_its_like(digits, found_real):
    one = record(found_real, digits.reference, SMALL, {"run": "x", "step": 3})
    again = json.loads(json.dumps(one, allow_nan=False))
    assert again == one and one["schema"] == 1 and one["run"] == "x" and one["judges"]["sha256"] == load_judges().sha256
    assert set(one["measures"]["fid"]) == {
        "value", "se", "low", "high", "floor", "floor_se", "floor_test", "per_draw"
    }  # fmt: skip
    assert one["memorization"]["closest"][0]["distance"] == 0  # what is held out from the reference is learned from
    others = [
        (one | {"judges": one["judges"] | {"sha256": "0" * 64}}, "different judges"),
        (one | {"reference": one["reference"] | {"sha256": "0" * 64}}, "different references"),
        (one | {"n": 100}, "depend on the number of samples, here 200 and 100"),
        (one | {"schema": 2}, "expected records of schema 1, got 2"),
    ]
    check_comparable([one, again])
    for other, words in others:
        with pytest.raises(ValueError, match=words):
            check_comparable([one, other])


def test_the_reference_of_test_images_has_no_second_floor(digits):
    reference = Reference(load_judges(), digits.train.subset(slice(0, 4000, 10)), digits.test, "test")
    floors = measure_floors(reference, Protocol(n=100, draws=2))
    assert math.isnan(floors["kid"].test) and floors["precision"].value > 0.8
    with pytest.raises(ValueError, match="against must be train or test, got 'both'"):
        Reference(load_judges(), digits.train, digits.test, "both")


# ---- planted failures: what sees what, and what is blind


def planted(reference, floor, seed, n):
    """Each row of the table in standard deviations of real images from their mean."""
    table = planted_table(reference, n=n, seed=seed)
    return table, deviations(table, floor)


def deviations(table, floor):
    return {
        name: {key: (value - floor[key][0]) / floor[key][1] for key, value in values.items() if floor[key][1] > 0}
        for name, values in table.items()
    }


def check_signs(table, z):
    missing, ones, repeated = z["3, 5, 8 missing"], z["half are ones"], z["50 images x 20"]
    assert (
        missing["fid"] > 10 and missing["inception_score"] < -10 and missing["recall"] < -8 and missing["class_tv"] > 8
    )
    assert abs(missing["precision"]) < 4  # blind
    assert ones["fid"] > 10 and ones["inception_score"] < -10 and ones["class_tv"] > 10
    assert abs(ones["precision"]) < 4 and abs(ones["recall"]) < 8  # blind, beside what the others see
    assert repeated["coverage"] < -15 and table["50 images x 20"]["precision"] > 0.85
    assert math.isnan(table["50 images x 20"]["recall"])  # degenerate
    copies = table["train copies"]
    assert copies["precision"] == 1 and copies["copies"] == copies["copies_features"] == 1  # flattered, but found
    assert z["train copies"]["fid"] < 1 and copies["nn_accuracy"] < 0.4
    assert 0.02 <= table["2 % train copies"]["copies"] < 0.06 and abs(z["2 % train copies"]["fid"]) < 6  # FID is blind
    blurred, weak = z["blur 1 pixel"], z["blur 0.5 pixel"]
    assert blurred["fid"] > 10 and blurred["precision"] < -8 and blurred["coverage"] < -15
    assert abs(weak["precision"]) < 4 and weak["recall"] < -3 and weak["fid"] > 2 and abs(weak["class_tv"]) < 4
    noisy, junk, moved = z["noise 0.1"], z["10 % pure noise"], z["shift 1 pixel"]
    assert noisy["fid"] > 8 and noisy["coverage"] < -10 and noisy["precision"] < -4 and abs(noisy["class_tv"]) < 4
    assert junk["fid"] > 100 and junk["precision"] < -4 and abs(junk["recall"]) < 5  # recall is blind
    assert table["10 % pure noise"]["fid"] > 5 * table["3, 5, 8 missing"]["fid"]  # by the judge's making
    assert moved["fid"] < 6 and table["shift 1 pixel"]["copies"] < 0.02  # blind


@pytest.fixture(scope="module")
def planted_sd(digits):
    return planted_floor(digits.reference, n=400, draws=8)


def test_planted_failures_are_seen_and_not_seen_as_the_pages_say(digits, planted_sd):
    """A small version: 400 samples, one seed; the size of a deviation grows with the samples."""
    table, z = planted(digits.reference, planted_sd, 0, 400)
    assert list(table) == list(FAILURES)
    assert z["3, 5, 8 missing"]["fid"] > 5 and z["3, 5, 8 missing"]["recall"] < -4
    assert abs(z["3, 5, 8 missing"]["precision"]) < 5 and z["half are ones"]["class_tv"] > 5
    assert z["50 images x 20"]["coverage"] < -10 and math.isnan(table["50 images x 20"]["recall"])
    assert table["train copies"]["precision"] == 1 and table["train copies"]["nn_accuracy"] < 0.4
    assert table["train copies"]["copies"] == 1 and z["train copies"]["fid"] < 2
    assert z["blur 1 pixel"]["coverage"] < -10 and z["noise 0.1"]["coverage"] < -5
    assert abs(z["noise 0.1"]["class_tv"]) < 4 and abs(z["10 % pure noise"]["recall"]) < 5
    assert table["10 % pure noise"]["fid"] > 5 * table["3, 5, 8 missing"]["fid"] > 5 * table["shift 1 pixel"]["fid"]


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_the_stored_table_of_planted_failures_has_these_signs(seed):
    """What `make_metrics.py --planted` measured at full size, and the page shows."""
    stored = json.loads((Path(__file__).parents[1] / "lessons/reference/metrics.json").read_text())["planted"]
    assert stored["judges"] == load_judges().sha256
    rows = stored["seeds"][seed].items()
    table = {name: {key: math.nan if v is None else v for key, v in values.items()} for name, values in rows}
    check_signs(table, deviations(table, stored["floor"]))


@pytest.fixture(scope="module")
def planted_full(digits):
    return planted_floor(digits.reference)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_planted_failures_at_full_size(digits, planted_full, seed):
    check_signs(*planted(digits.reference, planted_full, seed, 1000))


# ---- the command


RUNS = {"dcgan": [], "vae": ["--latent", "2"]}


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(trained, tmp_path / "here"))
    return tmp_path / "here"


@pytest.fixture(scope="module")
def judges_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("judges") / "digits.safetensors"
    train_judges(*(mg.data.load("digits", split) for split in ("train", "test")), steps=60).save(path)
    return path


def test_evaluate_judges_samples_and_writes_page_and_numbers(here, judges_file, capsys):
    assert main(["evaluate", "dcgan", "--judge", str(judges_file), "-n", "100", "--draws", "2"]) == 0
    out = capsys.readouterr().out
    assert "D on samples" in out and re.search(r"^FID +\d", out, re.M) and "2 draws of 100 samples against 721" in out
    numbers = json.loads((here / "runs/dcgan/evaluation.json").read_text())
    assert numbers["run"] == "runs/dcgan" and numbers["n"] == 100 and len(numbers["measures"]["kid"]["per_draw"]) == 2
    assert numbers["headline"] in out and len(numbers["checkpoint_sha256"]) == 64
    page = (here / "runs/dcgan/evaluation.html").read_text()
    assert len(page) < 1_000_000 and "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert numbers["headline"] in page and "cannot see" in page and page.count("data:image/png") >= 8
    assert "nan" not in re.sub(r'base64,[^"]*"', "", page).lower()
    before = numbers
    assert (
        main(["evaluate", "dcgan", "--judge", str(judges_file), "-n", "100", "--draws", "2", "--json", "again.json"])
        == 0
    )
    assert json.loads((here / "again.json").read_text())["measures"] == before["measures"]  # the seed decides all


def test_several_runs_are_shown_together(here, judges_file, capsys):
    shutil.copytree("runs/dcgan", "runs/again")
    assert main(["evaluate", "dcgan", "vae", "again", "--judge", str(judges_file), "-n", "80", "--draws", "1",
                 "--html", "all.html", "--json", "all.json"]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "median: dcgan" in out and "median: vae" in out and "-ELBO" in out
    runs = json.loads((here / "all.json").read_text())["runs"]
    assert [one["run"] for one in runs] == ["runs/dcgan", "runs/vae", "runs/again"]
    assert runs[0]["measures"] == runs[2]["measures"] != runs[1]["measures"]
    assert "2 failed of 2" in out or "0 failed of 2" in out or "1 failed of 2" in out
    assert (here / "all.html").read_text().count("the first 64 samples") >= 3


def test_data_without_shipped_judges_is_said_and_costs_nothing(here, capsys):
    assert main(["evaluate", "vae"]) == 0
    out = capsys.readouterr().out
    assert "samples are not judged: digits: its images are 1x8x8" in out and "--judge train trains judges" in out
    assert not (here / "runs/vae/evaluation.html").exists()
    assert main(["evaluate", "dcgan", "--judge", "none"]) == 0
    assert "see minigen sample" in capsys.readouterr().out


def test_random_features_are_marked_weak(here, capsys):
    assert main(["evaluate", "vae", "--judge", "random", "-n", "80", "--draws", "2"]) == 0
    assert "(random features: weak)" in capsys.readouterr().out
    assert json.loads((here / "runs/vae/evaluation.json").read_text())["judges"]["weak"] is True


def test_features_of_any_extractor(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b = np.random.default_rng(0).normal(size=(2, 200, 5)) + np.array([0, 0.5])[:, None, None]
    np.savez("a.npz", features=a, labels=np.zeros(3))
    np.savez("b.npz", b)
    assert main(["evaluate", "--features", "a.npz", "b.npz", "--json", "out.json"]) == 0
    found = json.loads((tmp_path / "out.json").read_text())["measures"]
    assert found["fid"]["value"] == pytest.approx(fid(a, b)) and 0 < found["fid"]["se"] < found["fid"]["value"]
    assert "200 real and 200 generated images, 5 features" in capsys.readouterr().out
    np.savez("few.npz", features=b[:5])
    np.savez("flat.npz", features=b[:, 0])
    np.savez("two.npz", one=a, two=b)
    np.save("bare.npy", a)
    (tmp_path / "text.npz").write_text("nothing")
    for files, words in (
        (["a.npz", "few.npz"], "with N of at least 6, got (5, 5)"),
        (["a.npz", "flat.npz"], "flat.npz: expected features (N, D), got (200,)"),
        (["two.npz", "a.npz"], "two.npz: expected an array 'features' (N, D), got one, two"),
        (["text.npz", "a.npz"], "text.npz: expected a file of numpy.savez"),
        (["bare.npy", "a.npz"], "bare.npy: expected a file of numpy.savez"),
        (["none.npz", "a.npz"], "none.npz: No such file"),
    ):
        assert main(["evaluate", "--features", *files]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected a RUN, or --features REAL.npz FAKE.npz, and not both"),
        (["vae", "--features", "a", "b"], "and not both"),
        (["vae", "--judge", "nowhere"], "--judge must be shipped, train, random, none or a file, got 'nowhere'"),
        (["vae", "other"], "no run at runs/other"),
        (["vae", "runs/vae"], "expected different runs, got runs/vae twice"),
        (["vae", "--html", "nowhere/a.html"], "cannot write nowhere/a.html: there is no folder nowhere"),
        (["vae", "--json", "runs"], "expected a file to write, runs is a folder"),
    ],
)
def test_a_mistake_costs_one_line(arguments, words, here, capsys):
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_runs_of_different_data_and_unfinished_runs(here, judges_file, capsys):
    config = here / "runs/vae/config.json"
    original = config.read_text()
    config.write_text(original.replace('"data": "digits"', '"data": "mnist5k"').replace('"size": null', '"size": 8'))
    assert main(["evaluate", "dcgan", "vae"]) == 2
    assert "runs of different data cannot be compared: data is digits in runs/dcgan" in capsys.readouterr().err
    config.write_text(original.replace('"epochs": 1', '"epochs": 7'))
    assert main(["evaluate", "vae", "--judge", str(judges_file), "-n", "80", "--draws", "1"]) == 0
    assert "failed: unfinished: step 5 of 35" in capsys.readouterr().out


# ---- the page


def test_the_page_shows_how_kid_fell(digits, found_real, tmp_path):
    found = found_real
    one = record(found, digits.reference, SMALL)
    (tmp_path / "measures.csv").write_text("step,epoch,kid,class_tv,coverage\n2,1,5.5,0.5,0.1\n4,2,1.5,0.4,0.2\n")
    with_history = evaluation_page(["a"], [found], [one], digits.reference, SMALL, (), {"a": tmp_path / "measures.csv"})
    assert "KID after each epoch" in with_history
    assert "KID after each epoch" not in evaluation_page(["a"], [found], [one], digits.reference, SMALL)
    hostile = evaluation_page(["<b>a"], [found], [one], digits.reference, SMALL)
    assert "<b>a" not in hostile and "&lt;b&gt;a" in hostile


def test_images_without_classes_have_a_page_too():
    train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    reference = Reference(random_judges((1, 8, 8)), train, test)
    protocol = Protocol(n=100, draws=1)
    found = evaluate_samples(lambda i: test.images[:100], reference, protocol, measure_floors(reference, protocol))
    page = evaluation_page(["a"], [found], [record(found, reference, protocol)], reference, protocol)
    assert "Each class" not in page and "weak" in page


# ---- the page of the lessons


REFERENCE = Path(__file__).parents[1] / "lessons" / "reference"


def test_the_tables_of_the_reference_page_hold_the_results_that_are_kept():
    script = runpy.run_path(str(REFERENCE / "make_metrics.py"))
    page = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    results = json.loads((REFERENCE / "metrics.json").read_text())
    assert script["with_tables"](page, results) == page
    assert results["planted"]["judges"] == load_judges().sha256
    assert {one["judges"] for one in results["models"].values()} == {load_judges().sha256}
    assert len(results["planted"]["seeds"]) == 3 and list(results["planted"]["seeds"]["0"]) == list(FAILURES)
    results["planted"]["seeds"]["0"]["half are ones"]["fid"] = results["planted"]["seeds"]["1"]["half are ones"][
        "fid"
    ] = 99
    assert script["with_tables"](page, results) != page
