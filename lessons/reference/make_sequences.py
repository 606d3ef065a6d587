"""Make the tables of `sequences.md` again: train, measure, write.

    python lessons/reference/make_sequences.py                      # rows that are missing in sequences.json
    python lessons/reference/make_sequences.py --tasks notes --seeds 0
    python lessons/reference/make_sequences.py --only-tables        # write the tables of what is there already
    python lessons/reference/make_sequences.py --store              # what lesson 17 shows, and the pictures of the page

Each row is a command line of ``minigen train``.  Its settings were chosen with other seeds (10 and above) and fixed
before seeds 0 to 2 were run.  Results are kept in `sequences.json`, one entry for each task and seed, with the process
time; what is there already is not made again.  A run that was stopped goes on.  All together takes about an hour on one
core.  Needs the extra `sequences`.  With ``--store`` the generators and samples of the first seed are written to sequences.npz
and to pictures: none of it is rendered from the sound font.
"""

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigen as mg
from minigen._util.tables import replace_table
from minigen.audio import griffin_lim, stft
from minigen.cli import main as minigen
from minigen.metrics import class_gaussians, in_tune, mmd, tstr

HERE = Path(__file__).resolve().parent
KEPT, PAGE, PICTURES = HERE / "sequences.json", HERE / "sequences.md", HERE.parent / "pictures"
SEEDS = (0, 1, 2)
MELODY = [60, 62, 64, 65, 67]  # C D E F G


class Task(NamedTuple):
    """A row, or several, of the table of trained models."""

    train: str
    """What follows ``minigen train``."""
    what: str
    measures: dict[str, tuple[str, str]]
    """For each measure its name, how a value is written, and what to compare it with."""


SOUND = {"tune": ("in tune", "{:.1f} %", "{notes/griffin-lim/tune:.1f} %"),
         "cents": ("median error", "{:.1f} cents", "{notes/griffin-lim/cents:.1f} cents")}  # fmt: skip
TASKS = {
    "wave": Task("wavegan --data notes --steps 1000", "`wavegan`: samples of notes", SOUND),
    "rows": Task(
        "rcgan --data rows:mnist5k --loss wgan-gp --norm --steps 4500",
        "`rcgan`: digits row by row",
        {"asked": ("read as asked", "{:.1f} %", "`cgan`: 97.6 %"), "fid": ("FID", "{:.2f}", "`cgan`: 0.16")},
    ),
    "notes": Task("rcgan --data notes", "`rcgan`: notes frame by frame", SOUND),
    "spec": Task("specgan --data notes --steps 1000", "`specgan`: notes as images", SOUND),
    "power": Task(
        "rcgan --data power --critic dense --loss wgan-gp --width 48 --steps 4500",
        "`rcgan`: days",
        {
            "mmd": ("MMD²", "{:.4f}", "real {power/real/mmd:.4f}; normal {power/normal/mmd:.4f}"),
            "logistic": ("TSTR logistic", "{:.3f}", "TRTR {power/real/logistic:.3f}"),
            "neighbor": ("TSTR nearest neighbor", "{:.3f}", "TRTR {power/real/neighbor:.3f}"),
        },
    ),
}


def measure_series(made: Any, labels: Any, test: Any) -> dict[str, float]:
    """MMD, and TSTR by logistic regression and by the nearest neighbor."""
    return {"mmd": mmd(test.series, made), **tstr(made, labels, test.series, test.labels)}


def measure_sound(sounds: Any, labels: Any, rate: int = 8000) -> dict[str, float]:
    """The share in tune, in percent, and the median error in cents."""
    share, error = in_tune(sounds, np.asarray(labels) + MELODY[0], rate)
    return {"tune": 100 * share, "cents": error}


def power_of(model: Any) -> dict[str, float]:
    """Draw as many days as the test split has, of the same classes."""
    test = mg.data.load("power", "test")
    return measure_series(model.sample(len(test), np.random.default_rng(0), test.labels), test.labels, test)


def notes_of(model: Any) -> dict[str, float]:
    """Draw 20 notes of each key."""
    labels = np.repeat(np.arange(13), 20)
    return measure_sound(model.to_sound(model.sample(len(labels), np.random.default_rng(0), labels)), labels)


def rows_of(model: Any) -> dict[str, float]:
    """Draw 100 digits of each class: the share that the reader reads as asked, and the FID."""
    judges, labels = mg.metrics.load_judges(), np.repeat(np.arange(10), 100)
    images = model.pictures(model.sample(len(labels), np.random.default_rng(0), labels))
    real = judges.looker.features(mg.data.load("mnist5k", "test").images)
    distance = mg.metrics.fid(real, judges.looker.features(images))
    return {"asked": 100 * float((judges.reader.predict(images) == labels).mean()), "fid": float(distance)}


MEASURE: dict[str, Callable[[Any], dict[str, float]]] = {
    "power": power_of, "notes": notes_of, "spec": notes_of, "wave": notes_of, "rows": rows_of,
}  # fmt: skip


def bytes_of(values: Any) -> np.ndarray:
    """Round values in [-1, 1] to 256 levels."""
    levels: np.ndarray = np.round(127.5 * (np.asarray(values) + 1)).clip(0, 255).astype(np.uint8)
    return levels


def store(runs: Path, seed: int) -> None:
    """Write what lesson 17 shows: two generators, and samples of three other models."""
    kept: dict[str, Any] = {}

    def model_of(task: str) -> Any:
        return mg.train.load_trained(str(runs / f"{task}-{seed}")).model

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


def draw_days(model: Any, path: Path) -> None:
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
    mg.plot.save_figure(picture, str(path))


def draw_melody(model: Any, path: Path) -> None:
    """Draw the spectrogram of C D E F G, one noise for all notes."""
    noise = np.repeat(np.random.default_rng(0).standard_normal((1, model.latent), np.float32), len(MELODY), 0)
    sounds = model.to_sound(model.decode(noise, np.array(MELODY) - MELODY[0]))
    shown = mg.plot.show_audio(sounds.reshape(-1), 8000, "C D E F G, drawn by the recurrent generator of seed 0.")
    mg.plot.save_figure(shown.figure, str(path))


def baselines() -> dict[str, dict[str, float]]:
    """Real training data, normal distributions, and real notes as they are and by Griffin-Lim."""
    train, test = (mg.data.load("power", split) for split in ("train", "test"))
    found = {"power/real": measure_series(train.series, train.labels, test)}
    draws = [
        measure_series(*class_gaussians(train.series, train.labels, 274, np.random.default_rng(seed)), test)
        for seed in SEEDS
    ]
    found |= {f"power/normal/{seed}": numbers for seed, numbers in zip(SEEDS, draws)}
    found["power/normal"] = {name: statistics.median(each[name] for each in draws) for name in draws[0]}
    notes = mg.data.load("notes", "test", count=1)
    sounds = {"rendered": notes.audio[:, 0], "griffin-lim": griffin_lim(np.abs(stft(notes.audio[:, 0])))}
    for name, each in sounds.items():
        found[f"notes/{name}"] = measure_sound(each, notes.labels, notes.rate)
    return found


def train(task: str, seed: int, folder: Path) -> tuple[Any, float | None]:
    """Train one task with one seed, or go on; return the model, and the process time of a training from the start."""
    path = folder / f"{task}-{seed}"
    resumed = (path / "config.json").is_file()
    began = time.process_time()
    command = ["train", *TASKS[task].train.split(), "--seed", str(seed), "--run", str(path)]
    if minigen([*command, *(["--resume"] if resumed else [])]):
        raise SystemExit(f"the training {task}-{seed} was stopped; the same command goes on with it")
    return mg.train.load_trained(str(path)).model, None if resumed else round(time.process_time() - began)


def trained_table(kept: Mapping[str, dict[str, Any]]) -> list[str]:
    """The table of trained models: every seed, their median and range, and what to compare with."""
    flat = {f"{name}/{key}": value for name, numbers in kept.items() for key, value in numbers.items()}
    lines = ["| task | | seeds 0, 1, 2 | median (range) | to compare with |", "|---|---|---|---|---|"]
    for name, task in TASKS.items():
        for i, (key, (label, form, rival)) in enumerate(task.measures.items()):
            values = [kept[f"{name}/{seed}"][key] for seed in SEEDS if f"{name}/{seed}" in kept]
            if not values:
                continue
            missing = [""] * (len(SEEDS) - len(values))
            number, _, unit = form.partition(" ")
            cells = ", ".join([number.format(value) for value in values] + ["not run" for _ in missing])
            low, middle, high = (number.format(f(values)) for f in (min, statistics.median, max))
            compared = re.sub(r"\{([^:}]+):([^}]+)\}", lambda found: format(flat[found[1]], found[2]), rival)
            lines.append(
                f"| {task.what if not i else ''} | {label} | {cells} | {middle} ({low} to {high}) {unit} | {compared} |"
            )
    return lines


def cost_table(kept: Mapping[str, dict[str, Any]]) -> list[str]:
    """What each training costs."""
    lines = ["| task | `minigen train` | process time of one seed, one thread |", "|---|---|---|"]
    for name, task in TASKS.items():
        seconds = [kept[f"{name}/{seed}"].get("seconds") for seed in SEEDS if f"{name}/{seed}" in kept]
        known = [each for each in seconds if each]
        lines.append(
            f"| {task.what} | `{task.train}` | {f'{statistics.median(known):.0f} s' if known else 'not measured'} |"
        )
    return lines


def days_table(kept: Mapping[str, dict[str, Any]]) -> list[str]:
    """The baselines of the days."""
    lines = ["| what | MMD² to held-out days | TSTR logistic | TSTR nearest neighbor |", "|---|---|---|---|"]
    rows = {"real training days (the last two are TRTR)": ["power/real"],
            "a normal distribution of each class, 3 draws": [f"power/normal/{seed}" for seed in SEEDS]}  # fmt: skip
    forms = {"mmd": "{:.4f}", "logistic": "{:.3f}", "neighbor": "{:.3f}"}
    for what, names in rows.items():
        cells = [", ".join(form.format(kept[name][key]) for name in names) for key, form in forms.items()]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return lines


def sound_table(kept: Mapping[str, dict[str, Any]]) -> list[str]:
    """The baselines of the notes."""
    lines = ["| what | in tune | median error |", "|---|---|---|"]
    for what, name in (
        ("notes as rendered", "rendered"),
        ("the same, by Griffin-Lim from their magnitudes", "griffin-lim"),
    ):
        numbers = kept[f"notes/{name}"]
        lines.append(f"| {what} | {numbers['tune']:.1f} % | {numbers['cents']:.1f} cents |")
    return lines


TABLES = {"days": days_table, "sound": sound_table, "trained": trained_table, "cost": cost_table}


def with_tables(page: str, kept: Mapping[str, dict[str, Any]]) -> str:
    """The page with its tables written anew."""
    for name, table in TABLES.items():
        page = replace_table(page, name, table(kept))
    return page


def main() -> None:
    """Train and measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--only-tables", action="store_true", help="train nothing")
    parser.add_argument("--store", action="store_true", help="write sequences.npz and the pictures")
    arguments = parser.parse_args()
    if arguments.store:
        store(arguments.runs, arguments.seeds[0])
        for task, draw, name in (("power", draw_days, "days"), ("notes", draw_melody, "melody")):
            model = mg.train.load_trained(str(arguments.runs / f"{task}-{arguments.seeds[0]}")).model
            draw(model, PICTURES / f"sequences_{name}.png")
        return
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    if not arguments.only_tables:
        if "notes/rendered" not in kept:
            kept |= baselines()
        for task in arguments.tasks:
            for seed in arguments.seeds:
                if f"{task}/{seed}" not in kept:
                    model, seconds = train(task, seed, arguments.runs)
                    kept[f"{task}/{seed}"] = {**MEASURE[task](model), "seconds": seconds}
                    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), kept), encoding="utf-8")


if __name__ == "__main__":
    main()
