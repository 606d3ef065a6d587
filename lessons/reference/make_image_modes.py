"""Make the numbers of the page on mode collapse that are about images: train, measure, and write tables and pictures.

    python lessons/reference/make_image_modes.py                       # what is missing in image_modes.json
    python lessons/reference/make_image_modes.py --tables labels codes --seeds 0
    python lessons/reference/make_image_modes.py --tables              # tables and pictures of what is there already

Each row is a command line of ``minigen train``; the settings were chosen with other seeds and fixed before these were
run.  Results are kept in ``image_modes.json``, with the process time.
"""

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen.cli import main
from minigen.engine import no_grad
from minigen.metrics import energy_distance, fid, load_judges, measure_family, stacked_modes
from minigen.models import AAE
from minigen.plot import save_image_grid
from minigen.train import find_run, load_trained

HERE = Path(__file__).resolve().parent
KEPT, PAGE, PICTURES = HERE / "image_modes.json", HERE / "mode_collapse.md", HERE.parent / "pictures"
SEEDS = {"labels": 5, "stacked": 5, "codes": 3, "growing": 3}

FEW = "ssgan --steps 1000"
CODES = "--latent 8 --width 256 --steps 8000"
GROWING = f"{HERE / 'progressive_growing.py'}:GrowingGAN --size 32"
ROWS = {
    "labels": {
        "the network on the 100 labels only": f"{FEW} --supervised",
        "the same, labeled images augmented": f"{FEW} --supervised --affine 1",
        "ssgan": FEW,
        "ssgan, labeled images augmented": f"{FEW} --affine 1",
    },
    "stacked": {"dcgan": "dcgan --data stacked_mnist --width 24 --ema 0 --batch-size 32 --steps 9000"},
    "codes": {"aae": f"aae {CODES}", "vae": f"vae --network mlp {CODES}"},
    "growing": {"direct": f"{GROWING} --growing 0 --steps 500", "grown": f"{GROWING} --steps 800"},
}
"""The arguments of ``minigen train`` of the rows of each table."""

READ = 26_000
"""Samples of stacked digits, as published."""


def place(folder: Path, table: str, row: str, seed: int) -> Path:
    """Where the training of a row is kept."""
    return folder / re.sub(r"[^a-z0-9]+", "-", f"{table} {row} {seed}".lower())


def train(table: str, row: str, seed: int, folder: Path) -> tuple[Any, float]:
    """Train one row with one seed, if that is not done; return the trained model, and the process time."""
    path = place(folder, table, row, seed)
    command = ["train", *ROWS[table][row].split(), "--seed", str(seed), "--run", str(path)]
    command += ["--subset", str(seed)] if table == "labels" else []
    resumed = (find_run(str(path)) / "config.json").is_file()
    began = time.process_time()
    if main([*command, *(["--resume"] if resumed else [])]):
        raise SystemExit(f"the training {path.name} was stopped; the same command goes on with it")
    return load_trained(str(path)), float("nan") if resumed else time.process_time() - began


def measure_labels(trained: Any) -> dict[str, float]:
    """The share of the test images that are read right."""
    return {"accuracy": measure_family(trained.model, trained.data("test"))["accuracy"]}


def measure_stacked(trained: Any) -> dict[str, float]:
    """Modes among samples of stacked digits."""
    return read(trained.model.sample(READ, np.random.default_rng(0)))


def read(images: np.ndarray) -> dict[str, float]:
    """Modes among stacked digits."""
    found = stacked_modes(images, load_judges().reader)
    return {"modes": found.modes, "kl": found.kl, "sure": found.confident, "sure modes": found.confident_modes}


def measure_codes(trained: Any) -> dict[str, float]:
    """How well test images are reconstructed, how far their codes are from the prior, and the distance of samples.

    The codes of a VAE are draws from q(z | x): its means alone are narrower than the prior.  Both reconstruct from one
    code, the VAE from the mean.
    """
    model, images = trained.model, trained.data("test").images
    draws = np.random.default_rng(0).standard_normal((3, len(images), model.latent)).astype(np.float32)
    if isinstance(model, AAE):
        codes = model.encode(images)
    else:
        with model.evaluating(), no_grad():
            pairs = [[part.numpy() for part in model.posterior(x, None)] for x, _ in model.batches(images, None)]
        mu, log_var = (np.concatenate(parts) for parts in zip(*pairs))
        codes = mu + np.exp(log_var / 2) * draws[2]
    return {
        "mse": float(np.square(model.reconstruct(images) - images).mean(dtype=np.float64)),
        "distance": energy_distance(codes, draws[0]),
        "floor": energy_distance(draws[1], draws[0]),
        "fid": distance_of_samples(trained),
    }


def distance_of_samples(trained: Any) -> float:
    """The FID of as many samples as there are test images, in the features of the judge of 28 pixels."""
    images = trained.data("test").images
    return fid(*map(features, (images, trained.model.sample(len(images), np.random.default_rng(0)))))


def features(images: np.ndarray) -> np.ndarray:
    """The judge's features, of images of 28 pixels or with a margin around them."""
    margin = (images.shape[-1] - 28) // 2
    end = images.shape[-1] - margin
    return load_judges().looker.features(images[:, :, margin:end, margin:end])


def measure_growing(trained: Any) -> dict[str, float]:
    """The FID of samples."""
    return {"fid": distance_of_samples(trained)}


MEASURE: dict[str, Callable[[Any], dict[str, float]]] = {
    "labels": measure_labels,
    "stacked": measure_stacked,
    "codes": measure_codes,
    "growing": measure_growing,
}


def floors() -> dict[str, dict[str, float]]:
    """What real images measure: all modes, the images of 100 modes only, and averages of two images."""
    real = mg.data.load("stacked_mnist", "test", count=READ)
    hundred = real.images[real.labels < 100][:2600]
    train_digits, test_digits = (mg.data.load("mnist5k", split).images for split in ("train", "test"))
    few = np.random.default_rng(0).permutation(len(train_digits))[: len(test_digits)]
    return {
        "real images": read(real.images),
        "real images of 100 modes": read(hundred),
        "averages of two real images": read((real.images + real.images[::-1]) / 2),
        "real digits": {"fid": fid(features(test_digits), features(train_digits[few]))},
    }


# ---- the page


def each(values: list[float], scale: float = 1, digits: int = 1) -> str:
    """All values, and their mean."""
    shown = " ".join("-" if np.isnan(v) else f"{scale * v:.{digits}f}" for v in values)
    return shown if len(values) < 2 or np.isnan(values).any() else (
        f"{shown} (mean {scale * statistics.fmean(values):.{digits}f})"
    )  # fmt: skip


COLUMNS: dict[str, dict[str, tuple[str, float, int]]] = {
    "labels": {"accuracy": ("test images read right, %", 100, 1)},
    "stacked": {
        "modes": ("modes", 1, 0),
        "kl": ("KL", 1, 3),
        "sure": ("all three digits p > 0.9, %", 100, 1),
        "sure modes": ("modes among these", 1, 0),
    },
    "codes": {
        "mse": ("squared error", 1, 4),
        "distance": ("codes to the prior", 1, 4),
        "floor": ("two draws of the prior", 1, 4),
        "fid": ("FID of samples", 1, 2),
    },
    "growing": {"fid": ("FID", 1, 2)},
}
FLOORS = {
    "stacked": ["real images", "real images of 100 modes", "averages of two real images"],
    "growing": ["real digits"],
    "codes": ["real digits"],
    "labels": [],
}


def table(name: str, kept: dict[str, Any]) -> str:
    """One table as Markdown, every seed printed."""
    columns = COLUMNS[name]
    head = ["row", "seeds", *(title for title, _, _ in columns.values()), "CPU s"]
    paired = name == "labels"
    head += ["minus the first row, points"] if paired else []
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in FLOORS[name]:
        found = kept.get("floors", {}).get(row, {})
        cells = [
            f"{scale * found[key]:.{digits}f}" if key in found else "" for key, (_, scale, digits) in columns.items()
        ]
        lines.append(f"| *{row}* | | {' | '.join(cells)} | |")
    rows = kept.get(name, {})
    first = rows.get(next(iter(ROWS[name])), {})
    for row in ROWS[name]:
        by_seed = rows.get(row, {})
        if not by_seed:
            continue
        numbers = list(by_seed.values())
        cells = [each([n[key] for n in numbers], scale, digits) for key, (_, scale, digits) in columns.items()]
        cells.append(each([n["seconds"] for n in numbers], 1, 0))
        if paired:
            gains = [by_seed[s]["accuracy"] - first[s]["accuracy"] for s in by_seed if s in first]
            cells.append(each(gains, 100) if gains and by_seed is not first else "")
        lines.append(f"| {row} | {' '.join(by_seed)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def with_tables(page: str, kept: dict[str, Any]) -> str:
    """The text of the page with the tables of these results."""
    for name in ROWS:
        before, start, rest = page.partition(f"<!-- table {name} -->\n")
        if start:
            page = f"{before}{start}{table(name, kept)}\n<!-- end{rest.partition('<!-- end')[2]}"
    return page


def pictures(folder: Path) -> None:
    """Draw samples of the first seed of each row of these tables, below real images."""
    for name in ("growing", "codes", "stacked"):
        paths = [place(folder, name, row, 0) for row in ROWS[name]]
        if not all((path / "config.json").is_file() for path in paths):
            continue
        opened = [load_trained(str(path)) for path in paths]
        shown = [opened[0].data("test").images[np.random.default_rng(0).permutation(1000)[:16]]]
        shown += [one.model.sample(16, np.random.default_rng(0)) for one in opened]
        save_image_grid(PICTURES / f"mode_collapse_{name}.png", np.concatenate(shown), 16, scale=2)


def results() -> dict[str, Any]:
    """The results so far: table, row, seed."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    return kept


def keep(new: dict[str, Any]) -> None:
    """Add results to the file, which another process may have changed meanwhile; seeds in order."""

    def merged(old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        both = {key: merged(old[key], new[key]) if key in old and key in new else (old | new)[key] for key in old | new}
        return dict(sorted(both.items(), key=lambda item: int(item[0]))) if all(key.isdigit() for key in both) else both

    KEPT.write_text(json.dumps(merged(results(), new), indent=1) + "\n", encoding="utf-8")


def run() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tables", nargs="*", choices=[*ROWS, []], default=[*ROWS], help="by default all")
    parser.add_argument("--rows", nargs="+", help="of these tables only these rows")
    parser.add_argument("--seeds", type=int, nargs="+", help="by default 0 to 4, or 0 to 2 for codes and growing")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    asked = parser.parse_args()
    if asked.tables and "floors" not in results():
        keep({"floors": floors()})
    for name in asked.tables:
        for seed in asked.seeds or range(SEEDS[name]):
            for row in asked.rows or ROWS[name]:
                if str(seed) not in results().get(name, {}).get(row, {}):
                    trained, seconds = train(name, row, seed, asked.runs.resolve())
                    found = MEASURE[name](trained) | {"seconds": round(seconds, 1)}
                    keep({name: {row: {str(seed): found}}})
                    print(name, row, seed, found, flush=True)
    kept = results()
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), kept), encoding="utf-8")
    pictures(asked.runs.resolve())


if __name__ == "__main__":
    run()
