"""The command line: one file for each command, and `main`, which chooses among them.

All uses of argparse are in this room.  A command imports the rest of the package when it runs, so that ``--help``
appears at once.
"""

from .main import main

__all__ = ["main"]
