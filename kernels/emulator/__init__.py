"""Run CUDA kernels without a GPU, and find what is wrong with them.

`minigen.kernels.emulate` takes a Numba CUDA kernel, has numba-cuda compile it as for a GPU, and runs the result, NVVM's
intermediate representation (IR), on the CPU.  So the kernel is the real one: the same types, the same constants, the
same order of operations; only the last step, from there to the GPU's instructions, is another compiler's.

Read the modules in this order: `translate` (a GPU's IR in the CPU's terms), `fibers` (threads and barriers),
`functions` (votes, atomics, float16), `instrument` (which instructions touch memory), `indices` (which index of which
axis), `check` (races, bounds, alignment, memory that no thread has written), `count` (transactions, bank conflicts),
`build`, `program`, `launch`, and `drop_in` (`as_gpu`: programs that use `numba.cuda` as on a GPU).

What it does not do:

- It runs on Linux on x86-64 processors only (on Windows: in WSL).
- Blocks run one after another, and threads between two barriers too.  So a kernel that waits for a later block does not
  end (`LoopError` says where); and the weak ordering of a GPU's memory is not seen, except as a race.
- There is no grid synchronisation, no print, no inline assembly, no function of CUDA's or libdevice's but the usual
  ones: each is named, with its line.  float16 needs a processor with F16C.
- `activemask` gives the lanes that can come together at that place.  A GPU may give fewer.
- A shuffle from a lane that does not take part gives -1, or what is not a number.  It is a fault only if the mask names
  that lane, since kernels may well ignore what they got.
- Mathematical functions are the C library's and may differ from a GPU's in the last digits; products and sums are not
  fused into one rounding, as a GPU does.
- Races are found between elements, in the execution at hand: another input may take another path.  Two threads that
  write the same value are a race too.
- A negative index counts from the end, as in Numba.  Where it is negative in some threads only, as in ``x[i - 1]``,
  there is a warning; where it is in all, none.
- A read of what no thread has written is a fault for shared and local arrays, and for the device arrays of `as_gpu`.
  What a NumPy array holds at first the caller knows.  Whether a kernel writes all of it is looked at if `outputs` names
  it.
- ``raise`` and ``assert`` in a kernel stop nothing, as on a GPU without ``debug=True``; with it neither.
- A loop is taken for endless after `max_iterations`; a recursion is not looked at.
- ``int32(n)`` of a larger number drops its upper bits without a word, as on a GPU; an index that went wrong by it is
  found only where it is out of bounds.
- It says nothing about speed.  For that there is `minigen.kernels.static_report`.  That also finds arithmetic that one
  number made double, as in ``x[i] * 0.1``: ``counts["F64"]`` of what its function `analyse` returns should be 0.
"""

import importlib.util
import platform
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .device import emulated
from .drop_in import as_gpu
from .errors import (
    AlignmentError,
    BarrierError,
    BoundsError,
    IndexWarning,
    KernelError,
    LaneError,
    LoopError,
    RaceError,
    UninitializedError,
    UninitializedWarning,
    UnsupportedError,
)

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
    "as_gpu",
    "emulate",
    "emulated",
    "why_not",
]


def why_not() -> str:
    """Why kernels cannot be emulated here, in one line; empty where they can."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return f"the CUDA emulator runs on Linux on x86-64 only, not on {platform.system()} on {platform.machine()}"
    if importlib.util.find_spec("numba_cuda") is None:
        return 'the CUDA emulator needs numba-cuda: python -m pip install "minigen-lab[emulator]"'
    return ""


def emulate(
    kernel: Callable[..., Any],
    check: bool = True,
    count: bool = False,
    order: str | int = "forward",
    outputs: str | Iterable[str] = (),
    max_iterations: int | None = 10_000_000,
) -> Any:
    """Run a CUDA kernel on the CPU: ``emulate(kernel)[grid, block](*args)``.

    Parameters
    ----------
    kernel : callable
        Decorated with ``numba.cuda.jit``, or a plain function that could be.
    check : bool, optional
        Look for races, accesses out of bounds, reads of memory that no thread has written, and misaligned vector loads.
        Without it a kernel runs many times faster, and a wrong index may write into memory that belongs to Python and
        end the process.
    count : bool, optional
        Count memory transactions, bank conflicts and barriers; a launch then returns a report, which prints as a table.
    order : {"forward", "reverse"} or int, optional
        In which order the threads of a block run between two barriers; a number is the seed of a shuffled one.  A
        correct kernel gives the same result under every order.
    outputs : str or iterable of str, optional
        Names of array arguments every element of which the kernel has to write; needs `check`.
    max_iterations : int or None, optional
        How often a thread may go round one loop; one that goes on is taken for endless.  With None nothing is counted:
        loops are faster, and neither this limit nor Ctrl-C ends them.

    Returns
    -------
    EmulatedKernel
        It takes NumPy arrays, and arrays with a ``__cuda_array_interface__`` that lie in host memory, and works in
        place, as on a GPU.  What shared memory holds at first is not a number (every bit is set).

    Raises
    ------
    RuntimeError
        If kernels cannot be emulated on this computer.
    TypeError, ValueError
        If an argument is not what it should be.
    KernelError
        When launched: one of `RaceError`, `BoundsError`, `UninitializedError`, `AlignmentError`, `BarrierError`,
        `LaneError`, `LoopError`, or `UnsupportedError` for what the emulator has not.  Each names the Python line and
        the thread.

    Warns
    -----
    IndexWarning
        When an index is negative in some threads and not in others.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import cuda  # doctest: +SKIP
    >>> @cuda.jit  # doctest: +SKIP
    ... def double(x):
    ...     x[cuda.grid(1)] *= 2
    >>> x = np.arange(4.0)
    >>> emulate(double)[2, 2](x)  # doctest: +SKIP
    >>> x  # doctest: +SKIP
    array([0., 2., 4., 6.])
    """
    reason = why_not()
    if reason:
        raise RuntimeError(reason)
    if order not in ("forward", "reverse") and not (isinstance(order, int) and order >= 0):
        raise ValueError(f"order: expected 'forward', 'reverse' or a number of at least 0, got {order!r}")
    outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    if outputs and not check:
        raise ValueError(f"outputs: got {outputs}, but only check=True looks at what is written")
    if max_iterations is not None and (not isinstance(max_iterations, int) or max_iterations < 1):
        raise ValueError(f"max_iterations: expected None or a number of at least 1, got {max_iterations!r}")
    options = getattr(kernel, "targetoptions", {})
    if options.get("device"):
        raise TypeError(f"emulate: {kernel.__name__} is a device function; only kernels can be launched")
    function = getattr(kernel, "py_func", kernel)
    if not hasattr(function, "__code__"):
        raise TypeError(f"emulate: expected a kernel, got {type(kernel).__name__}")
    from .launch import EmulatedKernel

    return EmulatedKernel(function, bool(options.get("fastmath")), check, count, order, outputs, max_iterations)
