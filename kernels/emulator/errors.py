"""What can be wrong with a kernel, as exceptions.  Every message names the Python line and the thread."""

__all__ = [
    "AlignmentError",
    "BarrierError",
    "BoundsError",
    "IndexWarning",
    "KernelError",
    "LaneError",
    "LoopError",
    "RaceError",
    "UninitializedError",
    "UninitializedWarning",
    "UnsupportedError",
]


class KernelError(RuntimeError):
    """A fault of the kernel that is being emulated."""


class RaceError(KernelError):
    """Two threads touch the same element with no barrier between, and at least one of them writes."""


class BoundsError(KernelError):
    """A thread reads or writes outside the array that it indexes."""


class AlignmentError(KernelError):
    """A vector load or store at an address that is no multiple of its size: a GPU stops there."""


class BarrierError(KernelError):
    """Not all threads of a block, or of a warp, reach the same barrier."""


class UninitializedError(KernelError):
    """A thread reads memory that no thread has written, or an output is not written completely."""


class LaneError(KernelError):
    """A thread shuffles or votes with a lane of its warp that does not take part."""


class LoopError(KernelError):
    """A thread goes round a loop more often than the launch allows: it may never end."""


class UnsupportedError(KernelError):
    """The kernel uses something that a GPU has and the emulator has not."""


class UninitializedWarning(UserWarning):
    """The host copies elements of a device array that nothing has written."""


class IndexWarning(UserWarning):
    """An index is negative in some threads only, as ``x[i - 1]`` is: there it wraps around to the array's end."""
