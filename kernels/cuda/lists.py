"""Kernels that take lists of arrays: one launch serves many, since most arrays of a network are small, and a launch
costs as much as the work on them.

Such a kernel takes tuples of arrays in one dimension.  Blocks are dealt out to the arrays in turn: of n arrays block b
works on number ``b % n``, and there has the part ``b // n``.  Blocks with nothing to do end at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..shapes import Array
from .launch import MOST_BLOCKS, THREADS, Kernel, launch
from .packed import MOST_BYTES
from .target import cuda, device, flat, int32, types

__all__ = ["arrays", "indices", "launch_lists"]

#: Bytes of an array among a kernel's parameters, and of the numbers that a kernel takes beside lists.
_ARRAY_BYTES, _NUMBER_BYTES = 7 * 8, 16 * 8
#: Elements that a thread has at least, in an array with enough of them.
_ELEMENTS = 4


def arrays(dtype, count):
    """Numba's type of a tuple of flat arrays."""
    return types.UniTuple(flat(dtype), count)


@device
def indices(size, count):
    """The elements of its array that this thread has: one, and those a whole grid of that array's blocks on."""
    begin = int32(cuda.blockIdx.x // count * cuda.blockDim.x + cuda.threadIdx.x)
    return range(begin, int32(size), int32(cuda.gridDim.x // count * cuda.blockDim.x))


def launch_lists(make: Callable[[int, Any], Kernel], columns: Sequence[Sequence[Array]], *numbers: float) -> None:
    """Start a kernel on lists of arrays, in as few launches as a kernel's parameters have room for.

    Parameters
    ----------
    make : callable
        ``make(count, dtype)`` gives the kernel for lists of `count` arrays.
    columns : sequence of sequences of array
        The lists: of one length, and contiguous arrays of one dtype; those at one place are of one shape.
    *numbers
        What the kernel takes after the lists, as one tuple: see `target.changing`.
    """
    rest = [numbers] if numbers else []
    most = (MOST_BYTES - _NUMBER_BYTES) // (len(columns) * _ARRAY_BYTES)
    for begin in range(0, len(columns[0]), most):
        part = [column[begin : begin + most] for column in columns]
        count = len(part[0])
        parts = min(-(-max(x.size for x in part[0]) // (THREADS * _ELEMENTS)), MOST_BLOCKS // count)
        launch(make(count, part[0][0].dtype), count * parts, *part, *rest)
