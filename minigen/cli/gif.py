"""``minigen gif``."""

import argparse
from pathlib import Path

from ..train import open_run
from ..visualize import animate
from ..visualize.animation import FRAMES
from .run_options import RUN_HELP
from .types import above_zero, at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen gif``."""
    parser.description = "Write the samples that a training left after each epoch as one animated GIF."
    parser.add_argument("model_run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (default: training.gif in the run's folder)")
    parser.add_argument("--frames", type=at_least(2), default=FRAMES, help=f"how many at most (default: {FRAMES})")
    parser.add_argument("--seconds", type=above_zero, default=6.0, help="how long it takes (default: 6)")


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen gif`` was asked."""
    source = open_run(arguments.model_run)
    out = arguments.out or source.output("training.gif")
    count = animate(source, out, arguments.frames, arguments.seconds)
    print(f"{count} frames, {out.stat().st_size / 1000:.0f} kB: {out}")
