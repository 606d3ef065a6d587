"""``minigen interpolate``."""

import argparse

from ..visualize import interpolate
from .run_options import add_class, add_run, asked_classes, opened, save_table
from .types import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen interpolate``."""
    parser.description = "Go from one random latent vector to another, and write the images on the way as one picture."
    add_run(parser, "interpolation.png", "the vectors at the ends")
    parser.add_argument("--rows", type=at_least(1), help="rows of images (default: 8, or one for each class)")
    parser.add_argument("--steps", type=at_least(2), default=10, help="images in a row (default: 10)")
    parser.add_argument(
        "--linear", action="store_true",
        help="go straight, through vectors that are shorter than those of the training; by default along an arc",
    )  # fmt: skip
    add_class(parser, "of a cgan or cvae: the classes of the rows, by name or number (default: all)")


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen interpolate`` was asked."""
    trained = opened(arguments)
    classes = asked_classes(arguments, trained)
    ask = arguments.rows, arguments.steps, arguments.seed, arguments.linear
    table = interpolate(trained.model, *ask, classes=classes, names=trained.class_names)
    save_table(table, arguments, trained, f"{len(table.images)} interpolations")
