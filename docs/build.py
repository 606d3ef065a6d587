"""Build the documentation site.

    python -m pip install -e ".[docs]"
    python docs/build.py                       # the site is build/docs/site/index.html
    python docs/build.py --lite                # and in it lessons that run in the browser (extra lite)

A warning is an error.  MathJax is downloaded once, into build/docs/mathjax; after that no network is needed.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
from sitegen import mathjax, pages, source

ROOT = Path(__file__).resolve().parents[1]
PLAYED = ("cgan", "dcgan", "vae")
"""Trained models of the package whose codes one can move on a page of the site: what `minigen play --export` writes."""


def write_play_pages(folder: Path) -> None:
    """Write a page for each of `PLAYED`."""
    from minigen.play import PlaySession, static_page
    from minigen.train import load_trained

    folder.mkdir(exist_ok=True)
    for name in PLAYED:
        page = static_page(PlaySession(load_trained(f"pretrained:{name}")))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


def main() -> int:
    """Build; return Sphinx's exit status."""
    parser = argparse.ArgumentParser(description="Build the documentation site; a warning is an error.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs", help="folder for all that is made")
    parser.add_argument("--lite", action="store_true", help="with the pages that run Python in the browser, in lite/")
    parser.add_argument("--pyodide", type=Path, metavar="FOLDER", help="of --lite: put this Pyodide into the site")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    os.environ["COLUMNS"], os.environ["NO_COLOR"] = "100", "1"  # for the help texts
    script = mathjax.fetch(out / "mathjax")
    site = pages.assemble(out / "pages", arguments.lite)
    pages.copy_static(out / "pages", script)

    from sphinx.cmd.build import build_main

    options = ["-W", "-n", "--keep-going", "-q", "-b", "html", "-d", str(out / "doctrees")]
    status = build_main([*options, str(out / "pages"), str(out / "site")])
    if status == 0:
        write_play_pages(out / "site" / "play")
    if status == 0 and arguments.lite:
        command = [sys.executable, str(ROOT / "docs" / "jupyterlite" / "build.py"), str(out / "site" / "lite")]
        command += ["--pyodide", str(arguments.pyodide)] if arguments.pyodide else []
        status = subprocess.run(command, check=False).returncode
    count = source.write(ROOT, out / "site", {Path("minigen"), Path("kernels"), *site.sources})
    if status == 0:
        print(f"{out / 'site' / 'index.html'}: {len(site.written)} files, and {count} pages of source")
    return status


if __name__ == "__main__":
    sys.exit(main())
