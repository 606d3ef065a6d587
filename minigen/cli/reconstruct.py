"""``minigen reconstruct``."""

import argparse

from ..visualize import reconstruct
from ..visualize.reconstruction import variational
from .run_options import add_run, add_split, asked_data, opened, save_table
from .types import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen reconstruct``."""
    parser.description = "Send images through the code of a trained VAE and back, and write both as one picture."
    add_run(parser, "reconstruction.png", "which images")
    parser.add_argument("-n", type=at_least(1), default=10, help="how many images (default: 10)")
    add_split(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen reconstruct`` was asked."""
    trained = opened(arguments)
    model = variational(trained.model, "reconstruct")  # before the data, which may take a while
    table = reconstruct(model, asked_data(arguments, trained), arguments.n, arguments.seed)
    save_table(table, arguments, trained, f"{arguments.n} reconstructions")
