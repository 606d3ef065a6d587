"""The page about several processes: its tables hold the results that are kept, and its model is the formula on it."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "lessons" / "reference" / "make_several_processes.py"
PAGE = ROOT / "docs" / "guides" / "several_processes.md"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.environ", {})  # it sets the threads of NumPy's products
        return runpy.run_path(str(SCRIPT))


def test_the_tables_hold_the_results_that_are_kept(script):
    page, results = PAGE.read_text(encoding="utf-8"), json.loads(script["RESULTS"].read_text(encoding="utf-8"))
    assert script["with_tables"](page, results) == page
    results["rows"][2]["ms"] = 999.94
    assert script["with_tables"](page, results).count("999.9") == 1
    assert len(results["rows"]) == len(script["CASES"])


def test_the_model_of_the_page(script):
    row = {"case": "4 shards", "ranks": 1, "threads": 1, "ms": 400.0, "ms_exchange": 0.0}
    results = {"weights": {"generator": 10**6, "discriminator": 10**6}, "rows": [row]}
    name = "10 Gbit/s Ethernet"
    assert script["predicted"](results, 1, 64, name, False) == pytest.approx(6.4)
    updates = 2 * (3 / 4 * 17 * 4e6 / 1.25e9 + 2 * 3 * 50e-6)
    assert script["predicted"](results, 4, 64, name, False) == pytest.approx(1.6 + updates + 10 * 2 * 50e-6)
    to_all = 2 * (3 / 4 * 64 * 4e6 / 1.25e9 + 3 * 50e-6)
    assert script["predicted"](results, 4, 64, name, True) == pytest.approx(1.6 + to_all + 10 * 2 * 50e-6)
