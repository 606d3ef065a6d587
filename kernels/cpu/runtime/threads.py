"""How many threads the CPU kernels use; `minigen.kernels.cpu.runtime.thread_pool` sets them to work.

**Same bits for any number of threads.**  A kernel divides its work into pieces that depend on the shapes alone (a
channel, an image, a tile), each computed by one thread from start to end; threads only decide who computes which.

**Why not Numba's own threads?**  Numba can share out a ``prange`` loop through OpenMP or its "workqueue".  OpenMP's
threads spin for some milliseconds after a kernel, in case more work comes, on the cores that NumPy's matrix product
wants next (on two cores, a 512 x 512 product right after a kernel took three times as long), and they do not survive
``fork``.  The workqueue aborts the process when two Python threads use it at once.  Either compiles three times as
long.  The pool's threads stay awake for a millisecond after a kernel at most, and have neither weakness.
"""

import ctypes
import math
import operator
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["SMALL", "get_num_threads", "set_num_threads"]

#: Work, in elements, below which sharing it costs more than it saves: some 5 microseconds, or 100 if a thread sleeps.
SMALL = 1 << 15

_num_threads: int | None = None


def set_num_threads(n: int) -> None:
    """Set how many threads each CPU kernel uses, in this process.  The results do not depend on it, to the last bit.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    global _num_threads
    _num_threads = _checked(n, "set_num_threads: n")


def get_num_threads() -> int:
    """How many threads each CPU kernel uses.

    To begin with ``MINIGEN_NUM_THREADS``, if that environment variable is set.  Else the number of physical cores that
    this process may use (on Apple's processors of performance cores), or fewer in a container with a limit on its
    processor time.

    Raises
    ------
    ValueError
        If ``MINIGEN_NUM_THREADS`` is not a number that `set_num_threads` takes.
    """
    global _num_threads
    if _num_threads is None:
        text = os.environ.get("MINIGEN_NUM_THREADS", "")
        if text and not text.isdecimal():
            raise ValueError(f"MINIGEN_NUM_THREADS: got {text!r}, expected a number of threads")
        _num_threads = _checked(int(text), "MINIGEN_NUM_THREADS") if text else _default()
    return _num_threads


def _checked(n: Any, name: str) -> int:
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name}: got {n!r}, expected an integer")
    n = int(operator.index(n))
    if n < 1:
        raise ValueError(f"{name}: got {n}, expected 1 or more")
    return n


# ---------------------------------------------------------------- how many this process may use


def _default() -> int:
    """Physical cores that this process may use: hyper-threads add nothing to kernels that keep a core busy."""
    quota = _cgroup_quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")) if sys.platform == "linux" else math.inf
    return max(1, int(min(_physical_cores(), quota)))  # rounded down: a thread that waits its turn stops the others


def _physical_cores() -> int:
    try:
        if sys.platform == "win32":
            return _windows_cores()
        if sys.platform == "darwin":
            return _mac_cores()
        cpus = os.sched_getaffinity(0)
        siblings = [Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") for cpu in cpus]
        return len({path.read_text(encoding="ascii") for path in siblings})
    except (OSError, AttributeError):  # not told: count hyper-threads too
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cgroup_quota(membership: Path, root: Path) -> float:
    """Cores' worth of time that Linux grants this process, as in a container (``docker --cpus=2``); else infinity.

    A group's limit holds for the groups below it, too, so all from this process's up to the root are read.  In a
    container the root is often the group itself, and the path leads nowhere.

    Parameters
    ----------
    membership : Path
        ``/proc/self/cgroup``: a line ``number:controllers:path`` for each hierarchy.  The one of version 2 names no
        controllers.
    root : Path
        ``/sys/fs/cgroup``.
    """
    quota = math.inf
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return quota
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for hierarchy in [controllers, "cpu"] if controllers else [""]:
            group = root / hierarchy / path.strip("/")
            while True:
                quota = min(quota, _group_quota(group))
                if group in (root / hierarchy, root):
                    break
                group = group.parent
    return quota


def _group_quota(group: Path) -> float:
    """The limit of one group: ``cpu.max`` of version 2, or ``cpu.cfs_quota_us`` of version 1."""
    try:
        if (group / "cpu.max").exists():
            time, period = (group / "cpu.max").read_text(encoding="ascii").split()
        else:
            time, period = (
                (group / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip() for name in ("quota", "period")
            )
        return math.inf if time in ("max", "-1") else int(time) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _mac_cores() -> int:
    """Performance cores of Apple's processors, physical cores of Intel's."""
    libc = ctypes.CDLL(None)
    for name in (b"hw.perflevel0.physicalcpu", b"hw.physicalcpu"):
        count = ctypes.c_int32()
        size = ctypes.c_size_t(ctypes.sizeof(count))
        if libc.sysctlbyname(name, ctypes.byref(count), ctypes.byref(size), None, ctypes.c_size_t(0)) == 0:
            return count.value
    raise OSError("sysctlbyname")


def _windows_cores() -> int:
    kernel32, size = ctypes.windll.kernel32, ctypes.c_uint32()  # type: ignore[attr-defined]
    kernel32.GetLogicalProcessorInformation(None, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    if not kernel32.GetLogicalProcessorInformation(buffer, ctypes.byref(size)):
        raise OSError("GetLogicalProcessorInformation")
    return _count_cores(buffer.raw[: size.value], ctypes.sizeof(ctypes.c_void_p))


def _count_cores(records: bytes, word: int) -> int:
    """Of Windows' SYSTEM_LOGICAL_PROCESSOR_INFORMATION those of kind 0, RelationProcessorCore.

    A record has a mask of `word` bytes, the kind in four bytes, padding to the next word, and 16 bytes more.
    """
    kinds = [records[at + word : at + word + 4] for at in range(0, len(records), 2 * word + 16)]
    if bytes(4) not in kinds:
        raise OSError("no processor core")
    return kinds.count(bytes(4))
