"""The pages about checking: their code runs, and their table is the table."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigen.check.optimizers import VARIANTS
from minigen.cli import main

PAGES = Path(__file__).parents[1] / "lessons" / "reference"


@pytest.mark.parametrize("name", ["check_your_own_conv2d", "optimizer_variants"])
def test_the_code_of_the_page_runs(name, capsys):
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    exec("\n".join(blocks), {"__name__": "page"})
    if name == "check_your_own_conv2d":
        assert "WRONG        conv2d: vjp for weight" in capsys.readouterr().out


def test_every_variant_stands_on_the_page_with_its_options():
    text = (PAGES / "optimizer_variants.md").read_text(encoding="utf-8")
    for name, v in VARIANTS.items():
        options = ", ".join(f"{k}={x!r}" for k, x in v.options.items())
        assert f"| `{name}` | {options} | {v.source} | {v.used_by} |" in text


def run(*words):
    return main(["check", *words])


def test_checking_minigen_from_the_command_line(capsys):
    assert run("tanh", "linear", "--examples", "3") == 0
    said = ["tanh    right", "linear  right", "2 operations: 2 right"]
    assert capsys.readouterr().out.splitlines() == said
    assert run("tanh", "linear", "--examples", "3", "--dtype", "float32") == 0
    assert capsys.readouterr().out.splitlines() == said
    assert run("tanh", "--dtype", "int8") == 2
    assert "expected one of float64, float32, float16, bfloat16" in capsys.readouterr().err


def test_exporting_and_checking_a_table(tmp_path, capsys):
    assert run("--export", str(tmp_path), "tanh", "exp") == 0
    table = "minigen.check.adapters.student:table"
    common = ["--against", table, "--vectors", str(tmp_path), "--output", str(tmp_path / "report")]
    assert run("tanh", *common, "--report", "json") == 0
    rows = json.loads((tmp_path / "report").read_text())
    assert {(row["op"], row["status"]) for row in rows} == {("tanh", "pass")}
    assert run("softmax", "tanh", *common, "--report", "html") == 0
    page = (tmp_path / "report").read_text()
    assert page.startswith("<!doctype html>") and "2 operations: 1 unsupported, 3 pass" in page
    assert page.index("not in the table") < page.index("pass</td>")  # the worst first


def test_a_wrong_table_gives_exit_status_1_and_a_mistake_2(tmp_path, monkeypatch, capsys):
    source = "import numpy as np\ntable = {'tanh': (np.tanh, lambda g, x: g * (1 - np.tanh(x)))}\nrows = 3\n"
    (tmp_path / "wrong_table_of_a_test.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run("tanh", "--against", "wrong_table_of_a_test:table") == 1
    assert "tanh  fail 3" in capsys.readouterr().out
    for words, message in [
        (["--against", "nothing"], "expected MODULE:TABLE, got 'nothing'"),
        (["--against", "no_such_module_here:table"], "No module named"),
        (["--against", "wrong_table_of_a_test:rows"], "has no dictionary 'rows'"),
        (["conv9d"], "unknown operations conv9d"),
    ]:
        assert run(*words) == 2
        assert message in capsys.readouterr().err


MODULES = (
    "differences", "problem", "compare", "confirm", "polynomial_fit", "quantization", "preconditions", "sensitivity",
    "check_function", "covering", "low_precision", "precision", "diagnosis", "own_functions",
)  # fmt: skip


def test_every_constant_of_the_checker_is_on_its_page_with_its_value():
    rows = re.findall(
        r"^\| `(\w+)\.(\w+)` \| (.+?) \| (\w+) \|", (PAGES / "check_constants.md").read_text("utf-8"), re.M
    )
    told = {(module, name): value for module, name, value, _ in rows}
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"minigen.check.{name}")
        for key in re.findall(r"^([A-Z, ]+) = ", Path(module.__file__).read_text("utf-8"), re.M):
            for constant in key.split(", "):
                value = getattr(module, constant)
                numbers = value if isinstance(value, tuple) else (value,)
                if constant != "U" and all(isinstance(v, int | float) for v in numbers):
                    found[name, constant] = str(value)
    assert {k: float(v) if v[0] != "(" else v for k, v in told.items()} == {
        k: float(v) if v[0] != "(" else v for k, v in found.items()
    }
    assert {kind for *_, kind in rows} == {"follows", "chosen"}


def masked(text):
    """Without digits, and without the numbers' signs and exponents."""
    return re.sub(r"-?\d+(\.\d*)?(e[-+]?\d+)?|\binf\b", "#", text).split("\n")


SECTIONS = re.split(r"^## ", (PAGES / "from_kernel_to_verdict.md").read_text("utf-8"), flags=re.M)[1:]


@pytest.mark.parametrize(
    "section",
    [pytest.param(s, marks=[] if s.startswith(("A C", "What")) else pytest.mark.slow) for s in SECTIONS],
    ids=[s.split("\n")[0] for s in SECTIONS],
)
def test_every_report_on_the_way_from_a_kernel_to_a_verdict(section, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```(python|c|text)\n(.*?)```", section, re.S)
    if any(kind == "c" for kind, _ in blocks):
        compiler = shutil.which("cc")
        if compiler is None or sys.platform == "win32":
            pytest.skip("no C compiler")
        (tmp_path / "silu.c").write_text(next(code for kind, code in blocks if kind == "c"))
        words = [compiler, "-O2", "-shared", "-fPIC", "silu.c", "-o", "silu.so", "-lm"]
        assert " ".join(["cc", *words[1:]]) in section
        subprocess.run(words, cwd=tmp_path, check=True)
    if "import torch" in section:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    exec("import numpy as np\nfrom minigen.check import check", names)
    for kind, code in blocks:
        if kind == "python":
            exec(code, names)
        elif kind == "text":
            printed = [line for line in masked(capsys.readouterr().out) if line]
            for line in [line for line in masked(code) if line]:
                assert line in printed, (line, printed)
    assert section.count("```python") == 0 or "```text" in section
