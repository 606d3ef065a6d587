"""``minigen manifold``."""

import argparse

from ..visualize import manifold
from .run_options import add_class, add_run, asked_classes, opened, save_table
from .types import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen manifold``."""
    parser.description = "Draw the whole plane of codes of a model trained with --latent 2, as one square of images."
    add_run(parser, "manifold.png", None)
    parser.add_argument("--side", type=at_least(1), default=20, help="images in a row and in a column (default: 20)")
    add_class(parser, "of a cgan or cvae: which class, by name or number (default: the first)")


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen manifold`` was asked."""
    trained = opened(arguments)
    classes = asked_classes(arguments, trained)
    if classes is not None and len(classes) != 1:
        raise ValueError(f"manifold: expected one class, got {len(classes)}: each class has another plane")
    label = None if classes is None else classes[0]
    table = manifold(trained.model, arguments.side, label, trained.class_names)
    save_table(table, arguments, trained, f"the plane of codes, {arguments.side} x {arguments.side},")
