"""The page about sequences says what was measured; its script makes the numbers again."""

import json
import re
import runpy
from pathlib import Path

import pytest

from minigen.models import family

FOLDER = Path(__file__).parents[1] / "lessons" / "reference"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(FOLDER / "make_sequences.py"))


@pytest.fixture(scope="module")
def kept():
    return json.loads((FOLDER / "sequences.json").read_text(encoding="utf-8"))


def test_the_tables_hold_the_results_that_are_kept(script, kept):
    page = (FOLDER / "sequences.md").read_text(encoding="utf-8")
    assert script["with_tables"](page, kept) == page
    changed = {**kept, "notes/0": {**kept["notes/0"], "tune": 77.7}}
    assert "77.7" in script["with_tables"](page, changed)


def test_seeds_give_a_median_with_a_range_and_one_that_is_missing_shows(script, kept):
    numbers = {name: value for name, value in kept.items() if not name.startswith(("notes/0", "notes/1", "notes/2"))}
    numbers |= {f"notes/{seed}": {"tune": tune, "cents": 9.0} for seed, tune in enumerate((95.0, 1.0, 90.0))}
    (line,) = [line for line in script["trained_table"](numbers) if "frame by frame" in line]
    assert "| 95.0, 1.0, 90.0 | 90.0 (1.0 to 95.0) % |" in line
    del numbers["notes/2"]
    assert any("95.0, 1.0, not run |" in line for line in script["trained_table"](numbers))


def test_every_row_can_be_trained_and_every_picture_is_there(script):
    for task in script["TASKS"].values():
        name, _, rest = task.train.partition(" ")
        known = {each.name.replace("_", "-"): each for each in family(name).Options.specifications()}
        given = [option for option in re.findall(r"--(\S+)", rest) if option not in ("data", "steps")]
        assert set(given) <= set(known), given
    for picture in re.findall(r"\]\((\S+\.png)\)", (FOLDER / "sequences.md").read_text(encoding="utf-8")):
        assert (FOLDER / picture).is_file(), picture
