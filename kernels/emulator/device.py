"""The CUDA kernel set on the emulator: what `minigen.kernels.cuda` launches runs on the CPU."""

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..cuda.launch import Kernel

__all__ = ["emulated"]


class _EmulatedDevice:
    """NumPy arrays, or those of a stand-in for CuPy, and kernels that the emulator runs."""

    def __init__(self, arrays: Any, check: bool, order: str | int):
        self.arrays, self._check, self._order = arrays, check, order

    def start(self, kernel: "Kernel", blocks: int, arguments: list[Any]) -> None:
        emulation = _emulation(kernel, self._check)
        emulation.order = self._order
        emulation[blocks, kernel.threads](*arguments)


@functools.cache
def _emulation(kernel: "Kernel", check: bool) -> Any:
    from . import emulate

    return emulate(kernel.function, check=check, max_iterations=10_000_000 if check else None)


@contextlib.contextmanager
def emulated(arrays: Any = np, check: bool = False, order: str | int = "forward") -> Iterator[None]:
    """Inside the block the CUDA kernels run on the CPU: the same code, compiled for it.

    Parameters
    ----------
    arrays : module
        Whose arrays the kernels take and return.
    check, order
        As `minigen.kernels.emulate` takes them: look for races and indices out of bounds; run threads in this order.

    Examples
    --------
    >>> from minigen.kernels import cuda  # doctest: +SKIP
    >>> with emulated():  # doctest: +SKIP
    ...     cuda.leaky_relu(np.array([-1.0, 2.0], np.float32), 0.5)
    array([-0.5,  2. ], dtype=float32)
    """
    from ..cuda.launch import running_on

    with running_on(_EmulatedDevice(arrays, check, order)):
        yield
