"""The flags that all commands on a trained run share."""

import argparse
from dataclasses import replace
from pathlib import Path

from ..data import Dataset
from ..models import ImageModel, PointGAN, SequenceGAN
from ..plot import ImageTable
from ..train import PRETRAINED, RunError, Trained, load_trained, pretrained_names
from ..visualize.classes import class_numbers
from .types import at_least

RUN_HELP = f"name of a run in the folder runs, a path, or {PRETRAINED}NAME ({', '.join(pretrained_names())})"

__all__ = [
    "RUN_HELP",
    "add_class",
    "add_device",
    "add_run",
    "add_split",
    "asked_classes",
    "asked_data",
    "opened",
    "save_table",
]


def add_run(parser: argparse.ArgumentParser, out: str | None, seed: str | None) -> None:
    """The flags of every command here; `out` is the default name of its file, `seed` what the seed decides."""
    parser.add_argument("model_run", metavar="RUN", help=RUN_HELP)
    if out:
        parser.add_argument("--out", metavar="FILE", help=f"where to (default: {out} in the run's folder)")
    parser.set_defaults(file_name=out, seed=None, split=None)
    if seed:
        parser.add_argument("--seed", type=at_least(0), default=0, help=f"decides {seed} (default: 0)")
    add_device(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """The flags ``--previous`` and ``--device``."""
    parser.add_argument("--previous", action="store_true", help="use the checkpoint before the last one")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)")


def add_class(parser: argparse.ArgumentParser, text: str) -> None:
    """The flag ``--class``."""
    parser.add_argument("--class", dest="classes", nargs="+", metavar="CLASS", help=text)


def add_split(parser: argparse.ArgumentParser) -> None:
    """The flag ``--split``."""
    parser.add_argument(
        "--split", choices=("test", "train"), default="test", help="which images of its data set (default: test)"
    )


def opened(
    arguments: argparse.Namespace,
    name: str | None = None,
    points: bool = False,
    from_images: bool = False,
    sequences: bool = False,
) -> Trained:
    """The model that the command is about, or that of the run `name`.

    Models of other things than images are allowed only where the command says so.

    Raises
    ------
    RunError
        If the command is not for such a model.
    """
    trained = load_trained(name or arguments.model_run, arguments.previous)
    if isinstance(trained.model, PointGAN) and not points:
        raise RunError(f"{trained.run}: {trained.model.name} makes points, and this command needs images")
    if isinstance(trained.model, SequenceGAN) and not sequences:
        raise RunError(f"{trained.run}: {trained.model.name} makes sequences, and this command needs images")
    if isinstance(trained.model, ImageModel) and not from_images:
        name = trained.model.name
        raise RunError(f"{trained.run} is a {name}, which makes images of images: it has no latent vectors")
    trained.model.to(arguments.device)
    if trained.compression:
        print(f"{trained.run}: {trained.compression}")
    return trained


def asked_data(arguments: argparse.Namespace, trained: Trained) -> Dataset:
    """The images of ``--split``."""
    try:
        return trained.data(arguments.split)
    except FileNotFoundError as error:
        hint = "; or add --split train to use images that the model was trained on" if arguments.split == "test" else ""
        raise FileNotFoundError(f"{error}{hint}") from None


def asked_classes(arguments: argparse.Namespace, trained: Trained) -> list[int] | None:
    """The classes of ``--class``, None if it was not given."""
    if arguments.classes is None:
        return None
    return class_numbers(trained.model, arguments.classes, trained.class_names)


def save_table(table: ImageTable, arguments: argparse.Namespace, trained: Trained, what: str) -> None:
    """Write the picture, with where it comes from at the end of its caption, and say so."""
    out = Path(arguments.out) if arguments.out else trained.run.output(arguments.file_name)
    origin = [f"{trained.run.name}, step {trained.step}"]
    origin += [] if arguments.split is None else [f"{arguments.split} images"]
    origin += [] if arguments.seed is None else [f"seed {arguments.seed}"]
    caption = f"{table.caption} ({', '.join(origin[1:])})" if origin[1:] else table.caption
    replace(table, title=origin[0], caption=caption).save(out)
    print(f"{what} of step {trained.step}: {out}")
