"""Make the numbers of the page on mode collapse: train, measure, and write the tables.

    python lessons/reference/make_mode_collapse.py                    # what is missing in mode_collapse.json, an hour
    python lessons/reference/make_mode_collapse.py --rows ring --seeds 0 1
    python lessons/reference/make_mode_collapse.py --rows             # the tables only

The rows *ring* and *grid* are command lines of ``minigen train``; their settings were fixed before the seeds were run.
A training that was stopped goes on.  The *lab* is the training of lesson 10: each technique is first searched, three
values on seeds 100 and 101, and the best value is then run on the seeds of the table.  Results are kept in
``mode_collapse.json``, with the process time.
"""

import argparse
import json
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen.cli import main
from minigen.data import Loader
from minigen.metrics import Modes, count_modes, known_modes, measure_family
from minigen.plot import save_image_grid
from minigen.train import find_run, load_trained

HERE = Path(__file__).parent
KEPT, PAGE = HERE / "mode_collapse.json", HERE / "mode_collapse.md"

ROWS = {
    "ring": "points --data ring8",
    "grid": "points --data grid25 --lr 8e-3 --r1 0.5 --r1-end 0.0016 --steps 14000",
}

LAB = {"scale": 0.707, "layers": 2, "layers_d": 2, "batch_norm": False, "lr": 1e-3, "lr_d": 2e-4, "lr_decay": 0.5, "r1": 0.0,
       "r1_end": None, "r1_every": 1}  # fmt: skip
LAB_STEPS, LAB_BATCH = 1000, 64
SEARCHED: dict[str, list[dict[str, Any]]] = {
    "plain": [{"beta1": beta} for beta in (0.0, 0.5, 0.9)],
    "packing": [{"pack": m} for m in (2, 4, 8)],
    "R1": [{"r1": gamma} for gamma in (0.3, 1.0, 3.0)],
    "spectral normalization": [{"spectral": True, "beta1": beta} for beta in (0.0, 0.5, 0.9)],
    "minibatch discrimination": [{"minibatch": True, "beta1": beta} for beta in (0.0, 0.5, 0.9)],
    "unrolled, 3 steps": [{"unroll": 3, "unroll_lr": eta} for eta in (0.1, 0.3, 1.0)],
    "D's rate, no technique": [{"lr_d": rate} for rate in (5e-4, 1e-3, 2e-3)],
}
SEARCH_SEEDS = (100, 101)


def train_lab(options: Mapping[str, Any], seed: int) -> dict[str, float]:
    """Train the small networks of lesson 10 on the ring, and measure."""
    began, ring = time.process_time(), mg.data.load("ring8")
    mg.manual_seed(seed)
    model = mg.models.build("points", **(LAB | dict(options)))
    batches = Loader(ring, LAB_BATCH, seed=seed, drop_last=True)
    for step in range(LAB_STEPS):
        model.schedule(step / LAB_STEPS)
        epoch, place = divmod(step, len(batches))
        model.training_step(next(batches.epoch(epoch, place)))
    seconds = time.process_time() - began
    return numbers(count_modes(model.sample(2500, np.random.default_rng(1)), *known_modes(ring)), seconds)


def train_row(row: str, seed: int, folder: Path) -> dict[str, float]:
    """Train one row with one seed by its command line, and measure it."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{row} {seed}".lower()).strip("-")
    path = folder / name
    command = ["train", *ROWS[row].split(), "--seed", str(seed), "--run", str(path)]
    began = time.process_time()
    if main([*command, *(["--resume"] if (find_run(str(path)) / "config.json").is_file() else [])]):
        raise SystemExit(f"the training {name} was stopped; the same command goes on with it")
    seconds = time.process_time() - began
    trained = load_trained(str(path))
    data = trained.data("test")
    found = numbers(measure_family(trained.model, data)["modes"], seconds)
    z = np.random.default_rng(1).standard_normal((2500, trained.model.latent)).astype(np.float32)
    with trained.model.evaluating():  # past `sample`, which measures the statistics anew
        stale = trained.model.generator(mg.tensor(z)).numpy()
    return found | {"hq_running": count_modes(stale, *known_modes(data)).high_quality}


def numbers(modes: Modes, seconds: float) -> dict[str, float]:
    """What is kept of a training."""
    return {"modes": modes.modes, "of": modes.of, "hq": modes.high_quality, "kl": modes.kl, "seconds": round(seconds)}


def said(options: Mapping[str, Any]) -> str:
    """Options in one line, as the key of a result."""
    return ", ".join(f"{name} {value:g}" for name, value in options.items() if value is not True)


def best(row: str, found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """The options of a row with the most modes in the search; of equals, the one with the highest HQ."""

    def worth(options: Mapping[str, Any]) -> tuple[float, float]:
        seen = found[f"{row}: {said(options)}"].values()
        return sum(n["modes"] for n in seen), sum(n["hq"] for n in seen)

    return max(SEARCHED[row], key=worth)


def read() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """The results so far: part, row, seed."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    return {part: kept.get(part, {}) for part in ("rows", "search", "lab")}


def keep(part: str, row: str, seed: int, result: dict[str, float]) -> None:
    """Add a result to the file, which another process may have changed since it was read."""
    kept = read()
    kept[part].setdefault(row, {})[str(seed)] = result
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(part, row, seed, result, flush=True)


def missing(part: str, row: str, seeds: Any) -> list[int]:
    """The seeds of a row that have no result yet."""
    return [seed for seed in seeds if str(seed) not in read()[part].get(row, {})]


def search(seeds: Any = SEARCH_SEEDS) -> None:
    """Train every value of every technique of the lab on the seeds of the search."""
    for seed in seeds:
        for row, values in SEARCHED.items():
            for options in values:
                name = f"{row}: {said(options)}"
                for one in missing("search", name, [seed]):
                    keep("search", name, one, train_lab(options, one))


def lab(seeds: Any) -> None:
    """Train the best value of each technique of the lab."""
    for seed in seeds:
        for row in SEARCHED:
            for one in missing("lab", row, [seed]):
                keep("lab", row, one, train_lab(best(row, read()["search"]), one))


def line(row: str, by_seed: Mapping[str, Mapping[str, float]]) -> str:
    """One row of a table, every seed printed."""
    seeds = sorted(by_seed, key=int)
    one = [by_seed[seed] for seed in seeds]
    modes = " ".join(f"{n['modes']:.0f}" for n in one)
    quality = " ".join(f"{100 * n['hq']:.1f}" for n in one)
    kl = " ".join("-" if math.isnan(n["kl"]) else f"{n['kl']:.3f}" for n in one)
    seconds = " ".join(f"{n['seconds']:.0f}" for n in one)
    means = [sum(n[key] for n in one) / len(one) for key in ("modes", "hq")]
    return (
        f"| {row} | {' '.join(seeds)} | {modes} (mean {means[0]:.1f}) | {quality} (mean {100 * means[1]:.1f}) | {kl} | "
        f"{seconds} |"
    )


HEAD = ["| row | seeds | modes | HQ % | KL | CPU s |", "|---|---|---|---|---|---|"]


def tables() -> dict[str, str]:
    """The tables of the page as Markdown."""
    kept = read()
    floor = "| *perfect samples* (the floor) | | {} | 98.9 | {} | |"
    rows = [*HEAD, floor.format("8 / 25", ".0014 / .0048")]
    rows += [line(row, kept["rows"][row]) for row in ROWS if row in kept["rows"]]
    for row, by_seed in kept["rows"].items():
        each = " ".join(f"{100 * by_seed[seed]['hq_running']:.1f}" for seed in sorted(by_seed, key=int))
        rows += ["", f"HQ of {row} with the running statistics of the training instead, every seed: {each} %."]
    tuned = [*HEAD, floor.format("8", ".0014")]
    for row in SEARCHED:
        if row in kept["lab"]:
            tuned += [line(f"{row} ({said(best(row, kept['search']))})", kept["lab"][row])]
    values = [f"{row}: {said(options)}" for row, all_of_it in SEARCHED.items() for options in all_of_it]
    searched = [*HEAD, *[line(value, kept["search"][value]) for value in values if value in kept["search"]]]
    return {"rows": "\n".join(rows), "lab": "\n".join(tuned), "search": "\n".join(searched)}


def write_page() -> None:
    """Put the tables into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        mark = f"<!-- table {name} -->\n"
        before, _, rest = page.partition(mark)
        page = f"{before}{mark}{table}\n<!-- end of table -->{rest.partition('<!-- end of table -->')[2]}"
    PAGE.write_text(page, encoding="utf-8")


def picture(folder: Path) -> None:
    """Draw samples of the first seed of each row over points of the data."""
    paths = [folder / f"{row}-0" for row in ROWS]
    if all((path / "config.json").is_file() for path in paths):
        opened = [load_trained(str(path)) for path in paths]
        shown = [
            one.model.picture(one.model.sample(2500, np.random.default_rng(1)), one.data("test").points)
            for one in opened
        ]
        save_image_grid(HERE.parent / "pictures" / "mode_collapse_points.png", np.stack(shown), len(shown))


def run() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", nargs="*", choices=[*ROWS, "lab", []], default=[*ROWS, "lab"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    asked = parser.parse_args()
    for row in asked.rows:
        if row == "lab":
            search()
            lab(asked.seeds)
            continue
        for seed in missing("rows", row, asked.seeds):
            keep("rows", row, seed, train_row(row, seed, asked.runs.resolve()))
    write_page()
    picture(asked.runs.resolve())


if __name__ == "__main__":
    run()
