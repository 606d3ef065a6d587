"""The folder of a run: its lock, its config and log after damage, and signals at random moments."""

import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen.cli import main
from minigen.train import Run, RunError, fit
from minigen.train.config import SCHEMA
from minigen.train.log import CsvLog

pytestmark = pytest.mark.usefixtures("plain_kernels")

HOLDER = """
import sys, time
from pathlib import Path
from minigen.train import Run
with Run(Path(sys.argv[1])).lock:
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {})


@pytest.fixture
def holder(run):
    """Another process that has the lock of the run."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(run.path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.stdout.close()
    process.wait()


# ---- the lock


def test_two_processes_cannot_write_to_one_run_and_a_killed_one_is_followed(run, holder, capsys):
    half = run.path / "checkpoints" / ".unfinished-1-step"
    half.write_bytes(b"of the other process")
    picture = run.path / ".unfinished-2-sample.png"  # of a third one, which needs no lock
    picture.write_bytes(b"half")
    busy = rf"the run .*run is in use by process {holder.pid} on .*: wait until it ends, stop it, or give another --run"
    for write in (
        lambda: run.save(1, {}),
        lambda: run.update_config(seed=1),
        lambda: Run.create(run.path, {}, overwrite=True),
        lambda: fit(mg.models.DCGAN(8, 1, width=2), mg.data.Loader(mg.data.load("digits"), 256), run, 1),
    ):
        with pytest.raises(RunError, match=busy):
            write()
    assert half.exists() and not run.checkpoints() and Run(run.path).config == {}
    holder.kill()
    holder.wait()
    run.save(1, {})
    assert f"took over the run {run.path} from process {holder.pid}" in capsys.readouterr().err
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["step-00000001.safetensors"]
    assert picture.exists() and not (run.path / ".lock").exists()


def test_a_lock_nests_in_one_run_and_excludes_others_of_the_same_process(run):
    with run.lock, run.lock:
        run.save(1, {})
        with pytest.raises(RunError, match=f"process {os.getpid()} on"), Run(run.path).lock:
            pass
    with Run(run.path).lock:
        pass


def test_reading_a_run_writes_nothing(run):
    shutil.rmtree(run.path / "samples")
    shutil.rmtree(run.path / "checkpoints")
    before = run.path.stat().st_mtime_ns
    read = Run(run.path)
    assert read.checkpoints() == [] and [path.name for path in run.path.iterdir()] == ["config.json"]
    assert run.path.stat().st_mtime_ns == before


def test_the_stored_grids_of_samples_are_found_in_order_and_nothing_else(run):
    shutil.rmtree(run.path / "samples")
    assert run.sampled_epochs() == []
    (run.path / "samples").mkdir()
    for name in ("epoch-0010.png", "epoch-0002.png", "epoch-last.png", "epoch-0003.txt", "real.png"):
        (run.path / "samples" / name).touch()
    assert run.sampled_epochs() == [2, 10]


def test_a_file_in_place_of_a_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file is a file, not the folder of a run"):
        Run.create(tmp_path / "file", {})


# ---- a damaged config


@pytest.fixture(scope="module")
def trained(plain_kernels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("minigen.plot.training_curves", lambda *_, **__: None)
        tiny = ["--data", "digits", "--batch-size", "256", "--width", "2", "--steps", "2"]
        assert main(["train", "cgan", *tiny, "--run", "./whole"]) == 0
    return folder / "whole"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.sampled_from(["", "cpu", "cuda:7", "digits", "\0"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["size", "lr"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def attempt(run, config):
    """Exit code and last error lines of the two commands that open a run, with this config."""
    (run / "config.json").write_text(json.dumps(config))
    for command in (["sample", str(run), "-n", "1"], ["train", "cgan", "--run", str(run), "--resume"]):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code = main(command)
        yield code, [line for line in said.getvalue().splitlines() if not line.startswith("epoch")]


@settings(max_examples=25)
@given(data=st.data())
def test_a_config_with_a_damaged_field_costs_one_line_that_names_it(trained, tmp_path_factory, data):
    run = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(trained, run)
    config = json.loads((run / "config.json").read_text())
    name = data.draw(st.sampled_from(sorted(SCHEMA)))
    if data.draw(st.booleans(), "remove") and SCHEMA[name].required:
        del config[name]
    else:
        config[name] = data.draw(JSON)
        assume(not SCHEMA[name].accepts(config[name]))
    for code, lines in attempt(run, config):
        (line,) = lines
        assert code == 2 and line.startswith("minigen: ")
        if name != "model" or name in config:
            assert "config.json" in line and repr(name) in line
        else:
            assert "was not made by minigen train" in line


@settings(max_examples=25)
@given(data=st.data())
def test_an_edited_config_is_refused_in_one_line_or_said_on_resuming(trained, tmp_path_factory, data):
    run = tmp_path_factory.mktemp("edited") / "run"
    shutil.copytree(trained, run)
    config = json.loads((run / "config.json").read_text())
    name = data.draw(st.sampled_from(["seed", "batch_size", "size", "data", "model", *config["options"]]))
    place = config["options"] if name in config["options"] else config
    was = place[name]
    place[name] = data.draw(st.sampled_from([True, 0, 1, 3, 0.25, "x", "mnist5k", "vae", None]))
    assume(place[name] != was)
    (_, read), (code, lines) = attempt(run, config)
    assert len(read) <= 1
    assert code in (0, 2) and len(lines) == 1, lines
    assert ("not bit for bit: made with" in lines[0] and name in lines[0]) if code == 0 else "minigen: " in lines[0]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"\xff\xfe{\0}\0", b"[" * 100_000])
def test_a_config_that_is_no_object_costs_one_line(text, tmp_path, capsys):
    (tmp_path / "config.json").write_bytes(text)
    assert main(["sample", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "config.json is damaged" in line


# ---- a damaged log

ROWS = [["step", "epoch", "loss"], ["1", "1", "0.625"], ["2", "1", "-1e-13"], ["3", "2", "nan"], ["4", "2", "78125"]]


def as_text(rows, **options):
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n"} | options).writerows(rows)
    return text.getvalue()


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_log_is_kept_exactly_or_costs_one_line_that_names_file_and_place(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    keep = data.draw(st.integers(1, 4))
    kind = data.draw(st.sampled_from(["cut", "blank", "written otherwise", "cell", "row", "encoding"]))
    rows = [list(row) for row in ROWS]
    content = as_text(rows).encode()
    if kind == "cut":
        content = content[: data.draw(st.integers(0, len(content)))]
    elif kind == "blank":
        lines = as_text(rows).splitlines(keepends=True)
        lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(["\n", "\r\n", "\n\n"])))
        content = "".join(lines).encode()
    elif kind == "written otherwise":
        content = as_text(
            rows, quoting=data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])),
            lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])),
        ).encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig"])))  # fmt: skip
    elif kind == "cell":
        row = data.draw(st.integers(0, keep))
        rows[row][0 if row == 0 else data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(["", "x", "0x1", '"', "١"])
        )
        content = as_text(rows).encode()
    elif kind == "row":
        change = data.draw(st.sampled_from(["lost", "twice", "short"]))
        at = data.draw(st.integers(2, max(2, keep)))
        rows[at : at + 1] = {"lost": [], "twice": [rows[at]] * 2, "short": [rows[at][:2]]}[change]
        content = as_text(rows).encode()
    else:
        content = as_text([*rows[:1], ["1", "1", "½"], *rows[2:]]).encode(
            data.draw(st.sampled_from(["utf-16", "latin-1"]))
        )
    path.write_bytes(content)
    try:
        with CsvLog(path, keep):
            pass
    except RunError as error:
        assert kind not in ("blank", "written otherwise")
        assert str(path) in str(error) and "line " in str(error) and "\n" not in str(error)
        assert path.read_bytes() == content
    else:
        assert path.read_text() in ("", as_text(ROWS[: keep + 1]))
        assert kind not in ("cell", "encoding")
        assert path.read_text() or kind in ("cut", "row")


def test_columns_that_change_between_steps_are_refused(tmp_path):
    with CsvLog(tmp_path / "log.csv") as log:
        log.write({"step": 1, "loss": 1.0})
        with pytest.raises(RunError, match="names the columns step, loss, but this step gave step, kl"):
            log.write({"step": 2, "kl": 1.0})
