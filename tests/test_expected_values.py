"""The page of expected values says what was measured; making the numbers takes hours, see its script."""

import json
import re
import runpy
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "lessons" / "reference"


def test_the_tables_hold_the_results_that_are_kept():
    script = runpy.run_path(str(FOLDER / "make_expected_values.py"))
    page = (FOLDER / "expected_values.md").read_text(encoding="utf-8")
    results = json.loads((FOLDER / "expected_values.json").read_text())
    assert script["with_tables"](page, results) == page
    changed = {**results, "vae/0/default": 99.9}
    assert script["with_tables"](page, changed) != page


def test_a_number_that_misses_its_bound_is_marked():
    script = runpy.run_path(str(FOLDER / "make_expected_values.py"))
    lines = script["seeds_table"]({"vae-2/0/default": 150.7, "vae/0/default": 106.3})
    assert any("at most 150 (missed)" in line for line in lines)
    assert any(re.search(r"at most 110 \|", line) for line in lines)


def test_the_best_settings_say_which_seeds_missed_the_aim():
    script = runpy.run_path(str(FOLDER / "make_expected_values.py"))
    results = {"vae-best/0/default": 102.9, "vae-best/1/default": 104.5, "vae-best/0/AVX2 kernels": 103.0}
    (line,) = script["best_table"](results)[2:]
    assert "| 104 | 103.7 (102.9 to 104.5; 2 seeds), **missed** by 1 | 103.0 (103.0 to 103.0; 1 seed) |" in line
