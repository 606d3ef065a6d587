"""``minigen train --measure``: a row an epoch, the same after a resumption, and no change of the training."""

import csv

import numpy as np
import pytest

import minigen as mg
from minigen.cli import main
from minigen.metrics import Reference, load_judges
from minigen.metrics.progress import EpochMeasure


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_train_measures_every_epoch_and_changes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    tiny = ["train", "dcgan", "--network", "conv", "--width", "2", "--batch-size", "2000"]  # two steps in an epoch

    def state(name):
        found = mg.train.Run(tmp_path / "runs" / name).load()
        return found["model"], found["rng"]

    def log(name):
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows(tmp_path / "runs" / name / "log.csv")]

    assert main([*tiny, "--epochs", "2", "--run", "plain"]) == 0
    assert main([*tiny, "--epochs", "2", "--run", "measured", "--measure"]) == 0
    measured = rows(tmp_path / "runs/measured/measures.csv")
    assert [(row["step"], row["epoch"]) for row in measured] == [("2", "1"), ("4", "2")]
    assert all(float(row["kid"]) > 0 and 0 <= float(row["coverage"]) <= 1 for row in measured)
    assert not (tmp_path / "runs/plain/measures.csv").exists() and log("plain") == log("measured")
    np.testing.assert_equal(state("plain"), state("measured"))
    # A run that was killed after it had measured, and before its checkpoint: it goes on and measures the same again.
    whole = state("measured")
    path = tmp_path / "runs/measured/measures.csv"
    path.write_text(path.read_text().replace("\n4,2,", "\n4,2,9"))
    (tmp_path / "runs/measured/checkpoints/step-00000004.safetensors").unlink()
    assert main(["train", "dcgan", "--run", "measured", "--resume"]) == 0
    assert rows(path) == measured
    np.testing.assert_equal(state("measured"), whole)
    capsys.readouterr()
    assert main(["train", "dcgan", "--data", "digits", "--measure"]) == 2
    assert "--measure: no judges are shipped for digits" in capsys.readouterr().err
    assert not (tmp_path / "runs/dcgan-digits").exists()


def test_a_run_on_few_images_is_compared_with_as_many_real_images_as_any(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    few = ["--images", "40", "--batch-size", "20", "--steps", "1"]
    assert main(["train", "dcgan", "--network", "conv", "--width", "2", *few, "--run", "few", "--measure"]) == 0
    (measured,) = rows(tmp_path / "runs/few/measures.csv")
    train, test = (mg.data.load("mnist5k", split) for split in ("train", "test"))
    expected = EpochMeasure(Reference(load_judges(), train, test))(mg.train.load_trained("few").model)
    assert {name: float(measured[name]) for name in expected} == pytest.approx(expected, rel=1e-6)
