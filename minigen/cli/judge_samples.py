"""Samples of runs, compared with real images by judges: the second half of ``minigen evaluate``."""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.atomic_write import check_folder, replace_file
from .._util.progress import progress_bar
from .._util.tables import Table
from ..data import Dataset
from ..metrics import (
    MEASURES,
    Evaluation,
    Judges,
    Membership,
    Protocol,
    Reference,
    describe_protocol,
    evaluate_samples,
    fid,
    headline,
    jackknife,
    kid_with_error,
    load_judges,
    measure_floors,
    nearest_neighbor_test,
    prd,
    precision_recall,
    random_judges,
    record,
    train_judges,
)
from ..metrics.evaluation import number, seeds_table
from ..models import GenerativeModel
from ..train import Trained, load_split
from .types import at_least

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..metrics.evaluation import Floor

__all__ = ["add_judge_flags", "check_judge_flags", "check_same_data", "evaluate_features", "judge_runs"]


def add_judge_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen evaluate`` about judged samples."""
    group = parser.add_argument_group("judged samples")
    group.add_argument(
        "--judge", default="shipped", metavar="JUDGE",
        help="shipped (default); train: train judges on the labeled training images (2 minutes); random: weak, for "
        "images without labels; none: leave this out; or a file of minigen.metrics.judge_recipe",
    )  # fmt: skip
    group.add_argument("-n", "--n", type=at_least(6), default=1000, help="samples in a draw (default: 1000)")
    group.add_argument("--draws", type=at_least(1), default=10, help="fresh draws, for the interval (default: 10)")
    group.add_argument(
        "--against", choices=("train", "test"), default="train",
        help="which images samples are compared with (default: half of train)",
    )  # fmt: skip
    group.add_argument(
        "--html", metavar="FILE", help="where the page goes (default: evaluation.html in the run's folder)"
    )
    group.add_argument("--json", metavar="FILE", help="where the numbers go (default: evaluation.json there)")
    group.add_argument(
        "--features", nargs=2, metavar=("REAL.npz", "FAKE.npz"),
        help="in place of runs: two files with features (N, D) of any extractor",
    )  # fmt: skip


def check_judge_flags(arguments: argparse.Namespace) -> None:
    """Refuse files that cannot be read or written, before minutes of measuring."""
    if arguments.judge not in ("shipped", "train", "random", "none"):
        load_judges(_judge_file(arguments.judge))
    for name in (arguments.html, arguments.json):
        if name and Path(name).is_dir():
            raise ValueError(f"evaluate: expected a file to write, {name} is a folder")
        if name:
            check_folder(Path(name))


def check_same_data(trained: Sequence[Trained]) -> None:
    """Refuse runs of different data, and a run that is given twice: it would count as two seeds."""
    first = trained[0].run
    paths = [one.run.path.resolve() for one in trained]
    for i, one in enumerate(trained):
        if paths[i] in paths[:i]:
            raise ValueError(f"evaluate: expected different runs, got {one.run} twice")
    for one in trained[1:]:
        for name in ("data", "size"):
            if one.run.config[name] != first.config[name]:
                raise ValueError(
                    f"evaluate: runs of different data cannot be compared: {name} is {first.config[name]} in "
                    f"{first.path}, {one.run.config[name]} in {one.run}"
                )


def judge_runs(
    trained: Sequence[Trained], arguments: argparse.Namespace, memberships: Sequence[Membership | None]
) -> bool:
    """Judge the samples of runs, print the numbers, and write the page and the JSON file.

    Return whether there are judges for them.
    """
    if arguments.judge == "none" or not all(isinstance(one.model, GenerativeModel) for one in trained):
        return False
    try:
        # All training images, also of a run that saw a part: so runs on different parts have the same reference.
        run = trained[0].run
        train = load_split(run.config | {"images": None}, "train", run.path / "config.json")
        test = trained[0].data("test")
    except FileNotFoundError as error:  # a folder of images without test images
        print(f"samples are not judged: {error}")
        return False
    judges = _asked_judges(arguments, train, test)
    if judges is None:
        return False

    reference = Reference(judges, train, test, arguments.against)
    protocol = Protocol(arguments.n, arguments.draws, arguments.seed)
    found = []
    with progress_bar(desc="draws", total=len(trained) * protocol.draws, leave=False, disable=None) as bar:
        floors = measure_floors(reference, protocol)
        for one, known in zip(trained, memberships):
            evaluation = evaluate_samples(_draw(one, protocol), reference, protocol, floors, bar.update)
            evaluation.failures.extend(_unfinished(one, len(train)))
            found.append(replace(evaluation, membership=known))
    records = [record(e, reference, protocol, _identity(one)) for e, one in zip(found, trained)]
    if len(found) == 1:
        _print_one(found[0], floors, reference, protocol)
    else:
        print()
        print(seeds_table([one.run.name for one in trained], found, _groups(trained)).text())
    _write(trained, found, records, reference, protocol, arguments)
    return True


def _asked_judges(arguments: argparse.Namespace, train: Dataset, test: Dataset) -> Judges | None:
    """The judges of ``--judge``; None where no judges are shipped for the data, which is said."""
    if arguments.judge == "train":
        return train_judges(train, test, progress=True)
    if arguments.judge == "random":
        return random_judges(train.images.shape[1:])
    judges = load_judges(None if arguments.judge == "shipped" else _judge_file(arguments.judge))
    reason = judges.why_not(train)
    if reason and arguments.judge == "shipped":
        how = "--judge train trains judges for them" if train.labels is not None else "without labels: --judge random"
        print(f"samples are not judged: {train.name}: {reason}; {how}")
        return None
    return judges


def _judge_file(name: str) -> str:
    if not Path(name).is_file():
        raise ValueError(f"evaluate: --judge must be shipped, train, random, none or a file, got {name!r}")
    return name


def _draw(trained: Trained, protocol: Protocol) -> Any:
    def draw(i: int) -> "NDArray[Any]":
        with np.errstate(all="ignore"):
            return trained.model.sample(protocol.n, np.random.default_rng([protocol.seed, i]))

    return draw


def _unfinished(trained: Trained, examples: int) -> list[str]:
    """Whether a run has fewer steps than it was set for."""
    config = trained.run.config
    examples = config.get("images") or examples
    planned = config.get("steps") or config["epochs"] * (examples // config["batch_size"])
    return [f"unfinished: step {trained.step} of {planned}"] if trained.step < planned else []


def _identity(trained: Trained) -> dict[str, Any]:
    from ..data.download import sha256

    checkpoint = trained.run.path / "checkpoints" / f"step-{trained.step:08d}.safetensors"
    if trained.compression:
        checkpoint = trained.run.compressed
    return {
        "run": str(trained.run),
        "model": trained.run.config["model"],
        "seed_of_run": trained.run.config["seed"],
        "step": trained.step,
        "checkpoint_sha256": sha256(checkpoint),
    }


def _print_one(found: Evaluation, floors: "dict[str, Floor]", reference: Reference, protocol: Protocol) -> None:
    print(f"\n{headline(found)}")
    rows = []
    for name, (label, better) in MEASURES.items():
        one = found.measures[name]
        perfect = f"perfect model {reference.expected_coverage(protocol.n):.3f}" if name == "coverage" else ""
        rows.append(
            [label, number(one.value), _interval(one), number(one.floor), number(one.floor_test), better, perfect]
        )
    columns = ["", "value", "95 % interval", "real images", "test images", "better", ""]
    print(Table(columns, rows, "lrrrrll").text())
    print(describe_protocol(reference, protocol))
    for text in [*(f"failed: {reason}" for reason in found.failures), *(f"note: {text}" for text in found.warnings)]:
        print(text)


def _groups(trained: Sequence[Trained]) -> list[str]:
    """A label for the configuration of each run, without the seed."""
    labels: dict[str, str] = {}
    found = []
    for one in trained:
        config = {name: one.run.config.get(name) for name in ("model", "epochs", "steps", "batch_size", "options")}
        config["compressed"] = one.run.config.get("compressed", {}).get("what")
        model = Path(str(config["model"])).name
        others = sum(label.split()[0] == model for label in labels.values())
        label = f"{model} ({others + 1})" if others else model
        found.append(labels.setdefault(json.dumps(config, sort_keys=True), label))
    return found


def _write(
    trained: Sequence[Trained],
    found: Sequence[Evaluation],
    records: list[dict[str, Any]],
    reference: Reference,
    protocol: Protocol,
    arguments: argparse.Namespace,
) -> None:
    from ..visualize.evaluation_page import evaluation_page

    first = trained[0].run
    numbers = Path(arguments.json) if arguments.json else first.output("evaluation.json")
    page = Path(arguments.html) if arguments.html else first.output("evaluation.html")
    content: Any = records[0] if len(records) == 1 else {"schema": records[0]["schema"], "runs": records}
    replace_file(numbers, json.dumps(content, indent=1).encode() + b"\n")
    histories = {one.run.name: one.run.measures for one in trained if one.run.measures.is_file()}
    names = [one.run.name for one in trained]
    replace_file(
        page, evaluation_page(names, found, records, reference, protocol, _groups(trained), histories).encode()
    )
    print(f"page: {page}; numbers: {numbers}")


def _interval(one: Any) -> str:
    return f"{number(one.low)} to {number(one.high)}" if math.isfinite(one.low) else ""


# ---- features of any extractor


def evaluate_features(real_file: str, fake_file: str, out: str | None) -> None:
    """Print all measures that need only features; fixed data: a jackknife, not fresh draws."""
    real, fake = (_features(path) for path in (real_file, fake_file))
    distance = kid_with_error(real, fake)
    measures: dict[str, tuple[float, float]] = {}
    if min(len(real), len(fake)) > real.shape[1]:
        measures["fid"] = fid(real, fake), jackknife(lambda rows: fid(real, rows), fake)
    measures["kid"] = distance.value, distance.se
    found = precision_recall(real, fake)
    measures |= {name: (getattr(found, name), math.nan) for name in ("precision", "recall", "density", "coverage")}
    least = min(len(real), len(fake))
    measures["nn_accuracy"] = nearest_neighbor_test(real[:least], fake[:least]).accuracy, math.nan
    curve = prd(real, fake)
    print(f"{len(real)} real and {len(fake)} generated images, {real.shape[1]} features")
    rows = [[MEASURES[name][0], number(value), f"+- {number(se)}" if math.isfinite(se) else "", MEASURES[name][1]]
            for name, (value, se) in measures.items()]  # fmt: skip
    rows += [
        ["PRD F8 (recall)", number(curve.f8), "", "higher"],
        ["PRD F1/8 (precision)", number(curve.f1_8), "", "higher"],
    ]
    print(Table(["", "value", "standard error", "better"], rows, "lrll").text())
    if "fid" not in measures:
        print(f"no FID: {least} images for {real.shape[1]} features; KID has no bias")
    if found.degenerate:
        print("degenerate: most generated images are equal to others; recall has no meaning")
    print("numbers of different feature extractors cannot be compared")
    if out:
        values = {
            name: {"value": value, "se": se if math.isfinite(se) else None} for name, (value, se) in measures.items()
        }
        content = {"schema": 1, "real": real_file, "fake": fake_file, "measures": values}
        replace_file(Path(out), json.dumps(content, indent=1).encode() + b"\n")


def _features(path: str) -> "NDArray[Any]":
    """The features of a file: its array ``features``, or its only array."""
    try:
        with np.load(path) as file:
            names = list(getattr(file, "files", ()))
            name = "features" if "features" in names else names[0] if len(names) == 1 else None
            array = np.asarray(file[name]) if name else None
    except (ValueError, OSError, AttributeError, TypeError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(f"{path}: expected a file of numpy.savez with features (N, D), got something else") from None
    if array is None:
        raise ValueError(f"{path}: expected an array 'features' (N, D), got {', '.join(names) or 'nothing'}")
    if array.ndim != 2:
        raise ValueError(f"{path}: expected features (N, D), got {array.shape}")
    return array
