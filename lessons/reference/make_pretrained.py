"""Make the trained models that come with minigen, and the table of `pretrained.md`.

    python lessons/reference/make_pretrained.py                train what is not there yet, write the files and the table
    python lessons/reference/make_pretrained.py --only-table   measure the files that are there, write the table
    python lessons/reference/make_pretrained.py --models cgan  only these

The models are those of ``minigen train MODEL`` with the default options and seed 0, in runs/ of the folder ``--runs``.
All five take about an hour on two cores.  A file has the weights as float16, without what only a resumption needs: the
optimizers and, where there are averages of the weights, the last weights.  Needs the extra `data`.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from minigen import compress, data
from minigen._util.command import run_command
from minigen._util.tables import replace_table
from minigen.metrics.family_measures import measure_family
from minigen.train import Run, load_trained

HERE = Path(__file__).resolve().parent
PAGE = HERE / "pretrained.md"
TARGET = HERE.parents[1] / "minigen" / "pretrained"
MODELS = {"cgan": "mnist5k", "dcgan": "mnist5k", "points": "ring8", "repair": "photos", "vae": "mnist5k"}
"""The families and what they learn from: for all but points the default."""

OPTIONS = {"dcgan": ["--network", "conv", "--batch-size", "32", "--steps", "1500"]}
"""What is not the default: the networks of the paper need a quarter of the bytes."""

GRIDS = 6
"""Grids of samples that a file keeps, first and last included."""

LOG_ROWS = 200


def minigen(arguments: list[str], folder: Path) -> str:
    """Run a command of minigen in a folder; stop with its message if it fails."""
    return run_command([sys.executable, "-m", "minigen", *arguments], folder)


def train(model: str, folder: Path) -> Path:
    """The run of a model, trained if it is not there yet."""
    path = folder / "runs" / f"{model}-{MODELS[model]}"
    if not list((path / "checkpoints").glob("step-*")):
        minigen(["train", model, "--data", MODELS[model], *OPTIONS.get(model, [])], folder)
    return path


def pack(model: str, path: Path) -> None:
    """Write a run as float16."""
    trained = load_trained(path)
    trained.model.adopt_average()
    info = data.DATASETS[trained.run.config["data"]]
    config = {key: value for key, value in trained.run.config.items() if key != "environment"}
    made = " ".join(["minigen train", model, "--data", MODELS[model], *OPTIONS.get(model, [])])
    config["compressed"] = {"from": made, "what": "float16", "step": trained.step, "discriminator": True}
    config["about"] = {
        "made": f"{made} --seed {config['seed']}",
        "with": trained.run.config["environment"],
        "licence": "MIT, as minigen",
        "data": {"title": info.title, "source": info.source, "licence": info.licence},
    }
    target = TARGET / model
    shutil.rmtree(target, ignore_errors=True)
    (target / "samples").mkdir(parents=True)
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    run = Run(target)
    compress.save(run.compressed, trained.model, float16=True, about=config["about"])
    epochs = trained.run.sampled_epochs()
    for epoch in sorted({epochs[round(i)] for i in np.linspace(0, len(epochs) - 1, GRIDS)}):
        small(trained.run.samples(epoch), run.samples(epoch))
    lines = trained.run.log.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = sorted({round(i) for i in np.linspace(1, len(lines) - 1, min(LOG_ROWS, len(lines) - 1))})
    run.log.write_text("".join([lines[0], *(shortened(lines[row]) for row in rows)]), encoding="utf-8")
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size / 1e6:.2f} MB", flush=True)


def shortened(row: str) -> str:
    """A row of a log with six digits of each number."""
    return (
        ",".join(cell if cell.strip().isdecimal() else f"{float(cell):.6g}" for cell in row.strip().split(",")) + "\n"
    )


def small(picture: Path, target: Path) -> None:
    """Copy a grid of samples; gray ones with 64 levels."""
    with Image.open(picture) as image:
        grey = np.asarray(image.convert("RGB"))
        plain = (grey == grey[..., :1]).all()
        (image.convert("L") if plain else image).quantize(64).save(target, optimize=True)


# ---- the table


def measured(name: str, folder: Path) -> dict[str, float]:
    """Numbers of ``minigen evaluate`` about one run, by their names in the table."""
    trained = load_trained(name)
    found: dict[str, float] = {}
    own = measure_family(trained.model, trained.data("test"), 0, 0, trained.data("train"), trained.unseen())
    if "modes" in own:
        return {"modes of 8": own["modes"].modes, "points near a mode, %": 100 * own["modes"].high_quality}
    if "psnr" in own:
        return {"dB of the repaired photographs": own["psnr"]}
    if "elbo" in own:
        found["-ELBO, nats"] = -own["elbo"]
    if "d_data" in own:
        found |= {"D on the data": own["d_data"], "D on samples": own["d_samples"]}
    file = folder / "evaluation.json"
    minigen(["evaluate", name, "--json", str(file), "--html", str(folder / "e.html")], folder)
    values = json.loads(file.read_text(encoding="utf-8"))["measures"]
    return found | {label: values[key]["value"] for label, key in
                    {"FID": "fid", "KID": "kid", "precision": "precision", "coverage": "coverage"}.items()}  # fmt: skip


def table(names: list[str], folder: Path) -> list[str]:
    """The lines of the table."""
    lines = ["| model | size, MB | measure | float32 | float16 |", "|---|---:|---|---:|---:|"]
    for name in names:
        size = sum(file.stat().st_size for file in (TARGET / name).rglob("*") if file.is_file()) / 1e6
        before = measured(str(train(name, folder)), folder)
        after = measured(f"pretrained:{name}", folder)
        for i, label in enumerate(before):
            head = f"`pretrained:{name}` | {size:.2f}" if i == 0 else " | "
            lines.append(f"| {head} | {label} | {before[label]:.5g} | {after[label]:.5g} |")
    return lines


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=Path(), help="folder with runs/ (default: this one)")
    parser.add_argument("--only-table", action="store_true")
    arguments = parser.parse_args()
    folder: Path = arguments.runs.resolve()
    if not arguments.only_table:
        for model in arguments.models:
            pack(model, train(model, folder))
    if arguments.models == list(MODELS):
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            lines = table(arguments.models, folder)
        PAGE.write_text(replace_table(PAGE.read_text(encoding="utf-8"), "float16", lines), encoding="utf-8")


if __name__ == "__main__":
    main()
