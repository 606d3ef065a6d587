"""Write files so that a crash leaves the whole old file or the whole new one."""

import os
from pathlib import Path

__all__ = ["TEMPORARY", "check_folder", "replace_file"]

TEMPORARY = ".unfinished-"
"""The beginning of the names of temporary files: they may be deleted at any time."""


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one indivisible step.

    The bytes go to a temporary file in the same folder and are forced to the disk; then the file is renamed.  Renaming
    within a folder is atomic on Linux, macOS and Windows.  If the process is killed before, the old file is unchanged.

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
    check_folder(path)  # otherwise the error would name the temporary file
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


def check_folder(path: Path) -> None:
    """Raise FileNotFoundError if a file cannot be written because its folder does not exist."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")


def _sync_folder(folder: Path) -> None:
    """Force the folder's list of names to the disk, where the system lets one open a folder (Windows does not)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
