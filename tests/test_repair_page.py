"""The pages about repairs and translations say what was measured; their scripts make the numbers again."""

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


@pytest.fixture(scope="module")
def translations():
    return runpy.run_path(str(FOLDER / "make_translation.py"))


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
    assert_pictures(page)


def assert_pictures(page):
    found = re.findall(r"\]\((\S+\.png)\)", page)
    assert found
    for picture in found:
        assert (FOLDER / picture).is_file(), picture


def test_the_table_of_translations_holds_the_results_that_are_kept(translations):
    page = (FOLDER / "translation.md").read_text(encoding="utf-8")
    results = json.loads((FOLDER / "translation.json").read_text())
    assert translations["with_table"](page, results) == page
    assert {key.split("/")[0] for key in results} <= {row.key for row in translations["ROWS"]}
    changed = {**results, "style/0": {**results["style/0"], "style_loss": 0.7771}}
    assert "0.7771" in translations["with_table"](page, changed)
    for row in translations["ROWS"]:
        assert (f"translation_{row.key}.png" in page) == (f"{row.key}/0" in results), row.key
    assert_pictures(page)


def test_figures_of_several_seeds_are_a_median_with_a_range(translations):
    losses = ({"style_loss": loss, "content_loss": 0.5, "seconds": 3.0} for loss in (0.3, 0.1, 0.2))
    *others, line = translations["table"]({f"style/{seed}": each for seed, each in enumerate(losses)})[2:]
    assert all("| 0 | not measured yet |" in other for other in others)
    assert "| 3 | style loss 0.2000 (0.1000 to 0.3000), content loss 0.50 |" in line


def test_every_translation_can_be_trained(translations):
    for row in translations["ROWS"]:
        if row.command in translations["MEASURES"]:
            continue
        family, *rest = row.command.split()
        options = dict(zip(rest[::2], rest[1::2]))
        known = {each.name: each for each in type(build(family)).Options.specifications()}
        named = {name[2:]: value for name, value in options.items() if name[2:] in known}
        assert build(family, **{name: known[name].parse(value) for name, value in named.items()})
        assert set(options) - {f"--{name}" for name in named} <= {"--data", "--size", "--epochs"}
