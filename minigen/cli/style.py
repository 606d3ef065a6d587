"""``minigen style``."""

import argparse
from pathlib import Path

from ..models.single_image import style_transfer
from .one_picture import add_flags, output_path, read_reduced, save
from .output import print_line
from .types import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``minigen style``."""
    parser.description = (
        "Paint one picture with the colors and strokes of another, without any trained network: the statistics of\n"
        "random filters are matched."
    )
    parser.add_argument("content", metavar="CONTENT", help="the picture that is painted")
    parser.add_argument("style", metavar="STYLE", help="the picture whose colors and strokes are taken")
    parser.add_argument("--strength", type=float, default=1.0, help="weight of the style (default: 1)")
    parser.add_argument(
        "--evaluations", type=at_least(1), default=200, help="how often the loss is computed (default: 200)"
    )
    add_flags(parser, 160, "NAME-style.png")


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen style`` was asked."""
    if not 0 <= arguments.strength < float("inf"):
        raise ValueError(f"--strength: expected a number of at least 0, got {arguments.strength}")
    out = output_path(arguments.out, Path(arguments.content), "style")
    content, style = (read_reduced(name, arguments.size) for name in (arguments.content, arguments.style))
    result = style_transfer(content, style, arguments.strength, evaluations=arguments.evaluations, seed=arguments.seed)
    save(result.image, out)
    print_line(f"style loss {result.style_loss:.2g}, content loss {result.content_loss:.2g}: {out}")
