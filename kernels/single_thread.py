"""The number of threads where the CPU kernels cannot run, as in a browser: always one."""

import operator

__all__ = ["get_num_threads", "set_num_threads"]


def get_num_threads() -> int:
    """How many threads each kernel uses: one.  (The BLAS that NumPy calls may use more.)"""
    return 1


def set_num_threads(n: int) -> None:
    """Accept any number of at least 1, and go on with one thread; errors as with Numba.

    >>> set_num_threads(4)
    >>> get_num_threads()
    1
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"set_num_threads: n: got {n!r}, expected an integer")
    if operator.index(n) < 1:
        raise ValueError(f"set_num_threads: n: got {n}, expected 1 or more")
