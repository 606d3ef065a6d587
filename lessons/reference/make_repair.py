"""Make the tables and pictures of `repair.md` again: train, evaluate, collect.

    python lessons/reference/make_repair.py                    every row, seeds 0 to 4
    python lessons/reference/make_repair.py --seeds 0          one seed: about ten minutes on one core
    python lessons/reference/make_repair.py --only-tables      write tables and pictures of what is there already

Each number comes from ``minigen train repair`` and ``minigen evaluate``.  Results are kept in `repair.json`, one entry for
each row and seed; what is there already is not made again, unless with `--again`.  Needs the extra `data`.
"""

import argparse
import json
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigen._util.command import run_command
from minigen._util.tables import replace_table

HERE = Path(__file__).resolve().parent
RESULTS, PAGE, PICTURES = HERE / "repair.json", HERE / "repair.md", HERE.parent / "pictures"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Parameters
    ----------
    key : str
        Its name in the results.
    task : str
        For the reader.
    train : str
        What follows ``minigen train repair``.
    rival : str
        The classical method beside ours in the picture.
    """

    key: str
    task: str
    train: str
    rival: str


HOLE = "--damage hole --data mnist5k --batch-size 32"
ROWS = [
    Row("noise", "noise of 25 levels", "--damage noise --strength 25", "non-local means"),
    Row(
        "noise-colour",
        "noise of 25 levels, in color, patches of 64x64",
        "--damage noise --data photos_colour --size 64",
        "non-local means",
    ),
    Row("blur", "blur of 1.6 pixels, noise of 2 levels", "--damage blur", "Wiener"),
    Row("blur-unknown", "blur of 0 to 2.5 pixels, unknown, pixel loss log", "--damage blur --strength 0-2.5", "Wiener"),
    Row(
        "blur-unknown-l2",
        "blur of 0 to 2.5 pixels, unknown, pixel loss L2",
        "--damage blur --strength 0-2.5 --loss l2",
        "Wiener",
    ),
    Row("shrink", "half the size", "--damage shrink", "bicubic"),
    Row("hole", "hole of 14x14 in a digit", f"{HOLE} --epochs 12", "biharmonic"),
    Row(
        "hole-adversary",
        "hole of 14x14 in a digit, adversary 0.1",
        f"{HOLE} --epochs 4 --adversarial 0.1",
        "biharmonic",
    ),
]


def trained(row: Row, seed: int, folder: Path) -> Path:
    """The folder of a run, which is trained if it is not there yet."""
    path = folder / "runs" / f"{row.key}-{seed}"
    if not (path / "done").exists():
        command = [sys.executable, "-m", "minigen", "train", "repair", *row.train.split()]
        run_command([*command, "--seed", str(seed), "--run", path.name, "--overwrite"], folder)
        (path / "done").touch()
    return path


def measured(row: Row, seed: int, folder: Path) -> dict[str, Any]:
    """What ``minigen evaluate`` says of a run: the numbers of each line, by method."""
    said = run_command([sys.executable, "-m", "minigen", "evaluate", trained(row, seed, folder).name], folder)
    lines = said.splitlines()
    methods = re.split(r"\s{2,}", lines[1].strip())
    found: dict[str, Any] = {}
    for line in lines[2:]:
        for key, start in (("grey", "half-gray pixels in the hole: "), ("read", "read right by an SVM: ")):
            if line.startswith(start):
                pairs = [cell.rsplit(" ", 1) for cell in re.split(r"\s{2,}", line.removeprefix(start))]
                found[key] = {method: float(value.rstrip("%")) for method, value in pairs}
                break
        else:
            name, *cells = re.split(r"\s{2,}", line.strip())
            if len(cells) == len(methods):
                found[name] = dict(zip(methods, map(float, cells)))
    return found


# ---- the tables


def main_line(row: Row, of: dict[str, Any]) -> dict[str, float]:
    """The dB of each method: the mean over the photographs, or the one line of the digits."""
    numbers: dict[str, float] = of.get("mean, dB") or of["mnist5k"]
    return numbers


def spread(values: list[float], decimals: int, unit: str = "") -> str:
    """A median with its range."""
    middle = f"**{statistics.median(values):.{decimals}f}{unit}**"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{decimals}f} to {max(values):.{decimals}f})"


def main_table(results: dict[str, Any]) -> list[str]:
    """A line for each row: median and range over the seeds, beside the classical methods."""
    lines = [
        "| task | seeds | input | ours: median (range) | classical methods, tuned on the truth |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        seeds = [results[key] for key in sorted(results) if key.rsplit("/", 1)[0] == row.key]
        if not seeds:
            continue
        each = [main_line(row, of) for of in seeds]
        ours = f"{spread([numbers['ours'] for numbers in each], 2)} dB"
        if "SSIM" in seeds[0]:
            ours += f", SSIM {spread([of['SSIM']['ours'] for of in seeds], 3)}"
        for name, key, decimals, unit in (("SVM", "read", 1, " %"), ("half-gray", "grey", 3, "")):
            if key in seeds[0]:
                ours += f"; {name} {spread([of[key]['ours'] for of in seeds], decimals, unit)}"
        others = []
        for method, value in each[0].items():
            if method in ("input", "ours", "truth"):
                continue
            more = f" ({seeds[0]['read'][method]:.1f} %)" if "read" in seeds[0] else ""
            others.append((value, f"{method} {value:.2f}{more}"))
        shown = [text for _, text in sorted(others, reverse=True)]
        if "read" in seeds[0]:
            shown.append(f"truth ({seeds[0]['read']['truth']:.1f} %; half-gray {seeds[0]['grey']['truth']:.3f})")
        given = f"{each[0]['input']:.2f}" if "input" in each[0] else ""
        lines.append(f"| {row.task} | {len(seeds)} | {given} | {ours} | {', '.join(shown)} |")
    return lines


def photographs_table(results: dict[str, Any]) -> list[str]:
    """A line for each photograph of each row: the median of ours over the seeds, and the best classical method.

    The best may also be to leave the input as it is ("nothing").
    """
    lines = [
        "| task | photograph | input | ours | best other | ours minus best other |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        seeds = [results[key] for key in sorted(results) if key.rsplit("/", 1)[0] == row.key]
        if not seeds or "mean, dB" not in seeds[0]:
            continue
        for name in seeds[0]:
            if name in ("mean, dB", "SSIM"):
                continue
            ours = statistics.median(of[name]["ours"] for of in seeds)
            rivals = {"nothing" if m == "input" else m: v for m, v in seeds[0][name].items() if m != "ours"}
            best = max(rivals, key=lambda m: rivals[m])
            given = f"{seeds[0][name]['input']:.2f}" if "input" in seeds[0][name] else ""
            lines.append(
                f"| {row.task} | {name} | {given} | {ours:.2f} | {best} {rivals[best]:.2f} | {ours - rivals[best]:+.2f} |"
            )
    return lines


def with_tables(page: str, results: dict[str, Any]) -> str:
    """The page with each table between its two marks."""
    for name, lines in (("rows", main_table(results)), ("photographs", photographs_table(results))):
        page = replace_table(page, name, lines)
    return page


# ---- the pictures


def draw(row: Row, path: Path) -> None:
    """Input, ours, a classical method and the truth beside each other, of the run of seed 0."""
    from minigen.metrics import repair_scores, test_images
    from minigen.plot import ImageTable
    from minigen.train import load_trained

    trained_run = load_trained(path)
    model: Any = trained_run.model
    images = test_images(model, trained_run.data("test"))
    digits = "mnist5k" in images
    if digits:
        images = {"mnist5k": images["mnist5k"][::125]}
    scores = repair_scores(model, images)
    part = (slice(110, 182), slice(170, 242)) if model.factor > 1 else (slice(44, 116), slice(58, 130))
    rows = []
    for name, outputs in scores.repaired.items():
        damaged = outputs.get("input")
        if damaged is None:  # half the size
            small = model.damage.draw(images[name], np.random.default_rng(0)).images
            damaged = small.repeat(2, 2).repeat(2, 3)
        four = np.stack([damaged, outputs["ours"], outputs[row.rival], outputs["truth"]], 1).clip(-1, 1)
        rows += list(four if digits else four[..., *part])
    caption = f"{row.task}: input, ours, {row.rival}, truth"
    table = ImageTable(np.stack(rows), caption, columns=["input", "ours", row.rival, "truth"])
    table.draw(3 if digits else 2).quantize(256 if model.options.channels == 3 else 64).save(
        PICTURES / f"repair_{row.key}.png", optimize=True
    )


def main() -> None:
    """Make what is asked for, then write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--rows", nargs="+", choices=[row.key for row in ROWS], default=[row.key for row in ROWS])
    parser.add_argument("--folder", type=Path, default=Path("repair-values"), help="where the runs go")
    parser.add_argument("--again", action="store_true", help="also make what is there already")
    parser.add_argument("--only-tables", action="store_true")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    folder = arguments.folder.resolve()
    folder.mkdir(exist_ok=True, parents=True)
    for seed in arguments.seeds if not arguments.only_tables else ():
        for row in ROWS:
            key = f"{row.key}/{seed}"
            if row.key in arguments.rows and (key not in results or arguments.again):
                results[key] = measured(row, seed, folder)
                print(f"{key}: {main_line(row, results[key])}", flush=True)
                RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    for row in ROWS:
        path = folder / "runs" / f"{row.key}-0"
        if row.key in arguments.rows and (path / "done").exists():
            draw(row, path)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
