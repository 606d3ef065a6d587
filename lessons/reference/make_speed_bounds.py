"""Make the table of `speed_bounds.md` again, from what two commands of minigen measured.

    minigen bench conv --out bench
    minigen bench bounds --out bench
    python lessons/reference/make_speed_bounds.py bench

The table has the passes that took more than 1.1 times as long as PyTorch, the slowest first.  Measure on an idle computer.
"""

import argparse
import csv
from pathlib import Path

from minigen._util.tables import Table, replace_table

PAGE = Path(__file__).resolve().parent / "speed_bounds.md"
SLOW = 1.1
COLUMNS = ["work", "method", "minigen, ms", "PyTorch, ms", "ratio", "arithmetic at least, ms", "memory at least, ms",
           "outside kernels, microseconds", "kernels"]  # fmt: skip


def read_markdown(text: str) -> dict[str, dict[str, str]]:
    """Return the rows of the only table of a page, by their first cell."""
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    return {row[0]: dict(zip(head, row)) for row in rows}


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    bounds = read_markdown((folder / "bounds.md").read_text(encoding="utf-8"))
    with (folder / "bench.csv").open(encoding="utf-8", newline="") as file:
        times = [row for row in csv.DictReader(file) if row["group"].startswith("conv")]
    slow = sorted((row for row in times if float(row["ratio"]) > SLOW), key=lambda row: -float(row["ratio"]))
    rows = []
    for row in slow:
        bound = bounds.get(row["work"].replace(" (T)", ""))
        found = (
            [bound[name] for name in ("arithmetic, ms", "memory, ms", "outside, us", "kernels")]
            if bound
            else [None] * 4
        )
        ours, theirs, ratio = (f"{float(row[name]):.2f}" for name in ("ours", "theirs", "ratio"))
        rows.append([row["work"], bound["method"] if bound else None, ours, theirs, ratio, *found])
    table = Table(COLUMNS, rows, "ll" + "r" * 7)
    PAGE.write_text(
        replace_table(PAGE.read_text(encoding="utf-8"), "slow", table.markdown().splitlines()), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
