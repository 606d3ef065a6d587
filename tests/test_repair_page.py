"""The page about repairs says what was measured; its script makes the numbers again."""

import json
import re
import runpy
from pathlib import Path

import pytest

from minigen.models import build

FOLDER = Path(__file__).parents[1] / "lessons" / "reference"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(FOLDER / "make_repair.py"))


def test_the_tables_hold_the_results_that_are_kept(script):
    page = (FOLDER / "repair.md").read_text(encoding="utf-8")
    results = json.loads((FOLDER / "repair.json").read_text())
    assert script["with_tables"](page, results) == page
    changed = {
        **results,
        "noise/0": {**results["noise/0"], "mean, dB": {**results["noise/0"]["mean, dB"], "ours": 9.9}},
    }
    assert "9.9" in script["with_tables"](page, changed)


def test_several_seeds_give_a_median_with_a_range_and_a_loss_shows(script):
    def of(ours):
        numbers = {"input": 20.0, "ours": ours, "Wiener": 26.0}
        return {"mean, dB": numbers, "coffee": numbers}

    results = {f"blur/{seed}": of(ours) for seed, ours in enumerate((25.0, 27.0, 25.5))}
    (line,) = script["main_table"](results)[2:]
    assert "| 3 | 20.00 | **25.50** (25.00 to 27.00) dB | Wiener 26.00 |" in line
    (line,) = script["photographs_table"](results)[2:]
    assert line.endswith("| coffee | 20.00 | 25.50 | Wiener 26.00 | -0.50 |")


def test_every_row_can_be_trained_and_every_picture_of_the_page_is_there(script):
    page = (FOLDER / "repair.md").read_text(encoding="utf-8")
    for row in script["ROWS"]:
        options = dict(re.findall(r"--(damage|strength|loss|adversarial) (\S+)", row.train))
        known = {each.name: each for each in type(build("repair")).Options.specifications()}
        assert build("repair", **{name: known[name].parse(value) for name, value in options.items()})
    for picture in re.findall(r"\]\((\S+\.png)\)", page):
        assert (FOLDER / picture).is_file(), picture
