"""``minigen play``."""

import argparse

from .._util.atomic_write import replace_file
from ..play import PlaySession, make_server, static_page
from .local_page import add_page_flags, serve
from .page_file import page_file
from .run_options import add_run, opened

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen play``."""
    parser.description = (
        "Open a page on which you move the latent code of a trained model: classes, the directions that change the\n"
        "image most, the way between two codes, the nearest training image; of the VAE family the reconstruction of\n"
        "what you draw. The page comes from this machine only, and no other machine can open it. Ctrl-C ends it."
    )
    add_run(parser, None, None)
    add_page_flags(parser)
    parser.add_argument(
        "--export", metavar="FILE", help="instead: write the planes of codes as one HTML file that needs no Python"
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen play`` was asked."""
    out = page_file("play", "--export", arguments.export) if arguments.export else None
    trained = opened(arguments)
    session = PlaySession(trained)
    if out is not None:
        page = static_page(session).encode()
        replace_file(out, page)
        print(f"page of step {trained.step}, {len(page) / 1e6:.1f} MB: {out}")
        return
    where = f"{trained.run}, step {trained.step}"
    serve(make_server(session, arguments.port), where, not arguments.no_browser)
