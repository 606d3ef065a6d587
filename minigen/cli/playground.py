"""``minigen playground``."""

import argparse

from ..play import PlaneGame, make_game_server
from .local_page import add_page_flags, serve

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen playground``."""
    parser.description = (
        "Open a page on which a small GAN learns points in the plane, step by step: the map of D's output, the\n"
        "samples of G, the gradient at each of them. Choose the loss and the learning rates, and see what happens\n"
        "without detach. The page comes from this machine only, and no other machine can open it. Ctrl-C ends it."
    )
    add_page_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen playground`` was asked."""
    serve(make_game_server(PlaneGame(), arguments.port), "playground", not arguments.no_browser)
