"""How many threads the CPU kernels use; `minigen.kernels.cpu.runtime.thread_pool` sets them to work.

**Same bits for any number of threads.**  A kernel divides its work into pieces that depend on the shapes alone (a
channel, an image, a tile), each computed by one thread from start to end; threads only decide who computes which.

**Why not Numba's own threads?**  Numba can share out a ``prange`` loop through OpenMP or its "workqueue".  OpenMP's
threads spin for some milliseconds after a kernel, in case more work comes, on the cores that NumPy's matrix product
wants next (on two cores, a 512 x 512 product right after a kernel took three times as long), and they do not survive
``fork``.  The workqueue aborts the process when two Python threads use it at once.  Either compiles three times as
long.  The pool's threads stay awake for a millisecond after a kernel at most, and have neither weakness.
"""

import os
from pathlib import Path

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

    To begin with ``MINIGEN_NUM_THREADS``, if that environment variable is set, else the number of physical cores that
    this process may use.

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
        _num_threads = _checked(int(text), "MINIGEN_NUM_THREADS") if text else _cores()
    return _num_threads


def _checked(n, name):
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name}: got {n!r}, expected an integer")
    n = n.__index__()
    if n < 1:
        raise ValueError(f"{name}: got {n}, expected 1 or more")
    return n


def _cores():
    """Physical cores that this process may use; hyper-threads add nothing to kernels that keep a core busy."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cpus = os.sched_getaffinity(0)
    siblings = [Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") for cpu in cpus]
    try:
        return len({path.read_text(encoding="ascii") for path in siblings})
    except OSError:
        return len(cpus)
