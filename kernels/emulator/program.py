"""A kernel's machine code, and the memory through which the launcher speaks with it."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .access import Point, Region
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
        self.exchange: NDArray[np.int64] = np.zeros(threads + 32, np.int64)
        self.masks: NDArray[np.uint32] = np.zeros(threads, np.uint32)
        self.stacks: NDArray[np.uint8] = np.empty(
            threads * stack_bytes + 64, np.uint8
        )  # pages that stay untouched take no memory


class Program:
    """A kernel's machine code, and the memory through which the launcher speaks with it."""

    code: Instrumented
    slots: int

    def __init__(self, engine: Any, code: Instrumented, slots: int, turns: bool):
        self.code, self.slots = code, slots
        self.waits: bool = bool(code.barriers) or (turns and len(code.loops) > code.functions)
        self.stack_bytes: int = STACK_BYTES + -(-2 * code.stack // 4096) * 4096
        self._engine = engine

        def entry(symbol: str, result: Any = None) -> Any:
            return ctypes.PYFUNCTYPE(result, ctypes.c_int)(engine.get_function_address(symbol))

        self.straight, self.start, self.run = entry("emu_straight"), entry("emu_start"), entry("emu_run", ctypes.c_int)
        self._limit = ctypes.c_int64.from_address(self.address("emu_limit"))
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

    @property
    def loop(self) -> tuple[int, Point, int]:
        """The thread that gave way to the launcher, the loop it is in, and how often it has gone round."""
        thread, loop = (ctypes.c_int.from_address(self.address(f"emu_{name}")).value for name in ("thread", "loop"))
        turns = ctypes.c_int64.from_address(self.address("emu_turns")).value
        return thread, self.code.loops[loop], turns

    @property
    def absent_lane(self) -> tuple[int, int, Point] | None:
        """The first thread that asked a lane that did not take part, that lane, and where; None if all did."""
        number, thread, lane, site = (
            ctypes.c_int.from_address(self.address(f"emu_absent{part}")).value
            for part in ("", "_for", "_lane", "_site")
        )
        return (thread, lane, self.code.barriers[site]) if number else None

    def own_arrays(self, dynamic: int) -> list[Region]:
        """The shared and constant arrays that the kernel makes; a dynamic one may have no bytes."""
        regions = []
        for name, array in self.code.shared.items():
            size = array.bytes or (0 if array.constant else dynamic)
            start = self.address(name if array.bytes or array.constant else "emu_dynamic")
            regions.append(
                Region(array.name, start, start + size, array.itemsize, not array.constant, array.constant, array.shape)
            )
        return regions

    def stacks(self, threads: int) -> tuple[int, int]:
        """From where to where the stacks of a block's threads lie."""
        start = ctypes.c_int64.from_address(self.address("emu_stacks")).value
        return start, start + threads * self.stack_bytes

    def enter(self, slots: bytes, grid: Any, block: Any, dynamic: int, order: np.ndarray, limit: int) -> Memory:
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
        self.epoch, self._limit.value = 0, limit
        return memory

    def enter_block(self, place: tuple[int, int, int], dynamic: int) -> None:
        """Prepare one block; what its shared memory holds at first is not a number."""
        registers = (ctypes.c_int * 12).from_address(self.address("emu_registers"))
        registers[6:9] = list(place)
        for array in self.own_arrays(dynamic):
            if array.shared:
                ctypes.memset(array.start, 0xFF, array.stop - array.start)

    def attach_checker(self, checker: Checker) -> None:
        """Have accesses judged by `checker`."""
        arrays: dict[str, np.ndarray] = {
            "state": checker.state, "regions": checker.table, "shadow": checker.shadow, "log": checker.log,
            "points": checker.kinds, "locals": checker.locals, "axes": checker.axes, "fresh": checker.fresh,
            "written": checker.written,
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
