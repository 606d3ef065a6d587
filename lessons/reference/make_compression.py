"""Make the tables of `compression.md` again: train, compress, measure.

    python lessons/reference/make_compression.py                  seeds 0 to 2: about ten minutes on one core
    python lessons/reference/make_compression.py --seeds 0        one seed
    python lessons/reference/make_compression.py --only-tables    write the tables of what is there already

A classifier of digits (`minigen.metrics.train_classifier` with its defaults) and the generator of a DCGAN
(``minigen train dcgan --network conv --width 16 --batch-size 32 --steps 1500``), both trained on the 4,000 images of
mnist5k.  Accuracies are of the 1,000 test digits.  Results are kept in `compression.json`, one entry for each part and
seed, written after each line; what is there completely is not made again, unless with `--again`.  Times are seconds of
the processor, not of the clock.  Needs the extra `data`.
"""

import argparse
import copy
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np

from minigen._util.tables import replace_table

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "compression.json", HERE / "compression.md"

TRAINING_STEPS = 1500
STEPS_AFTER = {"classifier": 150, "generator": 500}
SHARES = {"classifier": (0.5, 0.8, 0.9, 0.95), "generator": (0.3, 0.5, 0.7)}
STUDENTS = (4, 2)
LAST = {"classifier": "student-2-distilled", "generator": "student-8-distilled"}

Save = Callable[[dict[str, dict[str, float]]], None]


def sized(network: Any, int8: bool) -> dict[str, float]:
    """The bytes of a network's compressed file."""
    from minigen.compress import sizes

    found = sizes(network, int8=int8)
    return {"weights": found.values, "zeros": found.zeros, "bytes": found.file_bytes, "zip": found.zip_bytes}


def whole_folded_rounded(whole: Any, measured: Callable[..., None]) -> tuple[Any, Any]:
    """Measure a network as it is, with batch norm folded, and in int8; return the last two."""
    from minigen.compress import fold_batch_norm, quantize

    measured("float32", whole)
    folded = copy.deepcopy(whole)
    fold_batch_norm(folded)
    measured("folded", folded)
    rounded = copy.deepcopy(whole)
    quantize(rounded)
    measured("int8", rounded, int8=True)
    return folded, rounded


def classifier_rows(seed: int, save: Save) -> None:
    """Everything that is measured of a classifier."""
    import minigen as mg
    from minigen.compress import (
        distill,
        integer_activations,
        prune,
        quantize,
    )
    from minigen.metrics import train_classifier
    from minigen.metrics.classifier import STEPS, Classifier

    train, test = (mg.data.load("mnist5k", split) for split in ("train", "test"))
    some = mg.tensor(train.images[::40])
    rows: dict[str, dict[str, float]] = {}

    def measured(key: str, network: Any, int8: bool = False) -> None:
        right = 100 * float((network.predict(test.images) == test.labels).mean())
        rows[key] = {"quality": right, **sized(network, int8)}
        print(f"classifier/{seed} {key}: {right:.1f} %", flush=True)
        save(rows)

    whole = train_classifier(train, seed=seed)
    folded, rounded = whole_folded_rounded(whole, measured)
    for name, bits, quantile in (("8", 8, 1.0), ("4-max", 4, 1.0), ("4-quantile", 4, 0.999)):
        with integer_activations(rounded, some, quantile, bits):
            measured(f"activations-{name}", rounded, int8=True)
    if seed == 0:
        rows |= times(whole, folded, rounded, test.images)
    for share in SHARES["classifier"]:
        pruned = copy.deepcopy(whole)
        masks = prune(pruned, share)
        measured(f"pruned-{share}", pruned)
        if share > 0.5:
            distill(whole, pruned, train, STEPS_AFTER["classifier"], lr=1e-3, masks=masks, seed=seed)
            measured(f"pruned-{share}-trained", pruned)
            quantize(pruned)
            measured(f"pruned-{share}-int8", pruned, int8=True)
    layerwise = copy.deepcopy(whole)
    prune(layerwise, 0.8, scope="layer")
    measured("pruned-0.8-layer", layerwise)
    for width in STUDENTS:
        measured(f"student-{width}-labels", train_classifier(train, seed=seed, width=width))
        mg.manual_seed(seed)
        student = Classifier(28, 1, 10, width)
        distill(whole, student, train, STEPS, seed=seed)
        measured(f"student-{width}-distilled", student)


def times(whole: Any, folded: Any, rounded: Any, images: np.ndarray) -> dict[str, dict[str, float]]:
    """Milliseconds of the processor: the three networks on 1,000 images, and two products of matrices."""
    random = np.random.default_rng(0)
    first, second = (random.integers(-127, 128, shape) for shape in ((256, 512), (512, 512)))
    tasks: dict[str, Callable[[], Any]] = {
        "network float32": lambda: whole.predict(images),
        "network folded": lambda: folded.predict(images),
        "network int8": lambda: rounded.predict(images),
    }
    for dtype in (np.float32, np.int32):
        a, b = first.astype(dtype), second.astype(dtype)
        tasks[f"product {np.dtype(dtype).name}"] = lambda a=a, b=b: a @ b
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(7):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            found[name].append(1000 * (time.process_time() - start))
    return {f"time {name}": {"ms": statistics.median(taken[1:])} for name, taken in found.items()}


def generator_rows(seed: int, folder: Path, save: Save) -> None:
    """Everything that is measured of a generator."""
    import minigen as mg
    from minigen.cli.main import main as minigen
    from minigen.compress import distill, prune, quantize
    from minigen.compress.measure import difference_db
    from minigen.metrics import Reference, load_judges
    from minigen.train import load_trained

    name = f"dcgan-{seed}"
    with chdir(folder):
        if not Path("runs", name, "done").exists():
            options = f"--network conv --width 16 --batch-size 32 --steps {TRAINING_STEPS} --seed {seed} --run {name}"
            minigen(["train", "dcgan", "--data", "mnist5k", *options.split(), "--overwrite"])
            Path("runs", name, "done").touch()
        whole = load_trained(name).model.drop_training_parts()
    train, test = (mg.data.load("mnist5k", split) for split in ("train", "test"))
    reference = Reference(load_judges(), train, test)
    wanted = whole.sample(1000, np.random.default_rng(seed))
    rows: dict[str, dict[str, float]] = {}

    def measured(key: str, model: Any, int8: bool = False) -> None:
        images = model.sample(1000, np.random.default_rng(seed))
        fid = reference.measure(images, copies=False).values["fid_percent"]
        alike = {} if key == "float32" else {"db": min(difference_db(images, wanted), 999.0)}
        rows[key] = {"quality": fid, **alike, **sized(model, int8)}
        print(f"generator/{seed} {key}: FID {fid:.2f} %", flush=True)
        save(rows)

    whole_folded_rounded(whole, measured)
    for share in SHARES["generator"]:
        pruned = copy.deepcopy(whole)
        masks = prune(pruned, share)
        measured(f"pruned-{share}", pruned)
        distill(whole, pruned, steps=STEPS_AFTER["generator"], masks=masks, seed=seed)
        measured(f"pruned-{share}-trained", pruned)
        quantize(pruned)
        measured(f"pruned-{share}-int8", pruned, int8=True)
    mg.manual_seed(seed)
    student = mg.models.DCGAN(network="conv", width=8).drop_training_parts()
    distill(whole, student, steps=3 * STEPS_AFTER["generator"], seed=seed)
    measured("student-8-distilled", student)


# ---- the tables

NAMES = {
    "float32": "as trained, float32",
    "folded": "batch norm folded",
    "int8": "int8 weights",
    "activations-8": "int8 weights, 8-bit activations",
    "activations-4-max": "int8 weights, 4-bit activations, scale by the maximum",
    "activations-4-quantile": "int8 weights, 4-bit activations, scale by the 99.9 % quantile",
    "pruned-0.8-layer": "80 % pruned, each layer alike",
    "student-4-labels": "a student of width 4, from labels",
    "student-4-distilled": "a student of width 4, distilled",
    "student-2-labels": "a student of width 2, from labels",
    "student-2-distilled": "a student of width 2, distilled",
    "student-8-distilled": "a student of width 8, distilled",
}
for _share in sorted({share for shares in SHARES.values() for share in shares}):
    NAMES |= {
        f"pruned-{_share}": f"{100 * _share:.0f} % pruned",
        f"pruned-{_share}-trained": f"{100 * _share:.0f} % pruned, then trained",
        f"pruned-{_share}-int8": f"{100 * _share:.0f} % pruned, then trained, int8",
    }


def spread(values: list[float], decimals: int) -> str:
    """A median with its range."""
    middle = f"**{statistics.median(values):.{decimals}f}**"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{decimals}f} to {max(values):.{decimals}f})"


def table(part: str, quality: str, decimals: int, results: dict[str, Any]) -> list[str]:
    """A line for each way of compressing: median and range over the seeds."""
    seeds = [results[key] for key in sorted(results) if key.split("/")[0] == part]
    lines = [
        f"| {part} | seeds | values that are not 0 | bytes of the file | after zlib | {quality} |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for key in max(seeds, key=len, default={}):
        if key.startswith("time "):
            continue
        of = [rows[key] for rows in seeds if key in rows]
        kept, size, packed = (
            statistics.median_high(values)
            for values in ([row["weights"] - row["zeros"] for row in of], [row["bytes"] for row in of],
                           [row["zip"] for row in of])
        )  # fmt: skip
        cells = [
            NAMES[key],
            str(len(of)),
            f"{kept:,}",
            f"{size:,}",
            f"{packed:,}",
            spread([row["quality"] for row in of], decimals),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def time_table(results: dict[str, Any]) -> list[str]:
    """The milliseconds of the processor of each task."""
    rows = results.get("classifier/0", {})
    lines = ["| task | ms of the processor |", "|---|--:|"]
    texts = {
        "network float32": "the classifier on 1,000 digits, as trained",
        "network folded": "the same, batch norm folded",
        "network int8": "the same, int8 weights expanded to float32",
        "product float32": "256x512 times 512x512, float32",
        "product int32": "256x512 times 512x512, NumPy's integers",
    }
    return lines + [
        f"| {text} | {rows[f'time {key}']['ms']:.1f} |" for key, text in texts.items() if f"time {key}" in rows
    ]


def with_tables(page: str, results: dict[str, Any]) -> str:
    """The page with each table between its two marks."""
    tables = {
        "classifier": table("classifier", "% of the test digits right: median (range)", 1, results),
        "generator": table("generator", "FID, % of the variance: median (range)", 2, results),
        "time": time_table(results),
    }
    for name, lines in tables.items():
        page = replace_table(page, name, lines)
    return page


def main() -> None:
    """Make what is asked for, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", choices=list(SHARES), default=list(SHARES))
    parser.add_argument("--folder", type=Path, default=Path("compression-values"), help="where the runs go")
    parser.add_argument("--again", action="store_true", help="also make what is there already")
    parser.add_argument("--only-tables", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results are kept")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    folder = arguments.folder.resolve()
    for seed in arguments.seeds if not arguments.only_tables else ():
        folder.mkdir(exist_ok=True, parents=True)
        for part in arguments.parts:
            key = f"{part}/{seed}"
            if LAST[part] in results.get(key, {}) and not arguments.again:
                continue

            def save(rows: dict[str, dict[str, float]], key: str = key) -> None:
                results[key] = rows
                arguments.results.write_text(json.dumps(results, indent=1) + "\n")

            classifier_rows(seed, save) if part == "classifier" else generator_rows(seed, folder, save)
    if PAGE.exists():
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("MINIGEN_NUM_THREADS", "1")
    main()
