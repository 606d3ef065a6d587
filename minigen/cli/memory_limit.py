"""Let an array that is larger than the free memory fail with MemoryError.

Linux grants more memory than there is, and ends the process without a word when the memory is used.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["memory_limit"]


@contextlib.contextmanager
def memory_limit() -> Iterator[None]:
    """Limit the memory of this process, inside the block, to what it has and what is free now (Linux only)."""
    try:
        limit = _reserved() + _free()
    except (OSError, KeyError):
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [value for value in (limit, soft, hard) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _reserved() -> int:
    """Bytes of data that this process has reserved."""
    return _kilobytes("/proc/self/status")["VmData"] * 1024


def _free() -> int:
    """Bytes of memory that are free."""
    found = _kilobytes("/proc/meminfo")
    return (found["MemAvailable"] + found["SwapFree"]) * 1024


def _kilobytes(path: str) -> dict[str, int]:
    """The numbers of a file of lines such as ``MemFree:  123 kB``, by name."""
    return {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", Path(path).read_text(), re.M)}
