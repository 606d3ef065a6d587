"""``minigen compare``: options that differ, last and best values, evaluations, curves, the page, TensorBoard, mistakes."""

import json
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from minigen.cli import main
from minigen.plot import comparison_curves
from minigen.train import Run
from minigen.train.log import read_log
from minigen.visualize.comparison import differing_options, notes, numbers_table, read_runs
from minigen.visualize.comparison_page import comparison_picture

CONFIG = {
    "model": "dcgan", "data": "mnist5k", "size": None, "epochs": 2, "batch_size": 32, "seed": 0, "device": "cpu",
    "options": {"lr": 0.1, "loss": "minimax"},
}  # fmt: skip
GENERATOR = np.random.default_rng(0)
GAN = {"loss_d": GENERATOR.normal(size=400), "loss_g": GENERATOR.normal(size=400)}
VAE = {"loss": np.array([5.0, 3.0, 1.0, 4.0]), "kl": np.array([1.0, 2.0, 3.0, 4.0])}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(path, columns):
    rows = zip(*columns.values())
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")


def make_run(folder, name, numbers, options=(), measures=None, **config):
    run = Run.create(folder / "runs" / name, CONFIG | config | {"options": CONFIG["options"] | dict(options)})
    steps = range(1, len(next(iter(numbers.values()))) + 1)
    epochs = [1 + 2 * (step - 1) // len(steps) for step in steps]
    write_csv(run.log, {"step": steps, "epoch": epochs, "seconds": [0.5 * step for step in steps]} | numbers)
    if measures:
        count = len(next(iter(measures.values())))
        write_csv(run.measures, {"step": range(2, 2 + 2 * count, 2), "epoch": range(1, 1 + count)} | measures)
    for epoch in (0, 1, 2):
        Image.fromarray(np.full((6, 8), 40 * epoch, np.uint8)).save(run.samples(epoch))
    return run


def evaluation(run, step, value, judge="ab", seed=0):
    from minigen.metrics import MEASURES

    one = {"value": value, "low": value - 1, "high": value + 1}
    return {
        "schema": 1, "run": f"runs/{run}", "model": "dcgan", "seed_of_run": seed, "step": step, "n": 1000,
        "judges": {"sha256": judge * 8}, "reference": {"sha256": "cd"}, "measures": dict.fromkeys(MEASURES, one),
    }  # fmt: skip


def rows(table):
    return {row[0]: list(row[1:]) for row in table.rows}


def mistake(capsys, *arguments):
    """The one line that a mistake costs."""
    capsys.readouterr()
    assert main(["compare", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("minigen: "), lines
    return lines[0]


# ---- tables


def test_only_options_that_differ_are_shown(here):
    make_run(here, "a", GAN)
    make_run(here, "b", GAN, {"lr": 0.2, "extra": None}, seed=3, environment={"threads": 7}, class_names=["x"])
    table = differing_options(read_runs(["a", "b"]))
    assert table.columns == ["option", "a", "b"]
    assert rows(table) == {"seed": ["0", "3"], "lr": ["0.1", "0.2"], "extra": ["-", "none"]}


def test_last_and_best_are_running_means(here):
    slope = np.linspace(9, 1, 400)
    make_run(here, "a", {"loss": slope, "kl": -slope}, model="vae")
    make_run(here, "b", {"loss": slope[::-1], "kl": slope}, model="vae")
    found = rows(numbers_table(read_runs(["a", "b"])))
    first, last = slope[:9].mean(), slope[-9:].mean()  # a window of 9: 4 on either side for 400 rows
    assert found["loss, last"] == [f"{last:.3f}", f"{first:.3f}"]
    assert found["loss, best"] == [f"{last:.3f} (step 396)", f"{last:.3f} (step 5)"]
    assert "kl, best" not in found


def test_best_has_the_right_end(here):
    make_run(here, "a", VAE, model="vae", measures={"kid": [3.0, 1.0, 2.0], "coverage": [0.2, 0.5, 0.4]})
    make_run(here, "b", VAE, model="vae")
    found = rows(numbers_table(read_runs(["a", "b"])))
    assert found["loss, best"] == ["1.000 (step 3)"] * 2
    assert found["kid (epoch), best"] == ["1.000 (step 4)", "-"]
    assert found["coverage (epoch), best"] == ["0.500 (step 4)", "-"]
    assert found["coverage (epoch), last"] == ["0.400", "-"]


def test_losses_of_a_gan_have_no_best_value_and_that_is_said(here):
    make_run(here, "a", GAN)
    make_run(here, "b", GAN, {"loss": "hinge"})
    records = read_runs(["a", "b"])
    assert not [name for name in rows(numbers_table(records)) if "best" in name]
    said = " ".join(notes(records))
    assert "does not mean better images" in said and "(loss: minimax, hinge)" in said


def test_evaluations_are_those_of_the_run(here):
    a, b = make_run(here, "a", GAN), make_run(here, "b", GAN, seed=1)
    together = [evaluation("a", 400, 7.0), evaluation("b", 300, 8.0, seed=1)]
    (a.path / "evaluation.json").write_text(json.dumps({"schema": 1, "runs": together}))
    records = read_runs(["a", "b"])
    assert rows(numbers_table(records))["FID, evaluated (lower)"] == [
        "7.000 (6.000 to 8.000)",
        "8.000 (7.000 to 9.000)",
    ]
    assert "b was evaluated at step 300, and its log ends at step 400." in notes(records)
    (b.path / "evaluation.json").write_text(json.dumps(evaluation("b", 400, 9.0, seed=1)))
    assert rows(numbers_table(read_runs(["b", "a"])))["FID, evaluated (lower)"][0] == "9.000 (8.000 to 10.000)"
    (b.path / "evaluation.json").write_text(json.dumps(evaluation("b", 400, 9.0, judge="ef", seed=1)))
    records = read_runs(["a", "b"])
    assert not [name for name in rows(numbers_table(records)) if "evaluated" in name]
    assert any("different judges cannot be compared" in text for text in notes(records))


def test_evaluations_of_runs_of_equal_seeds_are_told_apart_by_their_names(here):
    a, _ = (make_run(here, name, GAN) for name in "ab")
    together = [evaluation("a", 300, 7.0), evaluation("b", 400, 8.0)]
    (a.path / "evaluation.json").write_text(json.dumps({"schema": 1, "runs": together}))
    records = read_runs(["a", "b"])
    assert [one.evaluation["measures"]["fid"]["value"] for one in records] == [7.0, 8.0]


def test_evaluations_of_runs_of_one_name_are_told_apart_by_their_folders(here):
    for folder, step, value in ((here, 300, 7.0), (here / "other", 400, 8.0)):
        run = make_run(folder, "a", GAN)
        (run.path / "evaluation.json").write_text(json.dumps(evaluation("a", step, value)))
    records = read_runs(["a", "other/runs/a"])
    assert [one.evaluation["measures"]["fid"]["value"] for one in records] == [7.0, 8.0]


@pytest.mark.parametrize("other", [{"seed_of_run": 5}, {"model": "gan"}, {"run": "runs/c"}])
def test_an_evaluation_of_what_had_this_folder_before_is_left_out(here, other):
    a, _ = (make_run(here, name, GAN) for name in "ab")
    (a.path / "evaluation.json").write_text(json.dumps(evaluation("a", 400, 7.0) | other))
    records = read_runs(["a", "b"])
    assert records[0].evaluation is None
    assert "No stored evaluation: a, b. Run minigen evaluate RUN first." in notes(records)


# ---- picture and page


def test_curves_are_over_images_where_batches_differ(here):
    make_run(here, "a", VAE, model="vae")
    make_run(here, "b", VAE, model="vae", batch_size=64)
    records = read_runs(["a", "b"])
    axes = comparison_picture(records).axes[0]
    assert axes.get_xlabel() == "images seen" and axes.get_title() == "loss"
    one, other = (line for line in axes.lines if len(line.get_xdata()))
    assert list(one.get_xdata()) == [32, 64, 96, 128] and list(other.get_xdata()) == [64, 128, 192, 256]
    assert list(one.get_ydata()) == list(VAE["loss"])
    assert any("over the images seen" in text for text in notes(records))


def test_a_run_keeps_its_look_and_no_two_runs_have_the_same(here):
    curves = {str(i): ([1, 2], [i, i]) for i in range(12)}
    picture = comparison_curves({"x": curves, "y": {"7": curves["7"]}}, {"z": {"7": (1.0, 0.5, 1.5)}})
    looks = [(line.get_color(), str(line.get_linestyle()), line._dash_pattern) for line in picture.axes[0].lines]
    assert len(set(map(str, looks[:12]))) == 12
    assert {picture.axes[1].lines[0].get_color(), picture.axes[2].lines[0].get_color()} == {looks[7][0]}
    with pytest.raises(ValueError, match="at least one number"):
        comparison_curves({})


def test_the_command_writes_a_page_that_needs_nothing(here, capsys):
    make_run(here, "a<b>", VAE, model="vae")
    make_run(here, "c", VAE, {"lr": 0.5}, model="vae")
    assert main(["compare", "a<b>", "c", "--out", "both.html"]) == 0
    said = capsys.readouterr().out
    assert "loss, best  1.000 (step 3)  1.000 (step 3)" in said and "page: both.html; picture: both.png" in said
    page = (here / "both.html").read_text()
    assert page.startswith("<!doctype html>") and "a&lt;b&gt;" in page and "<b>" not in page and "http" not in page
    assert page.count("data:image/png;base64,") == 3 and "c, after epoch 2" in page
    assert "<td>0.5</td>" in page and "1.000 (step 3)" in page
    with Image.open(here / "both.png") as picture:
        assert picture.size[0] > 300


def test_no_option_differs(here):
    make_run(here, "a", VAE)
    make_run(here, "b", VAE)
    assert not differing_options(read_runs(["a", "b"])).rows


def test_runs_of_one_name_are_told_apart(here):
    make_run(here, "a", VAE)
    make_run(here / "other", "a", VAE)
    assert [one.label for one in read_runs(["a", "other/runs/a"])] == ["runs/a", "other/runs/a"]


# ---- mistakes


def test_mistakes(here, capsys):
    a = make_run(here, "a", GAN)
    make_run(here, "v", VAE, model="vae")
    assert "expected at least two runs, got 1" in mistake(capsys, "a")
    assert "expected different runs, got runs/a twice" in mistake(capsys, "a", "runs/a")
    assert "no run at runs/nowhere" in mistake(capsys, "a", "nowhere")
    line = mistake(capsys, "a", "v")
    assert "different families" in line and "a is a dcgan (loss_d, loss_g), v a vae (loss, kl)" in line
    assert "suffix .html, got 'x.png'" in mistake(capsys, "a", "v", "--out", "x.png")
    assert "there is no folder none" in mistake(capsys, "a", "v", "--out", "none/x.html")
    (a.path / "evaluation.json").write_text('{"schema": 1}')
    assert "evaluation.json is damaged" in mistake(capsys, "v", "a")
    assert not list(here.glob("*.html")) + list(here.glob("*.png"))


@pytest.mark.parametrize(
    "content, words",
    [
        (b"\x89PNG\xff\xff\n", "not UTF-8"),
        (b"loss,step\n1,1\n", "expected 'step'"),
        (b"step,loss\n1,high\n", "expected a number"),
        (b"step,loss\n1,2\n3\n", "1 cells, expected 2"),
        (b"step,loss\n", "at least one row"),
        (b"", "at least one row"),
    ],
)
def test_an_unreadable_log(here, capsys, content, words):
    make_run(here, "a", VAE)
    b = make_run(here, "b", VAE)
    b.log.write_bytes(content)
    line = mistake(capsys, "a", "b")
    assert words in line and "log.csv" in line


def test_a_run_without_a_log(here, capsys):
    make_run(here, "a", VAE)
    make_run(here, "b", VAE).log.unlink()
    assert "runs/b has no log yet" in mistake(capsys, "a", "b")
    make_run(here, "c", VAE, compressed={"from": "a", "what": "int8", "step": 4}).log.unlink()
    assert "runs/c is compressed: it has no log" in mistake(capsys, "a", "c")


def test_the_last_line_of_a_running_training_is_left_out(here):
    (here / "log.csv").write_text("step,loss\n1,2.5\n2,3")
    assert {name: list(values) for name, values in read_log(here / "log.csv").items()} == {"step": [1], "loss": [2.5]}


# ---- TensorBoard


def events(folder):
    """The events of a folder, from the records as they are on the disk."""
    event_class = pytest.importorskip("tensorboardX.proto.event_pb2").Event
    (path,) = folder.glob("events.out.tfevents.*")
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(event_class.FromString(data[12 : 12 + length]))
        data = data[12 + length + 4 :]
    return found


def test_tensorboard_gets_every_number(here, capsys, monkeypatch):
    if "tensorboardX" not in sys.modules:
        monkeypatch.setitem(sys.modules, "torch", None)  # it imports PyTorch, slowly, if it can, and does not need it
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    make_run(here, "a", VAE, model="vae", measures={"kid": [3.0, 1.0]})
    make_run(here, "b", VAE, model="vae")
    assert main(["compare", "a", "b", "--tensorboard", "tb"]) == 0
    assert "tensorboard --logdir tb" in capsys.readouterr().out
    found = [
        (event.step, value, event.wall_time) for event in events(here / "tb" / "a") for value in event.summary.value
    ]
    numbers = {(value.tag, step): value.simple_value for step, value, _ in found if value.HasField("simple_value")}
    expected = {(f"train/{name}", i + 1): x for name, values in VAE.items() for i, x in enumerate(values)}
    assert numbers == expected | {("epoch/kid", 2): 3.0, ("epoch/kid", 4): 1.0}
    times = [time for step, value, time in found if value.tag == "train/kl"]
    assert np.allclose(np.diff(times), 0.5)
    pictures = {step: value.image for step, value, _ in found if value.tag == "samples"}
    assert {step: (one.width, one.height) for step, one in pictures.items()} == {0: (8, 6), 2: (8, 6), 4: (8, 6)}
    assert "holds events already" in mistake(capsys, "a", "b", "--tensorboard", "tb")


def test_tensorboard_without_its_package(here, capsys, monkeypatch):
    from importlib.util import find_spec

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorboardX" else find_spec(name))
    make_run(here, "a", VAE)
    make_run(here, "b", VAE)
    line = mistake(capsys, "a", "b", "--tensorboard", "tb")
    assert "the extra 'tensorboard' brings it" in line and not (here / "tb").exists()
