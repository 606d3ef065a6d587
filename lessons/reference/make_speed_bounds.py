"""Make the tables of `speed_bounds.md` again, from what two commands of minigen measured.

    minigen bench conv drawn --layers 24 --out bench
    minigen bench bounds drawn --layers 24 --alone --out bench
    python lessons/reference/make_speed_bounds.py bench

The tables have the passes that took more than 1.1 times as long as PyTorch, the slowest first: of the layers that are
always the same, and of those that were drawn.  Measure on an idle computer.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

from minigen._util.tables import Table, replace_table
from minigen.bench.kernels import KINDS, LAYERS, OTHER_LAYERS

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


def find_plain_passes() -> dict[str, str]:
    """Return for each pass of a transposed convolution that of the plain one which is the same kernel."""
    swapped = dict(zip(KINDS, (KINDS[1], KINDS[0], KINDS[2])))
    return {
        f"{layer}, {kind}": f"{replace(layer, transposed=False)}, {swapped[kind]}"
        for layer in LAYERS
        for kind in KINDS
        if layer.transposed
    }


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    bounds = read_markdown((folder / "bounds.md").read_text(encoding="utf-8"))
    with (folder / "bench.csv").open(encoding="utf-8", newline="") as file:
        times = [row for row in csv.DictReader(file) if row["group"].startswith("conv")]
    slow = sorted((row for row in times if float(row["ratio"]) > SLOW), key=lambda row: -float(row["ratio"]))
    fixed, plain_passes = {str(layer) for layer in LAYERS + OTHER_LAYERS}, find_plain_passes()
    rows: dict[str, list[list[str | None]]] = {"slow": [], "drawn": []}
    for row in slow:
        bound = bounds.get(plain_passes.get(row["work"], row["work"]))
        found = (
            [bound[name] for name in ("arithmetic, ms", "memory, ms", "outside, us", "kernels")]
            if bound
            else [None] * 4
        )
        ours, theirs, ratio = (f"{float(row[name]):.2f}" for name in ("ours", "theirs", "ratio"))
        name = "slow" if row["work"].rsplit(", ", 1)[0] in fixed else "drawn"
        rows[name].append([row["work"], bound["method"] if bound else None, ours, theirs, ratio, *found])
    page = PAGE.read_text(encoding="utf-8")
    for name, found_rows in rows.items():
        page = replace_table(page, name, Table(COLUMNS, found_rows, "ll" + "r" * 7).markdown().splitlines())
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
