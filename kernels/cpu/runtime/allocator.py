"""The arrays that kernels read and write.

`contiguous` brings an input into the one form that a kernel is compiled for.  `empty` makes a kernel's output, from a
pool of memory: a fresh array of 16 MB consists of pages that the operating system hands out, and fills with zeros, one
by one as they are first touched, which takes longer than a simple kernel does.  A training step allocates the same
sizes again and again, so the memory of an array that nobody refers to any more serves the next.
"""

import math
import os
import threading
import weakref
from collections import deque

import numpy as np

__all__ = ["contiguous", "empty", "release"]

_SMALLEST = 1 << 17  # bytes; below, NumPy's own allocation is fast enough
_LIMIT = 256 << 20  # bytes of idle memory kept; beyond it, what has been idle longest is given back
_SPARE = 1.5  # a block may be so much larger than what it is lent for
_ALIGNMENT = 64  # a cache line, and the widest SIMD register
_DTYPES = tuple(map(np.dtype, (np.float32, np.float64, np.int64)))

_lock = threading.Lock()
_returned: deque[np.ndarray] = deque()  # blocks whose arrays have died, not yet sorted in
_idle: dict[int, list[np.ndarray]] = {}  # blocks ready for use, by their size; the last that came back is at the end
_idle_bytes = 0
_loans: dict[int, "_Loan"] = {}  # by id; all that are out


class _Block(np.ndarray):
    """Memory to lend.  Of a class of its own, so that a view of a borrowed array refers to that array.

    (NumPy lets a view of a view refer to whoever owns the memory, past those between, if all are of one class.)
    """


class _Loan(weakref.ref):
    """A weak reference to an array, and the block that it borrows, which comes back when the array dies."""

    __slots__ = ("block",)


def _give_back(loan):
    # At any moment and in any thread, perhaps in the midst of `_take`: so never wait.  And when Python ends, this
    # module may be gone before the last array.
    if _loans is not None and _lock is not None:
        del _loans[id(loan)]
        _returned.append(loan.block)
        if _lock.acquire(blocking=False):
            try:
                _sort_in()
            finally:
                _lock.release()


def empty(shape, dtype):
    """A new, uninitialised, C-contiguous array; a big one takes memory from the pool and gives it back when it dies.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    array
        An ordinary one, save that ``flags.owndata`` is False.  Big ones start on a 64-byte boundary.  Views keep the
        memory alive, as always.

    Examples
    --------
    >>> empty((2, 3), np.float32).shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < _SMALLEST:
        return np.empty(shape, dtype)
    block = _take(nbytes)
    array = np.ndarray(shape, dtype, block)
    loan = _Loan(array, _give_back)
    loan.block = block
    _loans[id(loan)] = loan
    return array


def release() -> None:
    """Give all idle memory of the pool back to the operating system.

    >>> release()
    """
    global _idle_bytes
    with _lock:
        _returned.clear()
        _idle.clear()
        _idle_bytes = 0


def contiguous(x):
    """`x` as an input of a compiled kernel: C-contiguous, aligned, and read-only so that Numba sees a single type.

    Parameters
    ----------
    x : array
        Of float32, float64 or int64, with any strides; copied only where it is not contiguous.

    Returns
    -------
    array
        Not to be written to.

    Raises
    ------
    TypeError
        If `x` is not an array of NumPy's, or has another dtype.

    Examples
    --------
    >>> contiguous(np.ones((4, 6))[:, ::2]).strides
    (24, 8)
    """
    if not isinstance(x, np.ndarray):
        raise TypeError(f"CPU kernels take NumPy arrays, got {type(x).__module__}.{type(x).__qualname__}")
    if x.dtype not in _DTYPES:
        raise TypeError(f"CPU kernels take arrays of float32 or float64, got {x.dtype} of shape {x.shape}")
    flags = x.flags
    if type(x) is np.ndarray and flags.c_contiguous and flags.aligned and not flags.writeable:
        return x
    x = x.view(np.ndarray) if flags.c_contiguous and flags.aligned else np.array(x, order="C")
    x.flags.writeable = False
    return x


def _take(nbytes):
    """An idle block of `nbytes`, the last that came back and likeliest to be in a cache still, or else a new one.

    Where none has that very size, one that is a little larger serves too: that keeps a step's peak of memory low.
    """
    global _idle_bytes
    with _lock:
        _sort_in()
        size = nbytes
        if not _idle.get(size):
            size = min((n for n, blocks in _idle.items() if blocks and nbytes < n <= _SPARE * nbytes), default=0)
        if size:
            _idle_bytes -= size
            return _idle[size].pop()
    memory = _Block(nbytes + _ALIGNMENT, np.uint8)
    return memory[-memory.ctypes.data % _ALIGNMENT :][:nbytes]


def _sort_in():
    global _idle_bytes
    while _returned:
        block = _returned.popleft()
        blocks = _idle.pop(block.nbytes, [])
        blocks.append(block)
        _idle[block.nbytes] = blocks
        _idle_bytes += block.nbytes
    while _idle_bytes > _LIMIT:
        oldest = next(iter(_idle))
        if _idle[oldest]:
            del _idle[oldest][0]
            _idle_bytes -= oldest
        else:
            del _idle[oldest]


def _after_fork():
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
