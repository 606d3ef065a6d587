"""Races, accesses out of bounds, misaligned ones, and reads of what no thread has written, found as they happen.

Memory is cut into *granules*, an array's elements.  For each the *shadow* keeps who touched it last:

====== ==============================================================================
record meaning
====== ==============================================================================
0      the last thread that wrote
1      the last thread that read
2      another thread that read since the last barrier
3      the last thread of another block that read
====== ==============================================================================

A record holds the thread (1 for the first thread of the grid; 0 means no thread), the program point, the *epoch* (how
many block barriers were passed before it) and the warp's epoch.  Two accesses by different threads are ordered where a
barrier lies between them: in one block if their epochs differ, in one warp also if the warp's epochs do; in different
blocks, never.  Unordered accesses to one granule are a race unless both are loads, or both are atomic.

The order in which the emulator runs the threads plays no part in this, so a race is found even where the result
happens to be right.

Beside the shadow there is one byte for each granule, and for each byte of a local array, that says whether a thread has
written it (see `FRESH`).  Indices are compared with the lengths of their axes before the access, so that ``x[0, 4]`` of
a 4 x 4 array is not taken for ``x[1, 0]``.

Source: Serebryany and Iskhodzhanov, "ThreadSanitizer: data race detection in practice" (2009), for shadow memory.
"""

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .access import ATOMIC, INDEX, LOAD, STORE, Point, Region, where
from .errors import AlignmentError, BoundsError, IndexWarning, KernelError, RaceError, UninitializedError
from .instrument import Instrumented

__all__ = ["Checker", "watchers"]

# Words of `state`, which the launcher shares with the compiled code; `hooks` knows LOCALS and STACK by number.
REGIONS, BLOCK, BLOCK_THREADS, FAULTS, LOCALS, STACK, SCRATCH, STACKS, STACKS_END, PENDING, UNWRITTEN = range(11)
WARP_EPOCHS = 16
NONE, RACE, BOUNDS, ALIGNMENT, READ_ONLY, AXIS, OUTSIDE, FRESH_READ = range(8)
RECORD, GRANULE = 4, 16  # words of a record of the shadow, and of a granule's four
REGION, LOCAL, FAULT = 6, 3, 8  # words of a row of the tables of regions, local arrays and faults
# What a granule holds: something a thread has written; nothing; or what it held before the launch.
WRITTEN, FRESH, GIVEN = range(3)
# Columns of the table of axes, 8 words a row: whether a thread's index was not negative; how many were, and the first.
FORWARD, WRAPPED, WRAP_THREAD, WRAP_INDEX, WRAP_SIZE, WRAP_REGION, POINT, DIRECT = range(8)


@functools.cache
def watchers() -> tuple[Any, Any]:
    """The compiled functions that the kernel calls: at every access, and for an index outside its axis."""
    from numba import carray, cfunc, njit, types

    @njit
    def unordered(state, shadow, at, thread, epoch, shared):
        """Whether the record at `at` is of another thread, with no barrier between it and now."""
        other = shadow[at]
        if other == 0 or other == thread:
            return False
        threads = state[BLOCK_THREADS]
        if (thread - 1) // threads != (other - 1) // threads:
            return not shared
        if shadow[at + 2] != epoch:
            return False
        warp = (thread - 1) % threads // 32
        return warp != (other - 1) % threads // 32 or shadow[at + 3] == state[WARP_EPOCHS + warp]

    @njit
    def touch(state, shadow, at, points, thread, epoch, point, shared):
        """Judge one access to the granule at `at`, and note it; where the record is with which it races, or -1."""
        kind = points[2 * point]
        if unordered(state, shadow, at, thread, epoch, shared) and not (
            kind == ATOMIC and points[2 * shadow[at + 1]] == ATOMIC
        ):
            return at
        mine = at
        if kind == LOAD:
            mine = last = at + RECORD
            if shadow[last] != 0 and shadow[last] != thread:
                elsewhere = (shadow[last] - 1) // state[BLOCK_THREADS] != state[BLOCK]
                to = last + RECORD * (2 if elsewhere else 1)
                for i in range(RECORD):
                    shadow[to + i] = shadow[last + i]
        else:
            for read in range(at + RECORD, at + GRANULE, RECORD):
                if unordered(state, shadow, read, thread, epoch, shared):
                    return read
        shadow[mine] = thread
        shadow[mine + 1] = point
        shadow[mine + 2] = epoch
        shadow[mine + 3] = state[WARP_EPOCHS + (thread - 1) % state[BLOCK_THREADS] // 32]
        return -1

    @njit
    def note(log, row, fault, point, thread, one, two, place, offset):
        """Remember a fault: of each kind, the first is told."""
        at = FAULT * row
        log[at], log[at + 1], log[at + 2], log[at + 3] = fault, point, thread, one
        log[at + 4], log[at + 5], log[at + 6] = two, place, offset

    @njit
    def region_of(state, regions, base):
        for r in range(state[REGIONS]):
            if regions[REGION * r] <= base < regions[REGION * r + 1] or regions[REGION * r] == base:
                return r
        return -1

    @njit
    def local_of(state, locals_, in_block, base):
        """The row of the thread's local array at `base`, or -1."""
        for k in range(in_block * state[LOCALS], (in_block + 1) * state[LOCALS]):
            if locals_[LOCAL * k] <= base < locals_[LOCAL * k + 1]:
                return k
        return -1

    i64, i32, words = types.int64, types.int32, types.CPointer(types.int64)
    halves, octets = types.CPointer(types.int32), types.CPointer(types.uint8)

    @cfunc(i64(words, words, halves, words, halves, words, octets, octets, i32, i32, i32, i64, i64))
    def watch(
        state_, regions_, shadow_, log_, points_, locals_, fresh_, written_, in_block, epoch, point, base, address
    ):
        """The address to use: `address` where that is allowed, else the scratch area's."""
        state, regions, log = carray(state_, (1 << 40,)), carray(regions_, (1 << 40,)), carray(log_, (1 << 40,))
        shadow, points, locals_ = carray(shadow_, (1 << 40,)), carray(points_, (1 << 40,)), carray(locals_, (1 << 40,))
        fresh, written = carray(fresh_, (1 << 40,)), carray(written_, (1 << 40,))
        if state[PENDING]:  # one of the indices is out of bounds, and that is told already
            state[PENDING] = 0
            return state[SCRATCH]
        thread = state[BLOCK] * state[BLOCK_THREADS] + in_block + 1
        kind, size = points[2 * point], i64(points[2 * point + 1])
        fault, other, offset = NONE, i64(-1), address
        unwritten = False
        where_ = region_of(state, regions, base)
        if where_ >= 0:
            row = REGION * where_
            low, high = regions[row], regions[row + 1]
            if address < low or address + size > high:
                fault = BOUNDS
            elif address % size != 0:
                fault = ALIGNMENT
            elif regions[row + 5] and kind != LOAD:
                fault = READ_ONLY
            else:
                first, item, shared = regions[row + 2], regions[row + 3], regions[row + 4]
                for g in range(first + (address - low) // item, first + (address + size - 1 - low) // item + 1):
                    unwritten |= kind != STORE and fresh[g] == FRESH
                    if kind != LOAD:
                        fresh[g] = WRITTEN
                    other = touch(state, shadow, g * GRANULE, points, thread, epoch, point, shared)
                    if other >= 0:
                        fault = RACE
                        break
        else:
            k = local_of(state, locals_, in_block, base)
            if k >= 0:
                where_ = -2 - k % state[LOCALS]
                low, high = locals_[LOCAL * k], locals_[LOCAL * k + 1]
                offset = address - low
                at = locals_[LOCAL * k + 2] + offset
                if address < low or address + size > high:
                    fault = BOUNDS
                else:
                    for i in range(at, at + size):
                        unwritten |= kind != STORE and written[i] == 0
                        if kind != LOAD:
                            written[i] = 1
            elif not state[STACKS] <= address < state[STACKS_END]:
                fault = OUTSIDE
        if fault != NONE:
            if state[FAULTS] == 0:
                one, two = (shadow[other + 1], shadow[other]) if other >= 0 else (0, 0)
                note(log, 0, fault, point, thread, one, two, where_, offset)
            state[FAULTS] += 1
        elif unwritten:
            if state[UNWRITTEN] == 0:
                note(log, 1, FRESH_READ, point, thread, 0, 0, where_, offset)
            state[UNWRITTEN] += 1
        return address if fault in (NONE, RACE) else state[SCRATCH]

    @cfunc(types.void(words, words, words, words, words, i32, i32, i32, i64, i64, i64))
    def outside(state_, regions_, log_, axes_, locals_, in_block, number, signed, base, index, size):
        """An index that is negative or too large."""
        state, regions, log = carray(state_, (1 << 40,)), carray(regions_, (1 << 40,)), carray(log_, (1 << 40,))
        axes, locals_ = carray(axes_, (1 << 40,)), carray(locals_, (1 << 40,))
        thread = state[BLOCK] * state[BLOCK_THREADS] + in_block + 1
        where_ = region_of(state, regions, base)
        if where_ < 0:
            k = local_of(state, locals_, in_block, base)
            where_ = -2 - k % state[LOCALS] if k >= 0 else -1
        row = 8 * number
        if signed and -size <= index < 0:
            if axes[row + WRAPPED] == 0:
                axes[row + WRAP_THREAD], axes[row + WRAP_INDEX], axes[row + WRAP_SIZE] = thread, index, size
                axes[row + WRAP_REGION] = where_
            axes[row + WRAPPED] += 1
            return
        if state[PENDING]:
            return
        state[PENDING] = axes[row + DIRECT]
        if state[FAULTS] == 0:
            note(log, 0, AXIS, axes[row + POINT], thread, index, size, where_, number)
        state[FAULTS] += 1

    return watch, outside


class Checker:
    """The memory behind `watchers` for one launch, and the errors that come out of it."""

    points: Sequence[Point]
    regions: Sequence[Region]

    def __init__(
        self, code: Instrumented, regions: Sequence[Region], scratch: int, stacks: tuple[int, int], threads: int
    ):
        self.points, self.regions, self._axes = code.points, regions, code.axes
        self._locals = [Region(a.name, 0, a.bytes, a.itemsize, shared=False, shape=a.shape) for a in code.locals]
        self.state: NDArray[np.int64] = np.zeros(WARP_EPOCHS + 32, np.int64)
        self.state[[REGIONS, BLOCK_THREADS, SCRATCH]] = len(regions), threads, scratch
        self.state[[LOCALS, STACK, STACKS, STACKS_END]] = len(code.locals), code.stack, *stacks
        self.table: NDArray[np.int64] = np.zeros((max(1, len(regions)), REGION), np.int64)
        granules = 0
        for row, region in zip(self.table, regions):
            row[:] = region.start, region.stop, granules, region.itemsize, region.shared, region.frozen
            granules += -(-(region.stop - region.start) // region.itemsize)
        self.shadow: NDArray[np.int32] = np.zeros((max(1, granules), GRANULE), np.int32)
        self.fresh: NDArray[np.uint8] = np.full(max(1, granules), GIVEN, np.uint8)
        self.log: NDArray[np.int64] = np.zeros((2, FAULT), np.int64)
        self.kinds: NDArray[np.int32] = np.array([(p.kind, p.bytes) for p in code.points] or [(0, 1)], np.int32)
        self.locals: NDArray[np.int64] = np.zeros((threads, max(1, len(code.locals)), LOCAL), np.int64)
        self.written: NDArray[np.uint8] = np.zeros(max(1, threads * code.stack), np.uint8)
        self.axes: NDArray[np.int64] = np.zeros((max(1, len(code.axes)), 8), np.int64)
        for row, (point, _, _) in zip(self.axes, code.axes):
            row[POINT], row[DIRECT] = point, code.points[point].kind != INDEX

    def start_block(self, index: int) -> None:
        """Begin block number `index`; nothing of what it shares has been written."""
        self.state[BLOCK] = index
        self.locals[:] = 0
        for row, region in zip(self.table, self.regions):
            if region.shared:
                self._granules(row)[:] = FRESH

    def pass_warp_barrier(self, warp: int) -> None:
        """The threads of `warp` have waited for each other."""
        self.state[WARP_EPOCHS + warp] += 1

    def mark_fresh(self, array: np.ndarray, fresh: np.ndarray) -> None:
        """Elements of an argument that nothing has written: reading one is a fault."""
        self.fresh[self._granules_of(array)[fresh]] = FRESH

    def written_by_threads(self, array: np.ndarray) -> np.ndarray:
        """Which elements of an argument some thread has written in this launch."""
        return np.asarray(self.fresh[self._granules_of(array)] == WRITTEN)

    def _granules(self, row: Any) -> np.ndarray:
        return self.fresh[row[2] : row[2] + -(-(row[1] - row[0]) // row[3])]

    def _granules_of(self, array: np.ndarray) -> np.ndarray:
        """The number of the granule of each element of an argument."""
        start = array.ctypes.data
        low = np.lib.array_utils.byte_bounds(array)[0] if array.size else start
        row = next(
            row
            for row, region in zip(self.table, self.regions)
            if region.start <= low < region.stop or low == region.start
        )
        offset = np.full(array.shape, start - row[0])
        for axis, (size, stride) in enumerate(zip(array.shape, array.strides)):
            offset += (np.arange(size) * stride).reshape(-1, *[1] * (array.ndim - 1 - axis))
        return np.asarray(row[2] + offset // row[3])

    def raise_fault(self, name: str, thread_of: Any) -> None:
        """Raise the first fault found, if any; `thread_of` writes a thread's number in the grid as a reader would.

        A read of what no thread has written comes last: where a barrier is missing, the race is the reason for it.
        """
        found, kept = int(self.state[FAULTS]), self.log[0]
        if not found:
            found, kept = int(self.state[UNWRITTEN]), self.log[1]
        if not found:
            return
        what, point, thread, one, two, place, offset = (int(v) for v in kept[:7])
        here, array = self.points[point], self._array(place)
        verb = {LOAD: "reads", STORE: "writes", ATOMIC: "atomically updates", INDEX: "takes a part of"}[here.kind]
        who = f"{thread_of(thread - 1)} {verb}"
        element = array.element(offset) if array else "memory that belongs to no array"
        error: type[KernelError] = BoundsError
        text = f"{who} {element}"
        if what == RACE:
            there = self.points[one]
            verb = {LOAD: "read", STORE: "wrote", ATOMIC: "atomically updated"}[there.kind]
            blocks = {(number - 1) // int(self.state[BLOCK_THREADS]) for number in (thread, two)}
            apart = "in different blocks, which nothing orders" if len(blocks) > 1 else "with no barrier between"
            error, text = RaceError, f"{text}, which {thread_of(two - 1)} {verb} at {where(there)}, {apart}"
        elif what == FRESH_READ:
            error = UninitializedError
            text += ", which it has not written" if place < -1 else ", which no thread has written"
        elif what == READ_ONLY:
            text += ", but that array is read-only"
        elif what == AXIS:
            _, axis, axes = self._axes[offset]
            of = array.name if array else "an array"
            if axes == 1:
                text = f"{who} element {one} of {of}, which has {two} elements"
            else:
                text = f"{who} {of}: index {one} is out of bounds for axis {axis} with size {two}"
        elif what == BOUNDS and array:
            text += f", which has {(array.stop - array.start) // array.itemsize} elements"
        elif what == ALIGNMENT:
            error = AlignmentError
            text = f"{who} {here.bytes} bytes at {element}: no multiple of {here.bytes} bytes"
        more = f" ({found - 1} more faults)" if found > 1 else ""
        raise error(f"{name}: {where(here)}: {text}{more}")

    def warn_of_wrapped_indices(self, name: str, thread_of: Any) -> None:
        """Warn of every index that is negative in some threads only."""
        for row, (point, axis, _) in zip(self.axes, self._axes):
            if not (row[FORWARD] and row[WRAPPED]):
                continue
            array, index, size = self._array(int(row[WRAP_REGION])), int(row[WRAP_INDEX]), int(row[WRAP_SIZE])
            warnings.warn(
                f"{name}: {where(self.points[point])}: in {thread_of(int(row[WRAP_THREAD]) - 1)} an index of "
                f"{array.name if array else 'an array'} is {index} (axis {axis}), and Python's rule makes it "
                f"{size + index}, at the other end; a kernel in CUDA C would read outside the array "
                f"({int(row[WRAPPED])} times in all)",
                IndexWarning,
                stacklevel=4,
            )

    def _array(self, place: int) -> Region | None:
        return self.regions[place] if place >= 0 else self._locals[-2 - place] if place < -1 else None
