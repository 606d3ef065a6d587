"""The command line: the main command and what it leaves, mistakes that cost one line, and digits that can be read."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigen as mg
from minigen.cli import main
from minigen.cli.main import COMMANDS
from minigen.models import DCGAN, families
from minigen.train import Run, TrainingResult, load_checkpoint, load_trained

OWN, ELSE = [["train", name] for name in families()], [[name] for name in COMMANDS]
TINY = ["--data", "digits", "--epochs", "2", "--batch-size", "256", "--width", "2", "--latent", "4"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIGEN_KERNELS", "reference")
    monkeypatch.setattr("minigen.kernels._default_set", "reference")
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run named dcgan-digits, for tests to copy."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        assert main(["train", "dcgan", *TINY]) == 0
    return folder / "runs" / "dcgan-digits"


@pytest.fixture
def run(trained, here):
    return shutil.copytree(trained, here / "runs" / "dcgan-digits")


def weights(run):
    return load_checkpoint(sorted((run / "checkpoints").glob("*.safetensors"))[-1])["model"]


def equal(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def mistake(capsys, *arguments):
    """The one line that a mistake costs."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("minigen: "), lines
    return lines[0].removeprefix("minigen: ")


# ---- what it promises


def test_importing_the_command_line_loads_nothing_heavy():
    heavy = ("numba", "matplotlib", "PIL", "sklearn", "tqdm", "safetensors", "minigen.models", "minigen.train")
    code = f"import sys, minigen.cli; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize("command", [[], *OWN, *ELSE])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    assert "usage: minigen" in capsys.readouterr().out


def test_help_names_every_default(capsys):
    with pytest.raises(SystemExit):
        main(["train", "dcgan", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "(default: mnist5k)",
        "(default: conv_dense; conv_k4_bn from 32 pixels",
        "first decay rate of Adam",
        "--resume",
    ):
        assert words in text


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "minigen", "sample", "nowhere"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no run at" in done.stderr


def test_train_leaves_a_run(run):
    config = json.loads((run / "config.json").read_text())
    assert (config["model"], config["data"], config["epochs"], config["seed"]) == ("dcgan", "digits", 2, 0)
    assert config["options"]["width"] == 2 and config["options"]["lr_decay"] > 0
    assert (config["options"]["size"], config["options"]["channels"]) == (8, 1)
    assert len((run / "log.csv").read_text().splitlines()) == 1 + 2 * (1442 // 256)
    assert sorted(p.name for p in run.iterdir()) == ["checkpoints", "config.json", "curves.png", "log.csv", "samples"]


def test_the_seed_decides_the_weights(run, here):
    assert main(["train", "dcgan", *TINY, "--run", "same"]) == 0
    assert main(["train", "dcgan", *TINY, "--run", "other", "--seed", "1"]) == 0
    assert equal(weights(here / "runs" / "same"), weights(run))
    assert not equal(weights(here / "runs" / "other"), weights(run))


def test_samples_are_decided_by_their_seed(run, here, capsys):
    for name, seed in (("a.png", "0"), ("b.png", "0"), ("c.png", "1")):
        assert main(["sample", "dcgan-digits", "-n", "9", "--out", name, "--seed", seed]) == 0
    a, b, c = ((here / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b != c
    assert main(["sample", str(run)]) == 0
    assert (run / "sample.png").is_file()
    assert "64 samples of step 10" in capsys.readouterr().out


def test_a_finished_run_can_be_prolonged(here):
    constant = ["train", "dcgan", *TINY, "--lr-decay", "0"]  # a rate that falls depends on how long the training is
    assert main(constant) == 0
    assert main(["train", "dcgan", "--data", "digits", "--resume", "--epochs", "3"]) == 0
    assert main([*constant, "--epochs", "3", "--run", "straight"]) == 0
    run = here / "runs" / "dcgan-digits"
    assert equal(weights(run), weights(here / "runs" / "straight"))
    assert json.loads((run / "config.json").read_text())["epochs"] == 3


def test_overwrite_starts_again(run):
    assert main(["train", "dcgan", *TINY, "--epochs", "1", "--overwrite"]) == 0
    assert [p.stem for p in sorted((run / "checkpoints").iterdir())] == ["step-00000000", "step-00000005"]
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["epoch-0000.png", "epoch-0001.png"]


def test_a_folder_of_images(here):
    from PIL import Image

    for i in range(8):
        Image.new("RGB", (9, 12), (i * 30, 0, 0)).save(here / f"{i}.png")
    command = ["train", "dcgan", "--data", f"folder:{here}", "--size", "8", "--batch-size", "4", "--width", "2"]
    assert main([*command, "--epochs", "1"]) == 0
    (run,) = (here / "runs").iterdir()
    assert run.name == f"dcgan-{here.name}"
    options = json.loads((run / "config.json").read_text())["options"]
    assert (options["size"], options["channels"]) == (8, 3)


def test_a_training_on_few_images_has_more_epochs(here, monkeypatch):
    """Steps make a GAN, not epochs: two batches an epoch, and at least 7 steps."""
    monkeypatch.setattr(DCGAN, "EPOCHS", 3)
    monkeypatch.setattr(DCGAN, "LEAST_STEPS", 7)
    few = ["train", "dcgan", "--data", "digits", "--images", "40", "--batch-size", "20", "--width", "2"]
    for given, epochs in ([], 4), (["--epochs", "1"], 1), (["--steps", "2"], None):
        assert main([*few, *given, "--overwrite"]) == 0
        assert json.loads((here / "runs" / "dcgan-digits" / "config.json").read_text())["epochs"] == epochs
    monkeypatch.setattr(DCGAN, "LEAST_STEPS", 5)
    assert main([*few, "--overwrite"]) == 0
    assert json.loads((here / "runs" / "dcgan-digits" / "config.json").read_text())["epochs"] == 3


def test_info_and_data(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for words in (mg.__version__, "Python ", f"numpy {np.__version__}", "reference", "mnist5k        here"):
        assert words in text
    assert main(["data"]) == 0
    assert "mnist5k" in capsys.readouterr().out


def test_the_example_of_the_readme_runs(capsys):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    example = readme.partition("```python\n")[2].partition("```")[0]
    mg.manual_seed(0)
    exec(example, {})
    assert capsys.readouterr().out == "[ 3. 12. 27.] [ 6. 12. 18.]\nTrue\n"


def test_after_a_plain_install_each_example_of_the_readme_runs_or_names_its_extra():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    block = (
        "import sys\nfrom minigen._util.optional import _DISTRIBUTIONS, _EXTRAS\n"
        "modules = {name: module for module, name in _DISTRIBUTIONS.items()}\n"
        "sys.modules.update({modules.get(name, name): None for names in _EXTRAS.values() for name in names})\n"
    )
    found = []
    for example in readme.split("```python\n")[1:]:
        code = block + example.partition("```")[0]
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        found.append("runs" if done.returncode == 0 else done.stderr.splitlines()[-1])
    assert found[0] == "runs" and len(found) > 1
    for words in found:
        assert words == "runs" or 'python -m pip install "minigen-lab[' in words, words


# ---- mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "dcgan", "--data", "mnsit"], "unknown data set 'mnsit', did you mean mnist?"),
        (["train", "dcgna"], "unknown model 'dcgna', did you mean dcgan?"),
        (["train", "dcgan", "--data", "ring8"], "has points"),
        (["train", "dcgan", "--data", "folder:nowhere", "--size", "28"], "nowhere"),
        (["train", "dcgan", "--data", "digits", "--size", "30"], "size"),
        (
            ["train", "dcgan", "--data", "digits", "--batch-size", "5000"],
            "fewer than a batch of 5000: give --batch-size 1442 or less",
        ),
        (["train", "dcgan", "--data", "digits", "--images", "5000"], "--images: expected at most 1442"),
        (
            ["train", "dcgan", "--data", "digits", "--network", "big"],
            "network must be one of conv_dense, conv, conv_k4_bn, conv_k5_dropout, got 'big'",
        ),
        (["train", "dcgan", "--data", "digits", "--lr", "-1"], "lr"),
        (["train", "dcgan", "--resume"], "no run at"),
        (["train", "dcgan", "--resume", "--overwrite"], "contradict"),
        (["sample", "nowhere"], "no run at"),
    ],
)
def test_a_mistake_costs_one_line_and_leaves_nothing(arguments, words, capsys, here):
    assert words in mistake(capsys, *arguments)
    assert not list(here.iterdir())


ANY = [
    *(
        ["--size", "1"],
        ["--size", "3"],
        ["--images", "2"],
        ["--images", "11"],
        ["--batch-size", "3"],
        ["--shards", "2"],
    ),
    *(["--batch-size", "90"], ["--shards", "3"], ["--validation", "0.1"], ["--patience", "1"], ["--measure"]),
    *(["--device", "cuda"], ["--graph"], ["--resume"], ["--previous"], ["--overwrite"], ["--data", "ring8"]),
]
"""Options that some families, data or other options do not go with."""
MORE = {
    "gan": [["--pack", "3"], ["--augment", "flip"], ["--augment-p", "ada"], ["--r1-end", "1"], ["--minibatch"]],
    "ssgan": [["--labelled", "7"], ["--labelled", "10"], ["--supervised"]],
    "vae": [["--network", "mlp"], ["--prior", "flow"], ["--latent", "1"]],
    "pix2pix": [["--data", "digits"], ["--adversarial", "0"], ["--l1", "0"]],
    "cyclegan": [["--data", "digits"], ["--identity", "1"]],
    "repair": [["--damage", "hole"], ["--damage", "shrink"], ["--adversarial", "1"], ["--strength", "9"]],
}


@pytest.mark.parametrize("name", MORE)
def test_what_is_refused_is_refused_before_there_is_a_folder(name, here, capsys, monkeypatch):
    """With every pair of options a training begins, or there is one line and no folder."""

    def take_one_step(self):
        self.model.training_step(next(iter(self.loader.epoch(0, 0))))
        return TrainingResult(1, 0, True, here, ())

    monkeypatch.setattr("minigen.train.loop._Fit.run_steps", take_one_step)
    kind = {"pix2pix": "outline:", "cyclegan": "thick:"}.get(name, "")
    few = ["--data", f"{kind}digits", "--images", "40", "--batch-size", "4", "--steps", "1", "--width", "2"]
    begun = 0
    for options in itertools.combinations([*ANY, *MORE[name]], 2):
        arguments = ["train", name, *few, *itertools.chain(*options)]
        code = main(arguments)
        begun += code == 130
        said = capsys.readouterr().err
        if code != 130:
            assert code == 2 and not (here / "runs").exists(), (arguments, said)
            assert "internal error" not in said, (arguments, said)
        shutil.rmtree(here / "runs", ignore_errors=True)
    assert begun


@pytest.mark.parametrize(
    "arguments",
    [["train", "dcgan", "--epochs", "0"], ["train", "dcgan", "--epochs", "many"], ["fly"], []],
)
def test_what_the_parser_refuses(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_images_takes_a_balanced_part_and_leaves_the_rest_unseen(here, capsys):
    assert main(["train", "vae", "--data", "digits", "--images", "300", "--epochs", "1", "--network", "mlp"]) == 0
    trained = load_trained("vae-digits")
    whole = mg.data.load("digits", "train")
    seen, rest = trained.data("train"), trained.unseen()
    assert (len(seen), len(rest), len(trained.data("test"))) == (300, len(whole) - 300, 355)
    assert (np.bincount(seen.labels) == 30).all()
    rows = np.concatenate([seen.images, rest.images]).reshape(len(whole), -1)
    assert (np.unique(rows, axis=0) == np.unique(whole.images.reshape(len(whole), -1), axis=0)).all()
    capsys.readouterr()
    config = trained.run.path / "config.json"
    config.write_text(config.read_text().replace('"images": 300', '"images": 3000'))
    line = mistake(capsys, "evaluate", "vae-digits", "--split", "train")
    assert "the field 'images': expected at most 1442, the number of training images of digits, got 3000" in line


def test_an_existing_run_is_left_alone(run, capsys):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert "exists already: add --resume" in mistake(capsys, "train", "dcgan", *TINY)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--lr", "0.5"], "was made with lr = "),
        (["--batch-size", "32"], "was made with batch_size = 256, not 32"),
        (["--seed", "3"], "was made with seed = 0, not 3"),
        (["--images", "100"], "was made with images = None, not 100"),
        (["--epochs", "1"], "is set for 2 epochs"),
    ],
)
def test_a_resumed_run_refuses_changes(change, words, run, capsys):
    assert words in mistake(capsys, "train", "dcgan", "--data", "digits", "--resume", *change)


def test_another_environment_is_mentioned_on_resuming(run, capsys):
    def mine(*args, **options):
        return mg.kernels.reference.conv2d(*args, **options)

    with mg.kernels.register("conv2d", mine):
        assert main(["train", "dcgan", "--data", "digits", "--resume"]) == 0
    assert f"not bit for bit: made with kernels reference, now {__name__}\n" in capsys.readouterr().err


def test_a_run_that_was_not_made_here_is_told(here, capsys):
    Run.create(here / "own", {}).save(1, {})
    for command in (["sample", "own"], ["train", "dcgan", "--run", "own", "--resume"]):
        assert "was not made by minigen train" in mistake(capsys, *command)


def test_a_damaged_checkpoint_is_named_and_the_one_before_used_on_request(run, capsys):
    last = sorted((run / "checkpoints").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-1])
    line = mistake(capsys, "sample", "dcgan-digits")
    assert last.name in line and "--previous" in line
    assert main(["sample", "dcgan-digits", "--previous"]) == 0


def test_a_checkpoint_of_another_architecture_names_the_differences(run, capsys):
    config = json.loads((run / "config.json").read_text())
    config["options"]["width"] = 3
    (run / "config.json").write_text(json.dumps(config))
    assert "generator.6.weight has shape" in mistake(capsys, "sample", "dcgan-digits")


def test_ctrl_c_says_how_to_go_on(capsys, monkeypatch):
    import signal

    from minigen.models import DCGAN

    step = DCGAN.training_step

    def pressed(self, batch):
        monkeypatch.setattr(DCGAN, "training_step", step)
        signal.raise_signal(signal.SIGINT)
        return step(self, batch)

    monkeypatch.setattr(DCGAN, "training_step", pressed)
    assert main(["train", "dcgan", *TINY]) == 130
    assert "to go on: minigen train dcgan --run dcgan-digits --resume" in capsys.readouterr().out
    assert main(["train", "dcgan", "--run", "dcgan-digits", "--resume"]) == 0


def test_debug_shows_the_traceback_before_and_after_the_command():
    for arguments in (
        ["train", "dcgan", "--data", "mnsit", "--debug"],
        ["--debug", "train", "dcgan", "--data", "mnsit"],
    ):
        with pytest.raises(ValueError, match="unknown data set"):
            main(arguments)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda: int("many"), "ValueError: invalid literal for int() with base 10: 'many'"),
        (lambda: np.zeros(3).reshape(2), "ValueError: cannot reshape array of size 3"),
        (lambda: {}["missing"], "KeyError: 'missing'"),
        (lambda: mg.ones(2).shape(), "TypeError: 'tuple' object is not callable"),
    ],
)
def test_a_fault_of_ours_is_not_told_as_a_mistake_of_the_user(fault, words, monkeypatch, capsys):
    monkeypatch.setattr("minigen.data.load", lambda *_, **__: fault())
    assert main(["train", "dcgan"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith("minigen: internal error at load.py in _whole_split(): ")
        and words in line
        and "--debug" in line
    )
    with pytest.raises((ValueError, KeyError, TypeError)):
        main(["train", "dcgan", "--debug"])


def test_a_value_error_that_numpy_raises_inside_minigen_is_a_fault(monkeypatch, capsys):
    monkeypatch.setattr("minigen.data.load", lambda *_, **__: mg.data.dataset.pad_to(np.ones((1, 1, 9, 9)), 3))
    assert main(["train", "dcgan"]) == 1
    assert "at dataset.py in pad_to(): ValueError: " in capsys.readouterr().err


@pytest.mark.parametrize("n", [10**13, 10**18, 10**30])
def test_too_much_memory_is_said_in_one_line(n, run, capsys):
    line = mistake(capsys, "sample", "dcgan-digits", "-n", str(n))
    assert line.startswith("not enough memory: ") and "fewer or smaller images" in line
    if n == 10**13:
        assert "TiB" in line  # the size that was asked for


def test_an_error_of_memory_without_a_text_is_said_in_words(monkeypatch, capsys):
    def load(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("minigen.data.load", load)
    assert mistake(capsys, "train", "dcgan").startswith("not enough memory: an array does not fit; ask for fewer")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux grants more memory than there is")
def test_a_model_beyond_the_free_memory_is_refused_and_not_killed(here):
    code = (
        "import sys; from minigen.cli import main, memory_limit; memory_limit._free = lambda: 80_000_000\n"
        "sys.exit(main('train vae --data digits --network mlp --width 400000'.split()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("minigen: not enough memory: ") and not list(here.iterdir())


CLOSED = """
import os, signal, sys
from minigen.cli import main
def close(*_):  # what the closing of a terminal leaves: SIGHUP, and streams that cannot be written
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    os.dup2(writer, 2)
if {interrupted}:
    from minigen.models import GAN
    def step(self, batch, real=GAN.training_step):
        close()
        signal.raise_signal(getattr(signal, "SIGHUP", signal.SIGTERM))
        return real(self, batch)
    GAN.training_step = step
else:
    close()
sys.exit(main({arguments}))
"""


@pytest.mark.parametrize(("interrupted", "code"), [(False, 0), (True, 130)])
def test_a_training_whose_output_is_gone_is_saved_and_ends_as_usual(interrupted, code, here):
    arguments = ["train", "gan", "--data", "digits", "--epochs", "1", "--run", "gone"]
    code_text = CLOSED.format(interrupted=interrupted, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code_text], timeout=120)
    assert done.returncode == code
    assert len(list((here / "runs" / "gone" / "checkpoints").iterdir())) == 2


def test_a_reader_that_leaves_gets_no_complaint(here):
    """As in ``minigen data | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "minigen", "data"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert done.stderr == "" and done.returncode in (0, 1)


def test_the_help_lists_the_values_of_an_option(capsys):
    with pytest.raises(SystemExit):
        main(["train", "vae", "--help"])
    assert "--likelihood {bernoulli,gaussian}" in capsys.readouterr().out


def test_a_missing_package_names_its_extra(monkeypatch, capsys):
    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'hypothesis'", name="hypothesis")

    monkeypatch.setattr("minigen.data.load", missing)
    assert 'python -m pip install "minigen-lab[test]"' in mistake(capsys, "train", "dcgan")


def test_a_file_where_the_run_should_be(here, capsys):
    (here / "taken").write_text("mine")
    assert "taken is a file" in mistake(capsys, "train", "dcgan", *TINY, "--run", "./taken")
    assert (here / "taken").read_text() == "mine"


def test_arguments_after_a_double_dash_are_not_ours(monkeypatch, capsys):
    given = []
    monkeypatch.setattr(
        "minigen.cli.lesson.open_lesson", lambda lesson, folder, options, language: given.append(options) or 0
    )
    assert main(["lesson", "1", "--", "--debug", "--no-browser"]) == 0
    assert (
        main(["lesson", "1", "--folder", "mine", "--", "--version"]) == main(["lesson", "--folder", "mine", "1"]) == 0
    )
    assert given == [["--debug", "--no-browser"], ["--version"], []]


def test_a_command_loads_only_its_own_module():
    code = (
        "import sys; from minigen.cli import main; main(['manifold', 'bench'])\n"
        "print([name for name in ('bench', 'train', 'check', 'manifold') if f'minigen.cli.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "['manifold']\n" and "no run at" in done.stderr


# ---- what it is all for


def shares(images, dataset):
    """Per cent of `images` that a 1-nearest-neighbour judge on `dataset` takes for each class."""
    known = dataset.images.reshape(len(dataset), -1)
    seen = images.reshape(len(images), -1)
    distances = (known**2).sum(1) - 2 * seen @ known.T  # up to what is the same for all neighbours
    return 100 * np.bincount(dataset.labels[distances.argmin(1)], minlength=10) / len(images)


def samples(run, n):
    return mg.train.load_trained(run).model.sample(n, np.random.default_rng(0))


def test_the_judge_reads_real_digits():
    train, test = (mg.data.load("mnist5k", split) for split in ("train", "test"))
    for digit in range(10):
        assert shares(test.images[test.labels == digit], train)[digit] > 80


def test_a_small_run_finds_most_digits(here):
    assert main(["train", "dcgan", "--data", "digits", "--width", "8", "--epochs", "12", "--batch-size", "32"]) == 0
    found = shares(samples(here / "runs" / "dcgan-digits", 500), mg.data.load("digits"))
    assert (found >= 3).sum() >= 7, found


@pytest.mark.slow
def test_the_main_command_finds_every_digit(here):
    assert main(["train", "dcgan"]) == 0
    found = shares(samples(here / "runs" / "dcgan-mnist5k", 1000), mg.data.load("mnist5k"))
    assert found.min() >= 3, found
