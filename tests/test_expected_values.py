"""The page of expected values says what was measured; making the numbers takes hours, see its script."""

import json
import re
import runpy
import statistics
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


def test_the_readme_says_what_was_measured_of_the_main_job():
    """Medians of five seeds, of two pages."""
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    agree, fid, share, coverage, near = re.search(
        r"agree on (\d+) % of such samples.*FID is ([\d.]+), which is ([\d.]+) %.*coverage is ([\d.]+) .*"
        r"by features ([\d.]+) % \(real digits: 1.0 %\)",
        readme,
    ).groups()
    results = json.loads((FOLDER / "expected_values.json").read_text())
    assert f"{statistics.median(results[f'dcgan-agree/{seed}/default'] for seed in range(5)):.0f}" == agree
    runs = json.loads((FOLDER / "metrics.json").read_text())["models"]
    measures = [runs[f"dcgan-{seed}"]["measures"] for seed in range(5)]
    medians = {
        name: statistics.median(run[name]["value"] for run in measures)
        for name in ("fid", "coverage", "copies", "copies_features")
    }
    page = (FOLDER / "metrics.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"\| \*\*dcgan, median\*\* \|(.*)", page)
    assert f"{float(line.split('|')[1]):.1f}" == share
    assert (f"{medians['fid']:.2f}", f"{medians['coverage']:.2f}") == (fid, coverage)
    assert medians["copies"] <= 0.01 and f"{100 * medians['copies_features']:.1f}" == near
