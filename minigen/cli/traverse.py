"""``minigen traverse``."""

import argparse

from ..visualize import traverse
from ..visualize.reconstruction import variational
from .run_options import add_run, add_split, asked_data, opened, save_table
from .types import above_zero, at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen traverse``."""
    parser.description = (
        "Change the components of an image's code one at a time, and write what becomes of the image as one picture."
    )
    add_run(parser, "traversal.png", "which image")
    parser.add_argument("--rows", type=at_least(1), default=10, help="components, most telling first (default: 10)")
    parser.add_argument("--steps", type=at_least(2), default=9, help="images in a row (default: 9)")
    parser.add_argument(
        "--limit", type=above_zero, default=3.0, help="how far to go, in standard deviations of the prior (default: 3)"
    )
    add_split(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen traverse`` was asked."""
    trained = opened(arguments)
    model = variational(trained.model, "traverse")
    ask = arguments.rows, arguments.steps, arguments.limit, arguments.seed
    table = traverse(model, asked_data(arguments, trained), *ask)
    save_table(table, arguments, trained, f"traversals of {len(table.images)} components")
