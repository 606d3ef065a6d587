"""The page about compression says what was measured; its script makes the numbers again."""

import json
import runpy
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[1] / "lessons" / "reference"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(REFERENCE / "make_compression.py"))


def test_the_tables_of_the_page_hold_the_results_that_are_kept(script):
    page = (REFERENCE / "compression.md").read_text(encoding="utf-8")
    results = json.loads((REFERENCE / "compression.json").read_text())
    assert script["with_tables"](page, results) == page
    rows = results["classifier/0"]
    changed = {**results, "classifier/0": {**rows, "int8": {**rows["int8"], "quality": 12.3}}}
    assert "12.3" in script["with_tables"](page, changed)


def test_a_row_is_the_median_of_the_seeds_with_its_range(script):
    def row(quality):
        return {"float32": {"weights": 10, "zeros": 2, "bytes": 1000, "zip": 900, "quality": quality}}

    results = {f"generator/{seed}": row(quality) for seed, quality in enumerate((3.0, 1.0, 2.5))}
    lines = script["table"]("generator", "FID", 2, results)
    assert lines[2:] == ["| as trained, float32 | 3 | 8 | 1,000 | 900 | **2.50** (1.00 to 3.00) |"]
