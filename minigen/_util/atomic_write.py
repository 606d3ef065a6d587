"""Writing files so that a crash leaves the old file or the new one, never half of one."""

import os
from pathlib import Path

__all__ = ["TEMPORARY", "replace_file"]

TEMPORARY = ".unfinished-"
"""How the name of a temporary file begins: whoever finds one may delete it."""


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one indivisible step.

    The bytes go to a temporary file in the same folder, are forced to the disk, and only then take the name: renaming
    within a folder is atomic on every system that we run on.  A process killed before leaves the old file as it was.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    data : bytes

    Raises
    ------
    OSError
        If the folder does not exist (`FileNotFoundError`, which names it), the disk is full or the folder cannot be
        written to; `path` is then untouched and nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_file(Path(folder, "a.txt"), b"whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    if not path.parent.is_dir():  # else the error would name a file that nobody asked for
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the folder's list of names to the disk, where the system lets one open a folder (Windows does not)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
