"""A kernel's machine code, and the memory through which the launcher speaks with it."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .access import Point
from .check import Checker
from .count import Counter
from .fibers import STACK_BYTES
from .instrument import Instrumented

__all__ = ["Program"]


class Memory:
    """What the scheduler needs for a block of `threads` threads."""

    def __init__(self, threads: int, stack_bytes: int):
        self.threads = threads
        self.indices: NDArray[np.int32] = np.zeros((threads, 3), np.int32)
        self.order: NDArray[np.int32] = np.zeros(threads, np.int32)
        self.state: NDArray[np.uint8] = np.zeros(threads, np.uint8)
        self.site: NDArray[np.int32] = np.zeros(threads, np.int32)
        self.contexts: NDArray[np.int64] = np.zeros(threads, np.int64)
        self.exchange: NDArray[np.int32] = np.zeros(threads + 32, np.int32)
        self.stacks: NDArray[np.uint8] = np.empty(
            threads * stack_bytes + 64, np.uint8
        )  # pages that stay untouched take no memory


class Program:
    """A kernel's machine code, and the memory through which the launcher speaks with it."""

    points: list[Point]
    barriers: list[Point]
    parents: list[int]
    slots: int

    def __init__(self, engine: Any, code: Instrumented, slots: int):
        self.points, self.barriers, self.parents = code.points, code.barriers, code.parents
        self.slots, self._shared = slots, code.shared
        self.waits: bool = bool(code.barriers)
        self.stack_bytes: int = STACK_BYTES + -(-2 * code.stack // 4096) * 4096
        self._engine = engine

        def entry(symbol: str, result: Any = None) -> Any:
            return ctypes.PYFUNCTYPE(result, ctypes.c_int)(engine.get_function_address(symbol))

        self.straight, self.start, self.run = entry("emu_straight"), entry("emu_start"), entry("emu_run", ctypes.c_int)
        self._epoch = ctypes.c_int.from_address(self.address("emu_epoch"))
        self._memory: Memory | None = None

    def address(self, symbol: str) -> int:
        """Where a global variable of the program lies."""
        return self._engine.get_global_value_address(symbol)

    @property
    def epoch(self) -> int:
        """Block barriers passed since the launch began, plus blocks."""
        return self._epoch.value

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch.value = value

    def shared(self, dynamic: int) -> list[tuple[str, int, int, int]]:
        """(Python name, address, bytes, bytes of an element) of every shared array; dynamic ones may have 0 bytes."""
        return [
            (label, self.address(name if size else "emu_dynamic"), size or dynamic, item)
            for name, (label, size, item) in self._shared.items()
        ]

    def enter(self, slots: bytes, grid: Any, block: Any, dynamic: int, order: np.ndarray) -> Memory:
        """Prepare a launch: arguments, sizes, and a stack for each thread."""
        ctypes.memmove(self.address("emu_arguments"), slots, len(slots))
        registers = (ctypes.c_int * 12).from_address(self.address("emu_registers"))
        registers[3:6], registers[9:12] = list(block), list(grid)
        ctypes.c_int.from_address(self.address("emu_dynamic_bytes")).value = dynamic
        threads = len(order)
        if self._memory is None or self._memory.threads != threads:
            self._memory = Memory(threads, self.stack_bytes)
        memory = self._memory
        memory.order[:] = order
        memory.indices[:] = np.stack(np.unravel_index(np.arange(threads), block[::-1])[::-1], axis=1)
        for name, array in vars(memory).items():
            if name not in ("threads", "stacks"):
                self._point(f"emu_{name}", array.ctypes.data)
        self._point("emu_stacks", -(-memory.stacks.ctypes.data // 64) * 64)
        ctypes.c_int64.from_address(self.address("emu_stack_bytes")).value = self.stack_bytes
        self.epoch = 0
        return memory

    def enter_block(self, place: tuple[int, int, int], dynamic: int) -> None:
        """Prepare one block; what its shared memory holds at first is not a number."""
        registers = (ctypes.c_int * 12).from_address(self.address("emu_registers"))
        registers[6:9] = list(place)
        for _, address, size, _ in self.shared(dynamic):
            ctypes.memset(address, 0xFF, size)

    def attach_checker(self, checker: Checker) -> None:
        """Have accesses judged by `checker`."""
        arrays: dict[str, np.ndarray] = {
            "state": checker.state, "regions": checker.table, "shadow": checker.shadow, "log": checker.log,
            "points": checker.kinds, "locals": checker.locals,
        }  # fmt: skip
        for name, array in arrays.items():
            self._point(f"emu_check_{name}", array.ctypes.data)

    def attach_counter(self, counter: Counter) -> None:
        """Have accesses counted by `counter`."""
        for name in ("trace", "iterations", "loops"):
            self._point(f"emu_count_{name}", getattr(counter, name).ctypes.data)
        ctypes.c_int.from_address(self.address("emu_count_size")).value = counter.count

    def _point(self, symbol: str, address: int) -> None:
        ctypes.c_void_p.from_address(self.address(symbol)).value = address
