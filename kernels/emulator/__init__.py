"""Run CUDA kernels without a GPU, and find what is wrong with them.

`minigen.kernels.emulate` takes a Numba CUDA kernel, has numba-cuda compile it as for a GPU, and runs the result, NVVM's
intermediate representation (IR), on the CPU.  So the kernel is the real one: the same types, the same constants, the
same order of operations; only the last step, from there to the GPU's instructions, is another compiler's.

Read the modules in this order: `translate` (a GPU's IR in the CPU's terms), `fibers` (threads and barriers),
`instrument` (which instructions touch memory), `check` (races, bounds, alignment), `count` (transactions, bank
conflicts), `build`, `program` and `launch`.

What it does not do:

- It runs on Linux on x86-64 processors only (on Windows: in WSL).
- Blocks run one after another, and threads between two barriers too.  So a kernel that waits for another block, or in a
  loop for another thread, never ends; and the weak ordering of a GPU's memory is not seen, except as a race.
- There is no grid synchronisation, no warp vote (``all_sync``, ``ballot_sync``), no ``syncthreads_count``, no inline
  assembly: each is named, with its line.  A shuffle's mask is not looked at.
- Mathematical functions are the C library's and may differ from a GPU's in the last digits; products and sums are not
  fused into one rounding, as a GPU does.
- Races are found between elements, in the execution at hand: another input may take another path.  Two threads that
  write the same value are a race too.
- At most 16 local arrays of a kernel are checked for bounds; arrays of constants are not.
- It says nothing about speed.  For that there is `minigen.kernels.static_report`.
"""

import importlib.util
import platform
import sys
from collections.abc import Callable
from typing import Any

from .device import emulated
from .errors import AlignmentError, BarrierError, BoundsError, KernelError, RaceError, UnsupportedError

__all__ = [
    "AlignmentError",
    "BarrierError",
    "BoundsError",
    "KernelError",
    "RaceError",
    "UnsupportedError",
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


def emulate(kernel: Callable[..., Any], check: bool = False, count: bool = False, order: str | int = "forward") -> Any:
    """Run a CUDA kernel on the CPU: ``emulate(kernel)[grid, block](*args)``.

    Parameters
    ----------
    kernel : callable
        Decorated with ``numba.cuda.jit``, or a plain function that could be.
    check : bool, optional
        Look for races, accesses out of bounds, misaligned vector loads and divergent barriers.  Much slower.
    count : bool, optional
        Count memory transactions, bank conflicts and barriers; a launch then returns a report, which prints as a table.
    order : {"forward", "reverse"} or int, optional
        In which order the threads of a block run between two barriers; a number is the seed of a shuffled one.  A
        correct kernel gives the same result under every order.

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
        When launched: one of `RaceError`, `BoundsError`, `AlignmentError`, `BarrierError`, or `UnsupportedError` for
        what the emulator has not.  Each names the Python line and the thread.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import cuda  # doctest: +SKIP
    >>> @cuda.jit  # doctest: +SKIP
    ... def double(x):
    ...     x[cuda.grid(1)] *= 2
    >>> x = np.arange(4.0)
    >>> emulate(double, check=True)[2, 2](x)  # doctest: +SKIP
    >>> x  # doctest: +SKIP
    array([0., 2., 4., 6.])
    """
    reason = why_not()
    if reason:
        raise RuntimeError(reason)
    if order not in ("forward", "reverse") and not isinstance(order, int):
        raise ValueError(f"order: expected 'forward', 'reverse' or a number, got {order!r}")
    options = getattr(kernel, "targetoptions", {})
    if options.get("device"):
        raise TypeError(f"emulate: {kernel.__name__} is a device function; only kernels can be launched")
    function = getattr(kernel, "py_func", kernel)
    if not hasattr(function, "__code__"):
        raise TypeError(f"emulate: expected a kernel, got {type(kernel).__name__}")
    from .launch import EmulatedKernel

    return EmulatedKernel(function, bool(options.get("fastmath")), check, count, order)
