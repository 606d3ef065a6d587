"""The trained models that come with minigen: what the files hold, and that commands take them like any run."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigen
from minigen._util.safetensors_file import read_safetensors
from minigen.cli import main
from minigen.data import DATASETS
from minigen.play import PlaySession
from minigen.train import find_run, load_trained, pretrained_names

pytestmark = pytest.mark.usefixtures("plain_kernels")

FOLDER = Path(minigen.__file__).parent / "pretrained"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """In an empty folder; and no command changes what comes with minigen."""
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in FILES}
    yield tmp_path
    after = {path: path.stat().st_mtime_ns for path in FOLDER.rglob("*") if path.is_file()}
    assert after == before


def test_there_are_five_and_they_are_small():
    assert pretrained_names() == ("cgan", "dcgan", "points", "repair", "vae")
    assert sum(path.stat().st_size for path in FILES) < 5e6


@pytest.mark.parametrize("name", pretrained_names())
def test_a_file_says_what_it_is(name):
    config = json.loads((FOLDER / name / "config.json").read_text(encoding="utf-8"))
    about, info = config["about"], DATASETS[config["data"]]
    assert about["made"] == f"minigen train {name} --data {config['data']} --seed 0" and config["seed"] == 0
    assert about["data"] == {"title": info.title, "source": info.source, "licence": info.licence}
    assert "numpy" in about["with"] and about["licence"] == "MIT, as minigen"
    metadata, arrays = read_safetensors(FOLDER / name / "compressed.safetensors")
    assert json.loads(metadata["record"])["about"] == about
    assert {array.dtype.kind for array in arrays.values()} <= {"f", "i"}
    assert all(array.dtype == np.float16 for array in arrays.values() if array.dtype.kind == "f")


@pytest.mark.parametrize("name", pretrained_names())
def test_the_model_is_there_whole(name):
    trained = load_trained(f"pretrained:{name}")
    assert trained.model.name == name and trained.step > 500
    state = trained.model.state_dict()
    if name not in ("repair", "vae"):
        assert any(key.startswith("discriminator") for key in state)
    assert all(np.isfinite(value).all() for value in state.values())


def test_digits_of_a_class_look_like_it():
    """The cgan's digits are read as what was asked for by the shipped judge, which has never seen samples."""
    from minigen.metrics import load_judges

    model, labels = load_trained("pretrained:cgan").model, np.repeat(np.arange(10), 4)
    images = model.decode(np.random.default_rng(0).standard_normal((40, model.latent)).astype(np.float32), labels)
    read = load_judges().reader.predict(images)
    assert np.mean(read == labels) > 0.8


def test_the_points_lie_on_the_ring():
    points = load_trained("pretrained:points").model.sample(200, np.random.default_rng(0))
    assert np.median(np.abs(np.linalg.norm(points, axis=1) - 1)) < 0.1


def test_a_sample_goes_into_this_folder(here, capsys):
    assert main(["sample", "pretrained:cgan", "-n", "2", "--class", "3"]) == 0
    assert sorted(path.name for path in here.iterdir()) == ["pretrained-cgan-sample.png"]
    assert "pretrained-cgan-sample.png" in capsys.readouterr().out
    assert main(["sample", "pretrained:points", "--out", "p.npz"]) == 0
    assert np.load("p.npz")["points"].shape[1] == 2


def test_commands_that_look_into_a_run(here, capsys):
    assert main(["compare", "pretrained:cgan", "pretrained:dcgan"]) == 0
    out = capsys.readouterr().out
    assert "pretrained:cgan" in out and Path("comparison.html").is_file()
    assert main(["gif", "pretrained:vae", "--frames", "3"]) == 0
    assert Path("pretrained-vae-training.gif").is_file()
    assert main(["reconstruct", "pretrained:vae"]) == 0
    Image.fromarray(np.full((40, 40), 90, np.uint8)).save("old.png")
    assert main(["repair", "pretrained:repair", "old.png"]) == 0
    assert main(["evaluate", "pretrained:points"]) == 0
    assert "pretrained:points, step" in capsys.readouterr().out
    about = PlaySession(load_trained("pretrained:cgan")).describe()
    assert about["run"] == "pretrained:cgan" and len(about["epochs"]) == 6


MISTAKES = [
    (["sample", "pretrained:dog"], "expected one of pretrained:cgan, pretrained:dcgan"),
    (["sample", "pretrained:../bench"], "no run pretrained:../bench comes with minigen"),
    (["train", "cgan", "--run", "pretrained:cgan", "--overwrite"], "cannot be replaced; choose another name"),
    (["train", "cgan", "--run", "pretrained:cgan", "--resume"], "cannot be trained: go on with minigen train cgan"),
    (["compress", "pretrained:cgan", "--int8"], "compressed already: make one of your own with minigen train cgan"),
    (["sample", "pretrained:cgan", "--previous"], "leave --previous out"),
]  # fmt: skip


@pytest.mark.parametrize("command, words", MISTAKES)
def test_mistakes_cost_one_line(command, words, capsys):
    assert main(command) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_a_folder_called_so_can_still_be_reached(here):
    assert find_run("./pretrained:x") == Path("pretrained:x")
