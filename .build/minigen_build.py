"""Build minigen with setuptools, so that editors and type checkers can follow an editable install.

The package `minigen.kernels` is the folder `kernels/`, beside `minigen/`.  For an editable install setuptools can map
one to the other only by an import hook, and no editor or type checker runs import hooks.  This backend makes a link in
place of the hook: `minigen/kernels` links to `kernels/`.  Setuptools then finds every package by itself, and the
editable install is one plain path, `.editable`, whose only entry is a link to `minigen/`: no top-level `kernels`,
`tests` or `lessons` can be imported.

Git ignores both links.  They are symbolic links; on Windows junctions, which need no rights.
"""

import contextlib
import os
import runpy
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "minigen" / "kernels"
EDITABLE = ROOT / ".editable" / "minigen"


def _link(new: Path, target: Path) -> None:
    """Make the folder `new` another name of the folder `target`; OSError where the file system has no links."""
    if new.is_symlink():
        new.unlink()
    elif os.path.lexists(new) and getattr(new.lstat(), "st_reparse_tag", 0):  # a junction
        new.rmdir()
    elif new.exists():
        raise SystemExit(f"{new} is in the way: move it elsewhere, the build needs a link of this name")
    new.parent.mkdir(exist_ok=True)
    if os.name == "nt":
        import _winapi

        _winapi.CreateJunction(str(target), str(new))
    else:
        new.symlink_to(os.path.relpath(target, new.parent), target_is_directory=True)


@contextlib.contextmanager
def _kernels_inside() -> Iterator[None]:
    """Let setuptools see `kernels/` as `minigen/kernels`: by the link, or by a copy that goes afterwards."""
    try:
        _link(KERNELS, ROOT / "kernels")
    except OSError:
        shutil.copytree(ROOT / "kernels", KERNELS)
        try:
            yield
        finally:
            shutil.rmtree(KERNELS)
    else:
        yield


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build a wheel; setuptools' `build_wheel`."""
    with _kernels_inside():
        # what an earlier build left would become part of this wheel, modules that have moved since among it
        shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
        return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Build a source archive, in which `kernels/` is where it is in the checkout; setuptools' `build_sdist`."""
    with _kernels_inside():
        return build_meta.build_sdist(sdist_directory, config_settings)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build a wheel that holds one path, to the links; see the top of this file."""
    try:
        _link(KERNELS, ROOT / "kernels")
        _link(EDITABLE, ROOT / "minigen")
    except OSError as error:
        raise SystemExit(
            f"an editable install needs links between folders, which this file system refuses ({error}); "
            "install without -e, or move the checkout to another disk"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder, build_meta.prepare_metadata_for_build_wheel(folder, config_settings))
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in info.rglob("*") if p.is_file()}
    files.pop(f"{info.name}/RECORD", None)
    files["__editable__.minigen_lab.pth"] = f"{EDITABLE.parent}\n".encode()
    # by its path: an import of minigen needs NumPy
    wheel_bytes = runpy.run_path(str(ROOT / "minigen" / "_util" / "wheel_file.py"))["wheel_bytes"]
    wheel, content = wheel_bytes(info.name.removesuffix(".dist-info"), files, "minigen_build")
    Path(wheel_directory, wheel).write_bytes(content)
    return str(wheel)
