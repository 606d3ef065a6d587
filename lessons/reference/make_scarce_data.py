"""Make the numbers of the page on scarce data: train, measure, and write one table.

    python lessons/reference/make_scarce_data.py classifier    # with 10 to 100 images of each class, and generated ones
    python lessons/reference/make_scarce_data.py regularized   # weight decay, dropout, L1, augmentation
    python lessons/reference/make_scarce_data.py vae           # a VAE of 300 images
    python lessons/reference/make_scarce_data.py gan           # GANs of 100 to 4,000 images, with augmentation
    python lessons/reference/make_scarce_data.py gan --rows "100 plain" --seeds 0
    python lessons/reference/make_scarce_data.py --list        # the tables, and how long they take

What is in ``scarce_data.json`` is not trained again; delete an entry to measure it again.  Each table of
``scarce_data.md`` is written from there.
"""

import argparse
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen._util.atomic_write import replace_file
from minigen._util.tables import replace_table
from minigen.cli import main
from minigen.data.dataset import balanced_order
from minigen.metrics import Reference, load_judges
from minigen.plot import save_image_grid
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


def gray(images: np.ndarray) -> float:
    """How many of the pixels are gray, in %: the squares that cutout leaves are 0, and a digit has few such pixels."""
    return float(100 * (np.abs(images) < 0.2).mean())


# ---- GANs with few images

# Without the average of weights, which hides what the last weights do.
GAN, STEPS = "dcgan --ema 0 --batch-size 32", 2500
AFFINE = "translate+rotate+scale"
REALS_ONLY = "100 real images only"
GAN_ROWS = {
    "100 plain": "--images 100",
    "100 augmented": "--images 100 --augment translate+cutout",
    REALS_ONLY: "--images 100",  # augmented in the loader
    f"100 {AFFINE}": f"--images 100 --augment {AFFINE}",
    "100 ada": f"--images 100 --augment {AFFINE} --augment-p ada",
    "300 plain": "--images 300",
    "300 augmented": "--images 300 --augment translate+cutout",
    "300 ada": f"--images 300 --augment {AFFINE} --augment-p ada",
    "1000 plain": "--images 1000",
    "1000 augmented": "--images 1000 --augment translate+cutout",
    "1000 ada": f"--images 1000 --augment {AFFINE} --augment-p ada",
    "4000 plain": "",
}


def measure_real() -> Numbers:
    """The measures of a GAN's samples, of real images: 1,000 of the training images, and the 100 of the first rows."""
    train_images, test = (mg.data.load("mnist5k", split=split) for split in ("train", "test"))
    few = train_images.images[balanced_order(train_images, seed=0)[:100]]
    reference = Reference(load_judges(), train_images, test, against="test")
    some = train_images.images[np.random.default_rng(0).permutation(len(train_images))[:1000]]
    found = {name: reference.measure(images).values["fid_percent"] for name, images in (("1000", some), ("100", few))}
    return {
        "fid of 1000": found["1000"],
        "fid of 100": found["100"],
        "gray": gray(train_images.images),
        "spread": spread(train_images.images),
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
        config = Run(path).config | {"steps": STEPS}
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
    augment = "translate+cutout" if row == REALS_ONLY else None
    train(f"{GAN} {GAN_ROWS[row]} --steps {STEPS} --seed {seed}", path, augment)
    seconds = time.process_time() - began
    trained = load_trained(str(path))
    seen, test = trained.data("train"), trained.data("test")
    samples = trained.model.sample(1000, np.random.default_rng(0))
    values = Reference(load_judges(), seen, test, against="test").measure(samples).values
    batch = trained.run.config["batch_size"]
    means = [mean_output(trained.model, data.images, batch) for data in (seen, test)]
    return {
        "fid": values["fid_percent"], "copies": 100 * values["copies"], "coverage": 100 * values["coverage"],
        "gray": gray(samples), "spread": spread(samples), "d_train": means[0], "d_heldout": means[1],
        "seconds": seconds,
    }  # fmt: skip


def mean_output(model: Any, images: np.ndarray, batch: int) -> float:
    """D's mean output, in batches of the size that it was trained with: it compares the images of a batch."""
    order = np.random.default_rng(0).permutation(len(images))[: len(images) // batch * batch][: 10 * batch]
    return float(np.mean([model.score(images[some]) for some in order.reshape(-1, batch)]))


def means(by_seed: dict[str, Numbers]) -> Numbers:
    """The mean of each number over the seeds."""
    return {name: np.mean([n[name] for n in by_seed.values()]) for name in next(iter(by_seed.values()))}


def gan_table(kept: dict[str, dict[str, Numbers]]) -> list[str]:
    """Every seed of every row."""
    lines = [
        "| images, augmentation | seeds | FID, % of the variance (mean) | coverage, % | copies, % | D: training / held-out "
        "| gray pixels, % | spread | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, by_seed in kept.items():
        mean = means(by_seed)
        fid = " ".join(f"{n['fid']:.1f}" for n in by_seed.values())
        lines.append(
            f"| {row} | {' '.join(by_seed)} | {fid} (**{mean['fid']:.1f}**) | {mean['coverage']:.0f} "
            f"| {mean['copies']:.1f} | {mean['d_train']:.2f} / {mean['d_heldout']:.2f} | {mean['gray']:.1f} "
            f"| {mean['spread']:.2f} | {mean['seconds']:.0f} |"
        )
    return lines


def picture(folder: Path) -> None:
    """Ten unselected samples for each way of augmenting, from seed 0, below real images."""
    digits = mg.data.load("mnist5k")
    shown = [digits.images[balanced_order(digits, 0)[:10]]]
    for row in ("100 plain", "100 augmented", REALS_ONLY):
        path = folder / f"gan-{row.replace(' ', '-')}-0"
        if not (path / "done").is_file():
            return
        shown.append(load_trained(str(path)).model.sample(10, np.random.default_rng(1)))
    save_image_grid(HERE.parent / "pictures" / "scarce_gan.png", np.concatenate(shown), 10, scale=2)


# ---- a classifier with few images


@dataclass(frozen=True)
class Learned:
    """What a classifier learns from: real images, which may be augmented, and generated ones."""

    augmented: bool = False
    generator: str | None = None
    per_class: int = 10
    """Real images of each class."""
    share: float = 0.5
    """The part of each batch that is generated, if there is a generator."""


CLASSIFIER_ROWS = {
    "real images only": Learned(),
    "+ augmentation": Learned(True),
    "+ CVAE of the same images": Learned(False, "cvae"),
    "+ CGAN of the same images": Learned(False, "cgan"),
    "augmentation + CVAE of the same images": Learned(True, "cvae"),
    "augmentation + CVAE, a fifth of each batch": Learned(True, "cvae", share=0.2),
    "augmentation + CGAN of the same images": Learned(True, "cgan"),
    "+ unfair CVAE, of all 4,000": Learned(False, "unfair"),
    "augmentation + unfair CVAE, of all 4,000": Learned(True, "unfair"),
    "+ unfair CGAN, of all 4,000": Learned(False, "pretrained"),
    "augmentation + unfair CGAN, of all 4,000": Learned(True, "pretrained"),
}
CLASSIFIER_ROWS |= {
    f"{n} of each class: {row}": replace(CLASSIFIER_ROWS[row], per_class=n)
    for n in (30, 100)
    for row in ("real images only", "+ augmentation", "+ CVAE of the same images", "+ CGAN of the same images",
                "augmentation + CVAE of the same images", "augmentation + CGAN of the same images")
}  # fmt: skip
RATE = 3e-3
CLASSIFIER_STEPS, GENERATOR_STEPS, UNFAIR_STEPS = 250, 500, 1500


def some_digits(per_class: int, seed: int) -> Any:
    """Choose `per_class` digits of each class by the seed."""
    whole = mg.data.load("mnist5k")
    return whole.subset(np.sort(balanced_order(whole, seed)[: 10 * per_class]))


def train_classifier(
    data: Any,
    augmented: bool,
    seed: int,
    generator: Any = None,
    share: float = 0.0,
    weight_decay: float = 0.05,
    dropout: float = 0.5,
    l1: float = 0.0,
) -> Any:
    """Train a classifier; with a generator a share of each batch is generated."""
    mg.manual_seed(seed)
    network = mg.metrics.Classifier(28, 1, 10, width=8)
    for layer in network.modules():
        if isinstance(layer, mg.nn.Dropout):
            layer.p = dropout
    optimizer = mg.optim.AdamW(network.parameters(), lr=RATE, weight_decay=weight_decay)
    change, rng = mg.augment.parse(AFFINE), np.random.default_rng(seed)
    for step in range(CLASSIFIER_STEPS):
        optimizer.param_groups[0]["lr"] = RATE * min(1, 2 - 2 * step / CLASSIFIER_STEPS)  # falls in the second half
        chosen = rng.integers(0, len(data), 64)
        images, labels = data.images[chosen], data.labels[chosen]
        if generator is not None:
            made = round(64 * share)
            images[:made] = generator.sample(made, rng, labels[:made])
        x = mg.tensor(images)
        x = change(x, generator=rng) if augmented else x
        optimizer.zero_grad()
        loss = mg.functional.cross_entropy(network(x), mg.tensor(labels))
        if l1:
            loss = loss + mg.losses.l1_penalty(weights(network), l1)
        loss.backward()
        optimizer.step()
    return network.eval()


def weights(network: Any) -> list[Any]:
    """The matrices and filters of a network."""
    return [parameter for parameter in network.parameters() if parameter.ndim > 1]


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
    for step, batch in enumerate(batches(loader, steps)):
        model.schedule(step / steps)
        model.training_step(batch)
    return model


def batches(loader: Any, steps: int) -> Iterator[Any]:
    """As many batches as there are steps, of one epoch after the other."""
    epochs = (loader.epoch(number) for number in itertools.count())
    return itertools.islice(itertools.chain.from_iterable(epochs), steps)


def measure_classifier(row: str, seed: int, folder: Path) -> Numbers:
    """Train a classifier with few images of each class, and read the 1,000 test images."""
    del folder
    learned = CLASSIFIER_ROWS[row]
    data = some_digits(learned.per_class, seed)
    generator = None
    if learned.generator is not None:
        key = (learned.generator, learned.per_class, seed)
        generator = GENERATORS.get(key) or train_generator(learned.generator, data, seed)
        GENERATORS[key] = generator
    network = train_classifier(data, learned.augmented, seed, generator, learned.share)
    return {"right": read_right(network, mg.data.load("mnist5k", "test"))}


def read_right(network: Any, data: Any) -> float:
    """The share of digits that a classifier reads right."""
    return float((network.predict(data.images) == data.labels).mean())


GENERATORS: dict[tuple[str, int, int], Any] = {}
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
        learned = CLASSIFIER_ROWS[row]
        alone = replace(learned, generator=None, share=Learned.share)
        base = next(name for name, other in CLASSIFIER_ROWS.items() if other == alone)
        gain = ""
        both = [seed for seed in by_seed if seed in right.get(base, {})]
        if learned.generator and len(both) > 1:
            pairs = np.array([by_seed[seed] - right[base][seed] for seed in both])
            gain = f"{pairs.mean():+.1f} ± {pairs.std(ddof=1) / math.sqrt(len(pairs)):.1f}"
        lines.append(f"| {row} | {' '.join(by_seed)} | {' '.join(f'{x:.1f}' for x in values)} | {values.mean():.1f} "
                     f"({sd:.1f}) | {gain} |")  # fmt: skip
    return lines


# ---- regularization of a classifier

REGULARIZED_ROWS: dict[str, Numbers] = {
    "nothing": {},
    "weight decay 0.05": {"weight_decay": 0.05},
    "weight decay 0.5": {"weight_decay": 0.5},
    "dropout 0.5": {"dropout": 0.5},
    "L1 1e-4": {"l1": 1e-4},
    "L1 1e-3": {"l1": 1e-3},
    "augmentation": {"augmented": True},
    "augmentation, weight decay 0.05, dropout 0.5": {"augmented": True, "weight_decay": 0.05, "dropout": 0.5},
}


def measure_regularized(row: str, seed: int, folder: Path) -> Numbers:
    """Train a classifier with 30 digits of each class: how it reads them and others, and how many weights are small."""
    del folder
    data = some_digits(30, seed)
    network = train_classifier(
        data, seed=seed, **{"augmented": False, "weight_decay": 0.0, "dropout": 0.0} | REGULARIZED_ROWS[row]
    )
    sizes = np.concatenate([np.abs(weight.numpy()).ravel() for weight in weights(network)])
    return {
        "right": read_right(network, mg.data.load("mnist5k", "test")),
        "train": read_right(network, data),
        "small": float((sizes < 1e-3).mean()),
    }


def regularized_table(kept: dict[str, dict[str, Numbers]]) -> list[str]:
    """Every seed of every row."""
    lines = [
        "| regularization | seeds | test images right, % (mean) | training images, % | weights below 1e-3, % |",
        "|---|---|---|---|---|",
    ]
    for row, by_seed in kept.items():
        right, train, small = ([100 * n[name] for n in by_seed.values()] for name in ("right", "train", "small"))
        lines.append(
            f"| {row} | {' '.join(by_seed)} | {' '.join(f'{x:.1f}' for x in right)} (**{np.mean(right):.1f}**) "
            f"| {np.mean(train):.1f} | {np.mean(small):.0f} |"
        )
    return lines


# ---- a VAE with few images

VAE_STEPS = (300, 600, 1200)
VAE_ROWS: dict[str, Numbers] = {
    "nothing": {},
    "dropout 0.3": {"dropout": 0.3},
    "weight decay 0.1": {"weight_decay": 0.1},
    "beta 2": {"beta": 2.0},
    "64 units a layer, not 200": {"width": 64},
    "augmentation": {"augment": AFFINE},
    "augmentation, dropout 0.3": {"augment": AFFINE, "dropout": 0.3},
}


def measure_vae(row: str, seed: int, folder: Path) -> Numbers:
    """Train a VAE with 300 images; minus the ELBO of these and of the test images after some numbers of steps."""
    del folder
    data, test = some_digits(30, seed), mg.data.load("mnist5k", "test")
    mg.manual_seed(seed)
    model = mg.models.VAE(network="mlp", latent=10, **VAE_ROWS[row])
    loader, found = mg.data.Loader(data, 64, seed=seed, drop_last=True), {}
    for step, batch in enumerate(batches(loader, VAE_STEPS[-1]), 1):
        model.training_step(batch)
        if step in VAE_STEPS:
            model.eval()
            for name, images in (("train", data.images), ("test", test.images)):
                found[f"{name}_{step}"] = -mg.metrics.elbo_terms(model, images)["elbo"]
            model.train()
    return found


def vae_table(kept: dict[str, dict[str, Numbers]]) -> list[str]:
    """Training and test images after each number of steps: means over the seeds, and the range of the last ones."""
    heads = " | ".join(f"{steps:,} steps" for steps in VAE_STEPS)
    lines = [
        f"| what is different | seeds | {heads} | test images at the end, each seed |",
        "|---|---|---|---|---|---|",
    ]
    for row, by_seed in kept.items():
        mean = means(by_seed)
        cells = " | ".join(f"{mean[f'train_{n}']:.0f} / **{mean[f'test_{n}']:.1f}**" for n in VAE_STEPS)
        last = " ".join(f"{n[f'test_{VAE_STEPS[-1]}']:.1f}" for n in by_seed.values())
        lines.append(f"| {row} | {' '.join(by_seed)} | {cells} | {last} |")
    return lines


TABLES: dict[str, tuple[dict[str, Any], list[int], Callable[..., Numbers], Callable[..., list[str]], str]] = {
    "classifier": (CLASSIFIER_ROWS, [0, 1, 2, 3, 4], measure_classifier, classifier_table, "5 minutes a seed"),
    "regularized": (REGULARIZED_ROWS, [0, 1, 2], measure_regularized, regularized_table, "1 minute a seed"),
    "vae": (VAE_ROWS, [0, 1, 2], measure_vae, vae_table, "2 minutes a seed"),
    "gan": (GAN_ROWS, [0, 1, 2], measure_gan, gan_table, "25 minutes of one core for a seed"),
}
"""For each table its rows, its seeds, what measures one row with one seed, what writes it, and how long it takes."""


def run() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("table", choices=[*TABLES, "real"], nargs="?", help="real: print what real images have")
    parser.add_argument("--rows", nargs="+", help="some of its rows (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    parser.add_argument("--list", action="store_true", help="say what there is")
    asked = parser.parse_args()
    if asked.table is None:
        for name, (rows, seeds, *_, time_needed) in TABLES.items():
            print(f"{name}: {len(rows)} rows, seeds {seeds}, {time_needed}")
        return
    if asked.table == "real":
        print(measure_real())
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
    write(asked.runs.resolve())


def read() -> dict[str, dict[str, dict[str, Numbers]]]:
    """What has been measured: by table, row and seed."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}


def write(folder: Path) -> None:
    """Write the tables into the page, their rows in the order of this file, and the picture."""
    page, kept = PAGE.read_text(encoding="utf-8"), read()
    for name, (rows, _, _, table, _) in TABLES.items():
        if name in kept:
            ordered = {row: dict(sorted(kept[name][row].items())) for row in rows if row in kept[name]}
            page = replace_table(page, name, table(ordered))
    PAGE.write_text(page, encoding="utf-8")
    picture(folder)


if __name__ == "__main__":
    run()
