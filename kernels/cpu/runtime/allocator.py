"""The arrays that kernels read and write.

`contiguous` brings an input into the one form that a kernel is compiled for.  `empty` makes a kernel's output, from a
pool of memory: a fresh array of 16 MB consists of pages that the operating system hands out, and fills with zeros, one
by one as they are first touched, which takes longer than a simple kernel does.  A training step allocates the same
sizes again and again, so the memory of an array that is no longer referred to serves the next.

An array may die at any moment and in any thread, even inside a function of this module.  And a signal's handler
(Ctrl-C) may raise an exception between any two steps.  So the callback of a dying array is one call of a C function,
which nothing interrupts: it appends the block to a queue.  The next call of `empty` sorts the queue in.  A lock is held
in a ``with`` statement only, and no thread waits for it that may hold it already.
"""

import ctypes
import math
import os
import threading
import weakref
from collections import deque
from typing import Any

import numpy as np

from .instruction_set import CACHE_LINE

__all__ = ["contiguous", "empty", "release"]

_SMALLEST = 1 << 17  # bytes; below, NumPy's own allocation is fast enough
_TINY = 1 << 11  # bytes; below, where an array begins does not matter
_LIMIT = 256 << 20  # bytes of idle memory kept; beyond it, what has been idle longest is given back
_SPARE = 1.5  # a block may be so much larger than what it is lent for
_DTYPES = tuple(map(np.dtype, (np.float32, np.float64, np.int64)))

_lock = threading.Lock()
_freed: deque["_Reference"] = deque()  # to arrays that have died, whose blocks are not yet sorted in
_idle: dict[int, list["_Block"]] = {}  # blocks ready for use, by their size; the last that came back is at the end
_idle_bytes = 0
_references: dict[int, "_Reference"] = {}  # by id; to all arrays that are alive


class _Block(np.ndarray):
    """Memory of the pool.  It has its own class, so that a view of an array of the pool refers to that array.

    (NumPy lets a view of a view refer to the owner of the memory, past those between, if all are of one class.)
    """


class _Reference(weakref.ref[np.ndarray]):
    """A weak reference to an array, and the block that it occupies."""

    __slots__ = ("block",)
    block: _Block


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A new, uninitialized, C-contiguous array; a big one takes memory from the pool and gives it back when it dies.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    array
        An ordinary one, except that ``flags.owndata`` is False.  Big ones start on a 64-byte boundary.  Views keep the
        memory alive, as always.

    Examples
    --------
    >>> empty((2, 3), np.float32).shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    block = _allocate(nbytes) if _freed or nbytes >= _SMALLEST else None
    if block is None:
        if nbytes < _TINY:
            return np.empty(shape, dtype)
        memory = np.empty(nbytes + CACHE_LINE, np.uint8)
        return np.ndarray(shape, dtype, memory, _until_boundary(memory))
    array = np.ndarray(shape, dtype, block)
    reference = _Reference(array, _freed.append)
    reference.block = block
    _references[id(reference)] = reference
    return array


def release() -> None:
    """Give all idle memory of the pool back to the operating system.

    >>> release()
    """
    global _idle_bytes
    if not _lock.locked():
        with _lock:
            _sort_in()
            _idle.clear()
            _idle_bytes = 0


def contiguous(x: np.ndarray) -> np.ndarray:
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
    x.setflags(write=False)
    return x


def _allocate(nbytes: int) -> _Block | None:
    """An idle block of at least `nbytes`, or else a new one; None for a small array."""
    block = None
    if not _lock.locked():  # else another thread is here, or this one was interrupted here
        with _lock:
            _sort_in()
            block = _reuse(nbytes) if nbytes >= _SMALLEST else None
    return _aligned(nbytes) if block is None and nbytes >= _SMALLEST else block


def _aligned(nbytes: int) -> _Block:
    """New memory that starts on a boundary of `CACHE_LINE` bytes, as the widest vectors do; NumPy's has 16.

    A vector of 64 bytes that does not is in two cache lines, and both have to be read.
    """
    memory = _Block((nbytes + CACHE_LINE,), np.uint8)
    start = _until_boundary(memory)
    return memory[start : start + nbytes].view(_Block)


def _until_boundary(memory: Any) -> int:
    """Bytes from the start of new memory to its first boundary."""
    return -ctypes.addressof(ctypes.c_char.from_buffer(memory)) % CACHE_LINE  # the fastest way to an address


def _reuse(nbytes: int) -> _Block | None:
    """An idle block of `nbytes`, the last that came back and likeliest to be in a cache still.

    Where none has that very size, one that is a little larger serves too: that keeps a step's peak of memory low.
    """
    global _idle_bytes
    size = nbytes
    if not _idle.get(size):
        size = min((n for n, blocks in _idle.items() if blocks and nbytes < n <= _SPARE * nbytes), default=0)
    if not size:
        return None
    block = _idle[size].pop()
    _idle_bytes -= size
    return block


def _sort_in() -> None:
    """Put the blocks of dead arrays among the idle ones, and drop what has been idle longest beyond the limit."""
    global _idle_bytes
    while _freed:
        _references.pop(id(_freed[0]), None)  # first, so that an exception loses a block rather than keeps it for ever
        reference = _freed.popleft()
        size = reference.block.nbytes
        _idle_bytes += size
        blocks = _idle.pop(size, [])
        blocks.append(reference.block)
        _idle[size] = blocks
    if _idle_bytes > _LIMIT:
        _idle_bytes = sum(size * len(blocks) for size, blocks in _idle.items())  # right, whatever was interrupted
    while _idle_bytes > _LIMIT:
        oldest = next(iter(_idle))
        if _idle[oldest]:
            del _idle[oldest][0]
            _idle_bytes -= oldest
        else:
            del _idle[oldest]


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
