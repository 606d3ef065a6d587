"""What the commands with a page of this machine share."""

import argparse
import webbrowser

from ..play.local_server import LocalServer
from .output import print_line
from .types import at_least

__all__ = ["add_page_flags", "serve"]


def add_page_flags(parser: argparse.ArgumentParser) -> None:
    """The flags ``--port`` and ``--no-browser``."""
    parser.add_argument("--port", type=at_least(0), default=0, help="port of the page (default: 0, any free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")


def serve(server: LocalServer, what: str, browser: bool) -> None:
    """Say where the page is, open it, and answer until Ctrl-C, which is the normal end."""
    with server:
        try:
            print_line(f"{what}: {server.url} (Ctrl-C ends it)")
            if browser:
                webbrowser.open(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            print_line("\nstopped")
