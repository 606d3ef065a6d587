"""The pages about checking: their code runs, and their table is the table."""

import json
import re
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
    assert capsys.readouterr().out.splitlines() == ["tanh    right", "linear  right", "2 operations: 2 right"]


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
