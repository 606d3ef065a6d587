"""Make the tables of `metrics.md` again: planted failures, and the figures of all models.

    python lessons/reference/make_metrics.py                     all of it, seeds 0 to 2; trains what is not there yet
    python lessons/reference/make_metrics.py --planted           the planted failures only, in about a minute
    python lessons/reference/make_metrics.py --models dcgan vae  the figures of some models
    python lessons/reference/make_metrics.py --only-tables       write the tables of what is there already
    python lessons/reference/make_metrics.py --cost              what `minigen train --measure` costs, in two minutes

The figures of models come from ``minigen train MODEL --seed S`` and ``minigen evaluate``, with default options.  Results
are kept in `metrics.json`.  Training all models takes about an hour on two cores.  Needs the extra `data`.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from minigen._util.command import run_command
from minigen._util.tables import replace_table

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "metrics.json", HERE / "metrics.md"
MODELS = ("cgan", "cvae", "dcgan", "vae", "iwae", "gan")
SHOWN = ("fid", "kid", "inception_score", "precision", "recall", "density", "coverage", "class_tv", "nn_accuracy")
COPIES = ("copies", "copies_alone", "copies_features")
FEW = ("fid", "fid_percent", "kid", "inception_score", "precision", "recall", "coverage", "class_tv", "copies")


def planted(seeds: list[int]) -> dict[str, Any]:
    """Measure the planted failures, and 20 sets of real images."""
    import minigen as mg
    from minigen.metrics import Reference, load_judges
    from minigen.metrics.planted import planted_floor, planted_table

    reference = Reference(load_judges(), *(mg.data.load("mnist5k", split) for split in ("train", "test")))
    floor = planted_floor(reference)
    return {
        "floor": floor,
        "judges": reference.judges.sha256,
        "seeds": {s: planted_table(reference, seed=s) for s in seeds},
    }


def models(names: list[str], seeds: list[int], folder: Path, results: dict[str, Any]) -> None:
    """Train the runs that are not there yet, evaluate all seeds of a model together, keep its records."""
    for model in names:
        runs = [f"{model}-{seed}" for seed in seeds]
        for name, seed in zip(runs, seeds):
            if not list((folder / "runs" / name / "checkpoints").glob("step-*")):
                run_command(
                    [sys.executable, "-m", "minigen", "train", model, "--seed", str(seed), "--run", name], folder
                )
        out = folder / f"{model}.json"
        pages = ["--html", f"{model}.html", "--json", str(out)]
        run_command([sys.executable, "-m", "minigen", "evaluate", *runs, *pages], folder)
        content = json.loads(out.read_text())
        for name, record in zip(runs, content.get("runs", [content])):
            kept = {key: record[key] for key in ("headline", "step", "failures", "lost_classes", "n", "draws")}
            kept["judges"] = record["judges"]["sha256"]
            kept["measures"] = {
                key: {k: v for k, v in one.items() if k != "per_draw"} for key, one in record["measures"].items()
            }
            results.setdefault("models", {})[name] = kept
        print(f"{model}: done", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def cost(pairs: int = 6) -> None:
    """Print the CPU time that ``--measure`` adds to an epoch of the default DCGAN: epochs with and without, in turn."""
    import minigen as mg
    from minigen.metrics import Reference, load_judges
    from minigen.metrics.progress import EpochMeasure

    train, test = (mg.data.load("mnist5k", split) for split in ("train", "test"))
    model = mg.models.build("dcgan")
    loader = mg.data.Loader(train, batch_size=model.BATCH_SIZE)
    model.training_step(next(iter(loader.epoch(0, 0))))
    load_judges().looker.features(test.images[:250])  # the first calls load kernels
    started = time.process_time()
    measure = EpochMeasure(Reference(load_judges(), train, test))
    once = time.process_time() - started
    measure(model)
    epochs: dict[bool, list[float]] = {False: [], True: []}
    shares = []
    for epoch in range(2 * pairs):
        started = time.process_time()
        for batch in loader.epoch(epoch, 0):
            model.training_step(batch)
        trained, measured = time.process_time(), epoch % 2 == 1
        if measured:
            measure(model)
            shares.append((time.process_time() - trained) / (trained - started))
        epochs[measured].append(time.process_time() - started)
        print(f"epoch {epoch + 1}: {epochs[measured][-1]:.2f} s{', measured' * measured}", flush=True)
    without, with_measure = (statistics.median(epochs[kind]) for kind in (False, True))
    print(f"CPU time of an epoch, medians of {pairs}: {without:.2f} s, measured {with_measure:.2f} s")
    middle, limits = statistics.median(shares), f"{min(shares):.1%} to {max(shares):.1%}"
    print(f"measuring takes {middle:.1%} of the training of its epoch ({limits}), and {once:.2f} s once a run")


def number(value: float | None) -> str:
    """A value in three digits."""
    if value is None or value != value:
        return "-"
    value = 0.0 if abs(value) < 5e-4 else value  # no "-0.000"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def planted_lines(results: dict[str, Any]) -> list[str]:
    """A line for each failure: the median over the seeds, and how far it is from real images."""
    from minigen.metrics import MEASURES

    found, names = results["planted"], (*SHOWN, *COPIES)
    floor, seeds = found["floor"], list(found["seeds"].values())
    real = [f"{number(floor[name][0])} ± {number(floor[name][1])}" for name in SHOWN] + ["0.010"] * len(COPIES)
    lines = [f"| planted | {' | '.join(MEASURES[name][0] for name in names)} |", "|---" * (len(names) + 1) + "|"]
    lines.append(f"| real images | {' | '.join(real)} |")
    for failure in seeds[0]:
        cells = []
        for name in names:
            values = [table[failure][name] for table in seeds]
            known = [v for v in values if v is not None and v == v]
            if not known:
                cells.append("degenerate")
                continue
            middle = statistics.median(known)
            away = (middle - floor[name][0]) / floor[name][1] if name in SHOWN else None
            cells.append(
                number(middle) + ("" if away is None else f" ({away:+.0f})" if abs(away) < 1000 else " (> 999)")
            )
        lines.append(f"| {failure} | {' | '.join(cells)} |")
    return lines


def model_lines(results: dict[str, Any]) -> list[str]:
    """A line for each run, and one with the median of each model."""
    from minigen.metrics import MEASURES

    lines = [f"| run | {' | '.join(MEASURES[name][0] for name in FEW)} | failures |", "|---" * (len(FEW) + 2) + "|"]
    found = results["models"]
    for model in MODELS:
        runs = {name: one for name, one in found.items() if name.rpartition("-")[0] == model}
        columns = []
        for name, one in runs.items():
            cells = []
            for key in FEW:
                value = one["measures"][key]
                half = value["high"] - value["value"] if value["high"] is not None else None
                shown = number(value["value"]) + (f" ± {number(half)}" if half is not None and key == "fid" else "")
                cells.append(shown)
            columns.append([one["measures"][key]["value"] for key in FEW])
            lines.append(f"| {name} | {' | '.join(cells)} | {'; '.join(one['failures']) or 'none'} |")
        if len(runs) > 1:
            medians = [number(statistics.median([v for v in c if v is not None])) for c in zip(*columns)]
            failed = sum(bool(one["failures"]) for one in runs.values())
            lines.append(f"| **{model}, median** | {' | '.join(medians)} | {failed} of {len(runs)} |")
    first = next(iter(found.values()))["measures"]
    for label, key in (("real images", "floor"), ("test images", "floor_test")):
        lines.append(f"| {label} | {' | '.join(number(first[name][key]) for name in FEW)} | |")
    return lines


def with_tables(page: str, results: dict[str, Any]) -> str:
    """The page with each table between its two marks; a table of which nothing is known stays as it is."""
    tables = {"planted": planted_lines} if "planted" in results else {}
    tables |= {"models": model_lines} if results.get("models") else {}
    for name, make in tables.items():
        page = replace_table(page, name, make(results))
    return page


def main() -> None:
    """Make what is asked for, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--planted", action="store_true", help="only the planted failures")
    parser.add_argument("--models", nargs="+", choices=MODELS, help="only these models")
    parser.add_argument("--folder", type=Path, default=Path("metrics-runs"), help="where the runs go")
    parser.add_argument("--only-tables", action="store_true")
    parser.add_argument("--cost", action="store_true", help="only what --measure costs")
    arguments = parser.parse_args()
    if arguments.cost:
        cost()
        return
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    everything = not arguments.planted and not arguments.models and not arguments.only_tables
    if arguments.planted or everything:
        results["planted"] = json.loads(json.dumps(planted(arguments.seeds)))
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if arguments.models or everything:
        arguments.folder.mkdir(exist_ok=True, parents=True)
        models(arguments.models or list(MODELS), arguments.seeds, arguments.folder.resolve(), results)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
