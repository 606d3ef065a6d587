"""The page that a command writes."""

from pathlib import Path

from .._util.atomic_write import check_folder

__all__ = ["page_file"]


def page_file(command: str, flag: str, given: str) -> Path:
    """The file of a page, checked before the work begins.

    Raises
    ------
    ValueError
        If it has another suffix than .html.
    FileNotFoundError
        If its folder does not exist.

    Examples
    --------
    >>> page_file("play", "--export", "page.txt")
    Traceback (most recent call last):
        ...
    ValueError: play: --export must be a file with the suffix .html, got 'page.txt'
    """
    page = Path(given)
    if page.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{command}: {flag} must be a file with the suffix .html, got {given!r}")
    check_folder(page)
    return page
