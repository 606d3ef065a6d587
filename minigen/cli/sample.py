"""``minigen sample``."""

import argparse

from ..visualize import sample
from ..visualize.samples import MANY, OF_EACH
from .run_options import add_class, add_run, asked_classes, opened, save_table
from .types import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen sample``."""
    parser.description = "Make new images with a trained model, and write them as one picture."
    add_run(parser, "sample.png", "the noise")
    text = f"how many, or how many of each class (default: {MANY}, or {OF_EACH} of each class)"
    parser.add_argument("-n", type=at_least(1), help=text)
    add_class(parser, "of a cgan or cvae: which classes, by name or number (default: all, a row each)")


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen sample`` was asked."""
    trained = opened(arguments)
    classes = asked_classes(arguments, trained)
    table = sample(trained.model, arguments.n, classes, arguments.seed, trained.class_names)
    rows, columns = table.images.shape[:2]
    save_table(table, arguments, trained, f"{rows * columns if table.rows else arguments.n or MANY} samples")
