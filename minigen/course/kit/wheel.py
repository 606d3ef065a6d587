"""A wheel of the minigen that runs, made without setuptools and without a network.

It goes into the student's copy and into Otter's zip: students and a grading machine install this minigen, and ask no
package index for it.
"""

import os
from importlib import metadata
from pathlib import Path

from ..._util.wheel_file import wheel_bytes
from .assignment import CourseError

__all__ = ["make_wheel"]

DISTRIBUTION = "minigen-lab"
PACKAGE = Path(__file__).resolve().parents[2]


def make_wheel() -> tuple[str, bytes]:
    """Pack the package that runs, from a checkout or as installed, into a wheel.

    Returns
    -------
    name : str
        Of the file.
    content : bytes
        The same for the same package.

    Raises
    ------
    CourseError
        If minigen is not installed, so that its version and what it depends on are not known.

    Examples
    --------
    >>> name, content = make_wheel()
    >>> name.startswith("minigen_lab-") and name.endswith("-py3-none-any.whl")
    True
    """
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise CourseError(
            f"no wheel of {DISTRIBUTION}: it is not installed (python -m pip install -e .), and --wheel is not given"
        ) from None
    stem = f"{DISTRIBUTION.replace('-', '_')}-{distribution.version}"
    info = f"{stem}.dist-info"
    files = {f"{PACKAGE.name}/{path}": (PACKAGE / path).read_bytes() for path in _package_files()}
    # A build in the source folder leaves an egg-info folder there, where the same file has another name
    texts = {"METADATA": distribution.read_text("METADATA") or distribution.read_text("PKG-INFO")}
    texts |= {name: distribution.read_text(name) for name in ("entry_points.txt", "licenses/LICENSE")}
    files |= {f"{info}/{name}": text.encode() for name, text in texts.items() if text is not None}
    return wheel_bytes(stem, files, "minigen course build")


def _package_files() -> list[str]:
    """The paths of the package's files in it; `kernels` may be a link."""
    found = []
    for folder, _, names in os.walk(PACKAGE, followlinks=True):
        inside = Path(folder).relative_to(PACKAGE)
        if "__pycache__" not in inside.parts:
            found += [(inside / name).as_posix() for name in names if name.endswith((".py", ".typed"))]
    return sorted(found)
