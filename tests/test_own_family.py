"""A family in a file of the user's, from the documentation alone: train, resume, sample, evaluate."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import minigen as mg
from minigen.cli import main
from minigen.data import Dataset, Loader
from minigen.models import build, family, option
from minigen.models.options import Options
from minigen.train import Run, fit, load_checkpoint, load_trained

PAGE = Path(__file__).parent.parent / "lessons" / "reference" / "your_own_family.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
FILES = {block.split()[1]: block for block in BLOCKS if block.startswith("# ")}
TINY = ["--data", "digits", "--batch-size", "256", "--width", "8"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIGEN_KERNELS", "reference")
    monkeypatch.setattr("minigen.kernels._default_set", "reference")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def weights(run):
    return load_checkpoint(sorted((run / "checkpoints").glob("*.safetensors"))[-1])["model"]


@pytest.mark.parametrize("name", ["ebgan.py:EBGAN", "denoiser.py:Denoiser"])
def test_a_file_of_the_documentation_trains_and_resumes_exactly(name, here):
    assert len(FILES[name.partition(":")[0]].splitlines()) < 41
    run = here / "runs" / f"{name.partition(':')[2].lower()}-digits"
    assert main(["train", name, *TINY, "--epochs", "2", "--run", "straight"]) == 0
    assert main(["train", name, *TINY, "--epochs", "1"]) == 0
    assert main(["train", name, "--data", "digits", "--resume", "--epochs", "2"]) == 0
    one, two = weights(run), weights(here / "runs" / "straight")
    assert one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)
    assert len(list((run / "samples").glob("*.png"))) == 3


def test_a_family_of_ones_own_is_sampled_and_evaluated_from_another_folder(here, monkeypatch, capsys):
    assert main(["train", "ebgan.py:EBGAN", *TINY, "--epochs", "1"]) == 0
    config = json.loads((here / "runs" / "ebgan-digits" / "config.json").read_text())
    assert config["model"] == f"{here / 'ebgan.py'}:EBGAN" and config["options"]["width"] == 8
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    run = str(here / "runs" / "ebgan-digits")
    assert main(["sample", run, "-n", "4", "--out", "s.png"]) == 0
    assert main(["evaluate", run]) == 0
    assert type(load_trained(run).model).__name__ == "EBGAN"
    (here / "ebgan.py").unlink()
    capsys.readouterr()
    assert main(["sample", run]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and f"{here / 'ebgan.py'}: there is no such file (wanted: the model EBGAN)" in line


def test_an_image_model_takes_any_height_and_width(here):
    model = build("denoiser.py:Denoiser", channels=3, width=2)
    for shape in [(2, 3, 5, 9), (101, 3, 4, 4), (0, 3, 4, 4)]:
        images = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
        assert model.apply(images).shape == shape
    with pytest.raises(ValueError, match=r"denoiser: expected images \(N, 3, H, W\), got \(2, 1, 4, 4\)"):
        model.apply(np.zeros((2, 1, 4, 4), np.float32))
    seen = []
    model.apply(seen.append)  # as of every Module: a function, for each sub-module
    assert model in seen and model.network in seen


def test_an_image_model_learns_from_images_that_are_not_square_and_shows_its_partners(here):
    text = FILES["denoiser.py"]
    (here / "paired.py").write_text(text[: text.index("    def preview")].replace("Denoiser(", "Paired("))
    images = np.random.default_rng(0).uniform(-1, 1, (12, 1, 4, 6)).astype(np.float32).cumsum(3).clip(-1, 1)
    model = build("paired.py:Paired", channels=1)
    data = Dataset("stripes", images, partners=-images)
    fit(model, Loader(data, 4), Run.create(here / "run", {}), 2, progress=False)
    shown, columns = model.preview(7, data, np.random.default_rng(0))
    assert columns == 3 and shown.shape == (6, 1, 4, 6)
    np.testing.assert_array_equal(shown[2::3], -shown[::3])
    np.testing.assert_array_equal(shown[1::3], model.apply(shown[::3]))


# ---- declarations and mistakes

PLAIN = """
from __future__ import annotations
from dataclasses import dataclass
import minigen as mg
from minigen.models import GenerativeModel, option

class Plain(GenerativeModel):
    @dataclass(frozen=True)
    class Options(GenerativeModel.Options):
        kind: str | None = option(None, "100 % free")
        depth = option(2, "an option without annotation", minimum=1)
        rate = 0.5
        noisy: bool = option(False, "noise")
        clean: "bool" = True

    def __init__(self, **options):
        super().__init__(**options)
        self.layer = mg.nn.Linear(self.latent, self.options.size**2)
        self.optimizers = {"one": mg.optim.SGD(self.layer.parameters(), lr=0.0)}

    def generate(self, z, condition):
        return self.layer(z).tanh().reshape(-1, *self.shape)

    def training_step(self, batch):
        return {"loss": mg.tensor(0.0)}
"""


def test_annotations_as_strings_none_at_all_and_booleans_become_flags(here, capsys):
    (here / "plain.py").write_text(PLAIN)
    with pytest.raises(SystemExit):
        main(["train", "plain.py:Plain", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in ("100 % free", "--noisy, --no-noisy noise (default: False)", "(default: 0.5)", "--no-clean"):
        assert words in text
    flags = ["--kind", "7", "--depth", "3", "--rate", "0.25", "--noisy", "--no-clean"]
    assert main(["train", "plain.py:Plain", "--data", "digits", "--epochs", "1", *flags]) == 0
    given = json.loads((here / "runs" / "plain-digits" / "config.json").read_text())["options"]
    expected = {"kind": "7", "depth": 3, "rate": 0.25, "noisy": True, "clean": False}
    assert {key: given[key] for key in expected} == expected
    order = [each.name for each in family("plain.py:Plain").Options.specifications()]
    assert order == ["size", "channels", "latent", "l1", "kind", "depth", "rate", "noisy", "clean"]


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (("", ""), "plain.py", "plain.py: name the class too, as plain.py:CLASS"),
        (("", ""), "plain.py:Plane", "there is no model 'Plane' in this file; its models: Plain"),
        (("(GenerativeModel):", "(Generative):"), "plain.py:Plain", "NameError: name 'Generative' is not defined"),
        (("import minigen as mg", "import minigan as mg"), "plain.py:Plain", "plain.py, line 4: ModuleNotFoundError"),
        (("class Plain", "class Plain:"), "plain.py:Plain", "plain.py, line 7: SyntaxError"),
        (
            ("rate = 0.5", "epochs = 5"),
            "plain.py:Plain",
            "the option 'epochs' has the name of a flag of every training",
        ),
        (("    @dataclass(frozen=True)\n", ""), "plain.py:Plain", "decorate it with @dataclass(frozen=True)"),
        (("depth = option(2", "depth = option(0"), "plain.py:Plain", "plain: depth must be at least 1, got 0"),
        (
            ('return {"loss": mg.tensor(0.0)}', 'return {"loss": batch["imags"]}'),
            "plain.py:Plain",
            "plain.py, line 25 in training_step(): KeyError",
        ),
        (("", ""), "nowhere.py:Plain", "nowhere.py: there is no such file (wanted: the model Plain)"),
    ],
)
def test_a_mistake_in_the_file_costs_one_line_that_names_it(change, name, words, here, capsys):
    assert change[0] in PLAIN
    (here / "plain.py").write_text(PLAIN.replace(*change))
    assert main(["train", name, "--data", "digits", "--epochs", "1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert words in lines[-1] and len(lines) == 1


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"minimum": 1}, [1, 7], [0, -1]),
        ({"above": 0, "maximum": 9}, [1, 9], [0, 10]),
        ({"minimum": 0, "below": 3}, [0, 2], [-1, 3]),
        ({"choices": (2, 4)}, [2, 4], [3]),
        ({}, [-5], [True, 1.5, "3", None]),
    ],
)
def test_options_are_checked_as_declared(limits, good, bad):
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Mine(Options):
        count: int = option(2, "how many", **limits)

    for value in good:
        assert Mine(count=value).count == value
    for value in bad:
        with pytest.raises(ValueError, match=f"count must be .*got {value!r}"):
            Mine(count=value)


def test_two_families_cannot_have_one_name():
    with pytest.raises(ValueError, match=r"register: the name 'vae' is taken by minigen\.models\.vae\.vae\.VAE"):
        mg.models.register("vae")(type("Other", (mg.models.Model,), {}))
