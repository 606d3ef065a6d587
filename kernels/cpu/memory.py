"""The arrays that kernels read and write.

`readable` brings an input into the one form that a kernel is compiled for.  `empty` makes a kernel's output, from a
pool of memory: a fresh array of 16 MB consists of pages that the operating system hands out, and fills with zeros, one
by one as they are first touched, which takes longer than a simple kernel does.  A training step allocates the same
sizes again and again, so the memory of an array that nobody refers to any more serves the next.
"""

import ctypes
import math
import os
import threading
import weakref
from collections import deque

import numpy as np

__all__ = ["empty", "readable", "release"]

_SMALLEST = 1 << 17  # bytes; below, NumPy's own allocation is fast enough
_LIMIT = 256 << 20  # bytes of idle memory kept; beyond it, what has been idle longest is given back
_ALIGNMENT = 64  # a cache line, and the widest SIMD register

_lock = threading.Lock()
_returned: deque[np.ndarray] = deque()  # blocks whose arrays have died, not yet sorted in
_idle: list[np.ndarray] = []  # blocks ready for use, longest idle first


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
    # The array borrows the memory from a `loan`, and so does every view of it; when the loan dies, nobody is left.  (It
    # cannot be the array: NumPy lets a view of a view refer to the first array whose memory it is, past those between.)
    loan = (ctypes.c_char * nbytes).from_buffer(block)
    weakref.finalize(loan, _give_back, block).atexit = False
    return np.ndarray(shape, dtype, loan)


def release() -> None:
    """Give all idle memory of the pool back to the operating system.

    >>> release()
    """
    with _lock:
        _returned.clear()
        _idle.clear()


def readable(x, like=None):
    """`x` as an input of a compiled kernel: C-contiguous, aligned, and read-only so that Numba sees a single type.

    Parameters
    ----------
    x : array
        Any strides; copied only where it is not contiguous.
    like : array, optional
        Another input, of which `x` must have the shape and dtype: kernels do not check their indices.

    Returns
    -------
    array
        Not to be written to.

    Raises
    ------
    TypeError
        If `x` is of another dtype than float32 and float64, or than `like`.
    ValueError
        If `x` is of another shape than `like`.

    Examples
    --------
    >>> readable(np.ones((4, 6))[:, ::2]).strides
    (24, 8)
    """
    if x.dtype != np.float32 and x.dtype != np.float64:
        raise TypeError(f"CPU kernels take arrays of float32 or float64, got {x.dtype} of shape {x.shape}")
    if like is not None and x.dtype != like.dtype:
        raise TypeError(f"CPU kernels take arrays of one dtype, got {x.dtype} and {like.dtype}")
    if like is not None and x.shape != like.shape:
        raise ValueError(f"CPU kernel: arrays of shapes {x.shape} and {like.shape}, expected equal ones")
    x = x.view(np.ndarray) if x.flags.c_contiguous and x.flags.aligned else np.array(x, order="C")
    x.flags.writeable = False
    return x


def _take(nbytes):
    """The smallest idle block of at least `nbytes`, if it is not much too big, else a new one."""
    with _lock:
        _sort_in()
        fitting = [(block.nbytes, -i) for i, block in enumerate(_idle) if nbytes <= block.nbytes]
        if fitting:
            size, i = min(fitting)  # of equal ones the last: likeliest to be in the processor's cache still
            if size <= nbytes + nbytes // 4:
                return _idle.pop(-i)
    memory = np.empty(nbytes + _ALIGNMENT, np.uint8)
    return memory[-memory.ctypes.data % _ALIGNMENT :][:nbytes]


def _give_back(block):
    """Called when an array dies, at any moment and in any thread, perhaps in the midst of `_take`: so never wait."""
    _returned.append(block)
    if _lock.acquire(blocking=False):
        try:
            _sort_in()
        finally:
            _lock.release()


def _sort_in():
    while _returned:
        _idle.append(_returned.popleft())
    while sum(block.nbytes for block in _idle) > _LIMIT:
        del _idle[0]


def _after_fork():
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
