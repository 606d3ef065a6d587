"""Launching an emulated kernel: the blocks of the grid, one after another."""

import inspect
import itertools
import operator
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .access import regions_of, where
from .build import build
from .check import Checker
from .count import Counter, LaunchReport
from .errors import BarrierError, BoundsError, LaneError, LoopError, UninitializedError
from .fibers import DONE, PAUSED, READY, WAITS_FOR_BLOCK, WAITS_FOR_WARP
from .hooks import MOST_DYNAMIC
from .program import Program

__all__ = ["EmulatedKernel", "host_array", "launch_syntax"]

WARP, MOST_THREADS = 32, 1024
MOST_ARGUMENTS = 512  # 8 bytes each; as many as every GPU takes, and as emu_arguments has
MOST_BLOCKS = (2**31 - 1, 65535, 65535)  # CUDA C++ Programming Guide, "Compute Capabilities": all since 3.0
MOST_IN_BLOCK = (1024, 1024, 64)
_running = threading.Lock()  # a compiled kernel keeps the state of its launch in global variables


class EmulatedKernel:
    """A CUDA kernel that runs on the CPU; made by `minigen.kernels.emulate`.

    ``kernel[grid, block](*args)`` launches it, as on a GPU; a third entry (the stream) is ignored, a fourth is the
    number of bytes of dynamic shared memory.
    """

    function: Callable[..., Any]
    fastmath: bool
    check: bool
    count: bool
    order: str | int
    outputs: tuple[str, ...]
    max_iterations: int | None
    names: list[str]
    """Of the arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        fastmath: bool,
        check: bool,
        count: bool,
        order: str | int,
        outputs: tuple[str, ...],
        max_iterations: int | None,
    ):
        self.function, self.fastmath, self.check, self.count, self.order = function, fastmath, check, count, order
        self.outputs, self.max_iterations = outputs, max_iterations
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.names = list(inspect.signature(function).parameters)
        for name in outputs:
            if name not in self.names:
                raise ValueError(f"{self.__name__}: outputs: no argument is called {name!r}; there are {self.names}")

    def __call__(self, *args: Any) -> None:
        """Refuse: a kernel has no meaning without a grid and a block."""
        raise ValueError(launch_syntax(self.__name__))

    def forall(self, tasks: int, block: int = 256, dynamic: int = 0) -> Callable[..., LaunchReport | None]:
        """The launch with one thread for each task, and a few more in the last block; none for 0 tasks."""
        tasks, block = _whole(self.__name__, "forall", tasks), _whole(self.__name__, "block", block)
        if tasks < 0:
            raise ValueError(f"{self.__name__}: forall is {tasks}; expected the number of tasks, at least 0")
        launch = self[max(1, -(-tasks // max(1, block))), block, 0, dynamic]
        return launch if tasks else lambda *args: None

    def __getitem__(self, configuration: tuple[Any, ...]) -> Callable[..., LaunchReport | None]:
        if not isinstance(configuration, tuple) or not 2 <= len(configuration) <= 4:
            raise ValueError(f"{self.__name__}: expected kernel[grid, block], got kernel[{configuration!r}]")
        grid = _three(self.__name__, "grid", configuration[0], MOST_BLOCKS)
        block = _three(self.__name__, "block", configuration[1], MOST_IN_BLOCK)
        if np.prod(block) > MOST_THREADS:
            raise ValueError(f"{self.__name__}: block {block} has {np.prod(block)} threads; a GPU takes {MOST_THREADS}")
        dynamic = _whole(self.__name__, "dynamic shared memory", configuration[3]) if len(configuration) == 4 else 0
        if not 0 <= dynamic <= MOST_DYNAMIC:
            raise ValueError(
                f"{self.__name__}: dynamic shared memory is {dynamic} bytes; a GPU has 0 to {MOST_DYNAMIC} for a block"
            )

        def launch(*args: Any, **named: Any) -> LaunchReport | None:
            if named:
                raise TypeError(
                    f"{self.__name__}: a kernel takes its arguments by position, got {', '.join(named)} by name"
                )
            with _running:
                return self._launch(grid, block, dynamic, args)

        return launch

    def _launch(
        self, grid: tuple[int, int, int], block: tuple[int, int, int], dynamic: int, args: tuple[Any, ...]
    ) -> LaunchReport | None:
        if len(args) != len(self.names):
            raise TypeError(f"{self.__name__}: takes {len(self.names)} arguments, got {len(args)}")
        values = [host_array(value) for value in args]
        for name, value in zip(self.names, values):
            if isinstance(value, list):
                raise TypeError(f"{self.__name__}: {name} is a list, and a kernel takes arrays: np.array({name})")
            if name in self.outputs and not isinstance(value, np.ndarray):
                raise TypeError(f"{self.__name__}: outputs: {name} is {type(value).__name__}, not an array")
        kinds = tuple(_type(value) for value in values)
        program = build(self.function, kinds, self.fastmath, self.check, self.count, self.max_iterations is not None)
        threads = int(np.prod(block))
        slots = _slots(values)
        if len(slots) != 8 * program.slots:
            raise TypeError(
                f"{self.__name__}: expected arrays, numbers or tuples of them, got {[type(a).__name__ for a in args]}"
            )
        if len(slots) > 8 * MOST_ARGUMENTS:
            raise TypeError(f"{self.__name__}: {len(slots)} bytes of arguments; a GPU takes {8 * MOST_ARGUMENTS}")
        memory = program.enter(slots, grid, block, dynamic, _permutation(self.order, threads), self.max_iterations or 0)
        checker, counter = None, None
        if self.check or self.count:
            arrays = list(_named_arrays(self.names, values))
            regions = regions_of([n for n, _ in arrays], [v for _, v in arrays])
            own = program.own_arrays(dynamic)
        if self.check:
            scratch, stacks = program.address("emu_scratch"), program.stacks(threads)
            checker = Checker(program.code, regions + own, scratch, stacks, threads)
            program.attach_checker(checker)
            for value, argument in zip(values, args):
                if hasattr(argument, "fresh"):  # a device array
                    checker.mark_fresh(value, argument.fresh)
        if self.count:
            counter = Counter(
                program.code.points, program.code.parents, regions + [r for r in own if r.shared], threads
            )
            program.attach_counter(counter)
        frozen = [
            (n, v, v.tobytes())
            for n, v in zip(self.names, values)
            if isinstance(v, np.ndarray) and not v.flags.writeable
        ]
        barriers = 0

        def thread_of(number: int) -> str:
            return _name_thread(number, grid, block)

        for index, (z, y, x) in enumerate(itertools.product(*map(range, grid[::-1]))):
            program.enter_block((x, y, z), dynamic)
            if checker:
                checker.start_block(index)
            barriers += self._block(program, memory, threads, checker, (x, y, z), block)
            if checker:
                checker.raise_fault(self.__name__, thread_of)
                self._expect_lanes(program, (x, y, z), block)
            if counter:
                counter.finish_block(self.__name__)
        for name, array, before in frozen:
            if array.tobytes() != before:
                raise BoundsError(f"{self.__name__}: writes to {name}, which is read-only; check=True tells where")
        for name, value, argument in zip(self.names, values, args):
            if hasattr(argument, "fresh"):
                argument.fresh[...] &= ~checker.written_by_threads(value) if checker else False
                argument.writer = f"{self.__name__}[{grid}, {block}], as {name}"
        if checker:
            checker.warn_of_wrapped_indices(self.__name__, thread_of)
            for name in self.outputs:
                self._expect_written(name, values[self.names.index(name)], checker, grid, block)
        if counter is None:
            return None
        return LaunchReport(self.__name__, grid, block, barriers, counter.rows())

    def _expect_written(self, name: str, array: np.ndarray, checker: Checker, grid: Any, block: Any) -> None:
        missing = np.argwhere(~checker.written_by_threads(array))
        if len(missing):
            first = ", ".join(str(i) for i in missing[0])
            raise UninitializedError(
                f"{self.__name__}: {len(missing)} of {array.size} elements of {name} were never written: "
                f"grid {grid} x block {block}; the first is {name}[{first}]"
            )

    def _block(
        self,
        program: Program,
        memory: Any,
        threads: int,
        checker: Checker | None,
        place: tuple[int, int, int],
        block: tuple[int, int, int],
    ) -> int:
        """Run one block to its end; the number of block barriers that opened."""
        if not program.waits and checker is None:
            program.straight(threads)
            return 0
        before = program.epoch
        program.start(threads)
        while stopped := program.run(threads):
            if stopped == PAUSED:
                self._expect_few_turns(program, place, block)
                continue
            state, sites = memory.state[:threads], memory.site[:threads]
            if not (state == READY).any() and not self._open_warps(state, sites, memory.masks, checker):
                self._expect_all_at_one(program, state, sites, place, block)
                state[:] = READY
                program.epoch += 1
        barriers = program.epoch - before
        program.epoch += 1  # the next block's accesses are later
        return barriers

    def _expect_lanes(self, program: Program, place: Any, block: Any) -> None:
        if program.absent_lane:
            thread, lane, there = program.absent_lane
            if lane == thread % WARP:
                what = "is not in the mask that it gives"
            else:
                what = (
                    f"reads from lane {lane}, which the mask names and which has returned, waits elsewhere or is none"
                )
            raise LaneError(f"{self.__name__}: {where(there)}: thread {_index(thread, block)} of block {place} {what}")

    def _expect_few_turns(self, program: Program, place: Any, block: Any) -> None:
        """Each call is a chance for Ctrl-C: while the kernel itself runs, Python does nothing."""
        thread, loop, turns = program.loop
        if self.max_iterations is not None and turns > self.max_iterations:
            raise LoopError(
                f"{self.__name__}: {where(loop)}: thread {_index(thread, block)} of block {place} has gone round this "
                f"loop {self.max_iterations} times; if that is right, set max_iterations"
            )

    def _open_warps(self, state: Any, sites: Any, masks: Any, checker: Checker | None) -> bool:
        """Let threads go on that wait at one place of a warp, if all those are there that they wait for."""
        opened = False
        for warp in range(-(-len(state) // WARP)):
            own, at, named = (array[warp * WARP : (warp + 1) * WARP] for array in (state, sites, masks))
            waiting = own == WAITS_FOR_WARP
            alive, lanes = own != DONE, np.arange(len(own), dtype=np.uint32)
            for site in np.unique(at[waiting]):
                here = waiting & (at == site)
                mask = np.bitwise_or.reduce(named[here])
                if (alive & ~here & ((mask >> lanes) & 1).astype(bool)).any():
                    continue
                own[here] = READY
                opened = True
                if checker and mask:
                    checker.pass_warp_barrier(warp)
        return opened

    def _expect_all_at_one(self, program: Program, state: Any, sites: Any, place: Any, block: Any) -> None:
        """No thread can go on: right only where all threads wait at one barrier."""
        groups: dict[str, list[int]] = {}
        for thread, (s, site) in enumerate(zip(state, sites)):
            what = "have returned" if s == DONE else f"wait at {where(program.code.barriers[site])}"
            groups.setdefault(what, []).append(thread)
        if len(groups) == 1 and (state == WAITS_FOR_BLOCK).all():
            return
        told = "; ".join(
            f"{len(who)} threads {what}, such as thread {_index(who[0], block)}" for what, who in groups.items()
        )
        kind = "warp" if (state == WAITS_FOR_WARP).any() else "block"
        raise BarrierError(
            f"{self.__name__}: not all threads of a {kind} reach the same barrier: in block {place}, {told}"
        )


def launch_syntax(name: str) -> str:
    """What to say to someone who calls a kernel as a function."""
    return f"{name}: a kernel is launched by {name}[grid, block](...), not by {name}(...)"


def _type(value: Any) -> Any:
    """Numba's type of an argument; a GPU knows no read-only arrays, so one kernel serves all."""
    from numba import typeof, types

    if isinstance(value, tuple):
        return types.BaseTuple.from_types([_type(part) for part in value])
    kind = typeof(value)
    return kind.copy(readonly=False) if isinstance(value, np.ndarray) else kind


def _three(name: str, what: str, size: Any, most: tuple[int, int, int]) -> tuple[int, int, int]:
    """A grid or block size as (x, y, z), checked as a driver checks it."""
    sizes = tuple(_whole(name, what, s) for s in (size if np.ndim(size) else [size]))
    sizes += (1,) * (3 - len(sizes))
    if len(sizes) != 3 or any(not 1 <= s <= m for s, m in zip(sizes, most)):
        raise ValueError(f"{name}: {what} is {size!r}; expected up to three numbers from 1 to {most}")
    return sizes


def _whole(name: str, what: str, number: Any) -> int:
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{name}: {what} is {number!r}; expected a whole number") from None


def _named_arrays(names: Iterable[str], values: Iterable[Any]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays among the arguments, and in tuples, with their names."""
    for name, value in zip(names, values):
        if isinstance(value, tuple):
            yield from _named_arrays([f"{name}[{i}]" for i in range(len(value))], value)
        elif isinstance(value, np.ndarray):
            yield name, value


def host_array(value: Any) -> Any:
    """An argument as NumPy sees it; arrays of a stand-in for CuPy lie in host memory."""
    if isinstance(value, tuple):
        return tuple(host_array(part) for part in value)
    if isinstance(value, np.ndarray) or not hasattr(value, "__cuda_array_interface__"):
        return value

    interface = {key: entry for key, entry in value.__cuda_array_interface__.items() if key != "stream"}
    return np.asarray(types.SimpleNamespace(__array_interface__=interface))


def _slots(values: Iterable[Any]) -> bytes:
    """The arguments as the kernel takes them: 8 bytes for each field of an array, and for each number."""
    parts = []
    for value in values:
        if isinstance(value, tuple):
            parts.append(_slots(value))
        elif isinstance(value, np.ndarray):
            fields = (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
            parts += [int(field).to_bytes(8, "little", signed=True) for field in fields]
        else:
            parts.append(np.asarray(value).tobytes().ljust(8, b"\0"))
    return b"".join(parts)


def _permutation(order: str | int, threads: int) -> np.ndarray:
    if order == "forward":
        return np.arange(threads, dtype=np.int32)
    if order == "reverse":
        return np.arange(threads - 1, -1, -1, dtype=np.int32)
    return np.random.default_rng(int(order)).permutation(threads).astype(np.int32)


def _index(thread: int, block: tuple[int, int, int]) -> str:
    return str(tuple(int(i) for i in np.unravel_index(thread, block[::-1])[::-1]))


def _name_thread(number: int, grid: tuple[int, int, int], block: tuple[int, int, int]) -> str:
    which, thread = divmod(number, int(np.prod(block)))
    return f"thread {_index(thread, block)} of block {_index(which, grid)}"
