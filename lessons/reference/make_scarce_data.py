"""Make the numbers of the page on scarce data: train, measure, and write one table.

    python lessons/reference/make_scarce_data.py gan           # GANs of 100 to 4,000 images, with augmentation
    python lessons/reference/make_scarce_data.py gan --rows "100 plain" --seeds 0
    python lessons/reference/make_scarce_data.py --list        # the tables, and how long they take

What is in ``scarce_data.json`` is not trained again; delete an entry to measure it again.  Each table of
``scarce_data.md`` is written from there.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen._util.atomic_write import replace_file
from minigen._util.tables import replace_table
from minigen.cli import main
from minigen.data.dataset import balanced_order
from minigen.metrics import Reference, load_judges
from minigen.train import Run, build_model, find_run, fit, load_split, load_trained

HERE = Path(__file__).parent
KEPT, PAGE = HERE / "scarce_data.json", HERE / "scarce_data.md"

Numbers = dict[str, Any]


def spread(images: np.ndarray) -> float:
    """How far the centers of mass of images are from their mean: a standard deviation in pixels, rows and columns."""
    light = (images[:, 0].astype(np.float64) + 1).clip(1e-6)
    total = light.sum((1, 2))
    places = [np.arange(n) for n in light.shape[1:]]
    centres = [(light.sum(2 - axis) * places[axis]).sum(1) / total for axis in range(2)]
    return float(np.sqrt(np.mean([centre.var() for centre in centres])))


# ---- GANs with few images

GAN = "dcgan --network conv --width 16 --steps 1500"
AFFINE = "translate+rotate+scale"
GAN_ROWS = {
    "100 plain": "--images 100",
    "100 augmented": "--images 100 --augment translate+cutout",
    "100 real images only": "--images 100",  # augmented in the loader
    f"100 {AFFINE}": f"--images 100 --augment {AFFINE}",
    "100 ada": f"--images 100 --augment {AFFINE} --augment-p ada",
    "300 plain": "--images 300",
    "300 augmented": "--images 300 --augment translate+cutout",
    "1000 plain": "--images 1000",
    "1000 augmented": "--images 1000 --augment translate+cutout",
    "4000 plain": "",
}


def train(command: str, path: Path, augment: str | None = None) -> None:
    """Train by the command line; with `augment` the images of the loader are augmented, and nothing else."""
    if (find_run(str(path)) / "done").is_file():
        return
    arguments = ["train", *command.split(), "--run", str(path), "--overwrite"]
    if augment is None:
        if main(arguments):
            raise SystemExit("stopped")
    else:
        if main([*arguments, "--steps", "1"]):  # the same config, data and first weights
            raise SystemExit("stopped")
        config = Run(path).config | {"steps": int(command.split("--steps ")[1].split()[0])}
        run = Run.create(path, config, overwrite=True)
        data = load_split(config, "train")
        loader = mg.data.Loader(data, config["batch_size"], seed=config["seed"], drop_last=True,
                                transform=mg.augment.Augment(augment))  # fmt: skip
        if fit(build_model(config), loader, run, steps=config["steps"]).interrupted:
            raise SystemExit("stopped")
    (path / "done").touch()


def measure_gan(row: str, seed: int, folder: Path) -> Numbers:
    """Train one GAN and compare 1,000 samples with the test images."""
    path = folder / f"gan-{row.replace(' ', '-')}-{seed}"
    began = time.process_time()
    train(f"{GAN} {GAN_ROWS[row]} --seed {seed}", path, "translate+cutout" if row.endswith("images only") else None)
    seconds = time.process_time() - began
    trained = load_trained(str(path))
    seen, test = trained.data("train"), trained.data("test")
    samples = trained.model.sample(1000, np.random.default_rng(0))
    values = Reference(load_judges(), seen, test, against="test").measure(samples).values
    some = np.random.default_rng(0).permutation(len(test))[: min(len(seen), 500)]
    means = [float(trained.model.score(images).mean()) for images in (seen.images[:500], test.images[some])]
    return {
        "fid": values["fid_percent"], "copies": values["copies"], "spread": spread(samples), "d_train": means[0],
        "d_heldout": means[1], "seconds": seconds,
    }  # fmt: skip


def gan_table(kept: dict[str, dict[str, Numbers]]) -> list[str]:
    """Every seed of every row."""
    lines = [
        "| images, augmentation | seeds | FID, % of the variance (mean) | D: training / held-out | spread, pixels "
        "| CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for row, by_seed in kept.items():
        one = list(by_seed.values())
        fid, spreads = ([n[name] for n in one] for name in ("fid", "spread"))
        outputs = " / ".join(f"{np.mean([n[name] for n in one]):.2f}" for name in ("d_train", "d_heldout"))
        lines.append(
            f"| {row} | {' '.join(by_seed)} | {' '.join(f'{x:.1f}' for x in fid)} (**{np.mean(fid):.1f}**) | {outputs} "
            f"| {np.mean(spreads):.2f} | {np.mean([n['seconds'] for n in one]):.0f} |"
        )
    return lines


# ---- a classifier with few images

CLASSIFIER_ROWS = {
    "real images only": (None, False),
    "+ augmentation": (None, True),
    "+ CVAE of the same images": ("cvae", False),
    "+ CGAN of the same images": ("cgan", False),
    "augmentation + CVAE of the same images": ("cvae", True),
    "+ unfair CVAE, of all 4,000": ("unfair", False),
    "augmentation + unfair CVAE, of all 4,000": ("unfair", True),
    "+ unfair CGAN, of all 4,000": ("pretrained", False),
    "augmentation + unfair CGAN, of all 4,000": ("pretrained", True),
}
PER_CLASS = 10
CLASSIFIER_STEPS, GENERATOR_STEPS, UNFAIR_STEPS = 250, 500, 1500


def train_classifier(data: Any, generator: Any, augmented: bool, seed: int) -> Any:
    """Train a classifier; with a generator half of each batch is generated."""
    mg.manual_seed(seed)
    network = mg.metrics.Classifier(28, 1, 10, width=8)
    optimizer = mg.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.05)
    change, rng = mg.augment.parse(AFFINE), np.random.default_rng(seed)
    for _ in range(CLASSIFIER_STEPS):
        chosen = rng.integers(0, len(data), 64)
        images, labels = data.images[chosen], data.labels[chosen]
        if generator is not None:
            images[:32] = generator.sample(32, rng, labels[:32])
        x = mg.tensor(images)
        x = change(x, generator=rng) if augmented else x
        optimizer.zero_grad()
        mg.functional.cross_entropy(network(x), mg.tensor(labels)).backward()
        optimizer.step()
    return network.eval()


def train_generator(kind: str, data: Any, seed: int) -> Any:
    """Train a conditional generator, augmented, on the same few images, or on all of mnist5k.

    "pretrained" is the CGAN that minigen brings: trained by ``minigen train cgan`` on all 4,000 images.
    """
    if kind == "pretrained":
        return load_trained("pretrained:cgan").model
    mg.manual_seed(seed)
    steps, change = GENERATOR_STEPS, mg.augment.Augment(AFFINE)
    if kind == "cgan":
        model = mg.models.CGAN(width=8, augment="translate+cutout")
        change = None
    else:
        model = mg.models.CVAE(network="mlp", latent=10)
    if kind == "unfair":
        data, steps = mg.data.load("mnist5k"), UNFAIR_STEPS
    loader = mg.data.Loader(data, 32, seed=seed, drop_last=True, transform=change)
    for step in range(steps):
        epoch, number = divmod(step, len(loader))
        if number == 0:
            batches = loader.epoch(epoch)
        model.schedule(step / steps)
        model.training_step(next(batches))
    return model


def measure_classifier(row: str, seed: int, folder: Path) -> Numbers:
    """Train a classifier with 10 images a class, and read the 1,000 test images."""
    del folder
    kind, augmented = CLASSIFIER_ROWS[row]
    whole, test = mg.data.load("mnist5k"), mg.data.load("mnist5k", "test")
    data = whole.subset(np.sort(balanced_order(whole, seed)[: 10 * PER_CLASS]))
    generator = None
    if kind is not None:
        generator = GENERATORS.get((kind, seed)) or train_generator(kind, data, seed)
        GENERATORS[kind, seed] = generator
    network = train_classifier(data, generator, augmented, seed)
    return {"right": float((network.predict(test.images) == test.labels).mean())}


GENERATORS: dict[tuple[str, int], Any] = {}
"""The generators of this process: two rows use the same one."""


def classifier_table(kept: dict[str, dict[str, Numbers]]) -> list[str]:
    """Mean and standard deviation over the seeds, and the difference to the row without generated images."""
    right = {row: {seed: 100 * n["right"] for seed, n in by_seed.items()} for row, by_seed in kept.items()}
    lines = [
        "| the classifier learns from | seeds | test images right, % | mean (sd) | minus the same without generated |",
        "|---|---|---|---|---|",
    ]
    for row, by_seed in right.items():
        values = np.array(list(by_seed.values()))
        sd = values.std(ddof=1) if len(values) > 1 else math.nan
        base = "+ augmentation" if CLASSIFIER_ROWS[row][1] else "real images only"
        gain = ""
        both = [seed for seed in by_seed if seed in right.get(base, {})]
        if row != base and CLASSIFIER_ROWS[row][0] and len(both) > 1:
            pairs = np.array([by_seed[seed] - right[base][seed] for seed in both])
            gain = f"{pairs.mean():+.1f} ± {pairs.std(ddof=1) / math.sqrt(len(pairs)):.1f}"
        lines.append(f"| {row} | {' '.join(by_seed)} | {' '.join(f'{x:.1f}' for x in values)} | {values.mean():.1f} "
                     f"({sd:.1f}) | {gain} |")  # fmt: skip
    return lines


TABLES: dict[str, tuple[dict[str, Any], list[int], Callable[..., Numbers], Callable[..., list[str]], str]] = {
    "classifier": (CLASSIFIER_ROWS, [0, 1, 2, 3, 4], measure_classifier, classifier_table, "1 minute a seed"),
    "gan": (GAN_ROWS, [0, 1, 2], measure_gan, gan_table, "10 minutes of one core for a seed"),
}
"""For each table its rows, its seeds, what measures one row with one seed, what writes it, and how long it takes."""


def run() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("table", choices=TABLES, nargs="?")
    parser.add_argument("--rows", nargs="+", help="some of its rows (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    parser.add_argument("--list", action="store_true", help="say what there is")
    asked = parser.parse_args()
    if asked.table is None:
        for name, (rows, seeds, *_, time_needed) in TABLES.items():
            print(f"{name}: {len(rows)} rows, seeds {seeds}, {time_needed}")
        return
    rows, seeds, measure, _, _ = TABLES[asked.table]
    for seed in asked.seeds or seeds:
        for row in asked.rows or rows:
            if str(seed) in read().get(asked.table, {}).get(row, {}):
                continue
            found = {name: round(value, 4) for name, value in measure(row, seed, asked.runs.resolve()).items()}
            kept = read()  # another process may have written in the meantime
            kept.setdefault(asked.table, {}).setdefault(row, {})[str(seed)] = found
            replace_file(KEPT, (json.dumps(kept, indent=1) + "\n").encode())
            print(row, seed, found, flush=True)
    write()


def read() -> dict[str, dict[str, dict[str, Numbers]]]:
    """What has been measured: by table, row and seed."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}


def write() -> None:
    """Write the tables into the page, their rows in the order of this file."""
    page, kept = PAGE.read_text(encoding="utf-8"), read()
    for name, (rows, _, _, table, _) in TABLES.items():
        if name in kept:
            ordered = {row: dict(sorted(kept[name][row].items())) for row in rows if row in kept[name]}
            page = replace_table(page, name, table(ordered))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run()
