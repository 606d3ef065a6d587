"""Train the models of translation.md, measure them, and write its table: python make_translation.py [FOLDER].

Finished runs in FOLDER (default: runs_translation) are measured and not trained again.  All of it takes about 15
minutes of one core; `--seeds 1` a third.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import minigen as mg
from minigen.cli import main
from minigen.data.derived import thick_images
from minigen.metrics import classes_kept, translation_scores
from minigen.plot import save_image_grid
from minigen.train import load_trained

SHAPES = ["--data", "edges:shapes", "--size", "32", "--epochs", "6"]
ROWS = {
    "thick": ["cyclegan"],
    "edges-adversary": ["pix2pix", *SHAPES],
    "edges-l1": ["pix2pix", *SHAPES, "--adversarial", "0"],
    "outline-l1": ["pix2pix", "--adversarial", "0"],
    "thick-no-cycle": ["cyclegan", "--cycle", "0"],
    "outline-adversary": ["pix2pix"],
}
"""The arguments of ``minigen train`` of each row."""


def measure(folder: Path, name: str, seed: int) -> dict[str, float]:
    """Train one model, if it is not there yet, and measure it on the test split."""
    run, found = folder / f"{name}-{seed}", folder / f"{name}-{seed}.json"
    if found.is_file():
        return dict(json.loads(found.read_text()))
    began = time.process_time()
    if main(["train", *ROWS[name], "--seed", str(seed), "--run", str(run), "--overwrite"]):
        raise SystemExit(f"{run}: the training failed")
    seconds = time.process_time() - began
    trained = load_trained(run)
    test = trained.data("test")
    scores = translation_scores(trained.model, test)
    if name.startswith("thick"):
        train = mg.data.load("mnist5k")
        thick = mg.data.Dataset("thick", thick_images(train.images), train.labels, train.classes)
        scores |= {f"read_{key}": share for key, share in classes_kept(trained.model, thick, test).items()}
    some = np.random.default_rng(0).permutation(len(test))[:12]
    rows = [test.images[some], trained.model.apply(test.images[some]), test.partners[some]]
    if name.startswith("thick"):
        rows.append(trained.model.apply(test.partners[some], back=True))
    channels = max(each.shape[1] for each in rows)
    pictures = np.concatenate([np.repeat(each, channels // each.shape[1], axis=1) for each in rows])
    save_image_grid(folder / f"{name}-{seed}.png", pictures, 12, scale=2)
    scores["seconds"] = seconds
    found.write_text(json.dumps(scores))
    return scores


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Lay the results out: the median of the seeds, and the range."""
    lines = ["| row | figure | median (range) | seeds |", "|---|---|---|---|"]
    for name, seeds in results.items():
        for key in seeds[0]:
            values = [each[key] for each in seeds]
            shown = f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
            lines.append(f"| {name} | {key} | {shown} | {len(values)} |")
    return "\n".join(lines)


def run() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs_translation"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, float]]] = {}
    for seed in range(arguments.seeds):
        for name in arguments.only:
            results.setdefault(name, []).append(measure(arguments.folder.resolve(), name, seed))
            print(name, seed, results[name][-1], flush=True)
    (arguments.folder / "table.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    run()
