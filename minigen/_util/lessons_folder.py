"""Where the lessons are: in the checkout that runs, or in the distribution ``minigen-lessons``."""

import importlib.util
from pathlib import Path

__all__ = ["INSTALL", "lessons_folder"]

INSTALL = "python -m pip install minigen-lessons"
"""The command that brings the lessons to whoever has no checkout."""


def lessons_folder(root: Path | None = None) -> Path:
    """The folder with the notebooks, their pictures and the assignments.

    Parameters
    ----------
    root : Path, optional
        The folder that minigen is in.

    Returns
    -------
    Path
        ``lessons/`` of the checkout; without a checkout, that of ``minigen-lessons``; where there is neither, a folder
        that does not exist.

    Examples
    --------
    >>> lessons_folder(Path("/nowhere")).as_posix() == "/nowhere/lessons" or importlib.util.find_spec("minigen_lessons")
    True
    """
    root = root or Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file():  # in site-packages, a folder `lessons` may be of another project
        spec = importlib.util.find_spec("minigen_lessons")
        if spec is not None and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0]).resolve()
    return root / "lessons"
