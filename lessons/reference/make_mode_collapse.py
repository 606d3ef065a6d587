"""Make the numbers of the page on mode collapse: train, measure, and write the tables.

    python lessons/reference/make_mode_collapse.py                    # what is missing in mode_collapse.json, hours
    python lessons/reference/make_mode_collapse.py --rows ring --seeds 0 1
    python lessons/reference/make_mode_collapse.py --rows             # the tables only

Each row is a command line of ``minigen train``; the settings were fixed before the seeds were run.  A training that
was stopped goes on.  Results are kept in ``mode_collapse.json``, with the process time of one core.
"""

import argparse
import json
import re
import time
from pathlib import Path

from minigen.cli import main
from minigen.metrics import measure_family
from minigen.train import find_run, load_trained

HERE = Path(__file__).parent
KEPT, PAGE = HERE / "mode_collapse.json", HERE / "mode_collapse.md"

LAB = "points --data ring8 --steps 2000 --batch-size 64 --layers 2 --no-batch-norm --lr 1e-3 --lr-decay 0.5 --r1"
SLOW = f"{LAB} 0 --lr-d 2e-4"
ROWS = {
    "ring": "points --data ring8",
    "grid": "points --data grid25 --width 128 --r1 0.1 --steps 20000",
    "lab: plain, D's rate a fifth of G's": SLOW,
    "lab: pack 2": f"{SLOW} --pack 2",
    "lab: R1, gamma 0.1": f"{LAB} 0.1 --r1-end 0.1 --lr-d 2e-4",
    "lab: R1, gamma 1": f"{LAB} 1 --r1-end 1 --lr-d 2e-4",
    "lab: spectral normalization": f"{SLOW} --spectral",
    "lab: minibatch discrimination": f"{SLOW} --minibatch",
    "lab: unrolled, 3 steps": f"{SLOW} --unroll 3",
    "lab: D's rate that of G": f"{LAB} 0 --lr-d 1e-3",
}
FIRST = ["ring", *(name for name in ROWS if name.startswith("lab"))]


def measure(row: str, seed: int, folder: Path) -> dict[str, float]:
    """Train one row with one seed, if that is not done, and measure it."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{row} {seed}".lower()).strip("-")
    path = folder / name
    command = ["train", *ROWS[row].split(), "--seed", str(seed), "--run", str(path)]
    began = time.process_time()
    if main([*command, *(["--resume"] if (find_run(str(path)) / "config.json").is_file() else [])]):
        raise SystemExit(f"the training {name} was stopped; the same command goes on with it")
    seconds = time.process_time() - began
    trained = load_trained(str(path))
    modes = measure_family(trained.model, trained.data("test"))["modes"]
    numbers = {"modes": modes.modes, "of": modes.of, "hq": modes.high_quality, "kl": modes.kl}
    return numbers | {"seconds": round(seconds)}


def table(kept: dict[str, dict[str, dict[str, float]]]) -> str:
    """The results as Markdown, every seed printed."""
    lines = ["| row | seeds | modes | HQ % | KL | CPU s |", "|---|---|---|---|---|---|"]
    lines += ["| *perfect samples* (the floor) | | 8 / 25 | 98.9 | .0014 / .0048 | |"]
    for row, by_seed in kept.items():
        one = list(by_seed.values())
        if row not in ROWS:
            continue
        each = (
            [f"{n['modes']:.0f}" for n in one],
            [f"{100 * n['hq']:.1f}" for n in one],
            [f"{n['kl']:.3f}" for n in one],
        )
        mean = f" (mean {sum(100 * n['hq'] for n in one) / len(one):.1f})"
        seconds = " ".join(f"{n['seconds']:.0f}" for n in one)
        lines.append(f"| {row} | {' '.join(by_seed)} | {' '.join(each[0])} | {' '.join(each[1])}{mean} | "
                     f"{' '.join(each[2])} | {seconds} |")  # fmt: skip
    return "\n".join(lines)


def run() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", nargs="*", choices=[*ROWS, []], default=FIRST, help="by default ring and lab")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    asked = parser.parse_args()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    for seed in asked.seeds:
        for row in asked.rows:
            if str(seed) not in kept.get(row, {}):
                kept.setdefault(row, {})[str(seed)] = measure(row, seed, asked.runs.resolve())
                KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
                print(row, seed, kept[row][str(seed)], flush=True)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end of table -->")[2]
    PAGE.write_text(f"{before}<!-- table -->\n{table(kept)}\n<!-- end of table -->{after}", encoding="utf-8")


if __name__ == "__main__":
    run()
