"""Progress bars."""

from typing import Any

from .optional import IN_BROWSER

__all__ = ["progress_bar"]


def progress_bar(*args: Any, **options: Any) -> Any:
    """A bar of tqdm; arguments as ``tqdm.tqdm``."""
    from tqdm import tqdm

    if IN_BROWSER:
        tqdm.monitor_interval = 0  # its monitor is a thread, and Python in a browser has none
    return tqdm(*args, **options)
