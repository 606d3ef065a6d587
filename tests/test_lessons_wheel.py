"""The second distribution, `minigen-lessons`: its wheel is made, and a learner without a checkout works with it."""

import email
import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import venv
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

import minigen as mg

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "lessons").glob("[0-9]*.ipynb"))

WALK = r"""
import contextlib, importlib, io, json, runpy, sys
from pathlib import Path
from minigen import lessons
from minigen.cli import main

def ask(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return [code, out.getvalue(), err.getvalue()]

said = {" ".join(words): ask(*words) for words in (
    ["lesson"], ["lesson", "--list", "--lang", "zh"], ["lesson", "3", "--copy"], ["lesson", "3", "--solutions"],
    ["lesson", "16", "--copy"], ["lesson", "1", "--copy", "--lang", "zh"], ["lesson", "3", "--build"],
    ["course", "list"], ["info"],
)}
answers = runpy.run_path("lessons-work/03_convolution_solutions.py")
exercises = importlib.import_module("minigen.course.convolution")
verdicts = {name: getattr(exercises, name)(answers[name]).state for name in exercises.__all__}
wrong = getattr(exercises, exercises.__all__[0])(lambda *a: 1.5).state
print(json.dumps({"said": said, "verdicts": verdicts, "wrong": wrong, "folder": str(lessons.FOLDER)}))
"""


RUN_ALL = """
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read("lessons-work/03_convolution.ipynb", 4)
NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": "lessons-work"}}).execute()
print(sum(cell.cell_type == "code" for cell in notebook.cells))
"""
"""Runs a learner's copy of lesson 3; the client raises where a cell does."""


def make(root, target):
    return runpy.run_path(str(ROOT / ".build" / "lessons_wheel.py"))["make"](root, target)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return make(ROOT, tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_the_lessons_and_nothing_else(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for path in [*NOTEBOOKS, *(ROOT / "lessons").glob("*/*.png"), *(ROOT / "lessons").glob("assignments/*/*.py")]:
            inside = f"minigen_lessons/{path.relative_to(ROOT / 'lessons').as_posix()}"
            assert archive.read(inside) == path.read_bytes()
        stem = f"minigen_lessons-{mg.__version__}"
        record = dict(line.split(",")[:2] for line in archive.read(f"{stem}.dist-info/RECORD").decode().split())
        for name in names:
            digest = urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest()).decode().rstrip("=")
            assert record[name] == ("" if name.endswith("RECORD") else f"sha256={digest}")
        about = email.message_from_bytes(archive.read(f"{stem}.dist-info/METADATA"))
    assert wheel.name == f"{stem}-py3-none-any.whl" and set(record) == set(names)
    assert about["Requires-Dist"] == f"minigen-lab[lessons]=={mg.__version__}" and about["Version"] == mg.__version__
    assert not [name for name in names if re.search(r"/\.|__pycache__|lessons-work|ruff", name)]
    assert wheel.stat().st_size < 12e6
    assert make(ROOT, tmp_path).read_bytes() == wheel.read_bytes()  # the same bytes for the same files


def check_the_walk(done, empty):
    """What a learner and an instructor must find, from an empty folder."""
    found = json.loads(done.splitlines()[-1])
    said = found["said"]
    assert Path(found["folder"]).name == "minigen_lessons"
    failed = {words: one for words, one in said.items() if one[0] != (2 if "--build" in words else 0)}
    assert failed == {}
    assert all(one[2] == "" for words, one in said.items() if "--build" not in words)
    assert len(re.findall(r"^ +\d+  \S", said["lesson"][1], re.M)) == len(NOTEBOOKS)
    assert "GAN" in said["lesson --list --lang zh"][1]
    assert "edited and built in a checkout" in said["lesson 3 --build"][2]
    assert len(re.findall(r"^A\d_\w+ +\d+ points", said["course list"][1], re.M)) == 6
    assert Path(re.search(r"instructors: (.*)", said["course list"][1])[1]).is_file()
    assert re.search(r"^lessons +\S.*minigen_lessons$", said["info"][1], re.M)
    work = empty / "lessons-work"
    assert (work / "03_convolution.ipynb").read_bytes() == (ROOT / "lessons" / "03_convolution.ipynb").read_bytes()
    assert re.search("[\u4e00-\u9fff]", (work / "01_autograd.zh.ipynb").read_text(encoding="utf-8"))  # Chinese
    shown = re.findall(r"\]\((pictures/[\w.-]+)\)", (work / "16_repair.ipynb").read_text(encoding="utf-8"))
    assert shown and all((work / name).read_bytes() == (ROOT / "lessons" / name).read_bytes() for name in shown)
    assert set(found["verdicts"].values()) == {"right"} and len(found["verdicts"]) >= 3 and found["wrong"] == "wrong"


def test_a_learner_without_a_checkout(wheel, tmp_path):
    """The package and the unpacked wheel in a folder as site-packages is; from an empty folder."""
    packages, empty = tmp_path / "site-packages", tmp_path / "empty"
    empty.mkdir()
    left_out = shutil.ignore_patterns("__pycache__", "pretrained")
    shutil.copytree(ROOT / "minigen", packages / "minigen", ignore=left_out)
    if not (packages / "minigen" / "kernels").is_dir():
        shutil.copytree(ROOT / "kernels", packages / "minigen" / "kernels", ignore=left_out)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    environment = {**os.environ, "PYTHONPATH": str(packages), "MINIGEN_KERNELS": "reference"}
    command = [sys.executable, "-c", WALK]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    check_the_walk(done.stdout, empty)


def test_lessons_of_another_version_are_said_in_one_line(monkeypatch, capsys):
    versions = {"minigen-lessons": "0.0.9", "minigen-lab": "0.1.0"}
    monkeypatch.setattr("minigen.lessons.installed_version", versions.get)
    assert mg.lessons.other_version() == ""  # a checkout's own
    monkeypatch.setattr("minigen.lessons.FOLDER", Path("minigen_lessons"))
    assert mg.lessons.other_version() == (
        "the lessons are of minigen 0.0.9, this is minigen 0.1.0: python -m pip install minigen-lessons==0.1.0"
    )
    versions["minigen-lessons"] = "0.1.0"
    assert mg.lessons.other_version() == ""


@pytest.mark.slow
def test_both_wheels_in_a_fresh_environment(wheel, tmp_path):
    """As a learner installs them, with JupyterLab; lesson 3 runs, and an assignment is built.  Needs a package index."""
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True)
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python, empty = binaries / "python", tmp_path / "empty"
    empty.mkdir()
    wheels = [wheel, *tmp_path.glob("minigen_lab*.whl")]
    subprocess.run([python, "-m", "pip", "install", "-q", *wheels, "mlxtend", "matplotlib"], check=True)

    def ask(*command):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    check_the_walk(ask(python, "-c", WALK), empty)
    assert int(ask(python, "-c", RUN_ALL).split()[-1]) > 20  # cells of code
    ask(binaries / "minigen", "course", "build", "A1", "--out", "course")
    assert (empty / "course" / "student" / "A1_autograd" / "autograd_a1.py").is_file()
    outside = ask(python, "-c", "import minigen; print(minigen.__file__)").strip()
    assert Path(outside).is_relative_to(tmp_path / "venv")
