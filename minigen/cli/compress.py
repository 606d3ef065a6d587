"""``minigen compress``."""

import argparse
import math
from dataclasses import dataclass
from typing import Any

from .. import compress, nn
from .._util.tables import Table
from ..compress.measure import difference_db, fid_percent, outputs, times_ms
from ..data import Dataset
from ..models import BaseGAN, GenerativeModel
from ..train import Run, RunError, Trained, build_model, find_run, load_trained
from .memory_limit import memory_limit
from .output import print_line
from .run_options import RUN_HELP
from .types import at_least

__all__ = ["add_arguments", "run"]

EPOCHS = 4
"""Epochs of training after pruning, and of a student."""

NO_TIME = (
    "int8 saves bytes, not time: the weights are expanded to float32 when the file is read.  Zeros are multiplied\n"
    "like other numbers.  Only --fold and --distill make a network faster."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen compress``."""
    parser.description = (
        "Make a trained model smaller.  The result is a new run, which minigen sample, evaluate and others take like\n"
        "any other; it cannot be trained further.  The flags can be combined; the order is: distill, prune, train,\n"
        "fold, int8.  Without the discriminator and the optimizers, which only training needs, a run is smaller at\n"
        "once: the table counts from there."
    )
    parser.epilog = NO_TIME
    parser.add_argument("model_run", metavar="RUN", help=RUN_HELP)
    text = "set this share of the weights to 0, the smallest ones, from 0 to below 1; then train as --epochs says"
    parser.add_argument("--prune", type=_share, metavar="SHARE", help=text)
    parser.add_argument("--int8", action="store_true", help="store weights as whole numbers from -127 to 127")
    parser.add_argument("--fold", action="store_true", help="compute batch norms inside the layers before them")
    text = "of a GAN: train a generator of this width on the images of the trained one"
    parser.add_argument("--distill", type=at_least(1), metavar="WIDTH", help=text)
    text = f"how long to train after --prune or for --distill; 0 for not at all (default: {EPOCHS})"
    parser.add_argument("--epochs", type=at_least(0), metavar="E", help=text)
    parser.add_argument("--seed", type=at_least(0), default=0, help="of that training (default: 0)")
    parser.add_argument("--previous", action="store_true", help="use the checkpoint before the last one")
    parser.add_argument("--run", dest="name", metavar="NAME", help="name of the new run (default: RUN-compressed)")
    parser.add_argument("--overwrite", action="store_true", help="start again where there is a run of that name")


def _share(text: str) -> float:
    """The type of ``--prune``."""
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0 and below 1, got {text!r}")
    return share


@dataclass(frozen=True)
class _Made:
    """A compressed model, and how it is stored."""

    model: Any
    config: dict[str, Any]
    folded: list[str]
    what: str


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen compress`` was asked."""
    _check_flags(arguments)
    original = load_trained(arguments.model_run, arguments.previous)
    if original.compression:
        origin = original.run.config["compressed"]["from"]
        hint = f"make one of your own with {origin}" if original.run.pretrained else f"compress {origin}"
        raise RunError(f"the run {original.run} is compressed already: {hint}")
    source = original.run.path if original.run.path.name not in ("", "..") else original.run.path.resolve()
    path = find_run(arguments.name) if arguments.name else source.with_name(f"{source.name}-compressed")
    if path.resolve() == original.run.path.resolve():
        raise RunError(f"--run {arguments.name}: expected another name than that of the run to compress")
    if path.exists() and not arguments.overwrite:
        raise RunError(f"the run {path} exists already: add --overwrite to replace it, or --run NAME to make another")
    made = _compressed(original, load_trained(arguments.model_run, arguments.previous), arguments)
    made.config["compressed"] = {
        "from": str(original.run.path), "step": original.step, "what": made.what, "prune": arguments.prune,
        "int8": arguments.int8, "fold": arguments.fold, "distill": arguments.distill,
    }  # fmt: skip
    compress.sizes(made.model, int8=arguments.int8)  # what cannot be stored leaves no folder behind
    new = Run.create(path, made.config, arguments.overwrite)
    for folder in ("samples", "checkpoints"):
        (path / folder).rmdir()
    with new.lock:
        stored = compress.save(
            new.compressed, made.model, int8=arguments.int8, folded=made.folded, about=made.config["compressed"]
        )
    _report(original, load_trained(path), stored)
    use = "sample" if isinstance(made.model, GenerativeModel) else "evaluate"
    print_line(f"{made.what}: {new.compressed}; use it like any run: minigen {use} {arguments.name or path.name}")


def _check_flags(arguments: argparse.Namespace) -> None:
    """Refuse flags that ask for nothing."""
    trained = arguments.prune is not None or arguments.distill is not None
    if not (trained or arguments.int8 or arguments.fold):
        raise ValueError("compress: nothing to do: give at least one of --prune, --int8, --fold and --distill")
    if arguments.epochs is not None and not trained:
        raise ValueError("--epochs: there is nothing to train without --prune or --distill")


def _compressed(original: Trained, copy: Trained, arguments: argparse.Namespace) -> _Made:
    """Compress `copy`, a second reading of the original; the weights stay float32 until they are stored."""
    model, config, said = copy.model, dict(original.run.config), []
    model.adopt_average()
    epochs = EPOCHS if arguments.epochs is None else arguments.epochs
    data: Dataset | None = None
    size, steps = config["batch_size"], 0
    if epochs and (arguments.prune is not None or arguments.distill is not None):
        data = original.data("train")
        size = min(size, len(data))
        steps = epochs * (len(data) // size)
    if arguments.distill is not None:
        model = _student(original, config, arguments.distill)
        said.append(f"a student of width {arguments.distill}")
        if steps:
            compress.distill(original.model, model, steps=steps, seed=arguments.seed, progress="distilling")
    if arguments.prune is not None:
        kept = {name: child for name, child in model.named_children() if name not in model.TRAINING_ONLY}
        masks = compress.prune(nn.ModuleDict(kept), arguments.prune)
        said.append(f"{100 * arguments.prune:.12g}% of the weights pruned")
        if steps and isinstance(model, BaseGAN) and "discriminator" in model.TRAINING_ONLY:
            more = {"masks": masks, "seed": arguments.seed, "progress": "training"}
            compress.distill(original.model, model, steps=steps, **more)
        elif data is not None:
            more = {"masks": masks, "seed": arguments.seed, "progress": "training", "batch_size": size}
            compress.fine_tune(model, data, steps, **more)
    model.drop_training_parts().eval()
    folded = []
    if arguments.fold:
        if isinstance(model, BaseGAN):
            model.recalibrate()
        folded = compress.fold_batch_norm(model)
        if not (folded or arguments.int8 or arguments.prune is not None or arguments.distill is not None):
            raise ValueError(f"--fold: {model.name} has no batch norm that follows a layer of weights")
        said.append(f"{len(folded)} batch norms folded")
    if arguments.int8:
        said.append("int8")
    return _Made(model, config, folded, ", ".join(said))


def _student(original: Trained, config: dict[str, Any], width: int) -> Any:
    """A fresh model of the family, of that width; `config` becomes that of its run."""
    model = original.model
    if not isinstance(model, BaseGAN) or not hasattr(model.options, "width"):
        raise ValueError(f"--distill: {model.name} has no generator with a width; train a smaller one instead")
    if "discriminator" not in model.TRAINING_ONLY:
        raise ValueError(
            f"--distill: only G of a {model.name} would learn, and D, which tells the classes, would stay random as at "
            "the start; train a smaller one instead"
        )
    if width >= model.options.width:
        raise ValueError(f"--distill {width}: expected less than the width of {original.run}, {model.options.width}")
    config["options"] = {**config["options"], "width": width}
    with memory_limit():
        student = build_model(config, original.run.path / "config.json")
    student.adopt_average()
    return student


def _split(trained: Trained, split: str) -> Dataset | None:
    """One split of its data, or None if it is not there."""
    try:
        return trained.data(split)
    except (FileNotFoundError, ValueError, RunError):
        return None


def _report(original: Trained, compressed: Trained, stored: compress.Sizes) -> None:
    """Print bytes, quality and time of both."""
    original.model.drop_training_parts()
    before, after = original.model, compressed.model
    whole = compress.sizes(before)
    columns = ["", "weights", "not 0", "bytes of the file", "after zlib"]
    rows: list[list[object]] = [
        [name, f"{found.values:,}", f"{found.values - found.zeros:,}", f"{found.file_bytes:,}", f"{found.zip_bytes:,}"]
        for name, found in (("trained", whole), ("compressed", stored))
    ]
    train, test = (_split(original, name) for name in ("train", "test"))
    fids = fid_percent([before, after], train, test) if train is not None and test is not None else None
    if fids is not None:
        columns.append("FID, % of the variance")
        for row, fid in zip(rows, fids):
            row.append(f"{fid:.2f}")
    images = train if test is None else test
    if images is None and not isinstance(before, GenerativeModel):
        print_line("the images of the run are not there any more, so outputs are not compared")
        return
    made = [outputs(model, images) for model in (before, after)]
    what = f"{len(made[0])} {'samples' if isinstance(before, GenerativeModel) else 'images'}"
    columns.append(f"ms for {what}")
    for row, milliseconds in zip(rows, times_ms([lambda: outputs(before, images), lambda: outputs(after, images)])):
        row.append(f"{milliseconds:.1f}")
    print_line(Table(columns, rows, "l" + "r" * (len(columns) - 1)).text())
    print_line(f"{what} of both differ by {difference_db(*made):.1f} dB (infinite: not at all; 40: hard to see)")
    print_line(NO_TIME)
