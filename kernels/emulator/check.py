"""Races, accesses out of bounds and misaligned ones, found as they happen.

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

Source: Serebryany and Iskhodzhanov, "ThreadSanitizer: data race detection in practice" (2009), for shadow memory.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .access import ATOMIC, LOAD, STORE, Point, Region, where
from .errors import AlignmentError, BoundsError, KernelError, RaceError

__all__ = ["Checker", "watcher"]

# Words of `state`, which the launcher shares with the compiled code.
REGIONS, BLOCK, BLOCK_THREADS, FAULTS, SCRATCH, WARP_EPOCHS = 0, 1, 2, 3, 4, 8
KEPT = 16  # faults remembered; the first is told
NONE, RACE, BOUNDS, ALIGNMENT, READ_ONLY = range(5)
RECORD, GRANULE = 4, 16  # words of a record of the shadow, and of a granule's four
MOST_LOCALS = 16  # local arrays of one thread that are known


@functools.cache
def watcher() -> Any:
    """The compiled function that the instrumented kernel calls at every access."""
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

    i64, i32, words = types.int64, types.int32, types.CPointer(types.int64)
    halves = types.CPointer(types.int32)

    @cfunc(i64(words, words, halves, words, halves, words, i32, i32, i32, i64, i64))
    def watch(state_, regions_, shadow_, log_, points_, locals_, in_block, epoch, point, base, address):
        """The address to use: `address` where that is allowed, else the scratch area's."""
        state, regions, log = carray(state_, (1 << 40,)), carray(regions_, (1 << 40,)), carray(log_, (1 << 40,))
        shadow, points, locals_ = carray(shadow_, (1 << 40,)), carray(points_, (1 << 40,)), carray(locals_, (1 << 40,))
        thread = state[BLOCK] * state[BLOCK_THREADS] + in_block + 1
        size = i64(points[2 * point + 1])
        fault, other, where_ = NONE, i64(-1), i64(-1)
        found = False
        for r in range(state[REGIONS]):
            low, high = regions[6 * r], regions[6 * r + 1]
            if low <= base < high or low == base:
                found, where_ = True, r
                if address < low or address + size > high:
                    fault = BOUNDS
                elif address % size != 0:
                    fault = ALIGNMENT
                elif regions[6 * r + 5] and points[2 * point] != LOAD:
                    fault = READ_ONLY
                else:
                    first, item, shared = regions[6 * r + 2], regions[6 * r + 3], regions[6 * r + 4]
                    for g in range((address - low) // item, (address + size - 1 - low) // item + 1):
                        other = touch(state, shadow, (first + g) * GRANULE, points, thread, epoch, point, shared)
                        if other >= 0:
                            fault = RACE
                            break
                break
        if not found:
            for k in range(MOST_LOCALS):
                at = (in_block * MOST_LOCALS + k) * 2
                low, high = locals_[at], locals_[at + 1]
                if low <= base < high and (address < low or address + size > high):
                    fault = BOUNDS
                    address = (address - low) // size
        if fault == NONE:
            return address
        n = state[FAULTS]
        state[FAULTS] = n + 1
        if n < KEPT:
            log[7 * n], log[7 * n + 1], log[7 * n + 2] = fault, point, thread
            log[7 * n + 3], log[7 * n + 4] = (shadow[other + 1], shadow[other]) if other >= 0 else (0, 0)
            log[7 * n + 5], log[7 * n + 6] = where_, address
        return address if fault == RACE else state[SCRATCH]

    return watch


class Checker:
    """The memory behind `watcher` for one launch, and the errors that come out of it."""

    points: Sequence[Point]
    regions: Sequence[Region]

    def __init__(self, points: Sequence[Point], regions: Sequence[Region], scratch: int, threads: int):
        self.points, self.regions = points, regions
        self.state: NDArray[np.int64] = np.zeros(WARP_EPOCHS + 32, np.int64)
        self.state[[REGIONS, BLOCK_THREADS, SCRATCH]] = len(regions), threads, scratch
        self.table: NDArray[np.int64] = np.zeros((max(1, len(regions)), 6), np.int64)
        granules = 0
        for row, region in zip(self.table, regions):
            row[:] = region.start, region.stop, granules, region.itemsize, region.shared, region.frozen
            granules += -(-(region.stop - region.start) // region.itemsize)
        self.shadow: NDArray[np.int32] = np.zeros((max(1, granules), GRANULE), np.int32)
        self.log: NDArray[np.int64] = np.zeros((KEPT, 7), np.int64)
        self.kinds: NDArray[np.int32] = np.array([(point.kind, point.bytes) for point in points] or [(0, 1)], np.int32)
        self.locals: NDArray[np.int64] = np.zeros((threads, MOST_LOCALS, 2), np.int64)

    def start_block(self, index: int) -> None:
        """Begin block number `index`."""
        self.state[BLOCK] = index
        self.locals[:] = 0

    def pass_warp_barrier(self, warp: int) -> None:
        """The threads of `warp` have waited for each other."""
        self.state[WARP_EPOCHS + warp] += 1

    def raise_fault(self, name: str, thread_of: Any) -> None:
        """Raise the first fault found, if any; `thread_of` writes a thread's number in the grid as a reader would."""
        found = int(self.state[FAULTS])
        if not found:
            return
        what, point, thread, other_point, other, region, address = (int(v) for v in self.log[0])
        who, here = thread_of(thread - 1), self.points[point]
        array = self.regions[region] if region >= 0 else None
        element = array.element(address) if array else f"element {address} of a local array"
        verb = {LOAD: "reads", STORE: "writes", ATOMIC: "atomically updates"}[here.kind]
        more = f" ({found - 1} more faults)" if found > 1 else ""
        error: type[KernelError]
        if what == RACE:
            there = self.points[other_point]
            verb2 = {LOAD: "read", STORE: "wrote", ATOMIC: "atomically updated"}[there.kind]
            blocks = {(number - 1) // int(self.state[BLOCK_THREADS]) for number in (thread, other)}
            apart = "in different blocks, which nothing orders" if len(blocks) > 1 else "with no barrier between"
            error, text = (
                RaceError,
                (f"{who} {verb} {element}, which {thread_of(other - 1)} {verb2} at {where(there)}, {apart}"),
            )
        elif what == READ_ONLY:
            error, text = BoundsError, f"{who} {verb} {element}, but that array is read-only"
        elif what == BOUNDS:
            size = f", which has {(array.stop - array.start) // array.itemsize} elements" if array else ""
            error, text = BoundsError, f"{who} {verb} {element}{size}"
        else:
            error, text = (
                AlignmentError,
                f"{who} {verb} {here.bytes} bytes at {element}: no multiple of {here.bytes} bytes",
            )
        raise error(f"{name}: {where(here)}: {text}{more}")
