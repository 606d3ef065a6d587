"""Train and measure the sequences of `sequences.md`: python lessons/reference/make_sequences.py [--seeds 0 1 2].

A run that is there already (in --runs) is not trained again.  Needs the extra `sequences`.  With --store the generators
and samples that lesson 17 shows are written to sequences.npz: none of it is rendered from the sound font.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen.audio import griffin_lim, stft
from minigen.cli import main as minigen
from minigen.metrics import class_gaussians, in_tune, mmd, tstr

POWER = ["rcgan", "--data", "power", "--critic", "dense", "--loss", "wgan-gp", "--width", "48", "--steps", "4500"]
TASKS = {
    "power": POWER,
    "notes": ["rcgan", "--data", "notes"],
    "spec": ["specgan", "--data", "notes", "--steps", "1000"],
    "wave": ["wavegan", "--data", "notes", "--steps", "1000"],
    "rows": ["rcgan", "--data", "rows:mnist5k", "--loss", "wgan-gp", "--norm", "--steps", "4500"],
}
MELODY = [60, 62, 64, 65, 67]  # C D E F G


def measure_series(made: Any, labels: Any, test: Any) -> list[float]:
    """MMD, and TSTR by logistic regression and by the nearest neighbour."""
    scores = tstr(made, labels, test.series, test.labels)
    return [mmd(test.series, made), scores["logistic"], scores["neighbor"]]


def power_of(model: Any) -> list[float]:
    """Draw as many days as the test split has, of the same classes."""
    test = mg.data.load("power", "test")
    return measure_series(model.sample(len(test), np.random.default_rng(0), test.labels), test.labels, test)


def notes_of(model: Any) -> list[float]:
    """Draw 20 notes of each key: the share in tune, in percent, and the median error in cents."""
    labels = np.repeat(np.arange(13), 20)
    share, error = in_tune(
        model.to_sound(model.sample(len(labels), np.random.default_rng(0), labels)), labels + 60, 8000
    )
    return [100 * share, error]


def rows_of(model: Any) -> list[float]:
    """Draw 100 digits of each class: the share that the reader reads as asked, and the FID."""
    judges, labels = mg.metrics.load_judges(), np.repeat(np.arange(10), 100)
    images = model.pictures(model.sample(len(labels), np.random.default_rng(0), labels))
    real = judges.looker.features(mg.data.load("mnist5k", "test").images)
    distance = mg.metrics.fid(real, judges.looker.features(images))
    return [100 * float((judges.reader.predict(images) == labels).mean()), float(distance)]


def bytes_of(values: Any) -> np.ndarray:
    """Round values in [-1, 1] to 256 levels."""
    levels: np.ndarray = np.round(127.5 * (np.asarray(values) + 1)).clip(0, 255).astype(np.uint8)
    return levels


def store(runs: Path, seed: int) -> None:
    """Write what lesson 17 shows: two generators, and samples of three other models."""
    kept: dict[str, Any] = {}

    def model_of(task: str) -> Any:
        return mg.train.load_trained(runs / f"{task}-{seed}").model

    for task in ("power", "notes"):
        model = model_of(task)
        kept[f"{task}/options"] = json.dumps(
            {k: v for k, v in vars(model.options).items() if k not in model.Options.WITHOUT}
        )
        for name, value in model.state_dict().items():
            if name.startswith("generator.") or name in ("mean", "deviation"):
                kept[f"{task}/{name}"] = np.asarray(value, np.float16)
    spec, wave, rows = model_of("spec"), model_of("wave"), model_of("rows")
    noise = np.random.default_rng(0).standard_normal((1, spec.latent), np.float32)
    kept["spec/frames"] = bytes_of(spec.decode(np.repeat(noise, 13, 0), np.arange(13)))
    kept["wave/sounds"] = np.round(
        127 * wave.to_sound(wave.decode(np.repeat(noise, len(MELODY), 0), np.array(MELODY) - 60))
    ).astype(np.int8)
    images = rows.pictures(rows.sample(30, np.random.default_rng(0), np.tile(np.arange(10), 3)))
    kept["rows/images"] = bytes_of(images)
    np.savez_compressed(Path(__file__).with_suffix("").with_name("sequences.npz"), **kept)


def show(name: str, rows: list[list[float]]) -> None:
    """Print one line of figures: each seed, in the order of the seeds."""
    for i, column in enumerate(zip(*rows)):
        ends = f"   median {np.median(column):.4g}, range {min(column):.4g} to {max(column):.4g}"
        print(f"{name} [{i}]  " + "  ".join(f"{value:.4g}" for value in column) + ends)


def draw_days(model: Any, path: str) -> None:
    """Draw 25 real held-out days beside 25 drawn ones of the same classes."""
    test = mg.data.load("power", "test")
    made = model.sample(25, np.random.default_rng(0), test.labels[:25])
    picture, axes = mg.plot.figure(
        5,
        10,
        size=(8, 3.6),
        caption="Left: 25 days of the data that were held out. Right: 25 drawn days of the same classes (orange: April to "
        "September). Hours 0 to 23; each day is standardized.",
    )
    for i in range(25):
        for days, side in ((test.series, 0), (made, 5)):
            axis = axes[i // 5, i % 5 + side]
            axis.plot(days[i, :, 0], color=list(mg.plot.COLORS.values())[int(test.labels[i])], linewidth=1)
            axis.set(ylim=(-3, 3.5), xticks=[], yticks=[])
    mg.plot.save_figure(picture, path)


def baselines() -> None:
    """Real training data, normal distributions, and Griffin-Lim of real spectrograms."""
    train, test = (mg.data.load("power", split) for split in ("train", "test"))
    show("power, real training days", [measure_series(train.series, train.labels, test)])
    drawn = [class_gaussians(train.series, train.labels, 274, np.random.default_rng(seed)) for seed in range(3)]
    show("power, a normal distribution of each class", [measure_series(*each, test) for each in drawn])
    notes = mg.data.load("notes", "test", count=1)
    for name, sounds in (
        ("as rendered", notes.audio[:, 0]),
        ("by Griffin-Lim", griffin_lim(np.abs(stft(notes.audio[:, 0])))),
    ):
        share, error = in_tune(sounds, notes.labels + 60, notes.rate)
        show(f"notes, {name}", [[100 * share, error]])


def main() -> None:
    """Train what is missing, and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--store", action="store_true", help="write sequences.npz from the runs of the first seed")
    arguments = parser.parse_args()
    if arguments.store:
        store(arguments.runs, arguments.seeds[0])
        return
    baselines()
    measures: dict[str, Callable[[Any], list[float]]] = {"power": power_of, "notes": notes_of, "spec": notes_of}
    measures |= {"wave": notes_of, "rows": rows_of}
    for task in arguments.tasks:
        rows = []
        for seed in arguments.seeds:
            run = arguments.runs / f"{task}-{seed}"
            if not run.is_dir():
                minigen(["train", *TASKS[task], "--seed", str(seed), "--run", str(run)])
            model: Any = mg.train.load_trained(run).model
            rows.append(measures[task](model))
            if task == "power" and seed == arguments.seeds[0]:
                draw_days(model, str(arguments.runs / "days.png"))
        show(task, rows)


if __name__ == "__main__":
    main()
