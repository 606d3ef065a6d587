"""``minigen data``."""

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``minigen data`` has no arguments."""


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen data`` was asked."""
    from .. import data

    print(data.table())
