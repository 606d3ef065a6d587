"""``minigen compare``."""

import argparse
from pathlib import Path

from .._util.atomic_write import replace_file
from ..plot import save_figure
from ..train.tensorboard import export_runs
from ..visualize.comparison import differing_options, notes, numbers_table, read_runs
from ..visualize.comparison_page import comparison_page, comparison_picture
from .page_file import page_file
from .run_options import RUN_HELP

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen compare``."""
    parser.description = (
        "Put runs side by side: the options that differ, the last and best value of each logged number, what\n"
        "minigen evaluate stored, and the last samples. Prints the tables, and writes them as a page, with the curves\n"
        "of all runs also as a picture of the same name. Nothing is computed again: no model is loaded."
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help=f"two or more: {RUN_HELP}")
    parser.add_argument(
        "--out", metavar="FILE", default="comparison.html",
        help="the page; the picture gets the same name with .png (default: comparison.html in this folder)",
    )  # fmt: skip
    parser.add_argument(
        "--tensorboard", metavar="FOLDER",
        help="also write all that was logged, and the samples, in TensorBoard's format, a sub-folder for each run",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen compare`` was asked."""
    page = page_file("compare", "--out", arguments.out)
    records = read_runs(arguments.runs)
    if arguments.tensorboard:
        export_runs({one.label: one.run for one in records}, Path(arguments.tensorboard))
    picture = comparison_picture(records)
    save_figure(picture, page.with_suffix(".png"))
    replace_file(page, comparison_page(records, picture).encode())
    options = differing_options(records)
    print(options.text() if options.rows else "no option differs")
    print()
    print(numbers_table(records).text())
    for text in notes(records):
        print(f"note: {text}")
    print(f"page: {page}; picture: {page.with_suffix('.png')}")
    if arguments.tensorboard:
        print(f"TensorBoard: tensorboard --logdir {arguments.tensorboard}")
