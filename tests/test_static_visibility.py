"""What type checkers, and so editors, see of minigen after the README's editable install and after a wheel."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.typing
pytest.importorskip("mypy", reason="needs the extra 'typing'")
pytest.importorskip("pyright", reason="needs the extra 'typing'")

ROOT = Path(__file__).parents[1]
PROGRAM = """
import minigen as mg
import minigen.kernels.cpu
from minigen.kernels import find
from minigen.kernels.reference.conv import conv2d

x = mg.ones(2)
reveal_type(x)
reveal_type(x.sum(dim=0))
reveal_type(mg.data.load("digits"))
reveal_type(mg.nn.Linear(1, 2).forward(x))
reveal_type(mg.functional.relu(x))
reveal_type(find)
reveal_type(conv2d)
x.sum(dmi=1)
"""
REVEALED = ["Tensor", "Tensor", "Dataset", "Tensor", "Tensor"]


def run(*command, cwd, check=True, env=None):
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["editable", "wheel"])
def user(request, tmp_path_factory):
    """Install minigen into an environment of its own; give a folder elsewhere and that environment's Python."""
    folder = tmp_path_factory.mktemp(request.param)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # NumPy and the rest are those of this environment: on the path behind minigen, which is not
    (Path(packages) / "others.pth").write_text("\n".join(p for p in sys.path if "site-packages" in p) + "\n")
    what = ["-e", ROOT] if request.param == "editable" else [ROOT]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--ignore-installed", *what, cwd=folder)
    (folder / "program.py").write_text(PROGRAM)
    return folder, python


def test_only_minigen_can_be_imported(user):
    folder, python = user
    names = ["minigen", "minigen.kernels", "kernels", "tests", "lessons"]
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert run(python, "-c", code, cwd=folder).strip() == "['minigen', 'minigen.kernels']"


def test_mypy_sees_the_types(user):
    folder, python = user
    command = ["-m", "mypy", "--python-executable", python, "--cache-dir", folder / "cache", "program.py"]
    lines = run(sys.executable, *command, cwd=folder, check=False).splitlines()
    revealed = [line.split('"')[1].rpartition(".")[2] for line in lines if "Revealed type is" in line]
    assert revealed[: len(REVEALED)] == REVEALED, lines
    errors = [line for line in lines if "error:" in line]
    assert len(errors) == 1 and "dmi" in errors[0], lines


def test_pyright_the_engine_of_vs_code_sees_the_types(user):
    folder, python = user
    report = json.loads(
        run(
            sys.executable,
            "-m",
            "pyright",
            "--pythonpath",
            python,
            "--outputjson",
            "program.py",
            cwd=folder,
            check=False,
        )
    )
    found = report["generalDiagnostics"]
    revealed = [d["message"].split('"')[-2] for d in found if d["severity"] == "information"]
    assert revealed[: len(REVEALED)] == REVEALED, found
    assert not any("Unknown" in text for text in revealed), revealed
    errors = [d["message"] for d in found if d["severity"] == "error"]
    assert len(errors) == 1 and "dmi" in errors[0], errors


@pytest.mark.parametrize("user", ["wheel"], indirect=True)
def test_the_public_types_are_complete(user):
    folder, python = user
    command = [sys.executable, "-m", "pyright", "--verifytypes", "minigen", "--ignoreexternal", "--outputjson"]
    env = {**os.environ, "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]])}  # where it looks for Python
    report = json.loads(run(*command, cwd=folder, check=False, env=env))["typeCompleteness"]
    unknown = [s["name"] for s in report["symbols"] if s["isExported"] and not s["isTypeKnown"]]
    assert report["completenessScore"] >= 0.95, unknown


@pytest.mark.parametrize("user", ["wheel"], indirect=True)
def test_mypy_accepts_every_module(user):
    folder, python = user
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    command = ["-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", folder / "cache", "-p", "minigen"]
    found = run(sys.executable, *command, cwd=packages, check=False)
    assert found.startswith("Success"), found
